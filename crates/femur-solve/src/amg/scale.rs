//! Symmetric scaling to identity blocks on the diagonal: block Jacobi without a diagonal to carry through the cycle.

use super::blocks::{Blocks, CHUNK, MAX_BLOCK, Square, with_sizes};
use crate::SolveError;
use crate::real::Real;
use rayon::prelude::*;

/// Pivots below this part of their diagonal entry count as zero.
const TINY: f64 = 1e-12;

/// Entries that couple two scaled unknowns less than this are dropped as rounding of zero.
const DROP: f64 = 1e-14;

/// The lower triangular factors `L` of the diagonal blocks and their inverses, `[nodes, block, block]` each.
#[derive(Debug)]
pub(super) struct Scaling {
    pub(super) block: usize,
    pub(super) factor: Vec<f64>,
    pub(super) inverse: Vec<f64>,
}

impl Scaling {
    /// Factors the diagonal blocks of `a` by Cholesky. A block that is not positive definite while its diagonal is (rounding of a
    /// semidefinite one) is scaled by its diagonal alone.
    pub(super) fn new(a: Square<'_>) -> Result<Self, SolveError> {
        let (b, n) = (a.block, a.nrows());
        let mut s = Scaling { block: b, factor: vec![0.0; n * b * b], inverse: vec![0.0; n * b * b] };
        let nodes = s.factor.par_chunks_mut(b * b).zip(s.inverse.par_chunks_mut(b * b));
        let bad = nodes.with_min_len(CHUNK).enumerate().filter_map(|(i, (l, inverse))| {
            let k = (a.row_ptr[i]..a.row_ptr[i + 1]).find(|&k| a.col_idx[k] as usize == i);
            let d = k.map_or(&[][..], |k| &a.values[k * b * b..][..b * b]);
            if d.is_empty() {
                return Some(i * b);
            }
            if let Some(p) = (0..b).find(|&p| !(d[p * b + p] > 0.0 && d[p * b + p].is_finite())) {
                return Some(i * b + p);
            }
            if !cholesky(d, l, b) {
                l.fill(0.0);
                (0..b).for_each(|p| l[p * b + p] = d[p * b + p].sqrt());
            }
            invert(l, inverse, b);
            None
        });
        match bad.min() {
            Some(pivot) => Err(SolveError::Pivot { kind: "not positive definite", pivot, size: n * b }),
            None => Ok(s),
        }
    }

    /// `L^-1 A L^-T`, without entries that are rounding of zero.
    pub(super) fn apply(&self, a: Square<'_>) -> Blocks<f64> {
        match self.block {
            1 => self.apply_of::<1>(a),
            2 => self.apply_of::<2>(a),
            3 => self.apply_of::<3>(a),
            6 => self.apply_of::<6>(a),
            _ => self.apply_of::<0>(a),
        }
    }

    /// Counts what stays, then fills: large matrices are mostly memory to touch.
    fn apply_of<const B: usize>(&self, a: Square<'_>) -> Blocks<f64> {
        let (b, n) = (if B == 0 { self.block } else { B }, a.nrows());
        let bb = b * b;
        let mut row_ptr = vec![0usize; n + 1];
        row_ptr[1..].par_chunks_mut(CHUNK).enumerate().for_each(|(k, counts)| {
            let mut scratch = [0.0; 2 * MAX_BLOCK * MAX_BLOCK];
            for (i, count) in counts.iter_mut().enumerate() {
                self.scaled_row::<B>(a, k * CHUNK + i, &mut scratch, |_, _| *count += 1);
            }
        });
        for i in 0..n {
            row_ptr[i + 1] += row_ptr[i];
        }
        let (mut col_idx, mut values) = (vec![0u32; row_ptr[n]], vec![0.0; row_ptr[n] * bb]);
        let (mut c, mut v) = (&mut col_idx[..], &mut values[..]);
        let mut tasks = Vec::with_capacity(n / CHUNK + 1);
        for first in (0..n).step_by(CHUNK) {
            let last = (first + CHUNK).min(n);
            let length = row_ptr[last] - row_ptr[first];
            let (c0, c1) = c.split_at_mut(length);
            let (v0, v1) = v.split_at_mut(length * bb);
            (c, v) = (c1, v1);
            tasks.push((first..last, c0, v0));
        }
        tasks.into_par_iter().for_each(|(range, cols, values)| {
            let mut scratch = [0.0; 2 * MAX_BLOCK * MAX_BLOCK];
            let mut to = 0;
            for i in range {
                self.scaled_row::<B>(a, i, &mut scratch, |c, block| {
                    cols[to] = c;
                    values[to * bb..][..bb].copy_from_slice(block);
                    to += 1;
                });
            }
        });
        Blocks { rows: b, cols: b, ncols: n, row_ptr, col_idx, values }
    }

    /// Hands the scaled blocks of row `i` that are not rounding of zero to `keep`.
    #[inline(always)]
    fn scaled_row<const B: usize>(&self, a: Square<'_>, i: usize, scratch: &mut [f64], mut keep: impl FnMut(u32, &[f64])) {
        let b = if B == 0 { self.block } else { B };
        let bb = b * b;
        let (half, out) = scratch.split_at_mut(MAX_BLOCK * MAX_BLOCK);
        let (half, out) = (&mut half[..bb], &mut out[..bb]);
        let left = &self.inverse[i * bb..][..bb];
        let range = a.row_ptr[i]..a.row_ptr[i + 1];
        for (&c, m) in a.col_idx[range.clone()].iter().zip(a.values[range.start * bb..range.end * bb].chunks_exact(bb)) {
            congruence(left, m, &self.inverse[c as usize * bb..][..bb], half, out, b);
            if out.iter().any(|v| v.abs() > DROP) {
                keep(c, out);
            }
        }
    }

