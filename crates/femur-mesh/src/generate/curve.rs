//! Closed curves made of straight pieces and arcs.

use std::f64::consts::PI;

/// Shape of a hole; its longest extent is the diameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HoleShape {
    /// A circle.
    Circle,
    /// An ellipse.
    Ellipse {
        /// Longest over shortest axis, at least 1.
        aspect: f64,
    },
    /// A regular polygon with rounded corners.
    Polygon {
        /// Number of corners, from 3.
        corners: usize,
        /// Corner radius as a part of the inscribed circle's, 0 (sharp) to 1.
        rounding: f64,
    },
}

/// A hole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hole {
    /// Shape.
    pub shape: HoleShape,
    /// Centre.
    pub center: [f64; 2],
    /// Longest extent; of a polygon the diameter of the circle through its corners.
    pub diameter: f64,
    /// Angle of the long axis, or of the first corner, from the x axis [deg].
    pub angle: f64,
}

/// A smooth piece of a curve.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece {
    Line {
        a: [f64; 2],
        b: [f64; 2],
    },
    /// `center + R(turn) (rx cos t, ry sin t)` for t from `from` to `to`.
    Arc {
        center: [f64; 2],
        rx: f64,
        ry: f64,
        turn: f64,
        from: f64,
        to: f64,
    },
}

impl Piece {
    /// The point at `s` in [0, 1] of the parameter (for an ellipse not the arc length).
    pub(super) fn point(&self, s: f64) -> [f64; 2] {
        match *self {
            Piece::Line { a, b } => [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])],
            Piece::Arc { center, rx, ry, turn, from, to } => {
                let t = from + s * (to - from);
                let (x, y) = (rx * t.cos(), ry * t.sin());
                let (sin, cos) = turn.sin_cos();
                [center[0] + cos * x - sin * y, center[1] + sin * x + cos * y]
            }
        }
    }

    /// Parameters that cut the piece into parts of equal length: at least `least` parts, none longer than `size`.
    pub(super) fn cuts(&self, size: f64, least: usize) -> (Vec<f64>, f64) {
        const FINE: usize = 256;
        let mut length = vec![0.0];
        for k in 1..=FINE {
            let (p, q) = (self.point((k - 1) as f64 / FINE as f64), self.point(k as f64 / FINE as f64));
            length.push(length[k - 1] + (q[0] - p[0]).hypot(q[1] - p[1]));
        }
        let total = length[FINE];
        let parts = ((total / size).ceil() as usize).max(least).max(1);
        let mut cuts = Vec::with_capacity(parts);
        let mut k = 0;
        for i in 0..parts {
            let want = total * i as f64 / parts as f64;
            while length[k + 1] < want {
                k += 1;
            }
            let part = (want - length[k]) / (length[k + 1] - length[k]);
            cuts.push((k as f64 + part) / FINE as f64);
        }
        (cuts, total / parts as f64)
    }
}

impl Hole {
    /// The pieces, counter-clockwise.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        let r = self.diameter / 2.0;
        let turn = self.angle.to_radians();
        let whole = |ry: f64| {
            (0..4)
                .map(|k| Piece::Arc {
                    center: self.center,
                    rx: r,
                    ry,
                    turn,
                    from: f64::from(k) * PI / 2.0,
                    to: f64::from(k + 1) * PI / 2.0,
                })
                .collect()
        };
        match self.shape {
            HoleShape::Circle => whole(r),
            HoleShape::Ellipse { aspect } => whole(r / aspect),
            HoleShape::Polygon { corners, rounding } => {
                let n = corners as f64;
                let (half, inner) = (PI / n, r * (PI / n).cos());
                let radius = rounding * inner;
                let corner = |k: usize| {
                    let t = turn + 2.0 * PI * k as f64 / n;
                    [self.center[0] + r * t.cos(), self.center[1] + r * t.sin()]
                };
                let cut = radius * half.tan();
                let mut pieces = Vec::new();
                for k in 0..corners {
                    let direction = turn + 2.0 * PI * k as f64 / n;
                    if radius > 0.0 {
                        let away = r - radius / half.cos();
                        let center = [self.center[0] + away * direction.cos(), self.center[1] + away * direction.sin()];
                        pieces.push(Piece::Arc { center, rx: radius, ry: radius, turn: direction, from: -half, to: half });
                    }
                    let (p, q) = (corner(k), corner(k + 1));
                    let length = (q[0] - p[0]).hypot(q[1] - p[1]);
                    if length - 2.0 * cut > 1e-6 * length {
                        let at = |s: f64| [p[0] + s / length * (q[0] - p[0]), p[1] + s / length * (q[1] - p[1])];
                        pieces.push(Piece::Line { a: at(cut), b: at(length - cut) });
                    }
                }
                pieces
            }
        }
    }

    /// Radius of the tightest curve, infinite for straight edges.
    pub(super) fn tightest(&self) -> f64 {
        let r = self.diameter / 2.0;
        match self.shape {
            HoleShape::Circle => r,
            HoleShape::Ellipse { aspect } => r / (aspect * aspect),
            HoleShape::Polygon { corners, rounding } => {
                let inner = rounding * r * (PI / corners as f64).cos();
                if inner > 0.0 { inner } else { f64::INFINITY }
            }
        }
    }
}
