//! Heat conduction, steady and transient: the theta scheme, or steps of chosen length where it adapts them.
//!
//! `rho c dT/dt - div(k grad T) = q`; weak form in `docs/src/topics/heat.md`. Linear problems are solved here, load by load; those with
//! coefficients that depend on T, radiation or adaptive steps in `heat/nonlinear.rs` and
//! `heat/stepping.rs`.

mod coefficient;
mod nonlinear;
pub(crate) mod part;
mod stepping;

use crate::elasticity::facet_tags;
use crate::linear::{Channel, SolverChoice, Solves, System, large, sampled, solver_choice};
use crate::material::{known_tag, materials, to_nodes};
use crate::nested::{self, Fine, Parts};
use crate::state_mesh::StateMesh;
use crate::ties::Ties;
use crate::{Physics, PhysicsError};
use coefficient::Coefficient;
use femur_fem::facets::{FacetPoint, facet_points};
use femur_fem::{Assembler, CellCoefficient, Constraints, ElementMatrix, Form, MatrixFree, VectorAssembler, recovery};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Expr, Table, TimeGrid, Units};
use femur_sim::{
    Coordinates, Input, LearningTask, NodeType, Prescribed, Setup, SimError, Simulator, SolverLog, State, Target, UnitResponse, Update,
};
use femur_solve::{CsrMatrix, LinearOperator};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `physics = "heat"`.
pub struct Heat;

/// What enters through a boundary.
enum Flow {
    /// Heat flux into the body.
    Flux(Expr),
    /// Coefficient and ambient temperature.
    Convection(Expr, Expr),
    /// Emissivity and ambient temperature, in kelvin.
    Radiation(Expr, Expr),
}

struct Surface {
    name: String,
    path: String,
    points: Vec<FacetPoint>,
    flow: Flow,
}

/// A case read and checked.
struct Model {
    mesh: Arc<Mesh>,
    output: StateMesh,
    thickness: f64,
    material_id: Vec<i32>,
    conductivity: Vec<Coefficient>,
    capacity: Vec<f64>,
    /// Temperature prescribed on the nodes of a boundary: name, path, nodes, value.
    walls: Vec<(String, String, Vec<u32>, Expr)>,
    /// Temperature that loads are counted from: 0 for a steady problem, the initial one for a transient one. `None` where a transient
    /// problem is not one of constant loads from a uniform start.
    reference: Option<f64>,
    surfaces: Vec<Surface>,
    source: Option<Expr>,
    initial: Expr,
    time: Option<TimeGrid>,
    units: Units,
    /// Whether it is solved by Newton's method.
    nonlinear: bool,
    ties: Ties,
    setup: Setup,
}

/// The Stefan-Boltzmann constant in W/(m^2 K^4) (CODATA 2018, exact in the revised SI).
const STEFAN_BOLTZMANN: f64 = 5.670_374_419e-8;

/// The words of a `[[boundary]]`.
const KEYS: &[&str] = &["tag", "temperature", "heat_flux", "convection", "radiation"];

