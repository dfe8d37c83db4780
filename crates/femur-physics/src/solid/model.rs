//! A nonlinear solid's case, read and checked: mesh, materials, supports, loads and obstacles over the (pseudo-)time.

use super::contact::Obstacle;
use super::{Assembly, Body, Equilibrium, Inertia, Loads};
use crate::PhysicsError;
use crate::dynamics::{Held, initial, rates};
use crate::elasticity::boundary::Conditions;
use crate::elasticity::rigid;
use crate::material::{materials, to_nodes};
use crate::state_mesh::StateMesh;
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Table};
use femur_sim::{Input, NodeType, Prescribed, Setup, State};
use std::sync::Arc;

/// What both nonlinear solids read.
pub(crate) struct SolidModel {
    pub(crate) mesh: Arc<Mesh>,
    /// The mesh of the states, and for each of its nodes the node of `mesh`.
    pub(crate) output: StateMesh,
    pub(crate) case: Case,
    /// 1 in 3D.
    pub(crate) thickness: f64,
    pub(crate) material_id: Vec<i32>,
    pub(crate) tables: Vec<Table>,
    densities: Vec<Option<f64>>,
    /// Output times; one for a steady case, whose loads grow over a pseudo-time from 0 to 1.
    pub(crate) times: Vec<f64>,
    pub(crate) steady: bool,
    /// Whether the body has inertia: the case has `[dynamics]`.
    pub(crate) dynamic: bool,
    /// Supports and loads at the first time, in full.
    conditions: Conditions,
}

/// A material coefficient for surrogates: name, unit, value of each material.
pub(crate) type Coefficient = (&'static str, &'static str, Vec<f64>);

impl SolidModel {
    /// Reads all but the constants of the materials; `densities` gives that of each of their tables.
    pub(crate) fn read(case: &Case, mesh: &Arc<Mesh>, keys: &[&str]) -> Result<Self, PhysicsError> {
        case.claim(&["thickness", "obstacle"]);
        case.claim(keys);
        let thickness = if mesh.dim == 2 { case.root().positive_or("thickness", 1.0)? } else { 1.0 };
        let (material_id, tables) = materials(case, mesh)?;
        let densities = tables.iter().map(|t| t.opt_positive("density")).collect::<Result<Vec<_>, _>>()?;
        let steady = case.time.is_none();
        let times = case.time.map_or_else(|| vec![0.0], |t| t.times());
        let conditions = Conditions::read(case, mesh, &material_id, &densities, &tables, (times[0], 1.0))?;
        if steady && conditions.varies {
            let hint = "add [time] with end and steps: loads follow t there; without it they grow to their full value by themselves";
            return Err(case.root().error("boundary", "a load mentions t, but the case has no [time]", hint).into());
        }
        let dynamic = case.root().has("dynamics");
        if !dynamic {
            rigid::check(case, mesh, &conditions)?;
        }
        let output = StateMesh::new(case, mesh);
        let model = SolidModel {
            mesh: mesh.clone(),
            output,
            case: case.clone(),
            thickness,
            material_id,
            tables,
            densities,
            times,
            steady,
            dynamic,
            conditions,
        };
        Ok(model)
    }

    /// The density of each material.
    ///
    /// # Errors
    /// A material without one.
    pub(crate) fn densities(&self) -> Result<Vec<f64>, PhysicsError> {
        let missing = |table: &Table| table.error("density", "is needed with [dynamics]", "write density = ...").into();
        self.tables.iter().zip(&self.densities).map(|(table, d)| d.ok_or_else(|| missing(table))).collect()
    }

    /// The obstacles at their starting places; `stiffness` is the largest modulus of the body.
    pub(crate) fn obstacles(&self, stiffness: f64) -> Result<Vec<Obstacle>, PhysicsError> {
        let obstacles = Obstacle::read(&self.case, &self.mesh, self.thickness, stiffness)?;
        if self.steady && obstacles.iter().any(Obstacle::depends_on_time) {
            let hint = "add [time] with end and steps, or write how far the obstacle moves in all";
            return Err(self.case.root().error("obstacle", "a displacement mentions t, but the case has no [time]", hint).into());
        }
        Ok(obstacles)
    }

