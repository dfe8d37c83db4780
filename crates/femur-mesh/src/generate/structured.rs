//! Structured rectangles and boxes.

use crate::topology::{boundary_facets, raise_order, tag_boundary};
use crate::{CellBlock, CellKind, Mesh, MeshError, TagEntities, Tags};

/// `[0, extent]^2` in `cells` cells of `kind`: triangle3/6, quad4/8/9. Tags left, right (x), bottom, top (y), body.
pub fn rectangle(extent: [f64; 2], cells: [usize; 2], kind: CellKind) -> Result<Mesh, MeshError> {
    let [nx, ny] = cells;
    let at = |i: usize, j: usize| (j * (nx + 1) + i) as u32;
    let mut points = Vec::with_capacity(2 * (nx + 1) * (ny + 1));
    for j in 0..=ny {
        for i in 0..=nx {
            points.extend([extent[0] * i as f64 / nx as f64, extent[1] * j as f64 / ny as f64]);
        }
    }
    let mut connectivity = Vec::new();
    for j in 0..ny {
        for i in 0..nx {
            let q = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
            match kind.linear() {
                CellKind::Quad4 => connectivity.extend(q),
                // Alternating diagonals, so that no direction is preferred.
                CellKind::Triangle3 if (i + j) % 2 == 0 => connectivity.extend([q[0], q[1], q[2], q[0], q[2], q[3]]),
                CellKind::Triangle3 => connectivity.extend([q[0], q[1], q[3], q[1], q[2], q[3]]),
                other => return Err(MeshError::Other(format!("a rectangle cannot be made of {other} cells"))),
            }
        }
    }
    finish(Mesh::new(2, points, vec![CellBlock { kind: kind.linear(), connectivity }], Tags::default())?, &extent, kind)
}

/// `[0, extent]^3` in `cells` bricks of `kind`: tet4/10 (six a brick), hex8/20/27. Tags left, right (x), bottom, top (y), back,
/// front (z), body.
pub fn box_(extent: [f64; 3], cells: [usize; 3], kind: CellKind) -> Result<Mesh, MeshError> {
    let [nx, ny, nz] = cells;
    let at = |i: usize, j: usize, k: usize| ((k * (ny + 1) + j) * (nx + 1) + i) as u32;
    let mut points = Vec::with_capacity(3 * (nx + 1) * (ny + 1) * (nz + 1));
    for k in 0..=nz {
        for j in 0..=ny {
            for i in 0..=nx {
                points.extend([extent[0] * i as f64 / nx as f64, extent[1] * j as f64 / ny as f64, extent[2] * k as f64 / nz as f64]);
            }
        }
    }
    let mut hexes = Vec::with_capacity(8 * nx * ny * nz);
    for k in 0..nz {
        for j in 0..ny {
            for i in 0..nx {
                for z in [k, k + 1] {
                    hexes.extend([at(i, j, z), at(i + 1, j, z), at(i + 1, j + 1, z), at(i, j + 1, z)]);
                }
            }
        }
    }
    finish(hexes_as(3, points, hexes, kind)?, &extent, kind)
}

/// Bricks as they are, or each split into six tetrahedra around its diagonal 0-6 (Kuhn), which conforms across bricks of one grid.
pub(super) fn hexes_as(dim: usize, points: Vec<f64>, hexes: Vec<u32>, kind: CellKind) -> Result<Mesh, MeshError> {
    let connectivity = match kind.linear() {
        CellKind::Hex8 => hexes,
        CellKind::Tet4 => hexes
            .chunks_exact(8)
            .flat_map(|h| {
                [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
                    .into_iter()
                    .flatten()
                    .map(|n: usize| h[n])
            })
            .collect(),
        other => return Err(MeshError::Other(format!("a block cannot be made of {other} cells"))),
    };
    Mesh::new(dim, points, vec![CellBlock { kind: kind.linear(), connectivity }], Tags::default())
}

fn finish(mut mesh: Mesh, extent: &[f64], kind: CellKind) -> Result<Mesh, MeshError> {
    tag_sides(&mut mesh, extent);
    mesh.tags.insert("body", None, TagEntities::Cells((0..mesh.num_cells() as u32).collect()));
    if kind.order() == 2 { raise_order(&mesh, |_| kind) } else { Ok(mesh) }
}

/// Tags the sides of `[0, extent]`: left, right, bottom, top, back, front.
pub(super) fn tag_sides(mesh: &mut Mesh, extent: &[f64]) {
    let boundary = boundary_facets(mesh);
    let names = [["left", "right"], ["bottom", "top"], ["back", "front"]];
    for (d, &length) in extent.iter().enumerate() {
        tag_boundary(mesh, &boundary, names[d][0], |_, p| p[d].abs() < 1e-9 * length);
        tag_boundary(mesh, &boundary, names[d][1], |_, p| (p[d] - length).abs() < 1e-9 * length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality;

    #[test]
    fn counts_and_orientation() {
        for kind in [CellKind::Quad4, CellKind::Quad8, CellKind::Quad9, CellKind::Triangle3, CellKind::Triangle6] {
            let mesh = rectangle([2.0, 1.0], [4, 3], kind).unwrap();
            assert_eq!(mesh.tag_facets("left").unwrap().len(), 3);
            assert_eq!(quality::report(&mesh).inverted, 0, "{kind}");
            let nodes = match kind {
                CellKind::Quad8 => 20 + 31,
                CellKind::Quad9 | CellKind::Triangle6 => 63,
                _ => 20,
            };
            assert_eq!(mesh.num_nodes(), nodes, "{kind}");
        }
        for kind in [CellKind::Hex8, CellKind::Hex20, CellKind::Hex27, CellKind::Tet4, CellKind::Tet10] {
            let mesh = box_([2.0, 1.0, 1.0], [4, 3, 2], kind).unwrap();
            assert_eq!(quality::report(&mesh).inverted, 0, "{kind}");
            let per = if kind.linear() == CellKind::Tet4 { 2 } else { 1 };
            assert_eq!(mesh.tag_facets("right").unwrap().len(), 6 * per, "{kind}");
            assert_eq!(boundary_facets(&mesh).len(), 2 * (12 + 8 + 6) * per, "{kind}");
            if matches!(kind, CellKind::Hex27 | CellKind::Tet10) {
                assert_eq!(mesh.num_nodes(), 9 * 7 * 5, "{kind}");
            }
        }
    }
}
