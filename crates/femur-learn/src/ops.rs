//! Own differentiable operations. Each computes forwards at once and records its derivative on the tape; sums have a fixed order.

use crate::Real;
use crate::tape::{Recorder, Var};
use std::sync::Arc;

/// Directed edges sorted by receiver: edges `start[r]..start[r + 1]` end at node r.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjacency {
    /// Sending node of each edge.
    pub senders: Vec<u32>,
    /// Receiving node of each edge.
    pub receivers: Vec<u32>,
    /// First edge of each receiver `[num_nodes + 1]`.
    pub start: Vec<usize>,
}

impl Adjacency {
    /// From edges sorted by receiver.
    pub fn new(senders: Vec<u32>, receivers: Vec<u32>, num_nodes: usize) -> Self {
        let mut start = vec![0; num_nodes + 1];
        receivers.iter().for_each(|&r| start[r as usize + 1] += 1);
        (0..num_nodes).for_each(|r| start[r + 1] += start[r]);
        Adjacency { senders, receivers, start }
    }
}

/// Operations for one float type.
pub struct Ops<'a, E: Real> {
    /// Where operations are recorded.
    pub recorder: &'a mut Recorder<E>,
}

impl<E: Real> Ops<'_, E> {
    /// `x w + b`, with `x: [n, i]`, `w: [i, o]`, `b: [1, o]`.
    pub fn linear(&mut self, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        let (n, i, o) = (x.rows(), x.columns(), w.columns());
        let mut y = Vec::with_capacity(n * o);
        (0..n).for_each(|_| y.extend_from_slice(b.values()));
        E::gemm(&mut y, (x.values(), n, i, false), (w.values(), i, o, false), true);
        self.recorder.op([x, w, b], y, n, o, move |[x, w, _], _, g| {
            let mut db = vec![E::of(0.0); o];
            for row in g.chunks_exact(o) {
                db.iter_mut().zip(row).for_each(|(d, &g)| *d += g);
            }
            [input_gradient(x, w, g, n, i, o), weight_gradient(x, g, n, i, o), db]
        })
    }

    /// `x w`.
    pub fn matmul(&mut self, x: &Var<E>, w: &Var<E>) -> Var<E> {
        let (n, i, o) = (x.rows(), x.columns(), w.columns());
        let mut y = vec![E::of(0.0); n * o];
        E::gemm(&mut y, (x.values(), n, i, false), (w.values(), i, o, false), false);
        self.recorder.op([x, w], y, n, o, move |[x, w], _, g| [input_gradient(x, w, g, n, i, o), weight_gradient(x, g, n, i, o)])
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: &Var<E>) -> Var<E> {
        let zero = E::of(0.0);
        let y = x.values().iter().map(|&v| v.larger(zero)).collect();
        self.recorder.op([x], y, x.rows(), x.columns(), move |_, y, g| {
            [y.values().iter().zip(g).map(|(&y, &g)| if y > zero { g } else { zero }).collect()]
        })
    }

    /// `a + b`.
    pub fn add(&mut self, a: &Var<E>, b: &Var<E>) -> Var<E> {
        let y = a.values().iter().zip(b.values()).map(|(&a, &b)| a + b).collect();
        self.recorder.op([a, b], y, a.rows(), a.columns(), |_, _, g| [g.to_vec(), g.to_vec()])
    }

    /// LayerNorm over each row (Ba, Kiros and Hinton 2016) with scale and shift `[1, columns]`.
    pub fn layer_norm(&mut self, x: &Var<E>, scale: &Var<E>, shift: &Var<E>) -> Var<E> {
        let (n, w) = (x.rows(), x.columns());
        let (a, b) = (scale.values(), shift.values());
        let mut y = Vec::with_capacity(n * w);
        for row in x.values().chunks_exact(w) {
            let (mean, inverse) = moments(row);
            y.extend(row.iter().zip(a).zip(b).map(|((&v, &a), &b)| (v - mean) * inverse * a + b));
        }
        self.recorder.op([x, scale, shift], y, n, w, move |[x, scale, _], _, g| {
            let zero = E::of(0.0);
            let (mut dx, mut da, mut db) = (Vec::with_capacity(n * w), vec![zero; w], vec![zero; w]);
            let (width, a) = (E::of(w as f64), scale.values());
            let mut z = vec![zero; w];
            for (row, g) in x.values().chunks_exact(w).zip(g.chunks_exact(w)) {
                let (mean, inverse) = moments(row);
                z.iter_mut().zip(row).for_each(|(z, &v)| *z = (v - mean) * inverse);
                da.iter_mut().zip(g).zip(&z).for_each(|((d, &g), &z)| *d += g * z);
                db.iter_mut().zip(g).for_each(|(d, &g)| *d += g);
                let sum = sum_of(w, |k| g[k] * a[k]) / width;
                let sum_z = sum_of(w, |k| g[k] * a[k] * z[k]) / width;
                dx.extend(g.iter().zip(a).zip(&z).map(|((&g, &a), &z)| inverse * (g * a - sum - z * sum_z)));
            }
            [dx, da, db]
        })
    }

    /// The lite message step, fused: at each receiver the mean over its edges of `relu(p[sender] + q[receiver] + e)`; `p, q: [n, w]`,
    /// `e: [edges, w]`. What the ReLU passed is recomputed backwards instead of stored.
    pub fn lite_messages(&mut self, p: &Var<E>, q: &Var<E>, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
        let (n, w, edges) = (p.rows(), p.columns(), e.rows());
        let zero = E::of(0.0);
        let mut y = vec![zero; n * w];
        let (pv, qv, ev) = (p.values(), q.values(), e.values());
        for (r, out) in y.chunks_exact_mut(w).enumerate() {
            let (first, last) = (graph.start[r], graph.start[r + 1]);
            let q = &qv[r * w..(r + 1) * w];
            for k in first..last {
                let s = graph.senders[k] as usize;
                let (p, e) = (&pv[s * w..(s + 1) * w], &ev[k * w..(k + 1) * w]);
                for (((o, &p), &q), &e) in out.iter_mut().zip(p).zip(q).zip(e) {
                    *o += (p + q + e).larger(zero);
                }
            }
            let scale = E::of(1.0 / (last - first).max(1) as f64);
            out.iter_mut().for_each(|v| *v *= scale);
        }
        let graph = graph.clone();
        self.recorder.op([p, q, e], y, n, w, move |[p, q, e], _, g| {
            let (mut dp, mut dq, mut de) = (vec![zero; n * w], vec![zero; n * w], vec![zero; edges * w]);
            let (pv, qv, ev) = (p.values(), q.values(), e.values());
            for (r, dq) in dq.chunks_exact_mut(w).enumerate() {
                let (first, last) = (graph.start[r], graph.start[r + 1]);
                let scale = E::of(1.0 / (last - first).max(1) as f64);
                let (q, g) = (&qv[r * w..(r + 1) * w], &g[r * w..(r + 1) * w]);
                for k in first..last {
                    let s = graph.senders[k] as usize;
                    let (p, e, de) = (&pv[s * w..(s + 1) * w], &ev[k * w..(k + 1) * w], &mut de[k * w..(k + 1) * w]);
                    for ((((d, &p), &q), &e), &g) in de.iter_mut().zip(p).zip(q).zip(e).zip(g) {
                        *d = if p + q + e > zero { g * scale } else { zero };
                    }
                    let dp = &mut dp[s * w..(s + 1) * w];
                    for ((dp, dq), &d) in dp.iter_mut().zip(dq.iter_mut()).zip(de.iter()) {
                        *dp += d;
                        *dq += d;
                    }
                }
            }
            [dp, dq, de]
        })
    }

    /// `relu(p[sender] + q[receiver] + e)` on every edge, `[edges, w]`: the first layer of an edge network, split into products per
    /// node and per edge.
    pub fn edge_combine(&mut self, p: &Var<E>, q: &Var<E>, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
        let (n, w, edges) = (p.rows(), p.columns(), e.rows());
        let zero = E::of(0.0);
        let mut y = e.values().to_vec();
        let (pv, qv) = (p.values(), q.values());
        for k in 0..edges {
            let (s, r) = (graph.senders[k] as usize, graph.receivers[k] as usize);
            let (p, q) = (&pv[s * w..(s + 1) * w], &qv[r * w..(r + 1) * w]);
            for (c, v) in y[k * w..(k + 1) * w].iter_mut().enumerate() {
                *v = (*v + p[c] + q[c]).larger(zero);
            }
        }
        let graph = graph.clone();
        self.recorder.op([p, q, e], y, edges, w, move |_, y, g| {
            let (mut dp, mut dq) = (vec![zero; n * w], vec![zero; n * w]);
            let de: Vec<E> = y.values().iter().zip(g).map(|(&y, &g)| if y > zero { g } else { zero }).collect();
            for k in 0..edges {
                let (s, r) = (graph.senders[k] as usize, graph.receivers[k] as usize);
                for c in 0..w {
                    dp[s * w + c] += de[k * w + c];
                    dq[r * w + c] += de[k * w + c];
                }
            }
            [dp, dq, de]
        })
    }

    /// Sum over the edges that end at each node, `[n, w]`.
    pub fn segment_sum(&mut self, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
        let (w, n) = (e.columns(), graph.start.len() - 1);
        let mut y = vec![E::of(0.0); n * w];
        for (k, row) in e.values().chunks_exact(w).enumerate() {
            let r = graph.receivers[k] as usize;
            y[r * w..(r + 1) * w].iter_mut().zip(row).for_each(|(y, &v)| *y += v);
        }
        let graph = graph.clone();
        self.recorder.op([e], y, n, w, move |_, _, g| {
            let mut out = Vec::with_capacity(graph.receivers.len() * w);
            for &r in &graph.receivers {
                out.extend_from_slice(&g[r as usize * w..(r as usize + 1) * w]);
            }
            [out]
        })
    }

    /// Softmax over consecutive groups of `size` columns.
    pub fn softmax(&mut self, x: &Var<E>, size: usize) -> Var<E> {
        let mut y = x.values().to_vec();
        for group in y.chunks_exact_mut(size) {
            softmax_in_place(group);
        }
        self.recorder.op([x], y, x.rows(), x.columns(), move |_, y, g| {
            let mut out = Vec::with_capacity(g.len());
            for (y, g) in y.values().chunks_exact(size).zip(g.chunks_exact(size)) {
                let dot: E = y.iter().zip(g).map(|(&y, &g)| y * g).sum();
                out.extend(y.iter().zip(g).map(|(&y, &g)| y * (g - dot)));
            }
            [out]
        })
    }

    /// Slice tokens: for each head the mean of its value columns over the nodes, weighted by the slice weights. `s: [n, heads
    /// slices]`, `v: [n, heads d]`, result `[heads slices, d]` (Wu et al. 2024, Transolver, eq. 2).
    pub fn pool(&mut self, s: &Var<E>, v: &Var<E>, heads: usize) -> Var<E> {
        let (n, slices, d) = (s.rows(), s.columns() / heads, v.columns() / heads);
        let mut y = vec![E::of(0.0); heads * slices * d];
        let mass = Arc::new(column_sums(s.values(), n, heads * slices));
        for h in 0..heads {
            let (sh, vh) = (columns(s.values(), n, heads * slices, h * slices, slices), columns(v.values(), n, heads * d, h * d, d));
            E::gemm(&mut y[h * slices * d..], (&sh, n, slices, true), (&vh, n, d, false), false);
        }
        for (token, m) in y.chunks_exact_mut(d).zip(mass.iter()) {
            token.iter_mut().for_each(|t| *t /= *m);
        }
        self.recorder.op([s, v], y, heads * slices, d, move |[s, v], y, g| {
            let (mut ds, mut dv) = (vec![E::of(0.0); n * heads * slices], vec![E::of(0.0); n * heads * d]);
            // z = (s^T v) / m: d(s^T v) = g / m, dm = -sum(g z) / m
            let scaled: Vec<E> = g.chunks_exact(d).zip(mass.iter()).flat_map(|(g, &m)| g.iter().map(move |&g| g / m)).collect();
            for h in 0..heads {
                let block = &scaled[h * slices * d..(h + 1) * slices * d];
                let (sh, vh) = (columns(s.values(), n, heads * slices, h * slices, slices), columns(v.values(), n, heads * d, h * d, d));
                let (mut dsh, mut dvh) = (vec![E::of(0.0); n * slices], vec![E::of(0.0); n * d]);
                E::gemm(&mut dsh, (&vh, n, d, false), (block, slices, d, true), false);
                E::gemm(&mut dvh, (&sh, n, slices, false), (block, slices, d, false), false);
                let z = &y.values()[h * slices * d..(h + 1) * slices * d];
                let dm: Vec<E> = (0..slices).map(|k| sum_of(d, |c| z[k * d + c] * block[k * d + c])).collect();
                for row in dsh.chunks_exact_mut(slices) {
                    row.iter_mut().zip(&dm).for_each(|(s, &dm)| *s -= dm);
                }
                put_columns(&mut ds, &dsh, n, heads * slices, h * slices, slices);
                put_columns(&mut dv, &dvh, n, heads * d, h * d, d);
            }
            [ds, dv]
        })
    }

    /// Attention among the tokens of each head: `softmax(q k^T / sqrt(d)) v`, with `q, k, v: [heads slices, d]`.
    pub fn attention(&mut self, q: &Var<E>, k: &Var<E>, v: &Var<E>, heads: usize) -> Var<E> {
        let (rows, d) = (q.rows(), q.columns());
        let slices = rows / heads;
        let scale = E::of(1.0 / (d as f64).sqrt());
        let mut y = vec![E::of(0.0); rows * d];
        let mut weights = vec![E::of(0.0); heads * slices * slices];
        for h in 0..heads {
            let block = h * slices * d..(h + 1) * slices * d;
            let a = &mut weights[h * slices * slices..(h + 1) * slices * slices];
            E::gemm(a, (&q.values()[block.clone()], slices, d, false), (&k.values()[block.clone()], slices, d, true), false);
            a.iter_mut().for_each(|v| *v *= scale);
            a.chunks_exact_mut(slices).for_each(softmax_in_place);
            E::gemm(&mut y[block.clone()], (a, slices, slices, false), (&v.values()[block], slices, d, false), false);
        }
        self.recorder.op([q, k, v], y, rows, d, move |[q, k, v], _, g| {
            let zero = E::of(0.0);
            let (mut dq, mut dk, mut dv) = (vec![zero; rows * d], vec![zero; rows * d], vec![zero; rows * d]);
            for h in 0..heads {
                let block = h * slices * d..(h + 1) * slices * d;
                let a = &weights[h * slices * slices..(h + 1) * slices * slices];
                let gh = &g[block.clone()];
                E::gemm(&mut dv[block.clone()], (a, slices, slices, true), (gh, slices, d, false), false);
                let mut da = vec![zero; slices * slices];
                E::gemm(&mut da, (gh, slices, d, false), (&v.values()[block.clone()], slices, d, true), false);
                for (a, da) in a.chunks_exact(slices).zip(da.chunks_exact_mut(slices)) {
                    let dot: E = a.iter().zip(da.iter()).map(|(&a, &d)| a * d).sum();
                    da.iter_mut().zip(a).for_each(|(d, &a)| *d = a * (*d - dot) * scale);
                }
                E::gemm(&mut dq[block.clone()], (&da, slices, slices, false), (&k.values()[block.clone()], slices, d, false), false);
                E::gemm(&mut dk[block.clone()], (&da, slices, slices, true), (&q.values()[block], slices, d, false), false);
            }
            [dq, dk, dv]
        })
    }

    /// Tokens back to nodes: for each head `s z`, `[n, heads d]`.
    pub fn spread(&mut self, s: &Var<E>, z: &Var<E>, heads: usize) -> Var<E> {
        let (n, slices, d) = (s.rows(), s.columns() / heads, z.columns());
        let mut y = vec![E::of(0.0); n * heads * d];
        for h in 0..heads {
            let sh = columns(s.values(), n, heads * slices, h * slices, slices);
            let mut yh = vec![E::of(0.0); n * d];
            E::gemm(&mut yh, (&sh, n, slices, false), (&z.values()[h * slices * d..(h + 1) * slices * d], slices, d, false), false);
            put_columns(&mut y, &yh, n, heads * d, h * d, d);
        }
        self.recorder.op([s, z], y, n, heads * d, move |[s, z], _, g| {
            let (mut ds, mut dz) = (vec![E::of(0.0); n * heads * slices], vec![E::of(0.0); heads * slices * d]);
            for h in 0..heads {
                let gh = columns(g, n, heads * d, h * d, d);
                let sh = columns(s.values(), n, heads * slices, h * slices, slices);
                let zh = &z.values()[h * slices * d..(h + 1) * slices * d];
                E::gemm(&mut dz[h * slices * d..(h + 1) * slices * d], (&sh, n, slices, true), (&gh, n, d, false), false);
                let mut dsh = vec![E::of(0.0); n * slices];
                E::gemm(&mut dsh, (&gh, n, d, false), (zh, slices, d, true), false);
                put_columns(&mut ds, &dsh, n, heads * slices, h * slices, slices);
            }
            [ds, dz]
        })
    }
}

