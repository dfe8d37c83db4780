//! The learned surrogate: a simulator whose step is a network.

use crate::LearnError;
use crate::config::Plan;
use crate::features::{StaticGraph, dynamic, dynamic_width, edge_width, static_width};
use crate::model_file;
use crate::models::{self, GraphInput, Model, Widths};
use crate::normalise::Normaliser;
use crate::params::{Params, Vars};
use crate::tape::{Recorder, Var};
use femur_dataset::Dataset;
use femur_mesh::{Field, Location};
use femur_sim::{LearningTask, Setup, SimError, Simulator, State, Trajectory, UnitResponse, Update};
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
    /// Of the features that change in time.
    pub(crate) inputs: Normaliser,
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

    pub(crate) fn widths(&self) -> Widths {
        widths(&self.plan.task)
    }

    /// What is wrong with a description read from a file: one that passes can be predicted with.
    fn fault(&self) -> Option<String> {
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
        let (header, params) = model_file::read(path)?;
        if let Some(what) = header.fault() {
            return Err(LearnError::file(path, format!("{what}\n  hint: the file is damaged, or of another version of Femur")));
        }
        Surrogate::new(Arc::new(header), &params).map_err(|e| LearnError::file(path, e.to_string()))
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
        if let Ok(rows) = dynamic(self.task(), setup, 0, setup.initial.as_ref()) {
            let mut column = 0;
            for (name, width) in &self.task().inputs {
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
        let graph = StaticGraph::new(self.task(), &setup)?;
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
        Ok(SurrogateSimulator { surrogate: self.clone(), setup, graph, responses: Vec::new() })
    }

    /// The network's output, `[n, outputs]`, still normalised.
    pub(crate) fn forward(&self, vars: &Vars<f32>, graph: &StaticGraph, dynamic: &[f64], recorder: &mut Recorder<f32>) -> Var<f32> {
        let rows = self.header.inputs.normalise(dynamic);
        let (ws, wd) = (static_width(self.task()), dynamic_width(self.task()));
        let mut nodes = Vec::with_capacity(graph.n * (ws + wd));
        for i in 0..graph.n {
            nodes.extend_from_slice(&graph.nodes[i * ws..(i + 1) * ws]);
            nodes.extend_from_slice(&rows[i * wd..(i + 1) * wd]);
        }
        let edges = graph.graph.senders.len();
        let input = GraphInput {
            nodes: Var::constant(nodes, graph.n, ws + wd),
            edges: Var::constant(graph.edges.clone(), edges, edge_width(self.task())),
            graph: graph.graph.clone(),
        };
        self.model.forward(&self.header.plan.model, vars, &input, recorder)
    }

    /// The state at output time `step`, and the unit responses of a linear task. `state` is the one before.
    pub(crate) fn step(
        &self,
        vars: &Vars<f32>,
        setup: &Setup,
        graph: &StaticGraph,
        step: usize,
        state: Option<&State>,
    ) -> Result<(State, Vec<UnitResponse>), LearnError> {
        let task = self.task();
        let rows = dynamic(task, setup, step, state)?;
        let out = self.forward(vars, graph, &rows, &mut Recorder::inference());
        let values = self.header.outputs.restore(out.values());
        let (n, c, k) = (graph.n, self.header.components(), self.header.channels());
        let column = |channel: usize, first: usize, width: usize| -> Vec<f64> {
            (0..n).flat_map(|i| values[(i * k + channel) * c + first..(i * k + channel) * c + first + width].to_vec()).collect()
        };
        let field = |t: &femur_sim::Target, values: Vec<f64>| Field {
            name: t.field.clone(),
            unit: t.unit.clone(),
            location: Location::Node,
            components: t.components.clone(),
            values,
        };
        let mut responses = Vec::new();
        for (channel, load) in task.linear_in.iter().enumerate() {
            let mut first = 0;
            let mut fields = Vec::new();
            for t in &task.targets {
                let mut v = column(channel, first, t.components.len());
                // The response to a load vanishes where the script holds the field; only prescribed values move it there.
                if let Some(p) = setup.prescribed(&t.field) {
                    v.iter_mut().zip(&p.mask).for_each(|(v, &m)| {
                        if m {
                            *v = 0.0
                        }
                    });
                }
                first += t.components.len();
                fields.push(field(t, v));
            }
            responses.push(UnitResponse { load: load.clone(), fields });
        }
        let mut fields = Vec::new();
        let mut first = 0;
        for (j, t) in task.targets.iter().enumerate() {
            let mut v = if responses.is_empty() { column(0, first, t.components.len()) } else { vec![0.0; n * t.components.len()] };
            first += t.components.len();
            for response in &responses {
                let load = setup.loads.iter().find(|l| l.name == response.load).map_or(0.0, |l| l.value);
                v.iter_mut().zip(&response.fields[j].values).for_each(|(v, r)| *v += load * r);
            }
            if t.update == Update::Delta
                && let Some(before) = state.and_then(|s| s.field(&t.field))
            {
                v.iter_mut().zip(&before.values).for_each(|(v, b)| *v += b);
            }
            if let Some(p) = setup.prescribed(&t.field) {
                p.apply(step, &mut v);
            }
            fields.push(field(t, v));
        }
        Ok((State { time: setup.times[step], fields }, responses))
    }

    /// Mean squared error of a whole rollout in units of the fields' spread, weighted as the loss; over nodes outside singular discs.
    pub(crate) fn rollout_error(&self, vars: &Vars<f32>, truth: &Trajectory, graph: &StaticGraph) -> Result<f64, LearnError> {
        let regular = truth.setup.regular_nodes();
        let (mut sum, mut weight) = (0.0, 0.0);
        let first = usize::from(!truth.setup.is_steady());
        let mut state = truth.setup.initial.clone();
        for (step, exact) in truth.states.iter().enumerate().skip(first) {
            let (next, _) = self.step(vars, &truth.setup, graph, step, state.as_ref())?;
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
            state = Some(next);
        }
        Ok(sum / f64::max(weight, f64::MIN_POSITIVE))
    }
}

/// The surrogate of one case.
pub struct SurrogateSimulator {
    surrogate: Surrogate,
    setup: Setup,
    graph: StaticGraph,
    responses: Vec<UnitResponse>,
}

impl Simulator for SurrogateSimulator {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn step(&mut self, step: usize, state: Option<&State>) -> Result<State, SimError> {
        let result = self.surrogate.step(&self.surrogate.vars, &self.setup, &self.graph, step, state);
        let (state, responses) = result.map_err(|e| SimError::Solver { time: self.setup.times[step], reason: e.to_string() })?;
        self.responses = responses;
        Ok(state)
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        Ok(std::mem::take(&mut self.responses))
    }
}
