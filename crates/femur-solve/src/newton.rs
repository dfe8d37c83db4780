//! Newton's method with a backtracking line search for systems of nonlinear equations.

use crate::{SolveError, SolveReport, StopReason};
use std::fmt;
use thiserror::Error;

/// A trial point at which the residual does not exist: an inverted cell, a temperature below zero. The line search answers with a
/// shorter step.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Inadmissible(pub String);

/// `R(x) = 0` in as many equations as unknowns.
pub trait NonlinearProblem {
    /// Number of unknowns.
    fn size(&self) -> usize;

    /// Writes `R(x)` into `r` (both `[size]`), or says why `x` has no residual.
    fn residual(&mut self, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible>;

    /// Solves `dR/dx(x) d = rhs` in place: `rhs` holds `-R(x)` and then the step. The last residual asked for was that at `x`.
    fn solve_tangent(&mut self, x: &[f64], rhs: &mut [f64]) -> Result<(), SolveError>;

    /// A typical 2-norm of what cancels in the residual at the `x` last asked for (loads and reactions, say), in the residual's unit.
    /// The force tolerance is relative to the largest of it and the first residual.
    fn force_scale(&self) -> f64 {
        0.0
    }

    /// A typical work at the `x` last asked for, in the unit of `x . R`. The energy tolerance is relative to the largest of it and the
    /// first step's work.
    fn energy_scale(&self) -> f64 {
        0.0
    }
}

/// When to stop, and how to shorten steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewtonOptions {
    /// Largest 2-norm of the residual relative to the reference: the largest of the first residual and
    /// [`NonlinearProblem::force_scale`].
    pub force_tolerance: f64,
    /// Largest work `|d . R(x + d)|` of the last step on what is left, relative to the largest of the first step's `|d . R(x)|` and
    /// [`NonlinearProblem::energy_scale`].
    pub energy_tolerance: f64,
    /// A residual of this 2-norm is zero whatever the reference; in the residual's unit.
    pub absolute_tolerance: f64,
    /// Most iterations.
    pub max_iterations: usize,
    /// How often a step may be halved.
    pub max_halvings: usize,
    /// A step is taken where the residual's norm stays below this many times the last one: 1 asks for descent; slender bodies
    /// converge faster with more, since their first iterates stretch what should only turn.
    pub growth: f64,
}

impl Default for NewtonOptions {
    fn default() -> Self {
        NewtonOptions {
            force_tolerance: 1e-8,
            energy_tolerance: 1e-10,
            absolute_tolerance: 0.0,
            max_iterations: 25,
            max_halvings: 10,
            growth: 1.0,
        }
    }
}

/// Newton's method did not reach its tolerances. `x` is left at the last iterate taken.
#[derive(Debug, Clone, PartialEq)]
pub struct NewtonError {
    /// The course of it; residuals are relative to the reference.
    pub report: SolveReport,
    /// What happened, in words.
    pub detail: String,
}

impl std::error::Error for NewtonError {}

impl fmt::Display for NewtonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.report.residuals;
        let last: Vec<String> = all[all.len().saturating_sub(4)..].iter().map(|r| format!("{r:.1e}")).collect();
        let dots = if all.len() > 4 { "..., " } else { "" };
        write!(f, "Newton's method stopped after {} iterations: {}", self.report.iterations, self.detail)?;
        if last.is_empty() { Ok(()) } else { write!(f, " (relative residuals {dots}{})", last.join(", ")) }
    }
}

