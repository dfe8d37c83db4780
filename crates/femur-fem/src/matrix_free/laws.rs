//! What happens at a point: from reference gradients to the flux that is integrated against them.

use crate::Form;
use crate::assemble::lanes::{Arithmetic, LANES, Lanes};

/// A form in dimension `D` with `C` unknowns per node.
pub(super) trait Law<const D: usize, const C: usize> {
    /// Numbers of a record.
    const SIZE: usize;

    /// Coefficients of four cells; `None` for another form.
    fn coefficients(form: &Form<'_>, cells: &[usize; LANES]) -> Option<[Lanes; 2]>;

    /// Appends a record: what the flux needs of `inverse[s][r] = dxi_s / dx_r`, the determinant and the coefficients.
    fn record(inverse: &[[Lanes; D]; D], det: Lanes, coefficients: [Lanes; 2], out: &mut Vec<Lanes>);

    /// Turns the gradients at point `q` into fluxes, `weight` times.
    fn flux<A: Arithmetic, const Q: usize>(record: &[Lanes], weight: f64, q: usize, gradient: &mut [[[Lanes; Q]; D]; C]);

    /// The block of a node with this reference gradient, at a point of this weight.
    fn block(record: &[Lanes], weight: f64, gradient: &[f64; D]) -> [[Lanes; C]; C];
}

/// `k grad v . grad u`; a record is the upper triangle of `k det J^-1 J^-T`.
pub(super) struct Diffusion;

/// Place of an entry of a symmetric matrix in its upper triangle.
#[inline(always)]
const fn upper(dim: usize, i: usize, j: usize) -> usize {
    let (i, j) = if i < j { (i, j) } else { (j, i) };
    i * dim - i * (i + 1) / 2 + j
}

impl<const D: usize> Law<D, 1> for Diffusion {
    const SIZE: usize = D * (D + 1) / 2;

    fn coefficients(form: &Form<'_>, cells: &[usize; LANES]) -> Option<[Lanes; 2]> {
        match form {
            Form::Diffusion(k) => Some([k.at(cells), Lanes::ZERO]),
            Form::Elasticity { .. } | Form::Mass { .. } => None,
        }
    }

    fn record(inverse: &[[Lanes; D]; D], det: Lanes, coefficients: [Lanes; 2], out: &mut Vec<Lanes>) {
        for s in 0..D {
            for t in s..D {
                let product = (0..D).fold(Lanes::ZERO, |sum, r| sum + inverse[s][r] * inverse[t][r]);
                out.push(product * det * coefficients[0]);
            }
        }
    }

    #[inline(always)]
    fn flux<A: Arithmetic, const Q: usize>(record: &[Lanes], weight: f64, q: usize, gradient: &mut [[[Lanes; Q]; D]; 1]) {
        let mut g = [Lanes::ZERO; D];
        for d in 0..D {
            g[d] = gradient[0][d][q] * weight;
        }
        for s in 0..D {
            let mut sum = record[upper(D, s, 0)] * g[0];
            for t in 1..D {
                sum = A::fma(record[upper(D, s, t)], g[t], sum);
            }
            gradient[0][s][q] = sum;
        }
    }

    fn block(record: &[Lanes], weight: f64, gradient: &[f64; D]) -> [[Lanes; 1]; 1] {
        let mut sum = Lanes::ZERO;
        for s in 0..D {
            for t in 0..D {
                sum = sum + record[upper(D, s, t)] * (weight * gradient[s] * gradient[t]);
            }
        }
        [[sum]]
    }
}

/// `lambda div v div u + 2 mu eps(v) : eps(u)`; a record is `J^-1` by rows, then both constants times the determinant.
pub(super) struct Elasticity;

impl<const D: usize> Law<D, D> for Elasticity {
    const SIZE: usize = D * D + 2;

    fn coefficients(form: &Form<'_>, cells: &[usize; LANES]) -> Option<[Lanes; 2]> {
        match form {
            Form::Elasticity { lambda, mu } => Some([lambda.at(cells), mu.at(cells)]),
            Form::Diffusion(_) | Form::Mass { .. } => None,
        }
    }

    fn record(inverse: &[[Lanes; D]; D], det: Lanes, coefficients: [Lanes; 2], out: &mut Vec<Lanes>) {
        out.extend(inverse.iter().flatten());
        out.extend(coefficients.map(|c| c * det));
    }

    #[inline(always)]
    fn flux<A: Arithmetic, const Q: usize>(record: &[Lanes], weight: f64, q: usize, gradient: &mut [[[Lanes; Q]; D]; D]) {
        let (lambda, mu) = (record[D * D] * weight, record[D * D + 1] * weight);
        // The gradient in space, component by direction.
        let mut h = [[Lanes::ZERO; D]; D];
        for c in 0..D {
            for r in 0..D {
                let mut sum = record[r] * gradient[c][0][q];
                for s in 1..D {
                    sum = A::fma(record[s * D + r], gradient[c][s][q], sum);
                }
                h[c][r] = sum;
            }
        }
        let mut trace = h[0][0];
        for d in 1..D {
            trace = trace + h[d][d];
        }
        let pressure = trace * lambda;
        let mut stress = [[Lanes::ZERO; D]; D];
        for c in 0..D {
            for r in c + 1..D {
                let shear = (h[c][r] + h[r][c]) * mu;
                stress[c][r] = shear;
                stress[r][c] = shear;
            }
            stress[c][c] = A::fma(h[c][c] + h[c][c], mu, pressure);
        }
        for c in 0..D {
            for s in 0..D {
                let mut sum = record[s * D] * stress[c][0];
                for r in 1..D {
                    sum = A::fma(record[s * D + r], stress[c][r], sum);
                }
                gradient[c][s][q] = sum;
            }
        }
    }

    fn block(record: &[Lanes], weight: f64, gradient: &[f64; D]) -> [[Lanes; D]; D] {
        let (lambda, mu) = (record[D * D] * weight, record[D * D + 1] * weight);
        let g: [Lanes; D] = std::array::from_fn(|r| (0..D).fold(Lanes::ZERO, |sum, s| sum + record[s * D + r] * gradient[s]));
        let square = g.iter().fold(Lanes::ZERO, |sum, &v| sum + v * v) * mu;
        let mut block = [[Lanes::ZERO; D]; D];
        for i in 0..D {
            for j in 0..D {
                block[i][j] = (lambda + mu) * g[i] * g[j];
            }
            block[i][i] = block[i][i] + square;
        }
        block
    }
}
