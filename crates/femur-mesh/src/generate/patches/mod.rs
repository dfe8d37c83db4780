//! Mapped meshes of four-sided patches with straight and elliptic sides, in the plane or extruded along z.

mod plane;
mod tags;
#[cfg(test)]
mod tests;

use super::structured::{check_grid, hexes_as};
use crate::quality;
use crate::topology::{raise_order, support};
use crate::{CellBlock, CellKind, Mesh, MeshError, Tags};
use plane::Plane;

/// An arc of an ellipse with axes along x and y: the shorter way between two corners.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arc {
    /// Centre.
    pub center: [f64; 2],
    /// Half axes along x and y.
    pub radii: [f64; 2],
}

/// A four-sided patch. Side 0 runs from corner 0 to 1, side 1 from 1 to 2, side 2 from 3 to 2, side 3 from 0 to 3.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Corners, counter-clockwise.
    pub corners: [[f64; 2]; 4],
    /// Number of cells along sides 0 and 2, and along sides 1 and 3.
    pub cells: [usize; 2],
    /// Size of the last cell over that of the first along sides 0 and 2, and along sides 1 and 3: cells at `t` in 0 to 1 end at
    /// `(g^t - 1) / (g - 1)`.
    pub grading: [f64; 2],
    /// Sides that are no straight lines.
    pub arcs: [Option<Arc>; 4],
    /// Tags of sides on the boundary.
    pub sides: [Option<String>; 4],
    /// Tag of its cells beside `body`.
    pub name: Option<String>,
}

/// Nodes within a box, as a tag.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSet {
    /// Name of the tag.
    pub name: String,
    /// Only nodes of this tag.
    pub on: Option<String>,
    /// Least coordinates `[dim]`.
    pub low: Vec<f64>,
    /// Largest coordinates `[dim]`.
    pub high: Vec<f64>,
}

/// What [`patches`] makes.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchesSpec {
    /// The patches; they share nodes where they share a side.
    pub patches: Vec<Patch>,
    /// Triangle3/6, quad4/8/9; tet4/10, wedge6/15, hex8/20/27 for an extruded mesh.
    pub kind: CellKind,
    /// Extent along z from 0 and number of layers, for an extruded mesh.
    pub extrusion: Option<(f64, usize)>,
    /// Tags of nodes.
    pub node_sets: Vec<NodeSet>,
}

impl Patch {
    fn side(&self, side: usize, s: f64) -> [f64; 2] {
        let [a, b] = [[0, 1], [1, 2], [3, 2], [0, 3]][side].map(|c| self.corners[c]);
        match self.arcs[side] {
            None => [a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])],
            Some(arc) => {
                let (from, to) = (arc.angle(a), arc.angle(b));
                let turn = std::f64::consts::TAU;
                let angle = from + s * ((to - from + 1.5 * turn).rem_euclid(turn) - 0.5 * turn);
                [arc.center[0] + arc.radii[0] * angle.cos(), arc.center[1] + arc.radii[1] * angle.sin()]
            }
        }
    }

    /// The point at grid coordinates (whole numbers at the vertices): transfinite interpolation between the sides (Gordon, Hall 1973).
    fn at(&self, grid: [f64; 2]) -> [f64; 2] {
        let [s, t] = [0, 1].map(|d| grade(grid[d] / self.cells[d] as f64, self.grading[d]));
        let [bottom, right, top, left] = [self.side(0, s), self.side(1, t), self.side(2, s), self.side(3, t)];
        let c = &self.corners;
        std::array::from_fn(|d| {
            let corners = (1.0 - s) * (1.0 - t) * c[0][d] + s * (1.0 - t) * c[1][d] + s * t * c[2][d] + (1.0 - s) * t * c[3][d];
            (1.0 - t) * bottom[d] + t * top[d] + (1.0 - s) * left[d] + s * right[d] - corners
        })
    }
}

impl Arc {
    fn angle(&self, p: [f64; 2]) -> f64 {
        ((p[1] - self.center[1]) / self.radii[1]).atan2((p[0] - self.center[0]) / self.radii[0])
    }
}

fn grade(t: f64, g: f64) -> f64 {
    if (g - 1.0).abs() < 1e-12 { t } else { (g.powf(t) - 1.0) / (g - 1.0) }
}

/// Meshes the patches. Nodes of order 2 lie on the true sides. Tags: those of the sides and of the node sets, `body` and the patches' names
/// (cells); back (z = 0) and front of an extruded mesh (faces).
///
/// # Errors
/// A measure is out of range, a corner does not lie on its arc, patches with a common side part it differently, a named side is no boundary, or
/// cells are turned over.
pub fn patches(spec: &PatchesSpec) -> Result<Mesh, MeshError> {
    check(spec)?;
    let plane = plane::plane(spec)?;
    let mut mesh = match spec.extrusion {
        None => flat(&plane, spec.kind)?,
        Some((height, layers)) => extruded(&plane, spec.kind, height, layers)?,
    };
    tags::cells(&mut mesh, &plane, spec);
    tags::facets(&mut mesh, &plane, spec)?;
    if spec.kind.order() == 2 {
        mesh = raise_order(&mesh, |_| spec.kind)?;
        put_on_sides(&mut mesh, &plane, spec);
    }
    for set in &spec.node_sets {
        tags::nodes(&mut mesh, set)?;
    }
    if quality::report(&mesh).inverted > 0 {
        return refuse("patches", "their cells", "are turned over: corners must run counter-clockwise, and sides must not cross");
    }
    Ok(mesh)
}

