//! Cholesky in single precision, made up for by conjugate gradients in double precision (Arioli and Duff 2009): half the time and
//! memory of a factorisation, at the price of a few products and substitutions for each right-hand side.

use crate::krylov::vector::norm;
use crate::krylov::{KrylovOptions, cg};
use crate::multifrontal::MultifrontalCholesky;
use crate::{CsrMatrix, Preconditioner, SolveError};
use std::sync::OnceLock;

/// Relative residual that is asked for, and that is good enough where rounding ends the iteration before.
const ASKED: f64 = 1e-12;
const ENOUGH: f64 = 1e-9;
/// Iterations after which the matrix counts as too ill-conditioned for single precision.
const MOST: usize = 30;

/// A factor in single precision, and one in double precision once it was needed.
pub(crate) struct Mixed {
    single: MultifrontalCholesky<f32>,
    scale: Vec<f64>,
    /// Made where the iteration fails; `None` inside where the matrix is not positive definite.
    double: OnceLock<Result<MultifrontalCholesky, SolveError>>,
}

impl Mixed {
    pub(crate) fn new(single: MultifrontalCholesky<f32>) -> Self {
        Mixed { single, scale: Vec::new(), double: OnceLock::new() }
    }

    pub(crate) fn memory(&self) -> usize {
        self.single.memory()
    }

    pub(crate) fn operations(&self) -> f64 {
        self.single.operations()
    }

    pub(crate) fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.double = OnceLock::new();
        self.scale = a.diagonal().iter().map(|d| if *d > 0.0 && d.is_finite() { 1.0 / d.sqrt() } else { 1.0 }).collect();
        match self.single.factor_scaled(a, Some(&self.scale)) {
            // Not positive definite in single precision: perhaps in double.
            Err(SolveError::Pivot { .. }) => self.double(a).map(|_| ()),
            other => other,
        }
    }

    fn double(&self, a: &CsrMatrix) -> Result<&MultifrontalCholesky, SolveError> {
        let make = || {
            let mut double = self.single.cast::<f64>();
            double.factor(a).map(|()| double)
        };
        self.double.get_or_init(make).as_ref().map_err(Clone::clone)
    }

    /// Solves for right-hand sides `[count, size]` in place; gives the most iterations that one took.
    pub(crate) fn solve(&self, a: &CsrMatrix, b: &mut [f64]) -> Result<usize, SolveError> {
        let mut iterations = 0;
        for b in b.chunks_mut(a.nrows.max(1)) {
            if self.double.get().is_none() {
                let mut x = b.to_vec();
                self.rough(&mut x)?;
                let floor = rounding(a, &x, b);
                let options = KrylovOptions { tolerance: ASKED.max(floor), max_iterations: MOST };
                let report = cg(a, self, b, &mut x, &options);
                if report.residual() <= ENOUGH.max(4.0 * floor) {
                    b.copy_from_slice(&x);
                    iterations = iterations.max(report.iterations);
                    continue;
                }
            }
            self.double(a)?.apply_inverse(b, 1)?;
        }
        Ok(iterations)
    }

    /// Without the iteration, where a rough answer does.
    pub(crate) fn rough(&self, b: &mut [f64]) -> Result<(), SolveError> {
        if let Some(double) = self.double.get() {
            return double.as_ref().map_err(Clone::clone)?.apply_inverse(b, 1);
        }
        b.iter_mut().zip(&self.scale).for_each(|(b, s)| *b *= s);
        self.single.apply_inverse(b, 1)?;
        b.iter_mut().zip(&self.scale).for_each(|(b, s)| *b *= s);
        Ok(())
    }
}

/// Relative residual that rounding leaves to the best of answers: that of one rounding in each term of `A x` (after Arioli, Demmel and
/// Duff 1989).
fn rounding(a: &CsrMatrix, x: &[f64], b: &[f64]) -> f64 {
    let mut terms = 0.0;
    for r in 0..a.nrows {
        let (cols, values) = a.row(r);
        let sum: f64 = cols.iter().zip(values).map(|(&c, v)| (v * x[c as usize]).abs()).sum();
        terms += sum * sum;
    }
    let floor = f64::EPSILON * terms.sqrt() / norm(b);
    if floor.is_finite() { floor } else { 0.0 }
}

impl Preconditioner for Mixed {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        z.copy_from_slice(r);
        if self.rough(z).is_err() {
            // What is not factored cannot be solved: the iteration sees it and ends.
            z.fill(f64::NAN);
        }
    }
}
