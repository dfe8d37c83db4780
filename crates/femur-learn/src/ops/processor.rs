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
use crate::tape::{Memory, Precision, Var};
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

/// Names of the parameters of a full step with so many hidden layers, below the step's own name. Further layers are numbered from 1:
/// `edge_hidden.1.weight`.
pub fn step_params(hidden: usize) -> Vec<String> {
    let further = (1..hidden).flat_map(|k| HIDDEN_PARAMS.map(|p| p.replace('.', &format!(".{k}."))));
    STEP_PARAMS.iter().map(|p| (*p).to_string()).chain(further).collect()
}

/// Values of the parameters of a step.
struct StepParams<'a, E: Real> {
    w: usize,
    of: Vec<&'a [E]>,
    /// The weights among them laid out for products, once they are needed: as they are for the way forwards, turned for the way back.
    weights: Vec<[OnceLock<Weights<'a, E>>; 2]>,
    precision: Precision,
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
    fn new(vars: impl Iterator<Item = &'a Var<E>>, w: usize, precision: Precision) -> Self {
        let of: Vec<&[E]> = vars.map(Var::values).collect();
        let weights = of.iter().map(|_| Default::default()).collect();
        StepParams { w, of, weights, precision }
    }

    /// The weight `k`, or its transpose, laid out.
    fn laid_out(&self, k: usize, transposed: bool) -> &Weights<'a, E> {
        self.weights[k][usize::from(transposed)].get_or_init(|| Weights::new(self.of[k], self.w, self.w, transposed, self.precision))
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
        self.laid_out(k, false).times(x, y, base);
    }

    /// `y = g W_k^T`, to which `base` adds.
    fn back(&self, k: usize, g: &[E], y: &mut [E], base: Base<'_, E>) {
        self.laid_out(k, true).times(g, y, base);
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

/// Gradients of a step's parameters, each once something was added to it.
struct StepGrads<E: Real> {
    w: usize,
    of: Vec<Option<Room<E>>>,
    room: Vec<E>,
    precision: Precision,
}

impl<E: Real> StepGrads<E> {
    fn new(p: &StepParams<'_, E>) -> Self {
        StepGrads { w: p.w, of: p.of.iter().map(|_| None).collect(), room: Vec::new(), precision: p.precision }
    }

    /// `W_k += x^T g`.
    fn weight(&mut self, k: usize, x: &[E], g: &[E]) {
        if x.is_empty() {
            return;
        }
        // The first sum is written where zeros would have to be written first.
        let base = if self.of[k].is_some() { Base::Sum } else { Base::Zero };
        let sum = self.of[k].get_or_insert_with(|| Room::new(self.w * self.w));
        add_gram(x, g, self.w, self.w, sum, base, &mut self.room, self.precision);
    }

    /// The gradient of a row of parameters.
    fn row(&mut self, k: usize) -> &mut [E] {
        self.of[k].get_or_insert_with(|| Room::zeros(self.w))
    }

    /// `W_k += x^T g`, `b_k += sum of g over rows`.
    fn layer(&mut self, k: usize, x: &[E], g: &[E]) {
        self.weight(k, x, g);
        kernels::add_rows(self.row(k + 1), g);
    }

    /// Through a LayerNorm: `g` becomes the gradient of what went in, `z`.
    fn norm(&mut self, k: usize, scale: &[E], z: &[E], stats: &[E], g: &mut [E]) {
        self.row(k);
        self.row(k + 1);
        if let [Some(scales), Some(shifts)] = &mut self.of[k..k + 2] {
            kernels::layer_norm_backward(z, scale, stats, g, scales, shifts);
        }
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

    fn add(&mut self, other: Self) {
        for (sum, part) in self.of.iter_mut().zip(other.of) {
            match (sum, part) {
                (Some(sum), Some(part)) => kernels::add(sum, &part),
                (sum @ None, part) => *sum = part,
                (Some(_), None) => {}
            }
        }
    }

    /// The gradients of all parameters.
    fn all(self, p: &StepParams<'_, E>) -> Vec<Vec<E>> {
        let of = self.of.into_iter().zip(&p.of);
        of.map(|(sum, values)| sum.map_or_else(|| vec![E::of(0.0); values.len()], |sum| sum.to_vec())).collect()
    }
}

/// How nodes and edges are cut into blocks.
struct Plan {
    /// Nodes in blocks, and in the same cut of their edges: `(nodes, edges)`.
    edges: Vec<(Range<usize>, Range<usize>)>,
    nodes: Vec<Range<usize>>,
    /// Edges that start at node `s`: `outgoing[out_start[s]..out_start[s + 1]]`.
    out_start: Vec<u32>,
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
        let (out_start, outgoing) = graph.outgoing();
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
    each: impl Fn(T, &mut StepGrads<E>, &mut (Scratch<E>, Vec<E>)) + Sync,
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
            let (mut grads, mut room) = (StepGrads::new(p), (Scratch::new(), Vec::new()));
            part.into_iter().for_each(|block| each(block, &mut grads, &mut room));
            grads
        })
        .collect();
    let mut total = StepGrads::new(p);
    sums.into_iter().for_each(|part| total.add(part));
    total
}

