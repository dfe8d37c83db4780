//! The two float types that networks run in: `f32`, and `f64` for the checks of gradients.

use crate::product;
use dfdx::shapes::Dtype;
use femur_solve::dense::{View, gemm_f32, gemm_f64};
use std::sync::Mutex;

/// A float that dfdx stores and faer multiplies.
pub trait Real: Dtype + femur_solve::Real + std::iter::Sum {
    /// exp.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Memory that waits for use.
    fn pool() -> &'static Mutex<Vec<Vec<Self>>>;
    /// The nearest bfloat16.
    fn rounded(self) -> Self;
    /// The same values, if they are f32.
    fn as_f32(x: &[Self]) -> Option<&[f32]>;
    /// The same values to write to, if they are f32.
    fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]>;
    /// `c = a b` or `c += a b`; `c` is written at `at`.
    fn gemm(c: &mut [Self], at: Block, a: View<'_, Self>, b: View<'_, Self>, add: bool);
}

/// Where a product goes within a row-major matrix: from column `first` on, in rows of `width` values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Columns of the whole matrix.
    pub width: usize,
    /// First column of the block.
    pub first: usize,
}

impl Block {
    /// The whole of a matrix of that many columns.
    pub fn whole(width: usize) -> Self {
        Block { width, first: 0 }
    }
}

impl Real for f32 {
    /// exp without branches or table, so that loops over it become vector code: 2^n times a polynomial on +-ln(2)/2 (the minimax
    /// coefficients are those of Moshier's Cephes library, expf.c). Relative error below 2e-7; 0 below -87, at most exp(88).
    #[inline(always)]
    fn exp(self) -> Self {
        // Adding and taking off 1.5 * 2^23 rounds to the nearest integer.
        const ROUND: f32 = 12_582_912.0;
        let x = self.clamp(-87.0, 88.0);
        let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
        let r = (x - n * (355.0 / 512.0)) + n * 2.121_944_4e-4;
        let p = ((((1.987_569_2e-4 * r + 1.398_2e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 0.5;
        let p = p * r * r + r + 1.0;
        let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
        p * power
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    fn pool() -> &'static Mutex<Vec<Vec<f32>>> {
        static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
        &POOL
    }
    fn rounded(self) -> Self {
        product::to_bf16(self)
    }
    fn as_f32(x: &[f32]) -> Option<&[f32]> {
        Some(x)
    }
    fn as_f32_mut(x: &mut [f32]) -> Option<&mut [f32]> {
        Some(x)
    }
    fn gemm(c: &mut [Self], at: Block, a: View<'_, Self>, b: View<'_, Self>, add: bool) {
        gemm_f32(&mut c[at.first..], at.width, a, b, add);
    }
}

impl Real for f64 {
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn pool() -> &'static Mutex<Vec<Vec<f64>>> {
        static POOL: Mutex<Vec<Vec<f64>>> = Mutex::new(Vec::new());
        &POOL
    }
    fn rounded(self) -> Self {
        f64::from(product::to_bf16(self as f32))
    }
    fn as_f32(_: &[f64]) -> Option<&[f32]> {
        None
    }
    fn as_f32_mut(_: &mut [f64]) -> Option<&mut [f32]> {
        None
    }
    fn gemm(c: &mut [Self], at: Block, a: View<'_, Self>, b: View<'_, Self>, add: bool) {
        gemm_f64(&mut c[at.first..], at.width, a, b, add);
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn exp_is_accurate_to_single_precision() {
        for k in -8700..=8800 {
            let x = k as f32 * 0.01 - 0.003;
            let exact = f64::from(x).exp();
            let relative = (f64::from(Real::exp(x)) - exact).abs() / exact;
            assert!(relative < 2e-7 || x < -86.99, "exp({x}): {relative:e}");
        }
        assert!(Real::exp(f32::NAN).is_nan());
    }
}
