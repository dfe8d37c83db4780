//! `femur export`: VTU/PVD files for ParaView.

use crate::context::Context;
use anyhow::{Context as _, Result, bail};
use femur_dataset::Dataset;
use femur_sim::Trajectory;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was asked for.
pub struct Options {
    /// A .vtkhdf file, or a directory of predictions or of a dataset.
    pub input: PathBuf,
    /// The dataset (or file) with the truth.
    pub truth: Option<PathBuf>,
    /// At most so many trajectories.
    pub limit: Option<usize>,
    /// Directory.
    pub output: PathBuf,
}

/// Writes the files.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode> {
    for (name, path, truth) in pairs(options)? {
        let (prediction, _) = femur_dataset::read_trajectory(&path)?;
        let dir = if options.input.is_dir() { options.output.join(&name) } else { options.output.clone() };
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let truth: Option<Trajectory> = truth.map(|t| femur_dataset::read_trajectory(&t)).transpose()?.map(|(t, _)| t);
        match &truth {
            Some(truth) => crate::export::write_comparison(&dir, truth, &prediction)?,
            None => crate::export::write_trajectory_vtu(&dir.join(format!("{name}.vtu")), &prediction)?,
        }
        context.say(format!("exported {name}"));
        println!("{}", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Name, file and (if asked for) truth of every trajectory to export.
fn pairs(options: &Options) -> Result<Vec<(String, PathBuf, Option<PathBuf>)>> {
    let stem = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if !options.input.is_dir() {
        let truth = match &options.truth {
            Some(t) if t.is_dir() => {
                bail!("{}: name the .vtkhdf file of the truth, or export the whole directory of predictions", t.display())
            }
            other => other.clone(),
        };
        return Ok(vec![(stem(&options.input), options.input.clone(), truth)]);
    }
    let data = Dataset::open(&options.input)?;
    let mut out = Vec::new();
    for split in ["train", "valid", "test"] {
        for entry in data.entries(split) {
            let truth = options.truth.as_ref().map(|t| t.join(entry.truth.as_ref().map_or(&entry.file, |t| &t.file)));
            out.push((stem(Path::new(&entry.file)), options.input.join(&entry.file), truth));
        }
    }
    out.truncate(options.limit.unwrap_or(usize::MAX));
    Ok(out)
}
