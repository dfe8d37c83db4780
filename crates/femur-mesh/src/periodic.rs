//! Nodes of two boundaries that a translation brings together.

use crate::tree::lift;
use crate::{Mesh, MeshError};

/// Two coordinates are the same within this part of the mesh's diameter.
const TOLERANCE: f64 = 1e-6;
/// Direction in which nodes of a grid lie at different places.
const SKEW: [f64; 3] = [1.0, 0.735_812_4, 0.526_190_7];

/// Pairs `[node of "to", node of "from"]` in the order of the former; the translation brings the middle of one boundary's bounding box
/// to that of the other's.
///
/// # Errors
/// The mesh lacks a tag, the boundaries lie in one place, or a node of one has no partner on the other.
pub fn translated_nodes(mesh: &Mesh, from: &str, to: &str) -> Result<Vec<[u32; 2]>, MeshError> {
    let sides = [mesh.tag_nodes(from)?, mesh.tag_nodes(to)?];
    let other = |what: String| Err(MeshError::Other(what));
    if sides[0].len() != sides[1].len() || sides[0].is_empty() {
        return other(format!("`{from}` has {} nodes, `{to}` has {}", sides[0].len(), sides[1].len()));
    }
    let middle = |nodes: &[u32]| -> [f64; 3] {
        std::array::from_fn(|d| {
            let along = nodes.iter().map(|&n| lift(mesh.point(n as usize))[d]);
            let (low, high) = along.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
            0.5 * (low + high)
        })
    };
    let (start, end) = (middle(&sides[0]), middle(&sides[1]));
    let tolerance = TOLERANCE * mesh.diameter();
    let shift: [f64; 3] = std::array::from_fn(|d| end[d] - start[d]);
    if shift.iter().all(|s| s.abs() <= tolerance) {
        return other(format!("`{from}` and `{to}` lie in one place"));
    }
    let place = |n: u32, by: f64| -> [f64; 3] {
        let x = lift(mesh.point(n as usize));
        std::array::from_fn(|d| x[d] + by * shift[d])
    };
    let key = |x: &[f64; 3]| (0..3).map(|d| SKEW[d] * x[d]).sum::<f64>();
    let mut moved: Vec<(f64, [f64; 3], u32)> = sides[0].iter().map(|&n| (place(n, 1.0), n)).map(|(x, n)| (key(&x), x, n)).collect();
    moved.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut pairs, mut used) = (Vec::with_capacity(moved.len()), vec![false; moved.len()]);
    for &n in &sides[1] {
        let x = place(n, 0.0);
        let first = moved.partition_point(|m| m.0 < key(&x) - 3.0 * tolerance);
        let mut near = (first..moved.len()).take_while(|&k| moved[k].0 <= key(&x) + 3.0 * tolerance);
        match near.find(|&k| !used[k] && (0..3).all(|d| (moved[k].1[d] - x[d]).abs() <= tolerance)) {
            Some(k) => {
                used[k] = true;
                pairs.push([n, moved[k].2]);
            }
            None => {
                let x = &x[..mesh.dim];
                return other(format!("the node of `{to}` at {x:?} has none across from it on `{from}`"));
            }
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::{box_, rectangle};

    #[test]
    fn nodes_across_are_found() {
        let mesh = rectangle([2.0, 1.0], [3, 4], CellKind::Quad9).unwrap();
        let pairs = translated_nodes(&mesh, "left", "right").unwrap();
        assert_eq!(pairs.len(), 9);
        for [a, b] in pairs {
            let (a, b) = (mesh.point(a as usize), mesh.point(b as usize));
            assert!((a[0] - b[0] - 2.0).abs() < 1e-12 && (a[1] - b[1]).abs() < 1e-12);
        }
        let mesh = box_([1.0, 2.0, 3.0], [2, 3, 2], CellKind::Hex8).unwrap();
        assert_eq!(translated_nodes(&mesh, "bottom", "top").unwrap().len(), 9);
    }

    #[test]
    fn boundaries_that_do_not_match_are_refused() {
        let mut mesh = rectangle([2.0, 1.0], [3, 4], CellKind::Quad4).unwrap();
        let said = |mesh: &Mesh, a: &str, b: &str| translated_nodes(mesh, a, b).unwrap_err().to_string();
        assert!(said(&mesh, "left", "bottom").contains("`left` has 5 nodes, `bottom` has 4"));
        assert!(said(&mesh, "left", "left").contains("in one place"));
        assert!(said(&mesh, "left", "rihgt").contains("rihgt"));
        let n = mesh.tag_nodes("right").unwrap()[2] as usize;
        mesh.points[2 * n + 1] += 0.01;
        assert!(said(&mesh, "left", "right").contains("has none across from it"));
    }
}
