//! Making a dataset: finished runs are noted in a journal, so that a kill loses and redoes none of them.

use crate::manifest::{Entry, Failed, FieldInfo, Manifest, TrajectoryId, write_atomically, write_by};
use crate::shard::{self, Shard};
use crate::stats::{Partial, Stats};
use crate::trajectory::{sync_all, write_unsynced};
use crate::{DatasetError, TrajectoryMeta, WriteOptions, data_sha256};
use femur_sim::Trajectory;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    Case {
        sha256: String,
    },
    Done {
        entry: Box<Entry>,
        fields: Vec<FieldInfo>,
    },
    Failed(Failed),
    /// The files of that many `Done` lines, from the journal's first on, are on the disk for good.
    Synced {
        done: usize,
    },
}

/// Finished runs may wait that long for being synchronised with the disk: a synchronisation may take longer than a small run.
const SYNC_AFTER: Duration = Duration::from_secs(5);

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
        let lines: Vec<_> = text.split_inclusive('\n').filter(|l| l.ends_with('\n')).map(serde_json::from_str::<Line>).collect();
        let synced = lines.iter().filter_map(|l| if let Ok(Line::Synced { done }) = l { Some(*done) } else { None }).max().unwrap_or(0);
        let mut count = 0;
        for line in lines {
            match line {
                Ok(Line::Case { sha256 }) if sha256 != case_sha256 => {
                    let what = "belongs to another case or seed".to_string();
                    let hint = "use the same case (only [samples] train, valid, test may grow), or name another directory".into();
                    return Err(DatasetError::Refused { path: dir.into(), what, hint });
                }
                Ok(Line::Done { entry, fields }) => {
                    count += 1;
                    let file = dir.join(&entry.file);
                    let whole = std::fs::metadata(&file).is_ok_and(|m| m.len() == entry.bytes);
                    // After a power cut a file that was not synchronised may have its length and not its bytes.
                    if whole && (count <= synced || std::fs::read(&file).is_ok_and(|b| sha256(&b) == entry.sha256)) {
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
        let end = Line::Synced { done: self.done.len() };
        std::iter::once(Line::Case { sha256: case_sha256.into() }).chain(all.into_iter().map(|l| l.1)).chain([end]).collect()
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
    journal: Mutex<Journal>,
    /// Held while files are synchronised: the journal says up to which line all are.
    syncing: Mutex<()>,
    /// Sums over the runs of this process, so that they need not be read again at the end.
    sums: Mutex<BTreeMap<TrajectoryId, Partial>>,
    shard: Option<Shard>,
}

/// An open journal.
struct Journal {
    file: std::fs::File,
    /// `Done` lines in it.
    done: usize,
    /// Files of those lines that are not synchronised yet, and since when.
    waiting: Vec<PathBuf>,
    since: Instant,
}

impl Journal {
    fn write(&mut self, path: &Path, line: &Line) -> Result<(), DatasetError> {
        self.file.write_all(text_of(line, path)?.as_bytes()).map_err(DatasetError::io(path, "write"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sha256(bytes: &[u8]) -> String {
    crate::trajectory_hex(&Sha256::digest(bytes))
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
        let mut file = std::fs::File::options().create(true).append(true).open(&path).map_err(DatasetError::io(&path, "open"))?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n").map_err(DatasetError::io(&path, "write"))?;
        }
        let done = text.lines().filter(|l| matches!(serde_json::from_str(l), Ok(Line::Done { .. }))).count();
        let journal = Journal { file, done, waiting: Vec::new(), since: Instant::now() };
        let builder = DatasetBuilder {
            dir: dir.into(),
            spec,
            case_sha256,
            progress: Mutex::new(progress),
            journal_path: path,
            journal: Mutex::new(journal),
            syncing: Mutex::default(),
            sums: Mutex::default(),
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
        lock(&self.journal).write(&self.journal_path, line)
    }

    /// Synchronises what is waiting with the disk, then says so in the journal.
    fn sync(&self) -> Result<(), DatasetError> {
        let _alone = lock(&self.syncing);
        let (files, done) = {
            let mut journal = lock(&self.journal);
            journal.since = Instant::now();
            (std::mem::take(&mut journal.waiting), journal.done)
        };
        sync_all(&files)?;
        let mut journal = lock(&self.journal);
        journal.write(&self.journal_path, &Line::Synced { done })?;
        journal.file.sync_data().map_err(DatasetError::io(&self.journal_path, "synchronise"))
    }

    /// Writes a file of the dataset, by way of one that no other shard writes.
    fn write(&self, name: &str, text: &str) -> Result<(), DatasetError> {
        write_by(&self.dir.join(name), text, &self.shard.map_or("part".into(), Shard::part))
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    /// Whether a run is finished. Failed ones are tried again.
    pub fn is_done(&self, id: &TrajectoryId) -> bool {
        self.progress().done.contains_key(id)
    }

    /// Writes a finished run. It is safe from a kill at once, and from a power cut within some seconds.
    ///
    /// # Errors
    /// The file, the journal or another run's file cannot be written.
    pub fn add(&self, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
        let path = self.dir.join(meta.id.file());
        write_unsynced(&path, t, meta, options)?;
        let entry = entry_of(&self.dir, t, meta, options)?;
        let fields = field_infos(t);
        let line = Line::Done { entry: Box::new(entry.clone()), fields: fields.clone() };
        if entry.id.split == "train" {
            lock(&self.sums).insert(entry.id.clone(), Partial::of(&t.states, !options.double));
        }
        let late = {
            let mut journal = lock(&self.journal);
            journal.write(&self.journal_path, &line)?;
            journal.done += 1;
            journal.waiting.push(path);
            journal.since.elapsed() > SYNC_AFTER
        };
        if late {
            self.sync()?;
        }
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
        self.sync()?;
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

    /// Writes statistics, manifest and the journal, in which those of shards become one.
    pub fn finish(self) -> Result<Manifest, DatasetError> {
        self.sync()?;
        let progress = self.progress();
        let manifest = manifest_of(&self.spec, &progress.done, progress.failed.values().cloned().collect(), progress.fields.clone());
        let train = manifest.splits.get("train").map_or(&[][..], Vec::as_slice);
        let stats = Stats::of(&self.dir, train, &lock(&self.sums))?;
        self.write("stats.json", &json_text(&self.dir.join("stats.json"), &stats)?)?;
        self.write("manifest.json", &json_text(&self.dir.join("manifest.json"), &manifest)?)?;
        // One journal in one order, whoever wrote which line when.
        let path = self.dir.join(JOURNAL);
        let lines = progress.lines(&self.case_sha256).iter().map(|l| text_of(l, &path)).collect::<Result<String, _>>()?;
        self.write(JOURNAL, &lines)?;
        for path in shard::journals(&self.dir)? {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(DatasetError::io(&path, "remove")(e)),
                _ => {}
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

/// What there is to say of a trajectory at its place below `dir`.
pub(crate) fn entry_of(dir: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Entry, DatasetError> {
    let file = meta.id.file();
    let path = dir.join(&file);
    let bytes = std::fs::read(&path).map_err(DatasetError::io(&path, "read back"))?;
    Ok(Entry {
        id: meta.id.clone(),
        file,
        sha256: sha256(&bytes),
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
