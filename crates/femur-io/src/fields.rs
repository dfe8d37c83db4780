//! Fields as files hold them, and the note that Femur leaves in its own files about what a format cannot say.
//!
//! VTK and gmsh know neither units nor component names, and show vectors with 3 components and tensors with 6 (VTK) or 9
//! (gmsh). So vectors of a plane mesh are padded to 3, the plane's symmetric tensors (xx, yy, zz, xy) to 6 or 9, and the note,
//! one JSON line in a comment, tells units, names and how many components were meant. Files by others have no note: in a plane
//! mesh, components that are 0 everywhere beyond (x, y) or (xx, yy, zz, xy) are taken for padding.

use std::path::Path;

use femur_mesh::field::symmetric_components;
use femur_mesh::{Field, Location, Mesh, Tags};
use serde::{Deserialize, Serialize};

use crate::IoError;

/// Which entities the tuples of a [`RawField`] belong to.
pub(crate) enum Ids {
    /// These nodes of the file.
    Nodes(Vec<u32>),
    /// These elements, as (block, number within it).
    Elements(Vec<(u32, u32)>),
}

/// A field before nodes and cells have their final numbers: `values` is `[ids, components]`.
pub(crate) struct RawField {
    pub(crate) name: String,
    pub(crate) components: usize,
    pub(crate) ids: Ids,
    pub(crate) values: Vec<f64>,
}

impl RawField {
    /// Puts the tuples at their final places; `None` unless every node or cell gets one.
    pub(crate) fn place(self, numbering: &Numbering, dim: usize, note: &Note) -> Option<Field> {
        let c = self.components;
        let (location, count) = match &self.ids {
            Ids::Elements(_) => (Location::Cell, numbering.num_cells),
            _ => (Location::Node, numbering.num_nodes),
        };
        let given = self.values.len().checked_div(c)?;
        if given < count {
            return None;
        }
        let mut values = vec![0.0; count * c];
        let mut seen = vec![false; count];
        let mut put = |to: Option<u32>, tuple: &[f64]| {
            if let Some(to) = to.map(|t| t as usize) {
                values[to * c..(to + 1) * c].copy_from_slice(tuple);
                seen[to] = true;
            }
        };
        let tuples = self.values.chunks_exact(c);
        match &self.ids {
            Ids::Nodes(ids) => ids.iter().zip(tuples).for_each(|(&i, t)| put(numbering.node(i), t)),
            Ids::Elements(ids) => ids.iter().zip(tuples).for_each(|(&(b, i), t)| put(numbering.cell(b, i), t)),
        }
        if !seen.iter().all(|&s| s) {
            return None;
        }
        Some(note.restore(self.name, location, c, values, dim))
    }
}

/// Final numbers of a file's nodes and elements.
pub(crate) struct Numbering {
    /// Node of the file -> node of the mesh, or `u32::MAX`.
    pub(crate) nodes: Vec<u32>,
    pub(crate) num_nodes: usize,
    /// Block of the file -> global number of its first cell, if its elements are cells.
    pub(crate) blocks: Vec<Option<u32>>,
    pub(crate) num_cells: usize,
}

impl Numbering {
    pub(crate) fn node(&self, i: u32) -> Option<u32> {
        self.nodes.get(i as usize).copied().filter(|&n| n != u32::MAX)
    }

    pub(crate) fn cell(&self, block: u32, i: u32) -> Option<u32> {
        self.blocks.get(block as usize).copied().flatten().map(|first| first + i)
    }
}

#[derive(Serialize, Deserialize)]
struct FieldNote {
    name: String,
    location: Location,
    unit: String,
    components: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct TagNote {
    name: String,
    gmsh_tag: Option<i32>,
}

/// What the format itself cannot say.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Note {
    #[serde(default)]
    fields: Vec<FieldNote>,
    #[serde(default)]
    tags: Vec<TagNote>,
}

const MARK: &str = "femur ";

impl Note {
    /// `name` turns a name into what stands in the file.
    pub(crate) fn new(fields: &[Field], tags: &Tags, name: impl Fn(&str) -> String) -> Self {
        let fields = fields.iter().map(|f| FieldNote {
            name: name(&f.name),
            location: f.location,
            unit: f.unit.clone(),
            components: f.components.clone(),
        });
        let tags = tags.iter().map(|t| TagNote { name: name(&t.name), gmsh_tag: t.gmsh_tag });
        Note { fields: fields.collect(), tags: tags.collect() }
    }

    /// One line for a comment of any format: no line break, no `--`.
    pub(crate) fn to_comment(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{MARK}{}", json.replace("--", "-\\u002d"))
    }

    /// Reads the note out of a comment, if it is one.
    pub(crate) fn from_comment(comment: &str) -> Option<Note> {
        serde_json::from_str(comment.trim().strip_prefix(MARK)?).ok()
    }

