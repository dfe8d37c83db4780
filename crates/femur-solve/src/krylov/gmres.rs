//! The generalised minimum residual method, with a fixed and with a changing preconditioner.

use super::vector::{axpy, dot, norm};
use super::{End, KrylovOptions, Run, iterate};
use crate::{LinearOperator, Preconditioner, SolveReport};

/// Restarted GMRES (Saad and Schultz 1986), preconditioned from the right, for any `a` and `m`; `x` holds the first guess and the
/// answer. It keeps `restart` basis vectors.
pub fn gmres(
    a: &dyn LinearOperator,
    m: &dyn Preconditioner,
    b: &[f64],
    x: &mut [f64],
    options: &KrylovOptions,
    restart: usize,
) -> SolveReport {
    iterate(a, m, b, x, options, |run, x, r| arnoldi(run, x, r, restart, false))
}

/// Flexible GMRES (Saad 1993): the preconditioner may change from step to step, for example be an iteration itself. It keeps twice as
/// many vectors as [`gmres`].
pub fn fgmres(
    a: &dyn LinearOperator,
    m: &dyn Preconditioner,
    b: &[f64],
    x: &mut [f64],
    options: &KrylovOptions,
    restart: usize,
) -> SolveReport {
    iterate(a, m, b, x, options, |run, x, r| arnoldi(run, x, r, restart, true))
}

/// One cycle from the residual `r`.
fn arnoldi(run: &mut Run<'_>, x: &mut [f64], r: &mut [f64], restart: usize, flexible: bool) -> End {
    let n = r.len();
    let restart = restart.clamp(1, n.max(1));
    let first = norm(r);
    let mut basis = vec![r.iter().map(|v| v / first).collect::<Vec<f64>>()];
    let (mut directions, mut z): (Vec<Vec<f64>>, _) = (Vec::new(), vec![0.0; n]);
    // Columns of the triangular factor, rotations, right-hand side.
    let (mut columns, mut rotations, mut g): (Vec<Vec<f64>>, Vec<(f64, f64)>, _) = (Vec::new(), Vec::new(), vec![first]);
    let end = loop {
        let k = columns.len();
        run.m.apply(&basis[k], &mut z);
        let mut w = vec![0.0; n];
        run.a.apply(&z, &mut w);
        let before = norm(&w);
        let mut h = orthogonalise(&basis, &mut w);
        let length = norm(&w);
        if !length.is_finite() {
            break End::Breakdown;
        }
        for (j, &(c, s)) in rotations.iter().enumerate() {
            (h[j], h[j + 1]) = (c * h[j] + s * h[j + 1], c * h[j + 1] - s * h[j]);
        }
        // The subspace is invariant: the answer is in it, or the matrix is singular.
        let exhausted = length <= 10.0 * f64::EPSILON * before;
        let next = if exhausted { 0.0 } else { length };
        let diagonal = h[k].hypot(next);
        if diagonal <= f64::EPSILON * before || diagonal == 0.0 {
            break End::Stuck;
        }
        let (c, s) = (h[k] / diagonal, next / diagonal);
        h.truncate(k);
        h.push(diagonal);
        columns.push(h);
        rotations.push((c, s));
        g.push(-s * g[k]);
        g[k] *= c;
        if flexible {
            directions.push(z.clone());
        }
        if let Some(end) = run.step(g[k + 1].abs()) {
            break end;
        }
        if exhausted || columns.len() == restart {
            break End::Full;
        }
        let scale = 1.0 / length;
        w.iter_mut().for_each(|w| *w *= scale);
        basis.push(w);
    };
    let y = back_substitution(&columns, &g);
    if flexible {
        y.iter().zip(&directions).for_each(|(y, z)| axpy(*y, z, x));
    } else if !y.is_empty() {
        let mut sum = vec![0.0; n];
        y.iter().zip(&basis).for_each(|(y, v)| axpy(*y, v, &mut sum));
        run.m.apply(&sum, &mut z);
        axpy(1.0, &z, x);
    }
    end
}

/// Modified Gram-Schmidt, twice; the coefficients, with room for one rotation more.
fn orthogonalise(basis: &[Vec<f64>], w: &mut [f64]) -> Vec<f64> {
    let mut h = vec![0.0; basis.len() + 1];
    for _ in 0..2 {
        for (v, h) in basis.iter().zip(&mut h) {
            let s = dot(v, w);
            axpy(-s, v, w);
            *h += s;
        }
    }
    h
}

fn back_substitution(columns: &[Vec<f64>], g: &[f64]) -> Vec<f64> {
    let mut y = g[..columns.len()].to_vec();
    for k in (0..y.len()).rev() {
        y[k] /= columns[k][k];
        for j in 0..k {
            y[j] -= columns[k][j] * y[k];
        }
    }
    y
}
