//! From a chunk's own sums to the matrix or vector.

use super::lanes::LANES;
use super::plan::{Chunk, FLIP, Plan};
use femur_solve::{BsrMatrix, CsrMatrix};
use rayon::prelude::*;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

/// What several chunks write to at places of their own.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    values: *mut f64,
    len: usize,
    marker: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: see `Places::update`: threads write to different places.
unsafe impl Send for Places<'_> {}
// SAFETY: as above.
unsafe impl Sync for Places<'_> {}

impl<'a> Places<'a> {
    pub(crate) fn new(values: &'a mut [f64]) -> Self {
        Places { values: values.as_mut_ptr(), len: values.len(), marker: std::marker::PhantomData }
    }

    /// Sets a place, or adds to it.
    ///
    /// Callers in parallel loops take each place in one iteration only: the plan gives a block of the matrix to one chunk, or to one
    /// entry of the list of shared blocks.
    #[inline(always)]
    fn update(self, at: usize, value: f64, add: bool) {
        assert!(at < self.len);
        // SAFETY: `at` is in bounds, the borrow lives as long as `self`, and no other thread touches this place (above).
        unsafe {
            let place = self.values.add(at);
            *place = if add { *place + value } else { value };
        }
    }

    /// Adds up slots of `size` values into the first of them; whose they are as in [`Places::update`].
    #[inline(always)]
    fn gather(self, slots: &[u32], size: usize) {
        let [first, others @ ..] = slots else { return };
        for &s in others {
            for e in 0..size {
                let (to, from) = (*first as usize * size + e, s as usize * size + e);
                assert!(to < self.len && from < self.len);
                // SAFETY: in bounds, and no other thread touches these slots.
                unsafe { *self.values.add(to) += *self.values.add(from) }
            }
        }
    }

    /// Sets places from `at` on; whose they are as in [`Places::update`].
    fn copy(self, at: usize, values: &[f64]) {
        assert!(at + values.len() <= self.len);
        // SAFETY: in bounds, the borrow lives as long as `self`, and no other thread touches these places.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.values.add(at), values.len()) }
    }
}

/// How the values of a block of `c` x `c` unknowns lie.
#[derive(Clone, Copy)]
enum Layout {
    Rows,
    Blocks,
}

/// A matrix to fill.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    places: Places<'a>,
    layout: Layout,
    plan: &'a Plan,
    c: usize,
    parts: Parts,
}

/// What the sums of a matrix hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// A block per node and two per pair, added to what the matrix holds.
    All,
    /// A block per node and one per pair of a symmetric matrix, which they replace.
    Symmetric,
    /// A block per pair of a symmetric matrix whose rows of blocks add up to zero, which they replace.
    Pairs,
}

impl Parts {
    /// Values for each node, and for each pair, of `c` unknowns at a node.
    fn sizes(self, c: usize) -> [usize; 2] {
        match self {
            Parts::All => [c * c, 2 * c * c],
            Parts::Symmetric => [c * c, c * c],
            Parts::Pairs => [0, c * c],
        }
    }
}

impl<'a> Target<'a> {
    pub(super) fn rows(matrix: &'a mut CsrMatrix, plan: &'a Plan, c: usize) -> Self {
        let layout = if c == 1 { Layout::Blocks } else { Layout::Rows };
        Target { places: Places::new(&mut matrix.values), layout, plan, c, parts: Parts::All }
    }

    pub(super) fn blocks(matrix: &'a mut BsrMatrix, plan: &'a Plan) -> Self {
        let c = matrix.block;
        Target { places: Places::new(&mut matrix.values), layout: Layout::Blocks, plan, c, parts: Parts::All }
    }

    /// The same matrix filled from other sums.
    pub(super) fn of(self, parts: Parts) -> Self {
        Target { parts, ..self }
    }

    /// The row of blocks of a node. Callers in parallel loops take each place of it in one iteration only (`Places::update`).
    #[inline(always)]
    fn row<const C: usize>(self, node: u32) -> Row<'a> {
        let c = if C > 0 { C } else { self.c };
        let row = self.plan.row(node as usize);
        let first = c * c * row.start;
        assert!(first + c * c * row.len() <= self.places.len);
        let (step, stride) = match self.layout {
            Layout::Blocks => (c * c, c),
            Layout::Rows => (c, c * row.len()),
        };
        Row { places: self.places, first, step, stride, len: row.len(), diagonal: self.plan.diagonal[node as usize] as usize - row.start }
    }
}

