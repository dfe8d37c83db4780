//! Finding the cell of a point, and node fields at points.

use crate::shape::Shape;
use crate::split::{reference_nodes, simplices};
use crate::tree::{Aabb, BoxTree, lift};
use crate::{CellKind, Field, Location, Mesh, MeshError};

/// Where a point lies in a mesh.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Global cell number.
    pub cell: u32,
    /// Reference coordinates in that cell: simplices in the unit simplex, quadrilaterals and hexahedra in `[-1, 1]^d`.
    pub local: [f64; 3],
    /// Distance from the point to the mesh; zero inside.
    pub distance: f64,
    /// Nodes that an interpolated value is made of, with their weights, which sum to one.
    pub weights: Vec<(u32, f64)>,
}

struct KindTable {
    kind: CellKind,
    reference: Vec<[f64; 3]>,
    shape: Option<Shape>,
}

/// Finds cells by a tree over simplices between their nodes.
///
/// Interpolation is with the cell's shape functions (first-order cells, quadratic simplices, quad9 and hex27), in the serendipity
/// cells and pyramids linear between nodes. Linear fields are met exactly everywhere.
pub struct Locator<'m> {
    mesh: &'m Mesh,
    kinds: Vec<KindTable>,
    /// Cell, its kind's table, local nodes.
    pieces: Vec<(u32, u8, [u8; 4])>,
    tree: BoxTree,
    /// Distances below this count as inside.
    tolerance: f64,
}

impl<'m> Locator<'m> {
    /// Builds the tree.
    pub fn new(mesh: &'m Mesh) -> Self {
        let (mut kinds, mut pieces, mut boxes) = (Vec::<KindTable>::new(), Vec::new(), Vec::new());
        let mut first = 0;
        for block in &mesh.blocks {
            let table = kinds.iter().position(|t| t.kind == block.kind).unwrap_or(kinds.len());
            if table == kinds.len() {
                kinds.push(KindTable { kind: block.kind, reference: reference_nodes(block.kind), shape: Shape::of(block.kind) });
            }
            let cut = simplices(block.kind);
            for c in 0..block.num_cells() {
                for s in &cut {
                    pieces.push(((first + c) as u32, table as u8, s.map(|n| n as u8)));
                    boxes.push(Aabb::around(s.map(|n| lift(mesh.point(block.cell(c)[n] as usize)))));
                }
            }
            first += block.num_cells();
        }
        let tolerance = if mesh.num_nodes() == 0 { 0.0 } else { 1e-9 * mesh.diameter() };
        Locator { mesh, kinds, pieces, tree: BoxTree::new(&boxes), tolerance }
    }

    /// The place of a point `[dim]`, or `None` outside the mesh.
    pub fn find(&self, x: &[f64]) -> Option<Place> {
        self.nearest(x).filter(|p| p.distance == 0.0)
    }

    /// The place of a point `[dim]`, or of the point of the mesh nearest to it; `None` only for a mesh without cells.
    pub fn nearest(&self, x: &[f64]) -> Option<Place> {
        let x = lift(x);
        let (best, _) = self.tree.least(|b| b.distance2(x), |i| distance2(x, self.closest(x, i)))?;
        let y = self.closest(x, best);
        let (cell, table, local_nodes) = self.pieces[best];
        let (nodes, table) = (self.mesh.cell_nodes(cell as usize), &self.kinds[table as usize]);
        let corners = self.corners(best);
        // The first corner stands for a piece without volume.
        let barycentric = barycentric(&corners, y, self.mesh.dim).unwrap_or([1.0, 0.0, 0.0, 0.0]);
        let mut local = [0.0; 3];
        for (k, w) in barycentric.iter().enumerate() {
            (0..3).for_each(|d| local[d] += w * table.reference[local_nodes[k] as usize][d]);
        }
        let mut distance = distance2(x, y).sqrt();
        if distance <= self.tolerance {
            distance = 0.0;
        }
        let Some(shape) = &table.shape else {
            let weights = barycentric[..=self.mesh.dim].iter().zip(local_nodes).map(|(&w, n)| (nodes[n as usize], w)).collect();
            return Some(Place { cell, local, distance, weights });
        };
        // Under a curved boundary the point may be in the cell though in none of its straight pieces.
        if let Some(refined) = self.refine(shape, nodes, x, local).filter(|l| distance == 0.0 || inside(table.kind, *l)) {
            (local, distance) = (refined, 0.0);
        } else if let Some(refined) = self.refine(shape, nodes, y, local) {
            local = refined;
        }
        let weights = nodes.iter().enumerate().map(|(n, &node)| (node, shape.at(n, local).0)).collect();
        Some(Place { cell, local, distance, weights })
    }

