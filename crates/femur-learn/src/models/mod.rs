//! Networks: one file each, one list.

mod blocks;
mod global;
mod meshgraphnet;

use crate::config::ModelConfig;
use crate::device::Handle;
use crate::ops::{Adjacency, Host, Operations};
use crate::params::{Params, Vars};
use crate::tape::{Recorder, Var};
use crate::{LearnError, Real};
use std::sync::Arc;

/// Sizes of what goes in and out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Widths {
    /// Node features.
    pub nodes: usize,
    /// Edge features.
    pub edges: usize,
    /// Outputs per node.
    pub outputs: usize,
}

/// One graph as a network sees it.
pub struct GraphInput<E: Real> {
    /// Node features `[n, nodes]`.
    pub nodes: Var<E>,
    /// Edge features `[edges, edges]`.
    pub edges: Var<E>,
    /// Edges.
    pub graph: Arc<Adjacency>,
}

impl GraphInput<f32> {
    /// Several graphs beside each other, as one that no edge connects.
    pub(crate) fn union(mut graphs: Vec<Self>) -> Self {
        if graphs.len() == 1 {
            return graphs.remove(0);
        }
        let (mut senders, mut receivers, mut n) = (Vec::new(), Vec::new(), 0);
        for g in &graphs {
            senders.extend(g.graph.senders.iter().map(|s| s + n as u32));
            receivers.extend(g.graph.receivers.iter().map(|r| r + n as u32));
            n += g.graph.start.len() - 1;
        }
        let rows = |of: fn(&Self) -> &Var<f32>| {
            let all = graphs.iter().map(|g| of(g).values()).collect::<Vec<_>>().concat();
            let columns = graphs.first().map_or(0, |g| of(g).columns());
            Var::constant(all, graphs.iter().map(|g| of(g).rows()).sum(), columns)
        };
        GraphInput { nodes: rows(|g| &g.nodes), edges: rows(|g| &g.edges), graph: Arc::new(Adjacency::new(senders, receivers, n)) }
    }
}

/// What a network computes, from operations on matrices of one kind.
pub trait Network<V: Clone> {
    /// Values at the nodes `[n, outputs]` from node features `[n, nodes]` and edge features `[edges, edges]`.
    fn network(&self, config: &ModelConfig, ops: &mut dyn Operations<Var = V>, nodes: &V, edges: &V) -> V;
}

/// A network that maps graphs to values at their nodes, with f32 or (for checks of gradients) f64 or on a device.
pub trait Model: Network<Var<f32>> + Network<Var<f64>> + Network<Handle> + Send + Sync {
    /// Name in a case file.
    fn name(&self) -> &'static str;
    /// Adds the parameters.
    fn init(&self, widths: Widths, config: &ModelConfig, params: &mut Params);
    /// Message steps, which is as far as a node sees; `None` where it sees all others.
    fn reach(&self, config: &ModelConfig) -> Option<usize>;

    /// Computes `[n, outputs]` in f32 in this process.
    fn forward(&self, config: &ModelConfig, vars: &Vars<f32>, input: &GraphInput<f32>, recorder: &mut Recorder<f32>) -> Var<f32> {
        self.network(config, &mut Host::new(vars, input, recorder), &input.nodes, &input.edges)
    }

    /// The same in f64.
    fn forward_f64(&self, config: &ModelConfig, vars: &Vars<f64>, input: &GraphInput<f64>, recorder: &mut Recorder<f64>) -> Var<f64> {
        self.network(config, &mut Host::new(vars, input, recorder), &input.nodes, &input.edges)
    }
}

/// Every network.
pub static MODELS: &[&dyn Model] = &[&meshgraphnet::MeshGraphNet, &global::MeshGraphNetGlobal];

/// The network of that name.
pub fn find(name: &str) -> Result<&'static dyn Model, LearnError> {
    MODELS.iter().find(|m| m.name() == name).copied().ok_or_else(|| {
        let known: Vec<_> = MODELS.iter().map(|m| m.name()).collect();
        LearnError::Mismatch { what: format!("there is no model `{name}`"), hint: format!("one of {}", known.join(", ")) }
    })
}

/// Layers by the names of their parameters.
pub(crate) struct Net<'a, V: Clone> {
    pub(crate) ops: &'a mut dyn Operations<Var = V>,
    /// Hidden layers of each network.
    pub(crate) hidden: usize,
}

impl<V: Clone> Net<'_, V> {
    /// Two parameters of a layer.
    fn two(&mut self, name: &str, of: [&str; 2]) -> [V; 2] {
        of.map(|p| self.ops.parameter(&format!("{name}.{p}")))
    }

    fn layer(&mut self, name: &str) -> [V; 2] {
        self.two(name, ["weight", "bias"])
    }

    pub(crate) fn linear(&mut self, x: &V, name: &str) -> V {
        let [w, b] = self.layer(name);
        self.ops.linear(x, &w, &b)
    }

    pub(crate) fn linear_relu(&mut self, x: &V, name: &str) -> V {
        let [w, b] = self.layer(name);
        self.ops.linear_relu(x, &w, &b)
    }

    /// `r` plus a layer of `x`.
    pub(crate) fn residual(&mut self, r: &V, x: &V, name: &str) -> V {
        let [w, b] = self.layer(name);
        self.ops.linear_residual(r, x, &w, &b)
    }

    pub(crate) fn matmul(&mut self, x: &V, name: &str) -> V {
        let w = self.ops.parameter(&format!("{name}.weight"));
        self.ops.matmul(x, &w)
    }

    pub(crate) fn norm(&mut self, x: &V, name: &str) -> V {
        let [scale, shift] = self.two(name, ["scale", "shift"]);
        self.ops.layer_norm(x, &scale, &shift)
    }

    /// The hidden layers with ReLU, and one more.
    pub(crate) fn mlp(&mut self, x: &V, name: &str) -> V {
        let mut h = self.linear_relu(x, &format!("{name}.0"));
        for k in 1..self.hidden {
            h = self.linear_relu(&h, &format!("{name}.{k}"));
        }
        self.linear(&h, &format!("{name}.{}", self.hidden))
    }
}

pub(crate) fn init_linear(p: &mut Params, name: &str, rows: usize, columns: usize, gain: f64) {
    p.weight(&format!("{name}.weight"), rows, columns, gain);
    p.row(&format!("{name}.bias"), columns, 0.0);
}

pub(crate) fn init_norm(p: &mut Params, name: &str, width: usize) {
    p.row(&format!("{name}.scale"), width, 1.0);
    p.row(&format!("{name}.shift"), width, 0.0);
}

pub(crate) fn init_mlp(p: &mut Params, name: &str, widths: [usize; 3], hidden: usize, gain: f64) {
    init_linear(p, &format!("{name}.0"), widths[0], widths[1], 1.4);
    (1..hidden).for_each(|k| init_linear(p, &format!("{name}.{k}"), widths[1], widths[1], 1.4));
    init_linear(p, &format!("{name}.{hidden}"), widths[1], widths[2], gain);
}

#[cfg(test)]
mod tests;
