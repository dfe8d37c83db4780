//! Structured rectangles and boxes.

use crate::split::{KUHN, WEDGES};
use crate::topology::{boundary_facets, raise_order, tag_boundary};
use crate::{CellBlock, CellKind, Mesh, MeshError, TagEntities, Tags};

/// A rectangle from the origin to `extent` in `cells` cells of `kind`: triangle3/6, quad4/8/9. Triangles are halves of the grid's
/// cells with alternating diagonals. Tags: left (x = 0), right, bottom (y = 0), top (facets), body (cells).
///
/// # Errors
/// A length is not positive, a number of cells is zero, the cells are too many or of another kind.
pub fn rectangle(extent: [f64; 2], cells: [usize; 2], kind: CellKind) -> Result<Mesh, MeshError> {
    check_grid(&extent, &cells)?;
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

/// A box from the origin to `extent` in `cells` bricks of `kind`: hex8/20/27, wedge6/15 (two a brick), tet4/10 (six a brick).
/// Tags: left (x = 0), right, bottom (y = 0), top, back (z = 0), front (facets), body (cells).
///
/// # Errors
/// A length is not positive, a number of cells is zero, the cells are too many or of another kind.
pub fn box_(extent: [f64; 3], cells: [usize; 3], kind: CellKind) -> Result<Mesh, MeshError> {
    check_grid(&extent, &cells)?;
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
    finish(hexes_as(points, hexes, kind)?, &extent, kind)
}

/// Checks lengths and numbers of cells; node numbers of the finest kind (hex27: eight nodes a cell) must fit into 32 bits.
pub(super) fn check_grid(extent: &[f64], cells: &[usize]) -> Result<(), MeshError> {
    let refuse = |parameter: &str, value: String, expected: &str| {
        Err(MeshError::Parameter { parameter: parameter.into(), value, expected: expected.into() })
    };
    if extent.iter().any(|x| !(*x > 0.0 && x.is_finite())) {
        return refuse("extent", format!("{extent:?}"), "each length must be positive");
    }
    if cells.contains(&0) {
        return refuse("cells", format!("{cells:?}"), "each number must be at least 1");
    }
    if cells.iter().map(|&n| n as f64 + 1.0).product::<f64>() > f64::from(u32::MAX) / 8.0 {
        return refuse("cells", format!("{cells:?}"), "ask for more nodes than can be numbered");
    }
    Ok(())
}

/// Bricks as they are, or each split into two wedges or into six tetrahedra around its diagonal 0-6, which conforms across bricks of
/// one grid.
pub(super) fn hexes_as(points: Vec<f64>, hexes: Vec<u32>, kind: CellKind) -> Result<Mesh, MeshError> {
    let connectivity = match kind.linear() {
        CellKind::Hex8 => hexes,
        CellKind::Tet4 => hexes.chunks_exact(8).flat_map(|h| KUHN.into_iter().flatten().map(|n| h[n])).collect(),
        CellKind::Wedge6 => hexes.chunks_exact(8).flat_map(|h| WEDGES.into_iter().flatten().map(|n| h[n])).collect(),
        other => return Err(MeshError::Other(format!("a block cannot be made of {other} cells"))),
    };
    Mesh::new(3, points, vec![CellBlock { kind: kind.linear(), connectivity }], Tags::default())
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
        use CellKind::*;
        for (kind, sides) in
            [(Hex8, [1, 1]), (Hex20, [1, 1]), (Hex27, [1, 1]), (Tet4, [2, 2]), (Tet10, [2, 2]), (Wedge6, [1, 2]), (Wedge15, [1, 2])]
        {
            let mesh = box_([2.0, 1.0, 1.0], [4, 3, 2], kind).unwrap();
            assert_eq!(quality::report(&mesh).inverted, 0, "{kind}");
            assert_eq!(mesh.tag_facets("right").unwrap().len(), 6 * sides[0], "{kind}");
            assert_eq!(mesh.tag_facets("front").unwrap().len(), 12 * sides[1], "{kind}");
            assert_eq!(boundary_facets(&mesh).len(), 2 * ((8 + 6) * sides[0] + 12 * sides[1]), "{kind}");
            for (tag, axis, at) in [("left", 0, 0.0), ("top", 1, 1.0), ("back", 2, 0.0), ("front", 2, 1.0)] {
                assert!(mesh.tag_nodes(tag).unwrap().iter().all(|&n| mesh.point(n as usize)[axis] == at), "{kind} {tag}");
            }
            if matches!(kind, CellKind::Hex27 | CellKind::Tet10) {
                assert_eq!(mesh.num_nodes(), 9 * 7 * 5, "{kind}");
            }
        }
    }
    #[test]
    fn senseless_grids_are_refused() {
        assert!(rectangle([1.0, 0.0], [2, 2], CellKind::Quad4).is_err());
        assert!(rectangle([1.0, 1.0], [2, 0], CellKind::Quad4).is_err());
        assert!(rectangle([1.0, 1.0], [2, 2], CellKind::Hex8).is_err());
        assert!(box_([1.0; 3], [100_000; 3], CellKind::Hex8).is_err());
        assert!(box_([1.0; 3], [usize::MAX, 1, 1], CellKind::Hex8).is_err());
        assert!(box_([1.0; 3], [1; 3], CellKind::Pyramid5).is_err());
    }
}
