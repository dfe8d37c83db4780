//! Gives every cell a positive measure by mirroring the node order of those that have a negative one.
//!
//! gmsh keeps the orientation of the surface, VTK and gmsh disagree about wedges, and some exporters write left-handed
//! hexahedra: the region is the same, only the numbering differs.

use femur_mesh::{CellKind, Mesh};

/// `new[i] = old[mirror(kind)[i]]` describes the same region with the opposite sign of its measure.
pub(crate) fn mirror(kind: CellKind) -> &'static [usize] {
    match kind {
        CellKind::Point => &[0],
        CellKind::Line2 => &[1, 0],
        CellKind::Line3 => &[1, 0, 2],
        CellKind::Triangle3 => &[0, 2, 1],
        CellKind::Triangle6 => &[0, 2, 1, 5, 4, 3],
        CellKind::Quad4 => &[0, 3, 2, 1],
        CellKind::Quad8 => &[0, 3, 2, 1, 7, 6, 5, 4],
        CellKind::Quad9 => &[0, 3, 2, 1, 7, 6, 5, 4, 8],
        CellKind::Tet4 => &[0, 2, 1, 3],
        CellKind::Tet10 => &[0, 2, 1, 3, 6, 5, 4, 7, 9, 8],
        CellKind::Hex8 => &[0, 3, 2, 1, 4, 7, 6, 5],
        CellKind::Hex20 => &[0, 3, 2, 1, 4, 7, 6, 5, 11, 10, 9, 8, 15, 14, 13, 12, 16, 19, 18, 17],
        CellKind::Hex27 => &[0, 3, 2, 1, 4, 7, 6, 5, 11, 10, 9, 8, 15, 14, 13, 12, 16, 19, 18, 17, 22, 23, 20, 21, 24, 25, 26],
        CellKind::Wedge6 => &[0, 2, 1, 3, 5, 4],
        CellKind::Wedge15 => &[0, 2, 1, 3, 5, 4, 8, 7, 6, 11, 10, 9, 12, 14, 13],
        CellKind::Pyramid5 => &[0, 3, 2, 1, 4],
    }
}

/// The facet that local facet `local` becomes when its cell is mirrored.
pub(crate) fn mirrored_facet(kind: CellKind, local: u8) -> u8 {
    let vertices = |nodes: &[usize]| {
        let mut v: Vec<usize> = nodes.iter().copied().filter(|&n| n < kind.num_vertices()).collect();
        v.sort_unstable();
        v
    };
    let Some(old) = kind.facets().get(local as usize) else { return local };
    let wanted = vertices(old.nodes);
    // mirror() is its own inverse, so it takes old numbers to new ones as well
    let found = kind.facets().iter().position(|f| vertices(&f.nodes.iter().map(|&n| mirror(kind)[n]).collect::<Vec<_>>()) == wanted);
    found.map_or(local, |k| k as u8)
}

/// Mirrors the cells with a negative measure; returns their global numbers in order. Tags are left as they are.
pub fn orient(mesh: &mut Mesh) -> Vec<u32> {
    let mut mirrored = Vec::new();
    let mut first = 0;
    let (dim, points) = (mesh.dim, &mesh.points);
    for block in &mut mesh.blocks {
        let n = block.kind.num_nodes();
        let order = mirror(block.kind);
        let mut old = [0u32; 27];
        for (i, cell) in block.connectivity.chunks_exact_mut(n).enumerate() {
            if measure(block.kind, cell, points, dim) < 0.0 {
                old[..n].copy_from_slice(cell);
                for (new, &from) in cell.iter_mut().zip(order) {
                    *new = old[from];
                }
                mirrored.push((first + i) as u32);
            }
        }
        first += block.num_cells();
    }
    mirrored
}

/// Length, area or volume of the cell that the vertices span, times a positive factor, with its sign.
fn measure(kind: CellKind, cell: &[u32], points: &[f64], dim: usize) -> f64 {
    let at = |local: usize| {
        let p = &points[cell[local] as usize * dim..][..dim];
        [p[0], p.get(1).copied().unwrap_or(0.0), p.get(2).copied().unwrap_or(0.0)]
    };
    let from = |o: [f64; 3], p: [f64; 3]| [p[0] - o[0], p[1] - o[1], p[2] - o[2]];
    let o = at(0);
    match kind.dim() {
        0 => 1.0,
        1 => at(1)[0] - o[0],
        2 => {
            let fan = 1..kind.num_vertices() - 1;
            fan.map(|i| cross(from(o, at(i)), from(o, at(i + 1)))[2]).sum()
        }
        // divergence theorem: a third of the sum over facets of (point on the facet) . (area vector)
        _ => {
            let facet = |nodes: &[usize], vertices: usize| -> f64 {
                (1..vertices - 1).map(|i| dot(from(o, at(nodes[0])), cross(from(o, at(nodes[i])), from(o, at(nodes[i + 1]))))).sum()
            };
            kind.facets().iter().map(|f| facet(f.nodes, f.kind.num_vertices())).sum()
        }
    }
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirroring_keeps_the_edges_of_a_cell_and_undoes_itself() {
        for kind in CellKind::ALL {
            let p = mirror(kind);
            assert_eq!(p.len(), kind.num_nodes(), "{kind}");
            assert!((0..p.len()).all(|i| p[p[i]] == i), "{kind}");
            let set = |edges: Vec<[usize; 2]>| {
                let mut e: Vec<_> = edges.into_iter().map(|[a, b]| [a.min(b), a.max(b)]).collect();
                e.sort_unstable();
                e
            };
            let mirrored = set(kind.edges().iter().map(|&[a, b]| [p[a], p[b]]).collect());
            assert_eq!(set(kind.edges().to_vec()), mirrored, "{kind}");
            let mut facets: Vec<u8> = (0..kind.facets().len() as u8).map(|k| mirrored_facet(kind, k)).collect();
            facets.sort_unstable();
            assert_eq!(facets, (0..kind.facets().len() as u8).collect::<Vec<_>>(), "{kind}");
        }
    }
}
