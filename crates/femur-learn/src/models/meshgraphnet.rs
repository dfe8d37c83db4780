//! `meshgraphnet`: encode, process, decode (Pfaff et al. 2021, Learning mesh-based simulation with graph networks).

use super::blocks::init_full;
use super::{Model, Net, Network, Widths, init_mlp};
use crate::config::ModelConfig;
use crate::ops::Operations;
use crate::params::Params;

/// The network.
pub(super) struct MeshGraphNet;

impl<V: Clone> Network<V> for MeshGraphNet {
    fn network(&self, config: &ModelConfig, ops: &mut dyn Operations<Var = V>, nodes: &V, edges: &V) -> V {
        let mut net = Net { ops, hidden: config.hidden_layers };
        let v = net.mlp(nodes, "encode.node");
        let e = net.mlp(edges, "encode.edge");
        let names: Vec<String> = (0..config.steps).map(|k| format!("step.{k}")).collect();
        let (v, _) = net.ops.full_steps(&v, &e, &names, config.hidden_layers, false);
        net.mlp(&v, "decode")
    }
}

impl Model for MeshGraphNet {
    fn name(&self) -> &'static str {
        "meshgraphnet"
    }

    fn init(&self, widths: Widths, config: &ModelConfig, p: &mut Params) {
        let w = config.width;
        init_mlp(p, "encode.node", [widths.nodes, w, w], config.hidden_layers, 1.0);
        init_mlp(p, "encode.edge", [widths.edges, w, w], config.hidden_layers, 1.0);
        for k in 0..config.steps {
            init_full(p, &format!("step.{k}"), w, config.hidden_layers);
        }
        init_mlp(p, "decode", [w, w, widths.outputs], config.hidden_layers, 0.3);
    }

    fn reach(&self, config: &ModelConfig) -> Option<usize> {
        Some(config.steps)
    }
}
