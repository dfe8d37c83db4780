//! The nodes of a system's unknowns, for the orderings of direct solvers.

use femur_mesh::Mesh;
use femur_solve::Groups;

/// Unknowns grouped by node, with the nodes' coordinates.
#[derive(Debug, Clone)]
pub struct NodeGroups {
    of: Vec<u32>,
    points: Vec<f64>,
    dim: usize,
}

impl NodeGroups {
    /// From the node of each unknown; nodes without unknowns have no group.
    pub fn new(mesh: &Mesh, nodes: impl Iterator<Item = usize>) -> Self {
        let mut number = vec![u32::MAX; mesh.num_nodes()];
        let mut groups = NodeGroups { of: Vec::new(), points: Vec::new(), dim: mesh.dim };
        let mut count = 0;
        for node in nodes {
            if number[node] == u32::MAX {
                number[node] = count;
                count += 1;
                groups.points.extend_from_slice(mesh.point(node));
            }
            groups.of.push(number[node]);
        }
        groups
    }

    /// As the solvers take them.
    pub fn get(&self) -> Groups<'_> {
        Groups { of: &self.of, points: Some((&self.points, self.dim)) }
    }
}
