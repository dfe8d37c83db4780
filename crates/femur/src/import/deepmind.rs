//! Files in the layout of the PyTorch re-implementations of MeshGraphNets (`--layout deepmind-h5`).

use super::dataset::{Report, Signature, fields_of, name_of, refuse_occupied, whole_or_not};
use super::files::counts;
use super::map::SPLITS;
use crate::context::{Context, interrupted};
use anyhow::{Result, bail};
use femur_dataset::{DatasetBuilder, DatasetSpec, DeepmindReader, TrajectoryId, TrajectoryMeta, WriteOptions};
use femur_learn::{IMPORTED, Plan, imported_task};
use femur_sim::Trajectory;
use femur_sim::case::CaseFile;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Fields that the published code predicts anew at every step instead of stepping them.
const ABSOLUTE: [&str; 4] = ["pressure", "stress", "von_mises", "heat_flux"];

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Deepmind {
    /// The file; the training split where `valid` or `test` is given.
    pub input: PathBuf,
    /// File of the validation split.
    pub valid: Option<PathBuf>,
    /// File of the test split.
    pub test: Option<PathBuf>,
    /// Length of a time step where a file does not say.
    pub dt: f64,
}

/// Reads the files and writes the dataset: whole, or not at all.
///
/// Of a single file the groups go to the splits that Femur noted in it; of another's file, 8 of 10 go to train, the rest in equal
/// parts to valid and test, in the order of their numbers.
///
/// # Errors
/// A file of another layout, trajectories that do not fit together, a directory that is not empty.
pub fn import_deepmind(options: &Deepmind, output: &Path, context: &Context) -> Result<Report> {
    let start = Instant::now();
    refuse_occupied(output)?;
    if !(options.dt.is_finite() && options.dt > 0.0) {
        bail!("--dt {}: must be above 0", options.dt);
    }
    let mut files = vec![(Some(SPLITS[0]), DeepmindReader::open(&options.input)?, options.input.clone())];
    for (split, file) in [(SPLITS[1], &options.valid), (SPLITS[2], &options.test)] {
        if let Some(file) = file {
            files.push((Some(split), DeepmindReader::open(file)?, file.clone()));
        }
    }
    if let [(split, ..)] = files.as_mut_slice() {
        *split = None;
    }
    let total: usize = files.iter().map(|f| f.1.groups().len()).sum();
    let (_, reader, path) = &files[0];
    let first = read(reader, &reader.groups()[0], path, options.dt, None)?;
    let text = case_text(&first.1, path);
    let top = CaseFile::parse(&text, &output.join("case.toml").to_string_lossy())?.root();
    Plan::of_tables(&top, 0, imported_task(&top, &fields_of(&first.1), &first.1.setup)?)?;
    let signature = Signature::of(&first.1);
    let units = first.1.setup.units.clone();
    drop(first);
    let spec = DatasetSpec {
        name: name_of(output),
        physics: IMPORTED.into(),
        unit_system: units,
        case_text: text.clone(),
        fingerprint: text.clone(),
        seed: 0,
        femur_version: env!("CARGO_PKG_VERSION").into(),
    };
    let progress = context.progress("importing", total, 0);
    let mut next = [0usize; 3];
    let complete = whole_or_not(output, |dir| {
        let builder = DatasetBuilder::create(dir, spec)?;
        for (split, reader, path) in &files {
            let sizes = counts(reader.groups().len(), [0.8, 0.1, 0.1]);
            for (k, group) in reader.groups().iter().enumerate() {
                if interrupted() {
                    bail!("interrupted");
                }
                let started = Instant::now();
                let (noted, trajectory) = read(reader, group, path, options.dt, (k == 0).then_some(context))?;
                signature.check(&Signature::of(&trajectory), &path.join(group), &files[0].2)?;
                let by_count = if k < sizes[0] { 0 } else { 1 + usize::from(k >= sizes[0] + sizes[1]) };
                let place = match split {
                    Some(split) => SPLITS.iter().position(|s| s == split).unwrap_or(0),
                    None => SPLITS.iter().position(|s| *s == noted).unwrap_or(by_count),
                };
                let index = next[place];
                next[place] += 1;
                let meta = TrajectoryMeta {
                    id: TrajectoryId { split: SPLITS[place].into(), index, base: index, variant: 0 },
                    case_toml: text.clone(),
                    femur_version: env!("CARGO_PKG_VERSION").into(),
                    wall_s: started.elapsed().as_secs_f64(),
                    ..TrajectoryMeta::default()
                };
                builder.add(&trajectory, &meta, &WriteOptions::default())?;
                progress.tick();
            }
        }
        if next[0] == 0 {
            bail!("{}: holds no training trajectory\n  hint: name the file of the training split first", options.input.display());
        }
        Ok(builder.finish()?.splits.values().map(Vec::len).sum())
    })?;
    Ok(Report { complete, seconds: start.elapsed().as_secs_f64() })
}

/// Reads a group, with the split noted in it; what is left out is said once.
fn read(reader: &DeepmindReader, group: &str, path: &Path, dt: f64, say: Option<&Context>) -> Result<(String, Trajectory)> {
    let mut run = reader.read(group, dt)?;
    if let Some(context) = say
        && !run.left_out.is_empty()
    {
        context.warn(format!("{}: left out: {}", path.display(), run.left_out.join(", ")));
    }
    let setup = &mut run.trajectory.setup;
    setup.physics = IMPORTED.into();
    // as every reader of meshes does
    femur_io::orient(Arc::make_mut(&mut setup.mesh));
    let notes = &mut run.trajectory.log.notes;
    notes.insert("solver".into(), IMPORTED.into());
    notes.insert("imported_from".into(), format!("{}:{group}", path.display()));
    Ok((run.split, run.trajectory))
}

/// What `femur train` reads: the fields, stepped or predicted anew.
fn case_text(t: &Trajectory, path: &Path) -> String {
    let mut out =
        format!("# Imported from {} (deepmind-h5): what femur train reads.\n", path.file_name().unwrap_or_default().to_string_lossy());
    for field in &t.states[0].fields {
        // writing into a String cannot fail
        let _ = write!(out, "\n[[target]]\nname = {}\n", toml_edit::value(field.name.as_str()));
        if !t.setup.is_steady() {
            let stepped = !ABSOLUTE.contains(&field.name.as_str()) || t.states[0].fields.len() == 1;
            let _ = writeln!(out, "update = \"{}\"", if stepped { "delta" } else { "absolute" });
        }
    }
    out
}
