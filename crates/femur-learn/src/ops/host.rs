//! A network's operations in the memory of this process.

use super::{Adjacency, Operations, Ops, step_params};
use crate::Real;
use crate::models::GraphInput;
use crate::params::Vars;
use crate::tape::{Recorder, Var};
use std::sync::Arc;

/// Operations with the parameters and the graph at hand.
pub(crate) struct Host<'a, 'v, E: Real> {
    pub(crate) ops: Ops<'a, E>,
    vars: &'v Vars<E>,
    graph: &'v Arc<Adjacency>,
}

impl<'a, 'v, E: Real> Host<'a, 'v, E> {
    /// For the graph of an input.
    pub(crate) fn new(vars: &'v Vars<E>, input: &'v GraphInput<E>, recorder: &'a mut Recorder<E>) -> Self {
        Host { ops: Ops { recorder }, vars, graph: &input.graph }
    }

    #[cfg(test)]
    pub(crate) fn graph(&self) -> &'v Arc<Adjacency> {
        self.graph
    }
}

impl<E: Real> Operations for Host<'_, '_, E> {
    type Var = Var<E>;

    fn parameter(&mut self, name: &str) -> Var<E> {
        self.vars.get(name).clone()
    }

    fn linear(&mut self, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        self.ops.linear(x, w, b)
    }

    fn linear_relu(&mut self, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        self.ops.linear_relu(x, w, b)
    }

    fn linear_residual(&mut self, r: &Var<E>, x: &Var<E>, w: &Var<E>, b: &Var<E>) -> Var<E> {
        self.ops.linear_residual(r, x, w, b)
    }

    fn matmul(&mut self, x: &Var<E>, w: &Var<E>) -> Var<E> {
        self.ops.matmul(x, w)
    }

    fn add(&mut self, a: &Var<E>, b: &Var<E>) -> Var<E> {
        self.ops.add(a, b)
    }

    fn layer_norm(&mut self, x: &Var<E>, scale: &Var<E>, shift: &Var<E>) -> Var<E> {
        self.ops.layer_norm(x, scale, shift)
    }

    fn softmax(&mut self, x: &Var<E>, size: usize) -> Var<E> {
        self.ops.softmax(x, size)
    }

    fn pool(&mut self, s: &Var<E>, v: &Var<E>, heads: usize) -> Var<E> {
        self.ops.pool(s, v, heads)
    }

    fn attention(&mut self, q: &Var<E>, k: &Var<E>, v: &Var<E>, heads: usize) -> Var<E> {
        self.ops.attention(q, k, v, heads)
    }

    fn spread(&mut self, s: &Var<E>, z: &Var<E>, heads: usize) -> Var<E> {
        self.ops.spread(s, z, heads)
    }

    fn lite_messages(&mut self, pq: [&Var<E>; 2], features: &Var<E>, layer: [&Var<E>; 2]) -> Var<E> {
        self.ops.lite_messages(pq, features, layer, self.graph)
    }

    fn full_steps(&mut self, v: &Var<E>, e: &Var<E>, names: &[String], hidden: usize, edges: bool) -> (Var<E>, Option<Var<E>>) {
        let of = step_params(hidden);
        let params: Vec<Vec<&Var<E>>> =
            names.iter().map(|name| of.iter().map(|p| self.vars.get(&format!("{name}.{p}"))).collect()).collect();
        let both = self.ops.full_steps(v, e, &params, self.graph, edges);
        if edges { (self.ops.rows(&both, 0..v.rows()), Some(self.ops.rows(&both, v.rows()..both.rows()))) } else { (both, None) }
    }
}
