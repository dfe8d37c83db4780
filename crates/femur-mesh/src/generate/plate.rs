//! A rectangle with holes in graded triangles: plates, and the channel with a cylinder.

use super::curve::{Hole, Piece};
use super::triangulate::{Region, triangulate};
use crate::topology::{boundary_facets, raise_order, tag_boundary};
use crate::{CellBlock, CellKind, Mesh, MeshError, TagEntities, Tags};
use std::collections::HashMap;

/// A rectangle `[0, width] x [0, height]` with holes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlateSpec {
    /// Extent along x.
    pub width: f64,
    /// Extent along y.
    pub height: f64,
    /// Edge length away from the holes.
    pub size: f64,
    /// Edge length at the holes as a part of `size`.
    pub refinement: f64,
    /// The holes.
    pub holes: Vec<Hole>,
    /// 1 for straight, 2 for quadratic triangles with midside nodes on the true curves.
    pub order: usize,
    /// Names of the tags: left, right, bottom, top; the holes; the cells.
    pub names: PlateNames,
}

/// Names of a plate's tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlateNames {
    /// x = 0.
    pub left: &'static str,
    /// x = width.
    pub right: &'static str,
    /// y = 0.
    pub bottom: &'static str,
    /// y = height; may be the same as `bottom`.
    pub top: &'static str,
    /// All holes; several are `NAME_1`, ... too.
    pub hole: &'static str,
    /// The cells.
    pub cells: &'static str,
}

/// Names of a plate.
pub const PLATE: PlateNames = PlateNames { left: "left", right: "right", bottom: "bottom", top: "top", hole: "hole", cells: "plate" };
/// Names of a channel with a cylinder.
pub const CHANNEL: PlateNames =
    PlateNames { left: "inflow", right: "outflow", bottom: "walls", top: "walls", hole: "cylinder", cells: "fluid" };

/// How fast the edge length may grow with the distance from a hole.
const GRADING: f64 = 0.35;

/// Where a boundary point lies: on which hole, piece and at which parameter.
#[derive(Clone, Copy)]
struct OnCurve {
    hole: usize,
    piece: usize,
    s: f64,
}

/// Meshes the plate. Equal specs give equal meshes.
pub fn plate_with_holes(spec: &PlateSpec) -> Result<Mesh, MeshError> {
    let mut loops: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut on_curve: Vec<OnCurve> = Vec::new();
    let mut sources: Vec<([f64; 2], f64)> = Vec::new();
    let pieces: Vec<Vec<Piece>> = spec.holes.iter().map(Hole::pieces).collect();
    for (h, hole) in spec.holes.iter().enumerate() {
        let mut line = Vec::new();
        for (k, piece) in pieces[h].iter().enumerate() {
            // A tight arc needs at least four edges in 90 degrees to be seen.
            let wanted = (spec.size * spec.refinement).min(hole.diameter / 7.0);
            let (size, least) = match piece {
                Piece::Line { .. } => (wanted, 2),
                Piece::Arc { from, to, .. } => (wanted.min(hole.tightest() * 0.9), ((to - from) / 0.55).ceil() as usize),
            };
            let (cuts, length) = piece.cuts(size, least);
            for s in cuts {
                let p = piece.point(s);
                line.push(p);
                on_curve.push(OnCurve { hole: h, piece: k, s });
                sources.push((p, length));
            }
        }
        check_inside(spec, h, &line)?;
        loops.push(line);
    }
    check_apart(&loops)?;
    let size = |p: [f64; 2]| sources.iter().fold(spec.size, |h, (q, at)| h.min(at + GRADING * (p[0] - q[0]).hypot(p[1] - q[1])));
    let least = sources.iter().map(|s| s.1).fold(spec.size, f64::min);
    let outer = rectangle_points(spec.width, spec.height, &size);
    let corner_count = outer.len();
    loops.insert(0, outer);
    let (points, triangles) = triangulate(&Region { loops, size: &size, least })?;
    let mut tags = Tags::default();
    tags.insert(spec.names.cells, None, TagEntities::Cells((0..triangles.len() as u32).collect()));
    let connectivity = triangles.into_iter().flatten().collect();
    let mut mesh = Mesh::new(2, points.into_iter().flatten().collect(), vec![CellBlock { kind: CellKind::Triangle3, connectivity }], tags)?;
    let curve = |n: u32| (n as usize).checked_sub(corner_count).and_then(|k| on_curve.get(k)).copied();
    tag(&mut mesh, spec, &curve);
    if spec.order == 2 {
        mesh = raise_order(&mesh, |_| CellKind::Triangle6)?;
        snap_midside(&mut mesh, &curve, &pieces)?;
    }
    Ok(mesh)
}

