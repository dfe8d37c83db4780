//! Nonlinear heat in time: the theta scheme, or TR-BDF2 (Bank et al. 1985) with the error estimate of Hosea and Shampine (1996), which
//! is L-stable, of second order, and has the same matrix in both stages.

use super::Model;
use super::nonlinear::{Stage, Stepper};
use crate::PhysicsError;
use femur_fem::Assembler;
use femur_sim::{Series, Setup, SimError, Simulator, SolverLog, State};
use femur_solve::{DirectSolver, SolveError, Symmetry};

/// Result of a step: temperature, local error, iterations, residual.
struct Step {
    temperature: Vec<f64>,
    error: f64,
    iterations: usize,
    residual: f64,
}

/// One step of the theta scheme.
fn theta_step(stepper: &mut Stepper, from: &[f64], t0: f64, dt: f64, theta: f64) -> Result<Step, SimError> {
    let mut carry = vec![0.0; from.len()];
    if theta < 1.0 {
        carry = stepper.flow(from, t0)?.into_iter().map(|r| (1.0 - theta) / theta * r).collect();
    }
    let stage = Stage { time: t0 + dt, rate: 1.0 / (theta * dt), start: from.to_vec(), carry };
    let (temperature, iterations, residual) = stepper.stage(&stage, from)?;
    Ok(Step { temperature, error: 0.0, iterations, residual })
}

/// One step of TR-BDF2 with the largest difference to the embedded formula of third order, smoothed by the step's matrix.
fn tr_bdf2_step(stepper: &mut Stepper, from: &[f64], t0: f64, dt: f64) -> Result<Step, SimError> {
    let gamma = 2.0 - 2.0_f64.sqrt();
    let (d, w) = (0.5 * gamma, 0.25 * 2.0_f64.sqrt());
    let rate = 1.0 / (d * dt);
    let r1 = stepper.flow(from, t0)?;
    let first = Stage { time: t0 + gamma * dt, rate, start: from.to_vec(), carry: r1.clone() };
    let (middle, i1, _) = stepper.stage(&first, from)?;
    let r2 = stepper.flow(&middle, first.time)?;
    let carry = r1.iter().zip(&r2).map(|(a, b)| w / d * (a + b)).collect();
    let second = Stage { time: t0 + dt, rate, start: first.start, carry };
    let (temperature, i2, residual) = stepper.stage(&second, &middle)?;
    let r3 = stepper.flow(&temperature, second.time)?;
    // b - b^ of the embedded pair; the flow is -R, its sign does not matter to a norm.
    let weights = [w - (1.0 - w) / 3.0, w - (3.0 * w + 1.0) / 3.0, d - d / 3.0];
    let mut whole: Vec<f64> = (0..r1.len()).map(|u| (weights[0] * r1[u] + weights[1] * r2[u] + weights[2] * r3[u]) / d).collect();
    stepper.constraints.gather(&mut whole);
    let mut error: Vec<f64> = stepper.free.iter().map(|&u| whole[u]).collect();
    let fail = |e: SolveError| SimError::Solver { time: second.time, reason: e.to_string() };
    stepper.factor(&temperature, second.time, rate).map_err(fail)?;
    stepper.solve(&mut error).map_err(fail)?;
    let error = error.iter().fold(0.0_f64, |a, e| a.max(e.abs()));
    Ok(Step { temperature, error, iterations: i1 + i2, residual })
}

/// A nonlinear case being solved.
pub(super) struct Simulation {
    stepper: Stepper,
    temperature: Vec<f64>,
    /// Length of the next adaptive step.
    dt: f64,
    log: SolverLog,
}

