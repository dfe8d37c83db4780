//! Colours of cells: cells of one colour share no node, so that they may be worked on side by side.

use crate::Mesh;
use crate::adjacency::Adjacency;

/// A colour for each cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colouring {
    /// Colour of each cell `[num_cells]`, from 0.
    pub colour_of: Vec<u32>,
    /// The cells of each colour, rising.
    pub groups: Vec<Vec<u32>>,
}

/// Greedy in the order of cells: each takes the lowest colour that no cell at its nodes has.
pub fn cells(mesh: &Mesh) -> Colouring {
    let at = Adjacency::cells_of_nodes(mesh);
    let mut colour_of = vec![u32::MAX; mesh.num_cells()];
    let mut groups: Vec<Vec<u32>> = Vec::new();
    // `taken[colour] == cell + 1` says that a neighbour of that cell has the colour.
    let mut taken: Vec<usize> = Vec::new();
    for (cell, _, nodes) in mesh.cells() {
        for &neighbour in nodes.iter().flat_map(|&n| at.row(n as usize)) {
            if let Some(slot) = taken.get_mut(colour_of[neighbour as usize] as usize) {
                *slot = cell + 1;
            }
        }
        let colour = taken.iter().position(|&c| c != cell + 1).unwrap_or(taken.len());
        if colour == taken.len() {
            taken.push(0);
            groups.push(Vec::new());
        }
        colour_of[cell] = colour as u32;
        groups[colour].push(cell as u32);
    }
    Colouring { colour_of, groups }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::{box_, rectangle};

    #[test]
    fn no_two_cells_of_a_colour_share_a_node() {
        for mesh in [rectangle([1.0, 1.0], [9, 7], CellKind::Triangle6).unwrap(), box_([1.0; 3], [3, 4, 5], CellKind::Tet4).unwrap()] {
            let colours = cells(&mesh);
            let mut all: Vec<u32> = colours.groups.iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..mesh.num_cells() as u32).collect::<Vec<_>>());
            for (colour, group) in colours.groups.iter().enumerate() {
                let mut nodes: Vec<u32> = group.iter().flat_map(|&c| mesh.cell_nodes(c as usize).to_vec()).collect();
                let count = nodes.len();
                nodes.sort_unstable();
                nodes.dedup();
                assert_eq!(nodes.len(), count);
                assert!(group.iter().all(|&c| colours.colour_of[c as usize] == colour as u32));
            }
        }
        // A grid of hexahedra needs eight.
        assert_eq!(cells(&box_([1.0; 3], [4, 4, 4], CellKind::Hex8).unwrap()).groups.len(), 8);
    }
}
