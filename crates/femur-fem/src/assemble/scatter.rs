//! From a chunk's own sums to the matrix or vector.

use super::plan::{Chunk, FLIP, Plan};
use femur_solve::{BsrMatrix, CsrMatrix};
use rayon::prelude::*;

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
    /// Whether the matrix is symmetric, of which sums hold a block for each pair, and replaced; else they hold two, and are added.
    symmetric: bool,
}

impl<'a> Target<'a> {
    pub(super) fn rows(matrix: &'a mut CsrMatrix, plan: &'a Plan, c: usize, symmetric: bool) -> Self {
        Target { places: Places::new(&mut matrix.values), layout: if c == 1 { Layout::Blocks } else { Layout::Rows }, plan, c, symmetric }
    }

    pub(super) fn blocks(matrix: &'a mut BsrMatrix, plan: &'a Plan, symmetric: bool) -> Self {
        let c = matrix.block;
        Target { places: Places::new(&mut matrix.values), layout: Layout::Blocks, plan, c, symmetric }
    }

    /// Writes the block of a place in the row of `node` over what is there, or adds it.
    #[inline(always)]
    fn put<const C: usize, const REPLACE: bool>(self, node: u32, place: usize, block: &[f64], transposed: bool) {
        let c = if C > 0 { C } else { self.c };
        let (base, stride) = match self.layout {
            Layout::Blocks => (place * c * c, c),
            Layout::Rows => {
                let row = self.plan.row(node as usize);
                (c * c * row.start + (place - row.start) * c, row.len() * c)
            }
        };
        let (row, column) = if transposed { (1, c) } else { (c, 1) };
        let block = &block[..c * c];
        assert!(base + (c - 1) * stride + c <= self.places.len);
        for i in 0..c {
            for j in 0..c {
                // SAFETY: the last place was just found in bounds, and this block is the caller's alone (`Places::update`).
                unsafe {
                    let place = self.places.values.add(base + i * stride + j);
                    let value = block[i * row + j * column];
                    *place = if REPLACE { value } else { *place + value };
                }
            }
        }
    }
}

/// Sums of one chunk: a block per node, and per pair one block (symmetric matrices) or two.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) nodes: Vec<f64>,
    pub(super) pairs: Vec<f64>,
}

impl Sums {
    pub(super) fn reset(&mut self, chunk: &Chunk, c: usize, symmetric: bool) {
        self.nodes.clear();
        self.nodes.resize(chunk.nodes.len() * c * c, 0.0);
        self.pairs.clear();
        self.pairs.resize(chunk.ends.len() * c * c * if symmetric { 1 } else { 2 }, 0.0);
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
pub(super) struct Kept {
    pairs: Vec<f64>,
    nodes: Vec<f64>,
}

impl Kept {
    pub(super) fn new(plan: &Plan, c: usize, symmetric: bool) -> Self {
        let blocks = if symmetric { 1 } else { 2 };
        Kept { pairs: vec![0.0; plan.pairs.slots.len() * c * c * blocks], nodes: vec![0.0; plan.nodes.slots.len() * c * c] }
    }

    /// The two lists of slots, for threads to write to.
    pub(super) fn places(&mut self) -> [Places<'_>; 2] {
        [Places::new(&mut self.pairs), Places::new(&mut self.nodes)]
    }
}

/// Calls a function of the number of unknowns at a node (0 for any other) and of whether the matrix is symmetric.
macro_rules! by_shape {
    ($target:expr, $function:ident($($argument:expr),*)) => {
        match ($target.c, $target.symmetric) {
            (1, true) => $function::<1, true>($($argument),*),
            (2, true) => $function::<2, true>($($argument),*),
            (3, true) => $function::<3, true>($($argument),*),
            (_, true) => $function::<0, true>($($argument),*),
            (1, false) => $function::<1, false>($($argument),*),
            (2, false) => $function::<2, false>($($argument),*),
            (3, false) => $function::<3, false>($($argument),*),
            (_, false) => $function::<0, false>($($argument),*),
        }
    };
}

/// Writes a chunk's sums to the matrix, or to their slots.
pub(super) fn flush(chunk: &Chunk, sums: &Sums, target: Target<'_>, kept: [Places<'_>; 2]) {
    by_shape!(target, flush_blocks(chunk, sums, target, kept));
}

fn flush_blocks<const C: usize, const SYMMETRIC: bool>(chunk: &Chunk, sums: &Sums, target: Target<'_>, kept: [Places<'_>; 2]) {
    let cc = if C > 0 { C * C } else { target.c * target.c };
    let size = if SYMMETRIC { cc } else { 2 * cc };
    let (nodes, shared) = sums.nodes.split_at(chunk.own_nodes * cc);
    for (&node, block) in chunk.nodes.iter().zip(nodes.chunks_exact(cc)) {
        target.put::<C, SYMMETRIC>(node, target.plan.diagonal[node as usize] as usize, block, false);
    }
    kept[1].copy(chunk.node_slot * cc, shared);
    let (pairs, shared) = sums.pairs.split_at(chunk.own_pairs * size);
    for ((&[a, b], &[ab, ba]), blocks) in chunk.ends.iter().zip(&chunk.place).zip(pairs.chunks_exact(size)) {
        target.put::<C, SYMMETRIC>(chunk.nodes[a as usize], ab as usize, &blocks[..cc], false);
        target.put::<C, SYMMETRIC>(chunk.nodes[b as usize], ba as usize, &blocks[size - cc..], SYMMETRIC);
    }
    kept[0].copy(chunk.pair_slot * size, shared);
}

/// Adds up the shared blocks, slot after slot.
pub(super) fn finish(kept: &Kept, target: Target<'_>) {
    by_shape!(target, finish_blocks(kept, target));
}

fn finish_blocks<const C: usize, const SYMMETRIC: bool>(kept: &Kept, target: Target<'_>) {
    let plan = target.plan;
    let cc = if C > 0 { C * C } else { target.c * target.c };
    let size = if SYMMETRIC { cc } else { 2 * cc };
    let pair = |out: &mut Vec<f64>, (i, &([a, b], [ab, ba])): (usize, &([u32; 2], [u32; 2]))| {
        sum(&kept.pairs, plan.pairs.slots(i), &mut out[..size]);
        target.put::<C, SYMMETRIC>(a, ab as usize, &out[..cc], false);
        target.put::<C, SYMMETRIC>(b, ba as usize, &out[size - cc..], SYMMETRIC);
    };
    plan.pair_ends.par_iter().enumerate().with_min_len(1024).for_each_init(|| vec![0.0; size], pair);
    let node = |out: &mut Vec<f64>, (i, &n): (usize, &u32)| {
        sum(&kept.nodes, plan.nodes.slots(i), &mut out[..cc]);
        target.put::<C, SYMMETRIC>(n, plan.diagonal[n as usize] as usize, out, false);
    };
    plan.node_ends.par_iter().enumerate().with_min_len(1024).for_each_init(|| vec![0.0; cc], node);
}

/// The sum of some slots of as many values as `out` has.
#[inline(always)]
fn sum(values: &[f64], slots: &[u32], out: &mut [f64]) {
    let size = out.len();
    out.fill(0.0);
    for &s in slots {
        let slot = &values[s as usize * size..(s as usize + 1) * size];
        for (o, v) in out.iter_mut().zip(slot) {
            *o += v;
        }
    }
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
