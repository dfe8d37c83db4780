//! A case of flow, read and checked.

use super::conditions::Conditions;
use super::kernel::Fluid;
use super::linear::Kind;
use super::system::{PRESSURE, System, VELOCITY};
use crate::PhysicsError;
use crate::material::{materials, to_nodes};
use crate::state_mesh::StateMesh;
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Expr, TimeGrid, Units};
use femur_sim::{Input, NodeType, Prescribed, Setup, State};
use femur_solve::NewtonOptions;
use std::sync::Arc;

/// How time is integrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integrator {
    /// BDF2 with the convection extrapolated: one matrix for good.
    SemiImplicit,
    /// BDF2 with Newton's method in every step.
    Implicit,
}

/// Words for [`Integrator`].
pub(super) const INTEGRATORS: [&str; 2] = ["semi-implicit", "implicit"];

/// Words for [`Kind`].
pub(super) const KINDS: [&str; 3] = ["auto", "direct", "lsc"];

/// `[solver]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) kind: Kind,
    pub(super) integrator: Integrator,
    /// Solver steps in one step between output times.
    pub(super) substeps: usize,
    pub(super) newton: NewtonOptions,
}

/// A case read and checked.
pub(super) struct Model {
    pub(super) mesh: Arc<Mesh>,
    /// The mesh of the states, and for each of its nodes the node of `mesh`.
    output: StateMesh,
    material_id: Vec<i32>,
    /// By material.
    fluids: Vec<Fluid>,
    pub(super) conditions: Conditions,
    body_force: Option<Vec<Expr>>,
    initial_velocity: Vec<Expr>,
    initial_pressure: Expr,
    pub(super) options: Options,
    time: Option<TimeGrid>,
    units: Units,
    pub(super) setup: Setup,
}

impl Model {
    pub(super) fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let root = case.root();
        case.claim(&["body_force"]);
        if let Some(block) = mesh.blocks.iter().find(|b| !supported(b.kind)) {
            let hint = "write order = 2 or a kind such as triangle6, quad9, tet10 or hex27 in [mesh]";
            return Err(root.error("mesh", format!("velocities need quadratic cells, the mesh has {}", block.kind), hint).into());
        }
        let discretisation = case.table("discretisation");
        let transposed = discretisation.choice_or("viscous_term", &["laplacian", "stress"], 0)? as f64;
        discretisation.finish()?;
        let options = read_options(case)?;
        let (material_id, tables) = materials(case, mesh)?;
        let mut fluids = Vec::new();
        for table in &tables {
            fluids.push(Fluid { density: table.positive("density")?, viscosity: table.positive("viscosity")?, transposed });
            table.finish()?;
        }
        let body_force = if root.has("body_force") { Some(vector(&root, "body_force", mesh.dim)?) } else { None };
        let conditions = Conditions::read(case, mesh)?;
        let initial = case.table("initial");
        let initial_velocity = match (case.time.is_some(), initial.has("velocity")) {
            (true, true) => vector(&initial, "velocity", mesh.dim)?,
            _ => vec![Expr::constant(0.0); mesh.dim],
        };
        let initial_pressure = initial.opt_expr("pressure")?.unwrap_or_else(|| Expr::constant(0.0));
        initial.finish()?;
        let output = StateMesh::new(case, mesh);
        let setup = output.setup("navier-stokes", case, &material_id);
        let (time, units) = (case.time, case.units);
        let mesh = mesh.clone();
        let mut model = Model {
            mesh,
            output,
            material_id,
            fluids,
            conditions,
            body_force,
            initial_velocity,
            initial_pressure,
            options,
            time,
            units,
            setup,
        };
        model.set_up();
        Ok(model)
    }

    /// Length of a solver step.
    pub(super) fn dt(&self) -> f64 {
        self.time.map_or(0.0, |t| t.dt() / self.options.substeps as f64)
    }

    /// The fluid of each cell.
    pub(super) fn fluids(&self) -> Vec<Fluid> {
        self.material_id.iter().map(|&m| self.fluids[m as usize]).collect()
    }

    /// Density of the first fluid: what coefficients refer to.
    pub(super) fn density(&self) -> f64 {
        self.fluids.first().map_or(1.0, |f| f.density)
    }

    fn restrict(&self, values: Vec<f64>, components: usize) -> Vec<f64> {
        self.output.restrict(&values, components)
    }

    /// Velocity at all nodes `[num_nodes, dim]` and pressure `[num_nodes]` at the start.
    fn start(&self) -> (Vec<f64>, Vec<f64>) {
        let (dim, t) = (self.mesh.dim, self.setup.times[0]);
        let point = |n: usize| self.mesh.point(n);
        let mut u: Vec<f64> =
            (0..self.mesh.num_nodes()).flat_map(|n| self.initial_velocity.iter().map(move |e| e.eval(point(n), t))).collect();
        self.conditions.apply(&self.mesh, t, |n, d| Some(n * dim + d), &mut u);
        (u, (0..self.mesh.num_nodes()).map(|n| self.initial_pressure.eval(point(n), t)).collect())
    }

    fn set_up(&mut self) {
        let dim = self.mesh.dim;
        let times = self.setup.times.clone();
        let steps: Vec<f64> = if self.conditions.varies { times.clone() } else { vec![times[0]] };
        let input = |name: &str, unit: String, value: &dyn Fn(usize) -> f64| Input {
            name: name.into(),
            unit,
            components: vec![String::new()],
            steps: 1,
            values: self.restrict(to_nodes(&self.mesh, &self.material_id, value), 1),
        };
        let inputs = vec![
            input("density", self.units.density.into(), &|m| self.fluids[m].density),
            input("viscosity", format!("{} {}", self.units.stress, self.units.time), &|m| self.fluids[m].viscosity),
        ];
        let mut mask = vec![0.0; self.mesh.num_nodes() * dim];
        self.conditions.prescribed().for_each(|(n, d)| mask[n * dim + d] = 1.0);
        let values = steps.iter().flat_map(|&t| {
            let mut v = vec![0.0; mask.len()];
            self.conditions.apply(&self.mesh, t, |n, d| Some(n * dim + d), &mut v);
            self.restrict(v, dim)
        });
        let prescribed = Prescribed {
            field: "velocity".into(),
            values: values.collect(),
            steps: steps.len(),
            mask: self.restrict(mask.clone(), dim).iter().map(|&m| m > 0.5).collect(),
        };
        let types: Vec<f64> = self.conditions.node_type.iter().map(|&t| f64::from(t as i32)).collect();
        let node_type = self.restrict(types, 1).iter().map(|&t| NodeType::ALL[t as usize]).collect();
        let initial = self.time.is_some().then(|| {
            let (u, p) = self.start();
            self.fields(times[0], u, p)
        });
        self.setup = Setup { node_type, inputs, prescribed: vec![prescribed], initial, ..self.setup.clone() };
    }

    fn fields(&self, time: f64, velocity: Vec<f64>, pressure: Vec<f64>) -> State {
        let dim = self.mesh.dim;
        let unit = format!("{}/{}", self.units.length, self.units.time);
        let fields = vec![
            Field::vector("velocity", &unit, Location::Node, dim, self.restrict(velocity, dim)),
            Field::scalar("pressure", self.units.stress, Location::Node, self.restrict(pressure, 1)),
        ];
        State { time, fields }
    }

    /// The state of all unknowns.
    pub(super) fn state(&self, system: &System, time: f64, x: &[f64]) -> State {
        let of = |field: usize| system.space.nodal_values(&self.mesh, field, x);
        self.fields(time, of(VELOCITY), of(PRESSURE))
    }

    /// All unknowns at the start.
    pub(super) fn initial(&self, system: &System) -> Vec<f64> {
        let dim = self.mesh.dim;
        let (u, p) = self.start();
        let mut x = vec![0.0; system.size()];
        for n in 0..self.mesh.num_nodes() {
            if let Some(at) = system.space.dof(VELOCITY, n) {
                let s = self.conditions.same[n] as usize;
                x[at..at + dim].copy_from_slice(&u[s * dim..(s + 1) * dim]);
            }
            if let Some(at) = system.space.dof(PRESSURE, n) {
                x[at] = p[self.conditions.same[n] as usize];
            }
        }
        x
    }

    /// Sets the held velocities at a time.
    pub(super) fn hold(&self, system: &System, t: f64, x: &mut [f64]) {
        self.conditions.apply(&self.mesh, t, |n, d| system.space.dof(VELOCITY, n).map(|u| u + d), x);
    }

    /// Whether forces on the fluid change in time.
    pub(super) fn force_varies(&self) -> bool {
        self.conditions.pressures_vary() || self.body_force.iter().flatten().any(Expr::depends_on_time)
    }

    /// Forces on the fluid at a time `[size]`: per volume, and by pressure at open boundaries.
    pub(super) fn forces_at(&self, system: &System, t: f64) -> Vec<f64> {
        let mut out = match &self.body_force {
            Some(force) => system.volume_force(|x, f| f.iter_mut().zip(force).for_each(|(f, e)| *f = e.eval(x, t))),
            None => vec![0.0; system.size()],
        };
        self.conditions.add_pressures(self.mesh.dim, t, |n| system.space.dof(VELOCITY, n), &mut out);
        out
    }
}

