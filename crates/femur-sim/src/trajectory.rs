//! States in time.

use crate::Setup;
use femur_mesh::Field;
use std::collections::BTreeMap;

/// The fields at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Time in the case's unit.
    pub time: f64,
    /// Node and cell fields.
    pub fields: Vec<Field>,
}

impl State {
    /// The field of that name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }
}

/// The answer of a linear problem to one load channel at 1, the other channels at 0.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitResponse {
    /// Name of the [`crate::Load`].
    pub load: String,
    /// Fields as in a state, per unit of the load, at each output time (a steady problem has one).
    pub steps: Vec<Vec<Field>>,
}

/// A number of the whole body over time: a drag coefficient, an energy, a natural frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name, e.g. `drag_coefficient`.
    pub name: String,
    /// Unit of `values`.
    pub unit: String,
    /// Times, as fine as the solver stepped (for modes: their numbers).
    pub times: Vec<f64>,
    /// One value per time.
    pub values: Vec<f64>,
}

/// What the solver did, per output time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SolverLog {
    /// Newton iterations (1 for a linear solve).
    pub newton_iters: Vec<i32>,
    /// Last relative residual.
    pub residual: Vec<f64>,
    /// Numbers of the whole body over time.
    pub series: Vec<Series>,
    /// Estimate from below of the condition number of the factored matrix, scaled to a unit diagonal; `None` where none was factored.
    pub condition: Option<f64>,
    /// Solver, element, tolerances ... as text, for the provenance.
    pub notes: BTreeMap<String, String>,
}

impl SolverLog {
    /// Decimal digits of the answer that rounding in double precision leaves for sure, by the condition number; `None` without one.
    pub fn digits(&self) -> Option<f64> {
        self.condition.map(|c| -(c * f64::EPSILON).log10())
    }
}

/// A setup and its states: `states[k].time == setup.times[k]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// What the run started from.
    pub setup: Setup,
    /// One state per output time.
    pub states: Vec<State>,
    /// Unit responses of a linear problem, in the order of `setup.loads`; empty where not kept.
    pub unit_responses: Vec<UnitResponse>,
    /// What the solver did.
    pub log: SolverLog,
}
