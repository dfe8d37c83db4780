//! Element stiffness, stress at a point, incompatible modes.

use femur_fem::quadrature::stiffness_degree;
use femur_fem::values::invert;
use femur_fem::{CellGeometry, Quadrature, ReferenceElement, Tabulation};
use femur_mesh::{CellKind, Mesh};

/// Lame constants; in plane stress lambda is the reduced one, `E nu / (1 - nu^2)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lame {
    lambda: f64,
    mu: f64,
    nu: f64,
}

impl Lame {
    pub(super) fn new(e: f64, nu: f64, plane_stress: bool) -> Self {
        let mu = e / (2.0 * (1.0 + nu));
        let lambda = if plane_stress { e * nu / (1.0 - nu * nu) } else { e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)) };
        Lame { lambda, mu, nu }
    }

    pub(super) fn scaled(self, factor: f64) -> Self {
        Lame { lambda: self.lambda * factor, mu: self.mu * factor, nu: self.nu }
    }

    /// Stress (xx, yy, zz, xy) or (xx, yy, zz, xy, yz, xz) of a displacement gradient `[component][direction]`.
    pub(super) fn stress(&self, g: &[[f64; 3]; 3], dim: usize, plane_strain: bool, out: &mut [f64]) {
        let trace: f64 = (0..dim).map(|d| g[d][d]).sum();
        for d in 0..dim {
            out[d] = self.lambda * trace + 2.0 * self.mu * g[d][d];
        }
        out[3] = self.mu * (g[0][1] + g[1][0]);
        if dim == 3 {
            out[4] = self.mu * (g[1][2] + g[2][1]);
            out[5] = self.mu * (g[0][2] + g[2][0]);
        } else {
            out[2] = if plane_strain { self.nu * (out[0] + out[1]) } else { 0.0 };
        }
    }
}

/// `K_ab = integral of lambda grad Na (x) grad Nb + mu grad Nb (x) grad Na + mu (grad Na . grad Nb) I`, added into `out`, row-major.
fn add_blocks(dim: usize, gradients: &[[f64; 3]], volume: f64, lame: Lame, out: &mut [f64]) {
    let k = gradients.len() * dim;
    for (a, ga) in gradients.iter().enumerate() {
        for (b, gb) in gradients.iter().enumerate() {
            let dot: f64 = (0..dim).map(|d| ga[d] * gb[d]).sum::<f64>() * lame.mu * volume;
            for i in 0..dim {
                for j in 0..dim {
                    let v = volume * (lame.lambda * ga[i] * gb[j] + lame.mu * ga[j] * gb[i]);
                    out[(a * dim + i) * k + b * dim + j] += v;
                }
                out[(a * dim + i) * k + b * dim + i] += dot;
            }
        }
    }
}

/// Whether a kind carries incompatible modes.
fn has_modes(kind: CellKind) -> bool {
    matches!(kind, CellKind::Quad4 | CellKind::Hex8)
}

/// Element stiffness `[k dim, k dim]`; with `incompatible` quad4 and hex8 carry Wilson's modes in the form of Taylor, Beresford
/// and Wilson (1976), whose gradients are taken with the Jacobian of the centre and so vanish in the mean: it passes the patch test.
pub(super) fn stiffness(
    mesh: &Mesh,
    nodes: &[u32],
    geometry: &CellGeometry,
    table: &Tabulation,
    lame: Lame,
    incompatible: bool,
    out: &mut [f64],
) {
    if incompatible && has_modes(table.kind) {
        let (k, modes) = (nodes.len() * mesh.dim, mesh.dim * mesh.dim);
        let full = with_modes(mesh, nodes, geometry, table, lame);
        // Static condensation: K_uu - K_ua K_aa^-1 K_au.
        let eliminated = eliminate(&full, k, modes);
        for i in 0..k {
            for j in 0..k {
                let s: f64 = (0..modes).map(|m| full[i * (k + modes) + k + m] * eliminated[m * k + j]).sum();
                out[i * k + j] = full[i * (k + modes) + j] - s;
            }
        }
    } else {
        for q in 0..table.rule.len() {
            add_blocks(mesh.dim, &geometry.gradients[q], geometry.volume[q], lame, out);
        }
    }
}

/// Stiffness over nodes and modes, `[(k + m), (k + m)]` with k = nodes x dim and m = dim x dim.
fn with_modes(mesh: &Mesh, nodes: &[u32], geometry: &CellGeometry, table: &Tabulation, lame: Lame) -> Vec<f64> {
    let dim = mesh.dim;
    let centre = centre_frame(mesh, nodes, table.kind);
    let size = (nodes.len() + dim) * dim;
    let mut full = vec![0.0; size * size];
    let mut gradients = Vec::with_capacity(nodes.len() + dim);
    for q in 0..table.rule.len() {
        gradients.clear();
        gradients.extend_from_slice(&geometry.gradients[q]);
        let det = geometry.volume[q] / table.rule.weights[q];
        let xi = table.rule.points[q];
        gradients.extend((0..dim).map(|m| mode_gradient(&centre, dim, m, xi, det)));
        add_blocks(dim, &gradients, geometry.volume[q], lame, &mut full);
    }
    full
}

