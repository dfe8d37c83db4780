//! Linear elasticity: plane stress, plane strain, axisymmetric, 3D.
//!
//! Strong form `-div sigma = b`, `sigma = lambda tr(eps) I + 2 mu eps`; weak form and sources in `docs/src/topics/linear-elasticity.md`.

pub(crate) mod body;
pub(crate) mod boundary;
mod kernel;
pub(crate) mod law;
pub(crate) mod part;
pub(crate) mod rigid;
pub(crate) mod thermal;

use crate::linear::{Channel, SolverChoice, Solves, System, large, solver_choice};
use crate::nested::{self, Fine, Parts};
use crate::{Physics, PhysicsError};
use body::Body;
use boundary::Conditions;
use femur_fem::{Assembler, MatrixFree};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Setup, SimError, Simulator, SolverLog, State, Target, UnitResponse, Update, derived};
use femur_solve::{CsrMatrix, LinearOperator};
pub(crate) use kernel::Rise;
use std::cell::OnceCell;
use std::sync::Arc;
use thermal::Thermal;

/// `physics = "linear-elasticity"`.
pub struct LinearElasticity;

/// Inputs that follow from the loads.
pub(crate) const LOAD_INPUTS: [&str; 4] = ["body_force", "point_force", "traction", "temperature_rise"];

