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

/// Rows as the tasks have made them, [`CHUNK`] to a part: enough for a product that is used once.
pub(super) struct Parts {
    rows: usize,
    cols: usize,
    ncols: usize,
    parts: Vec<Part>,
}

struct Part {
    /// End of each row, counted in blocks.
    ends: Vec<u32>,
    col_idx: Vec<u32>,
    values: Vec<f64>,
}

/// A matrix that gives its rows: columns, and the values of their blocks.
pub(super) trait ByRows: Sync {
    /// Columns of a block, and number of block columns.
    fn shape(&self) -> (usize, usize);
    fn row(&self, i: usize) -> (&[u32], &[f64]);
}

impl ByRows for Blocks<f64> {
    fn shape(&self) -> (usize, usize) {
        (self.cols, self.ncols)
    }

    #[inline(always)]
    fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let (range, size) = (self.row_ptr[i]..self.row_ptr[i + 1], self.rows * self.cols);
        (&self.col_idx[range.clone()], &self.values[range.start * size..range.end * size])
    }
}

impl ByRows for Parts {
    fn shape(&self) -> (usize, usize) {
        (self.cols, self.ncols)
    }

    #[inline(always)]
    fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let (part, i, size) = (&self.parts[i / CHUNK], i % CHUNK, self.rows * self.cols);
        let range = if i == 0 { 0 } else { part.ends[i - 1] as usize }..part.ends[i] as usize;
        (&part.col_idx[range.clone()], &part.values[range.start * size..range.end * size])
    }
}

/// A matrix of `nrows` block rows, of blocks of `rows x cols`; `make` fills and closes the rows of a range.
pub(super) fn build(nrows: usize, ncols: usize, (rows, cols): (usize, usize), make: impl Fn(&mut Rows<'_>, Range<usize>) + Sync) -> Parts {
    let part = |place: &mut Vec<u32>, first: usize| {
        let (ends, cols_of, values) = (Vec::with_capacity(CHUNK), Vec::new(), Vec::new());
        let mut r = Rows { place, open: Vec::new(), start: 0, cols: cols_of, values, ends, size: rows * cols };
        make(&mut r, first..(first + CHUNK).min(nrows));
        Part { ends: r.ends, col_idx: r.cols, values: r.values }
    };
    let parts = (0..nrows.div_ceil(CHUNK)).into_par_iter().map_init(|| vec![FREE; ncols], |p, k| part(p, k * CHUNK)).collect();
    Parts { rows, cols, ncols, parts }
}

impl Parts {
    /// In one piece.
    pub(super) fn join(self) -> Blocks<f64> {
        let Parts { rows, cols, ncols, parts } = self;
        let total: usize = parts.iter().map(|p| p.col_idx.len()).sum();
        let (mut row_ptr, mut col_idx, mut values) = (vec![0], vec![0; total], vec![0.0; total * rows * cols]);
        let (mut c, mut v) = (&mut col_idx[..], &mut values[..]);
        let mut copies = Vec::with_capacity(parts.len());
        let mut base = 0;
        for part in parts {
            row_ptr.extend(part.ends.iter().map(|&e| base + e as usize));
            base += part.col_idx.len();
            let (c0, c1) = c.split_at_mut(part.col_idx.len());
            let (v0, v1) = v.split_at_mut(part.values.len());
            (c, v) = (c1, v1);
            copies.push((c0, v0, part));
        }
        copies.into_par_iter().for_each(|(c, v, part)| {
            c.copy_from_slice(&part.col_idx);
            v.copy_from_slice(&part.values);
        });
        Blocks { rows, cols, ncols, row_ptr, col_idx, values }
    }
}

/// `A B`.
pub(super) fn product(a: &Blocks<f64>, b: &impl ByRows) -> Parts {
    match (a.rows, a.cols, b.shape().0) {
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
fn product_of<const R: usize, const K: usize, const C: usize, const RC: usize>(a: &Blocks<f64>, b: &impl ByRows) -> Parts {
    let (cols, ncols) = b.shape();
    build(a.nrows(), ncols, (a.rows, cols), |rows, range| {
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
    b: &impl ByRows,
) {
    product_rows::<R, K, C, RC>(rows, range, a, b);
}

#[inline(always)]
fn product_rows<const R: usize, const K: usize, const C: usize, const RC: usize>(
    rows: &mut Rows<'_>,
    range: Range<usize>,
    a: &Blocks<f64>,
    b: &impl ByRows,
) {
    let (r, inner, c) = if R == 0 { (a.rows, a.cols, b.shape().0) } else { (R, K, C) };
    for i in range {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            let left = &a.values[k * r * inner..][..r * inner];
            let (cols, values) = b.row(a.col_idx[k] as usize);
            for (&col, right) in cols.iter().zip(values.chunks_exact(inner * c)) {
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
