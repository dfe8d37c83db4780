//! Products with small weights that many blocks of rows share: the weights are laid out once, and a block's product is a loop
//! over register tiles. Where the processor has no fused multiply-add in vectors, or for other types than f32, faer multiplies.
//!
//! Each value is a sum over the inner dimension in its order, whatever the block, so rows of a matrix may be cut anywhere.

#[cfg(target_arch = "x86_64")]
mod amx;
mod half;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::Real;
use crate::real::Block;
use crate::tape::Precision;
use femur_solve::dense::View;
use std::borrow::Cow;
use std::cell::RefCell;

pub(crate) use half::rounded as to_bf16;

/// A matrix `[k, n]` to multiply rows with from the right.
pub(crate) struct Weights<'a, E: Real> {
    form: Form<'a, E>,
    k: usize,
    n: usize,
    precision: Precision,
}

/// How a matrix is laid out.
enum Form<'a, E: Real> {
    /// As it is, or its transpose.
    Plain { values: Cow<'a, [E]>, transposed: bool },
    /// Panels of `lanes * MOST` columns, each `[k, columns]`.
    Panels(Vec<E>),
    /// Panels of pairs of bfloat16.
    Pairs(half::Panels),
}

impl<'a, E: Real> Weights<'a, E> {
    /// `values` are `[k, n]`, row-major; `transposed`: `[n, k]`.
    pub(crate) fn new(values: &'a [E], k: usize, n: usize, transposed: bool, precision: Precision) -> Self {
        Self::by(values, k, n, transposed, precision, half::units().first().copied())
    }

