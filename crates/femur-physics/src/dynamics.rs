//! Time integration of `M a + C v + K u = f`: implicit by Newmark (1959) and generalised-alpha (Chung and Hulbert 1993), explicit by central
//! differences.

mod explicit;
mod implicit;
mod script;
mod simulator;

use crate::PhysicsError;
use crate::linear::{SolverChoice, solver_choice};
use crate::nested::Asked;
use femur_fem::Constraints;
use femur_mesh::Mesh;
use femur_sim::Series;
use femur_sim::case::{Case, Expr, TimeGrid};
use femur_solve::{CsrMatrix, LinearOperator};
use std::collections::BTreeMap;

pub(crate) use explicit::Parts;
pub(crate) use script::Script;
pub(crate) use simulator::{Forcing, InTime, Problem};

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

/// How to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Method {
    /// By a solve.
    Implicit(Scheme),
    /// By products with the stiffness and a lumped mass.
    CentralDifference,
}

/// The names of `[dynamics] scheme`.
const SCHEMES: [&str; 3] = ["generalised-alpha", "newmark", "central-difference"];

/// What central differences say where the cells or their materials have no product without a matrix.
pub(crate) const EXPLICIT: Asked = Asked {
    table: "dynamics",
    key: "scheme",
    name: SCHEMES[2],
    instead: "take generalised-alpha or newmark here",
    tied: "take generalised-alpha or newmark",
};

/// Parts of an output interval that the rates of supports are differences over, where the number of steps is not known yet.
const PARTS: usize = 100;

/// `[dynamics]`: the scheme, Rayleigh damping where the physics has it, and steps between two output times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dynamics {
    pub(crate) method: Method,
    /// `C = mass M + stiffness K`, in 1/s and s.
    pub(crate) rayleigh: (f64, f64),
    /// As the case says.
    pub(crate) substeps: Option<usize>,
    /// Between two output times.
    pub(crate) interval: f64,
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
        let method = match table.choice_or("scheme", &SCHEMES, 0)? {
            0 => {
                let rho = table.f64_or("spectral_radius", 0.8)?;
                if !(0.0..=1.0).contains(&rho) {
                    let hint = "1 damps nothing, 0 takes out the highest frequencies in one step";
                    return Err(table.error("spectral_radius", format!("must lie in 0 .. 1, got {rho}"), hint).into());
                }
                Method::Implicit(Scheme::generalised_alpha(rho))
            }
            1 => {
                let (beta, gamma) = (table.positive_or("beta", 0.25)?, table.positive_or("gamma", 0.5)?);
                if gamma < 0.5 || beta < 0.5 * gamma {
                    let what = format!("beta = {beta} and gamma = {gamma} are not stable at every step");
                    let hint = "gamma at least 0.5 and beta at least gamma / 2; 0.25 and 0.5 keep the energy";
                    return Err(table.error("beta", what, hint).into());
                }
                Method::Implicit(Scheme::newmark(beta, gamma))
            }
            _ => Method::CentralDifference,
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
        let substeps = if table.has("substeps") { Some(table.usize_or("substeps", 1)?) } else { None };
        if substeps == Some(0) {
            return Err(table.error("substeps", "must be at least 1", "steps of the solver from one output time to the next").into());
        }
        table.finish()?;
        Ok((Dynamics { method, rayleigh, substeps, interval: time.dt() }, time))
    }

    /// The implicit scheme, for `what` is solved by Newton's method.
    pub(crate) fn implicit(&self, case: &Case, what: &str) -> Result<Scheme, PhysicsError> {
        match self.method {
            Method::Implicit(scheme) => Ok(scheme),
            Method::CentralDifference => {
                let what = format!("{} is for elastodynamics and wave, not for {what}", SCHEMES[2]);
                Err(case.table("dynamics").error("scheme", what, "take generalised-alpha or newmark").into())
            }
        }
    }

    /// The step that differences of prescribed values are taken over for their rates.
    pub(crate) fn difference(&self) -> f64 {
        let parts = match self.method {
            Method::Implicit(_) => 1,
            Method::CentralDifference => PARTS,
        };
        0.1 * self.interval / self.substeps.unwrap_or(parts) as f64
    }

    /// Reads `[solver] kind`; refuses what `physics` cannot take with this method.
    pub(crate) fn solver(&self, case: &Case, physics: &str) -> Result<SolverChoice, PhysicsError> {
        let choice = solver_choice(case)?;
        match (self.method, choice) {
            (Method::Implicit(_), _) => choice.assembled(case, physics)?,
            (Method::CentralDifference, SolverChoice::Auto | SolverChoice::MatrixFree) => {}
            (Method::CentralDifference, _) => {
                let what = format!("has no system to solve with [dynamics] scheme = \"{}\"", SCHEMES[2]);
                return Err(case.table("solver").error("kind", what, "leave it out, or take matrix-free").into());
            }
        }
        Ok(choice)
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

    #[test]
    fn rates_of_a_cubic_and_a_parabola() {
        let at = |t: f64| Ok(Held::from([(3, 1.0 + t + 2.0 * t * t - t * t * t)]));
        let (v, a) = rates(at, 0.5, 0.01).unwrap();
        assert!((v[&3] - (1.0 + 2.0 - 0.75)).abs() < 1e-9 && (a[&3] - (4.0 - 3.0)).abs() < 1e-8, "{v:?} {a:?}");
    }
}
