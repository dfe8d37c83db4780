//! Shape quality of cells.

use crate::split::reference_nodes;
use crate::topology::support;
use crate::tree::lift;
use crate::{CellKind, Mesh};

/// The shape of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellQuality {
    /// Global cell number.
    pub cell: u32,
    /// Smallest angle between two straight edges at a vertex \[deg\].
    pub min_angle: f64,
    /// Longest over shortest straight edge.
    pub aspect: f64,
    /// Smallest mean ratio over the vertices: 1 for the ideal shape, 0 for a flat one, negative where the cell is turned over there.
    pub mean_ratio: f64,
}

/// The worst and the mean of the cells of one kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KindQuality {
    /// The kind.
    pub kind: CellKind,
    /// Number of its cells.
    pub num_cells: usize,
    /// Smallest angle \[deg\].
    pub min_angle: f64,
    /// Mean over the cells of their smallest angle \[deg\].
    pub mean_angle: f64,
    /// Largest ratio of edges.
    pub max_aspect: f64,
    /// Smallest mean ratio.
    pub min_mean_ratio: f64,
}

/// The shape of a mesh's cells.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityReport {
    /// Smallest angle between two edges at a vertex \[deg\]; 180 in a mesh without cells.
    pub min_angle: f64,
    /// The cell that has it.
    pub worst_cell: usize,
    /// Mean over the cells of their smallest angle \[deg\].
    pub mean_angle: f64,
    /// Number of cells that are turned over or flat at some vertex.
    pub inverted: usize,
    /// Those cells, at most [`LISTED`] of them.
    pub inverted_cells: Vec<u32>,
    /// The cells of smallest mean ratio, worst first, at most [`LISTED`] of them.
    pub worst: Vec<CellQuality>,
    /// Each kind by itself.
    pub kinds: Vec<KindQuality>,
}

/// Number of cells that a report lists by number.
pub const LISTED: usize = 10;

/// Measures every cell.
///
/// Angles and edges are those between vertices. The mean ratio is that of Knupp (2001), `d det(S)^(2/d) / |S|^2` with S the map from
/// the ideal cell (equilateral, square, ...) at a vertex, and is taken with the tangents of curved edges, so that a midside node
/// that folds its cell at a vertex is found out.
pub fn report(mesh: &Mesh) -> QualityReport {
    let mut out = QualityReport {
        min_angle: 180.0,
        worst_cell: 0,
        mean_angle: 0.0,
        inverted: 0,
        inverted_cells: Vec::new(),
        worst: Vec::new(),
        kinds: Vec::new(),
    };
    let mut first = 0;
    for block in &mesh.blocks {
        let gauge = Gauge::new(block.kind);
        let k = out.kinds.iter().position(|q| q.kind == block.kind).unwrap_or(out.kinds.len());
        if k == out.kinds.len() {
            let kind = block.kind;
            out.kinds.push(KindQuality { kind, num_cells: 0, min_angle: 180.0, mean_angle: 0.0, max_aspect: 1.0, min_mean_ratio: 1.0 });
        }
        for c in 0..block.num_cells() {
            let quality = gauge.measure(mesh, block.cell(c), (first + c) as u32);
            let kind = &mut out.kinds[k];
            kind.num_cells += 1;
            kind.min_angle = kind.min_angle.min(quality.min_angle);
            kind.mean_angle += quality.min_angle;
            kind.max_aspect = kind.max_aspect.max(quality.aspect);
            kind.min_mean_ratio = kind.min_mean_ratio.min(quality.mean_ratio);
            if quality.min_angle < out.min_angle {
                (out.min_angle, out.worst_cell) = (quality.min_angle, first + c);
            }
            if quality.mean_ratio <= 0.0 {
                out.inverted += 1;
                if out.inverted <= LISTED {
                    out.inverted_cells.push(quality.cell);
                }
            }
            let place = out.worst.partition_point(|w| w.mean_ratio <= quality.mean_ratio);
            if place < LISTED {
                out.worst.insert(place, quality);
                out.worst.truncate(LISTED);
            }
        }
        first += block.num_cells();
    }
    out.mean_angle = out.kinds.iter().map(|k| k.mean_angle).sum::<f64>() / first.max(1) as f64;
    out.kinds.iter_mut().for_each(|k| k.mean_angle /= k.num_cells.max(1) as f64);
    out
}

/// A vertex with as many neighbours as the cell has dimensions, in right-handed order.
struct Corner {
    vertex: usize,
    /// Neighbouring vertices, and the midside node towards each.
    towards: Vec<(usize, Option<usize>)>,
    /// Inverse of the ideal cell's edges from here.
    ideal_inverse: [[f64; 3]; 3],
}

