use super::aggregate::{Graph, aggregate};
use super::prolong::Tentative;
use super::*;
use crate::matrices::{elasticity, fix, poisson, tetrahedra};
use crate::{KrylovOptions, LinearOperator, SolveReport, cg};
use std::f64::consts::PI;

fn solve(a: &dyn LinearOperator, m: &Amg) -> (Vec<f64>, SolveReport) {
    let b: Vec<f64> = (0..a.nrows()).map(|i| (i as f64 * 0.37).sin() + 0.5).collect();
    let mut x = vec![0.0; b.len()];
    let report = cg(a, m, &b, &mut x, &KrylovOptions { tolerance: 1e-8, max_iterations: 200 });
    assert!(report.converged(), "{:?} after {} iterations at {:.1e}", report.reason, report.iterations, report.residual());
    (x, report)
}

fn small() -> AmgOptions {
    AmgOptions { coarse_size: 60, ..AmgOptions::default() }
}

fn elastic(points: &[[f64; 3]]) -> AmgOptions {
    AmgOptions { block_size: 3, near_null_space: rigid_body_modes(points, 3), ..small() }
}

#[test]
fn iterations_do_not_grow_with_the_size() {
    let count = |n: usize| {
        let a = poisson(n, |_| [1.0; 3]);
        solve(&a, &Amg::new(&a, &small()).unwrap()).1.iterations
    };
    let (coarse, fine) = (count(12), count(32));
    assert!(fine <= 16 && fine <= coarse + 4, "conduction: {coarse} to {fine}");
    let count = |n: usize| {
        let (a, points) = elasticity(n, false);
        let m = Amg::from_blocks(&a, &elastic(&points)).unwrap();
        assert!(m.operator_complexity() < 1.7);
        solve(&a, &m).1.iterations
    };
    let (coarse, fine) = (count(8), count(18));
    assert!(fine <= 25 && fine <= coarse + 5, "elasticity: {coarse} to {fine}");
}

#[test]
fn all_options_converge() {
    let (a, points) = elasticity(9, false);
    let with = |change: &dyn Fn(&mut AmgOptions)| {
        let mut options = elastic(&points);
        change(&mut options);
        solve(&a, &Amg::from_blocks(&a, &options).unwrap()).1.iterations
    };
    let v = with(&|_| ());
    assert!(with(&|o| o.cycle = Cycle::W) <= v);
    assert!(with(&|o| o.smoother_degree = 4) < v);
    assert!(with(&|o| o.smoother_degree = 1) < 60);
    assert!(with(&|o| o.near_null_space.clear()) > v, "translations alone are worse than rigid-body modes");
    assert!(with(&|o| o.precision = Precision::Double).abs_diff(v) <= 1);
    assert!(with(&|o| o.coarse_size = 1) < 30);
    // By single rows, the block size as an option: the same hierarchy.
    let csr = a.to_csr();
    let m = Amg::new(&csr, &elastic(&points)).unwrap();
    assert_eq!(solve(&csr, &m).1.iterations, v);
}

#[test]
fn coefficients_may_jump_and_directions_differ() {
    let iterations = |k: &dyn Fn([f64; 3]) -> [f64; 3]| {
        let a = poisson(20, k);
        solve(&a, &Amg::new(&a, &small()).unwrap()).1.iterations
    };
    let checkered = |x: [f64; 3]| [if x.iter().map(|x| (x * 4.0) as i32).sum::<i32>() % 2 == 0 { 1.0 } else { 1e6 }; 3];
    assert!(iterations(&checkered) < 60);
    assert!(iterations(&|_| [1.0, 1.0, 1e-4]) < 30);
    assert!(iterations(&|_| [1.0, 1e-3, 1e-6]) < 40);
    assert!(iterations(&|x| [(5.0 * (PI * x[0]).sin()).exp(); 3]) < 30);
}

/// Elasticity without any support: the rigid-body modes are its kernel.
fn floating(n: usize) -> (crate::BsrMatrix, Vec<[f64; 3]>) {
    let element = |g: &[[f64; 3]; 4], volume: f64, _: [f64; 3], ke: &mut [f64]| {
        for k in 0..144 {
            let (i, p, j, q) = (k / 36, k / 12 % 3, k / 3 % 4, k % 3);
            let dot: f64 = (0..3).map(|d| g[i][d] * g[j][d]).sum();
            ke[k] = volume * (g[i][p] * g[j][q] + g[i][q] * g[j][p] + if p == q { dot } else { 0.0 });
        }
    };
    tetrahedra(n, 3, |_| true, element)
}

