use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A grid of `n x n` nodes, two velocities and a pressure each, values at random: `[A B; C 0]` with A diagonally dominant.
fn saddle(n: usize, seed: u64) -> (CsrMatrix, Vec<u32>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut t = Vec::new();
    for j in 0..n {
        for i in 0..n {
            let me = j * n + i;
            for (di, dj) in [(0i32, 0i32), (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1)] {
                let (k, l) = (i as i32 + di, j as i32 + dj);
                if k < 0 || l < 0 || k >= n as i32 || l >= n as i32 {
                    continue;
                }
                let other = l as usize * n + k as usize;
                for a in 0..3 {
                    for b in 0..3 {
                        let value = match (a, b) {
                            (2, 2) => 0.0,
                            (2, _) | (_, 2) => 0.01 * rng.random_range(-1.0..1.0),
                            _ if a == b && me == other => 500.0,
                            _ => 30.0 * rng.random_range(-1.0..1.0),
                        };
                        t.push((3 * me + a, 3 * other + b, value));
                    }
                }
            }
        }
    }
    let size = 3 * n * n;
    (CsrMatrix::from_triplets(size, size, &t), (0..size as u32).map(|u| u / 3).collect())
}

#[test]
fn saddle_points_are_solved_to_rounding() {
    for n in [1, 2, 3, 8, 25] {
        let (a, group) = saddle(n, n as u64);
        let mut lu = MultifrontalLu::analyse(&a, &Groups::new(&group)).unwrap();
        let told = lu.memory();
        lu.factor(&a).unwrap();
        let (kept, front) = lu.factor_size().map(|s| (8 * s.nonzeros, 8 * s.largest_front.pow(2))).unwrap();
        assert!(told >= kept + front && told <= 3 * (kept + front), "{n}: {told} {kept} {front}");
        let exact: Vec<f64> = (0..a.nrows).map(|i| (i as f64 * 0.7).sin() + 1.0).collect();
        let mut b = vec![0.0; a.nrows];
        a.apply(&exact, &mut b);
        let report = lu.solve(&mut b).unwrap();
        assert!(report.residual() < 1e-12, "{n}: {report:?} {:?}", lu.factor_size());
        let worst = b.iter().zip(&exact).fold(0.0_f64, |m, (x, e)| m.max((x - e).abs()));
        assert!(worst < 1e-6, "{n}: {worst} {:?}", lu.factor_size());
    }
}

#[test]
fn values_may_change_and_patterns_may_not() {
    let (a, group) = saddle(9, 1);
    let (b, _) = saddle(9, 2);
    let mut lu = MultifrontalLu::analyse(&a, &Groups::new(&group)).unwrap();
    assert_eq!(lu.apply_inverse(&mut vec![0.0; a.nrows]), Err(SolveError::NotFactored));
    lu.factor(&a).unwrap();
    lu.factor(&b).unwrap();
    let mut x = vec![1.0; a.nrows];
    lu.solve(&mut x).unwrap();
    let mut again = MultifrontalLu::analyse(&b, &Groups::new(&group)).unwrap();
    again.factor(&b).unwrap();
    let mut y = vec![1.0; a.nrows];
    again.solve(&mut y).unwrap();
    assert_eq!(x, y);
    assert_eq!(lu.factor(&saddle(8, 1).0), Err(SolveError::Pattern));
    let lopsided = CsrMatrix::from_triplets(2, 2, &[(0, 0, 1.0), (0, 1, 1.0), (1, 1, 1.0)]);
    assert!(MultifrontalLu::analyse(&lopsided, &Groups::new(&[0, 1])).is_err());
}

#[test]
fn singular_matrices_are_an_error() {
    let mut t = Vec::new();
    for i in 0..50 {
        t.push((i, i, if i == 0 || i == 49 { 1.0 } else { 2.0 }));
        if i > 0 {
            t.extend([(i, i - 1, -1.0), (i - 1, i, -1.0)]);
        }
    }
    let a = CsrMatrix::from_triplets(50, 50, &t);
    let mut lu = MultifrontalLu::analyse(&a, &Groups::new(&(0..50).collect::<Vec<_>>())).unwrap();
    lu.factor(&a).unwrap();
    assert!(lu.solve(&mut vec![1.0; 50]).is_err());
    let mut bad = a.clone();
    bad.values[3] = f64::NAN;
    assert!(lu.factor(&bad).is_err());
}

