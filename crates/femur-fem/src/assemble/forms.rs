//! The forms with kernels of their own: diffusion, isotropic elasticity, mass. Each holds coefficients that are constant in a cell;
//! whatever else varies or couples goes through [`super::Assembler::add_matrix`].

use super::lanes::{Arithmetic, LANES, Lanes};
use super::plan::num_pairs;

/// What the assembly of a form needs of it.
pub(super) trait Kernel: Sync {
    /// Whether the integrand is made of gradients alone. Then one point serves a simplex of order 1, and the blocks of a row add up to
    /// zero, for the shape functions do to one: those of the nodes need not be found.
    const OF_GRADIENTS: bool;

    /// Unknowns per node in space dimension `dim`.
    fn components(&self, dim: usize) -> usize;

    /// The factor of each cell of a batch.
    fn coefficient(&self, cells: &[usize; LANES]) -> Lanes;

    /// Adds the integrand at one point, `weight` times, to the blocks of the pairs of nodes, then of the nodes unless it is
    /// [`Kernel::OF_GRADIENTS`].
    fn add<A: Arithmetic, const N: usize, const D: usize>(
        &self,
        values: &[f64; N],
        gradients: &[[Lanes; D]; N],
        weight: Lanes,
        out: &mut [Lanes],
    );

    /// Makes the blocks of what [`Kernel::add`] summed up.
    fn finish<A: Arithmetic, const N: usize, const D: usize>(&self, cells: &[usize; LANES], out: &mut [Lanes]);
}

/// A coefficient that is constant in a cell.
#[derive(Debug, Clone, Copy)]
pub enum CellCoefficient<'a> {
    /// The same in all cells.
    Uniform(f64),
    /// A value per material, and the material of each cell.
    ByMaterial(&'a [f64], &'a [i32]),
    /// A value per cell.
    ByCell(&'a [f64]),
}

impl CellCoefficient<'_> {
    /// The value in a cell.
    pub(crate) fn of(&self, cell: usize) -> f64 {
        match self {
            CellCoefficient::Uniform(v) => *v,
            CellCoefficient::ByMaterial(values, material) => values[material[cell] as usize],
            CellCoefficient::ByCell(values) => values[cell],
        }
    }

    #[inline(always)]
    pub(crate) fn at(&self, cells: &[usize; LANES]) -> Lanes {
        let mut out = Lanes::ZERO;
        match self {
            CellCoefficient::Uniform(v) => out = Lanes::splat(*v),
            CellCoefficient::ByMaterial(values, material) => {
                for l in 0..LANES {
                    out.0[l] = values[material[cells[l]] as usize];
                }
            }
            CellCoefficient::ByCell(values) => {
                for l in 0..LANES {
                    out.0[l] = values[cells[l]];
                }
            }
        }
        out
    }
}

/// A symmetric bilinear form with a kernel of its own. In 2D coefficients hold the thickness.
#[derive(Debug, Clone, Copy)]
pub enum Form<'a> {
    /// `k grad v . grad u`.
    Diffusion(CellCoefficient<'a>),
    /// `lambda div v div u + 2 mu eps(v) : eps(u)` with Lame's constants, a component per direction.
    Elasticity {
        /// Lame's first constant.
        lambda: CellCoefficient<'a>,
        /// Shear modulus.
        mu: CellCoefficient<'a>,
    },
    /// `rho v . u`.
    Mass {
        /// Unknowns per node, 1 to 3.
        components: usize,
        /// Density.
        density: CellCoefficient<'a>,
    },
}

/// [`Form::Diffusion`].
pub(super) struct Diffusion<'a>(pub(super) CellCoefficient<'a>);

impl Kernel for Diffusion<'_> {
    const OF_GRADIENTS: bool = true;

    fn components(&self, _dim: usize) -> usize {
        1
    }

    #[inline(always)]
    fn coefficient(&self, cells: &[usize; LANES]) -> Lanes {
        self.0.at(cells)
    }

    #[inline(always)]
    fn add<A: Arithmetic, const N: usize, const D: usize>(
        &self,
        _values: &[f64; N],
        gradients: &[[Lanes; D]; N],
        weight: Lanes,
        out: &mut [Lanes],
    ) {
        let mut p = 0;
        for a in 0..N {
            let g = scaled::<A, D>(&gradients[a], weight);
            for b in a + 1..N {
                out[p] = dot::<A, D>(&g, &gradients[b], out[p]);
                p += 1;
            }
        }
    }

    #[inline(always)]
    fn finish<A: Arithmetic, const N: usize, const D: usize>(&self, _cells: &[usize; LANES], _out: &mut [Lanes]) {}
}

