//! Linear elastodynamics: `rho u'' - div sigma(u) = b`, with Rayleigh damping.
//!
//! Weak form, integrators and sources in `docs/src/topics/elastodynamics.md`.

use crate::dynamics::{Dynamics, Energies, Held, Integrator, Motion, initial, rates};
use crate::elasticity::body::Body;
use crate::elasticity::boundary::Conditions;
use crate::elasticity::facet_tags;
use crate::elasticity::thermal::Thermal;
use crate::linear::{SolverChoice, solver_choice};
use crate::{Physics, PhysicsError};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Prescribed, Setup, SimError, Simulator, SolverLog, State, Target, Update, derived};
use std::sync::Arc;

/// `physics = "elastodynamics"`.
pub struct Elastodynamics;

/// A case read and checked.
struct Model {
    case: Case,
    body: Body,
    conditions: Conditions,
    thermal: Option<Thermal>,
    dynamics: Dynamics,
    dt: f64,
    /// Displacement and velocity at the start, `[num_nodes * dim]`.
    initial: [Vec<f64>; 2],
    setup: Setup,
}

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let body = Body::read(case, mesh)?;
        (0..body.materials.len()).try_for_each(|m| body.density(m, "elastodynamics").map(|_| ()))?;
        let (dynamics, time) = Dynamics::read(case, true)?;
        let dt = time.dt() / dynamics.substeps as f64;
        let conditions = body.conditions(case, time.start)?;
        let thermal = Thermal::read(case, &body)?;
        let times = time.times();
        let mut inputs = body.material_inputs();
        let density = crate::material::to_nodes(mesh, &body.material_id, |m| body.materials[m].density.unwrap_or(0.0));
        inputs.push(body.input("density", body.units.density, vec![String::new()], &[density]));
        let (loads, prescribed) = over_time(case, &body, &conditions, &times)?;
        inputs.extend(loads);
        let varies = thermal.as_ref().is_some_and(Thermal::varies);
        inputs.extend(thermal.iter().flat_map(|t| t.inputs(&body, if varies { &times[..] } else { &times[..1] })));
        let setup = Setup {
            node_type: conditions.node_types(&body),
            inputs,
            prescribed,
            times,
            ..body.output.setup("elastodynamics", case, &body.material_id)
        };
        let initial = [Vec::new(), Vec::new()];
        let mut model = Model { case: case.clone(), body, conditions, thermal, dynamics, dt, initial, setup };
        model.initial = model.start()?;
        model.setup.initial = Some(model.state(time.start, &model.initial[0], &model.initial[1]));
        Ok(model)
    }

    /// `[initial] displacement, velocity`, zero where not given, with the prescribed values put in.
    fn start(&self) -> Result<[Vec<f64>; 2], PhysicsError> {
        let time = self.setup.times[0];
        let (held, (rate, _)) = (self.loads(time)?.1, self.rates(time)?);
        initial(&self.case, &self.body.mesh, &self.conditions.constraints, time, [&held, &rate])
    }

    /// Forces `[num_nodes * dim]` and prescribed displacements at a time.
    fn loads(&self, t: f64) -> Result<(Vec<f64>, Held), PhysicsError> {
        let mut force = vec![0.0; self.body.mesh.num_nodes() * self.body.mesh.dim];
        let mut held = Held::new();
        let at;
        let conditions = if self.conditions.varies {
            at = self.body.conditions(&self.case, t)?;
            &at
        } else {
            &self.conditions
        };
        for c in &conditions.channels {
            force.iter_mut().zip(&c.vector).for_each(|(f, v)| *f += c.load.value * v);
            c.prescribed.iter().for_each(|(u, v)| *held.entry(*u).or_insert(0.0) += c.load.value * v);
        }
        if let Some(thermal) = &self.thermal {
            let load = self.body.thermal_load(&|x| thermal.rise(x, t));
            force.iter_mut().zip(load).for_each(|(f, v)| *f += v);
        }
        Ok((force, held))
    }

    /// Whether loads or prescribed displacements change in time.
    fn varies(&self) -> bool {
        self.conditions.varies || self.thermal.as_ref().is_some_and(Thermal::varies)
    }

    /// Prescribed velocities and accelerations.
    fn rates(&self, t: f64) -> Result<(Held, Held), PhysicsError> {
        if self.conditions.varies { rates(|t| self.loads(t).map(|l| l.1), t, 0.1 * self.dt) } else { Ok(Default::default()) }
    }

    fn integrator(&self, choice: SolverChoice) -> Result<Integrator, PhysicsError> {
        let assembler = self.body.assembler();
        let mut stiffness = self.body.stiffness(&assembler)?;
        self.conditions.add_supports(&self.body.mesh, &assembler, &mut stiffness, self.body.thickness);
        let mass = self.body.mass("elastodynamics")?;
        let mut damping = mass.clone();
        let (a, b) = self.dynamics.rayleigh;
        damping.values.iter_mut().zip(&stiffness.values).for_each(|(c, k)| *c = a * *c + b * k);
        let constraints = self.conditions.constraints.clone();
        Ok(Integrator::new(&self.body.mesh, [mass, damping, stiffness], constraints, self.dynamics.scheme, self.dt, choice)?)
    }

    fn state(&self, time: f64, displacement: &[f64], velocity: &[f64]) -> State {
        let stress = match &self.thermal {
            Some(t) => self.body.stress(&self.body.mesh, displacement, Some(&|x: &[f64]| t.rise(x, time))),
            None => self.body.stress(&self.body.mesh, displacement, None),
        };
        let unit = format!("{}/{}", self.body.units.length, self.body.units.time);
        let mut fields = self.body.fields(displacement, &stress);
        fields.insert(1, self.body.vector_field("velocity", &unit, velocity));
        fields.push(derived::von_mises(&fields[2]));
        State { time, fields }
    }
}

