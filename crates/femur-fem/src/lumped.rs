//! Lumped mass: one number at each node, so that an explicit step in time divides instead of solving.
//!
//! Every rule gives positive masses, cell by cell, and they add up to the mass of the body:
//!
//! - cells of order 1 by the sums of the rows of their consistent mass, `int N_a`;
//! - quad9 and hex27 by the rule whose points are the nodes (Gauss-Lobatto, Simpson's along each axis), as spectral elements do
//!   (Komatitsch and Vilotte 1998); on straight cells these are the sums of the rows too. On curved hex27 the sum is the mass to the order of
//!   the rule;
//! - other cells of order 2, whose sums of rows are 0 or negative at vertices, by the diagonal of their consistent mass scaled to the mass of
//!   the cell (Hinton, Rock and Zienkiewicz 1976, "HRZ"). It integrates linear functions alone exactly: solutions on triangle6 and
//!   tet10 then converge at order 2, not 3 (Fried and Malkus 1975 show what a rule must integrate).

use crate::quadrature::stiffness_degree;
use crate::{CellCoefficient, CellGeometry, InvertedCell, Quadrature, ReferenceElement, Tabulation, VectorAssembler};
use femur_mesh::{CellKind, Mesh};
use std::sync::Mutex;

/// How the mass of a kind of cell comes to its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lumping {
    /// The sums of the rows of the consistent mass.
    RowSums,
    /// Quadrature at the nodes.
    Lobatto,
    /// The diagonal of the consistent mass, scaled to the mass of the cell.
    ScaledDiagonal,
}

impl Lumping {
    /// The way of a kind.
    pub fn of(kind: CellKind) -> Lumping {
        match kind {
            CellKind::Quad9 | CellKind::Hex27 | CellKind::Line3 => Lumping::Lobatto,
            _ if kind.order() > 1 => Lumping::ScaledDiagonal,
            _ => Lumping::RowSums,
        }
    }
}

/// The rule that masses of a kind are integrated by.
fn rule(kind: CellKind) -> Quadrature {
    if Lumping::of(kind) != Lumping::Lobatto {
        return Quadrature::new(kind, stiffness_degree(kind) + 2);
    }
    let points = ReferenceElement::of(kind).nodes.clone();
    let along = |x: f64| if x == 0.0 { 4.0 / 3.0 } else { 1.0 / 3.0 };
    let weights = points.iter().map(|p| p[..kind.dim()].iter().map(|x| along(*x)).product()).collect();
    Quadrature { points, weights, degree: 3 }
}

