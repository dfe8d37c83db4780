//! What can be wrong with a case for a physics.

use femur_mesh::MeshError;
use femur_sim::SimError;
use femur_sim::case::CaseError;
use femur_solve::SolveError;
use thiserror::Error;

/// A case cannot be set up or solved.
#[derive(Debug, Error)]
pub enum PhysicsError {
    /// The case file.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The mesh or a tag.
    #[error(transparent)]
    Mesh(#[from] MeshError),
    /// The linear algebra.
    #[error("{0}\n  hint: {hint}", hint = hint(.0))]
    Solve(#[from] SolveError),
    /// Supports leave the body free to move.
    #[error(
        "{origin}: the body is not constrained: it can still {motions}\n  hint: add [[boundary]] with displacement, roller or elastic_support"
    )]
    Unconstrained {
        /// Case file.
        origin: String,
        /// Which rigid motions are free, in words.
        motions: String,
    },
    /// A cell is inverted.
    #[error("cell {cell} is inverted or degenerate (det J = {det:.3e})\n  hint: repair the mesh, or take smaller steps of its parameters")]
    Inverted {
        /// Global cell number.
        cell: usize,
        /// Smallest Jacobian determinant.
        det: f64,
    },
}

/// What helps where an iteration for a flow did not converge.
pub(crate) const UNCONVERGED: &str = "take [solver] kind = \"direct\", or shorter time steps, a finer mesh or a larger viscosity";

fn hint(error: &SolveError) -> &'static str {
    match error {
        SolveError::Unconverged { .. } => UNCONVERGED,
        _ => {
            "look for cells without material, parts that are not held, stiff parts on soft ones, or inverted cells (femur info, femur plot)"
        }
    }
}

impl From<femur_fem::InvertedCell> for PhysicsError {
    fn from(e: femur_fem::InvertedCell) -> Self {
        PhysicsError::Inverted { cell: e.cell, det: e.det }
    }
}

impl From<PhysicsError> for SimError {
    fn from(error: PhysicsError) -> Self {
        SimError::Solver { time: 0.0, reason: error.to_string() }
    }
}
