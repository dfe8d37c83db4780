//! Operators without a matrix: a form applied cell by cell.
//!
//! Quadrilaterals and hexahedra of tensor products are evaluated by sum factorisation (Orszag 1980; Kronbichler and Kormann 2012), one
//! direction after the other; simplices by their tabulated gradients. Four cells lie side by side in a vector register. The geometry is
//! computed once: one record for four cells whose Jacobian is constant, else one for each quadrature point.
//!
//! Cells are split into the chunks of an assembly: each adds into its own nodes, and what several chunks share is added in their order,
//! so any number of threads gives the same bits.

mod constrained;
mod elements;
mod laws;
#[cfg(test)]
mod tests;

use crate::assemble::batch::{Worst, invert, worse};
use crate::assemble::lanes::{Arithmetic, Fused, LANES, Lanes, Plain};
use crate::assemble::plan::{Chunk, Plan};
use crate::assemble::scatter::{Places, finish_vector, flush_vector};
use crate::quadrature::stiffness_degree;
use crate::{Form, InvertedCell, Quadrature, ReferenceElement, Tabulation};
pub use constrained::{Constrained, ElementMatrix};
use elements::{Dense, Element, Tensor};
use femur_mesh::{CellKind, Mesh};
use femur_solve::LinearOperator;
use laws::{Diffusion, Elasticity, Law};
use rayon::prelude::*;
use std::sync::Mutex;

/// The cell kinds that can be applied without a matrix.
pub const KINDS: [CellKind; 8] = [
    CellKind::Triangle3,
    CellKind::Triangle6,
    CellKind::Quad4,
    CellKind::Quad9,
    CellKind::Tet4,
    CellKind::Tet10,
    CellKind::Hex8,
    CellKind::Hex27,
];

/// Cells of a chunk by the order of its cells: vectors of its nodes stay in the second cache.
const MOST_CELLS: [usize; 2] = [4096, 1024];
/// Relative change of a Jacobian within a cell below which it counts as constant: rounding of coordinates stays below, bent cells above.
const CONSTANT: f64 = 1e-12;

/// Why a form cannot be applied without a matrix.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum NotMatrixFree {
    /// The mesh has cells of a kind that has no kernel.
    #[error("cells of kind {0} cannot be applied without a matrix")]
    Kind(CellKind),
    /// The form has no kernel.
    #[error("this form cannot be applied without a matrix")]
    Form,
    /// A cell is inverted.
    #[error(transparent)]
    Inverted(#[from] InvertedCell),
}

/// Batches of four cells of one chunk.
#[derive(Debug)]
struct Batches {
    /// Places of the cells' nodes among those of the chunk, in the order of the element; lanes without a cell have the place behind the
    /// last node.
    local: Vec<[u16; LANES]>,
    /// Where the record of each batch starts, and whether it is one for all points.
    start: Vec<(u32, bool)>,
    /// Records of the geometry and the coefficients.
    geometry: Vec<Lanes>,
}

/// A stiffness `[n, n]` without a matrix, over the unknowns of a mesh by node, then component; no constraint is taken out.
#[derive(Debug)]
pub struct MatrixFree {
    components: usize,
    num_nodes: usize,
    plan: Plan,
    kinds: Vec<CellKind>,
    batches: Vec<Batches>,
    /// Nodes of no cell.
    unused: Vec<u32>,
    /// Sums of shared nodes, which one application leaves for the next.
    pool: Mutex<Vec<Vec<f64>>>,
}

/// The first kind of cell of a mesh that has no kernel here.
pub fn missing_kind(mesh: &Mesh) -> Option<CellKind> {
    mesh.blocks.iter().map(|b| b.kind).find(|k| !KINDS.contains(k))
}

