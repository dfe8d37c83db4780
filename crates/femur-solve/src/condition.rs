//! How ill-conditioned a factored matrix is.
//!
//! What counts is the condition of `S A S` with a unit diagonal: units, or a soft part that hangs on a stiff one, cost a factorisation no
//! digits, and such a scaling is nearly the best (van der Sluis 1969).

use crate::{CsrMatrix, LinearOperator, SolveError};

/// Condition number up to which a factor in single precision tells it.
const TOLD_BY_SINGLE: f64 = 1e6;

/// Applies an inverse in place.
type Solve<'a> = &'a dyn Fn(&mut [f64]) -> Result<(), SolveError>;
/// As [`Solve`], or with `true` that of the transpose.
type SolveEither<'a> = &'a dyn Fn(&mut [f64], bool) -> Result<(), SolveError>;

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

/// A lower bound of the 1-norm of an inverse, mostly within a factor of three (Hager 1984; Higham 1988). `image` is what the inverse
/// made of a vector with 1-norm 1; `solve(v, transposed)` applies the inverse in place, at most twice in each of the `rounds`.
pub(crate) fn inverse_norm(mut image: Vec<f64>, rounds: usize, solve: SolveEither<'_>) -> Result<f64, SolveError> {
    let mut best = sum(&image);
    let mut at = usize::MAX;
    for _ in 0..rounds {
        let (place, largest) = steepest(&mut image, &|v| solve(v, true))?;
        best = best.max(largest);
        if place == at || image.is_empty() {
            break;
        }
        at = place;
        image.fill(0.0);
        image[at] = 1.0;
        solve(&mut image, false)?;
        let next = sum(&image);
        if next.is_nan() || next <= best {
            break;
        }
        best = next;
    }
    Ok(best)
}

/// An estimate from an answer `x` of `A x = b`, which tells something already, and one more solve: Hager's first step. Where `solve`
/// does not transpose, it bounds the larger of the condition numbers in the 1- and the infinity-norm.
///
/// A factor in `single` precision does not know eigenvalues below its rounding, but still their vectors: the answer is then that of
/// Rayleigh's quotient, of a positive definite matrix.
pub(crate) fn from_answer(a: &CsrMatrix, x: &[f64], b: &[f64], single: bool, solve: Solve<'_>) -> Result<f64, SolveError> {
    let scale = unit_diagonal(a);
    let size: f64 = b.iter().zip(&scale).map(|(b, s)| (b * s).abs()).sum();
    let mut v: Vec<f64> = x.iter().zip(&scale).map(|(x, s)| if size > 0.0 { x / s / size } else { 0.0 }).collect();
    let answer = sum(&v);
    let (_, largest) = steepest(&mut v, &|v| scaled(v, &scale, solve))?;
    let (norm, inverse) = (norm(a, &scale), answer.max(largest));
    if !single || norm * inverse < TOLD_BY_SINGLE {
        return Ok(norm * inverse);
    }
    let square: f64 = v.iter().map(|v| v * v).sum();
    v.iter_mut().zip(&scale).for_each(|(v, s)| *v *= s);
    let mut image = vec![0.0; v.len()];
    a.apply(&v, &mut image);
    Ok(norm * square / v.iter().zip(&image).map(|(v, i)| v * i).sum::<f64>().abs())
}

fn sum(v: &[f64]) -> f64 {
    v.iter().map(|v| v.abs()).sum()
}

/// Applies the inverse to the signs of a vector, in place; the largest entry then, and where it is.
fn steepest(v: &mut [f64], inverse: Solve<'_>) -> Result<(usize, f64), SolveError> {
    v.iter_mut().for_each(|v| *v = if *v < 0.0 { -1.0 } else { 1.0 });
    inverse(v)?;
    Ok(v.iter().enumerate().fold((0, 0.0), |best, (i, v)| if v.abs() > best.1 { (i, v.abs()) } else { best }))
}

/// `v <- S^-1 A^-1 S^-1 v`.
pub(crate) fn scaled(v: &mut [f64], scale: &[f64], solve: Solve<'_>) -> Result<(), SolveError> {
    v.iter_mut().zip(scale).for_each(|(v, s)| *v /= s);
    solve(v)?;
    v.iter_mut().zip(scale).for_each(|(v, s)| *v /= s);
    Ok(())
}
