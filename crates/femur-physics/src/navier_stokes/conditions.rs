//! What holds the fluid at its boundary.

use crate::PhysicsError;
use crate::material::known_tag;
use crate::ties::{identified, share};
use femur_fem::facets::{FacetPoint, facet_points};
use femur_mesh::topology::boundary_facets;
use femur_mesh::{FacetId, Mesh};
use femur_sim::NodeType;
use femur_sim::case::{Case, Expr, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Degree of what is integrated over a facet.
const DEGREE: usize = 5;

/// Conditions on the boundary of the fluid.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Prescribed velocity by node and component; at a node with a frame, component 0 is that along the frame's first axis.
    fixed: BTreeMap<(usize, usize), Expr>,
    /// Orthonormal axes `[axis][component]` of nodes on inclined slip walls, the normal first.
    pub(super) frames: BTreeMap<usize, [[f64; 3]; 3]>,
    /// Boundaries with a normal stress, and the pressure outside.
    pressures: Vec<(Vec<FacetPoint>, Expr)>,
    pub(super) node_type: Vec<NodeType>,
    /// Whether nothing sets the level of the pressure.
    pub(super) enclosed: bool,
    pub(super) varies: bool,
    /// For each node the one whose unknowns it shares.
    pub(super) same: Vec<u32>,
}

/// The words of a `[[boundary]]`.
const KEYS: &[&str] = &["tag", "velocity", "inflow", "no_slip", "slip", "outflow", "pressure"];

impl Conditions {
    /// Reads every `[[boundary]]`; where two meet at a node the later one in the file holds.
    ///
    /// # Errors
    /// A key, tag or value is wrong, a part of the boundary has no condition, or what flows into a closed box does not flow out.
    pub(super) fn read(case: &Case, mesh: &Mesh) -> Result<Self, PhysicsError> {
        let mut out = Conditions { node_type: vec![NodeType::Normal; mesh.num_nodes()], ..Conditions::default() };
        let times: Vec<f64> = case.time.map_or_else(|| vec![0.0], |t| t.times());
        let (mut open, mut slips) = (BTreeSet::new(), BTreeSet::new());
        for table in case.tables("boundary") {
            out.boundary(&table, mesh, &times, &mut open, &mut slips)?;
        }
        out.share(case, mesh)?;
        out.varies = out.fixed.values().chain(out.pressures.iter().map(|p| &p.1)).any(Expr::depends_on_time);
        out.cover(case, mesh, &open, &slips, times[0])?;
        Ok(out)
    }

    fn boundary(
        &mut self,
        table: &Table,
        mesh: &Mesh,
        times: &[f64],
        open: &mut BTreeSet<FacetId>,
        slips: &mut BTreeSet<FacetId>,
    ) -> Result<(), PhysicsError> {
        let tag = table.string("tag")?;
        known_tag(mesh, table, "tag", &tag)?;
        table.claim(KEYS);
        let given: Vec<&str> = KEYS[1..].iter().copied().filter(|k| table.has(k)).collect();
        let hint = format!("one of {}", KEYS[1..].join(", "));
        match given[..] {
            [] => return Err(table.error("", "says nothing beside the tag", hint).into()),
            [_] | ["outflow", "pressure"] => {}
            [_, second, ..] => return Err(table.error(second, format!("stands beside `{}`", given[0]), hint).into()),
        }
        let facets = || {
            let hint = "slip and outflow need a tag of facets";
            mesh.tag_facets(&tag).map_err(|e| PhysicsError::from(table.error("tag", e.to_string(), hint)))
        };
        if table.has("velocity") {
            let values = table.optional_exprs("velocity")?;
            if values.len() != mesh.dim {
                let what = format!("has {} components, the mesh has {} dimensions", values.len(), mesh.dim);
                return Err(table.error("velocity", what, "one number, expression or \"free\" for each direction").into());
            }
            self.hold(mesh, &tag, &values, times)?;
        }
        if table.has("inflow") {
            let values = parabola(&table.table("inflow")?, mesh, facets()?)?;
            self.hold(mesh, &tag, &values.map(Some), times)?;
        }
        if table.bool_or("no_slip", false)? {
            self.hold(mesh, &tag, &vec![Some(Expr::constant(0.0)); mesh.dim], times)?;
        }
        if table.bool_or("slip", false)? {
            slips.extend(facets()?);
            self.slip(mesh, facets()?);
        }
        let pressure = table.opt_expr("pressure")?;
        if table.bool_or("outflow", false)? || pressure.is_some() {
            open.extend(facets()?);
            self.mark(&mesh.tag_nodes(&tag)?, NodeType::Outflow);
            if let Some(p) = pressure {
                self.pressures.push((facet_points(mesh, facets()?, DEGREE), p));
            }
        }
        table.finish()?;
        Ok(())
    }

