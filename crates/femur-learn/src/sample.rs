//! Training samples: a graph with the outputs that are wanted.

use crate::config::{PART_NODES, Plan};
use crate::features::{Channels, Dynamic, StaticGraph, dynamic_edge_width, dynamic_width, target_fields};
use crate::normalise::Accumulator;
use crate::params::{Vars, normal, unit};
use crate::surrogate::{Header, Surrogate};
use crate::{LearnError, models};
use femur_mesh::Field;
use femur_sim::{LearningTask, NodeType, Trajectory, Update};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;

/// Weight of the loss within a disc around a singular point, where the truth itself does not converge.
const SINGULAR_WEIGHT: f64 = 0.1;

/// Features that change in time, normalised targets, and the weight of each output.
pub(crate) type Sample = (Dynamic, Vec<f32>, Vec<f32>);

/// A trajectory with what does not change over its steps.
pub(crate) struct Example {
    /// What to call it in messages.
    pub(crate) name: String,
    pub(crate) truth: Trajectory,
    pub(crate) graph: StaticGraph,
    /// Weight of each node in the loss.
    node_weight: Vec<f64>,
}

impl Example {
    pub(crate) fn new(name: String, plan: &Plan, truth: Trajectory) -> Result<Self, LearnError> {
        for target in &plan.task.targets {
            let of = |f: &[Field]| f.iter().any(|f| f.name == target.field && f.values.iter().any(|v| !v.is_finite()));
            if truth.states.iter().any(|s| of(&s.fields)) || truth.unit_responses.iter().any(|r| r.steps.iter().any(|f| of(f))) {
                let what = format!("{name}: `{}` holds NaN or infinite values", target.field);
                return Err(LearnError::Mismatch { what, hint: "femur verify-data names the file; leave it out or make it again".into() });
            }
        }
        let mut graph = StaticGraph::new(&plan.task, &truth.setup)?;
        if let Some(steps) = models::find(&plan.model.kind)?.reach(&plan.model) {
            graph = graph.in_parts(&truth.setup.mesh, plan.training.part_nodes.unwrap_or(PART_NODES), steps);
        }
        let node_weight = truth.setup.regular_nodes().into_iter().map(|r| if r { 1.0 } else { SINGULAR_WEIGHT }).collect();
        Ok(Example { name, truth, graph, node_weight })
    }

    /// Steps that can be learnt from.
    pub(crate) fn steps(&self) -> usize {
        self.truth.states.len() - usize::from(!self.truth.setup.is_steady())
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
        if task.linear_in.is_empty() {
            return Ok(vec![pick("a state", self.truth.states.get(step).map(|s| &s.fields))?]);
        }
        let find = |load: &String| self.truth.unit_responses.iter().find(|r| r.load == *load).and_then(|r| r.steps.get(step));
        task.linear_in.iter().map(|load| pick(&format!("the response to `{load}`"), find(load))).collect()
    }

    /// What the step to output time `step` is fed with: nothing for a steady problem.
    pub(crate) fn fed(&self, task: &LearningTask, step: usize) -> Result<Channels, LearnError> {
        if self.truth.setup.is_steady() { Ok(Vec::new()) } else { self.channels(task, step - 1) }
    }

