//! Distance and direction from each node to a tagged boundary.

use crate::split::simplices;
use crate::tree::{Aabb, BoxTree, lift};
use crate::{Mesh, MeshError, TagEntities};

/// For each node the vector to the nearest point of the tag, then the distance: flat `[num_nodes, dim + 1]`.
///
/// Facets count as straight pieces between their nodes, midside ones too, so that the tag's own nodes lie at distance zero; a tag of
/// nodes or cells is the set of its nodes. Of several nearest points the first in the tag's order is taken.
///
/// # Errors
/// The mesh lacks the tag, or the tag is empty.
pub fn to_tag(mesh: &Mesh, tag: &str) -> Result<Vec<f64>, MeshError> {
    let entities = &mesh.tags.require(tag)?.entities;
    if entities.is_empty() {
        return Err(MeshError::Other(format!("tag `{tag}` is empty, so nothing has a distance from it")));
    }
    let simplices: Vec<Simplex> = match entities {
        TagEntities::Facets(facets) => facets
            .iter()
            .flat_map(|&f| {
                let (kind, nodes) = mesh.facet_nodes(f);
                let at = move |n: usize| lift(mesh.point(nodes[n] as usize));
                simplices(kind).into_iter().map(move |s| [at(s[0]), at(s[1]), at(s[2])])
            })
            .collect(),
        _ => mesh.tag_nodes(tag)?.iter().map(|&n| [lift(mesh.point(n as usize)); 3]).collect(),
    };
    let boxes: Vec<Aabb> = simplices.iter().map(|s| Aabb::around(*s)).collect();
    let tree = BoxTree::new(&boxes);
    let mut out = Vec::with_capacity(mesh.num_nodes() * (mesh.dim + 1));
    for node in 0..mesh.num_nodes() {
        let x = lift(mesh.point(node));
        let to = |i: usize| sub(nearest(x, &simplices[i]), x);
        let found = tree.least(|b| b.distance2(x), |i| dot(to(i), to(i)));
        let (v, d2) = found.map_or(([0.0; 3], 0.0), |(i, d2)| (to(i), d2));
        out.extend_from_slice(&v[..mesh.dim]);
        out.push(d2.sqrt());
    }
    Ok(out)
}

/// A triangle; a segment or point repeats its last corner.
pub(crate) type Simplex = [[f64; 3]; 3];

pub(crate) fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn along(a: [f64; 3], u: [f64; 3], s: f64) -> [f64; 3] {
    [a[0] + s * u[0], a[1] + s * u[1], a[2] + s * u[2]]
}

/// The nearest point of a triangle: the foot of the perpendicular if it falls inside, else the best point of the three edges.
pub(crate) fn nearest(x: [f64; 3], &[a, b, c]: &Simplex) -> [f64; 3] {
    if b == c {
        return on_segment(x, a, b);
    }
    let (u, v, w) = (sub(b, a), sub(c, a), sub(x, a));
    let (uu, uv, vv, wu, wv) = (dot(u, u), dot(u, v), dot(v, v), dot(w, u), dot(w, v));
    let det = uu * vv - uv * uv;
    let (s, t) = ((vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det);
    if det > 0.0 && s >= 0.0 && t >= 0.0 && s + t <= 1.0 {
        return along(along(a, u, s), v, t);
    }
    let far = |p: &[f64; 3]| dot(sub(*p, x), sub(*p, x));
    let [p, q, r] = [on_segment(x, a, b), on_segment(x, b, c), on_segment(x, c, a)];
    let best = if far(&q) < far(&p) { q } else { p };
    if far(&r) < far(&best) { r } else { best }
}

fn on_segment(x: [f64; 3], a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    let u = sub(b, a);
    let length = dot(u, u);
    let s = if length > 0.0 { (dot(sub(x, a), u) / length).clamp(0.0, 1.0) } else { 0.0 };
    // From the nearer end, so that an end is met exactly.
    if s > 0.5 { along(b, u, s - 1.0) } else { along(a, u, s) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::plate::PLATE;
    use crate::generate::{BlockSpec, Hole, HoleShape, PlateSpec, box_, perforated_block, plate_with_holes};

    #[test]
    fn the_side_of_a_box_lies_straight_ahead() {
        for kind in [CellKind::Tet10, CellKind::Hex20, CellKind::Hex27, CellKind::Hex8] {
            let mesh = box_([2.0, 1.0, 1.0], [3, 2, 2], kind).unwrap();
            for (n, row) in to_tag(&mesh, "right").unwrap().chunks(4).enumerate() {
                let expected = 2.0 - mesh.point(n)[0];
                assert!((row[0] - expected).abs() < 1e-14 && row[1].abs() < 1e-14 && row[2].abs() < 1e-14);
                assert!((row[3] - expected).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn holes_are_as_far_as_the_circle_is() {
        let hole = Hole { shape: HoleShape::Circle, center: [0.8, 0.6], diameter: 0.3, angle: 0.0 };
        let spec = PlateSpec { width: 2.0, height: 1.0, size: 0.08, refinement: 0.4, holes: vec![hole], order: 2, names: PLATE };
        let plate = plate_with_holes(&spec).unwrap();
        let spec = BlockSpec { extent: [2.0, 1.0, 0.4], center: [0.8, 0.6], radius: 0.15, cells: [10, 4, 2], kind: CellKind::Hex20 };
        for mesh in [plate, perforated_block(&spec).unwrap()] {
            let d = to_tag(&mesh, "hole").unwrap();
            for (n, row) in d.chunks(mesh.dim + 1).enumerate() {
                let p = mesh.point(n);
                let exact = (p[0] - 0.8).hypot(p[1] - 0.6) - 0.15;
                assert!((row[mesh.dim] - exact).abs() < 1e-3, "{p:?}: {row:?}, {exact}");
                let length = row[..mesh.dim].iter().map(|v| v * v).sum::<f64>().sqrt();
                assert!((length - row[mesh.dim]).abs() < 1e-14);
            }
            for n in mesh.tag_nodes("hole").unwrap() {
                assert_eq!(d[n as usize * (mesh.dim + 1) + mesh.dim], 0.0);
            }
        }
    }

    /// The tree finds what looking at every node of the tag finds.
    #[test]
    fn node_sets_against_every_pair() {
        let mut mesh = box_([1.0, 1.0, 1.0], [6, 5, 4], CellKind::Hex8).unwrap();
        let some: Vec<u32> = (0..mesh.num_nodes() as u32).filter(|n| n % 17 == 3).collect();
        mesh.tags.insert("some", None, TagEntities::Nodes(some.clone()));
        let d = to_tag(&mesh, "some").unwrap();
        for n in 0..mesh.num_nodes() {
            let far = |&m: &u32| {
                let v = sub(lift(mesh.point(m as usize)), lift(mesh.point(n)));
                dot(v, v).sqrt()
            };
            let best = some.iter().map(far).fold(f64::INFINITY, f64::min);
            assert!((d[4 * n + 3] - best).abs() < 1e-15);
        }
        mesh.tags.insert("none", None, TagEntities::Nodes(vec![]));
        assert!(to_tag(&mesh, "none").is_err() && to_tag(&mesh, "nowhere").is_err());
    }
}
