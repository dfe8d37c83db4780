use super::*;
use crate::CsrMatrix;
use crate::precond::{Identity, IncompleteLu, Jacobi};

fn chain(n: usize, shift: f64, skew: f64) -> CsrMatrix {
    let mut t = Vec::new();
    for i in 0..n {
        t.push((i, i, 2.0 + shift));
        if i + 1 < n {
            t.extend([(i, i + 1, -1.0 + skew), (i + 1, i, -1.0 - skew)]);
        }
    }
    CsrMatrix::from_triplets(n, n, &t)
}

fn serves(needs: Needs, given: Needs) -> bool {
    given == Needs::Definite || needs == Needs::Nothing || needs == given
}

#[test]
fn every_method_solves_what_it_is_for() {
    let matrices =
        [(chain(120, 0.1, 0.0), Needs::Definite), (chain(45, -0.73, 0.0), Needs::Symmetric), (chain(120, 0.4, 0.6), Needs::Nothing)];
    let options = KrylovOptions { tolerance: 1e-10, max_iterations: 3000 };
    for (name, needs, method) in METHODS {
        for (a, given) in matrices.iter().filter(|(_, given)| serves(*needs, *given)) {
            let n = a.nrows;
            let b: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
            let mut x: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let jacobi = Jacobi::new(a).unwrap();
            let lu = IncompleteLu::new(a).unwrap();
            for m in [&Identity as &dyn Preconditioner, &jacobi, &lu] {
                // Incomplete LU of an indefinite matrix is no preconditioner for MINRES.
                if *given == Needs::Symmetric && *needs == Needs::Symmetric && std::ptr::addr_eq(m, &lu) {
                    continue;
                }
                let report = method(a, m, &b, &mut x, &options);
                let mut r = vec![0.0; n];
                let residual = true_residual(a, &b, &x, &mut r) / norm(&b);
                // Where a method has no luck it says so.
                assert!(report.converged() || *name == "bicgstab", "{name} for {given:?}: {:?} {:.1e}", report.reason, report.residual());
                assert!((report.residual() - residual).abs() <= 1e-15 + 1e-12 * residual, "{name} reports another residual");
                x.fill(0.0);
            }
        }
    }
}

#[test]
fn minres_is_monotone_and_its_residual_recurrence_true() {
    let a = chain(80, -0.5, 0.0);
    let b = vec![1.0; 80];
    let steps = |k: usize| {
        let mut x = vec![0.0; 80];
        let report = minres(&a, &Identity, &b, &mut x, &KrylovOptions { tolerance: 0.0, max_iterations: k });
        (report.residuals.clone(), x)
    };
    let (long, _) = steps(30);
    assert!(long.windows(2).all(|w| w[1] <= w[0] * (1.0 + 1e-12)));
    for k in [1, 2, 7, 29] {
        // The last one is computed from the answer, the one of the longer run by recurrence.
        let (short, _) = steps(k);
        assert!((short[k] - long[k]).abs() < 1e-10, "{} {}", short[k], long[k]);
    }
}

#[test]
fn flexible_gmres_takes_an_iteration_as_preconditioner() {
    struct Inner<'a>(&'a CsrMatrix);
    impl Preconditioner for Inner<'_> {
        fn apply(&self, r: &[f64], z: &mut [f64]) {
            z.fill(0.0);
            bicgstab(self.0, &Identity, r, z, &KrylovOptions { tolerance: 1e-2, max_iterations: 200 });
        }
    }
    let a = chain(200, 0.3, 0.4);
    let b = vec![1.0; 200];
    let mut x = vec![0.0; 200];
    let report = fgmres(&a, &Inner(&a), &b, &mut x, &KrylovOptions::default(), 30);
    assert!(report.converged() && report.iterations < 12, "{report:?}");
}

#[test]
fn an_indefinite_matrix_is_a_breakdown_and_a_limit_is_reported() {
    let mut a = chain(50, 1e-3, 0.0);
    let b = vec![1.0; 50];
    let m = Jacobi::new(&a).unwrap();
    for (name, _, method) in METHODS {
        let limited = method(&a, &m, &b, &mut [0.0; 50], &KrylovOptions { tolerance: 1e-12, max_iterations: 3 });
        assert_eq!((limited.reason, limited.iterations), (StopReason::IterationLimit, 3), "{name}");
    }
    for v in &mut a.values {
        *v = -*v;
    }
    let report = cg(&a, &m, &b, &mut [0.0; 50], &KrylovOptions::default());
    assert_eq!(report.reason, StopReason::Breakdown);
}

#[test]
fn large_and_small_right_hand_sides_are_not_taken_for_zero() {
    let a = chain(40, 0.5, 0.0);
    for (name, _, method) in METHODS {
        for size in [1e-200, 1e-30, 1e30, 1e200] {
            let b = vec![size; 40];
            let mut x = vec![0.0; 40];
            let report = method(&a, &Identity, &b, &mut x, &KrylovOptions::default());
            let mut r = vec![0.0; 40];
            let residual = true_residual(&a, &b, &x, &mut r) / norm(&b);
            assert!(!report.converged() || residual <= 1e-10, "{name} at {size}: {residual}");
        }
        let mut x = vec![7.0; 40];
        assert!(method(&a, &Identity, &[0.0; 40], &mut x, &KrylovOptions::default()).converged());
        assert!(x.iter().all(|x| *x == 0.0));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let a = chain(100_000, 0.5, 0.0);
    let b: Vec<f64> = (0..100_000).map(|i| (i as f64).sin()).collect();
    for (name, _, method) in METHODS {
        let work = || {
            let mut x = vec![0.0; b.len()];
            method(&a, &Identity, &b, &mut x, &KrylovOptions { tolerance: 1e-6, max_iterations: 30 });
            x
        };
        let on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work);
        assert!(on(1) == on(3), "{name}");
    }
}
