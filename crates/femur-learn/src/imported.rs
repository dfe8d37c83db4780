//! What is to be learnt from runs that were made elsewhere: read from the dataset itself, since no physics of Femur stands behind it.

use crate::LearnError;
use femur_dataset::FieldInfo;
use femur_mesh::TagEntities;
use femur_sim::case::{CaseError, Table};
use femur_sim::{Coordinates, LearningTask, Setup, Target, Update};

/// The name that stands where a dataset of Femur's own solvers names its physics.
pub const IMPORTED: &str = "imported";

/// Noise on fed-back fields while training, in units of the spread of step differences: as for transient heat conduction.
const NOISE: f64 = 0.3;
/// Length scale of the exponential distance feature, in diameters of the mesh: as for the physics.
const DISTANCE_SCALE: f64 = 0.045;

/// One `[[target]]`: how a field of the states is learnt.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSpec {
    /// Name of the field in the dataset.
    pub name: String,
    /// How the network's output is applied; `None` for the default: the difference in a transient dataset, else the value.
    pub update: Option<Update>,
    /// Weight in the loss.
    pub weight: f64,
    /// Whether the field is fed back as an input; `None` for the default: where its difference is learnt.
    pub state: Option<bool>,
}

impl TargetSpec {
    /// Reads the keys of a `[[target]]` that learning needs; the others are the importer's.
    ///
    /// # Errors
    /// A value of a wrong type, a weight that is not positive, an update that is not known.
    pub fn read(table: &Table) -> Result<Self, CaseError> {
        table.claim(&["array", "unit", "components"]);
        let update = match table.opt_string("update")? {
            Some(_) => Some([Update::Absolute, Update::Delta][table.choice("update", &["absolute", "delta"])?]),
            None => None,
        };
        let name = match (table.opt_string("name")?, table.opt_string("array")?) {
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => table.string("name")?,
        };
        Ok(TargetSpec { name, update, weight: table.positive_or("weight", 1.0)?, state: table.opt_bool("state")? })
    }
}

/// The task of an imported dataset: fields and weights from `[[target]]` of its `case.toml` (`top`), components and units from
/// `fields` (the manifest's), inputs, tags and dimension from the set-up of its first training run.
///
/// Facet and node tags are distance features unless `[learning] distance_tags` names others.
///
/// # Errors
/// A target that the dataset lacks, a transient dataset in which no field is fed back, a tag that the mesh lacks.
pub fn imported_task(top: &Table, fields: &[FieldInfo], setup: &Setup) -> Result<LearningTask, LearnError> {
    let steady = setup.is_steady();
    let (mut targets, mut state_inputs) = (Vec::new(), Vec::new());
    for table in top.tables("target")? {
        let spec = TargetSpec::read(&table)?;
        let Some(field) = fields.iter().find(|f| f.name == spec.name) else {
            let known: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            let hint = format!("the dataset holds {}", known.join(", "));
            return Err(table.error("name", format!("the dataset has no field `{}`", spec.name), hint).into());
        };
        let update = spec.update.unwrap_or(if steady { Update::Absolute } else { Update::Delta });
        if steady && (update == Update::Delta || spec.state == Some(true)) {
            let key = if update == Update::Delta { "update" } else { "state" };
            return Err(table.error(key, "a steady run has no step before", "leave it out, or import series in time").into());
        }
        if update == Update::Delta && spec.state == Some(false) {
            let hint = "leave `state` out, or write update = \"absolute\"";
            return Err(table.error("state", "a field whose difference is learnt must be fed back", hint).into());
        }
        if spec.state.unwrap_or(update == Update::Delta) {
            state_inputs.push(spec.name.clone());
        }
        targets.push(Target {
            field: spec.name,
            components: field.components.clone(),
            unit: field.units.clone(),
            update,
            weight: spec.weight,
        });
    }
    if targets.is_empty() {
        return Err(top.error("target", "there is nothing to learn", "write [[target]] with name = \"...\"").into());
    }
    if !steady && state_inputs.is_empty() {
        let hint = "write update = \"delta\" or state = true at the fields that drive the process";
        return Err(top.error("target", "no field of this transient dataset is fed back from step to step", hint).into());
    }
    let learning = top.table("learning")?;
    let distance_tags = if learning.has("distance_tags") {
        let tags = learning.strings("distance_tags")?;
        if let Some((k, unknown)) = tags.iter().enumerate().find(|(_, t)| setup.mesh.tags.get(t).is_none()) {
            let hint = format!("the tags are {}", setup.mesh.tags.names().join(", "));
            return Err(learning.error(&format!("distance_tags.{k}"), format!("the mesh has no tag `{unknown}`"), hint).into());
        }
        tags
    } else {
        let near = |e: &TagEntities| !matches!(e, TagEntities::Cells(_)) && !e.is_empty();
        setup.mesh.tags.iter().filter(|t| near(&t.entities)).map(|t| t.name.clone()).collect()
    };
    Ok(LearningTask {
        physics: IMPORTED.into(),
        dim: setup.mesh.dim,
        targets,
        state_inputs,
        inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
        load_inputs: Vec::new(),
        linear_in: Vec::new(),
        distance_tags,
        distance_scale: DISTANCE_SCALE * setup.mesh.diameter(),
        coordinates: Coordinates::Mesh,
        input_means: true,
        long_range: 0,
        noise: if steady { 0.0 } else { NOISE },
        unroll: 0,
        units: setup.units.clone(),
    })
}
