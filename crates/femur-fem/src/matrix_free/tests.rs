use super::*;
use crate::assemble::CellCoefficient;
use crate::{Assembler, Constraints};
use femur_mesh::generate::{box_, rectangle};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A grid of a kind: straight, bent, or bent at one end alone, so that both sorts of geometry lie side by side.
fn grid(kind: CellKind, bend: f64, n: usize) -> Mesh {
    let mut mesh =
        if kind.dim() == 2 { rectangle([1.0, 2.0], [4 * n, 5 * n], kind) } else { box_([1.0, 2.0, 1.5], [n, n, n + 1], kind) }.unwrap();
    let dim = mesh.dim;
    for x in mesh.points.chunks_exact_mut(dim) {
        let old = x.to_vec();
        let by = bend * (old[0] - 0.5).max(0.0);
        (0..dim).for_each(|d| x[d] += by * (3.0 * old[(d + 1) % dim]).sin());
    }
    mesh
}

fn vector(n: usize) -> Vec<f64> {
    (0..n).map(|i| (i as f64 * 0.7).sin() + 0.1).collect()
}

fn far(a: &[f64], b: &[f64]) -> f64 {
    let scale = a.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / scale
}

/// Every kind of the list, both forms, coefficients that vary from cell to cell, straight and bent: products and diagonals are those of
/// the assembled matrix, to the same bits on any number of threads.
#[test]
fn products_are_those_of_the_matrix() {
    for kind in KINDS {
        for (bend, n) in [(0.0, 3), (0.2, 3), (0.2, 9)] {
            let mesh = grid(kind, bend, n);
            let k: Vec<f64> = (0..mesh.num_cells()).map(|c| 1.0 + (c % 5) as f64).collect();
            let forms = [
                Form::Diffusion(CellCoefficient::ByCell(&k)),
                Form::Elasticity { lambda: CellCoefficient::ByCell(&k), mu: CellCoefficient::Uniform(0.7) },
            ];
            for (form, c) in forms.into_iter().zip([1, mesh.dim]) {
                let assembler = Assembler::new(&mesh, c, 0);
                let mut matrix = assembler.zeros();
                assembler.assemble(&mesh, &form, &mut matrix).unwrap();
                let free = MatrixFree::new(&mesh, &form).unwrap();
                let x = vector(matrix.nrows);
                let (mut y, mut z) = (vec![0.0; x.len()], vec![f64::NAN; x.len()]);
                matrix.apply(&x, &mut y);
                free.apply(&x, &mut z);
                assert!(far(&y, &z) < 1e-12, "{kind}, {c}, {bend}: {:.1e}", far(&y, &z));
                let blocks = free.diagonal_blocks();
                let expected: Vec<f64> = (0..x.len() * c).map(|e| matrix.get(e / c, e / (c * c) * c + e % c)).collect();
                assert!(far(&expected, &blocks) < 1e-12, "{kind}, {c}, {bend}");
                let again = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(|| {
                    let mut w = vec![0.0; x.len()];
                    free.apply(&x, &mut w);
                    w
                });
                assert_eq!(z, again, "{kind}");
            }
        }
    }
}

#[test]
fn a_straight_cell_keeps_one_record() {
    let form = Form::Diffusion(CellCoefficient::Uniform(1.0));
    let memory = |bend| MatrixFree::new(&grid(CellKind::Hex27, bend, 6), &form).unwrap().memory();
    assert!(3 * memory(0.0) < memory(0.5), "{} {}", memory(0.0), memory(0.5));
}

#[test]
fn what_has_no_kernel_and_inverted_cells_are_refused() {
    let form = Form::Diffusion(CellCoefficient::Uniform(1.0));
    let mesh = rectangle([1.0, 1.0], [2, 2], CellKind::Quad8).unwrap();
    assert_eq!(MatrixFree::new(&mesh, &form).unwrap_err(), NotMatrixFree::Kind(CellKind::Quad8));
    let mut mesh = rectangle([1.0, 1.0], [5, 5], CellKind::Quad4).unwrap();
    let mass = Form::Mass { components: 1, density: CellCoefficient::Uniform(1.0) };
    assert_eq!(MatrixFree::new(&mesh, &mass).unwrap_err(), NotMatrixFree::Form);
    let cell = mesh.blocks[0].cell(17).to_vec();
    mesh.blocks[0].connectivity[17 * 4..18 * 4].copy_from_slice(&[cell[3], cell[2], cell[1], cell[0]]);
    match MatrixFree::new(&mesh, &form) {
        Err(NotMatrixFree::Inverted(InvertedCell { cell: 17, det })) => assert!(det < 0.0),
        other => panic!("{other:?}"),
    }
}

/// Fixed unknowns, turned nodes and a boundary's matrix against the same done to the assembled matrix.
#[test]
fn constraints_are_those_of_the_matrix() {
    let mesh = grid(CellKind::Tet10, 0.2, 3);
    let form = Form::Elasticity { lambda: CellCoefficient::Uniform(1.0), mu: CellCoefficient::Uniform(0.7) };
    let assembler = Assembler::new(&mesh, 3, 0);
    let mut matrix = assembler.zeros();
    assembler.assemble(&mesh, &form, &mut matrix).unwrap();
    let nodes = mesh.blocks[0].cell(4)[..6].to_vec();
    let v = vector(18);
    let boundary = (nodes.clone(), (0..18 * 18).map(|k| v[k / 18] * v[k % 18]).collect::<Vec<f64>>());
    assembler.scatter(&mut matrix, &boundary.0, &boundary.1);
    let mut constraints = Constraints::new(3);
    let (sin, cos) = 0.6_f64.sin_cos();
    for &n in &nodes[..4] {
        constraints.frames.insert(n as usize, [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]);
        constraints.fixed.insert(n as usize * 3 + 1, 0.0);
    }
    constraints.fixed.extend((0..30).map(|u| (7 * u, 0.0)));
    let prescribed: BTreeMap<usize, f64> = constraints.fixed.keys().map(|&u| (u, 0.01 * u as f64)).collect();

    let cells = Arc::new(MatrixFree::new(&mesh, &form).unwrap());
    let free = Constrained::new(cells.clone(), &constraints, &[boundary]).unwrap();
    constraints.rotate_matrix(&mut matrix);
    let load = vector(matrix.nrows);
    let reduced = constraints.reduce(&matrix);
    let expected = reduced.right_hand_side(&load, &prescribed);
    let mut b = load.clone();
    free.right_hand_side(&mut b, &prescribed);
    let at_free: Vec<f64> = reduced.free.iter().map(|&u| b[u]).collect();
    assert!(far(&expected, &at_free) < 1e-12);
    constraints.eliminate(&mut matrix);
    let (mut y, mut z) = (vec![0.0; load.len()], vec![0.0; load.len()]);
    matrix.apply(&load, &mut y);
    free.apply(&load, &mut z);
    assert!(far(&y, &z) < 1e-12);
    assert!(far(&matrix.diagonal(), &free.diagonal()) < 1e-12);
    constraints.ties.insert(100, vec![(101, 1.0)]);
    assert!(Constrained::new(cells, &constraints, &[]).is_none());
}
