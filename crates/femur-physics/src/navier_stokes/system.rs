//! The discrete equations: Taylor-Hood space, boundary conditions, and a linear solver whose analysis is kept.

use super::conditions::Conditions;
use super::kernel::{At, Cells, Fluid, Terms};
use super::linear::{Accuracy, Kind, Layout, Linear};
use crate::PhysicsError;
use femur_fem::{FieldSpace, FreeSystem, MixedSpace};
use femur_mesh::Mesh;
use femur_solve::{CsrMatrix, Inadmissible, NonlinearProblem, SolveError};
use std::sync::Arc;

/// Field numbers of the mixed space.
pub(super) const VELOCITY: usize = 0;
pub(super) const PRESSURE: usize = 1;

/// The equations of one case.
pub(super) struct System {
    pub(super) mesh: Arc<Mesh>,
    pub(super) space: MixedSpace,
    /// By block of the mesh.
    cells: Vec<Cells>,
    /// Global number of each block's first cell.
    first: Vec<usize>,
    /// By global cell.
    fluids: Vec<Fluid>,
    frames: std::collections::BTreeMap<usize, [[f64; 3]; 3]>,
    free: FreeSystem,
    whole: CsrMatrix,
    pub(super) linear: Linear,
    /// Integrals of the pressure's shape functions `[size]` and the volume: for a mean pressure of zero.
    moments: Option<(Vec<f64>, f64)>,
}

impl System {
    /// Numbers the unknowns, analyses the pattern. In an enclosed flow one pressure is held while solving, and the mean is taken out
    /// afterwards.
    pub(super) fn new(mesh: &Arc<Mesh>, fluids: Vec<Fluid>, conditions: &Conditions, kind: Kind) -> Result<Self, PhysicsError> {
        let space = MixedSpace::new(mesh, &[FieldSpace { components: mesh.dim, order: 2 }, FieldSpace { components: 1, order: 1 }])?;
        let (mut cells, mut first, mut at) = (Vec::new(), Vec::new(), 0);
        for block in &mesh.blocks {
            cells.push(Cells::new(mesh, block, at)?);
            first.push(at);
            at += block.num_cells();
        }
        let mut fixed = vec![false; space.size()];
        let mut pin = conditions.enclosed;
        for node in 0..mesh.num_nodes() {
            if let Some(u) = space.dof(VELOCITY, node) {
                (0..mesh.dim).for_each(|d| fixed[u + d] = conditions.is_fixed(node, d));
            }
            if let Some(p) = space.dof(PRESSURE, node).filter(|_| pin) {
                fixed[p] = true;
                pin = false;
            }
        }
        let whole = space.zeros();
        let mut shared: Vec<u32> = (0..space.size() as u32).collect();
        for (node, &s) in conditions.same.iter().enumerate() {
            for (field, components) in [(VELOCITY, mesh.dim), (PRESSURE, 1)] {
                if let (Some(u), Some(v)) = (space.dof(field, node), space.dof(field, s as usize)) {
                    (0..components).for_each(|d| shared[u + d] = (v + d) as u32);
                }
            }
        }
        let free = FreeSystem::identified(&whole, &fixed, &shared);
        let mass = free.restrict(&mass_diagonal(mesh, &space, &cells));
        let linear = Linear::new(kind, &Layout { mesh, space: &space, fixed: &fixed, same: &conditions.same, free: &free, mass: &mass })?;
        let frames = conditions.frames.clone();
        let mesh = mesh.clone();
        let mut system = System { mesh, space, cells, first, fluids, frames, free, whole, linear, moments: None };
        if conditions.enclosed {
            system.moments = Some(system.pressure_moments());
        }
        Ok(system)
    }

    fn pressure_moments(&self) -> (Vec<f64>, f64) {
        let mut moments = vec![0.0; self.space.size()];
        let mut volume = 0.0;
        for (b, block) in self.mesh.blocks.iter().enumerate() {
            let range = self.space.local(block.kind, PRESSURE);
            for c in 0..block.num_cells() {
                let mut local = vec![0.0; range.len()];
                volume += self.cells[b].volume(c, &mut local);
                let dofs = &self.space.cell_dofs(b, c)[range.clone()];
                dofs.iter().zip(&local).for_each(|(&u, v)| moments[u as usize] += v);
            }
        }
        (moments, volume)
    }

    /// Number of unknowns, held ones too.
    pub(super) fn size(&self) -> usize {
        self.space.size()
    }

    /// Number of unknowns that are solved for.
    pub(super) fn free_size(&self) -> usize {
        self.free.free.len()
    }

    fn fluid(&self, block: usize, cell: usize) -> Fluid {
        self.fluids[self.first[block] + cell]
    }

