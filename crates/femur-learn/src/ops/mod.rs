//! Own differentiable operations. Each computes forwards at once and records its derivative on the tape; sums have a fixed order.

mod dense;
mod graph;
mod host;
mod processor;
mod slices;

pub use graph::Adjacency;
pub(crate) use host::Host;
pub use processor::step_params;

use crate::Real;
use crate::tape::Recorder;

/// What networks are made of: operations on matrices that lie where they are computed, in the memory of this process or on a
/// [`Device`](crate::Device). All row-major; `n` nodes, `m` edges.
pub trait Operations {
    /// A matrix.
    type Var: Clone;
    /// The parameter of that name; a network asks only for what it added.
    fn parameter(&mut self, name: &str) -> Self::Var;
    /// `x w + b`, with `x: [rows, i]`, `w: [i, o]`, `b: [1, o]`.
    fn linear(&mut self, x: &Self::Var, w: &Self::Var, b: &Self::Var) -> Self::Var;
    /// `max(x w + b, 0)`.
    fn linear_relu(&mut self, x: &Self::Var, w: &Self::Var, b: &Self::Var) -> Self::Var;
    /// `r + x w + b`: a layer with a residual connection.
    fn linear_residual(&mut self, r: &Self::Var, x: &Self::Var, w: &Self::Var, b: &Self::Var) -> Self::Var;
    /// `x w`.
    fn matmul(&mut self, x: &Self::Var, w: &Self::Var) -> Self::Var;
    /// `a + b`.
    fn add(&mut self, a: &Self::Var, b: &Self::Var) -> Self::Var;
    /// LayerNorm over each row (Ba, Kiros and Hinton 2016) with scale and shift `[1, columns]`.
    fn layer_norm(&mut self, x: &Self::Var, scale: &Self::Var, shift: &Self::Var) -> Self::Var;
    /// Softmax over consecutive groups of `size` columns.
    fn softmax(&mut self, x: &Self::Var, size: usize) -> Self::Var;
    /// Slice tokens (Wu et al. 2024, Transolver, eq. 2): for each head the mean of its value columns over the nodes, weighted by the
    /// slice weights; `s: [n, heads slices]`, `v: [n, heads d]`, result `[heads slices, d]`.
    fn pool(&mut self, s: &Self::Var, v: &Self::Var, heads: usize) -> Self::Var;
    /// Attention among the tokens of each head: `softmax(q k^T / sqrt(d)) v`, with `q, k, v: [heads slices, d]`.
    fn attention(&mut self, q: &Self::Var, k: &Self::Var, v: &Self::Var, heads: usize) -> Self::Var;
    /// Tokens back to nodes: for each head `s z`, `[n, heads d]`.
    fn spread(&mut self, s: &Self::Var, z: &Self::Var, heads: usize) -> Self::Var;
    /// The lite message step: at each receiver the mean over its edges of `relu(p[sender] + q[receiver] + features weight + bias)`;
    /// `p, q: [n, w]`, `features: [m, f]` without gradient, `layer`: weight `[f, w]` and bias `[1, w]`.
    fn lite_messages(&mut self, pq: [&Self::Var; 2], features: &Self::Var, layer: [&Self::Var; 2]) -> Self::Var;
    /// Full message-passing steps on nodes `v: [n, w]` and edges `e: [m, w]`, each with the parameters [`step_params`] below its name
    /// in `names`. Gives the nodes `[n, w]` and, if they are asked for, the edges `[m, w]`.
    fn full_steps(&mut self, v: &Self::Var, e: &Self::Var, names: &[String], hidden: usize, edges: bool) -> (Self::Var, Option<Self::Var>);
}

/// Operations for one float type in the memory of this process.
pub struct Ops<'a, E: Real> {
    /// Where operations are recorded.
    pub recorder: &'a mut Recorder<E>,
}