/// A sufficient decrease of the residual's norm, as a part of the step (Armijo's rule).
const DECREASE: f64 = 1e-4;
/// A step is also taken where the work along it falls to this part (Crisfield 1991, Non-linear Finite Element Analysis, vol. 1, 9.2).
const SLACK: f64 = 0.8;

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// Solves `R(x) = 0` from the first guess in `x` (`[size]`), which then holds the answer.
///
/// Each step is halved until the residual's norm falls, or the work `|d . R|` along it does; a trial that is not admissible
/// or not finite is halved too. A first guess whose residual is within the force tolerance of [`NonlinearProblem::force_scale`] is
/// the answer.
///
/// # Errors
/// [`NewtonError`] with the residual history and one of [`StopReason::IterationLimit`], [`StopReason::Stagnation`] (no shorter step
/// helps), [`StopReason::Inadmissible`] (the first guess is not admissible, or no shorter step is) and [`StopReason::Breakdown`]
/// (the tangent cannot be solved).
pub fn newton(problem: &mut dyn NonlinearProblem, x: &mut [f64], options: &NewtonOptions) -> Result<SolveReport, NewtonError> {
    let n = problem.size();
    let mut report = SolveReport { iterations: 0, residuals: Vec::new(), reason: StopReason::Converged, condition: None };
    let fail = |mut report: SolveReport, reason: StopReason, detail: String| {
        report.reason = reason;
        Err(NewtonError { report, detail })
    };
    if x.len() != n {
        return fail(report, StopReason::Breakdown, format!("{n} unknowns, but a first guess of {}", x.len()));
    }
    let mut r = vec![0.0; n];
    if let Err(reason) = evaluate(problem, x, &mut r) {
        return fail(report, StopReason::Inadmissible, format!("the first guess is not admissible: {reason}"));
    }
    let mut size = norm(&r);
    let mut reference = size.max(problem.force_scale());
    report.residuals.push(relative(size, reference));
    if size <= options.absolute_tolerance || size == 0.0 {
        return Ok(report);
    }
    if size <= options.force_tolerance * problem.force_scale() {
        return Ok(report);
    }
    let mut first_work = None;
    let (mut trial, mut trial_r) = (vec![0.0; n], vec![0.0; n]);
    while report.iterations < options.max_iterations {
        let mut step: Vec<f64> = r.iter().map(|v| -v).collect();
        if let Err(e) = problem.solve_tangent(x, &mut step) {
            return fail(report, StopReason::Breakdown, format!("the tangent cannot be solved: {e}"));
        }
        let work = dot(&step, &r).abs();
        let first_work = *first_work.get_or_insert(work);
        let goal = options.force_tolerance * reference;
        match search(problem, x, &step, (size, work, goal), (&mut trial, &mut trial_r), options) {
            Ok(()) => {}
            Err((reason, detail)) => return fail(report, reason, detail),
        }
        x.copy_from_slice(&trial);
        r.copy_from_slice(&trial_r);
        size = norm(&r);
        reference = reference.max(problem.force_scale());
        report.iterations += 1;
        report.residuals.push(relative(size, reference));
        let left = dot(&step, &r).abs();
        let energy = first_work.max(problem.energy_scale());
        let converged = size <= options.force_tolerance * reference && left <= options.energy_tolerance * energy;
        if converged || size <= options.absolute_tolerance {
            return Ok(report);
        }
    }
    fail(report, StopReason::IterationLimit, "this is the most iterations allowed".into())
}

fn relative(size: f64, reference: f64) -> f64 {
    if reference > 0.0 { size / reference } else { size }
}

/// The residual, where it is finite.
fn evaluate(problem: &mut dyn NonlinearProblem, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
    problem.residual(x, r)?;
    if r.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(Inadmissible("the residual is not finite".into())) }
}