fn input_gradient<E: Real>(x: &Var<E>, w: &Var<E>, g: &[E], n: usize, i: usize, o: usize) -> Vec<E> {
    if !x.needs_gradient() {
        return Vec::new();
    }
    let mut dx = vec![E::of(0.0); n * i];
    E::gemm(&mut dx, (g, n, o, false), (w.values(), i, o, true), false);
    dx
}

fn weight_gradient<E: Real>(x: &Var<E>, g: &[E], n: usize, i: usize, o: usize) -> Vec<E> {
    let mut dw = vec![E::of(0.0); i * o];
    E::gemm(&mut dw, (x.values(), n, i, true), (g, n, o, false), false);
    dw
}

/// Mean, and one over the standard deviation (with 1e-5 added to the variance).
fn moments<E: Real>(row: &[E]) -> (E, E) {
    let width = E::of(row.len() as f64);
    let mean = sum_of(row.len(), |k| row[k]) / width;
    let variance = sum_of(row.len(), |k| (row[k] - mean) * (row[k] - mean)) / width;
    (mean, E::of(1.0) / (variance + E::of(1e-5)).sqrt())
}

fn softmax_in_place<E: Real>(row: &mut [E]) {
    let top = row.iter().copied().fold(row[0], E::larger);
    row.iter_mut().for_each(|v| *v = (*v - top).exp());
    let sum: E = row.iter().copied().sum();
    row.iter_mut().for_each(|v| *v /= sum);
}

