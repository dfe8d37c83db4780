//! Cholesky for symmetric positive definite matrices by the multifrontal method (Duff and Reid 1983; Liu 1992).
//!
//! In double or in single precision: the latter halves time and memory and leaves it to an iteration in double precision to make up for
//! it ([`crate::DirectSolver`]). Subtrees of the elimination tree run side by side, large fronts by tiles; which parts there are depends on the matrix alone and each
//! is computed by one thread, so any number of threads gives the same bits.

use super::columns::{WIDTH, below, products, subtract};
use super::tree::{Supernode, Tree};
use super::{FactorSize, Groups};
use crate::real::Real;
use crate::{CsrMatrix, SolveError};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that belong to the other triangle.
const NONE: u32 = u32::MAX;
/// Columns that are factored at a time, and columns of a tile of the rest of a front.
const BLOCK: usize = 128;
/// Columns and entries up to which a panel is factored column by column.
const NARROW: usize = 64;
const NEAR: usize = 16_384;
/// Operations below which a subtree or a front is not worth another thread.
const WORTH: f64 = 2e6;

/// `L L^T` of a matrix: analyse a pattern once, factor as often as values change, solve as often as wanted.
#[derive(Debug, Clone)]
pub struct MultifrontalCholesky<T = f64> {
    tree: Tree,
    children: Vec<Vec<usize>>,
    /// First supernode of the subtree of each.
    subtree: Vec<usize>,
    /// Operations in the subtree of each.
    work: Vec<f64>,
    /// Start of each panel `[rows, columns]` (by columns) among the values, `[supernodes + 1]`.
    start: Vec<usize>,
    row_ptr: Vec<usize>,
    nonzeros: usize,
    /// New number of each unknown.
    new: Vec<u32>,
    /// Place within the panel of each entry of the matrix, from the second factorisation on: the first finds them as it goes.
    place: Vec<u32>,
    values: Vec<T>,
    factored: bool,
}

/// Memory of a factorisation that is used again: new memory comes in fresh pages, which the system clears.
struct Pool<T>(Mutex<Kept<T>>);

struct Kept<T> {
    /// Of fronts that are done.
    fronts: Vec<Vec<T>>,
    /// Places of unknowns in the rows of a front `[size]`, of any values.
    local: Vec<Vec<u32>>,
}

/// Most fronts that wait to be used again.
const WAITING: usize = 8;