    /// Values of a node field at points `[num_points, dim]`: `[num_points, num_components]`. A point outside takes the value of the
    /// mesh's nearest point.
    ///
    /// # Errors
    /// The field is not one of nodes or has another length than the mesh, the points' length is no multiple of `dim`, or the mesh has
    /// no cells.
    pub fn interpolate(&self, field: &Field, points: &[f64]) -> Result<Vec<f64>, MeshError> {
        if field.location != Location::Node {
            return Err(MeshError::Other(format!("field `{}` is one of cells; only node fields are interpolated", field.name)));
        }
        let components = field.num_components();
        let expected = self.mesh.num_nodes() * components;
        if field.values.len() != expected {
            return Err(MeshError::Length { what: format!("field `{}`", field.name), expected, got: field.values.len() });
        }
        if !points.len().is_multiple_of(self.mesh.dim) {
            let expected = points.len() / self.mesh.dim * self.mesh.dim;
            return Err(MeshError::Length { what: "points to interpolate at".into(), expected, got: points.len() });
        }
        let mut out = Vec::with_capacity(points.len() / self.mesh.dim * components);
        for x in points.chunks_exact(self.mesh.dim) {
            let place = self.nearest(x).ok_or_else(|| MeshError::Other("a mesh without cells has no fields to interpolate".into()))?;
            for c in 0..components {
                out.push(place.weights.iter().map(|&(n, w)| w * field.values[n as usize * components + c]).sum());
            }
        }
        Ok(out)
    }

    fn corners(&self, piece: usize) -> [[f64; 3]; 4] {
        let (cell, _, local) = self.pieces[piece];
        let nodes = self.mesh.cell_nodes(cell as usize);
        local.map(|n| lift(self.mesh.point(nodes[n as usize] as usize)))
    }

    /// The point of a piece that is nearest to `x`.
    fn closest(&self, x: [f64; 3], piece: usize) -> [f64; 3] {
        let c = self.corners(piece);
        if self.mesh.dim < 3 {
            return crate::distance::nearest(x, &[c[0], c[1], c[2]]);
        }
        if barycentric(&c, x, 3).is_some_and(|w| w.iter().all(|w| *w >= 0.0)) {
            return x;
        }
        let mut best = (x, f64::INFINITY);
        for face in [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]] {
            let y = crate::distance::nearest(x, &face.map(|k| c[k]));
            if distance2(x, y) < best.1 {
                best = (y, distance2(x, y));
            }
        }
        best.0
    }

    /// Newton's method for the reference coordinates of `x`; `None` if it does not converge.
    fn refine(&self, shape: &Shape, nodes: &[u32], x: [f64; 3], mut local: [f64; 3]) -> Option<[f64; 3]> {
        let dim = self.mesh.dim;
        for _ in 0..12 {
            let mut rest = x;
            let mut jacobian = [[0.0; 3]; 3];
            for (n, &node) in nodes.iter().enumerate() {
                let (value, gradient) = shape.at(n, local);
                for (i, p) in self.mesh.point(node as usize).iter().enumerate() {
                    rest[i] -= value * p;
                    (0..dim).for_each(|j| jacobian[i][j] += gradient[j] * p);
                }
            }
            let step = solve(jacobian, rest, dim)?;
            (0..dim).for_each(|d| local[d] += step[d]);
            if step.iter().all(|s| s.abs() < 1e-13) {
                break;
            }
            // Far from the cell the map is no longer one to one.
            if local.iter().any(|l| l.is_nan() || l.abs() > 3.0) {
                return None;
            }
        }
        Some(local)
    }
}

