//! A directory of predictions: a dataset of one split whose entries name their truth.

use crate::builder::{DatasetSpec, entry_of, field_infos, manifest_of, write_json};
use crate::manifest::{Entry, Truth};
use crate::{Dataset, DatasetError, TrajectoryMeta, WriteOptions};
use femur_sim::Trajectory;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes predictions one after the other, then the manifest.
pub struct PredictionWriter {
    dir: PathBuf,
    spec: DatasetSpec,
    done: BTreeMap<crate::TrajectoryId, Entry>,
    fields: Vec<crate::FieldInfo>,
}

impl PredictionWriter {
    /// Starts in a new or empty directory.
    pub fn create(dir: &Path, data: &Dataset, split: &str) -> Result<Self, DatasetError> {
        if std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some()) {
            let hint = "name another directory, or remove this one".into();
            return Err(DatasetError::Refused { path: dir.into(), what: "is not empty".into(), hint });
        }
        let target = dir.join(split);
        std::fs::create_dir_all(&target).map_err(DatasetError::io(&target, "make"))?;
        let m = data.manifest();
        let spec = DatasetSpec {
            name: format!("predictions of {}", m.name),
            physics: m.physics.clone(),
            unit_system: m.unit_system.clone(),
            case_text: data.case_text().into(),
            fingerprint: m.case_sha256.clone(),
            seed: m.seed,
            femur_version: m.femur_version.clone(),
        };
        Ok(PredictionWriter { dir: dir.into(), spec, done: BTreeMap::new(), fields: Vec::new() })
    }

    /// Writes the prediction of a truth.
    pub fn add(&mut self, truth: &Entry, prediction: &Trajectory, wall_s: f64, options: &WriteOptions) -> Result<(), DatasetError> {
        let meta =
            TrajectoryMeta { id: truth.id.clone(), femur_version: self.spec.femur_version.clone(), wall_s, ..TrajectoryMeta::default() };
        crate::write_trajectory(&self.dir.join(meta.id.file()), prediction, &meta, options)?;
        let mut entry = entry_of(&self.dir, prediction, &meta, options)?;
        entry.truth = Some(Truth { file: truth.file.clone(), sha256: truth.sha256.clone() });
        self.fields = field_infos(prediction);
        self.done.insert(entry.id.clone(), entry);
        Ok(())
    }

    /// Writes the manifest.
    pub fn finish(self) -> Result<(), DatasetError> {
        crate::manifest::write_atomically(&self.dir.join("case.toml"), &self.spec.case_text)?;
        write_json(&self.dir.join("manifest.json"), &manifest_of(&self.spec, &self.done, Vec::new(), self.fields))
    }
}
