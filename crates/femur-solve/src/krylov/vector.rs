//! Sums and updates of vectors, in parallel above some size. Sums run over fixed parts that are added in order, so any number of threads
//! gives the same bits.

use rayon::prelude::*;

/// Entries of a part.
const PART: usize = 8192;
/// Length below which one thread is faster.
const SERIAL: usize = 1 << 16;

/// The scalar product of two vectors.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() < SERIAL {
        return a.chunks(PART).zip(b.chunks(PART)).map(|(a, b)| lanes(a, b)).sum();
    }
    let parts: Vec<f64> = a.par_chunks(PART).zip(b.par_chunks(PART)).map(|(a, b)| lanes(a, b)).collect();
    parts.iter().sum()
}

/// A sum in eight lanes, which the compiler keeps in vector registers.
pub(crate) fn lanes(a: &[f64], b: &[f64]) -> f64 {
    let mut sum = [0.0; 8];
    let (ca, cb) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = ca.remainder().iter().zip(cb.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in ca.zip(cb) {
        for k in 0..8 {
            sum[k] += a[k] * b[k];
        }
    }
    sum.iter().sum::<f64>() + rest
}

/// The 2-norm, also where squares leave the range of numbers.
pub(crate) fn norm(a: &[f64]) -> f64 {
    let square = dot(a, a);
    if square > 1e-280 && square < 1e280 {
        return square.sqrt();
    }
    // NaN passes through the maximum's comparison unseen, not through the sum.
    let largest = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if square.is_nan() || largest == 0.0 || largest.is_infinite() {
        return if square.is_nan() { f64::NAN } else { largest };
    }
    let sum: f64 = a.iter().map(|v| (v / largest).powi(2)).sum();
    largest * sum.sqrt()
}

/// Runs `f` on the same parts of two vectors, the first of which changes.
pub(crate) fn update(y: &mut [f64], x: &[f64], f: impl Fn(&mut f64, f64) + Sync) {
    let part = |(y, x): (&mut [f64], &[f64])| y.iter_mut().zip(x).for_each(|(y, x)| f(y, *x));
    if y.len() < SERIAL {
        part((y, x));
    } else {
        y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(part);
    }
}

/// `y += s x`.
pub(crate) fn axpy(s: f64, x: &[f64], y: &mut [f64]) {
    update(y, x, |y, x| *y += s * x);
}
