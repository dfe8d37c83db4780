//! Graded triangulation of a region with given boundary points: points placed from the boundary inwards ([`front`](super::front)),
//! constrained Delaunay, rounds of smoothing with insertion and removal by the size field, and last a local optimisation.

use super::delaunay::Delaunay;
use super::front;
use super::region::Region;
use super::size::SizeField;
use super::smooth::{optimise, smooth};
use crate::MeshError;

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
    let mut mesh = Delaunay::new(&points, region)?;
    let on_boundary: Vec<f64> = points[..fixed].iter().map(|&p| size.at(p)).collect();
    for round in 0..ROUNDS {
        let mut wanted = on_boundary.clone();
        wanted.extend(points[fixed..].iter().map(|&p| size.at(p)));
        if round < ROUNDS / 2 {
            adapt(&mut points, fixed, &mut mesh, &mut wanted, region)?;
        }
        for _ in 0..3 {
            smooth(&mut points, fixed, mesh.triangles(), &wanted);
        }
        mesh.mend(&points, region)?;
    }
    for _ in 0..FINISH {
        if !optimise(&mut points, fixed, mesh.triangles()) {
            break;
        }
        mesh.mend(&points, region)?;
    }
    let mut corners = mesh.triangles().to_vec();
    drop_unused(&mut points, fixed, &mut corners);
    Ok(Triangles { points, corners })
}

/// Removes interior points that crowd and adds one in the middle of each triangle that is too large.
fn adapt(points: &mut Vec<[f64; 2]>, fixed: usize, mesh: &mut Delaunay, wanted: &mut Vec<f64>, region: &Region) -> Result<(), MeshError> {
    let mut drop = vec![false; points.len()];
    let mut touched = vec![false; points.len()];
    let (mut added, mut split) = (Vec::new(), Vec::new());
    for [a, b] in mesh.sides() {
        let (a, b) = (a as usize, b as usize);
        let (p, q) = (points[a], points[b]);
        let size = 0.5 * (wanted[a] + wanted[b]);
        // The later number is the interior one where only one is.
        if b >= fixed && !touched[a] && !touched[b] && (p[0] - q[0]).hypot(p[1] - q[1]) < 0.6 * size {
            (touched[a], touched[b], drop[b]) = (true, true, true);
        }
    }
    for (k, t) in mesh.triangles().iter().enumerate() {
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
            split.push(k);
        }
    }
    if added.is_empty() && !drop.contains(&true) {
        return Ok(());
    }
    let changed = mesh.change(points, &drop, &split);
    keep(points, |k| !drop[k]);
    keep(wanted, |k| !drop[k]);
    points.extend(added.iter().map(|a| a.0));
    wanted.extend(added.iter().map(|a| a.1));
    if changed {
        return mesh.mend(points, region);
    }
    *mesh = Delaunay::new(points, region)?;
    Ok(())
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
