//! Uniform refinement: the same body in smaller cells, for convergence studies on meshes that no generator of ours made.

use crate::shape::Shape;
use crate::split::{eighths, reference_nodes, simplices};
use crate::topology::{FacetLookup, FacetVertices, facet_vertices, raise_order, support};
use crate::{CellBlock, CellKind, FacetId, Mesh, MeshError, TagEntities, Tags};

/// Cuts every cell into 2^dim cells of its kind; tags are kept, and a cell's parts follow each other in the order of the cells.
///
/// New nodes of quadratic cells lie where the cell's own map puts them, so a curved boundary keeps its shape. In a tag of nodes, a new
/// node counts where all nodes that it lies between do.
///
/// # Errors
/// The mesh has wedges, pyramids or serendipity cells (quad8, hex20), or the refined one has more nodes than numbers.
pub fn refine(mesh: &Mesh) -> Result<Mesh, MeshError> {
    if let Some(block) = mesh.blocks.iter().find(|b| full(b.kind).is_none()) {
        return Err(MeshError::Other(format!("{} cells cannot be refined uniformly", block.kind)));
    }
    if mesh.num_cells().saturating_mul(27 << mesh.dim) > u32::MAX as usize {
        return Err(MeshError::Other(format!("a refined mesh of {} cells would be too large", mesh.num_cells())));
    }
    let quadratic = mesh.blocks.iter().any(|b| b.kind.order() == 2);
    let to_full = |k: CellKind| full(k).unwrap_or(k);
    let parents = if quadratic { mesh.clone() } else { raise_order(mesh, to_full)? };
    let blocks = parents
        .blocks
        .iter()
        .map(|b| {
            let parts = parts(b.kind);
            let cells = (0..b.num_cells()).flat_map(|c| parts.iter().flatten().map(move |&n| b.cell(c)[n]));
            CellBlock { kind: b.kind.linear(), connectivity: cells.collect() }
        })
        .collect();
    let mut children = Mesh::new(mesh.dim, parents.points.clone(), blocks, Tags::default())?;
    children.tags = refined_tags(mesh, &parents, &children)?;
    if quadratic {
        children = raise_order(&children, to_full)?;
        place_midside(&parents, &mut children);
    }
    Ok(children)
}

/// The kind of order 2 that has a node at every corner of a cell's parts.
fn full(kind: CellKind) -> Option<CellKind> {
    use CellKind::*;
    Some(match kind {
        Line2 | Line3 => Line3,
        Triangle3 | Triangle6 => Triangle6,
        Quad4 | Quad9 => Quad9,
        Tet4 | Tet10 => Tet10,
        Hex8 | Hex27 => Hex27,
        _ => return None,
    })
}

/// The corners of the parts of a cell or facet of order 2, in the order of the part's own vertices.
fn parts(kind: CellKind) -> Vec<Vec<usize>> {
    match kind {
        CellKind::Quad9 => [[0, 4, 8, 7], [4, 1, 5, 8], [8, 5, 2, 6], [7, 8, 6, 3]].map(Vec::from).into(),
        CellKind::Hex27 => eighths().into_iter().map(Vec::from).collect(),
        _ => simplices(kind).into_iter().map(|s| s[..kind.num_vertices()].to_vec()).collect(),
    }
}

fn refined_tags(mesh: &Mesh, parents: &Mesh, children: &Mesh) -> Result<Tags, MeshError> {
    let pieces = |facet: FacetId| -> Vec<FacetVertices> {
        let (kind, nodes) = parents.facet_nodes(facet);
        parts(kind).iter().map(|part| facet_vertices(part.iter().map(|&n| nodes[n]))).collect()
    };
    let tagged = mesh.tags.iter().flat_map(|tag| if let TagEntities::Facets(f) = &tag.entities { f.as_slice() } else { &[] });
    let lookup = FacetLookup::new(children, tagged.flat_map(|&f| pieces(f)));
    let mut first = vec![0; mesh.num_cells() + 1];
    for (cell, kind, _) in parents.cells() {
        first[cell + 1] = first[cell] + parts(kind).len() as u32;
    }
    let mut tags = Tags::default();
    for tag in mesh.tags.iter() {
        let entities = match &tag.entities {
            TagEntities::Cells(cells) => TagEntities::Cells(cells.iter().flat_map(|&c| first[c as usize]..first[c as usize + 1]).collect()),
            TagEntities::Nodes(nodes) => {
                let mut inside = vec![false; parents.num_nodes()];
                nodes.iter().for_each(|&n| inside[n as usize] = true);
                let mut all = nodes.clone();
                for (_, kind, cell) in parents.cells() {
                    let new = (0..cell.len()).filter(|&n| cell[n] as usize >= mesh.num_nodes());
                    all.extend(new.filter(|&n| support(kind, n).iter().all(|&v| inside[cell[v] as usize])).map(|n| cell[n]));
                }
                TagEntities::Nodes(all)
            }
            TagEntities::Facets(facets) => {
                let missing = || MeshError::Other(format!("a part of a facet of tag `{}` is no facet", tag.name));
                let all = facets.iter().flat_map(|&f| pieces(f)).map(|v| lookup.find(v).ok_or_else(missing));
                TagEntities::Facets(all.collect::<Result<_, _>>()?)
            }
        };
        tags.insert(&tag.name, tag.gmsh_tag, entities);
    }
    Ok(tags)
}

