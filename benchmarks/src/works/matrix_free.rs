//! Operators without a matrix: a product beside that with the assembled matrix, and whole solves on quadratic cells by algebraic
//! multigrid, by p-multigrid with the matrix and by p-multigrid without it. The ways take turns in one process, as peers do.

use crate::clock::{Seconds, timed};
use crate::contest::{Contender, Runner, Sample, Spec, contest};
use crate::options::Options;
use crate::process::{memory, reset_peak};
use crate::system::{Equation, norm};
use anyhow::{Context as _, Result, bail};
use femur_fem::{Assembler, MatrixFree};
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_sim::rollout;
use femur_solve::{BsrMatrix, LinearOperator};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Kinds, with cells along an edge for a measurement and for a quick run.
const PRODUCTS: &[(CellKind, [usize; 2])] = &[
    (CellKind::Quad9, [400, 6]),
    (CellKind::Triangle6, [400, 6]),
    (CellKind::Tet4, [44, 3]),
    (CellKind::Tet10, [22, 2]),
    (CellKind::Hex8, [60, 3]),
    (CellKind::Hex27, [30, 2]),
];
/// The same for whole solves.
const SOLVES: &[(CellKind, [usize; 2])] = &[(CellKind::Tet10, [20, 2]), (CellKind::Hex27, [20, 2]), (CellKind::Quad9, [250, 6])];

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    for equation in [Equation::Poisson, Equation::Elasticity] {
        for &(kind, [full, quick]) in PRODUCTS {
            for bent in [false, true] {
                // A tetrahedron of four nodes is straight wherever they lie.
                if !(bent && kind == CellKind::Tet4) {
                    product(options, out, equation, kind, options.pick(full, quick), bent)?;
                }
            }
        }
    }
    for equation in [Equation::Poisson, Equation::Elasticity] {
        for &(kind, [full, quick]) in SOLVES {
            solve(options, out, equation, kind, options.pick(full, quick))?;
        }
    }
    Ok(())
}

/// A unit square or cube, or a bent one.
fn grid(kind: CellKind, n: usize, bent: bool) -> Result<Mesh> {
    let mut mesh = if kind.dim() == 2 { rectangle([1.0, 1.0], [n, n], kind)? } else { box_([1.0; 3], [n; 3], kind)? };
    if bent {
        let dim = mesh.dim;
        for p in mesh.points.chunks_exact_mut(dim) {
            // Bilinear, so that the Jacobian of linear cells varies too.
            let (across, along) = (p[0], p[1]);
            p[0] += 0.2 * across * (3.0 * along).sin();
        }
    }
    Ok(mesh)
}

/// Microseconds a product: without a matrix (`femur`), and with the matrix in rows or blocks.
fn product(options: &Options, out: &mut dyn FnMut(Value), equation: Equation, kind: CellKind, n: usize, bent: bool) -> Result<()> {
    let mesh = grid(kind, n, bent)?;
    let c = equation.components(mesh.dim);
    let unknowns = mesh.num_nodes() * c;
    let cells = if bent { "bent" } else { "straight" };
    let size = format!("product, {} on {cells} {kind}, {unknowns} dofs", equation.name());
    if !options.wants(&size) {
        return Ok(());
    }
    let free = MatrixFree::new(&mesh, &equation.form())?;
    let assembler = Assembler::new(&mesh, c, 0);
    let (rows, blocks): (Option<_>, Option<BsrMatrix>) = if c == 1 {
        let mut matrix = assembler.zeros();
        assembler.assemble(&mesh, &equation.form(), &mut matrix)?;
        (Some(matrix), None)
    } else {
        let mut matrix = assembler.zero_blocks();
        assembler.assemble_blocks(&mesh, &equation.form(), &mut matrix)?;
        (None, Some(matrix))
    };
    drop(assembler);
    let bytes = rows.as_ref().map(|m| 12 * m.nnz() + 8 * m.row_ptr.len());
    let bytes = bytes.or_else(|| blocks.as_ref().map(|m| 8 * m.values.len() + 4 * m.col_idx.len() + 8 * m.row_ptr.len()));
    let assembled: &dyn LinearOperator = match (&rows, &blocks) {
        (Some(rows), _) => rows,
        (None, Some(blocks)) => blocks,
        (None, None) => bail!("no matrix"),
    };
    let times = options.pick(20, 1);
    let spec = Spec { work: "matrix-free", size, goals: Vec::new(), tolerance: 1e-9, rounds: options.pick(7, 1) };
    let others = if options.quick { Vec::new() } else { vec![("assembled", assembled, bytes.unwrap_or(0))] };
    let others = others.into_iter().map(|(name, a, bytes)| Contender { name: name.into(), run: Some(applied(a, bytes, times)) }).collect();
    out(contest(&spec, options, applied(&free, free.memory(), times), others)?);
    Ok(())
}

