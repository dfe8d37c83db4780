//! Time integration of `M a + C v + K u = f`: Newmark (1959) and generalised-alpha (Chung and Hulbert 1993).

use crate::PhysicsError;
use crate::linear::{SolverChoice, Solves, System};
use femur_fem::Constraints;
use femur_mesh::Mesh;
use femur_sim::Series;
use femur_sim::case::{Case, Expr, TimeGrid};
use femur_solve::{CsrMatrix, LinearOperator, SolveError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Prescribed unknowns with their values.
pub(crate) type Held = BTreeMap<usize, f64>;

/// Parameters of the integrator. With `alpha_m = alpha_f = 0` it is Newmark's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scheme {
    pub(crate) alpha_m: f64,
    pub(crate) alpha_f: f64,
    pub(crate) beta: f64,
    pub(crate) gamma: f64,
}

impl Scheme {
    pub(crate) fn newmark(beta: f64, gamma: f64) -> Self {
        Scheme { alpha_m: 0.0, alpha_f: 0.0, beta, gamma }
    }

    /// Of second order and unconditionally stable; `rho` is the spectral radius at infinite frequency, 0 .. 1: 1 damps nothing
    /// (Chung and Hulbert, eqs. 17, 20, 25).
    pub(crate) fn generalised_alpha(rho: f64) -> Self {
        let (alpha_m, alpha_f) = ((2.0 * rho - 1.0) / (rho + 1.0), rho / (rho + 1.0));
        let (gamma, beta) = (0.5 - alpha_m + alpha_f, 0.25 * (1.0 - alpha_m + alpha_f).powi(2));
        Scheme { alpha_m, alpha_f, beta, gamma }
    }
}

/// `[dynamics]`: the scheme, Rayleigh damping where the physics has it, and steps between two output times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dynamics {
    pub(crate) scheme: Scheme,
    /// `C = mass M + stiffness K`, in 1/s and s.
    pub(crate) rayleigh: (f64, f64),
    pub(crate) substeps: usize,
}

impl Dynamics {
    pub(crate) fn read(case: &Case, damped: bool) -> Result<(Self, TimeGrid), PhysicsError> {
        let root = case.root();
        let Some(time) = case.time else {
            return Err(root.error("time", "is needed", "write [time] with end and steps").into());
        };
        if time.adaptive.is_some() {
            return Err(case.table("time").error("adaptive", "is for heat", "choose steps, and [dynamics] substeps").into());
        }
        let table = case.table("dynamics");
        let scheme = if table.choice_or("scheme", &["generalised-alpha", "newmark"], 0)? == 0 {
            let rho = table.f64_or("spectral_radius", 0.8)?;
            if !(0.0..=1.0).contains(&rho) {
                let hint = "1 damps nothing, 0 takes out the highest frequencies in one step";
                return Err(table.error("spectral_radius", format!("must lie in 0 .. 1, got {rho}"), hint).into());
            }
            Scheme::generalised_alpha(rho)
        } else {
            let (beta, gamma) = (table.positive_or("beta", 0.25)?, table.positive_or("gamma", 0.5)?);
            if gamma < 0.5 || beta < 0.5 * gamma {
                let what = format!("beta = {beta} and gamma = {gamma} are not stable at every step");
                return Err(table
                    .error("beta", what, "gamma at least 0.5 and beta at least gamma / 2; 0.25 and 0.5 keep the energy")
                    .into());
            }
            Scheme::newmark(beta, gamma)
        };
        let mut rayleigh = (0.0, 0.0);
        if damped {
            let r = table.table("rayleigh")?;
            rayleigh = (r.f64_or("mass", 0.0)?, r.f64_or("stiffness", 0.0)?);
            if rayleigh.0 < 0.0 || rayleigh.1 < 0.0 {
                return Err(table.error("rayleigh", "must not be negative", "mass in 1/s, stiffness in s").into());
            }
            r.finish()?;
        }
        let substeps = table.usize_or("substeps", 1)?;
        if substeps == 0 {
            return Err(table.error("substeps", "must be at least 1", "steps of the solver from one output time to the next").into());
        }
        table.finish()?;
        Ok((Dynamics { scheme, rayleigh, substeps }, time))
    }
}

/// Displacement, velocity, acceleration (or what plays their part), each `[size]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Motion {
    pub(crate) u: Vec<f64>,
    pub(crate) v: Vec<f64>,
    pub(crate) a: Vec<f64>,
}

