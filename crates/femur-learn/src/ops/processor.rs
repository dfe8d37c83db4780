//! Full message-passing steps as one operation: a run of steps forwards and backwards, block by block.
//!
//! What it computes is what [`full`](crate::models) computes from single operations. It is faster because a block of edges with all
//! edges of its receivers, small enough for a core's own cache, goes through the whole chain of products, ReLU, LayerNorm, residual
//! and sum before the next block is touched. Blocks are cut and parameter gradients summed in an order that the graph and the
//! width alone decide, so that any number of threads gives the same bits.

use super::{Adjacency, Ops};
use crate::kernels;
use crate::real::{Block, Real};
use crate::tape::{Memory, Var};
use femur_solve::dense::View;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Values of one matrix of a block: about what half of a core's second-level cache holds three of, in f32.
const BLOCK: usize = 24_576;
/// Parts into which a gradient of the parameters is summed.
const PARTS: usize = 16;

/// The parameters of a step of one hidden layer, weights `[w, w]` and rows `[w]`.
const STEP_PARAMS: [&str; 15] = [
    "sender.weight",
    "receiver.weight",
    "edge.weight",
    "edge.bias",
    "edge_out.weight",
    "edge_out.bias",
    "edge_norm.scale",
    "edge_norm.shift",
    "node_message.weight",
    "node.weight",
    "node.bias",
    "node_out.weight",
    "node_out.bias",
    "node_norm.scale",
    "node_norm.shift",
];

/// Those of each further hidden layer.
const HIDDEN_PARAMS: [&str; 4] = ["edge_hidden.weight", "edge_hidden.bias", "node_hidden.weight", "node_hidden.bias"];

/// Names of the parameters of a step with so many hidden layers, in the order in which [`Ops::full_steps`] takes them. Further layers
/// are numbered from 1: `edge_hidden.1.weight`.
pub(crate) fn step_params(hidden: usize) -> Vec<String> {
    let further = (1..hidden).flat_map(|k| HIDDEN_PARAMS.map(|p| p.replace('.', &format!(".{k}."))));
    STEP_PARAMS.iter().map(|p| (*p).to_string()).chain(further).collect()
}

/// Values of the parameters of a step.
struct StepParams<'a, E: Real> {
    w: usize,
    of: Vec<&'a [E]>,
}

/// Places in [`step_params`].
const SENDER: usize = 0;
const RECEIVER: usize = 1;
const EDGE: usize = 2;
const EDGE_OUT: usize = 4;
const EDGE_NORM: usize = 6;
const NODE_MESSAGE: usize = 8;
const NODE: usize = 9;
const NODE_OUT: usize = 11;
const NODE_NORM: usize = 13;

/// Place of a further hidden layer, counted from 1.
fn edge_hidden(k: usize) -> usize {
    STEP_PARAMS.len() + HIDDEN_PARAMS.len() * (k - 1)
}

fn node_hidden(k: usize) -> usize {
    edge_hidden(k) + 2
}

impl<'a, E: Real> StepParams<'a, E> {
    fn new(vars: impl Iterator<Item = &'a Var<E>>, w: usize) -> Self {
        StepParams { w, of: vars.map(Var::values).collect() }
    }

    /// Number of hidden layers.
    fn hidden(&self) -> usize {
        1 + (self.of.len() - STEP_PARAMS.len()) / HIDDEN_PARAMS.len()
    }

    fn weight(&self, k: usize) -> View<'a, E> {
        View::new(self.of[k], self.w, self.w)
    }

    /// The bias of a layer, or the shift of a norm, whose weight or scale is number `k`.
    fn row(&self, k: usize) -> &'a [E] {
        self.of[k + 1]
    }

    /// `y = x W_k (+ y)`.
    fn product(&self, k: usize, x: &[E], y: &mut [E], add: bool) {
        E::gemm(y, Block::whole(self.w), View::new(x, x.len() / self.w, self.w), self.weight(k), add);
    }

    /// `y = g W_k^T (+ y)`.
    fn back(&self, k: usize, g: &[E], y: &mut [E], add: bool) {
        E::gemm(y, Block::whole(self.w), View::new(g, g.len() / self.w, self.w), self.weight(k).t(), add);
    }

    /// `y = x W_k + b_k`.
    fn layer(&self, k: usize, x: &[E], y: &mut [E]) {
        y.chunks_exact_mut(self.w).for_each(|row| row.copy_from_slice(self.row(k)));
        self.product(k, x, y, true);
    }

    /// The further hidden layers, each from the one before.
    fn deepen(&self, place: fn(usize) -> usize, hidden: &mut [&mut [E]]) {
        for k in 1..hidden.len() {
            let (before, after) = hidden.split_at_mut(k);
            self.layer(place(k), before[k - 1], after[0]);
            kernels::relu(after[0]);
        }
    }
}

