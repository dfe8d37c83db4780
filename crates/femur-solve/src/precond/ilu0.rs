//! Incomplete LU without fill.

use super::{finite, square};
use crate::{CsrMatrix, Preconditioner, SolveError};

/// Pivots below this part of the diagonal entry (of the largest of the row where that is zero) are no good.
const SMALL: f64 = 1e-8;

/// Incomplete LU on the pattern of the matrix (Meijerink and van der Vorst 1977; Saad 2003, ch. 10.3), for any matrix with its diagonal
/// stored. Where a pivot is too small the diagonal is shifted and it starts again (Manteuffel 1980).
pub struct IncompleteLu {
    /// Unit lower factor and upper factor in one.
    factors: CsrMatrix,
    /// Where the diagonal of each row stands.
    diagonal: Vec<usize>,
}

impl IncompleteLu {
    /// Factors; the shift grows from 0 to 1e-3, 2e-3, ... times the diagonal, so that units do not matter.
    pub fn new(a: &CsrMatrix) -> Result<Self, SolveError> {
        square(a)?;
        finite(a)?;
        let singular = |pivot| SolveError::Pivot { kind: "without a usable diagonal", pivot, size: a.nrows };
        let place = |r: usize| a.row(r).0.binary_search(&(r as u32)).map(|k| a.row_ptr[r] + k).map_err(|_| singular(r));
        let diagonal = (0..a.nrows).map(place).collect::<Result<Vec<_>, _>>()?;
        let mut shift = 0.0;
        loop {
            match factor(a, &diagonal, shift) {
                Ok(factors) => return Ok(IncompleteLu { factors, diagonal }),
                Err(pivot) if shift > 10.0 => return Err(singular(pivot)),
                Err(_) => shift = if shift == 0.0 { 1e-3 } else { 2.0 * shift },
            }
        }
    }
}

/// Factors with the diagonal shifted; the row whose pivot is too small, if one is.
fn factor(a: &CsrMatrix, diagonal: &[usize], shift: f64) -> Result<CsrMatrix, usize> {
    const ABSENT: usize = usize::MAX;
    let mut f = a.clone();
    let mut place = vec![ABSENT; a.ncols];
    for i in 0..a.nrows {
        let range = a.row_ptr[i]..a.row_ptr[i + 1];
        let largest = a.values[range.clone()].iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let d = a.values[diagonal[i]];
        let size = if d == 0.0 { largest } else { d.abs() };
        f.values[diagonal[i]] += shift * size.copysign(d);
        range.clone().for_each(|k| place[a.col_idx[k] as usize] = k);
        for k in range.start..diagonal[i] {
            let row = a.col_idx[k] as usize;
            let l = f.values[k] / f.values[diagonal[row]];
            f.values[k] = l;
            for upper in diagonal[row] + 1..a.row_ptr[row + 1] {
                let to = place[a.col_idx[upper] as usize];
                if to != ABSENT {
                    f.values[to] -= l * f.values[upper];
                }
            }
        }
        range.for_each(|k| place[a.col_idx[k] as usize] = ABSENT);
        let pivot = f.values[diagonal[i]].abs();
        if !(pivot > SMALL * size && pivot.is_finite()) {
            return Err(i);
        }
    }
    Ok(f)
}

impl Preconditioner for IncompleteLu {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        let f = &self.factors;
        let sum = |range: std::ops::Range<usize>, z: &[f64]| -> f64 { range.map(|k| f.values[k] * z[f.col_idx[k] as usize]).sum() };
        for i in 0..r.len() {
            z[i] = r[i] - sum(f.row_ptr[i]..self.diagonal[i], z);
        }
        for i in (0..r.len()).rev() {
            z[i] = (z[i] - sum(self.diagonal[i] + 1..f.row_ptr[i + 1], z)) / f.values[self.diagonal[i]];
        }
    }
}
