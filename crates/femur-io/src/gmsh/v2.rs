//! Nodes and elements of MSH 2.2.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Reader;
use crate::IoError;
use crate::groups::{Run, push_element};

impl Reader<'_> {
    /// Reads $Nodes; gives the node numbers in order.
    pub(super) fn nodes_v2(&mut self) -> Result<Vec<u64>, IoError> {
        let binary = self.scan.binary;
        let count = self.header_count(4, "nodes")?;
        let mut tags = Vec::with_capacity(count);
        self.assembly.points.reserve(3 * count);
        for _ in 0..count {
            let at = self.scan.pos;
            let tag = self.scan.int("the number of a node")?;
            tags.push(u64::try_from(tag).map_err(|_| self.scan.fail_at(at, "the number of a node", tag.to_string()))?);
            for _ in 0..3 {
                let x = self.scan.coordinate()?;
                self.assembly.points.push(x);
            }
        }
        self.scan.binary = binary;
        Ok(tags)
    }

    /// The count after a section's name is text in binary files too.
    fn header_count(&mut self, numbers: usize, what: &str) -> Result<usize, IoError> {
        let binary = std::mem::replace(&mut self.scan.binary, false);
        let count = self.scan.text_count(if binary { 2 * numbers } else { numbers }, what)?;
        if binary {
            self.scan.line();
            self.scan.binary = true;
        }
        Ok(count)
    }

    /// Reads $Elements.
    pub(super) fn elements_v2(&mut self) -> Result<(), IoError> {
        let count = self.header_count(2, "elements")?;
        let mut read = 0;
        let mut seen = Groups::default();
        while read < count {
            if self.scan.binary {
                let at = self.scan.pos;
                let gmsh = self.scan.int("an element type")?;
                let (kind, block) = self.element_type(at, gmsh)?;
                let at = self.scan.pos;
                let n = self.scan.int("the number of elements that follow")?;
                let num_tags = self.num_tags()?;
                let n = u64::try_from(n).ok().filter(|&n| n >= 1 && n <= (count - read) as u64);
                let Some(n) = n else {
                    return Err(self.scan.fail_at(at, format!("a number of elements from 1 to {}", count - read), "another one"));
                };
                let n = self.scan.bounded(at, n, 1 + num_tags + kind.num_nodes(), "elements")?;
                for _ in 0..n {
                    let tag = self.scan.int("the number of an element")?;
                    self.element_v2(tag, kind, block, num_tags, &mut seen)?;
                }
                read += n;
            } else {
                let tag = self.scan.int("the number of an element")?;
                let at = self.scan.pos;
                let gmsh = self.scan.int("an element type")?;
                let (kind, block) = self.element_type(at, gmsh)?;
                let num_tags = self.num_tags()?;
                self.element_v2(tag, kind, block, num_tags, &mut seen)?;
                read += 1;
            }
        }
        self.merge_repeats(seen);
        Ok(())
    }

    fn num_tags(&mut self) -> Result<usize, IoError> {
        let at = self.scan.pos;
        let n = self.scan.int("the number of tags")?;
        // physical, elementary, number of partitions, partitions
        match usize::try_from(n) {
            Ok(n) if n <= 100_000 => Ok(n),
            _ => Err(self.scan.fail_at(at, "the number of tags of an element", n.to_string())),
        }
    }

    fn element_v2(
        &mut self,
        tag: i64,
        kind: femur_mesh::CellKind,
        block: usize,
        num_tags: usize,
        seen: &mut Groups,
    ) -> Result<(), IoError> {
        let (mut physical, mut elementary) = (0, 0);
        for k in 0..num_tags {
            let value = self.tag("a tag of an element")?;
            match k {
                0 => physical = value.saturating_abs(),
                1 => elementary = value,
                _ => {}
            }
        }
        self.element_nodes(kind, block, false)?;
        let i = self.element_tags[block].len() as u32;
        self.element_tags[block].push((tag as u64, i));
        seen.elementary.resize_with(self.assembly.blocks.len(), Vec::new);
        seen.elementary[block].push(elementary);
        if physical != 0 {
            push_element(self.physical.entry((kind.dim(), physical)).or_default(), block as u32, i);
            let last = &mut seen.last;
            if *last != (kind.dim(), elementary, physical) {
                *last = (kind.dim(), elementary, physical);
                seen.physical.entry((kind.dim(), elementary)).or_default().insert(physical);
            }
        }
        Ok(())
    }

    /// An element in several physical groups is written once for each: keeps the first and puts it into all its groups.
    fn merge_repeats(&mut self, seen: Groups) {
        let several: BTreeSet<(usize, i32)> = seen.physical.into_iter().filter(|(_, p)| p.len() > 1).map(|(e, _)| e).collect();
        if several.is_empty() {
            return;
        }
        // new number of every element of every block
        let mut renumbered: Vec<Vec<u32>> = Vec::new();
        for (block, elementary) in self.assembly.blocks.iter_mut().zip(&seen.elementary) {
            let n = block.kind.num_nodes();
            let mut first: HashMap<Vec<u32>, u32> = HashMap::new();
            let mut kept: Vec<u32> = Vec::with_capacity(block.connectivity.len());
            let mut numbers = Vec::with_capacity(elementary.len());
            for (element, &entity) in block.connectivity.chunks_exact(n).zip(elementary) {
                let next = (kept.len() / n) as u32;
                let number = if several.contains(&(block.kind.dim(), entity)) {
                    let mut key = element.to_vec();
                    key.sort_unstable();
                    *first.entry(key).or_insert(next)
                } else {
                    next
                };
                if number == next {
                    kept.extend_from_slice(element);
                }
                numbers.push(number);
            }
            block.connectivity = kept;
            renumbered.push(numbers);
        }
        for (tags, numbers) in self.element_tags.iter_mut().zip(&renumbered) {
            for (_, i) in tags.iter_mut() {
                *i = numbers[*i as usize];
            }
        }
        for runs in self.physical.values_mut() {
            let mut new: Vec<Run> = Vec::new();
            for run in runs.iter() {
                for i in run.start..run.end {
                    push_element(&mut new, run.block, renumbered[run.block as usize][i as usize]);
                }
            }
            *runs = new;
        }
    }
}

/// Which physical groups each elementary entity was seen in.
#[derive(Default)]
pub(super) struct Groups {
    /// Elementary entity of each element of each block.
    elementary: Vec<Vec<i32>>,
    physical: BTreeMap<(usize, i32), BTreeSet<i32>>,
    last: (usize, i32, i32),
}
