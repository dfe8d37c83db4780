//! A rectangle with holes in graded triangles: plates, and the channel with a cylinder.

use super::curve::{Hole, Outline};
use super::front::{MAX_NODES, too_many};
use super::region::{Region, within};
use super::size::{SizeField, cuts};
use super::triangulate::{Triangles, triangulate};
use crate::topology::{boundary_facets, raise_order, tag_boundary};
use crate::{CellBlock, CellKind, FacetId, Mesh, MeshError, TagEntities, Tags};

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

/// Most that a curve may turn along one edge [rad].
const MAX_TURN: f64 = 0.65;
/// Least number of edges along the diameter of a hole: however coarse the plate, a circle keeps some 22 edges.
const EDGES_PER_DIAMETER: f64 = 7.0;
/// Points at which each smooth piece of an outline is looked at before it is meshed.
const SAMPLES: usize = 48;

/// Where a boundary point lies: around which hole, and at which parameter.
#[derive(Clone, Copy)]
struct OnCurve {
    hole: usize,
    s: f64,
}

/// Meshes the plate. Equal specs give equal meshes. Refused: measures out of range, holes that overlap, leave the plate, or come
/// closer to each other or to an edge than a fiftieth of `size`.
pub fn plate_with_holes(spec: &PlateSpec) -> Result<Mesh, MeshError> {
    mesh_plate(spec, None)
}

/// As [`plate_with_holes`], with edges no longer than `size_at(x)` as well. Values below a hundredth of the spec's `size`
/// count as that; the function should not vary faster than about a third of the distance.
pub fn plate_with_size(spec: &PlateSpec, size_at: &dyn Fn([f64; 2]) -> f64) -> Result<Mesh, MeshError> {
    mesh_plate(spec, Some(size_at))
}

fn mesh_plate(spec: &PlateSpec, size_at: Option<&dyn Fn([f64; 2]) -> f64>) -> Result<Mesh, MeshError> {
    check(spec)?;
    let outlines: Vec<Outline> = spec.holes.iter().map(Outline::new).collect();
    let size = size_field(spec, &outlines, size_at)?;
    let mut loops = vec![rectangle_points(spec.width, spec.height, &size)];
    let corner_count = loops[0].len();
    let mut on_curve: Vec<OnCurve> = Vec::new();
    for (hole, outline) in outlines.iter().enumerate() {
        let cuts = cuts(&|s| outline.point(s), &size, &outline.ends);
        loops.push(cuts.iter().map(|&s| outline.point(s)).collect());
        on_curve.extend(cuts.iter().map(|&s| OnCurve { hole, s }));
    }
    if loops.iter().map(Vec::len).sum::<usize>() > MAX_NODES {
        return Err(too_many());
    }
    let Triangles { points, corners: triangles } = triangulate(&Region::new(loops)?, &size)?;
    let mut tags = Tags::default();
    tags.insert(spec.names.cells, None, TagEntities::Cells((0..triangles.len() as u32).collect()));
    let connectivity = triangles.into_iter().flatten().collect();
    let mut mesh = Mesh::new(2, points.into_iter().flatten().collect(), vec![CellBlock { kind: CellKind::Triangle3, connectivity }], tags)?;
    let curve = |n: u32| (n as usize).checked_sub(corner_count).and_then(|k| on_curve.get(k)).copied();
    let boundary = boundary_facets(&mesh);
    tag(&mut mesh, spec, &boundary, &curve);
    if spec.order == 2 {
        mesh = raise_order(&mesh, |_| CellKind::Triangle6)?;
        snap_midside(&mut mesh, &boundary, &curve, &outlines)?;
    }
    Ok(mesh)
}

