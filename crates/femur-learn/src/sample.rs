//! Training samples: a graph with the outputs that are wanted.

use crate::config::{PART_NODES, Plan};
use crate::features::{Channels, Dynamic, StaticGraph, dynamic_edge_width, dynamic_width, target_fields};
use crate::normalise::Accumulator;
use crate::params::{Vars, normal, unit};
use crate::surrogate::{Header, Surrogate};
use crate::{LearnError, models};
use femur_dataset::Frames;
use femur_mesh::Field;
use femur_sim::{LearningTask, NodeType, Setup, State, Trajectory, UnitResponse, Update};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Weight of the loss within a disc around a singular point, where the truth itself does not converge.
const SINGULAR_WEIGHT: f64 = 0.1;

/// Features that change in time, normalised targets, and the weight of each output.
pub(crate) type Sample = (Dynamic, Vec<f32>, Vec<f32>);

/// What a trajectory is learnt from that does not change over its steps.
pub(crate) struct Body {
    /// What to call it in messages.
    pub(crate) name: String,
    pub(crate) setup: Setup,
    pub(crate) graph: StaticGraph,
    /// Weight of each node in the loss.
    node_weight: Vec<f64>,
}

impl Body {
    pub(crate) fn new(name: String, plan: &Plan, setup: Setup) -> Result<Self, LearnError> {
        let mut graph = StaticGraph::new(&plan.task, &setup)?;
        if let Some(steps) = models::find(&plan.model.kind)?.reach(&plan.model) {
            graph = graph.in_parts(&setup.mesh, plan.training.part_nodes.unwrap_or(PART_NODES), steps, plan.training.part_nodes.is_some());
        }
        let node_weight = setup.regular_nodes().into_iter().map(|r| if r { 1.0 } else { SINGULAR_WEIGHT }).collect();
        Ok(Body { name, setup, graph, node_weight })
    }

    /// The first output time that is predicted.
    pub(crate) fn first(&self) -> usize {
        usize::from(!self.setup.is_steady())
    }

    /// Memory that its arrays take.
    pub(crate) fn bytes(&self) -> u64 {
        let (setup, mesh) = (&self.setup, &self.setup.mesh);
        let cells: usize = mesh.blocks.iter().map(|b| 4 * b.connectivity.len()).sum();
        let known: usize = setup.inputs.iter().map(|i| 8 * i.values.len()).sum();
        let held: usize = setup.prescribed.iter().map(|p| 8 * p.values.len() + p.mask.len()).sum();
        let nodes = 8 * mesh.points.len() + 4 * setup.node_type.len() + 8 * self.node_weight.len();
        let start = setup.initial.iter().map(|s| &s.fields).chain(&setup.initial_responses).map(|f| fields_bytes(f)).sum::<usize>();
        (cells + 4 * setup.material_id.len() + known + held + nodes + start + self.graph.bytes()) as u64
    }
}

fn fields_bytes(fields: &[Field]) -> usize {
    fields.iter().map(|f| 8 * f.values.len()).sum()
}

/// A trajectory, or some of its steps.
pub(crate) struct Example {
    pub(crate) body: Arc<Body>,
    /// Output times of what follows, rising.
    at: Vec<usize>,
    pub(crate) states: Vec<State>,
    unit_responses: Vec<UnitResponse>,
}

impl Example {
    /// The whole trajectory.
    pub(crate) fn new(name: String, plan: &Plan, truth: Trajectory) -> Result<Self, LearnError> {
        for target in &plan.task.targets {
            let of = |f: &[Field]| f.iter().any(|f| f.name == target.field && f.values.iter().any(|v| !v.is_finite()));
            if truth.states.iter().any(|s| of(&s.fields)) || truth.unit_responses.iter().any(|r| r.steps.iter().any(|f| of(f))) {
                let what = format!("{name}: `{}` holds NaN or infinite values", target.field);
                return Err(LearnError::Mismatch { what, hint: "femur verify-data names the file; leave it out or make it again".into() });
            }
        }
        let body = Arc::new(Body::new(name, plan, truth.setup)?);
        let at = (0..truth.states.len()).collect();
        Ok(Example { body, at, states: truth.states, unit_responses: truth.unit_responses })
    }

    /// Some output times of a trajectory.
    pub(crate) fn of_steps(body: Arc<Body>, at: Vec<usize>, (states, unit_responses): Frames) -> Self {
        Example { body, at, states, unit_responses }
    }

    /// Steps that can be learnt from, of a whole trajectory.
    pub(crate) fn steps(&self) -> usize {
        self.states.len().saturating_sub(self.body.first())
    }

