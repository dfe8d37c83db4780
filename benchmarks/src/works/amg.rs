//! Conjugate gradients with algebraic multigrid, set-up and solve: two sizes beside the peers, and how the cost grows.

use crate::clock::timed;
use crate::contest::{Goal, Runner, Sample, Spec, contest};
use crate::options::Options;
use crate::peer::{Peer, Runtime, start_all};
use crate::system::{Equation, Problem, System};
use anyhow::{Result, bail};
use femur_mesh::CellKind;
use femur_mesh::generate::box_;
use femur_solve::amg::{Amg, AmgOptions, rigid_body_modes};
use femur_solve::{BsrMatrix, KrylovOptions, LinearOperator, cg};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Relative 2-norm of the residual.
const TOLERANCE: f64 = 1e-8;

const PEERS: &[Peer] = &[
    Peer { name: "pyamg", program: "amg_pyamg.py", runtime: Runtime::Venv("bench") },
    Peer { name: "petsc-gamg", program: "amg_gamg.py", runtime: Runtime::SystemMpi },
    Peer { name: "petsc-hypre", program: "amg_hypre.py", runtime: Runtime::SystemMpi },
];

const POISSON: Problem = Problem { equation: Equation::Poisson, held: &["left", "right", "bottom", "top", "back", "front"] };
const ELASTICITY: Problem = Problem { equation: Equation::Elasticity, held: &["left"] };

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    let against_peers = [
        ("3D Poisson", POISSON, options.pick(99, 8), vec![Goal::Best(1.0 / 0.8)]),
        ("3D elasticity, rigid-body modes", ELASTICITY, options.pick(45, 4), vec![Goal::Best(1.0 / 0.7), Goal::AtMost("iterations", 30.0)]),
    ];
    for (name, problem, n, goals) in against_peers {
        if options.wants(name) {
            out(one(options, name, problem, n, goals, PEERS)?);
        }
    }
    if options.wants("scaling") {
        scaling(options, out)?;
    }
    Ok(())
}

/// Femur alone from about 100 thousand to 3 million unknowns: microseconds per unknown, and by how much they differ.
fn scaling(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    let cases: [(&str, Problem, &[usize]); 2] = [
        ("scaling, 3D Poisson", POISSON, options.pick(&[48, 80, 120, 145], &[6, 8])),
        ("scaling, 3D elasticity", ELASTICITY, options.pick(&[32, 48, 70, 99], &[3, 4])),
    ];
    for (name, problem, sizes) in cases {
        let mut cheapest = f64::INFINITY;
        for &n in sizes {
            let mut row = one(options, name, problem, n, Vec::new(), &[])?;
            let each = row["ours_detail"]["us_per_dof"].as_f64().unwrap_or(f64::NAN);
            cheapest = cheapest.min(each);
            row["ours_detail"]["times_cheapest"] = json!((each / cheapest * 1e3).round() / 1e3);
            row["target"] = json!("us_per_dof within 30 % of the cheapest size so far");
            row["met"] = if options.quick { Value::Null } else { json!(each <= 1.3 * cheapest) };
            out(row);
        }
    }
    Ok(())
}

fn one(options: &Options, name: &str, problem: Problem, n: usize, goals: Vec<Goal>, peers: &[Peer]) -> Result<Value> {
    let system = System::new(&box_([1.0; 3], [n; 3], CellKind::Tet4)?, problem)?;
    let spec = Spec {
        work: "amg",
        size: format!("{name}, {} dofs", system.matrix.nrows),
        goals,
        // solutions to a relative residual of 1e-8 agree less well than that
        tolerance: 1e-5,
        rounds: options.pick(if peers.is_empty() { 2 } else { 3 }, 1),
    };
    let scratch = tempfile::tempdir()?;
    let mut contenders = Vec::new();
    if !peers.is_empty() {
        let mut job = system.write(scratch.path())?;
        job["threads"] = json!(options.threads);
        job["tolerance"] = json!(TOLERANCE);
        contenders = start_all(peers, &job, options)?;
    }
    contest(&spec, options, ours(&system), contenders)
}

/// Elasticity in blocks, as every peer gets the matrix in the form that suits it, before the time starts.
fn ours(system: &System) -> Runner<'_> {
    let blocks = if system.block > 1 { BsrMatrix::from_csr(&system.matrix, system.block) } else { None };
    Box::new(move || {
        let mut x = vec![0.0; system.rhs.len()];
        let (setup, amg) = timed(|| {
            let mut options = AmgOptions { block_size: system.block, ..AmgOptions::default() };
            if system.block > 1 {
                let points: Vec<[f64; 3]> = system.points.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
                options.near_null_space = rigid_body_modes(&points, system.dim);
            }
            match &blocks {
                Some(blocks) => Amg::from_blocks(blocks, &options),
                None => Amg::new(&system.matrix, &options),
            }
        });
        let amg = amg?;
        let operator: &dyn LinearOperator = blocks.as_ref().map_or(&system.matrix, |b| b);
        let krylov = KrylovOptions { tolerance: TOLERANCE, max_iterations: 500 };
        let (solve, report) = timed(|| cg(operator, &amg, &system.rhs, &mut x, &krylov));
        if !report.converged() {
            bail!("{:?} after {} iterations at {:.1e}", report.reason, report.iterations, report.residual());
        }
        let (answer, _) = system.answer(&x, 1.01 * TOLERANCE)?;
        let mut sample = Sample { answer, ..Sample::default() };
        sample.seconds.wall = setup.wall + solve.wall;
        sample.seconds.cpu = setup.cpu + solve.cpu;
        let per_unknown = 1e6 * sample.seconds.wall / x.len() as f64;
        sample.detail = BTreeMap::from([
            ("setup_s".to_string(), setup.wall),
            ("solve_s".to_string(), solve.wall),
            ("iterations".to_string(), report.iterations as f64),
            ("operator_complexity".to_string(), amg.operator_complexity()),
            ("us_per_dof".to_string(), per_unknown),
        ]);
        Ok(sample)
    })
}
