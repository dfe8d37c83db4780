use super::*;
use crate::{KrylovOptions, LinearOperator, cg, gmres};

/// A chain of springs with a weak support.
fn chain(n: usize, stiffness: impl Fn(usize) -> f64) -> CsrMatrix {
    let mut t = Vec::new();
    for i in 0..n {
        t.push((i, i, stiffness(i) + stiffness(i + 1) + 1e-3));
        if i + 1 < n {
            t.extend([(i, i + 1, -stiffness(i + 1)), (i + 1, i, -stiffness(i + 1))]);
        }
    }
    CsrMatrix::from_triplets(n, n, &t)
}

#[test]
fn every_preconditioner_reaches_the_tolerance() {
    let a = chain(500, |i| 10f64.powi((i % 7) as i32 - 3));
    let b: Vec<f64> = (0..500).map(|i| (i as f64).cos()).collect();
    for (name, make) in PRECONDITIONERS {
        let m = make(&a).unwrap();
        let mut x = vec![0.0; 500];
        let report = cg(&a, m.as_ref(), &b, &mut x, &KrylovOptions { tolerance: 1e-9, max_iterations: 5000 });
        assert!(report.converged() && report.residual() <= 1e-9, "{name}: {report:?}");
    }
}

/// The same matrix in other units: `D A D` with entries of D over 24 decades.
fn rescaled(a: &CsrMatrix) -> (CsrMatrix, Vec<f64>) {
    let d: Vec<f64> = (0..a.nrows).map(|i| 10f64.powi((i * 7 % 25) as i32 - 12)).collect();
    let mut scaled = a.clone();
    for i in 0..a.nrows {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            scaled.values[k] *= d[i] * d[a.col_idx[k] as usize];
        }
    }
    (scaled, d)
}

#[test]
fn units_do_not_matter() {
    // M^-1 of D A D is D^-1 M^-1 D^-1.
    let a = crate::matrices::poisson(7, |x| [1.0 + x[0], 1.0, 1.0]);
    let (scaled, d) = rescaled(&a);
    let r: Vec<f64> = (0..a.nrows).map(|i| (i as f64).sin()).collect();
    let r_scaled: Vec<f64> = r.iter().zip(&d).map(|(r, d)| r * d).collect();
    for (name, make) in PRECONDITIONERS {
        let (m, m_scaled) = (make(&a).unwrap(), make(&scaled).unwrap());
        let (mut z, mut z_scaled) = (vec![0.0; r.len()], vec![0.0; r.len()]);
        m.apply(&r, &mut z);
        m_scaled.apply(&r_scaled, &mut z_scaled);
        let largest = z.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for ((z, s), d) in z.iter().zip(&z_scaled).zip(&d) {
            assert!((z - s * d).abs() < 1e-5 * largest, "{name}: {z} and {}", s * d);
        }
    }
}

#[test]
fn factors_without_dropping_are_exact() {
    // A tridiagonal matrix has no fill.
    let a = chain(60, |i| 1.0 + i as f64);
    let b: Vec<f64> = (0..60).map(|i| (i as f64).cos()).collect();
    let (mut z, mut y) = (vec![0.0; 60], vec![0.0; 60]);
    for m in
        [&IncompleteLu::new(&a).unwrap() as &dyn Preconditioner, &IncompleteCholesky::new(&a).unwrap(), &BlockJacobi::new(&a, 60).unwrap()]
    {
        m.apply(&b, &mut z);
        a.apply(&z, &mut y);
        assert!(y.iter().zip(&b).all(|(y, b)| (y - b).abs() < 1e-9));
    }
}

#[test]
fn blocks_of_nodes_are_better_than_single_unknowns() {
    let (a, _) = crate::matrices::elasticity(6, false);
    let a = a.to_csr();
    let b: Vec<f64> = (0..a.nrows).map(|i| (i as f64).sin()).collect();
    let count = |m: &dyn Preconditioner| cg(&a, m, &b, &mut vec![0.0; b.len()], &KrylovOptions::default()).iterations;
    assert!(count(&BlockJacobi::new(&a, 3).unwrap()) <= count(&Jacobi::new(&a).unwrap()));
    // A last block that is smaller.
    assert!(count(&BlockJacobi::new(&a, 40).unwrap()) < count(&Jacobi::new(&a).unwrap()));
}

#[test]
fn incomplete_lu_serves_matrices_without_symmetry_and_shifts_small_pivots() {
    let mut a = crate::matrices::poisson(9, |_| [1.0; 3]);
    for i in 0..a.nrows {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            if (a.col_idx[k] as usize) > i {
                a.values[k] *= 0.3;
            }
        }
    }
    let b = vec![1.0; a.nrows];
    let options = KrylovOptions::default();
    let plain = gmres(&a, &Identity, &b, &mut vec![0.0; b.len()], &options, 50);
    let with = gmres(&a, &IncompleteLu::new(&a).unwrap(), &b, &mut vec![0.0; b.len()], &options, 50);
    assert!(with.converged() && 2 * with.iterations < plain.iterations);
    let zero_pivot = CsrMatrix::from_triplets(2, 2, &[(0, 0, 0.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)]);
    assert!(IncompleteLu::new(&zero_pivot).is_ok());
    let without = CsrMatrix::from_triplets(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)]);
    assert!(matches!(IncompleteLu::new(&without), Err(SolveError::Pivot { pivot: 0, .. })));
}
