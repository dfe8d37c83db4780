//! Division by the diagonal.

use super::positive_diagonal;
use crate::{CsrMatrix, Preconditioner, SolveError};

/// Division by the diagonal.
pub struct Jacobi {
    inverse: Vec<f64>,
}

impl Jacobi {
    /// Takes the diagonal, which must be positive.
    pub fn new(a: &CsrMatrix) -> Result<Self, SolveError> {
        Ok(Jacobi { inverse: positive_diagonal(a)?.into_iter().map(|d| 1.0 / d).collect() })
    }
}

impl Preconditioner for Jacobi {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        for ((z, r), d) in z.iter_mut().zip(r).zip(&self.inverse) {
            *z = r * d;
        }
    }
}
