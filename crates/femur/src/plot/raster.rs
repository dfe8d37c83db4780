//! Triangles into pixels, with a depth buffer; values are interpolated, then coloured, so that colours stay on the map.

/// A picture of `width x height`, RGB.
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
    depth: Vec<f32>,
}

impl Raster {
    /// A white one.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let n = (width * height) as usize;
        Raster { width, height, pixels: vec![255; 3 * n], depth: vec![f32::NEG_INFINITY; n] }
    }

    /// Paints a triangle with corners (x, y, depth) in pixels; `color` maps barycentric weights to a colour.
    pub(super) fn triangle(&mut self, p: [[f64; 3]; 3], color: impl Fn([f64; 3]) -> [u8; 3]) {
        let area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[1][1] - p[0][1]) * (p[2][0] - p[0][0]);
        if area == 0.0 || !area.is_finite() {
            return;
        }
        let low = |d: usize| p.iter().map(|q| q[d]).fold(f64::INFINITY, f64::min).floor().max(0.0) as u32;
        let high = |d: usize, limit: u32| (p.iter().map(|q| q[d]).fold(f64::NEG_INFINITY, f64::max).ceil().max(0.0) as u32).min(limit);
        for y in low(1)..high(1, self.height) {
            for x in low(0)..high(0, self.width) {
                let (cx, cy) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
                let edge = |a: [f64; 3], b: [f64; 3]| ((b[0] - a[0]) * (cy - a[1]) - (b[1] - a[1]) * (cx - a[0])) / area;
                let w = [edge(p[1], p[2]), edge(p[2], p[0]), edge(p[0], p[1])];
                if w.iter().any(|&v| v < -1e-9) {
                    continue;
                }
                let z = (w[0] * p[0][2] + w[1] * p[1][2] + w[2] * p[2][2]) as f32;
                let at = (y * self.width + x) as usize;
                if z >= self.depth[at] {
                    self.depth[at] = z;
                    self.pixels[3 * at..3 * at + 3].copy_from_slice(&color(w));
                }
            }
        }
    }

    /// A thin line where it is not hidden; `lift` moves it towards the eye.
    pub(super) fn line(&mut self, a: [f64; 3], b: [f64; 3], lift: f64, color: [u8; 3]) {
        let steps = ((b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil() as usize).clamp(1, 10_000);
        for k in 0..=steps {
            let s = k as f64 / steps as f64;
            let q: [f64; 3] = std::array::from_fn(|d| a[d] + s * (b[d] - a[d]));
            if q[0] < 0.0 || q[1] < 0.0 || q[0] >= f64::from(self.width) || q[1] >= f64::from(self.height) {
                continue;
            }
            let at = (q[1] as u32 * self.width + q[0] as u32) as usize;
            if (q[2] + lift) as f32 >= self.depth[at] {
                self.pixels[3 * at..3 * at + 3].copy_from_slice(&color);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_of_two_triangles_paints_each_pixel() {
        let mut r = Raster::new(6, 6);
        let q = [[1.0, 1.0, 0.0], [5.0, 1.0, 0.0], [5.0, 4.0, 0.0], [1.0, 4.0, 0.0]];
        r.triangle([q[0], q[1], q[2]], |_| [1, 2, 3]);
        r.triangle([q[0], q[2], q[3]], |_| [1, 2, 3]);
        let painted: Vec<usize> = (0..36).filter(|&k| r.pixels[3 * k..3 * k + 3] == [1, 2, 3]).collect();
        let expected: Vec<usize> = (1..4).flat_map(|y| (1..5).map(move |x| y * 6 + x)).collect();
        assert_eq!(painted, expected);
        // what lies behind stays hidden
        r.triangle([[0.0, 0.0, -1.0], [6.0, 0.0, -1.0], [0.0, 6.0, -1.0]], |_| [9, 9, 9]);
        assert_eq!(r.pixels[3 * 7..3 * 7 + 3], [1, 2, 3]);
    }
}
