//! The hierarchy of levels and the multigrid cycle through it.

use super::Cycle;
use super::blocks::Blocks;
use super::coarse::Coarse;
use super::smoother::Chebyshev;
use crate::real::Real;

/// A level above the coarsest.
#[derive(Debug)]
pub(super) struct Level<T> {
    /// The scaled matrix.
    pub(super) a: Blocks<T>,
    pub(super) smoother: Chebyshev<T>,
    /// From the next level to this one.
    pub(super) prolong: Blocks<T>,
    /// Its transpose.
    pub(super) restrict: Blocks<T>,
}

/// All levels.
#[derive(Debug)]
pub(super) struct Hierarchy<T> {
    pub(super) levels: Vec<Level<T>>,
    /// Unknowns of the coarsest level.
    pub(super) coarse_size: usize,
    pub(super) coarse: Coarse<T>,
    pub(super) cycle: Cycle,
}

/// Vectors of one level: right-hand side and residual, answer, two corrections.
pub(super) struct Vectors<T> {
    pub(super) r: Vec<T>,
    pub(super) x: Vec<T>,
    d: Vec<T>,
    e: Vec<T>,
}

impl<T: Real> Hierarchy<T> {
    /// Work space for [`Self::apply`].
    pub(super) fn vectors(&self) -> Vec<Vectors<T>> {
        let sizes = self.levels.iter().map(|l| l.a.nrows() * l.a.rows).chain([self.coarse_size]);
        let zeros = |n: usize| vec![T::default(); n];
        sizes.map(|n| Vectors { r: zeros(n), x: zeros(n), d: zeros(n), e: zeros(n) }).collect()
    }

    /// One cycle for the right-hand side `v[0].r`, from zero; the answer is in `v[0].x`, and `r` is overwritten.
    pub(super) fn apply(&self, v: &mut [Vectors<T>], level: usize) {
        let Some((fine, coarse)) = v.split_first_mut() else { return };
        let Some(l) = self.levels.get(level) else {
            self.coarse.solve(&mut fine.r, &mut fine.x, &mut fine.d, &mut fine.e);
            return;
        };
        l.smoother.before(&l.a, &mut fine.r, &mut fine.x, &mut fine.d, &mut fine.e);
        l.restrict.multiply(&fine.r, &mut coarse[0].r, false);
        if self.cycle == Cycle::W && level + 1 < self.levels.len() {
            self.twice(coarse, level + 1);
        } else {
            self.apply(coarse, level + 1);
        }
        l.prolong.multiply(&coarse[0].x, &mut fine.d, false);
        fine.x.iter_mut().zip(&fine.d).for_each(|(x, d)| *x += *d);
        l.smoother.after(&l.a, &mut fine.r, &mut fine.x, &mut fine.d, &mut fine.e);
    }

    /// Two cycles: the second works on what the first left.
    fn twice(&self, v: &mut [Vectors<T>], level: usize) {
        let b = v[0].r.clone();
        self.apply(v, level);
        let first = v[0].x.clone();
        v[0].r.copy_from_slice(&b);
        self.levels[level].a.subtract(&first, &mut v[0].r);
        self.apply(v, level);
        v[0].x.iter_mut().zip(&first).for_each(|(x, f)| *x += *f);
    }
}
