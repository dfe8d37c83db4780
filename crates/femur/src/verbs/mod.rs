//! One file per verb.

use crate::cli::Verb;
use crate::context::Context;
use anyhow::Result;
use std::process::ExitCode;

pub mod completions;
pub mod demo;
pub mod evaluate;
pub mod export;
pub mod generate;
pub mod import;
pub mod info;
pub mod new;
pub mod plot;
pub mod predict;
pub mod report;
pub mod rollout;
pub mod solve;
pub mod train;
pub mod verify;
pub mod verify_data;

/// Runs what was typed.
pub fn run(verb: Verb, context: &Context) -> Result<ExitCode> {
    match verb {
        Verb::New { template, dir, mesh, list } => new::run(template.as_deref(), &dir, mesh.as_deref(), list, context),
        Verb::Solve { case, mesh, output, solver } => solve::run(&case, mesh.as_deref(), &output, solver.as_deref(), context),
        Verb::Generate { case, output, jobs, resume, shard } => {
            generate::run(&case, &output, generate::How { jobs, resume, shard }, context)
        }
        Verb::Import { input, layout, valid, test, dt, set, output } => {
            import::run(&import::Options { input, layout, valid, test, dt, set, output }, context)
        }
        Verb::Train { data, output, resume, from, time_limit, tensorboard, set } => {
            train::run(&train::Options { data, output, resume, from, time_limit, tensorboard, set }, context)
        }
        Verb::Predict { run, case, mesh, output, check } => predict::run(&run, &case, mesh.as_deref(), &output, check, context),
        Verb::Rollout { run, data, output, split } => rollout::run(&run, &data, &output, &split, context),
        Verb::Evaluate { run, data, split } => evaluate::run(&run, &data, &split, context),
        Verb::Export { input, truth, limit, layout, split, xdmf, network, step, onnx, output } => {
            export::run(&export::Options { input, truth, limit, layout, split, xdmf, network, step, onnx, output }, context)
        }
        Verb::Plot { file, truth, field, step, deformed, output } => {
            plot::run(&plot::Options { file, truth, field, step, deformed, output }, context)
        }
        Verb::Report { run, data, output } => report::run(&run, &data, &output, context),
        Verb::Verify { problems, quick, long, dir, set } => {
            verify::run(&verify::Options { problems: &problems, quick, long, dir: dir.as_deref(), set: &set }, context)
        }
        Verb::VerifyData { data } => verify_data::run(&data, context),
        Verb::Info { file } => info::run(&file, context),
        Verb::Demo { output, full, set } => demo::run(&output, full, &set, context),
        Verb::Completions { shell } => completions::run(shell),
    }
}
