//! What linear physics share: load channels, and solving a constrained symmetric positive definite system for many of them.

use crate::PhysicsError;
use crate::memory::memory_at_hand;
use crate::nested::{Fine, Nested, Parts};
use femur_fem::NodeGroups;
use femur_fem::constraints::{Constraints, Reduced};
use femur_mesh::Mesh;
use femur_sim::case::{Case, Expr};
use femur_sim::{Load, SolverLog};
use femur_solve::amg::{Amg, AmgOptions, GroupedAmg, rigid_body_modes};
use femur_solve::precond::IncompleteCholesky;
use femur_solve::{
    BsrMatrix, CsrMatrix, DirectSolver, KrylovOptions, LinearOperator, Preconditioner, SolveError, StopReason, Symmetry, cg,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One channel: a load vector and prescribed values at `load.value` 1.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) load: Load,
    pub(crate) vector: Vec<f64>,
    pub(crate) prescribed: BTreeMap<usize, f64>,
    /// The function of time that multiplies both, where they were read apart from it.
    pub(crate) time: Option<Expr>,
}

impl Channel {
    pub(crate) fn new(name: String, unit: &str, value: f64, size: usize) -> Self {
        Channel { load: Load { name, unit: unit.into(), value }, vector: vec![0.0; size], prescribed: BTreeMap::new(), time: None }
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
    /// Conjugate gradients with the linear cells as the coarse level of quadratic ones.
    PMultigrid,
    /// The same without the matrix of the mesh's own cells.
    MatrixFree,
}

impl SolverChoice {
    /// Refuses the kinds that need linear cells of the same mesh, where a physics has none.
    pub(crate) fn assembled(self, case: &Case, what: &str) -> Result<(), PhysicsError> {
        match self {
            SolverChoice::PMultigrid | SolverChoice::MatrixFree => {
                let what = format!("{} is for steady heat and linear elasticity, not for {what}", KINDS[self as usize]);
                Err(case.table("solver").error("kind", what, "take auto, direct, cg or amg").into())
            }
            _ => Ok(()),
        }
    }
}

/// Every `[solver] kind`, in the order of [`SolverChoice`].
pub(crate) const KINDS: [&str; 6] = ["auto", "direct", "cg", "amg", "p-multigrid", "matrix-free"];

/// Reads `[solver] kind`.
pub(crate) fn solver_choice(case: &Case) -> Result<SolverChoice, PhysicsError> {
    let table = case.table("solver");
    let kind = table.choice_or("kind", &KINDS, 0)?;
    table.finish()?;
    use SolverChoice::{Amg, Auto, Cg, Direct, MatrixFree, PMultigrid};
    Ok([Auto, Direct, Cg, Amg, PMultigrid, MatrixFree][kind])
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
/// Largest relative residual of an answer that is taken where rounding lets it come no lower: thin bodies of stiff material end above
/// 1e-10, by a factorisation too.
const ROUNDING: f64 = 1e-8;

/// A constrained system, ready to solve.
pub(crate) struct System {
    constraints: Constraints,
    size: usize,
    solver: Solver,
    /// Most iterations that one load took.
    iterations: AtomicUsize,
}

enum Solver {
    /// And the whole (rotated) matrix, where it is small.
    Direct(Reduced, Box<DirectSolver>, Option<CsrMatrix>),
    /// Conjugate gradients for the free unknowns, by the name of their preconditioner's choice.
    Reduced(&'static str, Reduced, Box<dyn Preconditioner + Send + Sync>),
    Amg(Box<Multigrid>),
    Nested(Box<Nested>),
}

/// The whole system with its prescribed unknowns emptied.
struct Multigrid {
    emptied: Emptied,
    amg: Amg,
}

impl System {
    /// Eliminates the constraints and factors.
    pub(crate) fn new(
        mesh: &Mesh,
        matrix: CsrMatrix,
        constraints: Constraints,
        choice: SolverChoice,
        solves: Solves,
    ) -> Result<Self, SolveError> {
        let amg = |matrix: CsrMatrix| multigrid(mesh, matrix, &constraints);
        let (solver, size) = Self::choose(mesh, matrix, &constraints, choice, solves, &amg)?;
        Ok(System { constraints, size, solver, iterations: AtomicUsize::new(0) })
    }

    /// The same, where `auto` takes `cells` in place of algebraic multigrid: a system without the matrix, which is dropped before.
    pub(crate) fn or_cells(
        mesh: &Mesh,
        matrix: CsrMatrix,
        constraints: &Constraints,
        cells: &dyn Fn() -> Result<System, PhysicsError>,
    ) -> Result<Self, PhysicsError> {
        let instead = |matrix: CsrMatrix| {
            drop(matrix);
            cells().map(|system| system.solver)
        };
        let (solver, size) = Self::choose(mesh, matrix, constraints, SolverChoice::Auto, Solves::Few, &instead)?;
        Ok(System { constraints: constraints.clone(), size, solver, iterations: AtomicUsize::new(0) })
    }

    /// `multigrid` makes what `auto` takes where a factorisation is dear.
    fn choose<E: From<SolveError>>(
        mesh: &Mesh,
        mut matrix: CsrMatrix,
        constraints: &Constraints,
        choice: SolverChoice,
        solves: Solves,
        multigrid_or: &dyn Fn(CsrMatrix) -> Result<Solver, E>,
    ) -> Result<(Solver, usize), E> {
        constraints.rotate_matrix(&mut matrix);
        let size = matrix.nrows;
        if choice == SolverChoice::Auto && solves == Solves::Few && large(mesh, constraints.components) {
            return Ok((multigrid_or(matrix)?, size));
        }
        let solver = match choice {
            SolverChoice::Amg => multigrid(mesh, matrix, constraints)?,
            SolverChoice::Cg => {
                let reduced = constraints.reduce(&matrix);
                let preconditioner = IncompleteCholesky::new(&reduced.matrix)?;
                Solver::Reduced("cg", reduced, Box::new(preconditioner))
            }
            // The physics ask for the last two by `System::nested`.
            SolverChoice::Auto | SolverChoice::Direct | SolverChoice::PMultigrid | SolverChoice::MatrixFree => {
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
                    multigrid_or(matrix)?
                } else {
                    let (mut reduced, whole) = match reduced {
                        Some(reduced) => (reduced, Some(matrix).filter(|m| m.nnz() <= KEPT)),
                        None => (constraints.reduce_owned(matrix), None),
                    };
                    direct.factor_owned(std::mem::take(&mut reduced.matrix))?;
                    Solver::Direct(reduced, Box::new(direct), whole)
                }
            }
        };
        Ok((solver, size))
    }

    /// A system with the linear cells as its coarse level, or without a matrix.
    pub(crate) fn nested(parts: Parts<'_>, fine: Fine) -> Result<Self, PhysicsError> {
        let (constraints, size) = (parts.constraints.clone(), parts.mesh.num_nodes() * parts.constraints.components);
        let solver = Solver::Nested(Box::new(Nested::new(parts, fine)?));
        Ok(System { constraints, size, solver, iterations: AtomicUsize::new(0) })
    }

    /// The name of the solver, as in `[solver] kind`.
    pub(crate) fn name(&self) -> &'static str {
        match &self.solver {
            Solver::Direct(..) => "direct",
            Solver::Reduced(name, ..) => name,
            Solver::Amg(_) => "amg",
            Solver::Nested(nested) => nested.name(),
        }
    }

    /// Notes the most iterations that one load took, where the solver iterates.
    pub(crate) fn note_iterations(&self, log: &mut SolverLog) {
        let iterations = self.iterations.load(Ordering::Relaxed);
        if iterations > 0 {
            log.notes.insert("iterations".into(), iterations.to_string());
        }
    }

    /// Estimate of the condition number, of a direct solver that has solved.
    pub(crate) fn condition(&self) -> Option<f64> {
        match &self.solver {
            Solver::Direct(_, direct, _) => direct.known_condition(),
            Solver::Reduced(..) | Solver::Amg(_) | Solver::Nested(_) => None,
        }
    }

    /// The whole matrix in the frames of the nodes, where it was small enough to keep.
    pub(crate) fn whole(&self) -> Option<&CsrMatrix> {
        if let Solver::Direct(_, _, whole) = &self.solver { whole.as_ref() } else { None }
    }

    /// The answers to some load vectors and prescribed values, and their relative residuals; of a direct solver the largest for all.
    pub(crate) fn solve_all(&self, loads: &[(&[f64], &BTreeMap<usize, f64>)]) -> Result<Vec<(Vec<f64>, f64)>, SolveError> {
        let Solver::Direct(reduced, direct, _) = &self.solver else {
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
        let (mut u, residual, iterations) = match &self.solver {
            Solver::Direct(reduced, direct, _) => {
                let mut b = reduced.right_hand_side(&f, prescribed);
                let residual = direct.solve(&mut b)?.residual();
                (reduced.expand(&b, prescribed, self.size), residual, 0)
            }
            Solver::Reduced(_, reduced, preconditioner) => {
                let b = reduced.right_hand_side(&f, prescribed);
                let (x, residual, iterations) = iterate(&reduced.matrix, preconditioner.as_ref(), &b)?;
                (reduced.expand(&x, prescribed, self.size), residual, iterations)
            }
            Solver::Amg(multigrid) => {
                multigrid.emptied.right_hand_side(&self.constraints, &mut f, prescribed);
                let (mut x, residual, iterations) = iterate(&multigrid.emptied.matrix, &multigrid.amg, &f)?;
                self.constraints.fixed.keys().for_each(|&u| x[u] = 0.0);
                prescribed.iter().for_each(|(&u, &v)| x[u] = v);
                (x, residual, iterations)
            }
            Solver::Nested(nested) => nested.solve(f, prescribed)?,
        };
        self.constraints.rotate_back(&mut u);
        self.iterations.fetch_max(iterations, Ordering::Relaxed);
        Ok((u, residual))
    }
}

/// Whether `auto` takes an iteration without asking what a factorisation would cost, where few solves follow.
pub(crate) fn large(mesh: &Mesh, components: usize) -> bool {
    mesh.dim == 3 && mesh.num_nodes() * components > LARGE
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
    fn new(mesh: &Mesh, matrix: CsrMatrix, constraints: &Constraints) -> Result<Self, SolveError> {
        let emptied = Emptied::new(matrix, constraints)?;
        let amg = hierarchy(mesh, &emptied.matrix, constraints)?;
        Ok(Multigrid { emptied, amg })
    }
}

/// Algebraic multigrid of a matrix whose prescribed unknowns are emptied.
pub(crate) fn hierarchy(mesh: &Mesh, matrix: &BsrMatrix, constraints: &Constraints) -> Result<Amg, SolveError> {
    let options = AmgOptions { near_null_space: near_null_space(mesh, constraints), ..AmgOptions::default() };
    Amg::from_blocks(matrix, &options)
}

/// A (turned) matrix with its prescribed unknowns emptied, and what was taken out.
pub(crate) struct Emptied {
    pub(crate) matrix: BsrMatrix,
    coupling: Vec<(usize, usize, f64)>,
}

impl Emptied {
    pub(crate) fn new(mut matrix: CsrMatrix, constraints: &Constraints) -> Result<Self, SolveError> {
        let c = constraints.components;
        let coupling = constraints.eliminate(&mut matrix);
        let shape = SolveError::Shape { what: "rows, as a multiple of the unknowns of a node", expected: c, got: matrix.nrows };
        Ok(Emptied { matrix: BsrMatrix::from_csr(&matrix, c).ok_or(shape)?, coupling })
    }

    /// The right-hand side to a (turned) load and prescribed values.
    pub(crate) fn right_hand_side(&self, constraints: &Constraints, f: &mut [f64], prescribed: &BTreeMap<usize, f64>) {
        for &(r, c, v) in &self.coupling {
            f[r] -= v * prescribed.get(&c).copied().unwrap_or(0.0);
        }
        constraints.fixed.keys().for_each(|&u| f[u] = 0.0);
    }
}

/// The answer, its relative residual and the iterations made.
pub(crate) type Answer = (Vec<f64>, f64, usize);

/// Conjugate gradients from zero.
pub(crate) fn iterate(a: &dyn LinearOperator, m: &dyn Preconditioner, b: &[f64]) -> Result<Answer, SolveError> {
    let mut x = vec![0.0; b.len()];
    let report = cg(a, m, b, &mut x, &ITERATION);
    let rounding = report.reason == StopReason::Stagnation && report.residual() <= ROUNDING;
    if report.converged() || rounding {
        Ok((x, report.residual(), report.iterations))
    } else {
        Err(SolveError::Inaccurate { residual: report.residual() })
    }
}
