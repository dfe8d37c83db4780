//! The assembly tree: elimination order, supernodes and their rows, from the graph of groups of unknowns.

use super::Groups;
use super::geometric::{self, Graph};
use crate::CsrMatrix;

/// Unknowns that are eliminated together, and the later ones that they touch. Numbers are those of the elimination order.
#[derive(Debug, Clone)]
pub(super) struct Supernode {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) rows: Vec<u32>,
    /// Number of the parent; that of the supernode itself for a root.
    pub(super) parent: usize,
}

impl Supernode {
    /// Number of unknowns eliminated.
    pub(super) fn columns(&self) -> usize {
        self.end - self.first
    }
}

/// Supernodes in postorder.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// Old number of each unknown in the order of elimination.
    pub(super) order: Vec<u32>,
    pub(super) supernodes: Vec<Supernode>,
}

/// A supernode of groups while supernodes are merged.
struct Bunch {
    groups: Vec<u32>,
    rows: Vec<u32>,
    children: Vec<usize>,
    parent: Option<usize>,
    alive: bool,
}

/// Supernodes of at most that many unknowns are always merged with their parent: their fronts are mostly overhead.
const SMALL: usize = 24;

impl Tree {
    /// The tree of a matrix of symmetric pattern. `None` where the ordering declines.
    pub(super) fn new(a: &CsrMatrix, groups: &Groups<'_>) -> Option<Tree> {
        let members = Members::new(groups.of);
        let (ptr, idx) = adjacency(a, groups.of, &members);
        let graph = Graph { ptr: &ptr, idx: &idx };
        let order = match groups.points {
            Some((points, dim)) if dim > 0 && points.len() == members.len() * dim => geometric::dissection(&graph, points, dim),
            _ => dissection(&graph)?,
        };
        let (label, (ptr, idx), parent) = postordered(&graph, &order);
        let weight: Vec<usize> = label.iter().map(|&g| members.of(g).len()).collect();
        let mut bunches = supernodes(&Graph { ptr: &ptr, idx: &idx }, &parent);
        amalgamate(&mut bunches, &weight);
        Some(numbered(&bunches, |g| members.of(label[g as usize]), groups.of.len()))
    }
}

/// Unknowns of each group.
struct Members {
    ptr: Vec<usize>,
    unknowns: Vec<u32>,
}

impl Members {
    fn new(group: &[u32]) -> Self {
        let count = group.iter().map(|&g| g as usize + 1).max().unwrap_or(0);
        let mut ptr = vec![0; count + 1];
        group.iter().for_each(|&g| ptr[g as usize + 1] += 1);
        (0..count).for_each(|g| ptr[g + 1] += ptr[g]);
        let (mut next, mut unknowns) = (ptr.clone(), vec![0; group.len()]);
        for (u, &g) in group.iter().enumerate() {
            unknowns[next[g as usize]] = u as u32;
            next[g as usize] += 1;
        }
        Members { ptr, unknowns }
    }

    fn len(&self) -> usize {
        self.ptr.len() - 1
    }

    fn of(&self, g: u32) -> &[u32] {
        &self.unknowns[self.ptr[g as usize]..self.ptr[g as usize + 1]]
    }
}

/// Neighbours of each group, itself left out: starts and numbers.
fn adjacency(a: &CsrMatrix, group: &[u32], members: &Members) -> Lists {
    let mut seen = vec![u32::MAX; members.len()];
    let (mut ptr, mut idx) = (Vec::with_capacity(members.len() + 1), Vec::new());
    ptr.push(0);
    for g in 0..members.len() as u32 {
        seen[g as usize] = g;
        let mut before: &[u32] = &[];
        for &u in members.of(g) {
            let row = &a.col_idx[a.row_ptr[u as usize]..a.row_ptr[u as usize + 1]];
            // Mostly all unknowns of a group have the same neighbours.
            if row == std::mem::replace(&mut before, row) {
                continue;
            }
            for &c in row {
                let h = group[c as usize];
                if seen[h as usize] != g {
                    seen[h as usize] = g;
                    idx.push(h);
                }
            }
        }
        ptr.push(idx.len());
    }
    (ptr, idx)
}

