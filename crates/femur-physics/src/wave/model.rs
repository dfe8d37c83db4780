//! A wave case: its keys, matrices and loads.

use crate::PhysicsError;
use crate::dynamics::{Dynamics, Held, rates};
use crate::material::{known_tag, materials, to_nodes};
use crate::state_mesh::StateMesh;
use crate::ties::Ties;
use femur_fem::facets::{FacetPoint, facet_points};
use femur_fem::{Assembler, Constraints};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Expr, Table};
use femur_sim::{Input, NodeType, Prescribed, Setup, State};
use femur_solve::CsrMatrix;
use std::sync::Arc;

/// A case read and checked.
pub(super) struct Model {
    pub(super) mesh: Arc<Mesh>,
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
    initial: [Expr; 2],
    pub(super) dynamics: Dynamics,
    pub(super) dt: f64,
    pub(super) units: femur_sim::case::Units,
    ties: Ties,
    pub(super) setup: Setup,
}

/// The words of a `[[boundary]]`.
const KEYS: &[&str] = &["tag", "amplitude", "flux", "absorbing"];

impl Model {
    pub(super) fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        case.claim(&["source"]);
        let (dynamics, time) = Dynamics::read(case, false)?;
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
        let dt = time.dt() / dynamics.substeps as f64;
        let (mesh, units) = (mesh.clone(), case.units);
        let mut model = Model {
            mesh,
            output,
            material_id,
            speed,
            walls,
            fluxes,
            absorbing,
            source,
            initial,
            dynamics,
            dt,
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

    /// Whether a boundary value or the source changes in time.
    pub(super) fn varies(&self) -> bool {
        let all = self.walls.iter().map(|w| &w.1).chain(self.fluxes.iter().map(|f| &f.1)).chain(&self.source);
        all.into_iter().any(Expr::depends_on_time)
    }

    pub(super) fn held(&self, t: f64) -> Held {
        let nodes = self.walls.iter().flat_map(|(nodes, value)| nodes.iter().map(move |&n| (n, value)));
        nodes.map(|(n, value)| (n as usize, value.eval(self.mesh.point(n as usize), t))).collect()
    }

    pub(super) fn rates(&self, t: f64) -> Result<(Held, Held), PhysicsError> {
        rates(|t| Ok(self.held(t)), t, 0.1 * self.dt)
    }

    pub(super) fn load(&self, t: f64) -> Vec<f64> {
        let dim = self.mesh.dim;
        let mut f = vec![0.0; self.mesh.num_nodes()];
        for (points, flux) in &self.fluxes {
            for p in points {
                let w = flux.eval(&p.position[..dim], t) * p.area;
                p.nodes.iter().zip(&p.values).for_each(|(&n, v)| f[n as usize] += w * v);
            }
        }
        if let Some(source) = &self.source {
            Assembler::new(&self.mesh, 1, 2).add_vector(&self.mesh, &mut f, |_, geometry, table, out| {
                for (q, values) in table.values.iter().enumerate() {
                    let w = geometry.volume[q] * source.eval(&geometry.position[q][..dim], t);
                    out.iter_mut().zip(values).for_each(|(o, v)| *o += w * v);
                }
            });
        }
        f
    }

    /// Mass, damping of the absorbing facets, stiffness.
    pub(super) fn matrices(&self) -> Result<[CsrMatrix; 3], PhysicsError> {
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

    pub(super) fn constraints(&self) -> Constraints {
        let mut c = Constraints::new(1);
        c.fixed = self.held(self.setup.times[0]).into_keys().map(|u| (u, 0.0)).collect();
        self.ties.constrain(&mut c);
        c
    }

    /// Amplitude and rate at the start, with the prescribed values put in.
    pub(super) fn start(&self) -> Result<[Vec<f64>; 2], PhysicsError> {
        let t = self.setup.times[0];
        let mut out = [0, 1].map(|k| (0..self.mesh.num_nodes()).map(|n| self.initial[k].eval(self.mesh.point(n), t)).collect::<Vec<f64>>());
        let (constraints, held, rates) = (self.constraints(), self.held(t), self.rates(t)?.0);
        for (values, held) in out.iter_mut().zip([held, rates]) {
            held.iter().for_each(|(&n, &v)| values[n] = v);
            constraints.follow(&held, values);
        }
        Ok(out)
    }

    pub(super) fn state(&self, time: f64, amplitude: &[f64], rate: &[f64]) -> State {
        let field = |name: &str, unit: &str, values: &[f64]| Field::scalar(name, unit, Location::Node, self.restrict(values));
        let per_time = format!("1/{}", self.units.time);
        State { time, fields: vec![field("amplitude", "1", amplitude), field("rate", &per_time, rate)] }
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
