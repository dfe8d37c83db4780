//! Graded triangulation of a region with given boundary points: points placed from the boundary inwards ([`front`](super::front)),
//! constrained Delaunay by spade, rounds of smoothing with insertion and removal by the size field, and last a local optimisation.

use super::front;
use super::region::Region;
use super::size::SizeField;
use super::smooth::{optimise, smooth};
use crate::MeshError;
use spade::{ConstrainedDelaunayTriangulation, HasPosition, Point2, Triangulation};

struct Vertex {
    at: Point2<f64>,
    id: usize,
}

impl HasPosition for Vertex {
    type Scalar = f64;
    fn position(&self) -> Point2<f64> {
        self.at
    }
}

/// Rounds of triangulating, adapting and smoothing, and of the final optimisation.
const ROUNDS: usize = 6;
const FINISH: usize = 4;

/// A triangulation.
pub(super) struct Triangles {
    /// Those of the region's loops first, in order.
    pub(super) points: Vec<[f64; 2]>,
    /// Counter-clockwise.
    pub(super) corners: Vec<[u32; 3]>,
}

/// Every interior point of the result is in some triangle.
pub(super) fn triangulate(region: &Region, size: &SizeField) -> Result<Triangles, MeshError> {
    let mut points = front::place(region, size)?;
    let fixed: usize = region.loops.iter().map(Vec::len).sum();
    let mut triangles = delaunay(&points, region)?;
    for round in 0..ROUNDS {
        let mut wanted: Vec<f64> = points.iter().map(|&p| size.at(p)).collect();
        if round < ROUNDS / 2 && adapt(&mut points, fixed, &triangles, &mut wanted) {
            triangles = delaunay(&points, region)?;
        }
        for _ in 0..3 {
            smooth(&mut points, fixed, &triangles, &wanted);
        }
        triangles = delaunay(&points, region)?;
    }
    for _ in 0..FINISH {
        if !optimise(&mut points, fixed, &triangles) {
            break;
        }
        triangles = delaunay(&points, region)?;
    }
    drop_unused(&mut points, fixed, &mut triangles);
    Ok(Triangles { points, corners: triangles })
}

/// Removes interior points that crowd and adds one in the middle of each triangle that is too large. True if anything changed.
fn adapt(points: &mut Vec<[f64; 2]>, fixed: usize, triangles: &[[u32; 3]], wanted: &mut Vec<f64>) -> bool {
    let mut drop = vec![false; points.len()];
    let mut touched = vec![false; points.len()];
    let mut added = Vec::new();
    let mut sides: Vec<[u32; 2]> =
        triangles.iter().flat_map(|&[a, b, c]| [[a, b], [b, c], [c, a]]).map(|[a, b]| [a.min(b), a.max(b)]).collect();
    sides.sort_unstable();
    sides.dedup();
    for &[a, b] in &sides {
        let (a, b) = (a as usize, b as usize);
        let (p, q) = (points[a], points[b]);
        let size = 0.5 * (wanted[a] + wanted[b]);
        // The later number is the interior one where only one is.
        if b >= fixed && !touched[a] && !touched[b] && (p[0] - q[0]).hypot(p[1] - q[1]) < 0.6 * size {
            (touched[a], touched[b], drop[b]) = (true, true, true);
        }
    }
    for t in triangles {
        let [a, b, c] = t.map(|n| points[n as usize]);
        let center = [(a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0];
        let area = 0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
        let side = |p: [f64; 2], q: [f64; 2]| (p[0] - q[0]).hypot(p[1] - q[1]);
        // Circumradius: 0.58 of the side of an equilateral triangle.
        let radius = side(a, b) * side(b, c) * side(c, a) / (4.0 * area);
        let size = t.iter().map(|&n| wanted[n as usize]).sum::<f64>() / 3.0;
        if radius > 0.85 * size && t.iter().all(|&n| !touched[n as usize]) {
            t.iter().for_each(|&n| touched[n as usize] = true);
            added.push((center, size));
        }
    }
    let before = points.len();
    keep(points, |k| !drop[k]);
    keep(wanted, |k| !drop[k]);
    let changed = points.len() < before || !added.is_empty();
    points.extend(added.iter().map(|a| a.0));
    wanted.extend(added.iter().map(|a| a.1));
    changed
}

fn keep<T>(list: &mut Vec<T>, wanted: impl Fn(usize) -> bool) {
    let mut k = 0;
    list.retain(|_| {
        k += 1;
        wanted(k - 1)
    });
}

/// Points may end outside every triangle where smoothing pushes them over a concave boundary.
fn drop_unused(points: &mut Vec<[f64; 2]>, fixed: usize, triangles: &mut [[u32; 3]]) {
    let mut new = vec![u32::MAX; points.len()];
    (0..fixed).for_each(|n| new[n] = 0);
    triangles.iter().flatten().for_each(|&n| new[n as usize] = 0);
    let mut kept = 0;
    for n in &mut new {
        if *n == 0 {
            *n = kept;
            kept += 1;
        }
    }
    keep(points, |k| new[k] != u32::MAX);
    triangles.iter_mut().flatten().for_each(|n| *n = new[*n as usize]);
}

fn delaunay(points: &[[f64; 2]], region: &Region) -> Result<Vec<[u32; 3]>, MeshError> {
    let failed = |why: String| MeshError::Other(format!("the triangulation failed: {why}"));
    let vertices = points.iter().enumerate().map(|(id, p)| Vertex { at: Point2::new(p[0], p[1]), id }).collect();
    let mut edges = Vec::new();
    let mut start = 0;
    for line in &region.loops {
        let n = line.len();
        edges.extend((0..n).map(|k| [start + k, start + (k + 1) % n]));
        start += n;
    }
    let mut conflicts = 0;
    let cdt = ConstrainedDelaunayTriangulation::<Vertex>::try_bulk_load_cdt(vertices, edges, |_| conflicts += 1)
        .map_err(|e| failed(e.to_string()))?;
    if conflicts > 0 || cdt.num_vertices() != points.len() {
        return Err(failed("boundary lines touch or cross".into()));
    }
    let mut triangles: Vec<[u32; 3]> = cdt
        .inner_faces()
        .filter_map(|face| {
            let v = face.vertices();
            let p = v.map(|v| [v.position().x, v.position().y]);
            let center = [(p[0][0] + p[1][0] + p[2][0]) / 3.0, (p[0][1] + p[1][1] + p[2][1]) / 3.0];
            region.contains(center).then(|| v.map(|v| v.data().id as u32))
        })
        .collect();
    // One order whatever spade does inside: each triangle starts at its smallest node.
    for t in &mut triangles {
        let k = (0..3).min_by_key(|&k| t[k]).unwrap_or(0);
        t.rotate_left(k);
    }
    triangles.sort_unstable();
    Ok(triangles)
}
