//! The learned surrogate: a simulator whose step is a network.

use crate::LearnError;
use crate::config::{MOST_CENTERS, Plan};
use crate::device::{Device, HostPass, Pass};
use crate::features::{
    Channels, Dynamic, StaticGraph, dynamic_nodes, dynamic_width, edge_width, read_inputs, static_edge_width, static_width, target_fields,
};
use crate::model_file;
use crate::models::{self, GraphInput, Model, Widths};
use crate::normalise::Normaliser;
use crate::params::{Params, Vars};
use crate::parts::Part;
use crate::sample::Example;
use crate::tape::{Memory, Precision, Recorder, Var};
use femur_dataset::Dataset;
use femur_mesh::{Field, Location};
use femur_sim::{LearningTask, Setup, SimError, Simulator, State, UnitResponse, Update};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// All of a model but its weights: stored as the one metadata key of the model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// `femur-model`.
    pub(crate) schema: String,
    /// Version of the schema.
    pub(crate) version: u32,
    /// What is learnt, by which network, how.
    pub(crate) plan: Plan,
    /// Of the node features that change in time.
    pub(crate) inputs: Normaliser,
    /// Of the edge features that change in time.
    pub(crate) edges: Normaliser,
    /// Of the outputs: unit responses by load, or values or differences.
    pub(crate) outputs: Normaliser,
    /// Spread of each target field: what validation errors are measured in.
    pub(crate) spread: Vec<f64>,
    /// Least and largest value of each sampled parameter in training.
    pub(crate) ranges: BTreeMap<String, (f64, f64)>,
    /// Hash of the training data.
    pub(crate) data_sha256: String,
    /// Names of the node kinds, in the order of their one-hot.
    pub(crate) node_kinds: Vec<String>,
}

impl Header {
    /// Components of all targets together.
    pub(crate) fn components(&self) -> usize {
        self.plan.task.targets.iter().map(|t| t.components.len()).sum()
    }

    /// Load channels whose responses are superposed; 1 where the answer itself is predicted.
    pub(crate) fn channels(&self) -> usize {
        self.plan.task.linear_in.len().max(1)
    }

    /// Takes over the normalisers of the model that a training starts from, so that its weights mean the same.
    pub(crate) fn continue_from(&mut self, old: &Header) -> Result<(), LearnError> {
        let (new, before) = (&self.plan.task, &old.plan.task);
        let reads = |t: &LearningTask| {
            let (inputs, tags) = (t.inputs.clone(), t.distance_tags.clone());
            (t.dim, inputs, tags, t.linear_in.clone(), t.coordinates, t.long_range > 0, t.input_means, t.units.clone())
        };
        if new.targets != before.targets || reads(new) != reads(before) {
            let what = "the model to start from reads or predicts other fields than this dataset has".to_string();
            return Err(LearnError::Mismatch { what, hint: "start from a model of the same kind of cases".into() });
        }
        (self.inputs, self.edges, self.outputs) = (old.inputs.clone(), old.edges.clone(), old.outputs.clone());
        self.spread.clone_from(&old.spread);
        Ok(())
    }

    pub(crate) fn widths(&self) -> Widths {
        widths(&self.plan.task)
    }

    /// What is wrong with a description read from a file: one that passes can be predicted with.
    pub(crate) fn fault(&self) -> Option<String> {
        let task = &self.plan.task;
        if let Some((key, what, _)) = self.plan.model.fault() {
            return Some(format!("model.{key} {what}"));
        }
        // Bounds that no model comes near, so that widths cannot overflow.
        let small = |n: usize| (1..=4096).contains(&n);
        if !(1..=3).contains(&task.dim) || !small(task.targets.len()) || task.targets.iter().any(|t| !small(t.components.len())) {
            return Some("the targets make no sense".into());
        }
        if task.inputs.len() > 4096 || task.inputs.iter().any(|i| !small(i.1)) {
            return Some("the inputs make no sense".into());
        }
        if task.long_range > MOST_CENTERS {
            return Some(format!("long_range is {}", task.long_range));
        }
        if !(task.distance_scale > 0.0 && task.distance_scale.is_finite()) {
            return Some(format!("distance_scale is {}", task.distance_scale));
        }
        let usable = |n: &Normaliser, width: usize| {
            let right = n.mean.len() == width && n.std.len() == width;
            right && n.mean.iter().all(|v| v.is_finite()) && n.std.iter().all(|v| v.is_finite() && *v > 0.0)
        };
        if !usable(&self.inputs, dynamic_width(task)) || !usable(&self.outputs, self.components() * self.channels()) {
            return Some("the means and spreads do not fit the inputs and targets".into());
        }
        (self.spread.len() != task.targets.len()).then(|| "the spreads do not fit the targets".into())
    }
}

