//! Graphs over the nodes of a mesh.

use crate::farthest::farthest_points;
use crate::tree::{Aabb, BoxTree, lift};
use crate::{Mesh, MeshError};

/// Undirected edges between neighbouring nodes of cells (midside nodes included), sorted, each once, smaller node first.
pub fn mesh_edges(mesh: &Mesh) -> Vec<[u32; 2]> {
    let mut edges: Vec<[u32; 2]> = mesh
        .cells()
        .flat_map(|(_, kind, nodes)| {
            kind.edges().iter().map(move |&[a, b]| {
                let (a, b) = (nodes[a], nodes[b]);
                [a.min(b), a.max(b)]
            })
        })
        .collect();
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Undirected edges between nodes not farther apart than `radius`, sorted, each once, smaller node first.
pub fn edges_within(mesh: &Mesh, radius: f64) -> Vec<[u32; 2]> {
    let tree = node_tree(mesh);
    let mut edges = Vec::new();
    for n in 0..mesh.num_nodes() {
        let x = lift(mesh.point(n));
        let reach = radius * radius;
        tree.visit(
            |b| b.distance2(x) <= reach,
            |m| {
                let q = lift(mesh.point(m));
                if m > n && (0..3).map(|d| (q[d] - x[d]).powi(2)).sum::<f64>() <= reach {
                    edges.push([n as u32, m as u32]);
                }
            },
        );
    }
    edges.sort_unstable();
    edges
}

fn node_tree(mesh: &Mesh) -> BoxTree {
    let boxes: Vec<Aabb> = mesh.points.chunks_exact(mesh.dim).map(|p| Aabb { lo: lift(p), hi: lift(p) }).collect();
    BoxTree::new(&boxes)
}

/// Directed edges of one kind, sorted by receiver and then sender, so that sums over a receiver have a fixed order.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgeSet {
    /// Name, e.g. `mesh`.
    pub name: String,
    /// Sending node of each edge `[num_edges]`.
    pub senders: Vec<u32>,
    /// Receiving node of each edge `[num_edges]`.
    pub receivers: Vec<u32>,
    /// Features `[num_edges, num_features]`, flat; empty where none were asked for.
    pub features: Vec<f64>,
}

impl EdgeSet {
    /// Both directions of undirected edges, without features.
    pub fn from_undirected(name: &str, edges: &[[u32; 2]]) -> Self {
        let mut both: Vec<(u32, u32)> = edges.iter().flat_map(|&[a, b]| [(b, a), (a, b)]).collect();
        both.sort_unstable();
        both.dedup();
        EdgeSet {
            name: name.into(),
            senders: both.iter().map(|e| e.1).collect(),
            receivers: both.iter().map(|e| e.0).collect(),
            features: Vec::new(),
        }
    }

    /// Number of directed edges.
    pub fn len(&self) -> usize {
        self.senders.len()
    }

    /// Whether there is no edge.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Number of features of an edge.
    pub fn num_features(&self) -> usize {
        self.features.len().checked_div(self.len()).unwrap_or(0)
    }

    /// Sets the features to sender's minus receiver's position, and its length: `[num_edges, dim + 1]`.
    pub fn with_relative_positions(mut self, mesh: &Mesh) -> Self {
        self.features = Vec::with_capacity(self.len() * (mesh.dim + 1));
        for (&s, &r) in self.senders.iter().zip(&self.receivers) {
            let mut square = 0.0;
            for (a, b) in mesh.point(s as usize).iter().zip(mesh.point(r as usize)) {
                self.features.push(a - b);
                square += (a - b) * (a - b);
            }
            self.features.push(square.sqrt());
        }
        self
    }

    /// Start of each receiver's edges `[num_nodes + 1]`: those of node `n` are `offsets[n]..offsets[n + 1]`.
    pub fn receiver_offsets(&self, num_nodes: usize) -> Vec<usize> {
        let mut offsets = vec![0; num_nodes + 1];
        for &r in &self.receivers {
            offsets[r as usize + 1] += 1;
        }
        for n in 0..num_nodes {
            offsets[n + 1] += offsets[n];
        }
        offsets
    }
}

