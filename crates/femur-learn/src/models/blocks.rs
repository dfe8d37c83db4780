//! The steps that networks are made of: full and lite message passing, attention over learned slices.

use super::{Net, init_linear, init_mlp, init_norm};
use crate::config::ModelConfig;
use crate::params::Params;
#[cfg(test)]
use crate::{Real, ops::Host, tape::Var};

pub(super) fn init_lite(p: &mut Params, name: &str, width: usize, edges: usize) {
    init_norm(p, &format!("{name}.norm"), width);
    p.weight(&format!("{name}.sender.weight"), width, width, 1.0);
    p.weight(&format!("{name}.receiver.weight"), width, width, 1.0);
    init_linear(p, &format!("{name}.edge"), edges, width, 1.0);
    init_linear(p, &format!("{name}.out"), width, width, 0.5);
}

/// `v + W mean(relu(A v_s + B v_r + C e))`, on normalised `v`.
pub(super) fn lite<V: Clone>(net: &mut Net<'_, V>, name: &str, v: &V, edges: &V) -> V {
    let x = net.norm(v, &format!("{name}.norm"));
    let p = net.matmul(&x, &format!("{name}.sender"));
    let q = net.matmul(&x, &format!("{name}.receiver"));
    let [weight, bias] = net.layer(&format!("{name}.edge"));
    let m = net.ops.lite_messages([&p, &q], edges, [&weight, &bias]);
    net.residual(v, &m, &format!("{name}.out"))
}

/// The parameters of a step of the published kind (Pfaff et al. 2021): edge and node networks with LayerNorm and residuals; the first
/// layers are split into products per node and per edge.
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

/// One such step by single operations: what [`full_steps`](crate::ops::Operations::full_steps) is held against.
#[cfg(test)]
pub(super) fn full<E: Real>(host: &mut Host<'_, '_, E>, hidden: usize, name: &str, v: &Var<E>, e: &Var<E>) -> (Var<E>, Var<E>) {
    let graph = host.graph();
    let mut net = Net { ops: host, hidden };
    let p = net.matmul(v, &format!("{name}.sender"));
    let q = net.matmul(v, &format!("{name}.receiver"));
    let r = net.linear(e, &format!("{name}.edge"));
    let a = net.linear(v, &format!("{name}.node"));
    let mut h = host.ops.edge_combine(&p, &q, &r, graph);
    let mut net = Net { ops: host, hidden };
    for k in 1..hidden {
        h = net.linear_relu(&h, &format!("{name}.edge_hidden.{k}"));
    }
    let h = net.linear(&h, &format!("{name}.edge_out"));
    let h = net.norm(&h, &format!("{name}.edge_norm"));
    let sum = host.ops.segment_sum(&h, graph);
    let e = host.ops.add(e, &h);
    let mut net = Net { ops: host, hidden };
    let b = net.matmul(&sum, &format!("{name}.node_message"));
    let h = host.ops.add(&a, &b);
    let mut h = host.ops.relu(&h);
    let mut net = Net { ops: host, hidden };
    for k in 1..hidden {
        h = net.linear_relu(&h, &format!("{name}.node_hidden.{k}"));
    }
    let h = net.linear(&h, &format!("{name}.node_out"));
    let h = net.norm(&h, &format!("{name}.node_norm"));
    (host.ops.add(v, &h), e)
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
pub(super) fn attention<V: Clone>(net: &mut Net<'_, V>, name: &str, v: &V, heads: usize, slices: usize) -> V {
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
