//! Strength of connection and greedy aggregation (Vanek, Mandel and Brezina 1996, algorithm 5.1).

use super::blocks::{Blocks, CHUNK};
use rayon::prelude::*;

/// No aggregate.
pub(super) const NONE: u32 = u32::MAX;

/// Mean number of neighbours below which aggregates reach over two connections.
const WIDE: usize = 9;

/// The strong connections of a scaled matrix; a node is not its own neighbour.
pub(super) struct Graph<'a> {
    a: &'a Blocks<f64>,
    /// Frobenius norms of the blocks relative to the identity's; 0 where the connection is weak.
    weight: Vec<f32>,
}

impl<'a> Graph<'a> {
    /// Nodes are strongly connected where the Frobenius norm of their block exceeds `threshold` times the identity's: the scaled form of
    /// `|a_ij| > threshold sqrt(a_ii a_jj)`.
    pub(super) fn new(a: &'a Blocks<f64>, threshold: f64) -> Self {
        let (size, one) = (a.size(), (a.rows as f64).sqrt());
        let mut weight = vec![0.0; a.col_idx.len()];
        weight.par_chunks_mut(8 * CHUNK).zip(a.values.par_chunks(8 * CHUNK * size)).for_each(|(weight, values)| {
            for (w, block) in weight.iter_mut().zip(values.chunks_exact(size)) {
                let norm = if size == 1 { block[0].abs() } else { block.iter().map(|v| v * v).sum::<f64>().sqrt() / one };
                *w = if norm > threshold { norm as f32 } else { 0.0 };
            }
        });
        for i in 0..a.nrows() {
            (a.row_ptr[i]..a.row_ptr[i + 1]).filter(|&k| a.col_idx[k] as usize == i).for_each(|k| weight[k] = 0.0);
        }
        Graph { a, weight }
    }

    /// Whether entry `k` of the matrix is a strong connection.
    pub(super) fn strong(&self, k: usize) -> bool {
        self.weight[k] > 0.0
    }

    fn neighbours(&self, i: usize) -> impl Iterator<Item = usize> {
        (self.a.row_ptr[i]..self.a.row_ptr[i + 1]).filter(|&k| self.strong(k)).map(|k| self.a.col_idx[k] as usize)
    }
}

/// Which aggregate each node belongs to ([`NONE`]: decoupled, or without strong connection), and how many there are. Nodes in order, on
/// one thread: deterministic, and a small part of the set-up.
pub(super) fn aggregate(g: &Graph<'_>, decoupled: &[bool]) -> (Vec<u32>, usize) {
    let n = decoupled.len();
    // Sparse graphs would give small aggregates: there the neighbours' neighbours come along.
    let wide = g.weight.par_iter().with_min_len(1 << 16).filter(|w| **w > 0.0).count() < WIDE * n;
    let mut of = vec![NONE; n];
    let mut count = 0u32;
    let free = |i: usize, of: &[u32]| of[i] == NONE && !decoupled[i] && g.neighbours(i).next().is_some();
    // Whole neighbourhoods that touch no aggregate.
    for i in 0..n {
        if free(i, &of) && g.neighbours(i).all(|j| of[j] == NONE) {
            of[i] = count;
            g.neighbours(i).filter(|&j| !decoupled[j]).for_each(|j| of[j] = count);
            for j in g.neighbours(i).filter(|_| wide) {
                for k in g.neighbours(j) {
                    if of[k] == NONE && !decoupled[k] {
                        of[k] = count;
                    }
                }
            }
            count += 1;
        }
    }
    // What is left joins the neighbouring aggregate it is tied to most strongly; joined nodes attract nobody.
    let first = of.clone();
    for i in 0..n {
        if of[i] == NONE && !decoupled[i] {
            let mut best: (f32, u32) = (0.0, NONE);
            for k in g.a.row_ptr[i]..g.a.row_ptr[i + 1] {
                let to = first[g.a.col_idx[k] as usize];
                if to != NONE && g.weight[k] > best.0 {
                    best = (g.weight[k], to);
                }
            }
            of[i] = best.1;
        }
    }
    // Nodes out of reach make aggregates of what is left around them.
    for i in 0..n {
        if free(i, &of) {
            of[i] = count;
            for j in g.neighbours(i) {
                if free(j, &of) {
                    of[j] = count;
                }
            }
            count += 1;
        }
    }
    (of, count as usize)
}
