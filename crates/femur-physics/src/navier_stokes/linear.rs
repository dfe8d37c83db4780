//! Solving with the tangent: by a factorisation, or by an iteration whose preconditioner is a block of it at a time.

use super::system::{PRESSURE, VELOCITY};
use crate::error::UNCONVERGED;
use crate::linear::SHARE;
use crate::memory::memory_at_hand;
use femur_fem::{FreeSystem, MixedSpace, NodeGroups};
use femur_mesh::Mesh;
use femur_sim::SolverLog;
use femur_solve::{CsrMatrix, KrylovOptions, LeastSquaresCommutator, MultifrontalLu, SaddleParts, SolveError, gmres};

/// `[solver] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Direct, unless its factor would take too much of the memory at hand in 3D.
    Auto,
    /// Multifrontal LU.
    Direct,
    /// GMRES with [`LeastSquaresCommutator`].
    Commutator,
}

/// How small the residual of an answer is to be, relative to the right-hand side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Accuracy {
    /// As small as a factorisation makes it.
    Full,
    /// What a step of Newton's method needs: its own residual is looked at anyhow (Dembo, Eisenstat and Steihaug 1982).
    Step,
    /// That small.
    To(f64),
}

/// Relative residuals of the iteration for the accuracies without a number.
const FULL: f64 = 1e-10;
const STEP: f64 = 1e-4;
/// Most iterations, and basis vectors until a new start.
const MOST: usize = 600;
const RESTART: usize = 200;

/// What the unknowns of a system are.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) mesh: &'a Mesh,
    pub(super) space: &'a MixedSpace,
    pub(super) fixed: &'a [bool],
    /// For each node the one whose unknowns it shares.
    pub(super) same: &'a [u32],
    pub(super) free: &'a FreeSystem,
    /// Diagonal of the mass matrix by free unknown; 0 for a pressure.
    pub(super) mass: &'a [f64],
}

/// A linear solver that keeps its analysis.
pub(super) enum Linear {
    Direct {
        lu: Box<MultifrontalLu>,
        /// Groups in which every pressure has velocities beside it, until they are taken.
        safe: Option<NodeGroups>,
    },
    Commutator {
        preconditioner: Box<LeastSquaresCommutator>,
        work: Work,
    },
}

/// What iterations have come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    solves: usize,
    iterations: usize,
    /// Of one solve.
    most: usize,
    /// Whether the last factorisation or solve failed.
    failed: bool,
}

impl Linear {
    /// Analyses the pattern of the free unknowns.
    pub(super) fn new(kind: Kind, layout: &Layout<'_>) -> Result<Self, SolveError> {
        let (matrix, near) = (&layout.free.matrix, groups(layout, false));
        if kind != Kind::Commutator {
            let lu = Box::new(MultifrontalLu::analyse(matrix, &near.get())?);
            // In 2D the basis takes most of what the factors save (measured: docs/src/topics/navier-stokes.md).
            let large = || layout.mesh.dim == 3 && memory_at_hand().is_some_and(|have| lu.memory() as f64 > SHARE * have);
            if kind == Kind::Direct || !large() {
                return Ok(Linear::Direct { lu, safe: Some(groups(layout, true)) });
            }
        }
        let nodes = NodeGroups::new(layout.mesh, layout.free.free.iter().map(|&u| layout.space.node_of()[u as usize] as usize));
        let component = |&u: &u32| {
            let node = layout.space.node_of()[u as usize] as usize;
            let pressure = layout.space.dof(PRESSURE, node) == Some(u as usize);
            layout.space.dof(VELOCITY, node).filter(|_| !pressure).map(|first| u as usize - first)
        };
        let component: Vec<Option<usize>> = layout.free.free.iter().map(component).collect();
        let parts = SaddleParts { component: &component, mass: layout.mass };
        let preconditioner = Box::new(LeastSquaresCommutator::analyse(matrix, &parts, &nodes.get())?);
        Ok(Linear::Commutator { preconditioner, work: Work::default() })
    }

