//! The linear system of a steady case, for a solver outside: of the whole mesh, or of a part of it.

use crate::PhysicsError;
use crate::{elasticity, heat};
use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_solve::CsrMatrix;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stiffness, load and prescribed values, constraints not yet taken out. On a part of a mesh that holds every cell of a node, the rows of that
/// node are those of the whole mesh.
#[derive(Debug, Clone)]
pub struct LinearSystem {
    /// Rows by node, then component; symmetric positive definite once prescribed unknowns are taken out.
    pub matrix: CsrMatrix,
    /// All loads of the case `[rows]`.
    pub load: Vec<f64>,
    /// Prescribed unknowns and their values.
    pub prescribed: BTreeMap<usize, f64>,
    /// Unknowns per node.
    pub components: usize,
    /// Whether rigid bodies' motions are nearly in the null space.
    pub rigid_bodies: bool,
}

/// A physics whose steady cases can be shared out to ranks.
pub struct Distributed {
    /// Name of the physics.
    pub physics: &'static str,
    /// The system on a mesh or a part of one. What needs the whole boundary at once is an error.
    pub system: fn(&Case, &Arc<Mesh>) -> Result<LinearSystem, PhysicsError>,
    /// The field of a solution on a mesh `[rows]`.
    pub field: fn(&Case, &Mesh, Vec<f64>) -> Field,
}

/// Every such physics.
pub static DISTRIBUTED: &[Distributed] = &[
    Distributed { physics: "linear-elasticity", system: elasticity::part::system, field: elasticity::part::field },
    Distributed { physics: "heat", system: heat::part::system, field: heat::part::field },
];

/// Refuses keys of `[[boundary]]` that need to see a whole boundary at once.
pub(crate) fn refuse(case: &Case, keys: &[&str]) -> Result<(), PhysicsError> {
    for table in case.tables("boundary") {
        if let Some(key) = keys.iter().find(|k| table.has(k)) {
            return Err(table.error(key, "cannot be shared out to ranks", "give a traction, or solve it in one process").into());
        }
    }
    Ok(())
}

/// Refuses ties, whose two sides may lie on different ranks.
pub(crate) fn refuse_ties(case: &Case) -> Result<(), PhysicsError> {
    match ["periodic", "equation"].into_iter().find(|k| case.root().has(k)) {
        Some(key) => Err(case.root().error(key, "cannot be shared out to ranks", "solve it in one process").into()),
        None => Ok(()),
    }
}