/// What the backward pass of a step reads.
struct Saved<E: Real> {
    /// Nodes and edges before the step, `[n, w]` and `[edges, w]`.
    v: Room<E>,
    e: Room<E>,
    /// Sums of messages `[n, w]`.
    sum: Room<E>,
    /// Those of the edge and of the node network; without them they are computed once more, block by block.
    layers: Option<[Layers<E>; 2]>,
}

/// What a forward pass keeps: of a step what its backward pass reads, or nodes and edges before steps that are forgotten.
enum Kept<E: Real> {
    Step(Box<Saved<E>>),
    Start(Room<E>, Room<E>),
}

/// Of a network with LayerNorm: the values after each ReLU and before the norm `[rows, w]`, the norm's mean and inverse deviation
/// `[rows, 2]`.
struct Layers<E: Real> {
    hidden: Vec<Room<E>>,
    out: Room<E>,
    stats: Room<E>,
}

/// The same of one block.
struct Piece<H, O> {
    hidden: Vec<H>,
    out: O,
    stats: O,
}

/// To read, and to write to.
type Read<'a, E> = Piece<&'a [E], &'a [E]>;
type Write<'a, E> = Piece<&'a mut [E], &'a mut [E]>;

impl<E: Real> Layers<E> {
    fn new(rows: usize, w: usize, hidden: usize) -> Self {
        Layers { hidden: (0..hidden).map(|_| Room::new(rows * w)).collect(), out: Room::new(rows * w), stats: Room::new(rows * 2) }
    }

