//! The simulator that nonlinear solids share, and what a surrogate of them learns.

use super::model::{Coefficient, SolidModel};
use super::{Equilibrium, Stepping};
use crate::PhysicsError;
use crate::dynamics::ENERGIES;
use crate::elasticity::facet_tags;
use femur_mesh::{Field, Location};
use femur_sim::case::{Case, Units};
use femur_sim::{Coordinates, LearningTask, Series, Setup, SimError, Simulator, SolverLog, State, Target, Update, derived};

/// What distinguishes one nonlinear solid from another, beside its [`super::Body`].
pub(crate) trait Solid: Send {
    /// Nodal Cauchy stress on the whole mesh, `[num_nodes, 4 or 6]`.
    fn stress(&self, model: &SolidModel, body: &Equilibrium) -> Vec<f64>;

    /// Further fields.
    fn extra(&self, _model: &SolidModel, _body: &Equilibrium) -> Vec<Field> {
        Vec::new()
    }
}

/// A body brought from equilibrium to equilibrium.
pub(crate) struct SolidSimulator {
    model: SolidModel,
    solid: Box<dyn Solid>,
    body: Equilibrium,
    stepping: Stepping,
    setup: Setup,
    log: SolverLog,
}

impl SolidSimulator {
    pub(crate) fn new(
        case: &Case,
        physics: &str,
        model: SolidModel,
        solid: Box<dyn Solid>,
        mut body: Equilibrium,
        coefficients: &[Coefficient],
    ) -> Result<Self, PhysicsError> {
        let stepping = Stepping::new(case, model.start(&mut body)?)?;
        let initial = fields(&model, solid.as_ref(), &body);
        let setup = model.setup(physics, coefficients, &body.obstacles, initial)?;
        let mut log = SolverLog::default();
        let kinds: Vec<&str> = model.mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        log.notes.insert("solver".into(), "newton, direct".into());
        log.notes.insert("unknowns".into(), body.num_unknowns().to_string());
        let units = model.case.units;
        let mut series = |name: String, unit: &str| {
            log.series.push(Series { name, unit: unit.into(), times: Vec::new(), values: Vec::new() });
        };
        if model.dynamic {
            ENERGIES.iter().for_each(|name| series((*name).into(), units.energy));
        } else {
            series("strain_energy".into(), units.energy);
        }
        for o in &body.obstacles {
            ["x", "y", "z"][..model.mesh.dim].iter().for_each(|c| series(format!("{}_force.{c}", o.name), units.force));
        }
        if !model.steady {
            record(&mut log, model.times[0], &body);
            log.newton_iters.push(0);
            log.residual.push(0.0);
        }
        Ok(SolidSimulator { model, solid, body, stepping, setup, log })
    }

    /// What is known before solving.
    pub(crate) fn into_setup(self) -> Setup {
        self.setup
    }
}

/// Notes the energies and the obstacles' forces on the body.
fn record(log: &mut SolverLog, t: f64, body: &Equilibrium) {
    let dim = body.assembly.mesh.dim;
    let mut values = body.inertia.as_ref().map_or_else(|| vec![body.energy], |i| i.energies.values().to_vec());
    for o in &body.obstacles {
        values.extend_from_slice(&o.resultant(&body.u, dim)[..dim]);
    }
    for (series, value) in log.series.iter_mut().zip(values) {
        series.times.push(t);
        series.values.push(value);
    }
}

impl Simulator for SolidSimulator {
    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let model = &self.model;
        let span = if model.steady { (0.0, 1.0) } else { (model.times[step - 1], model.times[step]) };
        let motion: Vec<_> = self.body.obstacles.iter().map(super::contact::Obstacle::motion).collect();
        let at = |t: f64| {
            let offsets = motion.iter().map(|m| m.offset_at(t, model.ramp(t))).collect();
            Ok((model.loads(t)?, offsets))
        };
        let log = &mut self.log;
        let (iterations, residual) = self.stepping.advance(&mut self.body, span, &at, &mut |t, body| record(log, t, body))?;
        log.newton_iters.push(iterations);
        log.residual.push(residual);
        log.condition = self.body.condition();
        Ok(State { time: self.setup.times[step], fields: fields(&self.model, self.solid.as_ref(), &self.body) })
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

/// Displacement, velocity of a body with inertia, stress, von Mises stress, reaction and contact force, and what the solid adds.
fn fields(model: &SolidModel, solid: &dyn Solid, body: &Equilibrium) -> Vec<Field> {
    let (units, dim) = (model.case.units, model.mesh.dim);
    let components = if dim == 3 { 6 } else { 4 };
    let stress = model.restrict(&solid.stress(model, body), components);
    let mut fields = vec![
        Field::vector("displacement", units.length, Location::Node, dim, model.restrict(&body.u, dim)),
        Field::symmetric_tensor("stress", units.stress, Location::Node, dim, stress),
    ];
    fields.push(derived::von_mises(&fields[1]));
    if let Some(inertia) = &body.inertia {
        let unit = format!("{}/{}", units.length, units.time);
        let velocity = model.restrict(&inertia.motion.v, dim);
        fields.insert(1, Field::vector("velocity", &unit, Location::Node, dim, velocity));
    }
    if model.output.is_whole() {
        let mut reaction = body.reaction();
        // What the tolerance leaves where nothing holds the body.
        let held = model.may_react(reaction.len() / dim);
        for (r, _) in reaction.chunks_exact_mut(dim).zip(held).filter(|(_, held)| !held) {
            r.fill(0.0);
        }
        fields.push(Field::vector("reaction", units.force, Location::Node, dim, reaction));
        if !body.obstacles.is_empty() {
            fields.push(Field::vector("contact_force", units.force, Location::Node, dim, body.contact.clone()));
        }
    }
    fields.extend(solid.extra(model, body));
    fields
}

/// Displacement, stress and, of a body with inertia, velocity: their changes over a step, or themselves in a steady case.
pub(crate) fn learning_task(physics: &str, units: Units, dynamic: bool, setup: &Setup) -> LearningTask {
    let (dim, steady) = (setup.mesh.dim, setup.is_steady());
    let update = if steady { Update::Absolute } else { Update::Delta };
    let target = |f: Field, weight: f64| Target { field: f.name, components: f.components, unit: f.unit, update, weight };
    let displacement = Field::vector("displacement", units.length, Location::Node, dim, Vec::new());
    let stress = Field::symmetric_tensor("stress", units.stress, Location::Node, dim, Vec::new());
    let velocity = Field::vector("velocity", &format!("{}/{}", units.length, units.time), Location::Node, dim, Vec::new());
    let mut targets = vec![target(displacement, 1.0), target(stress, 1.0)];
    if dynamic {
        targets.push(target(velocity, 1.0));
    }
    LearningTask {
        physics: physics.into(),
        dim,
        // The stress tells a loaded state from an unloaded one of a plastic body.
        state_inputs: if steady { Vec::new() } else { targets.iter().map(|t| t.field.clone()).collect() },
        targets,
        inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
        load_inputs: Vec::new(),
        linear_in: Vec::new(),
        distance_tags: facet_tags(setup),
        distance_scale: 0.045 * setup.mesh.diameter(),
        coordinates: Coordinates::Mesh,
        input_means: true,
        long_range: 0,
        noise: if steady { 0.0 } else { 0.1 },
        unroll: 0,
        units: setup.units.clone(),
    }
}
