//! A Chebyshev polynomial in the operator scaled by its diagonal: needs products alone.

use crate::amg::smoother::{Chebyshev as Steps, STEPS, lanczos};
use crate::krylov::vector::update;
use crate::{LinearOperator, Preconditioner, SolveError};
use std::sync::{Arc, Mutex};

/// Margin over the Lanczos estimate of the largest eigenvalue, which comes from below.
const MARGIN: f64 = 1.1;

/// The polynomial in `D^-1 A` that is small on the eigenvalues from the largest one down to a part of it (Adams, Brezina, Hu and
/// Tuminaro 2003): a symmetric positive definite [`Preconditioner`] of a symmetric positive definite operator, and the smoother of
/// [`super::TwoLevel`].
pub struct Chebyshev {
    a: Arc<dyn LinearOperator + Send + Sync>,
    /// Inverse of the diagonal.
    inverse: Vec<f64>,
    steps: Vec<(f64, f64)>,
    /// Correction and product, which one application leaves for the next.
    pool: Mutex<Vec<[Vec<f64>; 2]>>,
}

impl Chebyshev {
    /// Of `degree` products, for an operator with this positive diagonal `[n]`, on the part `1 / ratio` of its spectrum up to the
    /// largest eigenvalue, which ten products estimate.
    ///
    /// # Errors
    /// Sizes do not fit, the degree is 0, or an entry of the diagonal is not positive.
    pub fn new(a: Arc<dyn LinearOperator + Send + Sync>, diagonal: &[f64], degree: usize, ratio: f64) -> Result<Self, SolveError> {
        let n = a.nrows();
        for (what, expected, got) in [("columns of a square operator", n, a.ncols()), ("length of the diagonal", n, diagonal.len())] {
            if expected != got {
                return Err(SolveError::Shape { what, expected, got });
            }
        }
        if degree == 0 {
            return Err(SolveError::Shape { what: "degree of the polynomial, at least", expected: 1, got: 0 });
        }
        if let Some(row) = diagonal.iter().position(|d| !d.is_finite()) {
            return Err(SolveError::NotFinite { row });
        }
        if let Some(pivot) = diagonal.iter().position(|d| *d <= 0.0) {
            return Err(SolveError::Pivot { kind: "not positive definite", pivot, size: n });
        }
        let root: Vec<f64> = diagonal.iter().map(|d| 1.0 / d.sqrt()).collect();
        let mut scaled = vec![0.0; n];
        let upper = MARGIN
            * lanczos(n, STEPS, |v: &[f64], w: &mut [f64]| {
                scaled.iter_mut().zip(v).zip(&root).for_each(|((s, v), r)| *s = v * r);
                a.apply(&scaled, w);
                update(w, &root, |w, r| *w *= r);
            });
        let inverse = diagonal.iter().map(|d| 1.0 / d).collect();
        Ok(Chebyshev { a, inverse, steps: Steps::new(degree, upper, ratio).steps, pool: Mutex::default() })
    }

    /// The operator.
    pub fn operator(&self) -> &dyn LinearOperator {
        self.a.as_ref()
    }

    fn work(&self) -> [Vec<f64>; 2] {
        let kept = self.pool.lock().ok().and_then(|mut p| p.pop());
        kept.unwrap_or_else(|| [vec![0.0; self.inverse.len()], vec![0.0; self.inverse.len()]])
    }

    fn leave(&self, work: [Vec<f64>; 2]) {
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(work);
        }
    }

    /// Smooths from zero: `x` is the answer, `r` the right-hand side before and, where `residual` is asked for, the residual after.
    pub(super) fn before(&self, r: &mut [f64], x: &mut [f64], residual: bool) {
        let [mut d, mut ad] = self.work();
        d.fill(0.0);
        for (k, &(alpha, beta)) in self.steps.iter().enumerate() {
            self.correct(&mut d, r, alpha, beta);
            if k == 0 {
                x.copy_from_slice(&d);
            } else {
                update(x, &d, |x, d| *x += d);
            }
            if residual || k + 1 < self.steps.len() {
                self.a.apply(&d, &mut ad);
                update(r, &ad, |r, a| *r -= a);
            }
        }
        self.leave([d, ad]);
    }

    /// Smooths `x`, whose residual is `r`, which is overwritten.
    pub(super) fn after(&self, r: &mut [f64], x: &mut [f64]) {
        let [mut d, mut ad] = self.work();
        d.fill(0.0);
        for (k, &(alpha, beta)) in self.steps.iter().enumerate() {
            self.correct(&mut d, r, alpha, beta);
            update(x, &d, |x, d| *x += d);
            if k + 1 < self.steps.len() {
                self.a.apply(&d, &mut ad);
                update(r, &ad, |r, a| *r -= a);
            }
        }
        self.leave([d, ad]);
    }

    /// `r -= A d`.
    pub(super) fn subtract(&self, d: &[f64], r: &mut [f64]) {
        let [spare, mut ad] = self.work();
        self.a.apply(d, &mut ad);
        update(r, &ad, |r, a| *r -= a);
        self.leave([spare, ad]);
    }

    /// `d = alpha d + beta D^-1 r`.
    fn correct(&self, d: &mut [f64], r: &[f64], alpha: f64, beta: f64) {
        d.iter_mut().zip(r).zip(&self.inverse).for_each(|((d, r), i)| *d = alpha * *d + beta * i * r);
    }
}

impl Preconditioner for Chebyshev {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let mut r = r.to_vec();
        self.before(&mut r, z, false);
    }
}
