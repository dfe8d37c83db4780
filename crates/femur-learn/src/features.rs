//! From a set-up (and a state) to the numbers that a network reads.

use crate::LearnError;
use crate::ops::Adjacency;
use crate::parts::{Part, cut};
use femur_mesh::distance::to_tag;
use femur_mesh::graph::{EdgeSet, GraphBuilder, LongRangeEdges, MeshEdges};
use femur_mesh::{Field, Frame, Mesh, Partition};
use femur_sim::{Coordinates, LearningTask, NodeType, Setup, Target};
use std::sync::Arc;

/// What does not change in time: raw features, before they are normalised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StaticGraph {
    /// Edges.
    pub(crate) graph: Arc<Adjacency>,
    /// `[edges, static_edge_width]`: relative position and length over the mean length of the edges of its kind, and 1 for a
    /// long-range edge where there are such.
    pub(crate) edges: Vec<f32>,
    /// `[n, static_width]`.
    pub(crate) nodes: Vec<f32>,
    /// Number of nodes.
    pub(crate) n: usize,
    /// What the graph is cut into; nothing where it is taken as a whole.
    pub(crate) parts: Vec<Part>,
}

/// Width of the static node features of a task.
pub(crate) fn static_width(task: &LearningTask) -> usize {
    let boundary: usize = task.targets.iter().map(|t| t.components.len()).sum();
    let coordinates = if task.coordinates == Coordinates::None { 0 } else { task.dim };
    NodeType::ALL.len() + boundary + coordinates + task.distance_tags.len() * (task.dim + 2)
}

/// Width of the features that change in time: inputs at the node and over the body, prescribed values, the state.
pub(crate) fn dynamic_width(task: &LearningTask) -> usize {
    let inputs: usize = read_inputs(task).map(|i| i.1 * (1 + usize::from(task.input_means))).sum();
    let held: usize = held_targets(task).map(|t| t.components.len() * (1 + usize::from(task.input_means))).sum();
    inputs + held + dynamic_edge_width(task)
}

/// Inputs that the network reads: where responses to unit loads are learnt, how large the loads are must not matter.
pub(crate) fn read_inputs(task: &LearningTask) -> impl Iterator<Item = &(String, usize)> {
    task.inputs.iter().filter(|i| task.linear_in.is_empty() || !task.load_inputs.contains(&i.0))
}

/// Targets whose prescribed values are read: they drive the body where they are not among the loads that are superposed.
pub(crate) fn held_targets(task: &LearningTask) -> impl Iterator<Item = &Target> {
    task.targets.iter().filter(|_| task.linear_in.is_empty())
}

/// What a network predicts and, over time, is fed with: the target fields of each channel. A channel is the response to one load where
/// the task is linear, else there is one, the state itself. Empty before the one step of a steady problem.
pub(crate) type Channels = Vec<Vec<Field>>;

/// Width of the edge features.
pub(crate) fn edge_width(task: &LearningTask) -> usize {
    static_edge_width(task) + dynamic_edge_width(task)
}

/// Width of the edge features that do not change in time.
pub(crate) fn static_edge_width(task: &LearningTask) -> usize {
    task.dim + 1 + usize::from(task.long_range > 0)
}

/// Width of the edge features that change in time: the differences of the state along the edge.
pub(crate) fn dynamic_edge_width(task: &LearningTask) -> usize {
    fed_back(task).map(|t| t.1.components.len()).sum::<usize>() * task.linear_in.len().max(1)
}

/// Targets whose last values are an input, with their places among the targets.
pub(crate) fn fed_back(task: &LearningTask) -> impl Iterator<Item = (usize, &Target)> {
    task.targets.iter().enumerate().filter(|t| task.state_inputs.contains(&t.1.field))
}

