//! Matrices that are singular, indefinite, badly scaled, not symmetric or no numbers at all: a solver gives an answer whose true residual
//! is within the tolerance, or says that it has none. Never a wrong answer called right, never a panic.

mod matrices;

use femur_solve::krylov::METHODS;
use femur_solve::precond::{Identity, PRECONDITIONERS};
use femur_solve::{CsrMatrix, DirectSolver, Groups, KrylovOptions, LinearOperator, MultifrontalLu, Preconditioner, SolveError, Symmetry};
use std::time::{Duration, Instant};

/// What is nearly singular is told by its condition number, what is merely scaled badly is not.
#[test]
fn answers_carry_a_condition_number() {
    let condition = |a: &CsrMatrix, symmetry: Option<Symmetry>| {
        let groups: Vec<u32> = (0..a.nrows as u32).collect();
        let image: Vec<f64> = (0..a.nrows).map(|i| 1.0 + (i % 3) as f64).collect();
        let mut b = vec![0.0; a.nrows];
        a.apply(&image, &mut b);
        let report = match symmetry {
            Some(symmetry) => {
                let mut solver = DirectSolver::analyse(a, symmetry, &Groups::new(&groups))?;
                solver.factor(a)?;
                solver.solve(&mut b)
            }
            None => {
                let mut solver = MultifrontalLu::analyse(a, &Groups::new(&groups))?;
                solver.factor(a)?;
                solver.solve(&mut b)
            }
        }?;
        Ok::<f64, SolveError>(report.condition.unwrap())
    };
    for symmetry in [Some(Symmetry::PositiveDefinite), Some(Symmetry::Indefinite), Some(Symmetry::General), None] {
        let good = condition(&grid(12, 0.0, 0.0), symmetry).unwrap();
        let scaled = condition(&badly_scaled(grid(12, 0.0, 0.0)), symmetry).unwrap();
        assert!((20.0..110.0).contains(&good), "{symmetry:?}: {good}");
        assert!((0.2..5.0).contains(&(scaled / good)), "{symmetry:?}: {scaled}");
        let mut nearly = floating(12);
        (0..nearly.nrows).for_each(|r| {
            let at = nearly.row_ptr[r] + nearly.row(r).0.binary_search(&(r as u32)).unwrap();
            nearly.values[at] += 1e-12;
        });
        let bad = condition(&nearly, symmetry).unwrap();
        // Multifrontal LU raises the last pivot, to 1e-9.
        assert!((5e10..2e13).contains(&bad), "{symmetry:?}: {bad:e}");
    }
}

/// What a case is solved for.
enum Rhs {
    /// `A` times a vector: consistent even where the matrix is singular.
    Consistent,
    /// A vector without pattern.
    Any,
    NotANumber,
}

struct Nasty {
    name: &'static str,
    a: CsrMatrix,
    rhs: Rhs,
}

fn grid(n: usize, shift: f64, skew: f64) -> CsrMatrix {
    let mut t = Vec::new();
    for r in 0..n * n {
        t.push((r, r, 4.0 + shift));
        if r % n > 0 {
            t.extend([(r, r - 1, -1.0 - skew), (r - 1, r, -1.0 + skew)]);
        }
        if r >= n {
            t.extend([(r, r - n, -1.0), (r - n, r, -1.0)]);
        }
    }
    CsrMatrix::from_triplets(n * n, n * n, &t)
}

/// The Laplacian without any support: constants are its kernel.
fn floating(n: usize) -> CsrMatrix {
    let mut a = grid(n, 0.0, 0.0);
    for r in 0..a.nrows {
        let row = a.row_ptr[r]..a.row_ptr[r + 1];
        let others: f64 = row.clone().filter(|&k| a.col_idx[k] as usize != r).map(|k| a.values[k]).sum();
        row.filter(|&k| a.col_idx[k] as usize == r).for_each(|k| a.values[k] = -others);
    }
    a
}

/// `D A D` with entries of `D` between 1e-12 and 1e12.
fn badly_scaled(mut a: CsrMatrix) -> CsrMatrix {
    let d = |i: usize| 10f64.powi((i * 7 % 25) as i32 - 12);
    for i in 0..a.nrows {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            a.values[k] *= d(i) * d(a.col_idx[k] as usize);
        }
    }
    a
}

/// Entry `(r, c)` replaced.
fn with(mut a: CsrMatrix, r: usize, c: usize, v: f64) -> CsrMatrix {
    let k = a.row(r).0.iter().position(|&x| x as usize == c).unwrap() + a.row_ptr[r];
    a.values[k] = v;
    a
}

