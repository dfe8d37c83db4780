//! A case of advection and diffusion, read and checked.

use super::kernel::{Flow, Hessians, Point, hessians};
use crate::PhysicsError;
use crate::material::{known_tag, materials, to_nodes};
use crate::state_mesh::StateMesh;
use crate::ties::{identified, share};
use femur_fem::facets::{FacetPoint, facet_points};
use femur_fem::{Assembler, CellGeometry, Tabulation};
use femur_mesh::topology::boundary_facets;
use femur_mesh::{CellKind, Field, Location, Mesh};
use femur_sim::case::{Case, Expr, Table, TimeGrid, Units};
use femur_sim::{Input, NodeType, Prescribed, Setup, State};
use femur_solve::CsrMatrix;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Degree of what is integrated over a facet.
const DEGREE: usize = 5;
/// The words of a `[[boundary]]`.
const KEYS: &[&str] = &["tag", "concentration", "flux", "outflow"];

/// A case read and checked.
pub(super) struct Model {
    mesh: Arc<Mesh>,
    output: StateMesh,
    material_id: Vec<i32>,
    diffusivity: Vec<f64>,
    velocity: Vec<Expr>,
    source: Expr,
    held: BTreeMap<usize, Expr>,
    fluxes: Vec<(Vec<FacetPoint>, Expr)>,
    initial: Expr,
    supg: bool,
    pub(super) time: Option<TimeGrid>,
    units: Units,
    /// For each node the one whose unknown it shares.
    pub(super) same: Vec<u32>,
    pub(super) setup: Setup,
}

impl Model {
    pub(super) fn new(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let root = case.root();
        case.claim(&["velocity", "source"]);
        let velocity = root.exprs("velocity")?;
        if velocity.len() != mesh.dim {
            let what = format!("has {} components, the mesh has {} dimensions", velocity.len(), mesh.dim);
            return Err(root.error("velocity", what, "one number or expression for each direction").into());
        }
        let discretisation = case.table("discretisation");
        let supg = discretisation.bool_or("supg", true)?;
        discretisation.finish()?;
        let (material_id, tables) = materials(case, mesh)?;
        let mut diffusivity = Vec::new();
        for table in &tables {
            diffusivity.push(table.positive("diffusivity")?);
            table.finish()?;
        }
        let initial_table = case.table("initial");
        let initial = if case.time.is_some() { initial_table.expr("concentration")? } else { Expr::constant(0.0) };
        initial_table.claim(&["concentration"]);
        initial_table.finish()?;
        let output = StateMesh::new(case, mesh);
        let setup = output.setup("advection-diffusion", case, &material_id);
        let source = root.opt_expr("source")?.unwrap_or_else(|| Expr::constant(0.0));
        let (held, fluxes, time, units) = (BTreeMap::new(), Vec::new(), case.time, case.units);
        let mesh = mesh.clone();
        let mut model = Model {
            mesh,
            output,
            material_id,
            diffusivity,
            velocity,
            source,
            held,
            fluxes,
            initial,
            supg,
            time,
            units,
            same: Vec::new(),
            setup,
        };
        model.same = identified(case, &model.mesh)?;
        let mut node_type = vec![NodeType::Normal; model.mesh.num_nodes()];
        for table in case.tables("boundary") {
            model.boundary(&table, &mut node_type)?;
        }
        if model.held.is_empty() && model.time.is_none() {
            let hint = "add [[boundary]] with concentration, or a [time] grid";
            return Err(root.error("boundary", "nothing holds the concentration, so a steady one does not exist", hint).into());
        }
        share(&model.same, &mut model.held, |n| n);
        model.set_up(node_type);
        Ok(model)
    }

    fn boundary(&mut self, table: &Table, node_type: &mut [NodeType]) -> Result<(), PhysicsError> {
        let tag = table.string("tag")?;
        known_tag(&self.mesh, table, "tag", &tag)?;
        table.claim(KEYS);
        let given: Vec<&str> = KEYS[1..].iter().copied().filter(|k| table.has(k)).collect();
        if given.len() != 1 {
            return Err(table
                .error("", format!("has {} conditions", given.len()), format!("exactly one of {}", KEYS[1..].join(", ")))
                .into());
        }
        let facets = || {
            let hint = "a flux or an outflow needs a tag of facets";
            self.mesh.tag_facets(&tag).map_err(|e| PhysicsError::from(table.error("tag", e.to_string(), hint)))
        };
        if let Some(value) = table.opt_expr("concentration")? {
            for n in self.mesh.tag_nodes(&tag)? {
                self.held.insert(n as usize, value.clone());
                node_type[n as usize] = NodeType::WallBoundary;
            }
        }
        let mut flux = None;
        if let Some(value) = table.opt_expr("flux")? {
            flux = Some((facet_points(&self.mesh, facets()?, DEGREE), value));
        }
        if table.bool_or("outflow", false)? {
            facets()?;
        }
        let mark = |n: u32, kind: NodeType, node_type: &mut [NodeType]| {
            if node_type[n as usize] == NodeType::Normal {
                node_type[n as usize] = kind;
            }
        };
        match given[0] {
            "flux" => self.mesh.tag_nodes(&tag)?.into_iter().for_each(|n| mark(n, NodeType::Loaded, node_type)),
            "outflow" => self.mesh.tag_nodes(&tag)?.into_iter().for_each(|n| mark(n, NodeType::Outflow, node_type)),
            _ => {}
        }
        self.fluxes.extend(flux);
        table.finish()?;
        Ok(())
    }

