//! Inertia and damping of a nonlinear solid: Newmark and generalised-alpha, the forces of both ends of a step weighed.
//!
//! The balance of a step is `(1 - am) M a1 + am M a0 + C v + (1 - af) g(u1) + af g(u0) = 0`, with `g` the internal less the applied
//! forces (Chung and Hulbert 1993; for nonlinear solids Erlicher, Bonaventura and Bursi 2002).

use super::SolidModel;
use crate::PhysicsError;
use crate::dynamics::{Dynamics, Energies, Motion, Scheme, apply, combine, dot};
use femur_fem::{Assembler, CellCoefficient, Constraints, Form};
use femur_solve::{CsrMatrix, Inadmissible};

/// The motion of a body and what resists it beside its stiffness.
pub(crate) struct Inertia {
    scheme: Scheme,
    pub(crate) substeps: usize,
    mass: CsrMatrix,
    /// Rayleigh's damping, with the stiffness of the undeformed body.
    damping: Option<CsrMatrix>,
    /// At the last time reached.
    pub(crate) motion: Motion,
    /// Internal less applied forces then, and what did work from outside.
    balance: Vec<f64>,
    exerted: Vec<f64>,
    /// Of the step being solved.
    dt: f64,
    pub(crate) energies: Energies,
}

impl Inertia {
    /// The body at rest; `stiffness` is its tangent there, in whose pattern all matrices are.
    ///
    /// # Errors
    /// A material without a density, a mistake in `[dynamics]`.
    pub(crate) fn read(model: &SolidModel, stiffness: impl FnOnce() -> Result<CsrMatrix, Inadmissible>) -> Result<Self, PhysicsError> {
        let (dynamics, _) = Dynamics::read(&model.case, true)?;
        let dim = model.mesh.dim;
        let densities: Vec<f64> = model.densities()?.iter().map(|d| d * model.thickness).collect();
        let assembler = Assembler::new(&model.mesh, dim, 2);
        let mut mass = assembler.zeros();
        let density = CellCoefficient::ByMaterial(&densities, &model.material_id);
        assembler.assemble(&model.mesh, &Form::Mass { components: dim, density }, &mut mass)?;
        let (by_mass, by_stiffness) = dynamics.rayleigh;
        let damping = if dynamics.rayleigh == (0.0, 0.0) {
            None
        } else {
            let inadmissible = |e: Inadmissible| model.case.root().error("mesh", e.0, "take a mesh without inverted cells");
            let mut c = if by_stiffness == 0.0 { assembler.zeros() } else { stiffness().map_err(inadmissible)? };
            c.values.iter_mut().zip(&mass.values).for_each(|(c, m)| *c = by_mass * m + by_stiffness * *c);
            Some(c)
        };
        let zeros = vec![0.0; assembler.size()];
        Ok(Inertia {
            scheme: dynamics.implicit(&model.case, "nonlinear solids")?,
            substeps: dynamics.substeps.unwrap_or(1),
            mass,
            damping,
            motion: Motion { u: zeros.clone(), v: zeros.clone(), a: zeros.clone() },
            balance: zeros.clone(),
            exerted: zeros,
            dt: 0.0,
            energies: Energies::default(),
        })
    }

    /// The mass matrix.
    pub(crate) fn mass(&self) -> &CsrMatrix {
        &self.mass
    }

    /// The length of the step to be solved.
    pub(crate) fn set_step(&mut self, dt: f64) {
        self.dt = dt;
    }

    /// Acceleration and velocity at the end of the step if the displacement there is `u`.
    fn rates(&self, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (Scheme { beta, gamma, .. }, dt, m) = (self.scheme, self.dt, &self.motion);
        let moved = combine(&[(1.0, u), (-1.0, &m.u)]);
        let a = combine(&[(1.0 / (beta * dt * dt), &moved), (-1.0 / (beta * dt), &m.v), (1.0 - 0.5 / beta, &m.a)]);
        let v = combine(&[(1.0, &m.v), ((1.0 - gamma) * dt, &m.a), (gamma * dt, &a)]);
        (a, v)
    }

