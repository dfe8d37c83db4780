//! Flow in time, of second order: the backward differentiation formula BDF2, the convection extrapolated (semi-implicit) or implicit.

use super::linear::Accuracy;
use super::model::{Integrator, Model};
use super::output::Recorder;
use super::system::{Implicit, PRESSURE, System};
use femur_sim::{Setup, SimError, Simulator, SolverLog, State};
use femur_solve::{CsrMatrix, LinearOperator, SolveError, newton};

/// Relative residual of a semi-implicit step's increment.
const INCREMENT: f64 = 1e-9;
/// A number of that size in a flow means that it grows without bound.
const HUGE: f64 = 1e100;

pub(super) struct Transient {
    pub(super) model: Model,
    pub(super) system: System,
    pub(super) recorder: Recorder,
    pub(super) log: SolverLog,
    /// Unknowns now, and one solver step before; empty before the first step.
    x: Vec<f64>,
    before: Vec<f64>,
    /// The convection at both times (semi-implicit).
    convection: [Vec<f64>; 2],
    /// Factor of the mass in the factored matrix (semi-implicit).
    factored: f64,
    /// The factored matrix and the mass matrix, where unknowns are not turned (semi-implicit).
    matrices: Option<[CsrMatrix; 2]>,
    /// Forces that do not change in time.
    constant_force: Option<Vec<f64>>,
}

impl Transient {
    /// Starts from the initial velocities made free of divergence.
    ///
    /// # Errors
    /// The linear solver.
    pub(super) fn new(model: Model, mut system: System, recorder: Recorder, mut log: SolverLog) -> Result<Self, SolveError> {
        let mut x = model.initial(&system);
        project(&mut system, model.dt(), &mut x)?;
        let constant_force = (!model.force_varies()).then(|| model.forces_at(&system, model.setup.times[0]));
        log.newton_iters.push(0);
        log.residual.push(0.0);
        let convection = [system.convection(&x), Vec::new()];
        Ok(Transient { model, system, recorder, log, x, before: Vec::new(), convection, factored: 0.0, matrices: None, constant_force })
    }

    /// Factor of the new velocity in its time derivative, and the rest of it `[size]`. The first step is one of implicit Euler.
    fn history(&self, dt: f64) -> (f64, Vec<f64>) {
        if self.before.is_empty() {
            return (1.0 / dt, self.x.iter().map(|u| -u / dt).collect());
        }
        let older = self.x.iter().zip(&self.before);
        (1.5 / dt, older.map(|(u, v)| (0.5 * v - 2.0 * u) / dt).collect())
    }

    /// Held values at the new time, and the rest extrapolated.
    fn guess(&self, t: f64) -> Vec<f64> {
        let mut x: Vec<f64> =
            if self.before.is_empty() { self.x.clone() } else { self.x.iter().zip(&self.before).map(|(u, v)| 2.0 * u - v).collect() };
        self.model.hold(&self.system, t, &mut x);
        x
    }

    /// One solver step to time `t`; iterations and relative residual.
    fn advance(&mut self, t: f64, dt: f64) -> Result<(i32, f64), SimError> {
        let force = match &self.constant_force {
            Some(f) => f.clone(),
            None => self.model.forces_at(&self.system, t),
        };
        let (mass, history) = self.history(dt);
        let base = self.guess(t);
        let (x, done) = match self.model.options.integrator {
            Integrator::SemiImplicit => self.semi_implicit(base, mass, &history, &force, t)?,
            Integrator::Implicit => {
                let size = self.system.free_size();
                let mut problem =
                    Implicit { system: &mut self.system, base, mass, history: history.clone(), force: &force, picard: false, scale: 0.0 };
                let mut step = vec![0.0; size];
                let report = newton(&mut problem, &mut step, &self.model.options.newton).map_err(|e| SimError::Solver {
                    time: t,
                    reason: format!("{e}; try more [solver] substeps{}", problem.system.linear.hint()),
                })?;
                (problem.at(&step), (report.iterations as i32, report.residual()))
            }
        };
        if !x.iter().all(|v| v.abs() < HUGE) {
            return Err(self.unstable(t));
        }
        let mut x = x;
        self.system.level(&mut x);
        let rate: Vec<f64> = history.iter().zip(&x).map(|(h, u)| h + mass * u).collect();
        self.recorder.record(&self.system, t, &x, &rate, &force);
        if self.model.options.integrator == Integrator::SemiImplicit {
            let next = self.system.convection(&x);
            let now = std::mem::replace(&mut self.convection[0], next);
            self.convection[1] = now;
        }
        self.before = std::mem::replace(&mut self.x, x);
        Ok(done)
    }

