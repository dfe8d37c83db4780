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

/// Arithmetic of whole registers. Whether the processor multiplies and adds in one instruction is known at run time; where it does not,
/// `f64::mul_add` is a slow library call.
pub(crate) trait Arithmetic: Copy {
    /// `a b + c`.
    fn fma(a: Lanes, b: Lanes, c: Lanes) -> Lanes;

    /// `a b - c`.
    #[inline(always)]
    fn fms(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        Self::sub(Self::mul(a, b), c)
    }

    /// `a b`.
    #[inline(always)]
    fn mul(a: Lanes, b: Lanes) -> Lanes {
        a * b
    }

    /// `a - b`.
    #[inline(always)]
    fn sub(a: Lanes, b: Lanes) -> Lanes {
        a - b
    }

    /// The first numbers of four rows, the second ones, and so on.
    #[inline(always)]
    fn columns(rows: [&[f64; LANES]; LANES]) -> [Lanes; LANES] {
        let [a, b, c, d] = rows;
        [Lanes([a[0], b[0], c[0], d[0]]), Lanes([a[1], b[1], c[1], d[1]]), Lanes([a[2], b[2], c[2], d[2]]), Lanes([a[3], b[3], c[3], d[3]])]
    }
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

#[cfg(not(target_arch = "x86_64"))]
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

/// By intrinsics: of arrays the compiler makes half registers, and more instructions than the processor looks ahead.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Arithmetic, Fused, LANES, Lanes};
    use std::arch::x86_64::*;

    #[inline(always)]
    fn load(v: &[f64; LANES]) -> __m256d {
        // SAFETY: this arithmetic is chosen where the processor has AVX2 and FMA, here and below; four numbers are read.
        unsafe { _mm256_loadu_pd(v.as_ptr()) }
    }

    #[inline(always)]
    fn lanes(v: __m256d) -> Lanes {
        let mut out = Lanes::ZERO;
        // SAFETY: as above; four numbers are written.
        unsafe { _mm256_storeu_pd(out.0.as_mut_ptr(), v) };
        out
    }

    impl Arithmetic for Fused {
        #[inline(always)]
        fn fma(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
            // SAFETY: as above.
            lanes(unsafe { _mm256_fmadd_pd(load(&a.0), load(&b.0), load(&c.0)) })
        }

        #[inline(always)]
        fn fms(a: Lanes, b: Lanes, c: Lanes) -> Lanes {
            // SAFETY: as above.
            lanes(unsafe { _mm256_fmsub_pd(load(&a.0), load(&b.0), load(&c.0)) })
        }

        #[inline(always)]
        fn mul(a: Lanes, b: Lanes) -> Lanes {
            // SAFETY: as above.
            lanes(unsafe { _mm256_mul_pd(load(&a.0), load(&b.0)) })
        }

        #[inline(always)]
        fn sub(a: Lanes, b: Lanes) -> Lanes {
            // SAFETY: as above.
            lanes(unsafe { _mm256_sub_pd(load(&a.0), load(&b.0)) })
        }

        #[inline(always)]
        fn columns(rows: [&[f64; LANES]; LANES]) -> [Lanes; LANES] {
            let [a, b, c, d] = [load(rows[0]), load(rows[1]), load(rows[2]), load(rows[3])];
            // SAFETY: as above.
            unsafe {
                let (ab0, ab1) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                let (cd0, cd1) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
                [
                    lanes(_mm256_permute2f128_pd::<0x20>(ab0, cd0)),
                    lanes(_mm256_permute2f128_pd::<0x20>(ab1, cd1)),
                    lanes(_mm256_permute2f128_pd::<0x31>(ab0, cd0)),
                    lanes(_mm256_permute2f128_pd::<0x31>(ab1, cd1)),
                ]
            }
        }
    }
}