    /// Forces of inertia and damping in the balance of the step, at displacements `u`.
    pub(crate) fn force(&self, u: &[f64]) -> Vec<f64> {
        let Scheme { alpha_m, alpha_f, .. } = self.scheme;
        let (a, v) = self.rates(u);
        self.resistance(
            &combine(&[(1.0 - alpha_m, &a), (alpha_m, &self.motion.a)]),
            &combine(&[(1.0 - alpha_f, &v), (alpha_f, &self.motion.v)]),
        )
    }

    /// Forces of inertia and damping at accelerations and velocities.
    pub(crate) fn resistance(&self, a: &[f64], v: &[f64]) -> Vec<f64> {
        let mut force = apply(&self.mass, a);
        if let Some(c) = &self.damping {
            force.iter_mut().zip(apply(c, v)).for_each(|(f, d)| *f += d);
        }
        force
    }

    /// The balance of the step: `balance` is that of internal and applied forces at its end, `resistance` what [`Inertia::force`] gives.
    pub(crate) fn weigh(&self, balance: &mut [f64], resistance: &[f64]) {
        let weight = self.scheme.alpha_f;
        for ((b, before), r) in balance.iter_mut().zip(&self.balance).zip(resistance) {
            *b = (1.0 - weight) * *b + weight * before + r;
        }
    }

    /// The derivative of the balance of the step, from that of the internal and applied forces.
    pub(crate) fn weigh_tangent(&self, tangent: &mut CsrMatrix) {
        let (Scheme { alpha_m, alpha_f, beta, gamma }, dt) = (self.scheme, self.dt);
        let (m, c) = ((1.0 - alpha_m) / (beta * dt * dt), (1.0 - alpha_f) * gamma / (beta * dt));
        tangent.values.iter_mut().zip(&self.mass.values).for_each(|(t, v)| *t = (1.0 - alpha_f) * *t + m * v);
        if let Some(damping) = &self.damping {
            tangent.values.iter_mut().zip(&damping.values).for_each(|(t, v)| *t += c * v);
        }
    }

    /// Takes `motion` as the start: `balance` are the internal less the applied forces there, `strain` is the energy stored.
    pub(crate) fn start(&mut self, motion: Motion, balance: Vec<f64>, applied: Vec<f64>, constraints: &Constraints, strain: f64) {
        self.motion = motion;
        self.balance = balance;
        self.exerted = self.exerted(applied, constraints);
        self.energies = Energies { kinetic: self.kinetic(), strain, ..Energies::default() };
    }

    /// Takes displacements `u` as the end of the step; the works go on by the trapezoidal rule.
    pub(crate) fn accept(&mut self, u: &[f64], balance: Vec<f64>, applied: Vec<f64>, constraints: &Constraints, strain: f64) {
        let (a, v) = self.rates(u);
        let before = std::mem::replace(&mut self.motion, Motion { u: u.to_vec(), v, a });
        self.balance = balance;
        let exerted = self.exerted(applied, constraints);
        let moved = combine(&[(1.0, u), (-1.0, &before.u)]);
        let work = 0.5 * (dot(&moved, &exerted) + dot(&moved, &self.exerted));
        self.exerted = exerted;
        let middle = combine(&[(0.5, &self.motion.v), (0.5, &before.v)]);
        let lost = self.damping.as_ref().map_or(0.0, |c| self.dt * dot(&middle, &apply(c, &middle)));
        let Energies { external, dissipated, .. } = self.energies;
        self.energies = Energies { kinetic: self.kinetic(), strain, external: external + work, dissipated: dissipated + lost };
    }

    /// What the surroundings exert beside loads and obstacles.
    pub(crate) fn reaction(&self) -> Vec<f64> {
        combine(&[(1.0, &self.resistance(&self.motion.a, &self.motion.v)), (1.0, &self.balance)])
    }

    /// Applied forces, and at prescribed unknowns what their supports exert. Supports in turned frames hold still and do no work.
    fn exerted(&self, mut applied: Vec<f64>, constraints: &Constraints) -> Vec<f64> {
        let mut reaction = self.reaction();
        constraints.gather(&mut reaction);
        let turned = |u: usize| constraints.frames.contains_key(&(u / constraints.components));
        constraints.fixed.keys().filter(|&&u| constraints.is_prescribed(u) && !turned(u)).for_each(|&u| applied[u] += reaction[u]);
        applied
    }

    fn kinetic(&self) -> f64 {
        0.5 * dot(&self.motion.v, &apply(&self.mass, &self.motion.v))
    }
}
