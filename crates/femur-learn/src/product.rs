//! Products with small weights that many blocks of rows share: the weights are laid out once, and a block's product is a loop
//! over register tiles. Where the processor has no fused multiply-add in vectors, or for other types than f32, faer multiplies.
//!
//! Each value is a sum over the inner dimension in its order, whatever the block, so rows of a matrix may be cut anywhere.

use crate::Real;
use crate::real::Block;
use femur_solve::dense::View;

/// A matrix `[k, n]` to multiply rows with from the right.
pub(crate) struct Weights<'a, E> {
    plain: View<'a, E>,
    /// Panels of `lanes * MOST` columns, each `[k, columns]`.
    panels: Option<Vec<E>>,
    k: usize,
    n: usize,
}

impl<'a, E: Real> Weights<'a, E> {
    /// `values` are `[k, n]`, row-major; `transposed`: `[n, k]`.
    pub(crate) fn new(values: &'a [E], k: usize, n: usize, transposed: bool) -> Self {
        let plain = if transposed { View::new(values, n, k).t() } else { View::new(values, k, n) };
        let panels = E::tiles(n).map(|width| {
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
        });
        Weights { plain, panels, k, n }
    }

    /// Rows and columns.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// `y = x w`, to which `base` adds.
    pub(crate) fn times(&self, x: &[E], y: &mut [E], base: Base<'_, E>) {
        let rows = x.len() / self.k;
        match &self.panels {
            Some(panels) => E::tiled(Tiled { x, by_row: self.k, by_inner: 1, panels, rows, inner: self.k, n: self.n }, y, base),
            None => {
                match base {
                    Base::Row(row) => y.chunks_exact_mut(self.n).for_each(|y| y.copy_from_slice(row)),
                    Base::Rows(rows) => y.copy_from_slice(rows),
                    Base::Zero | Base::Sum => {}
                }
                E::gemm(y, Block::whole(self.n), View::new(x, rows, self.k), self.plain, !matches!(base, Base::Zero));
            }
        }
    }
}

/// What a product is added to.
#[derive(Debug, Clone, Copy)]
pub enum Base<'a, E> {
    /// Nothing.
    Zero,
    /// What is there.
    Sum,
    /// The same row `[n]` everywhere.
    Row(&'a [E]),
    /// Another matrix of the product's size.
    Rows(&'a [E]),
}

/// Rows of a block that are multiplied at a time: what a panel of so many rows takes of the first-level cache.
const DEEP: usize = 96;

/// `w += x^T g`, with `x: [rows, k]`, `g: [rows, n]`.
pub(crate) fn add_gram<E: Real>(x: &[E], g: &[E], k: usize, n: usize, w: &mut [E], room: &mut Vec<E>) {
    let rows = x.len() / k;
    let Some(width) = E::tiles(n) else {
        return E::gemm(w, Block::whole(n), View::new(x, rows, k).t(), View::new(g, rows, n), true);
    };
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
        E::tiled(Tiled { x, by_row: 1, by_inner: k, panels: room, rows: k, inner, n }, w, Base::Sum);
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
pub struct Tiled<'a, E> {
    x: &'a [E],
    by_row: usize,
    by_inner: usize,
    panels: &'a [E],
    rows: usize,
    inner: usize,
    n: usize,
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Base, Tiled};
    use std::arch::x86_64::*;

    /// Rows of a tile.
    const ROWS: usize = 6;
    /// Vectors of a tile's row: with 6 rows they fill the registers.
    pub(super) const MOST_512: usize = 4;
    pub(super) const MOST_256: usize = 2;

    macro_rules! tiles {
        ($tile:ident, $run:ident, $feature:literal, $lanes:literal, $most:ident, $zero:ident, $set:ident, $load:ident, $store:ident, $add:ident, $fma:ident) => {
            /// `c = a b`, with the rows of `base` added where there are some, on `R` rows and `V` vectors of columns.
            ///
            /// # Safety
            /// `a` is read at `r * sr + p * sp` for `r < R`, `p < k`; `b` holds `k * V` vectors, `c` `R` rows of `V` vectors in rows of `n`,
            /// `base` the same in rows of `step`, or is null.
            #[target_feature(enable = $feature)]
            unsafe fn $tile<const R: usize, const V: usize>(
                k: usize,
                a: *const f32,
                (sr, sp): (usize, usize),
                mut b: *const f32,
                (c, n): (*mut f32, usize),
                (base, step): (*const f32, usize),
            ) {
                let mut sum = [[$zero(); V]; R];
                for p in 0..k {
                    let mut row = [$zero(); V];
                    for v in 0..V {
                        // SAFETY: within the panel, by the caller's word; so are all pointers below.
                        row[v] = unsafe { $load(b.add($lanes * v)) };
                    }
                    for r in 0..R {
                        let x = $set(unsafe { *a.add(r * sr + p * sp) });
                        for v in 0..V {
                            sum[r][v] = $fma(x, row[v], sum[r][v]);
                        }
                    }
                    b = unsafe { b.add($lanes * V) };
                }
                for r in 0..R {
                    for v in 0..V {
                        let mut value = sum[r][v];
                        if !base.is_null() {
                            value = $add(unsafe { $load(base.add(r * step + $lanes * v)) }, value);
                        }
                        unsafe { $store(c.add(r * n + $lanes * v), value) };
                    }
                }
            }

            /// The whole product.
            ///
            /// # Safety
            /// The processor has the feature.
            #[target_feature(enable = $feature)]
            pub(super) unsafe fn $run(t: Tiled<'_, f32>, y: &mut [f32], base: Base<'_, f32>) {
                let Tiled { x, by_row, by_inner, panels, rows, inner, n } = t;
                if rows == 0 || inner == 0 || n == 0 {
                    return;
                }
                assert!(n % $lanes == 0 && panels.len() >= inner * n && y.len() >= rows * n, "a product of {rows} x {inner} x {n}");
                assert!(x.len() > (rows - 1) * by_row + (inner - 1) * by_inner, "a product of {rows} x {inner}");
                match base {
                    Base::Row(row) => assert!(row.len() >= n, "a row of {n}"),
                    Base::Rows(all) => assert!(all.len() >= rows * n, "{rows} rows of {n}"),
                    Base::Zero | Base::Sum => {}
                }
                let mut first = 0;
                while first < n {
                    let vectors = $most.min((n - first) / $lanes);
                    // Panels lie one after the other, each of `inner` rows.
                    let panel = panels[inner * first..].as_ptr();
                    let mut r = 0;
                    while r < rows {
                        let count = ROWS.min(rows - r);
                        let (a, c) = (x[r * by_row..].as_ptr(), y[r * n + first..].as_mut_ptr());
                        let base = match base {
                            Base::Zero => (std::ptr::null(), 0),
                            Base::Sum => (c.cast_const(), n),
                            Base::Row(row) => (row[first..].as_ptr(), 0),
                            Base::Rows(all) => (all[r * n + first..].as_ptr(), n),
                        };
                        macro_rules! with {
                            ($rr:literal, $vv:literal) => {
                                // SAFETY: the assertions above; rows and columns of the tile are within them.
                                unsafe { $tile::<$rr, $vv>(inner, a, (by_row, by_inner), panel, (c, n), base) }
                            };
                        }
                        macro_rules! of_rows {
                            ($vv:literal) => {
                                match count {
                                    6 => with!(6, $vv),
                                    5 => with!(5, $vv),
                                    4 => with!(4, $vv),
                                    3 => with!(3, $vv),
                                    2 => with!(2, $vv),
                                    _ => with!(1, $vv),
                                }
                            };
                        }
                        match vectors {
                            4 => of_rows!(4),
                            3 => of_rows!(3),
                            2 => of_rows!(2),
                            _ => of_rows!(1),
                        }
                        r += count;
                    }
                    first += vectors * $lanes;
                }
            }
        };
    }

    tiles!(
        tile_512,
        run_512,
        "avx512f",
        16,
        MOST_512,
        _mm512_setzero_ps,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_fmadd_ps
    );
    tiles!(
        tile_256,
        run_256,
        "avx2,fma",
        8,
        MOST_256,
        _mm256_setzero_ps,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_fmadd_ps
    );
}

