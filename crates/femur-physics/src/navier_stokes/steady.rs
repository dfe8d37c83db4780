//! Steady flow: Stokes, then Picard, then Newton; where that fails, through larger viscosities.

use super::linear::Accuracy;
use super::model::Model;
use super::output::Recorder;
use super::system::{Implicit, System};
use femur_sim::{Setup, SimError, Simulator, SolverLog, State};
use femur_solve::{NewtonOptions, newton};

/// Steps of Picard's iteration before Newton's.
const PICARD: usize = 4;
/// Factors on the viscosity that are tried, in order, where the flow cannot be found at once.
const DETOUR: [f64; 5] = [64.0, 16.0, 4.0, 2.0, 1.0];

pub(super) struct Steady {
    pub(super) model: Model,
    pub(super) system: System,
    pub(super) recorder: Recorder,
    pub(super) log: SolverLog,
}

impl Steady {
    /// The steady flow with the viscosity multiplied by `factor`, from `x` on (or from Stokes); residual history and iterations.
    fn flow(&mut self, x: &mut Vec<f64>, factor: f64, from_stokes: bool) -> Result<(i32, f64), String> {
        let force = self.model.forces_at(&self.system, 0.0);
        self.system.thicken(factor);
        let outcome = self.flow_now(x, &force, from_stokes);
        self.system.thicken(1.0 / factor);
        outcome
    }

    fn flow_now(&mut self, x: &mut Vec<f64>, force: &[f64], from_stokes: bool) -> Result<(i32, f64), String> {
        self.model.hold(&self.system, 0.0, x);
        if from_stokes {
            let mut r = self.system.residual(x, &[], false);
            r.iter_mut().zip(force).for_each(|(r, f)| *r = f - *r);
            let mut step = self.system.restrict(r);
            self.system.factor(0.0, None, false).map_err(|e| e.to_string())?;
            self.system.solve_free(&mut step, Accuracy::Full).map_err(|e| e.to_string())?;
            self.system.add_free(&step, x);
        }
        let size = self.system.free_size();
        let mut problem =
            Implicit { system: &mut self.system, base: x.clone(), mass: 0.0, history: Vec::new(), force, picard: true, scale: 0.0 };
        let mut step = vec![0.0; size];
        let mut options =
            NewtonOptions { max_iterations: PICARD, energy_tolerance: f64::INFINITY, growth: 2.0, ..self.model.options.newton };
        let mut iterations = 0;
        if from_stokes {
            // Not converging here is expected: the iterate is what counts.
            iterations += match newton(&mut problem, &mut step, &options) {
                Ok(report) => report.iterations,
                Err(e) => e.report.iterations,
            };
        }
        problem.picard = false;
        options = NewtonOptions { max_iterations: self.model.options.newton.max_iterations, growth: 1.0, ..options };
        let report = newton(&mut problem, &mut step, &options).map_err(|e| e.to_string())?;
        *x = problem.at(&step);
        Ok(((iterations + report.iterations) as i32, report.residual()))
    }

    fn solve(&mut self) -> Result<Vec<f64>, SimError> {
        let mut x = vec![0.0; self.system.size()];
        let first = self.flow(&mut x, 1.0, true);
        let (mut iterations, residual) = match first {
            Ok(done) => done,
            Err(reason) => {
                let mut done = (0, 0.0);
                x = vec![0.0; self.system.size()];
                for (k, factor) in DETOUR.into_iter().enumerate() {
                    done = self.flow(&mut x, factor, k == 0).map_err(|again| SimError::Solver {
                        time: 0.0,
                        reason: format!("no steady flow found: {reason}; with {factor} times the viscosity: {again}. A flow that sheds vortices has none: use [time]{}", self.system.linear.hint()),
                    })?;
                }
                done
            }
        };
        iterations = iterations.max(1);
        self.system.level(&mut x);
        self.system.linear.note(&mut self.log);
        (self.log.newton_iters, self.log.residual) = (vec![iterations], vec![residual]);
        Ok(x)
    }
}

impl Simulator for Steady {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, _step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let x = self.solve()?;
        let applied = self.model.forces_at(&self.system, 0.0);
        self.recorder.record(&self.system, 0.0, &x, &[], &applied);
        Ok(self.model.state(&self.system, 0.0, &x))
    }

    fn log(&self) -> SolverLog {
        self.recorder.log(&self.log)
    }
}