    fn semi_implicit(
        &mut self,
        base: Vec<f64>,
        mass: f64,
        history: &[f64],
        force: &[f64],
        t: f64,
    ) -> Result<(Vec<f64>, (i32, f64)), SimError> {
        if self.factored != mass {
            self.system.factor(mass, None, false).map_err(|e| SimError::Solver { time: t, reason: e.to_string() })?;
            self.factored = mass;
            self.matrices = self.system.stokes_and_mass(mass);
        }
        let mut x = base;
        // Without convection the residual is linear: two products with matrices that are there.
        let mut r = vec![0.0; x.len()];
        if let Some([stokes, carrier]) = &self.matrices {
            let mut carried = vec![0.0; x.len()];
            stokes.apply(&x, &mut r);
            carrier.apply(history, &mut carried);
            r.iter_mut().zip(&carried).for_each(|(r, c)| *r += c);
        } else {
            let rate: Vec<f64> = history.iter().zip(&x).map(|(h, u)| h + mass * u).collect();
            r = self.system.residual(&x, &rate, false);
        }
        let [now, before] = &self.convection;
        for (i, r) in r.iter_mut().enumerate() {
            let carried = if before.is_empty() { now[i] } else { 2.0 * now[i] - before[i] };
            *r = force[i] - *r - carried;
        }
        let mut step = self.system.restrict(r);
        if !step.iter().all(|v| v.abs() < HUGE) {
            return Err(self.unstable(t));
        }
        let residual = self.system.solve_free(&mut step, Accuracy::To(INCREMENT)).map_err(|e| self.failed(t, &e))?;
        self.system.add_free(&step, &mut x);
        Ok((x, (1, residual)))
    }

    fn failed(&self, time: f64, error: &SolveError) -> SimError {
        SimError::Solver { time, reason: format!("{error}{}", self.system.linear.hint()) }
    }

    fn unstable(&self, time: f64) -> SimError {
        let reason = "the velocity grew without bound: the semi-implicit scheme needs time steps below about half a cell's edge over the \
                      velocity. Raise [solver] substeps, or take integrator = \"implicit\""
            .to_string();
        SimError::Solver { time, reason }
    }
}

/// Takes the divergence out of velocities, as an impulse of pressure does: after a start from rest with a sudden inflow, say, whose
/// convection would make no sense. An implicit step of Stokes flow over a hundredth of a time step.
fn project(system: &mut System, dt: f64, x: &mut [f64]) -> Result<(), SolveError> {
    let pressure: Vec<f64> = x.to_vec();
    for n in 0..system.mesh.num_nodes() {
        if let Some(p) = system.space.dof(PRESSURE, n) {
            x[p] = 0.0;
        }
    }
    let mut rhs = system.restrict(system.residual(x, &[], false).into_iter().map(|r| -r).collect());
    system.factor(100.0 / dt, None, false)?;
    system.solve_free(&mut rhs, Accuracy::Full)?;
    system.add_free(&rhs, x);
    for n in 0..system.mesh.num_nodes() {
        if let Some(p) = system.space.dof(PRESSURE, n) {
            x[p] = pressure[p];
        }
    }
    Ok(())
}

impl Simulator for Transient {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let (t0, t1) = (self.model.setup.times[step - 1], self.model.setup.times[step]);
        let substeps = self.model.options.substeps;
        // The same length in every step, so that the factorisation of the semi-implicit scheme stays.
        let dt = self.model.dt();
        let (mut iterations, mut worst) = (0, 0.0_f64);
        for k in 1..=substeps {
            let t = if k == substeps { t1 } else { t0 + k as f64 * dt };
            let (n, residual) = self.advance(t, dt)?;
            iterations += n;
            worst = worst.max(residual);
        }
        self.log.newton_iters.push(iterations);
        self.log.residual.push(worst);
        self.system.linear.note(&mut self.log);
        Ok(self.model.state(&self.system, t1, &self.x))
    }

    fn log(&self) -> SolverLog {
        self.recorder.log(&self.log)
    }
}
