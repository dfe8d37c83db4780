//! Quadrature rules on the reference cells.
//!
//! Lines, quadrilaterals, hexahedra: products of Gauss-Legendre rules. Triangles and tetrahedra: symmetric rules of degree 1
//! and 2, on triangles of degree 4 (Dunavant 1985), of degree 5 with 7 points (Radon 1948) and 14 (Walkington 2000); else conical
//! products of Gauss-Legendre rules (Stroud 1971, ch. 2.4), which have positive weights at any degree.

use femur_mesh::CellKind;

/// Points and weights that integrate polynomials exactly up to `degree`.
#[derive(Debug, Clone)]
pub struct Quadrature {
    /// Reference coordinates `[num_points]`.
    pub points: Vec<[f64; 3]>,
    /// Weights `[num_points]`; they sum to the measure of the reference cell.
    pub weights: Vec<f64>,
    /// Highest total degree integrated exactly.
    pub degree: usize,
}

impl Quadrature {
    /// A rule on the reference cell of that kind's shape, exact for total degree `degree` (and for `degree` in each
    /// coordinate on lines, quadrilaterals and hexahedra).
    pub fn new(kind: CellKind, degree: usize) -> Quadrature {
        let gauss = gauss_legendre(degree / 2 + 1);
        let mut rule = Quadrature { points: Vec::new(), weights: Vec::new(), degree };
        match kind.linear() {
            CellKind::Point => rule.push([0.0; 3], 1.0),
            CellKind::Line2 => gauss.iter().for_each(|&(x, w)| rule.push([x, 0.0, 0.0], w)),
            CellKind::Quad4 => {
                for &(y, v) in &gauss {
                    for &(x, w) in &gauss {
                        rule.push([x, y, 0.0], v * w);
                    }
                }
            }
            CellKind::Hex8 => {
                for &(z, u) in &gauss {
                    for &(y, v) in &gauss {
                        for &(x, w) in &gauss {
                            rule.push([x, y, z], u * v * w);
                        }
                    }
                }
            }
            CellKind::Triangle3 => triangle(&mut rule),
            CellKind::Tet4 => tetrahedron(&mut rule),
            CellKind::Wedge6 => {
                let base = Quadrature::new(CellKind::Triangle3, degree);
                for &(z, u) in &gauss {
                    for (p, w) in base.points.iter().zip(&base.weights) {
                        rule.push([p[0], p[1], z], u * w);
                    }
                }
            }
            _ => pyramid(&mut rule),
        }
        rule
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    fn push(&mut self, point: [f64; 3], weight: f64) {
        self.points.push(point);
        self.weights.push(weight);
    }
}

/// The degree that integrates a stiffness exactly on affine cells of that kind, and well on others.
pub fn stiffness_degree(kind: CellKind) -> usize {
    match kind {
        CellKind::Triangle3 | CellKind::Tet4 | CellKind::Line2 | CellKind::Point => 1,
        CellKind::Triangle6 | CellKind::Tet10 | CellKind::Line3 => 2,
        CellKind::Quad4 | CellKind::Hex8 | CellKind::Wedge6 | CellKind::Pyramid5 => 2,
        // Three Gauss points in each direction.
        CellKind::Quad8 | CellKind::Quad9 | CellKind::Hex20 | CellKind::Hex27 | CellKind::Wedge15 => 4,
    }
}

/// `n` points and weights on `[-1, 1]`, exact to degree `2 n - 1`; Newton's method on the Legendre polynomial.
pub fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut p, mut before) = (1.0, 0.0);
                for k in 0..n {
                    let k = k as f64;
                    (p, before) = (((2.0 * k + 1.0) * x * p - k * before) / (k + 1.0), p);
                }
                slope = n as f64 * (x * p - before) / (x * x - 1.0);
                let dx = p / slope;
                x -= dx;
                if dx.abs() < 1e-16 {
                    break;
                }
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// Gauss-Legendre on `[0, 1]`.
fn unit_gauss(degree: usize) -> Vec<(f64, f64)> {
    gauss_legendre(degree / 2 + 1).into_iter().map(|(x, w)| (0.5 * (x + 1.0), 0.5 * w)).collect()
}

