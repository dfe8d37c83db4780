//! The scalar wave equation: `u'' - div(c^2 grad u) = f`.
//!
//! Weak form, boundaries and sources in `docs/src/topics/wave.md`.

mod model;

use crate::dynamics::InTime;
use crate::elasticity::facet_tags;
use crate::{Physics, PhysicsError};
use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Setup, Simulator, State, Target, Update};
use model::Model;
use std::sync::Arc;

/// `physics = "wave"`.
pub struct Wave;

impl Physics for Wave {
    fn name(&self) -> &'static str {
        "wave"
    }

    fn summary(&self) -> &'static str {
        "the scalar wave equation, implicit or by explicit central differences, with absorbing boundaries"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        let model = Model::new(case, mesh)?;
        model.dynamics.solver(case, "the wave equation")?;
        Ok(model.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let choice = model.dynamics.solver(case, "the wave equation")?;
        Ok(Box::new(InTime::new(model, choice)?))
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
