//! Entities, nodes and elements of MSH 4.1.

use super::Reader;
use crate::IoError;
use crate::groups::Run;

impl Reader<'_> {
    /// Reads $Entities or $PartitionedEntities for the physical groups of each entity.
    pub(super) fn entities_v4(&mut self, partitioned: bool) -> Result<(), IoError> {
        if partitioned {
            self.scan.count(0, "partitions")?;
            let ghosts = self.scan.count(2, "ghost entities")?;
            for _ in 0..2 * ghosts {
                self.scan.int("a ghost entity")?;
            }
        }
        let mut counts = [0; 4];
        for (count, what) in counts.iter_mut().zip(["points", "curves", "surfaces", "volumes"]) {
            *count = self.scan.count(5, what)?;
        }
        for (dim, count) in counts.into_iter().enumerate() {
            for _ in 0..count {
                let tag = self.tag("the number of an entity")?;
                // A part of an entity is in the groups of the whole.
                let mut groups = Vec::new();
                if partitioned {
                    let parent_dim = self.scan.int("the dimension of the parent entity")?;
                    let parent = self.tag("the number of the parent entity")?;
                    if parent_dim == dim as i64 {
                        groups.extend(self.entities.get(&(dim, parent)).into_iter().flatten());
                    }
                    self.skip_ints("partitions")?;
                }
                for _ in 0..if dim == 0 { 3 } else { 6 } {
                    self.scan.double("a bound of an entity")?;
                }
                let num_groups = self.scan.count(1, "physical groups")?;
                for _ in 0..num_groups {
                    // The sign tells an orientation.
                    groups.push(self.tag("the number of a physical group")?.saturating_abs());
                }
                if dim > 0 {
                    self.skip_ints("bounding entities")?;
                }
                groups.sort_unstable();
                groups.dedup();
                self.entities.insert((dim, tag), groups);
            }
        }
        Ok(())
    }

    fn skip_ints(&mut self, what: &str) -> Result<(), IoError> {
        for _ in 0..self.scan.count(1, what)? {
            self.scan.int(what)?;
        }
        Ok(())
    }

    /// Reads $Nodes; gives the node numbers in order.
    pub(super) fn nodes_v4(&mut self) -> Result<Vec<u64>, IoError> {
        let blocks = self.scan.count(4, "blocks of nodes")?;
        let at = self.scan.pos;
        let total = self.scan.count(4, "nodes")?;
        self.scan.size("the smallest node number")?;
        self.scan.size("the largest node number")?;
        let mut tags: Vec<u64> = Vec::with_capacity(total);
        self.assembly.points.reserve(3 * total);
        for _ in 0..blocks {
            let dim = self.dimension()?;
            self.scan.int("the number of an entity")?;
            let parametric = match self.scan.int("0 or 1: parametric")? {
                0 => 0,
                _ => dim,
            };
            let n = self.scan.count(4 + parametric, "nodes of a block")?;
            for _ in 0..n {
                tags.push(self.scan.size("the number of a node")?);
            }
            for _ in 0..n {
                for _ in 0..3 {
                    let x = self.scan.coordinate()?;
                    self.assembly.points.push(x);
                }
                for _ in 0..parametric {
                    self.scan.double("a parametric coordinate")?;
                }
            }
        }
        if tags.len() != total {
            return Err(self.scan.fail_at(at, format!("{total} nodes, as the section's head states"), format!("{} nodes", tags.len())));
        }
        Ok(tags)
    }

    /// Reads $Elements.
    pub(super) fn elements_v4(&mut self) -> Result<(), IoError> {
        let blocks = self.scan.count(4, "blocks of elements")?;
        let at = self.scan.pos;
        let total = self.scan.count(2, "elements")?;
        self.scan.size("the smallest element number")?;
        self.scan.size("the largest element number")?;
        let mut read = 0;
        for _ in 0..blocks {
            let dim_at = self.scan.pos;
            let dim = self.dimension()?;
            let entity = self.tag("the number of an entity")?;
            let type_at = self.scan.pos;
            let gmsh = self.scan.int("an element type")?;
            let (kind, block) = self.element_type(type_at, gmsh)?;
            if kind.dim() != dim {
                return Err(self.scan.fail_at(dim_at, format!("dimension {} of {kind} elements", kind.dim()), dim.to_string()));
            }
            let n = self.scan.count(1 + kind.num_nodes(), "elements of a block")?;
            let start = self.element_tags[block].len() as u32;
            self.assembly.blocks[block].connectivity.reserve(n * kind.num_nodes());
            self.element_tags[block].reserve(n);
            for i in 0..n as u32 {
                let tag = self.scan.size("the number of an element")?;
                self.element_nodes(kind, block, true)?;
                self.element_tags[block].push((tag, start + i));
            }
            read += n;
            if n == 0 {
                continue;
            }
            for &group in self.entities.get(&(dim, entity)).map(Vec::as_slice).unwrap_or_default() {
                let runs = self.physical.entry((dim, group)).or_default();
                let run = Run { block: block as u32, start, end: start + n as u32 };
                match runs.last_mut() {
                    Some(last) if last.block == run.block && last.end == run.start => last.end = run.end,
                    _ => runs.push(run),
                }
            }
        }
        if read != total {
            return Err(self.scan.fail_at(at, format!("{total} elements, as the section's head states"), format!("{read} elements")));
        }
        Ok(())
    }

    fn dimension(&mut self) -> Result<usize, IoError> {
        let at = self.scan.pos;
        match self.scan.int("the dimension of an entity, 0 to 3")? {
            dim @ 0..=3 => Ok(dim as usize),
            other => Err(self.scan.fail_at(at, "the dimension of an entity, 0 to 3", other.to_string())),
        }
    }
}
