//! The boundary of a body as straight facets: signed distance, direction and curvature, for rigid obstacles.

use crate::distance::{Simplex, dot, nearest, sub};
use crate::split::simplices;
use crate::topology::boundary_facets;
use crate::tree::{Aabb, BoxTree, lift};
use crate::{Mesh, MeshError};
use std::collections::BTreeMap;

/// A part of a facet's barycentric coordinate below which a point lies on its edge.
const EDGE: f64 = 1e-9;

/// The boundary of a mesh, its facets cut into straight segments (2D) or triangles (3D) between their nodes, midside ones too.
///
/// The sign of a distance comes from the normals of edges and vertices weighted by angle (Baerentzen, Aanaes 2005, IEEE TVCG 11, 243).
#[derive(Debug)]
pub struct Surface {
    dim: usize,
    simplices: Vec<Simplex>,
    /// Outward unit normal of each simplex.
    normals: Vec<[f64; 3]>,
    /// Outward, of the edges 0-1, 1-2, 2-0 and the vertices of each simplex.
    edges: Vec<[[f64; 3]; 3]>,
    vertices: Vec<[[f64; 3]; 3]>,
    tree: BoxTree,
}

/// Where a point lies from a [`Surface`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// Distance, negative inside.
    pub distance: f64,
    /// Its gradient: the unit vector outwards.
    pub normal: [f64; 3],
    /// Its second derivative `[i][j]`: 0 over a facet, that of a cylinder around an edge and of a sphere around a vertex.
    pub curvature: [[f64; 3]; 3],
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: [f64; 3]) -> Option<[f64; 3]> {
    let length = dot(a, a).sqrt();
    (length > 0.0).then(|| a.map(|v| v / length))
}

fn pair(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}

impl Surface {
    /// The boundary of a body.
    ///
    /// # Errors
    /// A mesh without a boundary, or with a boundary facet of no size.
    pub fn of(mesh: &Mesh) -> Result<Surface, MeshError> {
        let dim = mesh.dim;
        let at = |n: u32| lift(mesh.point(n as usize));
        let (mut corners, mut normals): (Vec<[u32; 3]>, Vec<[f64; 3]>) = (Vec::new(), Vec::new());
        for facet in boundary_facets(mesh) {
            let (kind, nodes) = mesh.facet_nodes(facet);
            let cell = mesh.cell_nodes(facet.cell as usize);
            let inside: [f64; 3] = std::array::from_fn(|d| cell.iter().map(|&n| at(n)[d]).sum::<f64>() / cell.len() as f64);
            for s in simplices(kind) {
                let ids = [nodes[s[0]], nodes[s[1]], nodes[s[2]]];
                let [a, b, c] = ids.map(at);
                let across = if dim == 3 { cross(sub(b, a), sub(c, a)) } else { [b[1] - a[1], a[0] - b[0], 0.0] };
                let Some(n) = unit(across) else {
                    return Err(MeshError::Other(format!("the boundary facet at {:?} has no size", &a[..dim])));
                };
                let outward = dot(n, sub(a, inside)) > 0.0;
                corners.push(ids);
                normals.push(if outward { n } else { n.map(|v| -v) });
            }
        }
        if corners.is_empty() {
            return Err(MeshError::Other("a mesh without cells has no surface".into()));
        }
        let simplices: Vec<Simplex> = corners.iter().map(|ids| ids.map(at)).collect();
        let mut of_vertex: BTreeMap<u32, [f64; 3]> = BTreeMap::new();
        let mut of_edge: BTreeMap<(u32, u32), [f64; 3]> = BTreeMap::new();
        for ((ids, simplex), n) in corners.iter().zip(&simplices).zip(&normals) {
            for k in 0..dim {
                let angle = if dim == 3 {
                    let (u, v) = (sub(simplex[(k + 1) % 3], simplex[k]), sub(simplex[(k + 2) % 3], simplex[k]));
                    dot(cross(u, v), cross(u, v)).sqrt().atan2(dot(u, v))
                } else {
                    1.0
                };
                let sum = of_vertex.entry(ids[k]).or_default();
                (0..3).for_each(|d| sum[d] += angle * n[d]);
                if dim == 3 {
                    let sum = of_edge.entry(pair(ids[k], ids[(k + 1) % 3])).or_default();
                    (0..3).for_each(|d| sum[d] += n[d]);
                }
            }
        }
        let vertices = corners.iter().map(|ids| ids.map(|n| of_vertex[&n])).collect();
        let edge = |ids: &[u32; 3], k: usize| of_edge.get(&pair(ids[k], ids[(k + 1) % 3])).copied().unwrap_or_default();
        let edges = corners.iter().map(|ids| std::array::from_fn(|k| edge(ids, k))).collect();
        let boxes: Vec<Aabb> = simplices.iter().map(|s| Aabb::around(*s)).collect();
        Ok(Surface { dim, tree: BoxTree::new(&boxes), simplices, normals, edges, vertices })
    }

