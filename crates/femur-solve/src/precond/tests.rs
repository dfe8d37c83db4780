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

/// Linear interpolation from every second point of a line.
struct Halves(usize);

impl Transfer for Halves {
    fn fine(&self) -> usize {
        2 * self.0 + 1
    }

    fn coarse(&self) -> usize {
        self.0
    }

    fn restrict(&self, r: &[f64], coarse: &mut [f64]) {
        coarse.iter_mut().enumerate().for_each(|(i, c)| *c = 0.5 * r[2 * i] + r[2 * i + 1] + 0.5 * r[2 * i + 2]);
    }

    fn prolong(&self, coarse: &[f64], z: &mut [f64]) {
        z.fill(0.0);
        for (i, c) in coarse.iter().enumerate() {
            z[2 * i] += 0.5 * c;
            z[2 * i + 1] = *c;
            z[2 * i + 2] += 0.5 * c;
        }
    }
}

fn line(n: usize, h: f64) -> CsrMatrix {
    let entries: Vec<(usize, usize, f64)> =
        (0..n).flat_map(|i| [(i, i, 2.0 / h), (i, i + 1, -1.0 / h), (i + 1, i, -1.0 / h)]).filter(|t| t.0 < n && t.1 < n).collect();
    CsrMatrix::from_triplets(n, n, &entries)
}

/// Solved exactly on the coarse level, two levels are as good on a fine line as on a coarse one; and symmetric.
#[test]
fn two_levels_do_not_mind_refinement() {
    use std::sync::Arc;
    let mut counts = Vec::new();
    for half in [50, 200, 800] {
        let (fine, coarse) = (line(2 * half + 1, 1.0), line(half, 2.0));
        let smoother = Chebyshev::new(Arc::new(fine.clone()), &fine.diagonal(), 2, 10.0).unwrap();
        // Of a line the incomplete factor is the whole one.
        let exact = IncompleteCholesky::new(&coarse).unwrap();
        let m = TwoLevel::new(smoother, Box::new(Halves(half)), Box::new(exact)).unwrap();
        let n = fine.nrows;
        let (r, s): (Vec<f64>, Vec<f64>) = (0..n).map(|i| ((i as f64).sin(), (i as f64 * 0.3).cos())).unzip();
        let (mut mr, mut ms) = (vec![0.0; n], vec![0.0; n]);
        m.apply(&r, &mut mr);
        m.apply(&s, &mut ms);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&mr, &s) - dot(&ms, &r)).abs() < 1e-10 * dot(&mr, &r).abs());
        let mut x = vec![0.0; n];
        let report = crate::cg(&fine, &m, &r, &mut x, &crate::KrylovOptions { tolerance: 1e-10, max_iterations: 50 });
        assert!(report.converged());
        counts.push(report.iterations);
    }
    assert!(counts.iter().all(|&c| c <= counts[0] + 1 && c < 12), "{counts:?}");
}

#[test]
fn a_polynomial_of_higher_degree_saves_iterations_and_wrong_sizes_are_refused() {
    use std::sync::Arc;
    let a = Arc::new(line(300, 1.0));
    let d = a.diagonal();
    let b: Vec<f64> = (0..300).map(|i| (i as f64 * 0.1).sin()).collect();
    let count = |degree: usize| {
        let m = Chebyshev::new(a.clone(), &d, degree, 100.0).unwrap();
        let mut x = vec![0.0; 300];
        let report = crate::cg(a.as_ref(), &m, &b, &mut x, &crate::KrylovOptions::default());
        assert!(report.converged());
        report.iterations
    };
    let counts = [1, 2, 4].map(count);
    assert!(counts[0] > counts[1] && counts[1] > counts[2], "{counts:?}");
    assert!(matches!(Chebyshev::new(a.clone(), &d[1..], 2, 10.0), Err(SolveError::Shape { got: 299, .. })));
    assert!(matches!(Chebyshev::new(a.clone(), &d, 0, 10.0), Err(SolveError::Shape { got: 0, .. })));
    let mut wrong = d.clone();
    wrong[7] = 0.0;
    assert!(matches!(Chebyshev::new(a.clone(), &wrong, 2, 10.0), Err(SolveError::Pivot { pivot: 7, .. })));
    wrong[7] = f64::NAN;
    assert!(matches!(Chebyshev::new(a.clone(), &wrong, 2, 10.0), Err(SolveError::NotFinite { row: 7 })));
    let smoother = Chebyshev::new(a, &d, 2, 10.0).unwrap();
    assert!(matches!(TwoLevel::new(smoother, Box::new(Halves(10)), Box::new(Identity)), Err(SolveError::Shape { got: 21, .. })));
}