/// A case read and checked.
struct Model {
    body: Body,
    conditions: Conditions,
    thermal: Option<Thermal>,
    /// Number of the channel that is the temperature.
    thermal_channel: Option<usize>,
    setup: Setup,
}

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let body = Body::read(case, mesh)?;
        let mut conditions = body.conditions(case, 0.0)?;
        rigid::check(case, mesh, &conditions)?;
        let thermal = Thermal::read(case, &body)?;
        let channel = thermal.as_ref().and_then(|t| t.channel(case, &body));
        let thermal_channel = channel.is_some().then_some(conditions.channels.len());
        conditions.channels.extend(channel);
        let mut inputs = body.material_inputs();
        inputs.extend(conditions.inputs(&body));
        inputs.extend(thermal.iter().flat_map(|t| t.inputs(&body, &[0.0])));
        let setup = Setup {
            node_type: conditions.node_types(&body),
            inputs,
            prescribed: vec![conditions.prescribed(&body)],
            loads: conditions.channels.iter().map(|c| c.load.clone()).collect(),
            ..body.output.setup("linear-elasticity", case, &body.material_id)
        };
        Ok(Model { body, conditions, thermal, thermal_channel, setup })
    }

    /// Refuses a `[solver] kind` that cannot solve this case.
    fn check_solver(&self, case: &Case, choice: SolverChoice) -> Result<(), PhysicsError> {
        match choice {
            SolverChoice::PMultigrid => nested::check_quadratic(case, &self.body.mesh),
            SolverChoice::MatrixFree => self.body.check_cells(case, &nested::MATRIX_FREE),
            _ => Ok(()),
        }
    }

    /// The system, and what the body alone is applied by.
    fn system(&self, case: &Case, choice: SolverChoice) -> Result<(System, Stiffness), PhysicsError> {
        let (body, constraints) = (&self.body, &self.conditions.constraints);
        let mesh = &*body.mesh;
        let nested = |fine: Fine| {
            let linear = |mesh: &Mesh, assembler: &Assembler| body.linear_stiffness(mesh, assembler);
            let boundary = self.conditions.supports(mesh, body.thickness);
            System::nested(Parts { mesh, constraints, boundary: &boundary, linear: &linear }, fine)
        };
        // Kept for the reactions, where it was made.
        let kept = OnceCell::new();
        let cells = || {
            let cells = Arc::new(body.cells(case, &nested::MATRIX_FREE)?);
            nested(Fine::Cells(kept.get_or_init(|| cells).clone()))
        };
        let by_cells = body.check_cells(case, &nested::MATRIX_FREE).is_ok();
        let preferred = choice == SolverChoice::Auto && nested::preferred(mesh, constraints) && by_cells;
        let (system, assembler) = match choice {
            SolverChoice::MatrixFree => (cells()?, None),
            _ if preferred && large(mesh, mesh.dim) => (cells()?, None),
            _ => {
                let assembler = body.assembler();
                let matrix = self.matrix(&assembler)?;
                // Not held beside a factorisation where it is not needed again.
                let assembler = (!by_cells).then_some(assembler);
                let system = match choice {
                    _ if preferred => System::or_cells(mesh, matrix, constraints, &cells)?,
                    SolverChoice::PMultigrid => nested(Fine::Matrix(matrix))?,
                    _ => System::new(mesh, matrix, constraints.clone(), choice, Solves::Few)?,
                };
                (system, assembler)
            }
        };
        let stiffness = match (kept.into_inner(), assembler) {
            (Some(cells), _) => Stiffness::Cells(cells),
            (None, Some(assembler)) => Stiffness::Assembled(Box::new(assembler)),
            (None, None) => Stiffness::CellsLater,
        };
        Ok((system, stiffness))
    }

    /// Stiffness of the body with its elastic supports.
    fn matrix(&self, assembler: &Assembler) -> Result<CsrMatrix, PhysicsError> {
        let mut matrix = self.body.stiffness(assembler)?;
        self.conditions.add_supports(&self.body.mesh, assembler, &mut matrix, self.body.thickness);
        Ok(matrix)
    }

    /// Stress of the response to each channel at 1.
    fn response_stresses(&self, responses: &[(Vec<f64>, f64)]) -> Vec<Vec<f64>> {
        let unit_rise = self.thermal.as_ref().map(|t| move |x: &[f64]| t.unit_rise(x));
        let of: Vec<(&[f64], Option<&Rise<'_>>)> = responses
            .iter()
            .enumerate()
            .map(|(k, r)| (&r.0[..], unit_rise.as_ref().filter(|_| self.thermal_channel == Some(k)).map(|r| r as &Rise<'_>)))
            .collect();
        self.body.stresses(&self.body.mesh, &of)
    }
}

/// What applies the stiffness of the body without its supports.
enum Stiffness {
    /// A matrix made anew: held all along it would add to the memory of the factorisation.
    Assembled(Box<Assembler>),
    Cells(Arc<MatrixFree>),
    /// Cells made when they are asked for: a third of the memory of a matrix.
    CellsLater,
}

impl Stiffness {
    /// Forces `[size]` of a displacement.
    fn apply(&self, body: &Body, u: &[f64], force: &mut [f64]) -> Result<(), PhysicsError> {
        match self {
            Stiffness::Assembled(assembler) => body.stiffness(assembler)?.apply(u, force),
            Stiffness::Cells(cells) => cells.apply(u, force),
            Stiffness::CellsLater => match body.checked_cells() {
                Ok(cells) => cells.apply(u, force),
                Err(_) => body.stiffness(&body.assembler())?.apply(u, force),
            },
        }
        Ok(())
    }
}

/// Finite-element solver of one static case.
struct StaticSimulator {
    model: Model,
    stiffness: Stiffness,
    system: System,
    responses: Vec<(Vec<f64>, Vec<f64>)>,
    log: SolverLog,
}

impl Simulator for StaticSimulator {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, _step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let body = &self.model.body;
        let size = body.mesh.num_nodes() * body.mesh.dim;
        let (mut u, mut stress, mut force) =
            (vec![0.0; size], vec![0.0; body.mesh.num_nodes() * body.stress_components()], vec![0.0; size]);
        self.responses.clear();
        let mut worst: f64 = 0.0;
        let channels = &self.model.conditions.channels;
        let loads: Vec<_> = channels.iter().map(|c| (&c.vector[..], &c.prescribed)).collect();
        let responses = self.system.solve_all(&loads).map_err(PhysicsError::from)?;
        let stresses = self.model.response_stresses(&responses);
        for ((channel, (response, residual)), response_stress) in channels.iter().zip(responses).zip(stresses) {
            worst = worst.max(residual);
            let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += channel.load.value * f);
            add(&mut u, &response);
            add(&mut stress, &response_stress);
            add(&mut force, &channel.vector);
            self.responses.push((response, response_stress));
        }
        let mut fields = body.fields(&u, &stress);
        fields.push(derived::von_mises(&fields[1]));
        if body.output.is_whole() {
            // What the body's surroundings exert on it beside the loads: zero but at supports.
            let mut reaction = vec![0.0; size];
            match self.system.whole().filter(|_| self.model.conditions.leave_stiffness()) {
                Some(stiffness) => stiffness.apply(&u, &mut reaction),
                None => self.stiffness.apply(body, &u, &mut reaction)?,
            }
            let scale = reaction.iter().chain(&force).fold(0.0_f64, |a, v| a.max(v.abs()));
            reaction.iter_mut().zip(&force).for_each(|(r, f)| *r -= f);
            self.model.conditions.constraints.gather(&mut reaction);
            let held = self.model.conditions.may_react(body.mesh.num_nodes());
            for (r, _) in reaction.chunks_exact_mut(body.mesh.dim).zip(held).filter(|(_, held)| !held) {
                r.iter_mut().filter(|r| r.abs() < 1e-6 * scale).for_each(|r| *r = 0.0);
            }
            fields.push(body.vector_field("reaction", body.units.force, &reaction));
        }
        self.log.newton_iters = vec![1];
        self.log.residual = vec![worst];
        self.log.condition = self.system.condition();
        self.system.note_iterations(&mut self.log);
        Ok(State { time: 0.0, fields })
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        let channels = self.model.conditions.channels.iter();
        Ok(channels
            .zip(&self.responses)
            .map(|(c, (u, s))| UnitResponse { load: c.load.name.clone(), steps: vec![self.model.body.fields(u, s)] })
            .collect())
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

impl Physics for LinearElasticity {
    fn name(&self) -> &'static str {
        "linear-elasticity"
    }

    fn summary(&self) -> &'static str {
        "static linear elasticity: plane stress, plane strain, axisymmetric, 3D; orthotropic; thermal strain"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        let choice = solver_choice(case)?;
        let model = Model::new(case, mesh)?;
        model.check_solver(case, choice)?;
        Ok(model.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let choice = solver_choice(case)?;
        let model = Model::new(case, mesh)?;
        model.check_solver(case, choice)?;
        let (system, stiffness) = model.system(case, choice)?;
        let mut log = SolverLog::default();
        log.notes.insert("solver".into(), system.name().into());
        let kinds: Vec<&str> = mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        Ok(Box::new(StaticSimulator { model, stiffness, system, responses: Vec::new(), log }))
    }

    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let dim = setup.mesh.dim;
        let names = |f: &Field| f.components.clone();
        let (u, s) = (
            Field::vector("displacement", case.units.length, Location::Node, dim, Vec::new()),
            Field::symmetric_tensor("stress", case.units.stress, Location::Node, dim, Vec::new()),
        );
        let target = |f: &Field, weight: f64| Target {
            field: f.name.clone(),
            components: names(f),
            unit: f.unit.clone(),
            update: Update::Absolute,
            weight,
        };
        Ok(LearningTask {
            physics: self.name().into(),
            dim,
            targets: vec![target(&u, 0.1), target(&s, 1.0)],
            state_inputs: Vec::new(),
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: LOAD_INPUTS.map(String::from).to_vec(),
            linear_in: setup.loads.iter().map(|l| l.name.clone()).collect(),
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

    fn recover(&self, case: &Case, mesh: &Arc<Mesh>, state: &State) -> Result<Vec<Field>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let Some(u) = state.field("displacement") else { return Ok(Vec::new()) };
        let on: Arc<Mesh> = if u.len() == mesh.num_nodes() { mesh.clone() } else { model.body.output.mesh.clone() };
        let rise = model.thermal.as_ref().map(|t| move |x: &[f64]| t.rise(x, 0.0));
        let stress = model.body.stress(&on, &u.values, rise.as_ref().map(|r| r as &Rise<'_>));
        let stress = Field::symmetric_tensor("stress", case.units.stress, Location::Node, mesh.dim, stress);
        let von_mises = derived::von_mises(&stress);
        Ok(vec![stress, von_mises])
    }
}

/// Names of the tags that hold facets.
pub(crate) fn facet_tags(setup: &Setup) -> Vec<String> {
    let facets = setup.mesh.tags.iter().filter(|t| matches!(t.entities, femur_mesh::TagEntities::Facets(_)) && !t.entities.is_empty());
    facets.map(|t| t.name.clone()).collect()
}

/// A channel with its name, unit and value.
fn channel(name: String, unit: &str, value: f64, size: usize) -> Channel {
    Channel::new(name, unit, value, size)
}
