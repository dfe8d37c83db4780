//! Force and tangent of one elastoplastic cell at small strains, plain or with B-bar.

use super::return_mapping::{HISTORY, Metal, Point};
use crate::solid::{Body, CellState, Tensor};
use femur_fem::{CellGeometry, Tabulation};
use femur_mesh::CellKind;
use femur_solve::Inadmissible;

/// An elastoplastic body.
pub(super) struct Kernel {
    pub(super) dim: usize,
    pub(super) thickness: f64,
    pub(super) plane_stress: bool,
    /// Whether quad4 and hex8 take the volume strain of the cell's mean.
    pub(super) b_bar: bool,
    pub(super) metals: Vec<Metal>,
    pub(super) material: Vec<i32>,
}

/// Gradients of the shape functions in the mean over a cell.
pub(super) fn mean_gradients(geometry: &CellGeometry) -> Vec<[f64; 3]> {
    let volume: f64 = geometry.volume.iter().sum();
    let mut mean = vec![[0.0; 3]; geometry.gradients[0].len()];
    for (gradients, w) in geometry.gradients.iter().zip(&geometry.volume) {
        for (m, g) in mean.iter_mut().zip(gradients) {
            (0..3).for_each(|d| m[d] += w / volume * g[d]);
        }
    }
    mean
}

impl Kernel {
    /// The mean gradients where the cell carries B-bar (Hughes 1980): plane stress does not lock.
    pub(super) fn bar(&self, kind: CellKind, geometry: &CellGeometry) -> Option<Vec<[f64; 3]>> {
        let carries = self.b_bar && !self.plane_stress && matches!(kind, CellKind::Quad4 | CellKind::Hex8);
        carries.then(|| mean_gradients(geometry))
    }

    /// Strain at a point: `sym grad u`, its volume part replaced by the mean one where `bar` is given.
    fn strain(&self, gradients: &[[f64; 3]], bar: Option<&[[f64; 3]]>, u: &[f64]) -> Tensor {
        let dim = self.dim;
        let mut e = [[0.0; 3]; 3];
        let mut volume = 0.0;
        for (a, g) in gradients.iter().enumerate() {
            for i in 0..dim {
                for j in 0..dim {
                    let half = 0.5 * u[a * dim + i] * g[j];
                    e[i][j] += half;
                    e[j][i] += half;
                }
                if let Some(bar) = bar {
                    volume += u[a * dim + i] * (bar[a][i] - g[i]);
                }
            }
        }
        (0..3).for_each(|d| e[d][d] += volume / 3.0);
        e
    }

    /// Stress, tangent and history at a point.
    pub(super) fn point(&self, cell: usize, gradients: &[[f64; 3]], bar: Option<&[[f64; 3]]>, u: &[f64], old: &[f64]) -> Option<Point> {
        let metal = &self.metals[self.material[cell] as usize];
        let strain = self.strain(gradients, bar, u);
        if self.plane_stress { metal.respond_in_plane(&strain, old) } else { metal.respond(&strain, old) }
    }

    /// Strain when node `a` moves by 1 along `i`.
    fn unit_strain(&self, a: usize, i: usize, gradients: &[[f64; 3]], bar: Option<&[[f64; 3]]>) -> Tensor {
        let mut e = [[0.0; 3]; 3];
        for j in 0..self.dim {
            e[i][j] += 0.5 * gradients[a][j];
            e[j][i] += 0.5 * gradients[a][j];
        }
        if let Some(bar) = bar {
            (0..3).for_each(|d| e[d][d] += (bar[a][i] - gradients[a][i]) / 3.0);
        }
        e
    }
}

impl Body for Kernel {
    fn history(&self) -> usize {
        HISTORY
    }

    fn symmetric(&self) -> bool {
        true
    }

    fn cell(
        &self,
        cell: usize,
        geometry: &CellGeometry,
        table: &Tabulation,
        u: &[f64],
        history: &mut CellState,
        force: &mut [f64],
        mut tangent: Option<&mut [f64]>,
    ) -> Result<f64, Inadmissible> {
        let (dim, k) = (self.dim, u.len());
        let bar = self.bar(table.kind, geometry);
        let mut energy = 0.0;
        for (q, gradients) in geometry.gradients.iter().enumerate() {
            let w = geometry.volume[q] * self.thickness;
            let (old, new) = (&history.old[q * HISTORY..(q + 1) * HISTORY], &mut history.new[q * HISTORY..(q + 1) * HISTORY]);
            let lost = || Inadmissible(format!("the stress at cell {cell} was not found: the strain is too large"));
            let point = self.point(cell, gradients, bar.as_deref(), u, old).ok_or_else(lost)?;
            new.copy_from_slice(&point.history);
            energy += w * point.energy;
            let strains: Vec<Tensor> = (0..k).map(|r| self.unit_strain(r / dim, r % dim, gradients, bar.as_deref())).collect();
            for (f, e) in force.iter_mut().zip(&strains) {
                *f += w * double_dot(&point.stress, e);
            }
            let Some(out) = tangent.as_deref_mut() else { continue };
            for (col, e) in strains.iter().enumerate() {
                let stress: Tensor = std::array::from_fn(|i| {
                    std::array::from_fn(|j| w * (0..9).map(|c| point.tangent[3 * i + j][c] * e[c / 3][c % 3]).sum::<f64>())
                });
                for (row, e) in strains.iter().enumerate() {
                    out[row * k + col] += double_dot(&stress, e);
                }
            }
        }
        Ok(energy)
    }
}

fn double_dot(a: &Tensor, b: &Tensor) -> f64 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solid::testing;
    use femur_mesh::generate::{box_, rectangle};

    #[test]
    fn the_tangent_is_the_derivative_of_the_force() {
        let metal = Metal { mu: 80.0, kappa: 160.0, yield_stress: 0.3, hardening: 5.0, saturation: 0.2, rate: 30.0 };
        for kind in testing::KINDS {
            for (b_bar, plane_stress) in [(false, false), (true, false), (false, true)] {
                let mesh =
                    if kind.dim() == 2 { rectangle([1.0, 0.8], [1, 1], kind) } else { box_([1.0, 0.8, 1.2], [1, 1, 1], kind) }.unwrap();
                if plane_stress && kind.dim() == 3 {
                    continue;
                }
                let material = vec![0; mesh.num_cells()];
                let kernel = Kernel { dim: kind.dim(), thickness: 1.3, plane_stress, b_bar, metals: vec![metal], material };
                testing::check_tangent(&kernel, &mesh, 0.01);
            }
        }
    }
}
