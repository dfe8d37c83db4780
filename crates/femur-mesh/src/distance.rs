//! Distance and direction from each node to a tagged boundary.

use crate::{Mesh, MeshError, TagEntities};

/// For each node the vector to the nearest point of the tag, then the distance: `[num_nodes, dim + 1]`. Facets are taken with
/// straight edges between their vertices; a tag of nodes or cells is the set of its nodes.
pub fn to_tag(mesh: &Mesh, tag: &str) -> Result<Vec<f64>, MeshError> {
    let entities = &mesh.tags.require(tag)?.entities;
    if entities.is_empty() {
        return Err(MeshError::Other(format!("tag `{tag}` is empty")));
    }
    let simplices: Vec<Vec<[f64; 3]>> = match entities {
        TagEntities::Facets(facets) => facets
            .iter()
            .flat_map(|&f| {
                let (kind, nodes) = mesh.facet_nodes(f);
                let p: Vec<[f64; 3]> = nodes[..kind.num_vertices()].iter().map(|&n| lift(mesh.point(n as usize))).collect();
                if p.len() == 4 { vec![vec![p[0], p[1], p[2]], vec![p[0], p[2], p[3]]] } else { vec![p] }
            })
            .collect(),
        _ => mesh.tag_nodes(tag)?.iter().map(|&n| vec![lift(mesh.point(n as usize))]).collect(),
    };
    let mut out = Vec::with_capacity(mesh.num_nodes() * (mesh.dim + 1));
    for node in 0..mesh.num_nodes() {
        let x = lift(mesh.point(node));
        let mut best = ([0.0; 3], f64::INFINITY);
        for s in &simplices {
            let v = sub(nearest(x, s), x);
            let d = dot(v, v);
            if d < best.1 {
                best = (v, d);
            }
        }
        out.extend_from_slice(&best.0[..mesh.dim]);
        out.push(best.1.sqrt());
    }
    Ok(out)
}

fn lift(p: &[f64]) -> [f64; 3] {
    [p[0], p.get(1).copied().unwrap_or(0.0), p.get(2).copied().unwrap_or(0.0)]
}

fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn along(a: [f64; 3], u: [f64; 3], s: f64) -> [f64; 3] {
    [a[0] + s * u[0], a[1] + s * u[1], a[2] + s * u[2]]
}

/// The nearest point of a point, segment or triangle.
fn nearest(x: [f64; 3], simplex: &[[f64; 3]]) -> [f64; 3] {
    match *simplex {
        [a] => a,
        [a, b] => on_segment(x, a, b),
        [a, b, c] => {
            let (u, v, w) = (sub(b, a), sub(c, a), sub(x, a));
            let (uu, uv, vv, wu, wv) = (dot(u, u), dot(u, v), dot(v, v), dot(w, u), dot(w, v));
            let det = uu * vv - uv * uv;
            let (s, t) = ((vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det);
            if det > 0.0 && s >= 0.0 && t >= 0.0 && s + t <= 1.0 {
                return along(along(a, u, s), v, t);
            }
            let edges = [on_segment(x, a, b), on_segment(x, b, c), on_segment(x, c, a)];
            let far = |p: &[f64; 3]| dot(sub(*p, x), sub(*p, x));
            edges.into_iter().min_by(|p, q| far(p).total_cmp(&far(q))).unwrap_or(a)
        }
        _ => x,
    }
}

fn on_segment(x: [f64; 3], a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    let u = sub(b, a);
    let length = dot(u, u);
    let s = if length > 0.0 { (dot(sub(x, a), u) / length).clamp(0.0, 1.0) } else { 0.0 };
    along(a, u, s)
}
