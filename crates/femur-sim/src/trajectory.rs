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

/// What the solver did, per output time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SolverLog {
    /// Newton iterations (1 for a linear solve).
    pub newton_iters: Vec<i32>,
    /// Last relative residual.
    pub residual: Vec<f64>,
    /// Solver, element, tolerances ... as text, for the provenance.
    pub notes: BTreeMap<String, String>,
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
