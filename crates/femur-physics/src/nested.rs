//! Systems that are solved by the cells of the mesh: conjugate gradients with the linear cells as the coarse level of quadratic ones
//! (p-multigrid), with the matrix of the mesh's own cells or without it.

use crate::PhysicsError;
use crate::linear::{Answer, Emptied, hierarchy, iterate};
use femur_fem::matrix_free::{KINDS, NotMatrixFree, missing_kind};
use femur_fem::{Assembler, Constrained, Constraints, ElementMatrix, MatrixFree, VertexSpace};
use femur_mesh::Mesh;
use femur_sim::case::Case;
use femur_solve::precond::Chebyshev;
use femur_solve::{BsrMatrix, CsrMatrix, LinearOperator, Preconditioner, SolveError, TwoLevel};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Degree of the smoothing polynomial between quadratic and linear cells, and the part of the spectrum that it works on.
const SMOOTHER: (usize, f64) = (2, 10.0);
/// The same of the polynomial that is the whole preconditioner of linear cells.
const POLYNOMIAL: (usize, f64) = (4, 60.0);

/// The stiffness of the linear cells without what boundaries add.
pub(crate) type Linear<'a> = dyn Fn(&Mesh, &Assembler) -> Result<CsrMatrix, PhysicsError> + 'a;

/// What such a system needs of a physics.
pub(crate) struct Parts<'a> {
    pub(crate) mesh: &'a Mesh,
    /// Without ties.
    pub(crate) constraints: &'a Constraints,
    /// What boundaries add to the stiffness.
    pub(crate) boundary: &'a [ElementMatrix],
    pub(crate) linear: &'a Linear<'a>,
}

/// The stiffness of the mesh's own cells.
pub(crate) enum Fine {
    /// Assembled, with what boundaries add.
    Matrix(CsrMatrix),
    /// Cell by cell, without what boundaries add.
    Cells(Arc<MatrixFree>),
}

enum Operator {
    Matrix(Emptied, Arc<BsrMatrix>, Constraints),
    Cells(Arc<Constrained>),
}

/// A system ready to solve.
pub(crate) struct Nested {
    operator: Operator,
    preconditioner: Box<dyn Preconditioner + Send + Sync>,
    fixed: Vec<usize>,
}

impl Nested {
    pub(crate) fn new(parts: Parts<'_>, fine: Fine) -> Result<Self, PhysicsError> {
        let Parts { mesh, constraints, boundary, .. } = parts;
        let (operator, diagonal): (Operator, Vec<f64>) = match fine {
            Fine::Matrix(mut matrix) => {
                constraints.rotate_matrix(&mut matrix);
                let mut emptied = Emptied::new(matrix, constraints)?;
                let diagonal = diagonal(&emptied.matrix);
                let empty = BsrMatrix { block: 1, nrows: 0, ncols: 0, row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
                let matrix = Arc::new(std::mem::replace(&mut emptied.matrix, empty));
                (Operator::Matrix(emptied, matrix, constraints.clone()), diagonal)
            }
            Fine::Cells(cells) => {
                let shape = SolveError::Shape { what: "ties of a system without a matrix", expected: 0, got: constraints.ties.len() };
                let operator = Constrained::new(cells, constraints, boundary).ok_or(shape)?;
                let diagonal = operator.diagonal();
                (Operator::Cells(Arc::new(operator)), diagonal)
            }
        };
        let shared: Arc<dyn LinearOperator + Send + Sync> = match &operator {
            Operator::Matrix(_, matrix, _) => matrix.clone(),
            Operator::Cells(cells) => cells.clone(),
        };
        let preconditioner: Box<dyn Preconditioner + Send + Sync> = if quadratic(mesh) {
            let smoother = Chebyshev::new(shared, &diagonal, SMOOTHER.0, SMOOTHER.1)?;
            two_levels(&parts, smoother)?
        } else {
            Box::new(Chebyshev::new(shared, &diagonal, POLYNOMIAL.0, POLYNOMIAL.1)?)
        };
        Ok(Nested { operator, preconditioner, fixed: constraints.fixed.keys().copied().collect() })
    }

    /// As in `[solver] kind`.
    pub(crate) fn name(&self) -> &'static str {
        match self.operator {
            Operator::Matrix(..) => "p-multigrid",
            Operator::Cells(_) => "matrix-free",
        }
    }

    /// The (turned) answer to a (turned) load and prescribed values.
    pub(crate) fn solve(&self, mut f: Vec<f64>, prescribed: &BTreeMap<usize, f64>) -> Result<Answer, SolveError> {
        let (mut x, residual, iterations) = match &self.operator {
            Operator::Matrix(emptied, matrix, constraints) => {
                emptied.right_hand_side(constraints, &mut f, prescribed);
                iterate(matrix.as_ref(), self.preconditioner.as_ref(), &f)?
            }
            Operator::Cells(cells) => {
                cells.right_hand_side(&mut f, prescribed);
                iterate(cells.as_ref(), self.preconditioner.as_ref(), &f)?
            }
        };
        self.fixed.iter().for_each(|&u| x[u] = 0.0);
        prescribed.iter().for_each(|(&u, &v)| x[u] = v);
        Ok((x, residual, iterations))
    }
}

