//! What linear physics share: load channels, and solving a constrained symmetric positive definite system for many of them.

use crate::PhysicsError;
use femur_fem::NodeGroups;
use femur_fem::constraints::{Constraints, Reduced};
use femur_mesh::Mesh;
use femur_sim::Load;
use femur_sim::case::Case;
use femur_solve::amg::{Amg, AmgOptions, GroupedAmg, rigid_body_modes};
use femur_solve::precond::IncompleteCholesky;
use femur_solve::{BsrMatrix, CsrMatrix, DirectSolver, KrylovOptions, LinearOperator, Preconditioner, SolveError, Symmetry, cg};
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

    /// The response at the start of a transient problem: 0 but where it is prescribed, or tied to what is.
    pub(crate) fn start(&self, constraints: &Constraints) -> Vec<f64> {
        let mut values = vec![0.0; self.vector.len()];
        self.prescribed.iter().for_each(|(&i, &v)| values[i] = v);
        constraints.follow(&self.prescribed, &mut values);
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
    /// By what a factorisation would cost.
    Auto,
    /// Multifrontal Cholesky.
    Direct,
    /// Conjugate gradients with an incomplete Cholesky factorisation.
    Cg,
    /// Conjugate gradients with algebraic multigrid.
    Amg,
}

/// Reads `[solver] kind`.
pub(crate) fn solver_choice(case: &Case) -> Result<SolverChoice, PhysicsError> {
    let table = case.table("solver");
    let kind = table.choice_or("kind", &["auto", "direct", "cg", "amg"], 0)?;
    table.finish()?;
    Ok([SolverChoice::Auto, SolverChoice::Direct, SolverChoice::Cg, SolverChoice::Amg][kind])
}

/// How often a matrix will be solved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Solves {
    /// Once for each load.
    Few,
    /// In every time step.
    Many,
}

/// Operations of a factorisation per unknown above which `auto` takes multigrid in 3D, where few solves follow. Measured:
/// `docs/src/topics/linear-solvers.md`.
const DEAR: f64 = 6e5;
/// Unknowns in 3D above which `auto` takes multigrid without asking what a factorisation would cost, where few solves follow.
const LARGE: usize = 400_000;
/// Part of the memory at hand that `auto` gives to a factorisation.
pub(crate) const SHARE: f64 = 0.6;
/// Bytes of a factorisation below which the system is not asked for the memory that it has left.
const LITTLE: usize = 64 << 20;
/// Entries of a matrix up to which it is kept whole beside its factor.
const KEPT: usize = 1_000_000;
/// Relative residual at which iterative solvers stop, and their most iterations.
const ITERATION: KrylovOptions = KrylovOptions { tolerance: 1e-10, max_iterations: 20_000 };

/// A constrained system, ready to solve.
pub(crate) struct System {
    constraints: Constraints,
    size: usize,
    solver: Solver,
    /// The whole (rotated) matrix, where it is small.
    whole: Option<CsrMatrix>,
}

