//! The plan of an assembly: cells in compact chunks, the pattern of the matrix, and where each chunk's sums belong.
//!
//! A chunk adds its cells' matrices into a small buffer of its own, one block per node and one per pair of neighbouring nodes, which
//! stays in the cache. Blocks that no other chunk touches go straight to their place in the matrix; shared ones are kept aside, one
//! slot per chunk, and added up in the order of the chunks. The chunks depend on the mesh alone, so any number of threads gives the
//! same bits.

use femur_mesh::{CellBlock, CellKind, Mesh};
use rayon::prelude::*;
use std::ops::Range;

/// Set in the number of a pair where the cell's first node of the pair is the one with the larger number.
pub(crate) const FLIP: u32 = 1 << 31;
/// No node, no place.
pub(crate) const NONE: u32 = u32::MAX;
/// Most nodes of a chunk, counted once for every cell that has them: their numbers within the chunk have 16 bits even where no two cells
/// share a node. Smaller chunks stay in a nearer cache but share more.
const MOST_NODES: usize = 1 << 16;
/// Least number of chunks of a mesh whose chunks are smaller than that for it, down to a quarter: work for several threads.
const LEAST_CHUNKS: usize = 16;

/// Neighbouring cells of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chunk {
    /// Block of the mesh, and the global number of its first cell.
    pub(crate) block: usize,
    pub(crate) first: usize,
    /// Nodes of a cell.
    pub(crate) width: usize,
    /// Cells within the block.
    pub(crate) cells: Vec<u32>,
    /// Its nodes: first those that no other chunk has, `own_nodes` of them, then shared ones; both ascend.
    pub(crate) nodes: Vec<u32>,
    pub(crate) own_nodes: usize,
    /// Places of the cells' nodes among `nodes`, `[cells, width]`.
    pub(crate) local: Vec<u16>,
    /// Pairs of each cell, `[cells, width (width - 1) / 2]`, by first then second node of the cell, with [`FLIP`].
    pub(crate) pairs: Vec<u32>,
    /// How many pairs it has. Those that no other chunk has come first, `own_pairs` of them, then shared ones.
    pub(crate) num_pairs: usize,
    pub(crate) own_pairs: usize,
    /// Pairs of its own nodes with their neighbours, row after row in the order of the pattern, with [`FLIP`] where the row is that of
    /// the second node of the pair.
    pub(crate) rows: Vec<u32>,
    /// Its own pairs in the rows of its shared nodes.
    pub(crate) outer: PartialRows,
    /// Slot of the first shared pair and of the first shared node; those of the others follow.
    pub(crate) pair_slot: usize,
    pub(crate) node_slot: usize,
}

/// Some of the blocks of some rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartialRows {
    /// First entries of each row, `[rows + 1]`.
    ptr: Vec<u32>,
    /// Place of a block within its row, and the pair of a chunk or slot, with [`FLIP`] where the row is that of the second node of the
    /// pair.
    entries: Vec<[u32; 2]>,
}

impl PartialRows {
    /// From `[row, place, pair]` in any order.
    fn new(rows: usize, mut list: Vec<[u32; 3]>) -> Self {
        list.sort_unstable();
        let ptr = (0..=rows).map(|r| list.partition_point(|e| (e[0] as usize) < r) as u32).collect();
        PartialRows { ptr, entries: list.into_iter().map(|[_, place, pair]| [place, pair]).collect() }
    }

    pub(crate) fn row(&self, i: usize) -> &[[u32; 2]] {
        &self.entries[self.ptr[i] as usize..self.ptr[i + 1] as usize]
    }
}

/// Blocks of the matrix that several chunks add to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    /// First slots of each in `slots`, `[n + 1]`.
    pub(crate) ptr: Vec<u32>,
    /// Slots in the order of the chunks.
    pub(crate) slots: Vec<u32>,
}

impl Shared {
    pub(crate) fn slots(&self, i: usize) -> &[u32] {
        &self.slots[self.ptr[i] as usize..self.ptr[i + 1] as usize]
    }
}