fn tag(mesh: &mut Mesh, spec: &PlateSpec, curve: &dyn Fn(u32) -> Option<OnCurve>) {
    let boundary = boundary_facets(mesh);
    let names = spec.names;
    let tiny = 1e-9 * spec.width.max(spec.height);
    let (w, h) = (spec.width, spec.height);
    tag_boundary(mesh, &boundary, names.left, |_, p| p[0] < tiny);
    tag_boundary(mesh, &boundary, names.right, |_, p| p[0] > w - tiny);
    if names.bottom == names.top {
        let flat = boundary.iter().copied().filter(|&f| {
            let y: Vec<f64> = mesh.facet_nodes(f).1.iter().map(|&n| mesh.point(n as usize)[1]).collect();
            y.iter().all(|&y| y < tiny) || y.iter().all(|&y| y > h - tiny)
        });
        let flat = flat.collect();
        mesh.tags.insert(names.bottom, None, TagEntities::Facets(flat));
    } else {
        tag_boundary(mesh, &boundary, names.bottom, |_, p| p[1] < tiny);
        tag_boundary(mesh, &boundary, names.top, |_, p| p[1] > h - tiny);
    }
    if !spec.holes.is_empty() {
        tag_boundary(mesh, &boundary, names.hole, |n, _| curve(n).is_some());
    }
    if spec.holes.len() > 1 {
        for hole in 0..spec.holes.len() {
            tag_boundary(mesh, &boundary, &format!("{}_{}", names.hole, hole + 1), |n, _| curve(n).is_some_and(|c| c.hole == hole));
        }
    }
}

/// Puts the midside nodes of boundary edges on the curve, halfway in the curve's parameter.
fn snap_midside(mesh: &mut Mesh, curve: &dyn Fn(u32) -> Option<OnCurve>, pieces: &[Vec<Piece>]) -> Result<(), MeshError> {
    let mut moved: HashMap<u32, [f64; 2]> = HashMap::new();
    for f in boundary_facets(mesh) {
        let (_, nodes) = mesh.facet_nodes(f);
        let (Some(mut a), Some(mut b)) = (curve(nodes[0]), curve(nodes[1])) else { continue };
        let list = &pieces[a.hole];
        // The facet runs against the hole's direction; bring it along, and let the end of a piece be its s = 1.
        if (a.piece, a.s) > (b.piece, b.s) {
            std::mem::swap(&mut a, &mut b);
        }
        let wraps = a.piece == 0 && a.s == 0.0 && b.piece + 1 == list.len() && (list.len() > 2 || b.s > 0.5);
        let (start, end) = if wraps {
            (b, 1.0)
        } else if a.piece == b.piece {
            (a, b.s)
        } else {
            (a, 1.0)
        };
        moved.insert(nodes[2], list[start.piece].point(0.5 * (start.s + end)));
    }
    for (node, p) in moved {
        mesh.points[2 * node as usize..2 * node as usize + 2].copy_from_slice(&p);
    }
    mesh.check()
}

/// Points around the rectangle, spaced by the size function.
fn rectangle_points(width: f64, height: f64, size: &dyn Fn([f64; 2]) -> f64) -> Vec<[f64; 2]> {
    let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
    let mut out = Vec::new();
    for k in 0..4 {
        let (a, b) = (corners[k], corners[(k + 1) % 4]);
        let at = |s: f64| [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])];
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        const FINE: usize = 512;
        let mut steps = vec![0.0];
        for i in 0..FINE {
            steps.push(steps[i] + length / FINE as f64 / size(at((i as f64 + 0.5) / FINE as f64)));
        }
        let parts = (steps[FINE].round() as usize).max(2);
        let mut i = 0;
        for part in 0..parts {
            let want = steps[FINE] * part as f64 / parts as f64;
            while steps[i + 1] < want {
                i += 1;
            }
            out.push(at((i as f64 + (want - steps[i]) / (steps[i + 1] - steps[i])) / FINE as f64));
        }
    }
    out
}

