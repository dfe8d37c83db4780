//! Symmetric successive over-relaxation.

use super::positive_diagonal;
use crate::{CsrMatrix, Preconditioner, SolveError};

/// Symmetric successive over-relaxation: a forward and a backward Gauss-Seidel sweep (Saad 2003, ch. 4.1).
pub struct Ssor {
    a: CsrMatrix,
    diagonal: Vec<f64>,
    omega: f64,
}

impl Ssor {
    /// With relaxation `omega` in (0, 2).
    pub fn new(a: &CsrMatrix, omega: f64) -> Result<Self, SolveError> {
        Ok(Ssor { diagonal: positive_diagonal(a)?, a: a.clone(), omega })
    }
}

impl Preconditioner for Ssor {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let w = self.omega;
        for i in 0..r.len() {
            let (cols, values) = self.a.row(i);
            let below: f64 = cols.iter().zip(values).take_while(|(c, _)| (**c as usize) < i).map(|(&c, v)| v * z[c as usize]).sum();
            z[i] = w * (r[i] - below) / self.diagonal[i];
        }
        for (z, d) in z.iter_mut().zip(&self.diagonal) {
            *z *= d * (2.0 - w) / w;
        }
        for i in (0..r.len()).rev() {
            let (cols, values) = self.a.row(i);
            let above: f64 = cols.iter().zip(values).rev().take_while(|(c, _)| (**c as usize) > i).map(|(&c, v)| v * z[c as usize]).sum();
            z[i] = w * (z[i] - above) / self.diagonal[i];
        }
    }
}
