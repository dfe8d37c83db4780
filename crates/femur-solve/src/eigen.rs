//! The lowest eigenpairs of `K x = lambda M x` by a shift-inverted block Lanczos method, and a bound of the largest eigenvalue.
//!
//! Grimes, Lewis and Simon (1994), "A shifted block Lanczos algorithm for solving sparse symmetric generalized eigenproblems", with
//! full reorthogonalisation in the M-inner product and without restarts: a shift below the spectrum makes few steps enough.

use crate::amg::smoother::lanczos;
use crate::dense::symmetric_eigen;
use crate::{CsrMatrix, DirectSolver, Groups, LinearOperator, SolveError, Symmetry};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EigenOptions {
    /// Number of eigenpairs.
    pub count: usize,
    /// An eigenpair is accepted at `|K x - lambda M x| <= tolerance (lambda - shift) |M x|` in the 2-norm, or where the left side is down
    /// to the rounding of `K x`.
    pub tolerance: f64,
    /// Vectors carried at once. Eigenvalues of at most this multiplicity are found in the first pass; six covers the rigid motions
    /// of a free body.
    pub block: usize,
}

/// Eigenvalues in ascending order with their vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct EigenPairs {
    /// `lambda`, ascending `[count]`.
    pub values: Vec<f64>,
    /// Vectors `[count][size]` with `x^T M x = 1`; the entry of largest size is positive.
    pub vectors: Vec<Vec<f64>>,
    /// `|K x - lambda M x| / ((lambda - shift) |M x|)`, `[count]`.
    pub residuals: Vec<f64>,
    /// Dimension of the Krylov space.
    pub dimension: usize,
}

/// The `count` lowest eigenpairs of symmetric `K` (positive semi-definite) and `M` (positive definite).
///
/// The shift lies below zero, at 1e-10 of the least ratio of diagonals, so that `K - shift M` is positive definite where the body may
/// move rigidly too; where rounding spoils that, at 1e-8, 1e-6, 1e-4. The start is fixed, so that answers repeat to the bit.
/// `groups` serves the ordering of the factorisation.
///
/// # Errors
/// Shapes that do not fit, `count` of 0 or above the size, a matrix that is not as it should be, and no convergence.
pub fn lowest_eigenpairs(k: &CsrMatrix, m: &CsrMatrix, groups: &Groups<'_>, options: &EigenOptions) -> Result<EigenPairs, SolveError> {
    let n = k.nrows;
    if m.nrows != n || m.ncols != n {
        return Err(SolveError::Shape { what: "rows of the mass matrix", expected: n, got: m.nrows });
    }
    if options.count == 0 || options.count > n {
        return Err(SolveError::Shape { what: "eigenpairs, which cannot outnumber the unknowns", expected: n, got: options.count });
    }
    let (dk, dm) = (k.diagonal(), m.diagonal());
    if let Some(pivot) = dm.iter().position(|d| d.is_nan() || *d <= 0.0) {
        return Err(SolveError::Pivot { kind: "not positive definite", pivot, size: n });
    }
    let least = dk.iter().zip(&dm).map(|(k, m)| k / m).fold(f64::INFINITY, f64::min).max(f64::MIN_POSITIVE);
    let mut last = SolveError::NotFactored;
    for part in SHIFTS {
        match attempt(k, m, groups, -part * least, part == SHIFTS[SHIFTS.len() - 1], options) {
            Err(e @ (SolveError::Pivot { .. } | SolveError::Inaccurate { .. })) => last = e,
            other => return other,
        }
    }
    Err(last)
}

/// Part of the largest eigenvalue that its Lanczos estimate may miss, and the probability that it misses more.
const MISS: (f64, f64) = (0.1, 1e-9);