fn refuse<T>(parameter: &str, value: impl ToString, expected: &str) -> Result<T, MeshError> {
    Err(MeshError::Parameter { parameter: parameter.into(), value: value.to_string(), expected: expected.into() })
}

fn check(spec: &PatchesSpec) -> Result<(), MeshError> {
    if spec.kind.dim() != if spec.extrusion.is_some() { 3 } else { 2 } {
        return refuse("kind", spec.kind, "is of another dimension than the mesh");
    }
    let (height, layers) = spec.extrusion.unwrap_or((1.0, 1));
    for patch in &spec.patches {
        check_grid(&[1.0, 1.0, height], &[patch.cells[0], patch.cells[1], layers])?;
        if patch.grading.iter().any(|g| !(1e-6..=1e6).contains(g)) {
            return refuse("patches", format!("grading {:?}", patch.grading), "each must lie between 1e-6 and 1e6");
        }
        for (side, arc) in patch.arcs.iter().enumerate() {
            let Some(arc) = arc else { continue };
            if arc.radii.iter().any(|r| !(*r > 0.0 && r.is_finite())) {
                return refuse("patches", format!("radii {:?}", arc.radii), "must be positive");
            }
            for corner in [[0, 1], [1, 2], [3, 2], [0, 3]][side].map(|c| patch.corners[c]) {
                let off = ((corner[0] - arc.center[0]) / arc.radii[0]).hypot((corner[1] - arc.center[1]) / arc.radii[1]) - 1.0;
                if off.is_nan() || off.abs() > 1e-6 {
                    return refuse("patches", format!("corner {corner:?}"), &format!("does not lie on the arc of side {side}"));
                }
            }
        }
    }
    Ok(())
}

fn flat(plane: &Plane, kind: CellKind) -> Result<Mesh, MeshError> {
    let mut connectivity = Vec::with_capacity(6 * plane.quads.len());
    for (q, (_, [i, j])) in plane.quads.iter().zip(&plane.origin) {
        match kind.linear() {
            CellKind::Triangle3 if (i + j) % 2 == 0 => connectivity.extend([q[0], q[1], q[2], q[0], q[2], q[3]]),
            CellKind::Triangle3 => connectivity.extend([q[0], q[1], q[3], q[1], q[2], q[3]]),
            _ => connectivity.extend(q),
        }
    }
    let points = plane.points.iter().flatten().copied().collect();
    Mesh::new(2, points, vec![CellBlock { kind: kind.linear(), connectivity }], Tags::default())
}

fn extruded(plane: &Plane, kind: CellKind, height: f64, layers: usize) -> Result<Mesh, MeshError> {
    let count = plane.points.len();
    let mut points = Vec::with_capacity(3 * count * (layers + 1));
    let mut hexes = Vec::with_capacity(8 * plane.quads.len() * layers);
    for k in 0..=layers {
        points.extend(plane.points.iter().flat_map(|p| [p[0], p[1], height * k as f64 / layers as f64]));
    }
    for k in 0..layers {
        for quad in &plane.quads {
            hexes.extend([k, k + 1].into_iter().flat_map(|z| quad.map(|n| (z * count) as u32 + n)));
        }
    }
    hexes_as(points, hexes, kind)
}

/// Moves the nodes of order 2 to where the patches have the middle of their vertices; those of diagonals stay.
fn put_on_sides(mesh: &mut Mesh, plane: &Plane, spec: &PatchesSpec) {
    let count = plane.points.len();
    let first_new = match spec.extrusion {
        Some((_, layers)) => count * (layers + 1),
        None => count,
    };
    let supports: Vec<Vec<usize>> = (0..spec.kind.num_nodes()).map(|n| support(spec.kind, n)).collect();
    let each = mesh.num_cells() / (plane.quads.len() * spec.extrusion.map_or(1, |e| e.1));
    let mut placed = vec![false; mesh.num_nodes()];
    let (dim, mut points) = (mesh.dim, std::mem::take(&mut mesh.points));
    for (cell, _, nodes) in mesh.cells() {
        let quad = (cell / each) % plane.quads.len();
        let (patch, origin) = plane.origin[quad];
        let grid = |vertex: usize| {
            let corner = plane.quads[quad].iter().position(|&n| n == nodes[vertex] % count as u32).unwrap_or(0);
            let step = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]][corner];
            [origin[0] as f64 + step[0], origin[1] as f64 + step[1]]
        };
        for (&node, vertices) in nodes.iter().zip(&supports) {
            let node = node as usize;
            if node < first_new || std::mem::replace(&mut placed[node], true) {
                continue;
            }
            // A diagonal of the grid stays straight: on the map it would bend even where all sides are straight.
            if let [a, b] = vertices[..]
                && (0..2).all(|d| grid(a)[d] != grid(b)[d])
            {
                continue;
            }
            let sum = vertices.iter().map(|&v| grid(v)).fold([0.0; 2], |a, g| [a[0] + g[0], a[1] + g[1]]);
            let p = spec.patches[patch].at(sum.map(|x| x / vertices.len() as f64));
            points[node * dim..node * dim + 2].copy_from_slice(&p);
        }
    }
    mesh.points = points;
}