    /// The tags in the order and with the numbers that they had; those without a note stay behind them.
    pub(crate) fn sort_tags(&self, tags: Tags) -> Tags {
        let mut sorted = Tags::default();
        for note in &self.tags {
            if let Some(tag) = tags.get(&note.name) {
                sorted.insert(&tag.name, note.gmsh_tag.or(tag.gmsh_tag), tag.entities.clone());
            }
        }
        for tag in tags.iter() {
            if sorted.get(&tag.name).is_none() {
                sorted.insert(&tag.name, tag.gmsh_tag, tag.entities.clone());
            }
        }
        sorted
    }

    /// Gives values with the file's number of components their names, unit and true number of components.
    fn restore(&self, name: String, location: Location, stored: usize, values: Vec<f64>, dim: usize) -> Field {
        let note = self.fields.iter().find(|f| f.name == name && f.location == location);
        let (unit, components) = match note {
            Some(f) if (1..=stored).contains(&f.components.len()) => (f.unit.clone(), f.components.clone()),
            _ => ("1".to_string(), guess_components(stored, &values, dim)),
        };
        let picks: Vec<usize> = match components.len() {
            n if n == stored => return Field { name, unit, location, components, values },
            4 | 6 if stored == 9 && is_symmetric(&components) => NINE_FROM_SYMMETRIC[..components.len()].to_vec(),
            n => (0..n).collect(),
        };
        let values = values.chunks_exact(stored).flat_map(|t| picks.iter().map(|&k| t[k])).collect();
        Field { name, unit, location, components, values }
    }
}

/// Where xx, yy, zz, xy, yz, xz stand in a full 3 x 3 tensor.
const NINE_FROM_SYMMETRIC: [usize; 6] = [0, 4, 8, 1, 5, 2];
/// Which of xx, yy, zz, xy, yz, xz stands at each place of a full 3 x 3 tensor.
const SYMMETRIC_OF_NINE: [usize; 9] = [0, 3, 5, 3, 1, 4, 5, 4, 2];

fn is_symmetric(components: &[String]) -> bool {
    [2, 3].iter().any(|&dim| components == symmetric_components(dim))
}

fn is_plane_vector(components: &[String]) -> bool {
    components == ["x", "y"]
}

fn guess_components(stored: usize, values: &[f64], dim: usize) -> Vec<String> {
    let zero = |places: &[usize]| values.chunks_exact(stored).all(|t| places.iter().all(|&k| t[k] == 0.0));
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_string()).collect();
    match stored {
        1 => owned(&[""]),
        3 if dim == 2 && zero(&[2]) => owned(&["x", "y"]),
        3 => owned(&["x", "y", "z"]),
        6 if dim == 2 && zero(&[4, 5]) => owned(symmetric_components(2)),
        6 => owned(symmetric_components(3)),
        9 if values.chunks_exact(9).all(|t| t[1] == t[3] && t[2] == t[6] && t[5] == t[7]) => {
            if dim == 2 && zero(&[2, 5]) {
                owned(symmetric_components(2))
            } else {
                owned(symmetric_components(3))
            }
        }
        9 => owned(&["xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz"]),
        n => (0..n).map(|k| k.to_string()).collect(),
    }
}

/// Refuses fields that have not a tuple for each node or cell.
pub(crate) fn check_lengths(mesh: &Mesh, fields: &[Field], origin: &Path) -> Result<(), IoError> {
    for field in fields {
        let entities = match field.location {
            Location::Node => mesh.num_nodes(),
            Location::Cell => mesh.num_cells(),
        };
        let (name, got, components) = (&field.name, field.values.len(), field.num_components());
        if components == 0 || got != entities * components {
            return Err(IoError::Unsupported {
                file: origin.into(),
                what: format!("field `{name}` has {got} values, not {entities} x {components}"),
                hint: "the field belongs to another mesh",
            });
        }
    }
    Ok(())
}

/// The tuples as VTK shows them best: plane vectors with 3 components, symmetric tensors with 6.
pub(crate) fn for_vtk(field: &Field) -> (usize, Vec<f64>) {
    let n = field.num_components();
    if is_plane_vector(&field.components) {
        (3, padded(field, 3))
    } else if n == 4 && is_symmetric(&field.components) {
        (6, padded(field, 6))
    } else {
        (n, field.values.clone())
    }
}

/// The tuples as gmsh takes them: 1, 3 or 9 components; more than 9 stay.
pub(crate) fn for_gmsh(field: &Field) -> (usize, Vec<f64>) {
    let n = field.num_components();
    if is_symmetric(&field.components) {
        let values = field.values.chunks_exact(n).flat_map(|t| SYMMETRIC_OF_NINE.map(|k| t.get(k).copied().unwrap_or(0.0)));
        return (9, values.collect());
    }
    let stored = match n {
        1 => 1,
        2 | 3 => 3,
        4..=9 => 9,
        more => more,
    };
    (stored, padded(field, stored))
}

fn padded(field: &Field, stored: usize) -> Vec<f64> {
    let n = field.num_components();
    let zeros = std::iter::repeat_n(0.0, stored - n);
    field.values.chunks_exact(n).flat_map(|t| t.iter().copied().chain(zeros.clone())).collect()
}