/// The loads at the nodes and the prescribed displacements: once, or at every output time where one of them changes.
fn over_time(
    case: &Case,
    body: &Body,
    start: &Conditions,
    times: &[f64],
) -> Result<(Vec<femur_sim::Input>, Vec<Prescribed>), PhysicsError> {
    let (mut inputs, mut prescribed) = (start.inputs(body), start.prescribed(body));
    if !start.varies {
        let still = Prescribed { field: "velocity".into(), values: vec![0.0; prescribed.values.len()], ..prescribed.clone() };
        return Ok((inputs, vec![prescribed, still]));
    }
    for &t in &times[1..] {
        let now = body.conditions(case, t)?;
        for (all, new) in inputs.iter_mut().zip(now.inputs(body)) {
            all.values.extend(new.values);
            all.steps += 1;
        }
        prescribed.values.extend(now.prescribed(body).values);
        prescribed.steps += 1;
    }
    Ok((inputs, vec![prescribed]))
}

struct DynamicSimulator {
    model: Model,
    integrator: Integrator,
    motion: Motion,
    force: Vec<f64>,
    energies: Energies,
    log: SolverLog,
}

impl DynamicSimulator {
    fn new(model: Model, choice: SolverChoice) -> Result<Self, PhysicsError> {
        let integrator = model.integrator(choice)?;
        let start = model.setup.times[0];
        let force = model.loads(start)?.0;
        let [u, v] = model.initial.clone();
        let motion = integrator.start(u, v, &force, &model.rates(start)?.1)?;
        let energies = integrator.energies(&motion, &force, None);
        let mut log = SolverLog {
            newton_iters: vec![0],
            residual: vec![0.0],
            series: Energies::series(model.body.units.energy),
            ..SolverLog::default()
        };
        energies.record(start, &mut log.series);
        log.notes.insert("solver".into(), integrator.solver().into());
        log.notes.insert("time".into(), format!("{:?}", model.dynamics.scheme));
        let kinds: Vec<&str> = model.body.mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        Ok(DynamicSimulator { model, integrator, motion, force, energies, log })
    }

    /// One step of the solver to time `t`; returns its residual.
    fn advance(&mut self, t: f64) -> Result<f64, PhysicsError> {
        let (force, held) = if self.model.varies() { self.model.loads(t)? } else { (self.force.clone(), self.model.loads(t)?.1) };
        let (next, residual) = self.integrator.step(&self.motion, &self.force, &force, &held)?;
        self.energies = self.integrator.energies(&next, &force, Some((&self.motion, &self.force, self.energies)));
        self.energies.record(t, &mut self.log.series);
        (self.motion, self.force) = (next, force);
        Ok(residual)
    }
}

impl Simulator for DynamicSimulator {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let (t0, t1) = (self.model.setup.times[step - 1], self.model.setup.times[step]);
        let substeps = self.model.dynamics.substeps;
        let mut worst: f64 = 0.0;
        for k in 1..=substeps {
            let t = if k == substeps { t1 } else { t0 + k as f64 * self.model.dt };
            let residual = self.advance(t).map_err(|e| SimError::Solver { time: t, reason: e.to_string() })?;
            worst = worst.max(residual);
        }
        self.log.newton_iters.push(1);
        self.log.residual.push(worst);
        self.log.condition = self.integrator.condition();
        Ok(self.model.state(t1, &self.motion.u, &self.motion.v))
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

impl Physics for Elastodynamics {
    fn name(&self) -> &'static str {
        "elastodynamics"
    }

    fn summary(&self) -> &'static str {
        "linear elasticity in time: Newmark or generalised-alpha, Rayleigh damping, energies"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        solver_choice(case)?.assembled(case, "elastodynamics")?;
        Ok(Model::new(case, mesh)?.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let choice = solver_choice(case)?;
        choice.assembled(case, "elastodynamics")?;
        Ok(Box::new(DynamicSimulator::new(Model::new(case, mesh)?, choice)?))
    }

    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let dim = setup.mesh.dim;
        let target = |name: &str, unit: String| {
            let f = Field::vector(name, &unit, Location::Node, dim, Vec::new());
            Target { field: f.name, components: f.components, unit: f.unit, update: Update::Delta, weight: 1.0 }
        };
        let units = case.units;
        Ok(LearningTask {
            physics: self.name().into(),
            dim,
            targets: vec![target("displacement", units.length.into()), target("velocity", format!("{}/{}", units.length, units.time))],
            state_inputs: vec!["displacement".into(), "velocity".into()],
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: Vec::new(),
            linear_in: Vec::new(),
            distance_tags: facet_tags(setup),
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: Coordinates::Mesh,
            input_means: true,
            long_range: 0,
            noise: 0.3,
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    fn recover(&self, case: &Case, mesh: &Arc<Mesh>, state: &State) -> Result<Vec<Field>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let Some(u) = state.field("displacement") else { return Ok(Vec::new()) };
        let on: Arc<Mesh> = if u.len() == mesh.num_nodes() { mesh.clone() } else { model.body.output.mesh.clone() };
        let rise = model.thermal.as_ref().map(|t| move |x: &[f64]| t.rise(x, state.time));
        let stress = model.body.stress(&on, &u.values, rise.as_ref().map(|r| r as &crate::elasticity::Rise<'_>));
        let stress = Field::symmetric_tensor("stress", case.units.stress, Location::Node, mesh.dim, stress);
        let von_mises = derived::von_mises(&stress);
        Ok(vec![stress, von_mises])
    }
}
