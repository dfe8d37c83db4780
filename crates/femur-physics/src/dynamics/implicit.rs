//! Implicit integrators: Newmark (1959) and generalised-alpha (Chung and Hulbert 1993), by one factorisation.

use super::{Energies, Held, Motion, Scheme, apply, combine, dot};
use crate::linear::{SolverChoice, Solves, System};
use femur_fem::Constraints;
use femur_mesh::Mesh;
use femur_solve::{CsrMatrix, SolveError};
use std::sync::Arc;

/// The matrices of one problem and one length of step, factored.
pub(crate) struct Integrator {
    mesh: Arc<Mesh>,
    mass: CsrMatrix,
    damping: CsrMatrix,
    stiffness: CsrMatrix,
    system: System,
    constraints: Constraints,
    scheme: Scheme,
    dt: f64,
    choice: SolverChoice,
}

impl Integrator {
    /// The three matrices share one pattern.
    pub(crate) fn new(
        mesh: &Arc<Mesh>,
        [mass, damping, stiffness]: [CsrMatrix; 3],
        constraints: Constraints,
        scheme: Scheme,
        dt: f64,
        choice: SolverChoice,
    ) -> Result<Self, SolveError> {
        let Scheme { alpha_m, alpha_f, beta, gamma } = scheme;
        let mut matrix = mass.clone();
        for ((v, c), k) in matrix.values.iter_mut().zip(&damping.values).zip(&stiffness.values) {
            *v = (1.0 - alpha_m) / (beta * dt * dt) * *v + (1.0 - alpha_f) * (gamma / (beta * dt) * c + k);
        }
        let system = System::new(mesh, matrix, constraints.clone(), choice, Solves::Many)?;
        Ok(Integrator { mesh: mesh.clone(), mass, damping, stiffness, system, constraints, scheme, dt, choice })
    }