fn zero_row(mut a: CsrMatrix, r: usize, column_too: bool) -> CsrMatrix {
    for i in 0..a.nrows {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            if i == r || (column_too && a.col_idx[k] as usize == r) {
                a.values[k] = 0.0;
            }
        }
    }
    a
}

/// `[[A, B^T], [B, -e I]]` with a rank-deficient `B` where `e` is 0 and `twice`; the diagonal is stored.
fn saddle(n: usize, e: f64, twice: bool) -> CsrMatrix {
    let a = grid(n, 0.0, 0.0);
    let (size, m) = (a.nrows, n);
    let mut t: Vec<(usize, usize, f64)> = Vec::new();
    for i in 0..size {
        t.extend(a.row(i).0.iter().zip(a.row(i).1).map(|(&c, &v)| (i, c as usize, v)));
    }
    for k in 0..m {
        for j in 0..n {
            let c = if twice { j } else { k * n + j };
            t.extend([(size + k, c, 1.0), (c, size + k, 1.0)]);
        }
        t.push((size + k, size + k, -e));
    }
    CsrMatrix::from_triplets(size + m, size + m, &t)
}

fn cases() -> Vec<Nasty> {
    let case = |name, a, rhs| Nasty { name, a, rhs };
    let tiny = |e: f64| CsrMatrix::from_triplets(2, 2, &[(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0 + e)]);
    // Hilbert's matrix, condition number 1e16.
    let hilbert: Vec<_> = (0..144).map(|k| (k / 12, k % 12, 1.0 / (k / 12 + k % 12 + 1) as f64)).collect();
    vec![
        case("definite", grid(12, 0.0, 0.0), Rhs::Any),
        case("large and definite", grid(30, 0.0, 0.0), Rhs::Any),
        case("indefinite", grid(12, -3.1, 0.0), Rhs::Any),
        case("large and indefinite", grid(30, -2.2, 0.0), Rhs::Any),
        case("negative definite", grid(12, -9.0, 0.0), Rhs::Any),
        case("singular, consistent", floating(12), Rhs::Consistent),
        case("singular, inconsistent", floating(12), Rhs::Any),
        case("large, singular, inconsistent", floating(30), Rhs::Any),
        case("singular and indefinite", grid(12, -4.0, 0.0), Rhs::Any),
        case("badly scaled", badly_scaled(grid(12, 0.1, 0.0)), Rhs::Any),
        case("badly scaled, consistent", badly_scaled(grid(12, 0.1, 0.0)), Rhs::Consistent),
        case("badly scaled, indefinite", badly_scaled(grid(12, -3.1, 0.0)), Rhs::Any),
        case("badly scaled, not symmetric", badly_scaled(grid(12, 0.1, 0.7)), Rhs::Any),
        case("nearly singular", with(floating(12), 5, 5, 4.0 + 1e-13), Rhs::Any),
        case("two nearly parallel rows", tiny(1e-15), Rhs::Any),
        case("two parallel rows", tiny(0.0), Rhs::Any),
        case("Hilbert", CsrMatrix::from_triplets(12, 12, &hilbert), Rhs::Any),
        case("not symmetric", grid(12, 0.5, 0.9), Rhs::Any),
        case("strongly not symmetric", grid(12, 0.0, 40.0), Rhs::Any),
        case("jumps of 1e12", matrices::poisson(6, |x| [if x[0] < 0.5 { 1.0 } else { 1e12 }; 3]), Rhs::Any),
        case("a zero row", zero_row(grid(12, 0.0, 0.0), 17, false), Rhs::Any),
        case("a zero row and column", zero_row(grid(12, 0.0, 0.0), 17, true), Rhs::Any),
        case("a zero row and column, consistent", zero_row(grid(12, 0.0, 0.0), 17, true), Rhs::Consistent),
        case("nothing but zeros", CsrMatrix::from_triplets(9, 9, &(0..9).map(|i| (i, i, 0.0)).collect::<Vec<_>>()), Rhs::Any),
        case("a NaN off the diagonal", with(grid(12, 0.0, 0.0), 40, 41, f64::NAN), Rhs::Any),
        case("a NaN on the diagonal", with(grid(30, 0.0, 0.0), 40, 40, f64::NAN), Rhs::Any),
        case("an infinite entry", with(grid(12, 0.0, 0.0), 40, 40, f64::INFINITY), Rhs::Any),
        case("a NaN on the right", grid(12, 0.0, 0.0), Rhs::NotANumber),
        case("a saddle point", saddle(8, 0.0, false), Rhs::Any),
        case("a stabilised saddle point", saddle(8, 1e-2, false), Rhs::Any),
        case("a singular saddle point", saddle(8, 0.0, true), Rhs::Any),
        case("a large saddle point", saddle(24, 0.0, false), Rhs::Any),
    ]
}

