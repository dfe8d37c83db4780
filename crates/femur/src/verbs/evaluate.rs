//! `femur evaluate`: errors against the truth, with baselines and definitions.

use crate::context::Context;
use crate::verbs::predict::model_path;
use anyhow::{Result, bail};
use femur_dataset::Dataset;
use femur_learn::Surrogate;
use femur_sim::metrics::{self, FamilyEvaluation};
use femur_sim::{Trajectory, baselines, rollout};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Prints the table, or one family's JSON object.
pub fn run(run: &Path, data: &Path, split: &str, context: &Context) -> Result<ExitCode> {
    let evaluation = evaluate(run, data, split, context)?;
    if context.json() {
        outln!("{}", serde_json::to_string_pretty(&evaluation)?);
    } else {
        outln!("{}", table(&evaluation).trim_end());
        outln!("\nDefinitions");
        for (name, text) in &evaluation.definitions {
            outln!("  {name}: {text}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Truth and prediction of every trajectory of a split: `from` is a run, a model or a directory of predictions.
pub fn pairs(from: &Path, data: &Dataset, split: &str, context: &Context) -> Result<Vec<(Trajectory, Trajectory)>> {
    if from.join("manifest.json").exists() {
        let predictions = Dataset::open(from)?;
        let mut out = Vec::new();
        for entry in predictions.entries(split) {
            let mut truth = data.read_truth_of(entry)?;
            let mut prediction = predictions.read(entry)?;
            crate::derive::add_derived(&mut truth);
            crate::derive::add_derived(&mut prediction);
            out.push((truth, prediction));
        }
        if out.is_empty() {
            bail!("{}: holds no predictions of split `{split}`", from.display());
        }
        return Ok(out);
    }
    let surrogate = Surrogate::load_on(&model_path(from), context.device()?.as_deref())?;
    surrogate.accepts(data)?;
    let entries = data.entries(split);
    if entries.is_empty() {
        bail!("the dataset has no trajectories in split `{split}`\n  hint: one of train, valid, test");
    }
    entries
        .iter()
        .map(|entry| {
            let mut truth = data.read(entry)?;
            let mut prediction = rollout(&mut surrogate.simulator(truth.setup.clone())?, &mut ())?;
            crate::derive::add_derived(&mut truth);
            crate::derive::add_derived(&mut prediction);
            Ok((truth, prediction))
        })
        .collect()
}

/// The work of `femur evaluate`, also for `femur demo`.
pub fn evaluate(from: &Path, data: &Path, split: &str, context: &Context) -> Result<FamilyEvaluation> {
    let data = Dataset::open(data)?;
    let pairs = pairs(from, &data, split, context)?;
    let borrowed: Vec<(&Trajectory, &Trajectory)> = pairs.iter().map(|(t, p)| (t, p)).collect();
    let mut evaluation = metrics::evaluate(&borrowed);
    let train: Vec<Trajectory> = data
        .entries("train")
        .iter()
        .map(|e| {
            let mut t = data.read(e)?;
            crate::derive::add_derived(&mut t);
            Ok(t)
        })
        .collect::<Result<_>>()?;
    let truths: Vec<&Trajectory> = pairs.iter().map(|(t, _)| t).collect();
    for (name, predictions) in baselines::all(&train, &truths) {
        let pairs: Vec<(&Trajectory, &Trajectory)> = truths.iter().copied().zip(predictions.iter()).collect();
        let mut test = metrics::evaluate(&pairs).test;
        test.retain(|field, _| evaluation.test.contains_key(field));
        evaluation.baselines.insert(name, test);
    }
    Ok(evaluation)
}

/// The metrics as a table: fields down, metrics across; the baselines below.
pub fn table(evaluation: &FamilyEvaluation) -> String {
    let mut out = String::new();
    let row = |out: &mut String, name: &str, m: &metrics::FieldMetrics| {
        let number = |v: Option<f64>| v.map_or_else(|| "-".to_string(), |v| format!("{v:.4}"));
        let short = |v: Option<f64>| v.map_or_else(|| "-".to_string(), |v| format!("{v:.3e}"));
        let _ = writeln!(
            out,
            "{name:<28} {:>8} {:>9} {:>8} {:>9} {:>8} {:>10} {:>10} {:>10} {:>9}",
            number(m.r2),
            number(m.r2_pooled),
            number(m.r2_min),
            number(m.r2_pooled_unmasked),
            number(m.relative_l2),
            short(m.rmse_pooled),
            short(m.rmse_step_mean),
            short(m.max_error),
            number(m.peak_error_median)
        );
    };
    let _ = writeln!(
        out,
        "{:<28} {:>8} {:>9} {:>8} {:>9} {:>8} {:>10} {:>10} {:>10} {:>9}",
        "field", "r2", "r2_pool", "r2_min", "r2_unmask", "rel_l2", "rmse_pool", "rmse_step", "max_error", "peak_med"
    );
    for (field, m) in &evaluation.test {
        row(&mut out, field, m);
    }
    for (name, fields) in &evaluation.baselines {
        for (field, m) in fields {
            row(&mut out, &format!("  {name}: {field}"), m);
        }
    }
    out
}
