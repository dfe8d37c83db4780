//! $NodeData and $ElementData.

use std::collections::HashMap;

use super::Reader;
use crate::IoError;
use crate::fields::{Ids, RawField};
use crate::scan::shown;

/// Values by element number, to be placed once all is read.
pub(super) struct ElementData {
    name: String,
    components: usize,
    tags: Vec<u64>,
    values: Vec<f64>,
}

impl ElementData {
    /// Finds the elements; unknown numbers are left out.
    pub(super) fn resolve(self, element_tags: &[Vec<(u64, u32)>]) -> Option<RawField> {
        let wanted: std::collections::HashSet<u64> = self.tags.iter().copied().collect();
        let mut places: HashMap<u64, (u32, u32)> = HashMap::with_capacity(self.tags.len());
        for (block, tags) in element_tags.iter().enumerate() {
            places.extend(tags.iter().filter(|(t, _)| wanted.contains(t)).map(|&(t, i)| (t, (block as u32, i))));
        }
        let mut ids = Vec::with_capacity(self.tags.len());
        let mut values = Vec::with_capacity(self.values.len());
        for (tag, tuple) in self.tags.iter().zip(self.values.chunks_exact(self.components)) {
            if let Some(&place) = places.get(tag) {
                ids.push(place);
                values.extend_from_slice(tuple);
            }
        }
        Some(RawField { name: self.name, components: self.components, ids: Ids::Elements(ids), values })
    }
}

impl Reader<'_> {
    /// Reads one view at one time. Its head is text in binary files too.
    pub(super) fn data(&mut self, on_nodes: bool, binary: bool) -> Result<(), IoError> {
        self.scan.binary = false;
        let num_strings = self.scan.text_count(1, "string tags")?;
        self.scan.line();
        let mut name = String::new();
        for k in 0..num_strings {
            let at = self.scan.pos;
            let line = self.scan.line().trim_ascii();
            let Some(text) = line.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")) else {
                return Err(self.scan.fail_at(at, "a text in double quotes", shown(line)));
            };
            if k == 0 {
                name = String::from_utf8_lossy(text).into_owned();
            }
        }
        for _ in 0..self.scan.text_count(1, "real tags")? {
            self.scan.text_double("a real tag")?;
        }
        let num_ints = self.scan.text_count(1, "integer tags")?;
        let mut ints = [0i64; 3];
        let mut at = self.scan.pos;
        for k in 0..num_ints {
            let here = self.scan.pos;
            let value = self.scan.text_int("an integer tag: step, components, entities or partition")?;
            if k < 3 {
                ints[k] = value;
                at = here;
            }
        }
        if num_ints < 3 {
            return Err(self.scan.fail_at(at, "at least 3 integer tags: step, components, entities", num_ints.to_string()));
        }
        let components = usize::try_from(ints[1]).ok().filter(|c| (1..=1_000_000).contains(c));
        let Some(components) = components else { return Err(self.scan.fail_at(at, "the number of components", ints[1].to_string())) };
        let count = u64::try_from(ints[2]).map_err(|_| self.scan.fail_at(at, "the number of entities", ints[2].to_string()))?;
        if binary {
            self.scan.line();
            self.scan.binary = true;
        }
        let count = self.scan.bounded(at, count, 1 + components, "values")?;
        let mut tags = Vec::with_capacity(count);
        let mut values = Vec::with_capacity(count * components);
        for _ in 0..count {
            tags.push(self.scan.int("the number of a node or element")? as u64);
            for _ in 0..components {
                values.push(self.scan.double("a value")?);
            }
        }
        if on_nodes {
            let Some(map) = &self.nodes else { return Ok(()) };
            let ids = tags.iter().map(|&t| map.get(t).unwrap_or(u32::MAX)).collect();
            self.assembly.fields.push(RawField { name, components, ids: Ids::Nodes(ids), values });
        } else {
            self.data.push(ElementData { name, components, tags, values });
        }
        Ok(())
    }
}
