//! Checks that every body passes.

use super::{Assembly, Body};
use femur_mesh::{CellKind, Mesh};
use std::sync::Arc;

/// The kinds that the generators make.
pub(crate) const KINDS: [CellKind; 10] = [
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

/// Displacements of that size, by a fixed rule that looks random.
pub(crate) fn displacements(n: usize, size: f64, seed: f64) -> Vec<f64> {
    (0..n).map(|i| size * ((i as f64 + 1.0) * 12.9898 + seed).sin()).collect()
}

/// Holds the tangent of a body on a small mesh against central differences of its forces; where no history is kept, the forces
/// against those of the energy too.
pub(crate) fn check_tangent(body: &dyn Body, mesh: &Mesh, size: f64) {
    let assembly = Assembly::new(&Arc::new(mesh.clone()), body);
    let n = assembly.assembler.size();
    let mut old = vec![0.0; assembly.history_len()];
    let mut new = old.clone();
    // A first load leaves its history, from which the state that is checked goes on.
    assembly.add(body, &displacements(n, size, 1.0), (&old, &mut new), &mut vec![0.0; n], None).unwrap();
    old.copy_from_slice(&new);
    let u = displacements(n, 2.0 * size, 2.0);
    let mut matrix = assembly.assembler.zeros();
    let mut force = vec![0.0; n];
    assembly.add(body, &u, (&old, &mut new), &mut force, Some(&mut matrix)).unwrap();
    let scale = matrix.values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
    let step = 1e-6 * size;
    for col in 0..n {
        let mut at = |by: f64| {
            let (mut v, mut f) = (u.clone(), vec![0.0; n]);
            v[col] += by;
            assembly.add(body, &v, (&old, &mut new), &mut f, None).unwrap();
            f
        };
        let (hi, lo) = (at(step), at(-step));
        for row in 0..n {
            let slope = (hi[row] - lo[row]) / (2.0 * step);
            let (got, kind) = (matrix.get(row, col), mesh.blocks[0].kind);
            assert!((slope - got).abs() < 2e-6 * scale, "{kind} ({row}, {col}): {slope} by differences, {got}");
        }
    }
    if body.symmetric() {
        for row in 0..n {
            assert!((0..n).all(|col| (matrix.get(row, col) - matrix.get(col, row)).abs() < 1e-10 * scale));
        }
    }
}
