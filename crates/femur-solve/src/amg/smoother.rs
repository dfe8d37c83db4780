//! Chebyshev smoothing and the estimate of the largest eigenvalue that it needs.

use super::blocks::Blocks;
use crate::dense::symmetric_eigen;
use crate::real::Real;
use rayon::prelude::*;

/// Steps of the Lanczos process for a smoother.
pub(crate) const STEPS: usize = 10;

/// The largest eigenvalue of a symmetric matrix, from below, by some steps of the Lanczos process from a fixed start vector; never above
/// the largest row sum of absolute values, and at least the largest diagonal entry's size 1 of a scaled matrix.
pub(super) fn largest_eigenvalue<T: Real>(a: &Blocks<T>) -> f64 {
    lanczos(a.nrows() * a.rows, STEPS, |v, w| a.multiply(v, w, false))
}

/// The same for a symmetric map of `n` unknowns whose diagonal is 1, by its product `w = A v`.
pub(crate) fn lanczos<T: Real>(n: usize, steps: usize, mut multiply: impl FnMut(&[T], &mut [T])) -> f64 {
    let mut v: Vec<T> = (0..n).map(|i| T::of(start(i))).collect();
    let mut before = vec![T::default(); n];
    let mut w = vec![T::default(); n];
    let (mut alphas, mut betas) = (Vec::new(), Vec::new());
    let mut beta = dot(&v, &v).sqrt();
    let mut previous = 0.0;
    for _ in 0..steps.min(n) {
        let scale = T::of(1.0 / beta);
        v.iter_mut().for_each(|v| *v *= scale);
        multiply(&v, &mut w);
        let alpha = dot(&v, &w);
        let (ta, tb) = (T::of(alpha), T::of(previous));
        w.iter_mut().zip(&v).zip(&before).for_each(|((w, v), b)| *w = *w - ta * *v - tb * *b);
        alphas.push(alpha);
        beta = dot(&w, &w).sqrt();
        if !(beta > 1e-6 && beta.is_finite()) {
            break;
        }
        betas.push(beta);
        previous = beta;
        std::mem::swap(&mut before, &mut v);
        std::mem::swap(&mut v, &mut w);
    }
    let m = alphas.len();
    let mut t = vec![0.0; m * m];
    for k in 0..m {
        t[k * m + k] = alphas[k];
        if k + 1 < m {
            (t[k * m + k + 1], t[(k + 1) * m + k]) = (betas[k], betas[k]);
        }
    }
    symmetric_eigen(&mut t, m).0.into_iter().fold(1.0, f64::max)
}

/// A fixed vector without pattern: the bits of the index mixed (Steele, Lea and Flood 2014), between -1 and 1.
fn start(i: usize) -> f64 {
    let mut z = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// A sum of products by fixed chunks.
fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    const PART: usize = 8192;
    let part = |(a, b): (&[T], &[T])| a.iter().zip(b).map(|(a, b)| a.wide() * b.wide()).sum::<f64>();
    let parts: Vec<f64> = a.par_chunks(PART).zip(b.par_chunks(PART)).map(part).collect();
    parts.iter().sum()
}

/// A polynomial smoother: Chebyshev's polynomial on `[upper / ratio, upper]` (Adams, Brezina, Hu and Tuminaro 2003), as a two-term
/// recurrence of corrections `d_k = alpha_k d_(k-1) + beta_k r_k`.
#[derive(Debug, Clone)]
pub(crate) struct Chebyshev<T> {
    /// `(alpha, beta)` of each step; the first alpha is not used.
    pub(crate) steps: Vec<(T, T)>,
}

impl<T: Real> Chebyshev<T> {
    /// Of the given degree, for eigenvalues up to `upper`.
    pub(crate) fn new(degree: usize, upper: f64, ratio: f64) -> Self {
        let (theta, delta) = (0.5 * (upper + upper / ratio), 0.5 * (upper - upper / ratio));
        let sigma = theta / delta;
        let mut rho = 1.0 / sigma;
        let mut steps = vec![(T::of(0.0), T::of(1.0 / theta))];
        for _ in 1..degree {
            let next = 1.0 / (2.0 * sigma - rho);
            steps.push((T::of(next * rho), T::of(2.0 * next / delta)));
            rho = next;
        }
        Chebyshev { steps }
    }

    /// Smooths from zero: `x` is the answer, `r` the right-hand side before and the residual after; `d` and `e` are work space.
    pub(super) fn before(&self, a: &Blocks<T>, r: &mut [T], x: &mut [T], d: &mut Vec<T>, e: &mut Vec<T>) {
        let first = self.steps[0].1;
        d.iter_mut().zip(x.iter_mut()).zip(r.iter()).for_each(|((d, x), r)| {
            *d = first * *r;
            *x = *d;
        });
        for &step in &self.steps[1..] {
            a.recurrence(d, step, r, e, x);
            std::mem::swap(d, e);
        }
        a.subtract(d, r);
    }

    /// Smooths `x` after the correction `d`, which `x` has and the residual `r` has not yet. The residual is not carried to the end.
    pub(super) fn after(&self, a: &Blocks<T>, r: &mut [T], x: &mut [T], d: &mut Vec<T>, e: &mut Vec<T>) {
        a.recurrence(d, (T::of(0.0), self.steps[0].1), r, e, x);
        std::mem::swap(d, e);
        for &step in &self.steps[1..] {
            a.recurrence(d, step, r, e, x);
            std::mem::swap(d, e);
        }
    }
}
