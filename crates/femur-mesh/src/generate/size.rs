//! The wanted edge length as a function of place.

use crate::tree::{Aabb, BoxTree};

/// How fast the edge length may grow with the distance from where it is small.
const GRADING: f64 = 0.35;

/// `min(base, user(x), min over sources (length + GRADING |x - source|))`.
pub(super) struct SizeField<'a> {
    base: f64,
    least: f64,
    user: Option<&'a dyn Fn([f64; 2]) -> f64>,
    /// Points with the length as the third coordinate, so that a box bounds it from below.
    tree: Option<BoxTree>,
    sources: Vec<[f64; 3]>,
}

impl<'a> SizeField<'a> {
    /// `sources` are `[x, y, length]`. Nothing is smaller than `least`.
    pub(super) fn new(base: f64, least: f64, sources: Vec<[f64; 3]>, user: Option<&'a dyn Fn([f64; 2]) -> f64>) -> Self {
        let boxes: Vec<Aabb> = sources.iter().map(|&s| Aabb { lo: s, hi: s }).collect();
        SizeField { base, least, user, tree: (!sources.is_empty()).then(|| BoxTree::new(&boxes)), sources }
    }

    pub(super) fn at(&self, p: [f64; 2]) -> f64 {
        let far = |b: &Aabb| {
            b.lo[2] + GRADING * Aabb { lo: [b.lo[0], b.lo[1], 0.0], hi: [b.hi[0], b.hi[1], 0.0] }.distance2([p[0], p[1], 0.0]).sqrt()
        };
        let value = |i: usize| self.sources[i][2] + GRADING * (p[0] - self.sources[i][0]).hypot(p[1] - self.sources[i][1]);
        let mut h = self.base;
        if let Some((_, from_sources)) = self.tree.as_ref().and_then(|t| t.least(far, value)) {
            h = h.min(from_sources);
        }
        if let Some(user) = self.user {
            // f64::min passes over NaN, so a function that is undefined somewhere asks for nothing there.
            h = h.min(user(p));
        }
        h.max(self.least)
    }
}

/// Parameters in [0, 1) that cut a curve so that its edges follow the size field: at least `least` parts; the first is 0.
pub(super) fn cuts(curve: &dyn Fn(f64) -> [f64; 2], size: &SizeField, least: usize) -> Vec<f64> {
    const FINE: usize = 256;
    let mut along = vec![0.0];
    let mut p = curve(0.0);
    for k in 1..=FINE {
        let q = curve(k as f64 / FINE as f64);
        along.push(along[k - 1] + (q[0] - p[0]).hypot(q[1] - p[1]) / size.at([0.5 * (p[0] + q[0]), 0.5 * (p[1] + q[1])]));
        p = q;
    }
    let parts = (along[FINE].round() as usize).max(least).max(1);
    let mut k = 0;
    (0..parts)
        .map(|i| {
            let want = along[FINE] * i as f64 / parts as f64;
            while k + 1 < FINE && along[k + 1] < want {
                k += 1;
            }
            (k as f64 + (want - along[k]) / (along[k + 1] - along[k])) / FINE as f64
        })
        .collect()
}
