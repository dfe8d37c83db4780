//! `femur rollout`: predicts every trajectory of a split.

use crate::context::{Context, interrupted};
use crate::verbs::predict::model_path;
use anyhow::{Result, bail};
use femur_dataset::{Dataset, PredictionWriter, WriteOptions};
use femur_learn::Surrogate;
use femur_sim::rollout as roll;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Rolls out and writes a directory of predictions.
pub fn run(run: &Path, data: &Path, output: &Path, split: &str, context: &Context) -> Result<ExitCode> {
    let count = rollout(run, data, output, split, context)?;
    println!("{}: {count} predictions", output.display());
    Ok(ExitCode::SUCCESS)
}

/// The work of `femur rollout`, also for `femur demo`.
pub fn rollout(run: &Path, data: &Path, output: &Path, split: &str, context: &Context) -> Result<usize> {
    let surrogate = Surrogate::load(&model_path(run))?;
    let data = Dataset::open(data)?;
    surrogate.accepts(&data)?;
    let entries = data.entries(split);
    if entries.is_empty() {
        bail!("the dataset has no trajectories in split `{split}`\n  hint: one of train, valid, test");
    }
    let mut writer = PredictionWriter::create(output, &data, split)?;
    let progress = context.progress("predicting", entries.len(), 0);
    for entry in entries {
        if interrupted() {
            bail!("interrupted");
        }
        let truth = data.read(entry)?;
        let start = Instant::now();
        let mut simulator = surrogate.simulator(truth.setup)?;
        let mut prediction = roll(&mut simulator, &mut ())?;
        crate::derive::add_derived(&mut prediction);
        writer.add(entry, &prediction, start.elapsed().as_secs_f64(), &WriteOptions::default())?;
        progress.tick();
    }
    writer.finish()?;
    Ok(entries.len())
}
