//! One dense front, and the factors that fronts leave behind.

use super::FactorSize;
use super::columns::{WIDTH, below, products, subtract};
use super::tree::Supernode;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, Par};

/// Pivots of the scaled matrix below this are raised to it.
const TINY: f64 = 1e-9;

/// Both factors, supernode after supernode: `[m, ns]` by columns (L11 and U11 in one square, L21 below), then U12 transposed
/// `[m - ns, ns]` by columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Factors {
    values: Vec<f64>,
    /// Order of the rows of each front's square.
    pivots: Vec<u32>,
    largest: usize,
    raised: usize,
}

impl Factors {
    /// Empties both, with room for as many numbers.
    pub(super) fn clear(&mut self, nonzeros: usize) {
        self.values.clear();
        self.values.reserve_exact(nonzeros);
        self.pivots.clear();
        (self.largest, self.raised) = (0, 0);
    }

    pub(super) fn size(&self) -> FactorSize {
        FactorSize { nonzeros: self.values.len(), largest_front: self.largest, raised: self.raised }
    }

    /// Solves in place for a vector in the order of elimination.
    pub(super) fn solve(&self, supernodes: &[Supernode], x: &mut [f64]) {
        substitute(supernodes, &self.values, &self.pivots, x);
    }
}

crate::simd::wide! {
    /// Forward and backward substitution for a vector in the order of elimination.
    fn substitute(supernodes: &[Supernode], values: &[f64], pivots: &[u32], x: &mut [f64]) {
        let mut at = 0;
        let mut work = Vec::new();
        for node in supernodes {
            let (ns, nr) = (node.columns(), node.rows.len());
            let m = ns + nr;
            let lower = &values[at..at + m * ns];
            at += (m + nr) * ns;
            work.clear();
            for &p in &pivots[node.first..node.end] {
                work.push(x[node.first + p as usize]);
            }
            work.resize(m, 0.0);
            let blocks = ns / WIDTH * WIDTH;
            for j in (0..blocks).step_by(WIDTH) {
                let end = j + WIDTH;
                for k in j..end {
                    let v = work[k];
                    subtract(&mut work[k + 1..end], [v], [&lower[k * m + k + 1..]]);
                }
                let v = [work[j], work[j + 1], work[j + 2], work[j + 3]];
                subtract(&mut work[end..], v, below(lower, m, j, end));
            }
            for j in blocks..ns {
                let v = work[j];
                subtract(&mut work[j + 1..], [v], [&lower[j * m + j + 1..]]);
            }
            x[node.first..node.end].copy_from_slice(&work[..ns]);
            for (&r, w) in node.rows.iter().zip(&work[ns..]) {
                x[r as usize] += w;
            }
        }
        for node in supernodes.iter().rev() {
            let (ns, nr) = (node.columns(), node.rows.len());
            let m = ns + nr;
            at -= (m + nr) * ns;
            let (square, upper) = values[at..at + (m + nr) * ns].split_at(m * ns);
            work.clear();
            for &r in &node.rows {
                work.push(x[r as usize]);
            }
            let pivots = &mut x[node.first..node.end];
            let blocks = ns / WIDTH * WIDTH;
            for j in (0..blocks).step_by(WIDTH) {
                let sums = products(&work, below(upper, nr, j, 0));
                for k in 0..WIDTH {
                    pivots[j + k] -= sums[k];
                }
            }
            for j in blocks..ns {
                pivots[j] -= products(&work, [&upper[j * nr..]])[0];
            }
            for j in (0..ns).rev() {
                let column = &square[j * m..];
                let v = pivots[j] / column[j];
                pivots[j] = v;
                subtract(&mut pivots[..j], [v], [column]);
            }
        }
    }
}

/// Eliminates the first `ns` unknowns of a front `[m, m]` by columns; the rest of it becomes the Schur complement. The number of the
/// pivot is the error where it is not finite.
pub(super) fn factor_front(front: &mut [f64], m: usize, ns: usize, out: &mut Factors) -> Result<(), usize> {
    out.largest = out.largest.max(m);
    let square: Vec<f64> = (0..ns).flat_map(|j| front[j * m..j * m + ns].iter().copied()).collect();
    let mut pivots = vec![0u32; ns];
    let f = MatMut::from_column_major_slice_mut(front, m, m);
    let (left, right) = f.split_at_col_mut(ns);
    let (mut f11, mut f21) = left.split_at_row_mut(ns);
    let (mut f12, mut f22) = right.split_at_row_mut(ns);
    let mut inverse = vec![0u32; ns];
    let mut work = MemBuffer::new(lu_in_place_scratch::<u32, f64>(ns, ns, Par::Seq, Default::default()));
    lu_in_place(f11.rb_mut(), &mut pivots, &mut inverse, Par::Seq, MemStack::new(&mut work), Default::default());
    let poor = (0..ns).any(|j| f11[(j, j)].is_nan() || f11[(j, j)].abs() < TINY);
    if poor {
        let mut again = square;
        out.raised += factor_raising(&mut again, ns, &mut pivots)?;
        for j in 0..ns {
            for i in 0..ns {
                f11[(i, j)] = again[j * ns + i];
            }
        }
    }
    let mut column = vec![0.0; ns];
    for j in 0..f12.ncols() {
        (0..ns).for_each(|i| column[i] = f12[(pivots[i] as usize, j)]);
        (0..ns).for_each(|i| f12[(i, j)] = column[i]);
    }
    solve_unit_lower_triangular_in_place(f11.rb(), f12.rb_mut(), Par::Seq);
    solve_lower_triangular_in_place(f11.rb().transpose(), f21.rb_mut().transpose_mut(), Par::Seq);
    matmul(f22.rb_mut(), Accum::Add, f21.rb(), f12.rb(), -1.0, Par::Seq);
    out.pivots.extend_from_slice(&pivots);
    let f12_by_pivots = (0..ns).flat_map(|i| (0..m - ns).map(move |j| (i, j)));
    let upper: Vec<f64> = f12_by_pivots.map(|(i, j)| f12[(i, j)]).collect();
    for j in 0..ns {
        out.values.extend_from_slice(&front[j * m..(j + 1) * m]);
    }
    out.values.extend(upper);
    Ok(())
}

/// LU with row exchanges of a square by columns, pivots below [`TINY`] raised; returns how many were.
fn factor_raising(a: &mut [f64], n: usize, pivots: &mut [u32]) -> Result<usize, usize> {
    let mut raised = 0;
    pivots.iter_mut().enumerate().for_each(|(i, p)| *p = i as u32);
    for k in 0..n {
        let best = (k..n).max_by(|&i, &j| a[k * n + i].abs().total_cmp(&a[k * n + j].abs())).unwrap_or(k);
        if best != k {
            (0..n).for_each(|j| a.swap(j * n + k, j * n + best));
            pivots.swap(k, best);
        }
        let mut pivot = a[k * n + k];
        if !pivot.is_finite() {
            return Err(k);
        }
        if pivot.abs() < TINY {
            pivot = if pivot < 0.0 { -TINY } else { TINY };
            a[k * n + k] = pivot;
            raised += 1;
        }
        (k + 1..n).for_each(|i| a[k * n + i] /= pivot);
        for j in k + 1..n {
            let v = a[j * n + k];
            (k + 1..n).for_each(|i| a[j * n + i] -= a[k * n + i] * v);
        }
    }
    Ok(raised)
}
