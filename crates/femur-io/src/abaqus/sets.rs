//! Sets and surfaces of an .inp, resolved once all nodes and elements are known.

use std::collections::HashMap;

use femur_mesh::topology::{FacetVertices, facet_vertices};

use super::{Position, elements};
use crate::IoError;
use crate::assembly::Elements;
use crate::groups::{Group, Members, push_element};

struct Set {
    name: String,
    elements: bool,
    /// Serves others, is no tag.
    hidden: bool,
    /// Whether a keyword made it; others are only mentioned.
    defined: bool,
    ids: Vec<i64>,
    /// first, last, step
    ranges: Vec<(i64, i64, i64)>,
    /// Other sets whose members belong to this one.
    includes: Vec<usize>,
    at: Position,
}

struct SurfaceLine {
    target: String,
    face: String,
    at: Position,
}

struct Surface {
    name: String,
    nodes: bool,
    lines: Vec<SurfaceLine>,
}

/// A set or surface in the order of the file.
enum Defined {
    Set(usize),
    Surface(usize),
}

/// All sets and surfaces of a file.
#[derive(Default)]
pub(super) struct Sets {
    sets: Vec<Set>,
    /// (of elements, lower-case name) -> set
    by_name: HashMap<(bool, String), usize>,
    surfaces: Vec<Surface>,
    surface_by_name: HashMap<String, usize>,
    order: Vec<Defined>,
}

/// Block and number within it of each element, by Abaqus' number.
type Places = HashMap<i64, (u32, u32)>;

impl Sets {
    /// The set of that name, which a keyword defines or continues.
    pub(super) fn declare(&mut self, elements: bool, name: &str, at: &Position) -> usize {
        let set = self.mention(elements, name, at);
        self.sets[set].defined = true;
        set
    }

    /// The set of that name, which may be defined further down.
    pub(super) fn mention(&mut self, elements: bool, name: &str, at: &Position) -> usize {
        *self.by_name.entry((elements, name.to_ascii_lowercase())).or_insert_with(|| {
            self.order.push(Defined::Set(self.sets.len()));
            let (ids, ranges, includes) = (Vec::new(), Vec::new(), Vec::new());
            self.sets.push(Set { name: name.into(), elements, hidden: false, defined: false, ids, ranges, includes, at: at.clone() });
            self.sets.len() - 1
        })
    }

    pub(super) fn is_of_elements(&self, set: usize) -> bool {
        self.sets[set].elements
    }

    pub(super) fn hide(&mut self, set: usize) {
        self.sets[set].hidden = true;
    }

    pub(super) fn add(&mut self, set: usize, id: i64) {
        self.sets[set].ids.push(id);
    }

    pub(super) fn add_range(&mut self, set: usize, first: i64, last: i64, step: i64) {
        self.sets[set].ranges.push((first, last, step));
    }

    /// Members of `other` belong to `set`; the nodes of its elements, if `set` is one of nodes.
    pub(super) fn include(&mut self, set: usize, other: usize) {
        self.sets[set].includes.push(other);
    }

