//! Pure algebra: sparse operators, direct and iterative solvers, Newton's method, preconditioners, dense products.
//!
//! Nothing here knows a mesh. faer and nalgebra-sparse are named in this crate alone.

pub mod amg;
pub mod bsr;
pub mod commutator;
mod condition;
pub mod csr;
pub mod dense;
pub mod direct;
pub mod eigen;
pub mod krylov;
mod mixed;
pub mod multifrontal;
pub mod newton;
pub mod operator;
pub mod precond;
mod real;
pub mod report;
mod simd;

pub use amg::{Amg, AmgOptions, GroupedAmg};
pub use bsr::BsrMatrix;
pub use commutator::{LeastSquaresCommutator, SaddleParts};
pub use csr::CsrMatrix;
pub use direct::{DirectSolver, Symmetry};
pub use eigen::{EigenOptions, EigenPairs, largest_eigenvalue_bound, lowest_eigenpairs};
pub use krylov::{KrylovOptions, bicgstab, cg, fgmres, gmres, minres};
pub use multifrontal::{Groups, MultifrontalCholesky, MultifrontalLu};
pub use newton::{Inadmissible, NewtonError, NewtonOptions, NonlinearProblem, newton};
pub use operator::{DifferentiableOperator, LinearOperator, Preconditioner};
pub use precond::{Transfer, TwoLevel};
pub use real::Real;
pub use report::{SolveError, SolveReport, StopReason};

#[cfg(test)]
extern crate self as femur_solve;
#[cfg(test)]
#[path = "../tests/matrices/mod.rs"]
mod matrices;