/// Makes a set of edges of a mesh.
pub trait GraphBuilder {
    /// The edges, in both directions.
    fn build(&self, mesh: &Mesh) -> EdgeSet;
}

/// The edges of all cells, named `mesh`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeshEdges;

impl GraphBuilder for MeshEdges {
    fn build(&self, mesh: &Mesh) -> EdgeSet {
        EdgeSet::from_undirected("mesh", &mesh_edges(mesh))
    }
}

/// Edges between nodes within a radius that are not neighbours in the mesh, named `world`: what lets bodies feel each other.
#[derive(Debug, Clone, Copy)]
pub struct WorldEdges {
    /// Largest length, in the mesh's unit.
    pub radius: f64,
}

impl GraphBuilder for WorldEdges {
    fn build(&self, mesh: &Mesh) -> EdgeSet {
        let known = mesh_edges(mesh);
        let mut edges = edges_within(mesh, self.radius);
        edges.retain(|e| known.binary_search(e).is_err());
        EdgeSet::from_undirected("world", &edges)
    }
}

/// Edges between all nodes within a radius, named `radius`: the graph of particles.
#[derive(Debug, Clone, Copy)]
pub struct RadiusEdges {
    /// Largest length, in the mesh's unit.
    pub radius: f64,
}

impl GraphBuilder for RadiusEdges {
    fn build(&self, mesh: &Mesh) -> EdgeSet {
        EdgeSet::from_undirected("radius", &edges_within(mesh, self.radius))
    }
}

/// Edges that cross the mesh in few steps, named `long-range`: every node to the nearest of some farthest-point nodes, and those to
/// each other.
#[derive(Debug, Clone, Copy)]
pub struct LongRangeEdges {
    /// Number of farthest-point nodes; their edges with each other are its square.
    pub centers: usize,
}

impl GraphBuilder for LongRangeEdges {
    fn build(&self, mesh: &Mesh) -> EdgeSet {
        let centers = farthest_points(mesh, self.centers);
        let boxes: Vec<Aabb> = centers.iter().map(|&c| lift(mesh.point(c as usize))).map(|p| Aabb { lo: p, hi: p }).collect();
        let tree = BoxTree::new(&boxes);
        let mut edges: Vec<[u32; 2]> = Vec::new();
        for (i, &a) in centers.iter().enumerate() {
            edges.extend(centers[i + 1..].iter().map(|&b| [a, b]));
        }
        for n in 0..mesh.num_nodes() {
            let x = lift(mesh.point(n));
            if let Some((c, _)) = tree.least(|b| b.distance2(x), |c| boxes[c].distance2(x)) {
                edges.push([n as u32, centers[c]]);
            }
        }
        edges.retain(|[a, b]| a != b);
        EdgeSet::from_undirected("long-range", &edges)
    }
}

/// The nodes of a mesh and sets of edges over them.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Number of nodes.
    pub num_nodes: usize,
    /// Sets of edges; names are unique.
    pub edge_sets: Vec<EdgeSet>,
}

impl Graph {
    /// Builds one set per builder, each with relative positions as features.
    pub fn build(mesh: &Mesh, builders: &[&dyn GraphBuilder]) -> Result<Self, MeshError> {
        let edge_sets = builders.iter().map(|b| b.build(mesh).with_relative_positions(mesh)).collect();
        let graph = Graph { num_nodes: mesh.num_nodes(), edge_sets };
        graph.check()?;
        Ok(graph)
    }

    /// The set of that name.
    pub fn edge_set(&self, name: &str) -> Option<&EdgeSet> {
        self.edge_sets.iter().find(|s| s.name == name)
    }