    /// Memory that the state and responses of one output time take.
    pub(crate) fn step_bytes(&self) -> u64 {
        let states = self.states.first().map_or(0, |s| fields_bytes(&s.fields));
        let responses: usize = self.unit_responses.iter().filter_map(|r| r.steps.first()).map(|f| fields_bytes(f)).sum();
        (states + responses) as u64
    }

    /// The exact channels at an output time.
    fn channels(&self, task: &LearningTask, step: usize) -> Result<Channels, LearnError> {
        let pick = |name: &str, fields: Option<&Vec<Field>>| {
            fields.and_then(|f| target_fields(task, f)).ok_or_else(|| {
                let targets: Vec<String> = task.targets.iter().map(|t| format!("`{}`", t.field)).collect();
                let what = format!("the dataset lacks {name} with {}", targets.join(", "));
                LearnError::Mismatch { what, hint: "generate it again, or set [learning] linear = false".into() }
            })
        };
        let place = self.at.binary_search(&step).ok();
        if task.linear_in.is_empty() {
            return Ok(vec![pick("a state", place.and_then(|k| self.states.get(k)).map(|s| &s.fields))?]);
        }
        let find = |load: &String| self.unit_responses.iter().find(|r| r.load == *load).and_then(|r| r.steps.get(place?));
        task.linear_in.iter().map(|load| pick(&format!("the response to `{load}`"), find(load))).collect()
    }

    /// What the step to output time `step` is fed with: nothing for a steady problem.
    pub(crate) fn fed(&self, task: &LearningTask, step: usize) -> Result<Channels, LearnError> {
        if self.body.setup.is_steady() { Ok(Vec::new()) } else { self.channels(task, step - 1) }
    }

    /// Raw targets `[n, channels components]` of a step, from what it is fed with (which may carry noise).
    fn targets(&self, task: &LearningTask, step: usize, fed: &Channels) -> Result<Vec<f64>, LearnError> {
        let exact = self.channels(task, step)?;
        let mut out = Vec::new();
        for i in 0..self.body.graph.n {
            for (k, fields) in exact.iter().enumerate() {
                for (j, (t, field)) in task.targets.iter().zip(fields).enumerate() {
                    let before = fed.get(k).filter(|_| t.update == Update::Delta).map(|f| f[j].at(i));
                    out.extend(field.at(i).iter().enumerate().map(|(c, v)| v - before.map_or(0.0, |b| b[c])));
                }
            }
        }
        Ok(out)
    }

    /// Features that change in time, normalised targets, and the weight of each output, for one step.
    ///
    /// What a rollout is fed with is not exact, so what is learnt from must not be either. Half the samples carry noise; the others start
    /// earlier and were brought here by the network itself, up to `[learning] unroll` steps, without a gradient through them (the
    /// pushforward trick of Brandstetter, Worrall and Welling 2022). The target leads to the exact state in both.
    pub(crate) fn sample(&self, surrogate: &Surrogate, vars: &Vars<f32>, draw: Draw) -> Result<Sample, LearnError> {
        let header = &surrogate.header;
        let (task, setup, graph) = (&header.plan.task, &self.body.setup, &self.body.graph);
        let Draw { step, unrolled, mut rng, .. } = draw;
        let mut fed = self.fed(task, step - unrolled)?;
        for s in step - unrolled..step {
            fed = surrogate.step(vars, setup, graph, s, &fed)?.1;
        }
        if unrolled == 0 && task.noise > 0.0 {
            let components = header.components();
            for (k, fields) in fed.iter_mut().enumerate() {
                let mut first = k * components;
                for field in fields {
                    let c = field.num_components();
                    // What the script holds carries no noise.
                    let held = setup.prescribed(&field.name).map(|p| &p.mask);
                    for (i, v) in field.values.iter_mut().enumerate() {
                        if held.is_none_or(|mask| !mask[i]) {
                            *v += task.noise * header.outputs.std[first + i % c] * normal(&mut rng);
                        }
                    }
                    first += c;
                }
            }
        }
        let features = Dynamic::new(task, setup, graph, step, &fed)?;
        let targets = header.outputs.normalise(&self.targets(task, step, &fed)?);
        let per_channel: Vec<f64> =
            task.targets.iter().flat_map(|t| t.components.iter().map(|_| t.weight / t.components.len() as f64)).collect();
        let (c, k) = (header.components(), header.channels());
        let total: f64 = self.body.node_weight.iter().sum::<f64>() * k as f64;
        let mut weights = Vec::with_capacity(targets.len());
        for i in 0..graph.n {
            for _ in 0..k {
                let mut first = 0;
                for t in &task.targets {
                    for comp in 0..t.components.len() {
                        // What the script holds is overwritten in a rollout: nothing to learn there.
                        let held = setup.prescribed(&t.field).is_some_and(|p| p.mask[i * t.components.len() + comp]);
                        let w = per_channel[first + comp] * self.body.node_weight[i] / total;
                        weights.push(if held { 0.0 } else { w as f32 });
                    }
                    first += t.components.len();
                }
            }
        }
        debug_assert_eq!(weights.len(), graph.n * c * k);
        Ok((features, targets, weights))
    }
}

