//! A preconditioner for the saddle points `[[F, B^T], [B, 0]]` of incompressible flow: block triangular, with the Schur complement by a
//! least-squares commutator (Elman, Howle, Shadid, Shuttleworth and Tuminaro, SIAM J. Sci. Comput. 27, 2006).
//!
//! With the diagonal `Q` of the velocities' mass matrix and `A = B Q^-1 B^T`, a Laplacian of the pressure,
//! `(B F^-1 B^T)^-1 ~ A^-1 (B Q^-1 F Q^-1 B^T) A^-1`. What this takes is all in the matrix: no convection or diffusion of the pressure, and
//! no condition for it, has to be made up. Where the pressure is defined up to a constant one of them is to be held: `A` without its row
//! and column acts on the rest as its generalised inverse does.

use crate::{CsrMatrix, Groups, LinearOperator, MultifrontalCholesky, MultifrontalLu, Preconditioner, SolveError};
use rayon::prelude::*;

/// The unknowns of a saddle point by what they are.
#[derive(Debug, Clone, Copy)]
pub struct SaddleParts<'a> {
    /// Component of the velocity that each unknown is `[n]`; `None` for a pressure.
    pub component: &'a [Option<usize>],
    /// Diagonal of the velocities' mass matrix `[n]`; a pressure's entry is not read.
    pub mass: &'a [f64],
}

/// The preconditioner, and the matrix. Each component of the velocity has a factorisation of its own, and components are solved one after
/// the other (Gauss-Seidel): together their factor would have `dim` times the entries, and Newton's method couples them weakly.
pub struct LeastSquaresCommutator {
    matrix: CsrMatrix,
    /// Numbers of the pressures and of each component's velocities, ascending.
    pressure: Vec<u32>,
    components: Vec<Vec<u32>>,
    /// Inverse of the velocities' mass `[n]`, 0 for a pressure.
    weight: Vec<f64>,
    factors: Vec<MultifrontalLu>,
    laplacian: MultifrontalCholesky<f64>,
}

impl LeastSquaresCommutator {
    /// Analyses a matrix of symmetric pattern; groups as for [`MultifrontalLu::analyse`].
    ///
    /// # Errors
    /// Lengths differ, or the pattern is not symmetric.
    pub fn analyse(a: &CsrMatrix, parts: &SaddleParts<'_>, groups: &Groups<'_>) -> Result<Self, SolveError> {
        let lengths =
            [("columns", a.ncols), ("components", parts.component.len()), ("masses", parts.mass.len()), ("groups", groups.of.len())];
        if let Some(&(what, got)) = lengths.iter().find(|(_, got)| *got != a.nrows) {
            return Err(SolveError::Shape { what, expected: a.nrows, got });
        }
        let numbers = |part: Option<usize>| -> Vec<u32> { (0..a.nrows as u32).filter(|&i| parts.component[i as usize] == part).collect() };
        let count = parts.component.iter().flatten().max().map_or(0, |c| c + 1);
        let (pressure, components) = (numbers(None), (0..count).map(|c| numbers(Some(c))).collect::<Vec<_>>());
        let weight: Vec<f64> = parts.component.iter().zip(parts.mass).map(|(c, m)| if c.is_some() { 1.0 / m } else { 0.0 }).collect();
        let laplacian = MultifrontalCholesky::analyse(&laplacian(a, &pressure, &weight), &Members::new(groups, &pressure).get())?;
        let factors = components.iter().map(|own| MultifrontalLu::analyse(&a.select(own, own), &Members::new(groups, own).get()));
        let factors = factors.collect::<Result<_, _>>()?;
        Ok(LeastSquaresCommutator { matrix: CsrMatrix::default(), pressure, components, weight, factors, laplacian })
    }

    /// Takes over a matrix of the analysed pattern: factors `A`, and `F` by components.
    ///
    /// # Errors
    /// Another pattern, a value that is not finite, or `A` is not positive definite: a pressure that no velocity feels.
    pub fn factor(&mut self, a: &CsrMatrix) -> Result<(), SolveError> {
        self.matrix = CsrMatrix::default();
        self.laplacian.factor(&laplacian(a, &self.pressure, &self.weight))?;
        self.factors.par_iter_mut().zip(&self.components).try_for_each(|(lu, own)| lu.factor_alone(&a.select(own, own)))?;
        self.matrix = a.without_zeros();
        Ok(())
    }

    /// The matrix that was factored, empty before.
    pub fn matrix(&self) -> &CsrMatrix {
        &self.matrix
    }

    /// Bytes that the factors take, known once the pattern is analysed.
    pub fn memory(&self) -> usize {
        self.laplacian.memory() + self.factors.iter().map(MultifrontalLu::memory).sum::<usize>()
    }

