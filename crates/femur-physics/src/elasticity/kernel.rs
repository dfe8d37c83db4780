//! Element stiffness, thermal load, stress at a point, incompatible modes.

use super::law::{Kinematics, Material};
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

    /// Lambda and mu.
    pub(super) fn constants(&self) -> (f64, f64) {
        (self.lambda, self.mu)
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
pub(super) fn has_modes(kind: CellKind) -> bool {
    matches!(kind, CellKind::Quad4 | CellKind::Hex8)
}

/// Rows: strains in Voigt order; columns: displacement components of one node with gradient `g`; `hoop` is its value over the radius.
fn strain_matrix(dim: usize, g: [f64; 3], hoop: f64) -> [[f64; 3]; 6] {
    let [x, y, z] = g;
    if dim == 2 {
        [[x, 0.0, 0.0], [0.0, y, 0.0], [hoop, 0.0, 0.0], [y, x, 0.0], [0.0; 3], [0.0; 3]]
    } else {
        [[x, 0.0, 0.0], [0.0, y, 0.0], [0.0, 0.0, z], [y, x, 0.0], [0.0, z, y], [z, 0.0, x]]
    }
}

/// Stress (xx, yy, zz, xy) or (xx, yy, zz, xy, yz, xz) of a displacement gradient and a hoop strain `u_r / r`.
pub(super) fn stress(material: &Material, g: &[[f64; 3]; 3], hoop: f64, kinematics: Kinematics, out: &mut [f64]) {
    let dim = if out.len() == 4 { 2 } else { 3 };
    if let Some(lame) = material.lame {
        return lame.stress(g, dim, kinematics == Kinematics::PlaneStrain, out);
    }
    let zz = if dim == 3 { g[2][2] } else { hoop };
    let strain = [g[0][0], g[1][1], zz, g[0][1] + g[1][0], g[1][2] + g[2][1], g[0][2] + g[2][0]];
    for (i, s) in out.iter_mut().enumerate() {
        *s = (0..6).map(|j| material.stiffness[i][j] * strain[j]).sum();
    }
}

/// The element of one cell: what its stiffness, load and stress share.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    pub(super) mesh: &'a Mesh,
    pub(super) nodes: &'a [u32],
    pub(super) material: &'a Material,
    pub(super) kinematics: Kinematics,
    pub(super) thickness: f64,
    pub(super) incompatible: bool,
}

