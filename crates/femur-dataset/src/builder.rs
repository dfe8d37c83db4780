//! Making a dataset: finished runs are noted in a journal, so that a kill loses and redoes none of them.

use crate::manifest::{Entry, Failed, FieldInfo, Manifest, TrajectoryId, write_atomically};
use crate::stats::Stats;
use crate::{DatasetError, TrajectoryMeta, WriteOptions, data_sha256, write_trajectory};
use femur_sim::Trajectory;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What a dataset is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetSpec {
    /// Name.
    pub name: String,
    /// Physics.
    pub physics: String,
    /// Unit system.
    pub unit_system: String,
    /// The case, kept as `case.toml`.
    pub case_text: String,
    /// Text of all that must not change on resume (not the counts).
    pub fingerprint: String,
    /// Seed.
    pub seed: u64,
    /// Version of Femur.
    pub femur_version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Case { sha256: String },
    Done { entry: Box<Entry>, fields: Vec<FieldInfo> },
    Failed(Failed),
}

#[derive(Default)]
struct Progress {
    done: BTreeMap<TrajectoryId, Entry>,
    failed: BTreeMap<TrajectoryId, Failed>,
    fields: Vec<FieldInfo>,
}

/// A dataset in the making. Every method may be called from any thread.
pub struct DatasetBuilder {
    dir: PathBuf,
    spec: DatasetSpec,
    progress: Mutex<Progress>,
    journal: Mutex<std::fs::File>,
}

impl DatasetBuilder {
    /// Starts a dataset in a new or empty directory.
    pub fn create(dir: &Path, spec: DatasetSpec) -> Result<Self, DatasetError> {
        let occupied = std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some());
        if occupied {
            let what = "is not empty".to_string();
            return Err(DatasetError::Refused { path: dir.into(), what, hint: "go on with --resume, or name another directory".into() });
        }
        Self::open(dir, spec)
    }

    /// Goes on with a dataset of the same case; the counts may have grown. An empty directory is started.
    pub fn resume(dir: &Path, spec: DatasetSpec) -> Result<Self, DatasetError> {
        Self::open(dir, spec)
    }

    fn open(dir: &Path, spec: DatasetSpec) -> Result<Self, DatasetError> {
        std::fs::create_dir_all(dir).map_err(DatasetError::io(dir, "make"))?;
        let path = dir.join("journal.jsonl");
        let sha256 = crate::trajectory_hex(&Sha256::digest(spec.fingerprint.as_bytes()));
        let mut progress = Progress::default();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(DatasetError::io(&path, "read")(e)),
        };
        // A line that was being written when the power went is not a line.
        for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            match serde_json::from_str::<Line>(line) {
                Ok(Line::Case { sha256: old }) if old != sha256 => {
                    let what = "belongs to another case or seed".to_string();
                    let hint = "use the same case (only [samples] train, valid, test may grow), or name another directory".into();
                    return Err(DatasetError::Refused { path: dir.into(), what, hint });
                }
                Ok(Line::Done { entry, fields }) => {
                    let intact = std::fs::metadata(dir.join(&entry.file)).is_ok_and(|m| m.len() == entry.bytes);
                    if intact {
                        progress.failed.remove(&entry.id);
                        progress.fields = fields;
                        progress.done.insert(entry.id.clone(), *entry);
                    }
                }
                Ok(Line::Failed(f)) => {
                    progress.failed.insert(f.id.clone(), f);
                }
                _ => {}
            }
        }
        let mut journal = std::fs::File::options().create(true).append(true).open(&path).map_err(DatasetError::io(&path, "open"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            journal.write_all(b"\n").map_err(DatasetError::io(&path, "write"))?;
        }
        let builder = DatasetBuilder { dir: dir.into(), spec, progress: Mutex::new(progress), journal: Mutex::new(journal) };
        if text.is_empty() {
            builder.note(&Line::Case { sha256 })?;
        }
        write_atomically(&dir.join("case.toml"), &builder.spec.case_text)?;
        for split in ["train", "valid", "test"] {
            let dir = dir.join(split);
            std::fs::create_dir_all(&dir).map_err(DatasetError::io(&dir, "make"))?;
        }
        Ok(builder)
    }

    fn note(&self, line: &Line) -> Result<(), DatasetError> {
        let path = self.dir.join("journal.jsonl");
        let mut text = serde_json::to_string(line).map_err(|e| DatasetError::content(&path, e.to_string()))?;
        text.push('\n');
        let mut journal = self.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        journal.write_all(text.as_bytes()).and_then(|()| journal.sync_data()).map_err(DatasetError::io(&path, "write"))
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether a run is finished. Failed ones are tried again.
    pub fn is_done(&self, id: &TrajectoryId) -> bool {
        self.progress().done.contains_key(id)
    }

    /// Writes a finished run.
    pub fn add(&self, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
        let entry = write_entry(&self.dir, t, meta, options)?;
        let fields = field_infos(t);
        self.note(&Line::Done { entry: Box::new(entry.clone()), fields: fields.clone() })?;
        let mut progress = self.progress();
        progress.failed.remove(&entry.id);
        progress.fields = fields;
        progress.done.insert(entry.id.clone(), entry);
        Ok(())
    }

    /// Notes a run that failed.
    pub fn fail(&self, id: &TrajectoryId, reason: &str) -> Result<(), DatasetError> {
        let failed = Failed { id: id.clone(), reason: reason.into() };
        self.progress().failed.insert(id.clone(), failed.clone());
        self.note(&Line::Failed(failed))
    }

    /// Writes statistics and manifest.
    pub fn finish(self) -> Result<Manifest, DatasetError> {
        let progress = self.progress();
        let manifest = manifest_of(&self.spec, &progress.done, progress.failed.values().cloned().collect(), progress.fields.clone());
        let train = manifest.splits.get("train").map_or(&[][..], Vec::as_slice);
        let stats = Stats::of(&self.dir, train)?;
        write_json(&self.dir.join("stats.json"), &stats)?;
        write_json(&self.dir.join("manifest.json"), &manifest)?;
        Ok(manifest)
    }
}

