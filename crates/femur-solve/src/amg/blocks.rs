//! Sparse rows of small rectangular blocks, in single or double precision: the storage of every level.

use crate::real::Real;
use crate::{BsrMatrix, CsrMatrix};
use rayon::prelude::*;

/// Most rows or columns of a block.
pub(super) const MAX_BLOCK: usize = 16;
/// Rows that one task works on.
pub(super) const CHUNK: usize = 1024;
/// Values below which one thread is faster than two.
const SERIAL: usize = 40_000;

/// Runs `$body` with the block sizes as constants where they are common (the compiler then unrolls), and as 0 (read them from the
/// matrix) where they are not.
macro_rules! with_sizes {
    ($rows:expr, $cols:expr, $r:ident, $c:ident, $body:expr) => {
        match ($rows, $cols) {
            (1, 1) => with_sizes!(@ 1, 1, $r, $c, $body),
            (2, 2) => with_sizes!(@ 2, 2, $r, $c, $body),
            (2, 3) => with_sizes!(@ 2, 3, $r, $c, $body),
            (3, 2) => with_sizes!(@ 3, 2, $r, $c, $body),
            (3, 3) => with_sizes!(@ 3, 3, $r, $c, $body),
            (3, 6) => with_sizes!(@ 3, 6, $r, $c, $body),
            (6, 3) => with_sizes!(@ 6, 3, $r, $c, $body),
            (6, 6) => with_sizes!(@ 6, 6, $r, $c, $body),
            _ => with_sizes!(@ 0, 0, $r, $c, $body),
        }
    };
    (@ $rv:literal, $cv:literal, $r:ident, $c:ident, $body:expr) => {{
        const $r: usize = $rv;
        const $c: usize = $cv;
        $body
    }};
}

pub(super) use with_sizes;

/// A sparse matrix of `rows x cols` blocks; the block columns of a row stand in any order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blocks<T> {
    /// Rows of a block.
    pub(super) rows: usize,
    /// Columns of a block.
    pub(super) cols: usize,
    /// Number of block columns.
    pub(super) ncols: usize,
    /// Start of each block row, counted in blocks.
    pub(super) row_ptr: Vec<usize>,
    pub(super) col_idx: Vec<u32>,
    /// Row-major within a block.
    pub(super) values: Vec<T>,
}

/// A borrowed matrix of square blocks: the one to precondition, which is not copied, or a [`Blocks`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Square<'a> {
    /// Rows and columns of a block.
    pub(super) block: usize,
    pub(super) row_ptr: &'a [usize],
    pub(super) col_idx: &'a [u32],
    pub(super) values: &'a [f64],
}

impl<'a> Square<'a> {
    pub(super) fn of_csr(a: &'a CsrMatrix) -> Self {
        Square { block: 1, row_ptr: &a.row_ptr, col_idx: &a.col_idx, values: &a.values }
    }

    pub(super) fn of_bsr(a: &'a BsrMatrix) -> Self {
        Square { block: a.block, row_ptr: &a.row_ptr, col_idx: &a.col_idx, values: &a.values }
    }

    /// Number of block rows.
    pub(super) fn nrows(&self) -> usize {
        self.row_ptr.len() - 1
    }
}

impl Blocks<f64> {
    pub(super) fn square(&self) -> Square<'_> {
        Square { block: self.rows, row_ptr: &self.row_ptr, col_idx: &self.col_idx, values: &self.values }
    }

    pub(super) fn cast<T: Real>(&self) -> Blocks<T> {
        Blocks {
            rows: self.rows,
            cols: self.cols,
            ncols: self.ncols,
            row_ptr: self.row_ptr.clone(),
            col_idx: self.col_idx.clone(),
            values: self.values.par_iter().with_min_len(1 << 16).map(|&v| T::of(v)).collect(),
        }
    }
}

impl<T: Real> Blocks<T> {
    /// Number of block rows.
    pub(super) fn nrows(&self) -> usize {
        self.row_ptr.len() - 1
    }

    /// Values per block.
    pub(super) fn size(&self) -> usize {
        self.rows * self.cols
    }

