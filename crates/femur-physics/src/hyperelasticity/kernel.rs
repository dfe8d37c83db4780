//! Force and tangent of one cell in total Lagrangian form, plain or with F-bar.

use super::law::{Law, cofactor, determinant};
use crate::solid::{Body, CellState, Tangent, Tensor};
use femur_fem::{CellGeometry, Quadrature, Tabulation};
use femur_mesh::{CellKind, Mesh};
use femur_solve::Inadmissible;

/// A hyperelastic body.
pub(super) struct Kernel {
    dim: usize,
    thickness: f64,
    laws: Vec<Law>,
    material: Vec<i32>,
    /// With F-bar: the shape functions' gradients at the centre of each cell that carries it, else empty.
    centre: Vec<Vec<[f64; 3]>>,
}

impl Kernel {
    pub(super) fn new(mesh: &Mesh, thickness: f64, laws: Vec<Law>, material: Vec<i32>, f_bar: bool) -> Self {
        let centre = if f_bar { centre_gradients(mesh) } else { Vec::new() };
        Kernel { dim: mesh.dim, thickness, laws, material, centre }
    }

    /// The same body on another mesh of the same cells (the vertices of quadratic ones), without F-bar.
    pub(super) fn on(&self, mesh: &Mesh) -> Self {
        Kernel::new(mesh, self.thickness, self.laws.clone(), self.material.clone(), false)
    }

    fn law(&self, cell: usize) -> &Law {
        &self.laws[self.material[cell] as usize]
    }

    /// Gradients at the centre where the cell carries F-bar.
    fn centre_of(&self, cell: usize) -> Option<&[[f64; 3]]> {
        self.centre.get(cell).map(Vec::as_slice).filter(|g| !g.is_empty())
    }

    /// Cauchy stress at a point of a cell with shape-function gradients `gradients`, displacements `u` `[k dim]`.
    pub(super) fn cauchy(&self, cell: usize, gradients: &[[f64; 3]], u: &[f64]) -> Tensor {
        let f = deformation(gradients, u, self.dim);
        let bar = self.centre_of(cell).map(|g| stretched(&f, determinant(&deformation(g, u, self.dim)), self.dim));
        self.law(cell).cauchy(&bar.map_or(f, |b| b.0))
    }
}

/// Gradients of the shape functions at the centres of quad4 and hex8 cells; none elsewhere: those do not lock, or F-bar does not help.
fn centre_gradients(mesh: &Mesh) -> Vec<Vec<[f64; 3]>> {
    let mut out = Vec::with_capacity(mesh.num_cells());
    let mut geometry = CellGeometry::default();
    for block in &mesh.blocks {
        let table = Tabulation::new(block.kind, Quadrature::new(block.kind, 1));
        for c in 0..block.num_cells() {
            if matches!(block.kind, CellKind::Quad4 | CellKind::Hex8) {
                geometry.fill(&table, mesh, block.cell(c));
                out.push(geometry.gradients[0].clone());
            } else {
                out.push(Vec::new());
            }
        }
    }
    out
}

/// `F = I + sum u_a (x) grad N_a`.
fn deformation(gradients: &[[f64; 3]], u: &[f64], dim: usize) -> Tensor {
    let mut f = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for (a, g) in gradients.iter().enumerate() {
        for i in 0..dim {
            for j in 0..dim {
                f[i][j] += u[a * dim + i] * g[j];
            }
        }
    }
    f
}

/// `F` with its determinant replaced by `j0` through the stretch `r = (j0 / det F)^(1/dim)` of its in-plane part; and `r`.
fn stretched(f: &Tensor, j0: f64, dim: usize) -> (Tensor, f64) {
    let r = (j0 / determinant(f)).powf(1.0 / dim as f64);
    let mut bar = *f;
    bar[..dim].iter_mut().for_each(|row| row[..dim].iter_mut().for_each(|v| *v *= r));
    (bar, r)
}

/// Stress that does work on `grad v`, its tangent with respect to the gradient at the point, and with F-bar the pair `(M, F0^-T)`
/// of the tangent `M (x) F0^-T` with respect to the gradient at the centre.
struct Point {
    energy: f64,
    stress: Tensor,
    tangent: Tangent,
    centre: Option<(Tensor, Tensor)>,
}

