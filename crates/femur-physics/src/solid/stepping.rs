//! Load stepping over a pseudo-time: a step that fails is cut, and grows again once steps succeed.

use super::{Equilibrium, Loads};
use crate::PhysicsError;
use femur_sim::SimError;
use femur_sim::case::Case;
use femur_solve::NewtonOptions;

/// A step that took no more iterations than this is followed by one of twice its size.
const EASY: usize = 7;

/// Reads `[newton]`; `cuts` is how often a step may be halved.
pub(crate) fn newton_options(case: &Case) -> Result<(NewtonOptions, u32), PhysicsError> {
    let table = case.table("newton");
    let default = NewtonOptions { max_iterations: 20, growth: 1e3, ..NewtonOptions::default() };
    let options = NewtonOptions {
        force_tolerance: table.positive_or("force_tolerance", default.force_tolerance)?,
        energy_tolerance: table.positive_or("energy_tolerance", default.energy_tolerance)?,
        max_iterations: table.usize_or("max_iterations", default.max_iterations)?,
        ..default
    };
    let cuts = table.usize_or("max_cuts", 12)?;
    if options.max_iterations == 0 {
        return Err(table.error("max_iterations", "must be at least 1", "20 is enough where the load steps are not too long").into());
    }
    if cuts > 40 {
        return Err(table.error("max_cuts", format!("must lie between 0 and 40, got {cuts}"), "each halves the step").into());
    }
    table.finish()?;
    Ok((options, cuts as u32))
}

/// The size of the next step, carried from one output time to the next.
pub(crate) struct Stepping {
    options: NewtonOptions,
    cuts: u32,
    /// Part of the span between two output times.
    size: f64,
    /// The largest such part.
    largest: f64,
}

/// Loads, and where each obstacle is, at a time.
pub(crate) type At<'a> = dyn Fn(f64) -> Result<(Loads, Vec<[f64; 3]>), PhysicsError> + 'a;

impl Stepping {
    /// `substeps` steps from one output time to the next where none fails.
    pub(crate) fn new(case: &Case, substeps: usize) -> Result<Self, PhysicsError> {
        let (options, cuts) = newton_options(case)?;
        let largest = 1.0 / substeps as f64;
        Ok(Stepping { options, cuts, size: largest, largest })
    }

    /// Brings the body from its equilibrium at `from` to that at `to`; `seen` is called at every equilibrium on the way. Gives the
    /// number of iterations and the last relative residual.
    pub(crate) fn advance(
        &mut self,
        body: &mut Equilibrium,
        (from, to): (f64, f64),
        at: &At,
        seen: &mut dyn FnMut(f64, &Equilibrium),
    ) -> Result<(i32, f64), SimError> {
        let span = to - from;
        let smallest = self.largest * 0.5f64.powi(self.cuts as i32);
        let (mut done, mut iterations, mut residual) = (0.0, 0, 0.0);
        while done < 1.0 {
            // No sliver is left for a last step.
            let next = if done + self.size > 1.0 - 1e-9 { 1.0 } else { done + self.size };
            let time = if next == 1.0 { to } else { from + next * span };
            let (loads, offsets) = at(time)?;
            match body.advance(loads, &offsets, (next - done) * span, &self.options) {
                Ok((steps, report)) => {
                    iterations += steps as i32;
                    residual = report.residual();
                    if next - done >= self.size * (1.0 - 1e-9) && steps <= EASY {
                        self.size = (2.0 * self.size).min(self.largest);
                    }
                    done = next;
                    seen(time, body);
                }
                Err(reason) => {
                    self.size = 0.5 * (next - done);
                    if self.size < smallest {
                        let largest = body.u.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
                        let reached = from + done * span;
                        let reason = format!(
                            "{reason}; steps were cut to {:.1e} and the last equilibrium is that at {reached}, with displacements up to {largest:.3e}",
                            2.0 * self.size * span
                        );
                        return Err(SimError::Solver { time, reason });
                    }
                }
            }
        }
        Ok((iterations, residual))
    }
}