pub(crate) fn manifest_of(
    spec: &DatasetSpec,
    done: &BTreeMap<TrajectoryId, Entry>,
    failed: Vec<Failed>,
    fields: Vec<FieldInfo>,
) -> Manifest {
    let mut splits: BTreeMap<String, Vec<Entry>> = ["train", "valid", "test"].map(|s| (s.to_string(), Vec::new())).into();
    for (id, entry) in done {
        splits.entry(id.split.clone()).or_default().push(entry.clone());
    }
    Manifest {
        schema: "femur-dataset".into(),
        version: [1, 0],
        name: spec.name.clone(),
        physics: spec.physics.clone(),
        unit_system: spec.unit_system.clone(),
        fields,
        seed: spec.seed,
        femur_version: spec.femur_version.clone(),
        case_sha256: crate::trajectory_hex(&Sha256::digest(spec.fingerprint.as_bytes())),
        splits,
        failed,
    }
}

pub(crate) fn field_infos(t: &Trajectory) -> Vec<FieldInfo> {
    let fields = t.states.first().map_or(&[][..], |s| &s.fields);
    fields.iter().map(|f| FieldInfo { name: f.name.clone(), components: f.components.clone(), units: f.unit.clone() }).collect()
}

/// Writes a trajectory at its place below `dir`.
pub(crate) fn write_entry(dir: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Entry, DatasetError> {
    let file = meta.id.file();
    let path = dir.join(&file);
    write_trajectory(&path, t, meta, options)?;
    let bytes = std::fs::read(&path).map_err(DatasetError::io(&path, "read back"))?;
    Ok(Entry {
        id: meta.id.clone(),
        file,
        sha256: crate::trajectory_hex(&Sha256::digest(&bytes)),
        data_sha256: data_sha256(t, options),
        bytes: bytes.len() as u64,
        steps: t.states.len(),
        nodes: t.setup.mesh.num_nodes(),
        cells: t.setup.mesh.num_cells(),
        params: t.setup.params.iter().map(|p| (p.path.clone(), p.value)).collect(),
        status: "complete".into(),
        truth: None,
    })
}

pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), DatasetError> {
    let text = serde_json::to_string_pretty(value).map_err(|e| DatasetError::content(path, e.to_string()))?;
    write_atomically(path, &format!("{text}\n"))
}