    /// The transpose; the blocks of a row stand in ascending order.
    pub(super) fn transpose(&self) -> Self {
        let (r, c) = (self.rows, self.cols);
        let mut row_ptr = vec![0usize; self.ncols + 1];
        for &j in &self.col_idx {
            row_ptr[j as usize + 1] += 1;
        }
        for j in 0..self.ncols {
            row_ptr[j + 1] += row_ptr[j];
        }
        let mut next = row_ptr.clone();
        let (mut col_idx, mut values) = (vec![0u32; self.col_idx.len()], vec![T::default(); self.values.len()]);
        for i in 0..self.nrows() {
            for k in self.row_ptr[i]..self.row_ptr[i + 1] {
                let to = next[self.col_idx[k] as usize];
                next[self.col_idx[k] as usize] += 1;
                col_idx[to] = i as u32;
                let (to, from) = (&mut values[to * r * c..][..r * c], &self.values[k * r * c..][..r * c]);
                for p in 0..r {
                    for q in 0..c {
                        to[q * r + p] = from[p * c + q];
                    }
                }
            }
        }
        Blocks { rows: c, cols: r, ncols: self.nrows(), row_ptr, col_idx, values }
    }

    /// The row's product with `x` into `sum[..R]`.
    #[inline(always)]
    fn row<const R: usize, const C: usize>(&self, i: usize, x: &[T], sum: &mut [T; MAX_BLOCK]) {
        let (r, c) = if R == 0 { (self.rows, self.cols) } else { (R, C) };
        let mut s = [T::default(); MAX_BLOCK];
        let range = self.row_ptr[i]..self.row_ptr[i + 1];
        let values = &self.values[range.start * r * c..range.end * r * c];
        for (&j, block) in self.col_idx[range].iter().zip(values.chunks_exact(r * c)) {
            let x = &x[j as usize * c..][..c];
            for p in 0..r {
                for q in 0..c {
                    s[p] += block[p * c + q] * x[q];
                }
            }
        }
        sum[..r].copy_from_slice(&s[..r]);
    }

    /// `y = A x`, or `y += A x` where `add`.
    pub(super) fn multiply(&self, x: &[T], y: &mut [T], add: bool) {
        let rows = self.rows;
        let task = |first: usize, y: &mut [T]| {
            with_sizes!(self.rows, self.cols, R, C, {
                let mut sum = [T::default(); MAX_BLOCK];
                for (i, y) in y.chunks_exact_mut(if R == 0 { rows } else { R }).enumerate() {
                    self.row::<R, C>(first + i, x, &mut sum);
                    y.iter_mut().zip(&sum).for_each(|(y, s)| *y = if add { *y + *s } else { *s });
                }
            })
        };
        if self.values.len() < SERIAL {
            task(0, y);
        } else {
            y.par_chunks_mut(CHUNK * rows).enumerate().for_each(|(k, y)| task(k * CHUNK, y));
        }
    }

    /// `r -= A d`.
    pub(super) fn subtract(&self, d: &[T], r: &mut [T]) {
        let rows = self.rows;
        let task = |first: usize, r: &mut [T]| {
            with_sizes!(self.rows, self.cols, R, C, {
                let mut sum = [T::default(); MAX_BLOCK];
                for (i, r) in r.chunks_exact_mut(if R == 0 { rows } else { R }).enumerate() {
                    self.row::<R, C>(first + i, d, &mut sum);
                    r.iter_mut().zip(&sum).for_each(|(r, s)| *r -= *s);
                }
            })
        };
        if self.values.len() < SERIAL {
            task(0, r);
        } else {
            r.par_chunks_mut(CHUNK * rows).enumerate().for_each(|(k, r)| task(k * CHUNK, r));
        }
    }

    /// One step of a two-term recurrence: `r -= A d`, `next = alpha d + beta r`, `x += next`, in one pass over the matrix.
    pub(super) fn recurrence(&self, d: &[T], (alpha, beta): (T, T), r: &mut [T], next: &mut [T], x: &mut [T]) {
        let rows = self.rows;
        let task = |first: usize, r: &mut [T], next: &mut [T], x: &mut [T]| {
            with_sizes!(self.rows, self.cols, R, C, {
                let size = if R == 0 { rows } else { R };
                let mut sum = [T::default(); MAX_BLOCK];
                let chunks = r.chunks_exact_mut(size).zip(next.chunks_exact_mut(size)).zip(x.chunks_exact_mut(size));
                for (i, ((r, next), x)) in chunks.enumerate() {
                    self.row::<R, C>(first + i, d, &mut sum);
                    let d = &d[(first + i) * size..][..size];
                    for p in 0..size {
                        r[p] -= sum[p];
                        next[p] = alpha * d[p] + beta * r[p];
                        x[p] += next[p];
                    }
                }
            })
        };
        if self.values.len() < SERIAL {
            task(0, r, next, x);
        } else {
            let size = CHUNK * rows;
            let chunks = r.par_chunks_mut(size).zip(next.par_chunks_mut(size)).zip(x.par_chunks_mut(size));
            chunks.enumerate().for_each(|(k, ((r, next), x))| task(k * CHUNK, r, next, x));
        }
    }
}
