//! Reference coordinates of the nodes.

use femur_mesh::CellKind;

const SIMPLEX: [[f64; 3]; 4] = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
const CUBE: [[f64; 3]; 8] = [
    [-1.0, -1.0, -1.0],
    [1.0, -1.0, -1.0],
    [1.0, 1.0, -1.0],
    [-1.0, 1.0, -1.0],
    [-1.0, -1.0, 1.0],
    [1.0, -1.0, 1.0],
    [1.0, 1.0, 1.0],
    [-1.0, 1.0, 1.0],
];

/// Vertices of the reference cell, then midside nodes halfway along the edges of the cell table, then centres.
pub(super) fn reference_nodes(kind: CellKind) -> Vec<[f64; 3]> {
    let flat = |p: [f64; 3]| [p[0], p[1], 0.0];
    let mut nodes: Vec<[f64; 3]> = match kind.linear() {
        CellKind::Point => vec![[0.0; 3]],
        CellKind::Line2 => vec![[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0]],
        CellKind::Triangle3 => SIMPLEX[..3].to_vec(),
        CellKind::Quad4 => CUBE[..4].iter().map(|&p| flat(p)).collect(),
        CellKind::Tet4 => SIMPLEX.to_vec(),
        CellKind::Hex8 => CUBE.to_vec(),
        CellKind::Wedge6 => [-1.0, 1.0].iter().flat_map(|&z| SIMPLEX[..3].iter().map(move |p| [p[0], p[1], z])).collect(),
        _ => CUBE[..4].iter().map(|&p| flat(p)).chain([[0.0, 0.0, 1.0]]).collect(),
    };
    let vertices = nodes.len();
    // A midside node is the one that the table links to two vertices; a centre is linked to midside or face nodes.
    for node in vertices..kind.num_nodes() {
        let neighbours: Vec<usize> =
            kind.edges().iter().filter(|e| e.contains(&node)).map(|e| e[0] + e[1] - node).filter(|&n| n < node).collect();
        let mut p = [0.0; 3];
        for &n in &neighbours {
            for d in 0..3 {
                p[d] += nodes[n][d] / neighbours.len() as f64;
            }
        }
        nodes.push(p);
    }
    nodes
}
