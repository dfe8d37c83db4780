//! Named groups of a file's elements, nodes and faces become tags.

use std::path::Path;

use femur_mesh::topology::{FacetVertices, facet_vertices};
use femur_mesh::{FacetId, FacetLookup, Mesh, TagEntities, Tags};

use crate::IoError;
use crate::assembly::Elements;
use crate::fields::Numbering;
use crate::orient::mirrored_facet;

/// Elements `start..end` of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) block: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Adds one element to a list of runs, lengthening the last one where possible.
pub(crate) fn push_element(runs: &mut Vec<Run>, block: u32, i: u32) {
    match runs.last_mut() {
        Some(run) if run.block == block && run.end == i => run.end += 1,
        _ => runs.push(Run { block, start: i, end: i + 1 }),
    }
}

/// What a group lists, in the file's numbers.
pub(crate) enum Members {
    /// Elements of any dimension.
    Elements(Vec<Run>),
    /// Nodes.
    Nodes(Vec<u32>),
    /// Faces by their vertices.
    Facets(Vec<FacetVertices>),
    /// Faces as (block, element, local facet in VTK's numbering).
    LocalFacets(Vec<(u32, u32, u8)>),
}

/// A named set of the file.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gmsh_tag: Option<i32>,
    /// The dimension that the file states, for a group without members.
    pub(crate) dim: Option<usize>,
    pub(crate) members: Members,
}

/// A tag on its way; `dim` tells equal names apart.
struct Draft {
    name: String,
    gmsh_tag: Option<i32>,
    dim: usize,
    entities: TagEntities,
    /// Facets that are still to be found in the mesh.
    facets: Vec<FacetVertices>,
}

/// Sorts the members of groups into cells, facets and nodes of the mesh.
pub(crate) fn tags(
    groups: Vec<Group>,
    blocks: &[Elements],
    numbering: &Numbering,
    mesh: &Mesh,
    mirrored: &[u32],
    origin: &Path,
) -> Result<Tags, IoError> {
    let mut drafts = Vec::new();
    for group in groups {
        draft(group, blocks, numbering, mesh, mirrored, &mut drafts);
    }
    let drafts = merge_equal_names(drafts);
    // in the mesh's numbers; a facet with a node that no cell uses has no cell either
    let renumbered = |v: &FacetVertices| {
        let mut nodes = *v;
        for n in nodes.iter_mut().filter(|n| **n != u32::MAX) {
            *n = numbering.node(*n)?;
        }
        Some(nodes)
    };
    let lookup = FacetLookup::new(mesh, drafts.iter().flat_map(|d| &d.facets).filter_map(renumbered));

    let mut tags = Tags::default();
    for Draft { name, gmsh_tag, mut entities, facets, .. } in drafts {
        if let TagEntities::Facets(found) = &mut entities {
            let before = found.len();
            found.extend(facets.iter().filter_map(|v| lookup.find(renumbered(v)?)));
            let (total, missing) = (facets.len(), facets.len() + before - found.len());
            if missing > 0 {
                return Err(IoError::Detached { file: origin.into(), tag: name, missing, total });
            }
        }
        tags.insert(&name, gmsh_tag, entities);
    }
    Ok(tags)
}

