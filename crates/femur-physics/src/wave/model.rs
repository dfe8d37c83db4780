//! A wave case: its keys, matrices and loads.

use crate::PhysicsError;
use crate::dynamics::{Dynamics, EXPLICIT, Forcing, Held, Method, Parts, Problem, Script, rates};
use crate::material::{known_tag, materials, to_nodes};
use crate::nested::{check_cells, refused};
use crate::state_mesh::StateMesh;
use crate::ties::Ties;
use femur_fem::facets::{FacetPoint, facet_points};
use femur_fem::{Assembler, CellCoefficient, Constrained, Constraints, Form, MatrixFree, VectorAssembler, lumped_mass};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Expr, Table};
use femur_sim::{Input, NodeType, Prescribed, Setup, State};
use femur_solve::CsrMatrix;
use std::sync::{Arc, OnceLock};

/// A case read and checked.
pub(super) struct Model {
    case: Case,
    mesh: Arc<Mesh>,
    output: StateMesh,
    material_id: Vec<i32>,
    speed: Vec<f64>,
    /// Prescribed amplitude: nodes, value.
    walls: Vec<(Vec<u32>, Expr)>,
    /// `c^2 grad u . n` that is prescribed.
    fluxes: Vec<(Vec<FacetPoint>, Expr)>,
    /// Points of absorbing facets, each with the speed of its cell.
    absorbing: Vec<(FacetPoint, f64)>,
    source: Option<Expr>,
    /// What integrates the source, made once.
    sources: OnceLock<VectorAssembler>,
    initial: [Expr; 2],
    pub(super) dynamics: Dynamics,
    units: femur_sim::case::Units,
    ties: Ties,
    pub(super) setup: Setup,
}

/// The words of a `[[boundary]]`.
const KEYS: &[&str] = &["tag", "amplitude", "flux", "absorbing"];

