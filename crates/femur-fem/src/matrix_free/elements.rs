//! Reference gradients of values at a cell's nodes, and their transpose.

use crate::assemble::lanes::{Arithmetic, Lanes};
use crate::{ReferenceElement, Tabulation};

/// An element of `N` nodes and `Q` points in dimension `D`.
pub(super) trait Element<const N: usize, const Q: usize, const D: usize>: Sized {
    /// From values and gradients at the points.
    fn new(table: &Tabulation) -> Self;

    /// The node of the reference element at each place.
    fn order(element: &ReferenceElement) -> Vec<usize>;

    /// Weights of the points.
    fn weights(&self) -> [f64; Q];

    /// Derivatives by reference coordinates of values `u`, by direction, then point.
    fn gradient<A: Arithmetic>(&self, u: &[Lanes; N], out: &mut [[Lanes; Q]; D]);

    /// The transpose of [`Element::gradient`]; overwrites `out`.
    fn integrate<A: Arithmetic>(&self, flux: &[[Lanes; Q]; D], out: &mut [Lanes; N]);
}

/// Tabulated gradients of every node at every point.
pub(super) struct Dense<const N: usize, const Q: usize, const D: usize> {
    gradients: [[[f64; D]; N]; Q],
    weights: [f64; Q],
}

impl<const N: usize, const Q: usize, const D: usize> Element<N, Q, D> for Dense<N, Q, D> {
    fn new(table: &Tabulation) -> Self {
        Dense {
            gradients: std::array::from_fn(|q| std::array::from_fn(|a| std::array::from_fn(|d| table.gradients[q][a][d]))),
            weights: std::array::from_fn(|q| table.rule.weights[q]),
        }
    }

    fn order(_: &ReferenceElement) -> Vec<usize> {
        (0..N).collect()
    }

    fn weights(&self) -> [f64; Q] {
        self.weights
    }

    #[inline(always)]
    fn gradient<A: Arithmetic>(&self, u: &[Lanes; N], out: &mut [[Lanes; Q]; D]) {
        for q in 0..Q {
            for d in 0..D {
                let mut sum = Lanes::ZERO;
                for a in 0..N {
                    sum = A::fma(u[a], Lanes::splat(self.gradients[q][a][d]), sum);
                }
                out[d][q] = sum;
            }
        }
    }

    #[inline(always)]
    fn integrate<A: Arithmetic>(&self, flux: &[[Lanes; Q]; D], out: &mut [Lanes; N]) {
        for a in 0..N {
            let mut sum = Lanes::ZERO;
            for q in 0..Q {
                for d in 0..D {
                    sum = A::fma(flux[d][q], Lanes::splat(self.gradients[q][a][d]), sum);
                }
            }
            out[a] = sum;
        }
    }
}

/// Products of `P` nodes and `P` Gauss points along each axis, the first axis fastest.
pub(super) struct Tensor<const P: usize> {
    /// Values of the nodes' polynomials at the points `[point][node]`.
    values: [[f64; P]; P],
    /// Slopes at the points of the polynomials through the points `[point][point]`.
    slopes: [[f64; P]; P],
    weights: Vec<f64>,
}

impl<const P: usize, const N: usize, const Q: usize, const D: usize> Element<N, Q, D> for Tensor<P> {
    fn new(table: &Tabulation) -> Self {
        let points: [f64; P] = std::array::from_fn(|q| table.rule.points[q][0]);
        let nodes: [f64; P] = std::array::from_fn(|a| -1.0 + 2.0 * a as f64 / (P - 1) as f64);
        let values = std::array::from_fn(|q| std::array::from_fn(|a| lagrange(&nodes, a, points[q])));
        let slopes = std::array::from_fn(|q| std::array::from_fn(|r| slope(&points, r, points[q])));
        Tensor { values, slopes, weights: table.rule.weights.clone() }
    }

    fn order(element: &ReferenceElement) -> Vec<usize> {
        let place = |x: f64| (0.5 * (x + 1.0) * (P - 1) as f64).round() as usize;
        let mut order = vec![0; N];
        for (a, node) in element.nodes.iter().enumerate() {
            let at = (0..D).rev().fold(0, |at, d| at * P + place(node[d]));
            order[at] = a;
        }
        order
    }

    fn weights(&self) -> [f64; Q] {
        std::array::from_fn(|q| self.weights[q])
    }

    #[inline(always)]
    fn gradient<A: Arithmetic>(&self, u: &[Lanes; N], out: &mut [[Lanes; Q]; D]) {
        let mut at_points = *u;
        for d in 0..D {
            let from = at_points;
            along::<A, P, N>(&self.values, d, &from, &mut at_points);
        }
        for d in 0..D {
            let mut slope = [Lanes::ZERO; N];
            along::<A, P, N>(&self.slopes, d, &at_points, &mut slope);
            // N = Q: as many points as nodes.
            out[d][..N].copy_from_slice(&slope[..Q]);
        }
    }

    #[inline(always)]
    fn integrate<A: Arithmetic>(&self, flux: &[[Lanes; Q]; D], out: &mut [Lanes; N]) {
        let mut sum = [Lanes::ZERO; N];
        for d in 0..D {
            let mut from = [Lanes::ZERO; N];
            from[..Q].copy_from_slice(&flux[d][..N]);
            add_across::<A, P, N>(&self.slopes, d, &from, &mut sum);
        }
        for d in 0..D {
            let from = sum;
            sum = [Lanes::ZERO; N];
            add_across::<A, P, N>(&self.values, d, &from, &mut sum);
        }
        *out = sum;
    }
}

/// Applies a matrix along an axis.
#[inline(always)]
fn along<A: Arithmetic, const P: usize, const N: usize>(m: &[[f64; P]; P], axis: usize, from: &[Lanes; N], to: &mut [Lanes; N]) {
    let step = [1, P, P * P][axis];
    for line in 0..N / P {
        let first = line / step * step * P + line % step;
        for q in 0..P {
            let mut sum = from[first] * m[q][0];
            for a in 1..P {
                sum = A::fma(from[first + a * step], Lanes::splat(m[q][a]), sum);
            }
            to[first + q * step] = sum;
        }
    }
}

/// Adds the transpose of a matrix along an axis.
#[inline(always)]
fn add_across<A: Arithmetic, const P: usize, const N: usize>(m: &[[f64; P]; P], axis: usize, from: &[Lanes; N], to: &mut [Lanes; N]) {
    let step = [1, P, P * P][axis];
    for line in 0..N / P {
        let first = line / step * step * P + line % step;
        for a in 0..P {
            let mut sum = to[first + a * step];
            for q in 0..P {
                sum = A::fma(from[first + q * step], Lanes::splat(m[q][a]), sum);
            }
            to[first + a * step] = sum;
        }
    }
}

/// The polynomial of node `a` among `nodes` at `x`.
fn lagrange<const P: usize>(nodes: &[f64; P], a: usize, x: f64) -> f64 {
    (0..P).filter(|&b| b != a).map(|b| (x - nodes[b]) / (nodes[a] - nodes[b])).product()
}

/// Its slope.
fn slope<const P: usize>(nodes: &[f64; P], a: usize, x: f64) -> f64 {
    let factor = |b: usize| 1.0 / (nodes[a] - nodes[b]);
    let rest = |b: usize| (0..P).filter(|&c| c != a && c != b).map(|c| (x - nodes[c]) * factor(c)).product::<f64>();
    (0..P).filter(|&b| b != a).map(|b| factor(b) * rest(b)).sum()
}