/// Moves the midside nodes of the parts from the chords onto the parent cell's map.
fn place_midside(parents: &Mesh, children: &mut Mesh) {
    let dim = parents.dim;
    let mut points = std::mem::take(&mut children.points);
    for (large, small) in parents.blocks.iter().zip(&children.blocks) {
        let (Some(shape), parts, reference) = (Shape::of(large.kind), parts(large.kind), reference_nodes(large.kind)) else { continue };
        let supports: Vec<Vec<usize>> = (0..small.kind.num_nodes()).map(|n| support(small.kind, n)).collect();
        // Weights of the parent's nodes for every new node of every part: the same for all cells.
        let mut weights: Vec<(usize, usize, Vec<f64>)> = Vec::new();
        for (p, part) in parts.iter().enumerate() {
            for n in small.kind.num_vertices()..small.kind.num_nodes() {
                let mean = |d: usize| supports[n].iter().map(|&v| reference[part[v]][d]).sum::<f64>() / supports[n].len() as f64;
                let x = std::array::from_fn(mean);
                weights.push((p, n, (0..large.kind.num_nodes()).map(|k| shape.at(k, x).0).collect()));
            }
        }
        for c in 0..large.num_cells() {
            for (p, n, w) in &weights {
                let node = small.cell(c * parts.len() + p)[*n] as usize;
                for d in 0..dim {
                    points[node * dim + d] = large.cell(c).iter().zip(w).map(|(&k, w)| w * parents.point(k as usize)[d]).sum();
                }
            }
        }
    }
    children.points = points;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::plate::PLATE;
    use crate::generate::{Hole, HoleShape, PlateSpec, box_, plate_with_holes, rectangle};
    use crate::topology::boundary_facets;

    #[test]
    fn the_body_and_its_tags_stay() {
        use CellKind::*;
        for kind in [Triangle3, Triangle6, Quad4, Quad9, Tet4, Tet10, Hex8, Hex27] {
            let mesh = match kind.dim() {
                2 => rectangle([2.0, 1.0], [3, 2], kind).unwrap(),
                _ => box_([2.0, 1.0, 0.5], [3, 2, 1], kind).unwrap(),
            };
            let fine = refine(&mesh).unwrap();
            fine.check().unwrap();
            let factor = 1 << mesh.dim;
            assert_eq!(fine.num_cells(), factor * mesh.num_cells(), "{kind}");
            assert_eq!(crate::quality::report(&fine).inverted, 0, "{kind}");
            assert_eq!(boundary_facets(&fine).len(), factor / 2 * boundary_facets(&mesh).len(), "{kind}");
            for tag in mesh.tags.iter() {
                let new = &fine.tags.get(&tag.name).unwrap().entities;
                match &tag.entities {
                    TagEntities::Facets(old) => assert_eq!(new.len(), factor / 2 * old.len(), "{kind} {}", tag.name),
                    TagEntities::Cells(old) => assert_eq!(new.len(), factor * old.len(), "{kind} {}", tag.name),
                    TagEntities::Nodes(old) => assert!(new.len() > old.len(), "{kind} {}", tag.name),
                }
            }
            let left = fine.tag_nodes("left").unwrap();
            let on_left = (0..fine.num_nodes()).filter(|&n| fine.point(n)[0] == 0.0).count();
            assert_eq!(left.len(), on_left, "{kind}");
        }
        assert!(refine(&box_([1.0; 3], [1, 1, 1], Wedge6).unwrap()).is_err());
    }

    #[test]
    fn a_curved_boundary_keeps_its_shape() {
        let hole = Hole { shape: HoleShape::Circle, center: [1.0, 0.5], diameter: 0.4, angle: 0.0 };
        let spec = PlateSpec { width: 2.0, height: 1.0, size: 0.1, refinement: 0.5, holes: vec![hole], order: 2, names: PLATE };
        let mesh = plate_with_holes(&spec).unwrap();
        let off = |m: &Mesh| {
            let on = |n: u32| {
                let p = m.point(n as usize);
                ((p[0] - 1.0).hypot(p[1] - 0.5) - 0.2).abs()
            };
            m.tag_nodes("hole").unwrap().into_iter().map(on).fold(0.0, f64::max)
        };
        // The quadratic edges are themselves off the circle by a part of its radius of order h^4.
        assert!(off(&mesh) < 1e-12);
        let fine = refine(&mesh).unwrap();
        assert!(off(&fine) < 1e-5, "{}", off(&fine));
        assert_eq!(fine.tag_facets("hole").unwrap().len(), 2 * mesh.tag_facets("hole").unwrap().len());
    }
}
