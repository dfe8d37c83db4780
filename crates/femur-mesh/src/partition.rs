//! Nodes shared out to ranks, and the part of a mesh that a rank needs to assemble its own rows.

use crate::reorder::mapped;
use crate::{CellBlock, Mesh, MeshError};

/// The owner of every node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number of parts.
    pub parts: usize,
    /// Part of each node `[num_nodes]`.
    pub owner: Vec<u32>,
}

/// What one part holds: its own nodes, the others of its cells, and every cell that touches a node of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// The cells, their nodes and tags; own nodes come first.
    pub mesh: Mesh,
    /// Number of own nodes.
    pub owned: usize,
    /// Number in the whole mesh of each node here, own ones first; both groups ascend.
    pub nodes: Vec<u32>,
}

impl Partition {
    /// Halves the nodes again and again across the longest extent of where they lie, in proportion to the number of parts on each side
    /// (recursive coordinate bisection, Berger and Bokhari 1987). Nodes with the same coordinate are told apart by their number, so the
    /// outcome depends on the mesh alone; parts differ by at most one node for each bisection.
    pub fn by_coordinates(mesh: &Mesh, parts: usize) -> Self {
        let parts = parts.max(1);
        let mut owner = vec![0; mesh.num_nodes()];
        let mut nodes: Vec<u32> = (0..mesh.num_nodes() as u32).collect();
        bisect(mesh, &mut nodes, 0..parts as u32, &mut owner);
        Partition { parts, owner }
    }

    /// Numbers of all nodes where those of part 0 come first, then those of part 1, ...; and the first number of each part `[parts + 1]`.
    pub fn numbering(&self) -> (Vec<u32>, Vec<usize>) {
        let mut first = vec![0; self.parts + 1];
        self.owner.iter().for_each(|&p| first[p as usize + 1] += 1);
        for p in 0..self.parts {
            first[p + 1] += first[p];
        }
        let mut next = first.clone();
        let number = |&p: &u32| {
            next[p as usize] += 1;
            (next[p as usize] - 1) as u32
        };
        (self.owner.iter().map(number).collect(), first)
    }

    /// The part of `rank`. A tag keeps its members that lie here, and stays where none does.
    ///
    /// # Errors
    /// The partition is of another mesh.
    pub fn part(&self, mesh: &Mesh, rank: usize) -> Result<Part, MeshError> {
        if self.owner.len() != mesh.num_nodes() {
            return Err(MeshError::Length { what: "partition".into(), expected: mesh.num_nodes(), got: self.owner.len() });
        }
        let mine = |n: u32| self.owner[n as usize] as usize == rank;
        let mut new_cell = vec![u32::MAX; mesh.num_cells()];
        let mut touched = vec![false; mesh.num_nodes()];
        let mut count = 0;
        for (cell, _, nodes) in mesh.cells() {
            if nodes.iter().any(|&n| mine(n)) {
                new_cell[cell] = count;
                count += 1;
                nodes.iter().for_each(|&n| touched[n as usize] = true);
            }
        }
        let all = 0..mesh.num_nodes() as u32;
        let mut nodes: Vec<u32> = all.clone().filter(|&n| mine(n)).collect();
        let owned = nodes.len();
        nodes.extend(all.filter(|&n| touched[n as usize] && !mine(n)));
        let mut new_node = vec![u32::MAX; mesh.num_nodes()];
        nodes.iter().enumerate().for_each(|(new, &old)| new_node[old as usize] = new as u32);
        let points = nodes.iter().flat_map(|&n| mesh.point(n as usize).to_vec()).collect();
        let there = |n: u32| Some(n).filter(|&n| n != u32::MAX);
        let tags = mapped(&mesh.tags, |n| there(new_node[n as usize]), |c| there(new_cell[c as usize]));
        let mesh = Mesh::new(mesh.dim, points, kept_blocks(mesh, &new_cell, &new_node), tags)?;
        Ok(Part { mesh, owned, nodes })
    }
}

