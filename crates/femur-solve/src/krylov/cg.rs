//! The conjugate gradient method.

use super::vector::{axpy, dot, norm, update};
use super::{End, KrylovOptions, Run, iterate};
use crate::{LinearOperator, Preconditioner, SolveReport};

/// Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for symmetric positive definite `a` and `m`; `x` holds the first guess
/// and the answer. A direction of negative curvature is a breakdown.
pub fn cg(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64], x: &mut [f64], options: &KrylovOptions) -> SolveReport {
    let n = b.len();
    let (mut z, mut p, mut ap) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    iterate(a, m, b, x, options, |run: &mut Run<'_>, x, r| {
        m.apply(r, &mut z);
        p.copy_from_slice(&z);
        let mut rz = dot(r, &z);
        loop {
            a.apply(&p, &mut ap);
            let curvature = dot(&p, &ap);
            // Zero, negative or NaN: not positive definite.
            if !(curvature > 0.0 && rz > 0.0 && curvature.is_finite()) {
                return End::Breakdown;
            }
            let alpha = rz / curvature;
            axpy(alpha, &p, x);
            axpy(-alpha, &ap, r);
            if let Some(end) = run.step(norm(r)) {
                return end;
            }
            m.apply(r, &mut z);
            let next = dot(r, &z);
            let beta = next / rz;
            rz = next;
            update(&mut p, &z, |p, z| *p = z + beta * *p);
        }
    })
}