    /// Periodic boundaries: what holds a node on one side holds its partner.
    fn share(&mut self, case: &Case, mesh: &Mesh) -> Result<(), PhysicsError> {
        self.same = identified(case, mesh)?;
        let turned = |n: usize| self.frames.contains_key(&n) || self.frames.contains_key(&(self.same[n] as usize));
        if let Some(n) = (0..self.same.len()).find(|&n| self.same[n] as usize != n && turned(n)) {
            let what = format!("ties the node at {:?}, which lies on an inclined slip wall", mesh.point(n));
            return Err(case.root().error("periodic", what, "turn the mesh so that the wall lies along an axis").into());
        }
        (0..mesh.dim).for_each(|d| share(&self.same, &mut self.fixed, |n| (n, d)));
        Ok(())
    }

    fn mark(&mut self, nodes: &[u32], kind: NodeType) {
        nodes.iter().for_each(|&n| self.node_type[n as usize] = kind);
    }

    /// Prescribes a velocity. Its nodes are an inflow (or outflow) if it crosses the boundary at some output time, else a wall.
    fn hold(&mut self, mesh: &Mesh, tag: &str, values: &[Option<Expr>], times: &[f64]) -> Result<(), PhysicsError> {
        let nodes = mesh.tag_nodes(tag)?;
        let (mut crosses, mut net) = (false, 0.0);
        match mesh.tag_facets(tag) {
            Err(_) => crosses = values.iter().flatten().any(|v| v.is_constant() != Some(0.0)),
            Ok(facets) => {
                for p in facet_points(mesh, facets, DEGREE) {
                    for &t in times {
                        let part = |d: usize| values[d].as_ref().map_or(0.0, |v| p.normal[d] * v.eval(&p.position[..mesh.dim], t));
                        let through: f64 = (0..mesh.dim).map(part).sum();
                        crosses |= through.abs() > 1e-12;
                        net += p.area * through;
                    }
                }
            }
        }
        let kind = match (crosses, net > 0.0) {
            (false, _) => NodeType::WallBoundary,
            (true, false) => NodeType::Inflow,
            (true, true) => NodeType::Outflow,
        };
        self.mark(&nodes, kind);
        for &n in &nodes {
            if self.frames.remove(&(n as usize)).is_some() {
                self.fixed.remove(&(n as usize, 0));
            }
            for (d, value) in values.iter().enumerate() {
                if let Some(value) = value {
                    self.fixed.insert((n as usize, d), value.clone());
                }
            }
        }
        Ok(())
    }

    /// No flow along the mean normal of each node: exact on flat boundaries, in a rotated frame where they are inclined. A velocity
    /// that is prescribed already stays.
    fn slip(&mut self, mesh: &Mesh, facets: &[FacetId]) {
        let mut normals: BTreeMap<usize, [f64; 3]> = BTreeMap::new();
        for p in facet_points(mesh, facets, DEGREE) {
            for &n in &p.nodes {
                let sum = normals.entry(n as usize).or_default();
                (0..3).for_each(|d| sum[d] += p.area * p.normal[d]);
            }
        }
        for (node, sum) in normals {
            let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
            let n = sum.map(|v| v / length);
            let held = (0..mesh.dim).filter(|&d| self.fixed.contains_key(&(node, d))).count();
            if held == 0 {
                self.node_type[node] = NodeType::Symmetry;
            }
            if let Some(d) = (0..mesh.dim).find(|&d| n[d].abs() > 1.0 - 1e-10) {
                self.fixed.entry((node, d)).or_insert_with(|| Expr::constant(0.0));
            } else if held == 0 {
                self.frames.insert(node, frame(n, mesh.dim));
                self.fixed.insert((node, 0), Expr::constant(0.0));
            }
        }
    }