impl<T: Real> Pool<T> {
    fn new() -> Self {
        Pool(Mutex::new(Kept { fronts: Vec::new(), local: Vec::new() }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn zeros(&self, len: usize) -> Vec<T> {
        let found = {
            let fronts = &mut self.kept().fronts;
            let fits = fronts.iter().enumerate().filter(|(_, v)| v.capacity() >= len).min_by_key(|(_, v)| v.capacity()).map(|f| f.0);
            fits.map(|k| fronts.swap_remove(k))
        };
        let Some(mut found) = found else { return vec![T::default(); len] };
        found.clear();
        found.resize(len, T::default());
        found
    }

    fn give_back(&self, done: Vec<T>) {
        let fronts = &mut self.kept().fronts;
        fronts.push(done);
        if fronts.len() > WAITING {
            let least = fronts.iter().enumerate().min_by_key(|(_, v)| v.capacity()).map_or(0, |f| f.0);
            fronts.swap_remove(least);
        }
    }

    /// Lends places `[size]`.
    fn with_local(&self, size: usize, work: impl FnOnce(&mut [u32])) {
        let mut local = self.kept().local.pop().unwrap_or_default();
        local.resize(size, 0);
        work(&mut local);
        self.kept().local.push(local);
    }
}

impl<T: Real> MultifrontalCholesky<T> {
    /// Orders and analyses a pattern, which must be symmetric; values may be left out.
    ///
    /// # Errors
    /// The matrix is not square, or too large for the ordering.
    pub fn analyse(a: &CsrMatrix, groups: &Groups<'_>) -> Result<Self, SolveError> {
        if a.nrows != a.ncols || groups.of.len() != a.nrows {
            return Err(SolveError::Shape { what: "rows, columns and groups", expected: a.nrows, got: a.ncols.min(groups.of.len()) });
        }
        let resources = SolveError::Resources { size: a.nrows, nonzeros: a.col_idx.len() };
        let tree = Tree::new(a, groups).ok_or(resources.clone())?;
        let count = tree.supernodes.len();
        let (mut children, mut start, mut work) = (vec![Vec::new(); count], vec![0], vec![0.0; count]);
        let mut subtree: Vec<usize> = (0..count).collect();
        for (s, node) in tree.supernodes.iter().enumerate() {
            let (ns, m) = (node.columns(), node.columns() + node.rows.len());
            start.push(start[s] + m * ns);
            work[s] += (0..ns).map(|j| ((m - j) as f64).powi(2)).sum::<f64>();
            if node.parent != s {
                children[node.parent].push(s);
                subtree[node.parent] = subtree[node.parent].min(subtree[s]);
                work[node.parent] += work[s];
            }
            if u32::try_from(m * ns).is_err() {
                return Err(resources);
            }
        }
        let (row_ptr, nonzeros) = (a.row_ptr.clone(), a.col_idx.len());
        let mut new = vec![0u32; a.nrows];
        tree.order.iter().enumerate().for_each(|(i, &u)| new[u as usize] = i as u32);
        let (place, values) = (Vec::new(), Vec::new());
        Ok(MultifrontalCholesky { tree, children, subtree, work, start, row_ptr, nonzeros, new, place, values, factored: false })
    }

    /// The same analysis for numbers of another type, not factored.
    pub fn cast<U: Real>(&self) -> MultifrontalCholesky<U> {
        MultifrontalCholesky {
            tree: self.tree.clone(),
            children: self.children.clone(),
            subtree: self.subtree.clone(),
            work: self.work.clone(),
            start: self.start.clone(),
            row_ptr: self.row_ptr.clone(),
            nonzeros: self.nonzeros,
            new: self.new.clone(),
            place: self.place.clone(),
            values: Vec::new(),
            factored: false,
        }
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.row_ptr.len() - 1
    }

    /// Size of the factor, known once a pattern is analysed.
    pub fn factor_size(&self) -> FactorSize {
        let largest_front = self.tree.supernodes.iter().map(|s| s.columns() + s.rows.len()).max().unwrap_or(0);
        FactorSize { nonzeros: self.start[self.start.len() - 1], largest_front, raised: 0 }
    }

    /// Floating-point operations of a factorisation: multiplications with additions.
    pub fn operations(&self) -> f64 {
        self.tree.supernodes.iter().enumerate().filter(|(s, node)| node.parent == *s).map(|(s, _)| self.work[s]).sum()
    }

    /// Bytes that a factorisation takes: the factor and the largest set of fronts that wait for their parents.
    pub fn memory(&self) -> usize {
        // What a subtree needs at most, and what it leaves to its parent (Liu 1986).
        let mut peak = vec![0usize; self.children.len()];
        for (s, node) in self.tree.supernodes.iter().enumerate() {
            let own = node.rows.len().pow(2);
            let mut held = 0;
            for (i, &c) in self.children[s].iter().enumerate() {
                peak[s] = peak[s].max(held + peak[c]);
                held = if i == 0 { own } else { held };
                peak[s] = peak[s].max(held + self.tree.supernodes[c].rows.len().pow(2));
            }
            peak[s] = peak[s].max(own);
        }
        let roots = self.tree.supernodes.iter().enumerate().filter(|(s, node)| node.parent == *s);
        size_of::<T>() * (self.factor_size().nonzeros + roots.map(|(s, _)| peak[s]).max().unwrap_or(0))
    }

    /// Factors a matrix of the analysed pattern, in the memory of an earlier factorisation.
    ///
    /// # Errors
    /// Another pattern, or a matrix that is not positive definite.
    pub fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.factor_scaled(a, None)
    }

    /// Factors `S A S` with a diagonal `S` `[size]`, so that single precision has the range for it.
    ///
    /// # Errors
    /// As [`MultifrontalCholesky::factor`].
    pub fn factor_scaled(&mut self, a: &CsrMatrix, scale: Option<&[f64]>) -> Result<(), SolveError> {
        if a.row_ptr != self.row_ptr || a.nnz() != self.nonzeros {
            return Err(SolveError::Pattern);
        }
        if !self.values.is_empty() && self.place.is_empty() {
            self.place = places(a, &self.tree, &self.new);
        }
        let mut values = std::mem::take(&mut self.values);
        if values.is_empty() {
            // Fresh pages are zero already.
            values = vec![T::default(); self.factor_size().nonzeros];
        } else {
            values.fill(T::default());
        }
        let outcome = self.factor_roots(&Source { a, scale }, &mut values);
        self.values = values;
        self.factored = outcome.is_ok();
        outcome.map_err(|pivot| SolveError::Pivot { kind: "not positive definite", pivot, size: self.size() })
    }

    fn factor_roots(&self, a: &Source<'_>, values: &mut [T]) -> Result<(), usize> {
        let roots: Vec<usize> = (0..self.children.len()).filter(|&s| self.tree.supernodes[s].parent == s).collect();
        let tasks = self.split(&roots, values);
        let pool = Pool::new();
        tasks
            .into_par_iter()
            .map(|(root, values)| self.factor_subtree(a, root, values, &pool).map(|_| ()))
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// The values of some neighbouring subtrees, one slice each.
    fn split<'v>(&self, roots: &[usize], values: &'v mut [T]) -> Vec<(usize, &'v mut [T])> {
        let mut rest = values;
        let cut = |&root: &usize| {
            let len = self.start[root + 1] - self.start[self.subtree[root]];
            let (own, others) = std::mem::take(&mut rest).split_at_mut(len);
            rest = others;
            (root, own)
        };
        roots.iter().map(cut).collect()
    }

    /// Factors a subtree whose panels are `values`; gives what is left for the parent: `[rows, rows]` by columns, lower triangle.
    fn factor_subtree(&self, a: &Source<'_>, s: usize, values: &mut [T], pool: &Pool<T>) -> Result<Vec<T>, usize> {
        let node = &self.tree.supernodes[s];
        let (ns, nr) = (node.columns(), node.rows.len());
        let (below, panel) = values.split_at_mut(self.start[s] - self.start[self.subtree[s]]);
        let tasks = self.split(&self.children[s], below);
        self.add_entries(a, s, panel, pool);
        let mut update = None;
        let mut add = |child: usize, left: Vec<T>| {
            let update = update.get_or_insert_with(|| pool.zeros(nr * nr));
            extend_add(&self.tree.supernodes[child].rows, &left, node, panel, update);
            pool.give_back(left);
        };
        if tasks.len() > 1 && self.work[s] > WORTH {
            let one = |(c, values)| (c, self.factor_subtree(a, c, values, pool));
            let done: Vec<_> = tasks.into_par_iter().map(one).collect();
            for (child, left) in done {
                add(child, left?);
            }
        } else {
            for (child, values) in tasks {
                let left = self.factor_subtree(a, child, values, pool)?;
                add(child, left);
            }
        }
        let mut update = update.unwrap_or_else(|| pool.zeros(nr * nr));
        factor_front(panel, &mut update, ns, nr).map_err(|at| node.first + at)?;
        Ok(update)
    }

    /// Entries of the matrix in the columns of a supernode.
    fn add_entries(&self, source: &Source<'_>, s: usize, panel: &mut [T], pool: &Pool<T>) {
        let (node, a) = (&self.tree.supernodes[s], source.a);
        let value = |u: u32, k: usize| {
            let scale = source.scale.map_or(1.0, |s| s[u as usize] * s[a.col_idx[k] as usize]);
            T::of(scale * a.values[k])
        };
        if self.place.is_empty() {
            pool.with_local(self.size(), |local| {
                each_place(a, &self.tree, &self.new, node, local, |u, k, place| panel[place as usize] = value(u, k));
            });
            return;
        }
        for &u in &self.tree.order[node.first..node.end] {
            for k in a.row_ptr[u as usize]..a.row_ptr[u as usize + 1] {
                if self.place[k] != NONE {
                    panel[self.place[k] as usize] = value(u, k);
                }
            }
        }
    }

    /// Solves for `count` right-hand sides in place; `b` is `[count, size]`, one after the other.
    ///
    /// # Errors
    /// Before [`MultifrontalCholesky::factor`], or where lengths differ.
    pub fn apply_inverse(&self, b: &mut [f64], count: usize) -> Result<(), SolveError> {
        let n = self.size();
        if !self.factored {
            return Err(SolveError::NotFactored);
        }
        if b.len() != n * count {
            return Err(SolveError::Shape { what: "right-hand sides", expected: n * count, got: b.len() });
        }
        let mut x: Vec<T> = b.chunks(n.max(1)).flat_map(|b| self.tree.order.iter().map(|&u| T::of(b[u as usize]))).collect();
        substitute(&self.tree.supernodes, &self.start, &self.values, &mut x, n);
        for (x, b) in x.chunks(n.max(1)).zip(b.chunks_mut(n.max(1))) {
            self.tree.order.iter().zip(x).for_each(|(&u, v)| b[u as usize] = v.wide());
        }
        Ok(())
    }
}

/// A matrix and what its rows and columns are multiplied by.
struct Source<'a> {
    a: &'a CsrMatrix,
    scale: Option<&'a [f64]>,
}

/// Place of each entry `(r, c)` in the panel of the column that is eliminated first.
fn places(a: &CsrMatrix, tree: &Tree, new: &[u32]) -> Vec<u32> {
    let mut local = vec![0u32; a.nrows];
    let mut place = vec![NONE; a.nnz()];
    for node in &tree.supernodes {
        each_place(a, tree, new, node, &mut local, |_, k, p| place[k] = p);
    }
    place
}

/// Calls `found(unknown, k, place)` for each entry `k` of the matrix, in the row of an unknown, that has a place in the panel of a supernode.
/// `local` is `[size]`, of any values.
fn each_place(a: &CsrMatrix, tree: &Tree, new: &[u32], node: &Supernode, local: &mut [u32], mut found: impl FnMut(u32, usize, u32)) {
    let (ns, m) = (node.columns(), node.columns() + node.rows.len());
    node.rows.iter().enumerate().for_each(|(i, &r)| local[r as usize] = (ns + i) as u32);
    for q in node.first..node.end {
        local[q] = (q - node.first) as u32;
    }
    for q in node.first..node.end {
        let u = tree.order[q];
        for k in a.row_ptr[u as usize]..a.row_ptr[u as usize + 1] {
            let p = new[a.col_idx[k] as usize] as usize;
            if p >= q {
                found(u, k, ((q - node.first) * m) as u32 + local[p]);
            }
        }
    }
}

/// Adds what a child left to the panel of its parent and to what that leaves in turn.
fn extend_add<T: Real>(rows: &[u32], left: &[T], node: &Supernode, panel: &mut [T], update: &mut [T]) {
    let (ns, nr) = (node.columns(), node.rows.len());
    let mut at = 0;
    let local: Vec<usize> = rows
        .iter()
        .map(|&r| {
            if (r as usize) < node.end {
                return r as usize - node.first;
            }
            while node.rows[at] != r {
                at += 1;
            }
            ns + at
        })
        .collect();
    for (j, &column) in local.iter().enumerate() {
        let from = &left[j * rows.len() + j..(j + 1) * rows.len()];
        let (to, shift) = if column < ns { (&mut panel[column * (ns + nr)..], 0) } else { (&mut update[(column - ns) * nr..], ns) };
        for (v, &row) in from.iter().zip(&local[j..]) {
            to[row - shift] += *v;
        }
    }
}

/// Factors the columns `panel` `[ns + nr, ns]` and takes their product from `update` `[nr, nr]`. The error is the number of the pivot.
fn factor_front<T: Real>(panel: &mut [T], update: &mut [T], ns: usize, nr: usize) -> Result<(), usize> {
    let m = ns + nr;
    let narrow = ns <= NARROW && m * ns <= NEAR;
    if narrow {
        let mut failed = ns;
        eliminate(panel, m, ns, &mut failed);
        if failed < ns {
            return Err(failed);
        }
    }
    let mut done = if narrow { ns } else { 0 };
    let mut rest = MatMut::from_column_major_slice_mut(panel, m, ns);
    while done < ns {
        let width = BLOCK.min(ns - done);
        let (mut left, mut right) = rest.rb_mut().subcols_mut(done, ns - done).split_at_col_mut(width);
        let (mut square, mut below) = left.rb_mut().subrows_mut(done, m - done).split_at_row_mut(width);
        let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(width, Par::Seq, Default::default()));
        cholesky_in_place(square.rb_mut(), Default::default(), Par::Seq, MemStack::new(&mut memory), Default::default())
            .map_err(|LltError::NonPositivePivot { index }| done + index)?;
        if (0..width).any(|j| !square[(j, j)].wide().is_finite()) {
            return Err(done);
        }
        triangle(square.rb(), below.rb_mut());
        // The columns of the panel that are not factored yet.
        product(below.rb(), right.rb_mut().subrows_mut(done + width, m - done - width));
        done += width;
    }
    if nr > 0 {
        product(rest.rb().subrows(ns, nr), MatMut::from_column_major_slice_mut(update, nr, nr));
    }
    Ok(())
}