impl Model {
    pub(super) fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        case.claim(&["source"]);
        let (dynamics, _) = Dynamics::read(case, false)?;
        let (material_id, tables) = materials(case, mesh)?;
        let mut speed = Vec::new();
        for table in &tables {
            speed.push(table.positive("wave_speed")?);
            table.finish()?;
        }
        let table = case.table("initial");
        let start = |key: &str| Ok::<_, PhysicsError>(table.opt_expr(key)?.unwrap_or_else(|| Expr::constant(0.0)));
        let initial = [start("amplitude")?, start("rate")?];
        table.finish()?;
        let output = StateMesh::new(case, mesh);
        let setup = output.setup("wave", case, &material_id);
        let (walls, fluxes, absorbing) = (Vec::new(), Vec::new(), Vec::new());
        let source = case.root().opt_expr("source")?;
        if dynamics.method == Method::CentralDifference {
            check_cells(case, mesh, &EXPLICIT)?;
        }
        let (mesh, units) = (mesh.clone(), case.units);
        let mut model = Model {
            case: case.clone(),
            mesh,
            output,
            material_id,
            speed,
            walls,
            fluxes,
            absorbing,
            source,
            sources: OnceLock::new(),
            initial,
            dynamics,
            units,
            ties: Ties::default(),
            setup,
        };
        for table in case.tables("boundary") {
            model.boundary(&table)?;
        }
        model.ties = Ties::read(case, &model.mesh, &model.constraints())?;
        if model.ties.jumps().values().any(|j| *j != 0.0) {
            let what = "a wave has the same amplitude on both sides";
            return Err(case.root().error("periodic", what, "leave out jump, and the value of an equation").into());
        }
        model.set_up()?;
        Ok(model)
    }

    fn boundary(&mut self, table: &Table) -> Result<(), PhysicsError> {
        let tag = table.string("tag")?;
        known_tag(&self.mesh, table, "tag", &tag)?;
        table.claim(KEYS);
        if !KEYS[1..].iter().any(|k| table.has(k)) {
            return Err(table.error("", "says nothing beside the tag", format!("one of {}", KEYS[1..].join(", "))).into());
        }
        if let Some(value) = table.opt_expr("amplitude")? {
            let nodes = self.mesh.tag_nodes(&tag)?;
            // Where two boundaries meet the later one in the file holds.
            self.walls.iter_mut().for_each(|w| w.0.retain(|n| nodes.binary_search(n).is_err()));
            self.walls.push((nodes, value));
        }
        let degree = 2 * self.mesh.blocks.first().map_or(1, |b| b.kind.order()) + 1;
        let hint = "what passes through an area needs a tag of facets";
        let facets = || self.mesh.tag_facets(&tag).map_err(|e| table.error("tag", e.to_string(), hint));
        if let Some(flux) = table.opt_expr("flux")? {
            let points = facet_points(&self.mesh, facets()?, degree);
            self.fluxes.push((points, flux));
        }
        if table.bool_or("absorbing", false)? {
            for facet in facets()?.to_vec() {
                let speed = self.speed[self.material_id[facet.cell as usize] as usize];
                self.absorbing.extend(facet_points(&self.mesh, &[facet], degree).into_iter().map(|p| (p, speed)));
            }
        }
        table.finish()?;
        Ok(())
    }

    fn restrict(&self, values: &[f64]) -> Vec<f64> {
        self.output.restrict(values, 1)
    }

    fn held(&self, t: f64) -> Held {
        let nodes = self.walls.iter().flat_map(|(nodes, value)| nodes.iter().map(move |&n| (n, value)));
        nodes.map(|(n, value)| (n as usize, value.eval(self.mesh.point(n as usize), t))).collect()
    }

    /// Adds the forces of a flux at a time.
    fn add_flux(&self, points: &[FacetPoint], flux: &Expr, t: f64, f: &mut [f64]) {
        for p in points {
            let w = flux.eval(&p.position[..self.mesh.dim], t) * p.area;
            p.nodes.iter().zip(&p.values).for_each(|(&n, v)| f[n as usize] += w * v);
        }
    }

    /// Adds the forces of a source at a time.
    fn add_source(&self, source: &Expr, t: f64, f: &mut [f64]) {
        self.sources.get_or_init(|| VectorAssembler::new(&self.mesh, 1, 2)).add_vector(&self.mesh, f, |_, geometry, table, out| {
            for (q, values) in table.values.iter().enumerate() {
                let w = geometry.volume[q] * source.eval(&geometry.position[q][..self.mesh.dim], t);
                out.iter_mut().zip(values).for_each(|(o, v)| *o += w * v);
            }
        });
    }

    fn load(&self, t: f64) -> Vec<f64> {
        let mut f = vec![0.0; self.mesh.num_nodes()];
        self.fluxes.iter().for_each(|(points, flux)| self.add_flux(points, flux, t, &mut f));
        if let Some(source) = &self.source {
            self.add_source(source, t, &mut f);
        }
        f
    }

    fn set_up(&mut self) -> Result<(), PhysicsError> {
        let n = self.mesh.num_nodes();
        let times = self.setup.times.clone();
        let steps = if self.varies() { &times[..] } else { &times[..1] };
        let over = |name: &str, unit: &str, at: &dyn Fn(f64) -> Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: vec![String::new()],
            steps: steps.len(),
            values: steps.iter().flat_map(|&t| self.restrict(&at(t))).collect(),
        };
        let still = |name: &str, unit: &str, values: Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: vec![String::new()],
            steps: 1,
            values: self.restrict(&values),
        };
        let speed = format!("{}/{}", self.units.length, self.units.time);
        let mut inputs = vec![still("wave_speed", &speed, to_nodes(&self.mesh, &self.material_id, |m| self.speed[m]))];
        let mut absorbs = vec![0.0; n];
        self.absorbing.iter().for_each(|(p, _)| p.nodes.iter().for_each(|&i| absorbs[i as usize] = 1.0));
        inputs.push(still("absorbing", "1", absorbs.clone()));
        if let Some(source) = &self.source {
            let unit = format!("1/{}^2", self.units.time);
            inputs.push(over("source", &unit, &|t| (0..n).map(|i| source.eval(self.mesh.point(i), t)).collect()));
        }
        if !self.fluxes.is_empty() {
            // Of the boundary as it lies at the node, the mean over its facets.
            let unit = format!("{}/{}^2", self.units.length, self.units.time);
            inputs.push(over("flux", &unit, &|t| {
                let (mut sum, mut area) = (vec![0.0; n], vec![0.0; n]);
                for (p, flux) in self.fluxes.iter().flat_map(|(points, flux)| points.iter().map(move |p| (p, flux))) {
                    for &i in &p.nodes {
                        sum[i as usize] += p.area * flux.eval(&p.position[..self.mesh.dim], t);
                        area[i as usize] += p.area;
                    }
                }
                sum.iter().zip(&area).map(|(s, a)| if *a > 0.0 { s / a } else { 0.0 }).collect()
            }));
        }
        let held = self.held(times[0]);
        let mask = self.restrict(&(0..n).map(|i| f64::from(u8::from(held.contains_key(&i)))).collect::<Vec<_>>());
        let values = over("", "", &|t| {
            let mut v = vec![0.0; n];
            self.held(t).into_iter().for_each(|(i, p)| v[i] = p);
            v
        });
        let prescribed = Prescribed {
            field: "amplitude".into(),
            mask: mask.iter().map(|&m| m > 0.5).collect(),
            steps: values.steps,
            values: values.values,
        };
        let mut types = vec![NodeType::Normal; n];
        self.fluxes.iter().flat_map(|f| &f.0).for_each(|p| p.nodes.iter().for_each(|&i| types[i as usize] = NodeType::Loaded));
        self.absorbing.iter().for_each(|(p, _)| p.nodes.iter().for_each(|&i| types[i as usize] = NodeType::Outflow));
        held.keys().for_each(|&i| types[i] = NodeType::WallBoundary);
        let node_type = self.output.restrict(&types, 1);
        let [u, v] = self.start()?;
        let initial = Some(self.state(times[0], &u, &v));
        self.setup = Setup { node_type, inputs, prescribed: vec![prescribed], initial, ..self.setup.clone() };
        Ok(())
    }
}

