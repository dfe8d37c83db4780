//! A block with a circular bore along z, mapped from a structured grid.

use super::structured::{hexes_as, tag_sides};
use crate::topology::{boundary_facets, raise_order, tag_boundary};
use crate::{CellKind, Mesh, MeshError, TagEntities};

/// A block `[0, length] x [0, height] x [0, thickness]` with a bore.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSpec {
    /// Length, height, thickness.
    pub extent: [f64; 3],
    /// Axis of the bore in x and y.
    pub center: [f64; 2],
    /// Radius of the bore.
    pub radius: f64,
    /// Cells along each quarter of the bore, from the bore outwards, and along z.
    pub cells: [usize; 3],
    /// hex8/20/27 or tet4/10.
    pub kind: CellKind,
}

/// Meshes the block. Midside nodes of order 2 on the bore lie on the cylinder. Tags left, right, bottom, top, back, front, hole, body.
pub fn perforated_block(spec: &BlockSpec) -> Result<Mesh, MeshError> {
    let [quarter, rings, layers] = spec.cells;
    let ([length, height, thickness], [cx, cy], r) = (spec.extent, spec.center, spec.radius);
    if cx - r <= 0.0 || cx + r >= length || cy - r <= 0.0 || cy + r >= height {
        let expected = "the bore must lie within the block".to_string();
        return Err(MeshError::Parameter { parameter: "radius".into(), value: r.to_string(), expected });
    }
    let around = 4 * quarter;
    let corners = [[0.0, 0.0], [length, 0.0], [length, height], [0.0, height]];
    let mut points = Vec::with_capacity(3 * around * (rings + 1) * (layers + 1));
    for k in 0..=layers {
        for ring in 0..=rings {
            for a in 0..around {
                let (p, q, s) = (corners[a / quarter], corners[(a / quarter + 1) % 4], (a % quarter) as f64 / quarter as f64);
                let outer = [p[0] + s * (q[0] - p[0]), p[1] + s * (q[1] - p[1])];
                let angle = (outer[1] - cy).atan2(outer[0] - cx);
                let inner = [cx + r * angle.cos(), cy + r * angle.sin()];
                // Finer at the bore.
                let t = (ring as f64 / rings as f64).powf(1.4);
                points.extend([
                    inner[0] + t * (outer[0] - inner[0]),
                    inner[1] + t * (outer[1] - inner[1]),
                    thickness * k as f64 / layers as f64,
                ]);
            }
        }
    }
    let at = |a: usize, ring: usize, k: usize| ((k * (rings + 1) + ring) * around + a % around) as u32;
    let mut hexes = Vec::with_capacity(8 * around * rings * layers);
    for k in 0..layers {
        for ring in 0..rings {
            for a in 0..around {
                for z in [k, k + 1] {
                    // Outwards, then around: a right-handed frame with z.
                    hexes.extend([at(a, ring, z), at(a, ring + 1, z), at(a + 1, ring + 1, z), at(a + 1, ring, z)]);
                }
            }
        }
    }
    let mut mesh = hexes_as(3, points, hexes, spec.kind)?;
    tag_sides(&mut mesh, &spec.extent);
    let on_bore = |p: &[f64]| ((p[0] - cx).hypot(p[1] - cy) - r).abs() < 1e-9 * r;
    let boundary = boundary_facets(&mesh);
    tag_boundary(&mut mesh, &boundary, "hole", |_, p| on_bore(p));
    mesh.tags.insert("body", None, TagEntities::Cells((0..mesh.num_cells() as u32).collect()));
    if spec.kind.order() == 2 {
        mesh = raise_order(&mesh, |_| spec.kind)?;
        for n in mesh.tag_nodes("hole")? {
            let p = &mut mesh.points[3 * n as usize..3 * n as usize + 2];
            let scale = r / (p[0] - cx).hypot(p[1] - cy);
            p[0] = cx + scale * (p[0] - cx);
            p[1] = cy + scale * (p[1] - cy);
        }
    }
    Ok(mesh)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality;

    #[test]
    fn blocks_of_every_kind() {
        for kind in [CellKind::Hex8, CellKind::Hex20, CellKind::Hex27, CellKind::Tet4, CellKind::Tet10] {
            let spec = BlockSpec { extent: [1.0, 0.8, 0.3], center: [0.45, 0.4], radius: 0.2, cells: [6, 4, 2], kind };
            let mesh = perforated_block(&spec).unwrap();
            assert_eq!(quality::report(&mesh).inverted, 0, "{kind}");
            let tagged: usize =
                ["left", "right", "bottom", "top", "back", "front", "hole"].iter().map(|t| mesh.tag_facets(t).unwrap().len()).sum();
            assert_eq!(tagged, boundary_facets(&mesh).len(), "{kind}");
        }
    }
}
