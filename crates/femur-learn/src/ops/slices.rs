//! Attention over learned slices (Wu et al. 2024, Transolver): nodes are pooled into few tokens, which attend to each other and are
//! spread back. Heads lie side by side in the columns of node matrices and one after the other in the rows of token matrices.

use super::Ops;
use super::dense::view;
use crate::kernels;
use crate::real::{Block, Real};
use crate::tape::Var;
use femur_solve::dense::View;

impl<E: Real> Ops<'_, E> {
    /// Softmax over consecutive groups of `size` columns.
    pub fn softmax(&mut self, x: &Var<E>, size: usize) -> Var<E> {
        let mut y = x.values().to_vec();
        kernels::softmax(&mut y, size);
        self.recorder.op([x], y, x.rows(), x.columns(), move |_, y, mut g| {
            kernels::softmax_backward(y.values(), &mut g, size, E::of(1.0));
            [g]
        })
    }

    /// Slice tokens: for each head the mean of its value columns over the nodes, weighted by the slice weights. `s: [n, heads
    /// slices]`, `v: [n, heads d]`, result `[heads slices, d]` (eq. 2).
    pub fn pool(&mut self, s: &Var<E>, v: &Var<E>, heads: usize) -> Var<E> {
        let (slices, d) = (s.columns() / heads, v.columns() / heads);
        let mut y = vec![E::of(0.0); heads * slices * d];
        // A slice that no node chose must not divide by zero.
        let mut mass = vec![E::of(1e-6); heads * slices];
        kernels::add_rows(&mut mass, s.values());
        for h in 0..heads {
            let (s, v) = (view(s).columns(h * slices, slices), view(v).columns(h * d, d));
            E::gemm(&mut y[h * slices * d..], Block::whole(d), s.t(), v, false);
        }
        for (token, m) in y.chunks_exact_mut(d).zip(&mass) {
            token.iter_mut().for_each(|t| *t /= *m);
        }
        self.recorder.op([s, v], y, heads * slices, d, move |[s, v], y, mut g| {
            let n = s.rows();
            // z = (s^T v) / m: d(s^T v) = g / m, dm = -sum(g z) / m
            for (g, &m) in g.chunks_exact_mut(d).zip(&mass) {
                g.iter_mut().for_each(|g| *g /= m);
            }
            let dm: Vec<E> =
                y.values().chunks_exact(d).zip(g.chunks_exact(d)).map(|(z, g)| z.iter().zip(g).map(|(&z, &g)| -(z * g)).sum()).collect();
            let mut ds = Vec::with_capacity(n * heads * slices);
            (0..n).for_each(|_| ds.extend_from_slice(&dm));
            let mut dv = vec![E::of(0.0); n * heads * d];
            for h in 0..heads {
                let block = tokens(&g, h, slices, d);
                let (sh, vh) = (view(s).columns(h * slices, slices), view(v).columns(h * d, d));
                E::gemm(&mut ds, Block { width: heads * slices, first: h * slices }, vh, block.t(), true);
                E::gemm(&mut dv, Block { width: heads * d, first: h * d }, sh, block, false);
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
        let mut weights = vec![E::of(0.0); rows * slices];
        for (h, a) in weights.chunks_exact_mut(slices * slices).enumerate() {
            let [qh, kh, vh] = [q, k, v].map(|x| tokens(x.values(), h, slices, d));
            E::gemm(a, Block::whole(slices), qh, kh.t(), false);
            a.iter_mut().for_each(|v| *v *= scale);
            kernels::softmax(a, slices);
            E::gemm(&mut y[h * slices * d..], Block::whole(d), View::new(a, slices, slices), vh, false);
        }
        self.recorder.op([q, k, v], y, rows, d, move |[q, k, v], _, g| {
            let zeros = || vec![E::of(0.0); rows * d];
            let (mut dq, mut dk, mut dv) = (zeros(), zeros(), zeros());
            let mut da = vec![E::of(0.0); slices * slices];
            for (h, a) in weights.chunks_exact(slices * slices).enumerate() {
                let [qh, kh, vh] = [q, k, v].map(|x| tokens(x.values(), h, slices, d));
                let gh = tokens(&g, h, slices, d);
                let first = h * slices * d;
                E::gemm(&mut dv[first..], Block::whole(d), View::new(a, slices, slices).t(), gh, false);
                E::gemm(&mut da, Block::whole(slices), gh, vh.t(), false);
                kernels::softmax_backward(a, &mut da, slices, scale);
                let dah = View::new(&da, slices, slices);
                E::gemm(&mut dq[first..], Block::whole(d), dah, kh, false);
                E::gemm(&mut dk[first..], Block::whole(d), dah.t(), qh, false);
            }
            [dq, dk, dv]
        })
    }

    /// Tokens back to nodes: for each head `s z`, `[n, heads d]`.
    pub fn spread(&mut self, s: &Var<E>, z: &Var<E>, heads: usize) -> Var<E> {
        let (n, slices, d) = (s.rows(), s.columns() / heads, z.columns());
        let mut y = vec![E::of(0.0); n * heads * d];
        for h in 0..heads {
            let zh = tokens(z.values(), h, slices, d);
            E::gemm(&mut y, Block { width: heads * d, first: h * d }, view(s).columns(h * slices, slices), zh, false);
        }
        self.recorder.op([s, z], y, n, heads * d, move |[s, z], _, g| {
            let (mut ds, mut dz) = (vec![E::of(0.0); n * heads * slices], vec![E::of(0.0); heads * slices * d]);
            let g = View::new(&g, n, heads * d);
            for h in 0..heads {
                let (gh, sh) = (g.columns(h * d, d), view(s).columns(h * slices, slices));
                E::gemm(&mut dz[h * slices * d..], Block::whole(d), sh.t(), gh, false);
                let zh = tokens(z.values(), h, slices, d);
                E::gemm(&mut ds, Block { width: heads * slices, first: h * slices }, gh, zh.t(), false);
            }
            [ds, dz]
        })
    }
}

/// The tokens of head `h`.
fn tokens<E: Real>(x: &[E], h: usize, slices: usize, d: usize) -> View<'_, E> {
    View::new(&x[h * slices * d..], slices, d)
}
