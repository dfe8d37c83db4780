//! From a chunk's own sums to the matrix or vector.

use super::plan::{Chunk, FLIP, NONE, Plan};
use femur_solve::{BsrMatrix, CsrMatrix};
use rayon::prelude::*;

/// What several chunks write to at places of their own.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    values: *mut f64,
    len: usize,
    marker: std::marker::PhantomData<&'a mut [f64]>,
}

// SAFETY: see `Places::update`: threads write to different places.
unsafe impl Send for Places<'_> {}
// SAFETY: as above.
unsafe impl Sync for Places<'_> {}

impl<'a> Places<'a> {
    pub(super) fn new(values: &'a mut [f64]) -> Self {
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
    /// Add to what is there, or replace it.
    add: bool,
}

impl<'a> Target<'a> {
    pub(super) fn rows(matrix: &'a mut CsrMatrix, plan: &'a Plan, c: usize, add: bool) -> Self {
        Target { places: Places::new(&mut matrix.values), layout: if c == 1 { Layout::Blocks } else { Layout::Rows }, plan, c, add }
    }

    pub(super) fn blocks(matrix: &'a mut BsrMatrix, plan: &'a Plan, add: bool) -> Self {
        let c = matrix.block;
        Target { places: Places::new(&mut matrix.values), layout: Layout::Blocks, plan, c, add }
    }

    /// Writes the block of a place in the row of `node`.
    #[inline(always)]
    fn put<const C: usize>(self, node: u32, place: usize, block: &[f64], transposed: bool) {
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
                    *place = if self.add { *place + value } else { value };
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
    symmetric: bool,
}

impl Kept {
    pub(super) fn new(plan: &Plan, c: usize, symmetric: bool) -> Self {
        let blocks = if symmetric { 1 } else { 2 };
        Kept { pairs: vec![0.0; plan.pairs.slots.len() * c * c * blocks], nodes: vec![0.0; plan.nodes.slots.len() * c * c], symmetric }
    }

    /// The two lists of slots, for threads to write to.
    pub(super) fn places(&mut self) -> [Places<'_>; 2] {
        [Places::new(&mut self.pairs), Places::new(&mut self.nodes)]
    }
}

/// Writes a chunk's sums to the matrix, or to their slots.
pub(super) fn flush(chunk: &Chunk, sums: &Sums, symmetric: bool, target: Target<'_>, kept: [Places<'_>; 2]) {
    match target.c {
        1 => flush_blocks::<1>(chunk, sums, symmetric, target, kept),
        2 => flush_blocks::<2>(chunk, sums, symmetric, target, kept),
        3 => flush_blocks::<3>(chunk, sums, symmetric, target, kept),
        _ => flush_blocks::<0>(chunk, sums, symmetric, target, kept),
    }
}

fn flush_blocks<const C: usize>(chunk: &Chunk, sums: &Sums, symmetric: bool, target: Target<'_>, kept: [Places<'_>; 2]) {
    let cc = if C > 0 { C * C } else { target.c * target.c };
    let size = if symmetric { cc } else { 2 * cc };
    let keep = |kept: Places<'_>, slot: u32, values: &[f64]| {
        values.iter().enumerate().for_each(|(i, &v)| kept.update(slot as usize * values.len() + i, v, false));
    };
    for (i, (&node, &slot)) in chunk.nodes.iter().zip(&chunk.node_slot).enumerate() {
        let block = &sums.nodes[i * cc..(i + 1) * cc];
        if slot == NONE {
            target.put::<C>(node, target.plan.diagonal[node as usize] as usize, block, false);
        } else {
            keep(kept[1], slot, block);
        }
    }
    let pairs = chunk.ends.iter().zip(&chunk.place).zip(&chunk.pair_slot).zip(sums.pairs.chunks_exact(size));
    for (((&[a, b], &[ab, ba]), &slot), blocks) in pairs {
        if slot == NONE {
            let (a, b) = (chunk.nodes[a as usize], chunk.nodes[b as usize]);
            target.put::<C>(a, ab as usize, &blocks[..cc], false);
            target.put::<C>(b, ba as usize, &blocks[size - cc..], symmetric);
        } else {
            keep(kept[0], slot, blocks);
        }
    }
}

/// Adds up the shared blocks, slot after slot.
pub(super) fn finish(kept: &Kept, target: Target<'_>) {
    match target.c {
        1 => finish_blocks::<1>(kept, target),
        2 => finish_blocks::<2>(kept, target),
        3 => finish_blocks::<3>(kept, target),
        _ => finish_blocks::<0>(kept, target),
    }
}

fn finish_blocks<const C: usize>(kept: &Kept, target: Target<'_>) {
    let plan = target.plan;
    let cc = if C > 0 { C * C } else { target.c * target.c };
    let size = if kept.symmetric { cc } else { 2 * cc };
    plan.pair_ends.par_iter().enumerate().with_min_len(1024).for_each_init(Vec::new, |out, (i, &([a, b], [ab, ba]))| {
        sum(&kept.pairs, plan.pairs.slots(i), out, size);
        target.put::<C>(a, ab as usize, &out[..cc], false);
        target.put::<C>(b, ba as usize, &out[size - cc..], kept.symmetric);
    });
    plan.node_ends.par_iter().enumerate().with_min_len(1024).for_each_init(Vec::new, |out, (i, &n)| {
        sum(&kept.nodes, plan.nodes.slots(i), out, cc);
        target.put::<C>(n, plan.diagonal[n as usize] as usize, out, false);
    });
}

/// The sum of some slots of `size` values.
#[inline(always)]
fn sum(values: &[f64], slots: &[u32], out: &mut Vec<f64>, size: usize) {
    out.clear();
    out.resize(size, 0.0);
    for &s in slots {
        out.iter_mut().zip(&values[s as usize * size..]).for_each(|(o, v)| *o += v);
    }
}

/// Writes a chunk's vector `[nodes, c]` to a global one, or to slots.
pub(super) fn flush_vector(chunk: &Chunk, sums: &[f64], c: usize, target: Places<'_>, kept: Places<'_>, add: bool) {
    for (i, (&node, &slot)) in chunk.nodes.iter().zip(&chunk.node_slot).enumerate() {
        for (j, &v) in sums[i * c..(i + 1) * c].iter().enumerate() {
            if slot == NONE {
                target.update(node as usize * c + j, v, add);
            } else {
                kept.update(slot as usize * c + j, v, false);
            }
        }
    }
}

/// Adds up the shared nodes of a vector.
pub(super) fn finish_vector(plan: &Plan, kept: &[f64], c: usize, target: Places<'_>, add: bool) {
    plan.node_ends.par_iter().enumerate().with_min_len(2048).for_each(|(i, &n)| {
        for j in 0..c {
            let sum = plan.nodes.slots(i).iter().map(|&s| kept[s as usize * c + j]).sum();
            target.update(n as usize * c + j, sum, add);
        }
    });
}