impl StaticGraph {
    /// Builds graph and features of a set-up; a tag or mesh that the task does not know is an error.
    pub(crate) fn new(task: &LearningTask, setup: &Setup) -> Result<Self, LearnError> {
        let mesh = &setup.mesh;
        if mesh.dim != task.dim {
            let what = format!("the model is for {} dimensions, the mesh has {}", task.dim, mesh.dim);
            return Err(LearnError::Mismatch { what, hint: "train a model on such meshes".into() });
        }
        let n = mesh.num_nodes();
        let edges = edges(task.long_range, mesh);
        let mut features = Vec::with_capacity(edges.len() * static_edge_width(task));
        let lengths: Vec<f64> = edges.iter().map(|&[r, s, _]| distance(mesh.point(s as usize), mesh.point(r as usize))).collect();
        let means = [MESH_EDGE, LONG_RANGE_EDGE].map(|kind| {
            let of_kind: Vec<f64> = edges.iter().zip(&lengths).filter(|(e, _)| e[2] == kind).map(|(_, l)| *l).collect();
            of_kind.iter().sum::<f64>() / of_kind.len().max(1) as f64
        });
        for (&[r, s, kind], length) in edges.iter().zip(&lengths) {
            let (a, b, mean) = (mesh.point(s as usize), mesh.point(r as usize), means[kind as usize]);
            features.extend(a.iter().zip(b).map(|(a, b)| ((a - b) / mean) as f32));
            features.push((length / mean) as f32);
            if task.long_range > 0 {
                features.push(kind as f32);
            }
        }
        let (senders, receivers) = edges.iter().map(|e| (e[1], e[0])).unzip();
        let columns = task.distance_tags.iter().map(|tag| {
            to_tag(mesh, tag).map_err(|e| LearnError::Mismatch {
                what: format!("the model measures the distance to `{tag}`: {e}"),
                hint: "give the mesh the tags that the training meshes had".into(),
            })
        });
        let distances: Vec<Vec<f64>> = columns.collect::<Result<_, _>>()?;
        let scale = 1.0 / mesh.diameter().max(f64::MIN_POSITIVE);
        let frame = (task.coordinates == Coordinates::Canonical).then(|| Frame::principal(mesh));
        let dim = task.dim;
        let mut nodes = Vec::with_capacity(n * static_width(task));
        for i in 0..n {
            nodes.extend((0..NodeType::ALL.len()).map(|k| if setup.node_type[i] as usize == k { 1.0 } else { 0.0 }));
            for t in &task.targets {
                let c = t.components.len();
                match setup.prescribed(&t.field) {
                    Some(p) => nodes.extend(p.mask[i * c..(i + 1) * c].iter().map(|&m| f32::from(u8::from(m)))),
                    None => nodes.extend(std::iter::repeat_n(0.0, c)),
                }
            }
            match &frame {
                Some(frame) => nodes.extend(frame.coordinates(mesh.point(i)).map(|x| (x * scale) as f32)),
                None if task.coordinates == Coordinates::Mesh => nodes.extend(mesh.point(i).iter().map(|&x| (x * scale) as f32)),
                None => {}
            }
            for d in &distances {
                let d = &d[i * (dim + 1)..(i + 1) * (dim + 1)];
                nodes.extend(d.iter().map(|&v| (v * scale) as f32));
                nodes.push((-d[dim] / task.distance_scale).exp() as f32);
            }
        }
        Ok(StaticGraph { graph: Arc::new(Adjacency::new(senders, receivers, n)), edges: features, nodes, n, parts: Vec::new() })
    }

    /// Cut into parts of at most `most` own nodes, for a network of `steps` message steps. Where that is not `asked` for it must pay:
    /// halos may not double the work.
    pub(crate) fn in_parts(self, mesh: &Mesh, most: usize, steps: usize, asked: bool) -> Self {
        let count = self.n.div_ceil(most.max(1));
        let mut parts = if count > 1 { cut(&self.graph, &Partition::by_coordinates(mesh, count), steps) } else { Vec::new() };
        if !asked && parts.iter().map(|p| p.nodes.len()).sum::<usize>() > 2 * self.n {
            parts.clear();
        }
        StaticGraph { parts, ..self }
    }

    /// Memory that its arrays take.
    pub(crate) fn bytes(&self) -> usize {
        let of = |a: &Adjacency| 4 * (a.senders.len() + a.receivers.len()) + 8 * a.start.len();
        let parts: usize = self.parts.iter().map(|p| 4 * (p.nodes.len() + p.edges.len()) + of(&p.graph)).sum();
        4 * (self.edges.len() + self.nodes.len()) + of(&self.graph) + parts
    }

    /// What is computed at a time: each part, or the whole.
    pub(crate) fn pieces(&self) -> Vec<Option<&Part>> {
        if self.parts.is_empty() { vec![None] } else { self.parts.iter().map(Some).collect() }
    }
}

const MESH_EDGE: u32 = 0;
const LONG_RANGE_EDGE: u32 = 1;