/// The sum of `factor * values`.
pub(crate) fn combine(terms: &[(f64, &[f64])]) -> Vec<f64> {
    (0..terms[0].1.len()).map(|i| terms.iter().map(|(f, v)| f * v[i]).sum()).collect()
}

pub(crate) fn apply(matrix: &CsrMatrix, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    matrix.apply(x, &mut y);
    y
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Names of the energies over time.
pub(crate) const ENERGIES: [&str; 4] = ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"];

/// Energies over time, in the order of [`ENERGIES`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Energies {
    /// `v M v / 2`.
    pub(crate) kinetic: f64,
    /// `u K u / 2`.
    pub(crate) strain: f64,
    /// Work of loads and of what moves the supports, since the start.
    pub(crate) external: f64,
    /// What damping took, since the start.
    pub(crate) dissipated: f64,
}

impl Energies {
    /// Empty series.
    pub(crate) fn series(unit: &str) -> Vec<Series> {
        ENERGIES.iter().map(|n| Series { name: (*n).into(), unit: unit.into(), times: Vec::new(), values: Vec::new() }).collect()
    }

    /// In the order of [`ENERGIES`].
    pub(crate) fn values(&self) -> [f64; 4] {
        [self.kinetic, self.strain, self.external, self.dissipated]
    }

    /// Adds the values at a time.
    pub(crate) fn record(&self, time: f64, series: &mut [Series]) {
        for (s, v) in series.iter_mut().zip(self.values()) {
            s.times.push(time);
            s.values.push(v);
        }
    }
}

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

/// `[initial] displacement, velocity` `[num_nodes * dim]`, zero where not given, with the prescribed values and rates put in.
///
/// # Errors
/// A value without one component for each direction.
pub(crate) fn initial(
    case: &Case,
    mesh: &Mesh,
    constraints: &Constraints,
    time: f64,
    held: [&Held; 2],
) -> Result<[Vec<f64>; 2], PhysicsError> {
    let table = case.table("initial");
    let read = |key: &str| -> Result<Vec<f64>, PhysicsError> {
        let values = if table.has(key) { table.exprs(key)? } else { vec![Expr::constant(0.0); mesh.dim] };
        if values.len() != mesh.dim {
            let what = format!("has {} components, the mesh has {} dimensions", values.len(), mesh.dim);
            return Err(table.error(key, what, "one number or expression for each direction").into());
        }
        Ok((0..mesh.num_nodes()).flat_map(|n| values.iter().map(move |e| e.eval(mesh.point(n), time))).collect())
    };
    let mut out = [read("displacement")?, read("velocity")?];
    table.finish()?;
    for (values, held) in out.iter_mut().zip(held) {
        constraints.rotate(values);
        constraints.fixed.keys().for_each(|u| values[*u] = held.get(u).copied().unwrap_or(0.0));
        constraints.follow(held, values);
        constraints.rotate_back(values);
    }
    Ok(out)
}

/// Velocity and acceleration at `t` of prescribed values that depend on time, by differences forward of third and second order.
pub(crate) fn rates(at: impl Fn(f64) -> Result<Held, PhysicsError>, t: f64, h: f64) -> Result<(Held, Held), PhysicsError> {
    let p = [at(t)?, at(t + h)?, at(t + 2.0 * h)?, at(t + 3.0 * h)?];
    let weigh = |w: [f64; 4]| p[0].keys().map(|u| (*u, (0..4).map(|k| w[k] * p[k].get(u).copied().unwrap_or(0.0)).sum())).collect();
    let (v, a) = (1.0 / (6.0 * h), 1.0 / (h * h));
    Ok((weigh([-11.0 * v, 18.0 * v, -9.0 * v, 2.0 * v]), weigh([2.0 * a, -5.0 * a, 4.0 * a, -a])))
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

    #[test]
    fn rates_of_a_cubic_and_a_parabola() {
        let at = |t: f64| Ok(Held::from([(3, 1.0 + t + 2.0 * t * t - t * t * t)]));
        let (v, a) = rates(at, 0.5, 0.01).unwrap();
        assert!((v[&3] - (1.0 + 2.0 - 0.75)).abs() < 1e-9 && (a[&3] - (4.0 - 3.0)).abs() < 1e-8, "{v:?} {a:?}");
    }
}
