//! A constrained Delaunay triangulation that is kept while its points move: made by spade, afterwards mended by flips (Lawson 1977).

use super::region::Region;
use crate::MeshError;
use robust::{Coord, incircle};
use spade::{ConstrainedDelaunayTriangulation, HasPosition, Point2, Triangulation};

/// No half-edge.
const NONE: u32 = u32::MAX;
/// Twice the area of a triangle over the square of its longest side, below which it counts as turned over.
const FLAT: f64 = 1e-9;

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

/// The triangles of a region. Half-edge `3 t + k` is the side of triangle `t` that lies opposite its corner `k`.
pub(super) struct Delaunay {
    corners: Vec<[u32; 3]>,
    /// The same side seen from the triangle beyond; [`NONE`] on the boundary.
    twins: Vec<u32>,
    sorted: Vec<[u32; 3]>,
}

impl Delaunay {
    /// Triangulates the points, of which the first are those of the region's loops.
    pub(super) fn new(points: &[[f64; 2]], region: &Region) -> Result<Self, MeshError> {
        let corners = triangulate(points, region)?;
        let twins = twins(&corners, points.len());
        let mut out = Delaunay { corners, twins, sorted: Vec::new() };
        out.sort();
        Ok(out)
    }

    /// The triangles in one order whatever was done before: counter-clockwise, each from its smallest node on, ascending.
    pub(super) fn triangles(&self) -> &[[u32; 3]] {
        &self.sorted
    }

    /// The sides, smaller node first, ascending.
    pub(super) fn sides(&self) -> Vec<[u32; 2]> {
        let once = (0..self.twins.len()).filter(|&h| self.twins[h] == NONE || h < self.twins[h] as usize);
        let sides: Vec<[u32; 2]> = once.map(|h| self.ends(h)).map(|[a, b]| [a.min(b), a.max(b)]).collect();
        sorted(&sides)
    }

    /// Takes interior points out and puts one into the middle of each of some triangles, by their numbers in [`Delaunay::triangles`],
    /// none of which has a point that goes. The points that stay keep their order; those that come follow them. False where it cannot be
    /// done. It is Delaunay again once it is mended.
    pub(super) fn change(&mut self, points: &[[f64; 2]], gone: &[bool], split: &[usize]) -> bool {
        let mut next = points.len() as u32;
        let mut corners = Vec::with_capacity(self.corners.len() + 2 * split.len());
        let mut at = split.iter().copied().peekable();
        for (t, &[a, b, c]) in self.sorted.iter().enumerate() {
            if at.next_if_eq(&t).is_some() {
                corners.extend([[a, b, next], [b, c, next], [c, a, next]]);
                next += 1;
            } else {
                corners.push([a, b, c]);
            }
        }
        for n in (0..points.len()).filter(|&n| gone[n]) {
            if !take_out(&mut corners, points, n as u32) {
                return false;
            }
        }
        let mut left = 0;
        let mut new: Vec<u32> = gone
            .iter()
            .map(|&g| {
                if g {
                    NONE
                } else {
                    left += 1;
                    left - 1
                }
            })
            .collect();
        new.extend((0..split.len() as u32).map(|k| left + k));
        corners.iter_mut().flatten().for_each(|n| *n = new[*n as usize]);
        self.twins = twins(&corners, left as usize + split.len());
        self.corners = corners;
        self.sorted.clear();
        true
    }