fn distance2(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|d| (a[d] - b[d]).powi(2)).sum()
}

/// Whether reference coordinates lie in the reference cell.
fn inside(kind: CellKind, x: [f64; 3]) -> bool {
    const SLACK: f64 = 1e-10;
    match kind.linear() {
        CellKind::Triangle3 => x[0].min(x[1]).min(1.0 - x[0] - x[1]) >= -SLACK,
        CellKind::Tet4 => x[0].min(x[1]).min(x[2]).min(1.0 - x[0] - x[1] - x[2]) >= -SLACK,
        CellKind::Wedge6 => x[0].min(x[1]).min(1.0 - x[0] - x[1]).min(1.0 - x[2].abs()) >= -SLACK,
        _ => x.iter().all(|x| x.abs() <= 1.0 + SLACK),
    }
}

/// Barycentric coordinates of `x` in a simplex of `dim + 1` corners, the rest zero; `None` in a simplex without volume.
fn barycentric(c: &[[f64; 3]; 4], x: [f64; 3], dim: usize) -> Option<[f64; 4]> {
    let mut edges = [[0.0; 3]; 3];
    for i in 0..dim {
        (0..dim).for_each(|j| edges[i][j] = c[j + 1][i] - c[0][i]);
    }
    let rest = std::array::from_fn(|d| x[d] - c[0][d]);
    solve(edges, rest, dim).map(|w| [1.0 - w[..dim].iter().sum::<f64>(), w[0], w[1], w[2]])
}