/// Whether all cells are of order 2, so that the linear cells of the same mesh are a coarse space.
pub(crate) fn quadratic(mesh: &Mesh) -> bool {
    mesh.blocks.iter().all(|b| b.kind.order() == 2)
}

/// Whether `auto` takes a system without a matrix in place of algebraic multigrid: where all cells are quadratic it was faster in every
/// case measured (`benchmarks/results/2026-11-28-matrix-free.md`), linear cells have no coarse level for it.
pub(crate) fn preferred(mesh: &Mesh, constraints: &Constraints) -> bool {
    quadratic(mesh) && missing_kind(mesh).is_none() && constraints.ties.is_empty()
}

fn two_levels(parts: &Parts<'_>, smoother: Chebyshev) -> Result<Box<dyn Preconditioner + Send + Sync>, PhysicsError> {
    let (space, linear) = VertexSpace::new(parts.mesh, parts.constraints);
    let assembler = Assembler::new(&linear, parts.constraints.components, 0);
    let mut matrix = (parts.linear)(&linear, &assembler)?;
    for element in parts.boundary {
        let (nodes, values) = space.restrict_element(element);
        assembler.scatter(&mut matrix, &nodes, &values);
    }
    drop(assembler);
    space.constraints().rotate_matrix(&mut matrix);
    let emptied = Emptied::new(matrix, space.constraints())?;
    let amg = hierarchy(&linear, &emptied.matrix, space.constraints())?;
    Ok(Box::new(TwoLevel::new(smoother, Box::new(space), Box::new(amg))?))
}

fn diagonal(a: &BsrMatrix) -> Vec<f64> {
    let b = a.block;
    let mut out = vec![0.0; a.nrows * b];
    for r in 0..a.nrows {
        for k in (a.row_ptr[r]..a.row_ptr[r + 1]).filter(|&k| a.col_idx[k] as usize == r) {
            (0..b).for_each(|i| out[r * b + i] = a.values[(k * b + i) * b + i]);
        }
    }
    out
}

/// Refuses what p-multigrid cannot do.
pub(crate) fn check_quadratic(case: &Case, mesh: &Mesh) -> Result<(), PhysicsError> {
    if let Some(block) = mesh.blocks.iter().find(|b| b.kind.order() != 2) {
        let what = format!("p-multigrid needs quadratic cells, not {}", block.kind.name());
        return Err(case.table("solver").error("kind", what, "take amg, or quadratic cells such as triangle6, quad9, tet10, hex27").into());
    }
    check_ties(case, &Asked { name: "p-multigrid", ..MATRIX_FREE })
}

/// The key of a case that asked for products without a matrix, its value, and what to take where there are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) table: &'static str,
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    /// For cells and materials.
    pub(crate) instead: &'static str,
    /// For ties.
    pub(crate) tied: &'static str,
}

impl Asked {
    pub(crate) fn error(&self, case: &Case, what: &str, hint: &str) -> PhysicsError {
        let hint = if hint.is_empty() { self.instead.to_string() } else { format!("{hint}; or {}", self.instead) };
        self.error_with(case, what, &hint)
    }

    fn error_with(&self, case: &Case, what: &str, hint: &str) -> PhysicsError {
        case.table(self.table).error(self.key, format!("{} {what}", self.name), hint).into()
    }
}

/// `[solver] kind = "matrix-free"`.
pub(crate) const MATRIX_FREE: Asked =
    Asked { table: "solver", key: "kind", name: "matrix-free", instead: "take amg here", tied: "take auto, direct, cg or amg" };

/// Refuses what cannot be applied without a matrix, whatever the physics.
pub(crate) fn check_cells(case: &Case, mesh: &Mesh, asked: &Asked) -> Result<(), PhysicsError> {
    if let Some(kind) = missing_kind(mesh) {
        let names: Vec<&str> = KINDS.iter().map(|k| k.name()).collect();
        let what = format!("has no kernel for cells of kind {}", kind.name());
        return Err(asked.error(case, &what, &format!("it is there for {}", names.join(", "))));
    }
    check_ties(case, asked)
}

fn check_ties(case: &Case, asked: &Asked) -> Result<(), PhysicsError> {
    match ["periodic", "equation"].into_iter().find(|k| case.root().has(k)) {
        Some(key) => Err(asked.error_with(case, &format!("does not take [[{key}]]"), asked.tied)),
        None => Ok(()),
    }
}

/// What the assembly of cells without a matrix complains of, as of a case.
pub(crate) fn refused(case: &Case, error: NotMatrixFree, asked: &Asked) -> PhysicsError {
    match error {
        NotMatrixFree::Inverted(e) => e.into(),
        NotMatrixFree::Kind(_) | NotMatrixFree::Form => asked.error(case, &format!("has no kernel: {error}"), ""),
    }
}
