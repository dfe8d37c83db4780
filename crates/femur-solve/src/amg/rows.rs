//! Building sparse rows side by side: each row is made by one task in a fixed order, so any number of threads gives the same bits.

use super::blocks::{Blocks, CHUNK};
use rayon::prelude::*;
use std::ops::Range;

/// Not in the open row.
const FREE: u32 = u32::MAX;

/// The rows that one task has made so far, and the open one.
pub(super) struct Rows<'a> {
    /// Where a column stands in the open row.
    place: &'a mut [u32],
    /// Values of the open row, which stay in the first cache; as long as the longest row so far.
    open: Vec<f64>,
    /// Where the open row starts in `cols`.
    start: usize,
    cols: Vec<u32>,
    values: Vec<f64>,
    ends: Vec<u32>,
    size: usize,
}

impl Rows<'_> {
    /// The block `[rows, cols]` of column `c` in the open row; a new one is zero. `SIZE` is its number of values, or 0: read it.
    #[inline(always)]
    pub(super) fn block<const SIZE: usize>(&mut self, c: u32) -> &mut [f64] {
        let size = if SIZE == 0 { self.size } else { SIZE };
        let mut k = self.place[c as usize] as usize;
        if k == FREE as usize {
            k = self.cols.len() - self.start;
            self.place[c as usize] = k as u32;
            self.cols.push(c);
            if self.open.len() < (k + 1) * size {
                self.open.resize(2 * (k + 1) * size, 0.0);
            }
            self.open[k * size..][..size].fill(0.0);
        }
        &mut self.open[k * size..][..size]
    }

    /// Ends the open row.
    #[inline(always)]
    pub(super) fn close(&mut self) {
        let row = &self.cols[self.start..];
        row.iter().for_each(|&c| self.place[c as usize] = FREE);
        self.values.extend_from_slice(&self.open[..row.len() * self.size]);
        self.start = self.cols.len();
        self.ends.push(self.cols.len() as u32);
    }
}

/// A matrix of `nrows` block rows, of blocks of `rows x cols`; `make` fills and closes the rows of a
/// range.
pub(super) fn build(
    nrows: usize,
    ncols: usize,
    (rows, cols): (usize, usize),
    make: impl Fn(&mut Rows<'_>, Range<usize>) + Sync,
) -> Blocks<f64> {
    let size = rows * cols;
    let part = |place: &mut Vec<u32>, first: usize| {
        let (ends, cols, values) = (Vec::with_capacity(CHUNK), Vec::new(), Vec::new());
        let mut r = Rows { place, open: Vec::new(), start: 0, cols, values, ends, size };
        make(&mut r, first..(first + CHUNK).min(nrows));
        (r.ends, r.cols, r.values)
    };
    let parts: Vec<_> = (0..nrows.div_ceil(CHUNK)).into_par_iter().map_init(|| vec![FREE; ncols], |p, k| part(p, k * CHUNK)).collect();
    let total: usize = parts.iter().map(|p| p.1.len()).sum();
    let mut m =
        Blocks { rows, cols, ncols, row_ptr: Vec::with_capacity(nrows + 1), col_idx: vec![0; total], values: vec![0.0; total * size] };
    m.row_ptr.push(0);
    let (mut col_idx, mut values) = (&mut m.col_idx[..], &mut m.values[..]);
    let mut copies = Vec::with_capacity(parts.len());
    for (ends, cols, vals) in parts {
        let base = m.row_ptr.last().copied().unwrap_or(0);
        m.row_ptr.extend(ends.iter().map(|&e| base + e as usize));
        let (c, rest_c) = col_idx.split_at_mut(cols.len());
        let (v, rest_v) = values.split_at_mut(vals.len());
        (col_idx, values) = (rest_c, rest_v);
        copies.push((c, v, cols, vals));
    }
    copies.into_par_iter().for_each(|(c, v, cols, vals)| {
        c.copy_from_slice(&cols);
        v.copy_from_slice(&vals);
    });
    m
}

/// `A B`.
pub(super) fn product(a: &Blocks<f64>, b: &Blocks<f64>) -> Blocks<f64> {
    match (a.rows, a.cols, b.cols) {
        (1, 1, 1) => product_of::<1, 1, 1, 1>(a, b),
        (2, 2, 2) => product_of::<2, 2, 2, 4>(a, b),
        (2, 2, 3) => product_of::<2, 2, 3, 6>(a, b),
        (3, 2, 3) => product_of::<3, 2, 3, 9>(a, b),
        (3, 3, 3) => product_of::<3, 3, 3, 9>(a, b),
        (3, 3, 6) => product_of::<3, 3, 6, 18>(a, b),
        (6, 3, 6) => product_of::<6, 3, 6, 36>(a, b),
        (6, 6, 6) => product_of::<6, 6, 6, 36>(a, b),
        _ => product_of::<0, 0, 0, 0>(a, b),
    }
}

/// The row-wise product (Gustavson 1978).
fn product_of<const R: usize, const K: usize, const C: usize, const RC: usize>(a: &Blocks<f64>, b: &Blocks<f64>) -> Blocks<f64> {
    build(a.nrows(), b.ncols, (a.rows, b.cols), |rows, range| {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor was just asked.
            return unsafe { product_rows_avx2::<R, K, C, RC>(rows, range, a, b) };
        }
        product_rows::<R, K, C, RC>(rows, range, a, b);
    })
}

/// The same for processors with AVX2; no fused multiply-add, so both give the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn product_rows_avx2<const R: usize, const K: usize, const C: usize, const RC: usize>(
    rows: &mut Rows<'_>,
    range: Range<usize>,
    a: &Blocks<f64>,
    b: &Blocks<f64>,
) {
    product_rows::<R, K, C, RC>(rows, range, a, b);
}

#[inline(always)]
fn product_rows<const R: usize, const K: usize, const C: usize, const RC: usize>(
    rows: &mut Rows<'_>,
    range: Range<usize>,
    a: &Blocks<f64>,
    b: &Blocks<f64>,
) {
    let (r, inner, c) = if R == 0 { (a.rows, a.cols, b.cols) } else { (R, K, C) };
    for i in range {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            let left = &a.values[k * r * inner..][..r * inner];
            let j = a.col_idx[k] as usize;
            let right = b.row_ptr[j]..b.row_ptr[j + 1];
            let blocks = b.values[right.start * inner * c..right.end * inner * c].chunks_exact(inner * c);
            for (&col, right) in b.col_idx[right].iter().zip(blocks) {
                multiply_add::<R, K, C>(left, right, rows.block::<RC>(col), (r, inner, c));
            }
        }
        rows.close();
    }
}

/// `out += left right` for row-major blocks; sizes are read from the constants where they are not 0.
#[inline(always)]
pub(super) fn multiply_add<const R: usize, const K: usize, const C: usize>(
    left: &[f64],
    right: &[f64],
    out: &mut [f64],
    sizes: (usize, usize, usize),
) {
    let (r, inner, c) = if R == 0 { sizes } else { (R, K, C) };
    let (left, right, out) = (&left[..r * inner], &right[..inner * c], &mut out[..r * c]);
    for p in 0..r {
        for k in 0..inner {
            let l = left[p * inner + k];
            for q in 0..c {
                out[p * c + q] += l * right[k * c + q];
            }
        }
    }
}
