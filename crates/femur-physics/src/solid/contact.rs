//! Frictionless contact with rigid obstacles, by an augmented Lagrangian at the quadrature points of a surface.
//!
//! With the gap `g` (distance to the obstacle, negative inside), the multiplier `lambda` (a pressure per reference area) and the
//! penalty `eps`, the body gains the potential `1 / (2 eps) (<lambda - eps g>^2 - lambda^2)` per reference area, so its pressure is
//! `p = <lambda - eps g>`; once balanced, `lambda` takes the value of `p` until no point lies too deep (Uzawa's method: Simo and
//! Laursen 1992, Computers & Structures 42, 97-116; Wriggers 2006, Computational Contact Mechanics, 6.3).

use super::{Assembly, Tensor};
use crate::PhysicsError;
use crate::material::known_tag;
use femur_fem::facets::{FacetPoint, facet_points};
use femur_mesh::Mesh;
use femur_sim::case::{Case, Expr, Table};
use femur_solve::CsrMatrix;

/// What an obstacle looks like at the start. In 2D a sphere is a disc.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// The half space behind a point; the unit normal points towards the body.
    Plane { point: [f64; 3], normal: [f64; 3] },
    Sphere { centre: [f64; 3], radius: f64 },
    /// Infinitely long; the axis is a unit vector.
    Cylinder { point: [f64; 3], axis: [f64; 3], radius: f64 },
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

impl Shape {
    /// Distance from the surface (negative inside), its gradient and its second derivative, at `x`.
    fn gap(&self, x: [f64; 3]) -> (f64, [f64; 3], Tensor) {
        match *self {
            Shape::Plane { point, normal } => (dot(std::array::from_fn(|d| x[d] - point[d]), normal), normal, [[0.0; 3]; 3]),
            Shape::Sphere { centre, radius } => round(std::array::from_fn(|d| x[d] - centre[d]), radius, None),
            Shape::Cylinder { point, axis, radius } => {
                let from: [f64; 3] = std::array::from_fn(|d| x[d] - point[d]);
                let along = dot(from, axis);
                round(std::array::from_fn(|d| from[d] - along * axis[d]), radius, Some(axis))
            }
        }
    }
}

/// The gap of a sphere or cylinder from the vector `d` off its centre or axis.
fn round(d: [f64; 3], radius: f64, axis: Option<[f64; 3]>) -> (f64, [f64; 3], Tensor) {
    let length = dot(d, d).sqrt();
    if length == 0.0 {
        // The centre has no nearest point: any direction does.
        return (-radius, [1.0, 0.0, 0.0], [[0.0; 3]; 3]);
    }
    let n = d.map(|v| v / length);
    let curvature = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let flat = axis.map_or(0.0, |a| a[i] * a[j]);
            (f64::from(u8::from(i == j)) - flat - n[i] * n[j]) / length
        })
    });
    (length - radius, n, curvature)
}

/// A rigid obstacle that a surface of the body may touch.
pub(crate) struct Obstacle {
    pub(crate) name: String,
    shape: Shape,
    motion: Vec<Expr>,
    /// Points of the surface, with areas times thickness.
    points: Vec<FacetPoint>,
    penalty: f64,
    /// Deepest penetration allowed.
    tolerance: f64,
    offset: [f64; 3],
    multipliers: Vec<f64>,
    /// Offset and multipliers at the last equilibrium.
    kept: ([f64; 3], Vec<f64>),
}

/// Penalty over the stiffness of the cells at the surface, by default.
const PENALTY: f64 = 10.0;
/// Penetration allowed over the size of a facet, by default.
const PENETRATION: f64 = 1e-3;

impl Obstacle {
    /// Reads `[[obstacle]]`; `stiffness` is a modulus of the body, from which the penalty follows.
    pub(crate) fn read(case: &Case, mesh: &Mesh, thickness: f64, stiffness: f64) -> Result<Vec<Obstacle>, PhysicsError> {
        case.tables("obstacle").iter().enumerate().map(|(i, t)| Obstacle::read_one(t, i, mesh, thickness, stiffness)).collect()
    }

