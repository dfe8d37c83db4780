//! Nested dissection by coordinates (George 1973; Miller and Vavasis 1991): halves by the median along an axis, parted by a smallest
//! vertex cover of the edges between them. Much faster than partitioning the graph, and about as good on meshes without long thin
//! parts.

/// Parts of at most that many groups are not cut further.
const LEAF: usize = 24;
const NONE: u32 = u32::MAX;

/// Neighbours of each group.
pub(super) struct Graph<'a> {
    pub(super) ptr: &'a [usize],
    pub(super) idx: &'a [u32],
}

impl Graph<'_> {
    pub(super) fn row(&self, g: u32) -> &[u32] {
        &self.idx[self.ptr[g as usize]..self.ptr[g as usize + 1]]
    }
}

/// Order of elimination: old group of each new number. `points` is `[groups, dim]`.
pub(super) fn dissection(graph: &Graph<'_>, points: &[f64], dim: usize) -> Vec<u32> {
    let n = graph.ptr.len() - 1;
    let axes: Vec<Axis> = (0..dim).map(|d| Axis::new(graph, points, dim, d)).collect();
    let sorted: Vec<Vec<u32>> = axes.iter().map(|a| a.sorted.clone()).collect();
    let mut work =
        Work { graph, points, axes, part: vec![0; n], parts: 1, out: Vec::with_capacity(n), mate: vec![NONE; n], from: vec![NONE; n] };
    work.dissect(&sorted, 0);
    work.out
}

/// Groups along an axis.
struct Axis {
    /// By coordinate; equal ones by the next axis, at last by number.
    sorted: Vec<u32>,
    /// Place of each group among them.
    rank: Vec<u32>,
    /// Largest place of a neighbour of each group.
    reach: Vec<u32>,
}

impl Axis {
    fn new(graph: &Graph<'_>, points: &[f64], dim: usize, axis: usize) -> Self {
        // Integers in the order of the numbers (`f64::total_cmp`).
        let key = |x: f64| x.to_bits() as i64 ^ ((x.to_bits() as i64 >> 63) as u64 >> 1) as i64;
        let of = |g: usize, k: usize| if k < dim { key(points[g * dim + (axis + k) % dim]) } else { 0 };
        let n = graph.ptr.len() - 1;
        let mut keyed: Vec<(i64, u32)> = (0..n).map(|g| (of(g, 0), g as u32)).collect();
        let rest = |g: u32| (of(g as usize, 1), of(g as usize, 2), g);
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| rest(a.1).cmp(&rest(b.1))));
        let sorted: Vec<u32> = keyed.into_iter().map(|k| k.1).collect();
        let mut rank = vec![0; n];
        sorted.iter().enumerate().for_each(|(i, &g)| rank[g as usize] = i as u32);
        let reach = (0..n as u32).map(|g| graph.row(g).iter().map(|&h| rank[h as usize]).max().unwrap_or(0)).collect();
        Axis { sorted, rank, reach }
    }
}

struct Work<'a> {
    graph: &'a Graph<'a>,
    points: &'a [f64],
    axes: Vec<Axis>,
    /// Part that each group is in now.
    part: Vec<u32>,
    parts: u32,
    out: Vec<u32>,
    /// Partner of each group in the matching; `NONE` outside of `cover`.
    mate: Vec<u32>,
    /// Predecessor in the search of `cover`; `NONE` outside of it.
    from: Vec<u32>,
}

