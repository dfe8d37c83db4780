//! Compressed sparse rows with 32-bit column numbers.

use crate::{LinearOperator, SolveError};
use rayon::prelude::*;

/// A sparse matrix by rows; columns ascend within a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CsrMatrix {
    /// Number of rows.
    pub nrows: usize,
    /// Number of columns.
    pub ncols: usize,
    /// Start of each row `[nrows + 1]`.
    pub row_ptr: Vec<usize>,
    /// Column numbers `[nnz]`.
    pub col_idx: Vec<u32>,
    /// Values `[nnz]`.
    pub values: Vec<f64>,
}

impl CsrMatrix {
    /// From `(row, column, value)`; repeats are added up in the order given.
    pub fn from_triplets(nrows: usize, ncols: usize, triplets: &[(usize, usize, f64)]) -> Self {
        let mut order: Vec<usize> = (0..triplets.len()).collect();
        order.sort_by_key(|&i| (triplets[i].0, triplets[i].1));
        let mut m = CsrMatrix { nrows, ncols, row_ptr: vec![0; nrows + 1], col_idx: Vec::new(), values: Vec::new() };
        let mut last = None;
        for i in order {
            let (r, c, v) = triplets[i];
            if last == Some((r, c)) {
                if let Some(value) = m.values.last_mut() {
                    *value += v;
                }
            } else {
                m.col_idx.push(c as u32);
                m.values.push(v);
                m.row_ptr[r + 1] += 1;
                last = Some((r, c));
            }
        }
        for r in 0..nrows {
            m.row_ptr[r + 1] += m.row_ptr[r];
        }
        m
    }

    /// Number of stored entries.
    pub fn nnz(&self) -> usize {
        self.col_idx.len()
    }

    /// Columns and values of a row.
    pub fn row(&self, r: usize) -> (&[u32], &[f64]) {
        let range = self.row_ptr[r]..self.row_ptr[r + 1];
        (&self.col_idx[range.clone()], &self.values[range])
    }

    /// Entry `(r, c)`, 0 where none is stored.
    pub fn get(&self, r: usize, c: usize) -> f64 {
        let (cols, values) = self.row(r);
        cols.binary_search(&(c as u32)).map_or(0.0, |k| values[k])
    }

    /// The diagonal `[nrows]`.
    pub fn diagonal(&self) -> Vec<f64> {
        (0..self.nrows).map(|r| self.get(r, r)).collect()
    }

    /// Without the stored zeros: products with it take less time where many unknowns of neighbouring nodes are not coupled.
    #[must_use]
    pub fn without_zeros(&self) -> CsrMatrix {
        let kept = self.values.iter().filter(|v| **v != 0.0).count();
        let (mut col_idx, mut values) = (Vec::with_capacity(kept), Vec::with_capacity(kept));
        let mut row_ptr = Vec::with_capacity(self.nrows + 1);
        row_ptr.push(0);
        for r in 0..self.nrows {
            let (cols, row) = self.row(r);
            for (&c, &v) in cols.iter().zip(row).filter(|(_, v)| **v != 0.0) {
                col_idx.push(c);
                values.push(v);
            }
            row_ptr.push(values.len());
        }
        CsrMatrix { nrows: self.nrows, ncols: self.ncols, row_ptr, col_idx, values }
    }

    /// The block of these rows and columns, both ascending, in their order; stored zeros stay.
    #[must_use]
    pub fn select(&self, rows: &[u32], columns: &[u32]) -> CsrMatrix {
        let mut number = vec![None; self.ncols];
        columns.iter().enumerate().for_each(|(j, &c)| number[c as usize] = Some(j as u32));
        let mut block = CsrMatrix { nrows: rows.len(), ncols: columns.len(), row_ptr: vec![0], ..CsrMatrix::default() };
        for &r in rows {
            let (cols, values) = self.row(r as usize);
            for (j, &v) in cols.iter().zip(values).filter_map(|(&c, v)| Some((number[c as usize]?, v))) {
                block.col_idx.push(j);
                block.values.push(v);
            }
            block.row_ptr.push(block.col_idx.len());
        }
        block
    }

    /// The product of a row with a vector `[ncols]`.
    #[inline]
    pub fn row_times(&self, r: usize, x: &[f64]) -> f64 {
        let (cols, values) = self.row(r);
        // Four sums side by side: one alone waits for each addition.
        let mut sums = [0.0; 4];
        let (c4, v4) = (cols.chunks_exact(4), values.chunks_exact(4));
        let rest: f64 = c4.remainder().iter().zip(v4.remainder()).map(|(&c, v)| v * x[c as usize]).sum();
        for (c, v) in c4.zip(v4) {
            for k in 0..4 {
                sums[k] += v[k] * x[c[k] as usize];
            }
        }
        (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
    }

    /// The transpose.
    pub fn transpose(&self) -> CsrMatrix {
        let mut row_ptr = vec![0usize; self.ncols + 1];
        for &c in &self.col_idx {
            row_ptr[c as usize + 1] += 1;
        }
        for c in 0..self.ncols {
            row_ptr[c + 1] += row_ptr[c];
        }
        let mut next = row_ptr.clone();
        let (mut col_idx, mut values) = (vec![0u32; self.nnz()], vec![0.0; self.nnz()]);
        for r in 0..self.nrows {
            let (cols, vals) = self.row(r);
            for (&c, &v) in cols.iter().zip(vals) {
                let k = &mut next[c as usize];
                col_idx[*k] = r as u32;
                values[*k] = v;
                *k += 1;
            }
        }
        CsrMatrix { nrows: self.ncols, ncols: self.nrows, row_ptr, col_idx, values }
    }

    /// As a nalgebra-sparse matrix (copies).
    pub fn to_nalgebra(&self) -> Result<nalgebra_sparse::CsrMatrix<f64>, SolveError> {
        let cols = self.col_idx.iter().map(|&c| c as usize).collect();
        nalgebra_sparse::CsrMatrix::try_from_csr_data(self.nrows, self.ncols, self.row_ptr.clone(), cols, self.values.clone())
            .map_err(|_| SolveError::Pattern)
    }

    /// From a nalgebra-sparse matrix (copies).
    pub fn from_nalgebra(m: &nalgebra_sparse::CsrMatrix<f64>) -> Self {
        CsrMatrix {
            nrows: m.nrows(),
            ncols: m.ncols(),
            row_ptr: m.row_offsets().to_vec(),
            col_idx: m.col_indices().iter().map(|&c| c as u32).collect(),
            values: m.values().to_vec(),
        }
    }
}

impl LinearOperator for CsrMatrix {
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    /// Each row is summed by one thread in a fixed order, so any number of threads gives the same bits.
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let product = |r: usize| self.row_times(r, x);
        if self.nnz() < 200_000 {
            y.iter_mut().enumerate().for_each(|(r, y)| *y = product(r));
        } else {
            y.par_iter_mut().with_min_len(4096).enumerate().for_each(|(r, y)| *y = product(r));
        }
    }
}