    fn read_one(table: &Table, number: usize, mesh: &Mesh, thickness: f64, stiffness: f64) -> Result<Obstacle, PhysicsError> {
        let name = table.string_or("name", &format!("obstacle_{}", number + 1))?;
        let tag = table.string("tag")?;
        known_tag(mesh, table, "tag", &tag)?;
        let facets = mesh
            .tag_facets(&tag)
            .map_err(|e| table.error("tag", e.to_string(), "the surface that may touch the obstacle needs a tag of facets"))?;
        let order = mesh.blocks.iter().map(|b| b.kind.order()).max().unwrap_or(1);
        let mut points = facet_points(mesh, facets, 2 * order);
        let area: f64 = points.iter().map(|p| p.area).sum();
        points.iter_mut().for_each(|p| p.area *= thickness);
        let size = (area / facets.len().max(1) as f64).powf(1.0 / (mesh.dim - 1).max(1) as f64);
        let shape = read_shape(table, mesh.dim)?;
        let motion = if table.has("displacement") {
            let motion = table.exprs("displacement")?;
            if motion.len() != mesh.dim {
                let what = format!("has {} components, the mesh has {} dimensions", motion.len(), mesh.dim);
                return Err(table.error("displacement", what, "one number or expression in t for each direction").into());
            }
            motion
        } else {
            Vec::new()
        };
        let penalty = table.positive_or("penalty", PENALTY * stiffness / size)?;
        let tolerance = table.positive_or("penetration", PENETRATION * size)?;
        table.finish()?;
        let multipliers = vec![0.0; points.len()];
        let kept = ([0.0; 3], multipliers.clone());
        Ok(Obstacle { name, shape, motion, points, penalty, tolerance, offset: [0.0; 3], multipliers, kept })
    }

    /// Where the obstacle has moved to at a time, times `ramp`.
    pub(crate) fn offset_at(&self, t: f64, ramp: f64) -> [f64; 3] {
        std::array::from_fn(|d| ramp * self.motion.get(d).map_or(0.0, |e| e.eval(&[], t)))
    }

    /// Whether the obstacle's motion mentions t.
    pub(crate) fn depends_on_time(&self) -> bool {
        self.motion.iter().any(Expr::depends_on_time)
    }

    pub(crate) fn move_to(&mut self, offset: [f64; 3]) {
        self.offset = offset;
    }

    /// Makes the present state the one that [`Obstacle::restore`] goes back to.
    pub(crate) fn keep(&mut self) {
        self.kept = (self.offset, self.multipliers.clone());
    }

    pub(crate) fn restore(&mut self) {
        (self.offset, self.multipliers) = self.kept.clone();
    }

    /// Distance of a point from the obstacle moved by `offset` (negative inside), and the direction away from it.
    pub(crate) fn distance(&self, x: &[f64], offset: [f64; 3]) -> (f64, [f64; 3]) {
        let (gap, normal, _) = self.shape.gap(std::array::from_fn(|d| x.get(d).copied().unwrap_or(0.0) - offset[d]));
        (gap, normal)
    }

    fn gap_at(&self, p: &FacetPoint, u: &[f64], dim: usize) -> (f64, [f64; 3], Tensor) {
        let mut x = p.position;
        for (&n, v) in p.nodes.iter().zip(&p.values) {
            (0..dim).for_each(|d| x[d] += v * u[n as usize * dim + d]);
        }
        self.shape.gap(std::array::from_fn(|d| x[d] - self.offset[d]))
    }

