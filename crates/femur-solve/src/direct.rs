//! Sparse Cholesky, LDLT and LU by faer, with the symbolic step kept.

use crate::{CsrMatrix, LinearOperator, SolveError, SolveReport, StopReason};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::perm::PermRef;
use faer::prelude::Solve;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, LdltRef, LltRef, SymbolicCholesky, SymmetricOrdering, factorize_symbolic_cholesky,
};
use faer::sparse::linalg::solvers::{Lu, SymbolicLu};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMatRef};
use faer::{Conj, MatMut, Par, Side};

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

enum Symbolic {
    Cholesky(Box<SymbolicCholesky<usize>>),
    Lu(SymbolicLu<usize>),
}

enum Numeric {
    None,
    Cholesky(Vec<f64>),
    Lu(Box<Lu<usize, f64>>),
}

/// A factorisation: analyse a pattern once, factor as often as values change, solve as often as wanted.
///
/// Sequential, so that answers do not depend on the number of threads: many small systems are solved side by side instead.
pub struct DirectSolver {
    symmetry: Symmetry,
    row_ptr: Vec<usize>,
    col_idx: Vec<usize>,
    symbolic: Symbolic,
    numeric: Numeric,
    /// Kept for the residual and one step of iterative refinement.
    matrix: Option<CsrMatrix>,
    work: Option<MemBuffer>,
}

impl DirectSolver {
    /// Orders and analyses the pattern. `block_size` unknowns belong to one node (dofs per node): nested dissection then
    /// orders the graph of nodes.
    pub fn analyse(a: &CsrMatrix, symmetry: Symmetry, block_size: usize) -> Result<Self, SolveError> {
        if a.nrows != a.ncols {
            return Err(SolveError::Shape { what: "columns of a square matrix", expected: a.nrows, got: a.ncols });
        }
        let n = a.nrows;
        let resources = SolveError::Resources { size: n, nonzeros: a.nnz() };
        let row_ptr = a.row_ptr.clone();
        let col_idx: Vec<usize> = a.col_idx.iter().map(|&c| c as usize).collect();
        // A symmetric CSR is its own CSC; a general one is handed over as its transpose and solved transposed.
        let pattern = SymbolicSparseColMatRef::new_checked(n, n, &row_ptr, None, &col_idx);
        let symbolic = if symmetry == Symmetry::General {
            Symbolic::Lu(SymbolicLu::try_new(pattern).map_err(|_| resources)?)
        } else {
            let order = if n > SMALL { nested_dissection(a, block_size.max(1)) } else { None };
            let inverse = order.as_ref().map(|o| {
                let mut inverse = vec![0; n];
                o.iter().enumerate().for_each(|(new, &old)| inverse[old] = new);
                inverse
            });
            let ordering = match (&order, &inverse) {
                (Some(o), Some(i)) => SymmetricOrdering::Custom(PermRef::new_checked(o, i, n)),
                _ => SymmetricOrdering::Amd,
            };
            let symbolic =
                factorize_symbolic_cholesky(pattern, Side::Upper, ordering, CholeskySymbolicParams::default()).map_err(|_| resources)?;
            Symbolic::Cholesky(Box::new(symbolic))
        };
        Ok(DirectSolver { symmetry, row_ptr, col_idx, symbolic, numeric: Numeric::None, matrix: None, work: None })
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.row_ptr.len() - 1
    }

