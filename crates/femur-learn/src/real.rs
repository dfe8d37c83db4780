//! The two float types that networks run in: `f32`, and `f64` for the checks of gradients.

use dfdx::shapes::Dtype;
use femur_solve::dense::{View, gemm_f32, gemm_f64};

/// A float that dfdx stores and faer multiplies.
pub trait Real: Dtype + std::iter::Sum + std::ops::Neg<Output = Self> {
    /// From f64.
    fn of(v: f64) -> Self;
    /// To f64.
    fn wide(self) -> f64;
    /// exp.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The larger one.
    fn larger(self, other: Self) -> Self;
    /// `c = a b` or `c += a b`; all row-major; `ta`, `tb` transpose. Shapes `(rows, columns)` are those of the stored matrices.
    fn gemm(c: &mut [Self], a: (&[Self], usize, usize, bool), b: (&[Self], usize, usize, bool), add: bool);
}

macro_rules! real {
    ($t:ty, $gemm:ident) => {
        impl Real for $t {
            fn of(v: f64) -> Self {
                v as $t
            }
            fn wide(self) -> f64 {
                f64::from(self)
            }
            fn exp(self) -> Self {
                <$t>::exp(self)
            }
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            fn larger(self, other: Self) -> Self {
                <$t>::max(self, other)
            }
            fn gemm(c: &mut [Self], a: (&[Self], usize, usize, bool), b: (&[Self], usize, usize, bool), add: bool) {
                let mut va = View::new(a.0, a.1, a.2);
                if a.3 {
                    va = va.t();
                }
                let mut vb = View::new(b.0, b.1, b.2);
                if b.3 {
                    vb = vb.t();
                }
                $gemm(c, va, vb, add);
            }
        }
    };
}

real!(f32, gemm_f32);
real!(f64, gemm_f64);