/// Calls a function of element, law and the sizes of both for a kind of cell and a form: nodes, points, dimension, components.
macro_rules! by_kind {
    ($kind:expr, $components:expr, $function:ident($($argument:expr),*), $else:expr) => {
        match ($kind, $components) {
            (CellKind::Triangle3, 1) => $function::<Dense<3, 1, 2>, Diffusion, 3, 1, 2, 1>($($argument),*),
            (CellKind::Triangle6, 1) => $function::<Dense<6, 3, 2>, Diffusion, 6, 3, 2, 1>($($argument),*),
            (CellKind::Quad4, 1) => $function::<Tensor<2>, Diffusion, 4, 4, 2, 1>($($argument),*),
            (CellKind::Quad9, 1) => $function::<Tensor<3>, Diffusion, 9, 9, 2, 1>($($argument),*),
            (CellKind::Tet4, 1) => $function::<Dense<4, 1, 3>, Diffusion, 4, 1, 3, 1>($($argument),*),
            (CellKind::Tet10, 1) => $function::<Dense<10, 4, 3>, Diffusion, 10, 4, 3, 1>($($argument),*),
            (CellKind::Hex8, 1) => $function::<Tensor<2>, Diffusion, 8, 8, 3, 1>($($argument),*),
            (CellKind::Hex27, 1) => $function::<Tensor<3>, Diffusion, 27, 27, 3, 1>($($argument),*),
            (CellKind::Triangle3, 2) => $function::<Dense<3, 1, 2>, Elasticity, 3, 1, 2, 2>($($argument),*),
            (CellKind::Triangle6, 2) => $function::<Dense<6, 3, 2>, Elasticity, 6, 3, 2, 2>($($argument),*),
            (CellKind::Quad4, 2) => $function::<Tensor<2>, Elasticity, 4, 4, 2, 2>($($argument),*),
            (CellKind::Quad9, 2) => $function::<Tensor<3>, Elasticity, 9, 9, 2, 2>($($argument),*),
            (CellKind::Tet4, 3) => $function::<Dense<4, 1, 3>, Elasticity, 4, 1, 3, 3>($($argument),*),
            (CellKind::Tet10, 3) => $function::<Dense<10, 4, 3>, Elasticity, 10, 4, 3, 3>($($argument),*),
            (CellKind::Hex8, 3) => $function::<Tensor<2>, Elasticity, 8, 8, 3, 3>($($argument),*),
            (CellKind::Hex27, 3) => $function::<Tensor<3>, Elasticity, 27, 27, 3, 3>($($argument),*),
            _ => $else,
        }
    };
}

impl MatrixFree {
    /// Computes the geometry of every cell, for a stiffness with the points of its own degree.
    ///
    /// # Errors
    /// A kind of cell or the form (a mass) has no kernel, or a cell is inverted.
    pub fn new(mesh: &Mesh, form: &Form<'_>) -> Result<Self, NotMatrixFree> {
        if let Some(kind) = missing_kind(mesh) {
            return Err(NotMatrixFree::Kind(kind));
        }
        let components = match form {
            Form::Diffusion(_) => 1,
            Form::Elasticity { .. } => mesh.dim,
            Form::Mass { .. } => return Err(NotMatrixFree::Form),
        };
        let mut plan = Plan::of_nodes(mesh, |kind| MOST_CELLS[usize::from(kind.order() > 1)]);
        let kinds: Vec<CellKind> = mesh.blocks.iter().map(|b| b.kind).collect();
        let tables = tables();
        let build = |chunk: &mut Chunk| {
            let kind = kinds[chunk.block];
            let out = by_kind!(kind, components, set_up(form, mesh, chunk, &tables[kind as usize]), None);
            // The batches hold what the kernels read of it.
            (chunk.cells, chunk.local) = (Vec::new(), Vec::new());
            out.ok_or(NotMatrixFree::Form)
        };
        let made: Vec<(Batches, Worst)> = plan.chunks.par_iter_mut().map(build).collect::<Result<_, _>>()?;
        let (det, cell) = made.iter().map(|m| m.1).fold((f64::INFINITY, usize::MAX), worse);
        if det.is_nan() || det <= 0.0 {
            return Err(InvertedCell { cell, det }.into());
        }
        let mut used = vec![false; mesh.num_nodes()];
        plan.chunks.iter().flat_map(|c| &c.nodes).for_each(|&n| used[n as usize] = true);
        let unused = (0..mesh.num_nodes() as u32).filter(|&n| !used[n as usize]).collect();
        let batches = made.into_iter().map(|m| m.0).collect();
        Ok(MatrixFree { components, num_nodes: mesh.num_nodes(), plan, kinds, batches, unused, pool: Mutex::default() })
    }

    /// Unknowns per node.
    pub fn components(&self) -> usize {
        self.components
    }

    /// Bytes that the operator holds.
    pub fn memory(&self) -> usize {
        let of = |b: &Batches| 8 * b.local.len() + size_of_val(&b.start[..]) + size_of_val(&b.geometry[..]);
        let plan = self.plan.chunks.iter().map(|c| 4 * c.nodes.len()).sum::<usize>() + 4 * self.plan.nodes.slots.len();
        self.batches.iter().map(of).sum::<usize>() + plan
    }

    /// The blocks `[num_nodes, c, c]` on the diagonal, `c` unknowns per node; zero at nodes of no cell.
    pub fn diagonal_blocks(&self) -> Vec<f64> {
        let cc = self.components * self.components;
        let mut out = vec![0.0; self.num_nodes * cc];
        let tables = tables();
        self.run(cc, &mut out, |chunk, batches, y, _| {
            by_kind!(self.kinds[chunk.block], self.components, diagonal(batches, &tables[self.kinds[chunk.block] as usize], y), ());
        });
        out
    }