impl Cell<'_> {
    /// Whether it carries incompatible modes. Those of a ring would not pass the patch test.
    fn has_modes(&self, kind: CellKind) -> bool {
        self.incompatible && has_modes(kind) && self.kinematics != Kinematics::Axisymmetric
    }

    fn volume(&self, geometry: &CellGeometry, q: usize) -> f64 {
        geometry.volume[q] * self.kinematics.weight(self.thickness, &geometry.position[q])
    }

    fn hoop(&self, table: &Tabulation, geometry: &CellGeometry, q: usize, node: usize) -> f64 {
        match self.kinematics {
            Kinematics::Axisymmetric => table.values[q].get(node).map_or(0.0, |v| v / geometry.position[q][0]),
            _ => 0.0,
        }
    }

    /// Element stiffness `[k dim, k dim]`; with `incompatible` quad4 and hex8 carry Wilson's modes in the form of Taylor, Beresford
    /// and Wilson (1976), whose gradients are taken with the Jacobian of the centre and so vanish in the mean: it passes the patch
    /// test.
    pub(super) fn stiffness(&self, geometry: &CellGeometry, table: &Tabulation, out: &mut [f64]) {
        if self.has_modes(table.kind) {
            let (k, modes) = (self.nodes.len() * self.mesh.dim, self.mesh.dim * self.mesh.dim);
            let full = self.with_modes(geometry, table);
            // Static condensation: K_uu - K_ua K_aa^-1 K_au.
            let (eliminated, _) = eliminate(&full, k, &vec![0.0; modes]);
            for i in 0..k {
                for j in 0..k {
                    let s: f64 = (0..modes).map(|m| full[i * (k + modes) + k + m] * eliminated[m * k + j]).sum();
                    out[i * k + j] = full[i * (k + modes) + j] - s;
                }
            }
        } else {
            for q in 0..table.rule.len() {
                self.add_blocks(geometry, table, q, &geometry.gradients[q], out);
            }
        }
    }

    /// Adds the stiffness of one quadrature point over nodes (and modes) with these gradients.
    fn add_blocks(&self, geometry: &CellGeometry, table: &Tabulation, q: usize, gradients: &[[f64; 3]], out: &mut [f64]) {
        let (dim, volume) = (self.mesh.dim, self.volume(geometry, q));
        if let Some(lame) = self.material.lame {
            return add_blocks(dim, gradients, volume, lame, out);
        }
        let k = gradients.len() * dim;
        let matrices: Vec<_> =
            gradients.iter().enumerate().map(|(a, &g)| strain_matrix(dim, g, self.hoop(table, geometry, q, a))).collect();
        for (b, right) in matrices.iter().enumerate() {
            let stress: [[f64; 3]; 6] = std::array::from_fn(|i| {
                std::array::from_fn(|d| (0..6).map(|j| self.material.stiffness[i][j] * right[j][d]).sum::<f64>() * volume)
            });
            for (a, left) in matrices.iter().enumerate() {
                for i in 0..dim {
                    for j in 0..dim {
                        out[(a * dim + i) * k + b * dim + j] += (0..6).map(|v| left[v][i] * stress[v][j]).sum::<f64>();
                    }
                }
            }
        }
    }

    /// Gradients of nodes and modes at a point.
    fn gradients(&self, geometry: &CellGeometry, table: &Tabulation, centre: &Frame, q: usize) -> Vec<[f64; 3]> {
        let dim = self.mesh.dim;
        let det = geometry.volume[q] / table.rule.weights[q];
        let modes = (0..dim).map(|m| mode_gradient(centre, dim, m, table.rule.points[q], det));
        geometry.gradients[q].iter().copied().chain(modes).collect()
    }

    /// Stiffness over nodes and modes, `[(k + m), (k + m)]` with k = nodes x dim and m = dim x dim.
    fn with_modes(&self, geometry: &CellGeometry, table: &Tabulation) -> Vec<f64> {
        let centre = centre_frame(self.mesh, self.nodes, table.kind);
        let size = (self.nodes.len() + self.mesh.dim) * self.mesh.dim;
        let mut full = vec![0.0; size * size];
        for q in 0..table.rule.len() {
            self.add_blocks(geometry, table, q, &self.gradients(geometry, table, &centre, q), &mut full);
        }
        full
    }

    /// Forces `[k]` at the nodes, and `[m]` at the modes where it has them, of a temperature rise.
    fn thermal(&self, geometry: &CellGeometry, table: &Tabulation, rise: &Rise<'_>) -> Vec<f64> {
        let dim = self.mesh.dim;
        let modes = self.has_modes(table.kind);
        let centre = centre_frame(self.mesh, self.nodes, table.kind);
        let mut out = vec![0.0; (self.nodes.len() + if modes { dim } else { 0 }) * dim];
        let Some(stress) = self.material.thermal else { return out };
        for q in 0..table.rule.len() {
            let weight = self.volume(geometry, q) * rise(&geometry.position[q][..dim]);
            let gradients = if modes { self.gradients(geometry, table, &centre, q) } else { geometry.gradients[q].clone() };
            for (a, &g) in gradients.iter().enumerate() {
                let b = strain_matrix(dim, g, self.hoop(table, geometry, q, a));
                for i in 0..dim {
                    out[a * dim + i] += weight * (0..6).map(|v| b[v][i] * stress[v]).sum::<f64>();
                }
            }
        }
        out
    }

    /// Load `[k]` that a temperature rise puts on the nodes, modes condensed.
    pub(super) fn thermal_load(&self, geometry: &CellGeometry, table: &Tabulation, rise: &Rise<'_>, out: &mut [f64]) {
        let load = self.thermal(geometry, table, rise);
        let (nodes, modes) = load.split_at(out.len());
        out.copy_from_slice(nodes);
        if !modes.is_empty() {
            // f_u - K_ua K_aa^-1 f_a, where the stiffness is symmetric.
            let (eliminated, _) = eliminate(&self.with_modes(geometry, table), out.len(), modes);
            for (j, f) in out.iter_mut().enumerate() {
                *f -= modes.iter().enumerate().map(|(m, a)| a * eliminated[m * nodes.len() + j]).sum::<f64>();
            }
        }
    }
}

/// Temperature rise over the reference at a point, in K.
pub(crate) type Rise<'a> = dyn Fn(&[f64]) -> f64 + Sync + 'a;

/// `K_aa^-1 K_au` `[m, k]` and `K_aa^-1 f_a` `[m]`, by Gauss-Jordan with pivoting.
fn eliminate(full: &[f64], k: usize, load: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let modes = load.len();
    let n = k + modes;
    let width = modes + k + 1;
    let mut a: Vec<Vec<f64>> = (0..modes)
        .map(|m| {
            let row = &full[(k + m) * n..(k + m + 1) * n];
            row[k..].iter().chain(&row[..k]).chain([&load[m]]).copied().collect()
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
    let answer = a.iter().map(|row| row[width - 1]).collect();
    (a.into_iter().flat_map(|row| row[modes..width - 1].to_vec()).collect(), answer)
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
    /// Those of a cell under a displacement and, where given, a temperature rise.
    pub(super) fn solve(cell: &Cell<'_>, kind: CellKind, displacement: &[f64], rise: Option<&Rise<'_>>) -> Self {
        if !cell.has_modes(kind) {
            return Modes::default();
        }
        let (mesh, nodes) = (cell.mesh, cell.nodes);
        let dim = mesh.dim;
        let table = Tabulation::new(kind, Quadrature::new(kind, stiffness_degree(kind)));
        let mut geometry = CellGeometry::default();
        geometry.fill(&table, mesh, nodes);
        let (k, modes) = (nodes.len() * dim, dim * dim);
        let load = rise.map_or_else(|| vec![0.0; modes], |r| cell.thermal(&geometry, &table, r)[k..].to_vec());
        let (eliminated, own) = eliminate(&cell.with_modes(&geometry, &table), k, &load);
        let u: Vec<f64> = nodes.iter().flat_map(|&n| displacement[n as usize * dim..(n as usize + 1) * dim].to_vec()).collect();
        let amplitudes = (0..modes).map(|m| own[m] - (0..k).map(|j| eliminated[m * k + j] * u[j]).sum::<f64>()).collect();
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
