//! Linear elasticity: plane stress, plane strain, 3D.
//!
//! Strong form `-div sigma = b`, `sigma = lambda tr(eps) I + 2 mu eps`; weak form and sources in `docs/src/topics/linear-elasticity.md`.

pub(crate) mod boundary;
mod kernel;
pub(crate) mod rigid;

use crate::linear::{Channel, System, solver_choice};
use crate::material::{materials, to_nodes};
use crate::{Physics, PhysicsError};
use boundary::Conditions;
use femur_fem::{Assembler, recovery};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use femur_sim::{
    Coordinates, Input, LearningTask, Prescribed, Setup, SimError, Simulator, SolverLog, State, Target, UnitResponse, Update, derived,
};
use femur_solve::{CsrMatrix, LinearOperator};
use kernel::{Lame, stiffness};
use std::sync::Arc;

/// `physics = "linear-elasticity"`.
pub struct LinearElasticity;

/// Inputs that follow from the loads.
const LOAD_INPUTS: [&str; 3] = ["body_force", "point_force", "traction"];

/// A case read and checked.
struct Model {
    mesh: Arc<Mesh>,
    /// The mesh of the states, and for each of its nodes the node of `mesh`.
    output: (Arc<Mesh>, Option<Vec<u32>>),
    thickness: f64,
    plane_strain: bool,
    incompatible: bool,
    material_id: Vec<i32>,
    lame: Vec<Lame>,
    conditions: Conditions,
    setup: Setup,
}

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        case.claim(&["plane", "thickness"]);
        let root = case.root();
        let plane_strain = mesh.dim == 2 && root.choice_or("plane", &["stress", "strain"], 0)? == 1;
        let thickness = root.positive_or("thickness", 1.0)?;
        let discretisation = case.table("discretisation");
        let incompatible = discretisation.bool_or("incompatible_modes", true)?;
        discretisation.finish()?;
        let (material_id, tables) = materials(case, mesh)?;
        let mut lame = Vec::new();
        let mut constants = Vec::new();
        for table in &tables {
            let (e, nu) = (table.positive("E")?, table.f64("nu")?);
            if !(-0.999..0.4999).contains(&nu) {
                return Err(table
                    .error("nu", format!("must lie between -1 and 0.5, got {nu}"), "0.3 for metals; 0.5 needs a mixed formulation")
                    .into());
            }
            let density = table.opt_positive("density")?;
            table.finish()?;
            lame.push(Lame::new(e, nu, mesh.dim == 2 && !plane_strain));
            constants.push((e, nu, density));
        }
        let densities: Vec<Option<f64>> = constants.iter().map(|c| c.2).collect();
        let conditions = Conditions::read(case, mesh, &material_id, &densities, &tables, (0.0, 1.0))?;
        rigid::check(case, mesh, &conditions)?;
        let output = if case.output.vertices_only {
            let (vertices, kept) = mesh.vertices_only();
            (Arc::new(vertices), Some(kept))
        } else {
            (mesh.clone(), None)
        };
        let units = case.units;
        let restrict = |values: Vec<f64>, components: usize| match &output.1 {
            None => values,
            Some(kept) => kept.iter().flat_map(|&n| values[n as usize * components..(n as usize + 1) * components].to_vec()).collect(),
        };
        let scalar = |name: &str, unit: &str, values: Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: vec![String::new()],
            steps: 1,
            values: restrict(values, 1),
        };
        let dim = mesh.dim;
        let mask: Vec<bool> = (0..mesh.num_nodes() * dim).map(|u| conditions.is_prescribed(u)).collect();
        let prescribed_values: Vec<f64> = (0..mesh.num_nodes() * dim).map(|u| conditions.value(u)).collect();
        let mask_out = restrict(mask.iter().map(|&m| f64::from(u8::from(m))).collect(), dim).iter().map(|&v| v > 0.5).collect();
        let types: Vec<f64> = conditions.node_type.iter().map(|&t| f64::from(t as i32)).collect();
        let mut inputs = vec![
            scalar("youngs_modulus", units.stress, to_nodes(mesh, &material_id, |m| constants[m].0)),
            scalar("poissons_ratio", "1", to_nodes(mesh, &material_id, |m| constants[m].1)),
        ];
        inputs.extend(conditions.at_nodes.iter().map(|(name, (unit, values))| Input {
            name: (*name).into(),
            unit: (*unit).into(),
            components: Field::vector("", "", Location::Node, dim, Vec::new()).components,
            steps: 1,
            values: restrict(values.clone(), dim),
        }));
        let setup = Setup {
            physics: "linear-elasticity".into(),
            mesh: output.0.clone(),
            units: units.name.into(),
            node_type: restrict(types, 1).iter().map(|&t| femur_sim::NodeType::ALL[t as usize]).collect(),
            material_id: material_id.clone(),
            inputs,
            prescribed: vec![Prescribed {
                field: "displacement".into(),
                mask: mask_out,
                steps: 1,
                values: restrict(prescribed_values, dim),
            }],
            loads: conditions.channels.iter().map(|c| c.load.clone()).collect(),
            params: case.params.clone(),
            times: vec![0.0],
            initial: None,
            initial_responses: Vec::new(),
            singular: case.singular.clone(),
        };
        Ok(Model { mesh: mesh.clone(), output, thickness, plane_strain, incompatible, material_id, lame, conditions, setup })
    }

    /// Stiffness of the body alone, and with elastic supports.
    fn matrices(&self) -> Result<(CsrMatrix, CsrMatrix), PhysicsError> {
        let assembler = Assembler::new(&self.mesh, self.mesh.dim, 0);
        let mut body = assembler.zeros();
        let worst = std::sync::Mutex::new((f64::INFINITY, 0usize));
        assembler.add_matrix(&self.mesh, &mut body, |cell, geometry, table, out| {
            if geometry.min_det <= 0.0
                && let Ok(mut worst) = worst.lock()
                && geometry.min_det < worst.0
            {
                *worst = (geometry.min_det, cell);
            }
            let scale = if self.mesh.dim == 2 { self.thickness } else { 1.0 };
            stiffness(&self.mesh, self.mesh.cell_nodes(cell), geometry, table, self.lame_of(cell).scaled(scale), self.incompatible, out);
        });
        let (det, cell) = worst.into_inner().unwrap_or((1.0, 0));
        if det <= 0.0 {
            return Err(PhysicsError::Inverted { cell, det });
        }
        let mut whole = body.clone();
        self.conditions.add_supports(&self.mesh, &assembler, &mut whole, if self.mesh.dim == 2 { self.thickness } else { 1.0 });
        Ok((body, whole))
    }

    fn lame_of(&self, cell: usize) -> Lame {
        self.lame[self.material_id[cell] as usize]
    }

    /// Nodal stress `[num_nodes, 4 or 6]` of a displacement on `mesh`.
    fn stress(&self, mesh: &Mesh, displacement: &[f64]) -> Vec<f64> {
        let dim = mesh.dim;
        let components = if dim == 3 { 6 } else { 4 };
        let mut modes = kernel::Modes::default();
        let mut last = usize::MAX;
        recovery::recover(mesh, components, |cell, nodes, geometry, table, q, out| {
            let lame = self.lame_of(cell);
            if cell != last {
                modes = if self.incompatible {
                    kernel::Modes::solve(mesh, nodes, table.kind, lame, displacement)
                } else {
                    kernel::Modes::default()
                };
                last = cell;
            }
            let mut gradient = [[0.0; 3]; 3];
            for (a, &n) in nodes.iter().enumerate() {
                for i in 0..dim {
                    for j in 0..dim {
                        gradient[i][j] += displacement[n as usize * dim + i] * geometry.gradients[q][a][j];
                    }
                }
            }
            modes.add_gradient(table.rule.points[q], &mut gradient);
            lame.stress(&gradient, dim, self.plane_strain, out);
        })
    }

    /// Values on the mesh of the states.
    fn restrict(&self, values: &[f64], components: usize) -> Vec<f64> {
        match &self.output.1 {
            None => values.to_vec(),
            Some(kept) => kept.iter().flat_map(|&n| values[n as usize * components..(n as usize + 1) * components].to_vec()).collect(),
        }
    }

    fn fields(&self, units: femur_sim::case::Units, displacement: &[f64], stress: &[f64]) -> Vec<Field> {
        let dim = self.mesh.dim;
        let components = if dim == 3 { 6 } else { 4 };
        vec![
            Field::vector("displacement", units.length, Location::Node, dim, self.restrict(displacement, dim)),
            Field::symmetric_tensor("stress", units.stress, Location::Node, dim, self.restrict(stress, components)),
        ]
    }
}

