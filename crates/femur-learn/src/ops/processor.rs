//! Full message-passing steps as one operation: a run of steps forwards and backwards, block by block.
//!
//! What it computes is what [`full`](crate::models) computes from single operations. It is faster because a block of edges with all
//! edges of its receivers, small enough for a core's own cache, goes through the whole chain of products, ReLU, LayerNorm, residual
//! and sum before the next block is touched. Blocks are cut and parameter gradients summed in an order that the graph and the
//! width alone decide, so that any number of threads gives the same bits.

use super::{Adjacency, Ops};
use crate::kernels;
use crate::pool::Room;
use crate::product::{Base, Weights, add_gram};
use crate::real::Real;
use crate::tape::{Memory, Var};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

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
    /// The weights among them laid out for products, once they are needed: as they are for the way forwards, turned for the way back.
    weights: Vec<[OnceLock<Weights<'a, E>>; 2]>,
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
        let of: Vec<&[E]> = vars.map(Var::values).collect();
        let weights = of.iter().map(|_| Default::default()).collect();
        StepParams { w, of, weights }
    }

    /// Number of hidden layers.
    fn hidden(&self) -> usize {
        1 + (self.of.len() - STEP_PARAMS.len()) / HIDDEN_PARAMS.len()
    }

    /// The bias of a layer, or the shift of a norm, whose weight or scale is number `k`.
    fn row(&self, k: usize) -> &'a [E] {
        self.of[k + 1]
    }

    /// `y = x W_k`, to which `base` adds.
    fn product(&self, k: usize, x: &[E], y: &mut [E], base: Base<'_, E>) {
        self.weights[k][0].get_or_init(|| Weights::new(self.of[k], self.w, self.w, false)).times(x, y, base);
    }

    /// `y = g W_k^T`, to which `base` adds.
    fn back(&self, k: usize, g: &[E], y: &mut [E], base: Base<'_, E>) {
        self.weights[k][1].get_or_init(|| Weights::new(self.of[k], self.w, self.w, true)).times(g, y, base);
    }

    /// `y = x W_k + b_k`.
    fn layer(&self, k: usize, x: &[E], y: &mut [E]) {
        self.product(k, x, y, Base::Row(self.row(k)));
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
    room: Vec<E>,
}

impl<E: Real> StepGrads<E> {
    /// Of all parameters of `p`, room for those at the places `which`.
    fn zeros(p: &StepParams<'_, E>, which: &[usize]) -> Self {
        let room = |(k, values): (usize, &&[E])| if which.contains(&k) { vec![E::of(0.0); values.len()] } else { Vec::new() };
        StepGrads { w: p.w, of: p.of.iter().enumerate().map(room).collect(), room: Vec::new() }
    }

