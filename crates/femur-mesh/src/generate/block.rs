//! A block with a circular bore along z, mapped from a structured grid.

use super::structured::{check_grid, hexes_as, tag_sides};
use crate::quality;
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
    /// Cells along each quarter of the bore, from the bore outwards, and along z. Where the block is much longer than high, columns of
    /// about as wide cells as those fill its ends.
    pub cells: [usize; 3],
    /// hex8/20/27, wedge6/15 or tet4/10.
    pub kind: CellKind,
}

/// Meshes the block. Midside nodes of order 2 on the bore lie on the cylinder. Tags: left (x = 0), right, bottom (y = 0), top,
/// back (z = 0), front, hole (facets), body (cells).
///
/// # Errors
/// A measure is out of range, the bore does not lie within the block, or so few cells go round it that they would be turned over.
pub fn perforated_block(spec: &BlockSpec) -> Result<Mesh, MeshError> {
    let [quarter, rings, layers] = spec.cells;
    let ([length, height, thickness], [cx, cy], r) = (spec.extent, spec.center, spec.radius);
    check_grid(&spec.extent, &[quarter.saturating_mul(4), rings, layers])?;
    let refuse = |parameter: &str, value: String, expected: &str| {
        Err(MeshError::Parameter { parameter: parameter.into(), value, expected: expected.into() })
    };
    if !(r > 0.0 && cx - r > 0.0 && cx + r < length && cy - r > 0.0 && cy + r < height) {
        return refuse("radius", r.to_string(), "must be positive and leave the bore within the block");
    }
    let plane = plane_section(spec);
    let count = plane.points.len();
    let mut points = Vec::with_capacity(3 * count * (layers + 1));
    for k in 0..=layers {
        points.extend(plane.points.iter().flat_map(|p| [p[0], p[1], thickness * k as f64 / layers as f64]));
    }
    let mut hexes = Vec::with_capacity(8 * plane.quads.len() * layers);
    for k in 0..layers {
        for quad in &plane.quads {
            hexes.extend([k, k + 1].into_iter().flat_map(|z| quad.map(|n| (z * count + n) as u32)));
        }
    }
    let mut mesh = hexes_as(points, hexes, spec.kind)?;
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
    if quality::report(&mesh).inverted > 0 {
        return refuse(
            "cells",
            format!("{:?}", spec.cells),
            "turn some cells over: take more around the bore, or move it towards the middle",
        );
    }
    Ok(mesh)
}

struct Plane {
    points: Vec<[f64; 2]>,
    /// From the bore outwards, then around it: the same way in all cells, as the split into tetrahedra needs.
    quads: Vec<[usize; 4]>,
}

/// Rings around the bore out to a box, and where the block is much longer than high (or higher than long) columns from there to its ends.
fn plane_section(spec: &BlockSpec) -> Plane {
    let [quarter, rings, _] = spec.cells;
    let ([cx, cy], r, around) = (spec.center, spec.radius, 4 * quarter);
    let (lo, hi) = ring_box(spec);
    let corners = [[lo[0], lo[1]], [hi[0], lo[1]], [hi[0], hi[1]], [lo[0], hi[1]]];
    let mut points = Vec::with_capacity(around * (rings + 1));
    let mut quads = Vec::with_capacity(around * rings);
    for ring in 0..=rings {
        for a in 0..around {
            let (p, q, s) = (corners[a / quarter], corners[(a / quarter + 1) % 4], (a % quarter) as f64 / quarter as f64);
            let t = fraction([p[0] - cx, p[1] - cy], [q[0] - cx, q[1] - cy], s);
            let outer = [p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])];
            // Straight out from the axis, so that no cell turns over wherever the bore lies.
            let angle = (outer[1] - cy).atan2(outer[0] - cx);
            let inner = [cx + r * angle.cos(), cy + r * angle.sin()];
            // Finer at the bore.
            let t = (ring as f64 / rings as f64).powf(1.4);
            points.push([inner[0] + t * (outer[0] - inner[0]), inner[1] + t * (outer[1] - inner[1])]);
            if ring < rings {
                let (here, next) = (ring * around, (a + 1) % around);
                quads.push([here + a, here + around + a, here + around + next, here + next]);
            }
        }
    }
    // The sides of the box in the order of its corners: bottom, right, top, left, and how far the block goes on beyond each.
    let beyond = [lo[1], spec.extent[0] - hi[0], spec.extent[1] - hi[1], lo[0]];
    let outwards = [[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]];
    for side in (0..4).filter(|&side| beyond[side] > 0.0) {
        let across = hi[side % 2] - lo[side % 2];
        let columns = ((beyond[side] / across * quarter as f64).round() as usize).max(1);
        let mut last: Vec<usize> = (0..=quarter).map(|a| rings * around + (side * quarter + a) % around).collect();
        let rim: Vec<[f64; 2]> = last.iter().map(|&n| points[n]).collect();
        for column in 1..=columns {
            let far = beyond[side] * column as f64 / columns as f64;
            let next: Vec<usize> = (points.len()..=points.len() + quarter).collect();
            points.extend(rim.iter().map(|p| [p[0] + far * outwards[side][0], p[1] + far * outwards[side][1]]));
            quads.extend((0..quarter).map(|a| [last[a], next[a], next[a + 1], last[a + 1]]));
            last = next;
        }
    }
    Plane { points, quads }
}

