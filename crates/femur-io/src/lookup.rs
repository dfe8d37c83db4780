//! Finds the cells that given facets belong to.

use std::collections::HashMap;

use femur_mesh::{FacetId, Mesh};

/// The vertices of a facet, `u32::MAX` where there are fewer than four.
pub(crate) type FacetVertices = [u32; 4];

/// [`FacetVertices`] of vertices in any order.
pub(crate) fn facet_vertices(nodes: &[u32]) -> FacetVertices {
    let mut v = [u32::MAX; 4];
    for (to, &from) in v.iter_mut().zip(nodes) {
        *to = from;
    }
    v
}

/// Knows the facets that were asked for, not all of the mesh: one pass over the cells, and memory for the boundary alone.
pub(crate) struct FacetLookup {
    found: HashMap<FacetVertices, Option<FacetId>>,
}

impl FacetLookup {
    /// Looks for facets by their vertices, in the mesh's numbers. Of two cells that share a facet the first counts.
    pub(crate) fn new(mesh: &Mesh, wanted: impl Iterator<Item = FacetVertices>) -> Self {
        let mut found: HashMap<FacetVertices, Option<FacetId>> = HashMap::new();
        let mut on_wanted = vec![false; mesh.num_nodes()];
        for mut vertices in wanted {
            vertices.iter().filter(|&&v| v != u32::MAX).for_each(|&v| on_wanted[v as usize] = true);
            vertices.sort_unstable();
            found.insert(vertices, None);
        }
        for (cell, kind, nodes) in mesh.cells() {
            if nodes[..kind.num_vertices()].iter().filter(|&&n| on_wanted[n as usize]).count() < kind.dim() {
                continue;
            }
            for (local, facet) in kind.facets().iter().enumerate() {
                let vertices = &facet.nodes[..facet.kind.num_vertices()];
                if vertices.iter().all(|&n| on_wanted[nodes[n] as usize]) {
                    let mut key = [u32::MAX; 4];
                    for (to, &n) in key.iter_mut().zip(vertices) {
                        *to = nodes[n];
                    }
                    key.sort_unstable();
                    if let Some(place) = found.get_mut(&key) {
                        place.get_or_insert(FacetId { cell: cell as u32, local: local as u8 });
                    }
                }
            }
        }
        FacetLookup { found }
    }

    /// The facet with these vertices.
    pub(crate) fn find(&self, mut vertices: FacetVertices) -> Option<FacetId> {
        vertices.sort_unstable();
        self.found.get(&vertices).copied().flatten()
    }
}
