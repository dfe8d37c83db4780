//! Large graphs in parts: the nodes of each with all that their values come from, a halo of as many rings of neighbours as the network
//! has message steps. Values at own nodes are those of the whole graph, and gradients add up to its gradient.

use crate::ops::Adjacency;
use femur_mesh::Partition;
use std::sync::Arc;

/// One part of a graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Number in the whole graph of each node: own ones first, then ring by ring.
    pub(crate) nodes: Vec<u32>,
    /// Number of own nodes.
    pub(crate) owned: usize,
    /// Number in the whole graph of each edge.
    pub(crate) edges: Vec<u32>,
    /// Edges between nodes of the part.
    pub(crate) graph: Arc<Adjacency>,
}

/// The parts of a graph, for a network of `steps` message steps.
pub(crate) fn cut(graph: &Adjacency, partition: &Partition, steps: usize) -> Vec<Part> {
    let mut own = vec![Vec::new(); partition.parts];
    partition.owner.iter().enumerate().for_each(|(node, &part)| own[part as usize].push(node as u32));
    let mut place = vec![u32::MAX; partition.owner.len()];
    own.into_iter().filter(|nodes| !nodes.is_empty()).map(|nodes| part(graph, nodes, steps, &mut place)).collect()
}

/// The part of the nodes `own`. `place` is `u32::MAX` everywhere, before and after.
fn part(graph: &Adjacency, own: Vec<u32>, steps: usize, place: &mut [u32]) -> Part {
    let owned = own.len();
    let mut nodes = own;
    nodes.iter().enumerate().for_each(|(k, &node)| place[node as usize] = k as u32);
    let (mut rings, mut first) = (vec![owned], 0);
    for _ in 0..steps {
        let last = nodes.len();
        for k in first..last {
            let node = nodes[k] as usize;
            for &sender in &graph.senders[graph.start[node]..graph.start[node + 1]] {
                if place[sender as usize] == u32::MAX {
                    place[sender as usize] = nodes.len() as u32;
                    nodes.push(sender);
                }
            }
        }
        // Neighbours in the mesh lie near each other in memory.
        nodes[last..].sort_unstable();
        (last..nodes.len()).for_each(|k| place[nodes[k] as usize] = k as u32);
        rings.push(nodes.len());
        first = last;
    }
    // No value of the last ring is used after the first step, so nothing needs to arrive there. The edges of a node keep their order, so
    // that its sums have the same bits as in the whole graph.
    let inner = if steps == 0 { 0 } else { rings[steps - 1] };
    let (mut edges, mut senders, mut receivers) = (Vec::new(), Vec::new(), Vec::new());
    for (k, &node) in nodes[..inner].iter().enumerate() {
        for edge in graph.start[node as usize]..graph.start[node as usize + 1] {
            edges.push(edge as u32);
            senders.push(place[graph.senders[edge] as usize]);
            receivers.push(k as u32);
        }
    }
    nodes.iter().for_each(|&node| place[node as usize] = u32::MAX);
    let graph = Adjacency::new(senders, receivers, nodes.len()).with_rings(rings);
    Part { nodes, owned, edges, graph: Arc::new(graph) }
}