    /// `W_k += x^T g`.
    fn weight(&mut self, k: usize, x: &[E], g: &[E]) {
        add_gram(x, g, self.w, self.w, &mut self.of[k], &mut self.room);
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

    /// Back through the hidden layers: `g` is the gradient after the output layer `out`; that before the first ReLU ends in `g` where the
    /// number of layers is even, else in `t`.
    fn back_through(&mut self, p: &StepParams<'_, E>, out: usize, place: fn(usize) -> usize, hidden: &[&[E]], g: &mut [E], t: &mut [E]) {
        let (mut from, mut to) = (g, t);
        for k in (0..hidden.len()).rev() {
            let layer = if k + 1 == hidden.len() { out } else { place(k + 1) };
            p.back(layer, from, to, Base::Zero);
            kernels::relu_backward(hidden[k], to);
            self.layer(layer, hidden[k], from);
            std::mem::swap(&mut from, &mut to);
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
struct Saved<E: Real> {
    /// Nodes and edges before the step, `[n, w]` and `[edges, w]`.
    v: Room<E>,
    e: Room<E>,
    /// Sums of messages `[n, w]`.
    sum: Room<E>,
    edge: Layers<E>,
    node: Layers<E>,
}

/// Of a network with LayerNorm: the values after each ReLU and before the norm `[rows, w]`, the norm's mean and inverse deviation
/// `[rows, 2]`.
struct Layers<E: Real> {
    hidden: Vec<Room<E>>,
    out: Room<E>,
    stats: Room<E>,
}

/// The same of one block, to write to.
struct Piece<'a, E> {
    hidden: Vec<&'a mut [E]>,
    out: &'a mut [E],
    stats: &'a mut [E],
}

impl<E: Real> Layers<E> {
    fn new(rows: usize, w: usize, hidden: usize) -> Self {
        Layers { hidden: (0..hidden).map(|_| Room::new(rows * w)).collect(), out: Room::new(rows * w), stats: Room::new(rows * 2) }
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
    hidden: Vec<Vec<E>>,
    out: Vec<E>,
    stats: Vec<E>,
    normed: Vec<E>,
}

impl<E: Real> Scratch<E> {
    fn new() -> Self {
        Scratch { hidden: Vec::new(), out: Vec::new(), stats: Vec::new(), normed: Vec::new() }
    }

    /// The pieces to write to: those that are kept, else this room; and room for the norm's output.
    fn of<'a>(&'a mut self, kept: Option<Piece<'a, E>>, rows: usize, w: usize, hidden: usize) -> (Piece<'a, E>, &'a mut [E]) {
        self.normed.resize(rows * w, E::of(0.0));
        let piece = kept.unwrap_or_else(|| {
            self.hidden.resize(hidden, Vec::new());
            self.hidden.iter_mut().for_each(|h| h.resize(rows * w, E::of(0.0)));
            self.out.resize(rows * w, E::of(0.0));
            self.stats.resize(rows * 2, E::of(0.0));
            let hidden = self.hidden.iter_mut().map(|h| &mut h[..]).collect();
            Piece { hidden, out: &mut self.out, stats: &mut self.stats }
        });
        (piece, &mut self.normed)
    }
}

/// `x = old + by`, or `x += by` where there is nothing old.
fn advance<E: Real>(old: Option<&[E]>, by: &[E], x: &mut [E]) {
    match old {
        Some(old) => kernels::sum_of_two(old, by, x),
        None => kernels::add(x, by),
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

    /// One step; gives what its backward pass reads if that is asked for.
    fn forward<E: Real>(&self, p: &StepParams<'_, E>, v: &mut Room<E>, e: &mut Room<E>, keep: bool) -> Option<Saved<E>> {
        let (w, plan, graph) = (self.w, &self.plan, &self.graph);
        let room = || Room::new(self.n() * w);
        let ([mut sent, mut received, mut own], mut sum) = ([room(), room(), room()], Room::zeros(self.n() * w));
        let depth = p.hidden();
        let mut layers = keep.then(|| (Layers::new(self.m(), w, depth), Layers::new(self.n(), w, depth)));
        {
            let pieces = plan.of_nodes(&mut sent, w).into_iter().zip(plan.of_nodes(&mut received, w)).zip(plan.of_nodes(&mut own, w));
            let blocks: Vec<_> = plan.nodes.iter().zip(pieces).collect();
            blocks.into_par_iter().with_max_len(1).for_each(|(nodes, ((sent, received), own))| {
                let x = rows(v, nodes, w);
                p.product(SENDER, x, sent, Base::Zero);
                // The edges' bias goes with the receivers' product, of which there are fewer.
                p.product(RECEIVER, x, received, Base::Row(p.row(EDGE)));
                p.layer(NODE, x, own);
            });
        }
        // What is kept is not written over: the step's result goes to another room.
        let replaced = |x: &mut Room<E>| {
            let next = Room::new(x.len());
            std::mem::replace(x, next)
        };
        let before = keep.then(|| [replaced(v), replaced(e)]);
        let [old_v, old_e] = [0, 1].map(|k| before.as_ref().map(|b| &b[k][..]));
        {
            let lengths = plan.edges.iter().map(|(_, e)| e.len());
            let mut kept = layers.as_mut().map(|l| l.0.pieces(w, lengths));
            let pieces = plan.of_edges(e, w).into_iter().zip(plan.of_receivers(&mut sum, w));
            let blocks: Vec<_> = plan.edges.iter().zip(pieces).map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, (((nodes, edges), (x, sum)), kept)| {
                let (Piece { mut hidden, out, stats }, normed) = scratch.of(kept, edges.len(), w, depth);
                let old = old_e.map(|e| rows(e, edges, w));
                p.product(EDGE, old.unwrap_or(x), hidden[0], Base::Zero);
                let (senders, receivers) = (&graph.senders[edges.clone()], &graph.receivers[edges.clone()]);
                kernels::edge_combine(senders, receivers, w, &sent, &received, hidden[0]);
                p.deepen(edge_hidden, &mut hidden);
                p.layer(EDGE_OUT, hidden[depth - 1], out);
                kernels::layer_norm(out, p.of[EDGE_NORM], p.row(EDGE_NORM), normed, stats);
                advance(old, normed, x);
                kernels::scatter_add(receivers, nodes.start, w, normed, sum);
            });
        }
        {
            let lengths = plan.nodes.iter().map(ExactSizeIterator::len);
            let mut kept = layers.as_mut().map(|l| l.1.pieces(w, lengths));
            let pieces = plan.of_nodes(v, w).into_iter().zip(plan.of_nodes(&mut own, w));
            let blocks: Vec<_> = plan.nodes.iter().zip(pieces).map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, ((nodes, (x, own)), kept)| {
                let (Piece { mut hidden, out, stats }, normed) = scratch.of(kept, nodes.len(), w, depth);
                p.product(NODE_MESSAGE, rows(&sum, nodes, w), hidden[0], Base::Rows(own));
                kernels::relu(hidden[0]);
                p.deepen(node_hidden, &mut hidden);
                p.layer(NODE_OUT, hidden[depth - 1], out);
                kernels::layer_norm(out, p.of[NODE_NORM], p.row(NODE_NORM), normed, stats);
                advance(old_v.map(|v| rows(v, nodes, w)), normed, x);
            });
        }
        before.zip(layers).map(|([v, e], (edge, node))| Saved { v, e, sum, edge, node })
    }

    /// The derivative of a step: `dv`, `de` become the gradients of what went in; gives those of the parameters.
    fn backward<E: Real>(&self, p: &StepParams<'_, E>, saved: &Saved<E>, dv: &mut [E], de: &mut [E]) -> StepGrads<E> {
        let (w, plan, graph) = (self.w, &self.plan, &self.graph);
        let (mut dsum, mut dreceived, mut dhidden) = (Room::new(self.n() * w), Room::zeros(self.n() * w), Room::new(self.m() * w));
        let further = |place: fn(usize) -> usize| (1..p.hidden()).flat_map(move |k| [place(k), place(k) + 1]);
        let mut which = vec![NODE_MESSAGE, NODE, NODE + 1, NODE_OUT, NODE_OUT + 1, NODE_NORM, NODE_NORM + 1];
        which.extend(further(node_hidden));
        let blocks: Vec<_> = plan.nodes.iter().zip(plan.of_nodes(dv, w)).zip(plan.of_nodes(&mut dsum, w)).collect();
        let mut total = in_parts(blocks, p, &which, |((nodes, dv), dsum), grads, scratch| {
            let (t, other) = two(scratch, dv.len());
            let (g, h) = start_and_next(p, t, other);
            g.copy_from_slice(dv);
            let stats = &saved.node.stats[nodes.start * 2..nodes.end * 2];
            grads.norm(NODE_NORM, p.of[NODE_NORM], rows(&saved.node.out, nodes, w), stats, g);
            grads.back_through(p, NODE_OUT, node_hidden, &saved.node.hidden_of(nodes, w), g, h);
            grads.weight(NODE_MESSAGE, rows(&saved.sum, nodes, w), t);
            grads.layer(NODE, rows(&saved.v, nodes, w), t);
            p.back(NODE_MESSAGE, t, dsum, Base::Zero);
            p.back(NODE, t, dv, Base::Sum);
        });
        let mut which = vec![EDGE, EDGE + 1, EDGE_OUT, EDGE_OUT + 1, EDGE_NORM, EDGE_NORM + 1];
        which.extend(further(edge_hidden));
        let pieces = plan.of_edges(de, w).into_iter().zip(plan.of_edges(&mut dhidden, w)).zip(plan.of_receivers(&mut dreceived, w));
        let blocks: Vec<_> = plan.edges.iter().zip(pieces).collect();
        total.add(&in_parts(blocks, p, &which, |((nodes, edges), ((de, t), dreceived)), grads, scratch| {
            let (other, _) = two(scratch, de.len());
            let (g, h) = start_and_next(p, t, other);
            let receivers = &graph.receivers[edges.clone()];
            g.copy_from_slice(de);
            kernels::gather_add(receivers, w, &dsum, g);
            let stats = &saved.edge.stats[edges.start * 2..edges.end * 2];
            grads.norm(EDGE_NORM, p.of[EDGE_NORM], rows(&saved.edge.out, edges, w), stats, g);
            grads.back_through(p, EDGE_OUT, edge_hidden, &saved.edge.hidden_of(edges, w), g, h);
            grads.layer(EDGE, rows(&saved.e, edges, w), t);
            p.back(EDGE, t, de, Base::Sum);
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
            p.back(SENDER, dsent, dv, Base::Sum);
            p.back(RECEIVER, dreceived, dv, Base::Sum);
        }));
        total
    }
}

/// The rooms to start in, and to go on in, for [`StepGrads::back_through`] to end in `t`.
fn start_and_next<'a, E: Real>(p: &StepParams<'_, E>, t: &'a mut [E], other: &'a mut [E]) -> (&'a mut [E], &'a mut [E]) {
    if p.hidden().is_multiple_of(2) { (t, other) } else { (other, t) }
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
        let (mut nodes, mut latent) = (Room::copy_of(v.values()), Room::copy_of(e.values()));
        let mut steps: Vec<Kept<E>> = Vec::new();
        for p in params {
            let p = StepParams::new(p.iter().copied(), w);
            match self.recorder.memory() {
                None => drop(run.forward(&p, &mut nodes, &mut latent, false)),
                Some(Memory::Store) => steps.extend(run.forward(&p, &mut nodes, &mut latent, true).map(|s| Kept::Layers(Box::new(s)))),
                Some(Memory::Recompute) => {
                    steps.push(Kept::Inputs(Room::copy_of(&nodes), Room::copy_of(&latent)));
                    run.forward(&p, &mut nodes, &mut latent, false);
                }
            }
        }
        let mut values = nodes.to_vec();
        if edges {
            values.extend_from_slice(&latent);
        }
        let inputs: Vec<&Var<E>> = [v, e].into_iter().chain(params.iter().flatten().copied()).collect();
        let each = params.first().map_or(1, Vec::len);
        self.recorder.op_of(&inputs, values, if edges { n + m } else { n }, w, move |inputs, _, mut dv| {
            let mut de = if edges { dv.split_off(n * w) } else { vec![E::of(0.0); m * w] };
            let mut grads: Vec<Vec<Vec<E>>> = Vec::new();
            for (p, kept) in inputs[2..].chunks_exact(each).zip(steps).rev() {
                let p = StepParams::new(p.iter(), w);
                let saved = match kept {
                    Kept::Layers(saved) => Some(*saved),
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
enum Kept<E: Real> {
    Layers(Box<Saved<E>>),
    /// Nodes and edges before it, from which the rest is computed once more.
    Inputs(Room<E>, Room<E>),
}
