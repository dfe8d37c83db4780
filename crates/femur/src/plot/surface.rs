//! What is seen of a mesh: its cells in 2D, its boundary from an oblique direction in 3D, as triangles between nodes.

use femur_mesh::{CellKind, Mesh, topology::boundary_facets};

/// Triangles over nodes, with the nodes seen from the front.
pub(super) struct Surface {
    /// Right, up and towards the eye, `[num_nodes]`.
    pub(super) points: Vec<[f64; 3]>,
    /// Node numbers and light, 0 to 1.
    pub(super) triangles: Vec<([u32; 3], f64)>,
    /// Edges of the cells that are seen.
    pub(super) edges: Vec<[u32; 2]>,
    /// Bounds in the picture: left, right, bottom, top.
    pub(super) bounds: [f64; 4],
}

impl Surface {
    /// Height over width.
    pub(super) fn aspect(&self) -> f64 {
        let [l, r, b, t] = self.bounds;
        (t - b) / (r - l).max(1e-300)
    }
}

/// Triangles of a 2D kind, split at its nodes.
fn split(kind: CellKind) -> &'static [[usize; 3]] {
    match kind {
        CellKind::Triangle3 => &[[0, 1, 2]],
        CellKind::Triangle6 => &[[0, 3, 5], [3, 1, 4], [5, 4, 2], [3, 4, 5]],
        CellKind::Quad4 => &[[0, 1, 2], [0, 2, 3]],
        CellKind::Quad8 => &[[0, 4, 7], [4, 1, 5], [5, 2, 6], [6, 3, 7], [4, 5, 6], [4, 6, 7]],
        CellKind::Quad9 => &[[0, 4, 8], [0, 8, 7], [4, 1, 5], [4, 5, 8], [8, 5, 2], [8, 2, 6], [7, 8, 6], [7, 6, 3]],
        _ => &[],
    }
}

/// The surface of a mesh whose nodes stand at `points` (`[num_nodes, dim]`).
pub(super) fn of(mesh: &Mesh, points: &[f64]) -> Surface {
    // Seen from the front right above: x right, z up, y away.
    let (a, e) = (-0.6f64, 0.45f64);
    let seen = |p: &[f64]| -> [f64; 3] {
        match p {
            [x, y, z] => {
                let (u, v) = (a.cos() * x - a.sin() * y, a.sin() * x + a.cos() * y);
                [u, e.cos() * z + e.sin() * v, e.sin() * z - e.cos() * v]
            }
            _ => [p[0], p.get(1).copied().unwrap_or(0.0), 0.0],
        }
    };
    let seen_points: Vec<[f64; 3]> = points.chunks_exact(mesh.dim).map(seen).collect();
    let mut triangles = Vec::new();
    let mut edges = Vec::new();
    let mut add = |kind: CellKind, nodes: &[u32]| {
        for t in split(kind) {
            let t = t.map(|k| nodes[k]);
            let [p, q, r] = t.map(|n| seen_points[n as usize]);
            let (u, v): ([f64; 3], [f64; 3]) = (std::array::from_fn(|d| q[d] - p[d]), std::array::from_fn(|d| r[d] - p[d]));
            let n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
            let length = n.iter().map(|x| x * x).sum::<f64>().sqrt();
            let light =
                if mesh.dim == 3 && length > 0.0 { 0.55 + 0.45 * (0.3 * n[0] + 0.5 * n[1] + 0.8 * n[2]).abs() / length } else { 1.0 };
            triangles.push((t, light.min(1.0)));
        }
        edges.extend(kind.edges().iter().map(|e| [nodes[e[0]], nodes[e[1]]]));
    };
    if mesh.dim == 3 {
        for f in boundary_facets(mesh) {
            let (kind, nodes) = mesh.facet_nodes(f);
            add(kind, &nodes);
        }
    } else {
        mesh.cells().for_each(|(_, kind, nodes)| add(kind, nodes));
    }
    let mut bounds = [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY];
    for n in triangles.iter().flat_map(|t| t.0) {
        let p = seen_points[n as usize];
        bounds = [bounds[0].min(p[0]), bounds[1].max(p[0]), bounds[2].min(p[1]), bounds[3].max(p[1])];
    }
    Surface { points: seen_points, triangles, edges, bounds }
}
