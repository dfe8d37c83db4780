//! The simulator that elastodynamics and the wave equation share.

use super::explicit::{Explicit, Parts};
use super::implicit::Integrator;
use super::script::Script;
use super::{Dynamics, Energies, Held, Method, Motion};
use crate::PhysicsError;
use crate::linear::SolverChoice;
use femur_fem::Constraints;
use femur_mesh::Mesh;
use femur_sim::case::Case;
use femur_sim::{Setup, SimError, Simulator, SolverLog, State};
use femur_solve::CsrMatrix;
use std::sync::Arc;

/// What drives a motion.
pub(crate) trait Forcing {
    fn case(&self) -> &Case;
    /// Forces `[size]` and prescribed values at a time.
    fn loads(&self, t: f64) -> Result<(Vec<f64>, Held), PhysicsError>;
    /// The same at every time, where it is written as products of a place and a function of time.
    fn script(&self) -> Result<Option<Script>, PhysicsError>;
}

/// A problem `M a + C v + K u = f(t)` with prescribed values.
pub(crate) trait Problem: Forcing {
    fn mesh(&self) -> &Arc<Mesh>;
    fn setup(&self) -> &Setup;
    fn dynamics(&self) -> &Dynamics;
    /// Unit of the energies.
    fn energy_unit(&self) -> String;
    /// Displacements and velocities at the start `[size]`.
    fn start(&self) -> Result<[Vec<f64>; 2], PhysicsError>;
    /// Whether forces or prescribed values change in time.
    fn varies(&self) -> bool;
    /// Prescribed velocities and accelerations.
    fn rates(&self, t: f64) -> Result<(Held, Held), PhysicsError>;
    fn constraints(&self) -> Constraints;
    /// Mass, damping, stiffness, in one pattern.
    fn matrices(&self) -> Result<[CsrMatrix; 3], PhysicsError>;
    /// The same without a matrix.
    fn parts(&self) -> Result<Parts, PhysicsError>;
    fn state(&self, time: f64, u: &[f64], v: &[f64]) -> State;
}

/// What steps.
enum Engine {
    Implicit { integrator: Box<Integrator>, motion: Motion, force: Vec<f64>, held: Held, energies: Energies },
    Explicit(Box<Explicit>),
}

/// A problem in time.
pub(crate) struct InTime<P> {
    problem: P,
    engine: Engine,
    substeps: usize,
    log: SolverLog,
}

/// Part of the critical step that is taken where the case leaves the number of steps open. The critical step itself lies up to a twentieth
/// below the true one.
const SAFETY: f64 = 0.95;

/// Steps in an output interval, from `[dynamics] substeps` or as many as are stable.
fn substeps(problem: &dyn Problem, critical: f64) -> Result<usize, PhysicsError> {
    let dynamics = problem.dynamics();
    let least = |longest: f64| (dynamics.interval / longest).ceil().max(1.0) as usize;
    let chosen = least(SAFETY * critical);
    match dynamics.substeps {
        None => Ok(chosen),
        Some(given) if dynamics.interval / given as f64 <= critical => Ok(given),
        Some(given) => {
            let unit = problem.case().units.time;
            let dt = dynamics.interval / given as f64;
            let what = format!("= {given} makes steps of {dt:.4e} {unit}: central differences are stable up to {critical:.4e} {unit} here");
            let hint = format!("at least {}, or leave it out: {chosen} are taken then", least(critical));
            Err(problem.case().table("dynamics").error("substeps", what, hint).into())
        }
    }
}