    /// Raw targets `[n, channels components]` of a step, from what it is fed with (which may carry noise).
    fn targets(&self, task: &LearningTask, step: usize, fed: &Channels) -> Result<Vec<f64>, LearnError> {
        let exact = self.channels(task, step)?;
        let mut out = Vec::new();
        for i in 0..self.graph.n {
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
    pub(crate) fn sample(&self, surrogate: &Surrogate, vars: &Vars<f32>, pick: usize, rng: &mut ChaCha8Rng) -> Result<Sample, LearnError> {
        let header = &surrogate.header;
        let (task, setup) = (&header.plan.task, &self.truth.setup);
        let first = usize::from(!setup.is_steady());
        let step = pick + first;
        let longest = task.unroll.min(pick);
        let unrolled = if longest > 0 && unit(rng) < 0.5 { 1 + (rng.next_u64() % longest as u64) as usize } else { 0 };
        let mut fed = self.fed(task, step - unrolled)?;
        for s in step - unrolled..step {
            fed = surrogate.step(vars, setup, &self.graph, s, &fed)?.1;
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
                            *v += task.noise * header.outputs.std[first + i % c] * normal(rng);
                        }
                    }
                    first += c;
                }
            }
        }
        let features = Dynamic::new(task, setup, &self.graph, step, &fed)?;
        let targets = header.outputs.normalise(&self.targets(task, step, &fed)?);
        let per_channel: Vec<f64> =
            task.targets.iter().flat_map(|t| t.components.iter().map(|_| t.weight / t.components.len() as f64)).collect();
        let (c, k) = (header.components(), header.channels());
        let total: f64 = self.node_weight.iter().sum::<f64>() * k as f64;
        let mut weights = Vec::with_capacity(targets.len());
        for i in 0..self.graph.n {
            for _ in 0..k {
                let mut first = 0;
                for t in &task.targets {
                    for comp in 0..t.components.len() {
                        // What the script holds is overwritten in a rollout: nothing to learn there.
                        let held = setup.prescribed(&t.field).is_some_and(|p| p.mask[i * t.components.len() + comp]);
                        let w = per_channel[first + comp] * self.node_weight[i] / total;
                        weights.push(if held { 0.0 } else { w as f32 });
                    }
                    first += t.components.len();
                }
            }
        }
        debug_assert_eq!(weights.len(), self.graph.n * c * k);
        Ok((features, targets, weights))
    }
}

/// Measures the training data: normalisers, spreads, ranges.
pub(crate) fn measure(plan: &Plan, examples: &[Example], data_sha256: String) -> Result<Header, LearnError> {
    let components: usize = plan.task.targets.iter().map(|t| t.components.len()).sum();
    let mut inputs = Accumulator::new(dynamic_width(&plan.task));
    let mut edges = Accumulator::new(dynamic_edge_width(&plan.task));
    let mut outputs = Accumulator::new(components * plan.task.linear_in.len().max(1));
    let mut spread = vec![(0.0, 0.0); plan.task.targets.len()];
    let mut ranges: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for example in examples {
        let setup = &example.truth.setup;
        let offset = usize::from(!setup.is_steady());
        let regular = setup.regular_nodes();
        for pick in 0..example.steps() {
            let step = pick + offset;
            let fed = example.fed(&plan.task, step)?;
            let features = Dynamic::new(&plan.task, setup, &example.graph, step, &fed)?;
            inputs.add(features.nodes.into_iter());
            edges.add(features.edges.into_iter());
            let targets = example.targets(&plan.task, step, &fed)?;
            let width = targets.len() / example.graph.n.max(1);
            // Outside the discs: one singular value must not set the scale of all others.
            outputs.add(targets.chunks_exact(width).zip(&regular).filter(|(_, r)| **r).flat_map(|(row, _)| row.to_vec()));
            for (t, s) in plan.task.targets.iter().zip(&mut spread) {
                if let Some(f) = example.truth.states[step].field(&t.field) {
                    let c = f.num_components();
                    let base = example.truth.setup.initial.as_ref().and_then(|i| i.field(&t.field));
                    for (k, v) in f.values.iter().enumerate().filter(|(k, _)| regular[k / c]) {
                        s.0 += (v - base.map_or(0.0, |b| b.values[k])).powi(2);
                        s.1 += 1.0;
                    }
                }
            }
        }
        for p in &setup.params {
            let range = ranges.entry(p.path.clone()).or_insert((p.value, p.value));
            *range = (range.0.min(p.value), range.1.max(p.value));
        }
    }
    Ok(Header {
        schema: "femur-model".into(),
        version: 1,
        plan: plan.clone(),
        inputs: inputs.finish(),
        edges: edges.finish(),
        outputs: outputs.finish(),
        spread: spread.into_iter().map(|(s, n): (f64, f64)| (s / n.max(1.0)).sqrt().max(f64::MIN_POSITIVE)).collect(),
        ranges,
        data_sha256,
        node_kinds: NodeType::ALL.iter().map(|t| t.name().to_string()).collect(),
    })
}
