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
