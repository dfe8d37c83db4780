//! Boundaries, components and the raising of a mesh's order.

use crate::{CellBlock, CellKind, FacetId, Mesh, MeshError, TagEntities};
use petgraph::unionfind::UnionFind;
use std::collections::HashMap;

/// A facet's vertex nodes, sorted and filled up with `u32::MAX`: equal for the two cells that share it, whatever their order.
type FacetKey = [u32; 4];

fn facet_key(vertices: impl ExactSizeIterator<Item = u32>) -> Option<FacetKey> {
    if vertices.len() > 4 {
        return None;
    }
    let mut key = [u32::MAX; 4];
    for (slot, v) in key.iter_mut().zip(vertices) {
        *slot = v;
    }
    key.sort_unstable();
    Some(key)
}

/// Every facet of every cell with its key, in the order of cells.
fn facets(mesh: &Mesh) -> impl Iterator<Item = (FacetKey, FacetId)> {
    mesh.cells().flat_map(|(cell, kind, nodes)| {
        kind.facets().iter().enumerate().filter_map(move |(local, facet)| {
            let key = facet_key(facet.nodes[..facet.kind.num_vertices()].iter().map(|&n| nodes[n]))?;
            Some((key, FacetId { cell: cell as u32, local: local as u8 }))
        })
    })
}

/// The facets that belong to one cell only, by cell and local number.
pub fn boundary_facets(mesh: &Mesh) -> Vec<FacetId> {
    let mut all: Vec<(FacetKey, FacetId)> = facets(mesh).collect();
    all.sort_unstable();
    let mut alone: Vec<FacetId> = all.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() == 1).map(|same| same[0].1).collect();
    alone.sort_unstable();
    alone
}

/// Finds the facet that has given vertices: what turns the lower-dimensional elements of mesh files into [`FacetId`]s.
#[derive(Debug, Clone)]
pub struct FacetLookup {
    facets: HashMap<FacetKey, FacetId>,
}

impl FacetLookup {
    /// Collects the facets of all cells.
    pub fn new(mesh: &Mesh) -> Self {
        let mut map = HashMap::new();
        for (key, id) in facets(mesh) {
            map.entry(key).or_insert(id);
        }
        FacetLookup { facets: map }
    }

    /// The facet with these vertex nodes (without midside nodes) in any order; of two cells that share it, that of the first cell.
    pub fn find(&self, vertices: &[u32]) -> Option<FacetId> {
        self.facets.get(&facet_key(vertices.iter().copied())?).copied()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::{box_, rectangle};

    #[test]
    fn facets_are_found_in_any_order_and_belong_to_the_first_cell() {
        for kind in [CellKind::Hex8, CellKind::Tet10, CellKind::Hex27] {
            let mesh = box_([1.0, 2.0, 3.0], [3, 2, 2], kind).unwrap();
            let lookup = FacetLookup::new(&mesh);
            let boundary = boundary_facets(&mesh);
            for (cell, kind, _) in mesh.cells() {
                for local in 0..kind.facets().len() {
                    let id = FacetId { cell: cell as u32, local: local as u8 };
                    let (facet, mut nodes) = mesh.facet_nodes(id);
                    nodes.truncate(facet.num_vertices());
                    nodes.reverse();
                    nodes.rotate_left(1);
                    let found = lookup.find(&nodes).unwrap();
                    assert!(found == id || found.cell < id.cell && boundary.binary_search(&id).is_err());
                }
            }
            assert_eq!(lookup.find(&[0, 1]), None);
            assert_eq!(lookup.find(&[0, 1, 2, 3, 4]), None);
        }
    }

    #[test]
    fn components_are_numbered_from_their_first_node() {
        let a = rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap();
        let mut two = a.clone();
        two.points.extend(a.points.iter().map(|x| x + 5.0));
        two.blocks[0].connectivity.extend(a.blocks[0].connectivity.iter().map(|n| n + 9));
        assert_eq!(components(&two), [vec![0; 9], vec![1; 9]].concat());
    }
}