pub(crate) fn widths(task: &LearningTask) -> Widths {
    let components: usize = task.targets.iter().map(|t| t.components.len()).sum();
    Widths { nodes: static_width(task) + dynamic_width(task), edges: edge_width(task), outputs: components * task.linear_in.len().max(1) }
}

/// A trained model.
#[derive(Clone)]
pub struct Surrogate {
    pub(crate) header: Arc<Header>,
    pub(crate) vars: Vars<f32>,
    parameters: usize,
    model: &'static dyn Model,
}

impl Surrogate {
    pub(crate) fn new(header: Arc<Header>, params: &Params) -> Result<Self, LearnError> {
        let model = models::find(&header.plan.model.kind)?;
        let mut expected = Params::new(0);
        model.init(header.widths(), &header.plan.model, &mut expected);
        let shapes = |p: &Params| p.list.iter().map(|p| (p.0.clone(), p.1, p.2)).collect::<Vec<_>>();
        if shapes(&expected) != shapes(params) {
            let what = "the weights do not have the names and shapes that the model's description asks for".to_string();
            return Err(LearnError::Mismatch { what, hint: "the file is damaged, or of another version of Femur".into() });
        }
        Ok(Surrogate { vars: params.vars(), parameters: params.count(), header, model })
    }

    /// Loads a model file; nothing else is needed.
    pub fn load(path: &Path) -> Result<Self, LearnError> {
        Surrogate::load_on(path, None)
    }

    /// The same, to predict on a device, if there is one.
    pub fn load_on(path: &Path, device: Option<&dyn Device>) -> Result<Self, LearnError> {
        let (header, params) = model_file::read(path)?;
        let surrogate = Surrogate::new(Arc::new(header), &params).map_err(|e| LearnError::file(path, e.to_string()))?;
        Ok(Surrogate { vars: params.vars_on(device)?, ..surrogate })
    }

    /// What it predicts.
    pub fn task(&self) -> &LearningTask {
        &self.header.plan.task
    }

    /// Paths of the parameters that were sampled in training.
    pub fn sampled_parameters(&self) -> impl Iterator<Item = &str> {
        self.header.ranges.keys().map(String::as_str)
    }

    /// A description for `femur info`.
    pub fn describe(&self) -> serde_json::Value {
        serde_json::json!({
            "model": self.header.plan.model, "parameters": self.parameters, "task": self.header.plan.task,
            "training": self.header.plan.training, "ranges": self.header.ranges, "data_sha256": self.header.data_sha256,
        })
    }

    /// Refuses a dataset that the model does not fit, with the reason.
    pub fn accepts(&self, data: &Dataset) -> Result<(), LearnError> {
        let (m, task) = (data.manifest(), self.task());
        let refuse =
            |what: String| Err(LearnError::Mismatch { what, hint: "use a dataset of the kind that the model was trained on".into() });
        if m.physics != task.physics {
            return refuse(format!("the model is of {}, the dataset of {}", task.physics, m.physics));
        }
        if m.unit_system != task.units {
            return refuse(format!("the model is in {}, the dataset in {}", task.units, m.unit_system));
        }
        for t in &task.targets {
            match m.fields.iter().find(|f| f.name == t.field) {
                Some(f) if f.components == t.components && f.units == t.unit => {}
                Some(f) => {
                    return refuse(format!(
                        "{} is {:?} [{}] in the dataset, {:?} [{}] in the model",
                        t.field, f.components, f.units, t.components, t.unit
                    ));
                }
                None => return refuse(format!("the dataset has no field {}", t.field)),
            }
        }
        Ok(())
    }

    /// Every input outside the range seen in training, in words.
    pub fn outside_training_range(&self, setup: &Setup) -> Vec<String> {
        let mut out: Vec<String> = setup
            .params
            .iter()
            .filter_map(|p| {
                let (lo, hi) = self.header.ranges.get(&p.path)?;
                let slack = 1e-9 * (hi - lo).abs();
                (p.value < lo - slack || p.value > hi + slack).then(|| format!("{} = {} (trained on {lo} to {hi})", p.path, p.value))
            })
            .collect();
        let n = &self.header.inputs;
        if self.task().input_means
            && let Ok(rows) = self.start(setup).and_then(|fed| dynamic_nodes(self.task(), setup, 0, &fed))
        {
            let mut column = 0;
            for (name, width) in read_inputs(self.task()) {
                for c in 0..*width {
                    // The body's mean of an input, the second column of each component.
                    let k = column + 2 * c + 1;
                    let z = rows.get(k).map_or(0.0, |v| (v - n.mean[k]) / n.std[k]);
                    if z.abs() > 3.0 {
                        out.push(format!("{name} lies {:.1} standard deviations from the training data's mean", z.abs()));
                    }
                }
                column += 2 * width;
            }
        }
        out
    }

