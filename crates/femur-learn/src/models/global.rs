//! `meshgraphnet-global`: message passing interleaved with attention over learned slices, which static problems need.
//!
//! `[model] pattern` names the steps: L lite, F full, T attention.

use super::blocks::{attention, init_attention, init_full, init_lite, lite};
use super::{Model, Net, Network, Widths, init_mlp};
use crate::config::ModelConfig;
use crate::ops::Operations;
use crate::params::Params;

/// The network.
pub(super) struct MeshGraphNetGlobal;

impl<V: Clone> Network<V> for MeshGraphNetGlobal {
    fn network(&self, config: &ModelConfig, ops: &mut dyn Operations<Var = V>, nodes: &V, edges: &V) -> V {
        let mut net = Net { ops, hidden: config.hidden_layers };
        let mut v = net.mlp(nodes, "encode.node");
        let mut e = config.pattern.contains('F').then(|| net.mlp(edges, "encode.edge"));
        let pattern = config.pattern.as_bytes();
        let mut k = 0;
        while k < pattern.len() {
            // Full steps that follow one another are one operation.
            let run = pattern[k..].iter().take_while(|s| **s == b'F').count().max(1);
            let names: Vec<String> = (k..k + run).map(|k| format!("step.{k}")).collect();
            v = match (pattern[k], &e) {
                (b'T', _) => attention(&mut net, &names[0], &v, config.heads, config.slices),
                (b'F', Some(latent)) => {
                    let more = pattern[k + run..].contains(&b'F');
                    let (next, latent) = net.ops.full_steps(&v, latent, &names, config.hidden_layers, more);
                    e = latent.or(e);
                    next
                }
                _ => lite(&mut net, &names[0], &v, edges),
            };
            k += run;
        }
        let v = net.norm(&v, "decode.norm");
        net.mlp(&v, "decode")
    }
}

impl Model for MeshGraphNetGlobal {
    fn name(&self) -> &'static str {
        "meshgraphnet-global"
    }

    fn init(&self, widths: Widths, config: &ModelConfig, p: &mut Params) {
        let w = config.width;
        init_mlp(p, "encode.node", [widths.nodes, w, w], config.hidden_layers, 1.0);
        if config.pattern.contains('F') {
            init_mlp(p, "encode.edge", [widths.edges, w, w], config.hidden_layers, 1.0);
        }
        for (k, step) in config.pattern.chars().enumerate() {
            let name = format!("step.{k}");
            match step {
                'T' => init_attention(p, &name, config),
                'F' => init_full(p, &name, w, config.hidden_layers),
                _ => init_lite(p, &name, w, widths.edges),
            }
        }
        super::init_norm(p, "decode.norm", w);
        init_mlp(p, "decode", [w, w, widths.outputs], config.hidden_layers, 0.3);
    }

    fn reach(&self, config: &ModelConfig) -> Option<usize> {
        (!config.pattern.contains('T')).then_some(config.pattern.len())
    }
}