impl Forcing for Model {
    fn case(&self) -> &Case {
        &self.case
    }

    fn loads(&self, t: f64) -> Result<(Vec<f64>, Held), PhysicsError> {
        Ok((self.load(t), self.held(t)))
    }

    fn script(&self) -> Result<Option<Script>, PhysicsError> {
        let t = self.setup.times[0];
        let size = self.mesh.num_nodes();
        let mut script = Script { force: vec![0.0; size], ..Script::default() };
        for (nodes, value) in &self.walls {
            let Some((place, time)) = value.factor_time() else { return Ok(None) };
            script.add(time.as_ref(), &[], nodes.iter().map(|&n| (n as usize, place.eval(self.mesh.point(n as usize), t))));
        }
        let fluxes = self.fluxes.iter().map(|(points, e)| (Some(points), e));
        for (points, value) in fluxes.chain(self.source.iter().map(|e| (None, e))) {
            let Some((place, time)) = value.factor_time() else { return Ok(None) };
            let mut f = vec![0.0; size];
            match points {
                Some(points) => self.add_flux(points, &place, t, &mut f),
                None => self.add_source(&place, t, &mut f),
            }
            script.add(time.as_ref(), &f, std::iter::empty());
        }
        Ok(Some(script))
    }
}

impl Problem for Model {
    fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    fn setup(&self) -> &Setup {
        &self.setup
    }

    fn dynamics(&self) -> &Dynamics {
        &self.dynamics
    }

    fn energy_unit(&self) -> String {
        format!("{}^{}/{}^2", self.units.length, self.mesh.dim, self.units.time)
    }

    fn start(&self) -> Result<[Vec<f64>; 2], PhysicsError> {
        let t = self.setup.times[0];
        let mut out = [0, 1].map(|k| (0..self.mesh.num_nodes()).map(|n| self.initial[k].eval(self.mesh.point(n), t)).collect::<Vec<f64>>());
        let (constraints, held, rates) = (self.constraints(), self.held(t), self.rates(t)?.0);
        for (values, held) in out.iter_mut().zip([held, rates]) {
            held.iter().for_each(|(&n, &v)| values[n] = v);
            constraints.follow(&held, values);
        }
        Ok(out)
    }

