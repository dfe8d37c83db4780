//! Numbering nodes and cells so that neighbours lie close in memory.
//!
//! An order lists old numbers: entry `i` is the old number of what becomes number `i`.

use crate::adjacency::Adjacency;
use crate::{CellBlock, FacetId, Mesh, MeshError, TagEntities, Tags};

/// Reverse Cuthill-McKee order of the nodes `[num_nodes]` (Cuthill and McKee 1969, reversed after George 1971): breadth first by
/// rising degree from a node at the rim of each component, found by the repeated breadth-first search of Gibbs, Poole and Stockmeyer.
pub fn reverse_cuthill_mckee(mesh: &Mesh) -> Vec<u32> {
    let near = Adjacency::nodes_of_nodes(mesh);
    let num_nodes = mesh.num_nodes();
    let degree = |n: u32| near.row(n as usize).len();
    let mut order: Vec<u32> = Vec::with_capacity(num_nodes);
    let mut done = vec![false; num_nodes];
    let mut by_degree: Vec<u32> = (0..num_nodes as u32).collect();
    by_degree.sort_by_key(|&n| degree(n));
    // `mark[n] == round` says that the search of that round has met the node.
    let (mut mark, mut round) = (vec![0u32; num_nodes], 0);
    let mut row: Vec<u32> = Vec::new();
    for start in by_degree {
        if done[start as usize] {
            continue;
        }
        let mut root = start;
        let mut depth = 0;
        loop {
            round += 1;
            let (last, levels) = last_level(&near, root, &mut mark, round);
            let Some(next) = last.into_iter().min_by_key(|&n| degree(n)) else { break };
            if levels <= depth {
                break;
            }
            (root, depth) = (next, levels);
        }
        let mut next = order.len();
        order.push(root);
        done[root as usize] = true;
        while next < order.len() {
            row.clear();
            row.extend(near.row(order[next] as usize).iter().filter(|&&m| !done[m as usize]));
            row.sort_by_key(|&m| degree(m));
            row.iter().for_each(|&m| done[m as usize] = true);
            order.extend_from_slice(&row);
            next += 1;
        }
    }
    order.reverse();
    order
}

/// The nodes farthest from `root` in steps, and how many steps that is.
fn last_level(near: &Adjacency, root: u32, mark: &mut [u32], round: u32) -> (Vec<u32>, usize) {
    let (mut level, mut levels) = (vec![root], 0);
    mark[root as usize] = round;
    loop {
        let mut next = Vec::new();
        for &n in &level {
            for &m in near.row(n as usize) {
                if mark[m as usize] != round {
                    mark[m as usize] = round;
                    next.push(m);
                }
            }
        }
        if next.is_empty() {
            return (level, levels);
        }
        (level, levels) = (next, levels + 1);
    }
}

/// Nodes along the first coordinate, equal ones along the next: `[num_nodes]`.
pub fn by_position(mesh: &Mesh) -> Vec<u32> {
    let mut order: Vec<u32> = (0..mesh.num_nodes() as u32).collect();
    order.sort_by(|&a, &b| {
        let pairs = mesh.point(a as usize).iter().zip(mesh.point(b as usize));
        pairs.map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
    });
    order
}

/// Largest difference between the numbers of two nodes of one cell: the half bandwidth of the matrix, in nodes.
pub fn bandwidth(mesh: &Mesh) -> usize {
    let spread = |nodes: &[u32]| nodes.iter().max().zip(nodes.iter().min()).map_or(0, |(a, b)| (a - b) as usize);
    mesh.cells().map(|(_, _, nodes)| spread(nodes)).max().unwrap_or(0)
}

impl Mesh {
    /// The mesh with its nodes in another order; cells keep their numbers, tags their members.
    ///
    /// # Errors
    /// `order` does not name every node once.
    pub fn renumbered(&self, order: &[u32]) -> Result<Mesh, MeshError> {
        let new = inverse(order, self.num_nodes(), "node")?;
        let points = order.iter().flat_map(|&n| self.point(n as usize)).copied().collect();
        let blocks = self
            .blocks
            .iter()
            .map(|b| CellBlock { kind: b.kind, connectivity: b.connectivity.iter().map(|&n| new[n as usize]).collect() })
            .collect();
        let tags = mapped(&self.tags, |n| Some(new[n as usize]), Some);
        Mesh::new(self.dim, points, blocks, tags)
    }

    /// The mesh with the cells of each block sorted by their smallest node, and the order that was found `[num_cells]`.
    pub fn with_sorted_cells(&self) -> Result<(Mesh, Vec<u32>), MeshError> {
        let (mut order, mut blocks) = (Vec::with_capacity(self.num_cells()), Vec::with_capacity(self.blocks.len()));
        for block in &self.blocks {
            let mut local: Vec<u32> = (0..block.num_cells() as u32).collect();
            local.sort_by_key(|&c| block.cell(c as usize).iter().min().copied());
            let connectivity = local.iter().flat_map(|&c| block.cell(c as usize)).copied().collect();
            blocks.push(CellBlock { kind: block.kind, connectivity });
            let first = order.len() as u32;
            order.extend(local.iter().map(|c| first + c));
        }
        let new = inverse(&order, self.num_cells(), "cell")?;
        let tags = mapped(&self.tags, Some, |c| Some(new[c as usize]));
        Ok((Mesh::new(self.dim, self.points.clone(), blocks, tags)?, order))
    }
}