    /// `z = (p, u)` with `p = -A^-1 (B Q^-1 F Q^-1 B^T) A^-1 r_p` and `u = F^-1 (r_u - B^T p)`. Products take whole rows of the matrix, with
    /// zeros in `z` where they are not to count.
    fn try_apply(&self, r: &[f64], z: &mut [f64]) -> Result<(), SolveError> {
        let mut p: Vec<f64> = self.pressure.iter().map(|&i| -r[i as usize]).collect();
        z.fill(0.0);
        self.laplacian.apply_inverse(&mut p, 1)?;
        scatter(&self.pressure, &p, z);
        // Twice through the velocities: B^T, then F; the weight of a pressure is zero.
        for _ in 0..2 {
            let mut image = vec![0.0; z.len()];
            self.matrix.apply(z, &mut image);
            z.iter_mut().zip(&image).zip(&self.weight).for_each(|((z, i), q)| *z = q * i);
        }
        p.iter_mut().zip(&self.pressure).for_each(|(p, &i)| *p = self.matrix.row_times(i as usize, z));
        self.laplacian.apply_inverse(&mut p, 1)?;
        z.fill(0.0);
        scatter(&self.pressure, &p, z);
        for (own, lu) in self.components.iter().zip(&self.factors).rev() {
            let mut u: Vec<f64> = own.iter().map(|&i| r[i as usize] - self.matrix.row_times(i as usize, z)).collect();
            lu.apply_inverse(&mut u)?;
            scatter(own, &u, z);
        }
        Ok(())
    }
}

fn scatter(places: &[u32], values: &[f64], z: &mut [f64]) {
    places.iter().zip(values).for_each(|(&i, v)| z[i as usize] = *v);
}

impl Preconditioner for LeastSquaresCommutator {
    /// Before [`LeastSquaresCommutator::factor`] the answer is not a number.
    fn apply(&self, r: &[f64], z: &mut [f64]) {
        if self.try_apply(r, z).is_err() {
            z.fill(f64::NAN);
        }
    }
}

/// `B Q^-1 B^T`, from the rows of the pressures: those of `B^T` are their transpose.
fn laplacian(a: &CsrMatrix, pressure: &[u32], weight: &[f64]) -> CsrMatrix {
    let all: Vec<u32> = (0..a.ncols as u32).collect();
    let b = a.select(pressure, &all);
    let c = b.transpose();
    let mut product = CsrMatrix { nrows: b.nrows, ncols: b.nrows, row_ptr: vec![0], ..CsrMatrix::default() };
    let (mut sum, mut seen) = (vec![0.0; b.nrows], vec![false; b.nrows]);
    for r in 0..b.nrows {
        let first = product.col_idx.len();
        for (&k, v) in b.row(r).0.iter().zip(b.row(r).1).filter(|(k, _)| weight[**k as usize] != 0.0) {
            for (&j, w) in c.row(k as usize).0.iter().zip(c.row(k as usize).1) {
                if !std::mem::replace(&mut seen[j as usize], true) {
                    product.col_idx.push(j);
                }
                sum[j as usize] += v * weight[k as usize] * w;
            }
        }
        product.col_idx[first..].sort_unstable();
        for &j in &product.col_idx[first..] {
            product.values.push(std::mem::take(&mut sum[j as usize]));
            seen[j as usize] = false;
        }
        product.row_ptr.push(product.col_idx.len());
    }
    product
}

/// Groups of some of the unknowns, numbered anew.
struct Members {
    of: Vec<u32>,
    points: Option<(Vec<f64>, usize)>,
}

impl Members {
    fn new(groups: &Groups<'_>, unknowns: &[u32]) -> Self {
        let mut number: Vec<Option<u32>> = vec![None; groups.of.iter().map(|&g| g as usize + 1).max().unwrap_or(0)];
        let mut out = Members { of: Vec::new(), points: groups.points.map(|(_, dim)| (Vec::new(), dim)) };
        let mut count = 0;
        for &u in unknowns {
            let group = groups.of[u as usize] as usize;
            let at = *number[group].get_or_insert_with(|| {
                if let (Some((points, dim)), Some((all, _))) = (&mut out.points, groups.points) {
                    points.extend_from_slice(&all[group * *dim..(group + 1) * *dim]);
                }
                count += 1;
                count - 1
            });
            out.of.push(at);
        }
        out
    }