enum Solver {
    Direct(Reduced, Box<DirectSolver>),
    /// Conjugate gradients for the free unknowns, by the name of their preconditioner's choice.
    Reduced(&'static str, Reduced, Box<dyn Preconditioner + Send + Sync>),
    Amg(Box<Multigrid>),
}

/// The whole system with its prescribed unknowns emptied.
struct Multigrid {
    matrix: BsrMatrix,
    coupling: Vec<(usize, usize, f64)>,
    amg: Amg,
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
        let size = matrix.nrows;
        let large = mesh.dim == 3 && solves == Solves::Few && size > LARGE;
        let choice = if choice == SolverChoice::Auto && large { SolverChoice::Amg } else { choice };
        let mut whole = None;
        let solver = match choice {
            SolverChoice::Amg => multigrid(mesh, matrix, &constraints)?,
            SolverChoice::Cg => {
                let reduced = constraints.reduce(&matrix);
                let preconditioner = IncompleteCholesky::new(&reduced.matrix)?;
                Solver::Reduced("cg", reduced, Box::new(preconditioner))
            }
            SolverChoice::Auto | SolverChoice::Direct => {
                // A large matrix is reduced in its own memory once it is sure that it is factored.
                let small = matrix.nnz() <= KEPT || !constraints.ties.is_empty();
                let reduced = small.then(|| constraints.reduce(&matrix));
                let analyse = |matrix: &CsrMatrix, free: &[usize]| {
                    let groups = NodeGroups::new(mesh, free.iter().map(|u| u / constraints.components));
                    DirectSolver::analyse(matrix, Symmetry::PositiveDefinite, &groups.get())
                };
                let mut direct = match &reduced {
                    Some(reduced) => analyse(&reduced.matrix, &reduced.free)?,
                    None => {
                        let (pattern, free) = constraints.reduced_pattern(&matrix);
                        analyse(&pattern, &free)?
                    }
                };
                if solves == Solves::Few {
                    direct = direct.for_few_solves();
                }
                let dear = mesh.dim == 3 && solves == Solves::Few && direct.operations() > DEAR * size as f64;
                let need = direct.memory().filter(|need| *need > LITTLE);
                let large = need.and_then(|need| Some((need, memory_at_hand()?))).is_some_and(|(need, have)| need as f64 > SHARE * have);
                if choice == SolverChoice::Auto && (dear || large) {
                    drop(reduced);
                    multigrid(mesh, matrix, &constraints)?
                } else {
                    let mut reduced = match reduced {
                        Some(reduced) => {
                            whole = Some(matrix).filter(|m| m.nnz() <= KEPT);
                            reduced
                        }
                        None => constraints.reduce_owned(matrix),
                    };
                    direct.factor_owned(std::mem::take(&mut reduced.matrix))?;
                    Solver::Direct(reduced, Box::new(direct))
                }
            }
        };
        Ok(System { constraints, size, solver, whole })
    }

    /// The name of the solver, as in `[solver] kind`.
    pub(crate) fn name(&self) -> &'static str {
        match self.solver {
            Solver::Direct(..) => "direct",
            Solver::Reduced(name, ..) => name,
            Solver::Amg(_) => "amg",
        }
    }

    /// Estimate of the condition number, of a direct solver that has solved.
    pub(crate) fn condition(&self) -> Option<f64> {
        match &self.solver {
            Solver::Direct(_, direct) => direct.known_condition(),
            Solver::Reduced(..) | Solver::Amg(_) => None,
        }
    }

    /// The whole matrix in the frames of the nodes, where it was small enough to keep.
    pub(crate) fn whole(&self) -> Option<&CsrMatrix> {
        self.whole.as_ref()
    }

    /// The answers to some load vectors and prescribed values, and their relative residuals; of a direct solver the largest for all.
    pub(crate) fn solve_all(&self, loads: &[(&[f64], &BTreeMap<usize, f64>)]) -> Result<Vec<(Vec<f64>, f64)>, SolveError> {
        let Solver::Direct(reduced, direct) = &self.solver else {
            return loads.iter().map(|(vector, prescribed)| self.solve(vector, prescribed)).collect();
        };
        if loads.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = Vec::with_capacity(loads.len() * direct.size());
        for (vector, prescribed) in loads {
            let mut f = vector.to_vec();
            self.constraints.rotate(&mut f);
            all.extend(reduced.right_hand_side(&f, prescribed));
        }
        let residual = direct.solve_many(&mut all, loads.len())?.residual();
        let free = direct.size();
        let answer = |(k, (_, prescribed)): (usize, &(&[f64], &BTreeMap<usize, f64>))| {
            let mut u = reduced.expand(&all[k * free..(k + 1) * free], prescribed, self.size);
            self.constraints.rotate_back(&mut u);
            (u, residual)
        };
        Ok(loads.iter().enumerate().map(answer).collect())
    }

    /// The answer to one load vector and prescribed values, and the relative residual.
    pub(crate) fn solve(&self, vector: &[f64], prescribed: &BTreeMap<usize, f64>) -> Result<(Vec<f64>, f64), SolveError> {
        let mut f = vector.to_vec();
        self.constraints.rotate(&mut f);
        let (mut u, residual) = match &self.solver {
            Solver::Direct(reduced, direct) => {
                let mut b = reduced.right_hand_side(&f, prescribed);
                let residual = direct.solve(&mut b)?.residual();
                (reduced.expand(&b, prescribed, self.size), residual)
            }
            Solver::Reduced(_, reduced, preconditioner) => {
                let b = reduced.right_hand_side(&f, prescribed);
                let (x, residual) = iterate(&reduced.matrix, preconditioner.as_ref(), &b)?;
                (reduced.expand(&x, prescribed, self.size), residual)
            }
            Solver::Amg(multigrid) => {
                for &(r, c, v) in &multigrid.coupling {
                    f[r] -= v * prescribed.get(&c).copied().unwrap_or(0.0);
                }
                self.constraints.fixed.keys().for_each(|&u| f[u] = 0.0);
                let (mut x, residual) = iterate(&multigrid.matrix, &multigrid.amg, &f)?;
                self.constraints.fixed.keys().for_each(|&u| x[u] = 0.0);
                prescribed.iter().for_each(|(&u, &v)| x[u] = v);
                (x, residual)
            }
        };
        self.constraints.rotate_back(&mut u);
        Ok((u, residual))
    }
}