    fn by(values: &'a [E], k: usize, n: usize, transposed: bool, precision: Precision, unit: Option<half::Unit>) -> Self {
        let bf16 = precision == Precision::Bf16;
        let pairs = unit.filter(|_| bf16).zip(E::as_f32(values)).and_then(|(unit, v)| half::Panels::new(v, k, n, transposed, unit));
        let values = if bf16 && pairs.is_none() { Cow::Owned(values.iter().map(|v| v.rounded()).collect()) } else { Cow::Borrowed(values) };
        let form = match (pairs, panel_width::<E>(n)) {
            (Some(pairs), _) => Form::Pairs(pairs),
            (None, Some(width)) => Form::Panels(panels(&values, k, n, transposed, width)),
            (None, None) => Form::Plain { values, transposed },
        };
        Weights { form, k, n, precision }
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// `y = x w`, to which `base` adds.
    pub(crate) fn times(&self, x: &[E], y: &mut [E], base: Base<'_, E>) {
        if let (Form::Pairs(pairs), Some(x), Some(base)) = (&self.form, E::as_f32(x), base.as_f32())
            && let Some(y) = E::as_f32_mut(y)
        {
            return PAIRS.with_borrow_mut(|[room, ..]| pairs.times(x, y, base, room));
        }
        let (rows, x) = (x.len() / self.k, rounded(x, self.precision));
        match &self.form {
            Form::Panels(panels) => run(Tiled { x: &x, by_row: self.k, by_inner: 1, panels, rows, inner: self.k, n: self.n }, y, base),
            Form::Plain { values, transposed } => {
                match base {
                    Base::Row(row) => y.chunks_exact_mut(self.n).for_each(|y| y.copy_from_slice(row)),
                    Base::Zero | Base::Sum => {}
                }
                let w = if *transposed { View::new(values, self.n, self.k).t() } else { View::new(values, self.k, self.n) };
                E::gemm(y, Block::whole(self.n), View::new(&x, rows, self.k), w, !matches!(base, Base::Zero));
            }
            Form::Pairs(_) => {}
        }
    }
}

thread_local! {
    /// Room for factors that are laid out as pairs.
    static PAIRS: RefCell<[Vec<u32>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// Factors as they go into a product.
fn rounded<E: Real>(x: &[E], precision: Precision) -> Cow<'_, [E]> {
    match precision {
        Precision::F32 => Cow::Borrowed(x),
        Precision::Bf16 => Cow::Owned(x.iter().map(|v| v.rounded()).collect()),
    }
}

fn panels<E: Real>(values: &[E], k: usize, n: usize, transposed: bool, width: usize) -> Vec<E> {
    let mut panels = Vec::with_capacity(k * n);
    for first in (0..n).step_by(width) {
        let columns = width.min(n - first);
        for p in 0..k {
            if transposed {
                panels.extend((first..first + columns).map(|j| values[j * k + p]));
            } else {
                panels.extend_from_slice(&values[p * n + first..][..columns]);
            }
        }
    }
    panels
}

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base<'a, E> {
    /// Nothing.
    Zero,
    /// What is there.
    Sum,
    /// The same row `[n]` everywhere.
    Row(&'a [E]),
}

impl<'a, E: Real> Base<'a, E> {
    fn as_f32(self) -> Option<Base<'a, f32>> {
        Some(match self {
            Base::Zero => Base::Zero,
            Base::Sum => Base::Sum,
            Base::Row(row) => Base::Row(E::as_f32(row)?),
        })
    }
}

/// Rows of a block that are multiplied at a time: what a panel of so many rows takes of the first-level cache.
const DEEP: usize = 96;

/// `w = x^T g`, to which `base` adds, with `x: [rows, k]`, `g: [rows, n]`.
pub(crate) fn add_gram<E: Real>(
    x: &[E],
    g: &[E],
    k: usize,
    n: usize,
    w: &mut [E],
    base: Base<'_, E>,
    room: &mut Vec<E>,
    precision: Precision,
) {
    add_gram_by(x, g, k, n, w, base, room, precision, half::units().first().copied());
}

fn add_gram_by<E: Real>(
    x: &[E],
    g: &[E],
    k: usize,
    n: usize,
    w: &mut [E],
    base: Base<'_, E>,
    room: &mut Vec<E>,
    precision: Precision,
    unit: Option<half::Unit>,
) {
    if precision == Precision::Bf16
        && let (Some(x), Some(g), Some(unit)) = (E::as_f32(x), E::as_f32(g), unit)
        && let Some(base) = base.as_f32()
        && let Some(w) = E::as_f32_mut(w)
        && PAIRS.with_borrow_mut(|room| half::add_gram(x, g, k, n, w, base, room, unit))
    {
        return;
    }
    let (rows, x, g) = (x.len() / k, &rounded(x, precision)[..], &rounded(g, precision)[..]);
    let Some(width) = panel_width::<E>(n) else {
        return E::gemm(w, Block::whole(n), View::new(x, rows, k).t(), View::new(g, rows, n), !matches!(base, Base::Zero));
    };
    let mut base = base;
    for (x, g) in x.chunks(DEEP * k).zip(g.chunks(DEEP * n)) {
        let inner = g.len() / n;
        // Tiles read `x` down its columns, which no processor foresees.
        fetch(x);
        room.resize(inner * n, E::of(0.0));
        let mut panels = &mut room[..];
        for first in (0..n).step_by(width) {
            let columns = width.min(n - first);
            let (panel, rest) = panels.split_at_mut(inner * columns);
            // In pieces of a length that the compiler knows: a call for each row would cost as much as the copy.
            for (to, from) in panel.chunks_exact_mut(columns).zip(g.chunks_exact(n)) {
                for (to, from) in to.chunks_exact_mut(8).zip(from[first..].chunks_exact(8)) {
                    to.copy_from_slice(from);
                }
            }
            panels = rest;
        }
        run(Tiled { x, by_row: 1, by_inner: k, panels: room, rows: k, inner, n }, w, base);
        base = Base::Sum;
    }
}

/// Tells the processor that these values will be read soon.
fn fetch<E>(values: &[E]) {
    #[cfg(target_arch = "x86_64")]
    for at in values.chunks((64 / size_of::<E>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint reads nothing, and SSE is part of every such processor.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.as_ptr().cast()) };
    }
    let _ = values;
}

/// A product `[rows, inner] [inner, n]`: the left matrix has its value `(r, p)` at `r * by_row + p * by_inner`.
#[derive(Clone, Copy)]
// Only the tiles for x86-64 read it.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
struct Tiled<'a, E> {
    x: &'a [E],
    by_row: usize,
    by_inner: usize,
    panels: &'a [E],
    rows: usize,
    inner: usize,
    n: usize,
}

/// Columns of a panel for matrices of `n` columns; `None` where there are no tiles for them.
fn panel_width<E: Real>(n: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    if E::as_f32(&[]).is_some() {
        if n.is_multiple_of(16) && is_x86_feature_detected!("avx512f") {
            return Some(16 * x86::MOST_512);
        }
        if n.is_multiple_of(8) && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some(8 * x86::MOST_256);
        }
    }
    let _ = n;
    None
}

