//! Equilibrium of a body at given loads, with inertia where it moves, as a nonlinear problem in the unknowns that are free.

use super::contact::Obstacle;
use super::{Assembly, Body, Inertia};
use crate::dynamics::{Held, Motion, combine};
use femur_fem::constraints::Reduced;
use femur_fem::{Constraints, NodeGroups};
use femur_solve::{
    CsrMatrix, DirectSolver, Inadmissible, LinearOperator, NewtonOptions, NonlinearProblem, SolveError, SolveReport, Symmetry, newton,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most corrections of the contact pressures at one load.
const MAX_AUGMENTATIONS: usize = 30;

/// What acts on a body at one time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loads {
    /// Nodal forces `[num_nodes dim]`.
    pub(crate) external: Vec<f64>,
    /// Prescribed unknowns (along the frame's axes where a node has one).
    pub(crate) prescribed: BTreeMap<usize, f64>,
}

/// A body with its supports, loads and obstacles. Holds the last equilibrium, and what was computed last.
pub(crate) struct Equilibrium {
    body: Arc<dyn Body>,
    pub(crate) assembly: Assembly,
    constraints: Constraints,
    /// Stiffness of elastic supports, in the pattern of the tangent.
    supports: Option<CsrMatrix>,
    pub(crate) obstacles: Vec<Obstacle>,
    pub(crate) inertia: Option<Inertia>,
    /// Forces of inertia and damping at `u`.
    resistance: Vec<f64>,
    free: Vec<usize>,
    /// Free unknowns and prescribed ones at the last equilibrium.
    state: (Vec<f64>, BTreeMap<usize, f64>),
    loads: Loads,
    /// Largest norm of forces, and largest work, at any equilibrium so far: what a body that is unloaded is measured by.
    scale: (f64, f64),
    /// Displacements `[num_nodes dim]` last asked for.
    pub(crate) u: Vec<f64>,
    /// Nodal forces of the body and its elastic supports, and of the obstacles on it, at `u`.
    internal: Vec<f64>,
    pub(crate) contact: Vec<f64>,
    /// Stored energy at `u`.
    pub(crate) energy: f64,
    /// History at the last equilibrium, and at `u`.
    pub(crate) history: Vec<f64>,
    trial: Vec<f64>,
    matrix: CsrMatrix,
    solver: Option<DirectSolver>,
}

impl Equilibrium {
    pub(crate) fn new(
        body: Arc<dyn Body>,
        assembly: Assembly,
        constraints: Constraints,
        supports: Option<CsrMatrix>,
        obstacles: Vec<Obstacle>,
    ) -> Self {
        let size = assembly.assembler.size();
        let free: Vec<usize> = (0..size).filter(|u| !constraints.fixed.contains_key(u)).collect();
        let (history, matrix) = (vec![0.0; assembly.history_len()], assembly.assembler.zeros());
        Equilibrium {
            body,
            constraints,
            supports,
            obstacles,
            inertia: None,
            resistance: Vec::new(),
            state: (vec![0.0; free.len()], BTreeMap::new()),
            free,
            loads: Loads { external: vec![0.0; size], prescribed: BTreeMap::new() },
            scale: (0.0, 0.0),
            u: vec![0.0; size],
            internal: vec![0.0; size],
            contact: vec![0.0; size],
            energy: 0.0,
            trial: history.clone(),
            history,
            matrix,
            solver: None,
            assembly,
        }
    }

    /// Number of displacement components that are not prescribed.
    pub(crate) fn num_unknowns(&self) -> usize {
        self.free.len()
    }

    /// What the surroundings exert on the body beside loads and obstacles, `[num_nodes dim]`.
    pub(crate) fn reaction(&self) -> Vec<f64> {
        let mut reaction = self.inertia.as_ref().map_or_else(|| self.balance(), Inertia::reaction);
        self.constraints.gather(&mut reaction);
        reaction
    }

    /// Internal less applied forces at `u`.
    fn balance(&self) -> Vec<f64> {
        (0..self.u.len()).map(|i| self.internal[i] - self.loads.external[i] - self.contact[i]).collect()
    }

    /// The tangent of body and elastic supports at rest.
    ///
    /// # Errors
    /// A body that does not even admit rest.
    pub(crate) fn stiffness(&self) -> Result<CsrMatrix, Inadmissible> {
        let (rest, mut matrix) = (vec![0.0; self.u.len()], self.assembly.assembler.zeros());
        let history = vec![0.0; self.history.len()];
        self.assembly.add(self.body.as_ref(), &rest, (&history, &mut history.clone()), &mut rest.clone(), Some(&mut matrix))?;
        if let Some(supports) = &self.supports {
            matrix.values.iter_mut().zip(&supports.values).for_each(|(m, s)| *m += s);
        }
        Ok(matrix)
    }

