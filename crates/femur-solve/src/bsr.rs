//! Block sparse rows: a small dense block per pair of nodes, for problems with several unknowns at each node.
//!
//! One column number serves a whole block, so a product reads a ninth of the numbers that CSR reads for 3 x 3 blocks.

use crate::{CsrMatrix, LinearOperator};
use rayon::prelude::*;

/// A sparse matrix of square blocks by rows of blocks; block columns ascend within a row.
#[derive(Debug, Clone, PartialEq)]
pub struct BsrMatrix {
    /// Rows and columns of a block (unknowns per node).
    pub block: usize,
    /// Number of block rows.
    pub nrows: usize,
    /// Number of block columns.
    pub ncols: usize,
    /// Start of each block row `[nrows + 1]`, counted in blocks.
    pub row_ptr: Vec<usize>,
    /// Block column numbers `[blocks]`.
    pub col_idx: Vec<u32>,
    /// Values `[blocks, block, block]`, row-major within a block.
    pub values: Vec<f64>,
}

impl BsrMatrix {
    /// Number of stored blocks.
    pub fn num_blocks(&self) -> usize {
        self.col_idx.len()
    }

    /// As single rows; every entry of a stored block is stored, zeros too.
    pub fn to_csr(&self) -> CsrMatrix {
        let b = self.block;
        let mut row_ptr = Vec::with_capacity(self.nrows * b + 1);
        let (mut col_idx, mut values) = (Vec::with_capacity(self.values.len()), Vec::with_capacity(self.values.len()));
        row_ptr.push(0);
        for r in 0..self.nrows {
            let range = self.row_ptr[r]..self.row_ptr[r + 1];
            for i in 0..b {
                for k in range.clone() {
                    let first = self.col_idx[k] * b as u32;
                    col_idx.extend(first..first + b as u32);
                    values.extend_from_slice(&self.values[(k * b + i) * b..(k * b + i + 1) * b]);
                }
                row_ptr.push(col_idx.len());
            }
        }
        CsrMatrix { nrows: self.nrows * b, ncols: self.ncols * b, row_ptr, col_idx, values }
    }

    /// Blocks of a matrix whose sizes are multiples of `block`; `None` where they are not. Entries that a block lacks are zero.
    pub fn from_csr(a: &CsrMatrix, block: usize) -> Option<Self> {
        if block == 0 || !a.nrows.is_multiple_of(block) || !a.ncols.is_multiple_of(block) {
            return None;
        }
        let b = block;
        let (nrows, ncols) = (a.nrows / b, a.ncols / b);
        let mut m = BsrMatrix { block, nrows, ncols, row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        let mut columns: Vec<u32> = Vec::new();
        for r in 0..nrows {
            columns.clear();
            for i in 0..b {
                columns.extend(a.row(r * b + i).0.iter().map(|&c| c / b as u32));
            }
            columns.sort_unstable();
            columns.dedup();
            let start = m.col_idx.len();
            m.col_idx.extend_from_slice(&columns);
            m.values.resize(m.col_idx.len() * b * b, 0.0);
            for i in 0..b {
                let (cols, values) = a.row(r * b + i);
                let mut k = 0;
                for (&c, &v) in cols.iter().zip(values) {
                    while columns[k] != c / b as u32 {
                        k += 1;
                    }
                    m.values[((start + k) * b + i) * b + c as usize % b] = v;
                }
            }
            m.row_ptr.push(m.col_idx.len());
        }
        Some(m)
    }

    fn product<const B: usize>(&self, r: usize, x: &[f64], y: &mut [f64]) {
        let mut sum = [0.0; B];
        for k in self.row_ptr[r]..self.row_ptr[r + 1] {
            let x = &x[self.col_idx[k] as usize * B..][..B];
            let values = &self.values[k * B * B..][..B * B];
            for i in 0..B {
                for j in 0..B {
                    sum[i] += values[i * B + j] * x[j];
                }
            }
        }
        y.copy_from_slice(&sum);
    }

    fn product_any(&self, r: usize, x: &[f64], y: &mut [f64]) {
        let b = self.block;
        y.fill(0.0);
        for k in self.row_ptr[r]..self.row_ptr[r + 1] {
            let x = &x[self.col_idx[k] as usize * b..][..b];
            for (i, y) in y.iter_mut().enumerate() {
                let row = &self.values[(k * b + i) * b..][..b];
                *y += row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>();
            }
        }
    }
}

impl LinearOperator for BsrMatrix {
    fn nrows(&self) -> usize {
        self.nrows * self.block
    }

    fn ncols(&self) -> usize {
        self.ncols * self.block
    }

    /// Each row is one sum in column order, so any number of threads gives the same bits.
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let row = |(r, y): (usize, &mut [f64])| match self.block {
            2 => self.product::<2>(r, x, y),
            3 => self.product::<3>(r, x, y),
            _ => self.product_any(r, x, y),
        };
        if self.values.len() < 200_000 {
            y.chunks_mut(self.block).enumerate().for_each(row);
        } else {
            y.par_chunks_mut(self.block).with_min_len(2048).enumerate().for_each(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_single_rows_are_the_same_matrix() {
        for block in 1..=4 {
            let n = 7 * block;
            let t: Vec<(usize, usize, f64)> =
                (0..200).map(|k| (k * 13 % n, k * 29 % n, (k as f64).sin())).chain((0..n).map(|i| (i, i, 2.0))).collect();
            let csr = CsrMatrix::from_triplets(n, n, &t);
            let bsr = BsrMatrix::from_csr(&csr, block).unwrap();
            let x: Vec<f64> = (0..n).map(|i| (i as f64).cos()).collect();
            let (mut y, mut z) = (vec![0.0; n], vec![0.0; n]);
            csr.apply(&x, &mut y);
            bsr.apply(&x, &mut z);
            assert!(y.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-13));
            assert_eq!(BsrMatrix::from_csr(&bsr.to_csr(), block).unwrap(), bsr);
        }
        assert!(BsrMatrix::from_csr(&CsrMatrix::from_triplets(5, 5, &[]), 2).is_none());
    }
}
