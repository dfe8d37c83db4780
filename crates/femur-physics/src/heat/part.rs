//! The system of a steady linear problem on a part of a mesh, for ranks.

use super::Model;
use crate::PhysicsError;
use crate::linear_system::{LinearSystem, refuse_ties};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use std::sync::Arc;

pub(crate) fn system(case: &Case, mesh: &Arc<Mesh>) -> Result<LinearSystem, PhysicsError> {
    let model = Model::new(case, mesh)?;
    if model.nonlinear || model.time.is_some() {
        let what = "only steady problems with constant coefficients can be shared out to ranks";
        return Err(case.root().error("physics", what, "solve it in one process").into());
    }
    refuse_ties(case)?;
    let (matrix, _) = model.matrices(0.0)?;
    Ok(LinearSystem { matrix, load: model.load(0.0), prescribed: model.prescribed(0.0), components: 1, rigid_bodies: false })
}

pub(crate) fn field(case: &Case, _mesh: &Mesh, values: Vec<f64>) -> Field {
    Field::scalar("temperature", case.units.temperature, Location::Node, values)
}
