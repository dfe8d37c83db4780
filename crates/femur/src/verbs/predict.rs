//! `femur predict`: a new case without truth and without a solve.

use crate::cli::CaseArgs;
use crate::context::Context;
use crate::source;
use crate::verbs::generate::{claim_learning, meta_of, write_options};
use crate::verbs::solve::{UntilInterrupt, check_extension, write};
use anyhow::{Result, bail};
use femur_dataset::TrajectoryId;
use femur_learn::{IMPORTED, Surrogate};
use femur_sim::case::Table;
use femur_sim::{Param, metrics, rollout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// A run's model file: the directory or the file itself may be named.
pub(crate) fn model_path(run: &Path) -> PathBuf {
    if run.is_dir() { run.join("model.safetensors") } else { run.to_path_buf() }
}

/// Predicts, writes, and with `check` solves too and prints the errors.
pub fn run(run: &Path, args: &CaseArgs, instead: Option<&Path>, output: &Path, check: bool, context: &Context) -> Result<ExitCode> {
    check_extension(output)?;
    let surrogate = Surrogate::load_on(&model_path(run), context.device()?.as_deref())?;
    if surrogate.task().physics == IMPORTED {
        bail!(
            "{}: was trained on imported runs, whose inputs no case can state\n  hint: import the new run and use femur rollout",
            model_path(run).display()
        );
    }
    let file = source::case_file(args)?;
    let case = file.nominal()?;
    let physics = source::physics(&case)?;
    let mesh = source::mesh(&case, instead)?;
    source::warn(context, &case, &mesh, physics);
    let mut setup = physics.setup(&case, &mesh)?;
    if instead.is_none() {
        // A value that was sampled in training and is fixed here may lie outside its range too.
        for path in surrogate.sampled_parameters() {
            if !setup.params.iter().any(|p| p.path == path)
                && let Some(value) = value_at(&case.root(), path)
            {
                setup.params.push(Param { path: path.into(), value });
            }
        }
    }
    claim_learning(&case);
    case.finish()?;
    for line in surrogate.outside_training_range(&setup) {
        context.warn(format!("outside the training range: {line}"));
    }
    let start = Instant::now();
    let mut simulator = surrogate.simulator(setup)?;
    let mut prediction = rollout(&mut simulator, &mut UntilInterrupt)?;
    let seconds = start.elapsed().as_secs_f64();
    crate::derive::add_derived(&mut prediction);
    write(output, &prediction, &meta_of(&case, TrajectoryId::single(), seconds), &write_options(&case), context)?;
    let mut json = serde_json::json!({"output": output, "nodes": prediction.setup.mesh.num_nodes(), "steps": prediction.states.len(), "seconds": seconds});
    if !context.json() {
        outln!("predicted {} nodes, {} step(s) in {seconds:.3} s", prediction.setup.mesh.num_nodes(), prediction.states.len());
    }
    // The stress that finite elements recover from the predicted displacement stands beside the one from the predicted stress.
    let recovered = crate::derive::recovered(physics, &case, &mesh, &prediction)?;
    for (name, network, fem) in crate::derive::peaks(&prediction, &recovered) {
        if context.json() {
            json[&name] = serde_json::json!({"predicted_max": network, "recovered_from_displacement_max": fem});
        } else {
            outln!("{name}: maximum {network:.6e} predicted, {fem:.6e} recovered by finite elements from the predicted primary field");
        }
    }
    if check {
        let start = Instant::now();
        let mut simulator = physics.simulator(&case, &mesh)?;
        let truth = rollout(simulator.as_mut(), &mut UntilInterrupt)?;
        let solve_seconds = start.elapsed().as_secs_f64();
        let evaluation = metrics::evaluate(&[(&truth, &prediction)]);
        if context.json() {
            json["solve_seconds"] = solve_seconds.into();
            json["test"] = serde_json::to_value(&evaluation.test)?;
        } else {
            outln!("solved by finite elements in {solve_seconds:.3} s");
            outln!("{}", crate::verbs::evaluate::table(&evaluation).trim_end());
        }
    }
    if context.json() {
        outln!("{json}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The number at a dotted path of a case, `boundary.1.traction.angle`; `None` where there is none.
fn value_at(table: &Table, path: &str) -> Option<f64> {
    let (key, rest) = path.split_once('.').map_or((path, None), |(k, r)| (k, Some(r)));
    let Some(rest) = rest else { return table.opt_f64(key).ok().flatten() };
    if table.is_table(key) {
        return value_at(&table.table(key).ok()?, rest);
    }
    let (index, rest) = rest.split_once('.').map_or((rest, None), |(i, r)| (i, Some(r)));
    let index: usize = index.parse().ok()?;
    match rest {
        Some(rest) => value_at(table.tables(key).ok()?.get(index)?, rest),
        None => table.numbers(key).ok()?.get(index).copied(),
    }
}
