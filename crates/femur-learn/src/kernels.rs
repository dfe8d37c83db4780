//! The inner loops of the operations, over rows of plain slices.
//!
//! Each is compiled three times: for any processor, and for those with AVX2 and with AVX-512, which are recognised while running. No
//! fused multiply-add is used and sums run in sixteen fixed lanes, so all give the same bits.

use crate::Real;

/// Lanes of a sum: what one register of AVX-512 holds in f32.
const LANES: usize = 16;

macro_rules! kernel {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $t:ty),* $(,)?) $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name<E: Real>($($arg: $t),*) {
            #[inline(always)]
            fn body<E: Real>($($arg: $t),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn with_avx512<E: Real>($($arg: $t),*) {
                    body::<E>($($arg),*);
                }
                #[target_feature(enable = "avx2")]
                fn with_avx2<E: Real>($($arg: $t),*) {
                    body::<E>($($arg),*);
                }
                if std::arch::is_x86_feature_detected!("avx512f") {
                    // SAFETY: the line above found the feature.
                    return unsafe { with_avx512::<E>($($arg),*) };
                }
                if std::arch::is_x86_feature_detected!("avx2") {
                    // SAFETY: the line above found the feature.
                    return unsafe { with_avx2::<E>($($arg),*) };
                }
            }
            body::<E>($($arg),*);
        }
    };
}

/// A sum of `n` terms in fixed lanes.
#[inline(always)]
fn sum_of<E: Real>(n: usize, term: impl Fn(usize) -> E) -> E {
    let mut lanes = [E::of(0.0); LANES];
    let whole = n / LANES * LANES;
    let mut k = 0;
    while k < whole {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += term(k + l);
        }
        k += LANES;
    }
    let mut rest = E::of(0.0);
    for k in whole..n {
        rest += term(k);
    }
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            let upper = lanes[l + width];
            lanes[l] += upper;
        }
    }
    lanes[0] + rest
}

/// `max(x, 0)`, which keeps a NaN.
#[inline(always)]
fn positive<E: Real>(x: E) -> E {
    if x < E::of(0.0) { E::of(0.0) } else { x }
}

kernel! {
    /// `y = max(y, 0)`.
    fn relu(y: &mut [E]) {
        for y in y {
            *y = positive(*y);
        }
    }
}

kernel! {
    /// `g = 0` where `y` is not positive.
    fn relu_backward(y: &[E], g: &mut [E]) {
        for (g, &y) in g.iter_mut().zip(y) {
            *g = if y > E::of(0.0) { *g } else { E::of(0.0) };
        }
    }
}

