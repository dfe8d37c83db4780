//! LU for matrices of symmetric pattern by the multifrontal method (Duff and Reid 1983): saddle points, convection, Newton tangents.
//!
//! The order is nested dissection of the graph of groups of unknowns (all unknowns of a node, say). Within a front rows are
//! exchanged for the largest pivot; one that stays tiny is raised to a small number ("static pivoting", Li and Demmel 1998) and
//! iterative refinement makes up for it. Rows and columns are scaled beforehand, unknowns without a diagonal (the pressure of a
//! saddle point) by that of their Schur complement. Sequential, so that answers do not depend on the number of threads.

mod cholesky;
mod columns;
mod front;
mod geometric;
mod tree;

use crate::{CsrMatrix, LinearOperator, SolveError, SolveReport, StopReason, condition};
use front::{Factors, factor_front};
use std::sync::OnceLock;
use tree::Tree;

pub use cholesky::MultifrontalCholesky;

/// Which unknowns belong together (those of a node, say), and where they are: orderings look at the graph of groups.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    /// Group of each unknown `[n]`, numbered from 0. All unknowns of a group should have the same neighbours.
    pub of: &'a [u32],
    /// Coordinates of the groups `[groups, dim]`, and `dim`: with them the order is found by geometry, else from the graph alone.
    pub points: Option<(&'a [f64], usize)>,
}

impl<'a> Groups<'a> {
    /// Groups without coordinates.
    pub fn new(of: &'a [u32]) -> Self {
        Groups { of, points: None }
    }
}

/// Order of elimination by nested dissection: old number of each new one. `None` where the ordering declines.
pub(crate) fn nested_dissection(a: &CsrMatrix, groups: &Groups<'_>) -> Option<Vec<u32>> {
    Tree::new(a, groups).map(|tree| tree.order)
}

/// A factorisation: analyse a pattern once, factor as often as values change, solve as often as wanted.
pub struct MultifrontalLu {
    tree: Tree,
    row_ptr: Vec<usize>,
    col_idx: Vec<u32>,
    /// Place of entry `(c, r)` for each entry `(r, c)`.
    twin: Vec<u32>,
    /// Number of each unknown in the order of elimination.
    new: Vec<u32>,
    scale: Vec<f64>,
    factors: Option<Factors>,
    matrix: Option<CsrMatrix>,
    /// Estimated with the first answer.
    condition: OnceLock<f64>,
}

/// What one factorisation is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactorSize {
    /// Numbers kept in both factors.
    pub nonzeros: usize,
    /// Order of the largest front.
    pub largest_front: usize,
    /// Pivots that were raised.
    pub raised: usize,
}

/// Most steps of refinement.
const MAX_REFINEMENT: usize = 8;
/// Relative residual at which refinement stops.
const GOOD: f64 = 1e-13;
/// Relative residual above which an answer is refused.
const REFUSED: f64 = 1e-7;

