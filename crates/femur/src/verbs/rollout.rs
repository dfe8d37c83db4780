//! `femur rollout`: predicts every trajectory of a split.

use crate::context::{Context, interrupted};
use crate::verbs::predict::model_path;
use anyhow::{Result, bail};
use femur_dataset::{Dataset, PredictionWriter, WriteOptions};
use femur_learn::Surrogate;
use femur_sim::{Trajectory, rollout as roll};
use rayon::prelude::*;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Rolls out and writes a directory of predictions.
pub fn run(run: &Path, data: &Path, output: &Path, split: &str, context: &Context) -> Result<ExitCode> {
    let count = rollout(run, data, output, split, context)?;
    outln!("{}: {count} predictions", output.display());
    Ok(ExitCode::SUCCESS)
}

/// The work of `femur rollout`, also for `femur demo`.
pub fn rollout(run: &Path, data: &Path, output: &Path, split: &str, context: &Context) -> Result<usize> {
    let surrogate = Surrogate::load_on(&model_path(run), context.device()?.as_deref())?;
    let data = Dataset::open(data)?;
    surrogate.accepts(&data)?;
    let entries = data.entries(split);
    if entries.is_empty() {
        bail!("the dataset has no trajectories in split `{split}`\n  hint: one of train, valid, test");
    }
    let mut writer = PredictionWriter::create(output, &data, split)?;
    let progress = context.progress("predicting", entries.len(), 0);
    // A case per thread; files are written in the order of the entries.
    for chunk in entries.chunks(context.threads.max(1)) {
        if interrupted() {
            bail!("interrupted");
        }
        let predict = |entry| -> Result<(Trajectory, f64)> {
            let truth = data.read(entry)?;
            let start = Instant::now();
            let mut prediction = roll(&mut surrogate.simulator(truth.setup)?, &mut ())?;
            crate::derive::add_derived(&mut prediction);
            Ok((prediction, start.elapsed().as_secs_f64()))
        };
        let predictions: Vec<(Trajectory, f64)> = chunk.par_iter().map(predict).collect::<Result<_>>()?;
        for (entry, (prediction, seconds)) in chunk.iter().zip(&predictions) {
            writer.add(entry, prediction, *seconds, &WriteOptions::default())?;
            progress.tick();
        }
    }
    writer.finish()?;
    Ok(entries.len())
}