    /// The name of the linear solver.
    pub(crate) fn solver(&self) -> &'static str {
        self.system.name()
    }

    /// Estimate of the condition number, of a direct solver that has solved.
    pub(crate) fn condition(&self) -> Option<f64> {
        self.system.condition()
    }

    /// The acceleration that balances a start: `M a = f - C v - K u`, with the prescribed accelerations.
    pub(crate) fn start(&self, u: Vec<f64>, v: Vec<f64>, force: &[f64], held: &Held) -> Result<Motion, SolveError> {
        let (cv, ku) = (apply(&self.damping, &v), apply(&self.stiffness, &u));
        let system = System::new(&self.mesh, self.mass.clone(), self.constraints.clone(), self.choice, Solves::Few)?;
        let (a, _) = system.solve(&combine(&[(1.0, force), (-1.0, &cv), (-1.0, &ku)]), held)?;
        Ok(Motion { u, v, a })
    }

    /// One step from loads `f0` to `f1` and the prescribed displacements after it; and the relative residual.
    pub(crate) fn step(&self, m: &Motion, f0: &[f64], f1: &[f64], held: &Held) -> Result<(Motion, f64), SolveError> {
        let Scheme { alpha_m, alpha_f, beta, gamma } = self.scheme;
        let dt = self.dt;
        let (c0, c1, c2) = (1.0 / (beta * dt * dt), 1.0 / (beta * dt), 0.5 / beta - 1.0);
        // a1 = c0 u1 - guess, v1 = c0 gamma dt u1 + rate.
        let guess = combine(&[(c0, &m.u), (c1, &m.v), (c2, &m.a)]);
        let rate = combine(&[(1.0, &m.v), ((1.0 - gamma) * dt, &m.a), (-gamma * dt, &guess)]);
        let inertia = apply(&self.mass, &combine(&[(1.0 - alpha_m, &guess), (-alpha_m, &m.a)]));
        let drag = apply(&self.damping, &combine(&[(1.0 - alpha_f, &rate), (alpha_f, &m.v)]));
        let spring = apply(&self.stiffness, &m.u);
        let rhs = combine(&[(1.0 - alpha_f, f1), (alpha_f, f0), (1.0, &inertia), (-1.0, &drag), (-alpha_f, &spring)]);
        let (u, residual) = self.system.solve(&rhs, held)?;
        let a = combine(&[(c0, &u), (-1.0, &guess)]);
        let v = combine(&[(1.0, &m.v), ((1.0 - gamma) * dt, &m.a), (gamma * dt, &a)]);
        Ok((Motion { u, v, a }, residual))
    }

    /// Energies of a motion, the works carried on from `before` by the trapezoidal rule: for the average acceleration without
    /// numerical damping the balance `kinetic + strain + dissipated - external` is then exact (Hughes 1987, ch. 9.1).
    pub(crate) fn energies(&self, m: &Motion, force: &[f64], before: Option<(&Motion, &[f64], Energies)>) -> Energies {
        let kinetic = 0.5 * dot(&m.v, &apply(&self.mass, &m.v));
        let strain = 0.5 * dot(&m.u, &apply(&self.stiffness, &m.u));
        let Some((m0, f0, last)) = before else { return Energies { kinetic, strain, ..Energies::default() } };
        let (now, then) = (self.exerted(m, force), self.exerted(m0, f0));
        let moved = combine(&[(1.0, &m.u), (-1.0, &m0.u)]);
        let work = 0.5 * (dot(&moved, &now) + dot(&moved, &then));
        let middle = combine(&[(0.5, &m.v), (0.5, &m0.v)]);
        let lost = self.dt * dot(&middle, &apply(&self.damping, &middle));
        Energies { kinetic, strain, external: last.external + work, dissipated: last.dissipated + lost }
    }

    /// Loads, and at prescribed unknowns what their supports exert: all that does work from outside. Supports in turned frames hold
    /// still along their axis and do none.
    fn exerted(&self, m: &Motion, force: &[f64]) -> Vec<f64> {
        let mut inner =
            combine(&[(1.0, &apply(&self.mass, &m.a)), (1.0, &apply(&self.damping, &m.v)), (1.0, &apply(&self.stiffness, &m.u))]);
        inner.iter_mut().zip(force).for_each(|(i, f)| *i -= f);
        self.constraints.gather(&mut inner);
        let mut out = force.to_vec();
        let c = self.constraints.components;
        let turned = |u: usize| self.constraints.frames.contains_key(&(u / c));
        for &u in self.constraints.fixed.keys().filter(|&&u| self.constraints.is_prescribed(u) && !turned(u)) {
            out[u] += inner[u];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(value: f64) -> CsrMatrix {
        CsrMatrix::from_triplets(1, 1, &[(0, 0, value)])
    }

    /// One oscillator: displacement after `time` of `u'' + c u' + k u = cos 2 t` from u = 1, v = 0, and its energy balance.
    fn oscillator(scheme: Scheme, c: f64, steps: usize) -> (f64, f64, f64) {
        let (k, time) = (9.0, 2.0);
        let dt = time / steps as f64;
        let mesh = Arc::new(Mesh { dim: 1, points: vec![0.0], blocks: Vec::new(), tags: Default::default() });
        let system =
            Integrator::new(&mesh, [scalar(1.0), scalar(c), scalar(k)], Constraints::new(1), scheme, dt, SolverChoice::Direct).unwrap();
        let force = |n: usize| [(2.0 * n as f64 * dt).cos()];
        let mut m = system.start(vec![1.0], vec![0.0], &force(0), &Held::new()).unwrap();
        assert!((m.a[0] + 8.0).abs() < 1e-12);
        let mut e = system.energies(&m, &force(0), None);
        let start = e.kinetic + e.strain;
        for n in 1..=steps {
            let (next, _) = system.step(&m, &force(n - 1), &force(n), &Held::new()).unwrap();
            e = system.energies(&next, &force(n), Some((&m, &force(n - 1), e)));
            m = next;
        }
        (m.u[0], m.v[0], e.kinetic + e.strain + e.dissipated - e.external - start)
    }

    #[test]
    fn integrators_show_their_order() {
        let schemes = [
            (Scheme::newmark(0.25, 0.5), 2.0),
            (Scheme::newmark(0.36, 0.7), 1.0),
            (Scheme::generalised_alpha(1.0), 2.0),
            (Scheme::generalised_alpha(0.5), 2.0),
            (Scheme::generalised_alpha(0.0), 2.0),
        ];
        for c in [0.0, 0.8] {
            let exact = oscillator(Scheme::newmark(0.25, 0.5), c, 40_000);
            for (scheme, order) in schemes {
                let error = |n: usize| {
                    let (u, v, _) = oscillator(scheme, c, n);
                    (u - exact.0).hypot(v - exact.1)
                };
                let s = (error(400) / error(800)).log2();
                assert!((s - order).abs() < 0.1, "{scheme:?}, c = {c}: order {s}");
            }
        }
    }

    #[test]
    fn the_average_acceleration_keeps_the_balance_of_energy() {
        for c in [0.0, 0.8] {
            assert!(oscillator(Scheme::newmark(0.25, 0.5), c, 37).2.abs() < 1e-12);
            // Others do not: the check can fail.
            assert!(oscillator(Scheme::generalised_alpha(0.5), c, 37).2.abs() > 1e-4);
        }
    }
}
