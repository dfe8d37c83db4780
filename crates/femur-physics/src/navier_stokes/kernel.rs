//! Element integrals of the incompressible Navier-Stokes equations on Taylor-Hood cells.
//!
//! The convection is `(u . grad) u + (div u) u / 2` (Temam 1968): the discrete velocity is free of divergence only on average, and without the
//! second term, which vanishes with the mesh, the error feeds energy into poorly resolved vortices. Geometry is found once; reference gradients are kept by direction, so that the loops over a cell's nodes run on vector registers.
//! Unknowns of a cell are the velocities `[nv, dim]`, then the pressures `[np]`.

use crate::PhysicsError;
use femur_fem::{CellGeometry, Quadrature, Tabulation};
use femur_mesh::{CellBlock, Mesh};

/// Degree of the quadrature: that of the convection on affine triangles and tetrahedra; three Gauss points along each axis otherwise.
const DEGREE: usize = 5;
/// Rows of nodes are filled up with zeros to a multiple of this, so that their sums run on vector registers.
const LANES: usize = 4;
/// Most nodes of a cell, filled up.
const MAX_NODES: usize = 28;

/// The fluid of one cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fluid {
    pub(super) density: f64,
    /// Dynamic viscosity.
    pub(super) viscosity: f64,
    /// 1 for the viscous stress `mu (grad u + grad u^T)`, 0 for `mu grad u`.
    pub(super) transposed: f64,
}

/// One block of cells, tabulated.
#[derive(Debug, Clone)]
pub(super) struct Cells {
    dim: usize,
    pub(super) nv: usize,
    pub(super) np: usize,
    nq: usize,
    /// `nv`, filled up.
    width: usize,
    /// `[nq, width]`.
    values: Vec<f64>,
    /// Reference gradients `[nq, dim, width]`.
    gradients: Vec<f64>,
    /// `[nq, np]`.
    pressure: Vec<f64>,
    /// Weight times |det J| `[cells, nq]`.
    weight: Vec<f64>,
    /// Gradients of the reference coordinates `[cells, nq, dim (reference), dim (space)]`.
    inverse: Vec<f64>,
    /// `[cells, nq, dim]`.
    position: Vec<f64>,
}

/// What a residual is taken at, all of one cell.
pub(super) struct At<'a> {
    /// Velocities `[nv, dim]`, then pressures `[np]`.
    pub(super) x: &'a [f64],
    /// Time derivative of the velocities `[nv, dim]`; empty for none.
    pub(super) rate: &'a [f64],
    /// Whether the convection counts.
    pub(super) convection: bool,
}

/// What a tangent holds.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    /// Factor of the mass.
    pub(super) mass: f64,
    /// Velocities `[nv, dim]` that carry; none for Stokes.
    pub(super) carrier: Option<&'a [f64]>,
    /// Whether the carrier is differentiated too (Newton instead of Picard).
    pub(super) newton: bool,
}