    fn varies(&self) -> bool {
        let all = self.walls.iter().map(|w| &w.1).chain(self.fluxes.iter().map(|f| &f.1)).chain(&self.source);
        all.into_iter().any(Expr::depends_on_time)
    }

    fn rates(&self, t: f64) -> Result<(Held, Held), PhysicsError> {
        rates(|t| Ok(self.held(t)), t, self.dynamics.difference())
    }

    fn constraints(&self) -> Constraints {
        let mut c = Constraints::new(1);
        c.fixed = self.held(self.setup.times[0]).into_keys().map(|u| (u, 0.0)).collect();
        self.ties.constrain(&mut c);
        c
    }

    /// Mass, damping of the absorbing facets, stiffness.
    fn matrices(&self) -> Result<[CsrMatrix; 3], PhysicsError> {
        let assembler = Assembler::new(&self.mesh, 1, 2);
        let [mut mass, mut damping, mut stiffness] = [0; 3].map(|_| assembler.zeros());
        let worst = std::sync::Mutex::new((f64::INFINITY, 0usize));
        assembler.add_matrix(&self.mesh, &mut stiffness, |cell, geometry, table, out| {
            if geometry.min_det <= 0.0
                && let Ok(mut worst) = worst.lock()
                && geometry.min_det < worst.0
            {
                *worst = (geometry.min_det, cell);
            }
            let c = self.speed[self.material_id[cell] as usize].powi(2);
            for q in 0..table.rule.len() {
                let (g, w) = (&geometry.gradients[q], c * geometry.volume[q]);
                for a in 0..g.len() {
                    for b in 0..g.len() {
                        out[a * g.len() + b] += w * (0..3).map(|d| g[a][d] * g[b][d]).sum::<f64>();
                    }
                }
            }
        });
        let (det, cell) = worst.into_inner().unwrap_or((1.0, 0));
        if det <= 0.0 {
            return Err(PhysicsError::Inverted { cell, det });
        }
        assembler.add_matrix(&self.mesh, &mut mass, |_, geometry, table, out| {
            for (q, v) in table.values.iter().enumerate() {
                for a in 0..v.len() {
                    for b in 0..v.len() {
                        out[a * v.len() + b] += geometry.volume[q] * v[a] * v[b];
                    }
                }
            }
        });
        for (p, speed) in &self.absorbing {
            let n = p.nodes.len();
            let element: Vec<f64> = (0..n * n).map(|e| speed * p.area * p.values[e / n] * p.values[e % n]).collect();
            assembler.scatter(&mut damping, &p.nodes, &element);
        }
        Ok([mass, damping, stiffness])
    }

    fn parts(&self) -> Result<Parts, PhysicsError> {
        let squares: Vec<f64> = self.speed.iter().map(|c| c * c).collect();
        let form = Form::Diffusion(CellCoefficient::ByMaterial(&squares, &self.material_id));
        let cells = Arc::new(MatrixFree::new(&self.mesh, &form).map_err(|e| refused(&self.case, e, &EXPLICIT))?);
        let operator = Constrained::new(cells, &self.constraints(), &[]);
        let operator = operator.ok_or_else(|| EXPLICIT.error(&self.case, "does not take ties", ""))?;
        let mass = lumped_mass(&self.mesh, CellCoefficient::Uniform(1.0))?;
        let mut drag = if self.absorbing.is_empty() { Vec::new() } else { vec![0.0; mass.len()] };
        for (p, speed) in &self.absorbing {
            // The sums of the rows: a vertex of a triangle6 facet gets none.
            p.nodes.iter().zip(&p.values).for_each(|(&n, v)| drag[n as usize] += speed * p.area * v);
        }
        // What rounding leaves of 0 must not feed energy in.
        drag.iter_mut().for_each(|d| *d = d.max(0.0));
        Ok(Parts { operator, mass, drag, lag: 0.0 })
    }

    fn state(&self, time: f64, amplitude: &[f64], rate: &[f64]) -> State {
        let field = |name: &str, unit: &str, values: &[f64]| Field::scalar(name, unit, Location::Node, self.restrict(values));
        let per_time = format!("1/{}", self.units.time);
        State { time, fields: vec![field("amplitude", "1", amplitude), field("rate", &per_time, rate)] }
    }
}