/// Quadratic cells with a stable pair of velocity and pressure.
fn supported(kind: femur_mesh::CellKind) -> bool {
    use femur_mesh::CellKind::*;
    // Not hex20: in the corner of a closed box it leaves a pressure undetermined.
    matches!(kind, Triangle6 | Quad8 | Quad9 | Tet10 | Hex27)
}

fn vector(table: &femur_sim::case::Table, key: &str, dim: usize) -> Result<Vec<Expr>, PhysicsError> {
    let values = table.exprs(key)?;
    if values.len() != dim {
        let what = format!("has {} components, the mesh has {dim} dimensions", values.len());
        return Err(table.error(key, what, "one number or expression for each direction").into());
    }
    Ok(values)
}

fn read_options(case: &Case) -> Result<Options, PhysicsError> {
    let table = case.table("solver");
    let kind = [Kind::Auto, Kind::Direct, Kind::Commutator][table.choice_or("kind", &KINDS, 0)?];
    let integrator = [Integrator::SemiImplicit, Integrator::Implicit][table.choice_or("integrator", &INTEGRATORS, 0)?];
    let substeps = table.usize_or("substeps", 1)?;
    if !(1..=100_000).contains(&substeps) {
        return Err(table
            .error("substeps", format!("must lie between 1 and 100000, got {substeps}"), "solver steps between output times")
            .into());
    }
    let force_tolerance = table.positive_or("tolerance", 1e-9)?;
    let max_iterations = table.usize_or("max_iterations", 25)?;
    table.finish()?;
    if case.time.is_some() && case.root().table("time")?.has("theta") {
        let hint = "leave it out: flow is integrated by BDF2, see [solver] integrator";
        return Err(case.root().table("time")?.error("theta", "is not for this physics", hint).into());
    }
    Ok(Options { kind, integrator, substeps, newton: NewtonOptions { force_tolerance, max_iterations, ..NewtonOptions::default() } })
}
