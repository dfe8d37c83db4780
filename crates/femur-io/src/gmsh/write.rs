//! Writes MSH 4.1.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use femur_mesh::{CellKind, FacetId, Field, Location, Mesh, TagEntities};

use crate::fields::{Note, check_lengths, for_gmsh};
use crate::format::save;
use crate::{IoError, MeshFile};

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As text that reads back to the same bits.
    Text,
    /// As little-endian bytes.
    Binary,
}

/// Writes an MSH 4.1 file. Cells, facets and nodes with the same set of tags form one entity; points and cells keep their order.
pub fn write_msh(path: impl AsRef<Path>, content: &MeshFile, encoding: Encoding) -> Result<(), IoError> {
    let path = path.as_ref();
    save(path, &bytes(content, encoding, path)?)
}

/// The numbers of a file, as text or binary.
struct Out {
    bytes: Vec<u8>,
    text: String,
    binary: bool,
}

impl Out {
    fn line(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'\n');
    }

    fn int(&mut self, value: i32) {
        if self.binary { self.bytes.extend_from_slice(&value.to_le_bytes()) } else { self.shown(format_args!("{value} ")) }
    }

    fn size(&mut self, value: usize) {
        if self.binary { self.bytes.extend_from_slice(&(value as u64).to_le_bytes()) } else { self.shown(format_args!("{value} ")) }
    }

    fn double(&mut self, value: f64) {
        if self.binary { self.bytes.extend_from_slice(&value.to_le_bytes()) } else { self.shown(format_args!("{value:?} ")) }
    }

    fn shown(&mut self, value: std::fmt::Arguments<'_>) {
        self.text.clear();
        // writing into a String cannot fail
        let _ = self.text.write_fmt(value);
        self.bytes.extend_from_slice(self.text.as_bytes());
    }

    /// Ends a line of numbers in a text file.
    fn end(&mut self) {
        if !self.binary {
            if self.bytes.last() == Some(&b' ') {
                self.bytes.pop();
            }
            self.bytes.push(b'\n');
        }
    }

    /// Ends a section.
    fn close(&mut self, section: &str) {
        if self.binary {
            self.bytes.push(b'\n');
        }
        self.line(section);
    }
}

/// Sets of tags that occur together, each with a number; 0 is the empty set.
struct TagSets {
    sets: Vec<Vec<i32>>,
    with: HashMap<(u32, i32), u32>,
    /// Sets that some member has in the end: only these become entities.
    used: Vec<u32>,
}

impl TagSets {
    fn new() -> Self {
        TagSets { sets: vec![Vec::new()], with: HashMap::new(), used: Vec::new() }
    }

    fn note_used(&mut self, members: impl Iterator<Item = u32>) {
        self.used = members.collect::<BTreeSet<_>>().into_iter().collect();
    }

    /// The set `set` and one more tag.
    fn add(&mut self, set: u32, tag: i32) -> u32 {
        let sets = &mut self.sets;
        *self.with.entry((set, tag)).or_insert_with(|| {
            let mut larger = sets[set as usize].clone();
            larger.push(tag);
            sets.push(larger);
            sets.len() as u32 - 1
        })
    }
}

/// Physical groups as gmsh numbers them: (dimension, number) of each tag in order.
fn physical_numbers(mesh: &Mesh) -> Vec<(usize, i32)> {
    let dims: Vec<usize> = mesh.tags.iter().map(|t| mesh.tag_dim(&t.entities)).collect();
    let mut numbers: Vec<Option<i32>> = Vec::new();
    for (k, tag) in mesh.tags.iter().enumerate() {
        let taken = |n: i32| numbers.iter().zip(&dims).any(|(&m, &d)| m == Some(n) && d == dims[k]);
        numbers.push(tag.gmsh_tag.filter(|&n| n > 0 && !taken(n)));
    }
    for k in 0..numbers.len() {
        if numbers[k].is_none() {
            let largest = numbers.iter().zip(&dims).filter(|(_, d)| **d == dims[k]).filter_map(|(n, _)| *n).max();
            numbers[k] = Some(largest.unwrap_or(0).saturating_add(1));
        }
    }
    dims.into_iter().zip(numbers.into_iter().map(|n| n.unwrap_or(1))).collect()
}

/// A name that may stand between double quotes on one line.
fn plain(name: &str) -> String {
    name.replace(['"', '\n', '\r'], "_")
}

