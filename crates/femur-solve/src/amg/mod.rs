//! Algebraic multigrid by smoothed aggregation (Vanek, Mandel and Brezina, Computing 56, 1996), a preconditioner for symmetric positive
//! definite matrices.
//!
//! Nodes that are strongly connected form aggregates; the near-null space (constants, rigid-body modes) cut to the aggregates and
//! smoothed once spans the coarse space; Chebyshev polynomials smooth. Every level is scaled to identity blocks on its diagonal.

mod aggregate;
mod blocks;
mod coarse;
mod cycle;
mod grouped;
mod modes;
mod prolong;
mod rows;
mod scale;
mod setup;
pub(crate) mod smoother;

pub use grouped::GroupedAmg;
pub use modes::rigid_body_modes;

use crate::real::Real;
use crate::{BsrMatrix, CsrMatrix, Preconditioner, SolveError};
use blocks::{MAX_BLOCK, Square};
use cycle::{Hierarchy, Vectors};
use rayon::prelude::*;
use scale::Scaling;
use std::sync::Mutex;

/// How often a level visits the next coarser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// Once.
    V,
    /// Twice.
    W,
}

/// The numbers in which a hierarchy is stored and applied; it is always set up in double precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits: half the memory traffic. Entries are rounded to 1e-7 of the scaled diagonal, which matters only where that exceeds the
    /// smallest eigenvalues.
    Single,
    /// 64 bits.
    Double,
}

/// How to build the hierarchy.
#[derive(Debug, Clone, PartialEq)]
pub struct AmgOptions {
    /// Unknowns per node, numbered node by node (at most 16).
    pub block_size: usize,
    /// Vectors `[n]` that the operator maps nearly to zero away from the boundary, at most 16; none: a constant for each unknown of a
    /// node. For elasticity see [`rigid_body_modes`].
    pub near_null_space: Vec<Vec<f64>>,
    /// Nodes are connected where `|a_ij| > strength sqrt(a_ii a_jj)` (Frobenius norms of blocks).
    pub strength: f64,
    /// Degree of the smoothing polynomial, before and after the coarse correction each.
    pub smoother_degree: usize,
    /// The cycle.
    pub cycle: Cycle,
    /// Coarsening ends at this many unknowns, where a dense factorisation takes over.
    pub coarse_size: usize,
    /// Storage of the hierarchy.
    pub precision: Precision,
}

impl Default for AmgOptions {
    fn default() -> Self {
        AmgOptions {
            block_size: 1,
            near_null_space: Vec::new(),
            strength: 0.02,
            smoother_degree: 2,
            cycle: Cycle::V,
            coarse_size: 400,
            precision: Precision::Single,
        }
    }
}

/// The size of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelSize {
    /// Rows of its matrix.
    pub unknowns: usize,
    /// Stored values of its matrix.
    pub nonzeros: usize,
}

/// A hierarchy and work space that one application leaves for the next.
enum Kind {
    Single(Hierarchy<f32>, Mutex<Vec<Vec<Vectors<f32>>>>),
    Double(Hierarchy<f64>, Mutex<Vec<Vec<Vectors<f64>>>>),
}

/// The hierarchy of a matrix: a symmetric positive definite [`Preconditioner`] whose answer is the same on any number of threads.
pub struct Amg {
    scaling: Scaling,
    kind: Kind,
    sizes: Vec<LevelSize>,
}

impl Amg {
    /// Sets up the hierarchy of a symmetric positive definite matrix. Rows that hold nothing but their diagonal (Dirichlet values) stay
    /// out of the coarse spaces. Errors where sizes do not fit or an entry is not finite, and [`SolveError::Pivot`] where the matrix
    /// proves not to be positive definite.
    pub fn new(a: &CsrMatrix, options: &AmgOptions) -> Result<Self, SolveError> {
        square(a.nrows, a.ncols)?;
        if options.block_size == 1 {
            return Self::build(Square::of_csr(a), options);
        }
        let blocks = BsrMatrix::from_csr(a, options.block_size).ok_or(SolveError::Shape {
            what: "rows, as a multiple of the block size",
            expected: a.nrows.next_multiple_of(options.block_size.max(1)),
            got: a.nrows,
        })?;
        Self::from_blocks(&blocks, options)
    }

    /// The same for a matrix of blocks, whose size takes the place of the option.
    pub fn from_blocks(a: &BsrMatrix, options: &AmgOptions) -> Result<Self, SolveError> {
        square(a.nrows, a.ncols)?;
        Self::build(Square::of_bsr(a), options)
    }