/// Gradients of a step's parameters, each of the parameter's size where the part of the step that is at work has it.
struct StepGrads<E: Real> {
    w: usize,
    of: Vec<Vec<E>>,
}

impl<E: Real> StepGrads<E> {
    /// Of all parameters of `p`, room for those at the places `which`.
    fn zeros(p: &StepParams<'_, E>, which: &[usize]) -> Self {
        let room = |(k, values): (usize, &&[E])| if which.contains(&k) { vec![E::of(0.0); values.len()] } else { Vec::new() };
        StepGrads { w: p.w, of: p.of.iter().enumerate().map(room).collect() }
    }

    /// `W_k += x^T g`.
    fn weight(&mut self, k: usize, x: &[E], g: &[E]) {
        let (w, rows) = (self.w, x.len() / self.w);
        E::gemm(&mut self.of[k], Block::whole(w), View::new(x, rows, w).t(), View::new(g, rows, w), true);
    }

    /// `W_k += x^T g`, `b_k += sum of g over rows`.
    fn layer(&mut self, k: usize, x: &[E], g: &[E]) {
        self.weight(k, x, g);
        kernels::add_rows(&mut self.of[k + 1], g);
    }

    /// Through a LayerNorm: `g` becomes the gradient of what went in, `z`.
    fn norm(&mut self, k: usize, scale: &[E], z: &[E], stats: &[E], g: &mut [E]) {
        let (first, second) = self.of.split_at_mut(k + 1);
        kernels::layer_norm_backward(z, scale, stats, g, &mut first[k], &mut second[0]);
    }

    /// Back through the hidden layers: `g` is the gradient after the output layer `out`, `t` becomes that before the first ReLU.
    fn back_through(&mut self, p: &StepParams<'_, E>, out: usize, place: fn(usize) -> usize, hidden: &[&[E]], g: &mut [E], t: &mut [E]) {
        let last = hidden.len() - 1;
        self.layer(out, hidden[last], g);
        p.back(out, g, t, false);
        kernels::relu_backward(hidden[last], t);
        for k in (1..hidden.len()).rev() {
            self.layer(place(k), hidden[k - 1], t);
            p.back(place(k), t, g, false);
            kernels::relu_backward(hidden[k - 1], g);
            t.copy_from_slice(g);
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, part) in self.of.iter_mut().zip(&other.of) {
            if sum.is_empty() {
                sum.extend_from_slice(part);
            } else if !part.is_empty() {
                kernels::add(sum, part);
            }
        }
    }
}

/// How nodes and edges are cut into blocks.
struct Plan {
    /// Nodes in blocks, and in the same cut of their edges: `(nodes, edges)`.
    edges: Vec<(Range<usize>, Range<usize>)>,
    nodes: Vec<Range<usize>>,
    /// Edges that start at node `s`: `outgoing[out_start[s]..out_start[s + 1]]`.
    out_start: Vec<usize>,
    outgoing: Vec<u32>,
}

impl Plan {
    fn new(graph: &Adjacency, w: usize) -> Self {
        let n = graph.start.len() - 1;
        let rows = (BLOCK / w.max(1)).clamp(32, 1024);
        let (mut edges, mut from) = (Vec::new(), 0);
        for node in 0..n {
            let next = graph.start[node + 1] - graph.start[from];
            // Nodes without edges make no block too long.
            if node + 1 == n || node + 1 - from >= rows || next + (graph.start[(node + 2).min(n)] - graph.start[node + 1]) > rows {
                edges.push((from..node + 1, graph.start[from]..graph.start[node + 1]));
                from = node + 1;
            }
        }
        let nodes = (0..n).step_by(rows).map(|a| a..(a + rows).min(n)).collect();
        let mut out_start = vec![0; n + 1];
        graph.senders.iter().for_each(|&s| out_start[s as usize + 1] += 1);
        (0..n).for_each(|s| out_start[s + 1] += out_start[s]);
        let mut at = out_start.clone();
        let mut outgoing = vec![0; graph.senders.len()];
        for (k, &s) in graph.senders.iter().enumerate() {
            outgoing[at[s as usize]] = k as u32;
            at[s as usize] += 1;
        }
        Plan { edges, nodes, out_start, outgoing }
    }

