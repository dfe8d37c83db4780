//! Products of factors that are rounded to bfloat16 (8 bits of mantissa), summed in f32.
//!
//! Where the processor multiplies pairs of bfloat16 that is done by its matrix unit (AMX) or its dot product (AVX-512); elsewhere
//! the factors are rounded and multiplied in f32, which gives the same up to the order of the sums.

use super::{Base, Tiled};

/// The bits of the nearest bfloat16, ties to even.
pub(super) fn bits(x: f32) -> u32 {
    let b = x.to_bits();
    if x.is_nan() { b >> 16 | 0x40 } else { b.wrapping_add(0x7fff + (b >> 16 & 1)) >> 16 }
}

/// The nearest bfloat16.
pub(crate) fn rounded(x: f32) -> f32 {
    f32::from_bits(bits(x) << 16)
}

/// How products of pairs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// The matrix unit.
    Matrix,
    /// The dot product of vectors.
    // `units` names it on x86-64 alone.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Dot,
}

/// The units that this processor has, the best first.
pub(super) fn units() -> &'static [Unit] {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("avx512bw") {
            return if super::amx::present() { &[Unit::Matrix, Unit::Dot] } else { &[Unit::Dot] };
        }
    }
    &[]
}

/// Columns of a panel: four vectors of sixteen.
const PANEL: usize = 64;
/// Rows of a gradient's sum that are multiplied at a time.
const DEEP: usize = 256;

/// A matrix `[k, n]` to multiply rows with from the right: pairs of rows in panels of columns.
pub(super) struct Panels {
    pairs: Vec<u32>,
    k: usize,
    n: usize,
    unit: Unit,
}

impl Panels {
    /// `None` where `unit` does not take the shape.
    pub(super) fn new(values: &[f32], k: usize, n: usize, transposed: bool, unit: Unit) -> Option<Self> {
        if !k.is_multiple_of(2) || !n.is_multiple_of(16) {
            return None;
        }
        let pairs = if transposed {
            let mut pairs = vec![0; k / 2 * n];
            for (place, pair) in pairs.iter_mut().enumerate() {
                let (panel, within) = (place / (k / 2 * PANEL) * PANEL, place % (k / 2 * PANEL));
                let columns = PANEL.min(n - panel);
                let (p, j) = (within / columns, panel + within % columns);
                *pair = bits(values[j * k + 2 * p]) | bits(values[j * k + 2 * p + 1]) << 16;
            }
            pairs
        } else {
            let mut pairs = Vec::new();
            pair_panels(values, n, k / 2, &mut pairs);
            pairs
        };
        Some(Panels { pairs, k, n, unit })
    }

    /// `y = x w`, to which `base` adds.
    pub(super) fn times(&self, x: &[f32], y: &mut [f32], base: Base<'_, f32>, room: &mut Vec<u32>) {
        let (rows, inner) = (x.len() / self.k, self.k / 2);
        room.resize(rows.next_multiple_of(32) * inner, 0);
        round(x, room);
        let t = Tiled { x: room, by_row: inner, by_inner: 1, panels: &self.pairs, rows, inner, n: self.n };
        run(self.unit, t, y, base);
    }
}

/// `w = x^T g`, to which `base` adds, with `x: [rows, k]`, `g: [rows, n]`; false where `unit` does not take the shape.
pub(super) fn add_gram(
    x: &[f32],
    g: &[f32],
    k: usize,
    n: usize,
    w: &mut [f32],
    mut base: Base<'_, f32>,
    room: &mut [Vec<u32>; 3],
    unit: Unit,
) -> bool {
    if !k.is_multiple_of(16) || !n.is_multiple_of(16) {
        return false;
    }
    for (x, g) in x.chunks(DEEP * k).zip(g.chunks(DEEP * n)) {
        // Rows of zeros fill the last of a tile's rows.
        let inner = (x.len() / k).div_ceil(2).next_multiple_of(16);
        let [left, turned, right] = &mut *room;
        pair_panels(g, n, inner, right);
        left.resize(inner * k, 0);
        left[x.len().div_ceil(2 * k) * k..].fill(0);
        pair_rows(x, k, 0, left, k);
        let t = if unit == Unit::Matrix && k.is_multiple_of(32) {
            turned.resize(inner * k, 0);
            turn(left, inner, k, turned, inner);
            Tiled { x: turned, by_row: inner, by_inner: 1, panels: right, rows: k, inner, n }
        } else {
            Tiled { x: left, by_row: 1, by_inner: k, panels: right, rows: k, inner, n }
        };
        run(unit, t, w, base);
        base = Base::Sum;
    }
    true
}

/// `[rows, n]` as panels of `inner` pairs of rows, zeros where there are no more rows.
fn pair_panels(values: &[f32], n: usize, inner: usize, pairs: &mut Vec<u32>) {
    pairs.resize(inner * n, 0);
    let (mut rest, given) = (&mut pairs[..], values.len().div_ceil(2 * n));
    for first in (0..n).step_by(PANEL) {
        let columns = PANEL.min(n - first);
        let (panel, after) = rest.split_at_mut(inner * columns);
        panel[given * columns..].fill(0);
        pair_rows(values, n, first, panel, columns);
        rest = after;
    }
}

/// By `unit` where it takes the product, else by the dot product.
fn run(unit: Unit, t: Tiled<'_, u32>, y: &mut [f32], base: Base<'_, f32>) {
    #[cfg(target_arch = "x86_64")]
    {
        if unit == Unit::Matrix && t.by_inner == 1 && super::amx::takes(t.inner, t.n) {
            // SAFETY: `units` named it.
            return unsafe { super::amx::run(t, PANEL, y, base) };
        }
        // SAFETY: `units` named one, and each has these features.
        unsafe { super::x86::run_pairs(t, y, base) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (unit, t, y, base);
}

macro_rules! on_x86 {
    ($(fn $name:ident($($arg:ident: $t:ty),*);)*) => {$(
        fn $name($($arg: $t),*) {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only called where `units` named one, and each has these features.
            unsafe { super::x86::$name($($arg),*) };
            #[cfg(not(target_arch = "x86_64"))]
            let _ = ($($arg),*);
        }
    )*};
}

on_x86! {
    fn round(values: &[f32], to: &mut [u32]);
    fn pair_rows(values: &[f32], n: usize, first: usize, to: &mut [u32], columns: usize);
    fn turn(from: &[u32], rows: usize, columns: usize, to: &mut [u32], step: usize);
}
