//! The steps that networks are made of: full and lite message passing, attention over learned slices.

use super::{Net, init_linear, init_mlp, init_norm};
use crate::Real;
use crate::config::ModelConfig;
use crate::ops::{Adjacency, step_params};
use crate::params::Params;
use crate::tape::Var;
use std::sync::Arc;

pub(super) fn init_lite(p: &mut Params, name: &str, width: usize, edges: usize) {
    init_norm(p, &format!("{name}.norm"), width);
    p.weight(&format!("{name}.sender.weight"), width, width, 1.0);
    p.weight(&format!("{name}.receiver.weight"), width, width, 1.0);
    init_linear(p, &format!("{name}.edge"), edges, width, 1.0);
    init_linear(p, &format!("{name}.out"), width, width, 0.5);
}

/// `v + W mean(relu(A v_s + B v_r + C e))`, on normalised `v`.
pub(super) fn lite<E: Real>(net: &mut Net<'_, '_, E>, name: &str, v: &Var<E>, edges: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
    let x = net.norm(v, &format!("{name}.norm"));
    let p = net.matmul(&x, &format!("{name}.sender"));
    let q = net.matmul(&x, &format!("{name}.receiver"));
    let layer = [net.vars.get(&format!("{name}.edge.weight")), net.vars.get(&format!("{name}.edge.bias"))];
    let m = net.ops.lite_messages([&p, &q], edges, layer, graph);
    net.residual(v, &m, &format!("{name}.out"))
}

pub(super) fn init_full(p: &mut Params, name: &str, width: usize, hidden: usize) {
    p.weight(&format!("{name}.sender.weight"), width, width, 1.0);
    p.weight(&format!("{name}.receiver.weight"), width, width, 1.0);
    init_linear(p, &format!("{name}.edge"), width, width, 1.0);
    init_linear(p, &format!("{name}.edge_out"), width, width, 1.0);
    init_norm(p, &format!("{name}.edge_norm"), width);
    p.weight(&format!("{name}.node_message.weight"), width, width, 1.0);
    init_linear(p, &format!("{name}.node"), width, width, 1.0);
    init_linear(p, &format!("{name}.node_out"), width, width, 1.0);
    init_norm(p, &format!("{name}.node_norm"), width);
    for k in 1..hidden {
        init_linear(p, &format!("{name}.edge_hidden.{k}"), width, width, 1.4);
        init_linear(p, &format!("{name}.node_hidden.{k}"), width, width, 1.4);
    }
}

/// Steps of the published kind (Pfaff et al. 2021) one after another: edge and node networks with LayerNorm and residuals; the first
/// layers are split into products per node and per edge.
pub(super) fn full_steps<E: Real>(net: &mut Net<'_, '_, E>, names: &[String], v: &Var<E>, e: &Var<E>, graph: &Arc<Adjacency>) -> Var<E> {
    let params = params(net, names);
    net.ops.full_steps(v, e, &params, graph, false)
}

/// [`full_steps`] that give the edges too.
pub(super) fn full_steps_with_edges<E: Real>(
    net: &mut Net<'_, '_, E>,
    names: &[String],
    v: &Var<E>,
    e: &Var<E>,
    graph: &Arc<Adjacency>,
) -> (Var<E>, Var<E>) {
    let params = params(net, names);
    let both = net.ops.full_steps(v, e, &params, graph, true);
    (net.ops.rows(&both, 0..v.rows()), net.ops.rows(&both, v.rows()..both.rows()))
}

fn params<'v, E: Real>(net: &Net<'_, 'v, E>, names: &[String]) -> Vec<Vec<&'v Var<E>>> {
    let of = step_params(net.hidden);
    names.iter().map(|name| of.iter().map(|p| net.vars.get(&format!("{name}.{p}"))).collect()).collect()
}

/// One such step by single operations: what [`full_steps`] is held against.
#[cfg(test)]
pub(super) fn full<E: Real>(net: &mut Net<'_, '_, E>, name: &str, v: &Var<E>, e: &Var<E>, graph: &Arc<Adjacency>) -> (Var<E>, Var<E>) {
    let p = net.matmul(v, &format!("{name}.sender"));
    let q = net.matmul(v, &format!("{name}.receiver"));
    let r = net.linear(e, &format!("{name}.edge"));
    let mut h = net.ops.edge_combine(&p, &q, &r, graph);
    for k in 1..net.hidden {
        h = net.linear_relu(&h, &format!("{name}.edge_hidden.{k}"));
    }
    let h = net.linear(&h, &format!("{name}.edge_out"));
    let h = net.norm(&h, &format!("{name}.edge_norm"));
    let e = net.ops.add(e, &h);
    let sum = net.ops.segment_sum(&h, graph);
    let a = net.linear(v, &format!("{name}.node"));
    let b = net.matmul(&sum, &format!("{name}.node_message"));
    let h = net.ops.add(&a, &b);
    let mut h = net.ops.relu(&h);
    for k in 1..net.hidden {
        h = net.linear_relu(&h, &format!("{name}.node_hidden.{k}"));
    }
    let h = net.linear(&h, &format!("{name}.node_out"));
    let h = net.norm(&h, &format!("{name}.node_norm"));
    (net.ops.add(v, &h), e)
}

pub(super) fn init_attention(p: &mut Params, name: &str, c: &ModelConfig) {
    let (w, d) = (c.width, c.width / c.heads);
    init_norm(p, &format!("{name}.norm"), w);
    init_linear(p, &format!("{name}.slice"), w, c.heads * c.slices, 1.0);
    init_linear(p, &format!("{name}.value"), w, w, 1.0);
    for part in ["q", "k", "v"] {
        p.weight(&format!("{name}.{part}.weight"), d, d, 1.0);
    }
    init_linear(p, &format!("{name}.out"), w, w, 0.5);
    init_norm(p, &format!("{name}.mlp_norm"), w);
    init_mlp(p, &format!("{name}.mlp"), [w, 2 * w, w], 1, 0.5);
}

/// Attention over learned slices, linear in the number of nodes (Wu et al. 2024), then a node network; both with residuals.
pub(super) fn attention<E: Real>(net: &mut Net<'_, '_, E>, name: &str, v: &Var<E>, heads: usize, slices: usize) -> Var<E> {
    let x = net.norm(v, &format!("{name}.norm"));
    let s = net.linear(&x, &format!("{name}.slice"));
    let s = net.ops.softmax(&s, slices);
    let value = net.linear(&x, &format!("{name}.value"));
    let z = net.ops.pool(&s, &value, heads);
    let (q, k, val) = (net.matmul(&z, &format!("{name}.q")), net.matmul(&z, &format!("{name}.k")), net.matmul(&z, &format!("{name}.v")));
    let z2 = net.ops.attention(&q, &k, &val, heads);
    let z = net.ops.add(&z, &z2);
    let y = net.ops.spread(&s, &z, heads);
    let v = net.residual(v, &y, &format!("{name}.out"));
    let x = net.norm(&v, &format!("{name}.mlp_norm"));
    let h = net.linear_relu(&x, &format!("{name}.mlp.0"));
    net.residual(&v, &h, &format!("{name}.mlp.1"))
}
