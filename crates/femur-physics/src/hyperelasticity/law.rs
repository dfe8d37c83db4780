//! Stored-energy functions of the invariants of the right Cauchy-Green tensor, with exact first and second derivatives.
//!
//! Every law is `W(I1, I2, J)`, `I1 = tr C`, `I2 = ((tr C)^2 - tr C^2) / 2`, `J = det F`; the first Piola-Kirchhoff stress and its
//! tangent follow by the chain rule (Bonet and Wood 2008, Nonlinear Continuum Mechanics for Finite Element Analysis, ch. 6;
//! Holzapfel 2000, Nonlinear Solid Mechanics, 6.4 to 6.6).

use crate::solid::{Tangent, Tensor};

/// A hyperelastic material. Moduli are stresses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Law {
    /// `mu/2 (I1 - 3) - mu ln J + lambda/2 (ln J)^2` (Bonet and Wood 2008, eq. 6.27).
    NeoHookean { mu: f64, lambda: f64 },
    /// `lambda/2 (tr E)^2 + mu tr E^2`, `E = (C - I) / 2`.
    SaintVenantKirchhoff { mu: f64, lambda: f64 },
    /// `c1 (J^-2/3 I1 - 3) + c2 (J^-4/3 I2 - 3) + kappa/2 (J - 1)^2`; with `c1 = mu/2` and `c2 = 0` the isochoric neo-Hookean law.
    MooneyRivlin { c1: f64, c2: f64, kappa: f64 },
}

/// Energy and its derivatives with respect to I1, I2 and J that do not vanish for every law.
#[derive(Default)]
struct Derivatives {
    w: f64,
    d1: f64,
    d2: f64,
    dj: f64,
    d11: f64,
    d1j: f64,
    d2j: f64,
    djj: f64,
}

impl Law {
    fn derivatives(&self, i1: f64, i2: f64, j: f64) -> Derivatives {
        match *self {
            Law::NeoHookean { mu, lambda } => {
                let ln = j.ln();
                Derivatives {
                    w: 0.5 * mu * (i1 - 3.0) - mu * ln + 0.5 * lambda * ln * ln,
                    d1: 0.5 * mu,
                    dj: (lambda * ln - mu) / j,
                    djj: (mu + lambda * (1.0 - ln)) / (j * j),
                    ..Derivatives::default()
                }
            }
            Law::SaintVenantKirchhoff { mu, lambda } => Derivatives {
                w: lambda / 8.0 * (i1 - 3.0).powi(2) + mu / 4.0 * (i1 * i1 - 2.0 * i2 - 2.0 * i1 + 3.0),
                d1: lambda / 4.0 * (i1 - 3.0) + mu / 2.0 * (i1 - 1.0),
                d2: -0.5 * mu,
                d11: lambda / 4.0 + mu / 2.0,
                ..Derivatives::default()
            },
            Law::MooneyRivlin { c1, c2, kappa } => {
                let (a, b) = (j.powf(-2.0 / 3.0), j.powf(-4.0 / 3.0));
                Derivatives {
                    w: c1 * (a * i1 - 3.0) + c2 * (b * i2 - 3.0) + 0.5 * kappa * (j - 1.0).powi(2),
                    d1: c1 * a,
                    d2: c2 * b,
                    dj: -2.0 / 3.0 * c1 * a / j * i1 - 4.0 / 3.0 * c2 * b / j * i2 + kappa * (j - 1.0),
                    d11: 0.0,
                    d1j: -2.0 / 3.0 * c1 * a / j,
                    d2j: -4.0 / 3.0 * c2 * b / j,
                    djj: 10.0 / 9.0 * c1 * a / (j * j) * i1 + 28.0 / 9.0 * c2 * b / (j * j) * i2 + kappa,
                }
            }
        }
    }

    /// Energy per reference volume and first Piola-Kirchhoff stress `[i][J]` at the deformation gradient `f`, and the tangent
    /// `dP_iJ/dF_jL` at `[3 i + J][3 j + L]` into `tangent`. `None` where `det F` is not positive.
    pub(super) fn evaluate(&self, f: &Tensor, tangent: Option<&mut Tangent>) -> Option<(f64, Tensor)> {
        // Cofactor: dJ/dF.
        let h = cofactor(f);
        let j: f64 = (0..3).map(|k| f[0][k] * h[0][k]).sum();
        if j.is_nan() || j <= 0.0 {
            return None;
        }
        let c = product(|i, k| f[k][i], |k, l| f[k][l]);
        let b = product(|i, k| f[i][k], |k, l| f[l][k]);
        let i1 = c[0][0] + c[1][1] + c[2][2];
        let square: f64 = c.iter().flatten().map(|v| v * v).sum();
        let d = self.derivatives(i1, 0.5 * (i1 * i1 - square), j);
        let bf = product(|i, k| b[i][k], |k, l| f[k][l]);
        // Gradients of I1 and I2.
        let g1: Tensor = std::array::from_fn(|i| std::array::from_fn(|k| 2.0 * f[i][k]));
        let g2: Tensor = std::array::from_fn(|i| std::array::from_fn(|k| 2.0 * (i1 * f[i][k] - bf[i][k])));
        if let Some(out) = tangent {
            for (row, line) in out.iter_mut().enumerate() {
                let (i, jj) = (row / 3, row % 3);
                for (col, v) in line.iter_mut().enumerate() {
                    let (m, l) = (col / 3, col % 3);
                    let same = |p: usize, q: usize| if p == q { 1.0 } else { 0.0 };
                    let i1_2 = 2.0 * same(i, m) * same(jj, l);
                    let i2_2 = 2.0
                        * (2.0 * f[m][l] * f[i][jj] + i1 * same(i, m) * same(jj, l)
                            - same(i, m) * c[l][jj]
                            - f[i][l] * f[m][jj]
                            - b[i][m] * same(jj, l));
                    let j_2 = (h[i][jj] * h[m][l] - h[i][l] * h[m][jj]) / j;
                    *v = d.d1 * i1_2
                        + d.d2 * i2_2
                        + d.dj * j_2
                        + d.d11 * g1[i][jj] * g1[m][l]
                        + d.djj * h[i][jj] * h[m][l]
                        + d.d1j * (g1[i][jj] * h[m][l] + h[i][jj] * g1[m][l])
                        + d.d2j * (g2[i][jj] * h[m][l] + h[i][jj] * g2[m][l]);
                }
            }
        }
        let p = std::array::from_fn(|i| std::array::from_fn(|k| d.d1 * g1[i][k] + d.d2 * g2[i][k] + d.dj * h[i][k]));
        Some((d.w, p))
    }