impl MultifrontalLu {
    /// Orders and analyses a pattern, which must be symmetric (values need not be).
    ///
    /// # Errors
    /// The matrix is not square, its pattern is not symmetric, or it is too large for the ordering.
    pub fn analyse(a: &CsrMatrix, groups: &Groups<'_>) -> Result<Self, SolveError> {
        if a.nrows != a.ncols || groups.of.len() != a.nrows {
            return Err(SolveError::Shape { what: "rows, columns and groups", expected: a.nrows, got: a.ncols.min(groups.of.len()) });
        }
        let mut twin = vec![0u32; a.nnz()];
        for r in 0..a.nrows {
            for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                let c = a.col_idx[k] as usize;
                let (cols, _) = a.row(c);
                let place = cols.binary_search(&(r as u32)).map_err(|_| SolveError::Pattern)?;
                twin[k] = (a.row_ptr[c] + place) as u32;
            }
        }
        let tree = Tree::new(a, groups).ok_or(SolveError::Resources { size: a.nrows, nonzeros: a.nnz() })?;
        let mut new = vec![0u32; a.nrows];
        tree.order.iter().enumerate().for_each(|(i, &u)| new[u as usize] = i as u32);
        let (row_ptr, col_idx) = (a.row_ptr.clone(), a.col_idx.clone());
        Ok(MultifrontalLu { tree, row_ptr, col_idx, twin, new, scale: Vec::new(), factors: None, matrix: None, condition: OnceLock::new() })
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.new.len()
    }

    /// Size of the last factorisation; `None` before it.
    pub fn factor_size(&self) -> Option<FactorSize> {
        self.factors.as_ref().map(Factors::size)
    }

    /// Numbers that both factors will keep.
    fn nonzeros(&self) -> usize {
        self.tree.supernodes.iter().map(|s| s.columns() * (s.columns() + 2 * s.rows.len())).sum()
    }

    /// Bytes that a factorisation takes: both factors, and the largest set of fronts at a time.
    pub fn memory(&self) -> usize {
        let mut waiting = vec![0usize; self.tree.supernodes.len()];
        let (mut held, mut peak) = (0, 0);
        for (s, node) in self.tree.supernodes.iter().enumerate() {
            let (front, rest) = ((node.columns() + node.rows.len()).pow(2), node.rows.len().pow(2));
            peak = peak.max(held + front).max(held - waiting[s] + front + rest);
            held = held - waiting[s] + rest;
            if node.parent != s {
                waiting[node.parent] += rest;
            }
        }
        size_of::<f64>() * (self.nonzeros() + peak)
    }

    /// Factors a matrix of the analysed pattern.
    ///
    /// # Errors
    /// Another pattern, or a value that is not finite.
    pub fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.factor_alone(a)?;
        self.matrix = Some(a.without_zeros());
        Ok(())
    }

    /// As [`MultifrontalLu::factor`] for [`MultifrontalLu::apply_inverse`] alone: without the copy of the matrix that refinement needs.
    ///
    /// # Errors
    /// As there.
    pub fn factor_alone(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.matrix = None;
        if a.row_ptr != self.row_ptr || a.col_idx != self.col_idx {
            return Err(SolveError::Pattern);
        }
        self.scale = scaling(a);
        let n = self.size();
        let mut local = vec![u32::MAX; n];
        let mut blocks: Vec<Option<Vec<f64>>> = vec![None; self.tree.supernodes.len()];
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); self.tree.supernodes.len()];
        let mut factors = self.factors.take().unwrap_or_default();
        factors.clear(self.nonzeros());
        for (s, node) in self.tree.supernodes.iter().enumerate() {
            let (ns, m) = (node.end - node.first, node.end - node.first + node.rows.len());
            (node.first..node.end).enumerate().for_each(|(i, u)| local[u] = i as u32);
            node.rows.iter().enumerate().for_each(|(i, &u)| local[u as usize] = (ns + i) as u32);
            let mut front = vec![0.0; m * m];
            self.add_entries(a, node.first..node.end, &local, &mut front, m);
            for &child in &children[s] {
                let Some(block) = blocks[child].take() else { continue };
                let rows = &self.tree.supernodes[child].rows;
                for (j, &c) in rows.iter().enumerate() {
                    let column = &mut front[local[c as usize] as usize * m..][..m];
                    for (v, &r) in block[j * rows.len()..].iter().zip(rows) {
                        column[local[r as usize] as usize] += v;
                    }
                }
            }
            factor_front(&mut front, m, ns, &mut factors).map_err(|at| SolveError::Pivot {
                kind: "not finite",
                pivot: node.first + at,
                size: n,
            })?;
            if ns < m {
                let rest = (ns..m).flat_map(|j| front[j * m + ns..(j + 1) * m].iter().copied());
                blocks[s] = Some(rest.collect());
                children[node.parent].push(s);
            }
        }
        self.factors = Some(factors);
        Ok(())
    }

    /// Entries of the rows and columns of these unknowns that were not eliminated before.
    fn add_entries(&self, a: &CsrMatrix, pivots: std::ops::Range<usize>, local: &[u32], front: &mut [f64], m: usize) {
        for p in pivots.clone() {
            let row = self.tree.order[p] as usize;
            let i = local[p] as usize;
            for k in a.row_ptr[row]..a.row_ptr[row + 1] {
                let c = a.col_idx[k] as usize;
                let q = self.new[c] as usize;
                if q < pivots.start {
                    continue;
                }
                let (j, scale) = (local[q] as usize, self.scale[row] * self.scale[c]);
                front[j * m + i] += scale * a.values[k];
                if q >= pivots.end {
                    front[i * m + j] += scale * a.values[self.twin[k] as usize];
                }
            }
        }
    }

    /// An estimate from below of the condition number of the first matrix that was factored, scaled to a unit diagonal, in the 1- or the
    /// infinity-norm; `None` before its first answer.
    pub fn known_condition(&self) -> Option<f64> {
        self.condition.get().copied()
    }

    /// Solves `A x = b` in place by the factors alone.
    ///
    /// # Errors
    /// Before [`MultifrontalLu::factor`], or where lengths differ.
    pub fn apply_inverse(&self, b: &mut [f64]) -> Result<(), SolveError> {
        let factors = self.factors.as_ref().ok_or(SolveError::NotFactored)?;
        let n = self.size();
        if b.len() != n {
            return Err(SolveError::Shape { what: "right-hand side", expected: n, got: b.len() });
        }
        let mut x: Vec<f64> = self.tree.order.iter().map(|&u| b[u as usize] * self.scale[u as usize]).collect();
        factors.solve(&self.tree.supernodes, &mut x);
        self.tree.order.iter().zip(&x).for_each(|(&u, v)| b[u as usize] = v * self.scale[u as usize]);
        Ok(())
    }

    /// Solves `A x = b` in place with iterative refinement until the residual no longer falls.
    ///
    /// # Errors
    /// As [`MultifrontalLu::apply_inverse`]; an answer that leaves a relative residual above 1e-7.
    pub fn solve(&self, b: &mut [f64]) -> Result<SolveReport, SolveError> {
        self.solve_to(b, GOOD)
    }

    /// As [`MultifrontalLu::solve`], refining only while the relative residual exceeds `tolerance`.
    ///
    /// # Errors
    /// As [`MultifrontalLu::solve`].
    pub fn solve_to(&self, b: &mut [f64], tolerance: f64) -> Result<SolveReport, SolveError> {
        let matrix = self.matrix.as_ref().ok_or(SolveError::NotFactored)?;
        let rhs = b.to_vec();
        let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let scale = norm(&rhs);
        let mut report = SolveReport { iterations: 0, residuals: Vec::new(), reason: StopReason::Converged, condition: None };
        if scale == 0.0 {
            b.fill(0.0);
            return Ok(report);
        }
        self.apply_inverse(b)?;
        let mut residual = vec![0.0; b.len()];
        let mut defect = |x: &[f64], out: &mut Vec<f64>| {
            matrix.apply(x, &mut residual);
            out.clear();
            out.extend(rhs.iter().zip(&residual).map(|(b, r)| b - r));
            norm(out) / scale
        };
        let mut r = Vec::new();
        let mut best = defect(b, &mut r);
        report.residuals.push(best);
        while best > tolerance && report.iterations < MAX_REFINEMENT {
            self.apply_inverse(&mut r)?;
            let next: Vec<f64> = b.iter().zip(&r).map(|(x, d)| x + d).collect();
            let after = defect(&next, &mut r);
            if after < best {
                b.copy_from_slice(&next);
                report.iterations += 1;
                report.residuals.push(after);
            }
            let slow = after.is_nan() || after > 0.5 * best;
            best = if after < best { after } else { best };
            if slow {
                break;
            }
        }
        if best.is_nan() || best > REFUSED {
            return Err(SolveError::Inaccurate { residual: best });
        }
        if self.condition.get().is_none() {
            let estimate = condition::from_answer(matrix, b, &rhs, false, &|v| self.apply_inverse(v))?;
            self.condition.get_or_init(|| estimate);
        }
        report.condition = self.known_condition();
        Ok(report)
    }
}

/// Symmetric scaling: unit diagonal, and for unknowns without one unit diagonal of their Schur complement.
fn scaling(a: &CsrMatrix) -> Vec<f64> {
    let diagonal = a.diagonal();
    let largest: Vec<f64> = (0..a.nrows).map(|r| a.row(r).1.iter().fold(0.0_f64, |m, v| m.max(v.abs()))).collect();
    let has = |r: usize| diagonal[r].abs() > 1e-10 * largest[r];
    let inverse_root = |v: f64| if v > 0.0 && v.is_finite() { 1.0 / v.sqrt() } else { 1.0 };
    let first: Vec<f64> = (0..a.nrows).map(|r| if has(r) { inverse_root(diagonal[r].abs()) } else { 0.0 }).collect();
    (0..a.nrows)
        .map(|r| {
            if first[r] > 0.0 {
                return first[r];
            }
            let (cols, values) = a.row(r);
            let schur: f64 = cols.iter().zip(values).map(|(&c, v)| (v * first[c as usize]).powi(2)).sum();
            inverse_root(if schur > 0.0 { schur } else { largest[r] })
        })
        .collect()
}

#[cfg(test)]
mod tests;
