//! Several cells at a time: one number of each in a lane.

use std::ops::{Add, Mul, Sub};

/// Cells of a batch: the doubles of one AVX2 register.
pub(crate) const LANES: usize = 4;

/// One number of each cell of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(32))]
pub(crate) struct Lanes(pub(crate) [f64; LANES]);

// Written out lane by lane: a closure would be compiled as a function of its own, without the instruction set of its caller.
impl Lanes {
    /// Zero in every lane.
    pub(crate) const ZERO: Lanes = Lanes([0.0; LANES]);

    /// The same number in every lane.
    #[inline(always)]
    pub(crate) fn splat(v: f64) -> Self {
        Lanes([v; LANES])
    }

    /// `1 / self`.
    #[inline(always)]
    pub(crate) fn recip(self) -> Self {
        let [a, b, c, d] = self.0;
        Lanes([1.0 / a, 1.0 / b, 1.0 / c, 1.0 / d])
    }

    /// `|self|`.
    #[inline(always)]
    pub(crate) fn abs(self) -> Self {
        let [a, b, c, d] = self.0;
        Lanes([a.abs(), b.abs(), c.abs(), d.abs()])
    }

    /// Whether all numbers are positive.
    #[inline(always)]
    pub(crate) fn positive(self) -> bool {
        let [a, b, c, d] = self.0;
        (a > 0.0) & (b > 0.0) & (c > 0.0) & (d > 0.0)
    }

    /// The smaller number; that of `self` where either is NaN.
    #[inline(always)]
    pub(crate) fn least(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Lanes([if e < a { e } else { a }, if f < b { f } else { b }, if g < c { g } else { c }, if h < d { h } else { d }])
    }
}

macro_rules! lane_by_lane {
    ($($name:ident, $method:ident, $op:tt);*) => {$(
        impl $name for Lanes {
            type Output = Lanes;
            #[inline(always)]
            fn $method(self, other: Lanes) -> Lanes {
                let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
                Lanes([a $op e, b $op f, c $op g, d $op h])
            }
        }
    )*};
}

lane_by_lane!(Add, add, +; Sub, sub, -; Mul, mul, *);

impl Mul<f64> for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn mul(self, v: f64) -> Lanes {
        self * Lanes::splat(v)
    }
}

/// Whether the processor multiplies and adds in one instruction; where it does not, `f64::mul_add` is a slow library call.
pub(crate) trait Arithmetic: Copy {
    /// `a b + c`.
    fn fma(a: Lanes, b: Lanes, c: Lanes) -> Lanes;
}

/// Two roundings.
#[derive(Clone, Copy)]
// Every aarch64 has the fused instruction, so there nothing is rounded twice.
#[cfg_attr(target_arch = "aarch64", allow(dead_code))]
pub(crate) struct Plain;

/// One rounding.
#[derive(Clone, Copy)]
pub(crate) struct Fused;

impl Arithmetic for Plain {
    #[inline(always)]
    fn fma(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        a * b + c
    }
}

impl Arithmetic for Fused {
    #[inline(always)]
    fn fma(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        Lanes([
            a.0[0].mul_add(b.0[0], c.0[0]),
            a.0[1].mul_add(b.0[1], c.0[1]),
            a.0[2].mul_add(b.0[2], c.0[2]),
            a.0[3].mul_add(b.0[3], c.0[3]),
        ])
    }
}