#[test]
fn rigid_body_modes_are_the_kernel_and_the_prolongator_keeps_them() {
    let (a, points) = floating(6);
    let modes = rigid_body_modes(&points, 3);
    let mut y = vec![0.0; 3 * points.len()];
    for mode in &modes {
        a.apply(mode, &mut y);
        assert!(y.iter().all(|v| v.abs() < 1e-12));
    }
    let scaling = Scaling::new(Square::of_bsr(&a)).unwrap();
    let scaled = scaling.apply(Square::of_bsr(&a));
    let options = AmgOptions { near_null_space: modes, ..small() };
    let mut fine = near_null(&options, y.len(), 3, 6).unwrap();
    scaling.scale_modes(&mut fine, 6);
    let graph = Graph::new(&scaled, 0.02);
    let (of, count) = aggregate(&graph, &vec![false; points.len()]);
    assert!(count > 4 && count < points.len() / 8);
    let tentative = Tentative::new(of, count, &fine, 3, 6);
    let p = tentative.smooth(&scaled, 0.7);
    for mode in 0..6 {
        let coarse: Vec<f64> = tentative.coarse.iter().skip(mode).step_by(6).copied().collect();
        p.multiply(&coarse, &mut y, false);
        for (y, f) in y.iter().zip(fine.iter().skip(mode).step_by(6)) {
            assert!((y - f).abs() < 1e-11, "mode {mode}: {y} for {f}");
        }
    }
}

