//! J2 plasticity with isotropic hardening at one point: radial return and its consistent tangent.
//!
//! Simo and Hughes 1998, Computational Inelasticity, boxes 3.1 and 3.2; hardening after Voce 1948.

use crate::solid::{Tangent, Tensor};

/// History values at a point: plastic strain xx, yy, zz, xy, yz, xz (tensor components), equivalent plastic strain.
pub(super) const HISTORY: usize = 7;

/// Places of the symmetric components.
const PAIRS: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)];

/// Most iterations on the plastic multiplier, and on the strain across a plane stress body.
const MAX_LOCAL: usize = 60;

/// An elastoplastic metal. Moduli and stresses in one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Metal {
    pub(super) mu: f64,
    pub(super) kappa: f64,
    /// Initial yield stress.
    pub(super) yield_stress: f64,
    /// Linear hardening modulus.
    pub(super) hardening: f64,
    /// Voce's law: the yield stress rises by this much ...
    pub(super) saturation: f64,
    /// ... at this rate per equivalent plastic strain.
    pub(super) rate: f64,
}

/// Stress, tangent and history after a strain.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) stress: Tensor,
    pub(super) tangent: Tangent,
    pub(super) history: [f64; HISTORY],
    /// Elastic energy per volume.
    pub(super) energy: f64,
}

impl Metal {
    /// Yield stress `s0 + H a + Q (1 - exp(-b a))` and its slope at the equivalent plastic strain `a`.
    pub(super) fn yield_at(&self, a: f64) -> (f64, f64) {
        let decay = (-self.rate * a).exp();
        (self.yield_stress + self.hardening * a + self.saturation * (1.0 - decay), self.hardening + self.saturation * self.rate * decay)
    }

    /// Plastic multiplier: the root of `|s| - 2 mu g - sqrt(2/3) yield(a + sqrt(2/3) g)`, convex and falling, so Newton's method from 0
    /// rises to it.
    fn multiplier(&self, trial: f64, a: f64) -> Option<f64> {
        let root = (2.0f64 / 3.0).sqrt();
        let mut g = 0.0;
        for _ in 0..MAX_LOCAL {
            let (stress, slope) = self.yield_at(a + root * g);
            let left = trial - 2.0 * self.mu * g - root * stress;
            if left.abs() <= 1e-14 * trial {
                return Some(g);
            }
            let step = left / (2.0 * self.mu + 2.0 / 3.0 * slope);
            g += step;
            if step.abs() <= 1e-15 * g {
                return Some(g);
            }
        }
        None
    }

    /// Stress of a strain (symmetric, tensor components) after `old` history. `None` where the multiplier is not found.
    pub(super) fn respond(&self, strain: &Tensor, old: &[f64]) -> Option<Point> {
        let mut history: [f64; HISTORY] = std::array::from_fn(|i| old[i]);
        let mut elastic = *strain;
        for (&(i, j), p) in PAIRS.iter().zip(old) {
            elastic[i][j] -= p;
            if i != j {
                elastic[j][i] -= p;
            }
        }
        let trace = elastic[0][0] + elastic[1][1] + elastic[2][2];
        let one = |i: usize, j: usize| if i == j { 1.0 } else { 0.0 };
        let mut s: Tensor = std::array::from_fn(|i| std::array::from_fn(|j| 2.0 * self.mu * (elastic[i][j] - one(i, j) * trace / 3.0)));
        let size = s.iter().flatten().map(|v| v * v).sum::<f64>().sqrt();
        let (mut theta, mut theta_bar, mut normal) = (1.0, 0.0, [[0.0; 3]; 3]);
        let root = (2.0f64 / 3.0).sqrt();
        if size > root * self.yield_at(old[6]).0 {
            let g = self.multiplier(size, old[6])?;
            normal = s.map(|row| row.map(|v| v / size));
            history[6] += root * g;
            for (&(i, j), p) in PAIRS.iter().zip(history.iter_mut()) {
                *p += g * normal[i][j];
            }
            theta = 1.0 - 2.0 * self.mu * g / size;
            theta_bar = 1.0 / (1.0 + self.yield_at(history[6]).1 / (3.0 * self.mu)) - (1.0 - theta);
            s = s.map(|row| row.map(|v| v * theta));
        }
        let tangent = std::array::from_fn(|row| {
            std::array::from_fn(|col| {
                let ((i, j), (k, l)) = ((row / 3, row % 3), (col / 3, col % 3));
                let volume = one(i, j) * one(k, l);
                let identity = 0.5 * (one(i, k) * one(j, l) + one(i, l) * one(j, k));
                self.kappa * volume + 2.0 * self.mu * (theta * (identity - volume / 3.0) - theta_bar * normal[i][j] * normal[k][l])
            })
        });
        let deviatoric = s.iter().flatten().map(|v| v * v).sum::<f64>() / (4.0 * self.mu);
        let stress = std::array::from_fn(|i| std::array::from_fn(|j| s[i][j] + one(i, j) * self.kappa * trace));
        Some(Point { stress, tangent, history, energy: deviatoric + 0.5 * self.kappa * trace * trace })
    }

