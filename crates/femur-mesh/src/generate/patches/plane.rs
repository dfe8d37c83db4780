//! The grid of all patches in the plane, with one node where they share one.

use super::{PatchesSpec, refuse};
use crate::MeshError;
use std::collections::BTreeMap;

/// The grid of all patches in the plane.
pub(super) struct Plane {
    pub(super) points: Vec<[f64; 2]>,
    pub(super) quads: Vec<[u32; 4]>,
    /// Patch and lower left grid coordinates of each quadrilateral.
    pub(super) origin: Vec<(usize, [usize; 2])>,
    /// Vertices on each side of each patch, in the direction of the side.
    pub(super) sides: Vec<[Vec<u32>; 4]>,
}

/// Makes the grid.
pub(super) fn plane(spec: &PatchesSpec) -> Result<Plane, MeshError> {
    let corners = || spec.patches.iter().flat_map(|p| p.corners);
    let extent = (0..2).map(|d| {
        let (lo, hi) = corners().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), c| (a.min(c[d]), b.max(c[d])));
        hi - lo
    });
    // Nodes nearer than this are one.
    let near = 1e-8 * extent.fold(0.0, f64::max);
    let mut known: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    let mut out = Plane { points: Vec::new(), quads: Vec::new(), origin: Vec::new(), sides: Vec::new() };
    for (number, patch) in spec.patches.iter().enumerate() {
        let [n, m] = patch.cells;
        let mut ids = vec![0u32; (n + 1) * (m + 1)];
        let at = |i: usize, j: usize| j * (n + 1) + i;
        for (i, j) in (0..=m).flat_map(|j| (0..=n).map(move |i| (i, j))) {
            let p = patch.at([i as f64, j as f64]);
            let next = out.points.len() as u32;
            let on_side = i == 0 || j == 0 || i == n || j == m;
            let id = if on_side { merge(&mut known, p, near, next) } else { next };
            if id == next {
                out.points.push(p);
            }
            ids[at(i, j)] = id;
        }
        for (i, j) in (0..m).flat_map(|j| (0..n).map(move |i| (i, j))) {
            out.quads.push([ids[at(i, j)], ids[at(i + 1, j)], ids[at(i + 1, j + 1)], ids[at(i, j + 1)]]);
            out.origin.push((number, [i, j]));
        }
        let row = |j: usize| (0..=n).map(|i| ids[at(i, j)]).collect::<Vec<_>>();
        let column = |i: usize| (0..=m).map(|j| ids[at(i, j)]).collect::<Vec<_>>();
        out.sides.push([row(0), column(n), row(m), column(0)]);
    }
    conforming(spec, &out)?;
    Ok(out)
}

/// The number of the node at `p`, `next` if there is none yet.
fn merge(known: &mut BTreeMap<(i64, i64), u32>, p: [f64; 2], near: f64, next: u32) -> u32 {
    let key = p.map(|x| (x / near).round() as i64);
    let around = (-1..=1).flat_map(|a| (-1..=1).map(move |b| (key[0] + a, key[1] + b)));
    if let Some(id) = around.filter_map(|k| known.get(&k)).next() {
        return *id;
    }
    known.insert((key[0], key[1]), next);
    next
}

/// Refuses patches whose common side has other nodes in one than in the other.
fn conforming(spec: &PatchesSpec, plane: &Plane) -> Result<(), MeshError> {
    let mut seen: BTreeMap<[u32; 2], Vec<(Vec<u32>, bool)>> = BTreeMap::new();
    for (patch, sides) in spec.patches.iter().zip(&plane.sides) {
        for (side, nodes) in sides.iter().enumerate() {
            let (a, b) = (nodes[0], nodes[nodes.len() - 1]);
            let mut list = nodes.clone();
            if a > b {
                list.reverse();
            }
            let curved = patch.arcs[side].is_some();
            let others = seen.entry([a.min(b), a.max(b)]).or_default();
            if others.iter().any(|(other, other_curved)| *other_curved == curved && *other != list) {
                let (p, q) = (plane.points[a as usize], plane.points[b as usize]);
                return refuse(
                    "patches",
                    format!("the side between {p:?} and {q:?}"),
                    "has other nodes in one patch than in the next: give both the same cells and grading",
                );
            }
            others.push((list, curved));
        }
    }
    Ok(())
}