    /// Fills `y` `[num_nodes, width]` by what `cells` adds to the nodes `[nodes of the chunk + 1, width]` of each chunk; its last argument
    /// is work space.
    fn run(&self, width: usize, y: &mut [f64], cells: impl Fn(&Chunk, &Batches, &mut [f64], &mut Vec<f64>) + Sync) {
        let mut kept = self.pool.lock().ok().and_then(|mut p| p.pop()).unwrap_or_default();
        kept.resize(self.plan.nodes.slots.len() * width, 0.0);
        for &n in &self.unused {
            y[n as usize * width..][..width].fill(0.0);
        }
        let (target, slots) = (Places::new(y), Places::new(&mut kept));
        let chunk = |(sums, work): &mut (Vec<f64>, Vec<f64>), (chunk, batches): (&Chunk, &Batches)| {
            sums.clear();
            sums.resize((chunk.nodes.len() + 1) * width, 0.0);
            cells(chunk, batches, sums, work);
            flush_vector(chunk, &sums[..chunk.nodes.len() * width], width, target, slots, false);
        };
        self.plan.chunks.par_iter().zip(&self.batches).for_each_init(Default::default, chunk);
        finish_vector(&self.plan, &kept, width, target, false);
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(kept);
        }
    }
}

impl LinearOperator for MatrixFree {
    fn nrows(&self) -> usize {
        self.num_nodes * self.components
    }

    fn ncols(&self) -> usize {
        self.nrows()
    }

    /// Each node's sum has an order that the mesh alone gives, so any number of threads gives the same bits.
    fn apply(&self, x: &[f64], y: &mut [f64]) {
        let c = self.components;
        let tables = tables();
        self.run(c, y, |chunk, batches, y, values| {
            values.clear();
            for &n in &chunk.nodes {
                values.extend_from_slice(&x[n as usize * c..][..c]);
            }
            values.resize(values.len() + c, 0.0);
            let kind = self.kinds[chunk.block];
            by_kind!(kind, c, product(&tables[kind as usize], batches, values, y), ());
        });
    }
}

/// The tabulation of each kind with a kernel, at the points of a stiffness; found once.
fn tables() -> &'static [Option<Tabulation>] {
    static ALL: std::sync::OnceLock<Vec<Option<Tabulation>>> = std::sync::OnceLock::new();
    let table = |k: CellKind| KINDS.contains(&k).then(|| Tabulation::new(k, Quadrature::new(k, stiffness_degree(k))));
    ALL.get_or_init(|| CellKind::ALL.into_iter().map(table).collect())
}

/// Batches and least determinant of a chunk; `None` where the form is not one of the law.
fn set_up<E: Element<N, Q, D>, L: Law<D, C>, const N: usize, const Q: usize, const D: usize, const C: usize>(
    form: &Form<'_>,
    mesh: &Mesh,
    chunk: &Chunk,
    table: &Option<Tabulation>,
) -> Option<(Batches, Worst)> {
    let table = table.as_ref()?;
    let order = E::order(ReferenceElement::of(table.kind));
    let batches = chunk.cells.len().div_ceil(LANES);
    let mut out = Batches { local: Vec::with_capacity(batches * N), start: Vec::with_capacity(batches), geometry: Vec::new() };
    let mut worst = (f64::INFINITY, usize::MAX);
    let behind = chunk.nodes.len() as u16;
    for start in (0..chunk.cells.len()).step_by(LANES) {
        let count = LANES.min(chunk.cells.len() - start);
        // The last batch repeats the geometry of its last cell.
        let index: [usize; LANES] = std::array::from_fn(|l| start + l.min(count - 1));
        let cells = index.map(|i| chunk.first + chunk.cells[i] as usize);
        let coefficients = L::coefficients(form, &cells)?;
        out.local.extend(order.iter().map(|&a| std::array::from_fn(|l| if l < count { chunk.local[index[l] * N + a] } else { behind })));
        let mut x = [[Lanes::ZERO; D]; N];
        for (l, &i) in index.iter().enumerate() {
            for (a, x) in x.iter_mut().enumerate() {
                let node = chunk.nodes[chunk.local[i * N + a] as usize] as usize;
                (0..D).for_each(|d| x[d].0[l] = mesh.points[node * D + d]);
            }
        }
        let jacobians: Vec<[[Lanes; D]; D]> = table.gradients.iter().map(|g| jacobian(&x, g)).collect();
        let constant = jacobians.iter().all(|j| near(j, &jacobians[0]));
        out.start.push((out.geometry.len() as u32, constant));
        for j in &jacobians[..if constant { 1 } else { Q }] {
            // Made once: not worth a second compilation for the fused instruction.
            let (det, inverse) = invert::<Plain, D>(j);
            if !det.positive() {
                (0..count).for_each(|l| worst = worse(worst, (det.0[l], cells[l])));
            }
            L::record(&inverse, det, coefficients, &mut out.geometry);
        }
    }
    out.geometry.shrink_to_fit();
    Some((out, worst))
}