    /// As [`Metal::respond`] in plane stress: the strain across the plane is the one that leaves no stress there, and is eliminated from
    /// the tangent (de Souza Neto, Peric and Owen 2008, Computational Methods for Plasticity, 9.2.2).
    pub(super) fn respond_in_plane(&self, strain: &Tensor, old: &[f64]) -> Option<Point> {
        let lambda = self.kappa - 2.0 / 3.0 * self.mu;
        let mut e = *strain;
        e[2][2] = old[2] - lambda / (lambda + 2.0 * self.mu) * (e[0][0] - old[0] + e[1][1] - old[1]);
        for _ in 0..MAX_LOCAL {
            let mut point = self.respond(&e, old)?;
            let (across, stiffness) = (point.stress[2][2], point.tangent[8][8]);
            let scale = point.stress.iter().flatten().fold(1e-3 * self.yield_stress, |a: f64, v| a.max(v.abs()));
            if across.abs() <= 1e-13 * scale {
                let full = point.tangent;
                for (row, line) in point.tangent.iter_mut().enumerate() {
                    for (col, v) in line.iter_mut().enumerate() {
                        *v -= full[row][8] * full[8][col] / full[8][8];
                    }
                }
                return Some(point);
            }
            e[2][2] -= across / stiffness;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METAL: Metal = Metal { mu: 80.0, kappa: 160.0, yield_stress: 0.3, hardening: 5.0, saturation: 0.2, rate: 30.0 };

    fn uniaxial(strain: f64, lateral: f64) -> Tensor {
        [[strain, 0.0, 0.0], [0.0, lateral, 0.0], [0.0, 0.0, lateral]]
    }

    #[test]
    fn the_yield_condition_holds_and_hardening_is_monotone() {
        let mut history = [0.0; HISTORY];
        for step in 1..=20 {
            let p = METAL.respond(&uniaxial(0.002 * f64::from(step), -0.0008 * f64::from(step)), &history).unwrap();
            let pressure = (p.stress[0][0] + p.stress[1][1] + p.stress[2][2]) / 3.0;
            let von_mises = (p.stress[0][0] - p.stress[1][1]).abs();
            assert!(von_mises <= METAL.yield_at(p.history[6]).0 * (1.0 + 1e-12) && pressure > 0.0);
            assert!(p.history[6] >= history[6]);
            let trace: f64 = p.history[..3].iter().sum();
            assert!(trace.abs() < 1e-15, "plastic flow keeps the volume");
            history = p.history;
        }
        assert!(history[6] > 0.02);
    }

    #[test]
    fn tangents_are_derivatives_in_loading_and_unloading() {
        let first = METAL.respond(&[[0.01, 0.004, 0.0], [0.004, -0.002, 0.001], [0.0, 0.001, -0.003]], &[0.0; HISTORY]).unwrap().history;
        let on = [[0.014, 0.006, 0.002], [0.006, -0.004, 0.0], [0.002, 0.0, -0.002]];
        let back = [[0.0102, 0.004, 0.0], [0.004, -0.0021, 0.001], [0.0, 0.001, -0.0031]];
        type Law = fn(&Metal, &Tensor, &[f64]) -> Option<Point>;
        for (law, plane) in [(Metal::respond as Law, false), (Metal::respond_in_plane as Law, true)] {
            for strain in [on, back] {
                let p = law(&METAL, &strain, &first).unwrap();
                let step = 1e-8;
                for (i, j) in PAIRS.into_iter().filter(|(i, j)| !plane || (*i < 2 && *j < 2)) {
                    let moved = |by: f64| {
                        let mut e = strain;
                        e[i][j] += 0.5 * by;
                        e[j][i] += 0.5 * by;
                        law(&METAL, &e, &first).unwrap().stress
                    };
                    let (hi, lo) = (moved(step), moved(-step));
                    for (k, l) in PAIRS {
                        let slope = (hi[k][l] - lo[k][l]) / (2.0 * step);
                        let tangent = 0.5 * (p.tangent[3 * k + l][3 * i + j] + p.tangent[3 * k + l][3 * j + i]);
                        assert!((slope - tangent).abs() < 2e-4 * METAL.kappa, "{plane} {k}{l} {i}{j}: {slope} and {tangent}");
                    }
                }
                assert!(!plane || p.stress[2][2].abs() < 1e-12);
            }
        }
    }
}