/// Chunks, pattern and shared blocks of one mesh.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) chunks: Vec<Chunk>,
    /// Pattern of nodes: neighbours of each, itself included, ascending.
    pub(crate) node_ptr: Vec<usize>,
    pub(crate) node_idx: Vec<u32>,
    /// Place of each node's own block in the pattern.
    pub(crate) diagonal: Vec<u32>,
    /// Slots of the shared pairs.
    pub(crate) pairs: Shared,
    /// Shared nodes, and their slots.
    pub(crate) node_ends: Vec<u32>,
    pub(crate) nodes: Shared,
    /// Shared pairs, by the first of their slots, in the rows of the shared nodes.
    pub(crate) rows: PartialRows,
}

/// The pairs of a chunk while the plan is made.
#[derive(Debug, Default)]
struct Pairs {
    /// Places among the chunk's nodes of the two nodes of each, the smaller first.
    ends: Vec<[u16; 2]>,
    /// Places in the pattern of (smaller, larger) and of (larger, smaller).
    place: Vec<[u32; 2]>,
}

/// Pairs of the nodes of a cell.
pub(crate) fn num_pairs(width: usize) -> usize {
    width * (width - 1) / 2
}

impl Plan {
    pub(crate) fn new(mesh: &Mesh) -> Plan {
        let mut plan = Plan::for_vectors(mesh);
        let mut pairs: Vec<Pairs> = plan.chunks.par_iter_mut().map(Chunk::find_pairs).collect();
        let shared = plan.find_pattern(mesh.num_nodes(), &mut pairs);
        plan.chunks.par_iter_mut().zip(&mut pairs).for_each(|(chunk, pairs)| chunk.put_shared_last(pairs, &shared));
        plan.number_shared_pairs(&pairs);
        let Plan { chunks, node_ptr, diagonal, .. } = &mut plan;
        chunks.par_iter_mut().zip(pairs).for_each(|(chunk, pairs)| chunk.find_rows(&pairs, node_ptr, diagonal));
        plan
    }

    /// The same chunks without the pattern.
    pub(crate) fn for_vectors(mesh: &Mesh) -> Plan {
        Plan::of_nodes(mesh, |_| MOST_NODES)
    }

    /// The chunks and their nodes without the pattern of a matrix: what vectors need. `most` says how many cells of a kind a chunk holds
    /// at most, where their nodes are no more than [`MOST_NODES`].
    pub(crate) fn of_nodes(mesh: &Mesh, most: impl Fn(CellKind) -> usize) -> Plan {
        let mut chunks = Vec::new();
        let mut first = 0;
        for (b, block) in mesh.blocks.iter().enumerate() {
            let width = block.kind.num_nodes();
            let most = most(block.kind).min(MOST_NODES / width);
            let most = (block.num_cells() / LEAST_CHUNKS).clamp(most / 4, most);
            let order = compact_order(mesh, block, most);
            chunks.extend(order.chunks(most).map(|cells| Chunk { block: b, first, width, cells: cells.to_vec(), ..Chunk::default() }));
            first += block.num_cells();
        }
        let marks = || vec![NONE; mesh.num_nodes()];
        chunks.par_iter_mut().for_each_init(marks, |marks, chunk| chunk.find_nodes(&mesh.blocks[chunk.block], marks));
        let mut plan = Plan { chunks, ..Plan::default() };
        plan.number_shared_nodes(mesh.num_nodes());
        plan.chunks.par_iter_mut().for_each_init(marks, |marks, chunk| chunk.find_local(&mesh.blocks[chunk.block], marks));
        plan
    }

    /// Neighbours of the node and where they start.
    pub(crate) fn row(&self, node: usize) -> Range<usize> {
        self.node_ptr[node]..self.node_ptr[node + 1]
    }

    /// Place of a pair in the pattern.
    pub(crate) fn find(&self, row: u32, column: u32) -> Option<usize> {
        let range = self.row(row as usize);
        self.node_idx[range.clone()].binary_search(&column).ok().map(|k| range.start + k)
    }

