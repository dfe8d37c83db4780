//! One file per physics, and the list of them.

pub mod advection_diffusion;
mod dynamics;
pub mod elasticity;
pub mod elastodynamics;
pub mod elastoplasticity;
pub mod error;
pub mod heat;
pub mod hyperelasticity;
mod linear;
mod linear_system;
mod material;
mod memory;
pub mod modal;
pub mod navier_stokes;
mod nested;
mod solid;
mod state_mesh;
mod ties;
pub mod wave;

pub use error::PhysicsError;
pub use linear_system::{DISTRIBUTED, Distributed, LinearSystem};

use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_sim::{LearningTask, Setup, Simulator, State};
use std::sync::Arc;

/// A physics: reads a case, sets it up, solves it, and says what a surrogate of it should learn.
pub trait Physics: Sync {
    /// Name in a case file.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn summary(&self) -> &'static str;

    /// All that is known before solving; every mistake in the case shows here.
    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError>;

    /// A finite-element solver of the case.
    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError>;

    /// What a surrogate reads and predicts.
    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError>;

    /// Fields that finite elements derive from a state's primary field (stress from displacement, flux from temperature).
    /// The state may be given on the mesh's nodes or on its vertices.
    fn recover(&self, case: &Case, mesh: &Arc<Mesh>, state: &State) -> Result<Vec<Field>, PhysicsError>;

    /// What looks like a mistake but may be meant.
    fn warnings(&self, case: &Case, mesh: &Mesh) -> Vec<String> {
        case.warnings(Some(mesh))
    }
}

/// Every physics.
pub static PHYSICS: &[&dyn Physics] = &[
    &elasticity::LinearElasticity,
    &heat::Heat,
    &navier_stokes::NavierStokes,
    &advection_diffusion::AdvectionDiffusion,
    &hyperelasticity::Hyperelasticity,
    &elastoplasticity::Elastoplasticity,
    &modal::Modal,
    &elastodynamics::Elastodynamics,
    &wave::Wave,
];