    /// Its pieces for blocks of so many rows.
    fn pieces(&mut self, w: usize, blocks: impl Iterator<Item = usize> + Clone) -> impl Iterator<Item = Write<'_, E>> {
        let mut hidden: Vec<_> = self.hidden.iter_mut().map(|h| cut(h, blocks.clone().map(move |r| r * w)).into_iter()).collect();
        let out = cut(&mut self.out, blocks.clone().map(move |r| r * w));
        let stats = cut(&mut self.stats, blocks.map(|r| r * 2));
        out.into_iter().zip(stats).map(move |(out, stats)| Piece {
            hidden: hidden.iter_mut().filter_map(Iterator::next).collect(),
            out,
            stats,
        })
    }

    /// Those of some rows.
    fn of(&self, range: &Range<usize>, w: usize) -> Read<'_, E> {
        let hidden = self.hidden.iter().map(|h| rows(h, range, w)).collect();
        Piece { hidden, out: rows(&self.out, range, w), stats: rows(&self.stats, range, 2) }
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
    fn of<'a>(&'a mut self, kept: Option<Write<'a, E>>, rows: usize, w: usize, hidden: usize) -> (Write<'a, E>, &'a mut [E]) {
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

    /// The layers of one block as `fill` computes them.
    fn filled(&mut self, rows: usize, w: usize, hidden: usize, fill: impl FnOnce(&mut Write<'_, E>, &mut [E])) -> Read<'_, E> {
        let (mut piece, normed) = self.of(None, rows, w, hidden);
        fill(&mut piece, normed);
        Piece { hidden: self.hidden.iter().map(|h| &h[..]).collect(), out: &self.out, stats: &self.stats }
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
    steps: usize,
}

/// Blocks that a step works on: of the nodes that send, of those that receive, and of the edges, with the number of these edges.
struct Scope {
    senders: usize,
    nodes: usize,
    edges: usize,
    last_edge: usize,
}

impl Run {
    fn new(graph: &Arc<Adjacency>, w: usize, steps: usize) -> Self {
        Run { graph: graph.clone(), plan: Plan::new(graph, w), w, steps }
    }

    /// All blocks; of a part of a larger graph those that values which are wanted at the end still come from.
    fn scope(&self, step: usize) -> Scope {
        let rings = &self.graph.rings;
        let left = self.steps - 1 - step;
        // Where there are other steps than these around, all.
        let within = |rings_left: usize| if rings.len() == self.steps + 1 { rings[rings_left] } else { self.n() };
        let blocks = |nodes: usize| self.plan.nodes.iter().take_while(|r| r.start < nodes).count();
        let edges = self.plan.edges.iter().take_while(|(nodes, _)| nodes.start < within(left)).count();
        let (last_node, last_edge) = self.plan.edges[..edges].last().map_or((0, 0), |(n, e)| (n.end, e.end));
        // The last block of edges may end among nodes further out.
        Scope { senders: blocks(within(left + 1).max(last_node)), nodes: blocks(within(left).max(last_node)), edges, last_edge }
    }

    fn n(&self) -> usize {
        self.graph.start.len() - 1
    }

    fn m(&self) -> usize {
        self.graph.senders.len()
    }

    /// What nodes send, and what they receive with: `v W` `[n, w]` of the first layer of the edge network.
    fn messages<E: Real>(&self, p: &StepParams<'_, E>, v: &[E], scope: &Scope) -> [Room<E>; 2] {
        let (w, plan) = (self.w, &self.plan);
        let [mut sent, mut received] = [0, 1].map(|_| Room::new(self.n() * w));
        let nodes = plan.nodes[..scope.senders].iter();
        let blocks: Vec<_> = nodes.zip(plan.of_nodes(&mut sent, w)).zip(plan.of_nodes(&mut received, w)).collect();
        blocks.into_par_iter().with_max_len(1).for_each(|((nodes, sent), received)| {
            let v = rows(v, nodes, w);
            p.product(SENDER, v, sent, Base::Zero);
            // The edges' bias goes with the receivers' product, of which there are fewer.
            p.product(RECEIVER, v, received, Base::Row(p.row(EDGE)));
        });
        [sent, received]
    }

    /// The edge network on the edges `e` of a block; `normed` receives its output.
    fn edge_layers<E: Real>(
        &self,
        p: &StepParams<'_, E>,
        (edges, e): (&Range<usize>, &[E]),
        [sent, received]: &[Room<E>; 2],
        piece: &mut Write<'_, E>,
        normed: &mut [E],
    ) {
        let Piece { hidden, out, stats } = piece;
        p.product(EDGE, e, hidden[0], Base::Zero);
        let (senders, receivers) = (&self.graph.senders[edges.clone()], &self.graph.receivers[edges.clone()]);
        kernels::edge_combine(senders, receivers, self.w, sent, received, hidden[0]);
        p.deepen(edge_hidden, hidden);
        p.layer(EDGE_OUT, hidden[hidden.len() - 1], out);
        kernels::layer_norm(out, p.of[EDGE_NORM], p.row(EDGE_NORM), normed, stats);
    }

    /// The node network on nodes `v` of a block with the sums of their messages.
    fn node_layers<E: Real>(p: &StepParams<'_, E>, v: &[E], sum: &[E], piece: &mut Write<'_, E>, normed: &mut [E]) {
        let Piece { hidden, out, stats } = piece;
        p.layer(NODE, v, hidden[0]);
        p.product(NODE_MESSAGE, sum, hidden[0], Base::Sum);
        kernels::relu(hidden[0]);
        p.deepen(node_hidden, hidden);
        p.layer(NODE_OUT, hidden[hidden.len() - 1], out);
        kernels::layer_norm(out, p.of[NODE_NORM], p.row(NODE_NORM), normed, stats);
    }

    /// One step; gives what its backward pass reads if that is asked for.
    fn forward<E: Real>(
        &self,
        step: usize,
        p: &StepParams<'_, E>,
        v: &mut Room<E>,
        e: &mut Room<E>,
        keep: Option<Memory>,
    ) -> Option<Saved<E>> {
        let scope = self.scope(step);
        let (w, plan, graph, depth) = (self.w, &self.plan, &self.graph, p.hidden());
        let (messages, mut sum) = (self.messages(p, v, &scope), Room::zeros(self.n() * w));
        let mut layers = (keep == Some(Memory::Store)).then(|| [self.m(), self.n()].map(|rows| Layers::new(rows, w, depth)));
        // What is kept is not written over: the step's result goes to another room.
        let replaced = |x: &mut Room<E>, from: usize| {
            let mut next = Room::new(x.len());
            next[from..].copy_from_slice(&x[from..]);
            std::mem::replace(x, next)
        };
        let last_node = plan.nodes[..scope.nodes].last().map_or(0, |r| r.end);
        let before = keep.map(|_| [replaced(v, last_node * w), replaced(e, scope.last_edge * w)]);
        let [old_v, old_e] = [0, 1].map(|k| before.as_ref().map(|b| &b[k][..]));
        {
            let lengths = plan.edges.iter().map(|(_, e)| e.len());
            let mut kept = layers.as_mut().map(|l| l[0].pieces(w, lengths));
            let pieces = plan.of_edges(e, w).into_iter().zip(plan.of_receivers(&mut sum, w));
            let blocks = plan.edges[..scope.edges].iter().zip(pieces);
            let blocks: Vec<_> = blocks.map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, (((nodes, edges), (x, sum)), kept)| {
                let (mut piece, normed) = scratch.of(kept, edges.len(), w, depth);
                let old = old_e.map(|e| rows(e, edges, w));
                self.edge_layers(p, (edges, old.unwrap_or(x)), &messages, &mut piece, normed);
                advance(old, normed, x);
                kernels::scatter_add(&graph.receivers[edges.clone()], nodes.start, w, normed, sum);
            });
        }
        {
            let lengths = plan.nodes.iter().map(ExactSizeIterator::len);
            let mut kept = layers.as_mut().map(|l| l[1].pieces(w, lengths));
            let pieces = plan.of_nodes(v, w).into_iter();
            let blocks = plan.nodes[..scope.nodes].iter().zip(pieces);
            let blocks: Vec<_> = blocks.map(|b| (b, kept.as_mut().and_then(Iterator::next))).collect();
            blocks.into_par_iter().with_max_len(1).for_each_init(Scratch::new, |scratch, ((nodes, x), kept)| {
                let (mut piece, normed) = scratch.of(kept, nodes.len(), w, depth);
                let old = old_v.map(|v| rows(v, nodes, w));
                Self::node_layers(p, old.unwrap_or(x), rows(&sum, nodes, w), &mut piece, normed);
                advance(old, normed, x);
            });
        }
        before.map(|[v, e]| Saved { v, e, sum, layers })
    }

    /// The derivative of a step: `dv`, `de` become the gradients of what went in; gives those of the parameters.
    fn backward<E: Real>(&self, step: usize, p: &StepParams<'_, E>, saved: &Saved<E>, dv: &mut [E], de: &mut [E]) -> StepGrads<E> {
        let (w, plan, graph, depth) = (self.w, &self.plan, &self.graph, p.hidden());
        let scope = self.scope(step);
        let messages = saved.layers.is_none().then(|| self.messages(p, &saved.v, &scope));
        let (mut dsum, mut dreceived, mut dhidden) = (Room::new(self.n() * w), Room::zeros(self.n() * w), Room::new(self.m() * w));
        let nodes = plan.nodes[..scope.nodes].iter();
        let blocks: Vec<_> = nodes.zip(plan.of_nodes(dv, w)).zip(plan.of_nodes(&mut dsum, w)).collect();
        let mut total = in_parts(blocks, p, |((nodes, dv), dsum), grads, (scratch, room)| {
            let (v, sum) = (rows(&saved.v, nodes, w), rows(&saved.sum, nodes, w));
            let layers = match &saved.layers {
                Some([_, layers]) => layers.of(nodes, w),
                None => scratch.filled(nodes.len(), w, depth, |piece, normed| Self::node_layers(p, v, sum, piece, normed)),
            };
            let (t, other) = two(room, dv.len());
            let (g, h) = start_and_next(p, t, other);
            g.copy_from_slice(dv);
            grads.norm(NODE_NORM, p.of[NODE_NORM], layers.out, layers.stats, g);
            grads.back_through(p, NODE_OUT, node_hidden, &layers.hidden, g, h);
            grads.weight(NODE_MESSAGE, sum, t);
            grads.layer(NODE, v, t);
            p.back(NODE_MESSAGE, t, dsum, Base::Zero);
            p.back(NODE, t, dv, Base::Sum);
        });
        let pieces = plan.of_edges(de, w).into_iter().zip(plan.of_edges(&mut dhidden, w)).zip(plan.of_receivers(&mut dreceived, w));
        let blocks: Vec<_> = plan.edges[..scope.edges].iter().zip(pieces).collect();
        total.add(in_parts(blocks, p, |((nodes, edges), ((de, t), dreceived)), grads, (scratch, room)| {
            let e = rows(&saved.e, edges, w);
            let layers = match (&saved.layers, &messages) {
                (Some([layers, _]), _) => layers.of(edges, w),
                (None, messages) => scratch.filled(edges.len(), w, depth, |piece, normed| {
                    messages.iter().for_each(|m| self.edge_layers(p, (edges, e), m, piece, normed));
                }),
            };
            let (other, _) = two(room, de.len());
            let (g, h) = start_and_next(p, t, other);
            let receivers = &graph.receivers[edges.clone()];
            g.copy_from_slice(de);
            kernels::gather_add(receivers, w, &dsum, g);
            grads.norm(EDGE_NORM, p.of[EDGE_NORM], layers.out, layers.stats, g);
            grads.back_through(p, EDGE_OUT, edge_hidden, &layers.hidden, g, h);
            grads.layer(EDGE, e, t);
            p.back(EDGE, t, de, Base::Sum);
            kernels::scatter_add(receivers, nodes.start, w, t, dreceived);
        }));
        let blocks: Vec<_> = plan.nodes[..scope.senders].iter().zip(plan.of_nodes(dv, w)).collect();
        total.add(in_parts(blocks, p, |(nodes, dv), grads, (_, room)| {
            let (dsent, _) = two(room, dv.len());
            for (s, sum) in nodes.clone().zip(dsent.chunks_exact_mut(w)) {
                let edges = &plan.outgoing[plan.out_start[s] as usize..plan.out_start[s + 1] as usize];
                // They ascend.
                let edges = &edges[..edges.partition_point(|&e| (e as usize) < scope.last_edge)];
                kernels::gather_sum(edges, &dhidden, sum);
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
        let (n, m, w, precision) = (v.rows(), e.rows(), v.columns(), self.recorder.precision());
        let run = Run::new(graph, w, params.len());
        let (mut nodes, mut latent) = (Room::copy_of(v.values()), Room::copy_of(e.values()));
        let memory = self.recorder.memory();
        let stride = memory.map_or(1, |m| m.stride(params.len()));
        let mut kept: Vec<Kept<E>> = Vec::new();
        for (step, p) in params.iter().enumerate() {
            let p = StepParams::new(p.iter().copied(), w, precision);
            // The last few steps are the first on the way back: nothing is saved by forgetting them.
            let forget = stride > 1 && step / stride < (params.len() - 1) / stride;
            if forget && step % stride == 0 {
                kept.push(Kept::Start(Room::copy_of(&nodes), Room::copy_of(&latent)));
            }
            kept.extend(
                run.forward(step, &p, &mut nodes, &mut latent, memory.filter(|_| !forget)).map(|saved| Kept::Step(Box::new(saved))),
            );
        }
        let mut values = nodes.to_vec();
        if edges {
            values.extend_from_slice(&latent);
        }
        let inputs: Vec<&Var<E>> = [v, e].into_iter().chain(params.iter().flatten().copied()).collect();
        let each = params.first().map_or(1, Vec::len);
        self.recorder.op_of(&inputs, values, if edges { n + m } else { n }, w, move |inputs, _, mut dv| {
            let mut de = if edges { dv.split_off(n * w) } else { vec![E::of(0.0); m * w] };
            let params = |step: usize| StepParams::new(inputs[2 + step * each..][..each].iter(), w, precision);
            let (mut grads, mut step): (Vec<Vec<Vec<E>>>, usize) = (Vec::new(), run.steps);
            while let Some(kept) = kept.pop() {
                let steps = match kept {
                    Kept::Step(saved) => vec![*saved],
                    Kept::Start(mut v, mut e) => {
                        let again = step - stride..step;
                        again.filter_map(|s| run.forward(s, &params(s), &mut v, &mut e, Some(Memory::Recompute))).collect()
                    }
                };
                for saved in steps.iter().rev() {
                    step -= 1;
                    let p = params(step);
                    grads.push(run.backward(step, &p, saved, &mut dv, &mut de).all(&p));
                }
            }
            [dv, de].into_iter().chain(grads.into_iter().rev().flatten()).collect()
        })
    }
}
