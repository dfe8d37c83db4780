//! A plane region bounded by closed loops of points, with a fast test whether a point lies inside.

use crate::MeshError;
use std::cmp::Ordering;

/// Closed loops, the first around the region, the others around its holes.
pub(super) struct Region {
    pub(super) loops: Vec<Vec<[f64; 2]>>,
    /// Segments by horizontal strip.
    strips: Vec<Vec<[[f64; 2]; 2]>>,
    y0: f64,
    strip_height: f64,
}

impl Region {
    pub(super) fn new(loops: Vec<Vec<[f64; 2]>>) -> Result<Self, MeshError> {
        let segments: Vec<[[f64; 2]; 2]> =
            loops.iter().flat_map(|line| (0..line.len()).map(|k| [line[k], line[(k + 1) % line.len()]])).collect();
        let y = |f: fn(f64, f64) -> f64, init: f64| segments.iter().fold(init, |m, s| f(m, s[0][1]));
        let (y0, y1) = (y(f64::min, f64::INFINITY), y(f64::max, f64::NEG_INFINITY));
        if y1.partial_cmp(&y0) != Some(Ordering::Greater) {
            return Err(MeshError::Other("the region to be meshed has no height".into()));
        }
        let count = segments.len().clamp(1, 4096);
        let strip_height = (y1 - y0) / count as f64;
        let mut region = Region { loops, strips: vec![Vec::new(); count], y0, strip_height };
        for s in segments {
            let (a, b) = (region.strip(s[0][1].min(s[1][1])), region.strip(s[0][1].max(s[1][1])));
            region.strips[a..=b].iter_mut().for_each(|strip| strip.push(s));
        }
        Ok(region)
    }

    fn strip(&self, y: f64) -> usize {
        // `as` saturates: points below the region fall into the first strip, those above into the last.
        (((y - self.y0) / self.strip_height) as usize).min(self.strips.len() - 1)
    }

    /// Even-odd rule over all loops.
    pub(super) fn contains(&self, p: [f64; 2]) -> bool {
        self.strips[self.strip(p[1])].iter().filter(|s| crosses(p, s[0], s[1])).count() % 2 == 1
    }
}

/// Whether the ray from `p` along x crosses the segment.
fn crosses(p: [f64; 2], a: [f64; 2], b: [f64; 2]) -> bool {
    (a[1] > p[1]) != (b[1] > p[1]) && p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
}

/// Even-odd rule over one loop.
pub(super) fn within(line: &[[f64; 2]], p: [f64; 2]) -> bool {
    (0..line.len()).filter(|&k| crosses(p, line[k], line[(k + 1) % line.len()])).count() % 2 == 1
}
