//! Networks as ONNX files: what `models/` computes, in operators of ONNX's opset 18, for graphs of any size.

mod proto;

use crate::config::ModelConfig;
use crate::graph_file::columns;
use crate::models::{self, Widths};
use crate::params::{Params, Vars};
use crate::surrogate::Surrogate;
use crate::{LearnError, model_file};
use prost::Message;
use proto::{
    Attribute, Dimension, Entry, FLOAT, GraphProto, INT64, ModelProto, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
};
use std::path::Path;

/// The operators' version: the first whose `ScatterND` adds floats and which has `LayerNormalization`.
const OPSET: i64 = 18;
/// The version of the file format that came with it.
const IR: i64 = 8;

impl Surrogate {
    /// Writes the network as an ONNX file. Inputs: `nodes` `[n, node features]` and `edges` `[m, edge features]` (f32), `senders` and
    /// `receivers` `[m]` (i64), n and m free; output: `output` `[n, outputs]`; features and outputs normalised, as in
    /// [`Surrogate::write_graph`]. The metadata key `femur` names the columns and holds what normalises them.
    ///
    /// # Errors
    /// A network that cannot be put in ONNX, a file that cannot be written.
    pub fn write_onnx(&self, path: &Path) -> Result<(), LearnError> {
        let mut model = network(&self.header.plan.model, self.header.widths(), &self.vars)?;
        model.metadata = vec![Entry { key: "femur".into(), value: columns(&self.header).to_string() }];
        model_file::write_whole(path, &model.encode_to_vec())
    }
}

/// A network with its weights.
fn network(config: &ModelConfig, widths: Widths, vars: &Vars<f32>) -> Result<ModelProto, LearnError> {
    let mut params = Params::new(0);
    models::find(&config.kind)?.init(widths, config, &mut params);
    let initializer = params.list.iter().zip(&vars.list).map(|((name, rows, columns, _), var)| {
        // ONNX takes a bias, a scale and a shift as vectors.
        let dims = if *rows == 1 && !name.ends_with(".weight") { vec![*columns as i64] } else { vec![*rows as i64, *columns as i64] };
        Tensor { dims, kind: FLOAT, name: name.clone(), raw: model_file::bytes(var.values()) }
    });
    let mut graph = Graph { config, initializer: initializer.collect(), node: Vec::new() };
    graph.forward()?;
    let free = |name: &str| Dimension { name: Some(name.into()), value: None };
    let fixed = |n: usize| Dimension { value: Some(n as i64), name: None };
    let value = |name: &str, kind: i32, dim: Vec<Dimension>| {
        let tensor = TensorType { kind, shape: Some(Shape { dim }) };
        ValueInfo { name: name.into(), of: Some(Type { tensor: Some(tensor) }) }
    };
    Ok(ModelProto {
        ir_version: IR,
        producer_name: "femur".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(GraphProto {
            node: graph.node,
            name: config.kind.clone(),
            initializer: graph.initializer,
            input: vec![
                value("nodes", FLOAT, vec![free("n"), fixed(widths.nodes)]),
                value("edges", FLOAT, vec![free("m"), fixed(widths.edges)]),
                value("senders", INT64, vec![free("m")]),
                value("receivers", INT64, vec![free("m")]),
            ],
            output: vec![value(OUTPUT, FLOAT, vec![free("n"), fixed(widths.outputs)])],
        }),
        opset_import: vec![OperatorSet { domain: Some(String::new()), version: OPSET }],
        metadata: Vec::new(),
    })
}

const OUTPUT: &str = "output";

/// A graph of operators in the making. A value is known by its name.
struct Graph<'a> {
    config: &'a ModelConfig,
    initializer: Vec<Tensor>,
    node: Vec<Node>,
}

