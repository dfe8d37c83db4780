//! Element matrices of several cells at a time, monomorphised over the cell kind.

use super::forms::Kernel;
use super::lanes::{Arithmetic, Fused, LANES, Lanes};
use super::plan::{Chunk, FLIP, num_pairs};
use super::scatter::Sums;
use crate::Tabulation;
use femur_mesh::{CellKind, Mesh};

/// The least determinant that is not positive, and its cell; infinity where all are.
pub(crate) type Worst = (f64, usize);

/// The smaller determinant; of equal ones the first cell.
pub(crate) fn worse(a: Worst, b: Worst) -> Worst {
    if b.0 < a.0 || (b.0 == a.0 && b.1 < a.1) { b } else { a }
}

/// A tabulation in arrays of fixed size.
struct Points<const N: usize, const D: usize> {
    weights: Vec<f64>,
    /// Their sum.
    measure: f64,
    values: Vec<[f64; N]>,
    gradients: Vec<[[f64; D]; N]>,
}

impl<const N: usize, const D: usize> Points<N, D> {
    fn new(table: &Tabulation) -> Self {
        Points {
            weights: table.rule.weights.clone(),
            measure: table.rule.weights.iter().sum(),
            values: table.values.iter().map(|v| std::array::from_fn(|a| v[a])).collect(),
            gradients: table.gradients.iter().map(|g| std::array::from_fn(|a| std::array::from_fn(|d| g[a][d]))).collect(),
        }
    }
}

/// Adds a chunk's element matrices of a form into `sums`; `None` for kinds without such a kernel.
pub(super) fn matrices<F: Kernel>(form: &F, mesh: &Mesh, chunk: &Chunk, table: &Tabulation, sums: &mut Sums) -> Option<Worst> {
    Some(match table.kind {
        CellKind::Triangle3 => dispatch::<F, 3, 2>(form, mesh, chunk, table, sums),
        CellKind::Triangle6 => dispatch::<F, 6, 2>(form, mesh, chunk, table, sums),
        CellKind::Quad4 => dispatch::<F, 4, 2>(form, mesh, chunk, table, sums),
        CellKind::Quad8 => dispatch::<F, 8, 2>(form, mesh, chunk, table, sums),
        CellKind::Quad9 => dispatch::<F, 9, 2>(form, mesh, chunk, table, sums),
        CellKind::Tet4 => dispatch::<F, 4, 3>(form, mesh, chunk, table, sums),
        CellKind::Tet10 => dispatch::<F, 10, 3>(form, mesh, chunk, table, sums),
        CellKind::Hex8 => dispatch::<F, 8, 3>(form, mesh, chunk, table, sums),
        CellKind::Hex20 => dispatch::<F, 20, 3>(form, mesh, chunk, table, sums),
        CellKind::Hex27 => dispatch::<F, 27, 3>(form, mesh, chunk, table, sums),
        CellKind::Wedge6 => dispatch::<F, 6, 3>(form, mesh, chunk, table, sums),
        CellKind::Wedge15 => dispatch::<F, 15, 3>(form, mesh, chunk, table, sums),
        CellKind::Pyramid5 => dispatch::<F, 5, 3>(form, mesh, chunk, table, sums),
        CellKind::Point | CellKind::Line2 | CellKind::Line3 => return None,
    })
}

fn dispatch<F: Kernel, const N: usize, const D: usize>(form: &F, mesh: &Mesh, chunk: &Chunk, table: &Tabulation, sums: &mut Sums) -> Worst {
    let points = Points::<N, D>::new(table);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn fused<F: Kernel, const N: usize, const D: usize>(
            form: &F,
            mesh: &Mesh,
            chunk: &Chunk,
            p: &Points<N, D>,
            sums: &mut Sums,
        ) -> Worst {
            cells::<Fused, F, N, D>(form, mesh, chunk, p, sums)
        }
        // SAFETY: the processor was just asked for both features.
        return unsafe { fused(form, mesh, chunk, &points, sums) };
    }
    #[cfg(target_arch = "aarch64")]
    return cells::<Fused, F, N, D>(form, mesh, chunk, &points, sums);
    #[cfg(not(target_arch = "aarch64"))]
    cells::<super::lanes::Plain, F, N, D>(form, mesh, chunk, &points, sums)
}