    /// Sets the body in motion from displacements and velocities `[num_nodes dim]` under these loads, with the prescribed accelerations.
    ///
    /// # Errors
    /// Displacements that the body does not admit, the linear solver.
    pub(crate) fn start(&mut self, mut inertia: Inertia, [u, v]: [Vec<f64>; 2], loads: Loads, held: &Held) -> Result<(), String> {
        self.loads = loads;
        let mut turned = u.clone();
        self.constraints.rotate(&mut turned);
        self.state = (self.free.iter().map(|&i| turned[i]).collect(), self.loads.prescribed.clone());
        self.u = u.clone();
        let balance = self.assemble(false).map_err(|e| e.0)?;
        self.history.copy_from_slice(&self.trial);
        let still = vec![0.0; v.len()];
        let mut force = combine(&[(-1.0, &balance), (-1.0, &inertia.resistance(&still, &v))]);
        self.constraints.rotate(&mut force);
        let mut mass = inertia.mass().clone();
        self.constraints.rotate_matrix(&mut mass);
        let reduced = self.constraints.reduce(&mass);
        let groups = NodeGroups::new(&self.assembly.mesh, reduced.free.iter().map(|u| u / self.constraints.components));
        let mut solver = DirectSolver::analyse(&reduced.matrix, Symmetry::PositiveDefinite, &groups.get()).map_err(|e| e.to_string())?;
        solver.factor(&reduced.matrix).map_err(|e| e.to_string())?;
        let mut a = reduced.right_hand_side(&force, held);
        solver.solve(&mut a).map_err(|e| e.to_string())?;
        let a = self.expand(&a, held);
        inertia.start(Motion { u, v, a }, balance, self.applied(), &self.constraints, self.energy);
        self.inertia = Some(inertia);
        Ok(())
    }

    /// What loads and obstacles exert on the body.
    fn applied(&self) -> Vec<f64> {
        combine(&[(1.0, &self.loads.external), (1.0, &self.contact)])
    }

    /// Solves for the equilibrium at these loads with the obstacles moved by `offsets`, starting from the last one; keeps it if found.
    /// A body in motion moves on by `dt`.
    pub(crate) fn advance(
        &mut self,
        loads: Loads,
        offsets: &[[f64; 3]],
        dt: f64,
        options: &NewtonOptions,
    ) -> Result<(usize, SolveReport), String> {
        self.inertia.iter_mut().for_each(|i| i.set_step(dt));
        let before = std::mem::replace(&mut self.loads, loads);
        self.obstacles.iter_mut().zip(offsets).for_each(|(o, &by)| o.move_to(by));
        match self.solve(options) {
            Ok((x, iterations, report)) => {
                self.state = (x, self.loads.prescribed.clone());
                self.history.copy_from_slice(&self.trial);
                self.obstacles.iter_mut().for_each(Obstacle::keep);
                if let Some(mut inertia) = self.inertia.take() {
                    inertia.accept(&self.u, self.balance(), self.applied(), &self.constraints, self.energy);
                    self.inertia = Some(inertia);
                }
                self.scale = (self.force_scale(), self.energy_scale());
                Ok((iterations, report))
            }
            Err(reason) => {
                self.loads = before;
                self.obstacles.iter_mut().for_each(Obstacle::restore);
                let x = self.state.0.clone();
                let prescribed = self.state.1.clone();
                self.u = self.expand(&x, &prescribed);
                Err(reason)
            }
        }
    }

    fn solve(&mut self, options: &NewtonOptions) -> Result<(Vec<f64>, usize, SolveReport), String> {
        let mut x = self.predict()?;
        let mut iterations = 1;
        for _ in 0..=MAX_AUGMENTATIONS {
            let report = newton(self, &mut x, options).map_err(|e| e.to_string())?;
            iterations += report.iterations;
            let u = std::mem::take(&mut self.u);
            let dim = self.assembly.mesh.dim;
            let mut settled = true;
            for o in &mut self.obstacles {
                settled &= o.augment(&u, dim);
            }
            self.u = u;
            if settled {
                return Ok((x, iterations, report));
            }
        }
        Err(format!("the contact pressures did not settle in {MAX_AUGMENTATIONS} corrections"))
    }

    /// One linear step from the last equilibrium to the new loads: prescribed displacements spread over the body at once, where
    /// moving them alone would crush the cells beside them.
    fn predict(&mut self) -> Result<Vec<f64>, String> {
        let (x, old) = self.state.clone();
        self.u = self.expand(&x, &old);
        let mut r = self.assemble(true).map_err(|e| e.0)?;
        self.constraints.rotate(&mut r);
        r.iter_mut().for_each(|v| *v = -*v);
        let reduced = self.reduce_and_factor().map_err(|e| e.to_string())?;
        let by = self.loads.prescribed.iter().map(|(&u, &v)| (u, v - old.get(&u).copied().unwrap_or(0.0))).collect();
        let mut step = reduced.right_hand_side(&r, &by);
        self.solve_step(&mut step).map_err(|e| e.to_string())?;
        Ok(x.iter().zip(&step).map(|(x, d)| x + d).collect())
    }