    /// A simulator of one case.
    pub fn simulator(&self, setup: Setup) -> Result<SurrogateSimulator, LearnError> {
        let mut graph = StaticGraph::new(self.task(), &setup)?;
        if let Some(steps) = self.reach() {
            // Much larger graphs would fill the memory; the answer has the same bits.
            graph = graph.in_parts(&setup.mesh, MOST_NODES, steps, false);
        }
        let names: Vec<&str> = setup.loads.iter().map(|l| l.name.as_str()).collect();
        let known = &self.task().linear_in;
        if !known.is_empty()
            && let Some(load) = setup.loads.iter().find(|l| l.value != 0.0 && !known.contains(&l.name))
        {
            let what = format!(
                "the load {} was not there in training (loads known: {}; this case: {})",
                load.name,
                known.join(", "),
                names.join(", ")
            );
            return Err(LearnError::Mismatch { what, hint: "use loads of the training cases, or train on such cases".into() });
        }
        if setup.is_steady() != self.task().state_inputs.is_empty() {
            let what = "the model and the case are not both steady or both transient".to_string();
            return Err(LearnError::Mismatch { what, hint: "add or drop [time]".into() });
        }
        let mut setup = setup;
        // Every state of a rollout holds the predicted fields, the initial one too.
        if let Some(initial) = &mut setup.initial {
            initial.fields.retain(|f| self.task().targets.iter().any(|t| t.field == f.name));
        }
        Ok(SurrogateSimulator { surrogate: self.clone(), setup, graph, channels: Vec::new(), responses: Vec::new() })
    }

