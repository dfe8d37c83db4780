//! What nonlinear solids share: assembly of forces and tangents, equilibrium, inertia, load stepping, contact, the reading of a case.

mod assembly;
pub(crate) mod contact;
mod equilibrium;
mod inertia;
pub(crate) mod model;
pub(crate) mod simulator;
mod stepping;

pub(crate) use assembly::Assembly;
pub(crate) use equilibrium::{Equilibrium, Loads};
pub(crate) use inertia::Inertia;
pub(crate) use model::SolidModel;
pub(crate) use stepping::Stepping;

use femur_fem::{CellGeometry, Tabulation};
use femur_solve::Inadmissible;

/// A second-order tensor `[i][j]`.
pub(crate) type Tensor = [[f64; 3]; 3];
/// A fourth-order tensor `[3 i + j][3 k + l]`.
pub(crate) type Tangent = [[f64; 9]; 9];

/// The history of one cell, `[num_points, Body::history]` each.
pub(crate) struct CellState<'a> {
    /// At the last equilibrium.
    pub(crate) old: &'a [f64],
    /// At the displacements asked for.
    pub(crate) new: &'a mut [f64],
}

/// The mechanics of a body, cell by cell.
pub(crate) trait Body: Send + Sync {
    /// History values at each quadrature point.
    fn history(&self) -> usize;

    /// Whether the tangent is symmetric.
    fn symmetric(&self) -> bool;

    /// Adds the nodal forces `[k dim]` of a cell at displacements `u` `[k dim]`, and their derivative `[k dim, k dim]` (row-major) into
    /// `tangent`; gives the stored energy.
    #[allow(clippy::too_many_arguments)] // one call site
    fn cell(
        &self,
        cell: usize,
        geometry: &CellGeometry,
        table: &Tabulation,
        u: &[f64],
        history: &mut CellState,
        force: &mut [f64],
        tangent: Option<&mut [f64]>,
    ) -> Result<f64, Inadmissible>;
}

#[cfg(test)]
pub(crate) mod testing;