fn draft(group: Group, blocks: &[Elements], numbering: &Numbering, mesh: &Mesh, mirrored: &[u32], drafts: &mut Vec<Draft>) {
    let Group { name, gmsh_tag, dim: stated, members } = group;
    let mut push = |dim: usize, entities: TagEntities, facets: Vec<FacetVertices>| {
        drafts.push(Draft { name: name.clone(), gmsh_tag, dim, entities, facets });
    };
    match members {
        Members::Elements(runs) if runs.is_empty() => match stated.unwrap_or(mesh.dim) {
            d if d > mesh.dim => {}
            d if d == mesh.dim => push(d, TagEntities::Cells(Vec::new()), Vec::new()),
            d if d + 1 == mesh.dim => push(d, TagEntities::Facets(Vec::new()), Vec::new()),
            d => push(d, TagEntities::Nodes(Vec::new()), Vec::new()),
        },
        Members::Elements(runs) => {
            for dim in (0..=mesh.dim).rev() {
                let runs: Vec<Run> = runs.iter().copied().filter(|r| blocks[r.block as usize].kind.dim() == dim).collect();
                if runs.is_empty() {
                    continue;
                }
                let elements = runs.iter().flat_map(|r| (r.start..r.end).map(|i| (r.block, i)));
                let nodes = |(b, i): (u32, u32)| blocks[b as usize].get(i as usize);
                if dim == mesh.dim {
                    push(dim, TagEntities::Cells(elements.filter_map(|(b, i)| numbering.cell(b, i)).collect()), Vec::new());
                } else if dim + 1 == mesh.dim {
                    let facet = |(b, i)| facet_vertices(nodes((b, i)).iter().copied().take(blocks[b as usize].kind.num_vertices()));
                    push(dim, TagEntities::Facets(Vec::new()), elements.map(facet).collect());
                } else {
                    let nodes: Vec<u32> = elements.flat_map(|e| nodes(e).iter().filter_map(|&n| numbering.node(n))).collect();
                    if !nodes.is_empty() {
                        push(dim, TagEntities::Nodes(nodes), Vec::new());
                    }
                }
            }
        }
        Members::Nodes(list) => {
            // A set of nodes that no cell uses (Abaqus' reference points) is no part of the mesh.
            let nodes: Vec<u32> = list.iter().filter_map(|&n| numbering.node(n)).collect();
            if list.is_empty() || !nodes.is_empty() {
                push(0, TagEntities::Nodes(nodes), Vec::new());
            }
        }
        Members::Facets(list) => push(mesh.dim - 1, TagEntities::Facets(Vec::new()), list),
        Members::LocalFacets(list) => {
            let facet = |(b, i, local): (u32, u32, u8)| {
                let cell = numbering.cell(b, i)?;
                let kind = blocks[b as usize].kind;
                let local = if mirrored.binary_search(&cell).is_ok() { mirrored_facet(kind, local) } else { local };
                Some(FacetId { cell, local })
            };
            push(mesh.dim - 1, TagEntities::Facets(list.into_iter().filter_map(facet).collect()), Vec::new());
        }
    }
}

/// Groups of one name and dimension become one tag. Where a name stands for several dimensions, the highest keeps it and the
/// others get `_surface`, `_curve` or `_point` behind it.
fn merge_equal_names(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut merged: Vec<Draft> = Vec::new();
    for draft in drafts {
        match merged.iter_mut().find(|d| d.name == draft.name && d.dim == draft.dim) {
            Some(old) => {
                old.facets.extend(draft.facets);
                match (&mut old.entities, draft.entities) {
                    (TagEntities::Nodes(a), TagEntities::Nodes(b)) | (TagEntities::Cells(a), TagEntities::Cells(b)) => a.extend(b),
                    (TagEntities::Facets(a), TagEntities::Facets(b)) => a.extend(b),
                    _ => {}
                }
            }
            None => merged.push(draft),
        }
    }
    let highest = |name: &str| merged.iter().filter(|d| d.name == name).map(|d| d.dim).max();
    let lower: Vec<bool> = merged.iter().map(|d| highest(&d.name) != Some(d.dim)).collect();
    let mut names: Vec<String> = merged.iter().zip(&lower).filter(|(_, l)| !**l).map(|(d, _)| d.name.clone()).collect();
    for (draft, _) in merged.iter_mut().zip(&lower).filter(|(_, l)| **l) {
        let base = format!("{}_{}", draft.name, ["point", "curve", "surface", "volume"][draft.dim.min(3)]);
        let mut name = base.clone();
        let mut k = 2;
        while names.contains(&name) {
            name = format!("{base}_{k}");
            k += 1;
        }
        names.push(name.clone());
        draft.name = name;
    }
    merged
}
