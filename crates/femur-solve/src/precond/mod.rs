//! Preconditioners: one list, one file each; beside the list those that need no matrix, only products with it.

mod block_jacobi;
mod chebyshev;
mod ic0;
mod ilu0;
mod jacobi;
mod ssor;
mod two_level;

pub use block_jacobi::BlockJacobi;
pub use chebyshev::Chebyshev;
pub use ic0::IncompleteCholesky;
pub use ilu0::IncompleteLu;
pub use jacobi::Jacobi;
pub use ssor::Ssor;
pub use two_level::{Transfer, TwoLevel};

use crate::{Amg, AmgOptions, CsrMatrix, Preconditioner, SolveError};

/// Makes a preconditioner of a matrix.
pub type Make = fn(&CsrMatrix) -> Result<Box<dyn Preconditioner>, SolveError>;

/// Every preconditioner by name, with one unknown per node where it matters. For a symmetric positive definite matrix all but `ilu0` are
/// symmetric positive definite or an error; `ilu0` and `block-jacobi` take any matrix.
pub const PRECONDITIONERS: &[(&str, Make)] = &[
    ("jacobi", |a| Ok(Box::new(Jacobi::new(a)?))),
    ("block-jacobi", |a| Ok(Box::new(BlockJacobi::new(a, 1)?))),
    ("ssor", |a| Ok(Box::new(Ssor::new(a, 1.0)?))),
    ("ic0", |a| Ok(Box::new(IncompleteCholesky::new(a)?))),
    ("ilu0", |a| Ok(Box::new(IncompleteLu::new(a)?))),
    ("amg", |a| Ok(Box::new(Amg::new(a, &AmgOptions::default())?))),
];

/// No preconditioner.
pub struct Identity;

impl Preconditioner for Identity {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        z.copy_from_slice(r);
    }
}

fn square(a: &CsrMatrix) -> Result<(), SolveError> {
    if a.nrows == a.ncols { Ok(()) } else { Err(SolveError::Shape { what: "columns of a square matrix", expected: a.nrows, got: a.ncols }) }
}

/// The diagonal of a square matrix of finite numbers, which must be positive.
fn positive_diagonal(a: &CsrMatrix) -> Result<Vec<f64>, SolveError> {
    square(a)?;
    finite(a)?;
    let d = a.diagonal();
    match d.iter().position(|&v| v.is_nan() || v <= 0.0) {
        Some(pivot) => Err(SolveError::Pivot { kind: "not positive definite", pivot, size: a.nrows }),
        None => Ok(d),
    }
}

fn finite(a: &CsrMatrix) -> Result<(), SolveError> {
    match (0..a.nrows).find(|&r| a.row(r).1.iter().any(|v| !v.is_finite())) {
        Some(row) => Err(SolveError::NotFinite { row }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
