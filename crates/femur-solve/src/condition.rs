//! How ill-conditioned a factored matrix is.
//!
//! What counts is the condition of `S A S` with a unit diagonal: units, or a soft part that hangs on a stiff one, cost a factorisation no
//! digits, and such a scaling is nearly the best (van der Sluis 1969).

use crate::{CsrMatrix, SolveError};

/// The diagonal scaling `S` `[n]`; 1 where the diagonal is zero.
pub(crate) fn unit_diagonal(a: &CsrMatrix) -> Vec<f64> {
    a.diagonal().iter().map(|d| if *d != 0.0 && d.is_finite() { 1.0 / d.abs().sqrt() } else { 1.0 }).collect()
}

/// The 1-norm of `S A S`.
pub(crate) fn norm(a: &CsrMatrix, scale: &[f64]) -> f64 {
    let mut columns = vec![0.0; a.ncols];
    for (r, s) in scale.iter().enumerate() {
        let (cols, values) = a.row(r);
        cols.iter().zip(values).for_each(|(&c, v)| columns[c as usize] += (s * v * scale[c as usize]).abs());
    }
    columns.into_iter().fold(0.0, f64::max)
}

/// A lower bound of the norm of an inverse, mostly within a factor of three (Hager 1984; Higham 1988): that in the 1-norm, or with a
/// `solve` that cannot transpose the larger of those in the 1- and the infinity-norm.
///
/// `image` is what the inverse made of a vector with 1-norm 1; `solve(v, transposed)` applies the inverse in place, at most twice in
/// each of the `rounds`.
pub(crate) fn inverse_norm(
    mut image: Vec<f64>,
    rounds: usize,
    solve: &dyn Fn(&mut [f64], bool) -> Result<(), SolveError>,
) -> Result<f64, SolveError> {
    let (mut best, mut at) = (0.0_f64, usize::MAX);
    for round in 0..=rounds {
        let sum: f64 = image.iter().map(|v| v.abs()).sum();
        if round > 0 && (sum.is_nan() || sum <= best) {
            break;
        }
        best = best.max(sum);
        if round == rounds {
            break;
        }
        image.iter_mut().for_each(|v| *v = if *v < 0.0 { -1.0 } else { 1.0 });
        solve(&mut image, true)?;
        let largest = image.iter().enumerate().fold((usize::MAX, 0.0), |best, (i, v)| if v.abs() > best.1 { (i, v.abs()) } else { best });
        best = best.max(largest.1);
        if largest.0 == at || largest.0 == usize::MAX {
            break;
        }
        at = largest.0;
        image.fill(0.0);
        image[at] = 1.0;
        solve(&mut image, false)?;
    }
    Ok(best)
}

/// An estimate from an answer `x` of `A x = b`, which tells something already, and two more solves.
pub(crate) fn from_answer(
    a: &CsrMatrix,
    x: &[f64],
    b: &[f64],
    solve: &dyn Fn(&mut [f64]) -> Result<(), SolveError>,
) -> Result<f64, SolveError> {
    let scale = unit_diagonal(a);
    let size: f64 = b.iter().zip(&scale).map(|(b, s)| (b * s).abs()).sum();
    let image = x.iter().zip(&scale).map(|(x, s)| if size > 0.0 { x / s / size } else { 0.0 }).collect();
    Ok(norm(a, &scale) * inverse_norm(image, 1, &|v, _| scaled(v, &scale, solve))?)
}

/// `v <- S^-1 A^-1 S^-1 v`.
pub(crate) fn scaled(v: &mut [f64], scale: &[f64], solve: &dyn Fn(&mut [f64]) -> Result<(), SolveError>) -> Result<(), SolveError> {
    v.iter_mut().zip(scale).for_each(|(v, s)| *v /= s);
    solve(v)?;
    v.iter_mut().zip(scale).for_each(|(v, s)| *v /= s);
    Ok(())
}