/// Weight times |det J|, shape functions, reference gradients by direction, and inverse Jacobian at a point.
type Point<'a, const D: usize> = (f64, &'a [f64], [&'a [f64]; D], [[f64; D]; D]);

impl Cells {
    /// Tabulates a block of quadratic cells.
    ///
    /// # Errors
    /// An inverted cell; `first` is the global number of the block's first one.
    pub(super) fn new(mesh: &Mesh, block: &CellBlock, first: usize) -> Result<Self, PhysicsError> {
        let dim = mesh.dim;
        let rule = Quadrature::new(block.kind, DEGREE);
        let (nv, np, nq) = (block.kind.num_nodes(), block.kind.num_vertices(), rule.len());
        let table = Tabulation::new(block.kind, rule.clone());
        let linear = Tabulation::new(block.kind.linear(), rule);
        let mut cells = Cells {
            dim,
            nv,
            np,
            nq,
            width: nv.next_multiple_of(LANES),
            values: Vec::with_capacity(nq * nv.next_multiple_of(LANES)),
            gradients: Vec::with_capacity(nq * dim * nv.next_multiple_of(LANES)),
            pressure: linear.values.concat(),
            weight: Vec::with_capacity(block.num_cells() * nq),
            inverse: Vec::with_capacity(block.num_cells() * nq * dim * dim),
            position: Vec::with_capacity(block.num_cells() * nq * dim),
        };
        let fill = || std::iter::repeat_n(0.0, nv.next_multiple_of(LANES) - nv);
        for (v, g) in table.values.iter().zip(&table.gradients) {
            cells.values.extend(v.iter().copied().chain(fill()));
            (0..dim).for_each(|d| cells.gradients.extend(g.iter().map(|g| g[d]).chain(fill())));
        }
        let mut geometry = CellGeometry::default();
        for c in 0..block.num_cells() {
            let nodes = block.cell(c);
            geometry.fill(&table, mesh, nodes);
            if geometry.min_det <= 0.0 {
                return Err(PhysicsError::Inverted { cell: first + c, det: geometry.min_det });
            }
            for q in 0..nq {
                cells.weight.push(geometry.volume[q]);
                cells.position.extend_from_slice(&geometry.position[q][..dim]);
                let mut jacobian = [[0.0; 3]; 3];
                for (a, &n) in nodes.iter().enumerate() {
                    for (r, x) in mesh.point(n as usize).iter().enumerate() {
                        (0..dim).for_each(|s| jacobian[r][s] += x * table.gradients[q][a][s]);
                    }
                }
                let (_, inverse) = femur_fem::values::invert(&jacobian, dim);
                inverse[..dim].iter().for_each(|row| cells.inverse.extend_from_slice(&row[..dim]));
            }
        }
        Ok(cells)
    }

    /// Unknowns of a cell.
    pub(super) fn len(&self) -> usize {
        self.nv * self.dim + self.np
    }

    /// Volume of a cell, and its moments with the pressure's shape functions `[np]` added to `out`.
    pub(super) fn volume(&self, cell: usize, out: &mut [f64]) -> f64 {
        let weight = &self.weight[cell * self.nq..(cell + 1) * self.nq];
        for (q, w) in weight.iter().enumerate() {
            out.iter_mut().zip(&self.pressure[q * self.np..]).for_each(|(o, p)| *o += w * p);
        }
        weight.iter().sum()
    }

    /// Adds to `[nv]` the diagonal of the mass matrix: the integrals of the velocities' squared shape functions.
    pub(super) fn add_mass(&self, cell: usize, out: &mut [f64]) {
        for q in 0..self.nq {
            let values = &self.values[q * self.width..];
            out.iter_mut().zip(values).for_each(|(o, v)| *o += self.weight[cell * self.nq + q] * v * v);
        }
    }

    /// Adds the integral of `force(x)` times each velocity's test function.
    pub(super) fn add_force(&self, cell: usize, force: impl Fn(&[f64], &mut [f64; 3]), out: &mut [f64]) {
        let mut f = [0.0; 3];
        for q in 0..self.nq {
            let at = cell * self.nq + q;
            force(&self.position[at * self.dim..(at + 1) * self.dim], &mut f);
            for a in 0..self.nv {
                let v = self.weight[at] * self.values[q * self.width + a];
                (0..self.dim).for_each(|i| out[a * self.dim + i] += v * f[i]);
            }
        }
    }

    /// Adds `rho (u . grad) u` times each velocity's test function.
    pub(super) fn add_convection(&self, cell: usize, u: &[f64], fluid: Fluid, out: &mut [f64]) {
        match self.dim {
            2 => self.convection::<2>(cell, u, fluid, out),
            _ => self.convection::<3>(cell, u, fluid, out),
        }
    }

    /// Adds the residual of momentum and continuity.
    pub(super) fn add_residual(&self, cell: usize, at: &At<'_>, fluid: Fluid, out: &mut [f64]) {
        match self.dim {
            2 => self.residual::<2>(cell, at, fluid, out),
            _ => self.residual::<3>(cell, at, fluid, out),
        }
    }

    /// Adds the tangent `[len, len]`, row-major.
    pub(super) fn add_tangent(&self, cell: usize, terms: Terms<'_>, fluid: Fluid, out: &mut [f64]) {
        match self.dim {
            2 => self.tangent::<2>(cell, terms, fluid, out),
            _ => self.tangent::<3>(cell, terms, fluid, out),
        }
    }

    fn point<const D: usize>(&self, cell: usize, q: usize) -> Point<'_, D> {
        let at = cell * self.nq + q;
        let n = self.width;
        let gradients = std::array::from_fn(|s| &self.gradients[(q * D + s) * n..(q * D + s + 1) * n]);
        let inverse = std::array::from_fn(|s| std::array::from_fn(|r| self.inverse[(at * D + s) * D + r]));
        (self.weight[at], &self.values[q * n..(q + 1) * n], gradients, inverse)
    }

    fn convection<const D: usize>(&self, cell: usize, u: &[f64], fluid: Fluid, out: &mut [f64]) {
        let n = self.width;
        let nodal = by_component::<D>(u, self.nv);
        let mut sum = [[0.0; MAX_NODES]; D];
        for q in 0..self.nq {
            let (w, values, gradients, inverse) = self.point::<D>(cell, q);
            let velocity: [f64; D] = std::array::from_fn(|i| dot(&nodal[i][..n], values));
            // (u . grad) u_i = sum over the reference directions of du_i/dxi_s (dxi_s/dx . u)
            let along: [f64; D] = std::array::from_fn(|s| (0..D).map(|r| inverse[s][r] * velocity[r]).sum());
            let reference: [[f64; D]; D] = std::array::from_fn(|i| std::array::from_fn(|s| dot(&nodal[i][..n], gradients[s])));
            let divergence: f64 = (0..D).map(|i| (0..D).map(|s| reference[i][s] * inverse[s][i]).sum::<f64>()).sum();
            for i in 0..D {
                let c: f64 = (0..D).map(|s| along[s] * reference[i][s]).sum();
                let c = w * fluid.density * (c + 0.5 * divergence * velocity[i]);
                sum[i][..n].iter_mut().zip(values).for_each(|(o, v)| *o += c * v);
            }
        }
        spread(&sum, self.nv, out);
    }

    fn residual<const D: usize>(&self, cell: usize, at: &At<'_>, fluid: Fluid, out: &mut [f64]) {
        let (nv, n) = (self.nv, self.width);
        let nodal = by_component::<D>(at.x, nv);
        let rates = if at.rate.is_empty() { [[0.0; MAX_NODES]; D] } else { by_component::<D>(at.rate, nv) };
        let pressures = &at.x[nv * D..];
        let mut sum = [[0.0; MAX_NODES]; D];
        for q in 0..self.nq {
            let (w, values, gradients, inverse) = self.point::<D>(cell, q);
            let shapes = &self.pressure[q * self.np..(q + 1) * self.np];
            let p = pressures.iter().zip(shapes).map(|(p, s)| p * s).sum::<f64>();
            let reference: [[f64; D]; D] = std::array::from_fn(|i| std::array::from_fn(|s| dot(&nodal[i][..n], gradients[s])));
            let gradient: [[f64; D]; D] =
                std::array::from_fn(|i| std::array::from_fn(|r| (0..D).map(|s| reference[i][s] * inverse[s][r]).sum()));
            let velocity: [f64; D] = std::array::from_fn(|i| dot(&nodal[i][..n], values));
            let divergence: f64 = (0..D).map(|i| gradient[i][i]).sum();
            for i in 0..D {
                let mut force = dot(&rates[i][..n], values);
                if at.convection {
                    force += (0..D).map(|r| velocity[r] * gradient[i][r]).sum::<f64>() + 0.5 * divergence * velocity[i];
                }
                force *= w * fluid.density;
                let mut stress: [f64; D] =
                    std::array::from_fn(|r| w * fluid.viscosity * (gradient[i][r] + fluid.transposed * gradient[r][i]));
                stress[i] -= w * p;
                sum[i][..n].iter_mut().zip(values).for_each(|(o, v)| *o += force * v);
                for s in 0..D {
                    let pulled: f64 = (0..D).map(|r| inverse[s][r] * stress[r]).sum();
                    sum[i][..n].iter_mut().zip(gradients[s]).for_each(|(o, g)| *o += pulled * g);
                }
            }
            out[nv * D..].iter_mut().zip(shapes).for_each(|(o, s)| *o -= w * divergence * s);
        }
        spread(&sum, nv, out);
    }

    fn tangent<const D: usize>(&self, cell: usize, terms: Terms<'_>, fluid: Fluid, out: &mut [f64]) {
        let (nv, np, len, n) = (self.nv, self.np, self.len(), self.width);
        let nodal = terms.carrier.map(|u| by_component::<D>(u, nv));
        let mut scalar = [[0.0; MAX_NODES]; MAX_NODES];
        for q in 0..self.nq {
            let (w, values, gradients, inverse) = self.point::<D>(cell, q);
            let shapes = &self.pressure[q * np..(q + 1) * np];
            let mut g = [[0.0; MAX_NODES]; D];
            for r in 0..D {
                for s in 0..D {
                    g[r][..nv].iter_mut().zip(gradients[s]).for_each(|(o, v)| *o += inverse[s][r] * v);
                }
            }
            // What each column's function gives beside the test function: its mass and what is carried.
            let mut carried = [0.0; MAX_NODES];
            carried[..nv].iter_mut().zip(values).for_each(|(o, v)| *o = terms.mass * v);
            let (mut slope, mut half) = ([[0.0; D]; D], [0.0; D]);
            if let Some(u) = &nodal {
                for r in 0..D {
                    let velocity = dot(&u[r][..n], values);
                    half[r] = 0.5 * w * fluid.density * velocity;
                    carried[..nv].iter_mut().zip(&g[r]).for_each(|(o, v)| *o += velocity * v);
                    (0..D).for_each(|i| slope[i][r] = w * fluid.density * dot(&u[i][..n], &g[r][..n]));
                }
                let divergence: f64 = (0..D).map(|r| dot(&u[r][..n], &g[r][..n])).sum();
                carried[..nv].iter_mut().zip(values).for_each(|(o, v)| *o += 0.5 * divergence * v);
            }
            for a in 0..nv {
                let (mass, viscous) = (w * fluid.density * values[a], w * fluid.viscosity);
                let row = &mut scalar[a][..nv];
                row.iter_mut().zip(&carried).for_each(|(o, c)| *o += mass * c);
                for r in 0..D {
                    let ga = viscous * g[r][a];
                    row.iter_mut().zip(&g[r]).for_each(|(o, gb)| *o += ga * gb);
                }
                for i in 0..D {
                    let row = &mut out[(a * D + i) * len..(a * D + i + 1) * len];
                    if terms.newton {
                        for b in 0..nv {
                            (0..D).for_each(|j| row[b * D + j] += values[a] * (values[b] * slope[i][j] + half[i] * g[j][b]));
                        }
                    }
                    if fluid.transposed != 0.0 {
                        for b in 0..nv {
                            (0..D).for_each(|j| row[b * D + j] += viscous * fluid.transposed * g[j][a] * g[i][b]);
                        }
                    }
                    let ga = w * g[i][a];
                    row[nv * D..].iter_mut().zip(shapes).for_each(|(o, s)| *o -= ga * s);
                    for (b, s) in shapes.iter().enumerate() {
                        out[(nv * D + b) * len + a * D + i] -= ga * s;
                    }
                }
            }
        }
        for a in 0..nv {
            for b in 0..nv {
                (0..D).for_each(|i| out[(a * D + i) * len + b * D + i] += scalar[a][b]);
            }
        }
    }
}

