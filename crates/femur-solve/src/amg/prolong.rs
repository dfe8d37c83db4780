//! The prolongator: near-null space vectors cut to the aggregates and made orthonormal, then smoothed.

use super::aggregate::{Graph, NONE};
use super::blocks::{Blocks, CHUNK, MAX_BLOCK};
use super::rows::{Rows, build, multiply_add};
use rayon::prelude::*;

/// Part of a column's length that must be left after orthogonalisation for it to count.
const RANK: f64 = 1e-8;

/// The tentative prolongator, one block per node, and the near-null space on the coarse nodes.
pub(super) struct Tentative {
    /// Aggregate of each node.
    of: Vec<u32>,
    /// Blocks `[nodes, block, modes]`, zero for nodes without aggregate.
    blocks: Vec<f64>,
    /// Rows of a block.
    block: usize,
    /// Number of aggregates.
    pub(super) count: usize,
    /// Columns of a block.
    pub(super) modes: usize,
    /// Near-null space on the coarse nodes `[count, modes, modes]`, whose rows are zero where a column is.
    pub(super) coarse: Vec<f64>,
}

impl Tentative {
    /// QR factors of `near_null` `[nodes, block, modes]` on each aggregate.
    pub(super) fn new(of: Vec<u32>, count: usize, near_null: &[f64], block: usize, modes: usize) -> Self {
        let (start, nodes) = members(&of, count);
        let size = block * modes;
        let chunks: Vec<(Vec<f64>, Vec<f64>)> = (0..count.div_ceil(CHUNK))
            .into_par_iter()
            .map(|chunk| {
                let (first, last) = (chunk * CHUNK, ((chunk + 1) * CHUNK).min(count));
                let mut q = Vec::with_capacity((start[last] - start[first]) * size);
                let mut coarse = vec![0.0; (last - first) * modes * modes];
                for (a, r) in (first..last).zip(coarse.chunks_exact_mut(modes * modes)) {
                    let from = q.len();
                    for &i in &nodes[start[a]..start[a + 1]] {
                        q.extend_from_slice(&near_null[i as usize * size..][..size]);
                    }
                    orthonormalise(&mut q[from..], r, modes);
                }
                (q, coarse)
            })
            .collect();
        let mut t =
            Tentative { blocks: vec![0.0; of.len() * size], of, block, count, modes, coarse: Vec::with_capacity(count * modes * modes) };
        let mut node = nodes.iter();
        for (q, coarse) in chunks {
            t.coarse.extend(coarse);
            for (block, &i) in q.chunks_exact(size).zip(&mut node) {
                t.blocks[i as usize * size..][..size].copy_from_slice(block);
            }
        }
        t
    }

    /// `P = (I - omega A) T` for a scaled matrix `a`.
    pub(super) fn smooth(&self, a: &Blocks<f64>, omega: f64) -> Blocks<f64> {
        match (self.block, self.modes) {
            (2, 3) => self.smooth_of::<2, 3, 6>(a, omega),
            (3, 3) => self.smooth_of::<3, 3, 9>(a, omega),
            (3, 6) => self.smooth_of::<3, 6, 18>(a, omega),
            (6, 6) => self.smooth_of::<6, 6, 36>(a, omega),
            _ => self.smooth_of::<0, 0, 0>(a, omega),
        }
    }

    fn smooth_of<const R: usize, const C: usize, const RC: usize>(&self, a: &Blocks<f64>, omega: f64) -> Blocks<f64> {
        let (r, c) = if R == 0 { (self.block, self.modes) } else { (R, C) };
        build(a.nrows(), self.count, (r, c), |rows, range| {
            let mut left = [0.0; MAX_BLOCK * MAX_BLOCK];
            let left = &mut left[..r * r];
            for i in range {
                self.start_row(rows, i, 1.0);
                for k in a.row_ptr[i]..a.row_ptr[i + 1] {
                    let j = a.col_idx[k] as usize;
                    if self.of[j] != NONE {
                        let right = &self.blocks[j * r * c..][..r * c];
                        left.iter_mut().zip(&a.values[k * r * r..][..r * r]).for_each(|(l, v)| *l = -omega * v);
                        multiply_add::<R, R, C>(left, right, rows.block::<RC>(self.of[j]), (r, r, c));
                    }
                }
                rows.close();
            }
        })
        .join()
    }

