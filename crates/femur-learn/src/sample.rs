//! Training samples: a graph with the outputs that are wanted.

use crate::LearnError;
use crate::config::Plan;
use crate::features::{StaticGraph, dynamic, dynamic_width};
use crate::normalise::Accumulator;
use crate::params::normal;
use crate::surrogate::Header;
use femur_mesh::Field;
use femur_sim::{NodeType, State, Trajectory, Update};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Weight of the loss within a disc around a singular point, where the truth itself does not converge.
const SINGULAR_WEIGHT: f64 = 0.1;

/// Features that change in time, normalised targets, and the weight of each output.
pub(crate) type Sample = (Vec<f64>, Vec<f32>, Vec<f32>);

/// A trajectory with what does not change over its steps.
pub(crate) struct Example {
    pub(crate) truth: Trajectory,
    pub(crate) graph: StaticGraph,
    /// Weight of each node in the loss.
    node_weight: Vec<f64>,
}

impl Example {
    pub(crate) fn new(plan: &Plan, truth: Trajectory) -> Result<Self, LearnError> {
        let graph = StaticGraph::new(&plan.task, &truth.setup)?;
        let node_weight = truth.setup.regular_nodes().into_iter().map(|r| if r { 1.0 } else { SINGULAR_WEIGHT }).collect();
        Ok(Example { truth, graph, node_weight })
    }

    /// Steps that can be learnt from.
    pub(crate) fn steps(&self) -> usize {
        self.truth.states.len() - usize::from(!self.truth.setup.is_steady())
    }

    /// Raw targets `[n, channels components]` of a step, from `state` (which may carry noise).
    fn targets(&self, plan: &Plan, step: usize, state: Option<&State>) -> Result<Vec<f64>, LearnError> {
        let task = &plan.task;
        let missing = |name: &str| LearnError::Mismatch {
            what: format!("the dataset lacks `{name}`"),
            hint: "generate it again, or set [learning] linear = false".into(),
        };
        let mut sources: Vec<Vec<&Field>> = Vec::new();
        if task.linear_in.is_empty() {
            let exact = &self.truth.states[step];
            sources.push(task.targets.iter().map(|t| exact.field(&t.field).ok_or_else(|| missing(&t.field))).collect::<Result<_, _>>()?);
        }
        for load in &task.linear_in {
            let response = self.truth.unit_responses.iter().find(|r| r.load == *load).ok_or_else(|| missing(load))?;
            let fields = task.targets.iter().map(|t| response.fields.iter().find(|f| f.name == t.field).ok_or_else(|| missing(&t.field)));
            sources.push(fields.collect::<Result<_, _>>()?);
        }
        let mut out = Vec::new();
        for i in 0..self.graph.n {
            for fields in &sources {
                for (t, field) in task.targets.iter().zip(fields) {
                    let before = (t.update == Update::Delta).then(|| state.and_then(|s| s.field(&t.field))).flatten();
                    for (c, v) in field.at(i).iter().enumerate() {
                        out.push(v - before.map_or(0.0, |b| b.at(i)[c]));
                    }
                }
            }
        }
        Ok(out)
    }

    /// Features that change in time, normalised targets, and the weight of each output, for one step with noise on the state.
    pub(crate) fn sample(&self, header: &Header, pick: usize, rng: &mut ChaCha8Rng) -> Result<Sample, LearnError> {
        let plan = &header.plan;
        let setup = &self.truth.setup;
        let step = pick + usize::from(!setup.is_steady());
        let mut state = step.checked_sub(1).filter(|_| !setup.is_steady()).map(|s| self.truth.states[s].clone());
        if let Some(state) = &mut state
            && plan.task.noise > 0.0
        {
            let mut first = 0;
            for t in &plan.task.targets {
                let c = t.components.len();
                if let Some(field) = state.fields.iter_mut().find(|f| f.name == t.field) {
                    for (k, v) in field.values.iter_mut().enumerate() {
                        *v += plan.task.noise * header.outputs.std[first + k % c] * normal(rng);
                    }
                    // What the script holds carries no noise.
                    if let Some(p) = setup.prescribed(&t.field) {
                        p.apply(step - 1, &mut field.values);
                    }
                }
                first += c;
            }
        }
        let features = dynamic(&plan.task, setup, step, state.as_ref())?;
        let targets = header.outputs.normalise(&self.targets(plan, step, state.as_ref())?);
        let per_channel: Vec<f64> =
            plan.task.targets.iter().flat_map(|t| t.components.iter().map(|_| t.weight / t.components.len() as f64)).collect();
        let (c, k) = (header.components(), header.channels());
        let total: f64 = self.node_weight.iter().sum::<f64>() * k as f64;
        let mut weights = Vec::with_capacity(targets.len());
        for i in 0..self.graph.n {
            for _ in 0..k {
                let mut first = 0;
                for t in &plan.task.targets {
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
    let mut outputs = Accumulator::new(components * plan.task.linear_in.len().max(1));
    let mut spread = vec![(0.0, 0.0); plan.task.targets.len()];
    let mut ranges: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for example in examples {
        let setup = &example.truth.setup;
        let offset = usize::from(!setup.is_steady());
        let regular = setup.regular_nodes();
        for pick in 0..example.steps() {
            let step = pick + offset;
            let state = (offset == 1).then(|| &example.truth.states[step - 1]);
            inputs.add(dynamic(&plan.task, setup, step, state)?.into_iter());
            let targets = example.targets(plan, step, state)?;
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
        outputs: outputs.finish(),
        spread: spread.into_iter().map(|(s, n): (f64, f64)| (s / n.max(1.0)).sqrt().max(f64::MIN_POSITIVE)).collect(),
        ranges,
        data_sha256,
        node_kinds: NodeType::ALL.iter().map(|t| t.name().to_string()).collect(),
    })
}