    fn set_up(&mut self, mut node_type: Vec<NodeType>) {
        let (dim, times) = (self.mesh.dim, self.setup.times.clone());
        // Held nodes through which the flow enters are an inflow.
        for p in facet_points(&self.mesh, &boundary_facets(&self.mesh), 2) {
            let b = self.velocity_at(&p.position, times[0]);
            if (0..dim).map(|d| b[d] * p.normal[d]).sum::<f64>() < -1e-12 {
                for &n in &p.nodes {
                    if node_type[n as usize] == NodeType::WallBoundary {
                        node_type[n as usize] = NodeType::Inflow;
                    }
                }
            }
        }
        let series = |name: &str, unit: String, components: &[&str], values: &[&Expr]| {
            let varies = values.iter().any(|e| e.depends_on_time());
            let steps: &[f64] = if varies { &times } else { &times[..1] };
            let mesh = &self.mesh;
            let at =
                |t: f64| -> Vec<f64> { (0..mesh.num_nodes()).flat_map(|n| values.iter().map(move |e| e.eval(mesh.point(n), t))).collect() };
            Input {
                name: name.into(),
                unit,
                components: components.iter().map(|c| (*c).to_string()).collect(),
                steps: steps.len(),
                values: steps.iter().flat_map(|&t| self.restrict(at(t), values.len())).collect(),
            }
        };
        let (length, time) = (self.units.length, self.units.time);
        let velocity: Vec<&Expr> = self.velocity.iter().collect();
        let inputs = vec![
            Input {
                name: "diffusivity".into(),
                unit: format!("{length}^2/{time}"),
                components: vec![String::new()],
                steps: 1,
                values: self.restrict(to_nodes(&self.mesh, &self.material_id, |m| self.diffusivity[m]), 1),
            },
            series("flow_velocity", format!("{length}/{time}"), &["x", "y", "z"][..dim], &velocity),
            series("source", format!("1/{time}"), &[""], &[&self.source]),
        ];
        let steps: Vec<f64> = if self.held.values().any(Expr::depends_on_time) { times.clone() } else { vec![times[0]] };
        let n = self.mesh.num_nodes();
        let values = steps.iter().flat_map(|&t| {
            let mut v = vec![0.0; n];
            self.hold(t, &mut v);
            self.restrict(v, 1)
        });
        let prescribed = Prescribed {
            field: "concentration".into(),
            values: values.collect(),
            steps: steps.len(),
            mask: self.restrict((0..n).map(|i| f64::from(u8::from(self.is_held(i)))).collect(), 1).iter().map(|m| *m > 0.5).collect(),
        };
        let types: Vec<f64> = node_type.iter().map(|&t| f64::from(t as i32)).collect();
        let node_type = self.restrict(types, 1).iter().map(|&t| NodeType::ALL[t as usize]).collect();
        let initial = self.time.is_some().then(|| {
            let mut v = self.initial();
            self.hold(times[0], &mut v);
            self.state(times[0], &v)
        });
        self.setup = Setup { node_type, inputs, prescribed: vec![prescribed], initial, ..self.setup.clone() };
    }

    fn restrict(&self, values: Vec<f64>, components: usize) -> Vec<f64> {
        self.output.restrict(&values, components)
    }

    fn velocity_at(&self, x: &[f64; 3], t: f64) -> [f64; 3] {
        std::array::from_fn(|d| self.velocity.get(d).map_or(0.0, |v| v.eval(&x[..self.mesh.dim], t)))
    }

    pub(super) fn velocity_varies(&self) -> bool {
        self.velocity.iter().any(Expr::depends_on_time)
    }

    pub(super) fn dt(&self) -> f64 {
        self.time.map_or(f64::INFINITY, |t| t.dt())
    }

    pub(super) fn is_held(&self, node: usize) -> bool {
        self.held.contains_key(&node)
    }

    /// Sets the held values at a time.
    pub(super) fn hold(&self, t: f64, values: &mut [f64]) {
        self.held.iter().for_each(|(&n, e)| values[n] = e.eval(self.mesh.point(n), t));
    }

