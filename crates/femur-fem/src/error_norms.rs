//! Norms of the difference to an exact solution.

use crate::{CellGeometry, Quadrature, Tabulation};
use femur_mesh::Mesh;

/// `(L2 norm, H1 seminorm)` of `u_h - u` for nodal values `[num_nodes, components]`. `exact(x, values, gradients)` fills
/// `[components]` and `[components][3]`. Integrated two degrees beyond the elements' own rule.
pub fn errors(mesh: &Mesh, values: &[f64], components: usize, exact: impl Fn([f64; 3], &mut [f64], &mut [[f64; 3]])) -> (f64, f64) {
    let (mut l2, mut h1) = (0.0, 0.0);
    let mut geometry = CellGeometry::default();
    for block in &mesh.blocks {
        let table = Tabulation::new(block.kind, Quadrature::new(block.kind, 2 * block.kind.order() + 3));
        for c in 0..block.num_cells() {
            let nodes = block.cell(c);
            geometry.fill(&table, mesh, nodes);
            for q in 0..table.rule.len() {
                let (mut u, mut du) = (vec![0.0; components], vec![[0.0; 3]; components]);
                exact(geometry.position[q], &mut u, &mut du);
                for k in 0..components {
                    for (a, &n) in nodes.iter().enumerate() {
                        let v = values[n as usize * components + k];
                        u[k] -= table.values[q][a] * v;
                        for d in 0..mesh.dim {
                            du[k][d] -= geometry.gradients[q][a][d] * v;
                        }
                    }
                    l2 += geometry.volume[q] * u[k] * u[k];
                    h1 += geometry.volume[q] * (0..mesh.dim).map(|d| du[k][d].powi(2)).sum::<f64>();
                }
            }
        }
    }
    (l2.sqrt(), h1.sqrt())
}