#[inline(always)]
fn cells<A: Arithmetic, F: Kernel, const N: usize, const D: usize>(
    form: &F,
    mesh: &Mesh,
    chunk: &Chunk,
    points: &Points<N, D>,
    sums: &mut Sums,
) -> Worst {
    let c = form.components(D);
    let mut x = std::mem::take(&mut sums.x);
    x.resize(chunk.nodes.len(), [0.0; LANES]);
    for (x, &n) in x.iter_mut().zip(&chunk.nodes) {
        x[..D].copy_from_slice(&mesh.points[n as usize * D..][..D]);
    }
    // Rows of such a form add up to zero: the diagonal follows from the pairs.
    let nodes = if F::OF_GRADIENTS { 0 } else { N };
    let mut out = vec![Lanes::ZERO; (num_pairs(N) + nodes) * c * c];
    let mut worst = (f64::INFINITY, usize::MAX);
    for start in (0..chunk.cells.len()).step_by(LANES) {
        let count = LANES.min(chunk.cells.len() - start);
        // The last batch repeats its last cell.
        let (mut index, mut numbers) = ([0; LANES], [0; LANES]);
        for l in 0..LANES {
            index[l] = start + l.min(count - 1);
            numbers[l] = chunk.first + chunk.cells[index[l]] as usize;
        }
        let batch = Batch::<N, D> { x: gather::<A, N, D>(&x, chunk, &index), cells: numbers };
        let det = element::<A, F, N, D>(form, &batch, points, &mut out);
        if !det.positive() {
            for l in 0..count {
                worst = worse(worst, (det.0[l], batch.cells[l]));
            }
        }
        match c {
            1 => scatter::<1, N>(chunk, start, count, &out, sums),
            2 => scatter::<2, N>(chunk, start, count, &out, sums),
            _ => scatter::<3, N>(chunk, start, count, &out, sums),
        }
    }
    sums.x = x;
    worst
}

/// Cells side by side.
struct Batch<const N: usize, const D: usize> {
    /// Coordinates of their nodes.
    x: [[Lanes; D]; N],
    /// Their global numbers.
    cells: [usize; LANES],
}

/// Coordinates of the cells' nodes, from those of the chunk's nodes.
#[inline(always)]
fn gather<A: Arithmetic, const N: usize, const D: usize>(x: &[[f64; LANES]], chunk: &Chunk, index: &[usize; LANES]) -> [[Lanes; D]; N] {
    let mut out = [[Lanes::ZERO; D]; N];
    let mut rows = [&chunk.local[..0]; LANES];
    for l in 0..LANES {
        rows[l] = &chunk.local[index[l] * N..(index[l] + 1) * N];
    }
    for a in 0..N {
        let [i, j, k, l] = rows;
        let columns = A::columns([&x[i[a] as usize], &x[j[a] as usize], &x[k[a] as usize], &x[l[a] as usize]]);
        out[a].copy_from_slice(&columns[..D]);
    }
    out
}

/// Gradients in space and determinant at one point.
#[inline(always)]
fn gradients<A: Arithmetic, const N: usize, const D: usize>(
    x: &[[Lanes; D]; N],
    reference: &[[f64; D]; N],
    out: &mut [[Lanes; D]; N],
) -> Lanes {
    let mut j = [[Lanes::ZERO; D]; D];
    for a in 0..N {
        for s in 0..D {
            let g = Lanes::splat(reference[a][s]);
            for r in 0..D {
                j[r][s] = A::fma(x[a][r], g, j[r][s]);
            }
        }
    }
    let (det, inverse) = invert::<A, D>(&j);
    for a in 0..N {
        for r in 0..D {
            let mut sum = A::mul(inverse[0][r], Lanes::splat(reference[a][0]));
            for s in 1..D {
                sum = A::fma(inverse[s][r], Lanes::splat(reference[a][s]), sum);
            }
            out[a][r] = sum;
        }
    }
    det
}

/// As [`gradients`] of a simplex of order 1, but times the determinant. Its shape functions are `1 - sum of xi` and each `xi`: the
/// columns of the Jacobian are edges from the first node, and the gradients the rows of its inverse.
#[inline(always)]
fn simplex_gradients<A: Arithmetic, const N: usize, const D: usize>(x: &[[Lanes; D]; N], out: &mut [[Lanes; D]; N]) -> Lanes {
    let mut j = [[Lanes::ZERO; D]; D];
    for s in 0..D {
        for r in 0..D {
            j[r][s] = A::sub(x[s + 1][r], x[0][r]);
        }
    }
    let (det, rows) = adjugate::<A, D>(&j);
    for r in 0..D {
        let mut first = Lanes::ZERO;
        for s in 0..D {
            out[s + 1][r] = rows[s][r];
            first = A::sub(first, rows[s][r]);
        }
        out[0][r] = first;
    }
    det
}

