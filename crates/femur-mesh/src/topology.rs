//! Boundaries, components and the raising of a mesh's order.

use crate::{CellBlock, CellKind, FacetId, Mesh, MeshError, TagEntities};
use petgraph::unionfind::UnionFind;
use std::collections::HashMap;

/// The facets that belong to one cell only, by cell and local number.
pub fn boundary_facets(mesh: &Mesh) -> Vec<FacetId> {
    let mut seen: HashMap<Vec<u32>, (FacetId, bool)> = HashMap::new();
    for (cell, kind, nodes) in mesh.cells() {
        for (local, facet) in kind.facets().iter().enumerate() {
            let mut key: Vec<u32> = facet.nodes[..facet.kind.num_vertices()].iter().map(|&n| nodes[n]).collect();
            key.sort_unstable();
            let id = FacetId { cell: cell as u32, local: local as u8 };
            seen.entry(key).and_modify(|e| e.1 = false).or_insert((id, true));
        }
    }
    let mut facets: Vec<FacetId> = seen.into_values().filter(|(_, alone)| *alone).map(|(id, _)| id).collect();
    facets.sort_unstable();
    facets
}

/// Tags the boundary facets all of whose vertices satisfy `on`.
pub fn tag_boundary(mesh: &mut Mesh, boundary: &[FacetId], name: &str, on: impl Fn(u32, &[f64]) -> bool) {
    let facets = boundary
        .iter()
        .copied()
        .filter(|&f| {
            let (kind, nodes) = mesh.facet_nodes(f);
            nodes[..kind.num_vertices()].iter().all(|&n| on(n, mesh.point(n as usize)))
        })
        .collect();
    mesh.tags.insert(name, None, TagEntities::Facets(facets));
}

/// Number of the connected component of each node, `[num_nodes]`, from 0 in order of the first node.
pub fn components(mesh: &Mesh) -> Vec<usize> {
    let mut sets = UnionFind::<usize>::new(mesh.num_nodes());
    for (_, _, nodes) in mesh.cells() {
        for pair in nodes.windows(2) {
            sets.union(pair[0] as usize, pair[1] as usize);
        }
    }
    let mut number = HashMap::new();
    (0..mesh.num_nodes())
        .map(|n| {
            let next = number.len();
            *number.entry(sets.find(n)).or_insert(next)
        })
        .collect()
}

/// The vertices between which a node of a cell lies: itself, the ends of its edge, the corners of its face or cell.
pub fn support(kind: CellKind, node: usize) -> Vec<usize> {
    if node < kind.num_vertices() {
        return vec![node];
    }
    let mut out: Vec<usize> = kind
        .edges()
        .iter()
        .filter(|e| e.contains(&node))
        .map(|e| e[0] + e[1] - node)
        .filter(|&n| n < node)
        .flat_map(|n| support(kind, n))
        .collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// The mesh with cells of another kind of the same shape: new nodes halfway between their vertices, numbered after the old ones.
pub fn raise_order(mesh: &Mesh, to: impl Fn(CellKind) -> CellKind) -> Result<Mesh, MeshError> {
    let mut points = mesh.points.clone();
    let mut middle: HashMap<Vec<u32>, u32> = HashMap::new();
    let mut blocks = Vec::with_capacity(mesh.blocks.len());
    for block in &mesh.blocks {
        let kind = to(block.kind);
        if kind.linear() != block.kind {
            return Err(MeshError::Other(format!("{} cells cannot become {kind}", block.kind)));
        }
        let supports: Vec<Vec<usize>> = (0..kind.num_nodes()).map(|n| support(kind, n)).collect();
        let mut connectivity = Vec::with_capacity(block.num_cells() * kind.num_nodes());
        for c in 0..block.num_cells() {
            let cell = block.cell(c);
            connectivity.extend_from_slice(cell);
            for s in &supports[cell.len()..] {
                let mut key: Vec<u32> = s.iter().map(|&v| cell[v]).collect();
                key.sort_unstable();
                let next = (points.len() / mesh.dim) as u32;
                let node = *middle.entry(key).or_insert_with_key(|key| {
                    for d in 0..mesh.dim {
                        let sum: f64 = key.iter().map(|&v| mesh.point(v as usize)[d]).sum();
                        points.push(sum / key.len() as f64);
                    }
                    next
                });
                connectivity.push(node);
            }
        }
        blocks.push(CellBlock { kind, connectivity });
    }
    Mesh::new(mesh.dim, points, blocks, mesh.tags.clone())
}
