//! Setting up the levels, from the finest down.

use super::aggregate::{Graph, aggregate};
use super::blocks::Blocks;
use super::coarse::{Coarse, Dense};
use super::cycle::{Hierarchy, Level};
use super::prolong::Tentative;
use super::rows::product;
use super::scale::Scaling;
use super::smoother::{Chebyshev, largest_eigenvalue};
use super::{AmgOptions, LevelSize};
use crate::SolveError;
use crate::real::Real;
use rayon::prelude::*;

/// Most levels; reached only where nothing coarsens.
const MAX_LEVELS: usize = 20;
/// Margin over the Lanczos estimate of the largest eigenvalue, which comes from below.
const MARGIN: f64 = 1.1;
/// The smoother works on the eigenvalues from the largest one down to this part of it.
const RATIO: f64 = 10.0;
/// Coarse unknowns whose scaled energy is below this are in the kernel of the matrix.
const KERNEL: f64 = 1e-12;
/// A level that keeps more than this part of the unknowns of the one above is not worth its cost.
const SLOW: f64 = 0.9;
/// Most unknowns of the dense factorisation.
const DENSE: usize = 2000;

/// Builds the hierarchy of a scaled matrix with near-null space `modes` `[nodes, block, count]`.
pub(super) fn hierarchy<T: Real>(
    mut a: Blocks<f64>,
    mut modes: Vec<f64>,
    count: usize,
    options: &AmgOptions,
) -> Result<(Hierarchy<T>, Vec<LevelSize>), SolveError> {
    let mut levels = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let unknowns = a.nrows() * a.rows;
        sizes.push(LevelSize { unknowns, nonzeros: a.values.len() });
        let matrix: Blocks<T> = a.cast();
        let upper = MARGIN * largest_eigenvalue(&matrix);
        let smoother = Chebyshev::new(options.smoother_degree, upper, RATIO);
        let next = if unknowns <= options.coarse_size || sizes.len() == MAX_LEVELS {
            None
        } else {
            coarsen(&a, &mut modes, count, upper, options)?
        };
        let Some(Coarsened { prolong, a: coarse, modes: coarse_modes }) = next else {
            let coarse =
                if unknowns <= DENSE.max(options.coarse_size) { Coarse::Dense(Dense::new(&a)) } else { Coarse::Smoother(matrix, smoother) };
            return Ok((Hierarchy { levels, coarse_size: unknowns, coarse, cycle: options.cycle }, sizes));
        };
        let prolong: Blocks<T> = prolong.cast();
        levels.push(Level { a: matrix, smoother, restrict: prolong.transpose(), prolong });
        (a, modes) = (coarse, coarse_modes);
    }
}

struct Coarsened {
    prolong: Blocks<f64>,
    a: Blocks<f64>,
    modes: Vec<f64>,
}

/// The next level, or nothing where it would hardly be smaller.
fn coarsen(a: &Blocks<f64>, modes: &mut [f64], count: usize, upper: f64, options: &AmgOptions) -> Result<Option<Coarsened>, SolveError> {
    let decoupled = drop_decoupled(a, modes, count);
    let graph = Graph::new(a, options.strength);
    let (of, aggregates) = aggregate(&graph, &decoupled);
    if aggregates == 0 || (aggregates * count) as f64 > SLOW * (a.nrows() * a.rows) as f64 {
        return Ok(None);
    }
    let tentative = Tentative::new(of, aggregates, modes, a.rows, count);
    let omega = 4.0 / (3.0 * upper);
    let mut prolong =
        if a.rows == 1 && count == 1 { tentative.smooth_filtered(a, &graph, modes, omega) } else { tentative.smooth(a, omega) };
    drop(graph);
    let mut coarse = product(&prolong.transpose(), &product(a, &prolong)).join();
    let mut modes = tentative.coarse;
    drop_kernel(&mut coarse, &mut prolong, &mut modes);
    let scaling = Scaling::new(coarse.square())?;
    let a = scaling.apply(coarse.square());
    scaling.scale_columns(&mut prolong);
    scaling.scale_modes(&mut modes, count);
    Ok(Some(Coarsened { prolong, a, modes }))
}

/// Unknowns that no entry ties to another node (Dirichlet rows) have no part in the near-null space; nodes of such unknowns alone are
/// returned as true.
fn drop_decoupled(a: &Blocks<f64>, modes: &mut [f64], count: usize) -> Vec<bool> {
    let b = a.rows;
    let node = |(i, modes): (usize, &mut [f64])| {
        let mut alone = true;
        for (p, row) in modes.chunks_exact_mut(count).enumerate() {
            let others = (a.row_ptr[i]..a.row_ptr[i + 1]).filter(|&k| a.col_idx[k] as usize != i);
            let coupled = others.into_iter().any(|k| a.values[(k * b + p) * b..][..b].iter().any(|&v| v != 0.0));
            if !coupled {
                row.fill(0.0);
            }
            alone &= !coupled;
        }
        alone
    };
    modes.par_chunks_mut(b * count).with_min_len(1024).enumerate().map(node).collect()
}

/// Unknowns of the coarse matrix that have no energy, because their column of the prolongator is zero or because they are in the kernel,
/// are taken out: an identity row stays.
fn drop_kernel(a: &mut Blocks<f64>, prolong: &mut Blocks<f64>, modes: &mut [f64]) {
    let b = a.rows;
    let mut dead = vec![false; a.nrows() * b];
    for i in 0..a.nrows() {
        for k in (a.row_ptr[i]..a.row_ptr[i + 1]).filter(|&k| a.col_idx[k] as usize == i) {
            for p in 0..b {
                let energy = a.values[(k * b + p) * b + p];
                // Negative energy stays and is reported when the block is factored.
                dead[i * b + p] = energy.abs() <= KERNEL;
            }
        }
    }
    if !dead.contains(&true) {
        return;
    }
    modes.chunks_exact_mut(modes.len() / dead.len()).zip(&dead).filter(|(_, d)| **d).for_each(|(row, _)| row.fill(0.0));
    clear(a, &dead, true, true);
    clear(prolong, &dead, false, true);
    for i in 0..a.nrows() {
        for k in a.row_ptr[i]..a.row_ptr[i + 1] {
            if a.col_idx[k] as usize == i {
                (0..b).filter(|p| dead[i * b + p]).for_each(|p| a.values[(k * b + p) * b + p] = 1.0);
            }
        }
    }
}

/// Sets the rows and columns of dead unknowns to zero.
fn clear(m: &mut Blocks<f64>, dead: &[bool], of_rows: bool, of_cols: bool) {
    let (r, c) = (m.rows, m.cols);
    for i in 0..m.nrows() {
        for k in m.row_ptr[i]..m.row_ptr[i + 1] {
            let j = m.col_idx[k] as usize;
            for p in 0..r {
                for q in 0..c {
                    if (of_rows && dead[i * r + p]) || (of_cols && dead[j * c + q]) {
                        m.values[(k * r + p) * c + q] = 0.0;
                    }
                }
            }
        }
    }
}