    /// Makes the triangulation Delaunay again after interior points have moved.
    pub(super) fn mend(&mut self, points: &[[f64; 2]], region: &Region) -> Result<(), MeshError> {
        if self.corners.iter().any(|t| flat(t.map(|n| points[n as usize]))) {
            // Points have passed over a side: the triangles overlap.
            *self = Delaunay::new(points, region)?;
            return Ok(());
        }
        let mut todo: Vec<u32> =
            (0..self.twins.len() as u32).filter(|&h| self.twins[h as usize] != NONE && h < self.twins[h as usize]).collect();
        let mut flipped = self.sorted.is_empty();
        while let Some(h) = todo.pop() {
            let h = h as usize;
            if self.twins[h] == NONE {
                continue;
            }
            let [a, b, c] = [0, 1, 2].map(|k| self.corner(h, k));
            let d = self.corner(self.twins[h] as usize, 0);
            let at = |n: u32| {
                let [x, y] = points[n as usize];
                Coord { x, y }
            };
            if incircle(at(a), at(b), at(c), at(d)) > 0.0 {
                todo.extend(self.flip(h));
                flipped = true;
            }
        }
        if flipped {
            self.sort();
        }
        Ok(())
    }

    /// The corner `k` places after the one opposite a half-edge.
    fn corner(&self, h: usize, k: usize) -> u32 {
        self.corners[h / 3][(h % 3 + k) % 3]
    }

    fn ends(&self, h: usize) -> [u32; 2] {
        [self.corner(h, 1), self.corner(h, 2)]
    }

    /// Puts the other diagonal into the two triangles at a half-edge; gives their outer sides.
    fn flip(&mut self, h: usize) -> [u32; 4] {
        let g = self.twins[h] as usize;
        let (t, s) = (h / 3, g / 3);
        let [a, b, c] = [0, 1, 2].map(|k| self.corner(h, k));
        let d = self.corner(g, 0);
        let after = |h: usize, k: usize| self.twins[3 * (h / 3) + (h % 3 + k) % 3];
        // Beyond c a, a b, b d, d c.
        let (ca, ab, bd, dc) = (after(h, 1), after(h, 2), after(g, 1), after(g, 2));
        self.corners[t] = [a, b, d];
        self.corners[s] = [a, d, c];
        self.join(3 * t, bd);
        self.join(3 * t + 1, (3 * s + 2) as u32);
        self.join(3 * t + 2, ab);
        self.join(3 * s, dc);
        self.join(3 * s + 1, ca);
        [3 * t, 3 * t + 2, 3 * s, 3 * s + 1].map(|h| h as u32)
    }

    fn join(&mut self, h: usize, twin: u32) {
        self.twins[h] = twin;
        if twin != NONE {
            self.twins[twin as usize] = h as u32;
        }
    }

    /// Sorts by the smallest node, of which few triangles share one, and then by the others.
    fn sort(&mut self) {
        let mut turned = self.corners.clone();
        for t in &mut turned {
            let k = (0..3).min_by_key(|&k| t[k]).unwrap_or(0);
            t.rotate_left(k);
        }
        self.sorted = sorted(&turned);
    }
}

/// Sorts lists of nodes that begin with their smallest, which few share.
fn sorted<const N: usize>(lists: &[[u32; N]]) -> Vec<[u32; N]> {
    let most = lists.iter().map(|l| l[0]).max().unwrap_or(0) as usize;
    let mut start = vec![0u32; most + 2];
    lists.iter().for_each(|l| start[l[0] as usize + 1] += 1);
    (0..=most).for_each(|n| start[n + 1] += start[n]);
    let mut out = vec![[0; N]; lists.len()];
    for l in lists {
        let at = &mut start[l[0] as usize];
        out[*at as usize] = *l;
        *at += 1;
    }
    out.chunk_by_mut(|a, b| a[0] == b[0]).for_each(|same| same.sort_unstable());
    out
}

/// Takes an interior point out of a triangulation and fills the hole with a fan. False where none fits.
fn take_out(corners: &mut Vec<[u32; 3]>, points: &[[f64; 2]], gone: u32) -> bool {
    let mut ring: Vec<[u32; 2]> = Vec::new();
    corners.retain(|&[a, b, c]| {
        let side = if a == gone {
            [b, c]
        } else if b == gone {
            [c, a]
        } else if c == gone {
            [a, b]
        } else {
            return true;
        };
        ring.push(side);
        false
    });
    let fits = |apex: u32, &[a, b]: &[u32; 2]| {
        // A point that came lies in no triangle with one that goes, but may lie beside one that is gone already.
        let known = [apex, a, b].iter().all(|&n| (n as usize) < points.len());
        apex == a || apex == b || known && !flat([apex, a, b].map(|n| points[n as usize]))
    };
    let Some(apex) = ring.iter().map(|r| r[0]).find(|&apex| ring.iter().all(|r| fits(apex, r))) else { return false };
    corners.extend(ring.iter().filter(|r| !r.contains(&apex)).map(|&[a, b]| [apex, a, b]));
    true
}

