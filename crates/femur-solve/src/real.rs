//! The numbers that factors and hierarchies are kept in.

use faer::traits::RealField;

/// `f64` or `f32`.
pub trait Real: RealField + Copy + Default + Send + Sync {
    /// Rounded to this type.
    fn of(v: f64) -> Self;
    /// In double precision.
    fn wide(self) -> f64;
}

impl Real for f64 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

impl Real for f32 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v as f32
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}
