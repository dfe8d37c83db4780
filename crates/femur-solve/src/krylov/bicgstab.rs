//! The stabilised bi-conjugate gradient method.

use super::vector::{axpy, dot, norm, update};
use super::{End, KrylovOptions, Run, iterate};
use crate::{LinearOperator, Preconditioner, SolveReport};

/// BiCGStab (van der Vorst 1992), preconditioned from the right, for any `a` and `m`; `x` holds the first guess and the answer. Two
/// products per iteration and little memory; where its recurrence breaks down it starts again from the answer so far, as long as that
/// helps.
pub fn bicgstab(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64], x: &mut [f64], options: &KrylovOptions) -> SolveReport {
    iterate(a, m, b, x, options, bicgstab_run)
}

fn bicgstab_run(run: &mut Run<'_>, x: &mut [f64], r: &mut [f64]) -> End {
    let n = r.len();
    let shadow = r.to_vec();
    let norm_shadow = norm(&shadow);
    let mut p = r.to_vec();
    let (mut z, mut v, mut t) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut rho = dot(&shadow, r);
    loop {
        run.m.apply(&p, &mut z);
        run.a.apply(&z, &mut v);
        let alpha = rho / dot(&shadow, &v);
        if !alpha.is_finite() {
            return End::Stuck;
        }
        axpy(alpha, &z, x);
        axpy(-alpha, &v, r);
        let half = norm(r);
        if half <= run.tolerance * run.norm_b {
            return run.step(half).unwrap_or(End::Small);
        }
        run.m.apply(r, &mut z);
        run.a.apply(&z, &mut t);
        let omega = dot(&t, r) / dot(&t, &t);
        if !omega.is_finite() {
            return End::Stuck;
        }
        axpy(omega, &z, x);
        axpy(-omega, &t, r);
        let length = norm(r);
        if let Some(end) = run.step(length) {
            return end;
        }
        let next = dot(&shadow, r);
        if omega == 0.0 || next.abs() <= f64::EPSILON * norm_shadow * length {
            return End::Stuck;
        }
        let beta = next / rho * (alpha / omega);
        rho = next;
        update(&mut p, &v, |p, v| *p -= omega * v);
        update(&mut p, r, |p, r| *p = r + beta * *p);
    }
}
