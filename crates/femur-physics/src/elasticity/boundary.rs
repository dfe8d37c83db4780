//! Supports and loads of an elastic body, as load channels.

use super::body::Body;
use super::channel;
use crate::PhysicsError;
use crate::linear::{Channel, sampled};
use crate::material::{known_tag, to_nodes};
use crate::ties::Ties;
use femur_fem::facets::{FacetPoint, facet_points};
use femur_fem::{Assembler, Constraints, ElementMatrix};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Expr, Table};
use femur_sim::{Input, NodeType, Prescribed};
use femur_solve::CsrMatrix;
use std::collections::{BTreeMap, BTreeSet};

/// What holds and loads the body.
pub(crate) struct Conditions {
    pub(crate) constraints: Constraints,
    pub(crate) channels: Vec<Channel>,
    pub(crate) node_type: Vec<NodeType>,
    /// Loads of this case at the nodes, for a surrogate that does not superpose: by name, with the unit, `[num_nodes, dim]`.
    pub(crate) at_nodes: BTreeMap<&'static str, (&'static str, Vec<f64>)>,
    /// Whether a load or a displacement mentions t.
    pub(crate) varies: bool,
    /// Whether something that was to be read apart from time is no product of a place and a function of time.
    pub(crate) mixed: bool,
    /// Whether it is a body of revolution, which can only move along its axis.
    pub(crate) ring: bool,
    supports: Vec<(Vec<FacetPoint>, Expr)>,
    supported: BTreeSet<usize>,
}

/// The words of a `[[boundary]]`.
const KEYS: &[&str] =
    &["tag", "displacement", "roller", "elastic_support", "traction", "pressure", "total_force", "total_moment", "point_force"];

struct Reader<'a> {
    case: &'a Case,
    mesh: &'a Mesh,
    thickness: f64,
    /// Time, and the part that acts of what does not mention it.
    time: (f64, f64),
    apart: bool,
    out: Conditions,
}

impl Conditions {
    /// Reads supports and loads, with their values at a time; those that do not mention t are multiplied by `ramp`. `densities` are
    /// those of the materials, in the order of `tables`.
    pub(crate) fn read(
        case: &Case,
        mesh: &Mesh,
        material_id: &[i32],
        densities: &[Option<f64>],
        tables: &[Table],
        at: (f64, f64),
    ) -> Result<Self, PhysicsError> {
        Self::read_as(case, mesh, material_id, densities, tables, at, false)
    }

    /// The same; `apart` parts what changes in time into a place and a function of time ([`Channel::time`]), where it is such a product. What
    /// the nodes get for a set-up is then of no use.
    pub(crate) fn read_as(
        case: &Case,
        mesh: &Mesh,
        material_id: &[i32],
        densities: &[Option<f64>],
        tables: &[Table],
        (time, ramp): (f64, f64),
        apart: bool,
    ) -> Result<Self, PhysicsError> {
        let thickness = if mesh.dim == 2 { case.root().positive_or("thickness", 1.0)? } else { 1.0 };
        let out = Conditions {
            constraints: Constraints::new(mesh.dim),
            channels: Vec::new(),
            node_type: vec![NodeType::Normal; mesh.num_nodes()],
            at_nodes: BTreeMap::new(),
            varies: false,
            mixed: false,
            ring: mesh.dim == 2 && case.root().opt_string("plane")?.is_some_and(|p| p == "axisymmetric"),
            supports: Vec::new(),
            supported: BTreeSet::new(),
        };
        let mut reader = Reader { case, mesh, thickness, time: (time, ramp), apart, out };
        for table in case.tables("boundary") {
            reader.boundary(&table)?;
        }
        reader.volume("body_force", |_| Ok(1.0), material_id)?;
        reader.volume(
            "gravity",
            |m| densities[m].ok_or_else(|| tables[m].error("density", "is needed with gravity", "write density = ...").into()),
            material_id,
        )?;
        let mut out = reader.out;
        let ties = Ties::read(case, mesh, &out.constraints)?;
        // Supports win over loads where both touch a node.
        for &u in out.constraints.fixed.keys() {
            let node = u / mesh.dim;
            if out.node_type[node] != NodeType::Symmetry {
                out.node_type[node] = NodeType::WallBoundary;
            }
        }
        ties.constrain(&mut out.constraints);
        out.channels.extend(
            ties.channels(case, case.units.length, mesh.num_nodes() * mesh.dim)
                .map(|c| Channel { load: femur_sim::Load { value: ramp * c.load.value, ..c.load }, ..c }),
        );
        Ok(out)
    }

