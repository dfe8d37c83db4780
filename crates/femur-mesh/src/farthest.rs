//! Nodes spread evenly over a mesh.

use crate::Mesh;

/// `k` nodes (all of them where there are fewer), each as far as possible from those before it; the first is the one nearest to the
/// middle of the bounding box, and of equal nodes the lowest number is taken. This is Gonzalez' greedy k-center: no node is farther
/// from the chosen ones than twice the best possible.
pub fn farthest_points(mesh: &Mesh, k: usize) -> Vec<u32> {
    let count = k.min(mesh.num_nodes());
    let (lo, hi) = mesh.bounds();
    let middle: Vec<f64> = lo.iter().zip(&hi).map(|(a, b)| 0.5 * (a + b)).collect();
    let distance2 = |n: usize, x: &[f64]| mesh.point(n).iter().zip(x).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let mut out = Vec::with_capacity(count);
    let mut nearest = vec![f64::INFINITY; mesh.num_nodes()];
    let Some(first) = (0..mesh.num_nodes()).min_by(|&a, &b| distance2(a, &middle).total_cmp(&distance2(b, &middle))) else {
        return out;
    };
    let mut next = first;
    while out.len() < count {
        out.push(next as u32);
        // Chosen nodes must not be taken again, even where others coincide with them.
        nearest[next] = f64::NEG_INFINITY;
        let from = mesh.point(next).to_vec();
        let mut best = f64::NEG_INFINITY;
        for n in 0..nearest.len() {
            nearest[n] = nearest[n].min(distance2(n, &from));
            if nearest[n] > best {
                (next, best) = (n, nearest[n]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellKind;
    use crate::generate::rectangle;

    #[test]
    fn the_middle_first_then_the_corners() {
        let mesh = rectangle([1.0, 1.0], [8, 8], CellKind::Quad4).unwrap();
        let mut points = farthest_points(&mesh, 5);
        assert_eq!(points[0], 40);
        points.sort_unstable();
        assert_eq!(points, [0, 8, 40, 72, 80]);
        let mut all = farthest_points(&mesh, 1000);
        all.sort_unstable();
        assert_eq!(all, (0..81).collect::<Vec<u32>>());
        assert!(farthest_points(&mesh, 0).is_empty());
    }
}
