//! `femur generate`: samples the case's ranges, solves every draw in parallel, writes a dataset.

use crate::cli::CaseArgs;
use crate::context::{Context, interrupted, message};
use crate::processes::{Counter, Processes};
use crate::source;
use crate::verbs::solve::UntilInterrupt;
use anyhow::{Result, bail};
use femur_dataset::{DatasetBuilder, DatasetSpec, Shard, TrajectoryId, TrajectoryMeta, WriteOptions};
use femur_learn::Ranks as _;
use femur_mesh::Mesh;
use femur_sim::case::{Case, CaseFile, Per, Precision, Split};
use femur_sim::rollout;
use rayon::prelude::*;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// One base case (geometry) and its variants that are still to be solved.
struct Base {
    split: Split,
    index: usize,
    variants: Vec<usize>,
}

/// How the work is done.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Cases solved at the same time; as many as there are threads where it is not said.
    pub jobs: Option<usize>,
    /// Go on with an unfinished or smaller dataset.
    pub resume: bool,
    /// Make this share alone, beside other processes; goes on where there is something already.
    pub shard: Option<Shard>,
}

/// Samples, solves and writes; a case that fails is listed and skipped.
pub fn run(args: &CaseArgs, output: &Path, how: How, context: &Context) -> Result<ExitCode> {
    let file = source::case_file(args)?;
    let processes = Processes::join()?;
    let report = match generate(&processes, &file, output, how, context) {
        Err(error) if processes.size() > 1 && !interrupted() => {
            context.warn(format!("process {}: {}", processes.rank() + 1, message(&error)));
            processes.abort();
            return Err(error);
        }
        report => report?,
    };
    if processes.rank() > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(shard), Some((there, total))) = (how.shard, report.open) {
        if context.json() {
            outln!(
                "{}",
                serde_json::json!({"dataset": output, "shard": shard.to_string(), "there": there, "total": total, "closed": false})
            );
        } else {
            outln!("{}: shard {shard} is done, {there} of {total} cases are there; the last shard closes the dataset", output.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if context.json() {
        outln!(
            "{}",
            serde_json::json!({"dataset": output, "complete": report.complete, "failed": report.failed, "seconds": report.seconds})
        );
    } else {
        outln!("{}: {} trajectories, {} failed, {:.1} s", output.display(), report.complete, report.failed, report.seconds);
    }
    if report.complete == 0 {
        bail!("every case failed: see {}", output.join("manifest.json").display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What `generate` did.
pub struct Report {
    /// Of a shard after which others are still to end: cases that are there, and all.
    pub open: Option<(usize, usize)>,
    /// Trajectories in the dataset.
    pub complete: usize,
    /// Cases that failed.
    pub failed: usize,
    /// Wall time of this call.
    pub seconds: f64,
}

/// The work of `femur generate` by one process.
pub(crate) fn generate_alone(file: &CaseFile, output: &Path, how: How, context: &Context) -> Result<Report> {
    generate(&Processes::One, file, output, how, context)
}

fn generate(processes: &Processes, file: &CaseFile, output: &Path, how: How, context: &Context) -> Result<Report> {
    let start = Instant::now();
    let nominal = file.nominal()?;
    let physics = source::physics(&nominal)?;
    // One set-up before anything is written: most mistakes in a case show here.
    let mesh = source::mesh(&nominal, None)?;
    source::warn(context, &nominal, &mesh, physics);
    let setup = physics.setup(&nominal, &mesh)?;
    femur_learn::Plan::of_case(&nominal, physics.learning_task(&nominal, &setup)?)?;
    nominal.finish()?;

    let samples = file.samples()?;
    let spec = DatasetSpec {
        name: output.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        physics: physics.name().into(),
        case_text: file.text(),
        seed: nominal.seed,
        unit_system: nominal.units.name.into(),
        fingerprint: fingerprint(file)?,
        femur_version: env!("CARGO_PKG_VERSION").into(),
    };
    let several = processes.size() > 1;
    if several && how.shard.is_some() {
        bail!(
            "--shard {} under mpirun, which shares the cases out itself\n  hint: leave out --shard",
            how.shard.map_or(String::new(), |s| s.to_string())
        );
    }
    if several && processes.rank() == 0 && !how.resume && std::fs::read_dir(output).is_ok_and(|mut d| d.next().is_some()) {
        bail!("{} is not empty\n  hint: go on with --resume, or name another directory", output.display());
    }
    processes.wait();
    // Each process keeps a journal of its own.
    let journal = if several { Some(Shard::of_rank(processes.rank(), processes.size())) } else { how.shard };
    let builder = match journal {
        Some(shard) => DatasetBuilder::shard(output, spec, shard)?,
        None if how.resume => DatasetBuilder::resume(output, spec)?,
        None => DatasetBuilder::create(output, spec)?,
    };
    let options = write_options(&nominal);
    let mut work: Vec<Base> = Vec::new();
    let mut runs: Vec<TrajectoryId> = Vec::new();
    let (mut bases, mut total) = (0, 0);
    for (split, count) in [(Split::Train, samples.train), (Split::Valid, samples.valid), (Split::Test, samples.test)] {
        for index in 0..count {
            runs.extend((0..samples.variants).map(|v| id_of(split, index, v, samples.variants)));
            bases += 1;
            if how.shard.is_some_and(|s| !s.holds(bases - 1)) {
                continue;
            }
            total += samples.variants;
            let variants: Vec<usize> =
                (0..samples.variants).filter(|v| !builder.is_done(&id_of(split, index, *v, samples.variants))).collect();
            if !variants.is_empty() {
                work.push(Base { split, index, variants });
            }
        }
    }
    let left: usize = work.iter().map(|b| b.variants.len()).sum();
    // All know what is left before the first of them changes it.
    processes.wait();
    if left < total && processes.rank() == 0 {
        context.say(format!("{} of {total} cases are there already", total - left));
    }
    let progress = context.progress("solving", total, total - left);
    let shared = (!mesh_varies(file)?).then_some(mesh);
    let per_variant = variant_changes_mesh(file)?;
    let solve_base = |base: &Base| -> Result<()> {
        let mut geometry: Option<Arc<Mesh>> = shared.clone();
        for &variant in &base.variants {
            if interrupted() {
                bail!("interrupted");
            }
            let id = id_of(base.split, base.index, variant, samples.variants);
            let started = Instant::now();
            let solved = file.draw(base.split, base.index, variant).map_err(anyhow::Error::from).and_then(|case| {
                let mesh = match &geometry {
                    Some(mesh) => mesh.clone(),
                    None => source::mesh(&case, None)?,
                };
                let mut simulator = physics.simulator(&case, &mesh)?;
                let trajectory = rollout(simulator.as_mut(), &mut UntilInterrupt)?;
                Ok((case, mesh, trajectory))
            });
            match solved {
                Ok((case, mesh, trajectory)) => {
                    let name = format!("case {}/{} variant {variant}: ", base.split.name(), base.index);
                    source::warn_of_rounding(context, &trajectory.log, &name);
                    if !per_variant {
                        geometry = Some(mesh);
                    }
                    builder.add(&trajectory, &meta_of(&case, id, started.elapsed().as_secs_f64()), &options)?;
                }
                Err(_) if interrupted() => bail!("interrupted"),
                Err(error) => {
                    let reason = message(&error);
                    context.warn(format!("case {}/{} variant {variant}: {reason}", base.split.name(), base.index));
                    builder.fail(&id, &reason)?;
                }
            }
            progress.tick();
        }
        Ok(())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(how.jobs.unwrap_or(context.threads).max(1)).build()?;
    let deal = |counter: &Counter| -> Result<()> {
        let take = |_| -> Result<()> {
            while let Some(base) = work.get(counter.next()) {
                solve_base(base)?;
            }
            Ok(())
        };
        pool.install(|| (0..pool.current_num_threads()).into_par_iter().with_max_len(1).try_for_each(take))
    };
    deal(&processes.counter()?)?;
    processes.wait();
    let seconds = start.elapsed().as_secs_f64();
    if processes.rank() > 0 {
        return Ok(Report { open: None, complete: 0, failed: 0, seconds });
    }
    let closed = if journal.is_some() { builder.finish_shard(&runs)? } else { Ok(builder.finish()?) };
    let seconds = start.elapsed().as_secs_f64();
    let manifest = match closed {
        Ok(manifest) => manifest,
        Err(there) => return Ok(Report { open: Some((there, runs.len())), complete: 0, failed: 0, seconds }),
    };
    Ok(Report { open: None, complete: manifest.splits.values().map(Vec::len).sum(), failed: manifest.failed.len(), seconds })
}

/// The case without what may change on resume: the counts, and what only training reads.
fn fingerprint(file: &CaseFile) -> Result<String> {
    let mut document: toml_edit::DocumentMut = file.text().parse()?;
    for table in ["model", "training", "learning"] {
        document.remove(table);
    }
    if let Some(samples) = document.get_mut("samples").and_then(|s| s.as_table_like_mut()) {
        for count in ["train", "valid", "test"] {
            samples.remove(count);
        }
    }
    Ok(document.to_string())
}

fn id_of(split: Split, base: usize, variant: usize, variants: usize) -> TrajectoryId {
    TrajectoryId { split: split.name().into(), index: base * variants + variant, base, variant }
}

/// Whether any range lies in [mesh]: if none does, one mesh serves every case.
fn mesh_varies(file: &CaseFile) -> Result<bool> {
    Ok(file.ranges()?.iter().any(|r| r.path.starts_with("mesh.")))
}

/// Whether the mesh differs between the variants of one base case.
fn variant_changes_mesh(file: &CaseFile) -> Result<bool> {
    Ok(file.ranges()?.iter().any(|r| r.path.starts_with("mesh.") && r.per == Per::Variant))
}

/// How the case wants its files written.
pub(crate) fn write_options(case: &Case) -> WriteOptions {
    WriteOptions { double: case.output.precision == Precision::F64, compress: case.output.compress }
}

/// What is known of a run beside its fields: for the file's provenance.
pub(crate) fn meta_of(case: &Case, id: TrajectoryId, seconds: f64) -> TrajectoryMeta {
    TrajectoryMeta {
        id,
        case_toml: case.to_toml(),
        seed: case.seed,
        femur_version: env!("CARGO_PKG_VERSION").into(),
        wall_s: seconds,
        ..TrajectoryMeta::default()
    }
}

/// Reads what only training reads, so that a mistake there shows in every verb that takes the case.
pub(crate) fn claim_learning(case: &Case) {
    for name in ["model", "training", "learning"] {
        let table = case.table(name);
        let keys = table.keys();
        table.claim(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    }
}