    /// The network's output for what it reads, `[nodes, outputs]`, still normalised; with `keep`, gradients can follow.
    pub(crate) fn run<'v>(
        &self,
        vars: &'v Vars<f32>,
        input: &GraphInput<f32>,
        keep: Option<Memory>,
        precision: Precision,
    ) -> Result<Box<dyn Pass + 'v>, LearnError> {
        let config = &self.header.plan.model;
        if let Some(loaded) = &vars.loaded {
            return loaded.run(input, keep, precision, &|ops, nodes, edges| self.model.network(config, ops, nodes, edges));
        }
        let mut recorder = keep.map_or_else(Recorder::inference, Recorder::training).with(precision);
        let out = self.model.forward(config, vars, input, &mut recorder);
        Ok(Box::new(HostPass { recorder, out, vars }))
    }

    /// Message steps, which is as far as a node sees; `None` where it sees all others.
    pub(crate) fn reach(&self) -> Option<usize> {
        self.model.reach(&self.header.plan.model)
    }

    /// What the network reads: static features as they are, those that change in time normalised.
    pub(crate) fn input(&self, graph: &StaticGraph, part: Option<&Part>, dynamic: &Dynamic) -> GraphInput<f32> {
        let (ws, we) = (static_width(self.task()), static_edge_width(self.task()));
        let nodes = rows_of(part.map(|p| &p.nodes[..]), (&graph.nodes, ws), (&dynamic.nodes, &self.header.inputs));
        let edges = rows_of(part.map(|p| &p.edges[..]), (&graph.edges, we), (&dynamic.edges, &self.header.edges));
        let graph = part.map_or(&graph.graph, |p| &p.graph);
        let (n, m) = (graph.start.len() - 1, graph.senders.len());
        let (wn, we) = (ws + dynamic_width(self.task()), edge_width(self.task()));
        GraphInput { nodes: Var::constant(nodes, n, wn), edges: Var::constant(edges, m, we), graph: graph.clone() }
    }

    /// The network's output at all nodes, `[n, outputs]`, still normalised.
    fn output(&self, vars: &Vars<f32>, graph: &StaticGraph, dynamic: &Dynamic) -> Result<Vec<f32>, LearnError> {
        let width = self.header.widths().outputs;
        let mut all = vec![0.0; graph.n * width];
        for part in graph.pieces() {
            let out = self.run(vars, &self.input(graph, part, dynamic), None, Precision::F32)?;
            match part {
                None => all.copy_from_slice(out.output()),
                Some(part) => {
                    for (&node, row) in part.nodes[..part.owned].iter().zip(out.output().chunks_exact(width)) {
                        all[node as usize * width..][..width].copy_from_slice(row);
                    }
                }
            }
        }
        Ok(all)
    }

    /// The first field that is not finite in the network's output.
    pub(crate) fn not_finite(&self, out: &[f32]) -> Option<String> {
        let column = out.iter().position(|v| !v.is_finite())? % (self.header.components() * self.header.channels());
        self.task().targets.iter().flat_map(|t| t.components.iter().map(move |_| &t.field)).cycle().nth(column).cloned()
    }

    /// What the first step of a rollout is fed with.
    pub(crate) fn start(&self, setup: &Setup) -> Result<Channels, LearnError> {
        let Some(initial) = &setup.initial else { return Ok(Vec::new()) };
        let task = self.task();
        let whole = target_fields(task, &initial.fields).ok_or_else(|| LearnError::Mismatch {
            what: "the case does not start with the fields that the model predicts".into(),
            hint: "use a case of the same kind as the training cases".into(),
        })?;
        if task.linear_in.is_empty() {
            return Ok(vec![whole]);
        }
        // A load that the case lacks has the weight 0: any response will do.
        let none: Vec<Field> = whole.iter().map(|f| Field { values: vec![0.0; f.values.len()], ..f.clone() }).collect();
        let of = |load: &String| initial_response(setup, load).and_then(|f| target_fields(task, f)).unwrap_or_else(|| none.clone());
        Ok(task.linear_in.iter().map(of).collect())
    }

    /// The state at output time `step` and its channels, from those of the step before.
    pub(crate) fn step(
        &self,
        vars: &Vars<f32>,
        setup: &Setup,
        graph: &StaticGraph,
        step: usize,
        fed: &Channels,
    ) -> Result<(State, Channels), LearnError> {
        let task = self.task();
        let rows = Dynamic::new(task, setup, graph, step, fed)?;
        let values = self.header.outputs.restore(&self.output(vars, graph, &rows)?);
        let (n, c, k) = (graph.n, self.header.components(), self.header.channels());
        let mut channels = Vec::with_capacity(k);
        for channel in 0..k {
            let mut first = channel * c;
            let mut fields = Vec::with_capacity(task.targets.len());
            for (j, t) in task.targets.iter().enumerate() {
                let width = t.components.len();
                let mut v: Vec<f64> = (0..n).flat_map(|i| values[i * k * c + first..i * k * c + first + width].to_vec()).collect();
                first += width;
                if t.update == Update::Delta
                    && let Some(before) = fed.get(channel)
                {
                    v.iter_mut().zip(&before[j].values).for_each(|(v, b)| *v += b);
                }
                if let Some(p) = setup.prescribed(&t.field) {
                    if task.linear_in.is_empty() {
                        p.apply(step, &mut v);
                    } else {
                        // Where the script holds the field, a response stays what it was at the start; without time, it is left at 0
                        // here and the script's value is set in the sum.
                        let start = initial_response(setup, &task.linear_in[channel]).and_then(|f| f.iter().find(|f| f.name == t.field));
                        for (i, v) in v.iter_mut().enumerate().filter(|(i, _)| p.mask[*i]) {
                            *v = start.map_or(0.0, |f| f.values[i]);
                        }
                    }
                }
                let (name, unit, components) = (t.field.clone(), t.unit.clone(), t.components.clone());
                fields.push(Field { name, unit, location: Location::Node, components, values: v });
            }
            channels.push(fields);
        }
        let mut fields = if task.linear_in.is_empty() { channels[0].clone() } else { self.superpose(setup, &channels)? };
        for field in &mut fields {
            if let Some(p) = setup.prescribed(&field.name) {
                p.apply(step, &mut field.values);
            }
        }
        Ok((State { time: setup.times[step], fields }, channels))
    }

    /// The sum over the case's loads, which may be fewer than those learnt, or in another order.
    fn superpose(&self, setup: &Setup, channels: &Channels) -> Result<Vec<Field>, LearnError> {
        let of = |load: &femur_sim::Load| {
            let known = self.task().linear_in.iter().position(|name| *name == load.name);
            known.or((load.value == 0.0).then_some(0)).map(|k| channels[k].clone()).ok_or_else(|| LearnError::Mismatch {
                what: format!("the load {} was not there in training (loads known: {})", load.name, self.task().linear_in.join(", ")),
                hint: "use loads of the training cases, or train on such cases".into(),
            })
        };
        let ordered: Channels = setup.loads.iter().map(of).collect::<Result<_, _>>()?;
        Ok(setup.superpose(&ordered).unwrap_or_else(|| {
            let zero = |f: &Field| Field { values: vec![0.0; f.values.len()], ..f.clone() };
            channels[0].iter().map(zero).collect()
        }))
    }

    /// Mean squared error of a whole rollout in units of the fields' spread, weighted as the loss; over nodes outside singular discs.
    pub(crate) fn rollout_error(&self, vars: &Vars<f32>, truth: &Example) -> Result<f64, LearnError> {
        let (setup, graph) = (&truth.body.setup, &truth.body.graph);
        let regular = setup.regular_nodes();
        let (mut sum, mut weight) = (0.0, 0.0);
        let mut fed = self.start(setup)?;
        for (step, exact) in truth.states.iter().enumerate().skip(truth.body.first()) {
            let (next, channels) = self.step(vars, setup, graph, step, &fed)?;
            fed = channels;
            for (j, t) in self.task().targets.iter().enumerate() {
                let Some(exact) = exact.field(&t.field) else { continue };
                let c = exact.num_components();
                let values = next.fields[j].values.iter().zip(&exact.values).enumerate().filter(|(i, _)| regular[i / c]);
                let (mut s, mut count) = (0.0, 0.0);
                for (_, (a, b)) in values {
                    s += ((a - b) / self.header.spread[j]).powi(2);
                    count += 1.0;
                }
                sum += t.weight * s / f64::max(count, 1.0);
                weight += t.weight;
            }
        }
        Ok(sum / f64::max(weight, f64::MIN_POSITIVE))
    }
}

