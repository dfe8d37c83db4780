//! The assembly tree: elimination order, supernodes and their rows, from the graph of groups of unknowns.

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
    /// The tree of a matrix of symmetric pattern; `group` numbers from 0 the unknowns that belong together `[n]`. `None` where the
    /// ordering declines.
    pub(super) fn new(a: &CsrMatrix, group: &[u32]) -> Option<Tree> {
        let count = group.iter().map(|&g| g as usize + 1).max().unwrap_or(0);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
        group.iter().enumerate().for_each(|(u, &g)| members[g as usize].push(u as u32));
        let adjacency = adjacency(a, group, &members);
        let order = dissection(&adjacency)?;
        let (label, adjacency, parent) = postordered(&adjacency, &order);
        let weight: Vec<usize> = label.iter().map(|&g| members[g as usize].len()).collect();
        let mut bunches = supernodes(&adjacency, &parent);
        amalgamate(&mut bunches, &weight);
        Some(numbered(&bunches, |g| &members[label[g as usize] as usize], group.len()))
    }
}

/// Neighbours of each group, itself left out.
fn adjacency(a: &CsrMatrix, group: &[u32], members: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut seen = vec![u32::MAX; members.len()];
    let lists = members.iter().enumerate().map(|(g, list)| {
        seen[g] = g as u32;
        let mut out = Vec::new();
        for &u in list {
            for &c in a.row(u as usize).0 {
                let h = group[c as usize];
                if seen[h as usize] != g as u32 {
                    seen[h as usize] = g as u32;
                    out.push(h);
                }
            }
        }
        out.sort_unstable();
        out
    });
    lists.collect()
}

/// Nested dissection: old group of each new number.
fn dissection(adjacency: &[Vec<u32>]) -> Option<Vec<u32>> {
    let (mut ptr, mut idx) = (vec![0i32], Vec::new());
    for list in adjacency {
        idx.extend(list.iter().map(|&g| g as i32));
        ptr.push(i32::try_from(idx.len()).ok()?);
    }
    let pattern = feral_metis::CscPattern::new(adjacency.len(), &ptr, &idx)?;
    let order = feral_metis::metis_order(&pattern).ok()?;
    Some(order.into_iter().map(|g| g as u32).collect())
}

/// Elimination tree (Liu 1990), numbered again in postorder: old group of each number, neighbours and parents in the new numbers.
fn postordered(adjacency: &[Vec<u32>], order: &[u32]) -> (Vec<u32>, Vec<Vec<u32>>, Vec<usize>) {
    let n = order.len();
    let mut new = vec![0u32; n];
    order.iter().enumerate().for_each(|(i, &g)| new[g as usize] = i as u32);
    let none = usize::MAX;
    let (mut parent, mut ancestor) = (vec![none; n], vec![none; n]);
    for j in 0..n {
        for &g in &adjacency[order[j] as usize] {
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
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); n];
    (0..n).filter(|&i| parent[i] != none).for_each(|i| children[parent[i]].push(i));
    let post = postorder((0..n).filter(|&i| parent[i] == none), &children);
    let mut place = vec![0usize; n];
    post.iter().enumerate().for_each(|(p, &i)| place[i] = p);
    let label: Vec<u32> = post.iter().map(|&i| order[i]).collect();
    let lists = label
        .iter()
        .map(|&g| {
            let mut list: Vec<u32> = adjacency[g as usize].iter().map(|&h| place[new[h as usize] as usize] as u32).collect();
            list.sort_unstable();
            list
        })
        .collect();
    let parents = post.iter().map(|&i| if parent[i] == none { none } else { place[parent[i]] }).collect();
    (label, lists, parents)
}

/// Children before parents.
fn postorder(roots: impl Iterator<Item = usize>, children: &[Vec<usize>]) -> Vec<usize> {
    let mut out = Vec::with_capacity(children.len());
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for root in roots {
        stack.push((root, 0));
        while let Some((node, next)) = stack.last_mut() {
            if let Some(&child) = children[*node].get(*next) {
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
fn supernodes(adjacency: &[Vec<u32>], parent: &[usize]) -> Vec<Bunch> {
    let n = adjacency.len();
    let mut structure: Vec<Vec<u32>> = Vec::with_capacity(n);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); n];
    let mut seen = vec![usize::MAX; n];
    let mut bunches: Vec<Bunch> = Vec::new();
    let mut of = vec![0usize; n];
    for j in 0..n {
        seen[j] = j;
        let mut list = Vec::new();
        let mut add = |i: u32| {
            if i as usize > j && seen[i as usize] != j {
                seen[i as usize] = j;
                list.push(i);
            }
        };
        adjacency[j].iter().for_each(|&i| add(i));
        for &c in &children[j] {
            structure[c].iter().for_each(|&i| add(i));
        }
        list.sort_unstable();
        if parent[j] != usize::MAX {
            children[parent[j]].push(j);
        }
        let joins = j > 0 && parent[j - 1] == j && structure[j - 1].len() == list.len() + 1;
        if !joins {
            bunches.push(Bunch { groups: Vec::new(), rows: Vec::new(), children: Vec::new(), parent: None, alive: true });
        }
        let last = bunches.len() - 1;
        of[j] = last;
        bunches[last].groups.push(j as u32);
        bunches[last].rows.clone_from(&list);
        for c in &children[j] {
            if of[*c] != last {
                let child = of[*c];
                bunches[child].parent = Some(last);
                bunches[last].children.push(child);
            }
            structure[*c] = Vec::new();
        }
        structure.push(list);
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
            bunches[p].groups.sort_unstable();
            (columns[p], zeros[p]) = (merged, added);
        }
    }
}

/// Numbers unknowns by supernode, children first.
fn numbered<'a>(bunches: &[Bunch], members: impl Fn(u32) -> &'a Vec<u32>, n: usize) -> Tree {
    let children: Vec<Vec<usize>> = bunches.iter().map(|b| b.children.clone()).collect();
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
