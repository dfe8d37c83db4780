//! Register tiles of vectors, by processor: f32 with AVX-512 and with AVX2, pairs of bfloat16 with AVX-512; and the layouts of bfloat16.

use super::{Base, Tiled};
use std::arch::x86_64::*;

/// Rows of a tile.
const ROWS: usize = 6;
/// Vectors of a tile's row: with 6 rows they fill the registers.
pub(super) const MOST_512: usize = 4;
pub(super) const MOST_256: usize = 2;

macro_rules! tiles {
    ($tile:ident, $run:ident, $feature:literal, $factor:ty, $lanes:literal, $most:ident, [$zero:ident, $add:ident, $read:ident, $store:ident], [$none:ident, $set:ident, $load:ident, $fma:ident]) => {
        /// `c = a b`, with the rows of `base` added where there are some, on `R` rows and `V` vectors of columns.
        ///
        /// # Safety
        /// `a` is read at `r * sr + p * sp` for `r < R`, `p < k`; `b` holds `k * V` vectors, `c` `R` rows of `V` vectors in rows of `n`,
        /// `base` the same in rows of `step`, or is null.
        #[target_feature(enable = $feature)]
        unsafe fn $tile<const R: usize, const V: usize>(
            k: usize,
            a: *const $factor,
            (sr, sp): (usize, usize),
            mut b: *const $factor,
            (c, n): (*mut f32, usize),
            (base, step): (*const f32, usize),
        ) {
            let mut sum = [[$zero(); V]; R];
            for p in 0..k {
                let mut row = [$none(); V];
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
                        value = $add(unsafe { $read(base.add(r * step + $lanes * v)) }, value);
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
        pub(super) unsafe fn $run(t: Tiled<'_, $factor>, y: &mut [f32], base: Base<'_, f32>) {
            let Tiled { x, by_row, by_inner, panels, rows, inner, n } = t;
            if rows == 0 || inner == 0 || n == 0 {
                return;
            }
            assert!(n % $lanes == 0 && panels.len() >= inner * n && y.len() >= rows * n, "a product of {rows} x {inner} x {n}");
            assert!(x.len() > (rows - 1) * by_row + (inner - 1) * by_inner, "a product of {rows} x {inner}");
            if let Base::Row(row) = base {
                assert!(row.len() >= n, "a row of {n}");
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
    f32,
    16,
    MOST_512,
    [_mm512_setzero_ps, _mm512_add_ps, _mm512_loadu_ps, _mm512_storeu_ps],
    [_mm512_setzero_ps, _mm512_set1_ps, _mm512_loadu_ps, _mm512_fmadd_ps]
);
tiles!(
    tile_256,
    run_256,
    "avx2,fma",
    f32,
    8,
    MOST_256,
    [_mm256_setzero_ps, _mm256_add_ps, _mm256_loadu_ps, _mm256_storeu_ps],
    [_mm256_setzero_ps, _mm256_set1_ps, _mm256_loadu_ps, _mm256_fmadd_ps]
);
tiles!(
    tile_pairs,
    run_pairs,
    "avx512f,avx512bf16",
    u32,
    16,
    MOST_512,
    [_mm512_setzero_ps, _mm512_add_ps, _mm512_loadu_ps, _mm512_storeu_ps],
    [_mm512_setzero_si512, set_pair, load_pairs, dot_pairs]
);

#[inline]
#[target_feature(enable = "avx512f")]
fn set_pair(pair: u32) -> __m512i {
    _mm512_set1_epi32(pair.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load_pairs(from: *const u32) -> __m512i {
    // SAFETY: sixteen pairs, by the caller's word.
    unsafe { _mm512_loadu_si512(from.cast()) }
}

/// `sum + x0 y0 + x1 y1` in each of sixteen pairs.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn dot_pairs(x: __m512i, y: __m512i, sum: __m512) -> __m512 {
    // SAFETY: the same bits seen as bfloat16.
    let [x, y] = [x, y].map(|v| unsafe { std::mem::transmute::<__m512i, __m512bh>(v) });
    _mm512_dpbf16_ps(sum, x, y)
}

/// Rounds values to bfloat16, one after the other; `to` holds two in each of its places.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn round(values: &[f32], to: &mut [u32]) {
    assert!(values.len() <= 2 * to.len(), "room for {} values", values.len());
    let (whole, rest) = values.as_chunks::<32>();
    for (from, to) in whole.iter().zip(to.chunks_exact_mut(16)) {
        // SAFETY: 32 values are read and sixteen pairs written.
        unsafe {
            let (low, high) = (_mm512_loadu_ps(from.as_ptr()), _mm512_loadu_ps(from[16..].as_ptr()));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)));
        }
    }
    let to = &mut to[whole.len() * 16..];
    for (pair, to) in rest.chunks(2).zip(to) {
        *to = super::half::bits(pair[0]) | super::half::bits(pair.get(1).copied().unwrap_or(0.0)) << 16;
    }
}

/// Pairs of two rows each of `[rows, n]`, as `[rows / 2, n]`; a last row without partner is paired with zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn pair_rows(values: &[f32], n: usize, first: usize, to: &mut [u32], columns: usize) {
    const EVERY_OTHER: [u16; 32] = {
        let mut order = [0; 32];
        let mut k = 0;
        while k < 16 {
            (order[2 * k], order[2 * k + 1]) = (k as u16, k as u16 + 16);
            k += 1;
        }
        order
    };
    // SAFETY: 32 places are read.
    let order = unsafe { _mm512_loadu_si512(EVERY_OTHER.as_ptr().cast()) };
    let zeros = [0.0; 16];
    for (rows, to) in values.chunks(2 * n).zip(to.chunks_exact_mut(columns)) {
        let (upper, lower) = rows.split_at(n);
        for (k, to) in to.chunks_exact_mut(16).enumerate() {
            let at = first + 16 * k;
            let (upper, lower) = (&upper[at..at + 16], if lower.is_empty() { &zeros[..] } else { &lower[at..at + 16] });
            // SAFETY: sixteen values of each row are read and sixteen pairs written.
            unsafe {
                let both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(lower.as_ptr()), _mm512_loadu_ps(upper.as_ptr()));
                let both = _mm512_permutexvar_epi16(order, std::mem::transmute::<__m512bh, __m512i>(both));
                _mm512_storeu_si512(to.as_mut_ptr().cast(), both);
            }
        }
    }
}

