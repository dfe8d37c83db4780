//! Reading a dataset.

use crate::DatasetError;
use crate::manifest::{Entry, Manifest};
use crate::trajectory::{Frames, read_setup, read_steps, read_trajectory};
use femur_sim::{Setup, Trajectory};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// An open dataset, or directory of predictions.
#[derive(Debug, Clone)]
pub struct Dataset {
    dir: PathBuf,
    manifest: Manifest,
    case_text: String,
    /// Each file as it was when it was first read.
    seen: Arc<Mutex<BTreeMap<PathBuf, Stamp>>>,
}

/// Length and time of the last change of a file; nothing where there is none.
type Stamp = Option<(u64, SystemTime)>;

fn stamp(path: &Path) -> Stamp {
    let m = std::fs::metadata(path).ok()?;
    Some((m.len(), m.modified().ok()?))
}

impl Dataset {
    /// Reads the manifest.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let path = dir.join("manifest.json");
        if !path.exists() {
            return Err(DatasetError::Refused {
                path: dir.into(),
                what: "is not a finished dataset: there is no manifest.json".into(),
                hint: "finish it with femur generate --resume".into(),
            });
        }
        let text = std::fs::read_to_string(&path).map_err(DatasetError::io(&path, "read"))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| DatasetError::content(&path, e.to_string()))?;
        if manifest.schema != "femur-dataset" || manifest.version[0] != 1 {
            return Err(DatasetError::content(
                &path,
                format!("schema {} {:?}: expected femur-dataset 1.x", manifest.schema, manifest.version),
            ));
        }
        // A name from a file is not trusted to stay within the directory.
        if let Some(e) = manifest
            .splits
            .values()
            .flatten()
            .find(|e| Path::new(&e.file).components().any(|c| !matches!(c, std::path::Component::Normal(_))))
        {
            return Err(DatasetError::content(&path, format!("{}: must lie within the dataset", e.file)));
        }
        let case = dir.join("case.toml");
        let case_text = std::fs::read_to_string(&case).unwrap_or_default();
        Ok(Dataset { dir: dir.into(), manifest, case_text, seen: Arc::default() })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Trajectories of a split; empty for an unknown one.
    pub fn entries(&self, split: &str) -> &[Entry] {
        self.manifest.splits.get(split).map_or(&[], Vec::as_slice)
    }

    /// Reads a trajectory.
    pub fn read(&self, entry: &Entry) -> Result<Trajectory, DatasetError> {
        self.unchanged(entry, |path| Ok(read_trajectory(path)?.0))
    }

    /// Reads what is known of a trajectory before it is solved.
    pub fn read_setup(&self, entry: &Entry) -> Result<Setup, DatasetError> {
        self.unchanged(entry, read_setup)
    }

    /// Reads the states and unit responses of a trajectory at these output times alone.
    pub fn read_steps(&self, entry: &Entry, steps: &[usize]) -> Result<Frames, DatasetError> {
        self.unchanged(entry, |path| read_steps(path, steps))
    }

    /// Reads from a file that must be the one that was read before: parts of two files are no trajectory.
    fn unchanged<T>(&self, entry: &Entry, read: impl FnOnce(&Path) -> Result<T, DatasetError>) -> Result<T, DatasetError> {
        let path = self.dir.join(&entry.file);
        let first = *self.seen.lock().unwrap_or_else(PoisonError::into_inner).entry(path.clone()).or_insert_with(|| stamp(&path));
        let result = read(&path);
        let now = stamp(&path);
        if now == first {
            return result;
        }
        let what = match (first, now) {
            (_, None) => "was removed while it was in use".into(),
            (Some((before, _)), Some((after, _))) if before != after => {
                format!("was changed while it was in use: from {before} to {after} bytes")
            }
            _ => "was changed while it was in use".into(),
        };
        let hint = "put the file back, or make it again (femur generate --resume); then go on with --resume".into();
        Err(DatasetError::Refused { path, what, hint })
    }

    /// Reads the truth of a prediction, which must be the file that was predicted from.
    pub fn read_truth_of(&self, prediction: &Entry) -> Result<Trajectory, DatasetError> {
        let refuse = |what: String| DatasetError::Refused { path: self.dir.clone(), what, hint: "roll out again on this dataset".into() };
        let truth = prediction.truth.as_ref().ok_or_else(|| refuse(format!("{} names no truth", prediction.file)))?;
        let entry = self.entries(&prediction.id.split).iter().find(|e| e.file == truth.file);
        let entry = entry.ok_or_else(|| refuse(format!("holds no {}", truth.file)))?;
        if entry.sha256 != truth.sha256 {
            return Err(refuse(format!("{} is not the file that was predicted from", truth.file)));
        }
        self.read(entry)
    }

    /// The case that the dataset was made from.
    pub fn case_text(&self) -> &str {
        &self.case_text
    }
}
