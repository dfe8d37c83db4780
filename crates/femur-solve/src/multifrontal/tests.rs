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
        let mut lu = MultifrontalLu::analyse(&a, &group).unwrap();
        lu.factor(&a).unwrap();
        let exact: Vec<f64> = (0..a.nrows).map(|i| (i as f64 * 0.7).sin() + 1.0).collect();
        let mut b = vec![0.0; a.nrows];
        a.apply(&exact, &mut b);
        let report = lu.solve(&mut b).unwrap();
        assert!(report.residual() < 1e-12, "{n}: {report:?} {:?}", lu.factor_size());
        let worst = b.iter().zip(&exact).fold(0.0_f64, |m, (x, e)| m.max((x - e).abs()));
        assert!(worst < 1e-7, "{n}: {worst} {:?}", lu.factor_size());
    }
}

#[test]
fn values_may_change_and_patterns_may_not() {
    let (a, group) = saddle(9, 1);
    let (b, _) = saddle(9, 2);
    let mut lu = MultifrontalLu::analyse(&a, &group).unwrap();
    assert_eq!(lu.apply_inverse(&mut vec![0.0; a.nrows]), Err(SolveError::NotFactored));
    lu.factor(&a).unwrap();
    lu.factor(&b).unwrap();
    let mut x = vec![1.0; a.nrows];
    lu.solve(&mut x).unwrap();
    let mut again = MultifrontalLu::analyse(&b, &group).unwrap();
    again.factor(&b).unwrap();
    let mut y = vec![1.0; a.nrows];
    again.solve(&mut y).unwrap();
    assert_eq!(x, y);
    assert_eq!(lu.factor(&saddle(8, 1).0), Err(SolveError::Pattern));
    let lopsided = CsrMatrix::from_triplets(2, 2, &[(0, 0, 1.0), (0, 1, 1.0), (1, 1, 1.0)]);
    assert!(MultifrontalLu::analyse(&lopsided, &[0, 1]).is_err());
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
    let mut lu = MultifrontalLu::analyse(&a, &(0..50).collect::<Vec<_>>()).unwrap();
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
    let mut lu = MultifrontalLu::analyse(&a, &group).unwrap();
    lu.factor(&a).unwrap();
    let mut general = crate::DirectSolver::analyse(&a, crate::Symmetry::General, 3).unwrap();
    general.factor(&a).unwrap();
    let b: Vec<f64> = (0..a.nrows).map(|i| ((i * i) as f64 * 0.3).cos()).collect();
    let (mut x, mut y) = (b.clone(), b);
    lu.solve(&mut x).unwrap();
    general.solve(&mut y).unwrap();
    let scale = y.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(x.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-7 * scale), "{:?}", lu.factor_size());
}
