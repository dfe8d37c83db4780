//! Sparse Cholesky of our own, LDLT and LU by faer, with the symbolic step kept.

use crate::mixed::Mixed;
use crate::multifrontal::{Groups, MultifrontalCholesky, nested_dissection};
use crate::{CsrMatrix, LinearOperator, SolveError, SolveReport, StopReason, condition};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::perm::PermRef;
use faer::prelude::Solve;
use faer::sparse::linalg::cholesky::{CholeskySymbolicParams, LdltRef, SymbolicCholesky, SymmetricOrdering, factorize_symbolic_cholesky};
use faer::sparse::linalg::solvers::{Lu, SymbolicLu};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Conj, MatMut, Par, Side};
use std::sync::OnceLock;

/// What is known of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symmetry {
    /// Symmetric positive definite: LLT.
    PositiveDefinite,
    /// Symmetric: LDLT without pivoting, good for quasi-definite matrices.
    Indefinite,
    /// Neither: LU with pivoting.
    General,
}

/// Below this size approximate minimum degree orders faster and no worse.
const SMALL: usize = 400;
/// Operations of a factorisation above which single precision pays, where few solves follow.
const MIXED: f64 = 5e7;
/// Relative residual above which an answer is refined once.
const REFINED: f64 = 1e-12;
/// Backward error of an answer up to which refinement has nothing to gain: a few roundings.
const ROUNDED: f64 = 4.0 * f64::EPSILON;
/// Relative residual above which an answer is refused.
const REFUSED: f64 = 1e-6;

enum Method {
    Cholesky(Box<MultifrontalCholesky>),
    Mixed(Box<Mixed>),
    Ldlt(Box<Ldlt>),
    Lu(Box<GeneralLu>),
}

/// faer's LDLT. A symmetric CSR is its own CSC.
struct Ldlt {
    pattern: Pattern,
    symbolic: SymbolicCholesky<usize>,
    values: Vec<f64>,
    work: Option<MemBuffer>,
}

/// faer's LU, of the transpose: a CSR is the CSC of that.
struct GeneralLu {
    pattern: Pattern,
    symbolic: SymbolicLu<usize>,
    numeric: Option<Lu<usize, f64>>,
}

/// A pattern in faer's index type.
struct Pattern {
    row_ptr: Vec<usize>,
    col_idx: Vec<usize>,
}

impl Pattern {
    fn new(a: &CsrMatrix) -> Self {
        Pattern { row_ptr: a.row_ptr.clone(), col_idx: a.col_idx.iter().map(|&c| c as usize).collect() }
    }

    fn symbolic(&self) -> SymbolicSparseColMatRef<'_, usize> {
        let n = self.row_ptr.len() - 1;
        SymbolicSparseColMatRef::new_checked(n, n, &self.row_ptr, None, &self.col_idx)
    }

    fn matrix<'a>(&'a self, a: &'a CsrMatrix) -> Result<SparseColMatRef<'a, usize, f64>, SolveError> {
        if a.row_ptr != self.row_ptr || a.col_idx.len() != self.col_idx.len() {
            return Err(SolveError::Pattern);
        }
        Ok(SparseColMatRef::new(self.symbolic(), &a.values))
    }
}

/// A factorisation: analyse a pattern once, factor as often as values change, solve as often as wanted.
///
/// Answers do not depend on the number of threads.
pub struct DirectSolver {
    size: usize,
    method: Method,
    /// Kept for the residual and iterative refinement.
    matrix: Option<CsrMatrix>,
    /// Estimated with the first answer.
    condition: OnceLock<f64>,
}

