//! Values of node fields anywhere in a mesh's bounding box.

use femur_mesh::{CellKind, Mesh};

/// Finds the simplex that holds a point. Cells are split into simplices of their corners; values between are linear. A point outside
/// the mesh (in a hole) takes the value of the nearest node.
pub(crate) struct Sampler<'a> {
    mesh: &'a Mesh,
    /// Corner nodes, `dim + 1` of each used.
    simplices: Vec<[u32; 4]>,
    low: Vec<f64>,
    high: Vec<f64>,
    /// Bins along each axis.
    bins: Vec<usize>,
    /// Simplices whose box meets a bin: of bin b they are `members[start[b]..start[b + 1]]`.
    start: Vec<usize>,
    members: Vec<u32>,
}

/// Nodes and their weights; the first `count` are used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weights {
    nodes: [u32; 4],
    weights: [f64; 4],
    count: usize,
}

impl Weights {
    /// The value of component `k` of `values` (`[num_nodes, components]`).
    pub(crate) fn value(&self, values: &[f64], components: usize, k: usize) -> f64 {
        (0..self.count).map(|i| self.weights[i] * values[self.nodes[i] as usize * components + k]).sum()
    }
}

/// Simplices of a cell by its corners.
fn split(kind: CellKind) -> &'static [[usize; 4]] {
    match kind.linear() {
        CellKind::Line2 => &[[0, 1, 0, 0]],
        CellKind::Triangle3 => &[[0, 1, 2, 0]],
        CellKind::Quad4 => &[[0, 1, 2, 0], [0, 2, 3, 0]],
        CellKind::Tet4 => &[[0, 1, 2, 3]],
        CellKind::Hex8 => &[[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]],
        CellKind::Wedge6 => &[[0, 1, 2, 5], [0, 1, 5, 4], [0, 4, 5, 3]],
        CellKind::Pyramid5 => &[[0, 1, 2, 4], [0, 2, 3, 4]],
        _ => &[],
    }
}

impl<'a> Sampler<'a> {
    pub(crate) fn new(mesh: &'a Mesh) -> Self {
        let simplices: Vec<[u32; 4]> = mesh.cells().flat_map(|(_, kind, nodes)| split(kind).iter().map(|s| s.map(|i| nodes[i]))).collect();
        let (low, high) = mesh.bounds();
        // About one simplex a bin.
        let per_axis = ((simplices.len().max(1) as f64).powf(1.0 / mesh.dim as f64).ceil() as usize).clamp(1, 512);
        let mut sampler = Sampler { mesh, simplices, low, high, bins: vec![per_axis; mesh.dim], start: Vec::new(), members: Vec::new() };
        sampler.fill();
        sampler
    }

