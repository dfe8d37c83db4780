//! The minimum residual method.

use super::vector::{axpy, dot, norm, update};
use super::{End, KrylovOptions, Run, iterate};
use crate::{LinearOperator, Preconditioner, SolveReport};

/// MINRES (Paige and Saunders 1975) for symmetric, also indefinite `a` and symmetric positive definite `m`; `x` holds the first guess
/// and the answer. It minimises the residual in the norm of `m`; the 2-norm, in which it stops, follows from a recurrence.
pub fn minres(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64], x: &mut [f64], options: &KrylovOptions) -> SolveReport {
    iterate(a, m, b, x, options, minres_run)
}

fn minres_run(run: &mut Run<'_>, x: &mut [f64], r: &mut [f64]) -> End {
    let n = r.len();
    let zeros = || vec![0.0; n];
    // The Lanczos vectors before preconditioning (v) and after (z), and directions of the answer (w).
    let (mut v_old, mut v, mut z, mut w_older, mut w_old, mut next) = (zeros(), r.to_vec(), zeros(), zeros(), zeros(), zeros());
    let mut direction = zeros();
    run.m.apply(&v, &mut z);
    let square = dot(&v, &z);
    if !(square > 0.0 && square.is_finite()) {
        return End::Breakdown;
    }
    let (mut beta, mut beta_old) = (square.sqrt(), 0.0);
    // The rotations: residual in the norm of m, the entries above the diagonal, cosine and sine.
    let (mut phi, mut delta, mut epsilon, mut cosine, mut sine) = (beta, 0.0, 0.0, -1.0, 0.0);
    let mut largest: f64 = 0.0;
    loop {
        let scale = 1.0 / beta;
        z.iter_mut().for_each(|z| *z *= scale);
        run.a.apply(&z, &mut next);
        if beta_old > 0.0 {
            axpy(-beta / beta_old, &v_old, &mut next);
        }
        let alpha = dot(&z, &next);
        axpy(-alpha / beta, &v, &mut next);
        std::mem::swap(&mut v_old, &mut v);
        std::mem::swap(&mut v, &mut next);
        direction.copy_from_slice(&z);
        run.m.apply(&v, &mut z);
        let square = dot(&v, &z);
        if !(square >= 0.0 && square.is_finite()) {
            return End::Breakdown;
        }
        (beta_old, beta) = (beta, square.sqrt());
        let old_epsilon = epsilon;
        let above = cosine * delta + sine * alpha;
        let gamma_bar = sine * delta - cosine * alpha;
        epsilon = sine * beta;
        delta = -cosine * beta;
        let gamma = gamma_bar.hypot(beta);
        largest = largest.max(gamma).max(alpha.abs()).max(beta);
        if gamma <= f64::EPSILON * largest {
            // Singular, and the right-hand side is not in the range: the least-squares answer is reached.
            return End::Stuck;
        }
        (cosine, sine) = (gamma_bar / gamma, beta / gamma);
        let step = cosine * phi;
        phi *= sine;
        // w = (z - epsilon w_older - delta w_old) / gamma
        update(&mut w_older, &direction, |w, z| *w = z - old_epsilon * *w);
        update(&mut w_older, &w_old, |w, o| *w = (*w - above * o) / gamma);
        std::mem::swap(&mut w_older, &mut w_old);
        axpy(step, &w_old, x);
        // r_k = s^2 r_(k-1) - phi_k c_k v_(k+1)
        let (s, f) = (sine * sine, if beta > 0.0 { phi * cosine / beta } else { 0.0 });
        update(r, &v, |r, v| *r = s * *r - f * v);
        if let Some(end) = run.step(norm(r)) {
            return end;
        }
        if beta <= f64::EPSILON * largest {
            return End::Full;
        }
    }
}
