//! An operator without a matrix whose constrained unknowns are taken out.

use super::MatrixFree;
use crate::Constraints;
use femur_solve::{CsrMatrix, LinearOperator};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A dense matrix over the unknowns of some nodes, row-major, by node, then component: what a boundary adds to a stiffness.
pub type ElementMatrix = (Vec<u32>, Vec<f64>);

/// `Q (K + B) Q^T` with the rows and columns of fixed unknowns emptied but for a 1 on the diagonal: `K` by its cells, `B` what boundaries
/// add, `Q` the turns into the frames of the nodes.
#[derive(Debug)]
pub struct Constrained {
    cells: Arc<MatrixFree>,
    constraints: Constraints,
    /// Rows of `boundary` in the whole system.
    rows: Vec<u32>,
    /// The rows of `B` that have entries.
    boundary: CsrMatrix,
    /// A vector that one application leaves for the next.
    pool: Mutex<Vec<Vec<f64>>>,
}

impl Constrained {
    /// `None` where the constraints tie unknowns to others, which needs a system of the free ones.
    pub fn new(cells: Arc<MatrixFree>, constraints: &Constraints, boundary: &[ElementMatrix]) -> Option<Self> {
        if !constraints.ties.is_empty() {
            return None;
        }
        let c = cells.components();
        let mut entries: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for (nodes, element) in boundary {
            let width = nodes.len() * c;
            let unknown = |i: usize| nodes[i / c] as usize * c + i % c;
            for (k, &v) in element.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                *entries.entry((unknown(k / width), unknown(k % width))).or_insert(0.0) += v;
            }
        }
        let mut rows: Vec<u32> = entries.keys().map(|k| k.0 as u32).collect();
        rows.dedup();
        let place = |r: usize| rows.partition_point(|&p| (p as usize) < r);
        let triplets: Vec<(usize, usize, f64)> = entries.iter().map(|(&(r, u), &v)| (place(r), u, v)).collect();
        let boundary = CsrMatrix::from_triplets(rows.len(), cells.nrows(), &triplets);
        Some(Constrained { cells, constraints: constraints.clone(), rows, boundary, pool: Mutex::default() })
    }

    /// The constraints.
    pub fn constraints(&self) -> &Constraints {
        &self.constraints
    }

    /// `y = (K + B) x` along the axes of the coordinates, nothing taken out.
    pub fn multiply_whole(&self, x: &[f64], y: &mut [f64]) {
        self.cells.apply(x, y);
        for (i, &r) in self.rows.iter().enumerate() {
            y[r as usize] += self.boundary.row_times(i, x);
        }
    }

    /// Bytes that the operator holds.
    pub fn memory(&self) -> usize {
        self.cells.memory() + 12 * self.boundary.nnz() + 8 * self.boundary.row_ptr.len()
    }

    /// The diagonal `[n]`.
    pub fn diagonal(&self) -> Vec<f64> {
        let c = self.cells.components();
        let mut blocks = self.cells.diagonal_blocks();
        for (i, &r) in self.rows.iter().enumerate() {
            let r = r as usize;
            for d in 0..c {
                blocks[r * c + d] += self.boundary.get(i, r / c * c + d);
            }
        }
        let mut diagonal: Vec<f64> = (0..self.nrows()).map(|u| blocks[u * c + u % c]).collect();
        for (&node, frame) in &self.constraints.frames {
            let block = &blocks[node * c * c..(node + 1) * c * c];
            for i in 0..c {
                let turned = (0..c * c).map(|k| frame[i][k / c] * block[k] * frame[i][k % c]);
                diagonal[node * c + i] = turned.sum();
            }
        }
        self.constraints.fixed.keys().for_each(|&u| diagonal[u] = 1.0);
        diagonal
    }

    /// The right-hand side to a (turned) load `f` `[n]` and prescribed values: `f - A g` at free unknowns, 0 at fixed ones.
    pub fn right_hand_side(&self, f: &mut [f64], prescribed: &BTreeMap<usize, f64>) {
        if prescribed.values().any(|v| *v != 0.0) {
            let (mut g, mut ag) = (vec![0.0; f.len()], vec![0.0; f.len()]);
            prescribed.iter().for_each(|(&u, &v)| g[u] = v);
            self.product(&mut g, &mut ag);
            f.iter_mut().zip(&ag).for_each(|(f, a)| *f -= a);
        }
        self.constraints.fixed.keys().for_each(|&u| f[u] = 0.0);
    }

    /// `y = Q (K + B) Q^T x`; `x` is turned.
    fn product(&self, x: &mut [f64], y: &mut [f64]) {
        self.constraints.rotate_back(x);
        self.multiply_whole(x, y);
        self.constraints.rotate(y);
    }
}

impl LinearOperator for Constrained {
    fn nrows(&self) -> usize {
        self.cells.nrows()
    }

    fn ncols(&self) -> usize {
        self.nrows()
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let mut free = self.pool.lock().ok().and_then(|mut p| p.pop()).unwrap_or_default();
        free.clear();
        free.extend_from_slice(x);
        self.constraints.fixed.keys().for_each(|&u| free[u] = 0.0);
        self.product(&mut free, y);
        self.constraints.fixed.keys().for_each(|&u| y[u] = x[u]);
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(free);
        }
    }
}