/// The box that the rings fill: the whole section, unless there is much more of it along one direction than across.
fn ring_box(spec: &BlockSpec) -> ([f64; 2], [f64; 2]) {
    let (mut lo, mut hi) = ([0.0; 2], [spec.extent[0], spec.extent[1]]);
    let long = usize::from(spec.extent[1] > spec.extent[0]);
    let (across, at) = (spec.extent[1 - long], spec.center[1 - long]);
    let half = at.max(across - at).max(1.6 * spec.radius);
    // What would stay for columns must be worth at least one.
    let worth = 0.25 * across;
    if spec.center[long] - half > worth {
        lo[long] = spec.center[long] - half;
    }
    if spec.extent[long] - (spec.center[long] + half) > worth {
        hi[long] = spec.center[long] + half;
    }
    (lo, hi)
}

/// Place on the side from `p` to `q`, seen from the axis: halfway between even steps along the side and even steps around the bore.
fn fraction(p: [f64; 2], q: [f64; 2], s: f64) -> f64 {
    let cross = |u: [f64; 2], v: [f64; 2]| u[0] * v[1] - u[1] * v[0];
    let angle = p[1].atan2(p[0]) + s * cross(p, q).atan2(p[0] * q[0] + p[1] * q[1]);
    let ray = [angle.cos(), angle.sin()];
    0.5 * (s - cross(p, ray) / cross([q[0] - p[0], q[1] - p[1]], ray))
}

#[cfg(test)]
mod tests {
    use super::*;
    use CellKind::*;

    /// Volume from the faces of the boundary by the divergence theorem, each cut into flat triangles between all its nodes.
    fn volume(mesh: &Mesh) -> f64 {
        boundary_facets(mesh)
            .into_iter()
            .map(|f| {
                let (kind, nodes) = mesh.facet_nodes(f);
                let p = |n: usize| mesh.point(nodes[n] as usize);
                crate::split::simplices(kind)
                    .into_iter()
                    .map(|s| {
                        let (a, b, c) = (p(s[0]), p(s[1]), p(s[2]));
                        (a[0] * (b[1] * c[2] - b[2] * c[1]) + a[1] * (b[2] * c[0] - b[0] * c[2]) + a[2] * (b[0] * c[1] - b[1] * c[0])) / 6.0
                    })
                    .sum::<f64>()
            })
            .sum()
    }

    #[test]
    fn blocks_of_every_kind() {
        for kind in [Hex8, Hex20, Hex27, Tet4, Tet10, Wedge6, Wedge15] {
            for (extent, center, radius) in
                [([1.0, 0.8, 0.3], [0.45, 0.4], 0.2), ([3.0, 0.6, 0.2], [0.5, 0.35], 0.15), ([0.5, 2.0, 0.2], [0.25, 1.0], 0.1)]
            {
                let spec = BlockSpec { extent, center, radius, cells: [6, 4, 2], kind };
                let mesh = perforated_block(&spec).unwrap();
                let quality = quality::report(&mesh).kinds[0];
                assert!(quality.min_mean_ratio > 0.05, "{quality:?}");
                let mut tagged: Vec<_> = ["left", "right", "bottom", "top", "back", "front", "hole"]
                    .iter()
                    .flat_map(|t| mesh.tag_facets(t).unwrap())
                    .copied()
                    .collect();
                tagged.sort_unstable();
                assert_eq!(tagged, boundary_facets(&mesh), "{kind}");
                for n in mesh.tag_nodes("hole").unwrap() {
                    let p = mesh.point(n as usize);
                    assert!(((p[0] - center[0]).hypot(p[1] - center[1]) - radius).abs() < 1e-12, "{kind}");
                }
                let bore = std::f64::consts::PI * radius * radius * extent[2];
                let exact: f64 = extent.iter().product::<f64>() - bore;
                // Of a circle's area, chords of angle w cut off some w^2 / 6; midside nodes halve w.
                let slack = if kind.order() == 2 { 0.03 } else { 0.12 };
                assert!((volume(&mesh) - exact).abs() < slack * bore, "{kind}: {} {exact}", volume(&mesh));
            }
        }
    }

    #[test]
    fn senseless_blocks_are_refused() {
        let good = BlockSpec { extent: [1.0, 1.0, 0.2], center: [0.5, 0.5], radius: 0.2, cells: [4, 3, 1], kind: Hex8 };
        assert!(perforated_block(&good).is_ok());
        for bad in [
            BlockSpec { radius: 0.5, ..good.clone() },
            BlockSpec { radius: f64::NAN, ..good.clone() },
            BlockSpec { cells: [0, 3, 1], ..good.clone() },
            BlockSpec { extent: [1.0, 1.0, 0.0], ..good.clone() },
            // One straight edge for more than a right angle cuts through the narrow ligament.
            BlockSpec { cells: [1, 1, 1], center: [0.5, 0.21], kind: Tet10, ..good.clone() },
        ] {
            assert!(matches!(perforated_block(&bad), Err(MeshError::Parameter { .. })), "{bad:?}");
        }
    }
}