struct Gauge {
    dim: usize,
    edges: Vec<[usize; 2]>,
    /// Vertex and two of its neighbours.
    angles: Vec<[usize; 3]>,
    corners: Vec<Corner>,
}

impl Gauge {
    fn new(kind: CellKind) -> Self {
        let linear = kind.linear();
        let edges = linear.edges().to_vec();
        let ideal = ideal(linear);
        let (mut angles, mut corners) = (Vec::new(), Vec::new());
        for vertex in 0..kind.num_vertices() {
            let mut near: Vec<usize> = edges.iter().filter(|e| e.contains(&vertex)).map(|e| e[0] + e[1] - vertex).collect();
            near.sort_unstable();
            for (k, &a) in near.iter().enumerate() {
                angles.extend(near[k + 1..].iter().map(|&b| [vertex, a, b]));
            }
            // The apex of a pyramid has four edges and no unique frame.
            if near.len() != kind.dim() || near.is_empty() {
                continue;
            }
            let frame = |near: &[usize]| matrix(near.iter().map(|&n| std::array::from_fn(|d| ideal[n][d] - ideal[vertex][d])));
            if determinant(&frame(&near)) < 0.0 {
                let last = near.len() - 1;
                near.swap(0, last);
            }
            let middle = |n: usize| (kind.num_vertices()..kind.num_nodes()).find(|&m| support(kind, m) == [n.min(vertex), n.max(vertex)]);
            let towards = near.iter().map(|&n| (n, middle(n))).collect();
            corners.push(Corner { vertex, towards, ideal_inverse: inverse(&frame(&near)) });
        }
        Gauge { dim: kind.dim(), edges, angles, corners }
    }

    fn measure(&self, mesh: &Mesh, nodes: &[u32], cell: u32) -> CellQuality {
        let p = |k: usize| lift(mesh.point(nodes[k] as usize));
        let (mut shortest, mut longest) = (f64::INFINITY, 0.0f64);
        for &[a, b] in &self.edges {
            let (a, b) = (p(a), p(b));
            let length = (0..3).map(|d| (a[d] - b[d]).powi(2)).sum::<f64>().sqrt();
            (shortest, longest) = (shortest.min(length), longest.max(length));
        }
        let mut min_angle: f64 = 180.0;
        for &[v, a, b] in &self.angles {
            let (v, a, b) = (p(v), p(a), p(b));
            let dot = |x: [f64; 3], y: [f64; 3]| (0..3).map(|d| (x[d] - v[d]) * (y[d] - v[d])).sum::<f64>();
            let cos = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            // Two nodes in one place make no angle at all.
            min_angle = min_angle.min(if cos.is_nan() { 0.0 } else { cos.clamp(-1.0, 1.0).acos().to_degrees() });
        }
        let mut mean_ratio: f64 = 1.0;
        for corner in &self.corners {
            let v = p(corner.vertex);
            let tangents = corner.towards.iter().map(|&(n, middle)| {
                let n = p(n);
                match middle.map(&p) {
                    None => std::array::from_fn(|d| n[d] - v[d]),
                    // Of the parabola through the three nodes, over the parameter from 0 to 1.
                    Some(m) => std::array::from_fn(|d| 4.0 * m[d] - 3.0 * v[d] - n[d]),
                }
            });
            let s = product(&matrix(tangents), &corner.ideal_inverse);
            let det = determinant(&s);
            // The dimensions beyond the cell's own carry the identity.
            let square = s.iter().flatten().map(|x| x * x).sum::<f64>() - (3 - self.dim) as f64;
            let d = self.dim as f64;
            let ratio = det.signum() * d * det.abs().powf(2.0 / d) / square;
            mean_ratio = if ratio.is_nan() { f64::NEG_INFINITY } else { mean_ratio.min(ratio) };
        }
        CellQuality { cell, min_angle, aspect: longest / shortest, mean_ratio }
    }
}

/// Vertices of the ideal cell: all edges of length one where that can be.
fn ideal(kind: CellKind) -> Vec<[f64; 3]> {
    let tip = 0.75f64.sqrt();
    match kind {
        CellKind::Triangle3 => vec![[0.0; 3], [1.0, 0.0, 0.0], [0.5, tip, 0.0]],
        CellKind::Tet4 => vec![[0.0; 3], [1.0, 0.0, 0.0], [0.5, tip, 0.0], [0.5, tip / 3.0, (2.0f64 / 3.0).sqrt()]],
        CellKind::Wedge6 => [0.0, 1.0].iter().flat_map(|&z| [[0.0, 0.0, z], [1.0, 0.0, z], [0.5, tip, z]]).collect(),
        CellKind::Pyramid5 => {
            vec![[0.0; 3], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.5f64.sqrt()]]
        }
        other => reference_nodes(other).into_iter().map(|p| p.map(|x| 0.5 * x)).collect(),
    }
}

