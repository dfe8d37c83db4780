//! Krylov methods: one list, one stopping rule.
//!
//! Every method stops when the 2-norm of the residual `b - A x` falls below `tolerance` times the 2-norm of `b`. Its recurrence says when
//! that may be so; the residual is then computed anew, and where it is not there yet the method starts again from the answer so far.

mod bicgstab;
mod cg;
mod gmres;
mod minres;
pub(crate) mod vector;

pub use bicgstab::bicgstab;
pub use cg::cg;
pub use gmres::{fgmres, gmres};
pub use minres::minres;

use crate::{LinearOperator, Preconditioner, SolveReport, StopReason};
use vector::norm;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KrylovOptions {
    /// Stop when the 2-norm of the residual falls below this part of the right-hand side's.
    pub tolerance: f64,
    /// Most iterations.
    pub max_iterations: usize,
}

impl Default for KrylovOptions {
    fn default() -> Self {
        KrylovOptions { tolerance: 1e-10, max_iterations: 10_000 }
    }
}

/// What a method needs of the matrix and of the preconditioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Both symmetric positive definite.
    Definite,
    /// A symmetric matrix and a symmetric positive definite preconditioner.
    Symmetric,
    /// Nothing.
    Nothing,
}

/// Solves `A x = b` from the first guess in `x`.
pub type Method = fn(&dyn LinearOperator, &dyn Preconditioner, &[f64], &mut [f64], &KrylovOptions) -> SolveReport;

/// Basis vectors that the methods of the list keep before they start again.
pub const RESTART: usize = 50;

/// Every method by name, with what it needs.
pub const METHODS: &[(&str, Needs, Method)] = &[
    ("cg", Needs::Definite, cg),
    ("minres", Needs::Symmetric, minres),
    ("gmres", Needs::Nothing, |a, m, b, x, o| gmres(a, m, b, x, o, RESTART)),
    ("fgmres", Needs::Nothing, |a, m, b, x, o| fgmres(a, m, b, x, o, RESTART)),
    ("bicgstab", Needs::Nothing, bicgstab),
];

/// How a run of a recurrence ended.
enum End {
    /// The recurrence says that the residual is small enough.
    Small,
    /// The basis is full.
    Full,
    /// The most iterations were made.
    Limit,
    /// It cannot go on from here; another start may.
    Stuck,
    /// The matrix or the preconditioner is not what the method needs.
    Breakdown,
}

/// What a run works on.
struct Run<'a> {
    a: &'a dyn LinearOperator,
    m: &'a dyn Preconditioner,
    /// 2-norm of the right-hand side.
    norm_b: f64,
    /// Relative residual to reach.
    tolerance: f64,
    max_iterations: usize,
    report: SolveReport,
}

impl Run<'_> {
    /// Counts an iteration that left a residual of this 2-norm; whether to stop.
    fn step(&mut self, residual: f64) -> Option<End> {
        self.report.iterations += 1;
        self.report.residuals.push(residual / self.norm_b);
        match () {
            () if !residual.is_finite() => Some(End::Breakdown),
            () if residual <= self.tolerance * self.norm_b => Some(End::Small),
            () if self.report.iterations >= self.max_iterations => Some(End::Limit),
            () => None,
        }
    }
}

/// Part of the residual that a new start must leave at most, else the method stagnates: after a recurrence that deceived itself, and
/// after a full basis.
const PROGRESS: (f64, f64) = (0.5, 0.999);

/// Runs a method until the true residual is small enough. `run` improves `x`, whose residual it is handed (and may overwrite).
fn iterate(
    a: &dyn LinearOperator,
    m: &dyn Preconditioner,
    b: &[f64],
    x: &mut [f64],
    options: &KrylovOptions,
    mut run: impl FnMut(&mut Run<'_>, &mut [f64], &mut [f64]) -> End,
) -> SolveReport {
    let norm_b = norm(b);
    let report = SolveReport { iterations: 0, residuals: Vec::new(), reason: StopReason::Converged, condition: None };
    if norm_b == 0.0 {
        x.fill(0.0);
        return report;
    }
    let mut run_state = Run { a, m, norm_b, tolerance: options.tolerance, max_iterations: options.max_iterations, report };
    let mut r = vec![0.0; b.len()];
    let mut before = true_residual(a, b, x, &mut r) / norm_b;
    run_state.report.residuals.push(before);
    let mut end = End::Full;
    run_state.report.reason = loop {
        match end {
            _ if !before.is_finite() => break StopReason::Breakdown,
            _ if before <= options.tolerance => break StopReason::Converged,
            End::Breakdown => break StopReason::Breakdown,
            End::Limit => break StopReason::IterationLimit,
            _ if run_state.report.iterations >= options.max_iterations => break StopReason::IterationLimit,
            _ => {}
        }
        end = run(&mut run_state, x, &mut r);
        let now = true_residual(a, b, x, &mut r) / norm_b;
        if let Some(last) = run_state.report.residuals.last_mut() {
            *last = now;
        }
        let (needed, reason) = match end {
            End::Small => (PROGRESS.0, StopReason::Stagnation),
            End::Stuck => (PROGRESS.0, StopReason::Breakdown),
            _ => (PROGRESS.1, StopReason::Stagnation),
        };
        let stalled = now > needed * before && now > options.tolerance && !matches!(end, End::Limit | End::Breakdown);
        before = now;
        if stalled {
            break reason;
        }
    };
    run_state.report
}

/// Writes `b - A x` and returns its 2-norm.
fn true_residual(a: &dyn LinearOperator, b: &[f64], x: &[f64], r: &mut [f64]) -> f64 {
    a.apply(x, r);
    vector::update(r, b, |r, b| *r = b - *r);
    norm(r)
}

#[cfg(test)]
mod tests;