impl Model {
    fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        case.claim(&["thickness", "heat_source"]);
        let root = case.root();
        let thickness = if mesh.dim == 2 { root.positive_or("thickness", 1.0)? } else { 1.0 };
        let (material_id, tables) = materials(case, mesh)?;
        let (mut conductivity, mut capacity) = (Vec::new(), Vec::new());
        for table in &tables {
            conductivity.push(Coefficient::read(table, "conductivity")?);
            capacity.push(if case.time.is_some() {
                table.positive("density")? * table.positive("specific_heat")?
            } else {
                table.claim(&["density", "specific_heat"]);
                0.0
            });
            table.finish()?;
        }
        let initial_table = case.table("initial");
        let initial = if case.time.is_some() { initial_table.expr("temperature")? } else { Expr::constant(0.0) };
        initial_table.claim(&["temperature"]);
        initial_table.finish()?;
        let output = StateMesh::new(case, mesh);
        let placeholder = output.setup("heat", case, &material_id);
        let mut model = Model {
            mesh: mesh.clone(),
            output,
            thickness,
            material_id,
            conductivity,
            capacity,
            walls: Vec::new(),
            reference: None,
            surfaces: Vec::new(),
            source: if root.has("heat_source") { Some(root.expr_with("heat_source", "T")?) } else { None },
            initial,
            time: case.time,
            units: case.units,
            nonlinear: false,
            ties: Ties::default(),
            setup: placeholder,
        };
        for table in case.tables("boundary") {
            model.boundary(&table)?;
        }
        model.ties = Ties::read(case, mesh, &model.constraints())?;
        let held = !model.walls.is_empty() || model.surfaces.iter().any(|s| matches!(s.flow, Flow::Convection(..) | Flow::Radiation(..)));
        if case.time.is_none() && !held {
            let hint = "add [[boundary]] with temperature, convection or radiation, or a [time] grid";
            return Err(root.error("boundary", "nothing holds the temperature, so a steady one does not exist", hint).into());
        }
        model.nonlinear = model.conductivity.iter().any(|k| k.constant().is_none())
            || model.source.as_ref().is_some_and(Expr::depends_on_unknown)
            || model.surfaces.iter().any(|s| matches!(s.flow, Flow::Radiation(..)))
            || case.time.is_some_and(|t| t.adaptive.is_some());
        if model.nonlinear && case.time.is_some_and(|t| t.adaptive.is_none() && t.theta == 0.0) {
            return Err(case.table("time").error("theta", "0 is explicit, which nonlinear heat lacks", "0.5 .. 1, or adaptive").into());
        }
        model.set_up(case);
        Ok(model)
    }

    fn boundary(&mut self, table: &Table) -> Result<(), PhysicsError> {
        let tag = table.string("tag")?;
        known_tag(&self.mesh, table, "tag", &tag)?;
        table.claim(KEYS);
        if !KEYS[1..].iter().any(|k| table.has(k)) {
            return Err(table.error("", "says nothing beside the tag", format!("one of {}", KEYS[1..].join(", "))).into());
        }
        let path = |key: &str| format!("{}.{key}", table.path());
        if let Some(value) = table.opt_expr("temperature")? {
            let nodes = self.mesh.tag_nodes(&tag)?;
            // Where two boundaries meet the later one in the file holds.
            for wall in &mut self.walls {
                wall.2.retain(|n| nodes.binary_search(n).is_err());
            }
            self.walls.push((format!("{tag}.temperature"), path("temperature"), nodes, value));
        }
        let facets = || -> Result<Vec<FacetPoint>, PhysicsError> {
            let f = self
                .mesh
                .tag_facets(&tag)
                .map_err(|e| table.error("tag", e.to_string(), "a flow through an area needs a tag of facets"))?;
            Ok(facet_points(&self.mesh, f, 2 * self.mesh.blocks.first().map_or(1, |b| b.kind.order()) + 1))
        };
        let mut surfaces = Vec::new();
        if let Some(flux) = table.opt_expr("heat_flux")? {
            surfaces.push(Surface { name: format!("{tag}.heat_flux"), path: path("heat_flux"), points: facets()?, flow: Flow::Flux(flux) });
        }
        if table.has("convection") {
            let t = table.table("convection")?;
            let (h, ambient) = (t.expr("coefficient")?, t.expr("ambient")?);
            if h.is_constant().is_some_and(|h| h <= 0.0) {
                return Err(t.error("coefficient", "must be positive", "leave the boundary out where it is insulated").into());
            }
            t.finish()?;
            let flow = Flow::Convection(h, ambient);
            surfaces.push(Surface { name: format!("{tag}.ambient"), path: path("convection.ambient"), points: facets()?, flow });
        }
        if table.has("radiation") {
            let t = table.table("radiation")?;
            let (emissivity, ambient) = (t.expr("emissivity")?, t.expr("ambient")?);
            if emissivity.is_constant().is_some_and(|e| !(0.0..=1.0).contains(&e) || e == 0.0) {
                return Err(t.error("emissivity", "must lie above 0 and up to 1", "it is the part of a black body's radiation").into());
            }
            if ambient.is_constant().is_some_and(|a| a < 0.0) {
                return Err(t.error("ambient", "is below absolute zero", "radiation needs all temperatures in kelvin").into());
            }
            t.finish()?;
            let flow = Flow::Radiation(emissivity, ambient);
            surfaces.push(Surface { name: format!("{tag}.radiation"), path: path("radiation"), points: facets()?, flow });
        }
        self.surfaces.extend(surfaces);
        table.finish()?;
        Ok(())
    }

    fn restrict(&self, values: &[f64], components: usize) -> Vec<f64> {
        self.output.restrict(values, components)
    }

    /// Prescribed unknowns at a time.
    fn prescribed(&self, t: f64) -> BTreeMap<usize, f64> {
        let nodes = self.walls.iter().flat_map(|(_, _, nodes, value)| nodes.iter().map(move |&n| (n, value)));
        nodes.map(|(n, value)| (n as usize, value.eval(self.mesh.point(n as usize), t))).collect()
    }

    /// Prescribed values, and what is added at tied unknowns, at a time.
    fn held(&self, t: f64) -> BTreeMap<usize, f64> {
        let mut held = self.prescribed(t);
        held.extend(self.ties.jumps());
        held
    }

    fn initial_values(&self) -> Vec<f64> {
        let start = self.setup.times[0];
        let mut values: Vec<f64> = (0..self.mesh.num_nodes()).map(|n| self.initial.eval(self.mesh.point(n), start)).collect();
        let held = self.held(start);
        held.iter().for_each(|(&n, &v)| values[n] = v);
        self.constraints().follow(&held, &mut values);
        values
    }

    /// A coefficient of the surfaces as a node field: the mean over the facets at each node, 0 elsewhere.
    fn surface_field(&self, t: f64, value: impl Fn(&Flow, &[f64], f64) -> Option<f64>) -> Vec<f64> {
        let n = self.mesh.num_nodes();
        let (mut sum, mut weight) = (vec![0.0; n], vec![0.0; n]);
        for p in self
            .surfaces
            .iter()
            .flat_map(|s| s.points.iter().filter_map(|p| value(&s.flow, &p.position[..self.mesh.dim], t).map(|v| (p, v))))
        {
            for &node in &p.0.nodes {
                sum[node as usize] += p.0.area * p.1;
                weight[node as usize] += p.0.area;
            }
        }
        sum.iter().zip(&weight).map(|(s, w)| if *w > 0.0 { s / w } else { 0.0 }).collect()
    }

    fn set_up(&mut self, case: &Case) {
        let n = self.mesh.num_nodes();
        let times = self.setup.times.clone();
        let varies = self.walls.iter().any(|w| w.3.depends_on_time())
            || self.surfaces.iter().any(|s| match &s.flow {
                Flow::Flux(q) => q.depends_on_time(),
                Flow::Convection(h, a) | Flow::Radiation(h, a) => h.depends_on_time() || a.depends_on_time(),
            });
        let varies = varies || self.source.as_ref().is_some_and(Expr::depends_on_time);
        self.reference = match self.time {
            _ if self.nonlinear => None,
            None => Some(0.0),
            Some(_) if varies => None,
            Some(_) => self.initial.is_constant(),
        };
        let steps: Vec<f64> = if varies { times.clone() } else { vec![times[0]] };
        let series = |name: &str, unit: &str, at: &dyn Fn(f64) -> Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: vec![String::new()],
            steps: steps.len(),
            values: steps.iter().flat_map(|&t| self.restrict(&at(t), 1)).collect(),
        };
        let units = self.units;
        let fixed = |name: &str, unit: &str, values: Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: vec![String::new()],
            steps: 1,
            values: self.restrict(&values, 1),
        };
        let typical = self.typical_temperature();
        let material = |value: &dyn Fn(&Coefficient) -> f64| to_nodes(&self.mesh, &self.material_id, |m| value(&self.conductivity[m]));
        let mut inputs = vec![fixed("conductivity", units.conductivity, material(&|k| k.at(&[], typical).0))];
        if self.conductivity.iter().any(|k| k.constant().is_none()) {
            inputs.push(fixed("conductivity_slope", &format!("{}/K", units.conductivity), material(&|k| k.at(&[], typical).1)));
        }
        if self.time.is_some() {
            inputs.push(fixed("heat_capacity", "", to_nodes(&self.mesh, &self.material_id, |m| self.capacity[m])));
        }
        if self.surfaces.iter().any(|s| matches!(s.flow, Flow::Flux(_))) {
            inputs.push(series("heat_flux_in", units.heat_flux, &|t| {
                self.surface_field(t, |f, x, t| if let Flow::Flux(q) = f { Some(q.eval(x, t)) } else { None })
            }));
        }
        if self.surfaces.iter().any(|s| matches!(s.flow, Flow::Convection(..))) {
            inputs.push(series("convection_coefficient", units.convection, &|t| {
                self.surface_field(t, |f, x, t| if let Flow::Convection(h, _) = f { Some(h.eval(x, t)) } else { None })
            }));
            inputs.push(series("ambient_temperature", units.temperature, &|t| {
                self.surface_field(t, |f, x, t| if let Flow::Convection(_, a) = f { Some(a.eval(x, t)) } else { None })
            }));
        }
        if self.surfaces.iter().any(|s| matches!(s.flow, Flow::Radiation(..))) {
            inputs.push(series("emissivity", "1", &|t| {
                self.surface_field(t, |f, x, t| if let Flow::Radiation(e, _) = f { Some(e.eval(x, t)) } else { None })
            }));
            inputs.push(series("radiation_temperature", units.temperature, &|t| {
                self.surface_field(t, |f, x, t| if let Flow::Radiation(_, a) = f { Some(a.eval(x, t)) } else { None })
            }));
        }
        if self.nonlinear
            && let Some(q) = &self.source
        {
            inputs
                .push(series("heat_source", units.heat_source, &|t| (0..n).map(|i| q.eval_with(self.mesh.point(i), t, typical)).collect()));
        }
        let mask: Vec<f64> = {
            let held = self.prescribed(times[0]);
            (0..n).map(|i| f64::from(u8::from(held.contains_key(&i)))).collect()
        };
        let values: Vec<f64> = steps
            .iter()
            .flat_map(|&t| {
                let mut v = vec![0.0; n];
                self.prescribed(t).into_iter().for_each(|(i, p)| v[i] = p);
                self.restrict(&v, 1)
            })
            .collect();
        let mut types = vec![NodeType::Normal; n];
        for p in self.surfaces.iter().flat_map(|s| &s.points) {
            p.nodes.iter().for_each(|&i| types[i as usize] = NodeType::Loaded);
        }
        for (i, _) in mask.iter().enumerate().filter(|(_, m)| **m > 0.5) {
            types[i] = NodeType::WallBoundary;
        }
        let node_type = self.output.restrict(&types, 1);
        let initial = self.time.is_some().then(|| self.state(times[0], &self.initial_values()));
        let channels = self.channels(case, n);
        let started: &[Channel] = if self.time.is_some() { &channels } else { &[] };
        let constraints = self.constraints();
        let initial_responses = started.iter().map(|c| self.response(&c.start(&constraints))).collect();
        let loads = channels.into_iter().map(|c| c.load).collect();
        let prescribed = Prescribed {
            field: "temperature".into(),
            mask: self.restrict(&mask, 1).iter().map(|&m| m > 0.5).collect(),
            steps: steps.len(),
            values,
        };
        self.setup = Setup { node_type, inputs, prescribed: vec![prescribed], loads, initial, initial_responses, ..self.setup.clone() };
    }

    /// The mean of the temperatures that the case prescribes, surrounds the body with and starts from: where coefficients that depend on
    /// T are shown, and where Newton's method starts.
    fn typical_temperature(&self) -> f64 {
        let start = self.setup.times[0];
        let mut all: Vec<f64> = self.prescribed(start).into_values().collect();
        for s in &self.surfaces {
            if let Flow::Convection(_, a) | Flow::Radiation(_, a) = &s.flow {
                all.extend(s.points.iter().map(|p| a.eval(&p.position[..self.mesh.dim], start)));
            }
        }
        if self.time.is_some() {
            all.extend((0..self.mesh.num_nodes()).map(|n| self.initial.eval(self.mesh.point(n), start)));
        }
        if all.is_empty() { 0.0 } else { all.iter().sum::<f64>() / all.len() as f64 }
    }

    /// Conduction and convection matrix of a linear problem at a time, and the capacity matrix.
    fn matrices(&self, t: f64) -> Result<(CsrMatrix, CsrMatrix), PhysicsError> {
        // The capacity needs two degrees more than the conduction.
        let assembler = Assembler::new(&self.mesh, 1, if self.time.is_some() { 2 } else { 0 });
        let (mut k, mut m) = (self.conduction(&self.mesh, &assembler)?, assembler.zeros());
        if self.time.is_some() {
            let density: Vec<f64> = self.capacity.iter().map(|c| c * self.thickness).collect();
            let form = Form::Mass { components: 1, density: CellCoefficient::ByMaterial(&density, &self.material_id) };
            assembler.assemble(&self.mesh, &form, &mut m)?;
        }
        for (nodes, element) in self.convection(t) {
            assembler.scatter(&mut k, &nodes, &element);
        }
        Ok((k, m))
    }

    /// The conductivity of each material times the thickness.
    fn conductivities(&self) -> Vec<f64> {
        self.conductivity.iter().map(|c| c.at(&[], 0.0).0 * self.thickness).collect()
    }

    /// The conduction of the cells of `mesh`: the model's, or its linear cells.
    fn conduction(&self, mesh: &Mesh, assembler: &Assembler) -> Result<CsrMatrix, PhysicsError> {
        let (mut k, conductivity) = (assembler.zeros(), self.conductivities());
        assembler.assemble(mesh, &Form::Diffusion(CellCoefficient::ByMaterial(&conductivity, &self.material_id)), &mut k)?;
        Ok(k)
    }

    /// What convection adds to the conduction, at each point of its surfaces.
    fn convection(&self, t: f64) -> Vec<ElementMatrix> {
        let mut out = Vec::new();
        for s in &self.surfaces {
            let Flow::Convection(h, _) = &s.flow else { continue };
            for p in &s.points {
                let n = p.nodes.len();
                let w = h.eval(&p.position[..self.mesh.dim], t) * p.area * self.thickness;
                out.push((p.nodes.clone(), (0..n * n).map(|e| w * p.values[e / n] * p.values[e % n]).collect()));
            }
        }
        out
    }

    /// Refuses a `[solver] kind` that cannot solve this case.
    fn check_solver(&self, case: &Case, choice: SolverChoice) -> Result<(), PhysicsError> {
        let what = match () {
            () if self.time.is_some() => Some("transient heat"),
            () if self.nonlinear => Some("nonlinear heat"),
            () => None,
        };
        match (choice, what) {
            (_, Some(what)) => choice.assembled(case, what),
            (SolverChoice::PMultigrid, None) => nested::check_quadratic(case, &self.mesh),
            (SolverChoice::MatrixFree, None) => nested::check_cells(case, &self.mesh, &nested::MATRIX_FREE),
            _ => Ok(()),
        }
    }

    /// The system of a steady problem.
    fn steady(&self, case: &Case, choice: SolverChoice) -> Result<System, PhysicsError> {
        let constraints = self.constraints();
        let nested = |fine: Fine| {
            let linear = |mesh: &Mesh, assembler: &Assembler| self.conduction(mesh, assembler);
            System::nested(Parts { mesh: &self.mesh, constraints: &constraints, boundary: &self.convection(0.0), linear: &linear }, fine)
        };
        let cells = || {
            let conductivity = self.conductivities();
            let form = Form::Diffusion(CellCoefficient::ByMaterial(&conductivity, &self.material_id));
            nested(Fine::Cells(Arc::new(MatrixFree::new(&self.mesh, &form).map_err(|e| nested::refused(case, e, &nested::MATRIX_FREE))?)))
        };
        let preferred = choice == SolverChoice::Auto && nested::preferred(&self.mesh, &constraints);
        match choice {
            SolverChoice::MatrixFree => cells(),
            _ if preferred && large(&self.mesh, 1) => cells(),
            _ if preferred => System::or_cells(&self.mesh, self.matrices(0.0)?.0, &constraints, &cells),
            SolverChoice::PMultigrid => nested(Fine::Matrix(self.matrices(0.0)?.0)),
            _ => Ok(System::new(&self.mesh, self.matrices(0.0)?.0, self.constraints(), choice, Solves::Few)?),
        }
    }

    /// The load vector at a time.
    fn load(&self, t: f64) -> Vec<f64> {
        let mut f = vec![0.0; self.mesh.num_nodes()];
        for s in &self.surfaces {
            self.add_surface(&mut f, s, |x| match &s.flow {
                Flow::Flux(q) => q.eval(x, t),
                Flow::Convection(h, a) => h.eval(x, t) * a.eval(x, t),
                // Such a problem is not solved here.
                Flow::Radiation(..) => 0.0,
            });
        }
        if let Some(q) = &self.source {
            self.add_source(&mut f, |x| q.eval(x, t));
        }
        f
    }

    fn add_surface(&self, f: &mut [f64], s: &Surface, value: impl Fn(&[f64]) -> f64) {
        for p in &s.points {
            let w = value(&p.position[..self.mesh.dim]) * p.area * self.thickness;
            for (a, &n) in p.nodes.iter().enumerate() {
                f[n as usize] += w * p.values[a];
            }
        }
    }

    fn add_source(&self, f: &mut [f64], value: impl Fn(&[f64]) -> f64 + Sync) {
        let assembler = VectorAssembler::new(&self.mesh, 1, 2);
        assembler.add_vector(&self.mesh, f, |_, geometry, table, out| {
            for q in 0..table.rule.len() {
                let w = geometry.volume[q] * self.thickness * value(&geometry.position[q][..self.mesh.dim]);
                for (a, n) in table.values[q].iter().enumerate() {
                    out[a] += w * n;
                }
            }
        });
    }

    /// The loads that the temperature is linear in: prescribed and ambient temperatures (above the reference), fluxes and the source.
    /// None where there is no reference.
    fn channels(&self, case: &Case, size: usize) -> Vec<Channel> {
        let mut out = Vec::new();
        let Some(reference) = self.reference else { return out };
        let moves = sampled(case, "initial.temperature");
        let open = |name: &str, unit: &str, e: &Expr, path: &str, above: f64| -> Option<Channel> {
            let value = e.is_constant().map(|v| v - above);
            let kept = value != Some(0.0) || sampled(case, path) || (above != 0.0 && moves);
            kept.then(|| Channel::new(name.into(), unit, value.unwrap_or(1.0), size))
        };
        let factor = |e: &Expr, x: &[f64], above: f64| if e.is_constant().is_some() { 1.0 } else { e.eval(x, 0.0) - above };
        for (name, path, nodes, value) in &self.walls {
            if let Some(mut c) = open(name, self.units.temperature, value, path, reference) {
                c.prescribed = nodes.iter().map(|&n| (n as usize, factor(value, self.mesh.point(n as usize), reference))).collect();
                out.push(c);
            }
        }
        for s in &self.surfaces {
            let (unit, value, above) = match &s.flow {
                Flow::Flux(q) => (self.units.heat_flux, q, 0.0),
                Flow::Convection(_, a) => (self.units.temperature, a, reference),
                Flow::Radiation(..) => continue,
            };
            if let Some(mut c) = open(&s.name, unit, value, &s.path, above) {
                self.add_surface(&mut c.vector, s, |x| match &s.flow {
                    Flow::Flux(q) => factor(q, x, 0.0),
                    Flow::Convection(h, a) => h.eval(x, 0.0) * factor(a, x, reference),
                    Flow::Radiation(..) => 0.0,
                });
                out.push(c);
            }
        }
        if let Some(q) = &self.source
            && let Some(mut c) = open("heat_source", self.units.heat_source, q, "heat_source", 0.0)
        {
            self.add_source(&mut c.vector, |x| factor(q, x, 0.0));
            out.push(c);
        }
        out.extend(self.ties.channels(case, self.units.temperature, size));
        out
    }

    /// The temperature of a transient problem's unit response.
    fn response(&self, temperature: &[f64]) -> Vec<Field> {
        vec![Field::scalar("temperature", self.units.temperature, Location::Node, self.restrict(temperature, 1))]
    }

    /// Nodal heat flux `-k grad T` on a mesh.
    fn flux(&self, mesh: &Mesh, temperature: &[f64]) -> Vec<f64> {
        recovery::recover(mesh, mesh.dim, |cell, nodes, geometry, table, q, out| {
            let coefficient = &self.conductivity[self.material_id[cell] as usize];
            let k = coefficient.constant().unwrap_or_else(|| {
                let at = nodes.iter().zip(&table.values[q]).map(|(&n, v)| v * temperature[n as usize]).sum();
                coefficient.at(&geometry.position[q][..mesh.dim], at).0
            });
            for (d, v) in out.iter_mut().enumerate() {
                *v = -k * nodes.iter().zip(&geometry.gradients[q]).map(|(&n, g)| g[d] * temperature[n as usize]).sum::<f64>();
            }
        })
    }

    fn state(&self, time: f64, temperature: &[f64]) -> State {
        State { time, fields: self.fields(temperature) }
    }

    fn fields(&self, temperature: &[f64]) -> Vec<Field> {
        let flux = self.flux(&self.mesh, temperature);
        vec![
            Field::scalar("temperature", self.units.temperature, Location::Node, self.restrict(temperature, 1)),
            Field::vector("heat_flux", self.units.heat_flux, Location::Node, self.mesh.dim, self.restrict(&flux, self.mesh.dim)),
        ]
    }

    fn constraints(&self) -> Constraints {
        let mut c = Constraints::new(1);
        c.fixed = self.prescribed(self.setup.times[0]).into_keys().map(|u| (u, 0.0)).collect();
        self.ties.constrain(&mut c);
        c
    }
}

