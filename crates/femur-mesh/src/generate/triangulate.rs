//! Graded triangulation of a region with given boundary points: pre-placed interior points, Delaunay (spade), smoothing.

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

/// A region: closed loops of points, the first around it, the others around its holes; and the edge length wanted.
pub(super) struct Region<'a> {
    pub(super) loops: Vec<Vec<[f64; 2]>>,
    pub(super) size: &'a dyn Fn([f64; 2]) -> f64,
    /// Least edge length anywhere.
    pub(super) least: f64,
}

/// Points (those of the loops first, in order) and counter-clockwise triangles.
pub(super) fn triangulate(region: &Region) -> Result<(Vec<[f64; 2]>, Vec<[u32; 3]>), MeshError> {
    let mut points: Vec<[f64; 2]> = region.loops.iter().flatten().copied().collect();
    let fixed = points.len();
    points.extend(interior(region));
    const ROUNDS: usize = 10;
    let mut triangles = delaunay(&points, region)?;
    for round in 0..ROUNDS {
        for _ in 0..2 {
            smooth(&mut points, fixed, &triangles, region.size);
        }
        triangles = delaunay(&points, region)?;
        if round + 1 == ROUNDS {
            break;
        }
    }
    Ok((points, triangles))
}

/// Candidates on a hexagonal grid of the least size, in a scattered but fixed order; one is kept where no kept point is too near.
fn interior(region: &Region) -> Vec<[f64; 2]> {
    let outer = &region.loops[0];
    let fold = |f: fn(f64, f64) -> f64, d: usize, init: f64| outer.iter().fold(init, |a, p| f(a, p[d]));
    let (x0, x1) = (fold(f64::min, 0, f64::INFINITY), fold(f64::max, 0, f64::NEG_INFINITY));
    let (y0, y1) = (fold(f64::min, 1, f64::INFINITY), fold(f64::max, 1, f64::NEG_INFINITY));
    let step = region.least * 0.9;
    let mut candidates = Vec::new();
    let rows = ((y1 - y0) / (step * 0.866)) as usize + 1;
    let columns = ((x1 - x0) / step) as usize + 1;
    for j in 0..rows {
        for i in 0..columns {
            candidates.push([x0 + (i as f64 + 0.5 * (j % 2) as f64) * step, y0 + j as f64 * step * 0.866]);
        }
    }
    // A fixed shuffle (linear congruential numbers): the same mesh everywhere and always.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for k in (1..candidates.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        candidates.swap(k, (state >> 33) as usize % (k + 1));
    }
    // Kept points in bins as wide as the largest distance that is asked for.
    let widest = candidates.iter().map(|&p| (region.size)(p)).fold(0.0, f64::max).max(step);
    let columns = ((x1 - x0) / widest) as usize + 3;
    let bin = |p: [f64; 2]| (((p[0] - x0) / widest) as usize + 1, ((p[1] - y0) / widest) as usize + 1);
    let mut bins: Vec<Vec<[f64; 2]>> = vec![Vec::new(); columns * (((y1 - y0) / widest) as usize + 3)];
    for &p in region.loops.iter().flatten() {
        let (i, j) = bin(p);
        bins[j * columns + i].push(p);
    }
    let mut kept = Vec::new();
    for p in candidates {
        if !inside(p, region) {
            continue;
        }
        let apart = 0.78 * (region.size)(p);
        let (i, j) = bin(p);
        let near = |q: &[f64; 2]| (p[0] - q[0]).hypot(p[1] - q[1]) < apart;
        let free = (j - 1..=j + 1).all(|j| (i - 1..=i + 1).all(|i| !bins.get(j * columns + i).is_some_and(|b| b.iter().any(near))));
        if free {
            bins[j * columns + i].push(p);
            kept.push(p);
        }
    }
    kept
}

/// Even-odd rule over all loops.
pub(super) fn inside(p: [f64; 2], region: &Region) -> bool {
    let mut odd = false;
    for line in &region.loops {
        for k in 0..line.len() {
            let (a, b) = (line[k], line[(k + 1) % line.len()]);
            if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
                odd = !odd;
            }
        }
    }
    odd
}

fn delaunay(points: &[[f64; 2]], region: &Region) -> Result<Vec<[u32; 3]>, MeshError> {
    let vertices = points.iter().enumerate().map(|(id, p)| Vertex { at: Point2::new(p[0], p[1]), id }).collect();
    let mut edges = Vec::new();
    let mut start = 0;
    for line in &region.loops {
        let n = line.len();
        edges.extend((0..n).map(|k| [start + k, start + (k + 1) % n]));
        start += n;
    }
    let cdt = ConstrainedDelaunayTriangulation::<Vertex>::bulk_load_cdt(vertices, edges)
        .map_err(|e| MeshError::Other(format!("the triangulation failed: {e}")))?;
    let mut triangles: Vec<[u32; 3]> = cdt
        .inner_faces()
        .filter_map(|face| {
            let v = face.vertices();
            let p = v.map(|v| [v.position().x, v.position().y]);
            let center = [(p[0][0] + p[1][0] + p[2][0]) / 3.0, (p[0][1] + p[1][1] + p[2][1]) / 3.0];
            inside(center, region).then(|| v.map(|v| v.data().id as u32))
        })
        .collect();
    // One order whatever spade does inside: start each triangle at its smallest node.
    for t in &mut triangles {
        let k = (0..3).min_by_key(|&k| t[k]).unwrap_or(0);
        t.rotate_left(k);
    }
    triangles.sort_unstable();
    Ok(triangles)
}

/// Moves each interior point to the mean of its triangles' centroids, weighted by area over the square of the wanted size.
fn smooth(points: &mut [[f64; 2]], fixed: usize, triangles: &[[u32; 3]], size: &dyn Fn([f64; 2]) -> f64) {
    let mut sum = vec![[0.0; 3]; points.len()];
    for t in triangles {
        let [a, b, c] = t.map(|n| points[n as usize]);
        let area = 0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
        let center = [(a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0];
        let weight = area / size(center).powi(2);
        for &n in t {
            let s = &mut sum[n as usize];
            s[0] += weight * center[0];
            s[1] += weight * center[1];
            s[2] += weight;
        }
    }
    for (p, s) in points.iter_mut().zip(&sum).skip(fixed) {
        if s[2] > 0.0 {
            *p = [s[0] / s[2], s[1] / s[2]];
        }
    }
}
