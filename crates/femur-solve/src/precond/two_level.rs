//! Two levels: a smoother on a fine space, a preconditioner of the operator on a coarse space that lies in it.

use super::Chebyshev;
use crate::krylov::vector::update;
use crate::{Preconditioner, SolveError};
use std::sync::Mutex;

/// How vectors go from a fine space to a coarse one within it, and back.
pub trait Transfer: Send + Sync {
    /// Unknowns of the fine space.
    fn fine(&self) -> usize;
    /// Unknowns of the coarse space.
    fn coarse(&self) -> usize;
    /// `coarse = P^T r`.
    fn restrict(&self, r: &[f64], coarse: &mut [f64]);
    /// `z = P coarse`.
    fn prolong(&self, coarse: &[f64], z: &mut [f64]);
}

/// One V-cycle over two levels: smoothing, the coarse correction, smoothing again. Symmetric positive definite where the coarse
/// preconditioner is. The fine operator is needed by its products alone.
pub struct TwoLevel {
    smoother: Chebyshev,
    transfer: Box<dyn Transfer>,
    coarse: Box<dyn Preconditioner + Send + Sync>,
    pool: Mutex<Vec<Work>>,
}

/// What one application leaves for the next.
struct Work {
    /// Residual, and the correction on the fine space.
    fine: [Vec<f64>; 2],
    /// Right-hand side and correction of the coarse space.
    coarse: [Vec<f64>; 2],
}

impl TwoLevel {
    /// From a smoother of the fine operator and an approximate inverse of the coarse one.
    ///
    /// # Errors
    /// The transfer is not to the smoother's space.
    pub fn new(
        smoother: Chebyshev,
        transfer: Box<dyn Transfer>,
        coarse: Box<dyn Preconditioner + Send + Sync>,
    ) -> Result<Self, SolveError> {
        let (expected, got) = (smoother.operator().nrows(), transfer.fine());
        if expected != got {
            return Err(SolveError::Shape { what: "unknowns of the fine space", expected, got });
        }
        Ok(TwoLevel { smoother, transfer, coarse, pool: Mutex::default() })
    }
}

impl Preconditioner for TwoLevel {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let (n, m) = (self.transfer.fine(), self.transfer.coarse());
        let kept = self.pool.lock().ok().and_then(|mut p| p.pop());
        let mut w = kept.unwrap_or_else(|| Work { fine: [vec![0.0; n], vec![0.0; n]], coarse: [vec![0.0; m], vec![0.0; m]] });
        let [residual, on_fine] = &mut w.fine;
        let [rhs, correction] = &mut w.coarse;
        residual.copy_from_slice(r);
        self.smoother.before(residual, z, true);
        self.transfer.restrict(residual, rhs);
        self.coarse.apply(rhs, correction);
        self.transfer.prolong(correction, on_fine);
        update(z, on_fine, |z, f| *z += f);
        self.smoother.subtract(on_fine, residual);
        self.smoother.after(residual, z);
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(w);
        }
    }
}
