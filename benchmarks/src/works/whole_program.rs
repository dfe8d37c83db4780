//! A whole program: from the mesh file to a file for ParaView, process start included, and peak memory.

use super::plate;
use crate::contest::{Contender, Goal, Runner, Sample, Spec, contest};
use crate::options::{Options, Peers};
use crate::peer::{folder, limit_threads, system_python, venv_python};
use crate::process::{Cost, cost, femur};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    let mesh = plate::mesh(options)?;
    let scratch = tempfile::tempdir()?;
    plate::write(&mesh, scratch.path())?;
    let spec = Spec {
        work: "whole-program",
        size: format!("plate with hole, {} dofs, .msh to .vtu", 3 * mesh.num_nodes()),
        goals: vec![Goal::Seconds(0.8), Goal::AtMost("peak_mb", 347.0)],
        // CalculiX writes five digits after the point
        tolerance: 1e-5,
        rounds: options.pick(5, 1),
    };
    out(contest(&spec, options, ours(options, scratch.path())?, peers(options, scratch.path())?)?);
    Ok(())
}

fn sample(cost: &Cost, deflection: f64) -> Sample {
    let detail = cost.peak_mb.map(|m| ("peak_mb".to_string(), m));
    Sample { seconds: cost.seconds, answer: BTreeMap::from([("deflection".into(), deflection)]), detail: detail.into_iter().collect() }
}

fn ours<'a>(options: &Options, scratch: &'a Path) -> Result<Runner<'a>> {
    let mut command = Command::new(femur()?);
    command.args(["solve", "case.toml", "-o", "femur.vtu", "--format", "json", "--quiet", "--threads", &options.threads.to_string()]);
    command.current_dir(scratch);
    Ok(Box::new(move || {
        let cost = cost(&command, scratch)?;
        let summary: Value = serde_json::from_str(&cost.stdout)?;
        let deflection = summary["fields"]["displacement.z"]["min"].as_f64().context("no displacement.z")?;
        Ok(sample(&cost, deflection))
    }))
}

/// A peer's command, or why it cannot run here.
fn command(name: &str, options: &Options) -> Result<Command> {
    let script = |python: PathBuf, file: &str| {
        let mut c = Command::new(python);
        c.arg(folder().join(file));
        c
    };
    Ok(match name {
        "scikit-fem" => script(venv_python("bench")?, "plate_skfem.py"),
        "ngsolve" => script(venv_python("bench-ngsolve")?, "plate_ngsolve.py"),
        "fenicsx" if options.threads == 1 => script(system_python()?, "plate_dolfinx.py"),
        "fenicsx" => {
            let mut c = Command::new(on_path("mpirun")?);
            c.args(["--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", &options.threads.to_string()]);
            c.arg(system_python()?).arg(folder().join("plate_dolfinx.py"));
            c
        }
        _ => {
            let mut c = Command::new(on_path("ccx")?);
            c.arg("plate");
            return Ok(c);
        }
    })
}

fn on_path(program: &str) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|d| d.join(program)).find(|p| p.is_file());
    found.ok_or_else(|| anyhow!("no {program}"))
}

fn peers<'a>(options: &'a Options, scratch: &'a Path) -> Result<Vec<Contender<'a>>> {
    let list = [("scikit-fem", Peers::Pip), ("ngsolve", Peers::Pip), ("fenicsx", Peers::All), ("calculix", Peers::All)];
    let job = json!({"folder": scratch, "threads": options.threads, "E": plate::E, "nu": plate::NU, "traction": plate::TRACTION});
    let mut out = Vec::new();
    for (name, _) in list.into_iter().filter(|l| l.1 <= options.peers) {
        let ready = command(name, options).and_then(|c| installed(name, &c).map(|()| c));
        let run = match ready {
            Ok(mut command) => {
                if name != "calculix" {
                    command.arg(job.to_string());
                }
                limit_threads(&mut command, if name == "fenicsx" { 1 } else { options.threads() });
                command.current_dir(scratch);
                Some(Box::new(move || one(name, &command, scratch)) as Runner<'a>)
            }
            Err(why) => {
                eprintln!("femur-bench: {name} is not here ({why}): benchmarks/peers/setup.sh all");
                None
            }
        };
        out.push(Contender { name: name.into(), run });
    }
    Ok(out)
}

/// Scripts that are started without a job import what they need and end.
fn installed(name: &str, command: &Command) -> Result<()> {
    if name == "calculix" {
        return Ok(());
    }
    let out = Command::new(command.get_program()).args(command.get_args()).output()?;
    let stderr = String::from_utf8_lossy(&out.stderr);
    if out.status.success() { Ok(()) } else { Err(anyhow!("{}", stderr.lines().last().unwrap_or("it does not run"))) }
}

fn one(name: &str, command: &Command, scratch: &Path) -> Result<Sample> {
    let cost = cost(command, scratch)?;
    let deflection = if name == "calculix" {
        frd_deflection(&std::fs::read_to_string(scratch.join("plate.frd"))?)?
    } else {
        let last = cost.stdout.lines().last().unwrap_or_default();
        let answer: Value = serde_json::from_str(last).with_context(|| format!("no answer in {last:?}"))?;
        answer["deflection"].as_f64().context("no deflection")?
    };
    Ok(sample(&cost, deflection))
}

/// Least displacement along z in CalculiX's result file: lines of fixed columns (` -1`, node, then 12 columns a value) after ` -4  DISP`.
fn frd_deflection(text: &str) -> Result<f64> {
    let block = text.split_once(" -4  DISP").context("plate.frd has no displacement")?.1;
    let values = block.lines().skip(1).take_while(|l| !l.starts_with(" -3")).filter(|l| l.starts_with(" -1"));
    let z = values.filter_map(|l| l.get(37..49)).map(|v| v.trim().parse::<f64>());
    let least = z.collect::<Result<Vec<_>, _>>()?.into_iter().fold(f64::INFINITY, f64::min);
    if least.is_finite() { Ok(least) } else { Err(anyhow!("plate.frd holds no node")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displacement_of_a_result_file() {
        let text = " -4  DISP        4    1\n -5  D1\n -1         1 1.00000E+00-2.00000E+00-3.50000E-01\n -1         2 \
                    0.00000E+00 0.00000E+00 1.00000E+00\n -3\n -1         1 0.0\n";
        assert_eq!(frd_deflection(text).unwrap(), -0.35);
        assert!(frd_deflection("nothing").is_err());
    }
}
