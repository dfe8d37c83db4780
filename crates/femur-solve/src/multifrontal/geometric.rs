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
    let mut work =
        Work { graph, points, dim, part: vec![0; n], parts: 1, out: Vec::with_capacity(n), mate: vec![NONE; n], from: vec![NONE; n] };
    let mut all: Vec<u32> = (0..n as u32).collect();
    work.dissect(&mut all, 0);
    work.out
}

struct Work<'a> {
    graph: &'a Graph<'a>,
    points: &'a [f64],
    dim: usize,
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
    fn dissect(&mut self, groups: &mut [u32], part: u32) {
        if groups.len() <= LEAF {
            self.out.extend_from_slice(groups);
            return;
        }
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for &g in groups.iter() {
            for (d, &x) in self.points[g as usize * self.dim..][..self.dim].iter().enumerate() {
                (low[d], high[d]) = (low[d].min(x), high[d].max(x));
            }
        }
        let extent = |d: usize| high[d] - low[d];
        let longest = (0..self.dim).map(extent).fold(0.0, f64::max);
        // Across a much shorter side the separator cannot be small.
        let axes: Vec<usize> = (0..self.dim).filter(|&d| extent(d) > 0.6 * longest).collect();
        let labels = [self.parts, self.parts + 1];
        self.parts += 2;
        let mut best: Option<(usize, Vec<u32>)> = None;
        for &axis in &axes {
            self.halve(groups, axis, labels);
            let cover = self.cover(groups, labels);
            if best.as_ref().is_none_or(|(_, b)| cover.len() < b.len()) {
                best = Some((axis, cover));
            }
        }
        let Some((axis, separator)) = best.filter(|(_, s)| 2 * s.len() < groups.len()) else {
            self.out.extend_from_slice(groups);
            return;
        };
        if axes.last() != Some(&axis) {
            self.halve(groups, axis, labels);
        }
        separator.iter().for_each(|&g| self.part[g as usize] = part);
        let mut left: Vec<u32> = groups.iter().copied().filter(|&g| self.part[g as usize] == labels[0]).collect();
        let mut right: Vec<u32> = groups.iter().copied().filter(|&g| self.part[g as usize] == labels[1]).collect();
        // Out of the way of the parts' own labels.
        separator.iter().for_each(|&g| self.part[g as usize] = NONE);
        self.dissect(&mut left, labels[0]);
        self.dissect(&mut right, labels[1]);
        self.out.extend(separator);
    }

    /// Labels the lower half along an axis, and the upper one; equal coordinates fall by the next axis, at last by number.
    fn halve(&mut self, groups: &mut [u32], axis: usize, labels: [u32; 2]) {
        let middle = groups.len() / 2;
        let (points, dim) = (self.points, self.dim);
        groups.select_nth_unstable_by(middle, |&a, &b| {
            let (p, q) = (&points[a as usize * dim..][..dim], &points[b as usize * dim..][..dim]);
            let along = (0..dim).map(|d| (axis + d) % dim).map(|d| p[d].total_cmp(&q[d]));
            along.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(a.cmp(&b))
        });
        for (i, &g) in groups.iter().enumerate() {
            self.part[g as usize] = labels[usize::from(i >= middle)];
        }
    }

    /// A smallest set of groups that touches every edge between the two parts: from a largest matching, after Koenig (1931).
    fn cover(&mut self, groups: &[u32], [left, right]: [u32; 2]) -> Vec<u32> {
        let graph = self.graph;
        let across = |part: &[u32], g: u32, to: u32| graph.row(g).iter().copied().any(|h| part[h as usize] == to);
        let border: Vec<u32> = groups.iter().copied().filter(|&g| self.part[g as usize] == left && across(&self.part, g, right)).collect();
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
