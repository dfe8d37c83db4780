//! Shape functions for interpolating on a mesh: of first-order cells, quadratic simplices and the Lagrange cells of order 2.

use crate::CellKind;
use crate::topology::support;

/// Values and gradients of the shape functions of one kind.
pub(crate) struct Shape {
    kind: CellKind,
    nodes: Vec<[f64; 3]>,
    /// Vertices between which each node lies.
    supports: Vec<Vec<usize>>,
}

impl Shape {
    /// `None` for serendipity cells and the pyramid: those are interpolated linearly between their nodes.
    pub(crate) fn of(kind: CellKind) -> Option<Shape> {
        use CellKind::*;
        if matches!(kind, Quad8 | Hex20 | Wedge15 | Pyramid5 | Point) {
            return None;
        }
        let supports = (0..kind.num_nodes()).map(|n| support(kind, n)).collect();
        Some(Shape { kind, nodes: crate::split::reference_nodes(kind), supports })
    }

    /// Value and gradient of node `n`'s function at `x`.
    pub(crate) fn at(&self, n: usize, x: [f64; 3]) -> (f64, [f64; 3]) {
        match self.kind.linear() {
            CellKind::Triangle3 => self.simplex(n, x, 2),
            CellKind::Tet4 => self.simplex(n, x, 3),
            CellKind::Wedge6 => {
                let (value, g) = self.barycentric(n % 3, x, 2);
                let (v, dv) = line(1, self.nodes[n][2], x[2]);
                (value * v, [g[0] * v, g[1] * v, value * dv])
            }
            _ => {
                let f: [(f64, f64); 3] =
                    std::array::from_fn(|d| if d < self.kind.dim() { line(self.kind.order(), self.nodes[n][d], x[d]) } else { (1.0, 0.0) });
                (f[0].0 * f[1].0 * f[2].0, [f[0].1 * f[1].0 * f[2].0, f[0].0 * f[1].1 * f[2].0, f[0].0 * f[1].0 * f[2].1])
            }
        }
    }

    /// Barycentric coordinate of a vertex and its gradient.
    fn barycentric(&self, vertex: usize, x: [f64; 3], dim: usize) -> (f64, [f64; 3]) {
        if vertex == 0 {
            (1.0 - x[..dim].iter().sum::<f64>(), std::array::from_fn(|d| if d < dim { -1.0 } else { 0.0 }))
        } else {
            (x[vertex - 1], std::array::from_fn(|d| if d == vertex - 1 { 1.0 } else { 0.0 }))
        }
    }

    fn simplex(&self, n: usize, x: [f64; 3], dim: usize) -> (f64, [f64; 3]) {
        let (l, g) = self.barycentric(self.supports[n][0], x, dim);
        if self.kind.order() == 1 {
            return (l, g);
        }
        match self.supports[n].get(1) {
            None => (l * (2.0 * l - 1.0), g.map(|g| (4.0 * l - 1.0) * g)),
            Some(&other) => {
                let (m, h) = self.barycentric(other, x, dim);
                (4.0 * l * m, std::array::from_fn(|d| 4.0 * (l * h[d] + m * g[d])))
            }
        }
    }
}

/// The Lagrange polynomial on -1, (0,) 1 that is one at `node`, and its derivative.
fn line(order: usize, node: f64, x: f64) -> (f64, f64) {
    if order == 1 {
        (0.5 * (1.0 + node * x), 0.5 * node)
    } else if node == 0.0 {
        (1.0 - x * x, -2.0 * x)
    } else {
        (0.5 * x * (x + node), x + 0.5 * node)
    }
}
