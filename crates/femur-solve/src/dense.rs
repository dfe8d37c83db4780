//! Dense products on plain slices, by faer, on the calling thread: whoever wants threads splits the work outside.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// A dense matrix of rows and columns over a slice: row-major, or the transpose of a row-major one.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// `data` is `[rows, cols]`, row-major.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert!(data.len() >= rows * cols, "a view of {rows} x {cols} over {} values", data.len());
        View { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transpose, without a copy.
    pub fn t(self) -> Self {
        View { data: self.data, rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// Some neighbouring columns, without a copy.
    pub fn columns(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.cols, "columns {first}..{} of {}", first + count, self.cols);
        View { data: &self.data[first * self.col_stride..], cols: count, ..self }
    }

    fn mat(self) -> MatRef<'a, T> {
        // SAFETY: `new` checked that the slice holds rows x cols values; transposing keeps the set of addresses, `columns` a part of it.
        unsafe { MatRef::from_raw_parts(self.data.as_ptr(), self.rows, self.cols, self.row_stride as isize, self.col_stride as isize) }
    }
}

/// `c = a b` (or `c += a b`), with `c` row-major `[a.rows, b.cols]`.
macro_rules! gemm {
    ($name:ident, $t:ty) => {
        /// `c = a b`, or `c += a b` where `add`; `c` is `[a.rows, b.cols]`, row-major in rows of `width` values, of which it takes the
        /// first. Panics where shapes do not fit.
        pub fn $name(c: &mut [$t], width: usize, a: View<'_, $t>, b: View<'_, $t>, add: bool) {
            let (rows, cols) = (a.rows, b.cols);
            assert!(a.cols == b.rows && cols <= width, "{rows}x{} times {}x{cols} into rows of {width}", a.cols, b.rows);
            if rows == 0 || cols == 0 {
                return;
            }
            assert!(c.len() >= (rows - 1) * width + cols, "{rows}x{cols} in rows of {width} over {} values", c.len());
            // SAFETY: the assertions checked the length; `c` is borrowed mutably, so nothing aliases it.
            let c = unsafe { MatMut::from_raw_parts_mut(c.as_mut_ptr(), rows, cols, width as isize, 1) };
            matmul(c, if add { Accum::Add } else { Accum::Replace }, a.mat(), b.mat(), 1.0, Par::Seq);
        }
    };
}

gemm!(gemm_f32, f32);
gemm!(gemm_f64, f64);

/// Eigenvalues `[n]` and eigenvectors (columns of `[n, n]`, row-major) of a symmetric matrix `a` `[n, n]`, which is overwritten, by
/// cyclic Jacobi rotations (Golub and Van Loan, ch. 8.5): slow beyond some hundred rows, and the same bits on any number of threads.
pub fn symmetric_eigen(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let scale = a[..n * n].iter().map(|v| v * v).sum::<f64>().sqrt();
    for _ in 0..60 {
        let off = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j].powi(2)).sum::<f64>().sqrt();
        if off.is_nan() || off <= 1e-15 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] != 0.0 {
                    rotate(a, &mut vectors, n, p, q);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// The rotation in the plane of `p` and `q` that makes `a[p, q]` zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let tau = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
    let t = if tau >= 0.0 { 1.0 / (tau + tau.hypot(1.0)) } else { -1.0 / (-tau + tau.hypot(1.0)) };
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (x, y) = (a[p * n + k], a[q * n + k]);
        (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..n {
        let (x, y) = (a[k * n + p], a[k * n + q]);
        (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
        (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
    }
    (a[p * n + q], a[q * n + p]) = (0.0, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        let (m, k, n) = (5, 7, 3);
        let a: Vec<f64> = (0..m * k).map(|i| (i as f64 * 0.37).sin()).collect();
        let b: Vec<f64> = (0..k * n).map(|i| (i as f64 * 0.71).cos()).collect();
        let mut c = vec![1.0; m * n];
        gemm_f64(&mut c, n, View::new(&a, m, k), View::new(&b, k, n), true);
        for i in 0..m {
            for j in 0..n {
                let s: f64 = (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum();
                assert!((c[i * n + j] - 1.0 - s).abs() < 1e-13);
            }
        }
        let mut d = vec![0.0; k * k];
        gemm_f64(&mut d, k, View::new(&a, m, k).t(), View::new(&a, m, k), false);
        let s: f64 = (0..m).map(|i| a[i * k + 2] * a[i * k + 4]).sum();
        assert!((d[2 * k + 4] - s).abs() < 1e-13);
    }
    #[test]
    fn eigenvectors_diagonalise() {
        let n = 9;
        let a: Vec<f64> = (0..n * n).map(|k| ((k / n * k % n) as f64).cos() + ((k % n * (k / n)) as f64).sin()).collect();
        let symmetric: Vec<f64> = (0..n * n).map(|k| a[k] + a[k % n * n + k / n]).collect();
        let (values, v) = symmetric_eigen(&mut symmetric.clone(), n);
        for i in 0..n {
            for j in 0..n {
                let av: f64 = (0..n).map(|k| symmetric[i * n + k] * v[k * n + j]).sum();
                assert!((av - values[j] * v[i * n + j]).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn products_of_columns_go_into_columns() {
        let x: Vec<f64> = (0..12).map(f64::from).collect();
        let whole = View::new(&x, 3, 4);
        let mut c = [-1.0; 3 * 5];
        // Columns 1 and 2 of x times the transpose of columns 0 and 1 of its first two rows, into columns 2 and 3 of c.
        gemm_f64(&mut c[2..], 5, whole.columns(1, 2), View::new(&x, 2, 4).columns(0, 2).t(), false);
        for i in 0..3 {
            for j in 0..2 {
                let s = x[i * 4 + 1] * x[j * 4] + x[i * 4 + 2] * x[j * 4 + 1];
                assert_eq!(c[i * 5 + 2 + j], s);
            }
            assert_eq!([c[i * 5], c[i * 5 + 1], c[i * 5 + 4]], [-1.0; 3]);
        }
    }
}