fn triangle(rule: &mut Quadrature) {
    match rule.degree {
        0 | 1 => rule.push([1.0 / 3.0, 1.0 / 3.0, 0.0], 0.5),
        2 => {
            for (x, y) in [(1.0 / 6.0, 1.0 / 6.0), (2.0 / 3.0, 1.0 / 6.0), (1.0 / 6.0, 2.0 / 3.0)] {
                rule.push([x, y, 0.0], 1.0 / 6.0);
            }
        }
        3 | 4 => {
            for (a, w) in [(0.445_948_490_915_965, 0.111_690_794_839_005_5), (0.091_576_213_509_771, 0.054_975_871_827_661)] {
                let b = 1.0 - 2.0 * a;
                for (x, y) in [(a, a), (b, a), (a, b)] {
                    rule.push([x, y, 0.0], w);
                }
            }
        }
        5 => {
            let root = 15.0_f64.sqrt();
            rule.push([1.0 / 3.0, 1.0 / 3.0, 0.0], 9.0 / 80.0);
            for (a, w) in [((6.0 - root) / 21.0, (155.0 - root) / 2400.0), ((6.0 + root) / 21.0, (155.0 + root) / 2400.0)] {
                let b = 1.0 - 2.0 * a;
                for (x, y) in [(a, a), (b, a), (a, b)] {
                    rule.push([x, y, 0.0], w);
                }
            }
        }
        degree => {
            // x = r, y = s (1 - r); the Jacobian 1 - r raises the degree in r by one.
            for &(r, v) in &unit_gauss(degree + 1) {
                for &(s, w) in &unit_gauss(degree) {
                    rule.push([r, s * (1.0 - r), 0.0], v * w * (1.0 - r));
                }
            }
        }
    }
}

fn tetrahedron(rule: &mut Quadrature) {
    match rule.degree {
        0 | 1 => rule.push([0.25; 3], 1.0 / 6.0),
        2 => {
            let (a, b) = ((5.0 - 5.0_f64.sqrt()) / 20.0, (5.0 + 3.0 * 5.0_f64.sqrt()) / 20.0);
            for p in [[a, a, a], [b, a, a], [a, b, a], [a, a, b]] {
                rule.push(p, 1.0 / 24.0);
            }
        }
        5 => {
            for (a, w) in [(0.310_885_919_263_300_6, 0.018_781_320_953_002_642), (0.092_735_250_310_891_23, 0.012_248_840_519_393_658)] {
                let b = 1.0 - 3.0 * a;
                for p in [[a, a, a], [b, a, a], [a, b, a], [a, a, b]] {
                    rule.push(p, w);
                }
            }
            let (a, w) = (0.045_503_704_125_649_65, 0.007_091_003_462_846_911);
            let b = 0.5 - a;
            for p in [[a, a, b], [a, b, a], [b, a, a], [a, b, b], [b, a, b], [b, b, a]] {
                rule.push(p, w);
            }
        }
        degree => {
            for &(r, u) in &unit_gauss(degree + 2) {
                for &(s, v) in &unit_gauss(degree + 1) {
                    for &(t, w) in &unit_gauss(degree) {
                        let (p, q) = (1.0 - r, 1.0 - s);
                        rule.push([r, s * p, t * p * q], u * v * w * p * p * q);
                    }
                }
            }
        }
    }
}

/// x = a (1 - z), y = b (1 - z); the Jacobian (1 - z)^2 raises the degree in z by two, the rational shape functions are smooth in a, b.
fn pyramid(rule: &mut Quadrature) {
    let degree = rule.degree;
    let gauss = gauss_legendre(degree / 2 + 1);
    for &(z, u) in &unit_gauss(degree + 2) {
        let h = 1.0 - z;
        for &(b, v) in &gauss {
            for &(a, w) in &gauss {
                rule.push([a * h, b * h, z], u * v * w * h * h);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integrals over the reference cells from a rule of much higher degree, which itself is checked by the volume and by
    /// closed forms on the simplex: a! b! c! / (a + b + c + dim)!.
    #[test]
    fn rules_are_exact_to_their_degree() {
        let factorial = |n: i32| (1..=n).map(f64::from).product::<f64>();
        for kind in CellKind::ALL.into_iter().filter(|k| k.order() == 1 && k.dim() > 0) {
            for degree in 0..=7 {
                let rule = Quadrature::new(kind, degree);
                let reference = Quadrature::new(kind, 14);
                assert!(rule.weights.iter().all(|w| *w > 0.0));
                for powers in crate::element::monomials_for_tests(kind.dim(), degree) {
                    let integrate = |q: &Quadrature| -> f64 {
                        q.points.iter().zip(&q.weights).map(|(p, w)| w * (0..3).map(|d| p[d].powi(powers[d])).product::<f64>()).sum()
                    };
                    let exact = match kind {
                        CellKind::Triangle3 | CellKind::Tet4 => {
                            powers.iter().map(|&p| factorial(p)).product::<f64>()
                                / factorial(powers.iter().sum::<i32>() + kind.dim() as i32)
                        }
                        CellKind::Line2 | CellKind::Quad4 | CellKind::Hex8 => {
                            (0..kind.dim()).map(|d| if powers[d] % 2 == 0 { 2.0 / f64::from(powers[d] + 1) } else { 0.0 }).product()
                        }
                        _ => integrate(&reference),
                    };
                    assert!((integrate(&rule) - exact).abs() < 1e-13, "{kind} degree {degree} {powers:?}");
                }
            }
        }
    }
}
