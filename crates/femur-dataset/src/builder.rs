//! Making a dataset: finished runs are noted in a journal, so that a kill loses and redoes none of them.

use crate::manifest::{Entry, Failed, FieldInfo, Manifest, TrajectoryId, write_atomically, write_by};
use crate::shard::{self, Shard};
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

impl Progress {
    /// Adds what a journal says of the case with that hash.
    fn read(&mut self, dir: &Path, text: &str, case_sha256: &str) -> Result<(), DatasetError> {
        // A line that was being written when the power went is not a line.
        for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            match serde_json::from_str::<Line>(line) {
                Ok(Line::Case { sha256 }) if sha256 != case_sha256 => {
                    let what = "belongs to another case or seed".to_string();
                    let hint = "use the same case (only [samples] train, valid, test may grow), or name another directory".into();
                    return Err(DatasetError::Refused { path: dir.into(), what, hint });
                }
                Ok(Line::Done { entry, fields }) => {
                    let intact = std::fs::metadata(dir.join(&entry.file)).is_ok_and(|m| m.len() == entry.bytes);
                    if intact {
                        self.failed.remove(&entry.id);
                        self.fields = fields;
                        self.done.insert(entry.id.clone(), *entry);
                    }
                }
                // Of two shards' journals either may be read first.
                Ok(Line::Failed(f)) if !self.done.contains_key(&f.id) => {
                    self.failed.insert(f.id.clone(), f);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What all journals in a directory say together. That of the whole dataset comes last: when shards' journals go, it has their lines.
    fn of(dir: &Path, case_sha256: &str) -> Result<Self, DatasetError> {
        let mut progress = Progress::default();
        for path in shard::journals(dir)?.into_iter().chain([dir.join(JOURNAL)]) {
            progress.read(dir, &read_journal(&path)?, case_sha256)?;
        }
        Ok(progress)
    }

    /// The lines of one journal that says the same, in the order in which a single process works.
    fn lines(&self, case_sha256: &str) -> Vec<Line> {
        let place = |id: &TrajectoryId| (SPLITS.iter().position(|s| *s == id.split), id.index);
        let done = self.done.values().map(|e| (place(&e.id), Line::Done { entry: Box::new(e.clone()), fields: self.fields.clone() }));
        let mut all: Vec<_> = done.chain(self.failed.values().map(|f| (place(&f.id), Line::Failed(f.clone())))).collect();
        all.sort_by_key(|l| l.0);
        std::iter::once(Line::Case { sha256: case_sha256.into() }).chain(all.into_iter().map(|l| l.1)).collect()
    }
}

const JOURNAL: &str = "journal.jsonl";
const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// Empty where there is none.
fn read_journal(path: &Path) -> Result<String, DatasetError> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(DatasetError::io(path, "read")),
    }
}

/// A dataset in the making. Every method may be called from any thread, and each [`Shard`] from a process of its own.
pub struct DatasetBuilder {
    dir: PathBuf,
    spec: DatasetSpec,
    case_sha256: String,
    progress: Mutex<Progress>,
    /// Where this process notes its runs.
    journal_path: PathBuf,
    journal: Mutex<std::fs::File>,
    shard: Option<Shard>,
}

impl DatasetBuilder {
    /// Starts a dataset in a new or empty directory.
    pub fn create(dir: &Path, spec: DatasetSpec) -> Result<Self, DatasetError> {
        let occupied = std::fs::read_dir(dir).is_ok_and(|mut d| d.next().is_some());
        if occupied {
            let what = "is not empty".to_string();
            return Err(DatasetError::Refused { path: dir.into(), what, hint: "go on with --resume, or name another directory".into() });
        }
        Self::open(dir, spec, None)
    }

    /// Goes on with a dataset of the same case; the counts may have grown. An empty directory is started.
    pub fn resume(dir: &Path, spec: DatasetSpec) -> Result<Self, DatasetError> {
        Self::open(dir, spec, None)
    }

    /// Starts or goes on with a share of a dataset, beside the processes that make the others.
    pub fn shard(dir: &Path, spec: DatasetSpec, shard: Shard) -> Result<Self, DatasetError> {
        Self::open(dir, spec, Some(shard))
    }