    fn get(&self) -> Groups<'_> {
        Groups { of: &self.of, points: self.points.as_ref().map(|(p, dim)| (&p[..], *dim)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KrylovOptions, gmres};

    /// `[[F, B^T], [B, 0]]` of a staggered grid of `n` by `n` squares with one pressure each, held velocities left out, and one pressure
    /// held; velocities are convected by `carrier`. The component of each unknown, and the matrix.
    fn staggered(n: usize, carrier: f64) -> (Vec<Option<usize>>, CsrMatrix) {
        let side = n * (n - 1);
        let (u, v, p) =
            (|i: usize, j: usize| j * (n - 1) + i - 1, |i: usize, j: usize| side + (j - 1) * n + i, |i, j| 2 * side + j * n + i - 1);
        let mut t = Vec::new();
        for j in 0..n {
            for i in 1..n {
                // The transpose of a face is a face of the other component.
                for (own, of) in [(u(i, j), &u as &dyn Fn(usize, usize) -> usize), (v(j, i), &|i, j| v(j, i))] {
                    t.push((own, own, 4.0));
                    if i > 1 {
                        t.extend([(own, of(i - 1, j), -1.0 - carrier), (of(i - 1, j), own, -1.0 + carrier)]);
                    }
                    if j > 0 {
                        t.extend([(own, of(i, j - 1), -1.0), (of(i, j - 1), own, -1.0)]);
                    }
                }
                for (face, before, after) in [(u(i, j), (i - 1, j), (i, j)), (v(j, i), (j, i - 1), (j, i))] {
                    for ((i, j), sign) in [(before, 1.0), (after, -1.0)] {
                        if (i, j) != (0, 0) {
                            t.extend([(face, p(i, j), sign), (p(i, j), face, sign)]);
                        }
                    }
                }
            }
        }
        let component = (0..2 * side).map(|i| Some(usize::from(i >= side))).chain((1..n * n).map(|_| None)).collect();
        (component, CsrMatrix::from_triplets(2 * side + n * n - 1, 2 * side + n * n - 1, &t))
    }

    fn made(component: &[Option<usize>], a: &CsrMatrix) -> Result<LeastSquaresCommutator, SolveError> {
        let groups: Vec<u32> = (0..a.nrows as u32).collect();
        let mut m = LeastSquaresCommutator::analyse(a, &SaddleParts { component, mass: &vec![1.0; a.nrows] }, &Groups::new(&groups))?;
        m.factor(a)?;
        Ok(m)
    }

    fn iterations(m: &LeastSquaresCommutator) -> usize {
        let n = m.matrix().nrows;
        let b: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
        let mut x = vec![0.0; n];
        let report = gmres(m.matrix(), m, &b, &mut x, &KrylovOptions { tolerance: 1e-10, max_iterations: 100 }, 100);
        assert!(report.converged(), "{:?} {:?}", report.reason, report.residuals);
        report.iterations
    }

    #[test]
    fn iterations_hardly_grow_with_the_grid() {
        for carrier in [0.0, 0.3] {
            let counts = [10, 20, 40].map(|n| {
                let (component, a) = staggered(n, carrier);
                iterations(&made(&component, &a).unwrap())
            });
            println!("{carrier}: {counts:?}");
            assert!(counts[2] <= 20 && counts[2] <= counts[0] + 10, "{carrier}: {counts:?}");
        }
    }

    /// Where the velocities' part is the mass, the commutator vanishes: the preconditioner is the exact inverse but for its triangle.
    #[test]
    fn it_is_exact_for_a_momentum_that_commutes() {
        let (component, mut a) = staggered(8, 0.0);
        let velocities = component.iter().flatten().count();
        for r in 0..velocities {
            for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                let c = a.col_idx[k] as usize;
                if c < velocities {
                    a.values[k] = f64::from(u8::from(c == r));
                }
            }
        }
        assert!(iterations(&made(&component, &a).unwrap()) <= 2);
    }

    #[test]
    fn what_is_no_saddle_point_is_an_error() {
        let (component, mut a) = staggered(6, 0.0);
        let groups: Vec<u32> = (0..a.nrows as u32).collect();
        let short = SaddleParts { component: &component[1..], mass: &vec![1.0; a.nrows] };
        assert!(matches!(LeastSquaresCommutator::analyse(&a, &short, &Groups::new(&groups)), Err(SolveError::Shape { .. })));
        let whole = SaddleParts { component: &component, mass: &vec![1.0; a.nrows] };
        let m = LeastSquaresCommutator::analyse(&a, &whole, &Groups::new(&groups)).unwrap();
        assert!(m.memory() > 0);
        let mut z = vec![0.0; a.nrows];
        m.apply(&vec![1.0; a.nrows], &mut z);
        assert!(z.iter().all(|z| z.is_nan()));
        // A pressure that no velocity feels.
        let last = a.nrows - 1;
        for r in 0..=last {
            for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                if r == last || a.col_idx[k] as usize == last {
                    a.values[k] = 0.0;
                }
            }
        }
        assert!(matches!(made(&component, &a), Err(SolveError::Pivot { .. })));
    }
}