    fn fill(&mut self) {
        let mesh = self.mesh;
        let total: usize = self.bins.iter().product();
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); total];
        for (s, simplex) in self.simplices.iter().enumerate() {
            let corners = || simplex[..=mesh.dim].iter().map(|&n| mesh.point(n as usize));
            let extreme = |d: usize, start: f64, pick: fn(f64, f64) -> f64| self.bin(d, corners().map(|p| p[d]).fold(start, pick));
            let from: Vec<usize> = (0..mesh.dim).map(|d| extreme(d, f64::INFINITY, f64::min)).collect();
            let to: Vec<usize> = (0..mesh.dim).map(|d| extreme(d, f64::NEG_INFINITY, f64::max)).collect();
            let mut at = from.clone();
            loop {
                lists[self.flat(&at)].push(s as u32);
                let Some(d) = (0..self.mesh.dim).find(|&d| at[d] < to[d]) else { break };
                at[d] += 1;
                at[..d].copy_from_slice(&from[..d]);
            }
        }
        self.start = std::iter::once(0)
            .chain(lists.iter().scan(0, |sum, l| {
                *sum += l.len();
                Some(*sum)
            }))
            .collect();
        self.members = lists.concat();
    }

    fn bin(&self, d: usize, x: f64) -> usize {
        let part = (x - self.low[d]) / (self.high[d] - self.low[d]).max(f64::MIN_POSITIVE);
        ((part * self.bins[d] as f64).max(0.0) as usize).min(self.bins[d] - 1)
    }

    fn flat(&self, at: &[usize]) -> usize {
        at.iter().zip(&self.bins).rev().fold(0, |sum, (i, n)| sum * n + i)
    }

    /// The point at the parts `xi` (`[dim]`, 0 to 1) of the bounding box.
    pub(crate) fn point(&self, xi: &[f64]) -> Vec<f64> {
        xi.iter().enumerate().map(|(d, u)| self.low[d] + u * (self.high[d] - self.low[d])).collect()
    }

    /// Which nodes a point's value comes from.
    pub(crate) fn locate(&self, point: &[f64]) -> Weights {
        let at: Vec<usize> = (0..self.mesh.dim).map(|d| self.bin(d, point[d])).collect();
        let bin = self.flat(&at);
        for &s in &self.members[self.start[bin]..self.start[bin + 1]] {
            if let Some(weights) = self.inside(&self.simplices[s as usize], point) {
                return weights;
            }
        }
        let distance = |n: usize| self.mesh.point(n).iter().zip(point).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let nearest = (0..self.mesh.num_nodes()).min_by(|&a, &b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
        Weights { nodes: [nearest as u32, 0, 0, 0], weights: [1.0, 0.0, 0.0, 0.0], count: 1 }
    }

    /// Barycentric coordinates, if the point lies within.
    fn inside(&self, simplex: &[u32; 4], point: &[f64]) -> Option<Weights> {
        let dim = self.mesh.dim;
        let origin = self.mesh.point(simplex[0] as usize);
        let mut edges = [[0.0; 3]; 3];
        let mut to = [0.0; 3];
        for d in 0..dim {
            to[d] = point[d] - origin[d];
            for e in 0..dim {
                edges[e][d] = self.mesh.point(simplex[e + 1] as usize)[d] - origin[d];
            }
        }
        for d in dim..3 {
            edges[d][d] = 1.0;
        }
        let det = |a: &[f64; 3], b: &[f64; 3], c: &[f64; 3]| {
            a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
        };
        let volume = det(&edges[0], &edges[1], &edges[2]);
        if volume == 0.0 {
            return None;
        }
        // Cramer's rule.
        let parts = [det(&to, &edges[1], &edges[2]), det(&edges[0], &to, &edges[2]), det(&edges[0], &edges[1], &to)].map(|v| v / volume);
        let mut weights = [0.0; 4];
        weights[1..=dim].copy_from_slice(&parts[..dim]);
        weights[0] = 1.0 - parts[..dim].iter().sum::<f64>();
        weights[..=dim].iter().all(|w| *w >= -1e-9).then_some(Weights { nodes: *simplex, weights, count: dim + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{block, rectangle};

    #[test]
    fn linear_fields_come_out_exactly() {
        for mesh in [rectangle(2.0, 1.0, 7, 4), block(2.0, 1.0, 0.5, 4)] {
            let f = |x: &[f64]| 1.0 + x.iter().enumerate().map(|(d, v)| (d + 2) as f64 * v).sum::<f64>();
            let values: Vec<f64> = (0..mesh.num_nodes()).map(|n| f(mesh.point(n))).collect();
            let sampler = Sampler::new(&mesh);
            for k in 0..200 {
                let xi: Vec<f64> = (0..mesh.dim).map(|d| (0.37 * k as f64 * (d + 1) as f64).fract()).collect();
                let point = sampler.point(&xi);
                assert!((sampler.locate(&point).value(&values, 1, 0) - f(&point)).abs() < 1e-9, "{point:?}");
            }
        }
    }

    #[test]
    fn outside_the_nearest_node_counts() {
        let mesh = rectangle(2.0, 1.0, 2, 1);
        let values: Vec<f64> = (0..6).map(f64::from).collect();
        assert_eq!(Sampler::new(&mesh).locate(&[9.0, 9.0]).value(&values, 1, 0), 5.0);
        assert_eq!(Sampler::new(&mesh).locate(&[-1.0, 0.2]).value(&values, 1, 0), 0.0);
    }
}