/// What is drawn at a place of the endless sequence of samples: it depends on seed and place alone, so a resumed run draws the same, and
/// what it needs can be read ahead.
pub(crate) struct Draw {
    /// Output time that is predicted.
    step: usize,
    /// Steps that the network takes before.
    unrolled: usize,
    /// Output times of the states that are needed, rising.
    pub(crate) reads: Vec<usize>,
    /// Gives the noise.
    rng: ChaCha8Rng,
}

impl Draw {
    /// From a trajectory of so many steps to learn from, the first of which leads to output time `first`.
    pub(crate) fn new(plan: &Plan, place: usize, first: usize, steps: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.training.seed);
        rng.set_stream(place as u64);
        let pick = (rng.next_u64() % steps as u64) as usize;
        let longest = plan.task.unroll.min(pick);
        let unrolled = if longest > 0 && unit(&mut rng) < 0.5 { 1 + (rng.next_u64() % longest as u64) as usize } else { 0 };
        let step = pick + first;
        let reads = if first == 0 { vec![step] } else { vec![step - unrolled - 1, step] };
        Draw { step, unrolled, reads, rng }
    }
}

/// Measures the training data, trajectory by trajectory: normalisers, spreads, ranges.
pub(crate) struct Measure {
    inputs: Accumulator,
    edges: Accumulator,
    outputs: Accumulator,
    /// Sum of squares and number of values of each target.
    spread: Vec<(f64, f64)>,
    ranges: BTreeMap<String, (f64, f64)>,
}

impl Measure {
    pub(crate) fn new(task: &LearningTask) -> Self {
        let components: usize = task.targets.iter().map(|t| t.components.len()).sum();
        Measure {
            inputs: Accumulator::new(dynamic_width(task)),
            edges: Accumulator::new(dynamic_edge_width(task)),
            outputs: Accumulator::new(components * task.linear_in.len().max(1)),
            spread: vec![(0.0, 0.0); task.targets.len()],
            ranges: BTreeMap::new(),
        }
    }

    /// Adds a whole trajectory.
    pub(crate) fn add(&mut self, task: &LearningTask, example: &Example) -> Result<(), LearnError> {
        let (setup, graph) = (&example.body.setup, &example.body.graph);
        let regular = setup.regular_nodes();
        for pick in 0..example.steps() {
            let step = pick + example.body.first();
            let fed = example.fed(task, step)?;
            let features = Dynamic::new(task, setup, graph, step, &fed)?;
            self.inputs.add(features.nodes.into_iter());
            self.edges.add(features.edges.into_iter());
            let targets = example.targets(task, step, &fed)?;
            let width = targets.len() / graph.n.max(1);
            // Outside the discs: one singular value must not set the scale of all others.
            self.outputs.add(targets.chunks_exact(width).zip(&regular).filter(|(_, r)| **r).flat_map(|(row, _)| row.to_vec()));
            for (t, s) in task.targets.iter().zip(&mut self.spread) {
                if let Some(f) = example.states[step].field(&t.field) {
                    let c = f.num_components();
                    let base = setup.initial.as_ref().and_then(|i| i.field(&t.field));
                    for (k, v) in f.values.iter().enumerate().filter(|(k, _)| regular[k / c]) {
                        s.0 += (v - base.map_or(0.0, |b| b.values[k])).powi(2);
                        s.1 += 1.0;
                    }
                }
            }
        }
        for p in &setup.params {
            let range = self.ranges.entry(p.path.clone()).or_insert((p.value, p.value));
            *range = (range.0.min(p.value), range.1.max(p.value));
        }
        Ok(())
    }

    pub(crate) fn finish(self, plan: &Plan, data_sha256: String) -> Header {
        Header {
            schema: "femur-model".into(),
            version: 1,
            plan: plan.clone(),
            inputs: self.inputs.finish(),
            edges: self.edges.finish(),
            outputs: self.outputs.finish(),
            spread: self.spread.into_iter().map(|(s, n)| (s / n.max(1.0)).sqrt().max(f64::MIN_POSITIVE)).collect(),
            ranges: self.ranges,
            data_sha256,
            node_kinds: NodeType::ALL.iter().map(|t| t.name().to_string()).collect(),
        }
    }
}
