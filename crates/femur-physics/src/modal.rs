//! Natural frequencies and mode shapes of an elastic body: `K x = omega^2 M x`.
//!
//! Strong form, sources and limits in `docs/src/topics/modal.md`.

use crate::elasticity::body::Body;
use crate::elasticity::boundary::Conditions;
use crate::elasticity::facet_tags;
use crate::{Physics, PhysicsError};
use femur_fem::NodeGroups;
use femur_mesh::{Field, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Series, Setup, SimError, Simulator, SolverLog, State, Target, Update};
use femur_solve::{EigenOptions, EigenPairs, lowest_eigenpairs};
use std::sync::Arc;

/// `physics = "modal"`.
pub struct Modal;

/// A case read and checked.
struct Model {
    body: Body,
    conditions: Conditions,
    count: usize,
    tolerance: f64,
    setup: Setup,
}

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let body = Body::read(case, mesh)?;
        let conditions = body.conditions(case, 0.0)?;
        if let Some(c) = conditions.channels.first() {
            let what = format!("the load {} does not change a natural frequency", c.load.name);
            return Err(case.root().error("boundary", what, "leave loads out; displacement = [0, ...], rollers and supports stay").into());
        }
        if case.time.is_some() {
            return Err(case.root().error("time", "a mode has no time", "leave [time] out; [modal] count says how many modes").into());
        }
        let table = case.table("modal");
        let (count, tolerance) = (table.usize("count")?, table.positive_or("tolerance", 1e-8)?);
        let free = mesh.num_nodes() * mesh.dim - conditions.constraints.fixed.len();
        if count == 0 || count > free {
            let what = format!("must lie between 1 and the {free} free unknowns, got {count}");
            return Err(table.error("count", what, "say how many of the lowest modes are wanted").into());
        }
        table.finish()?;
        let mut inputs = body.material_inputs();
        let densities = (0..body.materials.len()).map(|m| body.density(m, "modal analysis")).collect::<Result<Vec<_>, _>>()?;
        let density = crate::material::to_nodes(mesh, &body.material_id, |m| densities[m]);
        inputs.push(body.input("density", body.units.density, vec![String::new()], &[density]));
        let times: Vec<f64> = (1..=count).map(|k| k as f64).collect();
        let numbers: Vec<Vec<f64>> = times.iter().map(|&t| vec![t; mesh.num_nodes()]).collect();
        inputs.push(body.input("mode_number", "1", vec![String::new()], &numbers));
        let setup = Setup {
            node_type: conditions.node_types(&body),
            inputs,
            prescribed: vec![conditions.prescribed(&body)],
            times,
            ..body.output.setup("modal", case, &body.material_id)
        };
        Ok(Model { body, conditions, count, tolerance, setup })
    }

    /// Eigenpairs, their vectors on the whole mesh in x, y, z.
    fn solve(&self) -> Result<EigenPairs, PhysicsError> {
        let assembler = self.body.assembler();
        let mut stiffness = self.body.stiffness(&assembler)?;
        self.conditions.add_supports(&self.body.mesh, &assembler, &mut stiffness, self.body.thickness);
        let mut mass = self.body.mass("modal analysis")?;
        let constraints = &self.conditions.constraints;
        constraints.rotate_matrix(&mut stiffness);
        constraints.rotate_matrix(&mut mass);
        let (k, m) = (constraints.reduce(&stiffness), constraints.reduce(&mass));
        let groups = NodeGroups::new(&self.body.mesh, k.free.iter().map(|u| u / constraints.components));
        let options = EigenOptions { count: self.count, tolerance: self.tolerance, block: 6 };
        let mut pairs = lowest_eigenpairs(&k.matrix, &m.matrix, &groups.get(), &options)?;
        for x in &mut pairs.vectors {
            *x = k.expand(x, &Default::default(), stiffness.nrows);
            constraints.rotate_back(x);
        }
        Ok(pairs)
    }
}

struct ModalSimulator {
    model: Model,
    pairs: EigenPairs,
    log: SolverLog,
}

impl Simulator for ModalSimulator {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let time = self.model.setup.times[step];
        let shape = &self.pairs.vectors[step];
        self.log.newton_iters.push(1);
        self.log.residual.push(self.pairs.residuals[step]);
        Ok(State { time, fields: vec![self.model.body.vector_field("displacement", &unit(&self.model.body), shape)] })
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

/// A shape with `x^T M x = 1`.
fn unit(body: &Body) -> String {
    format!("1/sqrt({})", body.units.mass)
}

impl Physics for Modal {
    fn name(&self) -> &'static str {
        "modal"
    }

    fn summary(&self) -> &'static str {
        "natural frequencies and mode shapes of an elastic body"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        Ok(Model::new(case, mesh)?.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let pairs = model.solve()?;
        // A rigid motion's eigenvalue is zero but for rounding, which may make it negative.
        let frequencies = pairs.values.iter().map(|l| l.max(0.0).sqrt() / (2.0 * std::f64::consts::PI)).collect();
        let mut log = SolverLog::default();
        log.series.push(Series {
            name: "natural_frequency".into(),
            unit: "Hz".into(),
            times: model.setup.times.clone(),
            values: frequencies,
        });
        log.notes.insert("solver".into(), format!("block Lanczos, {} vectors", pairs.dimension));
        Ok(Box::new(ModalSimulator { model, pairs, log }))
    }

    fn learning_task(&self, _case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let dim = setup.mesh.dim;
        let shape = Field::vector("displacement", &format!("1/sqrt({})", mass_unit(setup)), femur_mesh::Location::Node, dim, Vec::new());
        let target = Target { field: shape.name, components: shape.components, unit: shape.unit, update: Update::Absolute, weight: 1.0 };
        Ok(LearningTask {
            physics: self.name().into(),
            dim,
            targets: vec![target],
            state_inputs: Vec::new(),
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: Vec::new(),
            linear_in: Vec::new(),
            distance_tags: facet_tags(setup),
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: Coordinates::Mesh,
            input_means: true,
            long_range: 0,
            noise: 0.0,
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    /// Nothing: a mode's amplitude is free, and so is its stress.
    fn recover(&self, _case: &Case, _mesh: &Arc<Mesh>, _state: &State) -> Result<Vec<Field>, PhysicsError> {
        Ok(Vec::new())
    }
}

fn mass_unit(setup: &Setup) -> &'static str {
    femur_sim::case::Units::named(&setup.units).map_or("kg", |u| u.mass)
}