    /// Cauchy stress `P F^T / J`; zero where `det F` is not positive.
    pub(super) fn cauchy(&self, f: &Tensor) -> Tensor {
        let j = determinant(f);
        let Some((_, p)) = self.evaluate(f, None) else { return [[0.0; 3]; 3] };
        product(|i, k| p[i][k] / j, |k, l| f[l][k])
    }
}

fn product(a: impl Fn(usize, usize) -> f64, b: impl Fn(usize, usize) -> f64) -> Tensor {
    std::array::from_fn(|i| std::array::from_fn(|l| (0..3).map(|k| a(i, k) * b(k, l)).sum()))
}

/// `det(F) F^-T`.
pub(super) fn cofactor(f: &Tensor) -> Tensor {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let (a, b, d, e) = ((i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3);
            f[a][d] * f[b][e] - f[a][e] * f[b][d]
        })
    })
}

/// `det(F)`.
pub(super) fn determinant(f: &Tensor) -> f64 {
    let h = cofactor(f);
    (0..3).map(|k| f[0][k] * h[0][k]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAWS: [Law; 3] = [
        Law::NeoHookean { mu: 1.3, lambda: 2.1 },
        Law::SaintVenantKirchhoff { mu: 0.9, lambda: 1.7 },
        Law::MooneyRivlin { c1: 0.6, c2: 0.25, kappa: 8.0 },
    ];

    /// Deformation gradients of moderate strain, by a fixed rule.
    fn states() -> Vec<Tensor> {
        (0..6)
            .map(|s| {
                std::array::from_fn(|i| {
                    std::array::from_fn(|k| f64::from(u8::from(i == k)) + 0.3 * ((7 * i + 3 * k + 11 * s) as f64 * 1.7).sin())
                })
            })
            .collect()
    }

    fn moved(f: &Tensor, at: usize, by: f64) -> Tensor {
        let mut out = *f;
        out[at / 3][at % 3] += by;
        out
    }

    #[test]
    fn stress_and_tangent_are_derivatives_of_the_energy() {
        let step = 1e-6;
        for law in LAWS {
            for f in states() {
                let mut a = [[0.0; 9]; 9];
                let (_, p) = law.evaluate(&f, Some(&mut a)).unwrap();
                for col in 0..9 {
                    let (hi, lo) =
                        (law.evaluate(&moved(&f, col, step), None).unwrap(), law.evaluate(&moved(&f, col, -step), None).unwrap());
                    let slope = (hi.0 - lo.0) / (2.0 * step);
                    assert!((slope - p[col / 3][col % 3]).abs() < 1e-7, "{law:?}: {slope} and {}", p[col / 3][col % 3]);
                    for row in 0..9 {
                        let slope = (hi.1[row / 3][row % 3] - lo.1[row / 3][row % 3]) / (2.0 * step);
                        assert!(
                            (slope - a[row][col]).abs() < 1e-6 * (1.0 + a[row][col].abs()),
                            "{law:?} {row} {col}: {slope} and {}",
                            a[row][col]
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn small_strains_follow_hooke_and_inversion_is_refused() {
        let e = 1e-7;
        for (law, mu, lambda) in [(LAWS[0], 1.3, 2.1), (LAWS[1], 0.9, 1.7), (LAWS[2], 1.7, 8.0 - 2.0 / 3.0 * 1.7)] {
            let f = [[1.0 + e, 2.0 * e, 0.0], [0.0, 1.0 - 0.5 * e, 0.0], [0.0, 0.0, 1.0]];
            let s = law.cauchy(&f);
            assert!((s[0][0] - (lambda * 0.5 * e + 2.0 * mu * e)).abs() < 1e-12, "{law:?}");
            assert!((s[0][1] - 2.0 * mu * e).abs() < 1e-12 && (s[1][0] - s[0][1]).abs() < 1e-15, "{law:?}");
            assert!(law.evaluate(&[[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], None).is_none());
        }
    }
}