/// Determinant and inverse of a Jacobian `[direction in space][reference direction]`.
#[inline(always)]
pub(crate) fn invert<A: Arithmetic, const D: usize>(j: &[[Lanes; D]; D]) -> (Lanes, [[Lanes; D]; D]) {
    let (det, mut inverse) = adjugate::<A, D>(j);
    let recip = det.recip();
    for row in &mut inverse {
        for v in row {
            *v = A::mul(*v, recip);
        }
    }
    (det, inverse)
}

/// Determinant, and inverse times determinant.
#[inline(always)]
fn adjugate<A: Arithmetic, const D: usize>(j: &[[Lanes; D]; D]) -> (Lanes, [[Lanes; D]; D]) {
    let mut out = [[Lanes::ZERO; D]; D];
    if D == 2 {
        out[0][0] = j[1][1];
        out[0][1] = A::sub(Lanes::ZERO, j[0][1]);
        out[1][0] = A::sub(Lanes::ZERO, j[1][0]);
        out[1][1] = j[0][0];
        return (A::fms(j[0][0], j[1][1], A::mul(j[0][1], j[1][0])), out);
    }
    for c in 0..D {
        for r in 0..D {
            out[c][r] = minor::<A, D>(j, r, c);
        }
    }
    (A::fma(j[0][0], out[0][0], A::fma(j[0][1], out[1][0], A::mul(j[0][2], out[2][0]))), out)
}

#[inline(always)]
fn minor<A: Arithmetic, const D: usize>(j: &[[Lanes; D]; D], r: usize, c: usize) -> Lanes {
    let (a, b, d, e) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
    A::fms(j[a][d], j[b][e], A::mul(j[a][e], j[b][d]))
}

/// Fills `out`: blocks of the pairs, then of the nodes where the form has those. Gives the least determinants.
#[inline(always)]
fn element<A: Arithmetic, F: Kernel, const N: usize, const D: usize>(
    form: &F,
    batch: &Batch<N, D>,
    points: &Points<N, D>,
    out: &mut [Lanes],
) -> Lanes {
    out.fill(Lanes::ZERO);
    let factor = form.coefficient(&batch.cells);
    let mut g = [[Lanes::ZERO; D]; N];
    let mut least = Lanes::splat(f64::INFINITY);
    // Simplices of order 1 have the same gradients at all points.
    if N == D + 1 && F::OF_GRADIENTS {
        let det = simplex_gradients::<A, N, D>(&batch.x, &mut g);
        // Twice the determinant too much in the product of two gradients, once in the volume.
        let weight = A::mul(A::mul(factor, Lanes::splat(points.measure)), det.abs().recip());
        form.add::<A, N, D>(&points.values[0], &g, weight, out);
        form.finish::<A, N, D>(&batch.cells, out);
        return det;
    }
    for q in 0..points.weights.len() {
        let det = gradients::<A, N, D>(&batch.x, &points.gradients[q], &mut g);
        least = least.least(det);
        let weight = A::mul(A::mul(det.abs(), factor), Lanes::splat(points.weights[q]));
        form.add::<A, N, D>(&points.values[q], &g, weight, out);
    }
    form.finish::<A, N, D>(&batch.cells, out);
    least
}

/// Adds the blocks of a batch to the sums of their pairs, and of their nodes where `out` has those.
#[inline(always)]
fn scatter<const C: usize, const N: usize>(chunk: &Chunk, start: usize, count: usize, out: &[Lanes], sums: &mut Sums) {
    let (np, cc) = (num_pairs(N), C * C);
    let (pair_blocks, node_blocks) = out.split_at(np * cc);
    for l in 0..count {
        let i = start + l;
        let (pairs, local) = (&chunk.pairs[i * np..(i + 1) * np], &chunk.local[i * N..(i + 1) * N]);
        for (&code, from) in pairs.iter().zip(pair_blocks.chunks_exact(cc)) {
            let at = (code & !FLIP) as usize * cc;
            let to = &mut sums.pairs[at..at + cc];
            // The block of a pair is that of (smaller, larger) node.
            let (row, column) = if code & FLIP != 0 { (1, C) } else { (C, 1) };
            for r in 0..C {
                for s in 0..C {
                    to[r * C + s] += from[r * row + s * column].0[l];
                }
            }
        }
        for (&n, from) in local.iter().zip(node_blocks.chunks_exact(cc)) {
            let to = &mut sums.nodes[n as usize * cc..(n as usize + 1) * cc];
            for e in 0..cc {
                to[e] += from[e].0[l];
            }
        }
    }
}
