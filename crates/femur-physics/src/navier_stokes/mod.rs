//! Incompressible flow: the Navier-Stokes equations on Taylor-Hood elements, steady and transient.
//!
//! `rho (du/dt + (u . grad) u) - div(mu grad u) + grad p = f`, `div u = 0`; weak form and sources in `docs/src/topics/navier-stokes.md`.

mod conditions;
mod kernel;
mod linear;
mod model;
mod output;
mod steady;
mod system;
mod transient;

use crate::elasticity::facet_tags;
use crate::{Physics, PhysicsError};
use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Setup, Simulator, SolverLog, State, Target, Update};
use model::{INTEGRATORS, Model};
use output::Recorder;
use std::sync::Arc;
use system::System;

/// `physics = "navier-stokes"`.
pub struct NavierStokes;

impl Physics for NavierStokes {
    fn name(&self) -> &'static str {
        "navier-stokes"
    }

    fn summary(&self) -> &'static str {
        "incompressible flow, steady or transient: drag, lift, vortex streets (2D, 3D)"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        let model = Model::new(case, mesh)?;
        Recorder::read(case, mesh, &model.conditions, model.density())?;
        Ok(model.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let recorder = Recorder::read(case, mesh, &model.conditions, model.density())?;
        let system = System::new(mesh, model.fluids(), &model.conditions, model.options.kind)?;
        let mut log = SolverLog::default();
        let integrator = if case.time.is_some() { INTEGRATORS[model.options.integrator as usize] } else { "steady" };
        log.notes.insert("solver".into(), format!("{}, {integrator}", system.linear.name()));
        let kinds: Vec<String> = mesh.blocks.iter().map(|b| format!("{} / {}", b.kind, b.kind.linear())).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        if case.time.is_some() {
            Ok(Box::new(transient::Transient::new(model, system, recorder, log)?))
        } else {
            Ok(Box::new(steady::Steady { model, system, recorder, log }))
        }
    }

    fn learning_task(&self, _case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let steady = setup.is_steady();
        let target =
            |f: Field, update: Update, weight: f64| Target { field: f.name, components: f.components, unit: f.unit, update, weight };
        let dim = setup.mesh.dim;
        let node = femur_mesh::Location::Node;
        let units = femur_sim::case::Units::named(&setup.units).unwrap_or(femur_sim::case::Units::SI);
        let velocity = Field::vector("velocity", &format!("{}/{}", units.length, units.time), node, dim, Vec::new());
        let pressure = Field::scalar("pressure", units.stress, node, Vec::new());
        Ok(LearningTask {
            physics: self.name().into(),
            dim,
            targets: vec![
                target(velocity, if steady { Update::Absolute } else { Update::Delta }, 1.0),
                target(pressure, Update::Absolute, 1.0),
            ],
            state_inputs: if steady { Vec::new() } else { vec!["velocity".into()] },
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: Vec::new(),
            // The flow is not the sum of its causes.
            linear_in: Vec::new(),
            distance_tags: if steady { facet_tags(setup) } else { Vec::new() },
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: if steady { Coordinates::Mesh } else { Coordinates::None },
            input_means: steady,
            long_range: 0,
            noise: if steady { 0.0 } else { 0.3 },
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    /// Nothing: velocity and pressure are both unknowns.
    fn recover(&self, _case: &Case, _mesh: &Arc<Mesh>, _state: &State) -> Result<Vec<Field>, PhysicsError> {
        Ok(Vec::new())
    }
}
