//! Second assembly of a stiffness matrix: pattern, mesh and compilation are outside the time.

use crate::clock::timed;
use crate::contest::{Goal, Runner, Sample, Spec, contest};
use crate::options::Options;
use crate::peer::{Peer, Runtime, start_all};
use crate::system::{Equation, LAMBDA, MU, norm, write_mesh};
use anyhow::Result;
use femur_fem::Assembler;
use femur_fem::assemble::{Form, InvertedCell};
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_solve::{BsrMatrix, CsrMatrix, LinearOperator};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PEERS: &[Peer] = &[
    Peer { name: "scikit-fem", program: "assembly_skfem.py", runtime: Runtime::Venv("bench") },
    Peer { name: "ngsolve", program: "assembly_ngsolve.py", runtime: Runtime::Venv("bench-ngsolve") },
    Peer { name: "mfem", program: "assembly_mfem.py", runtime: Runtime::Venv("bench-mfem") },
    Peer { name: "fenicsx", program: "assembly_dolfinx.py", runtime: Runtime::SystemMpi },
];

struct Row {
    name: &'static str,
    equation: Equation,
    kind: CellKind,
    /// Cells along an edge of the unit cube or square: measured, and for a quick run.
    cells: [usize; 2],
    ratio: f64,
    /// Most times the floor of memory traffic, where it is asked for.
    floor: Option<f64>,
    /// Least gain from a second thread, where it is asked for.
    speedup: Option<f64>,
}

const ROWS: &[Row] = &[
    row("3D Poisson P1", Equation::Poisson, CellKind::Tet4, [55, 6], 12.0),
    row("3D elasticity P1", Equation::Elasticity, CellKind::Tet4, [55, 6], 12.0),
    row("3D Poisson P2", Equation::Poisson, CellKind::Tet10, [29, 4], 4.0),
    row("3D elasticity P2", Equation::Elasticity, CellKind::Tet10, [20, 3], 4.0),
    row("2D Poisson P1", Equation::Poisson, CellKind::Triangle3, [707, 12], 6.0),
];

const fn row(name: &'static str, equation: Equation, kind: CellKind, cells: [usize; 2], ratio: f64) -> Row {
    let large = matches!(kind, CellKind::Tet4);
    let poisson = matches!(equation, Equation::Poisson);
    let floor = if large && poisson { Some(4.0) } else { None };
    let speedup = if large && !poisson { Some(1.7) } else { None };
    Row { name, equation, kind, cells, ratio, floor, speedup }
}

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    for row in ROWS {
        let n = options.pick(row.cells[0], row.cells[1]);
        let mesh = match row.kind.dim() {
            3 => box_([1.0; 3], [n; 3], row.kind)?,
            _ => rectangle([1.0; 2], [n; 2], row.kind)?,
        };
        let size = format!("{}, {} cells", row.name, mesh.num_cells());
        if options.wants(&size) {
            out(one(options, row, &mesh, size)?);
        }
    }
    Ok(())
}

fn one(options: &Options, row: &Row, mesh: &Mesh, size: String) -> Result<Value> {
    let scratch = tempfile::tempdir()?;
    write_mesh(&mesh.vertices_only().0, scratch.path())?;
    let order = row.kind.order();
    let job = json!({"folder": scratch.path(), "equation": row.equation.name(), "order": order, "threads": options.threads,
        "lambda": LAMBDA, "mu": MU});
    let mut goals = vec![Goal::Best(row.ratio)];
    goals.extend(row.floor.map(|f| Goal::AtMost("times_floor", f)));
    goals.extend(row.speedup.filter(|_| options.threads == 2).map(|s| Goal::AtLeast("speedup", s)));
    let spec = Spec { work: "assembly", size, goals, tolerance: 1e-9, rounds: options.pick(if order == 1 { 9 } else { 5 }, 1) };
    let peers = start_all(PEERS, &job, options)?;
    contest(&spec, options, ours(options, row, mesh)?, peers)
}

/// A matrix by rows, or by blocks where nodes have several unknowns.
enum Matrix {
    Rows(CsrMatrix),
    Blocks(BsrMatrix),
}

impl Matrix {
    fn assemble(&mut self, assembler: &Assembler, mesh: &Mesh, form: &Form<'_>) -> Result<(), InvertedCell> {
        match self {
            Matrix::Rows(m) => assembler.assemble(mesh, form, m),
            Matrix::Blocks(m) => assembler.assemble_blocks(mesh, form, m),
        }
    }