    fn open(dir: &Path, spec: DatasetSpec, shard: Option<Shard>) -> Result<Self, DatasetError> {
        std::fs::create_dir_all(dir).map_err(DatasetError::io(dir, "make"))?;
        let case_sha256 = crate::trajectory_hex(&Sha256::digest(spec.fingerprint.as_bytes()));
        let progress = Progress::of(dir, &case_sha256)?;
        let path = dir.join(shard.map_or(JOURNAL.into(), Shard::journal));
        let text = read_journal(&path)?;
        let mut journal = std::fs::File::options().create(true).append(true).open(&path).map_err(DatasetError::io(&path, "open"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            journal.write_all(b"\n").map_err(DatasetError::io(&path, "write"))?;
        }
        let builder = DatasetBuilder {
            dir: dir.into(),
            spec,
            case_sha256,
            progress: Mutex::new(progress),
            journal_path: path,
            journal: Mutex::new(journal),
            shard,
        };
        if text.is_empty() {
            builder.note(&Line::Case { sha256: builder.case_sha256.clone() })?;
        }
        builder.write("case.toml", &builder.spec.case_text)?;
        for split in SPLITS {
            let dir = dir.join(split);
            std::fs::create_dir_all(&dir).map_err(DatasetError::io(&dir, "make"))?;
        }
        Ok(builder)
    }

    fn note(&self, line: &Line) -> Result<(), DatasetError> {
        let path = &self.journal_path;
        let text = text_of(line, path)?;
        let mut journal = self.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        journal.write_all(text.as_bytes()).and_then(|()| journal.sync_data()).map_err(DatasetError::io(path, "write"))
    }

    /// Writes a file of the dataset, by way of one that no other shard writes.
    fn write(&self, name: &str, text: &str) -> Result<(), DatasetError> {
        write_by(&self.dir.join(name), text, &self.shard.map_or("part".into(), Shard::part))
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

    /// Ends a shard: where all `runs` of the dataset are finished or have failed, by whichever shards, closes it. At least the last shard
    /// to end does so; two that end together write the same.
    ///
    /// Gives the manifest of a closed dataset, else how many of the runs are there.
    pub fn finish_shard(mut self, runs: &[TrajectoryId]) -> Result<Result<Manifest, usize>, DatasetError> {
        let mut progress = Progress::of(&self.dir, &self.case_sha256)?;
        // Another shard that took a failed run for final may have closed the dataset, and this journal with it, while the run was tried again.
        let own = std::mem::take(&mut *self.progress());
        progress.failed.retain(|id, _| !own.done.contains_key(id));
        if !own.done.is_empty() {
            progress.fields = own.fields;
        }
        progress.done.extend(own.done);
        let there = runs.iter().filter(|r| progress.done.contains_key(*r) || progress.failed.contains_key(*r)).count();
        if there < runs.len() {
            return Ok(Err(there));
        }
        self.progress = Mutex::new(progress);
        self.finish().map(Ok)
    }

    /// Writes statistics and manifest. Of a dataset made in shards the journals become one.
    pub fn finish(self) -> Result<Manifest, DatasetError> {
        let progress = self.progress();
        let manifest = manifest_of(&self.spec, &progress.done, progress.failed.values().cloned().collect(), progress.fields.clone());
        let train = manifest.splits.get("train").map_or(&[][..], Vec::as_slice);
        let stats = Stats::of(&self.dir, train)?;
        self.write("stats.json", &json_text(&self.dir.join("stats.json"), &stats)?)?;
        self.write("manifest.json", &json_text(&self.dir.join("manifest.json"), &manifest)?)?;
        let shards = shard::journals(&self.dir)?;
        if self.shard.is_some() || !shards.is_empty() {
            let path = self.dir.join(JOURNAL);
            let lines = progress.lines(&self.case_sha256).iter().map(|l| text_of(l, &path)).collect::<Result<String, _>>()?;
            self.write(JOURNAL, &lines)?;
            for path in shards {
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(DatasetError::io(&path, "remove")(e)),
                    _ => {}
                }
            }
        }
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
    write_atomically(path, &json_text(path, value)?)
}

fn json_text<T: Serialize>(path: &Path, value: &T) -> Result<String, DatasetError> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|e| DatasetError::content(path, e.to_string()))
}

/// A line of a journal.
fn text_of(line: &Line, path: &Path) -> Result<String, DatasetError> {
    serde_json::to_string(line).map(|text| text + "\n").map_err(|e| DatasetError::content(path, e.to_string()))
}