impl Nasty {
    fn right_hand_side(&self) -> Vec<f64> {
        let n = self.a.nrows;
        let mut v: Vec<f64> = (0..n).map(|i| (i as f64 * 1.7 + 0.3).sin()).collect();
        match self.rhs {
            Rhs::Any => v,
            Rhs::Consistent => {
                let x = v.clone();
                self.a.apply(&x, &mut v);
                v
            }
            Rhs::NotANumber => {
                v[n / 2] = f64::NAN;
                v
            }
        }
    }

    /// Relative 2-norm of the residual, with a plain loop of its own.
    fn residual(&self, x: &[f64], b: &[f64]) -> f64 {
        let norm = |v: &[f64]| {
            let largest = v.iter().fold(0.0f64, |m, v| if v.is_nan() { f64::NAN } else { m.max(v.abs()) });
            largest * v.iter().map(|v| (v / largest).powi(2)).sum::<f64>().sqrt()
        };
        let r: Vec<f64> = (0..self.a.nrows)
            .map(|i| b[i] - self.a.row(i).0.iter().zip(self.a.row(i).1).map(|(&c, v)| v * x[c as usize]).sum::<f64>())
            .collect();
        if r.iter().all(|v| *v == 0.0) { 0.0 } else { norm(&r) / norm(b) }
    }
}

/// Runs `solve`, which returns whether it claims success, and holds it to its claim.
fn hold(case: &Nasty, solver: &str, tolerance: f64, solve: impl FnOnce(&mut [f64]) -> bool) -> bool {
    let b = case.right_hand_side();
    let mut x = b.clone();
    let start = Instant::now();
    let claimed = solve(&mut x);
    assert!(start.elapsed() < Duration::from_secs(20), "{}, {solver}: {:?}", case.name, start.elapsed());
    if claimed {
        let residual = case.residual(&x, &b);
        assert!(residual <= tolerance, "{}, {solver}: calls a residual of {residual:.1e} right", case.name);
    }
    claimed
}

#[test]
fn direct_solvers_are_right_or_say_that_they_are_not() {
    let mut solved = 0;
    for case in cases() {
        let nodes: Vec<u32> = (0..case.a.nrows as u32).collect();
        for symmetry in [Symmetry::PositiveDefinite, Symmetry::Indefinite, Symmetry::General] {
            // The symmetric ones read one triangle.
            if symmetry != Symmetry::General && case.a != case.a.transpose() && case.a.values.iter().all(|v| !v.is_nan()) {
                continue;
            }
            for few in [false, true] {
                solved += usize::from(hold(&case, &format!("{symmetry:?}, few solves: {few}"), 1e-5, |x| {
                    let mut answer = || -> Result<bool, SolveError> {
                        let solver = DirectSolver::analyse(&case.a, symmetry, &Groups::new(&nodes))?;
                        let mut solver = if few { solver.for_few_solves() } else { solver };
                        solver.factor(&case.a)?;
                        solver.solve(x).map(|report| report.converged())
                    };
                    answer() == Ok(true)
                }));
            }
        }
        // The multifrontal solver wants a symmetric pattern, which all cases have.
        solved += usize::from(hold(&case, "multifrontal LU", 1e-5, |x| {
            let mut answer = || -> Result<bool, SolveError> {
                let mut solver = MultifrontalLu::analyse(&case.a, &Groups::new(&nodes))?;
                solver.factor(&case.a)?;
                solver.solve(x).map(|report| report.converged())
            };
            answer() == Ok(true)
        }));
    }
    assert!(solved > 25, "{solved}");
}

#[test]
fn iterative_solvers_are_right_or_say_that_they_are_not() {
    let options = KrylovOptions { tolerance: 1e-8, max_iterations: 500 };
    let mut solved = 0;
    for case in cases() {
        let mut preconditioners: Vec<(&str, Box<dyn Preconditioner>)> = vec![("none", Box::new(Identity))];
        // A preconditioner that cannot be made says so.
        preconditioners.extend(PRECONDITIONERS.iter().filter_map(|(name, make)| Some((*name, make(&case.a).ok()?))));
        for (preconditioner, m) in &preconditioners {
            for (method, _, run) in METHODS {
                let b = case.right_hand_side();
                solved += usize::from(hold(&case, &format!("{method} with {preconditioner}"), 1.001e-8, |x| {
                    x.fill(0.0);
                    let report = run(&case.a, m.as_ref(), &b, x, &options);
                    assert!(report.iterations <= options.max_iterations);
                    assert!(!report.converged() || report.residual() <= options.tolerance);
                    report.converged()
                }));
            }
        }
    }
    assert!(solved > 200, "{solved}");
}
