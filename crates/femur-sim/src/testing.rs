//! Small meshes and trajectories for the tests of this crate.

use crate::{Disc, NodeType, Setup, SolverLog, State, Trajectory};
use femur_mesh::{CellBlock, CellKind, FacetId, Field, Location, Mesh, TagEntities, Tags};
use std::sync::Arc;

/// A rectangle of `n x m` squares over `[0, width] x [0, height]`, with the facet tag `left`.
pub(crate) fn rectangle(width: f64, height: f64, n: usize, m: usize) -> Arc<Mesh> {
    let mut points = Vec::new();
    let mut connectivity = Vec::new();
    for j in 0..=m {
        for i in 0..=n {
            points.extend([width * i as f64 / n as f64, height * j as f64 / m as f64]);
        }
    }
    for j in 0..m {
        for i in 0..n {
            let a = (j * (n + 1) + i) as u32;
            let up = n as u32 + 1;
            connectivity.extend([a, a + 1, a + up + 1, a + up]);
        }
    }
    let mut tags = Tags::default();
    tags.insert("left", None, TagEntities::Facets((0..m).map(|j| FacetId { cell: (j * n) as u32, local: 3 }).collect()));
    Arc::new(Mesh::new(2, points, vec![CellBlock { kind: CellKind::Quad4, connectivity }], tags).unwrap())
}

/// A trajectory of scalar fields: `values[step]` is `[num_nodes]`; several steps make it transient, the first being the initial state.
pub(crate) fn scalar(mesh: &Arc<Mesh>, name: &str, values: &[&[f64]]) -> Trajectory {
    let states: Vec<State> = values
        .iter()
        .enumerate()
        .map(|(k, v)| State { time: k as f64, fields: vec![Field::scalar(name, "K", Location::Node, v.to_vec())] })
        .collect();
    of_states(mesh, states)
}

pub(crate) fn of_states(mesh: &Arc<Mesh>, states: Vec<State>) -> Trajectory {
    let setup = Setup {
        physics: "test".into(),
        mesh: mesh.clone(),
        units: "SI".into(),
        node_type: vec![NodeType::Normal; mesh.num_nodes()],
        material_id: vec![0; mesh.num_cells()],
        inputs: Vec::new(),
        prescribed: Vec::new(),
        loads: Vec::new(),
        initial_responses: Vec::new(),
        params: Vec::new(),
        times: (0..states.len()).map(|k| k as f64).collect(),
        initial: (states.len() > 1).then(|| states[0].clone()),
        singular: Vec::new(),
    };
    Trajectory { setup, states, unit_responses: Vec::new(), log: SolverLog::default() }
}

pub(crate) fn disc(x: f64, y: f64, radius: f64) -> Disc {
    Disc { center: vec![x, y], radius }
}

/// A block of `n^3` hexahedra over `[0, a] x [0, b] x [0, c]`.
pub(crate) fn block(a: f64, b: f64, c: f64, n: usize) -> Arc<Mesh> {
    let mut points = Vec::new();
    let mut connectivity = Vec::new();
    let node = |i: usize, j: usize, k: usize| ((k * (n + 1) + j) * (n + 1) + i) as u32;
    let part = |i: usize| i as f64 / n as f64;
    for (k, j, i) in triples(n + 1) {
        points.extend([a * part(i), b * part(j), c * part(k)]);
    }
    for (k, j, i) in triples(n) {
        for z in [k, k + 1] {
            connectivity.extend([node(i, j, z), node(i + 1, j, z), node(i + 1, j + 1, z), node(i, j + 1, z)]);
        }
    }
    Arc::new(Mesh::new(3, points, vec![CellBlock { kind: CellKind::Hex8, connectivity }], Tags::default()).unwrap())
}

fn triples(n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..n).flat_map(move |k| (0..n).flat_map(move |j| (0..n).map(move |i| (k, j, i))))
}