/// `y = x w` by tiles, to which `base` adds; only where [`panel_width`] gives one.
fn run<E: Real>(t: Tiled<'_, E>, y: &mut [E], base: Base<'_, E>) {
    let Tiled { x, by_row, by_inner, panels, rows, inner, n } = t;
    assert!(panel_width::<E>(n).is_some(), "no tiles for {n} columns on this processor");
    #[cfg(target_arch = "x86_64")]
    if let (Some(x), Some(panels), Some(y), Some(base)) = (E::as_f32(x), E::as_f32(panels), E::as_f32_mut(y), base.as_f32()) {
        let t = Tiled { x, by_row, by_inner, panels, rows, inner, n };
        if n.is_multiple_of(16) && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor was just asked.
            return unsafe { x86::run_512(t, y, base) };
        }
        // SAFETY: `panel_width` gave a width above, and it is not that of AVX-512.
        unsafe { x86::run_256(t, y, base) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (x, by_row, by_inner, panels, rows, inner, y, base);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In f32; in bfloat16 by rounding, and by each unit of this processor.
    fn ways() -> Vec<(Precision, Option<half::Unit>)> {
        let units = half::units().iter().map(|&u| (Precision::Bf16, Some(u)));
        [(Precision::F32, None), (Precision::Bf16, None)].into_iter().chain(units).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        let wave = |len: usize, f: f32| (0..len).map(|k| (k as f32 * f).sin()).collect::<Vec<f32>>();
        let shapes =
            [(1, 5, 8), (13, 16, 16), (7, 40, 48), (100, 33, 64), (25, 128, 128), (9, 12, 80), (6, 3, 7), (70, 64, 96), (300, 96, 32)];
        for ((rows, k, n), (precision, unit)) in shapes.iter().flat_map(|&s| ways().into_iter().map(move |w| (s, w))) {
            let (x, w) = (wave(rows * k, 0.7), wave(k * n, 0.3));
            let factor = |v: f32| f64::from(if precision == Precision::Bf16 { v.rounded() } else { v });
            let turned: Vec<f32> = (0..n * k).map(|i| w[(i % k) * n + i / k]).collect();
            let start = wave(rows * n, 1.1);
            let row = wave(n, 0.5);
            let weights = |transposed: bool| Weights::by(if transposed { &turned } else { &w }, k, n, transposed, precision, unit);
            for (weights, base) in [(weights(false), Base::Zero), (weights(true), Base::Sum), (weights(false), Base::Row(&row[..]))] {
                let mut y = start.clone();
                weights.times(&x, &mut y, base);
                for i in 0..rows * n {
                    let (r, c) = (i / n, i % n);
                    let exact: f64 = (0..k).map(|p| factor(x[r * k + p]) * factor(w[p * n + c])).sum();
                    let exact = exact
                        + match base {
                            Base::Zero => 0.0,
                            Base::Sum => f64::from(start[i]),
                            Base::Row(row) => f64::from(row[c]),
                        };
                    assert!((f64::from(y[i]) - exact).abs() < 1e-4, "{rows} {k} {n} {precision:?} {unit:?}: {i}");
                }
            }
            let (g, first) = (wave(rows * n, 0.9), wave(k * n, 0.2));
            let mut sum = first.clone();
            add_gram_by(&x, &g, k, n, &mut sum, Base::Sum, &mut Vec::new(), precision, unit);
            for i in 0..k * n {
                let exact: f64 = (0..rows).map(|r| factor(x[r * k + i / n]) * factor(g[r * n + i % n])).sum();
                let off = f64::from(sum[i]) - exact - f64::from(first[i]);
                assert!(off.abs() < 1e-4, "{rows} {k} {n} {precision:?} {unit:?}: gradient {i}");
            }
        }
    }

    #[test]
    fn bfloat16_is_the_nearest() {
        for (x, exact) in [(1.0, 1.0), (1.003_906_2, 1.0), (1.003_906_4, 1.007_812_5), (1.011_718_8, 1.015_625), (-2.5, -2.5)] {
            assert_eq!(to_bf16(x).to_bits(), f32::to_bits(exact), "{x}");
        }
        assert!(to_bf16(f32::NAN).is_nan() && to_bf16(f32::from_bits(0x7f80_0001)).is_nan());
        assert_eq!(to_bf16(f32::INFINITY), f32::INFINITY);
    }
}