    /// Looks for boundary without a condition, and whether the pressure's level is set.
    fn cover(
        &mut self,
        case: &Case,
        mesh: &Mesh,
        open: &BTreeSet<FacetId>,
        slips: &BTreeSet<FacetId>,
        start: f64,
    ) -> Result<(), PhysicsError> {
        let mut periodic = BTreeSet::new();
        for table in case.tables("periodic") {
            for key in ["from", "to"] {
                let hint = "a periodic boundary needs a tag of facets";
                let facets = mesh.tag_facets(&table.string(key)?).map_err(|e| table.error(key, e.to_string(), hint))?;
                periodic.extend(facets.iter().copied());
            }
        }
        let held = |n: u32| (0..mesh.dim).filter(|&d| self.fixed.contains_key(&(n as usize, d))).count();
        let boundary = boundary_facets(mesh);
        let closed = |f: FacetId| slips.contains(&f) || periodic.contains(&f) || mesh.facet_nodes(f).1.iter().all(|&n| held(n) == mesh.dim);
        let covered = |f: FacetId| open.contains(&f) || slips.contains(&f) || periodic.contains(&f);
        let bare = |f: FacetId| !covered(f) && mesh.facet_nodes(f).1.iter().any(|&n| held(n) == 0);
        if let Some(&f) = boundary.iter().find(|&&f| bare(f)) {
            let x = mesh.point(mesh.facet_nodes(f).1[0] as usize).to_vec();
            let count = boundary.iter().filter(|&&f| bare(f)).count();
            let what = format!("{count} boundary facets have no condition, one of them at {x:?}");
            let hint = "add [[boundary]] with velocity, no_slip, slip or outflow for every part of the boundary, or [[periodic]]";
            return Err(case.root().error("boundary", what, hint).into());
        }
        self.enclosed = boundary.iter().all(|&f| closed(f) && !open.contains(&f));
        if self.enclosed {
            let (mut net, mut gross, mut along) = (0.0, 0.0, 0.0);
            for p in facet_points(mesh, &boundary, DEGREE) {
                let mut through = 0.0;
                for (&n, v) in p.nodes.iter().zip(&p.values) {
                    let u = |d: usize| self.fixed.get(&(n as usize, d)).map_or(0.0, |e| e.eval(mesh.point(n as usize), start));
                    if !self.frames.contains_key(&(n as usize)) {
                        through += (0..mesh.dim).map(|d| v * p.normal[d] * u(d)).sum::<f64>();
                        along += p.area * (0..mesh.dim).map(|d| (v * u(d)).abs()).sum::<f64>();
                    }
                }
                net += p.area * through;
                gross += p.area * through.abs();
            }
            // Beside a lid that slides along, what goes through is rounding.
            if net.abs() > 1e-3 * gross && net.abs() > 1e-12 * along {
                let what = format!("the fluid is enclosed, but a net volume of {net:.3e} per time leaves it");
                return Err(case.root().error("boundary", what, "let what flows in flow out, or add an outflow").into());
            }
        }
        Ok(())
    }

    /// Whether a component of a node's velocity is held (along the frame's axis where there is a frame).
    pub(super) fn is_fixed(&self, node: usize, component: usize) -> bool {
        self.fixed.contains_key(&(node, component))
    }

    /// Held components of nodes without a frame: `(node, component)`.
    pub(super) fn prescribed(&self) -> impl Iterator<Item = (usize, usize)> {
        self.fixed.keys().copied().filter(|(n, _)| !self.frames.contains_key(n))
    }