    pub(crate) fn is_prescribed(&self, unknown: usize) -> bool {
        let node = unknown / self.constraints.components;
        self.constraints.is_prescribed(unknown) && !self.constraints.frames.contains_key(&node)
    }

    /// The prescribed value of an unknown in this case, 0 where free.
    pub(crate) fn value(&self, unknown: usize) -> f64 {
        self.channels.iter().map(|c| c.load.value * c.prescribed.get(&unknown).copied().unwrap_or(0.0)).sum()
    }

    /// The prescribed displacement of this case, for a set-up.
    pub(crate) fn prescribed(&self, body: &Body) -> Prescribed {
        let size = body.mesh.num_nodes() * body.mesh.dim;
        let (mut mask, mut values) = (vec![false; size], vec![0.0; size]);
        for &u in self.constraints.fixed.keys().filter(|u| self.is_prescribed(**u)) {
            (mask[u], values[u]) = (true, self.value(u));
        }
        Prescribed {
            field: "displacement".into(),
            mask: body.output.restrict(&mask, body.mesh.dim),
            steps: 1,
            values: body.restrict(&values, body.mesh.dim),
        }
    }

    /// Kind of each node of the states.
    pub(crate) fn node_types(&self, body: &Body) -> Vec<NodeType> {
        let types: Vec<f64> = self.node_type.iter().map(|&t| f64::from(t as i32)).collect();
        body.restrict(&types, 1).iter().map(|&t| NodeType::ALL[t as usize]).collect()
    }

    /// The loads at the nodes.
    pub(crate) fn inputs(&self, body: &Body) -> Vec<Input> {
        let names = Field::vector("", "", Location::Node, body.mesh.dim, Vec::new()).components;
        let one = |(name, (unit, values)): (&&'static str, &(&'static str, Vec<f64>))| {
            body.input(name, unit, names.clone(), std::slice::from_ref(values))
        };
        self.at_nodes.iter().map(one).collect()
    }

    /// Whether each node may carry a reaction.
    pub(crate) fn may_react(&self, num_nodes: usize) -> Vec<bool> {
        let mut out = vec![false; num_nodes];
        self.supported.iter().for_each(|&n| out[n] = true);
        for &u in self.constraints.fixed.keys().filter(|u| self.constraints.is_prescribed(**u)) {
            out[u / self.constraints.components] = true;
        }
        out
    }

    /// Whether the stiffness of the system is that of the body alone, along the axes of the coordinates.
    pub(crate) fn leave_stiffness(&self) -> bool {
        self.supports.is_empty() && self.constraints.frames.is_empty()
    }

    /// Nodes and the directions in which they are held.
    pub(crate) fn held_directions(&self, dim: usize) -> BTreeMap<usize, Vec<[f64; 3]>> {
        let axis = |d: usize| std::array::from_fn(|i| f64::from(u8::from(i == d)));
        let mut out: BTreeMap<usize, Vec<[f64; 3]>> = BTreeMap::new();
        for &u in self.constraints.fixed.keys().filter(|u| self.constraints.is_prescribed(**u)) {
            let node = u / dim;
            let direction = self.constraints.frames.get(&node).map_or_else(|| axis(u % dim), |f| f[u % dim]);
            out.entry(node).or_default().push(direction);
        }
        for &node in &self.supported {
            out.insert(node, (0..dim).map(axis).collect());
        }
        out
    }

    /// Adds elastic supports to a stiffness.
    pub(crate) fn add_supports(&self, mesh: &Mesh, assembler: &Assembler, matrix: &mut CsrMatrix, thickness: f64) {
        self.each_support(mesh, thickness, |nodes, element| assembler.scatter(matrix, nodes, &element));
    }

    /// What elastic supports add to a stiffness, at each of their points.
    pub(crate) fn supports(&self, mesh: &Mesh, thickness: f64) -> Vec<ElementMatrix> {
        let mut out = Vec::new();
        self.each_support(mesh, thickness, |nodes, element| out.push((nodes.to_vec(), element)));
        out
    }

    fn each_support(&self, mesh: &Mesh, thickness: f64, mut add: impl FnMut(&[u32], Vec<f64>)) {
        let dim = mesh.dim;
        for (points, stiffness) in &self.supports {
            for p in points {
                let k = p.nodes.len() * dim;
                let mut element = vec![0.0; k * k];
                let weight = stiffness.eval(&p.position[..dim], 0.0) * p.area * thickness;
                for a in 0..p.nodes.len() {
                    for b in 0..p.nodes.len() {
                        for i in 0..dim {
                            element[(a * dim + i) * k + b * dim + i] = weight * p.values[a] * p.values[b];
                        }
                    }
                }
                add(&p.nodes, element);
            }
        }
    }
}