/// Steady: one solve for each channel.
struct Steady {
    model: Model,
    system: System,
    channels: Vec<Channel>,
    responses: Vec<Vec<f64>>,
    log: SolverLog,
}

impl Simulator for Steady {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, _step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let mut temperature = vec![0.0; self.model.mesh.num_nodes()];
        self.responses.clear();
        let mut worst: f64 = 0.0;
        for c in &self.channels {
            let (response, residual) = self.system.solve(&c.vector, &c.prescribed).map_err(PhysicsError::from)?;
            worst = worst.max(residual);
            temperature.iter_mut().zip(&response).for_each(|(t, r)| *t += c.load.value * r);
            self.responses.push(response);
        }
        (self.log.newton_iters, self.log.residual) = (vec![1], vec![worst]);
        self.log.condition = self.system.condition();
        self.system.note_iterations(&mut self.log);
        Ok(self.model.state(0.0, &temperature))
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        let pairs = self.channels.iter().zip(&self.responses);
        Ok(pairs.map(|(c, r)| UnitResponse { load: c.load.name.clone(), steps: vec![self.model.fields(r)] }).collect())
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

/// Transient: `(M + theta dt K) T1 = (M - (1 - theta) dt K) T0 + dt (theta f1 + (1 - theta) f0)`. Constant loads from a uniform start are
/// solved load by load and superposed, so that the responses can be learnt.
struct Transient {
    model: Model,
    theta: f64,
    dt: f64,
    capacity: CsrMatrix,
    conduction: CsrMatrix,
    system: System,
    /// Temperature on the whole mesh, of which the states may show the vertices only.
    temperature: Vec<f64>,
    /// Loads, the response to each on the whole mesh, and its history.
    channels: Vec<Channel>,
    responses: Vec<Vec<f64>>,
    history: Vec<UnitResponse>,
    log: SolverLog,
}

impl Transient {
    /// The temperature one step on, from loads before and after and the values prescribed after; and the relative residual.
    fn advance(
        &self,
        t1: f64,
        from: &[f64],
        [f0, f1]: [&[f64]; 2],
        prescribed: &BTreeMap<usize, f64>,
    ) -> Result<(Vec<f64>, f64), SimError> {
        let n = from.len();
        let (mut mt, mut kt) = (vec![0.0; n], vec![0.0; n]);
        self.capacity.apply(from, &mut mt);
        self.conduction.apply(from, &mut kt);
        let rhs: Vec<f64> = (0..n).map(|i| mt[i] + self.dt * (self.theta * f1[i] + (1.0 - self.theta) * (f0[i] - kt[i]))).collect();
        self.system.solve(&rhs, prescribed).map_err(|e| SimError::Solver { time: t1, reason: e.to_string() })
    }
}

impl Simulator for Transient {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let (t0, t1) = (self.model.setup.times[step - 1], self.model.setup.times[step]);
        let mut worst: f64 = 0.0;
        if let Some(reference) = self.model.reference {
            self.temperature.fill(reference);
            for (k, c) in self.channels.iter().enumerate() {
                let (next, residual) = self.advance(t1, &self.responses[k], [&c.vector, &c.vector], &c.prescribed)?;
                self.temperature.iter_mut().zip(&next).for_each(|(t, r)| *t += c.load.value * r);
                self.history[k].steps.push(self.model.response(&next));
                self.responses[k] = next;
                worst = worst.max(residual);
            }
        } else {
            let (f0, f1) = (self.model.load(t0), self.model.load(t1));
            (self.temperature, worst) = self.advance(t1, &self.temperature, [&f0, &f1], &self.model.held(t1))?;
        }
        self.log.newton_iters.push(1);
        self.log.residual.push(worst);
        self.log.condition = self.system.condition();
        Ok(self.model.state(t1, &self.temperature))
    }

    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        Ok(self.history.clone())
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

impl Physics for Heat {
    fn name(&self) -> &'static str {
        "heat"
    }