pub(super) fn bytes(content: &MeshFile, encoding: Encoding, origin: &Path) -> Result<Vec<u8>, IoError> {
    let mesh = &content.mesh;
    check_lengths(mesh, &content.fields, origin)?;
    let mut out = Out { bytes: Vec::new(), text: String::new(), binary: encoding == Encoding::Binary };
    out.line("$MeshFormat");
    out.line(if out.binary { "4.1 1 8" } else { "4.1 0 8" });
    if out.binary {
        out.int(1);
        out.bytes.push(b'\n');
    }
    out.line("$EndMeshFormat");
    out.line("$Comments");
    out.line(&Note::new(&content.fields, &mesh.tags, plain).to_comment());
    out.line("$EndComments");

    let numbers = physical_numbers(mesh);
    if !mesh.tags.is_empty() {
        out.line("$PhysicalNames");
        out.line(&mesh.tags.len().to_string());
        for (tag, (dim, number)) in mesh.tags.iter().zip(&numbers) {
            out.line(&format!("{dim} {number} \"{}\"", plain(&tag.name)));
        }
        out.line("$EndPhysicalNames");
    }

    // which set of tags each cell, facet and node is in
    let (mut cell_sets, mut facet_sets, mut node_sets) = (TagSets::new(), TagSets::new(), TagSets::new());
    let mut cells = vec![0u32; mesh.num_cells()];
    let mut facets: BTreeMap<FacetId, u32> = BTreeMap::new();
    let mut nodes: BTreeMap<u32, u32> = BTreeMap::new();
    for (tag, &(_, number)) in mesh.tags.iter().zip(&numbers) {
        match &tag.entities {
            TagEntities::Cells(v) => v.iter().for_each(|&c| cells[c as usize] = cell_sets.add(cells[c as usize], number)),
            TagEntities::Facets(v) => {
                for &f in v {
                    let set = facets.entry(f).or_insert(0);
                    *set = facet_sets.add(*set, number);
                }
            }
            TagEntities::Nodes(v) => {
                for &n in v {
                    let set = nodes.entry(n).or_insert(0);
                    *set = node_sets.add(*set, number);
                }
            }
        }
    }
    cell_sets.note_used(cells.iter().copied());
    facet_sets.note_used(facets.values().copied());
    // by set and kind, so that few blocks result
    let mut facets: Vec<(u32, CellKind, FacetId)> = facets.into_iter().map(|(f, set)| (set, mesh.facet_nodes(f).0, f)).collect();
    facets.sort_unstable_by_key(|&(set, kind, f)| (set, kind, f));

    entities(&mut out, mesh, &cell_sets, &facet_sets, &node_sets, &nodes);

    out.line("$Nodes");
    let n = mesh.num_nodes();
    for size in [1, n, 1.min(n), n] {
        out.size(size);
    }
    out.end();
    out.int(mesh.dim as i32);
    out.int(cell_sets.used.first().map_or(1, |&set| set as i32 + 1));
    out.int(0);
    out.size(n);
    out.end();
    for i in 1..=n {
        out.size(i);
        out.end();
    }
    for p in mesh.points.chunks_exact(mesh.dim) {
        for d in 0..3 {
            out.double(p.get(d).copied().unwrap_or(0.0));
        }
        out.end();
    }
    out.close("$EndNodes");

    elements(&mut out, mesh, &cells, &facets, nodes.keys().copied());
    // Facets and tagged nodes are elements too, and meshio wants a value for every element: that of a cell they belong to.
    let mut cell_of: BTreeMap<u32, u32> = nodes.keys().map(|&n| (n, 0)).collect();
    if !cell_of.is_empty() {
        for (cell, _, connectivity) in mesh.cells() {
            for n in connectivity {
                cell_of.entry(*n).and_modify(|c| *c = cell as u32);
            }
        }
    }
    let owners: Vec<u32> = facets.iter().map(|(_, _, f)| f.cell).chain(cell_of.into_values()).collect();
    for field in &content.fields {
        data(&mut out, field, &owners);
    }
    Ok(out.bytes)
}

