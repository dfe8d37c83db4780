//! A graph as a network reads it, with what the network gives: for programs that run the network without Femur.

use crate::features::{Dynamic, fed_back, held_targets, read_inputs};
use crate::model_file::{self, Array};
use crate::sample::Example;
use crate::surrogate::{Header, Surrogate};
use crate::{LearnError, Precision, Var};
use femur_sim::{Coordinates, LearningTask, NodeType, Target, Trajectory};
use safetensors::Dtype;
use serde_json::{Value, json};
use std::path::Path;

impl Surrogate {
    /// Writes what the network reads for the step of a trajectory that leads to output time `step` (none: the first that is predicted),
    /// fed with the trajectory's own state before, and what it gives, as safetensors: `nodes` `[n, node features]`, `edges` `[edges, edge
    /// features]`, `senders` and `receivers` `[edges]`, `output` `[n, outputs]`, all normalised. Gives the step.
    ///
    /// # Errors
    /// A step that is not predicted, a trajectory that does not fit the model, a file that cannot be written.
    pub fn write_graph(&self, trajectory: Trajectory, step: Option<usize>, path: &Path) -> Result<usize, LearnError> {
        let mismatch = |what: String, hint: &str| LearnError::Mismatch { what, hint: hint.into() };
        let (first, last) = (usize::from(!trajectory.setup.is_steady()), trajectory.states.len().saturating_sub(1));
        if trajectory.setup.is_steady() != self.task().state_inputs.is_empty() {
            return Err(mismatch(
                "the model and the trajectory are not both steady or both transient".into(),
                "use a run of the same physics",
            ));
        }
        let step = step.unwrap_or(first);
        if !(first..=last).contains(&step) {
            return Err(mismatch(format!("step {step} is not predicted"), &format!("--step takes {first} to {last} here")));
        }
        let time = trajectory.setup.times.get(step).copied();
        let example = Example::new("the trajectory".into(), &self.header.plan, trajectory)?;
        let fed = example.fed(self.task(), step)?;
        let dynamic = Dynamic::new(self.task(), &example.body.setup, &example.body.graph, step, &fed)?;
        let input = self.input(&example.body.graph, None, &dynamic);
        let output = self.run(&self.vars, &input, None, Precision::F32)?;
        let matrix =
            |name: &str, m: &Var<f32>| -> Array { (name.into(), Dtype::F32, vec![m.rows(), m.columns()], model_file::bytes(m.values())) };
        let numbers = |name: &str, v: &[u32]| -> Array {
            (name.into(), Dtype::I64, vec![v.len()], v.iter().flat_map(|v| i64::from(*v).to_le_bytes()).collect())
        };
        let arrays = [
            matrix("nodes", &input.nodes),
            matrix("edges", &input.edges),
            numbers("senders", &input.graph.senders),
            numbers("receivers", &input.graph.receivers),
            ("output".into(), Dtype::F32, vec![input.nodes.rows(), self.header.widths().outputs], model_file::bytes(output.output())),
        ];
        let mut description = columns(&self.header);
        description["schema"] = json!("femur-graph");
        description["version"] = json!(1);
        description["step"] = json!(step);
        description["time"] = json!(time);
        model_file::write_arrays(path, &arrays, &description)?;
        Ok(step)
    }
}

/// Names of all columns in and out, and what normalises those that are normalised: a value is `column std + mean`.
pub(crate) fn columns(header: &Header) -> Value {
    let task = &header.plan.task;
    let (nodes, changing) = node_columns(task);
    let (edges, differences) = edge_columns(task);
    let table = |names: Vec<String>, n: &crate::normalise::Normaliser| json!({"names": names, "mean": n.mean, "std": n.std});
    json!({
        "static_nodes": nodes, "nodes": table(changing, &header.inputs),
        "static_edges": edges, "edges": table(differences, &header.edges),
        "outputs": table(output_columns(task), &header.outputs),
    })
}

/// `FIELD.component`, or `FIELD` where there is but one.
fn components<'a>(target: &'a Target) -> impl Iterator<Item = String> + 'a {
    target.components.iter().map(|c| if c.is_empty() { target.field.clone() } else { format!("{}.{c}", target.field) })
}

