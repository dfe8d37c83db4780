//! Division by the blocks on the diagonal.

use super::{finite, square};
use crate::{CsrMatrix, Preconditioner, SolveError};

/// The inverses of the blocks on the diagonal, for any matrix whose blocks have one.
pub struct BlockJacobi {
    block: usize,
    /// `[blocks, block, block]`, row-major.
    inverse: Vec<f64>,
}

impl BlockJacobi {
    /// With blocks of `block` rows (unknowns of a node); the last one may be smaller.
    pub fn new(a: &CsrMatrix, block: usize) -> Result<Self, SolveError> {
        square(a)?;
        finite(a)?;
        let (n, b) = (a.nrows, block.clamp(1, a.nrows.max(1)));
        let mut inverse = vec![0.0; n.div_ceil(b) * b * b];
        let mut work = vec![0.0; b * b];
        for (k, out) in inverse.chunks_exact_mut(b * b).enumerate() {
            let (first, size) = (k * b, b.min(n - k * b));
            work.fill(0.0);
            for i in 0..size {
                let (cols, values) = a.row(first + i);
                for (&c, &v) in cols.iter().zip(values).filter(|(c, _)| (first..first + size).contains(&(**c as usize))) {
                    work[i * b + c as usize - first] = v;
                }
            }
            invert(&mut work, out, b, size).map_err(|p| SolveError::Pivot { kind: "singular in a block", pivot: first + p, size: n })?;
        }
        Ok(BlockJacobi { block: b, inverse })
    }
}

impl Preconditioner for BlockJacobi {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let b = self.block;
        for ((z, r), inverse) in z.chunks_mut(b).zip(r.chunks(b)).zip(self.inverse.chunks_exact(b * b)) {
            for (z, row) in z.iter_mut().zip(inverse.chunks_exact(b)) {
                *z = row.iter().zip(r).map(|(m, r)| m * r).sum();
            }
        }
    }
}

/// Gauss-Jordan elimination with row pivoting of the leading `size` rows and columns; the pivot that vanished, if one did.
fn invert(m: &mut [f64], inverse: &mut [f64], b: usize, size: usize) -> Result<(), usize> {
    (0..size).for_each(|i| inverse[i * b + i] = 1.0);
    let largest = m.iter().fold(0.0f64, |a, v| a.max(v.abs()));
    for p in 0..size {
        let best = (p..size).max_by(|&i, &j| m[i * b + p].abs().total_cmp(&m[j * b + p].abs())).unwrap_or(p);
        let pivot = m[best * b + p];
        // Relative to the block, unless it is a single number.
        if pivot.abs() <= f64::EPSILON * largest * f64::from(u8::from(size > 1)) || !(1.0 / pivot).is_finite() {
            return Err(p);
        }
        for q in 0..size {
            m.swap(p * b + q, best * b + q);
            inverse.swap(p * b + q, best * b + q);
        }
        for i in (0..size).filter(|&i| i != p) {
            let f = m[i * b + p] / pivot;
            for q in 0..size {
                m[i * b + q] -= f * m[p * b + q];
                inverse[i * b + q] -= f * inverse[p * b + q];
            }
        }
        for q in 0..size {
            m[p * b + q] /= pivot;
            inverse[p * b + q] /= pivot;
        }
    }
    Ok(())
}
