//! Shape quality.

use crate::{CellKind, Mesh};

/// The worst and the mean shape of a mesh's cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QualityReport {
    /// Smallest angle between two edges at a vertex, in degrees.
    pub min_angle: f64,
    /// The cell that has it.
    pub worst_cell: usize,
    /// Mean over the cells of their smallest angle, in degrees.
    pub mean_angle: f64,
    /// Cells of negative or no measure.
    pub inverted: usize,
}

/// Angles at the vertices of every cell, from straight edges.
pub fn report(mesh: &Mesh) -> QualityReport {
    let mut out = QualityReport { min_angle: 180.0, worst_cell: 0, mean_angle: 0.0, inverted: 0 };
    let mut count = 0;
    for (i, kind, nodes) in mesh.cells() {
        let p: Vec<[f64; 3]> = nodes[..kind.num_vertices()].iter().map(|&n| coordinates(mesh.point(n as usize))).collect();
        let angle = min_angle(kind, &p);
        if angle < out.min_angle {
            (out.min_angle, out.worst_cell) = (angle, i);
        }
        out.mean_angle += angle;
        out.inverted += usize::from(measure(kind, &p) <= 0.0);
        count += 1;
    }
    out.mean_angle /= f64::from(count.max(1));
    out
}

fn coordinates(p: &[f64]) -> [f64; 3] {
    [p[0], p.get(1).copied().unwrap_or(0.0), p.get(2).copied().unwrap_or(0.0)]
}

fn min_angle(kind: CellKind, p: &[[f64; 3]]) -> f64 {
    let edges = kind.linear().edges();
    let mut least: f64 = 180.0;
    for v in 0..p.len() {
        let others: Vec<usize> = edges.iter().filter(|e| e.contains(&v)).map(|e| e[0] + e[1] - v).collect();
        for (k, &a) in others.iter().enumerate() {
            for &b in &others[k + 1..] {
                let u: [f64; 3] = std::array::from_fn(|d| p[a][d] - p[v][d]);
                let w: [f64; 3] = std::array::from_fn(|d| p[b][d] - p[v][d]);
                let dot = |x: [f64; 3], y: [f64; 3]| x[0] * y[0] + x[1] * y[1] + x[2] * y[2];
                least = least.min((dot(u, w) / (dot(u, u) * dot(w, w)).sqrt()).clamp(-1.0, 1.0).acos().to_degrees());
            }
        }
    }
    least
}

/// Signed measure from the first vertices: an area in 2D; in 3D the determinant of three edges at vertex 0.
pub(crate) fn measure(kind: CellKind, p: &[[f64; 3]]) -> f64 {
    let e = |a: usize| -> [f64; 3] { std::array::from_fn(|d| p[a][d] - p[0][d]) };
    let cross = |u: [f64; 3], v: [f64; 3]| [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    match kind.linear() {
        CellKind::Line2 => e(1)[0],
        CellKind::Triangle3 => 0.5 * cross(e(1), e(2))[2],
        CellKind::Quad4 => 0.5 * (cross(e(1), e(2))[2] + cross(e(2), e(3))[2]),
        CellKind::Point => 1.0,
        other => {
            let (a, b, c) = match other {
                CellKind::Hex8 => (1, 3, 4),
                CellKind::Wedge6 => (1, 2, 3),
                CellKind::Pyramid5 => (1, 3, 4),
                _ => (1, 2, 3),
            };
            let n = cross(e(a), e(b));
            (n[0] * e(c)[0] + n[1] * e(c)[1] + n[2] * e(c)[2]) / 6.0
        }
    }
}
