//! The system on a part of a mesh, for ranks.

use super::body::Body;
use super::thermal::Thermal;
use crate::PhysicsError;
use crate::linear_system::{LinearSystem, refuse, refuse_ties};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use std::sync::Arc;

/// Whether the body is held can only be told of the whole mesh, and is not asked here.
pub(crate) fn system(case: &Case, mesh: &Arc<Mesh>) -> Result<LinearSystem, PhysicsError> {
    refuse(case, &["total_force", "total_moment"])?;
    refuse_ties(case)?;
    let body = Body::read(case, mesh)?;
    let mut conditions = body.conditions(case, 0.0)?;
    if !conditions.constraints.frames.is_empty() {
        refuse(case, &["roller"])?;
    }
    let thermal = Thermal::read(case, &body)?;
    conditions.channels.extend(thermal.as_ref().and_then(|t| t.channel(case, &body)));
    let assembler = body.assembler();
    let mut matrix = body.stiffness(&assembler)?;
    conditions.add_supports(&body.mesh, &assembler, &mut matrix, body.thickness);
    let mut load = vec![0.0; matrix.nrows];
    for channel in &conditions.channels {
        load.iter_mut().zip(&channel.vector).for_each(|(f, v)| *f += channel.load.value * v);
    }
    let prescribed = conditions.constraints.fixed.keys().map(|&u| (u, conditions.value(u))).collect();
    Ok(LinearSystem { matrix, load, prescribed, components: mesh.dim, rigid_bodies: true })
}

pub(crate) fn field(case: &Case, mesh: &Mesh, values: Vec<f64>) -> Field {
    Field::vector("displacement", case.units.length, Location::Node, mesh.dim, values)
}