    pub(super) fn declare_surface(&mut self, name: &str, nodes: bool) -> usize {
        *self.surface_by_name.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            self.order.push(Defined::Surface(self.surfaces.len()));
            self.surfaces.push(Surface { name: name.into(), nodes, lines: Vec::new() });
            self.surfaces.len() - 1
        })
    }

    pub(super) fn add_surface_line(&mut self, surface: usize, target: String, face: String, at: &Position) {
        self.surfaces[surface].lines.push(SurfaceLine { target, face, at: at.clone() });
    }

    /// Everything that becomes a tag.
    pub(super) fn groups(&self, nodes: &HashMap<i64, u32>, places: &Places, blocks: &[Elements]) -> Result<Vec<Group>, IoError> {
        let mut groups = Vec::new();
        for defined in &self.order {
            let (name, members) = match *defined {
                Defined::Set(k) if self.sets[k].hidden || !self.sets[k].defined => continue,
                Defined::Set(k) if self.sets[k].elements => (&self.sets[k].name, self.element_runs(k, places)?),
                Defined::Set(k) => {
                    let set = &self.sets[k];
                    let lower = set.name.to_ascii_lowercase();
                    let twin = self.by_name.get(&(true, lower.clone())).is_some_and(|&e| !self.sets[e].hidden);
                    if twin || self.surface_by_name.contains_key(&lower) {
                        continue;
                    }
                    (&set.name, Members::Nodes(self.node_members(k, nodes, places, blocks)?))
                }
                Defined::Surface(k) => (&self.surfaces[k].name, self.surface_members(k, nodes, places, blocks)?),
            };
            groups.push(Group { name: name.clone(), gmsh_tag: None, dim: None, members });
        }
        Ok(groups)
    }

    /// `set` and all that it includes, each once.
    fn with_included(&self, set: usize) -> Vec<usize> {
        let mut seen = vec![false; self.sets.len()];
        let mut all = Vec::new();
        let mut open = vec![set];
        while let Some(k) = open.pop() {
            if !std::mem::replace(&mut seen[k], true) {
                all.push(k);
                open.extend(&self.sets[k].includes);
            }
        }
        all
    }

    /// Values of a set's own members, sorted and without repeats. Members that are listed must exist; ranges may have gaps.
    fn own<T: Copy + Ord>(&self, set: usize, known: &HashMap<i64, T>) -> Result<Vec<T>, IoError> {
        let set = &self.sets[set];
        if !set.defined {
            return Err(set.at.fail("a set that the file defines", format!("`{}`", set.name)));
        }
        let mut found = Vec::with_capacity(set.ids.len());
        for id in &set.ids {
            let value = known.get(id).ok_or_else(|| {
                let what = if set.elements { "element" } else { "node" };
                set.at.fail(format!("{what}s that the file defines, in set `{}`", set.name), format!("{what} {id}"))
            })?;
            found.push(*value);
        }
        for &(first, last, step) in &set.ranges {
            let length = last.saturating_sub(first) / step;
            // never more turns than there are entities, whatever the numbers say
            if length as u128 > known.len() as u128 {
                found.extend(known.iter().filter(|(id, _)| (first..=last).contains(*id) && (*id - first) % step == 0).map(|(_, v)| *v));
            } else {
                found.extend((0..=length).filter(|_| last >= first).filter_map(|k| known.get(&(first + k * step))));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn element_places(&self, set: usize, places: &Places) -> Result<Vec<(u32, u32)>, IoError> {
        let mut all = Vec::new();
        for k in self.with_included(set) {
            all.extend(self.own(k, places)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn element_runs(&self, set: usize, places: &Places) -> Result<Members, IoError> {
        let mut runs = Vec::new();
        self.element_places(set, places)?.into_iter().for_each(|(block, i)| push_element(&mut runs, block, i));
        Ok(Members::Elements(runs))
    }

    fn node_members(&self, set: usize, nodes: &HashMap<i64, u32>, places: &Places, blocks: &[Elements]) -> Result<Vec<u32>, IoError> {
        let mut all = Vec::new();
        for k in self.with_included(set) {
            if self.sets[k].elements {
                for (block, i) in self.own(k, places)? {
                    all.extend_from_slice(blocks[block as usize].get(i as usize));
                }
            } else {
                all.extend(self.own(k, nodes)?);
            }
        }
        Ok(all)
    }

    fn surface_members(&self, surface: usize, nodes: &HashMap<i64, u32>, places: &Places, blocks: &[Elements]) -> Result<Members, IoError> {
        let surface = &self.surfaces[surface];
        let find = |elements: bool, line: &SurfaceLine| {
            let what = if elements { "element" } else { "node" };
            let set = self.by_name.get(&(elements, line.target.to_ascii_lowercase())).copied();
            set.ok_or_else(|| line.at.fail(format!("a set of {what}s or the number of one"), format!("`{}`", line.target)))
        };
        if surface.nodes {
            let mut all = Vec::new();
            for line in &surface.lines {
                match line.target.parse::<i64>() {
                    Ok(id) => {
                        let node = nodes.get(&id).copied();
                        all.push(node.ok_or_else(|| line.at.fail("a node that the file defines", format!("node {id}")))?);
                    }
                    Err(_) => all.extend(self.node_members(find(false, line)?, nodes, places, blocks)?),
                }
            }
            return Ok(Members::Nodes(all));
        }
        let dim = blocks.iter().filter(|b| b.len() > 0).map(|b| b.kind.dim()).max().unwrap_or(0);
        let mut facets = Vec::new();
        for line in &surface.lines {
            let members = match line.target.parse::<i64>() {
                Ok(id) => {
                    let place = places.get(&id).copied();
                    vec![place.ok_or_else(|| line.at.fail("an element that the file defines", format!("element {id}")))?]
                }
                Err(_) => self.element_places(find(true, line)?, places)?,
            };
            for (block, i) in members {
                facets.push(facet(&blocks[block as usize], i as usize, dim, line)?);
            }
        }
        Ok(Members::Facets(facets))
    }
}

/// The face of an element that a line of a surface names.
fn facet(block: &Elements, i: usize, dim: usize, line: &SurfaceLine) -> Result<FacetVertices, IoError> {
    let (kind, nodes) = (block.kind, block.get(i));
    // a shell or membrane on a solid is the face itself, whichever side is meant
    if kind.dim() + 1 == dim && matches!(line.face.as_str(), "" | "SPOS" | "SNEG" | "S1" | "S2") {
        return Ok(facet_vertices(nodes[..kind.num_vertices()].iter().copied()));
    }
    if line.face.is_empty() {
        return Err(line
            .at
            .unsupported(format!("the surface names `{}` without a face", line.target), "list the faces: `set or element, S1` and so on"));
    }
    let face = line.face.strip_prefix('S').and_then(|f| f.parse().ok()).and_then(|f| elements::face(kind, f));
    let local = face.ok_or_else(|| line.at.fail(format!("a face label of {kind} elements, S1, S2, ..."), format!("`{}`", line.face)))?;
    Ok(facet_vertices(local.iter().map(|&k| nodes[k])))
}
