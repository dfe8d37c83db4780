//! What is to be learnt, as plain data: stored with the weights, so that a model file needs nothing else.

use serde::{Deserialize, Serialize};

/// How a network's output becomes the next value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Update {
    /// The output is the value.
    Absolute,
    /// The output is the difference to the last step.
    Delta,
    /// The output is the second difference (an acceleration times dt squared).
    SecondOrder,
}

/// A field to predict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Field name in the states.
    pub field: String,
    /// Component names.
    pub components: Vec<String>,
    /// Unit.
    pub unit: String,
    /// How the output is applied.
    pub update: Update,
    /// Weight of this field's mean squared (normalised) error in the loss.
    pub weight: f64,
}

/// Coordinates of the nodes, over the body's diameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordinates {
    /// As in the mesh.
    Mesh,
    /// In the frame of the body's principal axes: they stay the same when the body is moved or turned.
    Canonical,
    /// None.
    None,
}

impl Coordinates {
    /// All, with their words in a case.
    pub const ALL: [(Coordinates, &str); 3] =
        [(Coordinates::Mesh, "mesh"), (Coordinates::Canonical, "canonical"), (Coordinates::None, "none")];
}

/// What a surrogate of this physics reads and predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningTask {
    /// Name in the list of physics.
    pub physics: String,
    /// Space dimension.
    pub dim: usize,
    /// Fields to predict.
    pub targets: Vec<Target>,
    /// State fields fed back as inputs (none for a steady problem).
    pub state_inputs: Vec<String>,
    /// Names of the [`crate::Input`]s that are read, with their component counts.
    pub inputs: Vec<(String, usize)>,
    /// Whether each node reads the mean of every input over the body too, not its own value alone.
    pub input_means: bool,
    /// Load channels whose unit responses are learnt and superposed; empty for none.
    pub linear_in: Vec<String>,
    /// Those of `inputs` whose values the loads carry: not read where `linear_in` is superposed.
    pub load_inputs: Vec<String>,
    /// Tags whose distance and direction are node features.
    pub distance_tags: Vec<String>,
    /// Length scale of the exponential distance feature, in the mesh's unit.
    pub distance_scale: f64,
    /// Which coordinates are node features.
    pub coordinates: Coordinates,
    /// Farthest-point nodes that long-range edges lead through; 0 for the edges of the mesh alone.
    pub long_range: usize,
    /// Standard deviation of the noise on `state_inputs` while training, in units of the spread of step differences.
    pub noise: f64,
    /// Steps that a training sample of a transient problem may have been brought to by the network itself.
    pub unroll: usize,
    /// Unit system the fields are in.
    pub units: String,
}