    fn values(&self) -> &[f64] {
        match self {
            Matrix::Rows(m) => &m.values,
            Matrix::Blocks(m) => &m.values,
        }
    }

    fn apply(&self, x: &[f64], y: &mut [f64]) {
        match self {
            Matrix::Rows(m) => m.apply(x, y),
            Matrix::Blocks(m) => m.apply(x, y),
        }
    }
}

/// Assembles again into the same matrix; vector problems into blocks, and into single rows for comparison; over several threads, on one
/// too, for the gain.
fn ours<'a>(options: &Options, row: &'a Row, mesh: &'a Mesh) -> Result<Runner<'a>> {
    let (components, form) = (row.equation.components(mesh.dim), row.equation.form());
    let assembler = Assembler::new(mesh, components, 0);
    let mut rows = (components > 1).then(|| Matrix::Rows(assembler.zeros()));
    let mut matrix = if components > 1 { Matrix::Blocks(assembler.zero_blocks()) } else { Matrix::Rows(assembler.zeros()) };
    let floor = (traffic(mesh, matrix.values()) / bandwidth(options.pick(1 << 25, 1 << 16))).max(f64::MIN_POSITIVE);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let threads = options.threads;
    let trial = polynomial(mesh, components);
    Ok(Box::new(move || {
        let (seconds, done) = timed(|| matrix.assemble(&assembler, mesh, &form));
        done?;
        let mut detail = BTreeMap::from([("floor_s".to_string(), floor), ("times_floor".to_string(), seconds.wall / floor)]);
        if let Some(rows) = &mut rows {
            let (by_rows, done) = timed(|| rows.assemble(&assembler, mesh, &form));
            done?;
            detail.insert("by_rows_s".into(), by_rows.wall);
        }
        if threads > 1 {
            let (alone, done) = timed(|| one_thread.install(|| matrix.assemble(&assembler, mesh, &form)));
            done?;
            detail.insert("speedup".into(), alone.wall / seconds.wall);
        }
        let mut image = vec![0.0; trial.len()];
        matrix.apply(&trial, &mut image);
        let energy = image.iter().zip(&trial).map(|(a, b)| a * b).sum();
        let answer = BTreeMap::from([("frobenius".to_string(), norm(matrix.values())), ("energy".to_string(), energy)]);
        Ok(Sample { seconds, answer, detail })
    }))
}

/// The function whose energy is compared where a peer's basis is not nodal: component i is `x_i x_(i+1) + x_0^2`, for one component
/// `x y + z^2` (quadratic, so that elements of order 2 hold it).
fn polynomial(mesh: &Mesh, components: usize) -> Vec<f64> {
    let value = |p: &[f64], i: usize| {
        let d = p.len();
        if components == 1 { p[0] * p[1] + p[d - 1].powi(2) } else { p[i] * p[(i + 1) % d] + p[0].powi(2) }
    };
    (0..mesh.num_nodes()).flat_map(|n| (0..components).map(move |i| (n, i))).map(|(n, i)| value(mesh.point(n), i)).collect()
}

/// Bytes that an assembly must move at least: values read and written once, connectivity and points read once.
fn traffic(mesh: &Mesh, values: &[f64]) -> f64 {
    let connectivity: usize = mesh.blocks.iter().map(|b| b.connectivity.len()).sum();
    (16 * values.len() + 4 * connectivity + 8 * mesh.points.len()) as f64
}

/// Bytes a second of the STREAM triad `a = b + s c` (McCalpin 1995; 24 bytes an entry) on all threads, the best of five.
fn bandwidth(len: usize) -> f64 {
    use rayon::prelude::*;
    let (mut a, b, c) = (vec![0.0f64; len], vec![1.0f64; len], vec![2.0f64; len]);
    let mut best = 0.0f64;
    for _ in 0..5 {
        let (seconds, ()) = timed(|| {
            a.par_chunks_mut(1 << 14).zip(b.par_chunks(1 << 14)).zip(c.par_chunks(1 << 14)).for_each(|((a, b), c)| {
                for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                    *a = b + 3.0 * c;
                }
            });
        });
        best = best.max(24.0 * len as f64 / seconds.wall);
    }
    std::hint::black_box(&a);
    best
}