    /// The name, as in `[solver] kind`.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Linear::Direct { .. } => "direct",
            Linear::Commutator { .. } => "lsc",
        }
    }

    /// Takes over a matrix of the analysed pattern.
    pub(super) fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        match self {
            Linear::Direct { lu, safe } => {
                lu.factor(a)?;
                if lu.factor_size().is_some_and(|s| s.raised > 0)
                    && let Some(groups) = safe.take()
                {
                    **lu = MultifrontalLu::analyse(a, &groups.get())?;
                    lu.factor(a)?;
                }
                Ok(())
            }
            Linear::Commutator { preconditioner, work } => {
                let done = preconditioner.factor(a);
                work.failed = done.is_err();
                done
            }
        }
    }

    /// Solves in place; returns the relative residual.
    pub(super) fn solve(&mut self, rhs: &mut [f64], accuracy: Accuracy) -> Result<f64, SolveError> {
        match self {
            Linear::Direct { lu, .. } => match accuracy {
                Accuracy::To(tolerance) => Ok(lu.solve_to(rhs, tolerance)?.residual()),
                Accuracy::Full | Accuracy::Step => Ok(lu.solve(rhs)?.residual()),
            },
            Linear::Commutator { preconditioner, work } => {
                let tolerance = match accuracy {
                    Accuracy::Full => FULL,
                    Accuracy::Step => STEP,
                    Accuracy::To(tolerance) => tolerance,
                };
                let mut x = vec![0.0; rhs.len()];
                let options = KrylovOptions { tolerance, max_iterations: MOST };
                let m = preconditioner.as_ref();
                let report = gmres(m.matrix(), m, rhs, &mut x, &options, RESTART);
                (work.solves, work.iterations) = (work.solves + 1, work.iterations + report.iterations);
                (work.most, work.failed) = (work.most.max(report.iterations), !report.converged());
                if work.failed {
                    let (iterations, residual, reason) = (report.iterations, report.residual(), report.reason);
                    return Err(SolveError::Unconverged { method: "gmres", iterations, residual, reason });
                }
                rhs.copy_from_slice(&x);
                Ok(report.residual())
            }
        }
    }

    /// Notes the estimated condition number, or what iterations have come to.
    pub(super) fn note(&self, log: &mut SolverLog) {
        match self {
            Linear::Direct { lu, .. } => log.condition = lu.known_condition(),
            Linear::Commutator { work, .. } => {
                let text = format!("{} in {} linear solves, at most {} in one", work.iterations, work.solves, work.most);
                log.notes.insert("iterations".into(), text);
            }
        }
    }

    /// What to do where the iteration failed, on a line of its own; else nothing.
    pub(super) fn hint(&self) -> String {
        match self {
            Linear::Commutator { work, .. } if work.failed => format!("\n  hint: {UNCONVERGED}"),
            _ => String::new(),
        }
    }
}

/// Groups of unknowns for the ordering: those of a node, but a pressure whose node is held with the velocities of a midside node
/// beside it. A pressure has no diagonal, so that it cannot be eliminated alone. By symmetry it may not even touch the velocities of
/// its own node: where that did harm, `safe` puts every pressure to a midside node, at the price of some fill.
fn groups(layout: &Layout<'_>, safe: bool) -> NodeGroups {
    let Layout { mesh, space, fixed, same, free: system, .. } = *layout;
    let mut group = space.node_of().to_vec();
    let free = |n: u32| space.dof(VELOCITY, n as usize).is_some_and(|u| (0..mesh.dim).all(|d| !fixed[u + d]));
    // Of periodic nodes only the one whose unknowns the others share is in the system.
    let one = |n: u32| same[n as usize];
    let mut taken = vec![false; mesh.num_nodes()];
    let mut done: Vec<bool> = (0..mesh.num_nodes() as u32).map(|n| !safe && free(n)).collect();
    // First midside nodes on edges of the vertex that no other pressure has; then any of the cell's; then shared ones.
    for pass in 0..3 {
        for (_, kind, nodes) in mesh.cells() {
            for (a, v) in nodes[..kind.num_vertices()].iter().map(|&v| one(v)).enumerate() {
                if done[v as usize] {
                    continue;
                }
                let beside = |m: usize| kind.edges().iter().any(|e| e.contains(&a) && e.contains(&m));
                let found = (kind.num_vertices()..nodes.len())
                    .find(|&m| free(nodes[m]) && (pass == 2 || !taken[one(nodes[m]) as usize]) && (pass > 0 || beside(m)));
                let (Some(m), Some(p)) = (found, space.dof(PRESSURE, v as usize)) else { continue };
                group[p] = one(nodes[m]);
                (taken[one(nodes[m]) as usize], done[v as usize]) = (true, true);
            }
        }
    }
    NodeGroups::new(mesh, system.free.iter().map(|&u| group[u as usize] as usize))
}
