//! What linear physics share: load channels, and solving a constrained symmetric positive definite system for many of them.

use crate::PhysicsError;
use femur_fem::NodeGroups;
use femur_fem::constraints::{Constraints, Reduced};
use femur_mesh::Mesh;
use femur_sim::Load;
use femur_sim::case::Case;
use femur_solve::precond::IncompleteCholesky;
use femur_solve::{CsrMatrix, DirectSolver, KrylovOptions, SolveError, Symmetry, cg};
use std::collections::BTreeMap;

/// One channel: a load vector and prescribed values at `load.value` 1.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) load: Load,
    pub(crate) vector: Vec<f64>,
    pub(crate) prescribed: BTreeMap<usize, f64>,
}

impl Channel {
    pub(crate) fn new(name: String, unit: &str, value: f64, size: usize) -> Self {
        Channel { load: Load { name, unit: unit.into(), value }, vector: vec![0.0; size], prescribed: BTreeMap::new() }
    }

    /// The response at the start of a transient problem: 0 but where it is prescribed.
    pub(crate) fn start(&self) -> Vec<f64> {
        let mut values = vec![0.0; self.vector.len()];
        self.prescribed.iter().for_each(|(&i, &v)| values[i] = v);
        values
    }
}

/// Whether a range of the case lies at this path or below: such a value may be zero in one case and not in the next.
pub(crate) fn sampled(case: &Case, path: &str) -> bool {
    case.params.iter().any(|p| p.path == path || p.path.starts_with(&format!("{path}.")))
}

/// How to solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SolverChoice {
    Direct,
    Cg,
}

/// Above this number of unknowns `auto` takes CG in 3D, where a factorisation fills in; in 2D the direct solver always wins.
const LARGE_3D: usize = 150_000;

/// Reads `[solver] kind`.
pub(crate) fn solver_choice(case: &Case, dim: usize, size: usize) -> Result<SolverChoice, PhysicsError> {
    let table = case.table("solver");
    let kind = table.choice_or("kind", &["auto", "direct", "cg"], 0)?;
    table.finish()?;
    Ok(match kind {
        1 => SolverChoice::Direct,
        2 => SolverChoice::Cg,
        _ if dim == 3 && size > LARGE_3D => SolverChoice::Cg,
        _ => SolverChoice::Direct,
    })
}

/// How often a matrix will be solved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Solves {
    /// Once for each load.
    Few,
    /// In every time step.
    Many,
}

/// A constrained system, ready to solve.
pub(crate) struct System {
    reduced: Reduced,
    constraints: Constraints,
    size: usize,
    solver: Factor,
}

enum Factor {
    Direct(Box<DirectSolver>),
    Cg(IncompleteCholesky),
}

impl System {
    /// Eliminates the constraints and factors.
    pub(crate) fn new(
        mesh: &Mesh,
        mut matrix: CsrMatrix,
        constraints: Constraints,
        choice: SolverChoice,
        solves: Solves,
    ) -> Result<Self, SolveError> {
        constraints.rotate_matrix(&mut matrix);
        let reduced = constraints.reduce(&matrix);
        let solver = match choice {
            SolverChoice::Cg => Factor::Cg(IncompleteCholesky::new(&reduced.matrix)?),
            SolverChoice::Direct => {
                let groups = NodeGroups::new(mesh, reduced.free.iter().map(|u| u / constraints.components));
                let mut direct = DirectSolver::analyse(&reduced.matrix, Symmetry::PositiveDefinite, &groups.get())?;
                if solves == Solves::Few {
                    direct = direct.for_few_solves();
                }
                direct.factor(&reduced.matrix)?;
                Factor::Direct(Box::new(direct))
            }
        };
        Ok(System { reduced, constraints, size: matrix.nrows, solver })
    }

    /// The answer to one load vector and prescribed values, and the relative residual.
    pub(crate) fn solve(&self, vector: &[f64], prescribed: &BTreeMap<usize, f64>) -> Result<(Vec<f64>, f64), SolveError> {
        let mut f = vector.to_vec();
        self.constraints.rotate(&mut f);
        let mut b = self.reduced.right_hand_side(&f, prescribed);
        let residual = match &self.solver {
            Factor::Direct(direct) => direct.solve(&mut b)?.residual(),
            Factor::Cg(preconditioner) => {
                let mut x = vec![0.0; b.len()];
                let options = KrylovOptions { tolerance: 1e-10, max_iterations: 20_000 };
                let report = cg(&self.reduced.matrix, preconditioner, &b, &mut x, &options);
                if !report.converged() {
                    return Err(SolveError::Inaccurate { residual: report.residual() });
                }
                b = x;
                report.residual()
            }
        };
        let mut u = self.reduced.expand(&b, prescribed, self.size);
        self.constraints.rotate_back(&mut u);
        Ok((u, residual))
    }
}