impl DirectSolver {
    /// Orders and analyses the pattern, which must be symmetric but for [`Symmetry::General`]. Of a positive definite matrix the values may
    /// be left out.
    ///
    /// # Errors
    /// The matrix is not square, groups do not fit, or there is not enough memory.
    pub fn analyse(a: &CsrMatrix, symmetry: Symmetry, groups: &Groups<'_>) -> Result<Self, SolveError> {
        if a.nrows != a.ncols {
            return Err(SolveError::Shape { what: "columns of a square matrix", expected: a.nrows, got: a.ncols });
        }
        let resources = || SolveError::Resources { size: a.nrows, nonzeros: a.col_idx.len() };
        let method = match symmetry {
            Symmetry::PositiveDefinite => Method::Cholesky(Box::new(MultifrontalCholesky::analyse(a, groups)?)),
            Symmetry::Indefinite => Method::Ldlt(Box::new(Ldlt::analyse(a, groups).ok_or_else(resources)?)),
            Symmetry::General => {
                let pattern = Pattern::new(a);
                let symbolic = SymbolicLu::try_new(pattern.symbolic()).map_err(|_| resources())?;
                Method::Lu(Box::new(GeneralLu { pattern, symbolic, numeric: None }))
            }
        };
        Ok(DirectSolver { size: a.nrows, method, matrix: None, condition: OnceLock::new() })
    }

    /// For few solves with each factorisation: a large Cholesky factor is then kept in single precision and answers are iterated to
    /// double precision, which saves half the time and memory. A matrix too ill-conditioned for it is factored in double precision.
    #[must_use]
    pub fn for_few_solves(mut self) -> Self {
        if let Method::Cholesky(double) = &self.method
            && double.operations() > MIXED
        {
            self.method = Method::Mixed(Box::new(Mixed::new(double.cast())));
        }
        self
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Multiplications with additions of a factorisation, where they can be told beforehand; 0 where not.
    pub fn operations(&self) -> f64 {
        match &self.method {
            Method::Cholesky(cholesky) => cholesky.operations(),
            Method::Mixed(mixed) => mixed.operations(),
            Method::Ldlt(_) | Method::Lu(_) => 0.0,
        }
    }

    /// Bytes that a factorisation will take, where they can be told beforehand.
    pub fn memory(&self) -> Option<usize> {
        match &self.method {
            Method::Cholesky(cholesky) => Some(cholesky.memory()),
            Method::Mixed(mixed) => Some(mixed.memory()),
            Method::Ldlt(ldlt) => Some(8 * ldlt.symbolic.len_val()),
            Method::Lu(_) => None,
        }
    }

    /// Factors a matrix of the analysed pattern; memory of an earlier factorisation is used again.
    ///
    /// # Errors
    /// Another pattern, or a pivot that the method cannot take.
    pub fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.factor_numbers(a)?;
        match &mut self.matrix {
            Some(matrix) => matrix.clone_from(a),
            None => self.matrix = Some(a.clone()),
        }
        Ok(())
    }

    /// As [`DirectSolver::factor`], keeping the matrix itself and no copy.
    ///
    /// # Errors
    /// As there.
    pub fn factor_owned(&mut self, a: CsrMatrix) -> Result<(), SolveError> {
        self.factor_numbers(&a)?;
        self.matrix = Some(a);
        Ok(())
    }

    fn factor_numbers(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        match &mut self.method {
            Method::Cholesky(cholesky) => cholesky.factor(a)?,
            Method::Mixed(mixed) => mixed.factor(a)?,
            Method::Ldlt(ldlt) => ldlt.factor(a)?,
            Method::Lu(lu) => {
                let failed = |_| SolveError::Pivot { kind: "singular", pivot: 0, size: a.nrows };
                lu.numeric = Some(Lu::try_new_with_symbolic(lu.symbolic.clone(), lu.pattern.matrix(a)?).map_err(failed)?);
            }
        }
        Ok(())
    }

    /// Solves `A x = b` in place. An answer that leaves a large residual is an error.
    ///
    /// # Errors
    /// As [`DirectSolver::solve_many`].
    pub fn solve(&self, b: &mut [f64]) -> Result<SolveReport, SolveError> {
        self.solve_many(b, 1)
    }