/// `below <- below square^-T`, rows by tiles.
fn triangle<T: Real>(square: MatRef<'_, T>, mut below: MatMut<'_, T>) {
    let width = square.ncols();
    let tile = |rows: MatMut<'_, T>| solve_lower_triangular_in_place(square, rows.transpose_mut(), Par::Seq);
    if (below.nrows() * width * width) as f64 > WORTH {
        let mut tiles = Vec::new();
        while below.nrows() > 2 * BLOCK {
            let (first, rest) = below.split_at_row_mut(2 * BLOCK);
            tiles.push(first);
            below = rest;
        }
        tiles.push(below);
        tiles.into_par_iter().for_each(tile);
    } else if below.nrows() > 0 {
        tile(below);
    }
}

/// `to <- to - l l^T` in the lower triangle of the first columns of a product, by tiles of columns; `to` has as many rows as `l`.
fn product<T: Real>(l: MatRef<'_, T>, mut to: MatMut<'_, T>) {
    let (rows, columns) = (to.nrows(), to.ncols());
    let parallel = (rows * columns * l.ncols()) as f64 > WORTH;
    let mut tiles = Vec::with_capacity(columns / BLOCK + 1);
    let mut first = 0;
    while to.ncols() > 0 {
        let (tile, rest) = {
            let width = BLOCK.min(to.ncols());
            to.split_at_col_mut(width)
        };
        let width = tile.ncols();
        tiles.push((first, tile));
        to = rest;
        first += width;
    }
    let tile = |(first, tile): (usize, MatMut<'_, T>)| {
        let width = tile.ncols();
        let right = l.subrows(first, width);
        matmul(tile.subrows_mut(first, rows - first), Accum::Add, l.subrows(first, rows - first), right.transpose(), T::of(-1.0), Par::Seq);
    };
    if parallel {
        tiles.into_par_iter().for_each(tile);
    } else {
        tiles.into_iter().for_each(tile);
    }
}