    /// Whether a pressure outside changes in time.
    pub(super) fn pressures_vary(&self) -> bool {
        self.pressures.iter().any(|p| p.1.depends_on_time())
    }

    /// Sets the held velocities at a time in nodal values `[num_nodes, dim]`.
    pub(super) fn apply(&self, mesh: &Mesh, t: f64, mut velocity: impl FnMut(usize, usize) -> Option<usize>, x: &mut [f64]) {
        for (&(node, d), value) in &self.fixed {
            let Some(axes) = self.frames.get(&node) else {
                if let Some(u) = velocity(node, d) {
                    x[u] = value.eval(mesh.point(node), t);
                }
                continue;
            };
            if let Some(u) = velocity(node, 0) {
                let through: f64 = (0..mesh.dim).map(|i| axes[0][i] * x[u + i]).sum();
                (0..mesh.dim).for_each(|i| x[u + i] -= through * axes[0][i]);
            }
        }
    }

    /// Adds to the forces on the fluid what a pressure outside exerts: `-p n` over its boundary.
    pub(super) fn add_pressures(&self, dim: usize, t: f64, velocity: impl Fn(usize) -> Option<usize>, force: &mut [f64]) {
        for (points, pressure) in &self.pressures {
            for p in points {
                let v = -p.area * pressure.eval(&p.position[..dim], t);
                for (&n, shape) in p.nodes.iter().zip(&p.values) {
                    if let Some(u) = velocity(n as usize) {
                        (0..dim).for_each(|i| force[u + i] += v * shape * p.normal[i]);
                    }
                }
            }
        }
    }
}

/// A parabola across a straight edge, inwards, of the mean velocity `mean`.
fn parabola(table: &Table, mesh: &Mesh, facets: &[FacetId]) -> Result<[Expr; 2], PhysicsError> {
    let mean = table.positive("mean")?;
    table.finish()?;
    let hint = "write velocity = [...] with expressions in x, y, z";
    let points = facet_points(mesh, facets, DEGREE);
    let Some(n) = points.first().map(|p| p.normal).filter(|_| mesh.dim == 2) else {
        return Err(table.error("mean", "a parabola is for an edge in 2D", hint).into());
    };
    if points.iter().any(|p| (0..2).any(|d| (p.normal[d] - n[d]).abs() > 1e-9)) {
        return Err(table.error("mean", "a parabola is for a straight edge", hint).into());
    }
    let along = |x: &[f64]| -n[1] * x[0] + n[0] * x[1];
    let places = points.iter().flat_map(|p| p.nodes.iter().map(|&v| along(mesh.point(v as usize))));
    let (lo, hi) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), s| (lo.min(s), hi.max(s)));
    let s = format!("(({:?}) * x + ({:?}) * y)", -n[1], n[0]);
    let shape = |d: usize| {
        let peak = -1.5 * mean * n[d] * 4.0 / ((hi - lo) * (hi - lo));
        let text = format!("({peak:?}) * ({s} - ({lo:?})) * (({hi:?}) - {s})");
        Expr::parse(&text).map_err(|e| PhysicsError::from(table.error("mean", e.to_string(), hint)))
    };
    Ok([shape(0)?, shape(1)?])
}

/// Orthonormal axes, the first one along `n`.
fn frame(n: [f64; 3], dim: usize) -> [[f64; 3]; 3] {
    if dim == 2 {
        return [n, [-n[1], n[0], 0.0], [0.0, 0.0, 1.0]];
    }
    let smallest = (0..3).min_by(|&i, &j| n[i].abs().total_cmp(&n[j].abs())).unwrap_or(0);
    let axis: [f64; 3] = std::array::from_fn(|i| f64::from(u8::from(i == smallest)));
    let cross = |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let t = cross(n, axis);
    let length = t.iter().map(|v| v * v).sum::<f64>().sqrt();
    let t = t.map(|v| v / length);
    [n, t, cross(n, t)]
}
