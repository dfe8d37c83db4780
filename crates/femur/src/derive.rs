//! Fields that follow from others: added to predictions so that truth and prediction carry the same names.

use anyhow::Result;
use femur_mesh::{Field, Mesh};
use femur_physics::Physics;
use femur_sim::case::Case;
use femur_sim::{Trajectory, derived};
use std::sync::Arc;

/// Adds to every state what can be computed from its fields alone (von Mises from the stress components).
pub fn add_derived(trajectory: &mut Trajectory) {
    for state in &mut trajectory.states {
        if let Some(stress) = state.field("stress")
            && state.field("von_mises").is_none()
        {
            let von_mises = derived::von_mises(stress);
            state.fields.push(von_mises);
        }
    }
}

/// What finite elements recover from the last state's predicted primary field (stress and von Mises from the displacement).
pub fn recovered(physics: &dyn Physics, case: &Case, mesh: &Arc<Mesh>, prediction: &Trajectory) -> Result<Vec<Field>> {
    match prediction.states.last() {
        Some(last) => Ok(physics.recover(case, mesh, last)?),
        None => Ok(Vec::new()),
    }
}

/// Scalar fields that both the prediction and the recovery hold, with the largest value of each outside the singular discs.
pub fn peaks(prediction: &Trajectory, recovered: &[Field]) -> Vec<(String, f64, f64)> {
    let Some(last) = prediction.states.last() else { return Vec::new() };
    let regular = prediction.setup.regular_nodes();
    let max = |f: &Field| f.values.iter().zip(&regular).filter(|(_, r)| **r).map(|(v, _)| *v).fold(f64::NEG_INFINITY, f64::max);
    recovered
        .iter()
        .filter(|r| r.num_components() == 1)
        .filter_map(|r| last.field(&r.name).map(|p| (r.name.clone(), max(p), max(r))))
        .collect()
}