/// Leaves in `trial` the point `x + a d` with the largest `a` of 1, 1/2, 1/4 ... that is good enough, and its residual.
fn search(
    problem: &mut dyn NonlinearProblem,
    x: &[f64],
    step: &[f64],
    (size, work, goal): (f64, f64, f64),
    (trial, trial_r): (&mut Vec<f64>, &mut Vec<f64>),
    options: &NewtonOptions,
) -> Result<(), (StopReason, String)> {
    let mut length = 1.0;
    let mut last: Option<Inadmissible> = None;
    for _ in 0..=options.max_halvings {
        for i in 0..x.len() {
            trial[i] = x[i] + length * step[i];
        }
        match evaluate(problem, trial, trial_r) {
            Ok(()) => {
                last = None;
                let left = norm(trial_r);
                // Below the tolerance rounding may raise the norm again.
                let falls = left <= goal.max(options.growth * (1.0 - DECREASE * length) * size);
                if falls || dot(step, trial_r).abs() <= SLACK * work {
                    return Ok(());
                }
            }
            Err(reason) => last = Some(reason),
        }
        length *= 0.5;
    }
    Err(match last {
        Some(reason) => (StopReason::Inadmissible, format!("no shorter step is admissible: {reason}")),
        None => (StopReason::Stagnation, "no shorter step makes the residual smaller".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scalar or small dense problems by their residual and dense Jacobian.
    struct Dense<F, J> {
        n: usize,
        residual: F,
        jacobian: J,
    }

    impl<F, J> NonlinearProblem for Dense<F, J>
    where
        F: Fn(&[f64]) -> Result<Vec<f64>, Inadmissible>,
        J: Fn(&[f64]) -> Vec<f64>,
    {
        fn size(&self) -> usize {
            self.n
        }
        fn residual(&mut self, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
            r.copy_from_slice(&(self.residual)(x)?);
            Ok(())
        }
        fn solve_tangent(&mut self, x: &[f64], rhs: &mut [f64]) -> Result<(), SolveError> {
            let j = (self.jacobian)(x);
            let singular = SolveError::Pivot { kind: "singular", pivot: 0, size: self.n };
            if self.n == 1 {
                rhs[0] /= j[0];
                return if j[0] == 0.0 { Err(singular) } else { Ok(()) };
            }
            let det = j[0] * j[3] - j[1] * j[2];
            let (a, b) = (rhs[0], rhs[1]);
            rhs[0] = (j[3] * a - j[1] * b) / det;
            rhs[1] = (j[0] * b - j[2] * a) / det;
            if det == 0.0 { Err(singular) } else { Ok(()) }
        }
    }

    #[test]
    fn convergence_is_quadratic() {
        // x^2 + y^2 = 5, x y = 2 from near (2, 1).
        let mut p = Dense {
            n: 2,
            residual: |x: &[f64]| Ok(vec![x[0] * x[0] + x[1] * x[1] - 5.0, x[0] * x[1] - 2.0]),
            jacobian: |x: &[f64]| vec![2.0 * x[0], 2.0 * x[1], x[1], x[0]],
        };
        let mut x = [2.6, 0.6];
        let report = newton(&mut p, &mut x, &NewtonOptions { force_tolerance: 1e-14, ..NewtonOptions::default() }).unwrap();
        assert!((x[0] - 2.0).abs() < 1e-13 && (x[1] - 1.0).abs() < 1e-13, "{x:?}");
        assert_eq!((report.reason, report.residuals.len()), (StopReason::Converged, report.iterations + 1));
        // log r(k+1) / log r(k) comes near 2 before rounding ends it.
        let r: Vec<f64> = report.residuals.iter().copied().filter(|r| (1e-11..1e-1).contains(r)).collect();
        let order = (r[r.len() - 1] / r[r.len() - 2]).ln() / (r[r.len() - 2] / r[r.len() - 3]).ln();
        assert!((order - 2.0).abs() < 0.3, "order {order}: {:?}", report.residuals);
    }

    #[test]
    fn the_line_search_rescues_what_a_full_step_loses() {
        // From x = 3 full steps on atan(x) run away.
        let mut p = Dense { n: 1, residual: |x: &[f64]| Ok(vec![x[0].atan()]), jacobian: |x: &[f64]| vec![1.0 / (1.0 + x[0] * x[0])] };
        let mut x = [3.0];
        let report = newton(&mut p, &mut x, &NewtonOptions::default()).unwrap();
        assert!(x[0].abs() < 1e-8 && report.converged(), "{x:?}");
        let mut x = [3.0];
        let full = NewtonOptions { max_halvings: 0, growth: f64::INFINITY, ..NewtonOptions::default() };
        assert!(newton(&mut p, &mut x, &full).is_err());
    }

    #[test]
    fn inadmissible_trials_shorten_the_step() {
        // ln(x) = 0 from x = 5: the full step leads to a negative x.
        let ln = |x: &[f64]| if x[0] > 0.0 { Ok(vec![x[0].ln()]) } else { Err(Inadmissible("x is negative".into())) };
        let mut p = Dense { n: 1, residual: ln, jacobian: |x: &[f64]| vec![1.0 / x[0]] };
        let mut x = [5.0];
        newton(&mut p, &mut x, &NewtonOptions::default()).unwrap();
        assert!((x[0] - 1.0).abs() < 1e-8);
        let e = newton(&mut p, &mut [-1.0], &NewtonOptions::default()).unwrap_err();
        assert_eq!(e.report.reason, StopReason::Inadmissible);
        assert!(e.to_string().contains("the first guess is not admissible: x is negative"), "{e}");
        let e = newton(&mut p, &mut [5.0], &NewtonOptions { max_halvings: 0, ..NewtonOptions::default() }).unwrap_err();
        assert_eq!(e.report.reason, StopReason::Inadmissible);
    }

    #[test]
    fn failures_say_why() {
        // x^2 + 1 has no root; its minimum has a singular tangent.
        let mut p = Dense { n: 1, residual: |x: &[f64]| Ok(vec![x[0] * x[0] + 1.0]), jacobian: |x: &[f64]| vec![2.0 * x[0]] };
        let e = newton(&mut p, &mut [0.0], &NewtonOptions::default()).unwrap_err();
        assert_eq!((e.report.reason, e.report.iterations), (StopReason::Breakdown, 0));
        let mut x = [1.0];
        let e = newton(&mut p, &mut x, &NewtonOptions::default()).unwrap_err();
        assert!(matches!(e.report.reason, StopReason::Stagnation | StopReason::Breakdown), "{e}");
        assert!(x[0].abs() < 1.0 && e.report.residuals.len() == e.report.iterations + 1);
        let mut slow = Dense { n: 1, residual: |x: &[f64]| Ok(vec![x[0].powi(3)]), jacobian: |x: &[f64]| vec![3.0 * x[0] * x[0]] };
        let e = newton(&mut slow, &mut [1.0], &NewtonOptions { max_iterations: 3, ..NewtonOptions::default() }).unwrap_err();
        assert_eq!((e.report.reason, e.report.iterations), (StopReason::IterationLimit, 3));
        assert!(e.to_string().starts_with("Newton's method stopped after 3 iterations"), "{e}");
    }

    #[test]
    fn a_solved_problem_takes_no_iteration_and_scales_count() {
        struct Tiny;
        impl NonlinearProblem for Tiny {
            fn size(&self) -> usize {
                1
            }
            fn residual(&mut self, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
                r[0] = x[0] - 1.0;
                Ok(())
            }
            fn solve_tangent(&mut self, _x: &[f64], rhs: &mut [f64]) -> Result<(), SolveError> {
                // A poor tangent: each step leaves a tenth.
                rhs[0] *= 0.9;
                Ok(())
            }
            fn force_scale(&self) -> f64 {
                1e6
            }
        }
        let report = newton(&mut Tiny, &mut [1.0], &NewtonOptions::default()).unwrap();
        assert_eq!((report.iterations, report.residual()), (0, 0.0));
        // Relative to the scale the first guess is good enough, or the first step for the force while the energy asks for more.
        let with = |force_tolerance| newton(&mut Tiny, &mut [0.0], &NewtonOptions { force_tolerance, ..NewtonOptions::default() });
        assert_eq!(with(1e-6).unwrap().iterations, 0);
        assert!(with(0.5e-6).unwrap().iterations > 3);
    }
}
