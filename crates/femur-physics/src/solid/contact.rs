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
use femur_mesh::{Mesh, Surface};
use femur_sim::case::{Case, Expr, Table};
use femur_solve::CsrMatrix;

/// What an obstacle looks like at the start. In 2D a sphere is a disc.
#[derive(Debug)]
enum Shape {
    /// The half space behind a point; the unit normal points towards the body.
    Plane {
        point: [f64; 3],
        normal: [f64; 3],
    },
    Sphere {
        centre: [f64; 3],
        radius: f64,
    },
    /// Infinitely long; the axis is a unit vector.
    Cylinder {
        point: [f64; 3],
        axis: [f64; 3],
        radius: f64,
    },
    /// The boundary of a mesh of it.
    Mesh(Surface),
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
            Shape::Mesh(ref surface) => {
                let gap = surface.gap(x);
                (gap.distance, gap.normal, gap.curvature)
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

/// The script of an obstacle: its displacement over time.
#[derive(Clone)]
pub(crate) struct Motion(Vec<Expr>);

impl Motion {
    /// Where the obstacle has moved to at a time; components that do not mention t are multiplied by `ramp`.
    pub(crate) fn offset_at(&self, t: f64, ramp: f64) -> [f64; 3] {
        let at = |e: &Expr| e.eval(&[], t) * if e.depends_on_time() { 1.0 } else { ramp };
        std::array::from_fn(|d| self.0.get(d).map_or(0.0, at))
    }
}

/// A rigid obstacle that a surface of the body may touch.
pub(crate) struct Obstacle {
    pub(crate) name: String,
    shape: Shape,
    motion: Motion,
    /// Points of the surface, with areas times thickness, and the penalty at each: pressure per depth.
    points: Vec<FacetPoint>,
    penalty: Vec<f64>,
    /// Deepest penetration allowed.
    tolerance: f64,
    offset: [f64; 3],
    multipliers: Vec<f64>,
    /// Offset and multipliers at the last equilibrium.
    kept: ([f64; 3], Vec<f64>),
}

/// Penalty over the stiffness of the cells at the surface, by default.
const PENALTY: f64 = 10.0;
/// Penetration allowed over the size of the smallest facet, by default.
const PENETRATION: f64 = 1e-3;

impl Obstacle {
    /// Reads `[[obstacle]]`; `stiffness` is a modulus of the body, from which the penalty follows.
    pub(crate) fn read(case: &Case, mesh: &Mesh, thickness: f64, stiffness: f64) -> Result<Vec<Obstacle>, PhysicsError> {
        case.tables("obstacle").iter().enumerate().map(|(i, t)| Obstacle::read_one(case, t, i, mesh, thickness, stiffness)).collect()
    }

    fn read_one(case: &Case, table: &Table, number: usize, mesh: &Mesh, thickness: f64, stiffness: f64) -> Result<Obstacle, PhysicsError> {
        let name = table.string_or("name", &format!("obstacle_{}", number + 1))?;
        let tag = table.string("tag")?;
        known_tag(mesh, table, "tag", &tag)?;
        let facets = mesh
            .tag_facets(&tag)
            .map_err(|e| table.error("tag", e.to_string(), "the surface that may touch the obstacle needs a tag of facets"))?;
        let order = mesh.blocks.iter().map(|b| b.kind.order()).max().unwrap_or(1);
        let given = table.opt_positive("penalty")?;
        let (mut points, mut penalty, mut smallest) = (Vec::new(), Vec::new(), f64::INFINITY);
        for facet in facets {
            let of_facet = facet_points(mesh, std::slice::from_ref(facet), 2 * order);
            let area: f64 = of_facet.iter().map(|p| p.area).sum();
            let size = area.powf(1.0 / (mesh.dim - 1).max(1) as f64);
            smallest = smallest.min(size);
            penalty.extend(of_facet.iter().map(|_| given.unwrap_or(PENALTY * stiffness / size)));
            points.extend(of_facet.into_iter().map(|p| FacetPoint { area: p.area * thickness, ..p }));
        }
        let shape = read_shape(case, table, mesh.dim)?;
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
        let tolerance = table.opt_positive("penetration")?.unwrap_or(PENETRATION * smallest);
        table.finish()?;
        let multipliers = vec![0.0; points.len()];
        let kept = ([0.0; 3], multipliers.clone());
        Ok(Obstacle { name, shape, motion: Motion(motion), points, penalty, tolerance, offset: [0.0; 3], multipliers, kept })
    }

    /// Its script.
    pub(crate) fn motion(&self) -> Motion {
        self.motion.clone()
    }

    /// Whether the obstacle's motion mentions t.
    pub(crate) fn depends_on_time(&self) -> bool {
        self.motion.0.iter().any(Expr::depends_on_time)
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
        for (q, p) in self.points.iter().enumerate() {
            let (gap, normal, _) = self.gap_at(p, u, dim);
            let pressure = self.multipliers[q] - self.penalty[q] * gap;
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
        for (q, p) in self.points.iter().enumerate() {
            let (gap, normal, _) = self.gap_at(p, u, dim);
            let pressure = (self.multipliers[q] - self.penalty[q] * gap).max(0.0);
            (0..dim).for_each(|d| out[d] += p.area * pressure * normal[d]);
        }
        out
    }

    /// Adds the derivative of minus the forces to a tangent.
    pub(crate) fn add_tangent(&self, u: &[f64], assembly: &Assembly, matrix: &mut CsrMatrix) {
        let dim = assembly.mesh.dim;
        for (q, p) in self.points.iter().enumerate() {
            let (gap, normal, curvature) = self.gap_at(p, u, dim);
            let pressure = self.multipliers[q] - self.penalty[q] * gap;
            if pressure <= 0.0 {
                continue;
            }
            let k = p.nodes.len() * dim;
            let mut element = vec![0.0; k * k];
            for (a, va) in p.values.iter().enumerate() {
                for (b, vb) in p.values.iter().enumerate() {
                    for i in 0..dim {
                        for j in 0..dim {
                            let stiffness = self.penalty[q] * normal[i] * normal[j] - pressure * curvature[i][j];
                            element[(a * dim + i) * k + b * dim + j] = p.area * va * vb * stiffness;
                        }
                    }
                }
            }
            assembly.assembler.scatter(matrix, &p.nodes, &element);
        }
    }

    /// Sets each multiplier to the pressure at `u`; gives whether no point lay too deep or was pressed from afar, and then keeps all
    /// multipliers but those of points that came loose.
    pub(crate) fn augment(&mut self, u: &[f64], dim: usize) -> bool {
        let gaps: Vec<f64> = self.points.iter().map(|p| self.gap_at(p, u, dim).0).collect();
        let pressures: Vec<f64> = (0..gaps.len()).map(|q| (self.multipliers[q] - self.penalty[q] * gaps[q]).max(0.0)).collect();
        let settled = gaps.iter().zip(&pressures).all(|(g, p)| *p == 0.0 || g.abs() <= self.tolerance);
        for (lambda, p) in self.multipliers.iter_mut().zip(pressures) {
            if !settled || p == 0.0 {
                *lambda = p;
            }
        }
        settled
    }
}

fn read_shape(case: &Case, table: &Table, dim: usize) -> Result<Shape, PhysicsError> {
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
        if length > 0.0 {
            Ok(v.map(|x| x / length))
        } else {
            Err(table.error(key, "has no direction", "write a vector that is not zero").into())
        }
    };
    let shapes = if dim == 3 { &["plane", "mesh", "sphere", "cylinder"][..] } else { &["plane", "mesh", "circle"][..] };
    Ok(match table.choice("shape", shapes)? {
        0 => Shape::Plane { point: vector("point")?, normal: unit("normal")? },
        1 => Shape::Mesh(read_surface(case, table, dim)?),
        2 => Shape::Sphere { centre: vector("center")?, radius: table.positive("radius")? },
        _ => Shape::Cylinder { point: vector("point")?, axis: unit("axis")?, radius: table.positive("radius")? },
    })
}

/// The surface of the mesh that `file` names beside the case, its coordinates times `scale`.
fn read_surface(case: &Case, table: &Table, dim: usize) -> Result<Surface, PhysicsError> {
    let (file, scale) = (table.string("file")?, table.positive_or("scale", 1.0)?);
    let path = case.beside(file);
    let refuse =
        |what: String| table.error("file", what, "give a mesh of the obstacle, in 2D or 3D as the body: its boundary is what touches");
    let mut mesh = femur_io::read_mesh(&path).map_err(|e| refuse(e.to_string()))?.mesh;
    if mesh.dim != dim {
        return Err(refuse(format!("{} is a mesh of dimension {}", path.display(), mesh.dim)).into());
    }
    mesh.points.iter_mut().for_each(|x| *x *= scale);
    Surface::of(&mesh).map_err(|e| refuse(format!("{}: {e}", path.display())).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::solid::{Body, CellState, testing};
    use femur_fem::{CellGeometry, Tabulation};
    use femur_mesh::CellKind;
    use femur_mesh::generate::{box_, rectangle};
    use femur_sim::case::CaseFile;
    use femur_solve::Inadmissible;
    use std::sync::Arc;

    /// A body without any stiffness.
    struct Nothing;

    impl Body for Nothing {
        fn history(&self) -> usize {
            0
        }
        fn symmetric(&self) -> bool {
            true
        }
        fn cell(
            &self,
            _: usize,
            _: &CellGeometry,
            _: &Tabulation,
            _: &[f64],
            _: &mut CellState,
            _: &mut [f64],
            _: Option<&mut [f64]>,
        ) -> Result<f64, Inadmissible> {
            Ok(0.0)
        }
    }

    fn obstacle(mesh: &Mesh, text: &str) -> Obstacle {
        let text = format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[[obstacle]]\ntag = \"top\"\n{text}");
        let case = CaseFile::parse(&text, "c").unwrap().nominal().unwrap();
        Obstacle::read(&case, mesh, 1.5, 3.0).unwrap().remove(0)
    }

    #[test]
    fn the_tangent_is_the_derivative_of_the_force_and_the_resultant_its_sum() {
        let flat = Arc::new(rectangle([1.0, 1.0], [2, 2], CellKind::Quad8).unwrap());
        let solid = Arc::new(box_([1.0; 3], [2, 2, 2], CellKind::Tet10).unwrap());
        // Punches with an edge or a corner (2D) towards the body.
        let dir = tempfile::tempdir().unwrap();
        let punch = |mesh: &Mesh, name: &str, place: [f64; 3]| {
            let mut mesh = mesh.clone();
            let (s, c) = 0.7_f64.sin_cos();
            for p in mesh.points.chunks_exact_mut(mesh.dim) {
                let (x, y) = (p[0] - 0.5, p[1] - 0.5);
                (p[0], p[1]) = (place[0] + c * x - s * y, place[1] + s * x + c * y);
                p.iter_mut().skip(2).for_each(|z| *z += place[2]);
            }
            let path = dir.path().join(name);
            femur_io::write_mesh(&path, &femur_io::MeshFile { mesh, fields: Vec::new() }).unwrap();
            format!("shape = \"mesh\"\nfile = {:?}\nscale = 0.5\n", path.to_str().unwrap())
        };
        let (flat_punch, solid_punch) = (punch(&flat, "flat.msh", [0.9, 2.6, 0.0]), punch(&solid, "solid.msh", [0.9, 2.6, 0.5]));
        for (mesh, text) in [
            (&flat, flat_punch.as_str()),
            (&solid, solid_punch.as_str()),
            (&flat, "shape = \"circle\"\ncenter = [0.45, 1.9]\nradius = 1.0\n"),
            (&flat, "shape = \"plane\"\npoint = [0.0, 0.9]\nnormal = [0.2, -1.0]\n"),
            (&solid, "shape = \"sphere\"\ncenter = [0.45, 1.9, 0.6]\nradius = 1.0\n"),
            (&solid, "shape = \"cylinder\"\npoint = [0.45, 1.4, 0.6]\naxis = [0.3, 0.1, 1.0]\nradius = 0.5\n"),
        ] {
            let dim = mesh.dim;
            let mut o = obstacle(mesh, text);
            let assembly = Assembly::new(mesh, &Nothing);
            let n = assembly.assembler.size();
            let u = testing::displacements(n, 0.02, 0.3);
            assert!(!o.augment(&u, dim), "the surface lies within the obstacle");
            let mut matrix = assembly.assembler.zeros();
            o.add_tangent(&u, &assembly, &mut matrix);
            let scale = matrix.values.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
            assert!(scale > 0.0);
            let force = |u: &[f64]| {
                let mut f = vec![0.0; n];
                o.add_force(u, dim, &mut f);
                f
            };
            for col in 0..n {
                let at = |by: f64| {
                    let mut v = u.clone();
                    v[col] += by;
                    force(&v)
                };
                let (hi, lo) = (at(1e-7), at(-1e-7));
                for row in 0..n {
                    let slope = -(hi[row] - lo[row]) / 2e-7;
                    assert!((slope - matrix.get(row, col)).abs() < 1e-5 * scale, "{text}: {slope} and {}", matrix.get(row, col));
                }
            }
            let (f, sum) = (force(&u), o.resultant(&u, dim));
            assert!((0..dim).all(|d| (f.iter().skip(d).step_by(dim).sum::<f64>() - sum[d]).abs() < 1e-12 * scale));
            assert!(sum[1] < 0.0, "the obstacle presses down");
        }
    }
}
