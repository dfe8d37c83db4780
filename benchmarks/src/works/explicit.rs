//! A step of central differences: Femur's, with the stiffness applied cell by cell and the energies of every step, beside the plain update of
//! displacements and velocities with the assembled matrix in blocks. The ways take turns in one process.

use crate::clock::{Seconds, timed};
use crate::contest::{Contender, Runner, Sample, Spec, contest};
use crate::options::Options;
use crate::system::{Equation, LAMBDA, MU, norm};
use anyhow::{Context as _, Result};
use femur_fem::{Assembler, CellCoefficient, VectorAssembler, lumped_mass};
use femur_mesh::generate::box_;
use femur_mesh::{CellKind, Mesh};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_solve::{BsrMatrix, LinearOperator};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kinds, with cells along an edge for a measurement and for a quick run, and the length of a step: some two thirds of the critical one for
/// an edge of cells of 1.
const SIZES: &[(CellKind, [usize; 2], f64)] =
    &[(CellKind::Hex8, [40, 3], 0.3), (CellKind::Tet4, [40, 3], 0.15), (CellKind::Tet10, [20, 2], 0.06), (CellKind::Hex27, [20, 2], 0.12)];

/// Steps of the two runs whose difference is timed, so that the state that a run ends with does not count.
const STEPS: [usize; 2] = [10, 60];

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    for &(kind, [full, quick], step) in SIZES {
        let n = options.pick(full, quick);
        let mesh = Arc::new(box_([1.0; 3], [n; 3], kind)?);
        let size = format!("step, elasticity on {kind}, {} dofs", 3 * mesh.num_nodes());
        if !options.wants(&size) {
            continue;
        }
        let dt = step / n as f64;
        let spec = Spec { work: "explicit", size, goals: Vec::new(), tolerance: 1e-8, rounds: options.pick(5, 1) };
        let others = if options.quick { Vec::new() } else { vec![("assembled", assembled(&mesh, dt)?)] };
        let others = others.into_iter().map(|(name, run)| Contender { name: name.into(), run: Some(run) }).collect();
        out(contest(&spec, options, femur(&mesh, dt), others)?);
    }
    Ok(())
}

/// Force per volume on the cube, whose left side is held.
const PULL: [f64; 3] = [0.2, 1.0, 0.5];

/// Steps of a case, as a user has them.
fn femur(mesh: &Arc<Mesh>, dt: f64) -> Runner<'_> {
    Box::new(move || {
        let nu = LAMBDA / (2.0 * (LAMBDA + MU));
        let run = |steps: usize| -> Result<(Seconds, f64)> {
            let text = format!(
                "physics = \"elastodynamics\"\nbody_force = [{}, {}, {}]\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = {}\nnu = {nu}\ndensity = 1.0\n\
                 [discretisation]\nincompatible_modes = false\n[time]\nend = {}\nsteps = 1\n[dynamics]\nscheme = \"central-difference\"\n\
                 substeps = {steps}\n[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n",
                PULL[0],
                PULL[1],
                PULL[2],
                2.0 * MU * (1.0 + nu),
                steps as f64 * dt
            );
            let case = CaseFile::parse(&text, "explicit")?.nominal()?;
            let physics = PHYSICS.iter().find(|p| p.name() == "elastodynamics").context("no such physics")?;
            let mut simulator = physics.simulator(&case, mesh)?;
            let (seconds, state) = timed(|| simulator.step(1, None));
            Ok((seconds, norm(&state?.field("displacement").context("no field")?.values)))
        };
        let [(short, _), (long, size)] = [run(STEPS[0])?, run(STEPS[1])?];
        sample([short, long], size, mesh)
    })
}

/// The same by the textbook's loop with the matrix in blocks.
fn assembled(mesh: &Arc<Mesh>, dt: f64) -> Result<Runner<'_>> {
    let assembler = Assembler::new(mesh, 3, 0);
    let mut matrix: BsrMatrix = assembler.zero_blocks();
    assembler.assemble_blocks(mesh, &Equation::Elasticity.form(), &mut matrix)?;
    drop(assembler);
    let mut inverse: Vec<f64> = lumped_mass(mesh, CellCoefficient::Uniform(1.0))?.iter().flat_map(|m| [1.0 / m; 3]).collect();
    for n in mesh.tag_nodes("left")? {
        inverse[3 * n as usize..][..3].fill(0.0);
    }
    let mut force = vec![0.0; inverse.len()];
    VectorAssembler::new(mesh, 3, 1).add_vector(mesh, &mut force, |_, geometry, table, out| {
        for (values, w) in table.values.iter().zip(&geometry.volume) {
            out.iter_mut().enumerate().for_each(|(k, o)| *o += w * values[k / 3] * PULL[k % 3]);
        }
    });
    let size = force.len();
    Ok(Box::new(move || {
        let run = |steps: usize| {
            let [mut u, mut v, mut ku] = [vec![0.0; size], vec![0.0; size], vec![0.0; size]];
            let (seconds, ()) = timed(|| {
                for k in 0..steps {
                    matrix.apply(&u, &mut ku);
                    // From rest: the first velocity is half a step on.
                    let h = if k == 0 { 0.5 * dt } else { dt };
                    for i in 0..size {
                        v[i] += h * inverse[i] * (force[i] - ku[i]);
                        u[i] += dt * v[i];
                    }
                }
            });
            (seconds, norm(&u))
        };
        let [(short, _), (long, size)] = STEPS.map(run);
        sample([short, long], size, mesh)
    }))
}

fn sample([short, long]: [Seconds; 2], size: f64, mesh: &Mesh) -> Result<Sample> {
    let steps = (STEPS[1] - STEPS[0]) as f64;
    // A quick run is too short to tell apart.
    let each = |short: f64, long: f64| (long - short).max(1e-9) / steps;
    let seconds = Seconds { wall: each(short.wall, long.wall), cpu: each(short.cpu, long.cpu) };
    let dofs = 3.0 * mesh.num_nodes() as f64;
    let detail = BTreeMap::from([("cpu_ns_per_dof".to_string(), 1e9 * seconds.cpu / dofs)]);
    Ok(Sample { seconds, answer: BTreeMap::from([("norm".to_string(), size)]), detail })
}