    /// Solves for `count` right-hand sides in place, with a step of iterative refinement where the residual calls for it; `b` is
    /// `[count, size]`, one after the other.
    ///
    /// # Errors
    /// Before a factorisation; lengths that differ; an answer that leaves a large residual.
    pub fn solve_many(&self, b: &mut [f64], count: usize) -> Result<SolveReport, SolveError> {
        let n = self.size();
        if b.len() != n * count {
            return Err(SolveError::Shape { what: "right-hand sides", expected: n * count, got: b.len() });
        }
        let matrix = self.matrix.as_ref().ok_or(SolveError::NotFactored)?;
        let rhs = b.to_vec();
        let iterations = match &self.method {
            Method::Mixed(mixed) => mixed.solve(matrix, b)?,
            _ => {
                self.apply_inverse(b, count)?;
                0
            }
        };
        let mut residual = vec![0.0; rhs.len()];
        let before = defect(matrix, b, &rhs, &mut residual);
        let mut report = SolveReport { iterations, residuals: vec![before], reason: StopReason::Converged, condition: None };
        // An answer in mixed precision was iterated as far as rounding lets it.
        let refined_already = matches!(self.method, Method::Mixed(_));
        let rounded = || matches!(self.method, Method::Cholesky(_)) && backward_error(matrix, b, &residual) <= ROUNDED;
        if !refined_already && (before.is_nan() || before > REFINED) && !rounded() {
            self.apply_inverse(&mut residual, count)?;
            let refined: Vec<f64> = b.iter().zip(&residual).map(|(x, d)| x + d).collect();
            let after = defect(matrix, &refined, &rhs, &mut residual);
            // Refinement helps or does nothing; at the limit of rounding it may do harm, and is then dropped.
            if after < before {
                b.copy_from_slice(&refined);
                report.residuals.push(after);
            }
            report.iterations = 1;
        }
        let worst = report.residual();
        if worst.is_nan() || worst > REFUSED {
            return Err(SolveError::Inaccurate { residual: worst });
        }
        let first = n.min(b.len());
        report.condition = Some(self.condition_once(matrix, &b[..first], &rhs[..first])?);
        Ok(report)
    }

    /// [`SolveReport::condition`]; `None` before the first answer.
    pub fn known_condition(&self) -> Option<f64> {
        self.condition.get().copied()
    }

    /// The estimate of the first matrix that was factored, made with its first answer.
    fn condition_once(&self, matrix: &CsrMatrix, x: &[f64], b: &[f64]) -> Result<f64, SolveError> {
        if let Some(known) = self.condition.get() {
            return Ok(*known);
        }
        let single = matches!(self.method, Method::Mixed(_));
        let estimate = condition::from_answer(matrix, x, b, single, &|v| self.apply_inverse(v, 1))?;
        Ok(*self.condition.get_or_init(|| estimate))
    }

    /// Solves `A^T x = b` in place.
    ///
    /// # Errors
    /// Before a factorisation.
    pub fn solve_transpose(&self, b: &mut [f64]) -> Result<(), SolveError> {
        match &self.method {
            Method::Lu(lu) => {
                lu.numeric.as_ref().ok_or(SolveError::NotFactored)?.solve_in_place(column(b, self.size, 1));
                Ok(())
            }
            _ => self.apply_inverse(b, 1),
        }
    }

    /// An estimate from below of the condition number in the 1-norm, of the matrix scaled to a unit diagonal (Hager 1984; Higham 1988),
    /// at the price of a few solves. Times the precision, 1e-16, it bounds the relative error of an answer.
    ///
    /// # Errors
    /// Before a factorisation.
    pub fn condition(&self) -> Result<f64, SolveError> {
        let matrix = self.matrix.as_ref().ok_or(SolveError::NotFactored)?;
        let scale = condition::unit_diagonal(matrix);
        let solve = |v: &mut [f64], transposed: bool| {
            condition::scaled(v, &scale, &|v| match &self.method {
                Method::Mixed(mixed) => mixed.solve(matrix, v).map(|_| ()),
                _ if transposed => self.solve_transpose(v),
                _ => self.apply_inverse(v, 1),
            })
        };
        let mut image = vec![1.0 / self.size.max(1) as f64; self.size];
        solve(&mut image, false)?;
        Ok(condition::norm(matrix, &scale) * condition::inverse_norm(image, 5, &solve)?)
    }

    fn apply_inverse(&self, b: &mut [f64], count: usize) -> Result<(), SolveError> {
        match &self.method {
            Method::Cholesky(cholesky) => cholesky.apply_inverse(b, count),
            Method::Mixed(mixed) => b.chunks_mut(self.size.max(1)).try_for_each(|b| mixed.rough(b)),
            Method::Ldlt(ldlt) => ldlt.apply_inverse(b, count),
            Method::Lu(lu) => {
                let rhs = column(b, self.size, count);
                lu.numeric.as_ref().ok_or(SolveError::NotFactored)?.solve_transpose_in_place(rhs);
                Ok(())
            }
        }
    }
}