kernel! {
    /// `y += x`.
    fn add(y: &mut [E], x: &[E]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

kernel! {
    /// `y = a + b`.
    fn sum_of_two(a: &[E], b: &[E], y: &mut [E]) {
        for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
            *y = a + b;
        }
    }
}

kernel! {
    /// `sums[c] += sum over rows of x[r, c]`.
    fn add_rows(sums: &mut [E], x: &[E]) {
        for row in x.chunks_exact(sums.len()) {
            for (s, &x) in sums.iter_mut().zip(row) {
                *s += x;
            }
        }
    }
}

kernel! {
    /// LayerNorm of each row; `stats` receives mean and one over the standard deviation (1e-5 added to the variance) of each.
    fn layer_norm(x: &[E], scale: &[E], shift: &[E], y: &mut [E], stats: &mut [E]) {
        let w = scale.len();
        let width = E::of(1.0 / w as f64);
        for ((x, y), stats) in x.chunks_exact(w).zip(y.chunks_exact_mut(w)).zip(stats.chunks_exact_mut(2)) {
            let mean = sum_of(w, |k| x[k]) * width;
            let variance = sum_of(w, |k| (x[k] - mean) * (x[k] - mean)) * width;
            let inverse = E::of(1.0) / (variance + E::of(1e-5)).sqrt();
            for (((y, &x), &a), &b) in y.iter_mut().zip(x).zip(scale).zip(shift) {
                *y = (x - mean) * inverse * a + b;
            }
            stats[0] = mean;
            stats[1] = inverse;
        }
    }
}

kernel! {
    /// Derivative of [`layer_norm`]: `g` becomes the gradient of `x`; those of scale and shift are added to `da` and `db`.
    fn layer_norm_backward(x: &[E], scale: &[E], stats: &[E], g: &mut [E], da: &mut [E], db: &mut [E]) {
        let w = scale.len();
        let width = E::of(1.0 / w as f64);
        let (da, db) = (&mut da[..w], &mut db[..w]);
        for ((x, g), stats) in x.chunks_exact(w).zip(g.chunks_exact_mut(w)).zip(stats.chunks_exact(2)) {
            let (mean, inverse) = (stats[0], stats[1]);
            for k in 0..w {
                da[k] += g[k] * ((x[k] - mean) * inverse);
                db[k] += g[k];
            }
            let sum = sum_of(w, |k| g[k] * scale[k]) * width;
            let sum_z = sum_of(w, |k| g[k] * scale[k] * ((x[k] - mean) * inverse)) * width;
            for k in 0..w {
                g[k] = inverse * (g[k] * scale[k] - sum - (x[k] - mean) * inverse * sum_z);
            }
        }
    }
}

kernel! {
    /// Softmax of each group of `size` values.
    fn softmax(x: &mut [E], size: usize) {
        for group in x.chunks_exact_mut(size) {
            let mut top = group[0];
            for &v in group.iter() {
                top = if v > top { v } else { top };
            }
            for v in group.iter_mut() {
                *v = (*v - top).exp();
            }
            let inverse = E::of(1.0) / sum_of(size, |k| group[k]);
            for v in group.iter_mut() {
                *v *= inverse;
            }
        }
    }
}

kernel! {
    /// Derivative of [`softmax`] with the result `y`: `g` becomes the gradient of what went in, times `scale`.
    fn softmax_backward(y: &[E], g: &mut [E], size: usize, scale: E) {
        for (y, g) in y.chunks_exact(size).zip(g.chunks_exact_mut(size)) {
            let dot = sum_of(size, |k| y[k] * g[k]);
            for (g, &y) in g.iter_mut().zip(y) {
                *g = y * (*g - dot) * scale;
            }
        }
    }
}

/// The fixed parts of lite messages: edges sorted by receiver with their features, and the edges' layer.
#[derive(Clone, Copy)]
pub(crate) struct LiteEdges<'a, E> {
    /// Sending node of each edge.
    pub(crate) senders: &'a [u32],
    /// First edge of each receiver.
    pub(crate) start: &'a [usize],
    /// `[edges, f]`.
    pub(crate) features: &'a [E],
    /// `[f, w]`.
    pub(crate) weight: &'a [E],
    /// `[w]`.
    pub(crate) bias: &'a [E],
}

impl<E: Real> LiteEdges<'_, E> {
    /// `t = p[sender] + q + features[k] weight`, with the bias already in `q`.
    #[inline(always)]
    fn before_relu(&self, k: usize, p: &[E], q: &[E], t: &mut [E]) {
        let w = self.bias.len();
        let f = self.weight.len() / w;
        let features = &self.features[k * f..(k + 1) * f];
        let p = &p[self.senders[k] as usize * w..][..w];
        let (q, t) = (&q[..w], &mut t[..w]);
        // Relative position and its norm in two or three dimensions, with up to three differences of what is fed back: in one pass.
        match f {
            3 => combine::<E, 3>(features, self.weight, p, q, t),
            4 => combine::<E, 4>(features, self.weight, p, q, t),
            5 => combine::<E, 5>(features, self.weight, p, q, t),
            6 => combine::<E, 6>(features, self.weight, p, q, t),
            7 => combine::<E, 7>(features, self.weight, p, q, t),
            _ => {
                for i in 0..w {
                    t[i] = p[i] + q[i];
                }
                for (&a, row) in features.iter().zip(self.weight.chunks_exact(w)) {
                    for i in 0..w {
                        t[i] += a * row[i];
                    }
                }
            }
        }
    }
}

/// `t = p + q + a weight`, with `a: [F]`, `weight: [F, w]`.
#[inline(always)]
fn combine<E: Real, const F: usize>(a: &[E], weight: &[E], p: &[E], q: &[E], t: &mut [E]) {
    let w = t.len();
    let (p, q) = (&p[..w], &q[..w]);
    let a: [E; F] = std::array::from_fn(|k| a[k]);
    let rows: [&[E]; F] = std::array::from_fn(|k| &weight[k * w..][..w]);
    for i in 0..w {
        let mut sum = p[i] + q[i];
        for k in 0..F {
            sum += a[k] * rows[k][i];
        }
        t[i] = sum;
    }
}

