//! A body's own frame: coordinates that do not change when the body is moved or turned.

use crate::Mesh;
use crate::split::simplices;
use crate::tree::lift;
use nalgebra::{Matrix3, SymmetricEigen, Vector3};

/// Origin and directions of a frame; the directions form a rotation. In two dimensions the third row is not used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Origin, in the mesh's unit.
    pub origin: [f64; 3],
    /// Unit directions, a row each.
    pub axes: [[f64; 3]; 3],
}

/// A difference of second moments, or a third moment, below this part of the body's own scale counts as none: a symmetric body has
/// no frame of its own there, and rounding must not choose one.
const SYMMETRIC: f64 = 1e-6;

impl Frame {
    /// Coordinates `[dim]` of a point in this frame.
    pub fn coordinates<'a>(&'a self, point: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let dim = point.len();
        self.axes[..dim].iter().map(move |axis| (0..dim).map(|d| axis[d] * (point[d] - self.origin[d])).sum())
    }

    /// The frame of a body's principal axes of inertia: the origin is the centroid, the first direction that of the largest second
    /// moment, and each points to where the third moment is positive. The moments are those of the volume, so the frame does not
    /// depend on how finely the body is meshed. A direction that symmetry leaves open is taken along the coordinate axes.
    pub fn principal(mesh: &Mesh) -> Frame {
        let dim = mesh.dim;
        let parts = volumes(mesh);
        let total: f64 = parts.iter().map(|p| p.0).sum();
        let mut origin = Vector3::zeros();
        for (volume, corners) in &parts {
            origin += corners.iter().sum::<Vector3<f64>>() * (*volume / (total * corners.len() as f64));
        }
        if total <= 0.0 {
            return Frame { origin: [0.0; 3], axes: Matrix3::identity().into() };
        }
        // Over a simplex of volume V: integral of x x^T = V / ((d + 1)(d + 2)) (sum of x_i x_i^T + s s^T), with s the sum of corners.
        let mut second = Matrix3::zeros();
        for (volume, corners) in &parts {
            let local: Vec<Vector3<f64>> = corners.iter().map(|x| x - origin).collect();
            let s: Vector3<f64> = local.iter().sum();
            let squares: Matrix3<f64> = local.iter().map(|x| x * x.transpose()).sum();
            second += (squares + s * s.transpose()) * (volume / (total * ((dim + 1) * (dim + 2)) as f64));
        }
        let eigen = SymmetricEigen::new(second);
        let mut order = [0, 1, 2];
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let size = eigen.eigenvalues[order[0]];
        let distinct = |a: usize, b: usize| eigen.eigenvalues[order[a]] - eigen.eigenvalues[order[b]] > SYMMETRIC * size;
        let mut axes: [Option<Vector3<f64>>; 3] = std::array::from_fn(|k| {
            let own = (k == 0 || distinct(k - 1, k)) && (k == 2 || distinct(k, k + 1));
            own.then(|| pointed(eigen.eigenvectors.column(order[k]).into_owned(), &parts, &origin, size))
        });
        for k in 0..3 {
            if axes[k].is_none() {
                let given: Vec<Vector3<f64>> = axes.iter().flatten().copied().collect();
                let across = |e: Vector3<f64>| given.iter().fold(e, |e, a| e - a * a.dot(&e));
                let candidates = [Vector3::x(), Vector3::y(), Vector3::z()].map(across);
                let best = candidates.iter().fold(candidates[0], |best, c| if c.norm() > best.norm() + SYMMETRIC { *c } else { best });
                axes[k] = Some(best.normalize());
            }
        }
        let mut axes = axes.map(Option::unwrap_or_default);
        // A rotation, never a reflection: the last direction that the body has follows from the others.
        if Matrix3::from_columns(&axes).determinant() < 0.0 {
            let last = if dim == 2 { 1 } else { 2 };
            axes[last] = -axes[last];
        }
        Frame { origin: origin.into(), axes: axes.map(Into::into) }
    }
}

/// The simplices of a mesh: volume (area, length) and corners. Curved edges are taken as straight between their nodes.
fn volumes(mesh: &Mesh) -> Vec<(f64, Vec<Vector3<f64>>)> {
    let mut out = Vec::new();
    for (_, kind, nodes) in mesh.cells() {
        for simplex in simplices(kind) {
            let corners: Vec<Vector3<f64>> = simplex[..=kind.dim()].iter().map(|&k| lift(mesh.point(nodes[k] as usize)).into()).collect();
            let side = |k: usize| corners[k] - corners[0];
            let volume = match kind.dim() {
                1 => side(1).norm(),
                2 => side(1).cross(&side(2)).norm() / 2.0,
                3 => side(1).cross(&side(2)).dot(&side(3)).abs() / 6.0,
                _ => 0.0,
            };
            out.push((volume, corners));
        }
    }
    out
}

