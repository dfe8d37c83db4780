//! A tree of axis-aligned boxes for nearest-item and overlap queries.

/// An axis-aligned box in three dimensions; fewer dimensions leave the rest at zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Aabb {
    pub(crate) lo: [f64; 3],
    pub(crate) hi: [f64; 3],
}

impl Aabb {
    const EMPTY: Aabb = Aabb { lo: [f64::INFINITY; 3], hi: [f64::NEG_INFINITY; 3] };

    /// The smallest box around points.
    pub(crate) fn around(points: impl IntoIterator<Item = [f64; 3]>) -> Self {
        points.into_iter().fold(Aabb::EMPTY, |b, p| b.join(&Aabb { lo: p, hi: p }))
    }

    fn join(&self, other: &Aabb) -> Self {
        Aabb { lo: std::array::from_fn(|d| self.lo[d].min(other.lo[d])), hi: std::array::from_fn(|d| self.hi[d].max(other.hi[d])) }
    }

    /// Squared distance from a point, zero inside.
    pub(crate) fn distance2(&self, x: [f64; 3]) -> f64 {
        (0..3).map(|d| (self.lo[d] - x[d]).max(x[d] - self.hi[d]).max(0.0).powi(2)).sum()
    }
}

#[derive(Debug)]
struct Branch {
    bounds: Aabb,
    /// Range of `items`.
    start: u32,
    end: u32,
    /// First of the two children, which lie side by side; 0 in a leaf.
    child: u32,
}

/// Boxes numbered as they were given. Queries visit the tree in a fixed order, and of equal items take the lowest number.
#[derive(Debug)]
pub(crate) struct BoxTree {
    branches: Vec<Branch>,
    items: Vec<u32>,
}

const LEAF: usize = 4;

impl BoxTree {
    pub(crate) fn new(boxes: &[Aabb]) -> Self {
        let mut items: Vec<u32> = (0..boxes.len() as u32).collect();
        let around = |items: &[u32]| items.iter().fold(Aabb::EMPTY, |b, &i| b.join(&boxes[i as usize]));
        let mut branches = vec![Branch { bounds: around(&items), start: 0, end: items.len() as u32, child: 0 }];
        let mut k = 0;
        while k < branches.len() {
            let (start, end, bounds) = (branches[k].start as usize, branches[k].end as usize, branches[k].bounds);
            if end - start > LEAF {
                let axis = (0..3).max_by(|&a, &b| (bounds.hi[a] - bounds.lo[a]).total_cmp(&(bounds.hi[b] - bounds.lo[b]))).unwrap_or(0);
                let middle = |i: u32| boxes[i as usize].lo[axis] + boxes[i as usize].hi[axis];
                let half = start + (end - start) / 2;
                items[start..end].select_nth_unstable_by(half - start, |&a, &b| middle(a).total_cmp(&middle(b)).then(a.cmp(&b)));
                branches[k].child = branches.len() as u32;
                for (s, e) in [(start, half), (half, end)] {
                    branches.push(Branch { bounds: around(&items[s..e]), start: s as u32, end: e as u32, child: 0 });
                }
            }
            k += 1;
        }
        BoxTree { branches, items }
    }

    /// The item of least value and that value. `bound` must not exceed the value of any item within a box.
    pub(crate) fn least(&self, bound: impl Fn(&Aabb) -> f64, value: impl Fn(usize) -> f64) -> Option<(usize, f64)> {
        self.least_up_to(f64::INFINITY, bound, value)
    }

    /// As [`BoxTree::least`]; where no value lies below `most` it may give nothing, or another item.
    pub(crate) fn least_up_to(&self, most: f64, bound: impl Fn(&Aabb) -> f64, value: impl Fn(usize) -> f64) -> Option<(usize, f64)> {
        let all = bound(&self.branches[0].bounds);
        if all > most {
            return None;
        }
        let mut best: Option<(usize, f64)> = None;
        // Each level halves the items, of which there are at most 2^32, and leaves one branch waiting: the stack cannot overflow.
        let mut stack = [(0usize, 0.0); 64];
        stack[0].1 = all;
        let mut height = 1;
        while height > 0 {
            height -= 1;
            let (k, low) = stack[height];
            if low > best.map_or(most, |(_, v)| v) {
                continue;
            }
            let branch = &self.branches[k];
            if branch.child == 0 {
                for &i in &self.items[branch.start as usize..branch.end as usize] {
                    let v = value(i as usize);
                    if best.is_none_or(|(j, w)| v < w || v == w && (i as usize) < j) {
                        best = Some((i as usize, v));
                    }
                }
            } else {
                let child = branch.child as usize;
                let (a, b) = ((child, bound(&self.branches[child].bounds)), (child + 1, bound(&self.branches[child + 1].bounds)));
                // The nearer child last: it is popped first.
                (stack[height], stack[height + 1]) = if a.1 <= b.1 { (b, a) } else { (a, b) };
                height += 2;
            }
        }
        best
    }

    /// Visits the items in the leaves whose boxes satisfy `meets`; each item's own box is up to the caller.
    pub(crate) fn visit(&self, meets: impl Fn(&Aabb) -> bool, mut item: impl FnMut(usize)) {
        let mut stack = vec![0usize];
        while let Some(k) = stack.pop() {
            let branch = &self.branches[k];
            if !meets(&branch.bounds) {
                continue;
            }
            if branch.child == 0 {
                self.items[branch.start as usize..branch.end as usize].iter().for_each(|&i| item(i as usize));
            } else {
                stack.extend([branch.child as usize + 1, branch.child as usize]);
            }
        }
    }
}

/// A point of one to three coordinates in three dimensions.
pub(crate) fn lift(p: &[f64]) -> [f64; 3] {
    std::array::from_fn(|d| p.get(d).copied().unwrap_or(0.0))
}