impl Reader<'_> {
    /// Value of a load or displacement at a point.
    fn value(&self, e: &Expr, x: &[f64]) -> f64 {
        e.eval(x, self.time.0) * if e.depends_on_time() { 1.0 } else { self.time.1 }
    }

    /// What of a value goes into its channel's vector, and the function of time beside it.
    fn part(&mut self, value: &Expr) -> (Expr, Option<Expr>) {
        if !self.apart {
            return (value.clone(), None);
        }
        value.factor_time().unwrap_or_else(|| {
            self.out.mixed = true;
            (value.clone(), None)
        })
    }

    fn boundary(&mut self, table: &Table) -> Result<(), PhysicsError> {
        let tag = table.string("tag")?;
        known_tag(self.mesh, table, "tag", &tag)?;
        table.claim(KEYS);
        if !KEYS[1..].iter().any(|k| table.has(k)) {
            return Err(table.error("", "says nothing beside the tag", format!("one of {}", KEYS[1..].join(", "))).into());
        }
        if table.has("displacement") {
            self.displacement(table, &tag)?;
        }
        if table.bool_or("roller", false)? {
            self.roller(table, &tag)?;
        }
        if let Some(stiffness) = table.opt_expr("elastic_support")? {
            if stiffness.is_constant().is_some_and(|k| k <= 0.0) {
                return Err(table.error("elastic_support", "must be positive", "it is a stiffness per area").into());
            }
            let points = self.facets(table, &tag)?;
            self.out.supported.extend(points.iter().flat_map(|p| p.nodes.iter().map(|&n| n as usize)));
            self.out.supports.push((points, stiffness));
        }
        if table.has("traction") {
            self.traction(table, &tag)?;
        }
        if let Some(p) = table.opt_expr("pressure")? {
            let points = self.facets(table, &tag)?;
            let unit = self.case.units.stress;
            let path = format!("{}.pressure", table.path());
            // Pressure pushes against the outward normal.
            self.surface_load(&points, format!("{tag}.pressure"), unit, &p, &path, |p| p.normal.map(|n| -n));
        }
        if table.has("total_force") {
            self.total_force(table, &tag)?;
        }
        if table.has("total_moment") {
            self.total_moment(table, &tag)?;
        }
        if table.has("point_force") {
            let values = self.vector(table, "point_force")?;
            let nodes = self.mesh.tag_nodes(&tag)?;
            for (i, f) in values.iter().enumerate() {
                let path = format!("{}.point_force.{i}", table.path());
                self.mark(&nodes);
                for &n in &nodes {
                    let value = self.value(f, self.mesh.point(n as usize));
                    self.at_node("point_force", self.case.units.force, n)[i] += value;
                }
                self.push(format!("{tag}.point_force.{}", axis(i)), self.case.units.force, f, &path, |dim, size, scale| {
                    let mut vector = vec![0.0; size];
                    for &n in &nodes {
                        vector[n as usize * dim + i] = scale(self.mesh.point(n as usize));
                    }
                    vector
                });
            }
        }
        table.finish()?;
        Ok(())
    }

    /// Points of a tag's facets; the area of a body of revolution is that of the full ring.
    fn facets(&self, table: &Table, tag: &str) -> Result<Vec<FacetPoint>, PhysicsError> {
        let mut points = self.facets_of_mesh(table, tag)?;
        if self.out.ring {
            points.iter_mut().for_each(|p| p.area *= 2.0 * std::f64::consts::PI * p.position[0]);
        }
        Ok(points)
    }

    fn facets_of_mesh(&self, table: &Table, tag: &str) -> Result<Vec<FacetPoint>, PhysicsError> {
        let facets = self
            .mesh
            .tag_facets(tag)
            .map_err(|e| table.error("tag", e.to_string(), "a load or support over an area needs a tag of facets"))?;
        Ok(facet_points(self.mesh, facets, 2 * self.mesh.blocks.first().map_or(1, |b| b.kind.order()) + 1))
    }

    fn vector(&self, table: &Table, key: &str) -> Result<Vec<Expr>, PhysicsError> {
        let values = table.exprs(key)?;
        if values.len() != self.mesh.dim {
            let what = format!("has {} components, the mesh has {} dimensions", values.len(), self.mesh.dim);
            return Err(table.error(key, what, "one number for each direction").into());
        }
        Ok(values)
    }

    fn displacement(&mut self, table: &Table, tag: &str) -> Result<(), PhysicsError> {
        let dim = self.mesh.dim;
        let values = table.optional_exprs("displacement")?;
        if values.len() != dim {
            let what = format!("has {} components, the mesh has {dim} dimensions", values.len());
            return Err(table.error("displacement", what, "one number (or \"free\") for each direction").into());
        }
        let nodes = self.mesh.tag_nodes(tag)?;
        for (i, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            for &n in &nodes {
                // Where two boundaries meet the later one in the file holds.
                if self.out.constraints.fixed.insert(n as usize * dim + i, 0.0).is_some() {
                    self.out.channels.iter_mut().for_each(|c| {
                        c.prescribed.remove(&(n as usize * dim + i));
                    });
                }
            }
            let path = format!("{}.displacement.{i}", table.path());
            self.out.varies |= value.depends_on_time();
            let constant = value.is_constant();
            if constant == Some(0.0) && !sampled(self.case, &path) {
                continue;
            }
            let size = self.mesh.num_nodes() * dim;
            let mut c =
                channel(format!("{tag}.displacement.{}", axis(i)), self.case.units.length, constant.map_or(1.0, |c| c * self.time.1), size);
            let (place, time) = self.part(value);
            c.time = time;
            for &n in &nodes {
                let v = if constant.is_some() { 1.0 } else { self.value(&place, self.mesh.point(n as usize)) };
                c.prescribed.insert(n as usize * dim + i, v);
            }
            self.out.channels.push(c);
        }
        Ok(())
    }

    /// Zero displacement along the mean normal of each node: exact on flat boundaries, in a rotated frame where they are inclined.
    fn roller(&mut self, table: &Table, tag: &str) -> Result<(), PhysicsError> {
        let dim = self.mesh.dim;
        let mut normals: BTreeMap<usize, [f64; 3]> = BTreeMap::new();
        for p in self.facets_of_mesh(table, tag)? {
            // Weighted by area, not by shape function: a corner's may integrate to zero.
            for &n in &p.nodes {
                let sum = normals.entry(n as usize).or_default();
                (0..3).for_each(|d| sum[d] += p.area * p.normal[d]);
            }
        }
        for (node, sum) in normals {
            self.out.node_type[node] = NodeType::Symmetry;
            let length = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
            let n = sum.map(|v| v / length);
            if let Some(d) = (0..dim).find(|&d| n[d].abs() > 1.0 - 1e-10) {
                self.out.constraints.fixed.insert(node * dim + d, 0.0);
            } else if !(0..dim).any(|d| self.out.constraints.fixed.contains_key(&(node * dim + d))) {
                self.out.constraints.frames.insert(node, frame(n, dim));
                self.out.constraints.fixed.insert(node * dim, 0.0);
            }
        }
        Ok(())
    }

    fn traction(&mut self, table: &Table, tag: &str) -> Result<(), PhysicsError> {
        let dim = self.mesh.dim;
        let points = self.facets(table, tag)?;
        let path = format!("{}.traction", table.path());
        let components: Vec<(usize, Expr, bool)> = if table.is_table("traction") {
            let t = table.table("traction")?;
            let list = if t.has("magnitude") || t.has("angle") {
                if dim != 2 {
                    return Err(t.error("angle", "a direction by angle is for 2D", "write traction = [tx, ty, tz]").into());
                }
                let (m, a) = (t.f64("magnitude")?, t.f64_or("angle", 0.0)?.to_radians());
                vec![(0, Expr::constant(m * a.cos()), true), (1, Expr::constant(m * a.sin()), true)]
            } else {
                let mut list = Vec::new();
                for (i, name) in ["x", "y", "z"][..dim].iter().enumerate() {
                    if let Some(e) = t.opt_expr(name)? {
                        list.push((i, e, sampled(self.case, &format!("{path}.{name}"))));
                    }
                }
                list
            };
            t.finish()?;
            list
        } else {
            let values = self.vector(table, "traction")?;
            values.into_iter().enumerate().map(|(i, e)| (i, e, sampled(self.case, &format!("{path}.{i}")))).collect()
        };
        for (i, value, keep) in components {
            let name = format!("{tag}.traction.{}", axis(i));
            let forced = if keep { path.clone() } else { String::new() };
            self.surface_load_kept(&points, name, self.case.units.stress, &value, keep || sampled(self.case, &forced), |_| unit(i));
        }
        Ok(())
    }

    fn total_force(&mut self, table: &Table, tag: &str) -> Result<(), PhysicsError> {
        let points = self.facets(table, tag)?;
        let area: f64 = points.iter().map(|p| p.area).sum::<f64>() * self.thickness;
        for (i, f) in self.vector(table, "total_force")?.iter().enumerate() {
            let path = format!("{}.total_force.{i}", table.path());
            self.surface_load(&points, format!("{tag}.total_force.{}", axis(i)), self.case.units.force, f, &path, |_| {
                unit(i).map(|v| v / area)
            });
        }
        Ok(())
    }

    /// A moment as the traction `w x r` about the tag's centroid: no net force, and exactly this moment.
    fn total_moment(&mut self, table: &Table, tag: &str) -> Result<(), PhysicsError> {
        if self.out.ring {
            let hint = "a body of revolution carries tractions, pressures and total forces";
            return Err(table.error("total_moment", "has no axisymmetric meaning", hint).into());
        }
        let points = self.facets(table, tag)?;
        let t = self.thickness;
        let area: f64 = points.iter().map(|p| p.area).sum();
        let centre: [f64; 3] = std::array::from_fn(|d| points.iter().map(|p| p.area * p.position[d]).sum::<f64>() / area);
        let arm = move |p: &FacetPoint| -> [f64; 3] { std::array::from_fn(|d| p.position[d] - centre[d]) };
        let mut inertia = [[0.0; 3]; 3];
        for p in &points {
            let r = arm(p);
            let rr: f64 = r.iter().map(|v| v * v).sum();
            for i in 0..3 {
                for j in 0..3 {
                    inertia[i][j] += p.area * t * (if i == j { rr } else { 0.0 } - r[i] * r[j]);
                }
            }
        }
        let unit_name = self.case.units.moment;
        if self.mesh.dim == 2 {
            let m = table.expr("total_moment")?;
            let polar = inertia[2][2];
            let path = format!("{}.total_moment", table.path());
            self.surface_load(&points, format!("{tag}.total_moment"), unit_name, &m, &path, |p| {
                let r = arm(p);
                [-r[1] / polar, r[0] / polar, 0.0]
            });
            return Ok(());
        }
        let (_, inverse) = femur_fem::values::invert(&inertia, 3);
        for (i, m) in self.vector(table, "total_moment")?.iter().enumerate() {
            let w: [f64; 3] = std::array::from_fn(|d| inverse[d][i]);
            let path = format!("{}.total_moment.{i}", table.path());
            self.surface_load(&points, format!("{tag}.total_moment.{}", axis(i)), unit_name, m, &path, |p| {
                let r = arm(p);
                [w[1] * r[2] - w[2] * r[1], w[2] * r[0] - w[0] * r[2], w[0] * r[1] - w[1] * r[0]]
            });
        }
        Ok(())
    }

    fn surface_load(
        &mut self,
        points: &[FacetPoint],
        name: String,
        unit: &str,
        value: &Expr,
        path: &str,
        direction: impl Fn(&FacetPoint) -> [f64; 3],
    ) {
        self.surface_load_kept(points, name, unit, value, sampled(self.case, path), direction);
    }

    fn surface_load_kept(
        &mut self,
        points: &[FacetPoint],
        name: String,
        unit: &str,
        value: &Expr,
        keep: bool,
        direction: impl Fn(&FacetPoint) -> [f64; 3],
    ) {
        let nodes: Vec<u32> = points.iter().flat_map(|p| p.nodes.clone()).collect();
        self.mark(&nodes);
        self.out.varies |= value.depends_on_time();
        self.spread(points, value, &direction);
        let constant = value.is_constant();
        if constant == Some(0.0) && !keep {
            return;
        }
        let dim = self.mesh.dim;
        let mut c = channel(name, unit, constant.map_or(1.0, |c| c * self.time.1), self.mesh.num_nodes() * dim);
        let (place, time) = self.part(value);
        c.time = time;
        for p in points {
            let v = direction(p);
            let scale = if constant.is_some() { 1.0 } else { self.value(&place, &p.position[..dim]) };
            for (a, &n) in p.nodes.iter().enumerate() {
                for d in 0..dim {
                    c.vector[n as usize * dim + d] += self.thickness * p.area * scale * p.values[a] * v[d];
                }
            }
        }
        self.out.channels.push(c);
    }

    /// Adds the mean traction of the facets around each node, weighted by their area.
    fn spread(&mut self, points: &[FacetPoint], value: &Expr, direction: &dyn Fn(&FacetPoint) -> [f64; 3]) {
        let dim = self.mesh.dim;
        let mut means: BTreeMap<u32, ([f64; 3], f64)> = BTreeMap::new();
        for p in points {
            let weight = p.area * self.value(value, &p.position[..dim]);
            let v = direction(p);
            for &n in &p.nodes {
                let (sum, area) = means.entry(n).or_default();
                (0..3).for_each(|d| sum[d] += weight * v[d]);
                *area += p.area;
            }
        }
        for (n, (sum, area)) in means {
            let at = self.at_node("traction", self.case.units.stress, n);
            at.iter_mut().zip(sum).filter(|_| area > 0.0).for_each(|(a, s)| *a += s / area);
        }
    }

    /// The components of a load at a node.
    fn at_node(&mut self, name: &'static str, unit: &'static str, node: u32) -> &mut [f64] {
        let dim = self.mesh.dim;
        let values = &mut self.out.at_nodes.entry(name).or_insert_with(|| (unit, vec![0.0; self.mesh.num_nodes() * dim])).1;
        &mut values[node as usize * dim..(node as usize + 1) * dim]
    }

    /// A channel whose vector is made by `fill(dim, size, scale)`, where `scale` is 1 or the expression.
    fn push(
        &mut self,
        name: String,
        unit: &str,
        value: &Expr,
        path: &str,
        fill: impl Fn(usize, usize, &(dyn Fn(&[f64]) -> f64 + Sync)) -> Vec<f64>,
    ) {
        let constant = value.is_constant();
        if constant == Some(0.0) && !sampled(self.case, path) {
            return;
        }
        self.out.varies |= value.depends_on_time();
        let (dim, size, (time, ramp)) = (self.mesh.dim, self.mesh.num_nodes() * self.mesh.dim, self.time);
        let factor = if value.depends_on_time() { 1.0 } else { ramp };
        let mut c = channel(name, unit, constant.map_or(1.0, |c| c * self.time.1), size);
        let (place, in_time) = self.part(value);
        c.time = in_time;
        c.vector = fill(dim, size, &|x| if constant.is_some() { 1.0 } else { factor * place.eval(x, time) });
        self.out.channels.push(c);
    }

    /// `body_force` (per volume) or `gravity` (acceleration, times density).
    fn volume(&mut self, key: &str, density: impl Fn(usize) -> Result<f64, PhysicsError>, material_id: &[i32]) -> Result<(), PhysicsError> {
        let root = self.case.root();
        self.case.claim(&[key]);
        if !root.has(key) {
            return Ok(());
        }
        let values = self.vector(&root, key)?;
        let mut densities = BTreeMap::new();
        for &m in material_id {
            if let std::collections::btree_map::Entry::Vacant(e) = densities.entry(m) {
                e.insert(density(m as usize)?);
            }
        }
        let ring = self.out.ring;
        let assembler = Assembler::new(self.mesh, self.mesh.dim, if ring { 2 } else { 1 });
        let unit = if key == "gravity" { self.case.units.acceleration } else { self.case.units.body_force };
        let (mesh, thickness) = (self.mesh, self.thickness);
        let at_nodes = to_nodes(mesh, material_id, |m| densities[&(m as i32)]);
        for (i, f) in values.iter().enumerate() {
            for (n, density) in at_nodes.iter().enumerate() {
                self.at_node("body_force", self.case.units.body_force, n as u32)[i] += density * self.value(f, mesh.point(n));
            }
            self.push(format!("{key}.{}", axis(i)), unit, f, &format!("{key}.{i}"), |dim, size, scale| {
                let mut vector = vec![0.0; size];
                assembler.add_vector(mesh, &mut vector, |cell, geometry, table, out| {
                    let rho = densities[&material_id[cell]] * thickness;
                    for q in 0..table.rule.len() {
                        let around = if ring { 2.0 * std::f64::consts::PI * geometry.position[q][0] } else { 1.0 };
                        let w = rho * around * geometry.volume[q] * scale(&geometry.position[q][..dim]);
                        for (a, n) in table.values[q].iter().enumerate() {
                            out[a * dim + i] += w * n;
                        }
                    }
                });
                vector
            });
        }
        Ok(())
    }

    fn mark(&mut self, nodes: &[u32]) {
        for &n in nodes {
            if self.out.node_type[n as usize] == NodeType::Normal {
                self.out.node_type[n as usize] = NodeType::Loaded;
            }
        }
    }
}

fn axis(i: usize) -> &'static str {
    ["x", "y", "z"][i]
}

fn unit(i: usize) -> [f64; 3] {
    std::array::from_fn(|d| f64::from(u8::from(d == i)))
}

/// Orthonormal axes, the first along `n`.
fn frame(n: [f64; 3], dim: usize) -> [[f64; 3]; 3] {
    if dim == 2 {
        return [n, [-n[1], n[0], 0.0], [0.0, 0.0, 1.0]];
    }
    let least = (0..3).min_by(|&a, &b| n[a].abs().total_cmp(&n[b].abs())).unwrap_or(0);
    let e = unit(least);
    let cross = |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    let t = cross(n, e);
    let length = t.iter().map(|v| v * v).sum::<f64>().sqrt();
    let t = t.map(|v| v / length);
    [n, t, cross(n, t)]
}
