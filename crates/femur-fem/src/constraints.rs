//! Dirichlet conditions and multi-point constraints by elimination, also in rotated frames at single nodes (rollers on inclined planes).

use femur_solve::CsrMatrix;
use std::collections::BTreeMap;

/// What is prescribed. Unknowns are numbered `node * components + component`; at a node with a frame the components are those
/// along the frame's axes.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    /// Unknowns per node.
    pub components: usize,
    /// Unknowns that are not solved for: prescribed ones, and those that ties give.
    pub fixed: BTreeMap<usize, f64>,
    /// Multi-point constraints: an unknown of `fixed` is its prescribed value plus the sum of `factor * unknown` over others, which have
    /// no tie themselves ([`Constraints::resolve`]) and no frame.
    pub ties: BTreeMap<usize, Vec<(usize, f64)>>,
    /// Orthonormal axes of a node `[axis][component]`.
    pub frames: BTreeMap<usize, [[f64; 3]; 3]>,
}

/// The system of the free unknowns.
pub struct Reduced {
    /// Rows and columns of the free unknowns.
    pub matrix: CsrMatrix,
    /// Number of each free unknown in the whole system.
    pub free: Vec<usize>,
    /// Columns of prescribed unknowns in free rows: `(row, unknown, value)`.
    coupling: Vec<(usize, usize, f64)>,
    ties: BTreeMap<usize, Vec<(usize, f64)>>,
}

/// Moves what acts on tied unknowns to those that they are tied to.
fn gather(ties: &BTreeMap<usize, Vec<(usize, f64)>>, force: &mut [f64]) {
    for (&slave, masters) in ties {
        let f = std::mem::take(&mut force[slave]);
        masters.iter().for_each(|&(m, factor)| force[m] += factor * f);
    }
}

/// Gives each tied unknown its value: what is prescribed for it and what its tie adds.
fn follow(ties: &BTreeMap<usize, Vec<(usize, f64)>>, prescribed: &BTreeMap<usize, f64>, values: &mut [f64]) {
    for (slave, masters) in ties {
        let tied: f64 = masters.iter().map(|&(m, factor)| factor * values[m]).sum();
        values[*slave] = prescribed.get(slave).copied().unwrap_or(0.0) + tied;
    }
}

impl Constraints {
    /// No constraint yet.
    pub fn new(components: usize) -> Self {
        Constraints { components, ..Constraints::default() }
    }

    /// Whether an unknown is prescribed rather than tied.
    pub fn is_prescribed(&self, unknown: usize) -> bool {
        self.fixed.contains_key(&unknown) && !self.ties.contains_key(&unknown)
    }

    /// Replaces tied unknowns in ties by what they are tied to. `along` tells of every replacement: an unknown, the tied one (which
    /// needs no more of them) that its tie named, and the factor. `Err` gives an unknown that follows itself in the end.
    pub fn resolve(&mut self, mut along: impl FnMut(usize, usize, f64)) -> Result<(), usize> {
        let mut done: BTreeMap<usize, bool> = BTreeMap::new();
        for start in self.ties.keys().copied().collect::<Vec<_>>() {
            // Depth first: an unknown is resolved after all that it follows.
            let mut stack = vec![start];
            while let Some(&slave) = stack.last() {
                if done.get(&slave) == Some(&true) {
                    stack.pop();
                    continue;
                }
                done.insert(slave, false);
                let open = self.ties[&slave].iter().map(|t| t.0).find(|m| self.ties.contains_key(m) && done.get(m) != Some(&true));
                if let Some(next) = open {
                    if done.contains_key(&next) {
                        return Err(next);
                    }
                    stack.push(next);
                    continue;
                }
                let mut sum: BTreeMap<usize, f64> = BTreeMap::new();
                for &(m, factor) in &self.ties[&slave] {
                    match self.ties.get(&m) {
                        Some(terms) => {
                            along(slave, m, factor);
                            terms.iter().for_each(|&(u, f)| *sum.entry(u).or_insert(0.0) += factor * f);
                        }
                        None => *sum.entry(m).or_insert(0.0) += factor,
                    }
                }
                self.ties.insert(slave, sum.into_iter().collect());
                done.insert(slave, true);
                stack.pop();
            }
        }
        Ok(())
    }