impl<P: Problem> InTime<P> {
    pub(crate) fn new(problem: P, choice: SolverChoice) -> Result<Self, PhysicsError> {
        let start = problem.setup().times[0];
        let initial = problem.start()?;
        let mut log = SolverLog {
            newton_iters: vec![0],
            residual: vec![0.0],
            series: Energies::series(&problem.energy_unit()),
            ..SolverLog::default()
        };
        let kinds: Vec<&str> = problem.mesh().blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        let Dynamics { method, substeps: given, interval, .. } = *problem.dynamics();
        let (engine, substeps, energies) = match method {
            Method::Implicit(scheme) => {
                let substeps = given.unwrap_or(1);
                let [u, v] = initial;
                let (matrices, constraints) = (problem.matrices()?, problem.constraints());
                let integrator = Integrator::new(problem.mesh(), matrices, constraints, scheme, interval / substeps as f64, choice)?;
                let (force, held) = problem.loads(start)?;
                let motion = integrator.start(u, v, &force, &problem.rates(start)?.1)?;
                let energies = integrator.energies(&motion, &force, None);
                log.notes.insert("solver".into(), integrator.solver().into());
                log.notes.insert("time".into(), format!("{scheme:?}"));
                (Engine::Implicit { integrator: Box::new(integrator), motion, force, held, energies }, substeps, energies)
            }
            Method::CentralDifference => {
                let parts = problem.parts()?;
                let fixed = &parts.operator.constraints().fixed;
                if let Some(u) = parts.mass.iter().enumerate().position(|(u, m)| *m <= 0.0 && !fixed.contains_key(&u)) {
                    let what = format!("node {} belongs to no cell and has no mass", u / parts.operator.constraints().components);
                    return Err(problem.case().root().error("mesh", what, "take out nodes without cells").into());
                }
                let critical = parts.critical_step();
                let substeps = substeps(&problem, critical)?;
                let dt = interval / substeps as f64;
                let next = time(&problem.setup().times, dt, substeps, 0, 1);
                let mut explicit = Explicit::new(&problem, parts, dt, initial, [start, next])?;
                let energies = explicit
                    .energies()
                    .map_err(|e| problem.case().root().error("dynamics", e.to_string(), "look for values that are not finite"))?;
                log.notes.insert("solver".into(), "none".into());
                log.notes.insert("time".into(), format!("central differences, {substeps} steps of {dt:.4e} from one output to the next"));
                log.notes.insert("critical_step".into(), format!("{critical:.4e}"));
                (Engine::Explicit(Box::new(explicit)), substeps, energies)
            }
        };
        energies.record(start, &mut log.series);
        Ok(InTime { problem, engine, substeps, log })
    }
}

/// The time after `k` steps from output `from`.
fn time(times: &[f64], dt: f64, substeps: usize, from: usize, k: usize) -> f64 {
    match times.get(from + 1) {
        Some(&t) if k == substeps => t,
        _ => times[from] + k as f64 * dt,
    }
}

impl<P: Problem> Simulator for InTime<P> {
    fn setup(&self) -> &Setup {
        self.problem.setup()
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let InTime { problem, engine, substeps, log } = self;
        let substeps = *substeps;
        let times = &problem.setup().times;
        let dt = problem.dynamics().interval / substeps as f64;
        let at =
            |k: usize| if k <= substeps { time(times, dt, substeps, step - 1, k) } else { time(times, dt, substeps, step, k - substeps) };
        let failed = |time: f64, reason: String| SimError::Solver { time, reason };
        let end = at(substeps);
        match engine {
            Engine::Implicit { integrator, motion, force, held, energies } => {
                let mut worst: f64 = 0.0;
                for k in 1..=substeps {
                    let t = at(k);
                    let fail = |e: &dyn std::fmt::Display| failed(t, e.to_string());
                    let next_force = if problem.varies() {
                        let (next, supports) = problem.loads(t).map_err(|e| fail(&e))?;
                        *held = supports;
                        next
                    } else {
                        force.clone()
                    };
                    let (next, residual) = integrator.step(motion, force, &next_force, held).map_err(|e| fail(&e))?;
                    *energies = integrator.energies(&next, &next_force, Some((motion, force, *energies)));
                    energies.record(t, &mut log.series);
                    (*motion, *force) = (next, next_force);
                    worst = worst.max(residual);
                }
                log.newton_iters.push(1);
                log.residual.push(worst);
                log.condition = integrator.condition();
                Ok(problem.state(end, &motion.u, &motion.v))
            }
            Engine::Explicit(explicit) => {
                for k in 1..=substeps {
                    let before = explicit.advance(problem, at(k), at(k + 1)).map_err(|e| failed(at(k), e.to_string()))?;
                    let before = before.map_err(|e| failed(at(k - 1), e.to_string()))?;
                    if k > 1 {
                        before.record(at(k - 1), &mut log.series);
                    }
                }
                explicit.energies().map_err(|e| failed(end, e.to_string()))?.record(end, &mut log.series);
                log.newton_iters.push(0);
                log.residual.push(0.0);
                Ok(problem.state(end, explicit.displacement(), &explicit.velocity()))
            }
        }
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}