impl Simulation {
    pub(super) fn new(model: Model) -> Result<Self, PhysicsError> {
        let (_, capacity) = model.matrices(0.0)?;
        let constraints = model.constraints();
        let free = (0..model.mesh.num_nodes()).filter(|u| !constraints.fixed.contains_key(u)).collect();
        let skew = model.conductivity.iter().any(|k| k.constant().is_none());
        let source = model.source.as_ref().is_some_and(|q| q.depends_on_unknown());
        // A source that grows with T takes from the diagonal.
        let symmetry = if skew || source { Symmetry::General } else { Symmetry::PositiveDefinite };
        let steady = model.time.is_none();
        let temperature = if steady { vec![model.typical_temperature(); model.mesh.num_nodes()] } else { model.initial_values() };
        let dt = model.time.map_or(0.0, |t| 0.01 * t.dt());
        let mut log = SolverLog::default();
        log.notes.insert("solver".into(), "newton, direct".into());
        let kinds: Vec<&str> = model.mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        if !steady {
            (log.newton_iters, log.residual) = (vec![0], vec![0.0]);
        }
        if model.time.is_some_and(|t| t.adaptive.is_some()) {
            let series = |name: &str, unit: &str| Series { name: name.into(), unit: unit.into(), times: Vec::new(), values: Vec::new() };
            log.series = vec![series("time_step", model.units.time), series("local_error", model.units.temperature)];
            log.notes.insert("time".into(), "TR-BDF2, adaptive".into());
        }
        let assembler = Assembler::new(&model.mesh, 1, 2);
        Ok(Simulation { stepper: Stepper { model, assembler, capacity, constraints, free, symmetry, direct: None }, temperature, dt, log })
    }

    /// Adaptive steps from one output time to the next.
    fn adapt(&mut self, t0: f64, t1: f64, tolerance: f64) -> Result<(usize, f64), SimError> {
        let (mut t, mut iterations, mut residual) = (t0, 0, 0.0);
        let least = 1e-10 * (t1 - t0);
        while t < t1 {
            // A last step that would leave a sliver takes the rest.
            let rest = t1 - t;
            let last = self.dt >= 0.999 * rest;
            let dt = if last { rest } else { self.dt.min(0.5 * rest.max(self.dt)) };
            let tried = tr_bdf2_step(&mut self.stepper, &self.temperature, t, dt);
            let ratio = match &tried {
                Ok(step) => step.error / tolerance,
                // Newton's method failed: a quarter of the step.
                Err(_) => 64.0 * 0.9_f64.powi(3),
            };
            let next = dt * (0.9 * ratio.max(1e-12).powf(-1.0 / 3.0)).clamp(0.2, 5.0);
            match tried {
                Ok(step) if step.error <= tolerance => {
                    t = if last { t1 } else { t + dt };
                    for (series, value) in self.log.series.iter_mut().zip([dt, step.error]) {
                        series.times.push(t);
                        series.values.push(value);
                    }
                    (self.temperature, iterations, residual) = (step.temperature, iterations + step.iterations, step.residual);
                    // A step cut to meet an output time says nothing against a longer one.
                    self.dt = if last { next.max(self.dt) } else { next };
                }
                Err(e) if next < least => return Err(e),
                _ if next < least || next.is_nan() => {
                    let reason = format!("a step of {next:.3e} would still miss the tolerance of {tolerance}");
                    return Err(SimError::Solver { time: t, reason });
                }
                _ => self.dt = next,
            }
        }
        Ok((iterations, residual))
    }
}

impl Simulator for Simulation {
    fn setup(&self) -> &Setup {
        &self.stepper.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let times = &self.stepper.model.setup.times;
        let (t1, n) = (times[step], self.temperature.len());
        let (iterations, residual) = match self.stepper.model.time {
            None => {
                let stage = Stage { time: 0.0, rate: 0.0, start: Vec::new(), carry: vec![0.0; n] };
                let (temperature, iterations, residual) = self.stepper.stage(&stage, &self.temperature)?;
                self.temperature = temperature;
                (iterations, residual)
            }
            Some(grid) => {
                let t0 = times[step - 1];
                match grid.adaptive {
                    Some(tolerance) => self.adapt(t0, t1, tolerance)?,
                    None => {
                        let done = theta_step(&mut self.stepper, &self.temperature, t0, t1 - t0, grid.theta)?;
                        self.temperature = done.temperature;
                        (done.iterations, done.residual)
                    }
                }
            }
        };
        self.log.newton_iters.push(i32::try_from(iterations).unwrap_or(i32::MAX));
        self.log.residual.push(residual);
        self.log.condition = self.stepper.direct.as_ref().and_then(DirectSolver::known_condition);
        Ok(self.stepper.model.state(t1, &self.temperature))
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}
