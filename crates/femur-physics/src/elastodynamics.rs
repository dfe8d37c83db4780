//! Linear elastodynamics: `rho u'' - div sigma(u) = b`, with Rayleigh damping.
//!
//! Weak form, integrators and sources in `docs/src/topics/elastodynamics.md`.

use crate::dynamics::{Dynamics, EXPLICIT, Forcing, Held, InTime, Method, Parts, Problem, Script, initial, rates};
use crate::elasticity::body::Body;
use crate::elasticity::boundary::Conditions;
use crate::elasticity::facet_tags;
use crate::elasticity::thermal::Thermal;
use crate::{Physics, PhysicsError};
use femur_fem::{Constrained, Constraints};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Prescribed, Setup, Simulator, State, Target, Update, derived};
use femur_solve::CsrMatrix;
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
    /// Displacement and velocity at the start, `[num_nodes * dim]`.
    initial: [Vec<f64>; 2],
    setup: Setup,
}

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let body = Body::read(case, mesh)?;
        (0..body.materials.len()).try_for_each(|m| body.density(m, "elastodynamics").map(|_| ()))?;
        let (dynamics, time) = Dynamics::read(case, true)?;
        if dynamics.method == Method::CentralDifference {
            body.check_cells(case, &EXPLICIT)?;
        }
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
        let mut model = Model { case: case.clone(), body, conditions, thermal, dynamics, initial, setup };
        model.initial = model.read_start()?;
        model.setup.initial = Some(model.state(time.start, &model.initial[0], &model.initial[1]));
        Ok(model)
    }

    /// `[initial] displacement, velocity`, zero where not given, with the prescribed values put in.
    fn read_start(&self) -> Result<[Vec<f64>; 2], PhysicsError> {
        let time = self.setup.times[0];
        let (held, (rate, _)) = (self.loads(time)?.1, self.rates(time)?);
        initial(&self.case, &self.body.mesh, &self.conditions.constraints, time, [&held, &rate])
    }
}

impl Forcing for Model {
    fn case(&self) -> &Case {
        &self.case
    }

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

    fn script(&self) -> Result<Option<Script>, PhysicsError> {
        if self.thermal.as_ref().is_some_and(Thermal::varies) {
            return Ok(None);
        }
        let start = self.setup.times[0];
        let conditions = self.body.conditions_apart(&self.case, start)?;
        if conditions.mixed {
            return Ok(None);
        }
        let thermal = self.thermal.as_ref().map(|t| self.body.thermal_load(&|x| t.rise(x, start)));
        let force = thermal.unwrap_or_else(|| vec![0.0; self.body.mesh.num_nodes() * self.body.mesh.dim]);
        let mut script = Script { force, ..Script::default() };
        for c in &conditions.channels {
            let vector: Vec<f64> = c.vector.iter().map(|v| c.load.value * v).collect();
            script.add(c.time.as_ref(), &vector, c.prescribed.iter().map(|(u, v)| (*u, c.load.value * v)));
        }
        Ok(Some(script))
    }
}

impl Problem for Model {
    fn mesh(&self) -> &Arc<Mesh> {
        &self.body.mesh
    }

    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn dynamics(&self) -> &Dynamics {
        &self.dynamics
    }

    fn energy_unit(&self) -> String {
        self.body.units.energy.into()
    }

    fn start(&self) -> Result<[Vec<f64>; 2], PhysicsError> {
        Ok(self.initial.clone())
    }

    fn varies(&self) -> bool {
        self.conditions.varies || self.thermal.as_ref().is_some_and(Thermal::varies)
    }

    fn rates(&self, t: f64) -> Result<(Held, Held), PhysicsError> {
        if self.conditions.varies { rates(|t| self.loads(t).map(|l| l.1), t, self.dynamics.difference()) } else { Ok(Default::default()) }
    }

    fn constraints(&self) -> Constraints {
        self.conditions.constraints.clone()
    }

    fn matrices(&self) -> Result<[CsrMatrix; 3], PhysicsError> {
        let assembler = self.body.assembler();
        let mut stiffness = self.body.stiffness(&assembler)?;
        self.conditions.add_supports(&self.body.mesh, &assembler, &mut stiffness, self.body.thickness);
        let mass = self.body.mass("elastodynamics")?;
        let mut damping = mass.clone();
        let (a, b) = self.dynamics.rayleigh;
        damping.values.iter_mut().zip(&stiffness.values).for_each(|(c, k)| *c = a * *c + b * k);
        Ok([mass, damping, stiffness])
    }

    fn parts(&self) -> Result<Parts, PhysicsError> {
        let body = &self.body;
        let cells = Arc::new(body.cells(&self.case, &EXPLICIT)?);
        let boundary = self.conditions.supports(&body.mesh, body.thickness);
        let operator = Constrained::new(cells, &self.conditions.constraints, &boundary);
        let operator = operator.ok_or_else(|| EXPLICIT.error(&self.case, "does not take ties", ""))?;
        let nodes = body.lumped_mass("elastodynamics")?;
        let mass: Vec<f64> = nodes.iter().flat_map(|m| std::iter::repeat_n(*m, body.mesh.dim)).collect();
        let (a, lag) = self.dynamics.rayleigh;
        let drag = if a > 0.0 { mass.iter().map(|m| a * m).collect() } else { Vec::new() };
        Ok(Parts { operator, mass, drag, lag })
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

impl Physics for Elastodynamics {
    fn name(&self) -> &'static str {
        "elastodynamics"
    }

    fn summary(&self) -> &'static str {
        "linear elasticity in time: Newmark, generalised-alpha or explicit central differences, Rayleigh damping, energies"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        let model = Model::new(case, mesh)?;
        model.dynamics.solver(case, "elastodynamics")?;
        Ok(model.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let choice = model.dynamics.solver(case, "elastodynamics")?;
        Ok(Box::new(InTime::new(model, choice)?))
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