/// Nodes that are predicted at a time.
const MOST_NODES: usize = 100_000;

/// Fixed and changing features side by side, of some rows or of all.
fn rows_of(which: Option<&[u32]>, (fixed, width): (&[f32], usize), (changing, normaliser): (&[f64], &Normaliser)) -> Vec<f32> {
    let changes = normaliser.width();
    let picked: Vec<f64>;
    let (count, changing) = match which {
        None => (fixed.len() / width.max(1), changing),
        Some(which) => {
            picked = which.iter().flat_map(|&k| &changing[k as usize * changes..][..changes]).copied().collect();
            (which.len(), &picked[..])
        }
    };
    let changing = normaliser.normalise(changing);
    let mut rows = Vec::with_capacity(count * (width + changes));
    for k in 0..count {
        rows.extend_from_slice(&fixed[which.map_or(k, |w| w[k] as usize) * width..][..width]);
        rows.extend_from_slice(&changing[k * changes..][..changes]);
    }
    rows
}

/// The response to a load at the first output time of a transient problem.
fn initial_response<'a>(setup: &'a Setup, load: &str) -> Option<&'a Vec<Field>> {
    setup.initial_responses.get(setup.loads.iter().position(|l| l.name == load)?)
}

/// The surrogate of one case.
pub struct SurrogateSimulator {
    surrogate: Surrogate,
    setup: Setup,
    graph: StaticGraph,
    /// Channels of the last state, and the responses of all.
    channels: Channels,
    responses: Vec<UnitResponse>,
}

impl Simulator for SurrogateSimulator {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    /// A model of unit responses goes on from its own last responses: a state does not tell which load made what.
    fn step(&mut self, step: usize, state: Option<&State>) -> Result<State, SimError> {
        let failed = |e: LearnError| SimError::Solver { time: self.setup.times[step], reason: e.to_string() };
        let task = self.surrogate.task();
        if step <= 1 {
            self.channels = self.surrogate.start(&self.setup).map_err(failed)?;
            let first = |(load, fields): (&String, &Vec<Field>)| UnitResponse { load: load.clone(), steps: vec![fields.clone()] };
            self.responses = task.linear_in.iter().zip(&self.channels).map(first).collect();
        }
        if task.linear_in.is_empty()
            && let Some(fields) = state.and_then(|s| target_fields(task, &s.fields))
        {
            self.channels = vec![fields];
        }
        let (state, channels) =
            self.surrogate.step(&self.surrogate.vars, &self.setup, &self.graph, step, &self.channels).map_err(failed)?;
        if self.responses.is_empty() {
            let none = |load: &String| UnitResponse { load: load.clone(), steps: Vec::new() };
            self.responses = task.linear_in.iter().map(none).collect();
        }
        for (response, fields) in self.responses.iter_mut().zip(&channels) {
            response.steps.push(fields.clone());
        }
        self.channels = channels;
        Ok(state)
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        Ok(std::mem::take(&mut self.responses))
    }
}
