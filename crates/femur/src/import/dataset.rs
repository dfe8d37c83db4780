//! From a map to a dataset.

use super::map::Map;
use super::run;
use crate::context::{Context, interrupted};
use anyhow::{Context as _, Result, bail};
use femur_dataset::{DatasetBuilder, DatasetSpec, FieldInfo, TrajectoryId, TrajectoryMeta, WriteOptions};
use femur_learn::{IMPORTED, Plan, imported_task};
use femur_sim::Trajectory;
use femur_sim::case::Precision;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// What an import did.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Trajectories in the dataset.
    pub complete: usize,
    /// Wall time.
    pub seconds: f64,
}

/// Reads every run of a map and writes the dataset: whole, or not at all.
///
/// # Errors
/// A map or run that makes no sense, runs that do not fit together, a directory that is not empty.
pub fn import_map(path: &Path, set: &[String], output: &Path, context: &Context) -> Result<Report> {
    let start = Instant::now();
    refuse_occupied(output)?;
    let map = Map::load(path, set)?;
    // The first run and the tables of learning are read before anything is written: most mistakes in a map show here.
    let first = run::read(&map, &map.runs[0])?;
    let plan = Plan::of_tables(&map.top, map.seed, imported_task(&map.top, &fields_of(&first), &first.setup)?)?;
    map.top.finish()?;
    let signature = Signature::of(&first);
    drop(first);
    let spec = DatasetSpec {
        name: name_of(output),
        physics: IMPORTED.into(),
        unit_system: map.units.clone(),
        case_text: map.text.clone(),
        fingerprint: map.text.clone(),
        seed: map.seed,
        femur_version: env!("CARGO_PKG_VERSION").into(),
    };
    let options = WriteOptions { double: map.output.precision == Precision::F64, compress: map.output.compress };
    let progress = context.progress("importing", map.runs.len(), 0);
    let uneven: Mutex<Vec<String>> = Mutex::default();
    let complete = whole_or_not(output, |dir| {
        let builder = DatasetBuilder::create(dir, spec)?;
        map.runs.par_iter().with_max_len(1).try_for_each(|file| -> Result<()> {
            if interrupted() {
                bail!("interrupted");
            }
            let started = Instant::now();
            let trajectory = run::read(&map, file)?;
            signature.check(&Signature::of(&trajectory), &file.path, &map.runs[0].path)?;
            for tag in &plan.task.distance_tags {
                if trajectory.setup.mesh.tags.get(tag).is_none_or(|t| t.entities.is_empty()) {
                    bail!(
                        "{}: lacks the tag `{tag}`, which {} has\n  hint: [learning] distance_tags = [...] names the tags that every run has",
                        file.path.display(),
                        map.runs[0].path.display()
                    );
                }
            }
            if !signature.steps_alike(&trajectory)
                && let Ok(mut uneven) = uneven.lock()
            {
                uneven.push(file.shown.clone());
            }
            let meta = TrajectoryMeta {
                id: TrajectoryId { split: file.split.into(), index: file.index, base: file.index, variant: 0 },
                case_toml: map.text.clone(),
                seed: map.seed,
                femur_version: env!("CARGO_PKG_VERSION").into(),
                wall_s: started.elapsed().as_secs_f64(),
                ..TrajectoryMeta::default()
            };
            builder.add(&trajectory, &meta, &options)?;
            progress.tick();
            Ok(())
        })?;
        Ok(builder.finish()?.splits.values().map(Vec::len).sum())
    })?;
    let mut uneven = uneven.into_inner().unwrap_or_default();
    uneven.sort_by(|a, b| super::files::natural(a, b));
    if let Some(run) = uneven.first() {
        context.warn(format!(
            "{} run(s), {run} first, have other time steps than {}: the network learns steps, not their length",
            uneven.len(),
            map.runs[0].shown
        ));
    }
    Ok(Report { complete, seconds: start.elapsed().as_secs_f64() })
}