/// `dx_r / dxi_s`.
fn jacobian<const N: usize, const D: usize>(x: &[[Lanes; D]; N], gradients: &[[f64; 3]]) -> [[Lanes; D]; D] {
    let mut j = [[Lanes::ZERO; D]; D];
    for (x, g) in x.iter().zip(gradients) {
        for r in 0..D {
            for s in 0..D {
                j[r][s] = j[r][s] + x[r] * g[s];
            }
        }
    }
    j
}

fn near<const D: usize>(a: &[[Lanes; D]; D], b: &[[Lanes; D]; D]) -> bool {
    (0..LANES).all(|l| {
        let size = b.iter().flatten().fold(0.0_f64, |m, v| m.max(v.0[l].abs()));
        a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a.0[l] - b.0[l]).abs() <= CONSTANT * size)
    })
}

/// Adds the products of a chunk's cells with `x` to `y`, both `[nodes + 1, C]`.
fn product<E: Element<N, Q, D>, L: Law<D, C>, const N: usize, const Q: usize, const D: usize, const C: usize>(
    table: &Option<Tabulation>,
    batches: &Batches,
    x: &[f64],
    y: &mut [f64],
) {
    let Some(table) = table else { return };
    let element = E::new(table);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn fused<E: Element<N, Q, D>, L: Law<D, C>, const N: usize, const Q: usize, const D: usize, const C: usize>(
            element: &E,
            batches: &Batches,
            x: &[f64],
            y: &mut [f64],
        ) {
            cells::<Fused, E, L, N, Q, D, C>(element, batches, x, y);
        }
        // SAFETY: the processor was just asked for both features.
        return unsafe { fused::<E, L, N, Q, D, C>(&element, batches, x, y) };
    }
    #[cfg(target_arch = "aarch64")]
    return cells::<Fused, E, L, N, Q, D, C>(&element, batches, x, y);
    #[cfg(not(target_arch = "aarch64"))]
    cells::<Plain, E, L, N, Q, D, C>(&element, batches, x, y);
}

#[inline(always)]
fn cells<A: Arithmetic, E: Element<N, Q, D>, L: Law<D, C>, const N: usize, const Q: usize, const D: usize, const C: usize>(
    element: &E,
    batches: &Batches,
    x: &[f64],
    y: &mut [f64],
) {
    let weights = element.weights();
    let mut gradient = [[[Lanes::ZERO; Q]; D]; C];
    let mut u = [[Lanes::ZERO; N]; C];
    for (local, &(start, constant)) in batches.local.chunks_exact(N).zip(&batches.start) {
        for a in 0..N {
            for l in 0..LANES {
                let from = &x[local[a][l] as usize * C..][..C];
                for c in 0..C {
                    u[c][a].0[l] = from[c];
                }
            }
        }
        for c in 0..C {
            element.gradient::<A>(&u[c], &mut gradient[c]);
        }
        let records = &batches.geometry[start as usize..];
        if constant {
            let record = &records[..L::SIZE];
            for q in 0..Q {
                L::flux::<A, Q>(record, weights[q], q, &mut gradient);
            }
        } else {
            for (q, record) in records[..Q * L::SIZE].chunks_exact(L::SIZE).enumerate() {
                L::flux::<A, Q>(record, weights[q], q, &mut gradient);
            }
        }
        for c in 0..C {
            element.integrate::<A>(&gradient[c], &mut u[c]);
        }
        for a in 0..N {
            for l in 0..LANES {
                let to = &mut y[local[a][l] as usize * C..][..C];
                for c in 0..C {
                    to[c] += u[c][a].0[l];
                }
            }
        }
    }
}

/// Adds the diagonal blocks of a chunk's cells to `y` `[nodes + 1, C, C]`.
fn diagonal<E: Element<N, Q, D>, L: Law<D, C>, const N: usize, const Q: usize, const D: usize, const C: usize>(
    batches: &Batches,
    table: &Option<Tabulation>,
    y: &mut [f64],
) {
    let Some(table) = table else { return };
    let order = E::order(ReferenceElement::of(table.kind));
    for (local, &(start, constant)) in batches.local.chunks_exact(N).zip(&batches.start) {
        for q in 0..Q {
            let at = start as usize + if constant { 0 } else { q * L::SIZE };
            let record = &batches.geometry[at..at + L::SIZE];
            for (local, &a) in local.iter().zip(&order) {
                let block = L::block(record, table.rule.weights[q], &std::array::from_fn(|d| table.gradients[q][a][d]));
                for l in 0..LANES {
                    let to = &mut y[local[l] as usize * C * C..][..C * C];
                    for (to, value) in to.iter_mut().zip(block.iter().flatten()) {
                        *to += value.0[l];
                    }
                }
            }
        }
    }
}