crate::simd::wide! {
    /// Factors a narrow panel `[m, ns]` column by column, each less its products with those before, four at a time: such panels lie in a
    /// near cache, and a product of matrices costs more to prepare than it gains. `failed` is the pivot that is not positive, if any.
    fn eliminate<T: Real>(panel: &mut [T], m: usize, ns: usize, failed: &mut usize) {
        for j in 0..ns {
            let (before, rest) = panel.split_at_mut(j * m);
            let column = &mut rest[j..m];
            let blocks = j / WIDTH * WIDTH;
            for k in (0..blocks).step_by(WIDTH) {
                let v = [before[k * m + j], before[(k + 1) * m + j], before[(k + 2) * m + j], before[(k + 3) * m + j]];
                subtract(column, v, below(before, m, k, j));
            }
            for k in blocks..j {
                subtract(column, [before[k * m + j]], [&before[k * m + j..]]);
            }
            let pivot = column[0].wide();
            if !pivot.is_finite() || pivot <= 0.0 {
                *failed = j;
                return;
            }
            let inverse = T::of(1.0 / pivot.sqrt());
            for v in column.iter_mut() {
                *v *= inverse;
            }
        }
    }
}

crate::simd::wide! {
    /// Forward and backward substitution for vectors `[count, n]` in the order of elimination.
    fn substitute<T: Real>(supernodes: &[Supernode], start: &[usize], values: &[T], x: &mut [T], n: usize) {
        let mut work = Vec::new();
        for (node, &at) in supernodes.iter().zip(start) {
            let (ns, nr) = (node.columns(), node.rows.len());
            let m = ns + nr;
            let panel = &values[at..at + m * ns];
            for x in x.chunks_exact_mut(n) {
                work.clear();
                work.extend_from_slice(&x[node.first..node.end]);
                work.resize(m, T::default());
                let blocks = ns / WIDTH * WIDTH;
                for j in (0..blocks).step_by(WIDTH) {
                    let end = j + WIDTH;
                    for k in j..end {
                        let v = work[k] / panel[k * m + k];
                        work[k] = v;
                        subtract(&mut work[k + 1..end], [v], [&panel[k * m + k + 1..]]);
                    }
                    let v = [work[j], work[j + 1], work[j + 2], work[j + 3]];
                    subtract(&mut work[end..], v, below(panel, m, j, end));
                }
                for j in blocks..ns {
                    let v = work[j] / panel[j * m + j];
                    work[j] = v;
                    subtract(&mut work[j + 1..], [v], [&panel[j * m + j + 1..]]);
                }
                x[node.first..node.end].copy_from_slice(&work[..ns]);
                for (&r, w) in node.rows.iter().zip(&work[ns..]) {
                    x[r as usize] += *w;
                }
            }
        }
        for (node, &at) in supernodes.iter().zip(start).rev() {
            let (ns, nr) = (node.columns(), node.rows.len());
            let m = ns + nr;
            let panel = &values[at..at + m * ns];
            for x in x.chunks_exact_mut(n) {
                work.clear();
                work.extend_from_slice(&x[node.first..node.end]);
                for &r in &node.rows {
                    work.push(x[r as usize]);
                }
                let blocks = ns / WIDTH * WIDTH;
                for j in (blocks..ns).rev() {
                    let sum = products(&work[j + 1..], [&panel[j * m + j + 1..]])[0];
                    work[j] = (work[j] - sum) / panel[j * m + j];
                }
                for j in (0..blocks).step_by(WIDTH).rev() {
                    let end = j + WIDTH;
                    let sums = products(&work[end..], below(panel, m, j, end));
                    for k in (0..WIDTH).rev() {
                        let mut v = work[j + k] - sums[k];
                        for i in k + 1..WIDTH {
                            v -= work[j + i] * panel[(j + k) * m + j + i];
                        }
                        work[j + k] = v / panel[(j + k) * m + j + k];
                    }
                }
                x[node.first..node.end].copy_from_slice(&work[..ns]);
            }
        }
    }
}
