//! Layers that work on each row by itself.

use super::Ops;
use crate::kernels;
use crate::product::{Base, Weights, add_gram};
use crate::real::Real;
use crate::tape::{Precision, Var};
use femur_solve::dense::View;
use rayon::prelude::*;
use std::ops::Range;

impl<E: Real> Ops<'_, E> {
    /// `x w + b`, with `x: [n, i]`, `w: [i, o]`, `b: [1, o]`.
    pub fn linear(&mut self, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        let (p, y) = affine(x, w, b, self.recorder.precision());
        self.recorder.op([x, w, b], y, x.rows(), w.columns(), move |[x, w, _], _, g| affine_backward(x, w, &g, p))
    }

    /// `max(x w + b, 0)`.
    pub fn linear_relu(&mut self, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        let (p, mut y) = affine(x, w, b, self.recorder.precision());
        kernels::relu(&mut y);
        self.recorder.op([x, w, b], y, x.rows(), w.columns(), move |[x, w, _], y, mut g| {
            kernels::relu_backward(y.values(), &mut g);
            affine_backward(x, w, &g, p)
        })
    }

    /// `r + x w + b`: a layer with a residual connection.
    pub fn linear_residual(&mut self, r: &Var<E>, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        let (p, mut y) = affine(x, w, b, self.recorder.precision());
        kernels::add(&mut y, r.values());
        self.recorder.op([r, x, w, b], y, x.rows(), w.columns(), move |[_, x, w, _], _, g| {
            let [dx, dw, db] = affine_backward(x, w, &g, p);
            [g, dx, dw, db]
        })
    }

    /// `x w`.
    pub fn matmul(&mut self, x: &Var<E>, w: &Var<E>) -> Var<E> {
        let (n, o, p) = (x.rows(), w.columns(), between(w, self.recorder.precision()));
        let mut y = vec![E::of(0.0); n * o];
        by_rows(x.values(), &Weights::new(w.values(), w.rows(), o, false, p), &mut y, Base::Zero);
        self.recorder.op([x, w], y, n, o, move |[x, w], _, g| [input_gradient(x, w, &g, p), weight_gradient(x, w, &g, p)])
    }

    /// `max(x, 0)`.
    #[cfg(test)]
    pub fn relu(&mut self, x: &Var<E>) -> Var<E> {
        let mut y = x.values().to_vec();
        kernels::relu(&mut y);
        self.recorder.op([x], y, x.rows(), x.columns(), |_, y, mut g| {
            kernels::relu_backward(y.values(), &mut g);
            [g]
        })
    }

    /// `a + b`.
    pub fn add(&mut self, a: &Var<E>, b: &Var<E>) -> Var<E> {
        let mut y = a.values().to_vec();
        kernels::add(&mut y, b.values());
        self.recorder.op([a, b], y, a.rows(), a.columns(), |_, _, g| [g.clone(), g])
    }

    /// Some neighbouring rows.
    pub fn rows(&mut self, x: &Var<E>, range: Range<usize>) -> Var<E> {
        let w = x.columns();
        let y = x.values()[range.start * w..range.end * w].to_vec();
        self.recorder.op([x], y, range.len(), w, move |[x], _, g| {
            let mut all = vec![E::of(0.0); x.rows() * w];
            all[range.start * w..range.end * w].copy_from_slice(&g);
            [all]
        })
    }

    /// LayerNorm over each row (Ba, Kiros and Hinton 2016) with scale and shift `[1, columns]`.
    pub fn layer_norm(&mut self, x: &Var<E>, scale: &Var<E>, shift: &Var<E>) -> Var<E> {
        let (n, w) = (x.rows(), x.columns());
        let (mut y, mut stats) = (vec![E::of(0.0); n * w], vec![E::of(0.0); n * 2]);
        kernels::layer_norm(x.values(), scale.values(), shift.values(), &mut y, &mut stats);
        self.recorder.op([x, scale, shift], y, n, w, move |[x, scale, _], _, mut g| {
            let (mut da, mut db) = (vec![E::of(0.0); w], vec![E::of(0.0); w]);
            kernels::layer_norm_backward(x.values(), scale.values(), &stats, &mut g, &mut da, &mut db);
            [g, da, db]
        })
    }
}

/// A matrix for faer.
pub(super) fn view<E: Real>(x: &Var<E>) -> View<'_, E> {
    View::new(x.values(), x.rows(), x.columns())
}

/// Rows that are multiplied at a time, and the most parts in which a gradient is summed: the cuts depend on the sizes alone, so that
/// any number of threads gives the same bits.
const ROWS: usize = 256;
const PARTS: usize = 16;

/// `y = x w`, to which `base` adds, rows in parallel.
fn by_rows<E: Real>(x: &[E], w: &Weights<'_, E>, y: &mut [E], base: Base<'_, E>) {
    let (k, n) = w.shape();
    y.par_chunks_mut(ROWS * n.max(1)).zip(x.par_chunks(ROWS * k.max(1))).for_each(|(y, x)| w.times(x, y, base));
}

/// The precision of a layer: the first and the last of a network, from features and to outputs, stay in f32.
fn between<E: Real>(w: &Var<E>, precision: Precision) -> Precision {
    if w.rows() == w.columns() { precision } else { Precision::F32 }
}

fn affine<E: Real>(x: &Var<E>, w: &Var<E>, b: &Var<E>, precision: Precision) -> (Precision, Vec<E>) {
    let (precision, mut y) = (between(w, precision), vec![E::of(0.0); x.rows() * w.columns()]);
    by_rows(x.values(), &Weights::new(w.values(), w.rows(), w.columns(), false, precision), &mut y, Base::Row(b.values()));
    (precision, y)
}

fn affine_backward<E: Real>(x: &Var<E>, w: &Var<E>, g: &[E], precision: Precision) -> [Vec<E>; 3] {
    let mut db = vec![E::of(0.0); w.columns()];
    kernels::add_rows(&mut db, g);
    [input_gradient(x, w, g, precision), weight_gradient(x, w, g, precision), db]
}

fn input_gradient<E: Real>(x: &Var<E>, w: &Var<E>, g: &[E], precision: Precision) -> Vec<E> {
    if !x.needs_gradient() {
        return Vec::new();
    }
    let mut dx = vec![E::of(0.0); x.rows() * x.columns()];
    by_rows(g, &Weights::new(w.values(), w.columns(), w.rows(), true, precision), &mut dx, Base::Zero);
    dx
}

fn weight_gradient<E: Real>(x: &Var<E>, w: &Var<E>, g: &[E], precision: Precision) -> Vec<E> {
    let (k, n) = (w.rows(), w.columns());
    let rows = ROWS.max(x.rows().div_ceil(PARTS));
    let parts = x.values().par_chunks(rows * k.max(1)).zip(g.par_chunks(rows * n.max(1)));
    let sums: Vec<Vec<E>> = parts
        .map(|(x, g)| {
            let mut dw = vec![E::of(0.0); k * n];
            add_gram(x, g, k, n, &mut dw, Base::Zero, &mut Vec::new(), precision);
            dw
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut dw = sums.next().unwrap_or_else(|| vec![E::of(0.0); k * n]);
    sums.for_each(|part| kernels::add(&mut dw, &part));
    dw
}