    fn build(a: Square<'_>, options: &AmgOptions) -> Result<Self, SolveError> {
        let (n, block) = (a.nrows() * a.block, a.block);
        let count = if options.near_null_space.is_empty() { block } else { options.near_null_space.len() };
        for (what, size) in [("unknowns per node, at most", block), ("near-null space vectors, at most", count)] {
            if size > MAX_BLOCK {
                return Err(SolveError::Shape { what, expected: MAX_BLOCK, got: size });
            }
        }
        if options.smoother_degree == 0 {
            return Err(SolveError::Shape { what: "degree of the smoother, at least", expected: 1, got: 0 });
        }
        if let Some(k) = a.values.par_iter().position_first(|v| !v.is_finite()) {
            let row = a.row_ptr.partition_point(|&p| p <= k / (block * block)) - 1;
            return Err(SolveError::NotFinite { row: row * block + k / block % block });
        }
        let mut modes = near_null(options, n, block, count)?;
        let scaling = Scaling::new(a)?;
        let scaled = scaling.apply(a);
        scaling.scale_modes(&mut modes, count);
        let (kind, sizes) = match options.precision {
            Precision::Single => {
                let (h, sizes) = setup::hierarchy(scaled, modes, count, options)?;
                (Kind::Single(h, Mutex::default()), sizes)
            }
            Precision::Double => {
                let (h, sizes) = setup::hierarchy(scaled, modes, count, options)?;
                (Kind::Double(h, Mutex::default()), sizes)
            }
        };
        Ok(Amg { scaling, kind, sizes })
    }

    /// Sizes of the levels, the finest first.
    pub fn levels(&self) -> &[LevelSize] {
        &self.sizes
    }

    /// Stored values of all matrices relative to the finest one's.
    pub fn operator_complexity(&self) -> f64 {
        let total: usize = self.sizes.iter().map(|s| s.nonzeros).sum();
        total as f64 / self.sizes[0].nonzeros.max(1) as f64
    }
}

impl Preconditioner for Amg {
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        match &self.kind {
            Kind::Single(h, pool) => cycle(&self.scaling, h, pool, r, z),
            Kind::Double(h, pool) => cycle(&self.scaling, h, pool, r, z),
        }
    }
}

/// Scales the residual, also to size 1, which 32 bits need; one cycle; and back.
fn cycle<T: Real>(scaling: &Scaling, h: &Hierarchy<T>, pool: &Mutex<Vec<Vec<Vectors<T>>>>, r: &[f64], z: &mut [f64]) {
    let kept = pool.lock().ok().and_then(|mut p| p.pop());
    let mut v = kept.unwrap_or_else(|| h.vectors());
    scaling.forward(r, z);
    let size = z.par_iter().with_min_len(1 << 14).map(|v| v.abs()).reduce(|| 0.0, f64::max);
    if size > 0.0 && size.is_finite() {
        let inverse = 1.0 / size;
        v[0].r.par_iter_mut().zip(&*z).with_min_len(1 << 14).for_each(|(t, z)| *t = T::of(z * inverse));
        h.apply(&mut v, 0);
        scaling.backward(&v[0].x, size, z);
    }
    if let Ok(mut p) = pool.lock() {
        p.push(v);
    }
}

fn square(nrows: usize, ncols: usize) -> Result<(), SolveError> {
    if nrows == ncols { Ok(()) } else { Err(SolveError::Shape { what: "columns of a square matrix", expected: nrows, got: ncols }) }
}

/// The near-null space node-major, `[nodes, block, count]`.
fn near_null(options: &AmgOptions, n: usize, block: usize, count: usize) -> Result<Vec<f64>, SolveError> {
    let mut modes = vec![0.0; n * count];
    if options.near_null_space.is_empty() {
        (0..n).for_each(|i| modes[i * count + i % block] = 1.0);
    }
    for (m, mode) in options.near_null_space.iter().enumerate() {
        if mode.len() != n {
            return Err(SolveError::Shape { what: "length of a near-null space vector", expected: n, got: mode.len() });
        }
        if let Some(row) = mode.iter().position(|v| !v.is_finite()) {
            return Err(SolveError::NotFinite { row });
        }
        modes.iter_mut().skip(m).step_by(count).zip(mode).for_each(|(v, m)| *v = *m);
    }
    Ok(modes)
}

#[cfg(test)]
mod tests;