    /// Multiplies each block of `p` by `L^-T` of its column from the right.
    pub(super) fn scale_columns(&self, p: &mut Blocks<f64>) {
        with_sizes!(p.rows, self.block, R, B, {
            let (r, b) = if B == 0 { (p.rows, self.block) } else { (R, B) };
            let col_idx = &p.col_idx;
            p.values.par_chunks_mut(CHUNK * r * b).enumerate().for_each(|(first, values)| {
                for (k, block) in values.chunks_exact_mut(r * b).enumerate() {
                    let inverse = &self.inverse[col_idx[first * CHUNK + k] as usize * b * b..][..b * b];
                    for row in block.chunks_exact_mut(b) {
                        for q in (0..b).rev() {
                            let mut sum = 0.0;
                            (0..=q).for_each(|l| sum += row[l] * inverse[q * b + l]);
                            row[q] = sum;
                        }
                    }
                }
            });
        });
    }

    /// `z = L^-1 r`.
    pub(super) fn forward(&self, r: &[f64], z: &mut [f64]) {
        let size = CHUNK * self.block;
        let tasks = z.par_chunks_mut(size).zip(r.par_chunks(size)).zip(self.inverse.par_chunks(size * self.block));
        tasks.with_min_len(4).for_each(|((z, r), inverse)| {
            with_sizes!(self.block, self.block, B, _C, {
                let b = if B == 0 { self.block } else { B };
                for ((z, r), inverse) in z.chunks_exact_mut(b).zip(r.chunks_exact(b)).zip(inverse.chunks_exact(b * b)) {
                    for p in 0..b {
                        let mut sum = 0.0;
                        (0..=p).for_each(|q| sum += inverse[p * b + q] * r[q]);
                        z[p] = sum;
                    }
                }
            });
        });
    }

    /// `z = size L^-T x`.
    pub(super) fn backward<T: Real>(&self, x: &[T], size: f64, z: &mut [f64]) {
        let length = CHUNK * self.block;
        let tasks = z.par_chunks_mut(length).zip(x.par_chunks(length)).zip(self.inverse.par_chunks(length * self.block));
        tasks.with_min_len(4).for_each(|((z, x), inverse)| {
            with_sizes!(self.block, self.block, B, _C, {
                let b = if B == 0 { self.block } else { B };
                for ((z, x), inverse) in z.chunks_exact_mut(b).zip(x.chunks_exact(b)).zip(inverse.chunks_exact(b * b)) {
                    for p in 0..b {
                        let mut sum = 0.0;
                        (p..b).for_each(|q| sum += inverse[q * b + p] * x[q].wide());
                        z[p] = size * sum;
                    }
                }
            });
        });
    }

    /// `L^T v` of node-major vectors `v` `[nodes, block, count]`.
    pub(super) fn scale_modes(&self, v: &mut [f64], count: usize) {
        let b = self.block;
        v.par_chunks_mut(b * count).with_min_len(CHUNK).enumerate().for_each(|(i, v)| {
            let l = &self.factor[i * b * b..][..b * b];
            for p in 0..b {
                for m in 0..count {
                    v[p * count + m] = (p..b).map(|q| l[q * b + p] * v[q * count + m]).sum();
                }
            }
        });
    }
}

/// `out = left m right^T` for `left`, `right` lower triangular, by way of `half`.
#[inline(always)]
fn congruence(left: &[f64], m: &[f64], right: &[f64], half: &mut [f64], out: &mut [f64], b: usize) {
    for p in 0..b {
        for q in 0..b {
            let mut sum = 0.0;
            (0..=p).for_each(|k| sum += left[p * b + k] * m[k * b + q]);
            half[p * b + q] = sum;
        }
    }
    for p in 0..b {
        for q in 0..b {
            let mut sum = 0.0;
            (0..=q).for_each(|k| sum += half[p * b + k] * right[q * b + k]);
            out[p * b + q] = sum;
        }
    }
}

/// The Cholesky factor of `d`, or false where a pivot vanishes.
fn cholesky(d: &[f64], l: &mut [f64], b: usize) -> bool {
    for p in 0..b {
        for q in 0..=p {
            let sum: f64 = (0..q).map(|k| l[p * b + k] * l[q * b + k]).sum();
            let value = d[p * b + q] - sum;
            if p != q {
                l[p * b + q] = value / l[q * b + q];
            } else if value > TINY * d[p * b + p] {
                l[p * b + p] = value.sqrt();
            } else {
                return false;
            }
        }
    }
    l.iter().all(|v| v.is_finite())
}

/// The inverse of a lower triangular block.
fn invert(l: &[f64], inverse: &mut [f64], b: usize) {
    for q in 0..b {
        inverse[q * b + q] = 1.0 / l[q * b + q];
        for p in q + 1..b {
            let sum: f64 = (q..p).map(|k| l[p * b + k] * inverse[k * b + q]).sum();
            inverse[p * b + q] = -sum / l[p * b + p];
        }
    }
}