    /// Moves what acts on tied unknowns to those that they are tied to, `[size]` forces.
    pub fn gather(&self, force: &mut [f64]) {
        gather(&self.ties, force);
    }

    /// Gives each tied unknown its value, in `[size]` values of which the others are set: what is prescribed for it and what its tie adds.
    pub fn follow(&self, prescribed: &BTreeMap<usize, f64>, values: &mut [f64]) {
        follow(&self.ties, prescribed, values);
    }

    /// Turns the rows and columns of nodes with frames: `Q A Q^T`.
    pub fn rotate_matrix(&self, a: &mut CsrMatrix) {
        let c = self.components;
        for (&node, frame) in &self.frames {
            let block = node * c;
            // rows of the node: every entry in its rows
            let range = a.row_ptr[block]..a.row_ptr[block + 1];
            let width = range.len();
            for k in 0..width {
                let old: Vec<f64> = (0..c).map(|i| a.values[a.row_ptr[block + i] + k]).collect();
                for i in 0..c {
                    a.values[a.row_ptr[block + i] + k] = (0..c).map(|j| frame[i][j] * old[j]).sum();
                }
            }
            // columns of the node: in the rows of its neighbours, which are those of its own row by symmetry of the pattern
            let neighbours: Vec<usize> = a.col_idx[range].iter().step_by(c).map(|&u| u as usize / c).collect();
            for m in neighbours {
                for r in m * c..m * c + c {
                    let row = &a.col_idx[a.row_ptr[r]..a.row_ptr[r + 1]];
                    let Ok(place) = row.binary_search(&(block as u32)) else { continue };
                    let at = a.row_ptr[r] + place;
                    let old: Vec<f64> = a.values[at..at + c].to_vec();
                    for i in 0..c {
                        a.values[at + i] = (0..c).map(|j| frame[i][j] * old[j]).sum();
                    }
                }
            }
        }
    }

    /// Components along the frames' axes, in place.
    pub fn rotate(&self, v: &mut [f64]) {
        self.turn(v, |f, i, j| f[i][j]);
    }

    /// Back from [`Constraints::rotate`].
    pub fn rotate_back(&self, v: &mut [f64]) {
        self.turn(v, |f, i, j| f[j][i]);
    }

    fn turn(&self, v: &mut [f64], entry: impl Fn(&[[f64; 3]; 3], usize, usize) -> f64) {
        let c = self.components;
        for (&node, frame) in &self.frames {
            let old: Vec<f64> = v[node * c..(node + 1) * c].to_vec();
            for i in 0..c {
                v[node * c + i] = (0..c).map(|j| entry(frame, i, j) * old[j]).sum();
            }
        }
    }

