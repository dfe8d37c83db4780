//! The solver of the coarsest level.

use super::blocks::Blocks;
use super::smoother::Chebyshev;
use crate::krylov::vector::lanes;
use crate::real::Real;

/// What solves on the coarsest level.
#[derive(Debug)]
pub(super) enum Coarse<T> {
    Dense(Dense),
    /// Where nothing coarsens any more a large matrix has weak connections alone, and smoothing does.
    Smoother(Blocks<T>, Chebyshev<T>),
}

impl<T: Real> Coarse<T> {
    /// Solves for the right-hand side `r`, which is overwritten, into `x`.
    pub(super) fn solve(&self, r: &mut [T], x: &mut [T], d: &mut Vec<T>, e: &mut Vec<T>) {
        match self {
            Coarse::Dense(dense) => {
                let mut v: Vec<f64> = r.iter().map(|v| v.wide()).collect();
                dense.solve(&mut v);
                x.iter_mut().zip(&v).for_each(|(x, v)| *x = T::of(*v));
            }
            Coarse::Smoother(a, smoother) => smoother.before(a, r, x, d, e),
        }
    }
}

/// Pivots below this part of the diagonal entry count as zero: the matrix is semidefinite, and the unknown is left at zero.
const TINY: f64 = 1e-13;

/// A dense lower factor, row-major.
#[derive(Debug)]
pub(super) struct Dense {
    n: usize,
    factor: Vec<f64>,
    /// Inverse pivots; 0 where the pivot vanished.
    inverse: Vec<f64>,
}

impl Dense {
    /// Factors a small scaled matrix.
    pub(super) fn new(a: &Blocks<f64>) -> Self {
        let b = a.rows;
        let n = a.nrows() * b;
        let mut l = vec![0.0; n * n];
        for i in 0..a.nrows() {
            for k in a.row_ptr[i]..a.row_ptr[i + 1] {
                for p in 0..b {
                    for q in 0..b {
                        l[(i * b + p) * n + a.col_idx[k] as usize * b + q] = a.values[(k * b + p) * b + q];
                    }
                }
            }
        }
        let mut inverse = vec![0.0; n];
        for i in 0..n {
            let (above, row) = l.split_at_mut(i * n);
            let row = &mut row[..n];
            for j in 0..i {
                let other = &above[j * n..][..j];
                row[j] = (row[j] - lanes(&row[..j], other)) * inverse[j];
            }
            let pivot = row[i] - lanes(&row[..i], &row[..i]);
            if pivot > TINY * row[i] {
                row[i] = pivot.sqrt();
                inverse[i] = 1.0 / row[i];
            }
            row[i + 1..].fill(0.0);
        }
        Dense { n, factor: l, inverse }
    }

    /// Solves in place.
    pub(super) fn solve(&self, x: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            let row = &self.factor[i * n..][..i];
            x[i] = (x[i] - lanes(row, &x[..i])) * self.inverse[i];
        }
        for i in (0..n).rev() {
            x[i] *= self.inverse[i];
            let (xi, row) = (x[i], &self.factor[i * n..][..i]);
            x[..i].iter_mut().zip(row).for_each(|(x, l)| *x -= l * xi);
        }
    }
}
