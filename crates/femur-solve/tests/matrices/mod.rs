//! Matrices for tests, assembled here from scratch.
// Shared by the tests of the library and of the solvers, each of which takes a part.
#![allow(dead_code)]

use femur_solve::{BsrMatrix, CsrMatrix};

/// The unit cube in `n^3` cubes of six tetrahedra each (Kuhn 1960): the matrix of the nodes that `keep` wants (by their indices), and
/// their places. `element` fills the `[4, dofs, 4, dofs]` matrix of a tetrahedron from its gradients and volume.
pub(crate) fn tetrahedra(
    n: usize,
    dofs: usize,
    keep: impl Fn([usize; 3]) -> bool,
    element: impl Fn(&[[f64; 3]; 4], f64, [f64; 3], &mut [f64]),
) -> (BsrMatrix, Vec<[f64; 3]>) {
    let m = n + 1;
    let at = |p: [usize; 3]| p[0] + m * (p[1] + m * p[2]);
    let all = || (0..m * m * m).map(move |i| [i % m, i / m % m, i / m / m]);
    let mut number = vec![u32::MAX; m * m * m];
    let mut points = Vec::new();
    for p in all().filter(|&p| keep(p)) {
        number[at(p)] = points.len() as u32;
        points.push(p.map(|i| i as f64 / n as f64));
    }
    let size = points.len();
    let mut a = BsrMatrix { block: dofs, nrows: size, ncols: size, row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
    for p in all().filter(|&p| keep(p)) {
        for (back, code) in (1..8).rev().map(|c| (true, c)).chain((0..8).map(|c| (false, c))) {
            let step = [code & 1, code >> 1 & 1, code >> 2 & 1];
            let q: [usize; 3] = std::array::from_fn(|d| if back { p[d].wrapping_sub(step[d]) } else { p[d] + step[d] });
            if q.iter().all(|&i| i < m) && number[at(q)] != u32::MAX {
                a.col_idx.push(number[at(q)]);
            }
        }
        let start = a.row_ptr[a.row_ptr.len() - 1];
        a.col_idx[start..].sort_unstable();
        a.row_ptr.push(a.col_idx.len());
    }
    a.values = vec![0.0; a.col_idx.len() * dofs * dofs];
    let h = 1.0 / n as f64;
    let mut ke = vec![0.0; 16 * dofs * dofs];
    for path in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        // The gradient of the node k of a path of axes: minus the axis that leaves it, plus the axis that arrives.
        let mut g = [[0.0; 3]; 4];
        for (k, &axis) in path.iter().enumerate() {
            g[k][axis] -= 1.0 / h;
            g[k + 1][axis] += 1.0 / h;
        }
        for c in 0..n * n * n {
            let mut p = [c % n, c / n % n, c / n / n];
            let centre = p.map(|i| (i as f64 + 0.5) * h);
            element(&g, h * h * h / 6.0, centre, &mut ke);
            let mut nodes = [number[at(p)]; 4];
            for (k, &axis) in path.iter().enumerate() {
                p[axis] += 1;
                nodes[k + 1] = number[at(p)];
            }
            scatter(&mut a, &nodes, &ke);
        }
    }
    (a, points)
}

fn scatter(a: &mut BsrMatrix, nodes: &[u32; 4], ke: &[f64]) {
    let b = a.block;
    for (i, &row) in nodes.iter().enumerate().filter(|(_, r)| **r != u32::MAX) {
        let range = a.row_ptr[row as usize]..a.row_ptr[row as usize + 1];
        for (j, &col) in nodes.iter().enumerate().filter(|(_, c)| **c != u32::MAX) {
            let k = range.start + a.col_idx[range.clone()].binary_search(&col).unwrap();
            for p in 0..b {
                for q in 0..b {
                    a.values[(k * b + p) * b + q] += ke[((i * b + p) * 4 + j) * b + q];
                }
            }
        }
    }
}

/// Conduction with conductivity `k` at a place, axis by axis, zero on the whole boundary.
pub(crate) fn poisson(n: usize, k: impl Fn([f64; 3]) -> [f64; 3]) -> CsrMatrix {
    let inside = |p: [usize; 3]| p.iter().all(|&i| i > 0 && i < n);
    let element = |g: &[[f64; 3]; 4], volume: f64, centre: [f64; 3], ke: &mut [f64]| {
        let k = k(centre);
        for i in 0..4 {
            for j in 0..4 {
                ke[i * 4 + j] = volume * (0..3).map(|d| k[d] * g[i][d] * g[j][d]).sum::<f64>();
            }
        }
    };
    tetrahedra(n, 1, inside, element).0.to_csr()
}

/// Isotropic elasticity (E = 1, nu = 0.3), clamped at x = 0; where `identity`, the clamped rows stay as identity rows.
pub(crate) fn elasticity(n: usize, identity: bool) -> (BsrMatrix, Vec<[f64; 3]>) {
    let (lambda, mu) = (0.3 / (1.3 * 0.4), 0.5 / 1.3);
    let element = |g: &[[f64; 3]; 4], volume: f64, _: [f64; 3], ke: &mut [f64]| {
        for i in 0..4 {
            for j in 0..4 {
                let dot: f64 = (0..3).map(|d| g[i][d] * g[j][d]).sum();
                for p in 0..3 {
                    for q in 0..3 {
                        let diagonal = if p == q { dot } else { 0.0 };
                        ke[((i * 3 + p) * 4 + j) * 3 + q] = volume * (lambda * g[i][p] * g[j][q] + mu * (g[i][q] * g[j][p] + diagonal));
                    }
                }
            }
        }
    };
    let (mut a, points) = tetrahedra(n, 3, |p| identity || p[0] > 0, element);
    if identity {
        let fixed: Vec<usize> = (0..points.len()).filter(|&i| points[i][0] == 0.0).flat_map(|i| 3 * i..3 * i + 3).collect();
        fix(&mut a, &fixed);
    }
    (a, points)
}

/// Makes identity rows and columns of some unknowns.
pub(crate) fn fix(a: &mut BsrMatrix, unknowns: &[usize]) {
    let b = a.block;
    let mut fixed = vec![false; a.nrows * b];
    unknowns.iter().for_each(|&u| fixed[u] = true);
    for i in 0..a.nrows {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            for p in 0..b {
                for q in 0..b {
                    let (r, c) = (i * b + p, a.col_idx[k] as usize * b + q);
                    if fixed[r] || fixed[c] {
                        a.values[(k * b + p) * b + q] = f64::from(r == c);
                    }
                }
            }
        }
    }
}