fn inverse(order: &[u32], count: usize, what: &str) -> Result<Vec<u32>, MeshError> {
    if order.len() != count {
        return Err(MeshError::Length { what: format!("order of {what}s"), expected: count, got: order.len() });
    }
    let mut new = vec![u32::MAX; count];
    for (i, &old) in order.iter().enumerate() {
        match new.get_mut(old as usize) {
            Some(slot) if *slot == u32::MAX => *slot = i as u32,
            _ => return Err(MeshError::Other(format!("an order of {what}s must name each once, but {old} is repeated or out of range"))),
        }
    }
    Ok(new)
}

/// Tags whose members have other numbers, or none where they are gone.
pub(crate) fn mapped(tags: &Tags, node: impl Fn(u32) -> Option<u32>, cell: impl Fn(u32) -> Option<u32>) -> Tags {
    let mut out = Tags::default();
    for tag in tags.iter() {
        let entities = match &tag.entities {
            TagEntities::Nodes(v) => TagEntities::Nodes(v.iter().filter_map(|&n| node(n)).collect()),
            TagEntities::Cells(v) => TagEntities::Cells(v.iter().filter_map(|&c| cell(c)).collect()),
            TagEntities::Facets(v) => {
                let facet = |f: &FacetId| cell(f.cell).map(|cell| FacetId { cell, local: f.local });
                TagEntities::Facets(v.iter().filter_map(facet).collect())
            }
        };
        out.insert(&tag.name, tag.gmsh_tag, entities);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::plate::PLATE;
    use crate::generate::{Hole, HoleShape, PlateSpec, plate_with_holes, rectangle};

    fn plate() -> Mesh {
        let hole = Hole { shape: HoleShape::Circle, center: [0.7, 0.5], diameter: 0.4, angle: 0.0 };
        let spec = PlateSpec { width: 2.0, height: 1.0, size: 0.08, refinement: 0.5, holes: vec![hole], order: 2, names: PLATE };
        let mut mesh = plate_with_holes(&spec).unwrap();
        mesh.tags.insert("first", Some(7), TagEntities::Nodes(vec![0, 5, 9]));
        mesh
    }

    /// What a tag is, whatever the numbers: the sorted coordinates of its nodes.
    fn places(mesh: &Mesh, tag: &str) -> Vec<String> {
        let mut out: Vec<String> = mesh.tag_nodes(tag).unwrap().iter().map(|&n| format!("{:?}", mesh.point(n as usize))).collect();
        out.sort();
        out
    }

    #[test]
    fn cuthill_mckee_narrows_the_band_and_keeps_the_mesh() {
        let mesh = plate();
        let order = reverse_cuthill_mckee(&mesh);
        let narrow = mesh.renumbered(&order).unwrap();
        let (before, after) = (bandwidth(&mesh), bandwidth(&narrow));
        assert!(after * 8 < before, "{before} -> {after}");
        for tag in ["left", "hole", "plate", "first"] {
            assert_eq!(places(&narrow, tag), places(&mesh, tag));
        }
        let (sorted, cells) = narrow.with_sorted_cells().unwrap();
        assert_eq!(cells.len(), mesh.num_cells());
        assert_eq!(places(&sorted, "hole"), places(&mesh, "hole"));
        assert_eq!(sorted.tag_facets("hole").unwrap().len(), mesh.tag_facets("hole").unwrap().len());
        assert_eq!(sorted.tags.get("first").unwrap().gmsh_tag, Some(7));
    }

    #[test]
    fn a_long_strip_gets_the_band_of_its_width() {
        // Numbered along its length, 40 x 3 cells have a band of 42; across, of 5.
        let mesh = rectangle([40.0, 3.0], [40, 3], CellKind::Quad4).unwrap();
        assert_eq!(bandwidth(&mesh), 42);
        assert_eq!(bandwidth(&mesh.renumbered(&by_position(&mesh)).unwrap()), 5);
        // Levels of a breadth-first search from a corner are L-shaped, at most one column and one row of nodes.
        assert!(bandwidth(&mesh.renumbered(&reverse_cuthill_mckee(&mesh)).unwrap()) <= 8);
    }

    #[test]
    fn orders_are_checked_and_loose_nodes_kept() {
        let mut mesh = rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap();
        mesh.points.extend([9.0, 9.0]);
        let mut order = reverse_cuthill_mckee(&mesh);
        assert!(mesh.renumbered(&order).is_ok());
        assert!(mesh.renumbered(&order[1..]).is_err());
        order[0] = order[1];
        assert!(mesh.renumbered(&order).is_err());
        order[0] = 100;
        assert!(mesh.renumbered(&order).is_err());
    }
}