fn entities(out: &mut Out, mesh: &Mesh, cells: &TagSets, facets: &TagSets, node_sets: &TagSets, nodes: &BTreeMap<u32, u32>) {
    let (lo, hi) = if mesh.points.is_empty() { (vec![0.0; mesh.dim], vec![0.0; mesh.dim]) } else { mesh.bounds() };
    let groups = |out: &mut Out, set: &[i32]| {
        out.size(set.len());
        set.iter().for_each(|&g| out.int(g));
    };
    // in 1D the facets are points: theirs follow those of the nodes
    let count = |dim: usize| match dim {
        0 => nodes.len() + if mesh.dim == 1 { facets.used.len() } else { 0 },
        d if d == mesh.dim => cells.used.len(),
        d if d + 1 == mesh.dim => facets.used.len(),
        _ => 0,
    };
    out.line("$Entities");
    (0..4).for_each(|dim| out.size(count(dim)));
    out.end();
    for (i, (&node, &set)) in nodes.iter().enumerate() {
        out.int(i as i32 + 1);
        let p = mesh.point(node as usize);
        (0..3).for_each(|d| out.double(p.get(d).copied().unwrap_or(0.0)));
        groups(out, &node_sets.sets[set as usize]);
        out.end();
    }
    for (dim, sets) in [(mesh.dim - 1, facets), (mesh.dim, cells)] {
        for &set in &sets.used {
            out.int((set as usize + if dim == 0 { nodes.len() } else { 0 }) as i32 + 1);
            for corner in if dim == 0 { vec![&lo] } else { vec![&lo, &hi] } {
                (0..3).for_each(|d| out.double(corner.get(d).copied().unwrap_or(0.0)));
            }
            groups(out, &sets.sets[set as usize]);
            if dim > 0 {
                out.size(0);
            }
            out.end();
        }
    }
    out.close("$EndEntities");
}

fn elements(out: &mut Out, mesh: &Mesh, cells: &[u32], facets: &[(u32, CellKind, FacetId)], nodes: impl ExactSizeIterator<Item = u32>) {
    // runs of cells of one kind and set
    let mut cell_runs: Vec<(CellKind, u32, usize)> = Vec::new();
    for ((_, kind, _), &set) in mesh.cells().zip(cells) {
        match cell_runs.last_mut() {
            Some(run) if (run.0, run.1) == (kind, set) => run.2 += 1,
            _ => cell_runs.push((kind, set, 1)),
        }
    }
    let facet_runs: Vec<&[(u32, CellKind, FacetId)]> = facets.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)).collect();
    let num_nodes = nodes.len();
    let total = cells.len() + facets.len() + num_nodes;

    out.line("$Elements");
    for size in [cell_runs.len() + facet_runs.len() + num_nodes, total, 1.min(total), total] {
        out.size(size);
    }
    out.end();
    let mut number = 0;
    let head = |out: &mut Out, kind: CellKind, entity: usize, count: usize| {
        out.int(kind.dim() as i32);
        out.int(entity as i32);
        out.int(kind.gmsh_id());
        out.size(count);
        out.end();
    };
    let mut element = |out: &mut Out, kind: CellKind, vtk: &[u32]| {
        number += 1;
        out.size(number);
        let mut order = [0; 27];
        let gmsh = &mut order[..kind.num_nodes()];
        gmsh.copy_from_slice(vtk);
        for (&from, &node) in kind.gmsh_permutation().iter().zip(vtk) {
            gmsh[from] = node;
        }
        gmsh.iter().for_each(|&n| out.size(n as usize + 1));
        out.end();
    };
    let mut all = mesh.cells();
    for (kind, set, count) in cell_runs {
        head(out, kind, set as usize + 1, count);
        for (_, _, connectivity) in all.by_ref().take(count) {
            element(out, kind, connectivity);
        }
    }
    for run in facet_runs {
        let (set, kind, _) = run[0];
        head(out, kind, set as usize + 1 + if kind.dim() == 0 { num_nodes } else { 0 }, run.len());
        for &(_, _, facet) in run {
            element(out, kind, &mesh.facet_nodes(facet).1);
        }
    }
    for (i, node) in nodes.enumerate() {
        head(out, CellKind::Point, i + 1, 1);
        element(out, CellKind::Point, &[node]);
    }
    out.close("$EndElements");
}

/// Writes a field; one of cells also for the elements behind the cells, with the values of their owners.
fn data(out: &mut Out, field: &Field, owners: &[u32]) {
    let (components, values) = for_gmsh(field);
    let section = match field.location {
        Location::Node => "NodeData",
        Location::Cell => "ElementData",
    };
    out.line(&format!("${section}"));
    let on_cells = field.location == Location::Cell;
    let entities = values.len() / components;
    let total = entities + if on_cells { owners.len() } else { 0 };
    // one text tag (the name), one real tag (the time), three integer tags
    out.line(&format!("1\n\"{}\"\n1\n0.0\n3\n0\n{components}\n{total}", plain(&field.name)));
    let owner = |i: usize| if i < entities { i } else { owners[i - entities] as usize };
    for i in 0..total {
        out.int(i as i32 + 1);
        values[owner(i) * components..][..components].iter().for_each(|&v| out.double(v));
        out.end();
    }
    out.close(&format!("$End{section}"));
}
