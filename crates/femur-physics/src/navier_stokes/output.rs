//! Numbers of the whole flow over time: drag and lift on a body, the pressure difference between two points.

use super::conditions::Conditions;
use super::system::{PRESSURE, System, VELOCITY};
use crate::PhysicsError;
use crate::material::known_tag;
use femur_fem::ReferenceElement;
use femur_mesh::{Locator, Mesh};
use femur_sim::case::{Case, Table};
use femur_sim::{Series, SolverLog};
use std::sync::Arc;

/// What `[forces]` asks for.
struct Forces {
    nodes: Vec<bool>,
    /// Block and number of the cells at the body.
    cells: Vec<(usize, usize)>,
    /// Twice the inverse of density, squared velocity and length (or area).
    factor: f64,
}

/// A point, as vertices with weights in its cell.
type Probe = Vec<(usize, f64)>;

/// Records numbers as the flow goes on.
pub(super) struct Recorder {
    forces: Option<Forces>,
    difference: Option<[Probe; 2]>,
    series: Vec<Series>,
}

impl Recorder {
    /// Reads `[forces]` and `[pressure_difference]`.
    ///
    /// # Errors
    /// A tag or point that the mesh lacks, a body that is not held still.
    pub(super) fn read(case: &Case, mesh: &Arc<Mesh>, conditions: &Conditions, density: f64) -> Result<Self, PhysicsError> {
        let mut series = Vec::new();
        let mut open = |name: &str, unit: &str| {
            series.push(Series { name: name.into(), unit: unit.into(), times: Vec::new(), values: Vec::new() });
        };
        let table = case.table("forces");
        let forces = if table.is_empty() { None } else { Some(read_forces(&table, mesh, conditions, density)?) };
        table.finish()?;
        if forces.is_some() {
            ["drag_coefficient", "lift_coefficient", "side_coefficient"][..mesh.dim].iter().for_each(|n| open(n, "1"));
        }
        let table = case.table("pressure_difference");
        let difference = if table.is_empty() { None } else { Some(read_points(&table, mesh)?) };
        table.finish()?;
        if difference.is_some() {
            open("pressure_difference", case.units.stress);
        }
        Ok(Recorder { forces, difference, series })
    }

    /// Takes down the numbers at a time; `rate` is the time derivative of the velocities, or empty, `applied` the forces on the fluid.
    pub(super) fn record(&mut self, system: &System, t: f64, x: &[f64], rate: &[f64], applied: &[f64]) {
        let mut values = Vec::new();
        if let Some(f) = &self.forces {
            let mut force = system.force(&f.cells, &f.nodes, x, rate);
            for n in (0..f.nodes.len()).filter(|&n| f.nodes[n]) {
                if let Some(u) = system.space.dof(VELOCITY, n) {
                    (0..system.mesh.dim).for_each(|i| force[i] -= applied[u + i]);
                }
            }
            // The fluid pushes the body as the body holds the fluid.
            values.extend(force[..system.mesh.dim].iter().map(|v| -f.factor * v));
        }
        if let Some(points) = &self.difference {
            let at = |probe: &Probe| -> f64 { probe.iter().filter_map(|&(n, w)| system.space.dof(PRESSURE, n).map(|u| w * x[u])).sum() };
            values.push(at(&points[0]) - at(&points[1]));
        }
        for (s, v) in self.series.iter_mut().zip(values) {
            s.times.push(t);
            s.values.push(v);
        }
    }

    /// The log with what was recorded.
    pub(super) fn log(&self, log: &SolverLog) -> SolverLog {
        SolverLog { series: self.series.clone(), ..log.clone() }
    }
}

fn read_forces(table: &Table, mesh: &Mesh, conditions: &Conditions, density: f64) -> Result<Forces, PhysicsError> {
    let tag = table.string("tag")?;
    known_tag(mesh, table, "tag", &tag)?;
    let velocity = table.positive("velocity")?;
    let size = table.positive(if mesh.dim == 2 { "length" } else { "area" })?;
    let mut nodes = vec![false; mesh.num_nodes()];
    for n in mesh.tag_nodes(&tag)? {
        nodes[n as usize] = true;
        if !(0..mesh.dim).all(|d| conditions.is_fixed(n as usize, d)) {
            return Err(table.error("tag", format!("`{tag}` is not held everywhere"), "take a boundary with no_slip = true").into());
        }
    }
    let mut cells = Vec::new();
    for (b, block) in mesh.blocks.iter().enumerate() {
        cells.extend((0..block.num_cells()).filter(|&c| block.cell(c).iter().any(|&n| nodes[n as usize])).map(|c| (b, c)));
    }
    Ok(Forces { nodes, cells, factor: 2.0 / (density * velocity * velocity * size) })
}

fn read_points(table: &Table, mesh: &Mesh) -> Result<[Probe; 2], PhysicsError> {
    let points = table.number_lists("points")?;
    let hint = "write points = [[x, y], [x, y]]: the pressure at the first less that at the second";
    if points.len() != 2 || points.iter().any(|p| p.len() != mesh.dim) {
        return Err(table.error("points", "is no pair of points of the mesh's dimension", hint).into());
    }
    let locator = Locator::new(mesh);
    let probe = |x: &[f64]| -> Result<Probe, PhysicsError> {
        let near = locator.nearest(x).filter(|p| p.distance < 1e-3 * mesh.diameter());
        let Some(place) = near else {
            return Err(table.error("points", format!("{x:?} lies outside the mesh"), hint).into());
        };
        let kind = mesh.kind_of(place.cell as usize).linear();
        let mut shapes = vec![0.0; kind.num_nodes()];
        ReferenceElement::of(kind).values(place.local, &mut shapes);
        Ok(mesh.cell_nodes(place.cell as usize).iter().map(|&n| n as usize).zip(shapes).collect())
    };
    Ok([probe(&points[0])?, probe(&points[1])?])
}