    fn gather<'a>(&self, block: usize, cell: usize, x: &[f64], buffer: &'a mut [f64; 96]) -> &'a [f64] {
        let dofs = self.space.cell_dofs(block, cell);
        dofs.iter().zip(buffer.iter_mut()).for_each(|(&u, v)| *v = x[u as usize]);
        &buffer[..dofs.len()]
    }

    /// The residual of every equation `[size]` at `x`; `rate` is the time derivative of the velocities (`[size]`, or empty).
    pub(super) fn residual(&self, x: &[f64], rate: &[f64], convection: bool) -> Vec<f64> {
        let mut out = vec![0.0; self.size()];
        self.space.add_vector(&mut out, |b, c, local| {
            let (mut values, mut rates) = ([0.0; 96], [0.0; 96]);
            let x = self.gather(b, c, x, &mut values);
            let rate = if rate.is_empty() { &[] } else { self.gather(b, c, rate, &mut rates) };
            self.cells[b].add_residual(c, &At { x, rate, convection }, self.fluid(b, c), local);
        });
        out
    }

    /// The residual as in [`System::residual`] of these cells (block, cell) alone, summed over these nodes: the force of the nodes on
    /// the fluid.
    pub(super) fn force(&self, cells: &[(usize, usize)], nodes: &[bool], x: &[f64], rate: &[f64]) -> [f64; 3] {
        let dim = self.mesh.dim;
        let mut sum = [0.0; 3];
        for &(b, c) in cells {
            let (mut values, mut rates) = ([0.0; 96], [0.0; 96]);
            let x = self.gather(b, c, x, &mut values);
            let rate = if rate.is_empty() { &[] } else { self.gather(b, c, rate, &mut rates) };
            let mut local = vec![0.0; self.cells[b].len()];
            self.cells[b].add_residual(c, &At { x, rate, convection: true }, self.fluid(b, c), &mut local);
            for (a, _) in self.mesh.blocks[b].cell(c).iter().enumerate().filter(|(_, n)| nodes[**n as usize]) {
                (0..dim).for_each(|i| sum[i] += local[a * dim + i]);
            }
        }
        sum
    }

    /// The convection `rho (u . grad) u` in every momentum equation `[size]`.
    pub(super) fn convection(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.size()];
        self.space.add_vector(&mut out, |b, c, local| {
            let mut values = [0.0; 96];
            let x = self.gather(b, c, x, &mut values);
            self.cells[b].add_convection(c, x, self.fluid(b, c), local);
        });
        out
    }

    /// A force per volume in every momentum equation `[size]`.
    pub(super) fn volume_force(&self, force: impl Fn(&[f64], &mut [f64; 3]) + Sync) -> Vec<f64> {
        let mut out = vec![0.0; self.size()];
        self.space.add_vector(&mut out, |b, c, local| self.cells[b].add_force(c, &force, local));
        out
    }

    /// Factors the tangent with `mass` times the mass matrix, linearised about the velocities of `carrier` (Newton or Picard), or
    /// that of Stokes.
    pub(super) fn factor(&mut self, mass: f64, carrier: Option<&[f64]>, newton: bool) -> Result<(), SolveError> {
        let mut whole = std::mem::replace(
            &mut self.whole,
            CsrMatrix { nrows: 0, ncols: 0, row_ptr: Vec::new(), col_idx: Vec::new(), values: Vec::new() },
        );
        whole.values.fill(0.0);
        self.add_tangent(mass, carrier, newton, &mut whole);
        self.whole = whole;
        self.free.fill(&self.whole);
        self.linear.factor(&self.free.matrix)
    }

    fn add_tangent(&self, mass: f64, carrier: Option<&[f64]>, newton: bool, whole: &mut CsrMatrix) {
        self.space.add_matrix(whole, |b, c, local| {
            let mut values = [0.0; 96];
            let carrier = carrier.map(|x| self.gather(b, c, x, &mut values));
            self.cells[b].add_tangent(c, Terms { mass, carrier, newton }, self.fluid(b, c), local);
            self.rotate_element(b, c, local);
        });
    }

    /// The factored tangent of Stokes, and the mass matrix that it holds `mass` times. `None` where nodes have frames: the matrices are
    /// then those of turned unknowns.
    pub(super) fn stokes_and_mass(&self, mass: f64) -> Option<[CsrMatrix; 2]> {
        if !self.frames.is_empty() {
            return None;
        }
        let mut matrix = self.space.zeros();
        self.add_tangent(0.0, None, false, &mut matrix);
        matrix.values.iter_mut().zip(&self.whole.values).for_each(|(k, w)| *k = (w - *k) / mass);
        Some([self.whole.without_zeros(), matrix.without_zeros()])
    }

    /// Turns rows and columns of nodes with frames.
    fn rotate_element(&self, b: usize, c: usize, local: &mut [f64]) {
        if self.frames.is_empty() {
            return;
        }
        let (dim, len) = (self.mesh.dim, self.cells[b].len());
        for (a, n) in self.mesh.blocks[b].cell(c).iter().enumerate() {
            let Some(axes) = self.frames.get(&(*n as usize)) else { continue };
            for k in 0..len {
                let old: [f64; 3] = std::array::from_fn(|i| if i < dim { local[(a * dim + i) * len + k] } else { 0.0 });
                (0..dim).for_each(|i| local[(a * dim + i) * len + k] = (0..dim).map(|j| axes[i][j] * old[j]).sum());
            }
            for k in 0..len {
                let old: [f64; 3] = std::array::from_fn(|i| if i < dim { local[k * len + a * dim + i] } else { 0.0 });
                (0..dim).for_each(|i| local[k * len + a * dim + i] = (0..dim).map(|j| axes[i][j] * old[j]).sum());
            }
        }
    }

    fn rotate(&self, v: &mut [f64], back: bool) {
        let dim = self.mesh.dim;
        for (&node, axes) in &self.frames {
            let Some(u) = self.space.dof(VELOCITY, node) else { continue };
            let old: [f64; 3] = std::array::from_fn(|i| if i < dim { v[u + i] } else { 0.0 });
            (0..dim).for_each(|i| v[u + i] = (0..dim).map(|j| if back { axes[j][i] } else { axes[i][j] } * old[j]).sum());
        }
    }

    /// The free entries of a residual.
    pub(super) fn restrict(&self, mut residual: Vec<f64>) -> Vec<f64> {
        self.rotate(&mut residual, false);
        self.free.restrict(&residual)
    }

    /// Adds a step of the free unknowns to `x`.
    pub(super) fn add_free(&self, step: &[f64], x: &mut [f64]) {
        if self.frames.is_empty() {
            self.free.add(step, x);
            return;
        }
        let mut whole = vec![0.0; self.size()];
        self.free.add(step, &mut whole);
        self.rotate(&mut whole, true);
        x.iter_mut().zip(&whole).for_each(|(x, w)| *x += w);
    }

    /// Solves with the factored tangent for the free unknowns, in place; returns the relative residual.
    pub(super) fn solve_free(&mut self, rhs: &mut [f64], accuracy: Accuracy) -> Result<f64, SolveError> {
        self.linear.solve(rhs, accuracy)
    }

    /// Multiplies every viscosity.
    pub(super) fn thicken(&mut self, factor: f64) {
        self.fluids.iter_mut().for_each(|f| f.viscosity *= factor);
    }

    /// Takes the mean pressure out of an enclosed flow.
    pub(super) fn level(&self, x: &mut [f64]) {
        let Some((moments, volume)) = &self.moments else { return };
        let mean = moments.iter().zip(x.iter()).map(|(m, p)| m * p).sum::<f64>() / volume;
        x.iter_mut().zip(moments).filter(|(_, m)| **m != 0.0).for_each(|(p, _)| *p -= mean);
    }
}