impl Ldlt {
    fn analyse(a: &CsrMatrix, groups: &Groups<'_>) -> Option<Self> {
        let n = a.nrows;
        let pattern = Pattern::new(a);
        let order = if n > SMALL && groups.of.len() == n { nested_dissection(a, groups) } else { None };
        let order: Option<Vec<usize>> = order.map(|o| o.into_iter().map(|u| u as usize).collect());
        let inverse = order.as_ref().map(|o| {
            let mut inverse = vec![0; n];
            o.iter().enumerate().for_each(|(new, &old)| inverse[old] = new);
            inverse
        });
        let ordering = match (&order, &inverse) {
            (Some(o), Some(i)) => SymmetricOrdering::Custom(PermRef::new_checked(o, i, n)),
            _ => SymmetricOrdering::Amd,
        };
        let symbolic = factorize_symbolic_cholesky(pattern.symbolic(), Side::Upper, ordering, CholeskySymbolicParams::default()).ok()?;
        Some(Ldlt { pattern, symbolic, values: Vec::new(), work: None })
    }

    fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        let matrix = self.pattern.matrix(a)?;
        self.values.resize(self.symbolic.len_val(), 0.0);
        let scratch = || MemBuffer::new(self.symbolic.factorize_numeric_ldlt_scratch::<f64>(Par::Seq, Default::default()));
        let mut work = self.work.take().unwrap_or_else(scratch);
        let stack = MemStack::new(&mut work);
        let values = &mut self.values;
        let outcome =
            self.symbolic.factorize_numeric_ldlt(values, matrix, Side::Upper, Default::default(), Par::Seq, stack, Default::default());
        self.work = Some(work);
        outcome.map(|_| ()).map_err(|e| {
            let faer::linalg::cholesky::ldlt::factor::LdltError::ZeroPivot { index } = e;
            SolveError::Pivot { kind: "singular", pivot: index, size: a.nrows }
        })
    }

    fn apply_inverse(&self, b: &mut [f64], count: usize) -> Result<(), SolveError> {
        if self.values.is_empty() {
            return Err(SolveError::NotFactored);
        }
        let mut work = MemBuffer::new(self.symbolic.solve_in_place_scratch::<f64>(count, Par::Seq));
        let rhs = column(b, self.pattern.row_ptr.len() - 1, count);
        LdltRef::new(&self.symbolic, &self.values).solve_in_place_with_conj(Conj::No, rhs, Par::Seq, MemStack::new(&mut work));
        Ok(())
    }
}

fn column(b: &mut [f64], n: usize, count: usize) -> MatMut<'_, f64> {
    MatMut::from_column_major_slice_mut(&mut b[..n * count], n, count)
}

/// Writes `rhs - A x` and returns its largest relative 2-norm over the right-hand sides.
fn defect(a: &CsrMatrix, x: &[f64], rhs: &[f64], out: &mut [f64]) -> f64 {
    let n = a.nrows.max(1);
    let mut worst: f64 = 0.0;
    for ((x, b), r) in x.chunks(n).zip(rhs.chunks(n)).zip(out.chunks_mut(n)) {
        a.apply(x, r);
        r.iter_mut().zip(b).for_each(|(r, b)| *r = b - *r);
        let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let (r, b) = (norm(r), norm(b));
        let relative = if b > 0.0 { r / b } else { r };
        // f64::max would pass over a NaN of another right-hand side.
        worst = if relative.is_nan() || worst.is_nan() { f64::NAN } else { worst.max(relative) };
    }
    worst
}

