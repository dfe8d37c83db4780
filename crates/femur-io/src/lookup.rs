use femur_mesh::{FacetId, Mesh};
use std::collections::HashMap;
pub(crate) struct FacetLookup(HashMap<Vec<u32>, FacetId>);
impl FacetLookup {
    pub(crate) fn new(mesh: &Mesh) -> Self {
        let mut map = HashMap::new();
        for (c, kind, nodes) in mesh.cells() {
            for (k, f) in kind.facets().iter().enumerate() {
                let mut v: Vec<u32> = f.nodes[..f.kind.num_vertices()].iter().map(|&n| nodes[n]).collect();
                v.sort_unstable();
                map.entry(v).or_insert(FacetId { cell: c as u32, local: k as u8 });
            }
        }
        FacetLookup(map)
    }
    pub(crate) fn find(&self, vertices: &[u32]) -> Option<FacetId> {
        let mut v = vertices.to_vec();
        v.sort_unstable();
        self.0.get(&v).copied()
    }
}