fn check(spec: &PlateSpec) -> Result<(), MeshError> {
    let refuse = |parameter: &str, value: f64, expected: &str| {
        Err(MeshError::Parameter { parameter: parameter.into(), value: value.to_string(), expected: expected.into() })
    };
    for (name, value) in [("width", spec.width), ("height", spec.height), ("size", spec.size)] {
        if !(value > 0.0 && value.is_finite()) {
            return refuse(name, value, "must be positive");
        }
    }
    // A triangulation of edge length h has 2 / (sqrt(3) h^2) nodes per area; the holes take something away, hence the half.
    if 0.5 * spec.width / spec.size * (spec.height / spec.size) > MAX_NODES as f64 {
        return Err(too_many());
    }
    if !(spec.refinement > 0.0 && spec.refinement <= 1.0) {
        return refuse("refinement", spec.refinement, "must lie above 0 and not above 1: the edge length at the holes as a part of size");
    }
    if !(1..=2).contains(&spec.order) {
        return refuse("order", spec.order as f64, "must be 1 or 2");
    }
    spec.holes.iter().try_for_each(Hole::check)
}

/// The size field: small at the holes, smaller where they curve or where little room is left between them.
fn size_field<'a>(spec: &PlateSpec, outlines: &[Outline], user: Option<&'a dyn Fn([f64; 2]) -> f64>) -> Result<SizeField<'a>, MeshError> {
    // A steady number of samples on each piece, so that small roundings are seen.
    let samples: Vec<Vec<f64>> = outlines
        .iter()
        .map(|o| o.ends.windows(2).flat_map(|e| (0..SAMPLES).map(move |k| e[0] + (e[1] - e[0]) * k as f64 / SAMPLES as f64)).collect())
        .collect();
    let lines: Vec<Vec<[f64; 2]>> = samples.iter().zip(outlines).map(|(list, o)| list.iter().map(|&s| o.point(s)).collect()).collect();
    let room = clearances(spec, &lines)?;
    let mut sources = Vec::new();
    for (h, hole) in spec.holes.iter().enumerate() {
        let wanted = (spec.size * spec.refinement).min(hole.diameter / EDGES_PER_DIAMETER);
        for (k, p) in lines[h].iter().enumerate() {
            let turn = MAX_TURN * outlines[h].radius(samples[h][k]);
            // Not below a thousandth of the hole: the tips of very flat ellipses and near-sharp corners are given up.
            sources.push([p[0], p[1], wanted.min(turn).min(0.7 * room[h][k]).max(1e-3 * hole.diameter)]);
        }
    }
    let least = sources.iter().map(|s| s[2]).fold(spec.size * 0.01, f64::min);
    Ok(SizeField::new(spec.size, least, sources, user))
}

/// Distance from each sample of each hole to the nearest other hole or edge of the plate; an error where it is too small.
fn clearances(spec: &PlateSpec, lines: &[Vec<[f64; 2]>]) -> Result<Vec<Vec<f64>>, MeshError> {
    let least = spec.size / 50.0;
    let refuse =
        |parameter: &str, value: String, expected: String| Err(MeshError::Parameter { parameter: parameter.into(), value, expected });
    let mut room: Vec<Vec<f64>> = Vec::with_capacity(lines.len());
    for (h, line) in lines.iter().enumerate() {
        room.push(line.iter().map(|p| p[0].min(spec.width - p[0]).min(p[1]).min(spec.height - p[1])).collect());
        if room[h].iter().any(|r| *r < least) {
            let [x, y] = spec.holes[h].center;
            let expected = format!("it must lie within 0 .. {} and 0 .. {}, at least {least:.3e} from the edges", spec.width, spec.height);
            return refuse("hole", format!("hole {} around ({x}, {y})", h + 1), expected);
        }
    }
    for a in 0..lines.len() {
        for b in (0..lines.len()).filter(|&b| b != a) {
            let (p, q) = (&spec.holes[a], &spec.holes[b]);
            let apart = (p.center[0] - q.center[0]).hypot(p.center[1] - q.center[1]) - 0.5 * (p.diameter + q.diameter);
            if apart > 2.0 * spec.size {
                continue;
            }
            for (r, &p) in room[a].iter_mut().zip(&lines[a]) {
                *r = r.min(distance_to_loop(p, &lines[b]));
            }
            let value = || format!("holes {} and {}", a.min(b) + 1, a.max(b) + 1);
            if lines[a].iter().any(|&p| within(&lines[b], p)) {
                return refuse("holes", value(), "they must not overlap".into());
            }
            if room[a].iter().any(|r| *r < least) {
                return refuse("holes", value(), format!("they must not overlap nor come closer than {least:.3e}"));
            }
        }
    }
    Ok(room)
}

