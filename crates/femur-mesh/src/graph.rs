//! Graphs over the nodes of a mesh.

use crate::Mesh;

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

/// Directed edges of one kind, sorted by receiver and then sender, so that sums over a receiver have a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSet {
    /// Name, e.g. `mesh`.
    pub name: String,
    /// Sending node of each edge `[num_edges]`.
    pub senders: Vec<u32>,
    /// Receiving node of each edge `[num_edges]`.
    pub receivers: Vec<u32>,
}

impl EdgeSet {
    /// Both directions of undirected edges.
    pub fn from_undirected(name: &str, edges: &[[u32; 2]]) -> Self {
        let mut both: Vec<(u32, u32)> = edges.iter().flat_map(|&[a, b]| [(b, a), (a, b)]).collect();
        both.sort_unstable();
        both.dedup();
        EdgeSet { name: name.into(), senders: both.iter().map(|e| e.1).collect(), receivers: both.iter().map(|e| e.0).collect() }
    }

    /// Number of directed edges.
    pub fn len(&self) -> usize {
        self.senders.len()
    }

    /// Whether there is no edge.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }
}

/// Makes a set of edges of a mesh.
pub trait GraphBuilder {
    /// The edges, in both directions.
    fn build(&self, mesh: &Mesh) -> EdgeSet;
}

/// The edges of all cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct MeshEdges;

impl GraphBuilder for MeshEdges {
    fn build(&self, mesh: &Mesh) -> EdgeSet {
        EdgeSet::from_undirected("mesh", &mesh_edges(mesh))
    }
}