    fn of_nodes<'a, E>(&self, all: &'a mut [E], width: usize) -> Vec<&'a mut [E]> {
        cut(all, self.nodes.iter().map(|r| r.len() * width))
    }

    fn of_edges<'a, E>(&self, all: &'a mut [E], width: usize) -> Vec<&'a mut [E]> {
        cut(all, self.edges.iter().map(|(_, e)| e.len() * width))
    }

    fn of_receivers<'a, E>(&self, all: &'a mut [E], width: usize) -> Vec<&'a mut [E]> {
        cut(all, self.edges.iter().map(|(n, _)| n.len() * width))
    }
}

/// A slice as neighbouring pieces.
fn cut<E>(mut all: &mut [E], lengths: impl Iterator<Item = usize>) -> Vec<&mut [E]> {
    lengths
        .map(|len| {
            let (piece, rest) = std::mem::take(&mut all).split_at_mut(len);
            all = rest;
            piece
        })
        .collect()
}

fn rows<'a, E>(all: &'a [E], range: &Range<usize>, w: usize) -> &'a [E] {
    &all[range.start * w..range.end * w]
}

/// Runs blocks with their pieces in parallel in at most [`PARTS`] parts; each part sums gradients of its own, which are added in
/// their order.
fn in_parts<E: Real, T: Send>(
    blocks: Vec<T>,
    p: &StepParams<'_, E>,
    which: &[usize],
    each: impl Fn(T, &mut StepGrads<E>, &mut Vec<E>) + Sync,
) -> StepGrads<E> {
    let size = blocks.len().div_ceil(PARTS).max(1);
    let mut parts: Vec<Vec<T>> = Vec::new();
    for (k, block) in blocks.into_iter().enumerate() {
        if k % size == 0 {
            parts.push(Vec::with_capacity(size));
        }
        if let Some(part) = parts.last_mut() {
            part.push(block);
        }
    }
    let sums: Vec<StepGrads<E>> = parts
        .into_par_iter()
        .with_max_len(1)
        .map(|part| {
            let (mut grads, mut scratch) = (StepGrads::zeros(p, which), Vec::new());
            part.into_iter().for_each(|block| each(block, &mut grads, &mut scratch));
            grads
        })
        .collect();
    let mut total = StepGrads::zeros(p, &[]);
    sums.iter().for_each(|part| total.add(part));
    total
}

/// What the backward pass of a step reads.
struct Saved<E> {
    /// Nodes and edges before the step, `[n, w]` and `[edges, w]`.
    v: Vec<E>,
    e: Vec<E>,
    /// Sums of messages `[n, w]`.
    sum: Vec<E>,
    edge: Layers<E>,
    node: Layers<E>,
}

/// Of a network with LayerNorm: the values after each ReLU and before the norm `[rows, w]`, the norm's mean and inverse deviation
/// `[rows, 2]`.
struct Layers<E> {
    hidden: Vec<Vec<E>>,
    out: Vec<E>,
    stats: Vec<E>,
}

/// The same of one block, to write to.
struct Piece<'a, E> {
    hidden: Vec<&'a mut [E]>,
    out: &'a mut [E],
    stats: &'a mut [E],
}

impl<E: Real> Layers<E> {
    fn new(rows: usize, w: usize, hidden: usize) -> Self {
        let zeros = |len: usize| vec![E::of(0.0); len];
        Layers { hidden: (0..hidden).map(|_| zeros(rows * w)).collect(), out: zeros(rows * w), stats: zeros(rows * 2) }
    }