/// Whether a triangle is turned over, or as good as.
fn flat([a, b, c]: [[f64; 2]; 3]) -> bool {
    let minus = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
    let (u, v, w) = (minus(b, a), minus(c, a), minus(c, b));
    let longest = [u, v, w].map(|s| s[0] * s[0] + s[1] * s[1]).into_iter().fold(0.0, f64::max);
    // NaN is flat too.
    u[0] * v[1] - u[1] * v[0] <= FLAT * longest || longest.is_nan()
}

/// The twin of every half-edge.
fn twins(corners: &[[u32; 3]], nodes: usize) -> Vec<u32> {
    let mut twins = vec![NONE; 3 * corners.len()];
    // Half-edges that wait for their twins, by the node that they start from: the first, and the one after each.
    let (mut first, mut next) = (vec![NONE; nodes], vec![NONE; 3 * corners.len()]);
    let end = |h: u32, k: usize| corners[h as usize / 3][(h as usize % 3 + k) % 3];
    for h in 0..3 * corners.len() as u32 {
        let (from, to) = (end(h, 1), end(h, 2));
        let (mut before, mut g) = (NONE, first[to as usize]);
        while g != NONE && end(g, 2) != from {
            (before, g) = (g, next[g as usize]);
        }
        if g == NONE {
            next[h as usize] = first[from as usize];
            first[from as usize] = h;
            continue;
        }
        (twins[h as usize], twins[g as usize]) = (g, h);
        match before {
            NONE => first[to as usize] = next[g as usize],
            _ => next[before as usize] = next[g as usize],
        }
    }
    twins
}

/// The triangles within the region, counter-clockwise.
fn triangulate(points: &[[f64; 2]], region: &Region) -> Result<Vec<[u32; 3]>, MeshError> {
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
    let triangles = cdt.inner_faces().filter_map(|face| {
        let v = face.vertices();
        let p = v.map(|v| [v.position().x, v.position().y]);
        let center = [(p[0][0] + p[1][0] + p[2][0]) / 3.0, (p[0][1] + p[1][1] + p[2][1]) / 3.0];
        region.contains(center).then(|| v.map(|v| v.data().id as u32))
    });
    Ok(triangles.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moved points: flips find what a triangulation from nothing finds.
    #[test]
    fn mended_is_made_anew() {
        let line = vec![[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [1.1, 0.7], [0.0, 1.0]];
        let region = Region::new(vec![line.clone()]).unwrap();
        let mut state = 5u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut points = line.clone();
        points.extend((0..60).map(|_| [0.05 + 1.9 * random(), 0.05 + 0.6 * random()]));
        let mut kept = Delaunay::new(&points, &region).unwrap();
        let mut changes = 0;
        for _ in 0..60 {
            let before = kept.triangles().to_vec();
            for p in &mut points[line.len()..] {
                let moved = [p[0] + 0.02 * (random() - 0.5), p[1] + 0.02 * (random() - 0.5)];
                if (0.02..1.98).contains(&moved[0]) && (0.02..0.68).contains(&moved[1]) {
                    *p = moved;
                }
            }
            kept.mend(&points, &region).unwrap();
            changes += usize::from(before != kept.triangles());
            let anew = Delaunay::new(&points, &region).unwrap();
            assert_eq!(kept.triangles(), anew.triangles());
            assert_eq!(kept.sides(), anew.sides());
        }
        assert!(changes > 30);
    }
}