/// Columns of a panel for matrices of `n` columns in f32; `None` where there are no tiles for them.
pub(crate) fn panel_width(n: usize) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
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
pub(crate) fn run(t: Tiled<'_, f32>, y: &mut [f32], base: Base<'_, f32>) {
    assert!(panel_width(t.n).is_some(), "no tiles for {} columns on this processor", t.n);
    #[cfg(target_arch = "x86_64")]
    {
        if t.n.is_multiple_of(16) && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor was just asked.
            return unsafe { x86::run_512(t, y, base) };
        }
        // SAFETY: `panel_width` gave a width above, and it is not that of AVX-512.
        unsafe { x86::run_256(t, y, base) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = (t, y, base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_those_of_the_definition() {
        let wave = |len: usize, f: f32| (0..len).map(|k| (k as f32 * f).sin()).collect::<Vec<f32>>();
        for (rows, k, n) in [(1, 5, 8), (13, 16, 16), (7, 40, 48), (100, 33, 64), (25, 128, 128), (9, 12, 80), (6, 3, 7)] {
            let (x, w) = (wave(rows * k, 0.7), wave(k * n, 0.3));
            let turned: Vec<f32> = (0..n * k).map(|i| w[(i % k) * n + i / k]).collect();
            let start = wave(rows * n, 1.1);
            let (row, other) = (wave(n, 0.5), wave(rows * n, 0.6));
            for (weights, base) in [
                (Weights::new(&w, k, n, false), Base::Zero),
                (Weights::new(&turned, k, n, true), Base::Sum),
                (Weights::new(&w, k, n, false), Base::Row(&row[..])),
                (Weights::new(&w, k, n, false), Base::Rows(&other[..])),
            ] {
                let mut y = start.clone();
                weights.times(&x, &mut y, base);
                for i in 0..rows * n {
                    let (r, c) = (i / n, i % n);
                    let exact: f64 = (0..k).map(|p| f64::from(x[r * k + p]) * f64::from(w[p * n + c])).sum();
                    let exact = exact
                        + match base {
                            Base::Zero => 0.0,
                            Base::Sum => f64::from(start[i]),
                            Base::Row(row) => f64::from(row[c]),
                            Base::Rows(other) => f64::from(other[i]),
                        };
                    assert!((f64::from(y[i]) - exact).abs() < 1e-4, "{rows} {k} {n} {i}");
                }
            }
            let (g, first) = (wave(rows * n, 0.9), wave(k * n, 0.2));
            let mut sum = first.clone();
            add_gram(&x, &g, k, n, &mut sum, &mut Vec::new());
            for i in 0..k * n {
                let exact: f64 = (0..rows).map(|r| f64::from(x[r * k + i / n]) * f64::from(g[r * n + i % n])).sum();
                assert!((f64::from(sum[i]) - exact - f64::from(first[i])).abs() < 1e-4, "{rows} {k} {n}: gradient {i}");
            }
        }
    }
}