/// Diagonal of the velocities' mass matrix `[size]`, per density; 0 for pressures.
fn mass_diagonal(mesh: &Mesh, space: &MixedSpace, cells: &[Cells]) -> Vec<f64> {
    let mut mass = vec![0.0; space.size()];
    for (b, block) in mesh.blocks.iter().enumerate() {
        for c in 0..block.num_cells() {
            let mut local = vec![0.0; cells[b].nv];
            cells[b].add_mass(c, &mut local);
            let velocities = &space.cell_dofs(b, c)[space.local(block.kind, VELOCITY)];
            velocities.iter().enumerate().for_each(|(i, &u)| mass[u as usize] += local[i / mesh.dim]);
        }
    }
    mass
}

/// One nonlinear solve: unknowns are the free ones as a step from `base`.
pub(super) struct Implicit<'a> {
    pub(super) system: &'a mut System,
    /// Held values, and the first guess for the rest `[size]`.
    pub(super) base: Vec<f64>,
    /// Factor of the velocities in their time derivative, and the rest of it (`[size]`, or empty).
    pub(super) mass: f64,
    pub(super) history: Vec<f64>,
    /// Forces on the fluid `[size]`.
    pub(super) force: &'a [f64],
    /// Picard's linearisation in place of Newton's.
    pub(super) picard: bool,
    pub(super) scale: f64,
}

impl Implicit<'_> {
    /// All unknowns for a step of the free ones.
    pub(super) fn at(&self, step: &[f64]) -> Vec<f64> {
        let mut x = self.base.clone();
        self.system.add_free(step, &mut x);
        x
    }

    pub(super) fn rate(&self, x: &[f64]) -> Vec<f64> {
        self.history.iter().zip(x).map(|(h, u)| h + self.mass * u).collect()
    }
}

impl NonlinearProblem for Implicit<'_> {
    fn size(&self) -> usize {
        self.system.free_size()
    }

    fn residual(&mut self, step: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
        let x = self.at(step);
        let mut whole = self.system.residual(&x, &self.rate(&x), true);
        whole.iter_mut().zip(self.force).for_each(|(r, f)| *r -= f);
        // Held unknowns keep their reactions: what a typical force is.
        self.scale = whole.iter().map(|v| v * v).sum::<f64>().sqrt();
        r.copy_from_slice(&self.system.restrict(whole));
        Ok(())
    }

    fn solve_tangent(&mut self, step: &[f64], rhs: &mut [f64]) -> Result<(), SolveError> {
        let x = self.at(step);
        self.system.factor(self.mass, Some(&x), !self.picard)?;
        self.system.solve_free(rhs, Accuracy::Step).map(|_| ())
    }

    fn force_scale(&self) -> f64 {
        self.scale
    }
}