/// A bound from above of the largest eigenvalue of a symmetric positive semi-definite map of `n` unknowns, by its product `w = A v`; at most a
/// ninth too large. The map must be scaled to a largest diagonal entry of 1.
///
/// The Lanczos process comes from below. From a random start it misses more than the part `e` of the eigenvalue after `k` products with a
/// probability of at most `1.648 sqrt(n) exp(-sqrt(e) (2 k - 1))`, whatever the spectrum (Kuczynski and Wozniakowski 1992). So many
/// products are made, some 40, that this is 1e-9 for `e` = 0.1, and the estimate is divided by `1 - e`. The start has no pattern but is
/// fixed, so that the bound repeats to the bit on any number of threads.
pub fn largest_eigenvalue_bound(n: usize, multiply: impl FnMut(&[f64], &mut [f64])) -> f64 {
    let (part, probability) = MISS;
    let steps = 0.5 * (1.0 + (1.648 * (n as f64).sqrt() / probability).ln() / part.sqrt());
    lanczos(n, steps.ceil() as usize, multiply) / (1.0 - part)
}

/// Shifts that are tried, as parts of the least ratio of diagonals: the smaller, the faster the lowest pairs converge.
const SHIFTS: [f64; 4] = [1e-10, 1e-8, 1e-6, 1e-4];

fn attempt(
    k: &CsrMatrix,
    m: &CsrMatrix,
    groups: &Groups<'_>,
    shift: f64,
    patient: bool,
    options: &EigenOptions,
) -> Result<EigenPairs, SolveError> {
    let shifted = add(k, m, -shift)?;
    let mut solver = DirectSolver::analyse(&shifted, Symmetry::PositiveDefinite, groups)?;
    solver.factor(&shifted)?;
    let mut space = Space { k, m, solver, shift, basis: Vec::new(), images: Vec::new(), projected: Vec::new(), seed: 0 };
    space.run(options, patient)
}

/// `a + factor b`, on the union of their patterns.
fn add(a: &CsrMatrix, b: &CsrMatrix, factor: f64) -> Result<CsrMatrix, SolveError> {
    if a.row_ptr == b.row_ptr && a.col_idx == b.col_idx {
        let values = a.values.iter().zip(&b.values).map(|(a, b)| a + factor * b).collect();
        return Ok(CsrMatrix { values, ..a.clone() });
    }
    let entries = |m: &CsrMatrix, by: f64| {
        let row = |r: usize| m.row(r).0.iter().zip(m.row(r).1).map(|(&c, &v)| (r, c as usize, by * v)).collect::<Vec<_>>();
        (0..m.nrows).flat_map(row).collect::<Vec<_>>()
    };
    let mut all = entries(a, 1.0);
    all.extend(entries(b, factor));
    Ok(CsrMatrix::from_triplets(a.nrows, a.ncols, &all))
}

/// The Krylov space, its basis M-orthonormal.
struct Space<'a> {
    k: &'a CsrMatrix,
    m: &'a CsrMatrix,
    solver: DirectSolver,
    shift: f64,
    basis: Vec<Vec<f64>>,
    /// `M v` of each basis vector.
    images: Vec<Vec<f64>>,
    /// Columns of `V^T M (K - shift M)^-1 M V`, one for each vector that was expanded.
    projected: Vec<Vec<f64>>,
    seed: u64,
}