fn distance_to_loop(p: [f64; 2], line: &[[f64; 2]]) -> f64 {
    (0..line.len())
        .map(|k| {
            let (a, b) = (line[k], line[(k + 1) % line.len()]);
            let u = [b[0] - a[0], b[1] - a[1]];
            let s = (((p[0] - a[0]) * u[0] + (p[1] - a[1]) * u[1]) / (u[0] * u[0] + u[1] * u[1])).clamp(0.0, 1.0);
            (p[0] - a[0] - s * u[0]).hypot(p[1] - a[1] - s * u[1])
        })
        .fold(f64::INFINITY, f64::min)
}

fn tag(mesh: &mut Mesh, spec: &PlateSpec, boundary: &[FacetId], curve: &dyn Fn(u32) -> Option<OnCurve>) {
    let names = spec.names;
    let tiny = 1e-9 * spec.width.max(spec.height);
    let (w, h) = (spec.width, spec.height);
    tag_boundary(mesh, boundary, names.left, |_, p| p[0] < tiny);
    tag_boundary(mesh, boundary, names.right, |_, p| p[0] > w - tiny);
    if names.bottom == names.top {
        let flat = boundary.iter().copied().filter(|&f| {
            let y: Vec<f64> = mesh.facet_nodes(f).1.iter().map(|&n| mesh.point(n as usize)[1]).collect();
            y.iter().all(|&y| y < tiny) || y.iter().all(|&y| y > h - tiny)
        });
        let flat = flat.collect();
        mesh.tags.insert(names.bottom, None, TagEntities::Facets(flat));
    } else {
        tag_boundary(mesh, boundary, names.bottom, |_, p| p[1] < tiny);
        tag_boundary(mesh, boundary, names.top, |_, p| p[1] > h - tiny);
    }
    if !spec.holes.is_empty() {
        tag_boundary(mesh, boundary, names.hole, |n, _| curve(n).is_some());
    }
    if spec.holes.len() > 1 {
        for hole in 0..spec.holes.len() {
            tag_boundary(mesh, boundary, &format!("{}_{}", names.hole, hole + 1), |n, _| curve(n).is_some_and(|c| c.hole == hole));
        }
    }
}

/// Puts the midside nodes of the holes' edges on the curve, halfway in its parameter.
fn snap_midside(
    mesh: &mut Mesh,
    boundary: &[FacetId],
    curve: &dyn Fn(u32) -> Option<OnCurve>,
    outlines: &[Outline],
) -> Result<(), MeshError> {
    for &f in boundary {
        let (_, nodes) = mesh.facet_nodes(f);
        let (Some(a), Some(b)) = (curve(nodes[0]), curve(nodes[1])) else { continue };
        // An edge is a small part of its outline: where the parameters are far apart, it crosses the start.
        let wrap = if (a.s - b.s).abs() > 0.5 { 0.5 } else { 0.0 };
        let middle = outlines[a.hole].point(0.5 * (a.s + b.s) + wrap);
        let at = 2 * nodes[2] as usize;
        mesh.points[at..at + 2].copy_from_slice(&middle);
    }
    mesh.check()
}

/// Points around the rectangle, spaced by the size field.
fn rectangle_points(width: f64, height: f64, size: &SizeField) -> Vec<[f64; 2]> {
    let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
    let mut out = Vec::new();
    for k in 0..4 {
        let (a, b) = (corners[k], corners[(k + 1) % 4]);
        let at = |s: f64| [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])];
        out.extend(cuts(&at, size, &[0.0, 1.0]).into_iter().map(at));
    }
    out
}
