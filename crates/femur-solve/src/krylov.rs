//! The conjugate gradient method.

use crate::{LinearOperator, Preconditioner, SolveReport, StopReason};

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KrylovOptions {
    /// Stop when the 2-norm of the residual falls below this part of the right-hand side's.
    pub tolerance: f64,
    /// Most iterations.
    pub max_iterations: usize,
}

impl Default for KrylovOptions {
    fn default() -> Self {
        KrylovOptions { tolerance: 1e-10, max_iterations: 10_000 }
    }
}

/// Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for symmetric positive definite `a` and `m`; `x` holds the
/// first guess and the answer. The reported residual of the answer is the true one, `b - A x`.
pub fn cg(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64], x: &mut [f64], options: &KrylovOptions) -> SolveReport {
    let n = b.len();
    let norm_b = norm(b);
    let (mut r, mut z, mut ap) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut report = SolveReport { iterations: 0, residuals: Vec::new(), reason: StopReason::Converged };
    if norm_b == 0.0 {
        x.fill(0.0);
        return report;
    }
    true_residual(a, b, x, &mut r);
    report.residuals.push(norm(&r) / norm_b);
    m.apply(&r, &mut z);
    let mut p = z.clone();
    let mut rz = dot(&r, &z);
    while report.residual() > options.tolerance {
        if report.iterations == options.max_iterations {
            report.reason = StopReason::IterationLimit;
            break;
        }
        a.apply(&p, &mut ap);
        let curvature = dot(&p, &ap);
        // Zero, negative or NaN: not positive definite.
        let positive = curvature > 0.0 && rz > 0.0 && curvature.is_finite();
        if !positive {
            report.reason = StopReason::Breakdown;
            break;
        }
        let alpha = rz / curvature;
        for i in 0..n {
            x[i] += alpha * p[i];
            r[i] -= alpha * ap[i];
        }
        report.iterations += 1;
        report.residuals.push(norm(&r) / norm_b);
        if report.residual() <= options.tolerance {
            // The recurrence drifts: believe the true residual only, and go on from it if it is not there yet.
            true_residual(a, b, x, &mut r);
            if let Some(last) = report.residuals.last_mut() {
                *last = norm(&r) / norm_b;
            }
        }
        m.apply(&r, &mut z);
        let next = dot(&r, &z);
        let beta = next / rz;
        rz = next;
        for i in 0..n {
            p[i] = z[i] + beta * p[i];
        }
    }
    if !report.residual().is_finite() {
        report.reason = StopReason::Breakdown;
    }
    report
}

fn true_residual(a: &dyn LinearOperator, b: &[f64], x: &[f64], r: &mut [f64]) {
    a.apply(x, r);
    r.iter_mut().zip(b).for_each(|(r, b)| *r = b - *r);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsrMatrix;
    use crate::precond::{Jacobi, PRECONDITIONERS};

    fn chain(n: usize, scale: impl Fn(usize) -> f64) -> CsrMatrix {
        let mut t = Vec::new();
        for i in 0..n {
            t.push((i, i, scale(i) + scale(i + 1) + 1e-3));
            if i + 1 < n {
                t.extend([(i, i + 1, -scale(i + 1)), (i + 1, i, -scale(i + 1))]);
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

    #[test]
    fn an_indefinite_matrix_is_a_breakdown_and_a_limit_is_reported() {
        let mut a = chain(50, |_| 1.0);
        let b = vec![1.0; 50];
        let m = Jacobi::new(&a).unwrap();
        let mut x = vec![0.0; 50];
        let limited = cg(&a, &m, &b, &mut x, &KrylovOptions { tolerance: 1e-12, max_iterations: 3 });
        assert_eq!((limited.reason, limited.iterations), (StopReason::IterationLimit, 3));
        for v in &mut a.values {
            *v = -*v;
        }
        let mut x = vec![0.0; 50];
        let report = cg(&a, &m, &b, &mut x, &KrylovOptions::default());
        assert_eq!(report.reason, StopReason::Breakdown);
    }
}