fn column_sums<E: Real>(x: &[E], rows: usize, width: usize) -> Vec<E> {
    // A slice that no node chose must not divide by zero.
    let mut sums = vec![E::of(1e-6); width];
    for row in x.chunks_exact(width).take(rows) {
        sums.iter_mut().zip(row).for_each(|(s, &v)| *s += v);
    }
    sums
}

/// A copy of some columns, `[rows, count]`.
fn columns<E: Real>(x: &[E], rows: usize, width: usize, first: usize, count: usize) -> Vec<E> {
    let mut out = Vec::with_capacity(rows * count);
    for row in x.chunks_exact(width).take(rows) {
        out.extend_from_slice(&row[first..first + count]);
    }
    out
}

/// A sum in eight lanes, which the compiler can keep in one register; the order is fixed.
fn sum_of<E: Real>(n: usize, term: impl Fn(usize) -> E) -> E {
    let mut lanes = [E::of(0.0); 8];
    let whole = n / 8 * 8;
    for k in (0..whole).step_by(8) {
        for (l, lane) in lanes.iter_mut().enumerate() {
            *lane += term(k + l);
        }
    }
    let rest: E = (whole..n).map(&term).sum();
    lanes.iter().copied().sum::<E>() + rest
}

fn put_columns<E: Real>(x: &mut [E], block: &[E], rows: usize, width: usize, first: usize, count: usize) {
    for r in 0..rows {
        x[r * width + first..r * width + first + count].copy_from_slice(&block[r * count..(r + 1) * count]);
    }
}