kernel! {
    /// `y[r] = mean over the edges of r of relu(p[sender] + q[r] + features weight + bias)`.
    fn lite(edges: LiteEdges<'_, E>, p: &[E], q: &[E], y: &mut [E]) {
        let w = edges.bias.len();
        let (mut t, mut base) = (vec![E::of(0.0); w], vec![E::of(0.0); w]);
        for (r, (out, q)) in y.chunks_exact_mut(w).zip(q.chunks_exact(w)).enumerate() {
            let (first, last) = (edges.start[r], edges.start[r + 1]);
            for i in 0..w {
                base[i] = q[i] + edges.bias[i];
                out[i] = E::of(0.0);
            }
            for k in first..last {
                edges.before_relu(k, p, &base, &mut t);
                for (o, &t) in out.iter_mut().zip(&t) {
                    *o += positive(t);
                }
            }
            let scale = E::of(1.0 / (last - first).max(1) as f64);
            for o in out.iter_mut() {
                *o *= scale;
            }
        }
    }
}

kernel! {
    /// Derivative of [`lite`], adding to `dp`, `dq`, `dw`; what the ReLU passed is computed again rather than stored.
    fn lite_backward(edges: LiteEdges<'_, E>, p: &[E], q: &[E], g: &[E], dp: &mut [E], dq: &mut [E], dw: &mut [E]) {
        let w = edges.bias.len();
        let f = edges.weight.len() / w;
        let (mut t, mut base) = (vec![E::of(0.0); w], vec![E::of(0.0); w]);
        for (r, (dq, q)) in dq.chunks_exact_mut(w).zip(q.chunks_exact(w)).enumerate() {
            let (first, last) = (edges.start[r], edges.start[r + 1]);
            let scale = E::of(1.0 / (last - first).max(1) as f64);
            let g = &g[r * w..(r + 1) * w];
            for i in 0..w {
                base[i] = q[i] + edges.bias[i];
            }
            for k in first..last {
                edges.before_relu(k, p, &base, &mut t);
                let dp = &mut dp[edges.senders[k] as usize * w..][..w];
                for i in 0..w {
                    let d = if t[i] > E::of(0.0) { g[i] * scale } else { E::of(0.0) };
                    t[i] = d;
                    dp[i] += d;
                    dq[i] += d;
                }
                for (&a, dw) in edges.features[k * f..(k + 1) * f].iter().zip(dw.chunks_exact_mut(w)) {
                    for (dw, &t) in dw.iter_mut().zip(&t) {
                        *dw += a * t;
                    }
                }
            }
        }
    }
}

kernel! {
    /// `y[k] = relu(y[k] + p[sender] + q[receiver])` on every edge.
    fn edge_combine(senders: &[u32], receivers: &[u32], w: usize, p: &[E], q: &[E], y: &mut [E]) {
        for ((y, &s), &r) in y.chunks_exact_mut(w).zip(senders).zip(receivers) {
            let (p, q) = (&p[s as usize * w..][..w], &q[r as usize * w..][..w]);
            for i in 0..w {
                y[i] = positive(y[i] + p[i] + q[i]);
            }
        }
    }
}

kernel! {
    /// `sums[at[k] - first] += x[k]` for each row k.
    fn scatter_add(at: &[u32], first: usize, w: usize, x: &[E], sums: &mut [E]) {
        for (x, &r) in x.chunks_exact(w).zip(at) {
            let sum = &mut sums[(r as usize - first) * w..][..w];
            for i in 0..w {
                sum[i] += x[i];
            }
        }
    }
}

kernel! {
    /// `y[k] += x[at[k]]` for each row k.
    fn gather_add(at: &[u32], w: usize, x: &[E], y: &mut [E]) {
        for (y, &r) in y.chunks_exact_mut(w).zip(at) {
            let x = &x[r as usize * w..][..w];
            for i in 0..w {
                y[i] += x[i];
            }
        }
    }
}

kernel! {
    /// `sum = sum over the rows `of` of x`, in their order.
    fn gather_sum(of: &[u32], x: &[E], sum: &mut [E]) {
        let w = sum.len();
        sum.fill(E::of(0.0));
        for &k in of {
            let x = &x[k as usize * w..][..w];
            for i in 0..w {
                sum[i] += x[i];
            }
        }
    }
}