    /// Empties rows and columns of the prescribed unknowns of a (rotated) matrix but for a 1 on the diagonal, so that the unknowns of a
    /// node stay together; gives the entries `(row, unknown, value)` of free rows that were taken out. Not for ties.
    pub fn eliminate(&self, a: &mut CsrMatrix) -> Vec<(usize, usize, f64)> {
        let mut held = vec![false; a.nrows];
        self.fixed.keys().for_each(|&u| held[u] = true);
        let mut coupling = Vec::new();
        for r in 0..a.nrows {
            for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                let c = a.col_idx[k] as usize;
                if held[r] {
                    a.values[k] = f64::from(u8::from(c == r));
                } else if held[c] {
                    coupling.push((r, c, std::mem::take(&mut a.values[k])));
                }
            }
        }
        coupling
    }

    /// The free unknowns of `size`, and the number of each unknown among them, `u32::MAX` where it is not free.
    fn free(&self, size: usize) -> (Vec<usize>, Vec<u32>) {
        let mut number = vec![0; size];
        self.fixed.keys().filter(|u| **u < size).for_each(|&u| number[u] = u32::MAX);
        let free: Vec<usize> = (0..size).filter(|&u| number[u] == 0).collect();
        free.iter().enumerate().for_each(|(i, &u)| number[u] = i as u32);
        (free, number)
    }

    /// The pattern of what [`Constraints::reduce`] gives, without values, and the number of each free unknown in the whole system. Not for
    /// ties.
    pub fn reduced_pattern(&self, a: &CsrMatrix) -> (CsrMatrix, Vec<usize>) {
        let (free, number) = self.free(a.nrows);
        let (mut row_ptr, mut col_idx) = (Vec::with_capacity(free.len() + 1), Vec::with_capacity(a.col_idx.len()));
        row_ptr.push(0);
        for &u in &free {
            let row = &a.col_idx[a.row_ptr[u]..a.row_ptr[u + 1]];
            col_idx.extend(row.iter().map(|&c| number[c as usize]).filter(|&c| c != u32::MAX));
            row_ptr.push(col_idx.len());
        }
        (CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr, col_idx, values: Vec::new() }, free)
    }

    /// As [`Constraints::reduce`], in the memory of the matrix. Ties take memory of their own.
    pub fn reduce_owned(&self, mut a: CsrMatrix) -> Reduced {
        if !self.ties.is_empty() {
            return self.reduce(&a);
        }
        let (free, number) = self.free(a.nrows);
        let mut row_ptr = Vec::with_capacity(free.len() + 1);
        row_ptr.push(0);
        let (mut coupling, mut to) = (Vec::new(), 0);
        for (i, &u) in free.iter().enumerate() {
            for k in a.row_ptr[u]..a.row_ptr[u + 1] {
                let c = a.col_idx[k] as usize;
                if number[c] == u32::MAX {
                    coupling.push((i, c, a.values[k]));
                } else {
                    // No further on than what is read.
                    (a.col_idx[to], a.values[to]) = (number[c], a.values[k]);
                    to += 1;
                }
            }
            row_ptr.push(to);
        }
        a.col_idx.truncate(to);
        a.values.truncate(to);
        let matrix = CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr, col_idx: a.col_idx, values: a.values };
        Reduced { matrix, free, coupling, ties: BTreeMap::new() }
    }

    /// Takes the prescribed unknowns out of a (rotated) matrix.
    pub fn reduce(&self, a: &CsrMatrix) -> Reduced {
        let (free, number) = self.free(a.nrows);
        if !self.ties.is_empty() {
            return self.reduce_tied(a, free, &number);
        }
        let most = free.iter().map(|&u| a.row_ptr[u + 1] - a.row_ptr[u]).sum();
        let (mut row_ptr, col_idx, values) = (Vec::with_capacity(free.len() + 1), Vec::with_capacity(most), Vec::with_capacity(most));
        row_ptr.push(0);
        let mut matrix = CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr, col_idx, values };
        let mut coupling = Vec::new();
        for (i, &u) in free.iter().enumerate() {
            let (cols, values) = a.row(u);
            for (&c, &v) in cols.iter().zip(values) {
                if number[c as usize] == u32::MAX {
                    coupling.push((i, c as usize, v));
                } else {
                    matrix.col_idx.push(number[c as usize]);
                    matrix.values.push(v);
                }
            }
            matrix.row_ptr.push(matrix.values.len());
        }
        Reduced { matrix, free, coupling, ties: BTreeMap::new() }
    }

    /// `T^T A T`, where `T` gives all unknowns from the free ones.
    fn reduce_tied(&self, a: &CsrMatrix, free: Vec<usize>, number: &[u32]) -> Reduced {
        let itself: Vec<[(usize, f64); 1]> = (0..a.nrows).map(|u| [(u, 1.0)]).collect();
        // What an unknown is made of: free and prescribed ones, its own prescribed value apart.
        let parts = |u: usize| self.ties.get(&u).map_or(&itself[u][..], Vec::as_slice);
        let mut rows: Vec<BTreeMap<u32, f64>> = vec![BTreeMap::new(); free.len()];
        let mut coupling = Vec::new();
        for r in 0..a.nrows {
            for &(p, by) in parts(r).iter().filter(|(p, _)| number[*p] != u32::MAX) {
                let i = number[p] as usize;
                let (cols, values) = a.row(r);
                for (&c, &v) in cols.iter().zip(values) {
                    let c = c as usize;
                    if self.ties.contains_key(&c) {
                        coupling.push((i, c, by * v));
                    }
                    for &(q, factor) in parts(c) {
                        if number[q] == u32::MAX {
                            coupling.push((i, q, by * v * factor));
                        } else {
                            *rows[i].entry(number[q]).or_insert(0.0) += by * v * factor;
                        }
                    }
                }
            }
        }
        let mut matrix = CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        for row in rows {
            matrix.col_idx.extend(row.keys());
            matrix.values.extend(row.values());
            matrix.row_ptr.push(matrix.values.len());
        }
        Reduced { matrix, free, coupling, ties: self.ties.clone() }
    }
}