/// A row of blocks.
struct Row<'a> {
    places: Places<'a>,
    /// Where the first block starts, what lies from one to the next, and between the rows of one block.
    first: usize,
    step: usize,
    stride: usize,
    /// Number of blocks, and the one on the diagonal.
    len: usize,
    diagonal: usize,
}

impl Row<'_> {
    /// Writes block `k` over what is there, or adds it.
    #[inline(always)]
    fn put<const REPLACE: bool>(&self, c: usize, k: usize, block: &[f64], transposed: bool) {
        assert!(k < self.len);
        let (row, column) = if transposed { (1, c) } else { (c, 1) };
        let block = &block[..c * c];
        for i in 0..c {
            for j in 0..c {
                // SAFETY: the row was found in bounds as it was made, and this block is the caller's alone (`Target::row`).
                unsafe {
                    let place = self.places.values.add(self.first + k * self.step + i * self.stride + j);
                    let value = block[i * row + j * column];
                    *place = if REPLACE { value } else { *place + value };
                }
            }
        }
    }

    /// Block `k`.
    #[inline(always)]
    fn get(&self, c: usize, k: usize, i: usize, j: usize) -> f64 {
        assert!(k < self.len && i < c && j < c);
        // SAFETY: as in `put`; the caller wrote it, or it was written before.
        unsafe { *self.places.values.add(self.first + k * self.step + i * self.stride + j) }
    }

    /// Makes the block on the diagonal from the sum of the others: together they are zero.
    #[inline(always)]
    fn close(&self, c: usize, mut sum: [f64; 9]) {
        // Symmetric to the last bit.
        for i in 0..c {
            for j in i..c {
                let mean = -0.5 * (sum[i * c + j] + sum[j * c + i]);
                (sum[i * c + j], sum[j * c + i]) = (mean, mean);
            }
        }
        self.put::<true>(c, self.diagonal, &sum, false);
    }
}

/// Sums of one chunk: a block per node, and per pair one block (symmetric matrices) or two.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) nodes: Vec<f64>,
    pub(super) pairs: Vec<f64>,
    /// Coordinates of the chunk's nodes, each filled up to a register.
    pub(super) x: Vec<[f64; LANES]>,
}

impl Sums {
    pub(super) fn reset(&mut self, chunk: &Chunk, c: usize, parts: Parts) {
        let [node, pair] = parts.sizes(c);
        self.nodes.clear();
        self.nodes.resize(chunk.nodes.len() * node, 0.0);
        self.pairs.clear();
        self.pairs.resize(chunk.num_pairs * pair, 0.0);
    }

    /// Adds a whole element matrix `[k c, k c]`, row-major.
    pub(super) fn add_element(&mut self, chunk: &Chunk, cell: usize, c: usize, element: &[f64]) {
        let k = chunk.width;
        let width = k * c;
        let local = &chunk.local[cell * k..(cell + 1) * k];
        let mut pair = chunk.pairs[cell * super::plan::num_pairs(k)..].iter();
        let block = |to: &mut [f64], a: usize, b: usize| {
            for i in 0..c {
                let from = &element[(a * c + i) * width + b * c..][..c];
                to[i * c..(i + 1) * c].iter_mut().zip(from).for_each(|(t, f)| *t += f);
            }
        };
        for a in 0..k {
            block(&mut self.nodes[local[a] as usize * c * c..][..c * c], a, a);
            for b in a + 1..k {
                let Some(&code) = pair.next() else { return };
                let (at, flip) = (2 * (code & !FLIP) as usize * c * c, code & FLIP != 0);
                let (upper, lower) = self.pairs[at..at + 2 * c * c].split_at_mut(c * c);
                let (ab, ba) = if flip { (lower, upper) } else { (upper, lower) };
                block(ab, a, b);
                block(ba, b, a);
            }
        }
    }
}

/// Shared blocks, a slot per chunk.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pairs: Vec<f64>,
    nodes: Vec<f64>,
}