#[test]
fn in_the_plane_there_are_three_rigid_body_modes() {
    let modes = rigid_body_modes(&[[0.0; 3], [2.0, 0.0, 7.0], [1.0, 3.0, 0.0]], 2);
    assert_eq!(modes[0], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(modes[1], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    assert_eq!(modes[2], [1.0, -1.0, 1.0, 1.0, -2.0, 0.0]);
    assert_eq!(modes.len(), 3);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[test]
fn the_cycle_is_symmetric_and_positive_definite() {
    let (a, points) = elasticity(7, false);
    for cycle in [Cycle::V, Cycle::W] {
        for precision in [Precision::Double, Precision::Single] {
            let m = Amg::from_blocks(&a, &AmgOptions { cycle, precision, ..elastic(&points) }).unwrap();
            assert!(m.levels().len() > 2);
            let n = a.nrows * 3;
            let vector =
                |k: usize| -> Vec<f64> { (0..n).map(|i| (((i * 7919 + k * 104_729) % 1009) as f64 / 1009.0 - 0.5) * 1e9).collect() };
            let tolerance = if precision == Precision::Double { 1e-12 } else { 1e-5 };
            for k in 0..5 {
                let (x, y) = (vector(k), vector(k + 50));
                let (mut mx, mut my) = (vec![0.0; n], vec![0.0; n]);
                m.apply(&x, &mut mx);
                m.apply(&y, &mut my);
                let (xx, yy) = (dot(&x, &mx), dot(&y, &my));
                assert!(xx > 0.0 && yy > 0.0);
                assert!((dot(&x, &my) - dot(&y, &mx)).abs() < tolerance * (xx * yy).sqrt(), "{cycle:?} {precision:?}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (a, points) = elasticity(15, false);
    let p = poisson(40, |x| [1.0, 1.0 + x[0], 1.0]);
    let work = || {
        let m = Amg::from_blocks(&a, &elastic(&points)).unwrap();
        let s = Amg::new(&p, &AmgOptions::default()).unwrap();
        (solve(&a, &m).0, solve(&p, &s).0)
    };
    let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
    let one = on(1);
    assert!(one == on(2) && one == on(3));
}

#[test]
fn fixed_unknowns_stay_out_of_the_coarse_space() {
    let (a, points) = elasticity(12, true);
    let kept = solve(&a, &Amg::from_blocks(&a, &elastic(&points)).unwrap()).1.iterations;
    assert!(kept < 25, "{kept}");
    // Partly constrained: rollers on three faces, and a line held in one direction.
    let (mut b, points) = floating(12);
    let mut fixed = Vec::new();
    for (i, p) in points.iter().enumerate() {
        fixed.extend((0..3).filter(|&d| p[d] == 0.0).map(|d| 3 * i + d));
        if p[0] == 1.0 && p[1] == 1.0 {
            fixed.push(3 * i + 2);
        }
    }
    fix(&mut b, &fixed);
    let partly = solve(&b, &Amg::from_blocks(&b, &elastic(&points)).unwrap()).1.iterations;
    assert!(partly < 30, "{partly}");
}

#[test]
fn systems_without_their_constrained_unknowns_are_filled_up() {
    let (a, points) = floating(9);
    let modes = rigid_body_modes(&points, 3);
    // Rollers on three faces: nodes of 0, 1, 2 and 3 unknowns.
    let free: Vec<usize> = (0..a.nrows * 3).filter(|&i| points[i / 3][i % 3] > 0.0).collect();
    let mut number = vec![usize::MAX; a.nrows * 3];
    free.iter().enumerate().for_each(|(new, &old)| number[old] = new);
    let full = a.to_csr();
    let mut t = Vec::new();
    for (new, &old) in free.iter().enumerate() {
        let (cols, values) = full.row(old);
        t.extend(cols.iter().zip(values).map(|(&c, &v)| (new, number[c as usize], v)).filter(|t| t.1 != usize::MAX));
    }
    let reduced = CsrMatrix::from_triplets(free.len(), free.len(), &t);
    let group: Vec<u32> = free.iter().map(|i| 10 + 2 * (i / 3) as u32).collect();
    let near_null_space = modes.iter().map(|m| free.iter().map(|&i| m[i]).collect()).collect();
    let options = AmgOptions { near_null_space, ..small() };
    let m = GroupedAmg::new(&reduced, &group, &options).unwrap();
    assert!(m.amg().levels()[0].unknowns > free.len());
    let b = vec![1.0; free.len()];
    let count = |m: &dyn Preconditioner| {
        let report = cg(&reduced, m, &b, &mut vec![0.0; b.len()], &KrylovOptions { tolerance: 1e-8, max_iterations: 200 });
        assert!(report.converged());
        report.iterations
    };
    assert!(count(&m) < 30, "{}", count(&m));
    assert!(count(&m) < count(&Amg::new(&reduced, &small()).unwrap()));
    assert!(matches!(GroupedAmg::new(&reduced, &group[1..], &options), Err(SolveError::Shape { .. })));
    let short = AmgOptions { near_null_space: vec![vec![1.0; 4]], ..small() };
    assert!(matches!(GroupedAmg::new(&reduced, &group, &short), Err(SolveError::Shape { .. })));
    assert!(GroupedAmg::new(&CsrMatrix::from_triplets(0, 0, &[]), &[], &small()).is_ok());
}

#[test]
fn a_singular_matrix_with_a_consistent_right_hand_side_is_solved() {
    let (a, points) = floating(8);
    let m = Amg::from_blocks(&a, &elastic(&points)).unwrap();
    let x: Vec<f64> = (0..a.nrows * 3).map(|i| (i as f64).sin()).collect();
    let (mut b, mut y) = (vec![0.0; x.len()], vec![0.0; x.len()]);
    a.apply(&x, &mut b);
    let report = cg(&a, &m, &b, &mut y, &KrylovOptions { tolerance: 1e-8, max_iterations: 60 });
    assert!(report.converged(), "{report:?}");
}

#[test]
fn what_does_not_coarsen_still_works() {
    // A diagonal matrix over many decades, beyond the dense size; and one unknown; and none.
    let n = 5000;
    let d: Vec<_> = (0..n).map(|i| (i, i, 10f64.powi((i % 80) as i32 - 40))).collect();
    let a = CsrMatrix::from_triplets(n, n, &d);
    let m = Amg::new(&a, &AmgOptions::default()).unwrap();
    assert_eq!(m.levels().len(), 1);
    solve(&a, &m);
    for n in [0, 1] {
        let a = CsrMatrix::from_triplets(n, n, &d[..n]);
        solve(&a, &Amg::new(&a, &AmgOptions::default()).unwrap());
    }
}

#[test]
fn bad_input_is_an_error() {
    let options = AmgOptions::default();
    let a = poisson(6, |_| [1.0; 3]);
    let changed = |k: usize, v: f64| {
        let mut a = a.clone();
        a.values[k] = v;
        Amg::new(&a, &options).err()
    };
    let diagonal = a.row(7).0.iter().position(|&c| c == 7).unwrap() + a.row_ptr[7];
    assert_eq!(changed(diagonal, f64::NAN), Some(SolveError::NotFinite { row: 7 }));
    assert_eq!(changed(diagonal + 1, f64::INFINITY), Some(SolveError::NotFinite { row: 7 }));
    assert!(matches!(changed(diagonal, -1.0), Some(SolveError::Pivot { pivot: 7, .. })));
    assert!(matches!(changed(diagonal, 0.0), Some(SolveError::Pivot { pivot: 7, .. })));
    let shape = |a: &CsrMatrix, options: AmgOptions| assert!(matches!(Amg::new(a, &options).err(), Some(SolveError::Shape { .. })));
    shape(&a, AmgOptions { block_size: 2, ..options.clone() });
    shape(&a, AmgOptions { block_size: 0, ..options.clone() });
    shape(&a, AmgOptions { smoother_degree: 0, ..options.clone() });
    shape(&a, AmgOptions { near_null_space: vec![vec![1.0; 3]], ..options.clone() });
    shape(&a, AmgOptions { near_null_space: vec![vec![1.0; a.nrows]; 17], ..options.clone() });
    shape(&CsrMatrix::from_triplets(2, 3, &[]), options.clone());
    let nan = AmgOptions { near_null_space: vec![vec![f64::NAN; a.nrows]], ..options.clone() };
    assert!(matches!(Amg::new(&a, &nan).err(), Some(SolveError::NotFinite { .. })));
}
