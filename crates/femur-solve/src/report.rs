//! What a solver says of its work.

use std::fmt;
use thiserror::Error;

/// Why an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The stopping rule was met.
    Converged,
    /// The most iterations allowed were made.
    IterationLimit,
    /// The operator or preconditioner is not positive definite, a tangent cannot be solved, or a number became infinite.
    Breakdown,
    /// A line search found no step that makes the residual smaller.
    Stagnation,
    /// The first guess, or every step tried from an iterate, leads where the residual does not exist (an inverted cell).
    Inadmissible,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopReason::Converged => "converged",
            StopReason::IterationLimit => "the most iterations allowed",
            StopReason::Breakdown => "breakdown",
            StopReason::Stagnation => "stagnation",
            StopReason::Inadmissible => "inadmissible",
        })
    }
}

/// The course of a solve.
#[derive(Debug, Clone, PartialEq)]
pub struct SolveReport {
    /// Iterations made (refinement steps of a direct solver).
    pub iterations: usize,
    /// 2-norm of the residual relative to the right-hand side's, from the start on.
    pub residuals: Vec<f64>,
    /// Why it ended.
    pub reason: StopReason,
    /// Estimate from below of the condition number of the matrix scaled to a unit diagonal, by direct solvers, made once for a pattern;
    /// `None` where there is none.
    pub condition: Option<f64>,
}

impl SolveReport {
    /// Whether the stopping rule was met.
    pub fn converged(&self) -> bool {
        self.reason == StopReason::Converged
    }

    /// The last relative residual.
    pub fn residual(&self) -> f64 {
        self.residuals.last().copied().unwrap_or(0.0)
    }
}

/// A system cannot be solved.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SolveError {
    /// Sizes do not fit.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// Which size.
        what: &'static str,
        /// Expected size.
        expected: usize,
        /// Size met.
        got: usize,
    },
    /// The factorisation met a pivot that is not positive (or zero).
    #[error("the matrix is {kind}: the factorisation failed at pivot {pivot} of {size} (after reordering)")]
    Pivot {
        /// What the matrix is not.
        kind: &'static str,
        /// Number of the pivot.
        pivot: usize,
        /// Number of unknowns.
        size: usize,
    },
    /// The answer does not satisfy the system.
    #[error("the answer leaves a relative residual of {residual:.1e}: the matrix is singular or too badly scaled")]
    Inaccurate {
        /// Relative residual in the 2-norm.
        residual: f64,
    },
    /// An iteration ended before its stopping rule was met.
    #[error("{method} ended after {iterations} iterations at a relative residual of {residual:.1e} ({reason})")]
    Unconverged {
        /// Name of the method.
        method: &'static str,
        /// Iterations made.
        iterations: usize,
        /// Relative residual in the 2-norm.
        residual: f64,
        /// Why it ended.
        reason: StopReason,
    },
    /// A solve before a factorisation.
    #[error("solve before factor")]
    NotFactored,
    /// The matrix has another pattern than the analysed one.
    #[error("the matrix has another sparsity pattern than the one analysed")]
    Pattern,
    /// A NaN or infinite number in the matrix or in a vector.
    #[error("row {row} has an entry that is not a finite number")]
    NotFinite {
        /// The row.
        row: usize,
    },
    /// Not enough memory, or an index out of range within the library.
    #[error("the factorisation ran out of memory or index range for {size} unknowns and {nonzeros} nonzeros")]
    Resources {
        /// Number of unknowns.
        size: usize,
        /// Nonzeros of the matrix.
        nonzeros: usize,
    },
}