impl Kept {
    /// The two lists of slots, for threads to write to: every chunk writes its own.
    pub(super) fn places(&mut self, plan: &Plan, c: usize, parts: Parts) -> [Places<'_>; 2] {
        let [node, pair] = parts.sizes(c);
        self.pairs.resize(plan.pairs.slots.len() * pair, 0.0);
        self.nodes.resize(plan.nodes.slots.len() * node, 0.0);
        [Places::new(&mut self.pairs), Places::new(&mut self.nodes)]
    }
}

/// What one assembly leaves for the next: fresh pages would cost a tenth of its time.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    kept: Mutex<Vec<Kept>>,
    sums: Mutex<Vec<Sums>>,
}

impl Clone for Workspace {
    fn clone(&self) -> Self {
        Workspace::default()
    }
}

impl Workspace {
    pub(super) fn kept(&self) -> Lent<'_, Kept> {
        Lent::new(&self.kept)
    }

    pub(super) fn sums(&self) -> Lent<'_, Sums> {
        Lent::new(&self.sums)
    }
}

/// Something out of a pool, to which it returns.
pub(super) struct Lent<'a, T: Default> {
    pool: &'a Mutex<Vec<T>>,
    lent: T,
}

impl<'a, T: Default> Lent<'a, T> {
    fn new(pool: &'a Mutex<Vec<T>>) -> Self {
        Lent { pool, lent: pool.lock().ok().and_then(|mut p| p.pop()).unwrap_or_default() }
    }
}

impl<T: Default> Deref for Lent<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.lent
    }
}

impl<T: Default> DerefMut for Lent<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.lent
    }
}

impl<T: Default> Drop for Lent<'_, T> {
    fn drop(&mut self) {
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(std::mem::take(&mut self.lent));
        }
    }
}

/// Calls a function of the number of unknowns at a node (0 for any other) and of the parts: whether the matrix is symmetric, and whether
/// its rows add up to zero.
macro_rules! by_shape {
    ($target:expr, $function:ident($($argument:expr),*)) => {
        match ($target.c, $target.parts) {
            (1, Parts::Pairs) => $function::<1, true, true>($($argument),*),
            (2, Parts::Pairs) => $function::<2, true, true>($($argument),*),
            (_, Parts::Pairs) => $function::<3, true, true>($($argument),*),
            (1, Parts::Symmetric) => $function::<1, true, false>($($argument),*),
            (2, Parts::Symmetric) => $function::<2, true, false>($($argument),*),
            (3, Parts::Symmetric) => $function::<3, true, false>($($argument),*),
            (_, Parts::Symmetric) => $function::<0, true, false>($($argument),*),
            (1, Parts::All) => $function::<1, false, false>($($argument),*),
            (2, Parts::All) => $function::<2, false, false>($($argument),*),
            (3, Parts::All) => $function::<3, false, false>($($argument),*),
            (_, Parts::All) => $function::<0, false, false>($($argument),*),
        }
    };
}

/// The block of a pair or slot, and whether it is to be transposed.
#[inline(always)]
fn block<const SYMMETRIC: bool>(values: &[f64], cc: usize, pair: u32) -> (&[f64], bool) {
    let (at, flip) = ((pair & !FLIP) as usize, pair & FLIP != 0);
    if SYMMETRIC { (&values[at * cc..(at + 1) * cc], flip) } else { (&values[(2 * at + usize::from(flip)) * cc..][..cc], false) }
}

/// Writes a chunk's sums to the matrix, or to their slots.
pub(super) fn flush(chunk: &Chunk, sums: &Sums, target: Target<'_>, kept: [Places<'_>; 2]) {
    by_shape!(target, flush_blocks(chunk, sums, target, kept));
}