    /// Adds the obstacle's forces on the nodes.
    pub(crate) fn add_force(&self, u: &[f64], dim: usize, force: &mut [f64]) {
        for (p, lambda) in self.points.iter().zip(&self.multipliers) {
            let (gap, normal, _) = self.gap_at(p, u, dim);
            let pressure = lambda - self.penalty * gap;
            if pressure > 0.0 {
                for (&n, v) in p.nodes.iter().zip(&p.values) {
                    (0..dim).for_each(|d| force[n as usize * dim + d] += p.area * v * pressure * normal[d]);
                }
            }
        }
    }

    /// The obstacle's force on the body.
    pub(crate) fn resultant(&self, u: &[f64], dim: usize) -> [f64; 3] {
        let mut out = [0.0; 3];
        for (p, lambda) in self.points.iter().zip(&self.multipliers) {
            let (gap, normal, _) = self.gap_at(p, u, dim);
            let pressure = (lambda - self.penalty * gap).max(0.0);
            (0..dim).for_each(|d| out[d] += p.area * pressure * normal[d]);
        }
        out
    }

    /// Adds the derivative of minus the forces to a tangent.
    pub(crate) fn add_tangent(&self, u: &[f64], assembly: &Assembly, matrix: &mut CsrMatrix) {
        let dim = assembly.mesh.dim;
        for (p, lambda) in self.points.iter().zip(&self.multipliers) {
            let (gap, normal, curvature) = self.gap_at(p, u, dim);
            let pressure = lambda - self.penalty * gap;
            if pressure <= 0.0 {
                continue;
            }
            let k = p.nodes.len() * dim;
            let mut element = vec![0.0; k * k];
            for (a, va) in p.values.iter().enumerate() {
                for (b, vb) in p.values.iter().enumerate() {
                    for i in 0..dim {
                        for j in 0..dim {
                            let stiffness = self.penalty * normal[i] * normal[j] - pressure * curvature[i][j];
                            element[(a * dim + i) * k + b * dim + j] = p.area * va * vb * stiffness;
                        }
                    }
                }
            }
            assembly.assembler.scatter(matrix, &p.nodes, &element);
        }
    }

    /// Sets each multiplier to the pressure at `u`; gives whether no point lay too deep, and then leaves them.
    pub(crate) fn augment(&mut self, u: &[f64], dim: usize) -> bool {
        let gaps: Vec<f64> = self.points.iter().map(|p| self.gap_at(p, u, dim).0).collect();
        if gaps.iter().all(|g| *g >= -self.tolerance) {
            return true;
        }
        for (lambda, gap) in self.multipliers.iter_mut().zip(&gaps) {
            *lambda = (*lambda - self.penalty * gap).max(0.0);
        }
        false
    }
}

fn read_shape(table: &Table, dim: usize) -> Result<Shape, PhysicsError> {
    let vector = |key: &str| -> Result<[f64; 3], PhysicsError> {
        let v = table.numbers(key)?;
        if v.len() != dim {
            let what = format!("has {} components, the mesh has {dim} dimensions", v.len());
            return Err(table.error(key, what, "one number for each direction").into());
        }
        Ok(std::array::from_fn(|d| v.get(d).copied().unwrap_or(0.0)))
    };
    let unit = |key: &str| -> Result<[f64; 3], PhysicsError> {
        let v = vector(key)?;
        let length = dot(v, v).sqrt();
        if length > 0.0 { Ok(v.map(|x| x / length)) } else { Err(table.error(key, "has no direction", "write a vector that is not zero").into()) }
    };
    let shapes = if dim == 3 { &["plane", "sphere", "cylinder"][..] } else { &["plane", "circle"][..] };
    Ok(match (table.choice("shape", shapes)?, dim) {
        (0, _) => Shape::Plane { point: vector("point")?, normal: unit("normal")? },
        (1, _) => Shape::Sphere { centre: vector("center")?, radius: table.positive("radius")? },
        _ => Shape::Cylinder { point: vector("point")?, axis: unit("axis")?, radius: table.positive("radius")? },
    })
}