    /// Fills the pattern from the chunks' pairs, and their places in it; says of each place whether several chunks have it.
    fn find_pattern(&mut self, num_nodes: usize, pairs: &mut [Pairs]) -> Vec<bool> {
        let mut start = vec![0usize; num_nodes + 1];
        let both = |chunk: &Chunk, [a, b]: [u16; 2]| (chunk.nodes[a as usize] as usize, chunk.nodes[b as usize] as usize);
        for (chunk, pairs) in self.chunks.iter().zip(&*pairs) {
            for &pair in &pairs.ends {
                let (a, b) = both(chunk, pair);
                start[a + 1] += 1;
                start[b + 1] += 1;
            }
        }
        for n in 0..num_nodes {
            start[n + 1] += start[n] + 1;
        }
        // Neighbours of each node, with the number of the pair that says so.
        let mut next = start.clone();
        let mut raw = vec![[0u32; 2]; start[num_nodes]];
        for n in 0..num_nodes {
            raw[next[n]] = [n as u32, NONE];
            next[n] += 1;
        }
        let mut number = 0;
        for (chunk, pairs) in self.chunks.iter().zip(&*pairs) {
            for &pair in &pairs.ends {
                let (a, b) = both(chunk, pair);
                raw[next[a]] = [b as u32, number];
                raw[next[b]] = [a as u32, number | FLIP];
                next[a] += 1;
                next[b] += 1;
                number += 1;
            }
        }
        let mut places = vec![[NONE; 2]; number as usize];
        let mut shared = Vec::with_capacity(raw.len());
        self.node_ptr = Vec::with_capacity(num_nodes + 1);
        self.node_ptr.push(0);
        self.node_idx = Vec::with_capacity(raw.len());
        self.diagonal = Vec::with_capacity(num_nodes);
        for n in 0..num_nodes {
            let row = &mut raw[start[n]..start[n + 1]];
            row.sort_unstable();
            for (i, &[m, pair]) in row.iter().enumerate() {
                let again = i > 0 && row[i - 1][0] == m;
                if pair != NONE {
                    let place = self.node_idx.len() - usize::from(again);
                    places[(pair & !FLIP) as usize][usize::from(pair & FLIP != 0)] = place as u32;
                }
                if again {
                    if let Some(last) = shared.last_mut() {
                        *last = true;
                    }
                    continue;
                }
                if m as usize == n {
                    self.diagonal.push(self.node_idx.len() as u32);
                }
                self.node_idx.push(m);
                shared.push(false);
            }
            self.node_ptr.push(self.node_idx.len());
        }
        let mut rest = &places[..];
        for pairs in pairs {
            let (own, others) = rest.split_at(pairs.ends.len());
            pairs.place = own.to_vec();
            rest = others;
        }
        shared
    }

    /// Gives the shared pairs of every chunk their slots, and lists them in the rows of their nodes.
    fn number_shared_pairs(&mut self, pairs: &[Pairs]) {
        let mut all = Vec::new();
        for (chunk, pairs) in self.chunks.iter_mut().zip(pairs) {
            chunk.pair_slot = all.len();
            for k in chunk.own_pairs..chunk.num_pairs {
                let ends = pairs.ends[k].map(|e| chunk.nodes[e as usize]);
                all.push((pairs.place[k], ends, all.len() as u32));
            }
        }
        // Stable: slots of one pair stay in the order of the chunks.
        all.par_sort_by_key(|(place, _, _)| place[0]);
        let mut list = Vec::new();
        for (i, &(places, ends, slot)) in all.iter().enumerate() {
            if i == 0 || all[i - 1].0 != places {
                self.pairs.ptr.push(i as u32);
                for (place, node, pair) in [(places[0], ends[0], slot), (places[1], ends[1], slot | FLIP)] {
                    let row = self.node_ends.partition_point(|&n| n < node) as u32;
                    list.push([row, place - self.node_ptr[node as usize] as u32, pair]);
                }
            }
        }
        self.pairs.ptr.push(all.len() as u32);
        self.pairs.slots = all.into_iter().map(|(_, _, slot)| slot).collect();
        self.rows = PartialRows::new(self.node_ends.len(), list);
    }