    /// Where `x` lies.
    pub fn gap(&self, x: [f64; 3]) -> Gap {
        let away = |i: usize| sub(x, nearest(x, &self.simplices[i]));
        let found = self.tree.least(|b| b.distance2(x), |i| dot(away(i), away(i)));
        // A surface has facets, so there is a nearest one.
        let i = found.map_or(0, |(i, _)| i);
        let (simplex, from) = (&self.simplices[i], away(i));
        let facet = Gap { distance: dot(from, self.normals[i]), normal: self.normals[i], curvature: [[0.0; 3]; 3] };
        let weights = barycentric(sub(x, from), simplex, self.dim);
        let outward = match (0..self.dim).find(|&k| weights[k] > 1.0 - EDGE) {
            Some(k) => (self.vertices[i][k], None),
            None => match (0..3).find(|&k| weights[(k + 2) % 3] < EDGE).filter(|_| self.dim == 3) {
                Some(k) => (self.edges[i][k], unit(sub(simplex[(k + 1) % 3], simplex[k]))),
                None => return facet,
            },
        };
        // On the surface itself any direction does, and a facet's is one of them; straight above a facet's border, or above an edge
        // between two facets of one plane, it is the facet's too.
        let side = sub(simplex[1], simplex[0]);
        let n = match unit(from) {
            Some(n) if dot(from, from) > 1e-24 * dot(side, side) && dot(n, self.normals[i]).abs() < 1.0 - 1e-12 => n,
            _ => return facet,
        };
        let sign = if dot(from, outward.0) < 0.0 { -1.0 } else { 1.0 };
        let (normal, distance) = (n.map(|v| sign * v), sign * dot(from, from).sqrt());
        let along = if self.dim == 3 { outward.1 } else { Some([0.0, 0.0, 1.0]) };
        let curvature = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let flat = along.map_or(0.0, |t| t[i] * t[j]);
                (f64::from(u8::from(i == j)) - normal[i] * normal[j] - flat) / distance
            })
        });
        Gap { distance, normal, curvature }
    }
}

/// Barycentric coordinates of a point of a segment or triangle; the third of a segment is 0.
fn barycentric(p: [f64; 3], &[a, b, c]: &Simplex, dim: usize) -> [f64; 3] {
    let (u, w) = (sub(b, a), sub(p, a));
    if dim == 2 {
        let s = dot(w, u) / dot(u, u);
        return [1.0 - s, s, 0.0];
    }
    let v = sub(c, a);
    let (uu, uv, vv, wu, wv) = (dot(u, u), dot(u, v), dot(v, v), dot(w, u), dot(w, v));
    let det = uu * vv - uv * uv;
    let (s, t) = ((vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det);
    [1.0 - s - t, s, t]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::{box_, rectangle};

    /// Signed distance from the box `[0, a] x [0, b] (x [0, c])`.
    fn from_box(x: [f64; 3], extent: &[f64]) -> f64 {
        let q: Vec<f64> = extent.iter().enumerate().map(|(d, e)| (x[d] - 0.5 * e).abs() - 0.5 * e).collect();
        let outside = q.iter().map(|v| v.max(0.0).powi(2)).sum::<f64>().sqrt();
        outside + q.iter().copied().fold(f64::NEG_INFINITY, f64::max).min(0.0)
    }

    #[test]
    fn a_box_has_its_distance_gradient_and_curvature() {
        let extents: [&[f64]; 2] = [&[2.0, 1.0], &[2.0, 1.0, 0.7]];
        let meshes = [rectangle([2.0, 1.0], [3, 2], CellKind::Triangle6), box_([2.0, 1.0, 0.7], [3, 2, 2], CellKind::Tet10)];
        for (mesh, extent) in meshes.into_iter().zip(extents) {
            let (mesh, dim) = (mesh.unwrap(), extent.len());
            let surface = Surface::of(&mesh).unwrap();
            let scatter = |k: usize, d: usize| (12.9898 * (k as f64 + 1.0) * (d as f64 + 1.37)).sin();
            let mut seen = [0; 2];
            for k in 0..400 {
                let x: [f64; 3] = std::array::from_fn(|d| if d < dim { 0.5 * extent[d] + 0.9 * extent[d] * scatter(k, d) } else { 0.0 });
                let gap = surface.gap(x);
                let exact = from_box(x, extent);
                assert!((gap.distance - exact).abs() < 1e-12, "{x:?}: {} and {exact}", gap.distance);
                seen[usize::from(exact > 0.0)] += 1;
                // Where the distance is smooth nearby.
                let at = |d: usize, h: f64| {
                    let mut y = x;
                    y[d] += h;
                    surface.gap(y)
                };
                let h = 1e-5;
                for d in 0..dim {
                    let (hi, lo) = (at(d, h), at(d, -h));
                    if (hi.distance + lo.distance - 2.0 * gap.distance).abs() > 1e-8 {
                        continue;
                    }
                    assert!(((hi.distance - lo.distance) / (2.0 * h) - gap.normal[d]).abs() < 1e-6, "{x:?}");
                    let same = |a: &Gap, b: &Gap| (0..3).all(|j| (a.curvature[d][j] - b.curvature[d][j]).abs() < 1e-2);
                    if same(&hi, &gap) && same(&lo, &gap) {
                        for j in 0..dim {
                            let slope = (hi.normal[j] - lo.normal[j]) / (2.0 * h);
                            assert!((slope - gap.curvature[d][j]).abs() < 1e-5, "{x:?}: {slope} {:?}", gap.curvature);
                        }
                    }
                }
            }
            assert!(seen[0] > 20 && seen[1] > 20, "{seen:?}");
        }
    }

    #[test]
    fn a_point_on_the_surface_has_no_distance() {
        let surface = Surface::of(&box_([1.0; 3], [2, 2, 2], CellKind::Hex8).unwrap()).unwrap();
        for x in [[0.0, 0.25, 0.25], [0.0, 0.0, 0.3], [1.0, 1.0, 1.0]] {
            let gap = surface.gap(x);
            assert!(gap.distance.abs() < 1e-15 && gap.normal.iter().all(|v| v.is_finite()), "{gap:?}");
        }
    }
}