/// Against the sparse LU with full row exchanges.
#[test]
fn answers_agree_with_pivoted_lu() {
    let (a, group) = saddle(14, 5);
    let mut lu = MultifrontalLu::analyse(&a, &Groups::new(&group)).unwrap();
    lu.factor(&a).unwrap();
    let mut general = crate::DirectSolver::analyse(&a, crate::Symmetry::General, &Groups::new(&[])).unwrap();
    general.factor(&a).unwrap();
    let b: Vec<f64> = (0..a.nrows).map(|i| ((i * i) as f64 * 0.3).cos()).collect();
    let (mut x, mut y) = (b.clone(), b);
    lu.solve(&mut x).unwrap();
    general.solve(&mut y).unwrap();
    let scale = y.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(x.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-7 * scale), "{:?}", lu.factor_size());
}

/// The 7-point Laplacian on an `n x n x n` grid with `c` weakly coupled unknowns per node, and the coordinates of the nodes.
fn laplacian(n: usize, c: usize) -> (CsrMatrix, Vec<u32>, Vec<f64>) {
    let at = |i: usize, j: usize, k: usize| (k * n + j) * n + i;
    let (mut t, mut points) = (Vec::new(), Vec::new());
    for (k, j, i) in (0..n).flat_map(|k| (0..n).flat_map(move |j| (0..n).map(move |i| (k, j, i)))) {
        let me = at(i, j, k);
        points.extend([i as f64, j as f64, k as f64]);
        for a in 0..c {
            (0..c).for_each(|b| t.push((me * c + a, me * c + b, if a == b { 6.5 } else { 0.1 })));
            let mut link = |other: usize| t.extend([(me * c + a, other * c + a, -1.0), (other * c + a, me * c + a, -1.0)]);
            if i + 1 < n {
                link(at(i + 1, j, k));
            }
            if j + 1 < n {
                link(at(i, j + 1, k));
            }
            if k + 1 < n {
                link(at(i, j, k + 1));
            }
        }
    }
    let size = n * n * n * c;
    (CsrMatrix::from_triplets(size, size, &t), (0..size as u32).map(|u| u / c as u32).collect(), points)
}

#[test]
fn cholesky_solves_with_both_orderings_and_the_same_bits_on_any_number_of_threads() {
    for (n, c) in [(1, 1), (2, 3), (6, 1), (9, 2), (14, 3)] {
        let (a, group, points) = laplacian(n, c);
        let x: Vec<f64> = (0..2 * a.nrows).map(|i| (i as f64 * 0.7).sin()).collect();
        let mut b = vec![0.0; 2 * a.nrows];
        x.chunks(a.nrows).zip(b.chunks_mut(a.nrows)).for_each(|(x, b)| a.apply(x, b));
        let mut sizes = Vec::new();
        for points in [None, Some((&points[..], 3))] {
            let groups = Groups { of: &group, points };
            let run = |threads: usize| {
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                    let mut cholesky = MultifrontalCholesky::<f64>::analyse(&a, &groups).unwrap();
                    assert_eq!(cholesky.apply_inverse(&mut b.clone(), 2), Err(SolveError::NotFactored));
                    cholesky.factor(&a).unwrap();
                    let mut y = b.clone();
                    cholesky.apply_inverse(&mut y, 2).unwrap();
                    // again in the same memory
                    cholesky.factor(&a).unwrap();
                    let mut z = b.clone();
                    cholesky.apply_inverse(&mut z, 2).unwrap();
                    assert_eq!(y, z);
                    (y, cholesky.factor_size().nonzeros)
                })
            };
            let (y, size) = run(1);
            assert!(y.iter().zip(&x).all(|(y, x)| (y - x).abs() < 1e-12));
            assert!(run(3).0 == y);
            sizes.push(size as f64);
        }
        assert!(sizes[1] < 1.3 * sizes[0], "geometry must not fill in much more than the graph's own: {sizes:?}");
    }
}

#[test]
fn cholesky_names_the_pivot_of_an_indefinite_matrix() {
    let (mut a, group, points) = laplacian(9, 1);
    for v in a.values.iter_mut().filter(|v| **v > 0.0) {
        *v = 3.0;
    }
    let groups = Groups { of: &group, points: Some((&points, 3)) };
    let mut cholesky = MultifrontalCholesky::<f64>::analyse(&a, &groups).unwrap();
    assert!(matches!(cholesky.factor(&a), Err(SolveError::Pivot { size: 729, .. })));
    assert_eq!(cholesky.apply_inverse(&mut vec![0.0; 729], 1), Err(SolveError::NotFactored));
    a.values.fill(f64::NAN);
    assert!(cholesky.factor(&a).is_err());
    let other = laplacian(8, 1).0;
    assert_eq!(cholesky.factor(&other), Err(SolveError::Pattern));
}