    /// Puts the nodes that several chunks have last in each.
    fn number_shared_nodes(&mut self, num_nodes: usize) {
        let mut count = vec![0u32; num_nodes];
        self.chunks.iter().flat_map(|c| &c.nodes).for_each(|&n| count[n as usize] += 1);
        let mut next = vec![NONE; num_nodes];
        self.nodes.ptr.push(0);
        for (n, &c) in count.iter().enumerate().filter(|(_, c)| **c > 1) {
            let at = self.nodes.ptr[self.node_ends.len()];
            next[n] = at;
            self.node_ends.push(n as u32);
            self.nodes.ptr.push(at + c);
        }
        self.nodes.slots = vec![0; self.nodes.ptr[self.node_ends.len()] as usize];
        let mut slot = 0;
        for chunk in &mut self.chunks {
            chunk.nodes.sort_by_key(|&n| count[n as usize] > 1);
            chunk.own_nodes = chunk.nodes.partition_point(|&n| count[n as usize] == 1);
            chunk.node_slot = slot as usize;
            for &n in &chunk.nodes[chunk.own_nodes..] {
                let at = &mut next[n as usize];
                self.nodes.slots[*at as usize] = slot;
                *at += 1;
                slot += 1;
            }
        }
    }
}

impl Chunk {
    /// Finds its nodes, ascending; `marks` is `NONE` for every node, before and after.
    fn find_nodes(&mut self, block: &CellBlock, marks: &mut [u32]) {
        for &c in &self.cells {
            for &n in block.cell(c as usize) {
                if marks[n as usize] == NONE {
                    marks[n as usize] = 0;
                    self.nodes.push(n);
                }
            }
        }
        self.nodes.sort_unstable();
        self.nodes.iter().for_each(|&n| marks[n as usize] = NONE);
    }

    /// Finds the places of its cells' nodes among its own; `marks` as in [`Chunk::find_nodes`].
    fn find_local(&mut self, block: &CellBlock, marks: &mut [u32]) {
        self.nodes.iter().enumerate().for_each(|(i, &n)| marks[n as usize] = i as u32);
        self.local.reserve(self.cells.len() * self.width);
        for &c in &self.cells {
            self.local.extend(block.cell(c as usize).iter().map(|&n| marks[n as usize] as u16));
        }
        self.nodes.iter().for_each(|&n| marks[n as usize] = NONE);
    }

    /// Numbers its pairs by the order of its nodes.
    fn find_pairs(&mut self) -> Pairs {
        let mut table = PairTable::new(self.cells.len() * num_pairs(self.width));
        let mut slots = Vec::with_capacity(self.cells.len() * num_pairs(self.width));
        for cell in self.local.chunks_exact(self.width) {
            for (i, &a) in cell.iter().enumerate() {
                slots.extend(cell[i + 1..].iter().map(|&b| (table.insert(a.min(b), a.max(b)), a > b)));
            }
        }
        let rank = table.sort();
        self.num_pairs = rank.len();
        self.pairs = slots.into_iter().map(|(k, flip)| rank[k as usize] | if flip { FLIP } else { 0 }).collect();
        Pairs { ends: table.keys.iter().map(|&k| [(k >> 16) as u16, k as u16]).collect(), place: Vec::new() }
    }

    /// Puts the pairs that several chunks have last.
    fn put_shared_last(&mut self, pairs: &mut Pairs, shared: &[bool]) {
        let among_several: Vec<bool> = pairs.place.iter().map(|p| shared.get(p[0] as usize) == Some(&true)).collect();
        self.own_pairs = among_several.iter().filter(|several| !**several).count();
        let (mut own, mut common) = (0, self.own_pairs);
        let mut rank = vec![0u32; self.num_pairs];
        for (rank, several) in rank.iter_mut().zip(&among_several) {
            let next = if *several { &mut common } else { &mut own };
            *rank = *next as u32;
            *next += 1;
        }
        let (mut ends, mut place) = (vec![[0; 2]; rank.len()], vec![[NONE; 2]; rank.len()]);
        for (k, &r) in rank.iter().enumerate() {
            (ends[r as usize], place[r as usize]) = (pairs.ends[k], pairs.place[k]);
        }
        *pairs = Pairs { ends, place };
        self.pairs.iter_mut().for_each(|code| *code = rank[(*code & !FLIP) as usize] | (*code & FLIP));
    }