/// `K_aa^-1 K_au`, `[m, k]`, by Gauss-Jordan with pivoting.
fn eliminate(full: &[f64], k: usize, modes: usize) -> Vec<f64> {
    let n = k + modes;
    let width = modes + k;
    let mut a: Vec<Vec<f64>> = (0..modes)
        .map(|m| {
            let row = &full[(k + m) * n..(k + m + 1) * n];
            row[k..].iter().chain(&row[..k]).copied().collect()
        })
        .collect();
    for i in 0..modes {
        let p = (i..modes).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap_or(i);
        a.swap(i, p);
        let pivot = a[i][i];
        a[i].iter_mut().for_each(|v| *v /= pivot);
        let source = a[i].clone();
        for (r, row) in a.iter_mut().enumerate() {
            if r != i {
                let factor = row[i];
                for c in i..width {
                    row[c] -= factor * source[c];
                }
            }
        }
    }
    a.into_iter().flat_map(|row| row[modes..].to_vec()).collect()
}

/// Inverse Jacobian and determinant at the centre of a cell.
type Frame = ([[f64; 3]; 3], f64);

fn centre_frame(mesh: &Mesh, nodes: &[u32], kind: CellKind) -> Frame {
    let mut g = [[0.0; 3]; 27];
    ReferenceElement::of(kind).gradients([0.0; 3], &mut g[..nodes.len()]);
    let mut j = [[0.0; 3]; 3];
    for (a, &n) in nodes.iter().enumerate() {
        for (r, &x) in mesh.point(n as usize).iter().enumerate() {
            for s in 0..mesh.dim {
                j[r][s] += x * g[a][s];
            }
        }
    }
    let (det, inverse) = invert(&j, mesh.dim);
    (inverse, det)
}

/// Gradient of mode `1 - xi_m^2`: `(det J0 / det J) J0^-T (-2 xi_m e_m)`.
fn mode_gradient(centre: &Frame, dim: usize, m: usize, xi: [f64; 3], det: f64) -> [f64; 3] {
    let (inverse, det0) = centre;
    let factor = -2.0 * xi[m] * det0 / det;
    std::array::from_fn(|d| if d < dim { factor * inverse[m][d] } else { 0.0 })
}

/// Amplitudes of the incompatible modes of one cell for a given displacement.
#[derive(Default)]
pub(super) struct Modes {
    amplitudes: Vec<f64>,
    dim: usize,
    /// Frame at the centre and the Jacobian there; at other points the mode's gradient is scaled by det J0 / det J.
    centre: Option<(Frame, CellKind, Vec<[f64; 3]>)>,
}

impl Modes {
    pub(super) fn solve(mesh: &Mesh, nodes: &[u32], kind: CellKind, lame: Lame, displacement: &[f64]) -> Self {
        if !has_modes(kind) {
            return Modes::default();
        }
        let dim = mesh.dim;
        let table = Tabulation::new(kind, Quadrature::new(kind, stiffness_degree(kind)));
        let mut geometry = CellGeometry::default();
        geometry.fill(&table, mesh, nodes);
        let (k, modes) = (nodes.len() * dim, dim * dim);
        let eliminated = eliminate(&with_modes(mesh, nodes, &geometry, &table, lame), k, modes);
        let u: Vec<f64> = nodes.iter().flat_map(|&n| displacement[n as usize * dim..(n as usize + 1) * dim].to_vec()).collect();
        let amplitudes = (0..modes).map(|m| -(0..k).map(|j| eliminated[m * k + j] * u[j]).sum::<f64>()).collect();
        let points = nodes.iter().map(|&n| std::array::from_fn(|d| mesh.point(n as usize).get(d).copied().unwrap_or(0.0))).collect();
        Modes { amplitudes, dim, centre: Some((centre_frame(mesh, nodes, kind), kind, points)) }
    }

    /// Adds the modes' part of the displacement gradient at `xi`.
    pub(super) fn add_gradient(&self, xi: [f64; 3], gradient: &mut [[f64; 3]; 3]) {
        let Some((centre, kind, points)) = &self.centre else { return };
        let mut g = [[0.0; 3]; 27];
        ReferenceElement::of(*kind).gradients(xi, &mut g[..points.len()]);
        let mut j = [[0.0; 3]; 3];
        for (p, g) in points.iter().zip(&g) {
            for r in 0..self.dim {
                for s in 0..self.dim {
                    j[r][s] += p[r] * g[s];
                }
            }
        }
        let (det, _) = invert(&j, self.dim);
        for m in 0..self.dim {
            let mode = mode_gradient(centre, self.dim, m, xi, det);
            for i in 0..self.dim {
                for d in 0..self.dim {
                    gradient[i][d] += self.amplitudes[m * self.dim + i] * mode[d];
                }
            }
        }
    }
}