    /// Factors a matrix of the analysed pattern; memory of an earlier factorisation is used again.
    pub fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        if a.row_ptr != self.row_ptr || a.col_idx.len() != self.col_idx.len() {
            return Err(SolveError::Pattern);
        }
        let n = self.size();
        let pattern = SymbolicSparseColMatRef::new_checked(n, n, &self.row_ptr, None, &self.col_idx);
        let matrix = SparseColMatRef::new(pattern, &a.values);
        match &self.symbolic {
            Symbolic::Lu(symbolic) => {
                let lu = Lu::try_new_with_symbolic(symbolic.clone(), matrix).map_err(|_| SolveError::Pivot {
                    kind: "singular",
                    pivot: 0,
                    size: n,
                })?;
                self.numeric = Numeric::Lu(Box::new(lu));
            }
            Symbolic::Cholesky(symbolic) => {
                let mut values = match std::mem::replace(&mut self.numeric, Numeric::None) {
                    Numeric::Cholesky(v) => v,
                    _ => vec![0.0; symbolic.len_val()],
                };
                let mut work = self.work.take().unwrap_or_else(|| {
                    let llt = symbolic.factorize_numeric_llt_scratch::<f64>(Par::Seq, Default::default());
                    let ldlt = symbolic.factorize_numeric_ldlt_scratch::<f64>(Par::Seq, Default::default());
                    MemBuffer::new(if self.symmetry == Symmetry::PositiveDefinite { llt } else { ldlt })
                });
                let stack = MemStack::new(&mut work);
                if self.symmetry == Symmetry::PositiveDefinite {
                    symbolic
                        .factorize_numeric_llt(&mut values, matrix, Side::Upper, Default::default(), Par::Seq, stack, Default::default())
                        .map_err(|e| {
                            let faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index } = e;
                            SolveError::Pivot { kind: "not positive definite", pivot: index, size: n }
                        })?;
                } else {
                    symbolic
                        .factorize_numeric_ldlt(&mut values, matrix, Side::Upper, Default::default(), Par::Seq, stack, Default::default())
                        .map_err(|e| {
                            let faer::linalg::cholesky::ldlt::factor::LdltError::ZeroPivot { index } = e;
                            SolveError::Pivot { kind: "singular", pivot: index, size: n }
                        })?;
                }
                self.numeric = Numeric::Cholesky(values);
                self.work = Some(work);
            }
        }
        self.matrix = Some(a.clone());
        Ok(())
    }

    /// Solves `A x = b` in place, with one step of iterative refinement. An answer that leaves a large residual is an error.
    pub fn solve(&self, b: &mut [f64]) -> Result<SolveReport, SolveError> {
        self.solve_many(b, 1)
    }

    /// Solves for `count` right-hand sides in place; `b` is `[count, size]`, one after the other.
    pub fn solve_many(&self, b: &mut [f64], count: usize) -> Result<SolveReport, SolveError> {
        let n = self.size();
        if b.len() != n * count {
            return Err(SolveError::Shape { what: "right-hand sides", expected: n * count, got: b.len() });
        }
        let matrix = self.matrix.as_ref().ok_or(SolveError::NotFactored)?;
        let rhs = b.to_vec();
        self.apply_inverse(b, count)?;
        let mut residual = rhs.clone();
        let before = defect(matrix, b, &rhs, &mut residual);
        self.apply_inverse(&mut residual, count)?;
        let refined: Vec<f64> = b.iter().zip(&residual).map(|(x, d)| x + d).collect();
        let after = defect(matrix, &refined, &rhs, &mut residual);
        // Refinement helps or does nothing; at the limit of rounding it may do harm, and is then dropped.
        let worst = if after < before { after } else { before };
        if after < before {
            b.copy_from_slice(&refined);
        }
        if worst.is_nan() || worst > 1e-6 {
            return Err(SolveError::Inaccurate { residual: worst });
        }
        Ok(SolveReport { iterations: 1, residuals: vec![before, worst], reason: StopReason::Converged })
    }

    /// Solves `A^T x = b` in place.
    pub fn solve_transpose(&self, b: &mut [f64]) -> Result<(), SolveError> {
        let n = self.size();
        match &self.numeric {
            Numeric::Lu(lu) => {
                lu.solve_in_place(column(b, n, 1));
                Ok(())
            }
            _ => self.apply_inverse(b, 1),
        }
    }

    fn apply_inverse(&self, b: &mut [f64], count: usize) -> Result<(), SolveError> {
        let n = self.size();
        let rhs = column(b, n, count);
        match (&self.symbolic, &self.numeric) {
            (Symbolic::Cholesky(symbolic), Numeric::Cholesky(values)) => {
                let mut work = MemBuffer::new(symbolic.solve_in_place_scratch::<f64>(count, Par::Seq));
                let stack = MemStack::new(&mut work);
                if self.symmetry == Symmetry::PositiveDefinite {
                    LltRef::new(symbolic, values).solve_in_place_with_conj(Conj::No, rhs, Par::Seq, stack);
                } else {
                    LdltRef::new(symbolic, values).solve_in_place_with_conj(Conj::No, rhs, Par::Seq, stack);
                }
                Ok(())
            }
            (_, Numeric::Lu(lu)) => {
                lu.solve_transpose_in_place(rhs);
                Ok(())
            }
            _ => Err(SolveError::NotFactored),
        }
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
        worst = if relative.is_nan() { f64::NAN } else { worst.max(relative) };
    }
    worst
}

