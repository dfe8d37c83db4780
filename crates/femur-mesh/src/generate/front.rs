//! Points for the inside of a region, placed from its boundary inwards at the distance that a size field wants.

use super::region::Region;
use super::size::SizeField;
use crate::MeshError;
use std::f64::consts::PI;

/// Most nodes that a triangulation may have.
pub(super) const MAX_NODES: usize = 2_000_000;
/// Least distance to any other point, in parts of the wanted edge length.
const APART: f64 = 0.8;

/// No point.
const NONE: u32 = u32::MAX;

/// A square bin: its level and its place in the grid of that level.
type Bin = (i32, i64, i64);

/// Points in square bins whose width is the power of two next to the local size, so that graded sets stay quick to search. Bins share
/// the chains of a table by the hash of their names.
struct Bins {
    /// First point of each chain; a power of two of them.
    heads: Vec<u32>,
    /// Points with their bins, and the next point of the chain.
    items: Vec<([f64; 2], Bin, u32)>,
    levels: Vec<i32>,
}

fn level(h: f64) -> i32 {
    h.log2().floor() as i32
}

fn bin(p: [f64; 2], level: i32) -> (i64, i64) {
    let width = f64::from(-level).exp2();
    ((p[0] * width).floor() as i64, (p[1] * width).floor() as i64)
}

impl Bins {
    fn new() -> Self {
        Bins { heads: vec![NONE; 1024], items: Vec::new(), levels: Vec::new() }
    }

    fn chain(&self, (level, i, j): Bin) -> usize {
        // Multiplicative hashing (Knuth 1998, ch. 6.4).
        let mixed = (i as u64 ^ (j as u64).rotate_left(24) ^ (level as u64).rotate_left(48)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (self.heads.len() - 1)
    }

    fn insert(&mut self, p: [f64; 2], h: f64) {
        let l = level(h);
        if !self.levels.contains(&l) {
            self.levels.push(l);
        }
        if self.items.len() == self.heads.len() {
            self.heads = vec![NONE; 4 * self.heads.len()];
            for k in 0..self.items.len() {
                self.link(k);
            }
        }
        let (i, j) = bin(p, l);
        self.items.push((p, (l, i, j), NONE));
        self.link(self.items.len() - 1);
    }

    fn link(&mut self, item: usize) {
        let chain = self.chain(self.items[item].1);
        self.items[item].2 = std::mem::replace(&mut self.heads[chain], item as u32);
    }

    /// Whether no point is nearer than `apart`. Sizes within reach differ by less than a factor of two: three levels suffice.
    fn free(&self, p: [f64; 2], apart: f64, h: f64) -> bool {
        let own = level(h);
        self.levels.iter().filter(|&&l| (l - own).abs() <= 1).all(|&l| {
            let (lo, hi) = (bin([p[0] - apart, p[1] - apart], l), bin([p[0] + apart, p[1] + apart], l));
            (lo.0..=hi.0).all(|i| (lo.1..=hi.1).all(|j| self.clear((l, i, j), p, apart)))
        })
    }

    /// Whether no point of a bin is nearer than `apart`.
    fn clear(&self, bin: Bin, p: [f64; 2], apart: f64) -> bool {
        let mut k = self.heads[self.chain(bin)];
        while let Some(&(q, of, next)) = self.items.get(k as usize) {
            let d = [p[0] - q[0], p[1] - q[1]];
            if d[0] * d[0] + d[1] * d[1] < apart * apart && of == bin {
                return false;
            }
            k = next;
        }
        true
    }
}

/// The points of the loops, in order, and after them those of the inside.
///
/// Each boundary edge proposes the tip of its equilateral triangle, each point accepted the rest of its hexagon, first come first served.
pub(super) fn place(region: &Region, size: &SizeField) -> Result<Vec<[f64; 2]>, MeshError> {
    let mut points: Vec<[f64; 2]> = region.loops.iter().flatten().copied().collect();
    let mut bins = Bins::new();
    points.iter().for_each(|&p| bins.insert(p, size.at(p)));
    // Point, size there, and direction from it towards the point that proposed it.
    let mut front: Vec<([f64; 2], f64, f64)> = Vec::new();
    let accept = |p: [f64; 2], back: f64, bins: &mut Bins, points: &mut Vec<[f64; 2]>, front: &mut Vec<([f64; 2], f64, f64)>| {
        let h = size.at(p);
        if bins.free(p, APART * h, h) && region.contains(p) {
            bins.insert(p, h);
            points.push(p);
            front.push((p, h, back));
        }
    };
    for line in &region.loops {
        for k in 0..line.len() {
            let (a, b) = (line[k], line[(k + 1) % line.len()]);
            let middle = [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])];
            let along = (b[1] - a[1]).atan2(b[0] - a[0]);
            let rise = size.at(middle) * 0.866;
            for normal in [along + PI / 2.0, along - PI / 2.0] {
                let tip = [middle[0] + rise * normal.cos(), middle[1] + rise * normal.sin()];
                accept(tip, (a[1] - tip[1]).atan2(a[0] - tip[0]), &mut bins, &mut points, &mut front);
            }
        }
    }
    let mut next = 0;
    while next < front.len() {
        let (p, h, back) = front[next];
        for k in [3.0, 2.0, 4.0, 1.0, 5.0] {
            let direction = back + k * PI / 3.0;
            let (sin, cos) = direction.sin_cos();
            let ahead = [p[0] + h * cos, p[1] + h * sin];
            // The step is that of the size halfway.
            let step = 0.5 * (h + size.at(ahead));
            let q = [p[0] + step * cos, p[1] + step * sin];
            accept(q, direction + PI, &mut bins, &mut points, &mut front);
        }
        next += 1;
        if points.len() > MAX_NODES {
            return Err(too_many());
        }
    }
    Ok(points)
}

pub(super) fn too_many() -> MeshError {
    MeshError::Parameter {
        parameter: "size".into(),
        value: "the wanted edge length".into(),
        expected: format!("must not ask for more than {MAX_NODES} nodes"),
    }
}
