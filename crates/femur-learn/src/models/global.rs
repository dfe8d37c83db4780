//! `meshgraphnet-global`: message passing interleaved with attention over learned slices, which static problems need.
//!
//! `[model] pattern` names the steps: L lite, F full, T attention.

use super::blocks::{attention, full, init_attention, init_full, init_lite, lite};
use super::{GraphInput, Model, Net, Widths, init_mlp};
use crate::Real;
use crate::config::ModelConfig;
use crate::ops::Ops;
use crate::params::{Params, Vars};
use crate::tape::{Recorder, Var};

/// The network.
pub(super) struct MeshGraphNetGlobal;

fn forward<E: Real>(config: &ModelConfig, vars: &Vars<E>, input: &GraphInput<E>, recorder: &mut Recorder<E>) -> Var<E> {
    let mut net = Net { ops: Ops { recorder }, vars };
    let mut v = net.mlp(&input.nodes, "encode.node");
    let mut e = config.pattern.contains('F').then(|| net.mlp(&input.edges, "encode.edge"));
    for (k, step) in config.pattern.chars().enumerate() {
        let name = format!("step.{k}");
        v = match (step, &e) {
            ('T', _) => attention(&mut net, &name, &v, config.heads, config.slices),
            ('F', Some(latent)) => {
                let (next, latent) = full(&mut net, &name, &v, latent, &input.graph);
                e = Some(latent);
                next
            }
            _ => lite(&mut net, &name, &v, &input.edges, &input.graph),
        };
    }
    let v = net.norm(&v, "decode.norm");
    net.mlp(&v, "decode")
}

impl Model for MeshGraphNetGlobal {
    fn name(&self) -> &'static str {
        "meshgraphnet-global"
    }

    fn init(&self, widths: Widths, config: &ModelConfig, p: &mut Params) {
        let w = config.width;
        init_mlp(p, "encode.node", [widths.nodes, w, w], 1.0);
        if config.pattern.contains('F') {
            init_mlp(p, "encode.edge", [widths.edges, w, w], 1.0);
        }
        for (k, step) in config.pattern.chars().enumerate() {
            let name = format!("step.{k}");
            match step {
                'T' => init_attention(p, &name, config),
                'F' => init_full(p, &name, w),
                _ => init_lite(p, &name, w, widths.edges),
            }
        }
        super::init_norm(p, "decode.norm", w);
        init_mlp(p, "decode", [w, w, widths.outputs], 0.3);
    }

    fn forward(&self, c: &ModelConfig, vars: &Vars<f32>, input: &GraphInput<f32>, recorder: &mut Recorder<f32>) -> Var<f32> {
        forward(c, vars, input, recorder)
    }

    fn forward_f64(&self, c: &ModelConfig, vars: &Vars<f64>, input: &GraphInput<f64>, recorder: &mut Recorder<f64>) -> Var<f64> {
        forward(c, vars, input, recorder)
    }
}