    fn summary(&self) -> &'static str {
        "heat conduction, steady or transient, with convection, radiation, sources, conductivity that depends on T"
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
        if model.nonlinear {
            return Ok(Box::new(stepping::Simulation::new(model)?));
        }
        for s in &model.surfaces {
            if let Flow::Convection(h, _) = &s.flow
                && h.depends_on_time()
            {
                return Err(case
                    .root()
                    .error("boundary", "a convection coefficient may not depend on t", "let the ambient temperature vary")
                    .into());
            }
        }
        let mut log = SolverLog::default();
        let kinds: Vec<&str> = mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        let Some(time) = model.time else {
            let channels = model.channels(case, mesh.num_nodes());
            let system = model.steady(case, choice)?;
            log.notes.insert("solver".into(), system.name().into());
            return Ok(Box::new(Steady { model, system, channels, responses: Vec::new(), log }));
        };
        let (k, m) = model.matrices(0.0)?;
        let mut matrix = m.clone();
        matrix.values.iter_mut().zip(&k.values).for_each(|(m, k)| *m += time.theta * time.dt() * k);
        let system = System::new(&model.mesh, matrix, model.constraints(), choice, Solves::Many)?;
        log.notes.insert("solver".into(), system.name().into());
        let temperature = model.initial_values();
        log.newton_iters.push(0);
        log.residual.push(0.0);
        let (channels, constraints) = (model.channels(case, mesh.num_nodes()), model.constraints());
        let responses: Vec<Vec<f64>> = channels.iter().map(|c| c.start(&constraints)).collect();
        let first = |(c, r): (&Channel, &Vec<f64>)| UnitResponse { load: c.load.name.clone(), steps: vec![model.response(r)] };
        let history = channels.iter().zip(&responses).map(first).collect();
        let (theta, dt) = (time.theta, time.dt());
        Ok(Box::new(Transient { theta, dt, capacity: m, conduction: k, system, temperature, channels, responses, history, model, log }))
    }

    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let steady = setup.is_steady();
        let update = if steady { Update::Absolute } else { Update::Delta };
        let target = Target {
            field: "temperature".into(),
            components: vec![String::new()],
            unit: case.units.temperature.into(),
            update,
            weight: 1.0,
        };
        Ok(LearningTask {
            physics: self.name().into(),
            dim: setup.mesh.dim,
            targets: vec![target],
            state_inputs: if steady { Vec::new() } else { vec!["temperature".into()] },
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: vec!["heat_flux_in".into(), "ambient_temperature".into()],
            linear_in: setup.loads.iter().map(|l| l.name.clone()).collect(),
            distance_tags: facet_tags(setup),
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: Coordinates::Mesh,
            input_means: true,
            long_range: 0,
            noise: if steady { 0.0 } else { 0.3 },
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    fn recover(&self, case: &Case, mesh: &Arc<Mesh>, state: &State) -> Result<Vec<Field>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        let Some(t) = state.field("temperature") else { return Ok(Vec::new()) };
        let on: Arc<Mesh> = if t.len() == mesh.num_nodes() { mesh.clone() } else { model.output.mesh.clone() };
        Ok(vec![Field::vector("heat_flux", case.units.heat_flux, Location::Node, mesh.dim, model.flux(&on, &t.values))])
    }
}
