//! `meshgraphnet`: encode, process, decode (Pfaff et al. 2021, Learning mesh-based simulation with graph networks).

use super::blocks::{full_steps, init_full};
use super::{GraphInput, Model, Net, Widths, init_mlp};
use crate::Real;
use crate::config::ModelConfig;
use crate::ops::Ops;
use crate::params::{Params, Vars};
use crate::tape::{Recorder, Var};

/// The network.
pub(super) struct MeshGraphNet;

fn forward<E: Real>(config: &ModelConfig, vars: &Vars<E>, input: &GraphInput<E>, recorder: &mut Recorder<E>) -> Var<E> {
    let mut net = Net { ops: Ops { recorder }, vars, hidden: config.hidden_layers };
    let v = net.mlp(&input.nodes, "encode.node");
    let e = net.mlp(&input.edges, "encode.edge");
    let names: Vec<String> = (0..config.steps).map(|k| format!("step.{k}")).collect();
    let v = full_steps(&mut net, &names, &v, &e, &input.graph);
    net.mlp(&v, "decode")
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

    fn forward(&self, c: &ModelConfig, vars: &Vars<f32>, input: &GraphInput<f32>, recorder: &mut Recorder<f32>) -> Var<f32> {
        forward(c, vars, input, recorder)
    }

    fn forward_f64(&self, c: &ModelConfig, vars: &Vars<f64>, input: &GraphInput<f64>, recorder: &mut Recorder<f64>) -> Var<f64> {
        forward(c, vars, input, recorder)
    }
}