    /// Estimate of the condition number of the first tangent that was solved with.
    pub(crate) fn condition(&self) -> Option<f64> {
        self.solver.as_ref().and_then(DirectSolver::known_condition)
    }

    fn expand(&self, x: &[f64], prescribed: &BTreeMap<usize, f64>) -> Vec<f64> {
        let mut u = vec![0.0; self.u.len()];
        prescribed.iter().for_each(|(&i, &v)| u[i] = v);
        self.free.iter().zip(x).for_each(|(&i, &v)| u[i] = v);
        self.constraints.follow(prescribed, &mut u);
        self.constraints.rotate_back(&mut u);
        u
    }

    /// The out-of-balance forces `[num_nodes dim]` at `u`, and the tangent.
    fn assemble(&mut self, tangent: bool) -> Result<Vec<f64>, Inadmissible> {
        self.internal.fill(0.0);
        self.contact.fill(0.0);
        if tangent {
            self.matrix.values.fill(0.0);
        }
        let matrix = tangent.then_some(&mut self.matrix);
        let history = (&self.history[..], &mut self.trial[..]);
        self.energy = self.assembly.add(self.body.as_ref(), &self.u, history, &mut self.internal, matrix)?;
        if let Some(supports) = &self.supports {
            let mut force = vec![0.0; self.u.len()];
            supports.apply(&self.u, &mut force);
            self.internal.iter_mut().zip(&force).for_each(|(i, f)| *i += f);
            if tangent {
                self.matrix.values.iter_mut().zip(&supports.values).for_each(|(m, s)| *m += s);
            }
        }
        for o in &self.obstacles {
            o.add_force(&self.u, self.assembly.mesh.dim, &mut self.contact);
            if tangent {
                o.add_tangent(&self.u, &self.assembly, &mut self.matrix);
            }
        }
        let mut balance = self.balance();
        if let Some(inertia) = &self.inertia {
            self.resistance = inertia.force(&self.u);
            inertia.weigh(&mut balance, &self.resistance);
            if tangent {
                inertia.weigh_tangent(&mut self.matrix);
            }
        }
        Ok(balance)
    }

    fn reduce_and_factor(&mut self) -> Result<Reduced, SolveError> {
        self.constraints.rotate_matrix(&mut self.matrix);
        let reduced = self.constraints.reduce(&self.matrix);
        let mut solver = match self.solver.take() {
            Some(solver) => solver,
            None => {
                // Past a limit load the tangent has negative eigenvalues.
                let symmetry = if self.body.symmetric() { Symmetry::Indefinite } else { Symmetry::General };
                let dim = self.constraints.components;
                let groups = NodeGroups::new(&self.assembly.mesh, reduced.free.iter().map(|u| u / dim));
                DirectSolver::analyse(&reduced.matrix, symmetry, &groups.get())?
            }
        };
        solver.factor(&reduced.matrix)?;
        self.solver = Some(solver);
        Ok(reduced)
    }

    fn solve_step(&self, rhs: &mut [f64]) -> Result<(), SolveError> {
        // Nothing to do where no load changed.
        if rhs.iter().all(|v| *v == 0.0) {
            return Ok(());
        }
        self.solver.as_ref().ok_or(SolveError::NotFactored)?.solve(rhs).map(|_| ())
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

impl NonlinearProblem for Equilibrium {
    fn size(&self) -> usize {
        self.free.len()
    }

    fn residual(&mut self, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
        self.u = self.expand(x, &self.loads.prescribed);
        let mut whole = self.assemble(false)?;
        self.constraints.rotate(&mut whole);
        self.constraints.gather(&mut whole);
        r.iter_mut().zip(&self.free).for_each(|(r, &i)| *r = whole[i]);
        Ok(())
    }

    fn solve_tangent(&mut self, x: &[f64], rhs: &mut [f64]) -> Result<(), SolveError> {
        self.u = self.expand(x, &self.loads.prescribed);
        // The residual at x was computed: it is admissible.
        self.assemble(true).map_err(|_| SolveError::Inaccurate { residual: f64::NAN })?;
        self.reduce_and_factor()?;
        self.solve_step(rhs)
    }

    fn force_scale(&self) -> f64 {
        [&self.internal, &self.loads.external, &self.contact, &self.resistance].into_iter().map(|f| norm(f)).fold(self.scale.0, f64::max)
    }

    fn energy_scale(&self) -> f64 {
        let moving = self.inertia.as_ref().map_or(0.0, |i| i.energies.kinetic);
        self.u.iter().zip(&self.internal).map(|(u, f)| u * f).sum::<f64>().abs().max(moving).max(self.scale.1)
    }
}