    /// Its pieces for blocks of so many rows.
    fn pieces(&mut self, w: usize, blocks: impl Iterator<Item = usize> + Clone) -> impl Iterator<Item = Piece<'_, E>> {
        let mut hidden: Vec<_> = self.hidden.iter_mut().map(|h| cut(h, blocks.clone().map(move |r| r * w)).into_iter()).collect();
        let out = cut(&mut self.out, blocks.clone().map(move |r| r * w));
        let stats = cut(&mut self.stats, blocks.map(|r| r * 2));
        out.into_iter().zip(stats).map(move |(out, stats)| Piece {
            hidden: hidden.iter_mut().filter_map(Iterator::next).collect(),
            out,
            stats,
        })
    }

    /// The hidden values of some rows.
    fn hidden_of(&self, range: &Range<usize>, w: usize) -> Vec<&[E]> {
        self.hidden.iter().map(|h| rows(h, range, w)).collect()
    }
}

/// Room for the layers of one block where nothing is kept, and for a norm's output.
struct Scratch<E> {
    layers: Layers<E>,
    normed: Vec<E>,
}

impl<E: Real> Scratch<E> {
    fn new() -> Self {
        Scratch { layers: Layers::new(0, 0, 0), normed: Vec::new() }
    }

    /// The pieces to write to: those that are kept, else this room; and room for the norm's output.
    fn of<'a>(&'a mut self, kept: Option<Piece<'a, E>>, rows: usize, w: usize, hidden: usize) -> (Piece<'a, E>, &'a mut [E]) {
        self.normed.resize(rows * w, E::of(0.0));
        let piece = kept.unwrap_or_else(|| {
            let layers = &mut self.layers;
            layers.hidden.resize(hidden, Vec::new());
            layers.hidden.iter_mut().for_each(|h| h.resize(rows * w, E::of(0.0)));
            layers.out.resize(rows * w, E::of(0.0));
            layers.stats.resize(rows * 2, E::of(0.0));
            let hidden = layers.hidden.iter_mut().map(|h| &mut h[..]).collect();
            Piece { hidden, out: &mut layers.out, stats: &mut layers.stats }
        });
        (piece, &mut self.normed)
    }
}

/// The graph, its blocks and the width.
struct Run {
    graph: Arc<Adjacency>,
    plan: Plan,
    w: usize,
}

impl Run {
    fn new(graph: &Arc<Adjacency>, w: usize) -> Self {
        Run { graph: graph.clone(), plan: Plan::new(graph, w), w }
    }

    fn n(&self) -> usize {
        self.graph.start.len() - 1
    }

    fn m(&self) -> usize {
        self.graph.senders.len()
    }