impl Graph<'_> {
    fn forward(&mut self) -> Result<(), LearnError> {
        let c = self.config;
        let (pattern, norm) = match c.kind.as_str() {
            "meshgraphnet" => ("F".repeat(c.steps), false),
            "meshgraphnet-global" => (c.pattern.clone(), true),
            other => {
                let what = format!("the network `{other}` cannot be written as ONNX");
                return Err(LearnError::Mismatch { what, hint: "meshgraphnet and meshgraphnet-global can".into() });
            }
        };
        let mut v = self.mlp("nodes", "encode.node");
        let mut e = if pattern.contains('F') { self.mlp("edges", "encode.edge") } else { String::new() };
        let axis = self.integers("axis.1", &[1]);
        let receivers = self.op("Unsqueeze", &["receivers", &axis], vec![]);
        let mut targets = Targets { receivers, sums: self.filled("nodes", c.width, 0.0), degree: String::new() };
        if pattern.contains('L') {
            let (ones, none) = (self.filled("receivers", 1, 1.0), self.filled("nodes", 1, 0.0));
            let degree = self.scatter(&none, &targets.receivers, &ones);
            let one = self.floats("one", &[1.0]);
            targets.degree = self.op("Max", &[&degree, &one], vec![]);
        }
        for (k, step) in pattern.chars().enumerate() {
            let name = format!("step.{k}");
            match step {
                'F' => (v, e) = self.full(&v, &e, &name, &targets),
                'T' => v = self.attention(&v, &name),
                _ => v = self.lite(&v, &name, &targets),
            }
        }
        if norm {
            v = self.norm(&v, "decode.norm");
        }
        let last = self.mlp(&v, "decode");
        self.node.push(Node {
            input: vec![last],
            output: vec![OUTPUT.into()],
            name: OUTPUT.into(),
            op_type: "Identity".into(),
            attribute: vec![],
        });
        Ok(())
    }

    /// The published step: new nodes and edges.
    fn full(&mut self, v: &str, e: &str, name: &str, to: &Targets) -> (String, String) {
        let h = self.message(v, e, name);
        let h = self.deepen(h, &format!("{name}.edge_hidden"));
        let h = self.linear(&h, &format!("{name}.edge_out"));
        let h = self.norm(&h, &format!("{name}.edge_norm"));
        let edges = self.op("Add", &[e, &h], vec![]);
        let sum = self.scatter(&to.sums, &to.receivers, &h);
        let a = self.linear(v, &format!("{name}.node"));
        let b = self.op("MatMul", &[&sum, &format!("{name}.node_message.weight")], vec![]);
        let h = self.op("Add", &[&a, &b], vec![]);
        let h = self.op("Relu", &[&h], vec![]);
        let h = self.deepen(h, &format!("{name}.node_hidden"));
        let h = self.linear(&h, &format!("{name}.node_out"));
        let h = self.norm(&h, &format!("{name}.node_norm"));
        (self.op("Add", &[v, &h], vec![]), edges)
    }

    /// The mean of messages.
    fn lite(&mut self, v: &str, name: &str, to: &Targets) -> String {
        let x = self.norm(v, &format!("{name}.norm"));
        let m = self.message(&x, "edges", name);
        let sum = self.scatter(&to.sums, &to.receivers, &m);
        let mean = self.op("Div", &[&sum, &to.degree], vec![]);
        self.residual(v, &mean, &format!("{name}.out"))
    }

    /// `relu(v[sender] A + v[receiver] B + e C + c)` on every edge.
    fn message(&mut self, v: &str, e: &str, name: &str) -> String {
        let [p, q] = ["sender", "receiver"].map(|end| {
            let x = self.op("MatMul", &[v, &format!("{name}.{end}.weight")], vec![]);
            self.op("Gather", &[&x, &format!("{end}s")], vec![])
        });
        let r = self.linear(e, &format!("{name}.edge"));
        let sum = self.op("Add", &[&p, &q], vec![]);
        let sum = self.op("Add", &[&sum, &r], vec![]);
        self.op("Relu", &[&sum], vec![])
    }

    /// Attention over learned slices, then a node network. Matrices of a head come first in each array.
    fn attention(&mut self, v: &str, name: &str) -> String {
        let (heads, slices, d) = (self.config.heads as i64, self.config.slices as i64, (self.config.width / self.config.heads) as i64);
        let x = self.norm(v, &format!("{name}.norm"));
        let [weight, value] = [("slice", slices), ("value", d)].map(|(part, columns)| {
            let y = self.linear(&x, &format!("{name}.{part}"));
            let shape = self.integers(&format!("shape.{part}"), &[0, heads, columns]);
            self.op("Reshape", &[&y, &shape], vec![])
        });
        let weight = self.op("Softmax", &[&weight], vec![int("axis", -1)]);
        let weight = self.op("Transpose", &[&weight], vec![ints("perm", &[1, 0, 2])]);
        let value = self.op("Transpose", &[&value], vec![ints("perm", &[1, 0, 2])]);
        let turned = self.op("Transpose", &[&weight], vec![ints("perm", &[0, 2, 1])]);
        let sum = self.op("MatMul", &[&turned, &value], vec![]);
        let (last, least) = (self.integers("axis.last", &[-1]), self.floats("least_mass", &[1e-6]));
        let mass = self.op("ReduceSum", &[&turned, &last], vec![]);
        let mass = self.op("Add", &[&mass, &least], vec![]);
        let z = self.op("Div", &[&sum, &mass], vec![]);
        let [q, k, u] = ["q", "k", "v"].map(|part| self.op("MatMul", &[&z, &format!("{name}.{part}.weight")], vec![]));
        let k = self.op("Transpose", &[&k], vec![ints("perm", &[0, 2, 1])]);
        let scores = self.op("MatMul", &[&q, &k], vec![]);
        let scale = self.floats("scale", &[1.0 / (d as f32).sqrt()]);
        let scores = self.op("Mul", &[&scores, &scale], vec![]);
        let scores = self.op("Softmax", &[&scores], vec![int("axis", -1)]);
        let update = self.op("MatMul", &[&scores, &u], vec![]);
        let z = self.op("Add", &[&z, &update], vec![]);
        let y = self.op("MatMul", &[&weight, &z], vec![]);
        let y = self.op("Transpose", &[&y], vec![ints("perm", &[1, 0, 2])]);
        let flat = self.integers("shape.nodes", &[0, self.config.width as i64]);
        let y = self.op("Reshape", &[&y, &flat], vec![]);
        let v = self.residual(v, &y, &format!("{name}.out"));
        let x = self.norm(&v, &format!("{name}.mlp_norm"));
        let h = self.linear_relu(&x, &format!("{name}.mlp.0"));
        self.residual(&v, &h, &format!("{name}.mlp.1"))
    }

    fn mlp(&mut self, x: &str, name: &str) -> String {
        let h = self.linear_relu(x, &format!("{name}.0"));
        let h = self.deepen(h, name);
        self.linear(&h, &format!("{name}.{}", self.config.hidden_layers))
    }

    /// The further hidden layers.
    fn deepen(&mut self, h: String, name: &str) -> String {
        (1..self.config.hidden_layers).fold(h, |h, k| self.linear_relu(&h, &format!("{name}.{k}")))
    }

    fn linear(&mut self, x: &str, name: &str) -> String {
        let y = self.op("MatMul", &[x, &format!("{name}.weight")], vec![]);
        self.op("Add", &[&y, &format!("{name}.bias")], vec![])
    }

    fn linear_relu(&mut self, x: &str, name: &str) -> String {
        let y = self.linear(x, name);
        self.op("Relu", &[&y], vec![])
    }

    fn residual(&mut self, r: &str, x: &str, name: &str) -> String {
        let y = self.linear(x, name);
        self.op("Add", &[r, &y], vec![])
    }

    fn norm(&mut self, x: &str, name: &str) -> String {
        let parts = [x, &format!("{name}.scale"), &format!("{name}.shift")];
        self.op("LayerNormalization", &parts, vec![int("axis", -1), float("epsilon", 1e-5)])
    }

    /// `x` with the rows of `updates` added at those of `rows` `[m, 1]`.
    fn scatter(&mut self, x: &str, rows: &str, updates: &str) -> String {
        self.op("ScatterND", &[x, rows, updates], vec![string("reduction", "add")])
    }

    /// As many rows as `like` has, each of so many equal values.
    fn filled(&mut self, like: &str, columns: usize, value: f32) -> String {
        let rows = self.op("Shape", &[like], vec![int("start", 0), int("end", 1)]);
        let columns = self.integers(&format!("columns.{columns}"), &[columns as i64]);
        let shape = self.op("Concat", &[&rows, &columns], vec![int("axis", 0)]);
        let value = Tensor { dims: vec![1], kind: FLOAT, name: "value".into(), raw: model_file::bytes(&[value]) };
        let attribute = Attribute { name: "value".into(), tensor: Some(value), kind: 4, ..Attribute::default() };
        self.op("ConstantOfShape", &[&shape], vec![attribute])
    }

    /// One operator; gives the name of its result.
    fn op(&mut self, op_type: &str, input: &[&str], attribute: Vec<Attribute>) -> String {
        let name = format!("{op_type}.{}", self.node.len());
        let input = input.iter().map(|i| (*i).to_string()).collect();
        self.node.push(Node { input, output: vec![name.clone()], name: name.clone(), op_type: op_type.into(), attribute });
        name
    }

    fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.constant(name, INT64, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn floats(&mut self, name: &str, values: &[f32]) -> String {
        self.constant(name, FLOAT, values.len(), model_file::bytes(values))
    }

    /// A constant, stored once however often it is asked for.
    fn constant(&mut self, name: &str, kind: i32, len: usize, raw: Vec<u8>) -> String {
        let name = format!("constant.{name}");
        if !self.initializer.iter().any(|t| t.name == name) {
            self.initializer.push(Tensor { dims: vec![len as i64], kind, name: name.clone(), raw });
        }
        name
    }
}

