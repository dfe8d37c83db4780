//! Walks the list of cell kinds.

use super::*;
use crate::quadrature::Quadrature;

fn sample_points(kind: CellKind) -> Vec<[f64; 3]> {
    Quadrature::new(kind, 3).points
}

#[test]
fn elements_are_nodal() {
    for kind in CellKind::ALL {
        let e = ReferenceElement::of(kind);
        let mut n = vec![0.0; e.num_nodes()];
        for (i, &xi) in e.nodes.iter().enumerate() {
            e.values(xi, &mut n);
            for (j, v) in n.iter().enumerate() {
                assert!((v - f64::from(i == j)).abs() < 1e-11, "{kind}: function {j} at node {i} is {v}");
            }
        }
    }
}

#[test]
fn values_sum_to_one_and_gradients_match_finite_differences() {
    for kind in CellKind::ALL {
        let e = ReferenceElement::of(kind);
        let k = e.num_nodes();
        let (mut n, mut lo, mut hi, mut g) = (vec![0.0; k], vec![0.0; k], vec![0.0; k], vec![[0.0; 3]; k]);
        for xi in sample_points(kind) {
            e.values(xi, &mut n);
            assert!((n.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{kind}");
            e.gradients(xi, &mut g);
            for d in 0..kind.dim() {
                let step = 1e-5;
                let (mut a, mut b) = (xi, xi);
                a[d] -= step;
                b[d] += step;
                e.values(a, &mut lo);
                e.values(b, &mut hi);
                for i in 0..k {
                    let fd = (hi[i] - lo[i]) / (2.0 * step);
                    assert!((fd - g[i][d]).abs() < 1e-8, "{kind}: function {i}, direction {d}: {fd} and {}", g[i][d]);
                }
            }
        }
    }
}

#[test]
fn complete_polynomials_are_reproduced() {
    for kind in CellKind::ALL {
        let e = ReferenceElement::of(kind);
        let dim = kind.dim();
        for powers in monomials(dim, kind.order()) {
            let f = |x: [f64; 3]| (0..3).map(|d| x[d].powi(powers[d])).product::<f64>();
            let mut n = vec![0.0; e.num_nodes()];
            for xi in sample_points(kind) {
                e.values(xi, &mut n);
                let interpolated: f64 = n.iter().zip(&e.nodes).map(|(v, &p)| v * f(p)).sum();
                assert!((interpolated - f(xi)).abs() < 1e-12, "{kind}: {powers:?}");
            }
        }
    }
}

/// Exponents of all monomials up to a total degree.
pub(crate) fn monomials(dim: usize, degree: usize) -> Vec<[i32; 3]> {
    let n = degree as i32;
    let mut out = Vec::new();
    for a in 0..=n {
        for b in 0..=if dim > 1 { n - a } else { 0 } {
            for c in 0..=if dim > 2 { n - a - b } else { 0 } {
                out.push([if dim > 0 { a } else { 0 }, b, c]);
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}