/// [`Form::Elasticity`].
pub(super) struct Elasticity<'a> {
    pub(super) lambda: CellCoefficient<'a>,
    pub(super) mu: CellCoefficient<'a>,
}

impl Kernel for Elasticity<'_> {
    const OF_GRADIENTS: bool = true;

    fn components(&self, dim: usize) -> usize {
        dim
    }

    #[inline(always)]
    fn coefficient(&self, _cells: &[usize; LANES]) -> Lanes {
        Lanes::splat(1.0)
    }

    /// Sums `grad Na (x) grad Nb`.
    #[inline(always)]
    fn add<A: Arithmetic, const N: usize, const D: usize>(
        &self,
        _values: &[f64; N],
        gradients: &[[Lanes; D]; N],
        weight: Lanes,
        out: &mut [Lanes],
    ) {
        let mut p = 0;
        for a in 0..N {
            let g = scaled::<A, D>(&gradients[a], weight);
            for b in a + 1..N {
                outer::<A, D>(&g, &gradients[b], &mut out[p * D * D..(p + 1) * D * D]);
                p += 1;
            }
        }
    }

    /// `K_ab = lambda S + mu S^T + mu tr(S) I` with `S` the sum above.
    #[inline(always)]
    fn finish<A: Arithmetic, const N: usize, const D: usize>(&self, cells: &[usize; LANES], out: &mut [Lanes]) {
        let (lambda, mu) = (self.lambda.at(cells), self.mu.at(cells));
        for block in out.chunks_exact_mut(D * D) {
            let mut trace = block[0];
            for i in 1..D {
                trace = trace + block[i * D + i];
            }
            let (trace, sum) = (A::mul(trace, mu), lambda + mu);
            for i in 0..D {
                block[i * D + i] = A::fma(block[i * D + i], sum, trace);
                for j in i + 1..D {
                    let (s, t) = (block[i * D + j], block[j * D + i]);
                    block[i * D + j] = A::fma(lambda, s, A::mul(mu, t));
                    block[j * D + i] = A::fma(lambda, t, A::mul(mu, s));
                }
            }
        }
    }
}

/// [`Form::Mass`].
pub(super) struct Mass<'a> {
    pub(super) components: usize,
    pub(super) density: CellCoefficient<'a>,
}

impl Kernel for Mass<'_> {
    const OF_GRADIENTS: bool = false;

    fn components(&self, _dim: usize) -> usize {
        self.components
    }

    #[inline(always)]
    fn coefficient(&self, cells: &[usize; LANES]) -> Lanes {
        self.density.at(cells)
    }

    #[inline(always)]
    fn add<A: Arithmetic, const N: usize, const D: usize>(
        &self,
        values: &[f64; N],
        _gradients: &[[Lanes; D]; N],
        weight: Lanes,
        out: &mut [Lanes],
    ) {
        let size = self.components * self.components;
        let (pairs, nodes) = out.split_at_mut(num_pairs(N) * size);
        let mut p = 0;
        for a in 0..N {
            let w = weight * values[a];
            nodes[a * size] = A::fma(w, Lanes::splat(values[a]), nodes[a * size]);
            for b in a + 1..N {
                pairs[p * size] = A::fma(w, Lanes::splat(values[b]), pairs[p * size]);
                p += 1;
            }
        }
    }

    #[inline(always)]
    fn finish<A: Arithmetic, const N: usize, const D: usize>(&self, _cells: &[usize; LANES], out: &mut [Lanes]) {
        let c = self.components;
        for block in out.chunks_exact_mut(c * c) {
            for i in 1..c {
                block[i * c + i] = block[0];
            }
        }
    }
}

#[inline(always)]
fn scaled<A: Arithmetic, const D: usize>(g: &[Lanes; D], weight: Lanes) -> [Lanes; D] {
    let mut out = *g;
    for v in &mut out {
        *v = A::mul(*v, weight);
    }
    out
}

/// `sum + g . h`.
#[inline(always)]
fn dot<A: Arithmetic, const D: usize>(g: &[Lanes; D], h: &[Lanes; D], sum: Lanes) -> Lanes {
    let mut sum = sum;
    for d in 0..D {
        sum = A::fma(g[d], h[d], sum);
    }
    sum
}

/// `block += g (x) h`.
#[inline(always)]
fn outer<A: Arithmetic, const D: usize>(g: &[Lanes; D], h: &[Lanes; D], block: &mut [Lanes]) {
    for i in 0..D {
        for j in 0..D {
            block[i * D + j] = A::fma(g[i], h[j], block[i * D + j]);
        }
    }
}
