//! `manifest.json`.

use crate::DatasetError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// A trajectory's place in a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrajectoryId {
    /// train, valid or test; empty for a single run.
    pub split: String,
    /// Number within the split.
    pub index: usize,
    /// Number of the base case (geometry).
    pub base: usize,
    /// Number of the variant of that base case.
    pub variant: usize,
}

impl TrajectoryId {
    /// A run outside a dataset.
    pub fn single() -> Self {
        TrajectoryId::default()
    }

    /// File within the dataset.
    pub fn file(&self) -> String {
        format!("{}/traj_{:06}.vtkhdf", self.split, self.index)
    }
}

/// The truth that a prediction belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Path relative to the directory of predictions' dataset of truths.
    pub file: String,
    /// Hash of the file.
    pub sha256: String,
}

/// One trajectory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Place.
    pub id: TrajectoryId,
    /// Path within the dataset.
    pub file: String,
    /// Hash of the file.
    pub sha256: String,
    /// Hash of mesh, inputs, fields and parameters: equal for equal seeds.
    pub data_sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Number of states.
    pub steps: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of cells.
    pub cells: usize,
    /// Sampled parameters.
    pub params: BTreeMap<String, f64>,
    /// `complete`.
    pub status: String,
    /// In a directory of predictions: the truth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// A case that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Place.
    pub id: TrajectoryId,
    /// Why.
    pub reason: String,
}

/// A field of the states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo {
    /// Name.
    pub name: String,
    /// Components.
    pub components: Vec<String>,
    /// Unit.
    pub units: String,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `femur-dataset`.
    pub schema: String,
    /// Version of the schema.
    pub version: [u32; 2],
    /// Name of the dataset.
    pub name: String,
    /// Physics.
    pub physics: String,
    /// Unit system.
    pub unit_system: String,
    /// Fields of the states.
    pub fields: Vec<FieldInfo>,
    /// Seed.
    pub seed: u64,
    /// Version of Femur.
    pub femur_version: String,
    /// Hash of what must not change on resume.
    pub case_sha256: String,
    /// Trajectories by split, sorted by index.
    pub splits: BTreeMap<String, Vec<Entry>>,
    /// Cases that failed.
    pub failed: Vec<Failed>,
}

impl Manifest {
    /// Hash over the data of all trajectories of a split: what a model was trained on.
    pub fn data_hash(&self, split: &str) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        self.splits.get(split).into_iter().flatten().for_each(|e| hash.update(e.data_sha256.as_bytes()));
        crate::trajectory_hex(&hash.finalize())
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_atomically(path: &Path, text: &str) -> Result<(), DatasetError> {
    write_by(path, text, "part")
}

/// Writes a file whole or not at all, by way of one of another extension.
pub(crate) fn write_by(path: &Path, text: &str, extension: &str) -> Result<(), DatasetError> {
    let part = path.with_extension(extension);
    let mut file = std::fs::File::create(&part).map_err(DatasetError::io(&part, "create"))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(DatasetError::io(&part, "write"))?;
    std::fs::rename(&part, path).map_err(DatasetError::io(path, "rename into"))
}
