//! Who neighbours whom, in compressed rows.

use crate::Mesh;

/// Lists of numbers, one per node (or cell): row `i` is `items[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjacency {
    /// Start of each row `[num_rows + 1]`.
    pub offsets: Vec<usize>,
    /// All rows one after another, each sorted and without repeats.
    pub items: Vec<u32>,
}

impl Adjacency {
    /// Row `i`.
    pub fn row(&self, i: usize) -> &[u32] {
        &self.items[self.offsets[i]..self.offsets[i + 1]]
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Cells of each node.
    pub fn cells_of_nodes(mesh: &Mesh) -> Self {
        let mut offsets = vec![0; mesh.num_nodes() + 1];
        for (_, _, nodes) in mesh.cells() {
            nodes.iter().for_each(|&n| offsets[n as usize + 1] += 1);
        }
        for n in 0..mesh.num_nodes() {
            offsets[n + 1] += offsets[n];
        }
        let mut items = vec![0; offsets[mesh.num_nodes()]];
        let mut next = offsets.clone();
        for (cell, _, nodes) in mesh.cells() {
            for &n in nodes {
                items[next[n as usize]] = cell as u32;
                next[n as usize] += 1;
            }
        }
        Adjacency { offsets, items }
    }

    /// Nodes that share a cell with each node, itself left out: the pattern of a finite-element matrix with one unknown per node.
    pub fn nodes_of_nodes(mesh: &Mesh) -> Self {
        let cells = Adjacency::cells_of_nodes(mesh);
        let (mut offsets, mut items) = (Vec::with_capacity(mesh.num_nodes() + 1), Vec::new());
        offsets.push(0);
        let mut row = Vec::new();
        for n in 0..mesh.num_nodes() {
            row.clear();
            row.extend(cells.row(n).iter().flat_map(|&c| mesh.cell_nodes(c as usize)).filter(|&&m| m as usize != n));
            row.sort_unstable();
            row.dedup();
            items.extend_from_slice(&row);
            offsets.push(items.len());
        }
        Adjacency { offsets, items }
    }
}
