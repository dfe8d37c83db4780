//! Incomplete Cholesky without fill.

use super::positive_diagonal;
use crate::{CsrMatrix, Preconditioner, SolveError};

/// Incomplete Cholesky without fill; where a pivot fails the diagonal is shifted and it starts again (Manteuffel 1980).
pub struct IncompleteCholesky {
    /// Lower triangle by rows, the diagonal last.
    factor: CsrMatrix,
}

impl IncompleteCholesky {
    /// Factors; the shift grows from 0 to 1e-3, 2e-3, ... times the diagonal.
    pub fn new(a: &CsrMatrix) -> Result<Self, SolveError> {
        positive_diagonal(a)?;
        let mut shift = 0.0;
        loop {
            match Self::factor(a, shift) {
                Ok(factor) => return Ok(IncompleteCholesky { factor }),
                Err(pivot) if shift > 10.0 => return Err(SolveError::Pivot { kind: "not positive definite", pivot, size: a.nrows }),
                Err(_) => shift = if shift == 0.0 { 1e-3 } else { 2.0 * shift },
            }
        }
    }

    fn factor(a: &CsrMatrix, shift: f64) -> Result<CsrMatrix, usize> {
        let n = a.nrows;
        let mut l = CsrMatrix { nrows: n, ncols: n, row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        for i in 0..n {
            let start = l.values.len();
            let (cols, values) = a.row(i);
            for (&c, &v) in cols.iter().zip(values).filter(|(c, _)| **c as usize <= i) {
                let j = c as usize;
                // sum over k < j of l_ik l_jk, by merging the two sorted rows
                let (row_j, end_i) = (if j < i { l.row_ptr[j]..l.row_ptr[j + 1] } else { start..l.values.len() }, l.values.len());
                let (mut p, mut q, mut sum) = (start, row_j.start, 0.0);
                while p < end_i && q < row_j.end {
                    let (x, y) = (l.col_idx[p], l.col_idx[q]);
                    if x as usize >= j || y as usize >= j {
                        break;
                    }
                    if x == y {
                        sum += l.values[p] * l.values[q];
                    }
                    p += usize::from(x <= y);
                    q += usize::from(y <= x);
                }
                let value = if j < i {
                    (v - sum) / l.values[row_j.end - 1]
                } else {
                    let pivot = v * (1.0 + shift) - sum;
                    if pivot.is_nan() || pivot <= 0.0 {
                        return Err(i);
                    }
                    pivot.sqrt()
                };
                l.col_idx.push(c);
                l.values.push(value);
            }
            l.row_ptr.push(l.values.len());
        }
        Ok(l)
    }
}

impl Preconditioner for IncompleteCholesky {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        z.copy_from_slice(r);
        for i in 0..r.len() {
            let (cols, values) = self.factor.row(i);
            let last = cols.len() - 1;
            let sum: f64 = cols[..last].iter().zip(values).map(|(&c, v)| v * z[c as usize]).sum();
            z[i] = (z[i] - sum) / values[last];
        }
        for i in (0..r.len()).rev() {
            let (cols, values) = self.factor.row(i);
            let last = cols.len() - 1;
            z[i] /= values[last];
            let zi = z[i];
            for (&c, v) in cols[..last].iter().zip(values) {
                z[c as usize] -= v * zi;
            }
        }
    }
}
