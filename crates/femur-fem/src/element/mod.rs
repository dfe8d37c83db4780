//! Reference elements: nodes, shape functions and their gradients for every [`CellKind`].
//!
//! Triangles and tetrahedra live on the unit simplex, quadrilaterals and hexahedra on `[-1, 1]^d`, wedges on the unit
//! triangle times `[-1, 1]`, the pyramid on the base `[-1, 1]^2` with its apex at `z = 1`. Formulas: Zienkiewicz, Taylor and
//! Zhu, The Finite Element Method, 7th ed., ch. 6. Each shape function is written once, over [`Number`]; gradients come from
//! the same line evaluated on dual numbers, so the two cannot disagree.

mod dual;
mod nodes;
mod shapes;

pub use dual::{Dual, Number};
use femur_mesh::CellKind;
use std::sync::OnceLock;

/// The element of one cell kind.
#[derive(Debug, Clone)]
pub struct ReferenceElement {
    /// Its cell kind.
    pub kind: CellKind,
    /// Reference coordinates of the nodes `[num_nodes]`, in VTK's order; unused coordinates are 0.
    pub nodes: Vec<[f64; 3]>,
}

impl ReferenceElement {
    /// The element of a cell kind.
    pub fn of(kind: CellKind) -> &'static ReferenceElement {
        static ALL: OnceLock<Vec<ReferenceElement>> = OnceLock::new();
        let all = ALL
            .get_or_init(|| CellKind::ALL.into_iter().map(|kind| ReferenceElement { kind, nodes: nodes::reference_nodes(kind) }).collect());
        &all[kind as usize]
    }

    /// Number of nodes.
    pub fn num_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Values of the shape functions at `xi`, `[num_nodes]`.
    pub fn values(&self, xi: [f64; 3], out: &mut [f64]) {
        shapes::evaluate(self, xi, out);
    }

    /// Gradients of the shape functions with respect to the reference coordinates at `xi`, `[num_nodes]`.
    pub fn gradients(&self, xi: [f64; 3], out: &mut [[f64; 3]]) {
        let mut duals = [Dual::constant(0.0); 27];
        let duals = &mut duals[..self.num_nodes()];
        shapes::evaluate(self, Dual::variables(xi), duals);
        for (g, d) in out.iter_mut().zip(duals.iter()) {
            *g = d.gradient;
        }
    }

    /// Second derivatives of the shape functions with respect to the reference coordinates at `xi`, `[num_nodes]`: central differences
    /// of the gradients, which are exact since those are quadratic at most in each coordinate (but on the rational pyramid).
    pub fn hessians(&self, xi: [f64; 3], out: &mut [[[f64; 3]; 3]]) {
        const STEP: f64 = 0.25;
        let n = self.num_nodes();
        let (mut plus, mut minus) = (vec![[0.0; 3]; n], vec![[0.0; 3]; n]);
        out.fill([[0.0; 3]; 3]);
        for t in 0..self.kind.dim() {
            let shifted = |by: f64| std::array::from_fn(|d| if d == t { xi[d] + by } else { xi[d] });
            self.gradients(shifted(STEP), &mut plus);
            self.gradients(shifted(-STEP), &mut minus);
            for a in 0..n {
                (0..3).for_each(|s| out[a][s][t] = (plus[a][s] - minus[a][s]) / (2.0 * STEP));
            }
        }
    }

    /// The centre of the reference cell.
    pub fn centre(&self) -> [f64; 3] {
        let vertices = &self.nodes[..self.kind.num_vertices()];
        let mut c = [0.0; 3];
        for v in vertices {
            for d in 0..3 {
                c[d] += v[d] / vertices.len() as f64;
            }
        }
        c
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::monomials as monomials_for_tests;