    /// Checks lengths, node numbers, the order of edges and the uniqueness of names.
    pub fn check(&self) -> Result<(), MeshError> {
        for (k, set) in self.edge_sets.iter().enumerate() {
            let wrong = |what: &str| Err(MeshError::Other(format!("edge set `{}`: {what}", set.name)));
            if self.edge_sets[..k].iter().any(|s| s.name == set.name) {
                return wrong("there are two of that name");
            }
            if set.senders.len() != set.receivers.len() {
                return Err(MeshError::Length {
                    what: format!("receivers of edge set `{}`", set.name),
                    expected: set.senders.len(),
                    got: set.receivers.len(),
                });
            }
            if set.features.len() != set.len() * set.num_features() {
                return wrong("the number of features is no multiple of the number of edges");
            }
            if set.senders.iter().chain(&set.receivers).any(|&n| n as usize >= self.num_nodes) {
                return wrong("an edge names a node that the graph lacks");
            }
            let edge = |i: usize| (set.receivers[i], set.senders[i]);
            if (1..set.len()).any(|i| edge(i - 1) >= edge(i)) {
                return wrong("edges are not sorted by receiver and sender, or repeat");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::{box_, rectangle};

    #[test]
    fn edges_of_known_grids() {
        let count = |kind: CellKind| mesh_edges(&rectangle([2.0, 1.0], [4, 3], kind).unwrap()).len();
        // A grid of 4 x 3 has 31 edges, triangles add one diagonal a cell; order 2 cuts each in two, and 9 nodes add four a cell.
        assert_eq!([CellKind::Quad4, CellKind::Triangle3].map(count), [31, 43]);
        assert_eq!([CellKind::Quad8, CellKind::Triangle6, CellKind::Quad9].map(count), [62, 86, 62 + 48]);
        let brick = box_([1.0; 3], [2, 2, 2], CellKind::Hex8).unwrap();
        assert_eq!(mesh_edges(&brick).len(), 3 * 2 * 9);
        let set = MeshEdges.build(&brick);
        assert_eq!(set.len(), 2 * 54);
        let offsets = set.receiver_offsets(27);
        for n in 0..27 {
            assert!(set.receivers[offsets[n]..offsets[n + 1]].iter().all(|&r| r as usize == n));
        }
        assert_eq!(offsets[14] - offsets[13], 6);
    }

    #[test]
    fn radius_edges_against_every_pair() {
        let mesh = box_([1.0, 1.3, 0.7], [4, 5, 3], CellKind::Tet4).unwrap();
        let radius = 0.41;
        let mut expected = Vec::new();
        for a in 0..mesh.num_nodes() {
            for b in a + 1..mesh.num_nodes() {
                if (0..3).map(|d| (mesh.point(a)[d] - mesh.point(b)[d]).powi(2)).sum::<f64>() <= radius * radius {
                    expected.push([a as u32, b as u32]);
                }
            }
        }
        assert_eq!(edges_within(&mesh, radius), expected);
        assert!(edges_within(&mesh, 0.0).is_empty());
        let world = WorldEdges { radius }.build(&mesh);
        let neighbours = mesh_edges(&mesh);
        assert_eq!(world.len() / 2, expected.iter().filter(|e| !neighbours.contains(e)).count());
    }

    #[test]
    fn graphs_are_checked_and_long_range_edges_cross_in_three_steps() {
        let mesh = rectangle([4.0, 1.0], [24, 6], CellKind::Quad4).unwrap();
        let graph = Graph::build(&mesh, &[&MeshEdges, &LongRangeEdges { centers: 8 }]).unwrap();
        let set = graph.edge_set("long-range").unwrap();
        assert_eq!((set.len(), set.num_features()), (8 * 7 + 2 * (mesh.num_nodes() - 8), 3));
        let offsets = set.receiver_offsets(graph.num_nodes);
        let mut reached = vec![false; graph.num_nodes];
        reached[0] = true;
        for _ in 0..3 {
            reached = (0..graph.num_nodes)
                .map(|n| reached[n] || set.senders[offsets[n]..offsets[n + 1]].iter().any(|&s| reached[s as usize]))
                .collect();
        }
        assert!(reached.iter().all(|r| *r));
        let first = &graph.edge_sets[0];
        let (a, b) = (mesh.point(first.senders[5] as usize), mesh.point(first.receivers[5] as usize));
        assert_eq!(first.features[15..18], [a[0] - b[0], a[1] - b[1], (a[0] - b[0]).hypot(a[1] - b[1])]);
        assert!(Graph::build(&mesh, &[&MeshEdges, &MeshEdges]).is_err());
        let mut broken = graph.clone();
        broken.edge_sets[1].senders[3] = 1_000_000;
        assert!(broken.check().is_err());
    }
}