/// The lumped mass `[num_nodes]` of a density (in 2D times the thickness), the same for every component of a node; 0 at nodes of no cell. To the
/// same bits on any number of threads.
///
/// # Errors
/// A cell is inverted at a point of its rule, which on quad9 and hex27 are its nodes.
pub fn lumped_mass(mesh: &Mesh, density: CellCoefficient<'_>) -> Result<Vec<f64>, InvertedCell> {
    let mut out = vec![0.0; mesh.num_nodes()];
    let worst = Mutex::new((f64::INFINITY, 0usize));
    let kernel = |cell: usize, geometry: &CellGeometry, table: &Tabulation, out: &mut [f64]| {
        if (geometry.min_det.is_nan() || geometry.min_det <= 0.0)
            && let Ok(mut worst) = worst.lock()
            && (geometry.min_det, cell) < *worst
        {
            *worst = (geometry.min_det, cell);
        }
        let rho = density.of(cell);
        let (mut mass, mut diagonal) = (0.0, 0.0);
        let scaled = Lumping::of(table.kind) == Lumping::ScaledDiagonal;
        for (values, volume) in table.values.iter().zip(&geometry.volume) {
            let w = rho * volume;
            mass += w;
            for (o, v) in out.iter_mut().zip(values) {
                let part = if scaled { w * v * v } else { w * v };
                *o += part;
                diagonal += part;
            }
        }
        if scaled {
            out.iter_mut().for_each(|o| *o *= mass / diagonal);
        }
    };
    VectorAssembler::with_rules(mesh, 1, rule).add_vector(mesh, &mut out, kernel);
    let (det, cell) = worst.into_inner().unwrap_or((f64::INFINITY, 0));
    if det.is_nan() || det <= 0.0 { Err(InvertedCell { cell, det }) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_mesh::generate::{box_, rectangle};

    const PLANE: [CellKind; 5] = [CellKind::Triangle3, CellKind::Triangle6, CellKind::Quad4, CellKind::Quad8, CellKind::Quad9];
    const SOLID: [CellKind; 5] = [CellKind::Tet4, CellKind::Tet10, CellKind::Hex8, CellKind::Hex20, CellKind::Hex27];

    fn grid(kind: CellKind, n: usize) -> Mesh {
        if kind.dim() == 2 { rectangle([2.0, 1.5], [n, n + 1], kind) } else { box_([2.0, 1.5, 1.0], [n, n + 1, n], kind) }.unwrap()
    }

    #[test]
    fn masses_are_positive_and_add_up_to_the_body() {
        for kind in PLANE.into_iter().chain(SOLID) {
            for bend in [0.0, 0.05] {
                let mut mesh = grid(kind, 4);
                for p in mesh.points.chunks_exact_mut(kind.dim()) {
                    // Along x by y: the volume stays.
                    p[0] += bend * (2.0 * p[1]).sin();
                }
                let density: Vec<f64> = (0..mesh.num_cells()).map(|c| 1.0 + (c % 2) as f64).collect();
                let uniform = lumped_mass(&mesh, CellCoefficient::Uniform(3.0)).unwrap();
                assert!(uniform.iter().all(|m| *m > 0.0), "{kind}");
                let total: f64 = uniform.iter().sum();
                assert!((total - 9.0).abs() < if bend == 0.0 { 1e-12 } else { 5e-3 }, "{kind}, {bend}: {total}");
                let by_cell = lumped_mass(&mesh, CellCoefficient::ByCell(&density)).unwrap();
                let again = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                assert_eq!(by_cell, again.install(|| lumped_mass(&mesh, CellCoefficient::ByCell(&density)).unwrap()), "{kind}");
                let twice: Vec<f64> = density.iter().map(|d| 2.0 * d).collect();
                let twice = lumped_mass(&mesh, CellCoefficient::ByCell(&twice)).unwrap();
                assert!(by_cell.iter().zip(&twice).all(|(a, b)| (2.0 * a - b).abs() < 1e-14), "{kind}");
            }
        }
    }

    /// Parts of a cell's mass at its first vertex and at its last node, from the literature (Hughes 1987, ch. 7.3.2; Zienkiewicz, Taylor and
    /// Zhu, ch. 12.2), and by hand for tet10: diagonals in the ratio 1/420 : 4/315.
    #[test]
    fn parts_of_one_cell_are_those_of_the_literature() {
        let tet10 = [1.0 / 420.0, 8.0 * 4.0 / 2520.0];
        let sum = 4.0 * tet10[0] + 6.0 * tet10[1];
        for (kind, vertex, last) in [
            (CellKind::Triangle3, 1.0 / 3.0, 1.0 / 3.0),
            (CellKind::Triangle6, 1.0 / 19.0, 16.0 / 57.0),
            (CellKind::Quad4, 0.25, 0.25),
            (CellKind::Quad8, 3.0 / 76.0, 16.0 / 76.0),
            (CellKind::Quad9, 1.0 / 36.0, 16.0 / 36.0),
            (CellKind::Tet4, 0.25, 0.25),
            (CellKind::Tet10, tet10[0] / sum, tet10[1] / sum),
            (CellKind::Hex8, 0.125, 0.125),
            (CellKind::Hex27, 1.0 / 216.0, 64.0 / 216.0),
        ] {
            let mut mesh = grid(kind, 1);
            let n = kind.num_nodes();
            mesh.blocks.truncate(1);
            mesh.blocks[0].connectivity.truncate(n);
            mesh.tags = Default::default();
            let nodes = mesh.blocks[0].cell(0).to_vec();
            let m = lumped_mass(&mesh, CellCoefficient::Uniform(1.0)).unwrap();
            let total: f64 = m.iter().sum();
            let part = |a: usize| m[nodes[a] as usize] / total;
            assert!((part(0) - vertex).abs() < 1e-12 && (part(n - 1) - last).abs() < 1e-12, "{kind}: {} {}", part(0), part(n - 1));
        }
    }

    #[test]
    fn an_inverted_cell_is_named() {
        let mut mesh = grid(CellKind::Quad4, 3);
        mesh.blocks[0].connectivity[20..24].reverse();
        let e = lumped_mass(&mesh, CellCoefficient::Uniform(1.0)).unwrap_err();
        assert_eq!(e.cell, 5);
        assert!(e.det < 0.0);
    }
}
