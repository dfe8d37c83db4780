//! Shape functions, their gradients in space and the volume weights at the quadrature points of one cell.

use crate::{Quadrature, ReferenceElement};
use femur_mesh::{CellKind, Mesh};

/// A cell kind tabulated at the points of a rule: made once, used for every cell of the kind.
#[derive(Debug, Clone)]
pub struct Tabulation {
    /// Cell kind.
    pub kind: CellKind,
    /// The rule.
    pub rule: Quadrature,
    /// Values `[num_points][num_nodes]`.
    pub values: Vec<Vec<f64>>,
    /// Reference gradients `[num_points][num_nodes]`.
    pub gradients: Vec<Vec<[f64; 3]>>,
}

impl Tabulation {
    /// Tabulates `kind` at the points of `rule`.
    pub fn new(kind: CellKind, rule: Quadrature) -> Self {
        let element = ReferenceElement::of(kind);
        let n = element.num_nodes();
        let (mut values, mut gradients) = (Vec::new(), Vec::new());
        for &p in &rule.points {
            let (mut v, mut g) = (vec![0.0; n], vec![[0.0; 3]; n]);
            element.values(p, &mut v);
            element.gradients(p, &mut g);
            values.push(v);
            gradients.push(g);
        }
        Tabulation { kind, rule, values, gradients }
    }
}

/// Geometry of one cell at the points of a tabulation; buffers are used again from cell to cell.
#[derive(Debug, Clone, Default)]
pub struct CellGeometry {
    /// Gradients of the shape functions in space `[num_points][num_nodes]`.
    pub gradients: Vec<Vec<[f64; 3]>>,
    /// Quadrature weight times |det J| `[num_points]`.
    pub volume: Vec<f64>,
    /// Positions of the points `[num_points]`.
    pub position: Vec<[f64; 3]>,
    /// Smallest det J met; not positive for an inverted cell.
    pub min_det: f64,
}

impl CellGeometry {
    /// Fills the geometry of the cell with these nodes.
    pub fn fill(&mut self, table: &Tabulation, mesh: &Mesh, nodes: &[u32]) {
        let dim = mesh.dim;
        let points = table.rule.len();
        self.gradients.resize(points, Vec::new());
        self.volume.resize(points, 0.0);
        self.position.resize(points, [0.0; 3]);
        self.min_det = f64::INFINITY;
        // Simplices of order 1 have one Jacobian.
        let affine = matches!(table.kind, CellKind::Line2 | CellKind::Triangle3 | CellKind::Tet4);
        for q in 0..points {
            if affine && q > 0 {
                let (first, rest) = self.gradients.split_at_mut(q);
                rest[0].clone_from(&first[0]);
                self.volume[q] = self.volume[0] / table.rule.weights[0] * table.rule.weights[q];
                self.position[q] = [0.0; 3];
                for (v, &n) in table.values[q].iter().zip(nodes) {
                    self.position[q].iter_mut().zip(mesh.point(n as usize)).for_each(|(x, p)| *x += v * p);
                }
                continue;
            }
            let mut j = [[0.0; 3]; 3];
            let mut x = [0.0; 3];
            for (a, &n) in nodes.iter().enumerate() {
                let p = mesh.point(n as usize);
                for r in 0..dim {
                    x[r] += table.values[q][a] * p[r];
                    for s in 0..dim {
                        j[r][s] += p[r] * table.gradients[q][a][s];
                    }
                }
            }
            let (det, inverse) = invert(&j, dim);
            self.min_det = self.min_det.min(det);
            self.volume[q] = table.rule.weights[q] * det.abs();
            self.position[q] = x;
            self.gradients[q].clear();
            for g in &table.gradients[q] {
                // grad N = J^-T grad_xi N
                self.gradients[q].push(std::array::from_fn(|r| (0..dim).map(|s| inverse[s][r] * g[s]).sum()));
            }
        }
    }
}

/// Determinant and inverse of the leading `dim x dim` block.
pub fn invert(j: &[[f64; 3]; 3], dim: usize) -> (f64, [[f64; 3]; 3]) {
    let mut inverse = [[0.0; 3]; 3];
    match dim {
        1 => {
            inverse[0][0] = 1.0 / j[0][0];
            (j[0][0], inverse)
        }
        2 => {
            let det = j[0][0] * j[1][1] - j[0][1] * j[1][0];
            inverse[0] = [j[1][1] / det, -j[0][1] / det, 0.0];
            inverse[1] = [-j[1][0] / det, j[0][0] / det, 0.0];
            (det, inverse)
        }
        _ => {
            let minor = |r: usize, c: usize| {
                let (a, b, d, e) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
                j[a][d] * j[b][e] - j[a][e] * j[b][d]
            };
            let det = (0..3).map(|c| j[0][c] * minor(0, c)).sum::<f64>();
            for (r, row) in inverse.iter_mut().enumerate() {
                for (c, v) in row.iter_mut().enumerate() {
                    *v = minor(c, r) / det;
                }
            }
            (det, inverse)
        }
    }
}