/// `direction` or its opposite: where the third moment is positive; without one, where its largest component is.
fn pointed(direction: Vector3<f64>, parts: &[(f64, Vec<Vector3<f64>>)], origin: &Vector3<f64>, size: f64) -> Vector3<f64> {
    let (mut third, mut total) = (0.0, 0.0);
    for (volume, corners) in parts {
        // Over a simplex of d dimensions: integral of t^3 = V (p1^3 + 3 p1 p2 + 2 p3) / ((d + 1)(d + 2)(d + 3)), with p_k the sum of
        // the k-th powers of t at the corners.
        let power = |k: i32| corners.iter().map(|x| (x - origin).dot(&direction).powi(k)).sum::<f64>();
        let (p1, d) = (power(1), corners.len() as f64);
        third += volume * (p1.powi(3) + 3.0 * p1 * power(2) + 2.0 * power(3)) / (d * (d + 1.0) * (d + 2.0));
        total += volume;
    }
    let skew = third / (total * size.powf(1.5));
    let positive = if skew.abs() > SYMMETRIC { skew > 0.0 } else { direction[direction.iamax()] > 0.0 };
    if positive { direction } else { -direction }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::{box_, rectangle};

    /// Turns by `angle` about z, then moves.
    fn moved(mesh: &Mesh, angle: f64, by: f64) -> Mesh {
        let mut out = mesh.clone();
        for p in out.points.chunks_exact_mut(mesh.dim) {
            let (x, y) = (p[0], p[1]);
            (p[0], p[1]) = (angle.cos() * x - angle.sin() * y + by, angle.sin() * x + angle.cos() * y - 2.0 * by);
        }
        out
    }

    /// A body without any symmetry.
    fn bent(mut mesh: Mesh) -> Mesh {
        for p in mesh.points.chunks_exact_mut(mesh.dim) {
            p[1] += 0.2 * p[0] * p[0] + 0.3 * p[0] * p[1];
            if let [x, y, z] = p {
                *z += 0.3 * *x * *z + 0.2 * *y * *z;
            }
        }
        mesh
    }

    #[test]
    fn coordinates_do_not_change_with_the_place_of_the_body() {
        let bodies = [
            rectangle([3.0, 1.0], [6, 3], CellKind::Triangle3).unwrap(),
            rectangle([3.0, 1.0], [6, 3], CellKind::Quad8).unwrap(),
            box_([3.0, 1.0, 0.4], [4, 3, 2], CellKind::Hex8).unwrap(),
            box_([3.0, 1.0, 0.4], [4, 3, 2], CellKind::Tet10).unwrap(),
        ];
        for mesh in bodies.map(bent) {
            let frame = Frame::principal(&mesh);
            let there = moved(&mesh, 2.0, 5.0);
            let turned = Frame::principal(&there);
            for n in 0..mesh.num_nodes() {
                let (a, b) = (frame.coordinates(mesh.point(n)), turned.coordinates(there.point(n)));
                a.zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} and {b}"));
            }
            let determinant = Matrix3::from(turned.axes).determinant();
            assert!((determinant - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn the_frame_is_that_of_the_body_not_of_its_mesh() {
        // A grading of the cells moves the mean of the nodes, not the centroid.
        let mut mesh = rectangle([2.0, 1.0], [8, 4], CellKind::Triangle3).unwrap();
        mesh.points.chunks_exact_mut(2).for_each(|p| p[0] = p[0] * p[0] / 2.0);
        let frame = Frame::principal(&mesh);
        assert!((frame.origin[0] - 1.0).abs() < 1e-12 && (frame.origin[1] - 0.5).abs() < 1e-12);
        assert!(frame.axes[0][0] > 1.0 - 1e-9 && frame.axes[1][1] > 1.0 - 1e-9, "{frame:?}");
        // A square has no long side: the coordinate axes.
        let square = Frame::principal(&rectangle([1.0, 1.0], [4, 4], CellKind::Quad4).unwrap());
        assert_eq!(square.axes, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        // A square rod has its length only.
        let rod = Frame::principal(&box_([1.0, 1.0, 4.0], [2, 2, 6], CellKind::Hex8).unwrap());
        assert!(rod.axes[0][2] > 1.0 - 1e-9 && rod.axes[1][0] > 1.0 - 1e-9, "{rod:?}");
    }
}
