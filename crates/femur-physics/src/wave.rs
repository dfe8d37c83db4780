//! The scalar wave equation: `u'' - div(c^2 grad u) = f`.
//!
//! Weak form, boundaries and sources in `docs/src/topics/wave.md`.

mod model;

use crate::dynamics::{Energies, Integrator, Motion};
use crate::elasticity::facet_tags;
use crate::linear::{SolverChoice, solver_choice};
use crate::{Physics, PhysicsError};
use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Setup, SimError, Simulator, SolverLog, State, Target, Update};
use model::Model;
use std::sync::Arc;

/// `physics = "wave"`.
pub struct Wave;

struct WaveSimulator {
    model: Model,
    integrator: Integrator,
    motion: Motion,
    force: Vec<f64>,
    energies: Energies,
    log: SolverLog,
}

impl WaveSimulator {
    fn new(model: Model, choice: SolverChoice) -> Result<Self, PhysicsError> {
        let integrator = Integrator::new(&model.mesh, model.matrices()?, model.constraints(), model.dynamics.scheme, model.dt, choice)?;
        let start = model.setup.times[0];
        let force = model.load(start);
        let [u, v] = model.start()?;
        let motion = integrator.start(u, v, &force, &model.rates(start)?.1)?;
        let energies = integrator.energies(&motion, &force, None);
        let unit = format!("{}^{}/{}^2", model.units.length, model.mesh.dim, model.units.time);
        let mut log = SolverLog { newton_iters: vec![0], residual: vec![0.0], series: Energies::series(&unit), ..SolverLog::default() };
        energies.record(start, &mut log.series);
        log.notes.insert("solver".into(), integrator.solver().into());
        log.notes.insert("time".into(), format!("{:?}", model.dynamics.scheme));
        Ok(WaveSimulator { model, integrator, motion, force, energies, log })
    }
}

impl Simulator for WaveSimulator {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let (t0, t1) = (self.model.setup.times[step - 1], self.model.setup.times[step]);
        let substeps = self.model.dynamics.substeps;
        let mut worst: f64 = 0.0;
        for k in 1..=substeps {
            let t = if k == substeps { t1 } else { t0 + k as f64 * self.model.dt };
            let force = if self.model.varies() { self.model.load(t) } else { self.force.clone() };
            let (next, residual) = self
                .integrator
                .step(&self.motion, &self.force, &force, &self.model.held(t))
                .map_err(|e| SimError::Solver { time: t, reason: e.to_string() })?;
            self.energies = self.integrator.energies(&next, &force, Some((&self.motion, &self.force, self.energies)));
            self.energies.record(t, &mut self.log.series);
            (self.motion, self.force) = (next, force);
            worst = worst.max(residual);
        }
        self.log.newton_iters.push(1);
        self.log.residual.push(worst);
        self.log.condition = self.integrator.condition();
        Ok(self.model.state(t1, &self.motion.u, &self.motion.v))
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

impl Physics for Wave {
    fn name(&self) -> &'static str {
        "wave"
    }

    fn summary(&self) -> &'static str {
        "the scalar wave equation, with absorbing boundaries"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        solver_choice(case)?.assembled(case, "the wave equation")?;
        Ok(Model::new(case, mesh)?.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let choice = solver_choice(case)?;
        choice.assembled(case, "the wave equation")?;
        Ok(Box::new(WaveSimulator::new(Model::new(case, mesh)?, choice)?))
    }

    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let target = |name: &str, unit: String| Target {
            field: name.into(),
            components: vec![String::new()],
            unit,
            update: Update::Delta,
            weight: 1.0,
        };
        Ok(LearningTask {
            physics: self.name().into(),
            dim: setup.mesh.dim,
            targets: vec![target("amplitude", "1".into()), target("rate", format!("1/{}", case.units.time))],
            state_inputs: vec!["amplitude".into(), "rate".into()],
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: Vec::new(),
            linear_in: Vec::new(),
            distance_tags: facet_tags(setup),
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: Coordinates::Mesh,
            input_means: true,
            long_range: 0,
            noise: 0.3,
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    /// Nothing: the state is all there is.
    fn recover(&self, _case: &Case, _mesh: &Arc<Mesh>, _state: &State) -> Result<Vec<Field>, PhysicsError> {
        Ok(Vec::new())
    }
}