    /// One step in place; gives what its backward pass reads if that is asked for.
    fn forward<E: Real>(&self, p: &StepParams<'_, E>, v: &mut [E], e: &mut [E], keep: bool) -> Option<Saved<E>> {
        let (w, plan, graph) = (self.w, &self.plan, &self.graph);
        let zeros = || vec![E::of(0.0); self.n() * w];
        let [mut sent, mut received, mut own, mut sum] = [zeros(), zeros(), zeros(), zeros()];
        let depth = p.hidden();
        let mut saved = keep.then(|| (v.to_vec(), e.to_vec(), Layers::new(self.m(), w, depth), Layers::new(self.n(), w, depth)));
        {
            let pieces = plan.of_nodes(&mut sent, w).into_iter().zip(plan.of_nodes(&mut received, w)).zip(plan.of_nodes(&mut own, w));
            let blocks: Vec<_> = plan.nodes.iter().zip(pieces).collect();
            blocks.into_par_iter().with_max_len(1).for_each(|(nodes, ((sent, received), own))| {
                let x = rows(v, nodes, w);
                p.product(SENDER, x, sent, false);
                // The edges' bias goes with the receivers' product, of which there are fewer.
                received.chunks_exact_mut(w).for_each(|row| row.copy_from_slice(p.row(EDGE)));
                p.product(RECEIVER, x, received, true);
                p.layer(NODE, x, own);
            });
        }
        {
            let lengths = plan.edges.iter().map(|(_, e)| e.len());
            let mut kept = saved.as_mut().map(|s| s.2.pieces(w, lengths));
            let pieces = plan.of_edges(e, w).into_iter().zip(plan.of_receivers(&mut sum, w));
            let blocks: Vec<_> = plan.edges.iter().zip(pieces).map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, (((nodes, edges), (x, sum)), kept)| {
                let (Piece { mut hidden, out, stats }, normed) = scratch.of(kept, edges.len(), w, depth);
                p.product(EDGE, x, hidden[0], false);
                let (senders, receivers) = (&graph.senders[edges.clone()], &graph.receivers[edges.clone()]);
                kernels::edge_combine(senders, receivers, w, &sent, &received, hidden[0]);
                p.deepen(edge_hidden, &mut hidden);
                p.layer(EDGE_OUT, hidden[depth - 1], out);
                kernels::layer_norm(out, p.of[EDGE_NORM], p.row(EDGE_NORM), normed, stats);
                kernels::add(x, normed);
                kernels::scatter_add(receivers, nodes.start, w, normed, sum);
            });
        }
        {
            let lengths = plan.nodes.iter().map(ExactSizeIterator::len);
            let mut kept = saved.as_mut().map(|s| s.3.pieces(w, lengths));
            let pieces = plan.of_nodes(v, w).into_iter().zip(plan.of_nodes(&mut own, w));
            let blocks: Vec<_> = plan.nodes.iter().zip(pieces).map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, ((nodes, (x, own)), kept)| {
                let (Piece { mut hidden, out, stats }, normed) = scratch.of(kept, nodes.len(), w, depth);
                hidden[0].copy_from_slice(own);
                p.product(NODE_MESSAGE, rows(&sum, nodes, w), hidden[0], true);
                kernels::relu(hidden[0]);
                p.deepen(node_hidden, &mut hidden);
                p.layer(NODE_OUT, hidden[depth - 1], out);
                kernels::layer_norm(out, p.of[NODE_NORM], p.row(NODE_NORM), normed, stats);
                kernels::add(x, normed);
            });
        }
        saved.map(|(v, e, edge, node)| Saved { v, e, sum, edge, node })
    }

    /// The derivative of a step: `dv`, `de` become the gradients of what went in; gives those of the parameters.
    fn backward<E: Real>(&self, p: &StepParams<'_, E>, saved: &Saved<E>, dv: &mut [E], de: &mut [E]) -> StepGrads<E> {
        let (w, plan, graph) = (self.w, &self.plan, &self.graph);
        let zeros = |rows: usize| vec![E::of(0.0); rows * w];
        let (mut dsum, mut dreceived, mut dhidden) = (zeros(self.n()), zeros(self.n()), zeros(self.m()));
        let further = |place: fn(usize) -> usize| (1..p.hidden()).flat_map(move |k| [place(k), place(k) + 1]);
        let mut which = vec![NODE_MESSAGE, NODE, NODE + 1, NODE_OUT, NODE_OUT + 1, NODE_NORM, NODE_NORM + 1];
        which.extend(further(node_hidden));
        let blocks: Vec<_> = plan.nodes.iter().zip(plan.of_nodes(dv, w)).zip(plan.of_nodes(&mut dsum, w)).collect();
        let mut total = in_parts(blocks, p, &which, |((nodes, dv), dsum), grads, scratch| {
            let (g, t) = two(scratch, dv.len());
            g.copy_from_slice(dv);
            let stats = &saved.node.stats[nodes.start * 2..nodes.end * 2];
            grads.norm(NODE_NORM, p.of[NODE_NORM], rows(&saved.node.out, nodes, w), stats, g);
            grads.back_through(p, NODE_OUT, node_hidden, &saved.node.hidden_of(nodes, w), g, t);
            grads.weight(NODE_MESSAGE, rows(&saved.sum, nodes, w), t);
            grads.layer(NODE, rows(&saved.v, nodes, w), t);
            p.back(NODE_MESSAGE, t, dsum, false);
            p.back(NODE, t, dv, true);
        });
        let mut which = vec![EDGE, EDGE + 1, EDGE_OUT, EDGE_OUT + 1, EDGE_NORM, EDGE_NORM + 1];
        which.extend(further(edge_hidden));
        let pieces = plan.of_edges(de, w).into_iter().zip(plan.of_edges(&mut dhidden, w)).zip(plan.of_receivers(&mut dreceived, w));
        let blocks: Vec<_> = plan.edges.iter().zip(pieces).collect();
        total.add(&in_parts(blocks, p, &which, |((nodes, edges), ((de, t), dreceived)), grads, scratch| {
            let (g, _) = two(scratch, de.len());
            let receivers = &graph.receivers[edges.clone()];
            g.copy_from_slice(de);
            kernels::gather_add(receivers, w, &dsum, g);
            let stats = &saved.edge.stats[edges.start * 2..edges.end * 2];
            grads.norm(EDGE_NORM, p.of[EDGE_NORM], rows(&saved.edge.out, edges, w), stats, g);
            grads.back_through(p, EDGE_OUT, edge_hidden, &saved.edge.hidden_of(edges, w), g, t);
            grads.layer(EDGE, rows(&saved.e, edges, w), t);
            p.back(EDGE, t, de, true);
            kernels::scatter_add(receivers, nodes.start, w, t, dreceived);
        }));
        let blocks: Vec<_> = plan.nodes.iter().zip(plan.of_nodes(dv, w)).collect();
        total.add(&in_parts(blocks, p, &[SENDER, RECEIVER], |(nodes, dv), grads, scratch| {
            let (dsent, _) = two(scratch, dv.len());
            for (s, sum) in nodes.clone().zip(dsent.chunks_exact_mut(w)) {
                kernels::gather_sum(&plan.outgoing[plan.out_start[s]..plan.out_start[s + 1]], &dhidden, sum);
            }
            let (v, dreceived) = (rows(&saved.v, nodes, w), rows(&dreceived, nodes, w));
            grads.weight(SENDER, v, dsent);
            grads.weight(RECEIVER, v, dreceived);
            p.back(SENDER, dsent, dv, true);
            p.back(RECEIVER, dreceived, dv, true);
        }));
        total
    }
}

