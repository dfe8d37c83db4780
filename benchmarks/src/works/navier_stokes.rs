//! Flow around a cylinder: time of one semi-implicit step on Taylor-Hood elements.

use crate::clock::{Seconds, timed};
use crate::contest::{Goal, Runner, Sample, Spec, contest};
use crate::npy;
use crate::options::Options;
use crate::peer::{Peer, Runtime, start_all};
use crate::system::write_mesh;
use anyhow::{Context as _, Result};
use femur_mesh::topology::raise_order;
use femur_mesh::{CellKind, Mesh};
use femur_physics::PHYSICS;
use femur_sim::case::{Case, CaseFile, generators};
use femur_sim::{Simulator, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const PEERS: &[Peer] = &[Peer { name: "ngsolve", program: "flow_ngsolve.py", runtime: Runtime::Venv("bench-ngsolve") }];

/// Density 1, viscosity 0.001, mean inflow 1: Reynolds number 100, the flow of DFG benchmark 2D-2 (Schaefer and Turek 1996) from rest.
const STEP: f64 = 0.0002;
const BOUNDARIES: [&str; 4] = ["inflow", "walls", "cylinder", "outflow"];

fn case(options: &Options, steps: usize, substeps: usize) -> Result<Case> {
    let text = format!(
        "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"channel-cylinder\"\nsize = {}\nrefinement = 0.25\n\
         [materials.fluid]\ndensity = 1.0\nviscosity = 0.001\n[[boundary]]\ntag = \"inflow\"\ninflow.mean = 1.0\n\
         [[boundary]]\ntag = \"outflow\"\noutflow = true\n[[boundary]]\ntag = \"walls\"\nno_slip = true\n[[boundary]]\ntag = \"cylinder\"\n\
         no_slip = true\n[time]\nend = {}\nsteps = {steps}\n[solver]\nintegrator = \"semi-implicit\"\nsubsteps = {substeps}\n",
        options.pick(0.0237, 0.1),
        STEP * (steps * substeps) as f64,
    );
    Ok(CaseFile::parse(&text, "flow")?.nominal()?)
}

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    let (rounds, substeps) = (options.pick(6, 1), options.pick(50, 5));
    // one more output step, which checks
    let case = case(options, rounds + 1, substeps)?;
    let straight = generators::build(&case)?;
    // Straight sides: the peer gets the triangles without the cylinder.
    let mesh = Arc::new(raise_order(&straight, |_| CellKind::Triangle6)?);
    let unknowns = 2 * mesh.num_nodes() + straight.num_nodes();
    let scratch = tempfile::tempdir()?;
    let mut job = hand_over(&straight, scratch.path())?;
    job["step"] = json!(STEP);
    job["substeps"] = json!(substeps);
    job["threads"] = json!(options.threads);
    let spec = Spec {
        work: "navier-stokes",
        size: format!("cylinder flow, Taylor-Hood, {unknowns} dofs, a step"),
        goals: vec![Goal::Best(1.0 / 0.55)],
        // the convection is integrated by other rules
        tolerance: 3e-3,
        rounds,
    };
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).context("no such physics")?;
    let simulator = physics.simulator(&case, &mesh)?;
    let peers = start_all(PEERS, &job, options)?;
    out(contest(&spec, options, ours(simulator, straight.num_nodes(), substeps), peers)?);
    Ok(())
}

/// Points, triangles and the edges of each boundary.
fn hand_over(mesh: &Mesh, folder: &std::path::Path) -> Result<Value> {
    write_mesh(mesh, folder)?;
    for name in BOUNDARIES {
        let edges: Vec<i32> =
            mesh.tag_facets(name)?.iter().flat_map(|&f| mesh.facet_nodes(f).1).map(i32::try_from).collect::<Result<_, _>>()?;
        npy::write(&folder.join(format!("{name}.npy")), &edges, 2)?;
    }
    Ok(json!({"folder": folder, "boundaries": BOUNDARIES, "viscosity": 0.001, "height": 0.41, "mean": 1.0}))
}

/// Goes on by one output step, and gives the mean time of the solver steps in it.
fn ours<'a>(mut simulator: Box<dyn Simulator + Send>, vertices: usize, substeps: usize) -> Runner<'a> {
    let mut state: Option<State> = simulator.setup().initial.clone();
    let mut step = 0;
    Box::new(move || {
        step += 1;
        let (whole, next) = timed(|| simulator.step(step, state.as_ref()));
        let next = next?;
        let velocity = next.field("velocity").context("no velocity")?;
        let pressure = next.field("pressure").context("no pressure")?;
        let square = |v: &[f64]| (v.iter().map(|v| v * v).sum::<f64>() / vertices as f64).sqrt();
        let answer = BTreeMap::from([
            ("velocity".to_string(), square(&velocity.values[..2 * vertices])),
            ("pressure".to_string(), square(&pressure.values[..vertices])),
        ]);
        state = Some(next);
        let count = substeps as f64;
        Ok(Sample { seconds: Seconds { wall: whole.wall / count, cpu: whole.cpu / count }, answer, detail: BTreeMap::new() })
    })
}
