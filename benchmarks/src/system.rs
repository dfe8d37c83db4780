//! Matrices and systems that the works share: Poisson and linear elasticity on simplices, and their form for peers.

use crate::npy;
use anyhow::{Context as _, Result, bail};
use femur_fem::assemble::{CellCoefficient, Form};
use femur_fem::{Assembler, Constraints};
use femur_mesh::Mesh;
use femur_solve::{CsrMatrix, LinearOperator};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Lame constants of every elasticity matrix here; peers read them from the job.
pub const LAMBDA: f64 = 1.0;
/// The second one.
pub const MU: f64 = 0.5;

/// The equation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Equation {
    /// `-div grad u = f`.
    Poisson,
    /// `-div (lambda tr(eps) I + 2 mu eps) = f`.
    Elasticity,
}

impl Equation {
    /// Unknowns per node.
    pub fn components(self, dim: usize) -> usize {
        if self == Equation::Poisson { 1 } else { dim }
    }

    /// Name for peers.
    pub fn name(self) -> &'static str {
        if self == Equation::Poisson { "poisson" } else { "elasticity" }
    }

    /// Its stiffness form with the constants above.
    pub fn form(self) -> Form<'static> {
        match self {
            Equation::Poisson => Form::Diffusion(CellCoefficient::Uniform(1.0)),
            Equation::Elasticity => Form::Elasticity { lambda: CellCoefficient::Uniform(LAMBDA), mu: CellCoefficient::Uniform(MU) },
        }
    }
}

/// What is held and what loads a body.
#[derive(Debug, Clone, Copy)]
pub struct Problem {
    /// The equation.
    pub equation: Equation,
    /// Names of the tags whose nodes are held at zero.
    pub held: &'static [&'static str],
}

/// The free unknowns of a problem under a uniform load.
pub struct System {
    /// Symmetric positive definite, rows ordered by node, then component.
    pub matrix: CsrMatrix,
    /// Right-hand side `[rows]`.
    pub rhs: Vec<f64>,
    /// Unknowns per node.
    pub block: usize,
    /// Positions of the free nodes `[nodes, dim]`.
    pub points: Vec<f64>,
    /// Space dimension.
    pub dim: usize,
}

impl System {
    /// Assembles linear simplices and takes the held nodes out; the load is -1 on the last component, per volume.
    ///
    /// # Errors
    /// A tag is missing or the cells are not linear simplices.
    pub fn new(mesh: &Mesh, problem: Problem) -> Result<Self> {
        let (dim, block) = (mesh.dim, problem.equation.components(mesh.dim));
        if mesh.blocks.iter().any(|b| b.kind.num_nodes() != dim + 1) {
            bail!("the cells are not linear simplices");
        }
        let assembler = Assembler::new(mesh, block, 0);
        let mut matrix = assembler.zeros();
        assembler.assemble(mesh, &problem.equation.form(), &mut matrix)?;
        let mut load = vec![0.0; matrix.nrows];
        assembler.add_vector(mesh, &mut load, |_, geometry, _, out| {
            let share = geometry.volume.iter().sum::<f64>() / (dim + 1) as f64;
            out.iter_mut().skip(block - 1).step_by(block).for_each(|v| *v -= share);
        });
        let mut constraints = Constraints::new(block);
        for tag in problem.held {
            for node in mesh.tag_nodes(tag)? {
                constraints.fixed.extend((0..block).map(|c| (node as usize * block + c, 0.0)));
            }
        }
        let reduced = constraints.reduce(&matrix);
        let rhs = reduced.right_hand_side(&load, &BTreeMap::new());
        let points = reduced.free.iter().step_by(block).flat_map(|u| mesh.point(u / block).to_vec()).collect();
        Ok(System { matrix: reduced.matrix, rhs, block, points, dim })
    }

    /// Writes it as arrays into a folder, and gives the job for peers.
    ///
    /// # Errors
    /// A file cannot be written, or the matrix is too large for 32-bit indices.
    pub fn write(&self, folder: &Path) -> Result<Value> {
        std::fs::create_dir_all(folder)?;
        let narrow = |v: usize| i32::try_from(v).context("too large for 32-bit indices");
        let pointers = self.matrix.row_ptr.iter().map(|&p| narrow(p)).collect::<Result<Vec<_>>>()?;
        let columns = self.matrix.col_idx.iter().map(|&c| narrow(c as usize)).collect::<Result<Vec<_>>>()?;
        npy::write(&folder.join("indptr.npy"), &pointers, 1)?;
        npy::write(&folder.join("indices.npy"), &columns, 1)?;
        npy::write(&folder.join("data.npy"), &self.matrix.values, 1)?;
        npy::write(&folder.join("rhs.npy"), &self.rhs, 1)?;
        npy::write(&folder.join("points.npy"), &self.points, self.dim)?;
        Ok(json!({"folder": folder, "block": self.block}))
    }

    /// What solutions are compared by: `b . x`, and the 2-norm of x; and the relative residual.
    ///
    /// # Errors
    /// The residual is larger than `tolerance`.
    pub fn answer(&self, x: &[f64], tolerance: f64) -> Result<(BTreeMap<String, f64>, f64)> {
        let mut residual = vec![0.0; x.len()];
        self.matrix.apply(x, &mut residual);
        residual.iter_mut().zip(&self.rhs).for_each(|(r, b)| *r -= b);
        let relative = norm(&residual) / norm(&self.rhs);
        if relative.is_nan() || relative > tolerance {
            bail!("the relative residual is {relative:.1e}");
        }
        let work = self.rhs.iter().zip(x).map(|(b, x)| b * x).sum();
        Ok((BTreeMap::from([("work".to_string(), work), ("norm".to_string(), norm(x))]), relative))
    }
}

/// Writes points and cells of the first block (VTK's node order) as arrays, and gives their folder for peers.
///
/// # Errors
/// A file cannot be written.
pub fn write_mesh(mesh: &Mesh, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let block = mesh.blocks.first().context("the mesh has no cells")?;
    let cells = block.connectivity.iter().map(|&n| i32::try_from(n)).collect::<Result<Vec<_>, _>>()?;
    npy::write(&folder.join("points.npy"), &mesh.points, mesh.dim)?;
    npy::write(&folder.join("cells.npy"), &cells, block.kind.num_nodes())
}

/// The 2-norm.
pub fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}
