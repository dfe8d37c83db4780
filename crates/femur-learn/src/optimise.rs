//! Optimisers: from summed gradients to the next parameters.
//!
//! AdamW (Loshchilov and Hutter 2019) for everything, or Muon (Jordan et al. 2024) for the matrices within the network: its update is
//! the momentum with all singular values set to about one, so no direction of a weight is left behind. It is scaled to the size that
//! AdamW's updates have (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4), so one learning rate serves both.

use crate::LearnError;
use crate::config::{Optimiser, TrainingConfig};
use crate::device::Device;
use crate::params::Params;
use femur_solve::dense::{View, gemm_f32};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Decay of AdamW's first moments, and of its second ones.
const ADAM: (f32, f32) = (0.9, 0.999);
/// Decay of Muon's momentum.
const MOMENTUM: f32 = 0.95;
/// Coefficients of `X`, `(X X^T) X` and `(X X^T)^2 X` in an iteration of Newton and Schulz that is made for speed (Jordan et al. 2024).
pub const NEWTON_SCHULZ: [f32; 3] = [3.4445, -4.775, 2.0315];
/// Number of iterations.
pub const ITERATIONS: usize = 5;
/// Smallest side of a matrix that Muon takes.
const SMALLEST: usize = 8;

/// One update.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Number of the update, from 0.
    pub number: usize,
    /// Learning rate.
    pub rate: f64,
    /// What gradients are multiplied by.
    pub scale: f32,
}

/// The optimiser's moments, in the order of the parameters. `second` of a matrix that Muon takes stays 0.
#[derive(Clone)]
pub struct Moments {
    /// Mean of the gradients.
    pub first: Vec<Vec<f32>>,
    /// Mean of their squares.
    pub second: Vec<Vec<f32>>,
}

impl Moments {
    /// Those of a start.
    pub fn zeros(params: &Params) -> Self {
        let zeros = || params.list.iter().map(|p| vec![0.0; p.3.len()]).collect();
        Moments { first: zeros(), second: zeros() }
    }
}

/// Makes an update of the parameters that are not frozen; Muon's matrix products on a device, if there is one.
///
/// # Errors
/// Those of the device.
pub fn update(
    params: &mut Params,
    moments: &mut Moments,
    gradients: &[Vec<f32>],
    frozen: &[bool],
    step: Step,
    t: &TrainingConfig,
    device: Option<&dyn Device>,
) -> Result<(), LearnError> {
    let (rate, scale) = (step.rate as f32, step.scale);
    let decay = 1.0 - rate * t.weight_decay as f32;
    let takes = |name: &str, r: usize, c: usize| t.optimiser == Optimiser::Muon && is_hidden(name, r, c);
    if let Some(device) = device {
        // Matrices of one shape go there together.
        let mut looks: BTreeMap<[usize; 2], (Vec<usize>, Vec<f32>)> = BTreeMap::new();
        for (k, (_, r, c, _)) in params.list.iter().enumerate().filter(|(k, p)| !frozen[*k] && takes(&p.0, p.1, p.2)) {
            let (which, all) = looks.entry([*r, *c]).or_default();
            which.push(k);
            all.extend(look_ahead(&mut moments.first[k], &gradients[k], scale));
        }
        for (shape, (which, all)) in looks {
            let directions = device.orthogonalise(all, shape)?;
            for (k, direction) in which.into_iter().zip(directions.chunks_exact(shape[0] * shape[1])) {
                along(&mut params.list[k].3, direction, shape, rate, decay);
            }
        }
    }
    let rows = params.list.par_iter_mut().zip(&mut moments.first).zip(&mut moments.second).zip(gradients).zip(frozen);
    rows.filter(|(_, frozen)| !**frozen).for_each(|(((((name, r, c, x), m), v), g), _)| {
        if takes(name, *r, *c) {
            if device.is_none() {
                along(x, &orthogonalise(&look_ahead(m, g, scale), [*r, *c]), [*r, *c], rate, decay);
            }
        } else {
            // Biases and scales of norms are not decayed.
            adamw(x, m, v, g, scale, rate, if *r > 1 { decay } else { 1.0 }, step.number);
        }
    });
    Ok(())
}

/// Whether Muon takes a parameter: a matrix between hidden layers, not one that reads the inputs or makes the outputs.
fn is_hidden(name: &str, rows: usize, columns: usize) -> bool {
    rows.min(columns) >= SMALLEST && !name.starts_with("encode.") && !name.starts_with("decode.")
}

fn adamw(x: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], scale: f32, rate: f32, decay: f32, step: usize) {
    let (b1, b2) = ADAM;
    let k = (step + 1) as i32;
    let (c1, c2) = (1.0 - b1.powi(k), 1.0 - b2.powi(k));
    for (((x, m), v), g) in x.iter_mut().zip(m).zip(v).zip(g) {
        let g = g * scale;
        *m = b1 * *m + (1.0 - b1) * g;
        *v = b2 * *v + (1.0 - b2) * g * g;
        *x = *x * decay - rate * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
    }
}