impl Space<'_> {
    /// `patient`: goes on where the residuals have ceased to fall.
    fn run(&mut self, options: &EigenOptions, patient: bool) -> Result<EigenPairs, SolveError> {
        let n = self.m.nrows;
        let block = options.block.clamp(1, n);
        self.refill(block);
        let most = n.min(20 * options.count + 200);
        let mut next_check = (2 * options.count).max(options.count + 8).min(n);
        let mut before = f64::INFINITY;
        loop {
            let done = self.projected.len();
            self.expand()?;
            // A space that cannot grow holds whole eigenspaces; fresh vectors look for what it has missed.
            if self.basis.len() == self.projected.len() && self.basis.len() < n {
                self.refill(block);
            }
            let dimension = self.projected.len();
            let full = dimension == n;
            if dimension < next_check && !full && dimension > done {
                continue;
            }
            next_check = dimension + (dimension / 4).max(block);
            let (pairs, rounding) = self.ritz(options.count);
            // What is left above rounding, relative to the tolerance.
            let excess = pairs.residuals.iter().zip(&rounding).fold(0.0_f64, |a, (r, f)| {
                let over = (r - f) / options.tolerance;
                if over.is_nan() { f64::INFINITY } else { a.max(over) }
            });
            if pairs.values.len() == options.count && excess <= 1.0 {
                return Ok(pairs);
            }
            let stuck = !patient && dimension > 4 * options.count + 40 && excess > 0.5 * before;
            if full || dimension >= most || stuck {
                let residual = pairs.residuals.iter().fold(0.0_f64, |a, &r| if r.is_nan() { f64::NAN } else { a.max(r) });
                return Err(SolveError::Inaccurate { residual });
            }
            before = excess;
        }
    }

    /// Applies the operator to every vector not yet expanded, and adds what is new to the basis.
    fn expand(&mut self) -> Result<(), SolveError> {
        let (first, last, n) = (self.projected.len(), self.basis.len(), self.m.nrows);
        let mut block: Vec<f64> = self.images[first..last].concat();
        self.solver.solve_many(&mut block, last - first)?;
        for w in block.chunks_exact(n) {
            let (column, rest) = self.orthogonalise(w.to_vec());
            let norm = rest.as_ref().map_or(0.0, |(norm, _)| *norm);
            let scale = column.iter().map(|c| c * c).sum::<f64>().sqrt();
            let mut column = column;
            if let Some((norm, vector)) = rest.filter(|_| norm > 1e-10 * scale) {
                column.push(norm);
                self.push(vector);
            }
            self.projected.push(column);
        }
        Ok(())
    }

    /// Coefficients of `w` in the basis, and the M-norm and direction of what is left. Two sweeps: "twice is enough" (Kahan).
    fn orthogonalise(&self, mut w: Vec<f64>) -> (Vec<f64>, Option<(f64, Vec<f64>)>) {
        let mut column = vec![0.0; self.basis.len()];
        for _ in 0..2 {
            for (c, (v, mv)) in column.iter_mut().zip(self.basis.iter().zip(&self.images)) {
                let s = dot(mv, &w);
                *c += s;
                w.iter_mut().zip(v).for_each(|(w, v)| *w -= s * v);
            }
        }
        let mut image = vec![0.0; w.len()];
        self.m.apply(&w, &mut image);
        let norm = dot(&w, &image).max(0.0).sqrt();
        if norm > 0.0 && norm.is_finite() {
            w.iter_mut().for_each(|v| *v /= norm);
            (column, Some((norm, w)))
        } else {
            (column, None)
        }
    }

    fn push(&mut self, vector: Vec<f64>) {
        let mut image = vec![0.0; vector.len()];
        self.m.apply(&vector, &mut image);
        self.basis.push(vector);
        self.images.push(image);
    }

    /// Adds up to `count` vectors of a fixed pseudo-random sequence, orthogonal to the basis.
    fn refill(&mut self, count: usize) {
        let n = self.m.nrows;
        for _ in 0..count.min(n - self.basis.len()) {
            let start: Vec<f64> = (0..n as u64).map(|i| noise(self.seed * n as u64 + i)).collect();
            self.seed += 1;
            if let (_, Some((_, vector))) = self.orthogonalise(start) {
                self.push(vector);
            }
        }
    }

    /// The best `count` pairs of the space, and the part of each residual that is rounding.
    fn ritz(&self, count: usize) -> (EigenPairs, Vec<f64>) {
        let d = self.projected.len();
        // In the whole space K itself is projected: its inverse, near a rigid motion huge, would round away what the stiff modes are.
        let whole = d == self.m.nrows;
        let images: Vec<Vec<f64>> = if whole { self.basis.iter().map(|v| self.stiffness_times(v)).collect() } else { Vec::new() };
        let entry = |i: usize, j: usize| {
            if whole { dot(&self.basis[i], &images[j]) } else { self.projected[j].get(i).copied().unwrap_or(0.0) }
        };
        let mut t = vec![0.0; d * d];
        for i in 0..d {
            for j in 0..d {
                // Symmetric but for rounding.
                t[i * d + j] = 0.5 * (entry(i, j) + entry(j, i));
            }
        }
        let (theta, vectors) = symmetric_eigen(&mut t, d);
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|&a, &b| if whole { theta[a].total_cmp(&theta[b]) } else { theta[b].total_cmp(&theta[a]) });
        let n = self.m.nrows;
        let mut pairs: Vec<(f64, Vec<f64>, f64, f64)> = Vec::new();
        for &j in order.iter().take(count) {
            let mut x = vec![0.0; n];
            for (i, v) in self.basis[..d].iter().enumerate() {
                let c = vectors[i * d + j];
                x.iter_mut().zip(v).for_each(|(x, v)| *x += c * v);
            }
            pairs.push(self.polish(x));
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rounding = pairs.iter().map(|p| p.3).collect();
        let pairs = EigenPairs {
            values: pairs.iter().map(|p| p.0).collect(),
            residuals: pairs.iter().map(|p| p.2).collect(),
            vectors: pairs.into_iter().map(|p| p.1).collect(),
            dimension: d,
        };
        (pairs, rounding)
    }

    fn stiffness_times(&self, v: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        self.k.apply(v, &mut out);
        out
    }

    /// Rayleigh quotient, M-normalised vector with its sign, residual and its part that is rounding.
    fn polish(&self, mut x: Vec<f64>) -> (f64, Vec<f64>, f64, f64) {
        let n = x.len();
        let (mut kx, mut mx) = (vec![0.0; n], vec![0.0; n]);
        self.m.apply(&x, &mut mx);
        let largest = x.iter().fold(0.0_f64, |a, &v| if v.abs() > a.abs() * (1.0 + 1e-6) { v } else { a });
        let scale = dot(&x, &mx).max(f64::MIN_POSITIVE).sqrt() * if largest < 0.0 { -1.0 } else { 1.0 };
        x.iter_mut().for_each(|v| *v /= scale);
        mx.iter_mut().for_each(|v| *v /= scale);
        self.k.apply(&x, &mut kx);
        let lambda = dot(&x, &kx);
        let rest = kx.iter().zip(&mx).map(|(k, m)| (k - lambda * m).powi(2)).sum::<f64>().sqrt();
        // A product of a row is right to a few units of rounding of the sum of its absolute values.
        let row = |r: usize| self.k.row(r).0.iter().zip(self.k.row(r).1).map(|(&c, k)| (k * x[c as usize]).abs()).sum::<f64>();
        let rounding = 8.0 * f64::EPSILON * (0..n).map(|r| row(r).powi(2)).sum::<f64>().sqrt();
        let scale = ((lambda - self.shift) * dot(&mx, &mx).sqrt()).abs();
        (lambda, x, rest / scale, rounding / scale)
    }
}

