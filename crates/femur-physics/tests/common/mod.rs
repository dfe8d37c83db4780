//! Meshes, cases and slopes that the tests of several physics share.
#![allow(dead_code)] // no test uses all of it

use femur_fem::error_norms::errors;
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_sim::{Trajectory, rollout};
use std::sync::Arc;

/// Runs a case on a mesh, or gives the error's text.
pub(crate) fn try_solve(case: &str, mesh: &Arc<Mesh>) -> Result<Trajectory, String> {
    let case = CaseFile::parse(case, "test.toml").and_then(|f| f.nominal()).map_err(|e| e.to_string())?;
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
    let mut simulator = physics.simulator(&case, mesh).map_err(|e| e.to_string())?;
    case.finish().map_err(|e| e.to_string())?;
    let trajectory = rollout(simulator.as_mut(), &mut ()).map_err(|e| e.to_string())?;
    assert_eq!(trajectory.setup, physics.setup(&case, mesh).unwrap());
    physics.learning_task(&case, &trajectory.setup).unwrap();
    Ok(trajectory)
}

/// The values of a series.
pub(crate) fn series<'a>(t: &'a Trajectory, name: &str) -> &'a [f64] {
    &t.log.series.iter().find(|s| s.name == name).unwrap().values
}

/// Runs a case on a mesh.
pub(crate) fn solve(case: &str, mesh: &Arc<Mesh>) -> Trajectory {
    try_solve(case, mesh).unwrap_or_else(|e| panic!("{e}\n{case}"))
}

pub(crate) const PLANE: &[CellKind] = &[CellKind::Triangle3, CellKind::Triangle6, CellKind::Quad4, CellKind::Quad8, CellKind::Quad9];

pub(crate) const KINDS: &[CellKind] = &[
    CellKind::Triangle3,
    CellKind::Triangle6,
    CellKind::Quad4,
    CellKind::Quad8,
    CellKind::Quad9,
    CellKind::Tet4,
    CellKind::Tet10,
    CellKind::Hex8,
    CellKind::Hex20,
    CellKind::Hex27,
];

pub(crate) const SIDES: [&str; 6] = ["left", "right", "bottom", "top", "back", "front"];

/// A grid of that kind on the unit square or cube, its interior nodes moved where the cells stay affine in order 2.
pub(crate) fn grid(kind: CellKind, n: usize) -> Arc<Mesh> {
    let mut mesh = if kind.dim() == 2 { rectangle([1.0, 1.0], [n, n], kind) } else { box_([1.0; 3], [n, n, n], kind) }.unwrap();
    let dim = mesh.dim;
    if kind.order() == 1 {
        for p in mesh.points.chunks_exact_mut(dim) {
            let bump: f64 = p.iter().map(|x| (std::f64::consts::PI * x).sin()).product();
            p[0] += 0.06 * bump;
            p[1] -= 0.04 * bump;
        }
    }
    Arc::new(mesh)
}

/// Slope of the L2 error of a field of the last state between two grids.
pub(crate) fn slope(kind: CellKind, case: &str, field: &str, exact: impl Fn([f64; 3], &mut [f64], &mut [[f64; 3]]) + Copy) -> f64 {
    let (coarse, fine) = pair(kind);
    let error = |n: usize| {
        let mesh = grid(kind, n);
        let t = solve(case, &mesh);
        let f = t.states[t.states.len() - 1].field(field).unwrap();
        errors(&mesh, &f.values, f.num_components(), exact).0
    };
    (error(coarse) / error(fine)).log2()
}

/// Cells along a side of the coarse and the fine mesh of a slope.
pub(crate) fn pair(kind: CellKind) -> (usize, usize) {
    match (kind.dim(), kind.order()) {
        (2, 1) => (16, 32),
        (2, _) => (8, 16),
        (_, 1) => (6, 12),
        _ => (3, 6),
    }
}

/// [`grid`] moved along x.
pub(crate) fn shifted_grid(kind: CellKind, n: usize, shift: f64) -> Arc<Mesh> {
    let mut mesh = (*grid(kind, n)).clone();
    let dim = mesh.dim;
    mesh.points.chunks_exact_mut(dim).for_each(|p| p[0] += shift);
    Arc::new(mesh)
}

/// Elastodynamics with the displacement `((1 + t^2) sin x cos y, 0)` up to 0.5 s in some steps; `more` are further tables.
pub(crate) fn moving_solid(kind: CellKind, steps: usize, more: &str) -> String {
    let (e, nu, rho) = (2.5, 0.25, 1.7);
    let (l, mu) = (e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu)));
    let (head, z) = if kind.dim() == 3 { ("", ", 0.0") } else { ("plane = \"strain\"\n", "") };
    let u = "\"(1 + t^2) * sin(x) * cos(y)\"";
    let mut case = format!(
        "physics = \"elastodynamics\"\n{head}body_force = [\"({} * (1 + t^2) + {}) * sin(x) * cos(y)\", \"{} * (1 + t^2) * cos(x) * sin(y)\"{z}]\n\
        [mesh]\ngenerator = \"box\"\n[materials.body]\nE = {e}\nnu = {nu}\ndensity = {rho}\n[initial]\ndisplacement = [{u}, 0.0{z}]\n\
        [time]\nend = 0.5\nsteps = {steps}\n{more}",
        l + 3.0 * mu,
        2.0 * rho,
        l + mu
    );
    for side in &SIDES[..2 * kind.dim()] {
        case += &format!("[[boundary]]\ntag = \"{side}\"\ndisplacement = [{u}, 0.0{z}]\n");
    }
    case
}

/// The wave equation with the amplitude `(1 + t^2) sin x cos y`, and its flux on the right, as [`moving_solid`].
pub(crate) fn moving_wave(kind: CellKind, steps: usize, more: &str) -> String {
    let u = "\"(1 + t^2) * sin(x) * cos(y)\"";
    let mut case = format!(
        "physics = \"wave\"\nsource = \"(2 + 8 * (1 + t^2)) * sin(x) * cos(y)\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nwave_speed = 2.0\n\
        [initial]\namplitude = {u}\n[time]\nend = 0.5\nsteps = {steps}\n{more}[[boundary]]\ntag = \"right\"\nflux = \"4 * (1 + t^2) * cos(x) * cos(y)\"\n"
    );
    for side in SIDES[..2 * kind.dim()].iter().filter(|s| **s != "right") {
        case += &format!("[[boundary]]\ntag = \"{side}\"\namplitude = {u}\n");
    }
    case
}