/// Nested dissection of the graph: old group of each new number.
fn dissection(graph: &Graph<'_>) -> Option<Vec<u32>> {
    let n = graph.ptr.len() - 1;
    let ptr: Vec<i32> = graph.ptr.iter().map(|&p| i32::try_from(p).ok()).collect::<Option<_>>()?;
    let mut idx: Vec<i32> = graph.idx.iter().map(|&g| g as i32).collect();
    (0..n).for_each(|g| idx[graph.ptr[g]..graph.ptr[g + 1]].sort_unstable());
    let pattern = feral_metis::CscPattern::new(n, &ptr, &idx)?;
    let order = feral_metis::metis_order(&pattern).ok()?;
    Some(order.into_iter().map(|g| g as u32).collect())
}

/// Lists of numbers: starts, and the numbers one list after the other.
type Lists = (Vec<usize>, Vec<u32>);

/// Elimination tree (Liu 1990), numbered again in postorder: old group of each number, neighbours and parents in the new numbers.
fn postordered(graph: &Graph<'_>, order: &[u32]) -> (Vec<u32>, Lists, Vec<usize>) {
    let n = order.len();
    let mut new = vec![0u32; n];
    order.iter().enumerate().for_each(|(i, &g)| new[g as usize] = i as u32);
    let none = usize::MAX;
    let (mut parent, mut ancestor) = (vec![none; n], vec![none; n]);
    for j in 0..n {
        for &g in graph.row(order[j]) {
            let mut i = new[g as usize] as usize;
            while i < j {
                let next = ancestor[i];
                ancestor[i] = j;
                if next == none {
                    parent[i] = j;
                    break;
                }
                i = next;
            }
        }
    }
    let children = Children::new(&parent);
    let post = postorder((0..n).filter(|&i| parent[i] == none), &children);
    let mut place = vec![0usize; n];
    post.iter().enumerate().for_each(|(p, &i)| place[i] = p);
    let label: Vec<u32> = post.iter().map(|&i| order[i]).collect();
    let (mut ptr, mut idx) = (Vec::with_capacity(n + 1), Vec::with_capacity(graph.idx.len()));
    ptr.push(0);
    for &g in &label {
        idx.extend(graph.row(g).iter().map(|&h| place[new[h as usize] as usize] as u32));
        ptr.push(idx.len());
    }
    let parents = post.iter().map(|&i| if parent[i] == none { none } else { place[parent[i]] }).collect();
    (label, (ptr, idx), parents)
}

/// Children of each node of a forest, ascending.
struct Children {
    ptr: Vec<usize>,
    list: Vec<usize>,
}

impl Children {
    /// From the parent of each node, `usize::MAX` for roots.
    fn new(parent: &[usize]) -> Self {
        let n = parent.len();
        let mut ptr = vec![0; n + 1];
        parent.iter().filter(|p| **p != usize::MAX).for_each(|&p| ptr[p + 1] += 1);
        (0..n).for_each(|i| ptr[i + 1] += ptr[i]);
        let (mut next, mut list) = (ptr.clone(), vec![0; ptr[n]]);
        for (i, &p) in parent.iter().enumerate().filter(|(_, p)| **p != usize::MAX) {
            list[next[p]] = i;
            next[p] += 1;
        }
        Children { ptr, list }
    }

    fn of(&self, i: usize) -> &[usize] {
        &self.list[self.ptr[i]..self.ptr[i + 1]]
    }
}

/// Children before parents.
fn postorder(roots: impl Iterator<Item = usize>, children: &Children) -> Vec<usize> {
    let mut out = Vec::with_capacity(children.ptr.len());
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for root in roots {
        stack.push((root, 0));
        while let Some((node, next)) = stack.last_mut() {
            if let Some(&child) = children.of(*node).get(*next) {
                *next += 1;
                stack.push((child, 0));
            } else {
                out.push(*node);
                stack.pop();
            }
        }
    }
    out
}