impl Reduced {
    /// The right-hand side of the free unknowns: `f_f - A_fc g`, with `f` the whole (rotated) vector and `g` the prescribed values.
    pub fn right_hand_side(&self, f: &[f64], prescribed: &BTreeMap<usize, f64>) -> Vec<f64> {
        let mut out: Vec<f64> = if self.ties.is_empty() {
            self.free.iter().map(|&u| f[u]).collect()
        } else {
            let mut f = f.to_vec();
            gather(&self.ties, &mut f);
            self.free.iter().map(|&u| f[u]).collect()
        };
        for &(i, u, v) in &self.coupling {
            out[i] -= v * prescribed.get(&u).copied().unwrap_or(0.0);
        }
        out
    }

    /// The whole vector from the free unknowns and the prescribed values.
    pub fn expand(&self, free: &[f64], prescribed: &BTreeMap<usize, f64>, size: usize) -> Vec<f64> {
        let mut out = vec![0.0; size];
        prescribed.iter().for_each(|(&u, &v)| out[u] = v);
        self.free.iter().zip(free).for_each(|(&u, &v)| out[u] = v);
        follow(&self.ties, prescribed, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten springs in a row between eleven nodes, the first held.
    fn chain() -> CsrMatrix {
        let mut entries = Vec::new();
        for i in 0..10 {
            entries.extend([(i, i, 1.0), (i + 1, i + 1, 1.0), (i, i + 1, -1.0), (i + 1, i, -1.0)]);
        }
        CsrMatrix::from_triplets(11, 11, &entries)
    }

    #[test]
    fn ties_hold_and_do_no_work() {
        // u9 = 2 u4 + 0.5, u10 = u9 - u0 + 0.25, in a chain of ties that is resolved; u0 = 0.1.
        let mut c = Constraints::new(1);
        c.fixed.extend([(0, 0.0), (9, 0.0), (10, 0.0)]);
        c.ties.insert(10, vec![(9, 1.0), (0, -1.0)]);
        c.ties.insert(9, vec![(4, 2.0)]);
        let mut seen = Vec::new();
        c.resolve(|slave, through, factor| seen.push((slave, through, factor))).unwrap();
        assert_eq!((seen, &c.ties[&10]), (vec![(10, 9, 1.0)], &vec![(0, -1.0), (4, 2.0)]));
        let held = BTreeMap::from([(0, 0.1), (9, 0.5), (10, 0.25 + 0.5)]);
        let a = chain();
        let load: Vec<f64> = (0..11).map(|i| (i as f64).sin()).collect();
        let reduced = c.reduce(&a);
        assert_eq!(c.reduce_owned(a.clone()).matrix, reduced.matrix);
        let b = reduced.right_hand_side(&load, &held);
        // Gaussian elimination without pivoting does for a definite matrix.
        let n = b.len();
        let mut m: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| reduced.matrix.get(i, j)).collect()).collect();
        assert!((0..n).all(|i| (0..n).all(|j| (m[i][j] - m[j][i]).abs() < 1e-14)));
        let mut x = b;
        for k in 0..n {
            for i in k + 1..n {
                let f = m[i][k] / m[k][k];
                (k..n).for_each(|j| m[i][j] -= f * m[k][j]);
                x[i] -= f * x[k];
            }
        }
        for k in (0..n).rev() {
            let rest: f64 = (k + 1..n).map(|j| m[k][j] * x[j]).sum();
            x[k] = (x[k] - rest) / m[k][k];
        }
        let u = reduced.expand(&x, &held, 11);
        assert!((u[9] - 2.0 * u[4] - 0.5).abs() < 1e-12 && (u[10] - u[9] + u[0] - 0.25).abs() < 1e-12 && u[0] == 0.1);
        // The balance at every free unknown, with the forces at tied ones carried over.
        let mut r: Vec<f64> = (0..11).map(|i| (0..11).map(|j| a.get(i, j) * u[j]).sum::<f64>() - load[i]).collect();
        c.gather(&mut r);
        assert!(reduced.free.iter().all(|&i| r[i].abs() < 1e-12), "{r:?}");
    }

