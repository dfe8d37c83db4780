//! Everything known of a run before it is solved: what a simulator starts from and a surrogate reads.

use crate::State;
use femur_mesh::{Field, Mesh};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Kind of a node: the published MeshGraphNets enumeration, and two of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(i32)]
#[allow(missing_docs)] // the published names
pub enum NodeType {
    Normal = 0,
    Obstacle = 1,
    Airfoil = 2,
    Handle = 3,
    Inflow = 4,
    Outflow = 5,
    WallBoundary = 6,
    /// On a boundary with a load (traction, pressure, flux).
    Loaded = 7,
    /// On a symmetry plane or roller.
    Symmetry = 8,
}

impl NodeType {
    /// Every kind, in order of its number: the width of the one-hot.
    pub const ALL: [NodeType; 9] = [
        NodeType::Normal,
        NodeType::Obstacle,
        NodeType::Airfoil,
        NodeType::Handle,
        NodeType::Inflow,
        NodeType::Outflow,
        NodeType::WallBoundary,
        NodeType::Loaded,
        NodeType::Symmetry,
    ];

    /// Name as in dataset files.
    pub fn name(self) -> &'static str {
        ["NORMAL", "OBSTACLE", "AIRFOIL", "HANDLE", "INFLOW", "OUTFLOW", "WALL_BOUNDARY", "LOADED", "SYMMETRY"][self as usize]
    }
}

/// Values over the nodes that are known in advance: boundary values, loads, material coefficients.
/// `values` is `[steps, num_nodes, num_components]`; `steps` is 1 for what does not change in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// Name, e.g. `youngs_modulus`.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// Component names; one empty string for a scalar.
    pub components: Vec<String>,
    /// 1, or the number of output times.
    pub steps: usize,
    /// Values `[steps, num_nodes, num_components]`.
    pub values: Vec<f64>,
}

impl Input {
    /// The values at output time `step`, `[num_nodes, num_components]`.
    pub fn at_step(&self, step: usize) -> &[f64] {
        let n = self.values.len() / self.steps;
        let s = if self.steps == 1 { 0 } else { step };
        &self.values[s * n..(s + 1) * n]
    }
}

/// Where a state field is given by the script (Dirichlet conditions), and its values there.
#[derive(Debug, Clone, PartialEq)]
pub struct Prescribed {
    /// The state field, e.g. `displacement`.
    pub field: String,
    /// Whether a component of a node is prescribed, `[num_nodes, num_components]`.
    pub mask: Vec<bool>,
    /// 1, or the number of output times.
    pub steps: usize,
    /// Values `[steps, num_nodes, num_components]`; 0 where not prescribed.
    pub values: Vec<f64>,
}

impl Prescribed {
    /// The values at output time `step`, `[num_nodes, num_components]`.
    pub fn at_step(&self, step: usize) -> &[f64] {
        let n = self.values.len() / self.steps;
        let s = if self.steps == 1 { 0 } else { step };
        &self.values[s * n..(s + 1) * n]
    }

    /// Overwrites the prescribed entries of `values` (`[num_nodes, num_components]`) with the script's.
    pub fn apply(&self, step: usize, values: &mut [f64]) {
        for ((v, &m), &p) in values.iter_mut().zip(&self.mask).zip(self.at_step(step)) {
            if m {
                *v = p;
            }
        }
    }
}

/// One channel of a linear problem's load: the answer is the sum of `value` times the response to this channel at 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Name, e.g. `right.traction.x`. The same in every case of a dataset.
    pub name: String,
    /// Unit of `value`.
    pub unit: String,
    /// How much of it this case has.
    pub value: f64,
}

/// A sampled parameter, by its path in the case file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Param {
    /// Path, e.g. `mesh.hole.x`.
    pub path: String,
    /// Value drawn; a choice among words is its index in the list.
    pub value: f64,
}

/// A disc (ball) around a singular point, left out of the masked metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disc {
    /// Centre `[dim]`.
    pub center: Vec<f64>,
    /// Radius.
    pub radius: f64,
}

/// All that is known of a run before it is solved.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Name in the list of physics.
    pub physics: String,
    /// The mesh on which states are given (for quadratic elements, their vertices if the case asks for it).
    pub mesh: Arc<Mesh>,
    /// Unit system: `SI` or `mm-N-s-MPa`.
    pub units: String,
    /// Kind of each node `[num_nodes]`.
    pub node_type: Vec<NodeType>,
    /// Material number of each cell `[num_cells]`.
    pub material_id: Vec<i32>,
    /// Known values over the nodes.
    pub inputs: Vec<Input>,
    /// Dirichlet conditions by state field.
    pub prescribed: Vec<Prescribed>,
    /// Channels of the load, for linear physics; else empty.
    pub loads: Vec<Load>,
    /// Sampled parameters.
    pub params: Vec<Param>,
    /// Output times; a steady problem has one.
    pub times: Vec<f64>,
    /// The state at the first output time for a transient problem; `None` for a steady one.
    pub initial: Option<State>,
    /// For a transient problem that is linear in `loads`: the response to each at the first output time. Where the script holds a
    /// field they hold its values for good. What the loads do not make, `initial` less the superposed responses, stays as it is.
    pub initial_responses: Vec<Vec<Field>>,
    /// Discs left out of the masked metrics.
    pub singular: Vec<Disc>,
}

impl Setup {
    /// Whether the problem has no time: one state and no initial one.
    pub fn is_steady(&self) -> bool {
        self.initial.is_none()
    }

    /// Fields superposed from those of each load (in the order of `loads`), with what the loads do not make added to a transient
    /// problem's. `None` where `channels` are not one for each load.
    pub fn superpose(&self, channels: &[Vec<Field>]) -> Option<Vec<Field>> {
        let (first, rest) = channels.split_first()?;
        if channels.len() != self.loads.len() {
            return None;
        }
        let mut sum: Vec<Field> =
            first.iter().map(|f| Field { values: f.values.iter().map(|v| self.loads[0].value * v).collect(), ..f.clone() }).collect();
        let add = |sum: &mut Field, field: &Field, by: f64| sum.values.iter_mut().zip(&field.values).for_each(|(s, v)| *s += by * v);
        for (channel, load) in rest.iter().zip(&self.loads[1..]) {
            for (sum, field) in sum.iter_mut().zip(channel) {
                add(sum, field, load.value);
            }
        }
        for sum in &mut sum {
            if let Some(initial) = self.initial.as_ref().and_then(|i| i.field(&sum.name)) {
                add(sum, initial, 1.0);
                for (channel, load) in self.initial_responses.iter().zip(&self.loads) {
                    if let Some(field) = channel.iter().find(|f| f.name == sum.name) {
                        add(sum, field, -load.value);
                    }
                }
            }
        }
        Some(sum)
    }

    /// The input of that name.
    pub fn input(&self, name: &str) -> Option<&Input> {
        self.inputs.iter().find(|i| i.name == name)
    }

    /// The Dirichlet conditions on that state field.
    pub fn prescribed(&self, field: &str) -> Option<&Prescribed> {
        self.prescribed.iter().find(|p| p.field == field)
    }

    /// For each node, whether it lies outside every disc around a singular point.
    pub fn regular_nodes(&self) -> Vec<bool> {
        (0..self.mesh.num_nodes())
            .map(|i| {
                let p = self.mesh.point(i);
                self.singular.iter().all(|d| d.center.iter().zip(p).map(|(c, x)| (c - x).powi(2)).sum::<f64>() > d.radius * d.radius)
            })
            .collect()
    }
}