    /// Lists its own pairs in the rows of its own nodes, and in those of shared ones.
    fn find_rows(&mut self, pairs: &Pairs, node_ptr: &[usize], diagonal: &[u32]) {
        let mut start = Vec::with_capacity(self.own_nodes + 1);
        start.push(0);
        for &n in &self.nodes[..self.own_nodes] {
            // Without the block of the node itself.
            start.push(start[start.len() - 1] + node_ptr[n as usize + 1] - node_ptr[n as usize] - 1);
        }
        self.rows = vec![NONE; start[self.own_nodes]];
        let mut outer = Vec::new();
        for (k, (ends, places)) in pairs.ends.iter().zip(&pairs.place).take(self.own_pairs).enumerate() {
            for (end, place, flip) in [(ends[0], places[0], 0), (ends[1], places[1], FLIP)] {
                let (local, node, pair) = (end as usize, self.nodes[end as usize], k as u32 | flip);
                let at = place as usize - node_ptr[node as usize];
                if local < self.own_nodes {
                    self.rows[start[local] + at - usize::from(place > diagonal[node as usize])] = pair;
                } else {
                    outer.push([(local - self.own_nodes) as u32, at as u32, pair]);
                }
            }
        }
        self.outer = PartialRows::new(self.nodes.len() - self.own_nodes, outer);
    }
}

/// Distinct pairs of small numbers, by open addressing.
struct PairTable {
    mask: usize,
    /// Number of the pair in each bucket.
    buckets: Vec<u32>,
    keys: Vec<u32>,
}

impl PairTable {
    fn new(most: usize) -> Self {
        let size = (2 * most).next_power_of_two().max(2);
        PairTable { mask: size - 1, buckets: vec![NONE; size], keys: Vec::new() }
    }

    fn insert(&mut self, a: u16, b: u16) -> u32 {
        let key = u32::from(a) << 16 | u32::from(b);
        // Multiplicative hashing (Knuth 1998, ch. 6.4).
        let mut at = (u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & self.mask;
        loop {
            match self.buckets[at] {
                NONE => {
                    self.buckets[at] = self.keys.len() as u32;
                    self.keys.push(key);
                    return self.buckets[at];
                }
                k if self.keys[k as usize] == key => return k,
                _ => at = (at + 1) & self.mask,
            }
        }
    }

    /// Sorts the pairs; gives the new number of each.
    fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<(u32, u32)> = self.keys.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut rank = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &(_, k))| rank[k as usize] = i as u32);
        self.keys.sort_unstable();
        rank
    }
}

/// Cells of a block along a Morton curve (Morton 1966) through their centres, or as they are where one chunk holds them all.
fn compact_order(mesh: &Mesh, block: &CellBlock, most: usize) -> Vec<u32> {
    let n = block.num_cells();
    if n <= most {
        return (0..n as u32).collect();
    }
    let dim = mesh.dim;
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for p in mesh.points.chunks_exact(dim) {
        for d in 0..dim {
            low[d] = low[d].min(p[d]);
            high[d] = high[d].max(p[d]);
        }
    }
    // One scale for all axes, so that a chunk is as wide as it is high.
    let extent = (0..dim).map(|d| high[d] - low[d]).fold(f64::MIN_POSITIVE, f64::max);
    let scale = f64::from(1u32 << 20) / extent;
    let mut keyed: Vec<(u64, u32)> = (0..n)
        .into_par_iter()
        .map(|c| {
            let nodes = block.cell(c);
            let key = (0..dim).fold(0, |key, d| {
                let centre = nodes.iter().map(|&i| mesh.points[i as usize * dim + d]).sum::<f64>() / nodes.len() as f64;
                key | spread((scale * (centre - low[d])) as u64) << d
            });
            (key, c as u32)
        })
        .collect();
    keyed.par_sort_unstable();
    keyed.into_iter().map(|(_, c)| c).collect()
}

/// The lowest 21 bits, two zeros between each.
fn spread(v: u64) -> u64 {
    let mut v = v & 0x1F_FFFF;
    for (shift, mask) in [
        (32, 0x001F_0000_0000_FFFF),
        (16, 0x001F_0000_FF00_00FF),
        (8, 0x100F_00F0_0F00_F00F),
        (4, 0x10C3_0C30_C30C_30C3),
        (2, 0x1249_2492_4924_9249),
    ] {
        v = (v | v << shift) & mask;
    }
    v
}
