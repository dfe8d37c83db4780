//! Tags of a mesh of patches.

use super::plane::Plane;
use super::{NodeSet, PatchesSpec, refuse};
use crate::topology::boundary_facets;
use crate::{FacetId, Mesh, MeshError, TagEntities};
use std::collections::{BTreeMap, BTreeSet};

/// Quadrilateral of the plane that a cell stems from.
fn quad_of(plane: &Plane, mesh: &Mesh, cell: usize) -> usize {
    let layers = if mesh.dim == 3 { mesh.num_nodes() / plane.points.len() - 1 } else { 1 };
    let each = mesh.num_cells() / (plane.quads.len() * layers);
    (cell / each) % plane.quads.len()
}

/// Tags the cells: `body` and the patches' names.
pub(super) fn cells(mesh: &mut Mesh, plane: &Plane, spec: &PatchesSpec) {
    let mut named: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for cell in 0..mesh.num_cells() {
        if let Some(name) = &spec.patches[plane.origin[quad_of(plane, mesh, cell)].0].name {
            named.entry(name).or_default().push(cell as u32);
        }
    }
    mesh.tags.insert("body", None, TagEntities::Cells((0..mesh.num_cells() as u32).collect()));
    for (name, cells) in named {
        mesh.tags.insert(name, None, TagEntities::Cells(cells));
    }
}

/// Tags the boundary: the patches' sides; back and front of an extruded mesh.
pub(super) fn facets(mesh: &mut Mesh, plane: &Plane, spec: &PatchesSpec) -> Result<(), MeshError> {
    let boundary = boundary_facets(mesh);
    let count = plane.points.len() as u32;
    let vertices: Vec<Vec<u32>> = boundary.iter().map(|&f| mesh.facet_nodes(f).1).collect();
    let mut named: Vec<(&str, Vec<FacetId>)> = Vec::new();
    for (patch, sides) in spec.patches.iter().zip(&plane.sides) {
        for (name, nodes) in patch.sides.iter().zip(sides) {
            let Some(name) = name else { continue };
            let on: BTreeSet<u32> = nodes.iter().copied().collect();
            // A face lies on the side if its nodes do and are not all at one height.
            let lies = |v: &&Vec<u32>| {
                v.iter().all(|n| on.contains(&(n % count))) && (mesh.dim == 2 || v.iter().any(|n| n / count != v[0] / count))
            };
            let facets: Vec<FacetId> = boundary.iter().zip(&vertices).filter(|(_, v)| lies(v)).map(|(f, _)| *f).collect();
            if facets.is_empty() {
                return refuse("patches", format!("side \"{name}\""), "lies within the body, not on its boundary");
            }
            match named.iter_mut().find(|(n, _)| n == name) {
                Some((_, list)) => list.extend(facets),
                None => named.push((name, facets)),
            }
        }
    }
    let named: Vec<(String, Vec<FacetId>)> = named.into_iter().map(|(n, f)| (n.to_string(), f)).collect();
    if mesh.dim == 3 {
        let top = mesh.num_nodes() as u32 / count - 1;
        for (name, level) in [("back", 0), ("front", top)] {
            let facets = boundary.iter().zip(&vertices).filter(|(_, v)| v.iter().all(|n| n / count == level)).map(|(f, _)| *f);
            mesh.tags.insert(name, None, TagEntities::Facets(facets.collect()));
        }
    }
    for (name, facets) in named {
        mesh.tags.insert(&name, None, TagEntities::Facets(facets));
    }
    Ok(())
}

/// Tags the nodes within a box.
pub(super) fn nodes(mesh: &mut Mesh, set: &NodeSet) -> Result<(), MeshError> {
    if set.low.len() != mesh.dim || set.high.len() != mesh.dim {
        return refuse("node_sets", format!("{:?} .. {:?}", set.low, set.high), "needs as many coordinates as the mesh has dimensions");
    }
    let slack = 1e-9 * mesh.diameter();
    let from = match &set.on {
        Some(tag) => mesh.tag_nodes(tag)?,
        None => (0..mesh.num_nodes() as u32).collect(),
    };
    let inside = |n: &u32| {
        let p = mesh.point(*n as usize);
        p.iter().zip(&set.low).all(|(x, l)| *x >= l - slack) && p.iter().zip(&set.high).all(|(x, h)| *x <= h + slack)
    };
    let nodes: Vec<u32> = from.into_iter().filter(inside).collect();
    if nodes.is_empty() {
        return refuse("node_sets", format!("\"{}\"", set.name), "holds no node");
    }
    mesh.tags.insert(&set.name, None, TagEntities::Nodes(nodes));
    Ok(())
}