/// The largest `|S r| / |S^-1 x|` in the 2-norm over the right-hand sides, with the `S` that scales a positive definite matrix to a unit
/// diagonal: `A + E` solves exactly with an `S E S` of at most that norm, while that of `S A S` is 1 at least (Rigal and Gaches 1967).
fn backward_error(a: &CsrMatrix, x: &[f64], residual: &[f64]) -> f64 {
    let n = a.nrows.max(1);
    let diagonal = a.diagonal();
    let mut worst: f64 = 0.0;
    for (x, r) in x.chunks(n).zip(residual.chunks(n)) {
        let (mut above, mut below) = (0.0, 0.0);
        for ((d, x), r) in diagonal.iter().zip(x).zip(r) {
            above += r * r / d;
            below += x * x * d;
        }
        let error = if above > 0.0 { (above / below).sqrt() } else { 0.0 };
        if error.is_nan() {
            return f64::NAN;
        }
        worst = worst.max(error);
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 5-point Laplacian on an `n x n` grid, shifted.
    fn laplacian(n: usize, shift: f64) -> CsrMatrix {
        let mut t = Vec::new();
        for j in 0..n {
            for i in 0..n {
                let r = j * n + i;
                t.push((r, r, 4.0 + shift));
                let mut link = |c: usize| t.push((r, c, -1.0));
                if i > 0 {
                    link(r - 1);
                }
                if i + 1 < n {
                    link(r + 1);
                }
                if j > 0 {
                    link(r - n);
                }
                if j + 1 < n {
                    link(r + n);
                }
            }
        }
        CsrMatrix::from_triplets(n * n, n * n, &t)
    }

    fn check(a: &CsrMatrix, symmetry: Symmetry, block: u32) {
        let x: Vec<f64> = (0..a.nrows).map(|i| (i as f64 * 0.1).sin() + 2.0).collect();
        let mut b = vec![0.0; a.nrows];
        a.apply(&x, &mut b);
        let groups: Vec<u32> = (0..a.nrows as u32).map(|u| u / block).collect();
        let mut solver = DirectSolver::analyse(a, symmetry, &Groups::new(&groups)).unwrap();
        solver.factor(a).unwrap();
        let rhs = b.clone();
        let report = solver.solve(&mut b).unwrap();
        assert!(report.residual() < 1e-13);
        assert!(x.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9));
        // a second factorisation in the same memory gives the same bits
        let first = b;
        let mut again = rhs;
        solver.factor(a).unwrap();
        solver.solve(&mut again).unwrap();
        assert_eq!(first, again);
    }

    #[test]
    fn factorisations_solve() {
        for n in [5, 40] {
            check(&laplacian(n, 0.0), Symmetry::PositiveDefinite, 1);
            check(&laplacian(n, 0.0), Symmetry::PositiveDefinite, n as u32);
            check(&laplacian(n, -2.345), Symmetry::Indefinite, 1);
            check(&laplacian(n, -2.345), Symmetry::General, 1);
        }
        // unsymmetric, and transposed
        let mut t: Vec<(usize, usize, f64)> = (0..50).map(|i| (i, i, 3.0)).collect();
        t.extend((0..49).map(|i| (i, i + 1, 1.0)));
        t.extend((0..40).map(|i| (i + 9, i, -2.0)));
        let a = CsrMatrix::from_triplets(50, 50, &t);
        check(&a, Symmetry::General, 1);
        let x: Vec<f64> = (0..50).map(f64::from).collect();
        let mut b = vec![0.0; 50];
        a.transpose().apply(&x, &mut b);
        let mut solver = DirectSolver::analyse(&a, Symmetry::General, &Groups::new(&[])).unwrap();
        solver.factor(&a).unwrap();
        solver.solve_transpose(&mut b).unwrap();
        assert!(x.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn single_precision_is_made_up_for() {
        for (weight, shift) in [(1.0, 0.0), (1e-9, 0.0), (1.0, 1e-7)] {
            // Two grids of very different weight, to be scaled; a nearly singular one cannot be.
            let n = 200;
            let mut a = laplacian(n, shift);
            if shift > 0.0 {
                (0..n * n).for_each(|r| {
                    let sum: f64 = a.row(r).1.iter().sum();
                    let at = a.row_ptr[r] + a.row(r).0.binary_search(&(r as u32)).unwrap();
                    a.values[at] += shift - sum;
                });
            }
            let d: Vec<f64> = (0..n * n).map(|i| if i % 3 == 0 { weight } else { 1.0 }).collect();
            for r in 0..n * n {
                for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                    a.values[k] *= d[r] * d[a.col_idx[k] as usize];
                }
            }
            let x: Vec<f64> = (0..n * n).map(|i| (i as f64 * 0.1).sin() + 2.0).collect();
            let mut b = vec![0.0; n * n];
            a.apply(&x, &mut b);
            let groups: Vec<u32> = (0..n as u32 * n as u32).collect();
            let mut solver = DirectSolver::analyse(&a, Symmetry::PositiveDefinite, &Groups::new(&groups)).unwrap().for_few_solves();
            assert!(matches!(solver.method, Method::Mixed(_)));
            solver.factor(&a).unwrap();
            let mut y = b.clone();
            let report = solver.solve(&mut y).unwrap();
            assert!(report.residual() < 1e-9, "{report:?}");
            let worst = y.iter().zip(&x).zip(&d).fold(0.0_f64, |m, ((y, x), d)| m.max((y - x).abs() * d));
            assert!(worst < 1e-4, "{worst}");
            // The inverse times ones: a torsion function (Timoshenko and Goodier 1970) or, nearly singular, the shift's inverse.
            let exact = if shift > 0.0 { 8.0 / shift } else { 8.0 * 0.07367 * ((n + 1) * (n + 1)) as f64 };
            for estimate in [report.condition.unwrap(), solver.condition().unwrap()] {
                assert!((0.3..1.3).contains(&(estimate / exact)), "{weight} {shift}: {estimate:.3e}, exact {exact:.3e}");
            }
        }
    }

    #[test]
    fn an_answer_that_is_as_good_as_rounding_lets_it_be_is_not_refined() {
        // Smooth, so that the residual is large beside the load; one unknown in other units.
        let n = 60;
        let mut a = laplacian(n, 0.0);
        for k in 0..a.values.len() {
            let row = a.row_ptr.partition_point(|&p| p <= k) - 1;
            a.values[k] *= [1.0, 1e4][usize::from(row == 7)] * [1.0, 1e4][usize::from(a.col_idx[k] == 7)];
        }
        let groups: Vec<u32> = (0..(n * n) as u32).collect();
        let mut solver = DirectSolver::analyse(&a, Symmetry::PositiveDefinite, &Groups::new(&groups)).unwrap();
        solver.factor(&a).unwrap();
        let (mut x, b) = (vec![1.0; n * n], vec![1.0; n * n]);
        solver.apply_inverse(&mut x, 1).unwrap();
        let mut r = vec![0.0; n * n];
        assert!(defect(&a, &x, &b, &mut r) > 1e-14);
        let good = backward_error(&a, &x, &r);
        assert!(good <= ROUNDED, "{good:e}");
        x.iter_mut().step_by(2).for_each(|x| *x *= 1.0 + 1e-13);
        defect(&a, &x, &b, &mut r);
        assert!(backward_error(&a, &x, &r) > ROUNDED);
        assert!(backward_error(&a, &[f64::NAN; 3600], &r).is_nan());
    }

    #[test]
    fn a_wrong_answer_is_never_called_right() {
        let indefinite = laplacian(20, -3.0);
        let mut solver =
            DirectSolver::analyse(&indefinite, Symmetry::PositiveDefinite, &Groups::new(&(0..400).collect::<Vec<_>>())).unwrap();
        assert!(matches!(solver.factor(&indefinite), Err(SolveError::Pivot { .. })));
        // singular: a free node of a spring chain
        let mut t = Vec::new();
        for i in 0..9 {
            t.extend([(i, i, 1.0), (i + 1, i + 1, 1.0), (i, i + 1, -1.0), (i + 1, i, -1.0)]);
        }
        let singular = CsrMatrix::from_triplets(10, 10, &t);
        for symmetry in [Symmetry::PositiveDefinite, Symmetry::Indefinite, Symmetry::General] {
            let mut solver = DirectSolver::analyse(&singular, symmetry, &Groups::new(&(0..10).collect::<Vec<_>>())).unwrap();
            let mut b = vec![1.0; 10];
            let outcome = solver.factor(&singular).and_then(|()| solver.solve(&mut b).map(|_| ()));
            assert!(outcome.is_err(), "{symmetry:?}");
        }
    }
}