/// The sum of products of two filled rows, in lanes.
#[inline]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        (0..LANES).for_each(|k| lanes[k] += a[k] * b[k]);
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// `[nv, D]` as D rows of nodes.
fn by_component<const D: usize>(u: &[f64], nv: usize) -> [[f64; MAX_NODES]; D] {
    let mut out = [[0.0; MAX_NODES]; D];
    for a in 0..nv {
        (0..D).for_each(|i| out[i][a] = u[a * D + i]);
    }
    out
}

/// Adds D rows of nodes to `[nv, D]`.
fn spread<const D: usize>(sum: &[[f64; MAX_NODES]; D], nv: usize, out: &mut [f64]) {
    for a in 0..nv {
        (0..D).for_each(|i| out[a * D + i] += sum[i][a]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_mesh::CellKind::{self, *};
    use femur_mesh::generate::{box_, rectangle};

    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
    }

    /// The tangent of every cell kind against central differences of the residual at random states, on a bent cell.
    #[test]
    fn tangents_are_the_derivatives_of_residuals() {
        for kind in [Triangle6, Quad8, Quad9, Tet10, Hex20, Hex27] {
            let mut mesh =
                if CellKind::dim(kind) == 2 { rectangle([1.0, 0.8], [1, 1], kind) } else { box_([1.0, 0.8, 0.9], [1, 1, 1], kind) }
                    .unwrap();
            let mut seed = 7;
            mesh.points.iter_mut().for_each(|x| *x += 0.04 * random(&mut seed));
            let cells = Cells::new(&mesh, &mesh.blocks[0], 0).unwrap();
            let (len, nu) = (cells.len(), cells.nv * mesh.dim);
            for transposed in [0.0, 1.0] {
                let fluid = Fluid { density: 1.7, viscosity: 0.3, transposed };
                let mass = 2.5;
                let x: Vec<f64> = (0..len).map(|_| random(&mut seed)).collect();
                let residual = |x: &[f64]| {
                    let rate: Vec<f64> = x[..nu].iter().map(|v| mass * v).collect();
                    let mut out = vec![0.0; len];
                    cells.add_residual(0, &At { x, rate: &rate, convection: true }, fluid, &mut out);
                    out
                };
                let mut tangent = vec![0.0; len * len];
                cells.add_tangent(0, Terms { mass, carrier: Some(&x[..nu]), newton: true }, fluid, &mut tangent);
                let h = 1e-5;
                for j in 0..len {
                    let (mut plus, mut minus) = (x.clone(), x.clone());
                    plus[j] += h;
                    minus[j] -= h;
                    let (plus, minus) = (residual(&plus), residual(&minus));
                    for i in 0..len {
                        let difference = (plus[i] - minus[i]) / (2.0 * h);
                        assert!((tangent[i * len + j] - difference).abs() < 1e-8, "{kind} {i} {j}: {} {difference}", tangent[i * len + j]);
                    }
                }
                // The convection alone is what the residual gains by it.
                let (mut with, mut without, mut alone) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
                cells.add_residual(0, &At { x: &x, rate: &[], convection: true }, fluid, &mut with);
                cells.add_residual(0, &At { x: &x, rate: &[], convection: false }, fluid, &mut without);
                cells.add_convection(0, &x[..nu], fluid, &mut alone);
                (0..len).for_each(|i| assert!((with[i] - without[i] - alone[i]).abs() < 1e-13));
            }
        }
    }
}