impl Kernel {
    /// F-bar (de Souza Neto, Peric, Dutko and Owen 1996): the Cauchy stress is that of `r F`, `r = (J0/J)^(1/dim)`, so the nominal stress
    /// is `r^(1 - dim) P(r F)`.
    fn point(&self, cell: usize, gradients: &[[f64; 3]], u: &[f64], with_tangent: bool) -> Option<Point> {
        let dim = self.dim;
        let f = deformation(gradients, u, dim);
        let mut a = [[0.0; 9]; 9];
        let Some(centre) = self.centre_of(cell) else {
            let (energy, stress) = self.law(cell).evaluate(&f, with_tangent.then_some(&mut a))?;
            return Some(Point { energy, stress, tangent: a, centre: None });
        };
        let f0 = deformation(centre, u, dim);
        let (j, j0) = (determinant(&f), determinant(&f0));
        if j.is_nan() || j0.is_nan() || j <= 0.0 || j0 <= 0.0 {
            return None;
        }
        let (bar, r) = stretched(&f, j0, dim);
        let (energy, p) = self.law(cell).evaluate(&bar, with_tangent.then_some(&mut a))?;
        let scale = r.powi(1 - dim as i32);
        let stress = p.map(|row| row.map(|v| v * scale));
        if !with_tangent {
            return Some(Point { energy, stress, tangent: a, centre: None });
        }
        let (inverse, inverse0) = (cofactor(&f).map(|row| row.map(|v| v / j)), cofactor(&f0).map(|row| row.map(|v| v / j0)));
        // M = r^(2 - dim) / dim (A : F - (dim - 1) P / r), the derivative of the stress along a change of ln(J0 / J).
        let m: Tensor = std::array::from_fn(|i| {
            std::array::from_fn(|k| {
                let along: f64 = (0..dim * dim).map(|e| a[3 * i + k][3 * (e / dim) + e % dim] * f[e / dim][e % dim]).sum();
                scale * r / dim as f64 * (along - (dim - 1) as f64 * p[i][k] / r)
            })
        });
        for (row, line) in a.iter_mut().enumerate() {
            for (col, v) in line.iter_mut().enumerate() {
                *v = *v * scale * r - m[row / 3][row % 3] * inverse[col / 3][col % 3];
            }
        }
        Some(Point { energy, stress, tangent: a, centre: Some((m, inverse0)) })
    }
}

impl Body for Kernel {
    fn history(&self) -> usize {
        0
    }

    fn symmetric(&self) -> bool {
        self.centre.iter().all(Vec::is_empty)
    }

    fn cell(
        &self,
        cell: usize,
        geometry: &CellGeometry,
        _table: &Tabulation,
        u: &[f64],
        _history: &mut CellState,
        force: &mut [f64],
        mut tangent: Option<&mut [f64]>,
    ) -> Result<f64, Inadmissible> {
        let (dim, k) = (self.dim, u.len());
        let mut energy = 0.0;
        for (q, gradients) in geometry.gradients.iter().enumerate() {
            let w = geometry.volume[q] * self.thickness;
            let inverted = || Inadmissible(format!("cell {cell} is inverted"));
            let point = self.point(cell, gradients, u, tangent.is_some()).ok_or_else(inverted)?;
            energy += w * point.energy;
            for (a, g) in gradients.iter().enumerate() {
                for i in 0..dim {
                    force[a * dim + i] += w * (0..dim).map(|j| point.stress[i][j] * g[j]).sum::<f64>();
                }
            }
            let Some(out) = tangent.as_deref_mut() else { continue };
            for (b, gb) in gradients.iter().enumerate() {
                for j in 0..dim {
                    // Change of the stress when node b moves along j.
                    let mut change = [[0.0; 3]; 3];
                    let ln = point.centre.as_ref().zip(self.centre_of(cell)).map(|((m, inverse), g0)| {
                        let rate: f64 = (0..dim).map(|l| inverse[j][l] * g0[b][l]).sum();
                        (m, rate)
                    });
                    for (i, row) in change.iter_mut().enumerate().take(dim) {
                        for (jj, v) in row.iter_mut().enumerate().take(dim) {
                            *v = w * (0..dim).map(|l| point.tangent[3 * i + jj][3 * j + l] * gb[l]).sum::<f64>();
                            if let Some((m, rate)) = ln {
                                *v += w * m[i][jj] * rate;
                            }
                        }
                    }
                    for (a, ga) in gradients.iter().enumerate() {
                        for i in 0..dim {
                            out[(a * dim + i) * k + b * dim + j] += (0..dim).map(|l| change[i][l] * ga[l]).sum::<f64>();
                        }
                    }
                }
            }
        }
        Ok(energy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solid::testing;
    use femur_mesh::generate::{box_, rectangle};

    #[test]
    fn the_tangent_is_the_derivative_of_the_force() {
        let law = Law::MooneyRivlin { c1: 0.5, c2: 0.3, kappa: 7.0 };
        for kind in testing::KINDS {
            for f_bar in [false, true] {
                let mesh =
                    if kind.dim() == 2 { rectangle([1.0, 0.8], [1, 1], kind) } else { box_([1.0, 0.8, 1.2], [1, 1, 1], kind) }.unwrap();
                let kernel = Kernel::new(&mesh, 1.3, vec![law], vec![0; mesh.num_cells()], f_bar);
                testing::check_tangent(&kernel, &mesh, 0.02);
            }
        }
    }
}