/// `[rows, columns]` turned to `[columns, step]` with `step >= rows`, in squares of sixteen.
#[target_feature(enable = "avx512f")]
pub(super) fn turn(from: &[u32], rows: usize, columns: usize, to: &mut [u32], step: usize) {
    assert!(rows.is_multiple_of(16) && columns.is_multiple_of(16) && rows <= step, "{rows} x {columns}");
    assert!(from.len() >= rows * columns && to.len() >= columns * step, "{rows} x {columns}");
    for r in (0..rows).step_by(16) {
        for c in (0..columns).step_by(16) {
            // SAFETY: a square of 16 x 16 within both matrices, by the assertions.
            unsafe {
                let line = |k: usize| _mm512_loadu_si512(from.as_ptr().add((r + k) * columns + c).cast());
                let a: [__m512i; 16] = std::array::from_fn(line);
                // Neighbouring rows, then pairs of them, then quarters of a register.
                let mut b = a;
                for k in 0..8 {
                    b[2 * k] = _mm512_unpacklo_epi32(a[2 * k], a[2 * k + 1]);
                    b[2 * k + 1] = _mm512_unpackhi_epi32(a[2 * k], a[2 * k + 1]);
                }
                let mut d = b;
                for k in 0..4 {
                    let [p, q, s, t] = [b[4 * k], b[4 * k + 1], b[4 * k + 2], b[4 * k + 3]];
                    d[4 * k] = _mm512_unpacklo_epi64(p, s);
                    d[4 * k + 1] = _mm512_unpackhi_epi64(p, s);
                    d[4 * k + 2] = _mm512_unpacklo_epi64(q, t);
                    d[4 * k + 3] = _mm512_unpackhi_epi64(q, t);
                }
                for k in 0..4 {
                    let low = _mm512_shuffle_i32x4::<0x88>(d[k], d[k + 4]);
                    let high = _mm512_shuffle_i32x4::<0xdd>(d[k], d[k + 4]);
                    let low2 = _mm512_shuffle_i32x4::<0x88>(d[k + 8], d[k + 12]);
                    let high2 = _mm512_shuffle_i32x4::<0xdd>(d[k + 8], d[k + 12]);
                    let columns = [
                        (k, _mm512_shuffle_i32x4::<0x88>(low, low2)),
                        (k + 4, _mm512_shuffle_i32x4::<0x88>(high, high2)),
                        (k + 8, _mm512_shuffle_i32x4::<0xdd>(low, low2)),
                        (k + 12, _mm512_shuffle_i32x4::<0xdd>(high, high2)),
                    ];
                    for (column, values) in columns {
                        _mm512_storeu_si512(to.as_mut_ptr().add((c + column) * step + r).cast(), values);
                    }
                }
            }
        }
    }
}