type Matrix = [[f64; 3]; 3];

/// Columns given, the rest of the identity.
fn matrix(columns: impl Iterator<Item = [f64; 3]>) -> Matrix {
    let mut m = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for (j, column) in columns.enumerate() {
        (0..3).for_each(|i| m[i][j] = column[i]);
    }
    m
}

fn determinant(m: &Matrix) -> f64 {
    m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
}

/// Of a matrix that is known to be regular, by cofactors.
fn inverse(m: &Matrix) -> Matrix {
    let det = determinant(m);
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let (a, b, c, d) = ((j + 1) % 3, (j + 2) % 3, (i + 1) % 3, (i + 2) % 3);
            (m[a][c] * m[b][d] - m[a][d] * m[b][c]) / det
        })
    })
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::box_;
    use crate::{CellBlock, Tags};

    fn one(kind: CellKind, points: &[[f64; 3]]) -> Mesh {
        let dim = kind.dim();
        let points = points.iter().flat_map(|p| p[..dim].to_vec()).collect();
        let connectivity = (0..kind.num_nodes() as u32).collect();
        Mesh::new(dim, points, vec![CellBlock { kind, connectivity }], Tags::default()).unwrap()
    }

    #[test]
    fn ideal_cells_are_perfect_and_mirrored_ones_inverted() {
        for kind in CellKind::ALL.into_iter().filter(|k| k.order() == 1 && k.dim() > 1) {
            let mut mesh = one(kind, &ideal(kind));
            let good = report(&mesh);
            assert_eq!(good.inverted, 0, "{kind}");
            assert!((good.worst[0].mean_ratio - 1.0).abs() < 1e-12, "{kind}: {good:?}");
            let angle = if matches!(kind, CellKind::Quad4 | CellKind::Hex8) { 90.0 } else { 60.0 };
            assert!((good.min_angle - angle).abs() < 1e-9 && (good.worst[0].aspect - 1.0).abs() < 1e-12, "{kind}");
            // Turned and ten times as large it is as good; mirrored it is inverted.
            let dim = mesh.dim;
            mesh.points.chunks_exact_mut(dim).for_each(|p| {
                let (x, y) = (p[0], p[1]);
                (p[0], p[1]) = (6.0 * x - 8.0 * y, 8.0 * x + 6.0 * y);
                p[2..].iter_mut().for_each(|z| *z *= 10.0);
            });
            assert!((report(&mesh).worst[0].mean_ratio - 1.0).abs() < 1e-12, "{kind}");
            mesh.points.chunks_exact_mut(dim).for_each(|p| p[0] = -p[0]);
            let bad = report(&mesh);
            assert_eq!((bad.inverted, bad.inverted_cells.as_slice()), (1, [0].as_slice()), "{kind}");
        }
    }

    #[test]
    fn a_midside_node_that_folds_its_cell_is_found() {
        let p = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.5, 0.0]];
        assert_eq!(report(&one(CellKind::Triangle6, &p)).inverted, 0);
        let mut folded = p;
        // Beyond a quarter of the edge from its end the tangent at that end turns round.
        folded[3][0] = 0.8;
        assert_eq!(report(&one(CellKind::Triangle6, &folded)).inverted, 1);
        let mut flat = p;
        flat[2] = flat[1];
        assert_eq!(report(&one(CellKind::Triangle6, &flat)).inverted, 1);
    }

    #[test]
    fn reports_know_kinds_and_worst_cells() {
        let mesh = box_([4.0, 1.0, 1.0], [2, 2, 1], CellKind::Hex20).unwrap();
        let quality = report(&mesh);
        assert_eq!((quality.kinds.len(), quality.kinds[0].num_cells, quality.worst.len()), (1, 4, 4));
        assert!((quality.kinds[0].max_aspect - 4.0).abs() < 1e-12 && (quality.mean_angle - 90.0).abs() < 1e-9);
        // A box of 2 x 1/2 x 1: 3 det^(2/3) / |S|^2 with det 1 and |S|^2 = 4 + 1/4 + 1.
        assert!((quality.kinds[0].min_mean_ratio - 3.0 / 5.25).abs() < 1e-12);
    }
}