/// Symbolic elimination and supernodes: a group joins the one before it where that adds no zero.
fn supernodes(adjacency: &Graph<'_>, parent: &[usize]) -> Vec<Bunch> {
    let n = parent.len();
    // Later groups that each touches, ascending: a range of `all`. A group that joins the one before it has the end of its range.
    let mut all: Vec<u32> = Vec::new();
    let mut structure: Vec<(usize, usize)> = Vec::with_capacity(n);
    let children = Children::new(parent);
    let mut seen = vec![usize::MAX; n];
    let mut bunches: Vec<Bunch> = Vec::new();
    let mut of = vec![0usize; n];
    let mut list: Vec<u32> = Vec::new();
    for j in 0..n {
        seen[j] = j;
        list.clear();
        let mut add = |i: u32, list: &mut Vec<u32>| {
            if i as usize > j && seen[i as usize] != j {
                seen[i as usize] = j;
                list.push(i);
            }
        };
        let before = j.checked_sub(1).filter(|&b| parent[b] == j).map(|b| structure[b]);
        if let Some((start, end)) = before {
            all[start..end].iter().for_each(|&i| add(i, &mut list));
        }
        let known = list.len();
        adjacency.row(j as u32).iter().for_each(|&i| add(i, &mut list));
        for &c in children.of(j).iter().filter(|c| **c + 1 != j) {
            let (start, end) = structure[c];
            all[start..end].iter().for_each(|&i| add(i, &mut list));
        }
        match before.filter(|_| list.len() == known) {
            // The first of them is this group itself.
            Some((start, end)) => structure.push((start + 1, end)),
            None => {
                list.sort_unstable();
                structure.push((all.len(), all.len() + list.len()));
                all.extend_from_slice(&list);
                bunches.push(Bunch { groups: Vec::new(), rows: Vec::new(), children: Vec::new(), parent: None, alive: true });
            }
        }
        let last = bunches.len() - 1;
        of[j] = last;
        bunches[last].groups.push(j as u32);
        for &c in children.of(j) {
            if of[c] != last {
                let child = of[c];
                bunches[child].parent = Some(last);
                bunches[last].children.push(child);
            }
        }
    }
    for bunch in &mut bunches {
        if let Some(&end) = bunch.groups.last() {
            let (start, end) = structure[end as usize];
            bunch.rows = all[start..end].to_vec();
        }
    }
    bunches
}

/// Merges supernodes with their parents where few zeros come in (thresholds as in CHOLMOD; Chen, Davis, Hager and Rajamanickam 2008).
fn amalgamate(bunches: &mut [Bunch], weight: &[usize]) {
    let size = |list: &[u32]| list.iter().map(|&g| weight[g as usize]).sum::<usize>();
    let mut columns: Vec<usize> = bunches.iter().map(|b| size(&b.groups)).collect();
    let below: Vec<usize> = bunches.iter().map(|b| size(&b.rows)).collect();
    let mut zeros = vec![0usize; bunches.len()];
    for p in 0..bunches.len() {
        for c in bunches[p].children.clone() {
            let merged = columns[c] + columns[p];
            let added = zeros[c] + zeros[p] + columns[c] * (columns[p] + below[p] - below[c]);
            let share = added as f64 / (merged * (merged + below[p])) as f64;
            let keep = merged <= SMALL || (merged <= 64 && share < 0.2) || (merged <= 160 && share < 0.1) || share < 0.03;
            if !keep {
                continue;
            }
            let (groups, grandchildren) = (std::mem::take(&mut bunches[c].groups), std::mem::take(&mut bunches[c].children));
            bunches[c].alive = false;
            bunches[p].children.retain(|&k| k != c);
            for g in grandchildren {
                bunches[g].parent = Some(p);
                bunches[p].children.push(g);
            }
            bunches[p].groups.extend(groups);
            (columns[p], zeros[p]) = (merged, added);
        }
    }
    bunches.iter_mut().for_each(|b| b.groups.sort_unstable());
}

/// Numbers unknowns by supernode, children first.
fn numbered<'a>(bunches: &[Bunch], members: impl Fn(u32) -> &'a [u32], n: usize) -> Tree {
    let parents: Vec<usize> = bunches.iter().map(|b| b.parent.filter(|_| b.alive).unwrap_or(usize::MAX)).collect();
    let children = Children::new(&parents);
    let roots = (0..bunches.len()).filter(|&b| bunches[b].alive && bunches[b].parent.is_none());
    let post = postorder(roots, &children);
    let mut place = vec![0usize; bunches.len()];
    post.iter().enumerate().for_each(|(p, &b)| place[b] = p);
    let mut new = vec![0u32; n];
    let (mut order, mut ends) = (Vec::with_capacity(n), Vec::new());
    for &b in &post {
        let first = order.len();
        order.extend(bunches[b].groups.iter().flat_map(|&g| members(g)));
        ends.push((first, order.len()));
    }
    order.iter().enumerate().for_each(|(i, &u)| new[u as usize] = i as u32);
    let supernodes = post
        .iter()
        .enumerate()
        .map(|(s, &b)| {
            let mut rows: Vec<u32> = bunches[b].rows.iter().flat_map(|&g| members(g)).map(|&u| new[u as usize]).collect();
            rows.sort_unstable();
            Supernode { first: ends[s].0, end: ends[s].1, rows, parent: bunches[b].parent.map_or(s, |p| place[p]) }
        })
        .collect();
    Tree { order, supernodes }
}