/// Muon's momentum with the gradient added, and Nesterov's look-ahead from there, as the authors do.
fn look_ahead(m: &mut [f32], g: &[f32], scale: f32) -> Vec<f32> {
    let each = m.iter_mut().zip(g).map(|(m, g)| {
        let g = g * scale;
        *m = MOMENTUM * *m + (1.0 - MOMENTUM) * g;
        MOMENTUM * *m + (1.0 - MOMENTUM) * g
    });
    each.collect()
}

/// A step of Muon.
fn along(x: &mut [f32], direction: &[f32], shape: [usize; 2], rate: f32, decay: f32) {
    // The root mean square of an orthogonal matrix's entries is 1 / sqrt(longer side); AdamW's updates have about 0.2.
    let size = 0.2 * (shape[0].max(shape[1]) as f32).sqrt();
    for (x, d) in x.iter_mut().zip(direction) {
        *x = *x * decay - rate * size * d;
    }
}

/// A matrix with the singular vectors of `a` `[rows, columns]` and singular values near 1: five steps of the quintic Newton-Schulz
/// iteration with the coefficients [`NEWTON_SCHULZ`] of Jordan et al. (2024), which leaves them between about 0.7 and 1.2.
fn orthogonalise(a: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let norm = a.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if norm == 0.0 || !norm.is_finite() {
        return a.to_vec();
    }
    let mut x: Vec<f32> = a.iter().map(|v| (f64::from(*v) / norm) as f32).collect();
    let wide = rows <= columns;
    let n = rows.min(columns);
    let (mut gram, mut poly) = (vec![0.0; n * n], vec![0.0; n * n]);
    let mut next = vec![0.0; x.len()];
    for _ in 0..ITERATIONS {
        let v = View::new(&x, rows, columns);
        // The smaller of X X^T and X^T X.
        if wide {
            gemm_f32(&mut gram, n, v, v.t(), false)
        } else {
            gemm_f32(&mut gram, n, v.t(), v, false)
        }
        poly.iter_mut().zip(&gram).for_each(|(p, g)| *p = NEWTON_SCHULZ[1] * g);
        let g = View::new(&gram, n, n);
        let mut square = vec![0.0; n * n];
        gemm_f32(&mut square, n, g, g, false);
        poly.iter_mut().zip(&square).for_each(|(p, s)| *p += NEWTON_SCHULZ[2] * s);
        (0..n).for_each(|i| poly[i * n + i] += NEWTON_SCHULZ[0]);
        let p = View::new(&poly, n, n);
        if wide {
            gemm_f32(&mut next, columns, p, v, false)
        } else {
            gemm_f32(&mut next, columns, v, p, false)
        }
        std::mem::swap(&mut x, &mut next);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_become_about_one() {
        for shape in [[12, 20], [20, 12], [16, 16]] {
            let a: Vec<f32> = (0..shape[0] * shape[1]).map(|i| ((i * i * 7919 + i * 104_729) % 1009) as f32 / 500.0 - 1.0).collect();
            let x = orthogonalise(&a, shape);
            let n = shape[0].min(shape[1]);
            let mut gram = vec![0.0; n * n];
            let v = View::new(&x, shape[0], shape[1]);
            if shape[0] <= shape[1] {
                gemm_f32(&mut gram, n, v, v.t(), false)
            } else {
                gemm_f32(&mut gram, n, v.t(), v, false)
            }
            let trace: f32 = (0..n).map(|i| gram[i * n + i]).sum();
            // Mean of the squared singular values, and of their fourth powers.
            assert!((0.5..1.4).contains(&(trace / n as f32)), "{shape:?}: {trace}");
            let square: f32 = gram.iter().map(|g| g * g).sum();
            assert!(square < 2.0 * n as f32, "{shape:?}: {square}");
        }
        assert_eq!(orthogonalise(&[0.0; 64], [8, 8]), vec![0.0; 64]);
    }

    #[test]
    fn both_optimisers_find_a_minimum() {
        // Least |X - target|^2 over a matrix and a bias.
        for optimiser in [Optimiser::AdamW, Optimiser::Muon] {
            let t = TrainingConfig { optimiser, steps: 400, learning_rate: 0.05, weight_decay: 0.0, ..TrainingConfig::plain(1e-3) };
            let mut params = Params::new(1);
            params.weight("step.0.weight", 8, 12, 1.0);
            params.row("step.0.bias", 12, 0.0);
            let target: Vec<Vec<f32>> = params.list.iter().map(|p| (0..p.3.len()).map(|i| (i as f32 * 0.3).cos()).collect()).collect();
            let mut moments = Moments::zeros(&params);
            for step in 0..t.steps {
                let g: Vec<Vec<f32>> =
                    params.list.iter().zip(&target).map(|(p, t)| p.3.iter().zip(t).map(|(x, t)| 2.0 * (x - t)).collect()).collect();
                update(&mut params, &mut moments, &g, &[false; 2], Step { number: step, rate: t.rate(step), scale: 1.0 }, &t, None)
                    .unwrap();
            }
            for (p, t) in params.list.iter().zip(&target) {
                assert!(p.3.iter().zip(t).all(|(x, t)| (x - t).abs() < 0.02), "{optimiser:?} {}", p.0);
            }
        }
    }
}
