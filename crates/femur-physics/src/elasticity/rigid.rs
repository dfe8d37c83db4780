//! Whether the supports hold the body: the rank of the constraints on its rigid motions.

use super::boundary::Conditions;
use crate::PhysicsError;
use femur_mesh::{Mesh, topology};
use femur_sim::case::Case;

/// Refuses a body of which a connected part can still move rigidly.
pub(crate) fn check(case: &Case, mesh: &Mesh, conditions: &Conditions) -> Result<(), PhysicsError> {
    let (dim, ring) = (mesh.dim, conditions.ring);
    let part = topology::components(mesh);
    let used: Vec<bool> = {
        let mut used = vec![false; mesh.num_nodes()];
        mesh.cells().for_each(|(_, _, nodes)| nodes.iter().for_each(|&n| used[n as usize] = true));
        used
    };
    let parts = part.iter().max().map_or(0, |m| m + 1);
    let (lo, hi) = mesh.bounds();
    let centre: Vec<f64> = lo.iter().zip(&hi).map(|(a, b)| 0.5 * (a + b)).collect();
    let scale = 1.0 / mesh.diameter().max(f64::MIN_POSITIVE);
    'parts: for p in 0..parts {
        if !part.iter().zip(&used).any(|(&q, &u)| q == p && u) {
            continue;
        }
        // Rows: what a held direction says of (translations, rotations).
        let mut rows: Vec<Vec<f64>> = Vec::new();
        let row = |node: usize, d: [f64; 3]| -> Vec<f64> {
            let x: Vec<f64> = mesh.point(node).iter().zip(&centre).map(|(x, c)| (x - c) * scale).collect();
            if ring {
                vec![d[1]]
            } else if dim == 2 {
                vec![d[0], d[1], -x[1] * d[0] + x[0] * d[1]]
            } else {
                vec![d[0], d[1], d[2], x[1] * d[2] - x[2] * d[1], x[2] * d[0] - x[0] * d[2], x[0] * d[1] - x[1] * d[0]]
            }
        };
        for (node, directions) in conditions.held_directions(dim) {
            if part[node] == p {
                rows.extend(directions.into_iter().map(|d| row(node, d)));
            }
        }
        // A tied unknown moves as what it follows.
        let axis = |u: usize| std::array::from_fn(|i| f64::from(u8::from(i == u % dim)));
        for (&slave, masters) in &conditions.constraints.ties {
            let nodes = std::iter::once(slave).chain(masters.iter().map(|m| m.0)).map(|u| u / dim);
            if nodes.clone().any(|n| part[n] == p) && nodes.clone().any(|n| part[n] != p) {
                // Parts that hold each other: the solver will tell.
                continue 'parts;
            }
            if part[slave / dim] == p {
                let mut sum = row(slave / dim, axis(slave));
                for &(m, factor) in masters {
                    sum.iter_mut().zip(row(m / dim, axis(m))).for_each(|(s, v)| *s -= factor * v);
                }
                rows.push(sum);
            }
        }
        let unknowns = match (dim, ring) {
            (_, true) => 1,
            (2, _) => 3,
            _ => 6,
        };
        let rank = rank(&mut rows, unknowns);
        if rank < unknowns {
            let free = unknowns - rank;
            let which = if parts > 1 { format!(" (part {} of {parts})", p + 1) } else { String::new() };
            let motions = format!("move rigidly in {free} of {unknowns} ways{which}");
            return Err(PhysicsError::Unconstrained { origin: case.origin.clone(), motions });
        }
    }
    Ok(())
}

/// Rank by Gaussian elimination with full pivoting.
fn rank(rows: &mut [Vec<f64>], columns: usize) -> usize {
    let mut rank = 0;
    while rank < columns.min(rows.len()) {
        let mut best = (0.0, 0, 0);
        for (r, row) in rows.iter().enumerate().skip(rank) {
            for (c, v) in row.iter().enumerate().skip(rank) {
                if v.abs() > best.0 {
                    best = (v.abs(), r, c);
                }
            }
        }
        if best.0 < 1e-6 {
            break;
        }
        rows.swap(rank, best.1);
        rows.iter_mut().for_each(|row| row.swap(rank, best.2));
        let source = rows[rank].clone();
        for row in rows.iter_mut().skip(rank + 1) {
            let factor = row[rank] / source[rank];
            row.iter_mut().zip(&source).for_each(|(v, s)| *v -= factor * s);
        }
        rank += 1;
    }
    rank
}
