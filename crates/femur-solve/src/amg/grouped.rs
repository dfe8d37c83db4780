//! Multigrid for systems whose constrained unknowns were taken out: nodes then have different numbers of unknowns.

use super::{Amg, AmgOptions};
use crate::{BsrMatrix, CsrMatrix, Preconditioner, SolveError};
use std::sync::Mutex;

/// [`Amg`] on the system filled up to nodes of equal size with identity rows, which stay out of the coarse spaces.
pub struct GroupedAmg {
    amg: Amg,
    /// Row of the filled system for each unknown.
    place: Vec<usize>,
    size: usize,
    /// Work space that one application leaves for the next: residual and answer of the filled system.
    pool: Mutex<Vec<[Vec<f64>; 2]>>,
}

impl GroupedAmg {
    /// Sets up the hierarchy of a symmetric positive definite matrix whose unknown `i` belongs to node `group[i]`, any numbers; the
    /// block size of the options is not read. Errors as [`Amg::new`].
    pub fn new(a: &CsrMatrix, group: &[u32], options: &AmgOptions) -> Result<Self, SolveError> {
        let n = a.nrows;
        for (what, got) in [("columns of a square matrix", a.ncols), ("length of the groups", group.len())] {
            if got != n {
                return Err(SolveError::Shape { what, expected: n, got });
            }
        }
        let nodes = Nodes::new(group);
        let place: Vec<usize> = (0..n).map(|i| nodes.of[i] as usize * nodes.block + nodes.slot[i]).collect();
        let size = nodes.count() * nodes.block;
        let mut filled = AmgOptions { block_size: nodes.block, ..options.clone() };
        for mode in &mut filled.near_null_space {
            if mode.len() != n {
                return Err(SolveError::Shape { what: "length of a near-null space vector", expected: n, got: mode.len() });
            }
            let mut long = vec![0.0; size];
            place.iter().zip(&*mode).for_each(|(&p, v)| long[p] = *v);
            *mode = long;
        }
        Ok(GroupedAmg { amg: Amg::from_blocks(&nodes.fill(a), &filled)?, place, size, pool: Mutex::default() })
    }

    /// The hierarchy.
    pub fn amg(&self) -> &Amg {
        &self.amg
    }
}

impl Preconditioner for GroupedAmg {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let kept = self.pool.lock().ok().and_then(|mut p| p.pop());
        let [mut long, mut answer] = kept.unwrap_or_else(|| [vec![0.0; self.size], vec![0.0; self.size]]);
        self.place.iter().zip(r).for_each(|(&p, r)| long[p] = *r);
        self.amg.apply(&long, &mut answer);
        self.place.iter().zip(z).for_each(|(&p, z)| *z = answer[p]);
        if let Ok(mut p) = self.pool.lock() {
            p.push([long, answer]);
        }
    }
}

/// The unknowns of each node.
struct Nodes {
    /// Most unknowns of a node.
    block: usize,
    /// Node of each unknown, numbered without gaps in the order of the groups, and its place there.
    of: Vec<u32>,
    slot: Vec<usize>,
    /// Unknowns by node.
    start: Vec<usize>,
    unknowns: Vec<usize>,
}

impl Nodes {
    fn new(group: &[u32]) -> Self {
        let mut unknowns: Vec<usize> = (0..group.len()).collect();
        unknowns.sort_by_key(|&i| group[i]);
        let (mut of, mut slot, mut start) = (vec![0; group.len()], vec![0; group.len()], vec![0]);
        for (k, &i) in unknowns.iter().enumerate() {
            if k > 0 && group[unknowns[k - 1]] != group[i] {
                start.push(k);
            }
            (of[i], slot[i]) = (start.len() as u32 - 1, k - start[start.len() - 1]);
        }
        if !group.is_empty() {
            start.push(group.len());
        }
        let block = slot.iter().max().map_or(1, |s| s + 1);
        Nodes { block, of, slot, start, unknowns }
    }

    fn count(&self) -> usize {
        self.start.len() - 1
    }

    /// The matrix in blocks, with 1 on the diagonal where a node lacks unknowns.
    fn fill(&self, a: &CsrMatrix) -> BsrMatrix {
        let (b, n) = (self.block, self.count());
        let mut m = BsrMatrix { block: b, nrows: n, ncols: n, row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        let mut columns: Vec<u32> = Vec::new();
        for node in 0..n {
            let members = &self.unknowns[self.start[node]..self.start[node + 1]];
            columns.clear();
            columns.push(node as u32);
            members.iter().for_each(|&i| columns.extend(a.row(i).0.iter().map(|&c| self.of[c as usize])));
            columns.sort_unstable();
            columns.dedup();
            let first = m.col_idx.len();
            m.col_idx.extend_from_slice(&columns);
            m.values.resize(m.col_idx.len() * b * b, 0.0);
            let mut set = |c: u32, p: usize, q: usize, v: f64| {
                let k = first + columns.partition_point(|&x| x < c);
                m.values[(k * b + p) * b + q] = v;
            };
            for (p, &i) in members.iter().enumerate() {
                a.row(i).0.iter().zip(a.row(i).1).for_each(|(&c, &v)| set(self.of[c as usize], p, self.slot[c as usize], v));
            }
            (members.len()..b).for_each(|p| set(node as u32, p, p, 1.0));
            m.row_ptr.push(m.col_idx.len());
        }
        m
    }
}
