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
        if let Some(user) = self.user {
            // f64::min passes over NaN, so a function that is undefined somewhere asks for nothing there.
            h = h.min(user(p));
        }
        if let Some((_, from_sources)) = self.tree.as_ref().and_then(|t| t.least_up_to(h, far, value)) {
            h = h.min(from_sources);
        }
        h.max(self.least)
    }
}

/// Parameters that cut a curve into edges that follow the size field. `breaks` are parameters that must be among them, rising; the
/// last one is left out. A stretch between breaks that is worth less than half an edge is joined to the one after it (at the end,
/// before it), so that no edge comes out much too short.
pub(super) fn cuts(curve: &dyn Fn(f64) -> [f64; 2], size: &SizeField, breaks: &[f64]) -> Vec<f64> {
    const LEAST: f64 = 0.6;
    let mut runs: Vec<Run> = Vec::new();
    for ends in breaks.windows(2) {
        let piece = Run::new(curve, size, ends[0], ends[1]);
        match runs.last_mut() {
            Some(last) if last.edges() < LEAST => last.append(piece),
            _ => runs.push(piece),
        }
    }
    if let [.., before, last] = runs.as_mut_slice()
        && last.edges() < LEAST
    {
        before.append(last.clone());
        runs.pop();
    }
    runs.iter().flat_map(Run::cut).collect()
}

/// A stretch of a curve: parameters, and the number of wanted edges up to each.
#[derive(Clone)]
struct Run {
    at: Vec<f64>,
    along: Vec<f64>,
}

impl Run {
    fn new(curve: &dyn Fn(f64) -> [f64; 2], size: &SizeField, from: f64, to: f64) -> Self {
        const FIRST: usize = 8;
        const DEEPEST: usize = 30;
        let mut run = Run { at: vec![from], along: vec![0.0] };
        let s = |k: usize| from + (to - from) * k as f64 / FIRST as f64;
        // Halved until each step is short against the wanted edge, which may be tiny on a small part of the curve.
        let mut todo: Vec<(f64, f64, usize)> = (0..FIRST).rev().map(|k| (s(k), s(k + 1), 0)).collect();
        while let Some((a, b, depth)) = todo.pop() {
            let (p, q, middle) = (curve(a), curve(b), 0.5 * (a + b));
            let step = (p[0] - q[0]).hypot(p[1] - q[1]) / size.at(curve(middle));
            if step > 0.25 && depth < DEEPEST {
                todo.extend([(middle, b, depth + 1), (a, middle, depth + 1)]);
            } else {
                run.at.push(b);
                run.along.push(run.edges() + step);
            }
        }
        run
    }

    fn edges(&self) -> f64 {
        self.along[self.along.len() - 1]
    }

    fn append(&mut self, next: Run) {
        let before = self.edges();
        self.at.extend_from_slice(&next.at[1..]);
        self.along.extend(next.along[1..].iter().map(|a| before + a));
    }

    /// Parameters of the edges' starts.
    fn cut(&self) -> Vec<f64> {
        let parts = self.edges().round().max(1.0) as usize;
        let mut k = 0;
        (0..parts)
            .map(|i| {
                let want = self.edges() * i as f64 / parts as f64;
                while k + 2 < self.along.len() && self.along[k + 1] <= want {
                    k += 1;
                }
                let part = (want - self.along[k]) / (self.along[k + 1] - self.along[k]);
                self.at[k] + part * (self.at[k + 1] - self.at[k])
            })
            .collect()
    }
}