/// Solves the leading `dim` equations by Gaussian elimination with column pivoting; `None` if the matrix is singular.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3], dim: usize) -> Option<[f64; 3]> {
    for k in 0..dim {
        let pivot = (k..dim).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs()))?;
        a.swap(k, pivot);
        b.swap(k, pivot);
        if a[k][k] == 0.0 || !a[k][k].is_finite() {
            return None;
        }
        for i in k + 1..dim {
            let f = a[i][k] / a[k][k];
            (k..dim).for_each(|j| a[i][j] -= f * a[k][j]);
            b[i] -= f * b[k];
        }
    }
    let mut x = [0.0; 3];
    for k in (0..dim).rev() {
        x[k] = (b[k] - (k + 1..dim).map(|j| a[k][j] * x[j]).sum::<f64>()) / a[k][k];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::plate::PLATE;
    use crate::generate::{Hole, HoleShape, PlateSpec, box_, plate_with_holes, rectangle};
    use CellKind::*;

    const KINDS: [CellKind; 12] = [Triangle3, Triangle6, Quad4, Quad8, Quad9, Tet4, Tet10, Hex8, Hex20, Hex27, Wedge6, Wedge15];

    /// A grid whose inner nodes are shifted, so that cells are no parallelepipeds.
    fn grid(kind: CellKind) -> Mesh {
        let linear = match kind.dim() {
            2 => rectangle([2.0, 1.0], [5, 4], kind.linear()),
            _ => box_([2.0, 1.0, 1.0], [4, 3, 3], kind.linear()),
        };
        let mut mesh = linear.unwrap();
        let dim = mesh.dim;
        for p in mesh.points.chunks_exact_mut(dim) {
            let bump = 0.05 * p.iter().zip([2.0, 1.0, 1.0]).map(|(x, l)| (std::f64::consts::PI * x / l).sin()).product::<f64>();
            p.iter_mut().enumerate().for_each(|(d, x)| *x += bump * [1.0, -0.7, 0.4][d]);
        }
        if kind.order() == 2 { crate::topology::raise_order(&mesh, |_| kind).unwrap() } else { mesh }
    }

    fn probes(dim: usize) -> Vec<f64> {
        (1..400)
            .flat_map(|k| (0..dim).map(move |d| [2.0, 1.0, 1.0][d] * (f64::from(k) * [0.618_034, 0.414_214, 0.732_051][d]).fract()))
            .collect()
    }

    #[test]
    fn linear_fields_are_exact_in_every_kind() {
        for kind in KINDS {
            let mesh = grid(kind);
            let f = |p: &[f64]| 1.0 + p.iter().zip([2.0, -3.0, 0.5]).map(|(x, a)| a * x).sum::<f64>();
            let values: Vec<f64> = mesh.points.chunks(mesh.dim).map(f).collect();
            let locator = Locator::new(&mesh);
            let points = probes(mesh.dim);
            let got = locator.interpolate(&Field::scalar("f", "1", Location::Node, values), &points).unwrap();
            for (x, v) in points.chunks(mesh.dim).zip(got) {
                assert!((v - f(x)).abs() < 1e-9, "{kind}: {x:?} {v} {}", f(x));
                assert!(locator.find(x).is_some(), "{kind}: {x:?}");
            }
        }
    }

    #[test]
    fn quadratic_fields_are_exact_in_quadratic_simplices() {
        for kind in [Triangle6, Tet10] {
            let mesh = grid(kind);
            let f = |p: &[f64]| p[0] * p[0] - 2.0 * p[0] * p[1] + 0.3 * p[mesh.dim - 1];
            let field = Field::scalar("f", "1", Location::Node, mesh.points.chunks(mesh.dim).map(f).collect());
            let points = probes(mesh.dim);
            let got = Locator::new(&mesh).interpolate(&field, &points).unwrap();
            assert!(points.chunks(mesh.dim).zip(got).all(|(x, v)| (v - f(x)).abs() < 1e-9), "{kind}");
        }
    }

    #[test]
    fn points_outside_take_the_nearest_value() {
        let mesh = grid(Quad4);
        let locator = Locator::new(&mesh);
        assert!(locator.find(&[2.5, 0.5]).is_none());
        let place = locator.nearest(&[2.5, 0.5]).unwrap();
        assert!((place.distance - 0.5).abs() < 1e-12);
        let field = Field::scalar("x", "m", Location::Node, mesh.points.chunks(2).map(|p| p[0]).collect());
        assert!((locator.interpolate(&field, &[2.5, 0.5]).unwrap()[0] - 2.0).abs() < 1e-12);
        assert!(locator.interpolate(&field, &[2.5]).is_err());
        assert!(locator.interpolate(&Field { location: Location::Cell, ..field }, &[2.5, 0.5]).is_err());
        let empty = Mesh::new(2, vec![], vec![], Default::default()).unwrap();
        assert!(Locator::new(&empty).nearest(&[0.0, 0.0]).is_none());
    }

    /// On the true circle, between the nodes of straight edges, a quadratic cell is met exactly up to the circle's own deviation.
    #[test]
    fn points_under_a_curved_edge_are_inside() {
        let hole = Hole { shape: HoleShape::Circle, center: [1.0, 0.5], diameter: 0.4, angle: 0.0 };
        let spec = PlateSpec { width: 2.0, height: 1.0, size: 0.1, refinement: 0.5, holes: vec![hole], order: 2, names: PLATE };
        let mesh = plate_with_holes(&spec).unwrap();
        let locator = Locator::new(&mesh);
        for k in 0..100 {
            let (sin, cos) = (0.0628 * f64::from(k)).sin_cos();
            let on = |r: f64| locator.nearest(&[1.0 + r * cos, 0.5 + r * sin]).unwrap();
            assert!(on(0.2).distance < 1e-5 && on(0.2001).distance == 0.0);
            assert!((on(0.15).distance - 0.05).abs() < 2e-3);
        }
    }
}
