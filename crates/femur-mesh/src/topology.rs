//! Boundaries, components and the raising of a mesh's order.

use crate::hash::FastMap;
use crate::{CellBlock, CellKind, FacetId, Mesh, MeshError, TagEntities};
use petgraph::unionfind::UnionFind;

/// The vertex nodes of a facet, without midside nodes; `u32::MAX` where there are fewer than four.
pub type FacetVertices = [u32; 4];

/// [`FacetVertices`] of at most four vertices in any order.
pub fn facet_vertices(vertices: impl IntoIterator<Item = u32>) -> FacetVertices {
    let mut out = [u32::MAX; 4];
    for (slot, v) in out.iter_mut().zip(vertices) {
        *slot = v;
    }
    out
}

/// Equal for the two cells that share a facet, whatever their order.
fn facet_key(mut vertices: FacetVertices) -> FacetVertices {
    vertices.sort_unstable();
    vertices
}

/// The facets of a cell with their keys.
fn facets_of(cell: usize, kind: CellKind, nodes: &[u32]) -> impl Iterator<Item = (FacetVertices, FacetId)> {
    kind.facets().iter().enumerate().map(move |(local, facet)| {
        let vertices = facet.nodes[..facet.kind.num_vertices()].iter().map(|&n| nodes[n]);
        (facet_key(facet_vertices(vertices)), FacetId { cell: cell as u32, local: local as u8 })
    })
}

/// The facets that belong to one cell only, by cell and local number.
pub fn boundary_facets(mesh: &Mesh) -> Vec<FacetId> {
    // Facets by their smallest vertex: how many cells have each, and the next facet there.
    let mut chains = Chains::new(mesh.num_nodes());
    let mut facets: Vec<(FacetId, bool)> = Vec::new();
    for (cell, kind, nodes) in mesh.cells() {
        for (key, id) in facets_of(cell, kind, nodes) {
            match chains.find_or_add(key, facets.len() as u32) {
                Some(k) => facets[k as usize].1 = false,
                None => facets.push((id, true)),
            }
        }
    }
    facets.into_iter().filter(|f| f.1).map(|f| f.0).collect()
}

/// Finds ascending lists of nodes again, each by its first.
struct Chains<const N: usize> {
    heads: Vec<u32>,
    items: Vec<([u32; N], u32, u32)>,
}

impl<const N: usize> Chains<N> {
    fn new(nodes: usize) -> Self {
        Chains { heads: vec![u32::MAX; nodes], items: Vec::new() }
    }

    /// The number that was given with an equal list, or none for a new one, which is added with its number.
    fn find_or_add(&mut self, key: [u32; N], number: u32) -> Option<u32> {
        let mut at = self.heads[key[0] as usize];
        while let Some((other, of, next)) = self.items.get(at as usize) {
            if *other == key {
                return Some(*of);
            }
            at = *next;
        }
        let head = std::mem::replace(&mut self.heads[key[0] as usize], self.items.len() as u32);
        self.items.push((key, number, head));
        None
    }
}

/// Finds the facets that have given vertices: what turns the lower-dimensional elements of mesh files into [`FacetId`]s.
///
/// It knows the facets that were asked for, not all of the mesh: one pass over the cells, and memory for the boundary alone.
#[derive(Debug, Clone)]
pub struct FacetLookup {
    found: FastMap<FacetVertices, Option<FacetId>>,
}

impl FacetLookup {
    /// Looks for facets by their vertices; of two cells that share a facet the first counts.
    pub fn new(mesh: &Mesh, wanted: impl Iterator<Item = FacetVertices>) -> Self {
        let mut found: FastMap<FacetVertices, Option<FacetId>> = FastMap::default();
        let mut on_wanted = vec![false; mesh.num_nodes()];
        for vertices in wanted {
            for v in vertices {
                if let Some(on) = on_wanted.get_mut(v as usize) {
                    *on = true;
                }
            }
            found.insert(facet_key(vertices), None);
        }
        for (cell, kind, nodes) in mesh.cells() {
            // Most cells have too few such vertices for a facet.
            if nodes[..kind.num_vertices()].iter().filter(|&&n| on_wanted[n as usize]).count() < kind.dim() {
                continue;
            }
            for (key, id) in facets_of(cell, kind, nodes) {
                if let Some(place) = found.get_mut(&key) {
                    place.get_or_insert(id);
                }
            }
        }
        FacetLookup { found }
    }

    /// The facet with these vertices in any order; `None` where no cell has it, or where it was not asked for.
    pub fn find(&self, vertices: FacetVertices) -> Option<FacetId> {
        self.found.get(&facet_key(vertices)).copied().flatten()
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
    let mut number = FastMap::default();
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
    let mut middle: Chains<8> = Chains::new(mesh.num_nodes());
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
                let mut key = [u32::MAX; 8];
                key.iter_mut().zip(s).for_each(|(k, &v)| *k = cell[v]);
                key[..s.len()].sort_unstable();
                let next = (points.len() / mesh.dim) as u32;
                let node = middle.find_or_add(key, next).unwrap_or_else(|| {
                    for d in 0..mesh.dim {
                        let sum: f64 = key[..s.len()].iter().map(|&v| mesh.point(v as usize)[d]).sum();
                        points.push(sum / s.len() as f64);
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
            let of = |id: FacetId| {
                let (facet, nodes) = mesh.facet_nodes(id);
                facet_vertices(nodes[..facet.num_vertices()].iter().rev().copied())
            };
            let all: Vec<FacetId> = (0..mesh.num_cells())
                .flat_map(|cell| (0..kind.facets().len()).map(move |local| FacetId { cell: cell as u32, local: local as u8 }))
                .collect();
            let stranger = facet_vertices([0, 1]);
            let lookup = FacetLookup::new(&mesh, all.iter().map(|&id| of(id)).chain([stranger]));
            let boundary = boundary_facets(&mesh);
            for &id in &all {
                let found = lookup.find(of(id)).unwrap();
                assert!(found == id || found.cell < id.cell && boundary.binary_search(&id).is_err());
            }
            assert_eq!(lookup.find(stranger), None);
            let few = FacetLookup::new(&mesh, std::iter::once(of(boundary[0])));
            assert_eq!((few.find(of(boundary[0])), few.find(of(boundary[1]))), (Some(boundary[0]), None));
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