/// Two rooms of that length.
fn two<E: Real>(scratch: &mut Vec<E>, len: usize) -> (&mut [E], &mut [E]) {
    scratch.resize(2 * len, E::of(0.0));
    scratch.split_at_mut(len)
}

impl<E: Real> Ops<'_, E> {
    /// Full message-passing steps on nodes `v: [n, w]` and edges `e: [edges, w]`, with the parameters of each step in the order of
    /// [`step_params`]. Gives the nodes `[n, w]`, with `edges` followed by the edges, `[n + edges, w]`.
    pub(crate) fn full_steps(&mut self, v: &Var<E>, e: &Var<E>, params: &[Vec<&Var<E>>], graph: &Arc<Adjacency>, edges: bool) -> Var<E> {
        let (n, m, w) = (v.rows(), e.rows(), v.columns());
        let run = Run::new(graph, w);
        let (mut nodes, mut latent) = (v.values().to_vec(), e.values().to_vec());
        let mut steps: Vec<Kept<E>> = Vec::new();
        for p in params {
            let p = StepParams::new(p.iter().copied(), w);
            match self.recorder.memory() {
                None => drop(run.forward(&p, &mut nodes, &mut latent, false)),
                Some(Memory::Store) => steps.extend(run.forward(&p, &mut nodes, &mut latent, true).map(Kept::Layers)),
                Some(Memory::Recompute) => {
                    steps.push(Kept::Inputs(nodes.clone(), latent.clone()));
                    run.forward(&p, &mut nodes, &mut latent, false);
                }
            }
        }
        if edges {
            nodes.append(&mut latent);
        }
        let inputs: Vec<&Var<E>> = [v, e].into_iter().chain(params.iter().flatten().copied()).collect();
        let each = params.first().map_or(1, Vec::len);
        self.recorder.op_of(&inputs, nodes, if edges { n + m } else { n }, w, move |inputs, _, mut dv| {
            let mut de = if edges { dv.split_off(n * w) } else { vec![E::of(0.0); m * w] };
            let mut grads: Vec<Vec<Vec<E>>> = Vec::new();
            for (p, kept) in inputs[2..].chunks_exact(each).zip(steps).rev() {
                let p = StepParams::new(p.iter(), w);
                let saved = match kept {
                    Kept::Layers(saved) => Some(saved),
                    Kept::Inputs(mut v, mut e) => run.forward(&p, &mut v, &mut e, true),
                };
                if let Some(saved) = saved {
                    grads.push(run.backward(&p, &saved, &mut dv, &mut de).of);
                }
            }
            [dv, de].into_iter().chain(grads.into_iter().rev().flatten()).collect()
        })
    }
}

/// What a step keeps for the backward pass.
enum Kept<E> {
    Layers(Saved<E>),
    /// Nodes and edges before it, from which the rest is computed once more.
    Inputs(Vec<E>, Vec<E>),
}
