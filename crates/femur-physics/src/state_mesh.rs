//! The mesh on which states are given: that of the solver, or with `[output] vertices_only` the vertices of its cells.

use femur_mesh::Mesh;
use femur_sim::Setup;
use femur_sim::case::Case;
use std::sync::Arc;

/// That mesh, and which of the solver's nodes it has.
pub(crate) struct StateMesh {
    pub(crate) mesh: Arc<Mesh>,
    /// For each node that of the solver's mesh; `None` for all.
    kept: Option<Vec<u32>>,
}

impl StateMesh {
    pub(crate) fn new(case: &Case, mesh: &Arc<Mesh>) -> Self {
        if case.output.vertices_only {
            let (vertices, kept) = mesh.vertices_only();
            StateMesh { mesh: Arc::new(vertices), kept: Some(kept) }
        } else {
            StateMesh { mesh: mesh.clone(), kept: None }
        }
    }

    /// Whether states are given on all nodes of the solver.
    pub(crate) fn is_whole(&self) -> bool {
        self.kept.is_none()
    }

    /// Values on this mesh of values `[num_nodes, components]` on the solver's.
    pub(crate) fn restrict<T: Copy>(&self, values: &[T], components: usize) -> Vec<T> {
        match &self.kept {
            None => values.to_vec(),
            Some(kept) => kept.iter().flat_map(|&n| &values[n as usize * components..(n as usize + 1) * components]).copied().collect(),
        }
    }

    /// A set-up that knows mesh, times, parameters and discs of the case, and nothing else yet.
    pub(crate) fn setup(&self, physics: &str, case: &Case, material_id: &[i32]) -> Setup {
        Setup {
            physics: physics.into(),
            mesh: self.mesh.clone(),
            units: case.units.name.into(),
            node_type: Vec::new(),
            material_id: material_id.to_vec(),
            inputs: Vec::new(),
            prescribed: Vec::new(),
            loads: Vec::new(),
            params: case.params.clone(),
            times: case.time.map_or_else(|| vec![0.0], |t| t.times()),
            initial: None,
            initial_responses: Vec::new(),
            singular: case.singular.clone(),
        }
    }
}