fn applied<'a>(a: &'a dyn LinearOperator, bytes: usize, times: usize) -> Runner<'a> {
    let n = a.nrows();
    let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin() + 0.1).collect();
    let mut y = vec![0.0; n];
    a.apply(&x, &mut y);
    Box::new(move || {
        let (whole, ()) = timed(|| (0..times).for_each(|_| a.apply(&x, &mut y)));
        let seconds = Seconds { wall: whole.wall / times as f64, cpu: whole.cpu / times as f64 };
        let energy = x.iter().zip(&y).map(|(x, y)| x * y).sum();
        let answer = BTreeMap::from([("energy".to_string(), energy), ("norm".to_string(), norm(&y))]);
        let detail = BTreeMap::from([
            ("cpu_ns_per_dof".to_string(), 1e9 * seconds.cpu / n as f64),
            ("bytes_per_dof".to_string(), bytes as f64 / n as f64),
        ]);
        Ok(Sample { seconds, answer, detail })
    })
}

/// A whole steady case from mesh to state, by each `[solver] kind`.
fn solve(options: &Options, out: &mut dyn FnMut(Value), equation: Equation, kind: CellKind, n: usize) -> Result<()> {
    let mesh = Arc::new(grid(kind, n, false)?);
    let unknowns = mesh.num_nodes() * equation.components(mesh.dim);
    let size = format!("solve, {} on {kind}, {unknowns} dofs", equation.name());
    if !options.wants(&size) {
        return Ok(());
    }
    let spec = Spec { work: "matrix-free", size, goals: Vec::new(), tolerance: 1e-6, rounds: options.pick(3, 1) };
    let others = if options.quick { &[][..] } else { &["p-multigrid", "amg"][..] };
    let others = others.iter().map(|&s| Contender { name: s.into(), run: Some(solved(&mesh, equation, s)) }).collect();
    out(contest(&spec, options, solved(&mesh, equation, "matrix-free"), others)?);
    Ok(())
}

fn solved<'a>(mesh: &'a Arc<Mesh>, equation: Equation, solver: &'static str) -> Runner<'a> {
    Box::new(move || {
        let (physics, field) = match equation {
            Equation::Poisson => ("heat", "temperature"),
            Equation::Elasticity => ("linear-elasticity", "displacement"),
        };
        let material = if equation == Equation::Poisson { "conductivity = 1.0" } else { "E = 1.0\nnu = 0.3" };
        let pull = if mesh.dim == 2 { "[0.2, 1.0]" } else { "[0.2, 1.0, 0.5]" };
        let (held, load) = match equation {
            Equation::Poisson => ("temperature = 0".to_string(), "heat_flux = 1.0".to_string()),
            Equation::Elasticity => (format!("displacement = [{}]", vec!["0"; mesh.dim].join(", ")), format!("traction = {pull}")),
        };
        let text = format!(
            "physics = \"{physics}\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\n{material}\n[solver]\nkind = \"{solver}\"\n\
             [[boundary]]\ntag = \"left\"\n{held}\n[[boundary]]\ntag = \"right\"\n{load}\n"
        );
        let case = CaseFile::parse(&text, "solve")?.nominal()?;
        let physics = PHYSICS.iter().find(|p| p.name() == physics).context("no such physics")?;
        let floor = reset_peak();
        let (setup, simulator) = timed(|| physics.simulator(&case, mesh));
        let mut simulator = simulator?;
        let (step, trajectory) = timed(|| rollout(simulator.as_mut(), &mut ()));
        let trajectory = trajectory?;
        let peak = memory("VmHWM:")? - floor;
        let values = &trajectory.states.last().and_then(|s| s.field(field)).context("no field")?.values;
        let mut detail =
            BTreeMap::from([("setup_cpu_s".to_string(), setup.cpu), ("step_cpu_s".to_string(), step.cpu), ("peak_mb".into(), peak)]);
        detail.insert("iterations".into(), trajectory.log.notes.get("iterations").and_then(|n| n.parse().ok()).unwrap_or(f64::NAN));
        let seconds = Seconds { wall: setup.wall + step.wall, cpu: setup.cpu + step.cpu };
        Ok(Sample { seconds, answer: BTreeMap::from([("norm".to_string(), norm(values))]), detail })
    })
}
