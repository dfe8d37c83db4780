//! Named sets of nodes, edges, facets or cells: gmsh's physical groups, Abaqus' sets and surfaces.

use crate::MeshError;

/// A facet (edge in 2D, face in 3D) as the local facet of a cell, in VTK's numbering of facets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FacetId {
    /// Global cell number.
    pub cell: u32,
    /// Local facet of that cell.
    pub local: u8,
}

/// The members of a tag, sorted and without repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagEntities {
    /// Node numbers.
    Nodes(Vec<u32>),
    /// Facets.
    Facets(Vec<FacetId>),
    /// Global cell numbers.
    Cells(Vec<u32>),
}

impl TagEntities {
    /// Number of members.
    pub fn len(&self) -> usize {
        match self {
            TagEntities::Nodes(v) | TagEntities::Cells(v) => v.len(),
            TagEntities::Facets(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `node`, `facet` or `cell`, as dataset files name it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            TagEntities::Nodes(_) => "node",
            TagEntities::Facets(_) => "facet",
            TagEntities::Cells(_) => "cell",
        }
    }
}

/// One named set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Name as in the mesh file.
    pub name: String,
    /// The number gmsh gave it, if any.
    pub gmsh_tag: Option<i32>,
    /// Its members.
    pub entities: TagEntities,
}

/// All tags of a mesh, in the order of the file. Names are unique.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    list: Vec<Tag>,
}

impl Tags {
    /// Adds a tag, or replaces the one of the same name. Members are sorted and repeats dropped.
    pub fn insert(&mut self, name: &str, gmsh_tag: Option<i32>, mut entities: TagEntities) {
        match &mut entities {
            TagEntities::Nodes(v) | TagEntities::Cells(v) => {
                v.sort_unstable();
                v.dedup();
            }
            TagEntities::Facets(v) => {
                v.sort_unstable();
                v.dedup();
            }
        }
        let tag = Tag { name: name.into(), gmsh_tag, entities };
        match self.list.iter_mut().find(|t| t.name == name) {
            Some(old) => *old = tag,
            None => self.list.push(tag),
        }
    }

    /// The tag of that name.
    pub fn get(&self, name: &str) -> Option<&Tag> {
        self.list.iter().find(|t| t.name == name)
    }

    /// The tag of that name, or an error that lists the names there are.
    pub fn require(&self, name: &str) -> Result<&Tag, MeshError> {
        self.get(name).ok_or_else(|| MeshError::UnknownTag { name: name.into(), known: self.names().join(", ") })
    }

    /// All names in order.
    pub fn names(&self) -> Vec<&str> {
        self.list.iter().map(|t| t.name.as_str()).collect()
    }

    /// Iterates in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Tag> {
        self.list.iter()
    }

    /// Number of tags.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