    /// The body at rest, without loads.
    pub(crate) fn equilibrium(&self, body: Arc<dyn Body>, obstacles: Vec<Obstacle>) -> Equilibrium {
        let assembly = Assembly::new(&self.mesh, body.as_ref());
        let mut supports = assembly.assembler.zeros();
        self.conditions.add_supports(&self.mesh, &assembly.assembler, &mut supports, self.thickness);
        let supports = supports.values.iter().any(|v| *v != 0.0).then_some(supports);
        Equilibrium::new(body, assembly, self.conditions.constraints.clone(), supports, obstacles)
    }

    /// How far obstacles have come whose motion does not mention t: they move over the whole time.
    pub(crate) fn ramp(&self, t: f64) -> f64 {
        let (first, last) = if self.steady { (0.0, 1.0) } else { (self.times[0], self.times[self.times.len() - 1]) };
        (t - first) / (last - first)
    }

    /// What part acts of the loads that do not mention t: they grow over the whole time, but on a body with inertia they act at once.
    fn share(&self, t: f64) -> f64 {
        if self.dynamic { 1.0 } else { self.ramp(t) }
    }

    /// Supports and loads at a time where some load mentions it; else they are those at the first time, times the ramp.
    fn conditions(&self, t: f64) -> Result<Option<Conditions>, PhysicsError> {
        let read = || {
            let time = (t, self.share(t));
            Conditions::read(&self.case, &self.mesh, &self.material_id, &self.densities, &self.tables, time)
        };
        self.conditions.varies.then(read).transpose()
    }

    /// What acts at a time.
    pub(crate) fn loads(&self, t: f64) -> Result<Loads, PhysicsError> {
        let read = self.conditions(t)?;
        let (conditions, factor) = read.as_ref().map_or((&self.conditions, self.share(t)), |c| (c, 1.0));
        let mut external = vec![0.0; self.mesh.num_nodes() * self.mesh.dim];
        for c in &conditions.channels {
            external.iter_mut().zip(&c.vector).for_each(|(e, v)| *e += factor * c.load.value * v);
        }
        let prescribed = conditions.constraints.fixed.keys().map(|&u| (u, factor * conditions.value(u))).collect();
        Ok(Loads { external, prescribed })
    }

    /// Prescribed velocities and accelerations at a time.
    fn rates(&self, t: f64, dt: f64) -> Result<(Held, Held), PhysicsError> {
        if self.conditions.varies { rates(|t| self.loads(t).map(|l| l.prescribed), t, 0.1 * dt) } else { Ok(Default::default()) }
    }

    /// Sets the body in motion where the case has `[dynamics]`; gives the number of solver steps between two output times.
    ///
    /// # Errors
    /// A material without a density, a mistake in `[dynamics]` or `[initial]`, the linear solver.
    pub(crate) fn start(&self, body: &mut Equilibrium) -> Result<usize, PhysicsError> {
        if !self.dynamic {
            return Ok(1);
        }
        let inertia = Inertia::read(self, || body.stiffness())?;
        let (substeps, start) = (inertia.substeps, self.times[0]);
        let loads = self.loads(start)?;
        let dt = (self.times[1] - start) / substeps as f64;
        let (rate, acceleration) = self.rates(start, dt)?;
        let moving = initial(&self.case, &self.mesh, &self.conditions.constraints, start, [&loads.prescribed, &rate])?;
        for o in &mut body.obstacles {
            let offset = o.motion().offset_at(start, 0.0);
            o.move_to(offset);
        }
        body.start(inertia, moving, loads, &acceleration).map_err(|reason| {
            let hint = "the body cannot take this shape: give smaller displacements";
            self.case.table("initial").error("displacement", reason, hint)
        })?;
        Ok(substeps)
    }

    /// Whether each node may carry a reaction.
    pub(crate) fn may_react(&self, num_nodes: usize) -> Vec<bool> {
        self.conditions.may_react(num_nodes)
    }

    /// Values on the mesh of the states.
    pub(crate) fn restrict(&self, values: &[f64], components: usize) -> Vec<f64> {
        self.output.restrict(values, components)
    }

