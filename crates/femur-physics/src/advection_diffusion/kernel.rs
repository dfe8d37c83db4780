//! Element integrals of advection and diffusion with streamline-upwind Petrov-Galerkin weighting (Brooks and Hughes 1982).

use femur_fem::{CellGeometry, ReferenceElement, Tabulation};
use femur_mesh::{CellKind, Mesh};

/// Second derivatives of a kind's shape functions in the reference cell `[num_points][num_nodes]`.
pub(super) type Hessians = Vec<Vec<[[f64; 3]; 3]>>;

/// [`Hessians`] at the points of a tabulation; empty for kinds of order 1, whose Laplacian is left out.
pub(super) fn hessians(table: &Tabulation) -> Hessians {
    if table.kind.order() == 1 {
        return Vec::new();
    }
    let element = ReferenceElement::of(table.kind);
    let at = |&p: &[f64; 3]| {
        let mut out = vec![[[0.0; 3]; 3]; element.num_nodes()];
        element.hessians(p, &mut out);
        out
    };
    table.rule.points.iter().map(at).collect()
}

/// One quadrature point of one cell, ready to be integrated.
pub(super) struct Point {
    /// Weight times |det J|.
    pub(super) weight: f64,
    /// Stabilisation parameter.
    pub(super) tau: f64,
    /// `velocity . grad N` `[num_nodes]`.
    pub(super) along: Vec<f64>,
    /// `laplace N` `[num_nodes]`.
    pub(super) laplace: Vec<f64>,
}

/// What a point needs to know of the flow.
#[derive(Clone, Copy)]
pub(super) struct Flow {
    pub(super) velocity: [f64; 3],
    pub(super) diffusivity: f64,
    /// Time step, infinite for a steady problem.
    pub(super) dt: f64,
    /// Whether the weighting is upwinded.
    pub(super) supg: bool,
}

impl Point {
    /// Evaluates point `q` of a cell.
    pub(super) fn new(
        mesh: &Mesh,
        nodes: &[u32],
        geometry: &CellGeometry,
        table: &Tabulation,
        hessians: &[Vec<[[f64; 3]; 3]>],
        q: usize,
        flow: Flow,
    ) -> Point {
        let dim = mesh.dim;
        let gradients = &geometry.gradients[q];
        let along: Vec<f64> = gradients.iter().map(|g| (0..dim).map(|d| flow.velocity[d] * g[d]).sum()).collect();
        let mut jacobian = [[0.0; 3]; 3];
        for (a, &n) in nodes.iter().enumerate() {
            for (r, x) in mesh.point(n as usize).iter().enumerate() {
                (0..dim).for_each(|s| jacobian[r][s] += x * table.gradients[q][a][s]);
            }
        }
        let (_, inverse) = femur_fem::values::invert(&jacobian, dim);
        let laplace = hessians.get(q).map_or_else(Vec::new, |h| laplacians(mesh, nodes, gradients, h, &inverse));
        let tau = if flow.supg { stabilisation(table.kind, &inverse, dim, flow) } else { 0.0 };
        Point { weight: geometry.volume[q], tau, along, laplace }
    }

    /// `grad` of the weighting function of node `a` upwinded: what is added to `N_a`.
    pub(super) fn upwind(&self, a: usize) -> f64 {
        self.tau * self.along[a]
    }
}

/// Laplacians in space: of the reference second derivatives, less what the curvature of the map makes.
fn laplacians(mesh: &Mesh, nodes: &[u32], gradients: &[[f64; 3]], h: &[[[f64; 3]; 3]], inverse: &[[f64; 3]; 3]) -> Vec<f64> {
    let dim = mesh.dim;
    // Contraction with sum_i inverse[s][i] inverse[t][i].
    let metric: [[f64; 3]; 3] = std::array::from_fn(|s| std::array::from_fn(|t| (0..dim).map(|i| inverse[s][i] * inverse[t][i]).sum()));
    let contract = |h: &[[f64; 3]; 3]| -> f64 { (0..dim).map(|s| (0..dim).map(|t| metric[s][t] * h[s][t]).sum::<f64>()).sum() };
    let mut bend = [0.0; 3];
    for (a, &n) in nodes.iter().enumerate() {
        let c = contract(&h[a]);
        mesh.point(n as usize).iter().enumerate().for_each(|(d, x)| bend[d] += c * x);
    }
    h.iter().zip(gradients).map(|(h, g)| contract(h) - (0..dim).map(|d| bend[d] * g[d]).sum::<f64>()).collect()
}

/// `tau = (4 / dt^2 + b . G b + C k^2 G : G)^(-1/2)` with the metric `G` of the map from `[-1, 1]^d` (Shakib, Hughes and Johan 1991);
/// C = 9 for linear cells, whose half edge G measures, 16 times that for quadratic ones.
fn stabilisation(kind: CellKind, inverse: &[[f64; 3]; 3], dim: usize, flow: Flow) -> f64 {
    // The unit simplex has edges half as long as those of [-1, 1]^d.
    let scale = if matches!(kind.linear(), CellKind::Triangle3 | CellKind::Tet4) { 4.0 } else { 1.0 };
    let metric = |i: usize, j: usize| scale * (0..dim).map(|s| inverse[s][i] * inverse[s][j]).sum::<f64>();
    let (mut along, mut square) = (0.0, 0.0);
    for i in 0..dim {
        for j in 0..dim {
            along += flow.velocity[i] * metric(i, j) * flow.velocity[j];
            square += metric(i, j).powi(2);
        }
    }
    let order: f64 = if kind.order() == 2 { 16.0 } else { 1.0 };
    let sum = 4.0 / (flow.dt * flow.dt) + order.sqrt() * along + 9.0 * order * flow.diffusivity.powi(2) * square;
    if sum > 0.0 { 1.0 / sum.sqrt() } else { 0.0 }
}