fn bisect(mesh: &Mesh, nodes: &mut [u32], parts: std::ops::Range<u32>, owner: &mut [u32]) {
    let count = parts.end - parts.start;
    if count <= 1 || nodes.is_empty() {
        nodes.iter().for_each(|&n| owner[n as usize] = parts.start);
        return;
    }
    let extent = |d: usize| {
        let along = nodes.iter().map(|&n| mesh.point(n as usize)[d]);
        let (lo, hi) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), x| (lo.min(x), hi.max(x)));
        hi - lo
    };
    let axis = (0..mesh.dim).max_by(|&a, &b| extent(a).total_cmp(&extent(b))).unwrap_or(0);
    let left = count / 2;
    let at = (nodes.len() as u64 * u64::from(left) / u64::from(count)) as usize;
    let place = |n: u32| mesh.point(n as usize)[axis];
    nodes.sort_unstable_by(|&a, &b| place(a).total_cmp(&place(b)).then(a.cmp(&b)));
    let (low, high) = nodes.split_at_mut(at);
    bisect(mesh, low, parts.start..parts.start + left, owner);
    bisect(mesh, high, parts.start + left..parts.end, owner);
}

fn kept_blocks(mesh: &Mesh, new_cell: &[u32], new_node: &[u32]) -> Vec<CellBlock> {
    let mut first = 0;
    let mut blocks = Vec::with_capacity(mesh.blocks.len());
    for block in &mesh.blocks {
        let cells = (0..block.num_cells()).filter(|c| new_cell[first + c] != u32::MAX);
        let connectivity: Vec<u32> = cells.flat_map(|c| block.cell(c).iter().map(|&n| new_node[n as usize])).collect();
        first += block.num_cells();
        if !connectivity.is_empty() {
            blocks.push(CellBlock { kind: block.kind, connectivity });
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::box_;

    #[test]
    fn parts_are_even_and_cover_the_nodes() {
        let mesh = box_([3.0, 1.0, 1.0], [7, 3, 4], CellKind::Tet4).unwrap();
        for parts in 1..6 {
            let partition = Partition::by_coordinates(&mesh, parts);
            let (number, first) = partition.numbering();
            let sizes: Vec<usize> = first.windows(2).map(|w| w[1] - w[0]).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 3, "{sizes:?}");
            let mut sorted = number.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().enumerate().all(|(i, &n)| i == n as usize));
        }
    }

    #[test]
    fn a_part_has_every_cell_of_its_own_nodes() {
        let mesh = box_([2.0, 1.0, 1.0], [4, 3, 2], CellKind::Tet10).unwrap();
        let partition = Partition::by_coordinates(&mesh, 3);
        let (number, first) = partition.numbering();
        let cells_at = |mesh: &Mesh, n: usize| mesh.cells().filter(|(_, _, nodes)| nodes.contains(&(n as u32))).count();
        let mut facets = 0;
        for rank in 0..3 {
            let part = partition.part(&mesh, rank).unwrap();
            assert_eq!(part.owned, first[rank + 1] - first[rank]);
            for (i, &n) in part.nodes.iter().enumerate() {
                assert_eq!(part.mesh.point(i), mesh.point(n as usize));
                assert_eq!(i < part.owned, partition.owner[n as usize] as usize == rank);
                if i < part.owned {
                    // own nodes keep their order in the new numbering
                    assert_eq!(number[n as usize] as usize, first[rank] + i);
                    assert_eq!(cells_at(&part.mesh, i), cells_at(&mesh, n as usize));
                }
            }
            let left: Vec<u32> = part.mesh.tag_nodes("left").unwrap().iter().map(|&n| part.nodes[n as usize]).collect();
            assert!(left.iter().all(|n| mesh.tag_nodes("left").unwrap().contains(n)));
            facets += part.mesh.tag_facets("right").unwrap().len();
        }
        assert!(facets >= mesh.tag_facets("right").unwrap().len());
        assert!(partition.part(&box_([1.0; 3], [1; 3], CellKind::Tet4).unwrap(), 0).is_err());
    }
}