fn multigrid(mesh: &Mesh, matrix: CsrMatrix, constraints: &Constraints) -> Result<Solver, SolveError> {
    if constraints.ties.is_empty() {
        return Ok(Solver::Amg(Box::new(Multigrid::new(mesh, matrix, constraints)?)));
    }
    // Ties need a system of the free unknowns alone.
    let reduced = constraints.reduce(&matrix);
    let nodes: Vec<u32> = reduced.free.iter().map(|u| (u / constraints.components) as u32).collect();
    let mut options = AmgOptions { near_null_space: near_null_space(mesh, constraints), ..AmgOptions::default() };
    options.near_null_space.iter_mut().for_each(|mode| *mode = reduced.free.iter().map(|&u| mode[u]).collect());
    let amg = GroupedAmg::new(&reduced.matrix, &nodes, &options)?;
    Ok(Solver::Reduced("amg", reduced, Box::new(amg)))
}

/// Rigid motions, in the frames of the nodes, where the unknowns are displacements.
fn near_null_space(mesh: &Mesh, constraints: &Constraints) -> Vec<Vec<f64>> {
    let c = constraints.components;
    if c == 1 || c != mesh.dim {
        return Vec::new();
    }
    let at = |n: usize| std::array::from_fn(|d| mesh.point(n).get(d).copied().unwrap_or(0.0));
    let points: Vec<[f64; 3]> = (0..mesh.num_nodes()).map(at).collect();
    let mut modes = rigid_body_modes(&points, mesh.dim);
    modes.iter_mut().for_each(|mode| constraints.rotate(mode));
    modes
}

impl Multigrid {
    fn new(mesh: &Mesh, mut matrix: CsrMatrix, constraints: &Constraints) -> Result<Self, SolveError> {
        let c = constraints.components;
        let coupling = constraints.eliminate(&mut matrix);
        let shape = SolveError::Shape { what: "rows, as a multiple of the unknowns of a node", expected: c, got: matrix.nrows };
        let matrix = BsrMatrix::from_csr(&matrix, c).ok_or(shape)?;
        let options = AmgOptions { near_null_space: near_null_space(mesh, constraints), ..AmgOptions::default() };
        let amg = Amg::from_blocks(&matrix, &options)?;
        Ok(Multigrid { matrix, coupling, amg })
    }
}

/// Conjugate gradients from zero; the answer and its relative residual.
fn iterate(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64]) -> Result<(Vec<f64>, f64), SolveError> {
    let mut x = vec![0.0; b.len()];
    let report = cg(a, m, b, &mut x, &ITERATION);
    if report.converged() { Ok((x, report.residual())) } else { Err(SolveError::Inaccurate { residual: report.residual() }) }
}

/// Bytes that the system says a program can still have; `None` where it does not say.
pub(crate) fn memory_at_hand() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kb| 1024.0 * kb)
}