/// What sums over the edges at each node need.
struct Targets {
    /// Receivers `[m, 1]`.
    receivers: String,
    /// Zeros `[n, width]`.
    sums: String,
    /// Edges that end at each node, at least 1, `[n, 1]`; empty where no step takes a mean.
    degree: String,
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.into(), int: Some(value), kind: 2, ..Attribute::default() }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: values.to_vec(), kind: 7, ..Attribute::default() }
}

fn float(name: &str, value: f32) -> Attribute {
    Attribute { name: name.into(), float: Some(value), kind: 1, ..Attribute::default() }
}

fn string(name: &str, value: &str) -> Attribute {
    Attribute { name: name.into(), string: Some(value.into()), kind: 3, ..Attribute::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::MODELS;
    use std::collections::BTreeSet;

    #[test]
    fn every_network_is_written_and_read_back() {
        let widths = Widths { nodes: 5, edges: 3, outputs: 2 };
        for (model, hidden_layers) in MODELS.iter().flat_map(|m| [(m, 1), (m, 2)]) {
            let pattern = "LTF".into();
            let config = ModelConfig { kind: model.name().into(), width: 8, steps: 2, pattern, slices: 3, heads: 2, hidden_layers };
            let mut params = Params::new(1);
            model.init(widths, &config, &mut params);
            let written = network(&config, widths, &params.vars()).unwrap();
            let read = ModelProto::decode(written.encode_to_vec().as_slice()).unwrap();
            assert_eq!(read, written);
            let graph = read.graph.unwrap();
            // Operators stand in the order in which they can be computed, and every parameter is used.
            let mut known: BTreeSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
            known.extend(graph.initializer.iter().map(|t| t.name.as_str()));
            let mut used = BTreeSet::new();
            for node in &graph.node {
                for input in &node.input {
                    assert!(known.contains(input.as_str()), "{}: {} of {input}", model.name(), node.name);
                    used.insert(input.as_str());
                }
                known.extend(node.output.iter().map(String::as_str));
            }
            assert!(known.contains(OUTPUT));
            assert!(params.list.iter().all(|p| used.contains(p.0.as_str())), "{}", model.name());
        }
    }
}