    #[test]
    fn a_matrix_is_reduced_in_its_own_memory() {
        let mut c = Constraints::new(1);
        c.fixed.extend([(0, 0.0), (4, 0.5), (5, 0.0)]);
        let (a, prescribed) = (chain(), BTreeMap::from([(0, 0.1), (4, 0.5), (5, -0.3)]));
        let (apart, owned, (pattern, free)) = (c.reduce(&a), c.reduce_owned(a.clone()), c.reduced_pattern(&a));
        assert_eq!((&owned.matrix, &owned.free, &free), (&apart.matrix, &apart.free, &apart.free));
        assert_eq!((&pattern.row_ptr, &pattern.col_idx, apart.matrix.nrows), (&apart.matrix.row_ptr, &apart.matrix.col_idx, 8));
        let load = vec![1.0; 11];
        assert_eq!(owned.right_hand_side(&load, &prescribed), apart.right_hand_side(&load, &prescribed));
    }

    #[test]
    fn a_circle_of_ties_is_found() {
        let mut c = Constraints::new(1);
        c.ties.extend([(1, vec![(2, 1.0)]), (2, vec![(3, 1.0)]), (3, vec![(1, 1.0)])]);
        assert!(c.resolve(|_, _, _| {}).is_err());
        let mut c = Constraints::new(1);
        c.ties.insert(4, vec![(4, 1.0)]);
        assert_eq!(c.resolve(|_, _, _| {}), Err(4));
    }

    #[test]
    fn ties_with_many_terms_are_resolved_once_each() {
        let mut c = Constraints::new(1);
        // u1 = u9, u2 = u1, u3 = u1 + u2, u0 = u1 + u2 + u3 + 2 u1, one unknown twice.
        c.ties.extend([
            (0, vec![(1, 1.0), (2, 1.0), (3, 1.0), (1, 2.0)]),
            (3, vec![(1, 1.0), (2, 1.0)]),
            (2, vec![(1, 1.0)]),
            (1, vec![(9, 1.0)]),
        ]);
        let mut count = 0;
        c.resolve(|_, _, _| count += 1).unwrap();
        assert_eq!((&c.ties[&0], &c.ties[&3], count), (&vec![(9, 6.0)], &vec![(9, 2.0)], 7));
    }
}