fn check_inside(spec: &PlateSpec, hole: usize, line: &[[f64; 2]]) -> Result<(), MeshError> {
    let outside = line.iter().any(|p| p[0] <= 0.0 || p[0] >= spec.width || p[1] <= 0.0 || p[1] >= spec.height);
    if outside {
        let value = format!("hole {} around ({}, {})", hole + 1, spec.holes[hole].center[0], spec.holes[hole].center[1]);
        let expected = format!("it must lie within 0 .. {} and 0 .. {}", spec.width, spec.height);
        return Err(MeshError::Parameter { parameter: "hole".into(), value, expected });
    }
    Ok(())
}

/// Refuses holes that overlap or touch.
fn check_apart(loops: &[Vec<[f64; 2]>]) -> Result<(), MeshError> {
    let never = |_: [f64; 2]| 1.0;
    for (i, a) in loops.iter().enumerate() {
        for (j, b) in loops.iter().enumerate() {
            let region = Region { loops: vec![b.clone()], size: &never, least: 1.0 };
            if i != j && a.iter().any(|&p| super::triangulate::inside(p, &region)) {
                let value = format!("holes {} and {}", i.min(j) + 1, i.max(j) + 1);
                return Err(MeshError::Parameter { parameter: "holes".into(), value, expected: "they must not overlap".into() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::HoleShape;
    use super::*;
    use crate::quality;

    fn area(mesh: &Mesh) -> f64 {
        mesh.cells()
            .map(|(_, _, n)| {
                let [a, b, c] = [n[0], n[1], n[2]].map(|n| mesh.point(n as usize));
                0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
            })
            .sum()
    }

    #[test]
    fn plates_keep_their_angles_and_tags() {
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        for k in 0..60 {
            let shape = match k % 3 {
                0 => HoleShape::Circle,
                1 => HoleShape::Ellipse { aspect: 1.0 + 1.5 * random() },
                _ => HoleShape::Polygon { corners: 3 + k % 4, rounding: 0.3 },
            };
            let diameter = 0.2 + 0.3 * random();
            let center = [0.12 + diameter / 2.0 + random() * (1.76 - diameter), 0.12 + diameter / 2.0 + random() * (0.76 - diameter)];
            let hole = Hole { shape, center, diameter, angle: 180.0 * random() };
            let spec = PlateSpec { width: 2.0, height: 1.0, size: 0.052, refinement: 0.5, holes: vec![hole], order: 2, names: PLATE };
            let mesh = plate_with_holes(&spec).unwrap();
            let vertices = mesh.vertices_only().0;
            let q = quality::report(&vertices);
            assert!(q.min_angle > 20.0 && q.inverted == 0, "{hole:?}: {q:?}");
            assert!((600..1500).contains(&vertices.num_nodes()), "{} vertices", vertices.num_nodes());
            let tagged: usize = ["left", "right", "bottom", "top", "hole"].iter().map(|t| mesh.tag_facets(t).unwrap().len()).sum();
            assert_eq!(tagged, boundary_facets(&mesh).len());
            if shape == HoleShape::Circle {
                for n in mesh.tag_nodes("hole").unwrap() {
                    let p = mesh.point(n as usize);
                    assert!(((p[0] - center[0]).hypot(p[1] - center[1]) - diameter / 2.0).abs() < 1e-12);
                }
                let exact = 2.0 - std::f64::consts::PI * diameter * diameter / 4.0;
                assert!((area(&vertices) - exact).abs() < 0.01 * exact);
            }
        }
    }

    #[test]
    fn holes_that_overlap_or_leave_the_plate_are_refused() {
        let hole = |x: f64| Hole { shape: HoleShape::Circle, center: [x, 0.5], diameter: 0.3, angle: 0.0 };
        let spec = |holes| PlateSpec { width: 2.0, height: 1.0, size: 0.1, refinement: 0.5, holes, order: 1, names: PLATE };
        assert!(plate_with_holes(&spec(vec![hole(0.5), hole(0.7)])).is_err());
        assert!(plate_with_holes(&spec(vec![hole(0.1)])).is_err());
        let two = plate_with_holes(&spec(vec![hole(0.5), hole(1.2)])).unwrap();
        assert!(two.tag_facets("hole_2").unwrap().len() > 5);
    }
}