/// Nested dissection (feral-metis) on the graph of nodes, expanded to unknowns: new-to-old. `None` where the library declines.
fn nested_dissection(a: &CsrMatrix, block: usize) -> Option<Vec<usize>> {
    if !a.nrows.is_multiple_of(block) {
        return nested_dissection(a, 1);
    }
    let nodes = a.nrows / block;
    let (mut ptr, mut idx) = (vec![0i32], Vec::new());
    let mut row: Vec<i32> = Vec::new();
    for node in 0..nodes {
        row.clear();
        for r in node * block..(node + 1) * block {
            row.extend(a.row(r).0.iter().map(|&c| (c as usize / block) as i32).filter(|&c| c as usize != node));
        }
        row.sort_unstable();
        row.dedup();
        idx.extend_from_slice(&row);
        ptr.push(i32::try_from(idx.len()).ok()?);
    }
    let pattern = feral_metis::CscPattern::new(nodes, &ptr, &idx)?;
    let order = feral_metis::metis_order(&pattern).ok()?;
    Some(order.iter().flat_map(|&n| (0..block).map(move |d| n as usize * block + d)).collect())
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

    fn check(a: &CsrMatrix, symmetry: Symmetry, block: usize) {
        let x: Vec<f64> = (0..a.nrows).map(|i| (i as f64 * 0.1).sin() + 2.0).collect();
        let mut b = vec![0.0; a.nrows];
        a.apply(&x, &mut b);
        let mut solver = DirectSolver::analyse(a, symmetry, block).unwrap();
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
            check(&laplacian(n, 0.0), Symmetry::PositiveDefinite, n);
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
        let mut solver = DirectSolver::analyse(&a, Symmetry::General, 1).unwrap();
        solver.factor(&a).unwrap();
        solver.solve_transpose(&mut b).unwrap();
        assert!(x.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn a_wrong_answer_is_never_called_right() {
        let indefinite = laplacian(20, -3.0);
        let mut solver = DirectSolver::analyse(&indefinite, Symmetry::PositiveDefinite, 1).unwrap();
        assert!(matches!(solver.factor(&indefinite), Err(SolveError::Pivot { .. })));
        // singular: a free node of a spring chain
        let mut t = Vec::new();
        for i in 0..9 {
            t.extend([(i, i, 1.0), (i + 1, i + 1, 1.0), (i, i + 1, -1.0), (i + 1, i, -1.0)]);
        }
        let singular = CsrMatrix::from_triplets(10, 10, &t);
        for symmetry in [Symmetry::PositiveDefinite, Symmetry::Indefinite, Symmetry::General] {
            let mut solver = DirectSolver::analyse(&singular, symmetry, 1).unwrap();
            let mut b = vec![1.0; 10];
            let outcome = solver.factor(&singular).and_then(|()| solver.solve(&mut b).map(|_| ()));
            assert!(outcome.is_err(), "{symmetry:?}");
        }
    }
}