    /// All that is known before solving; `initial` holds the fields of the body at rest.
    pub(crate) fn setup(
        &self,
        physics: &str,
        coefficients: &[Coefficient],
        obstacles: &[Obstacle],
        initial: Vec<Field>,
    ) -> Result<Setup, PhysicsError> {
        let (mesh, dim) = (&self.mesh, self.mesh.dim);
        let scalar = vec![String::new()];
        let vector = Field::vector("", "", Location::Node, dim, Vec::new()).components;
        let input = |name: &str, unit: &str, components: &[String], steps: usize, values: Vec<f64>| Input {
            name: name.into(),
            unit: unit.into(),
            components: components.to_vec(),
            steps,
            values,
        };
        let mut inputs: Vec<Input> = coefficients
            .iter()
            .map(|(name, unit, of)| input(name, unit, &scalar, 1, self.restrict(&to_nodes(mesh, &self.material_id, |m| of[m]), 1)))
            .collect();
        // A steady case is known by its full loads.
        let (loads, shares): (Vec<Option<Conditions>>, Vec<f64>) = if self.steady {
            (vec![None], vec![1.0])
        } else {
            let read = self.times.iter().map(|&t| self.conditions(t)).collect::<Result<_, _>>()?;
            (read, self.times.iter().map(|&t| if self.conditions.varies { 1.0 } else { self.share(t) }).collect())
        };
        let series: Vec<(&Conditions, f64)> = loads.iter().zip(shares).map(|(c, f)| (c.as_ref().unwrap_or(&self.conditions), f)).collect();
        for (name, (unit, _)) in &self.conditions.at_nodes {
            let at = |(c, f): &(&Conditions, f64)| {
                let values = c.at_nodes.get(name).map_or_else(Vec::new, |v| self.restrict(&v.1, dim));
                values.into_iter().map(|v| v * f).collect::<Vec<f64>>()
            };
            inputs.push(input(name, unit, &vector, series.len(), series.iter().flat_map(at).collect()));
        }
        for o in obstacles {
            let (mut distance, mut normal) = (Vec::new(), Vec::new());
            for &t in &self.times {
                let offset = o.motion().offset_at(t, if self.steady { 1.0 } else { self.ramp(t) });
                for n in 0..self.output.mesh.num_nodes() {
                    let (d, direction) = o.distance(self.output.mesh.point(n), offset);
                    distance.push(d);
                    normal.extend_from_slice(&direction[..dim]);
                }
            }
            inputs.push(input(&format!("{}_distance", o.name), self.case.units.length, &scalar, self.times.len(), distance));
            inputs.push(input(&format!("{}_normal", o.name), "1", &vector, self.times.len(), normal));
        }
        let mut prescribed = vec![self.prescribed(&series)];
        if self.dynamic {
            let density = self.densities()?;
            let values = self.restrict(&to_nodes(mesh, &self.material_id, |m| density[m]), 1);
            inputs.push(input("density", self.case.units.density, &scalar, 1, values));
            if !self.conditions.varies {
                let still = vec![0.0; prescribed[0].mask.len()];
                prescribed.push(Prescribed { field: "velocity".into(), values: still, steps: 1, ..prescribed[0].clone() });
            }
        }
        Ok(Setup {
            node_type: self.node_types(),
            inputs,
            prescribed,
            times: self.times.clone(),
            initial: (!self.steady).then(|| State { time: self.times[0], fields: initial }),
            ..self.output.setup(physics, &self.case, &self.material_id)
        })
    }

    fn node_types(&self) -> Vec<NodeType> {
        let types: Vec<f64> = self.conditions.node_type.iter().map(|&t| f64::from(t as i32)).collect();
        self.restrict(&types, 1).iter().map(|&t| NodeType::ALL[t as usize]).collect()
    }

    fn prescribed(&self, series: &[(&Conditions, f64)]) -> Prescribed {
        let dim = self.mesh.dim;
        let size = self.mesh.num_nodes() * dim;
        let mask: Vec<f64> = (0..size).map(|u| f64::from(u8::from(self.conditions.is_prescribed(u)))).collect();
        let moves = series.iter().any(|(c, _)| (0..size).any(|u| c.value(u) != 0.0));
        let series = if moves { series } else { &series[..1] };
        let at = |(c, f): &(&Conditions, f64)| {
            let values: Vec<f64> = (0..size).map(|u| if c.is_prescribed(u) { f * c.value(u) } else { 0.0 }).collect();
            self.restrict(&values, dim)
        };
        let values: Vec<f64> = series.iter().flat_map(at).collect();
        let mask = self.restrict(&mask, dim).iter().map(|&m| m > 0.5).collect();
        Prescribed { field: "displacement".into(), mask, steps: series.len(), values }
    }
}
