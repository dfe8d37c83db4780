//! Colour maps of even lightness.

/// A colour map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// Dark blue to yellow; anchors of matplotlib's viridis (CC0).
    Viridis,
    /// White to dark red, for errors.
    Reds,
}

const VIRIDIS: [[u8; 3]; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [109, 205, 89],
    [180, 222, 44],
    [253, 231, 37],
];
const REDS: [[u8; 3]; 5] = [[250, 246, 240], [253, 208, 162], [244, 130, 90], [200, 50, 45], [103, 0, 13]];

impl Map {
    /// The colour at `s` in [0, 1].
    pub(super) fn at(self, s: f64) -> [u8; 3] {
        let table: &[[u8; 3]] = if self == Map::Viridis { &VIRIDIS } else { &REDS };
        let x = if s.is_finite() { s.clamp(0.0, 1.0) } else { 0.0 } * (table.len() - 1) as f64;
        let k = (x as usize).min(table.len() - 2);
        let f = x - k as f64;
        std::array::from_fn(|c| (f64::from(table[k][c]) * (1.0 - f) + f64::from(table[k + 1][c]) * f).round() as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lightness_is_monotone() {
        let light = |c: [u8; 3]| 0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2]);
        for (map, sign) in [(Map::Viridis, 1.0), (Map::Reds, -1.0)] {
            let steps: Vec<f64> = (0..=50).map(|k| light(map.at(f64::from(k) / 50.0))).collect();
            assert!(steps.windows(2).all(|w| sign * (w[1] - w[0]) > -0.5), "{map:?}");
        }
    }
}
