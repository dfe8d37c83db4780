//! Linear systems spread over MPI ranks, solved by PETSc's Krylov methods and multigrid (Balay et al., PETSc users manual).
//!
//! Everything is behind the feature `petsc`, which needs PETSc and MPI on the machine; `ffi.rs` is the only place that calls C. There was
//! no kept Rust binding when this was written, and a dozen calls are enough.

#[cfg(feature = "petsc")]
mod ffi;
#[cfg(feature = "petsc")]
mod solve;

#[cfg(feature = "petsc")]
pub use solve::{Options, PetscError, Report, Rows, Session};