/// What the manifest will say of a run's fields.
pub(super) fn fields_of(t: &Trajectory) -> Vec<FieldInfo> {
    let fields = t.states.first().map_or(&[][..], |s| &s.fields);
    fields.iter().map(|f| FieldInfo { name: f.name.clone(), components: f.components.clone(), units: f.unit.clone() }).collect()
}

/// What all runs of a dataset share.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Signature {
    dim: usize,
    steady: bool,
    fields: Vec<(String, Vec<String>, String)>,
    inputs: Vec<(String, Vec<String>, String)>,
    /// Length of the first step, 0 for a steady run.
    dt: f64,
}

impl Signature {
    pub(super) fn of(t: &Trajectory) -> Self {
        Signature {
            dim: t.setup.mesh.dim,
            steady: t.setup.is_steady(),
            fields: t.states[0].fields.iter().map(|f| (f.name.clone(), f.components.clone(), f.unit.clone())).collect(),
            inputs: t.setup.inputs.iter().map(|i| (i.name.clone(), i.components.clone(), i.unit.clone())).collect(),
            dt: if t.setup.times.len() > 1 { t.setup.times[1] - t.setup.times[0] } else { 0.0 },
        }
    }

    /// Whether all time steps of a run are as long as the first one here.
    pub(super) fn steps_alike(&self, t: &Trajectory) -> bool {
        t.setup.times.windows(2).all(|w| (w[1] - w[0] - self.dt).abs() <= 1e-6 * self.dt.abs())
    }

    pub(super) fn check(&self, other: &Signature, at: &Path, first: &Path) -> Result<()> {
        let kind = |s: &Signature| if s.steady { "one state" } else { "a series in time" };
        let (what, mine, theirs) = if self.dim != other.dim {
            ("dimensions", format!("{}", other.dim), format!("{}", self.dim))
        } else if self.steady != other.steady {
            ("states", kind(other).to_string(), kind(self).to_string())
        } else if self.fields != other.fields {
            ("target fields", format!("{:?}", other.fields), format!("{:?}", self.fields))
        } else if self.inputs != other.inputs {
            ("inputs", format!("{:?}", other.inputs), format!("{:?}", self.inputs))
        } else {
            return Ok(());
        };
        bail!(
            "{}: its {what} are not those of {}: {mine}, there {theirs}\n  hint: one dataset holds runs of one kind; components = [...] and unit = \"...\" settle what files leave open",
            at.display(),
            first.display()
        )
    }
}

/// Name of a dataset: that of its directory.
pub(super) fn name_of(output: &Path) -> String {
    output.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn refuse_occupied(output: &Path) -> Result<()> {
    if output.is_file() || std::fs::read_dir(output).is_ok_and(|mut d| d.next().is_some()) {
        bail!("{}: is not empty\n  hint: name another directory, or remove this one", output.display());
    }
    Ok(())
}

/// Lets `make` fill `NAME.part` and gives it its name once it is whole; a failure leaves nothing behind.
pub(super) fn whole_or_not<T>(output: &Path, make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    refuse_occupied(output)?;
    let mut name = output.file_name().context("the output directory needs a name\n  hint: -o data")?.to_os_string();
    name.push(".part");
    let part: PathBuf = output.with_file_name(name);
    // What a killed import left holds its journal; anything else is not ours to remove.
    if part.exists() {
        if std::fs::read_dir(&part).is_ok_and(|mut d| d.next().is_some()) && !part.join("journal.jsonl").exists() {
            bail!("{}: is in the way\n  hint: remove it, or name another directory", part.display());
        }
        std::fs::remove_dir_all(&part).with_context(|| format!("cannot remove {}", part.display()))?;
    }
    let made = make(&part).and_then(|made| {
        if output.exists() {
            std::fs::remove_dir(output).with_context(|| format!("cannot replace {}", output.display()))?;
        }
        std::fs::rename(&part, output).with_context(|| format!("cannot rename {} into {}", part.display(), output.display()))?;
        Ok(made)
    });
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&part);
    }
    made
}
