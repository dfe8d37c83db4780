//! Near-null space vectors.

/// The rigid-body modes of points with `dim` (2 or 3) displacements each, node-major `[points * dim]`: translations, then rotations
/// about the centroid, 3 in the plane and 6 in space. Points beyond `dim` coordinates are not read.
pub fn rigid_body_modes(points: &[[f64; 3]], dim: usize) -> Vec<Vec<f64>> {
    let n = points.len();
    let mut modes: Vec<Vec<f64>> = (0..dim)
        .map(|d| {
            let mut mode = vec![0.0; n * dim];
            mode.iter_mut().skip(d).step_by(dim).for_each(|v| *v = 1.0);
            mode
        })
        .collect();
    let centre = [0, 1, 2].map(|d| points.iter().map(|p| p[d]).sum::<f64>() / n.max(1) as f64);
    // Rotation in the plane of two axes.
    for (a, b) in [(0, 1), (1, 2), (2, 0)].into_iter().filter(|&(a, b)| a < dim && b < dim) {
        let mut mode = vec![0.0; n * dim];
        for (u, p) in mode.chunks_exact_mut(dim).zip(points) {
            (u[a], u[b]) = (-(p[b] - centre[b]), p[a] - centre[a]);
        }
        modes.push(mode);
    }
    modes
}