impl Work<'_> {
    /// Orders the groups of a part, which come sorted along each axis.
    fn dissect(&mut self, sorted: &[Vec<u32>], part: u32) {
        let count = sorted.first().map_or(0, Vec::len);
        if count <= LEAF {
            self.out.extend(sorted.iter().take(1).flatten());
            return;
        }
        let dim = sorted.len();
        let at = |d: usize, i: usize| self.points[sorted[d][i] as usize * dim + d];
        let extents: Vec<f64> = (0..dim).map(|d| at(d, count - 1) - at(d, 0)).collect();
        let longest = extents.iter().copied().fold(0.0, f64::max);
        // Across a much shorter side the separator cannot be small.
        let axes: Vec<usize> = (0..dim).filter(|&d| extents[d] > 0.6 * longest).collect();
        let labels = [self.parts, self.parts + 1];
        self.parts += 2;
        let mut best: Option<(usize, Vec<u32>)> = None;
        for &axis in &axes {
            self.halve(&sorted[axis], labels);
            let cover = self.cover(&sorted[axis], axis, labels);
            if best.as_ref().is_none_or(|(_, b)| cover.len() < b.len()) {
                best = Some((axis, cover));
            }
        }
        let Some((axis, separator)) = best.filter(|(_, s)| 2 * s.len() < count) else {
            self.out.extend_from_slice(&sorted[0]);
            return;
        };
        if axes.last() != Some(&axis) {
            self.halve(&sorted[axis], labels);
        }
        separator.iter().for_each(|&g| self.part[g as usize] = part);
        let own = |label: u32| -> Vec<Vec<u32>> {
            let of = |list: &Vec<u32>| {
                // No part is larger than half.
                let mut own = Vec::with_capacity(list.len().div_ceil(2));
                own.extend(list.iter().copied().filter(|&g| self.part[g as usize] == label));
                own
            };
            sorted.iter().map(of).collect()
        };
        let (left, right) = (own(labels[0]), own(labels[1]));
        // Out of the way of the parts' own labels.
        separator.iter().for_each(|&g| self.part[g as usize] = NONE);
        self.dissect(&left, labels[0]);
        self.dissect(&right, labels[1]);
        self.out.extend(separator);
    }

    /// Labels the lower half of sorted groups, and the upper one.
    fn halve(&mut self, sorted: &[u32], labels: [u32; 2]) {
        let middle = sorted.len() / 2;
        for (i, &g) in sorted.iter().enumerate() {
            self.part[g as usize] = labels[usize::from(i >= middle)];
        }
    }

    /// A smallest set of groups that touches every edge between the two halves: from a largest matching, after Koenig (1931).
    fn cover(&mut self, sorted: &[u32], axis: usize, [_, right]: [u32; 2]) -> Vec<u32> {
        let graph = self.graph;
        let (lower, upper) = sorted.split_at(sorted.len() / 2);
        let Axis { rank, reach, .. } = &self.axes[axis];
        let first = upper.first().map_or(0, |&g| rank[g as usize]);
        let across = |g: u32| reach[g as usize] >= first && graph.row(g).iter().any(|&h| self.part[h as usize] == right);
        let border: Vec<u32> = lower.iter().copied().filter(|&g| across(g)).collect();
        for &g in &border {
            if let Some(&h) = graph.row(g).iter().find(|&&h| self.part[h as usize] == right && self.mate[h as usize] == NONE) {
                (self.mate[g as usize], self.mate[h as usize]) = (h, g);
            }
        }
        let mut reached = Vec::new();
        for &g in border.iter().filter(|g| self.mate[**g as usize] == NONE).collect::<Vec<_>>() {
            let found = self.search(g, right, &mut reached);
            if let Some(mut end) = found {
                // Turn the alternating path over.
                loop {
                    let g = self.from[end as usize];
                    let next = self.mate[g as usize];
                    (self.mate[end as usize], self.mate[g as usize]) = (g, end);
                    if next == NONE {
                        break;
                    }
                    end = next;
                }
            }
            reached.drain(..).for_each(|h| self.from[h as usize] = NONE);
        }
        // All that the unmatched reach along alternating paths.
        for &g in &border {
            if self.mate[g as usize] == NONE {
                self.search(g, right, &mut reached);
            }
        }
        let met = |work: &Self, h: u32| work.from[h as usize] != NONE;
        let mut cover: Vec<u32> = reached.clone();
        for &g in &border {
            let mate = self.mate[g as usize];
            if mate != NONE && !met(self, mate) {
                cover.push(g);
            }
        }
        reached.into_iter().for_each(|h| self.from[h as usize] = NONE);
        for &g in &border {
            let mate = std::mem::replace(&mut self.mate[g as usize], NONE);
            if mate != NONE {
                self.mate[mate as usize] = NONE;
            }
        }
        cover.sort_unstable();
        cover
    }

    /// Breadth first along alternating paths from an unmatched group of the left part, past what `reached` holds already; gives an
    /// unmatched group of the right part if there is one.
    fn search(&mut self, start: u32, right: u32, reached: &mut Vec<u32>) -> Option<u32> {
        let graph = self.graph;
        let mut queue = vec![start];
        let mut at = 0;
        while let Some(&g) = queue.get(at) {
            at += 1;
            for &h in graph.row(g) {
                if self.part[h as usize] != right || self.from[h as usize] != NONE {
                    continue;
                }
                self.from[h as usize] = g;
                reached.push(h);
                match self.mate[h as usize] {
                    NONE => return Some(h),
                    next => queue.push(next),
                }
            }
        }
        None
    }
}