/// Receiver, sender and kind of each edge, sorted: those of the mesh, and where `long_range` (a number of farthest-point nodes) is positive,
/// long-range ones between nodes that are no neighbours.
fn edges(long_range: usize, mesh: &Mesh) -> Vec<[u32; 3]> {
    let listed = |set: EdgeSet, kind| set.receivers.into_iter().zip(set.senders).map(move |(r, s)| [r, s, kind]).collect::<Vec<_>>();
    let mut all = listed(MeshEdges.build(mesh), MESH_EDGE);
    if long_range > 0 {
        all.extend(listed(LongRangeEdges { centers: long_range }.build(mesh), LONG_RANGE_EDGE));
        all.sort_unstable();
        all.dedup_by_key(|e| [e[0], e[1]]);
    }
    all
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// What changes in time: raw features, before they are normalised.
pub(crate) struct Dynamic {
    /// `[n, dynamic_width]`.
    pub(crate) nodes: Vec<f64>,
    /// `[edges, dynamic_edge_width]`.
    pub(crate) edges: Vec<f64>,
}

impl Dynamic {
    /// For the step that leads to output time `step`.
    pub(crate) fn new(task: &LearningTask, setup: &Setup, graph: &StaticGraph, step: usize, fed: &Channels) -> Result<Self, LearnError> {
        Ok(Dynamic { nodes: dynamic_nodes(task, setup, step, fed)?, edges: dynamic_edges(task, &graph.graph, fed) })
    }
}

/// Inputs at the node and over the body, what is fed back, prescribed values.
pub(crate) fn dynamic_nodes(task: &LearningTask, setup: &Setup, step: usize, fed: &Channels) -> Result<Vec<f64>, LearnError> {
    let n = setup.mesh.num_nodes();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for (name, width) in read_inputs(task) {
        let input = setup.input(name).filter(|i| i.components.len() == *width).ok_or_else(|| LearnError::Mismatch {
            what: format!("the model reads the input `{name}` with {width} component(s), which this case does not give"),
            hint: "use a case of the same kind as the training cases".into(),
        })?;
        let values = input.at_step(step);
        for c in 0..*width {
            let at: Vec<f64> = values.iter().skip(c).step_by(*width).copied().collect();
            // A coefficient of a boundary is known everywhere in the body, not at its nodes alone.
            let given: Vec<f64> = at.iter().copied().filter(|v| *v != 0.0).collect();
            columns.push(at);
            if task.input_means {
                columns.push(vec![given.iter().sum::<f64>() / given.len().max(1) as f64; n]);
            }
        }
    }
    for (j, target) in fed_back(task) {
        let c = target.components.len();
        for channel in fed {
            columns.extend((0..c).map(|k| channel[j].values.iter().skip(k).step_by(c).copied().collect::<Vec<f64>>()));
        }
    }
    for target in held_targets(task) {
        let c = target.components.len();
        for k in 0..c {
            let mut at = vec![0.0; n];
            let mut held = Vec::new();
            if let Some(p) = setup.prescribed(&target.field) {
                let values = p.at_step(step);
                for i in (0..n).filter(|i| p.mask[i * c + k]) {
                    at[i] = values[i * c + k];
                    held.push(at[i]);
                }
            }
            columns.push(at);
            if task.input_means {
                columns.push(vec![held.iter().sum::<f64>() / held.len().max(1) as f64; n]);
            }
        }
    }
    Ok((0..n).flat_map(|i| columns.iter().map(move |c| c[i])).collect())
}

/// Differences of what is fed back along each edge (sender's value less the receiver's), `[edges, dynamic_edge_width]`: what flows
/// between neighbours is small beside the values themselves, so a network sees it better when it is given.
fn dynamic_edges(task: &LearningTask, graph: &Adjacency, fed: &Channels) -> Vec<f64> {
    let fields: Vec<&Field> = fed_back(task).flat_map(|(j, _)| fed.iter().map(move |channel| &channel[j])).collect();
    let mut out = Vec::with_capacity(graph.senders.len() * dynamic_edge_width(task));
    for (&s, &r) in graph.senders.iter().zip(&graph.receivers) {
        for field in &fields {
            out.extend(field.at(s as usize).iter().zip(field.at(r as usize)).map(|(s, r)| s - r));
        }
    }
    out
}

/// The target fields among `fields`, in the task's order; `None` where one lacks.
pub(crate) fn target_fields(task: &LearningTask, fields: &[Field]) -> Option<Vec<Field>> {
    task.targets.iter().map(|t| fields.iter().find(|f| f.name == t.field && f.components == t.components).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_mesh::CellKind;
    use femur_mesh::generate::rectangle;

    #[test]
    fn long_range_edges_are_added_once_to_those_of_the_mesh() {
        let mesh = rectangle([2.0, 1.0], [6, 3], CellKind::Quad4).unwrap();
        let (plain, long) = (edges(0, &mesh), edges(5, &mesh));
        assert!(plain.iter().all(|e| long.contains(e)));
        assert!(long.windows(2).all(|w| w[0][..2] < w[1][..2]), "sorted, no pair twice");
        let added: Vec<_> = long.iter().filter(|e| e[2] == LONG_RANGE_EDGE).collect();
        assert_eq!(added.len(), long.len() - plain.len());
        assert!(added.iter().all(|e| long.contains(&[e[1], e[0], LONG_RANGE_EDGE])), "both directions");
        assert!(added.len() > 5 * 4);
    }

    #[test]
    fn parts_are_cut_where_halos_do_not_double_the_work_or_where_they_are_asked_for() {
        let mesh = rectangle([2.0, 1.0], [40, 20], CellKind::Quad4).unwrap();
        let all = edges(0, &mesh);
        let (senders, receivers) = all.iter().map(|e| (e[1], e[0])).unzip();
        let n = mesh.num_nodes();
        let graph = Arc::new(Adjacency::new(senders, receivers, n));
        let whole = StaticGraph { graph, edges: Vec::new(), nodes: Vec::new(), n, parts: Vec::new() };
        let parts = |most, steps, asked| whole.clone().in_parts(&mesh, most, steps, asked).parts.len();
        assert_eq!([parts(n, 2, false), parts(n / 2 + 1, 2, false), parts(50, 15, false), parts(50, 15, true)], [0, 2, 0, 18]);
    }
}