/// A number in -1 .. 1 from a counter (SplitMix64; Steele, Lea and Flood 2014).
fn noise(counter: u64) -> f64 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laplacian(n: usize, held: bool) -> CsrMatrix {
        let at = |i: usize, j: usize| j * n + i;
        let mut t = Vec::new();
        for j in 0..n {
            for i in 0..n {
                let neighbours = [
                    (i > 0).then(|| at(i - 1, j)),
                    (i + 1 < n).then(|| at(i + 1, j)),
                    (j > 0).then(|| at(i, j - 1)),
                    (j + 1 < n).then(|| at(i, j + 1)),
                ];
                let count = neighbours.iter().flatten().count();
                t.push((at(i, j), at(i, j), if held { 4.0 } else { count as f64 }));
                t.extend(neighbours.into_iter().flatten().map(|m| (at(i, j), m, -1.0)));
            }
        }
        CsrMatrix::from_triplets(n * n, n * n, &t)
    }

    fn identity(n: usize, value: f64) -> CsrMatrix {
        CsrMatrix::from_triplets(n, n, &(0..n).map(|i| (i, i, value)).collect::<Vec<_>>())
    }

    fn options(count: usize, block: usize) -> EigenOptions {
        EigenOptions { count, tolerance: 1e-9, block }
    }

    /// Eigenvalues of the grid Laplacian in closed form, ascending; those of i != j are double.
    fn exact(n: usize, held: bool, count: usize) -> Vec<f64> {
        let one = |i: usize| {
            let angle = if held { (i + 1) as f64 / (n + 1) as f64 } else { i as f64 / n as f64 };
            2.0 - 2.0 * (std::f64::consts::PI * angle).cos()
        };
        let mut all: Vec<f64> = (0..n * n).map(|k| one(k / n) + one(k % n)).collect();
        all.sort_by(f64::total_cmp);
        all.truncate(count);
        all
    }

    #[test]
    fn single_and_double_eigenvalues_are_found_with_orthonormal_vectors() {
        for (held, block) in [(true, 6), (false, 6), (true, 1), (true, 2)] {
            let n = 12;
            let (k, m) = (laplacian(n, held), identity(n * n, 4.0));
            let pairs = lowest_eigenpairs(&k, &m, &Groups::new(&(0..k.nrows as u32).collect::<Vec<_>>()), &options(12, block)).unwrap();
            for (value, e) in pairs.values.iter().zip(exact(n, held, 12)) {
                assert!((value - e / 4.0).abs() < 1e-10, "block {block}: {:?}", pairs.values);
            }
            for (i, a) in pairs.vectors.iter().enumerate() {
                for (j, b) in pairs.vectors.iter().enumerate() {
                    assert!((4.0 * dot(a, b) - f64::from(u8::from(i == j))).abs() < 1e-10);
                }
            }
        }
    }

    #[test]
    fn all_pairs_of_a_small_system_and_a_second_run_of_the_same_bits() {
        let (k, m) = (laplacian(4, false), identity(16, 1.0));
        let a = lowest_eigenpairs(&k, &m, &Groups::new(&(0..k.nrows as u32).collect::<Vec<_>>()), &options(16, 6)).unwrap();
        assert!(a.values.iter().zip(exact(4, false, 16)).all(|(v, e)| (v - e).abs() < 1e-12));
        assert_eq!(a, lowest_eigenpairs(&k, &m, &Groups::new(&(0..k.nrows as u32).collect::<Vec<_>>()), &options(16, 6)).unwrap());
    }

    #[test]
    fn mistakes_are_refused() {
        let k = laplacian(4, true);
        assert!(matches!(lowest_eigenpairs(&k, &identity(16, 1.0), &Groups::new(&[]), &options(17, 4)), Err(SolveError::Shape { .. })));
        assert!(matches!(lowest_eigenpairs(&k, &identity(9, 1.0), &Groups::new(&[]), &options(2, 4)), Err(SolveError::Shape { .. })));
        assert!(matches!(lowest_eigenpairs(&k, &identity(16, -1.0), &Groups::new(&[]), &options(2, 4)), Err(SolveError::Pivot { .. })));
    }

    #[test]
    fn the_bound_lies_above_the_largest_eigenvalue_and_near() {
        // A chain of springs with one that is a little stiffer than the others, so that the extreme mode is at one place.
        for n in [1usize, 2, 10, 5000] {
            for stiff in [1.0, 1.3, 20.0] {
                let spring = |i: usize| if i == n / 2 { stiff } else { 1.0 };
                let largest = 2.0 * stiff + 2.0;
                let multiply = |v: &[f64], w: &mut [f64]| {
                    for i in 0..n {
                        let left = if i > 0 { v[i - 1] } else { 0.0 };
                        let right = if i + 1 < n { v[i + 1] } else { 0.0 };
                        w[i] = (spring(i) * (v[i] - left) + spring(i + 1) * (v[i] - right)) / largest;
                    }
                };
                // Sturm's sequence counts the eigenvalues below a number: all of them from the bound on.
                let below = |x: f64| {
                    let mut d = 1.0;
                    (0..n)
                        .filter(|&i| {
                            let off: f64 = if i > 0 { spring(i) / largest } else { 0.0 };
                            d = (spring(i) + spring(i + 1)) / largest - x - off * off / d;
                            d < 0.0
                        })
                        .count()
                };
                let bound = largest_eigenvalue_bound(n, multiply);
                assert_eq!(below(bound), n, "{n} {stiff}: {bound}");
                // Never below 1 for what is scaled to less.
                assert!(below(bound * 0.88) < n || bound < 1.0 / 0.89, "{n} {stiff}: {bound}");
                assert_eq!(bound, largest_eigenvalue_bound(n, multiply));
            }
        }
    }
}
