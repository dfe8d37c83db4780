//! Cells cut into simplices between their nodes, and reference coordinates: what searching and measuring distances need.

use crate::CellKind;
use crate::topology::support;

/// Six tetrahedra around the diagonal 0-6 of a hexahedron (Kuhn). They conform across the cells of a grid.
pub(crate) const KUHN: [[usize; 4]; 6] = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]];

/// Two wedges that fill a hexahedron and meet in its diagonal plane 0-2-6-4.
pub(crate) const WEDGES: [[usize; 6]; 2] = [[0, 1, 2, 4, 5, 6], [0, 2, 3, 4, 6, 7]];

/// Reference coordinates of the nodes: simplices in the unit simplex, lines, quadrilaterals and hexahedra in `[-1, 1]^d`, wedges the
/// unit triangle times `[-1, 1]`, the pyramid over `[-1, 1]^2` with its apex at z = 1.
pub(crate) fn reference_nodes(kind: CellKind) -> Vec<[f64; 3]> {
    let square = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    let corners = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    let at = |plane: &[[f64; 2]], z: f64| plane.iter().map(|p| [p[0], p[1], z]).collect::<Vec<_>>();
    let vertices: Vec<[f64; 3]> = match kind.linear() {
        CellKind::Line2 => vec![[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        CellKind::Triangle3 => at(&corners, 0.0),
        CellKind::Quad4 => at(&square, 0.0),
        CellKind::Tet4 => [at(&corners, 0.0), vec![[0.0, 0.0, 1.0]]].concat(),
        CellKind::Hex8 => [at(&square, -1.0), at(&square, 1.0)].concat(),
        CellKind::Wedge6 => [at(&corners, -1.0), at(&corners, 1.0)].concat(),
        CellKind::Pyramid5 => [at(&square, 0.0), vec![[0.0, 0.0, 1.0]]].concat(),
        _ => vec![[0.0; 3]],
    };
    (0..kind.num_nodes())
        .map(|n| {
            let between = support(kind, n);
            std::array::from_fn(|d| between.iter().map(|&v| vertices[v][d]).sum::<f64>() / between.len() as f64)
        })
        .collect()
}

/// A cell kind as simplices of its local nodes; a simplex of fewer than four corners repeats its last one. Of hex20 and wedge15 only
/// the vertices are used.
pub(crate) fn simplices(kind: CellKind) -> Vec<[usize; 4]> {
    let flat = |list: &[[usize; 3]]| list.iter().map(|t| [t[0], t[1], t[2], t[2]]).collect();
    match kind {
        CellKind::Point => vec![[0; 4]],
        CellKind::Line2 => vec![[0, 1, 1, 1]],
        CellKind::Line3 => vec![[0, 2, 2, 2], [2, 1, 1, 1]],
        CellKind::Triangle3 => flat(&[[0, 1, 2]]),
        CellKind::Triangle6 => flat(&[[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]]),
        CellKind::Quad4 => flat(&[[0, 1, 2], [0, 2, 3]]),
        CellKind::Quad8 => flat(&[[0, 4, 7], [4, 1, 5], [5, 2, 6], [6, 3, 7], [4, 5, 6], [4, 6, 7]]),
        CellKind::Quad9 => flat(&[[0, 4, 8], [0, 8, 7], [4, 1, 5], [4, 5, 8], [8, 5, 2], [8, 2, 6], [7, 8, 6], [7, 6, 3]]),
        CellKind::Tet4 => vec![[0, 1, 2, 3]],
        // Four at the vertices, and the octahedron between them cut along 4-9.
        CellKind::Tet10 => {
            vec![[0, 4, 6, 7], [4, 1, 5, 8], [6, 5, 2, 9], [7, 8, 9, 3], [4, 9, 5, 6], [4, 9, 6, 7], [4, 9, 7, 8], [4, 9, 8, 5]]
        }
        CellKind::Hex8 | CellKind::Hex20 => KUHN.to_vec(),
        CellKind::Hex27 => eighths().iter().flat_map(|h| KUHN.map(|t| t.map(|n| h[n]))).collect(),
        CellKind::Wedge6 | CellKind::Wedge15 => vec![[0, 1, 2, 5], [0, 1, 5, 4], [0, 4, 5, 3]],
        CellKind::Pyramid5 => vec![[0, 1, 2, 4], [0, 2, 3, 4]],
    }
}

/// The eight hexahedra between the 27 nodes of a hex27.
pub(crate) fn eighths() -> Vec<[usize; 8]> {
    let all = reference_nodes(CellKind::Hex27);
    let small = reference_nodes(CellKind::Hex8);
    // The middle of each eighth lies halfway between the cell's middle and a vertex; its corners are half a unit around it.
    small
        .iter()
        .map(|middle| {
            std::array::from_fn(|n| {
                let p: [f64; 3] = std::array::from_fn(|d| 0.5 * (middle[d] + small[n][d]));
                all.iter().position(|q| *q == p).unwrap_or(0)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces fill the reference cell without overlap: all volumes are positive, and their sum is the cell's.
    #[test]
    fn simplices_fill_the_cell() {
        for kind in CellKind::ALL.into_iter().filter(|k| k.dim() > 0) {
            let nodes = reference_nodes(kind);
            let signed = |s: &[usize; 4]| {
                let e = |k: usize| -> [f64; 3] { std::array::from_fn(|d| nodes[s[k]][d] - nodes[s[0]][d]) };
                let (a, b, c) = (e(1), e(2), e(3));
                let n = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
                match kind.dim() {
                    1 => a[0],
                    2 => n[2] / 2.0,
                    _ => (n[0] * c[0] + n[1] * c[1] + n[2] * c[2]) / 6.0,
                }
            };
            let pieces = simplices(kind);
            let sum: f64 = pieces.iter().map(signed).sum();
            let expected = match kind.linear() {
                CellKind::Line2 => 2.0,
                CellKind::Triangle3 => 0.5,
                CellKind::Quad4 => 4.0,
                CellKind::Tet4 => 1.0 / 6.0,
                CellKind::Hex8 => 8.0,
                CellKind::Wedge6 => 1.0,
                _ => 4.0 / 3.0,
            };
            assert!((sum - expected).abs() < 1e-14, "{kind}: {sum}");
            assert!(pieces.iter().all(|s| signed(s) > 1e-3), "{kind}");
        }
    }
}
