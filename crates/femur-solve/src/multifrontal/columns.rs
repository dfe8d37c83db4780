//! What substitutions do with several columns of a factor at a time: the vector is then read and written once for all of them.

use crate::real::Real;

/// Columns at a time.
pub(super) const WIDTH: usize = 4;
/// Sums run in as many lanes, so that they run on vector registers in an order that is fixed.
const LANES: usize = 8;

/// The columns from `j` on of a matrix with `m` rows, from the row `first` on.
#[inline(always)]
pub(super) fn below<T>(values: &[T], m: usize, j: usize, first: usize) -> [&[T]; WIDTH] {
    [&values[j * m + first..], &values[(j + 1) * m + first..], &values[(j + 2) * m + first..], &values[(j + 3) * m + first..]]
}

/// `w -= v[0] columns[0] + v[1] columns[1] ...`, one after the other; columns are as long as `w`.
#[inline(always)]
pub(super) fn subtract<T: Real, const W: usize>(w: &mut [T], v: [T; W], columns: [&[T]; W]) {
    let n = w.len();
    let mut cut = columns;
    for column in &mut cut {
        *column = &column[..n];
    }
    for i in 0..n {
        let mut sum = w[i];
        for k in 0..W {
            sum -= v[k] * cut[k][i];
        }
        w[i] = sum;
    }
}

/// `w . columns[k]` for each; columns are as long as `w`.
#[inline(always)]
pub(super) fn products<T: Real, const W: usize>(w: &[T], columns: [&[T]; W]) -> [T; W] {
    let whole = w.len() / LANES * LANES;
    let mut lanes = [[T::default(); LANES]; W];
    for at in (0..whole).step_by(LANES) {
        let own = &w[at..at + LANES];
        for k in 0..W {
            let column = &columns[k][at..at + LANES];
            for l in 0..LANES {
                lanes[k][l] += own[l] * column[l];
            }
        }
    }
    let mut out = [T::default(); W];
    for k in 0..W {
        for (w, c) in w[whole..].iter().zip(&columns[k][whole..]) {
            out[k] += *w * *c;
        }
        for l in 0..LANES {
            out[k] += lanes[k][l];
        }
    }
    out
}