    /// Nodal values at the start.
    pub(super) fn initial(&self) -> Vec<f64> {
        self.same.iter().map(|&n| self.initial.eval(self.mesh.point(n as usize), self.setup.times[0])).collect()
    }

    pub(super) fn state(&self, time: f64, values: &[f64]) -> State {
        State { time, fields: vec![Field::scalar("concentration", "1", Location::Node, self.restrict(values.to_vec(), 1))] }
    }

    /// Second derivatives by kind of cell.
    fn hessians(&self, assembler: &Assembler) -> Vec<(CellKind, Hessians)> {
        self.mesh.blocks.iter().filter_map(|b| assembler.table(b.kind).map(|t| (b.kind, hessians(t)))).collect()
    }

    fn point(&self, known: &Known<'_>, cell: usize, geometry: &CellGeometry, table: &Tabulation, q: usize) -> Point {
        let diffusivity = self.diffusivity[self.material_id[cell] as usize];
        let flow = Flow { velocity: self.velocity_at(&geometry.position[q], known.t), diffusivity, dt: known.dt, supg: self.supg };
        let hessians = known.hessians.iter().find(|h| h.0 == table.kind).map_or(&[][..], |h| &h.1);
        Point::new(&self.mesh, self.mesh.cell_nodes(cell), geometry, table, hessians, q, flow)
    }

    /// Mass and transport, both with upwinded weights, at a time.
    pub(super) fn matrices(&self, assembler: &Assembler, t: f64, dt: f64) -> Result<(CsrMatrix, CsrMatrix), PhysicsError> {
        let known = Known { hessians: &self.hessians(assembler), t, dt };
        let (mut mass, mut transport) = (assembler.zeros(), assembler.zeros());
        let worst = Mutex::new((f64::INFINITY, 0usize));
        assembler.add_matrix(&self.mesh, &mut transport, |cell, geometry, table, out| {
            if geometry.min_det <= 0.0
                && let Ok(mut worst) = worst.lock()
                && (geometry.min_det, cell) < *worst
            {
                *worst = (geometry.min_det, cell);
            }
            let k = self.diffusivity[self.material_id[cell] as usize];
            for q in 0..table.rule.len() {
                let p = self.point(&known, cell, geometry, table, q);
                let (n, g) = (&table.values[q], &geometry.gradients[q]);
                for a in 0..n.len() {
                    for b in 0..n.len() {
                        let diffusion = k * (g[a][0] * g[b][0] + g[a][1] * g[b][1] + g[a][2] * g[b][2]);
                        let strong = p.along[b] - k * p.laplace.get(b).copied().unwrap_or(0.0);
                        out[a * n.len() + b] += p.weight * (n[a] * p.along[b] + diffusion + p.upwind(a) * strong);
                    }
                }
            }
        });
        let (det, cell) = worst.into_inner().unwrap_or((1.0, 0));
        if det <= 0.0 {
            return Err(PhysicsError::Inverted { cell, det });
        }
        if self.time.is_some() {
            assembler.add_matrix(&self.mesh, &mut mass, |cell, geometry, table, out| {
                for q in 0..table.rule.len() {
                    let p = self.point(&known, cell, geometry, table, q);
                    let n = &table.values[q];
                    for a in 0..n.len() {
                        let w = p.weight * (n[a] + p.upwind(a));
                        out[a * n.len()..(a + 1) * n.len()].iter_mut().zip(n).for_each(|(o, nb)| *o += w * nb);
                    }
                }
            });
        }
        Ok((mass, transport))
    }

    /// Source, upwinded, and fluxes at a time.
    pub(super) fn load(&self, assembler: &Assembler, t: f64, dt: f64) -> Vec<f64> {
        let mut f = vec![0.0; self.mesh.num_nodes()];
        if self.source.is_constant() != Some(0.0) {
            let known = Known { hessians: &[], t, dt };
            assembler.add_vector(&self.mesh, &mut f, |cell, geometry, table, out| {
                for q in 0..table.rule.len() {
                    let p = self.point(&known, cell, geometry, table, q);
                    let w = p.weight * self.source.eval(&geometry.position[q][..self.mesh.dim], t);
                    out.iter_mut().enumerate().for_each(|(a, o)| *o += w * (table.values[q][a] + p.upwind(a)));
                }
            });
        }
        for (points, flux) in &self.fluxes {
            for p in points {
                let w = p.area * flux.eval(&p.position[..self.mesh.dim], t);
                p.nodes.iter().zip(&p.values).for_each(|(&n, v)| f[n as usize] += w * v);
            }
        }
        f
    }
}

/// What every point of an assembly shares.
struct Known<'a> {
    hessians: &'a [(CellKind, Hessians)],
    t: f64,
    dt: f64,
}