/// What stands before a field's name in each channel: the load whose response it is.
fn channels(task: &LearningTask) -> Vec<String> {
    if task.linear_in.is_empty() { vec![String::new()] } else { task.linear_in.iter().map(|l| format!("{l}:")).collect() }
}

/// Node features that do not change in time, and those that do, in the order of `features.rs`.
fn node_columns(task: &LearningTask) -> (Vec<String>, Vec<String>) {
    let axes = &["x", "y", "z"][..task.dim];
    let mut fixed: Vec<String> = NodeType::ALL.iter().map(|k| format!("node_type {}", k.name())).collect();
    fixed.extend(task.targets.iter().flat_map(components).map(|c| format!("prescribed {c}")));
    if task.coordinates != Coordinates::None {
        fixed.extend(axes.iter().map(|a| format!("position {a}")));
    }
    for tag in &task.distance_tags {
        fixed.extend(axes.iter().map(|a| format!("to {tag} {a}")));
        fixed.extend([format!("distance {tag}"), format!("decay {tag}")]);
    }
    let with_mean = |name: String| {
        let mean = task.input_means.then(|| format!("mean {name}"));
        std::iter::once(name).chain(mean)
    };
    let inputs = read_inputs(task).flat_map(|(name, width)| {
        (0..*width).map(move |c| if *width == 1 { format!("input {name}") } else { format!("input {name}.{c}") })
    });
    let mut changing: Vec<String> = inputs.flat_map(with_mean).collect();
    changing.extend(fed_columns(task));
    changing.extend(held_targets(task).flat_map(components).map(|c| format!("held {c}")).flat_map(with_mean));
    (fixed, changing)
}

/// The state, or the responses, that the network is fed with.
fn fed_columns(task: &LearningTask) -> Vec<String> {
    let channels = channels(task);
    fed_back(task).flat_map(|(_, t)| channels.iter().flat_map(move |l| components(t).map(move |c| format!("state {l}{c}")))).collect()
}

/// Edge features that do not change in time, and those that do.
fn edge_columns(task: &LearningTask) -> (Vec<String>, Vec<String>) {
    let mut fixed: Vec<String> = ["x", "y", "z"][..task.dim].iter().map(|a| format!("sender from receiver {a}")).collect();
    fixed.push("length".into());
    if task.long_range > 0 {
        fixed.push("long range".into());
    }
    (fixed, fed_columns(task).into_iter().map(|c| format!("difference {c}")).collect())
}

fn output_columns(task: &LearningTask) -> Vec<String> {
    channels(task).iter().flat_map(|l| task.targets.iter().flat_map(components).map(move |c| format!("{l}{c}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{dynamic_edge_width, dynamic_width, static_edge_width, static_width};
    use femur_sim::Update;

    #[test]
    fn every_column_has_a_name_of_its_own() {
        let target = |field: &str, components: &[&str]| Target {
            field: field.into(),
            unit: "m".into(),
            components: components.iter().map(|c| (*c).to_string()).collect(),
            update: Update::Absolute,
            weight: 1.0,
        };
        for (linear_in, coordinates, input_means, long_range) in
            [(vec![], Coordinates::Mesh, true, 0), (vec!["left".to_string(), "top".to_string()], Coordinates::None, false, 8)]
        {
            let task = LearningTask {
                physics: "heat".into(),
                dim: 2,
                targets: vec![target("displacement", &["x", "y"]), target("temperature", &[""])],
                state_inputs: vec!["temperature".into()],
                inputs: vec![("source".into(), 1), ("axis".into(), 2)],
                input_means,
                linear_in,
                load_inputs: vec!["source".into()],
                distance_tags: vec!["left".into(), "hole".into()],
                distance_scale: 0.1,
                coordinates,
                long_range,
                noise: 0.0,
                unroll: 0,
                units: "SI".into(),
            };
            let (nodes, changing) = node_columns(&task);
            assert_eq!((nodes.len(), changing.len()), (static_width(&task), dynamic_width(&task)));
            let (edges, differences) = edge_columns(&task);
            assert_eq!((edges.len(), differences.len()), (static_edge_width(&task), dynamic_edge_width(&task)));
            assert_eq!(output_columns(&task).len(), 3 * task.linear_in.len().max(1));
            let names: std::collections::BTreeSet<&String> = nodes.iter().chain(&changing).collect();
            assert_eq!(names.len(), static_width(&task) + dynamic_width(&task));
        }
    }
}
