//! VTU and PVD files of trajectories, and the script that compares them in ParaView.

mod deepmind;
mod xdmf;

pub use deepmind::write_deepmind;
pub use xdmf::write_xdmf;

use anyhow::{Context as _, Result};
use femur_io::vtk::{VtuOptions, write_series};
use femur_mesh::Field;
use femur_sim::{State, Trajectory};
use std::path::Path;

/// The script for `paraview --script`.
const COMPARE: &str = include_str!("compare.py");

/// Writes a trajectory: a steady one as one .vtu, a transient one as NAME.pvd with a .vtu for each step.
pub fn write_trajectory_vtu(path: &Path, trajectory: &Trajectory) -> Result<()> {
    if let [state] = trajectory.states.as_slice() {
        femur_io::vtk::write_vtu(path, &trajectory.setup.mesh, &state.fields)?;
    } else {
        write_series(path.with_extension("pvd"), &trajectory.setup.mesh, &trajectory.states, &VtuOptions::default())?;
    }
    Ok(())
}

/// Writes truth, prediction and error of every field in one file a step (`truth_NAME`, `prediction_NAME`, `error_NAME`), and
/// `compare.py`, which shows the three side by side.
pub fn write_comparison(dir: &Path, truth: &Trajectory, prediction: &Trajectory) -> Result<()> {
    let states: Vec<State> = truth
        .states
        .iter()
        .zip(&prediction.states)
        .map(|(t, p)| {
            let mut fields = Vec::new();
            for a in &t.fields {
                let Some(b) = p.field(&a.name).filter(|b| b.values.len() == a.values.len()) else { continue };
                let named = |prefix: &str, values: Vec<f64>| Field { name: format!("{prefix}_{}", a.name), values, ..a.clone() };
                fields.push(named("truth", a.values.clone()));
                fields.push(named("prediction", b.values.clone()));
                fields.push(named("error", b.values.iter().zip(&a.values).map(|(b, a)| b - a).collect()));
            }
            State { time: t.time, fields }
        })
        .collect();
    write_series(dir.join("compare.pvd"), &truth.setup.mesh, &states, &VtuOptions::default())?;
    let script = dir.join("compare.py");
    std::fs::write(&script, COMPARE).with_context(|| format!("cannot write {}", script.display()))?;
    Ok(())
}