/// Finite-element solver of one static case.
struct StaticSimulator {
    model: Model,
    units: femur_sim::case::Units,
    system: System,
    body: CsrMatrix,
    responses: Vec<(Vec<f64>, Vec<f64>)>,
    log: SolverLog,
}

impl Simulator for StaticSimulator {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, _step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let size = self.body.nrows;
        let stress_len = self.model.mesh.num_nodes() * if self.model.mesh.dim == 3 { 6 } else { 4 };
        let (mut u, mut stress, mut force) = (vec![0.0; size], vec![0.0; stress_len], vec![0.0; size]);
        self.responses.clear();
        let mut worst: f64 = 0.0;
        for channel in &self.model.conditions.channels {
            let (response, residual) = self.system.solve(&channel.vector, &channel.prescribed).map_err(PhysicsError::from)?;
            worst = worst.max(residual);
            let response_stress = self.model.stress(&self.model.mesh, &response);
            let add = |to: &mut [f64], from: &[f64]| to.iter_mut().zip(from).for_each(|(t, f)| *t += channel.load.value * f);
            add(&mut u, &response);
            add(&mut stress, &response_stress);
            add(&mut force, &channel.vector);
            self.responses.push((response, response_stress));
        }
        let mut fields = self.model.fields(self.units, &u, &stress);
        fields.push(derived::von_mises(&fields[1]));
        if self.model.output.1.is_none() {
            // What the body's surroundings exert on it beside the loads: zero but at supports.
            let mut reaction = vec![0.0; size];
            self.body.apply(&u, &mut reaction);
            let scale = reaction.iter().chain(&force).fold(0.0_f64, |a, v| a.max(v.abs()));
            for (i, (r, f)) in reaction.iter_mut().zip(&force).enumerate() {
                *r -= f;
                if !self.model.conditions.may_react(i / self.model.mesh.dim) && r.abs() < 1e-6 * scale {
                    *r = 0.0;
                }
            }
            fields.push(Field::vector("reaction", self.units.force, Location::Node, self.model.mesh.dim, reaction));
        }
        self.log.newton_iters = vec![1];
        self.log.residual = vec![worst];
        Ok(State { time: 0.0, fields })
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        let channels = self.model.conditions.channels.iter();
        Ok(channels
            .zip(&self.responses)
            .map(|(c, (u, s))| UnitResponse { load: c.load.name.clone(), steps: vec![self.model.fields(self.units, u, s)] })
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
        "static linear elasticity: plane stress, plane strain, 3D"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        solver_choice(case, mesh.dim, mesh.num_nodes() * mesh.dim)?;
        Ok(Model::new(case, mesh)?.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let choice = solver_choice(case, mesh.dim, mesh.num_nodes() * mesh.dim)?;
        let model = Model::new(case, mesh)?;
        let (body, whole) = model.matrices()?;
        let system = System::new(whole, model.conditions.constraints.clone(), choice)?;
        let mut log = SolverLog::default();
        log.notes.insert("solver".into(), format!("{choice:?}").to_lowercase());
        let kinds: Vec<&str> = mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        Ok(Box::new(StaticSimulator { model, units: case.units, system, body, responses: Vec::new(), log }))
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
        let on: Arc<Mesh> = if u.len() == mesh.num_nodes() { mesh.clone() } else { model.output.0.clone() };
        let stress = model.stress(&on, &u.values);
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
