//! Closed curves made of straight pieces and arcs.

use crate::MeshError;
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
    /// Angle of the long axis, or of the first corner, from the x axis \[deg\].
    pub angle: f64,
}

/// A smooth piece of a curve.
#[derive(Debug, Clone, Copy)]
enum Piece {
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
    fn point(&self, s: f64) -> [f64; 2] {
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

    /// Radius of curvature at `s`; infinite on a line.
    fn radius(&self, s: f64) -> f64 {
        match *self {
            Piece::Line { .. } => f64::INFINITY,
            Piece::Arc { rx, ry, from, to, .. } => {
                let (sin, cos) = (from + s * (to - from)).sin_cos();
                (rx * sin).hypot(ry * cos).powi(3) / (rx * ry)
            }
        }
    }

    /// Length, of an arc by short chords.
    fn length(&self) -> f64 {
        const CHORDS: usize = 64;
        let s = |k: usize| k as f64 / CHORDS as f64;
        (0..CHORDS)
            .map(|k| {
                let (p, q) = (self.point(s(k)), self.point(s(k + 1)));
                (p[0] - q[0]).hypot(p[1] - q[1])
            })
            .sum()
    }
}

/// The closed curve around a hole, counter-clockwise, with a parameter from 0 to 1 that grows about as the length does.
pub(super) struct Outline {
    pieces: Vec<Piece>,
    /// Parameters of the pieces' ends: 0, ..., 1.
    pub(super) ends: Vec<f64>,
}

impl Outline {
    pub(super) fn new(hole: &Hole) -> Self {
        let pieces = hole.pieces();
        let lengths: Vec<f64> = pieces.iter().map(Piece::length).collect();
        let total: f64 = lengths.iter().sum();
        let mut ends = vec![0.0];
        for length in &lengths {
            ends.push(ends[ends.len() - 1] + length / total);
        }
        let last = ends.len() - 1;
        ends[last] = 1.0;
        Outline { pieces, ends }
    }

    fn piece(&self, s: f64) -> (&Piece, f64) {
        let s = s.rem_euclid(1.0);
        let k = self.ends.partition_point(|e| *e <= s).clamp(1, self.pieces.len());
        (&self.pieces[k - 1], (s - self.ends[k - 1]) / (self.ends[k] - self.ends[k - 1]))
    }

    pub(super) fn point(&self, s: f64) -> [f64; 2] {
        let (piece, s) = self.piece(s);
        piece.point(s)
    }

    /// Radius of curvature; infinite on a line.
    pub(super) fn radius(&self, s: f64) -> f64 {
        let (piece, s) = self.piece(s);
        piece.radius(s)
    }
}

impl Hole {
    /// The pieces, counter-clockwise.
    fn pieces(&self) -> Vec<Piece> {
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

    /// Checks that the measures describe a hole; the error names the key as a case file would.
    pub(super) fn check(&self) -> Result<(), MeshError> {
        let refuse = |parameter: &str, value: String, expected: &str| {
            Err(MeshError::Parameter { parameter: format!("hole.{parameter}"), value, expected: expected.into() })
        };
        if !(self.diameter > 0.0 && self.diameter.is_finite()) {
            return refuse("diameter", self.diameter.to_string(), "must be positive");
        }
        if !(self.center[0].is_finite() && self.center[1].is_finite()) {
            return refuse("center", format!("{:?}", self.center), "must be finite");
        }
        if !self.angle.is_finite() {
            return refuse("angle", self.angle.to_string(), "must be finite");
        }
        match self.shape {
            HoleShape::Ellipse { aspect } if !(1.0..=100.0).contains(&aspect) => {
                refuse("aspect", aspect.to_string(), "must lie between 1 and 100: the longest over the shortest axis")
            }
            HoleShape::Polygon { corners, .. } if !(3..=1000).contains(&corners) => {
                refuse("corners", corners.to_string(), "must lie between 3 and 1000")
            }
            HoleShape::Polygon { rounding, .. } if !(0.0..=1.0).contains(&rounding) => {
                refuse("rounding", rounding.to_string(), "must lie between 0 (sharp) and 1 (the inscribed circle)")
            }
            _ => Ok(()),
        }
    }

    /// Exact area.
    pub fn area(&self) -> f64 {
        let r = self.diameter / 2.0;
        match self.shape {
            HoleShape::Circle => PI * r * r,
            HoleShape::Ellipse { aspect } => PI * r * r / aspect,
            HoleShape::Polygon { corners, rounding } => {
                let half = PI / corners as f64;
                let inner = r * half.cos();
                // The polygon less, at each corner, the kite between the tangent points plus the sector within it.
                let rounded = rounding * inner;
                corners as f64 * half.tan() * inner * inner - rounded * rounded * (corners as f64 * half.tan() - PI)
            }
        }
    }
}
