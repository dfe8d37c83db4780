//! `femur solve --solver petsc` under `mpirun`: nodes shared out to ranks, each assembles its own rows, PETSc solves, rank 0 writes.

use crate::context::Context;
use crate::source;
use crate::verbs::generate::claim_learning;
use crate::verbs::solve::finish;
use anyhow::{Result, anyhow, bail};
use femur_mesh::{Field, Mesh, Part, Partition};
use femur_petsc::{Options, Report, Rows, Session};
use femur_physics::{DISTRIBUTED, Distributed, LinearSystem};
use femur_sim::case::CaseFile;
use femur_sim::{SolverLog, State, Trajectory};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Relative 2-norm of the residual, as of Femur's own iterative solvers.
const OPTIONS: Options = Options { tolerance: 1e-10, max_iterations: 10_000 };

/// Solves a case over all ranks of `mpirun`.
pub(crate) fn solve(file: &CaseFile, mesh: Option<&Path>, output: &Path, context: &Context) -> Result<ExitCode> {
    let session = Session::start()?;
    let solved = run(&session, file, mesh, output, context);
    if let Err(error) = &solved
        && session.size() > 1
    {
        context.warn(format!("rank {}: {error:#}", session.rank()));
        session.abort();
    }
    solved
}

fn run(session: &Session, file: &CaseFile, mesh: Option<&Path>, output: &Path, context: &Context) -> Result<ExitCode> {
    let case = file.nominal()?;
    let physics = source::physics(&case)?;
    let Some(way) = DISTRIBUTED.iter().find(|d| d.physics == case.physics) else {
        let known: Vec<&str> = DISTRIBUTED.iter().map(|d| d.physics).collect();
        bail!("{}: {} has no solver over ranks\n  hint: only {} have", case.origin, case.physics, known.join(", "))
    };
    let mesh = source::mesh(&case, mesh)?;
    let first = session.rank() == 0;
    if first {
        source::warn(context, &case, &mesh, physics);
    }
    let start = Instant::now();
    let setup = physics.setup(&case, &mesh)?;
    claim_learning(&case);
    case.finish()?;
    let partition = Partition::by_coordinates(&mesh, session.size());
    let part = partition.part(&mesh, session.rank())?;
    let part_mesh = Arc::new(part.mesh.clone());
    let system = (way.system)(&case, &part_mesh)?;
    let (values, report) = share(session, &mesh, &partition, &part, &system)?;
    if report.reason <= 0 {
        bail!(
            "PETSc stopped after {} iterations with reason {} at a residual of {:.1e}",
            report.iterations,
            report.reason,
            report.residual
        );
    }
    if !first {
        return Ok(ExitCode::SUCCESS);
    }
    context.say(format!("PETSc on {} ranks: {} iterations", session.size(), report.iterations));
    let fields = fields(way, &case, &mesh, setup.mesh.num_nodes(), values, physics)?;
    let mut log = SolverLog { newton_iters: vec![1], ..SolverLog::default() };
    log.notes.insert("solver".into(), format!("petsc, {} ranks", session.size()));
    let trajectory = Trajectory { setup, states: vec![State { time: 0.0, fields }], unit_responses: Vec::new(), log };
    finish(&case, &trajectory, output, start.elapsed().as_secs_f64(), context)
}

/// The primary field and what the physics derives from it, on the nodes of the states.
fn fields(
    way: &Distributed,
    case: &femur_sim::case::Case,
    mesh: &Arc<Mesh>,
    nodes: usize,
    values: Vec<f64>,
    physics: &dyn femur_physics::Physics,
) -> Result<Vec<Field>> {
    let mut state = State { time: 0.0, fields: vec![(way.field)(case, mesh, values)] };
    let derived = physics.recover(case, mesh, &state)?;
    state.fields.extend(derived);
    if nodes < mesh.num_nodes() {
        let kept = mesh.vertices_only().1;
        for field in state.fields.iter_mut().filter(|f| f.len() == mesh.num_nodes()) {
            let c = field.num_components();
            field.values = kept.iter().flat_map(|&n| field.values[n as usize * c..][..c].to_vec()).collect();
        }
    }
    Ok(state.fields)
}

/// Solves all ranks' rows; the solution by the nodes of the whole mesh.
fn share(session: &Session, mesh: &Mesh, partition: &Partition, part: &Part, system: &LinearSystem) -> Result<(Vec<f64>, Report)> {
    let c = system.components;
    let (number, _) = partition.numbering();
    let total = mesh.num_nodes() * c;
    let own = part.owned * c;
    // What is prescribed at nodes of other ranks only their owners know.
    let of_own = |f: &dyn Fn(&f64) -> f64| -> Vec<f64> { (0..own).map(|u| system.prescribed.get(&u).map_or(0.0, f)).collect() };
    let held = session.share(&of_own(&|_| 1.0), total)?;
    let value = session.share(&of_own(&|v| *v), total)?;
    let global = |u: usize| number[part.nodes[u / c] as usize] as usize * c + u % c;
    let (mut row_ptr, mut col_idx, mut values) = (vec![0i32], Vec::new(), Vec::new());
    let mut rhs = system.load[..own].to_vec();
    let mut row: Vec<(usize, f64)> = Vec::new();
    for u in 0..own {
        let (columns, entries) = system.matrix.row(u);
        row.clear();
        if held[global(u)] > 0.5 {
            let diagonal = system.matrix.get(u, u);
            rhs[u] = diagonal * value[global(u)];
            row.push((global(u), diagonal));
        } else {
            for (&v, &a) in columns.iter().zip(entries) {
                let column = global(v as usize);
                if held[column] > 0.5 { rhs[u] -= a * value[column] } else { row.push((column, a)) }
            }
            row.sort_unstable_by_key(|e| e.0);
        }
        for &(column, a) in &row {
            col_idx.push(i32::try_from(column)?);
            values.push(a);
        }
        row_ptr.push(i32::try_from(values.len())?);
    }
    let coordinates = system.rigid_bodies.then(|| &part.mesh.points[..own]);
    let rows = Rows { total, block: c, row_ptr: &row_ptr, col_idx: &col_idx, values: &values, coordinates };
    let (solution, report) = session.solve(&rows, &rhs, &OPTIONS)?;
    if solution.len() != total {
        return Err(anyhow!("PETSc gave {} of {total} unknowns", solution.len()));
    }
    let by_node = number.iter().flat_map(|&n| solution[n as usize * c..][..c].to_vec()).collect();
    Ok((by_node, report))
}