    /// `P = (I - omega D^-1 F) T` for one unknown per node and one mode, where `F` is `a` without its weak entries, which go to the
    /// diagonal `D` such that `F` and `a` do the same to the near-null vector.
    pub(super) fn smooth_filtered(&self, a: &Blocks<f64>, g: &Graph<'_>, near_null: &[f64], omega: f64) -> Blocks<f64> {
        build(a.nrows(), self.count, (1, 1), |rows, range| {
            for i in range {
                let mut d = 1.0;
                for k in a.row_ptr[i]..a.row_ptr[i + 1] {
                    let j = a.col_idx[k] as usize;
                    if j != i && !g.strong(k) && near_null[i] != 0.0 {
                        d += a.values[k] * near_null[j] / near_null[i];
                    }
                }
                // Where little is left of the diagonal the weak entries are not weak together: leave it.
                let scale = omega / if d > 0.25 { d } else { 1.0 };
                self.start_row(rows, i, 1.0 - scale * d);
                for k in (a.row_ptr[i]..a.row_ptr[i + 1]).filter(|&k| g.strong(k)) {
                    let j = a.col_idx[k] as usize;
                    if self.of[j] != NONE {
                        rows.block::<1>(self.of[j])[0] -= scale * a.values[k] * self.blocks[j];
                    }
                }
                rows.close();
            }
        })
        .join()
    }

    fn start_row(&self, rows: &mut Rows<'_>, i: usize, factor: f64) {
        if self.of[i] != NONE {
            let size = self.block * self.modes;
            rows.block::<0>(self.of[i]).iter_mut().zip(&self.blocks[i * size..][..size]).for_each(|(v, t)| *v = factor * t);
        }
    }
}

/// Nodes by aggregate: where each aggregate starts, and the nodes in ascending order.
fn members(of: &[u32], count: usize) -> (Vec<usize>, Vec<u32>) {
    let mut start = vec![0usize; count + 1];
    of.iter().filter(|a| **a != NONE).for_each(|&a| start[a as usize + 1] += 1);
    for a in 0..count {
        start[a + 1] += start[a];
    }
    let mut next = start.clone();
    let mut nodes = vec![0u32; start[count]];
    for (i, &a) in of.iter().enumerate().filter(|(_, a)| **a != NONE) {
        nodes[next[a as usize]] = i as u32;
        next[a as usize] += 1;
    }
    (start, nodes)
}

/// Modified Gram-Schmidt, twice, on the columns of `q` `[rows, modes]`; `r` `[modes, modes]` becomes the upper factor. A column that
/// depends on the ones before it becomes zero, and so does its row of `r`.
fn orthonormalise(q: &mut [f64], r: &mut [f64], modes: usize) {
    let dot = |q: &[f64], a: usize, b: usize| q.chunks_exact(modes).map(|row| row[a] * row[b]).sum::<f64>();
    for k in 0..modes {
        let before = dot(q, k, k).sqrt();
        for _ in 0..2 {
            for j in 0..k {
                let s = dot(q, j, k);
                q.chunks_exact_mut(modes).for_each(|row| row[k] -= s * row[j]);
                r[j * modes + k] += s;
            }
        }
        let length = dot(q, k, k).sqrt();
        let kept = length > RANK * before && length.is_normal();
        let scale = if kept { 1.0 / length } else { 0.0 };
        q.chunks_exact_mut(modes).for_each(|row| row[k] *= scale);
        r[k * modes + k] = if kept { length } else { 0.0 };
    }
}
