//! Messages along edges.

use super::Ops;
use crate::Real;
use crate::kernels::{self, LiteEdges};
use crate::tape::Var;
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
    /// Of a part of a larger graph, whose nodes are numbered from the inside out: the number of nodes whose values are wanted, and of
    /// those within one edge of them, two, ... Empty where the values of all nodes are wanted.
    pub rings: Vec<usize>,
}

impl Adjacency {
    /// From edges sorted by receiver.
    pub fn new(senders: Vec<u32>, receivers: Vec<u32>, num_nodes: usize) -> Self {
        let mut start = vec![0; num_nodes + 1];
        receivers.iter().for_each(|&r| start[r as usize + 1] += 1);
        (0..num_nodes).for_each(|r| start[r + 1] += start[r]);
        Adjacency { senders, receivers, start, rings: Vec::new() }
    }

    /// The same as a part, with its rings.
    pub fn with_rings(self, rings: Vec<usize>) -> Self {
        Adjacency { rings, ..self }
    }

    /// The edges by their sender, ascending for each: those of node `s` are `edges[start[s]..start[s + 1]]`; `(start, edges)`.
    pub fn outgoing(&self) -> (Vec<u32>, Vec<u32>) {
        let n = self.start.len() - 1;
        let mut start = vec![0; n + 1];
        self.senders.iter().for_each(|&s| start[s as usize + 1] += 1);
        (0..n).for_each(|s| start[s + 1] += start[s]);
        let (mut at, mut edges) = (start.clone(), vec![0; self.senders.len()]);
        for (edge, &s) in (0..).zip(&self.senders) {
            edges[at[s as usize] as usize] = edge;
            at[s as usize] += 1;
        }
        (start, edges)
    }

    fn with<'a, E: Real>(&'a self, features: &'a Var<E>, weight: &'a Var<E>, bias: &'a Var<E>) -> LiteEdges<'a, E> {
        let (features, weight, bias) = (features.values(), weight.values(), bias.values());
        LiteEdges { senders: &self.senders, start: &self.start, features, weight, bias }
    }
}

impl<E: Real> Ops<'_, E> {
    /// The lite message step, fused: at each receiver the mean over its edges of `relu(p[sender] + q[receiver] + features weight +
    /// bias)`; `p, q: [n, w]`, `features: [edges, f]` without gradient, `weight: [f, w]`, `bias: [1, w]`.
    pub fn lite_messages(
        &mut self,
        [p, q]: [&Var<E>; 2],
        features: &Var<E>,
        [weight, bias]: [&Var<E>; 2],
        graph: &Arc<Adjacency>,
    ) -> Var<E> {
        assert!(!features.needs_gradient(), "edge features of a lite step are data");
        let (n, w) = (p.rows(), p.columns());
        let mut y = vec![E::of(0.0); n * w];
        kernels::lite(graph.with(features, weight, bias), p.values(), q.values(), &mut y);
        let graph = graph.clone();
        self.recorder.op([p, q, features, weight, bias], y, n, w, move |[p, q, features, weight, bias], _, g| {
            let zeros = |len: usize| vec![E::of(0.0); len];
            let (mut dp, mut dq, mut dw, mut db) = (zeros(n * w), zeros(n * w), zeros(weight.rows() * w), zeros(w));
            kernels::lite_backward(graph.with(features, weight, bias), p.values(), q.values(), &g, &mut dp, &mut dq, &mut dw);
            kernels::add_rows(&mut db, &dq);
            [dp, dq, Vec::new(), dw, db]
        })
    }

    /// `relu(p[sender] + q[receiver] + e)` on every edge, `[edges, w]`: the first layer of an edge network, split into products per
    /// node and per edge.
    #[cfg(test)]
    pub fn edge_combine(&mut self, p: &Var<E>, q: &Var<E>, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
        let (n, w, edges) = (p.rows(), p.columns(), e.rows());
        let mut y = e.values().to_vec();
        kernels::edge_combine(&graph.senders, &graph.receivers, w, p.values(), q.values(), &mut y);
        let graph = graph.clone();
        self.recorder.op([p, q, e], y, edges, w, move |_, y, mut g| {
            kernels::relu_backward(y.values(), &mut g);
            let (mut dp, mut dq) = (vec![E::of(0.0); n * w], vec![E::of(0.0); n * w]);
            kernels::scatter_add(&graph.senders, 0, w, &g, &mut dp);
            kernels::scatter_add(&graph.receivers, 0, w, &g, &mut dq);
            [dp, dq, g]
        })
    }

    /// Sum over the edges that end at each node, `[n, w]`.
    #[cfg(test)]
    pub fn segment_sum(&mut self, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
        let (w, n) = (e.columns(), graph.start.len() - 1);
        let mut y = vec![E::of(0.0); n * w];
        kernels::scatter_add(&graph.receivers, 0, w, e.values(), &mut y);
        let graph = graph.clone();
        self.recorder.op([e], y, n, w, move |_, _, g| {
            let mut out = Vec::with_capacity(graph.receivers.len() * w);
            for &r in &graph.receivers {
                out.extend_from_slice(&g[r as usize * w..(r as usize + 1) * w]);
            }
            [out]
        })
    }
}