fn flush_blocks<const C: usize, const SYMMETRIC: bool, const CLOSED: bool>(
    chunk: &Chunk,
    sums: &Sums,
    target: Target<'_>,
    kept: [Places<'_>; 2],
) {
    let c = if C > 0 { C } else { target.c };
    let cc = c * c;
    let mut rest = &chunk.rows[..];
    for (i, &node) in chunk.nodes[..chunk.own_nodes].iter().enumerate() {
        let row = target.row::<C>(node);
        let (pairs, others) = rest.split_at(row.len - 1);
        rest = others;
        let mut sum = [0.0; 9];
        let (before, behind) = pairs.split_at(row.diagonal);
        for (first, pairs) in [(0, before), (row.diagonal + 1, behind)] {
            for (k, &pair) in pairs.iter().enumerate() {
                let (block, transposed) = block::<SYMMETRIC>(&sums.pairs, cc, pair);
                row.put::<SYMMETRIC>(c, first + k, block, transposed);
                if CLOSED {
                    // Transposed or not: the sum is made symmetric.
                    sum.iter_mut().zip(block).for_each(|(s, v)| *s += v);
                }
            }
        }
        if CLOSED {
            row.close(c, sum);
        } else {
            row.put::<SYMMETRIC>(c, row.diagonal, &sums.nodes[i * cc..(i + 1) * cc], false);
        }
    }
    for (i, &node) in chunk.nodes[chunk.own_nodes..].iter().enumerate() {
        put_some::<SYMMETRIC>(&target.row::<C>(node), c, chunk.outer.row(i), &sums.pairs);
    }
    let size = if SYMMETRIC { cc } else { 2 * cc };
    kept[0].copy(chunk.pair_slot * size, &sums.pairs[chunk.own_pairs * size..]);
    if !CLOSED {
        kept[1].copy(chunk.node_slot * cc, &sums.nodes[chunk.own_nodes * cc..]);
    }
}

/// Writes some blocks of a row: their places and pairs, or slots.
#[inline(always)]
fn put_some<const SYMMETRIC: bool>(row: &Row<'_>, c: usize, entries: &[[u32; 2]], values: &[f64]) {
    for &[place, pair] in entries {
        let (block, transposed) = block::<SYMMETRIC>(values, c * c, pair);
        row.put::<SYMMETRIC>(c, place as usize, block, transposed);
    }
}

/// Adds up the shared blocks, slot after slot.
pub(super) fn finish(kept: &mut Kept, target: Target<'_>) {
    by_shape!(target, finish_blocks(kept, target));
}

fn finish_blocks<const C: usize, const SYMMETRIC: bool, const CLOSED: bool>(kept: &mut Kept, target: Target<'_>) {
    let plan = target.plan;
    let c = if C > 0 { C } else { target.c };
    let cc = c * c;
    let size = if SYMMETRIC { cc } else { 2 * cc };
    let slots = Places::new(&mut kept.pairs);
    (0..plan.pairs.ptr.len() - 1).into_par_iter().with_min_len(1024).for_each(|i| slots.gather(plan.pairs.slots(i), size));
    let (pairs, nodes) = (&kept.pairs[..], &kept.nodes[..]);
    plan.node_ends.par_iter().enumerate().with_min_len(256).for_each(|(i, &node)| {
        let row = target.row::<C>(node);
        put_some::<SYMMETRIC>(&row, c, plan.rows.row(i), pairs);
        if CLOSED {
            let mut sum = [0.0; 9];
            for k in (0..row.len).filter(|&k| k != row.diagonal) {
                for e in 0..cc {
                    sum[e] += row.get(c, k, e / c, e % c);
                }
            }
            row.close(c, sum);
        } else {
            let node = |s: u32| &nodes[s as usize * cc..(s as usize + 1) * cc];
            if let [first, others @ ..] = plan.nodes.slots(i) {
                row.put::<SYMMETRIC>(c, row.diagonal, node(*first), false);
                others.iter().for_each(|&s| row.put::<false>(c, row.diagonal, node(s), false));
            }
        }
    });
}

/// Writes a chunk's vector `[nodes, c]` to a global one, or to slots.
pub(crate) fn flush_vector(chunk: &Chunk, sums: &[f64], c: usize, target: Places<'_>, kept: Places<'_>, add: bool) {
    let (own, shared) = sums.split_at(chunk.own_nodes * c);
    for (&node, values) in chunk.nodes.iter().zip(own.chunks_exact(c)) {
        values.iter().enumerate().for_each(|(j, &v)| target.update(node as usize * c + j, v, add));
    }
    kept.copy(chunk.node_slot * c, shared);
}

/// Adds up the shared nodes of a vector.
pub(crate) fn finish_vector(plan: &Plan, kept: &[f64], c: usize, target: Places<'_>, add: bool) {
    plan.node_ends.par_iter().enumerate().with_min_len(2048).for_each(|(i, &n)| {
        for j in 0..c {
            let sum = plan.nodes.slots(i).iter().map(|&s| kept[s as usize * c + j]).sum();
            target.update(n as usize * c + j, sum, add);
        }
    });
}
