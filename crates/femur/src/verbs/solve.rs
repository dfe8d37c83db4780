//! `femur solve`: one finite-element run, no sampling.

use crate::cli::CaseArgs;
use crate::context::{Context, interrupted};
use crate::source;
use crate::verbs::generate::{claim_learning, meta_of, write_options};
use anyhow::{Context as _, Result, bail};
use femur_dataset::{TrajectoryId, WriteOptions};
use femur_sim::case::{Case, CaseFile, Checked};
use femur_sim::{Observer, SimError, State, Trajectory, rollout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// Stops a run at the next step after Ctrl-C.
pub(crate) struct UntilInterrupt;

impl Observer for UntilInterrupt {
    fn on_state(&mut self, _step: usize, _state: &State) -> Result<(), SimError> {
        if interrupted() { Err(SimError::Interrupted) } else { Ok(()) }
    }
}

/// Solves the case, writes the result and holds it against the case's `[expect]`.
pub fn run(args: &CaseArgs, mesh: Option<&Path>, output: &Path, solver: Option<&str>, context: &Context) -> Result<ExitCode> {
    check_extension(output)?;
    let mut file = source::case_file(args)?;
    match solver {
        Some("petsc") => return over_ranks(&file, mesh, output, context),
        Some(kind) => file.set(&format!("solver.kind={kind}"))?,
        None => {}
    }
    let case = file.nominal()?;
    let physics = source::physics(&case)?;
    let mesh = source::mesh(&case, mesh)?;
    source::warn(context, &case, &mesh, physics);
    let start = Instant::now();
    let mut simulator = physics.simulator(&case, &mesh)?;
    claim_learning(&case);
    case.finish()?;
    let trajectory = rollout(simulator.as_mut(), &mut UntilInterrupt)?;
    // A factorisation is most of the memory: it need not stand beside what writing takes.
    drop(simulator);
    let seconds = start.elapsed().as_secs_f64();
    source::warn_of_rounding(context, &trajectory.log, "");
    finish(&case, &trajectory, output, seconds, context)
}

#[cfg(feature = "petsc")]
fn over_ranks(file: &CaseFile, mesh: Option<&Path>, output: &Path, context: &Context) -> Result<ExitCode> {
    crate::distributed::solve(file, mesh, output, context)
}

#[cfg(not(feature = "petsc"))]
fn over_ranks(_: &CaseFile, _: Option<&Path>, _: &Path, _: &Context) -> Result<ExitCode> {
    bail!("this femur was built without PETSc\n  hint: install PETSc and MPI, then cargo build --release -p femur --features petsc")
}

/// What a solved case leaves to do: the file, the summary, the lines of `[expect]`.
pub(crate) fn finish(case: &Case, trajectory: &Trajectory, output: &Path, seconds: f64, context: &Context) -> Result<ExitCode> {
    write(output, trajectory, &meta_of(case, TrajectoryId::single(), seconds), &write_options(case), context)?;
    context.say(format!("solved {} nodes, {} step(s) in {seconds:.2} s", trajectory.setup.mesh.num_nodes(), trajectory.states.len()));
    let checked: Vec<Checked> = case.expectations()?.iter().map(|e| e.check(trajectory)).collect();
    print_summary(trajectory, output, seconds, &checked, context);
    report(&checked, context)
}

/// Says of every line of `[expect]` whether it holds; an error where one does not.
fn report(checked: &[Checked], context: &Context) -> Result<ExitCode> {
    for line in checked {
        if line.holds() {
            context.say(format!("expect {line}"));
        } else {
            context.warn(format!("expect {line}"));
        }
    }
    match checked.iter().filter(|c| !c.holds()).count() {
        0 => Ok(ExitCode::SUCCESS),
        failed => {
            bail!("{failed} of {} lines of [expect] failed\n  hint: the result is written; look at it with femur plot", checked.len())
        }
    }
}

/// Refuses an output that is neither .vtkhdf nor .vtu before any work is done.
pub(crate) fn check_extension(output: &Path) -> Result<()> {
    match output.extension().and_then(|e| e.to_str()) {
        Some("vtkhdf" | "vtu") => Ok(()),
        _ => bail!("{}: the output must end in .vtkhdf or .vtu", output.display()),
    }
}

/// Writes a trajectory as .vtkhdf or as .vtu; of a transient one every step goes to NAME_0000.vtu ... with NAME.pvd.
pub(crate) fn write(
    output: &Path,
    trajectory: &Trajectory,
    meta: &femur_dataset::TrajectoryMeta,
    options: &WriteOptions,
    context: &Context,
) -> Result<()> {
    if let Some(dir) = output.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    if output.extension().is_some_and(|e| e == "vtkhdf") {
        femur_dataset::write_trajectory(output, trajectory, meta, options)?;
    } else {
        crate::export::write_trajectory_vtu(output, trajectory)?;
    }
    context.say(format!("wrote {}", output.display()));
    Ok(())
}

/// Smallest and largest value of each component at the last step, on stdout.
fn print_summary(trajectory: &Trajectory, output: &Path, seconds: f64, checked: &[Checked], context: &Context) {
    let Some(last) = trajectory.states.last() else { return };
    let mut rows = Vec::new();
    for field in &last.fields {
        for (c, component) in field.components.iter().enumerate() {
            let name = if component.is_empty() { field.name.clone() } else { format!("{}.{component}", field.name) };
            let values = field.values.iter().skip(c).step_by(field.num_components());
            let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
            rows.push((name, field.unit.clone(), lo, hi));
        }
    }
    if context.json() {
        let fields: serde_json::Map<String, serde_json::Value> =
            rows.into_iter().map(|(n, u, lo, hi)| (n, serde_json::json!({"unit": u, "min": lo, "max": hi}))).collect();
        let mut json = serde_json::json!({"output": output, "nodes": trajectory.setup.mesh.num_nodes(), "steps": trajectory.states.len(), "seconds": seconds, "fields": fields});
        if !checked.is_empty() {
            let line = |c: &Checked| {
                let e = &c.expectation;
                serde_json::json!({"quantity": e.label, "value": c.got.as_ref().ok(), "expected": e.value, "tolerance": e.tolerance, "ok": c.holds()})
            };
            json["expect"] = checked.iter().map(line).collect();
        }
        outln!("{json}");
    } else {
        outln!("{:<20} {:<8} {:>14} {:>14}", "field", "unit", "min", "max");
        for (name, unit, lo, hi) in rows {
            outln!("{name:<20} {unit:<8} {lo:>14.6e} {hi:>14.6e}");
        }
    }
}
