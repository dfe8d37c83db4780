//! Flow by GMRES with the least-squares commutator against flow by a factorisation: enclosed, open, turned, in space and in time.

mod common;

use common::{solve, try_solve};
use femur_mesh::CellKind::{Hex27, Quad9, Triangle6};
use femur_mesh::Mesh;
use femur_mesh::generate::{ChannelSpec, box_, channel_with_cylinder, rectangle};
use femur_sim::Trajectory;
use std::sync::Arc;

const CYLINDER: &str = "[[boundary]]\ntag = \"inflow\"\ninflow.mean = 0.2\n[[boundary]]\ntag = \"outflow\"\noutflow = true\n\
    [[boundary]]\ntag = \"walls\"\nno_slip = true\n[[boundary]]\ntag = \"cylinder\"\nno_slip = true\n\
    [forces]\ntag = \"cylinder\"\nvelocity = 0.2\nlength = 0.1\n";

/// A case with everything but `[solver]`.
fn flow(material: &str, viscosity: f64, rest: &str) -> String {
    format!(
        "physics = \"navier-stokes\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.{material}]\ndensity = 1.0\nviscosity = {viscosity}\n{rest}"
    )
}

fn cavity(viscosity: f64, lid: &str, walls: &[&str]) -> String {
    let walls: String = walls.iter().map(|w| format!("[[boundary]]\ntag = \"{w}\"\nno_slip = true\n")).collect();
    flow("body", viscosity, &format!("[[boundary]]\ntag = \"top\"\nvelocity = {lid}\n{walls}"))
}

fn square(n: usize) -> Arc<Mesh> {
    Arc::new(rectangle([1.0, 1.0], [n, n], Quad9).unwrap())
}

fn by(kind: &str, case: &str, more: &str, mesh: &Arc<Mesh>) -> Trajectory {
    solve(&format!("{case}[solver]\nkind = \"{kind}\"\n{more}"), mesh)
}

/// Solves by both; fields and series of the last step must agree to what Newton's method leaves.
fn agree(case: &str, more: &str, mesh: &Arc<Mesh>) {
    let (direct, lsc) = (by("direct", case, more, mesh), by("lsc", case, more, mesh));
    assert!(lsc.log.notes["solver"].starts_with("lsc, ") && direct.log.notes["solver"].starts_with("direct, "));
    assert!(lsc.log.condition.is_none() && lsc.log.notes.contains_key("iterations"));
    let close = |a: &[f64], b: &[f64], what: &str| {
        let scale = b.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let worst = a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(scale > 0.0 && worst < 1e-6 * scale, "{what}: {worst:.1e} of {scale:.1e}");
    };
    for field in ["velocity", "pressure"] {
        let values = |t: &Trajectory| t.states.last().unwrap().field(field).unwrap().values.clone();
        close(&values(&lsc), &values(&direct), field);
    }
    for (a, b) in lsc.log.series.iter().zip(&direct.log.series) {
        close(&a.values, &b.values, &a.name);
    }
}

#[test]
fn the_cavity_agrees_with_the_direct_solver() {
    for viscosity in [1.0, 0.01, 0.0025] {
        agree(&cavity(viscosity, "[1.0, 0.0]", &["left", "right", "bottom"]), "", &square(16));
    }
    // Nothing that a small factor does not fit into.
    let auto = by("auto", &cavity(1.0, "[1.0, 0.0]", &["left", "right", "bottom"]), "", &square(4));
    assert_eq!(auto.log.notes["solver"], "direct, steady");
    let box_ = Arc::new(box_([1.0; 3], [4, 4, 4], Hex27).unwrap());
    agree(&cavity(0.01, "[1.0, 0.0, 0.0]", &["left", "right", "bottom", "back", "front"]), "", &box_);
}

#[test]
fn the_steady_cylinder_agrees_with_the_direct_solver() {
    let mesh = Arc::new(channel_with_cylinder(&ChannelSpec { order: 2, size: 0.05, ..ChannelSpec::default() }).unwrap());
    agree(&flow("fluid", 0.001, CYLINDER), "", &mesh);
    agree(&flow("fluid", 0.001, &format!("{CYLINDER}[discretisation]\nviscous_term = \"stress\"\n")), "", &mesh);
}

#[test]
fn flow_in_time_agrees_with_the_direct_solver() {
    let mesh = Arc::new(channel_with_cylinder(&ChannelSpec { order: 2, size: 0.06, ..ChannelSpec::default() }).unwrap());
    for integrator in ["semi-implicit", "implicit"] {
        let case = flow("fluid", 0.001, &format!("{CYLINDER}[time]\nend = 0.2\nsteps = 2\n"));
        agree(&case, &format!("integrator = \"{integrator}\"\nsubsteps = 5\n"), &mesh);
    }
}

/// Unknowns in turned frames on a slip plane.
#[test]
fn a_turned_channel_agrees_with_the_direct_solver() {
    let mut mesh = rectangle([2.0, 1.0], [8, 6], Triangle6).unwrap();
    let (sin, cos) = 30f64.to_radians().sin_cos();
    mesh.points.chunks_exact_mut(2).for_each(|p| (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]));
    let rest = format!(
        "[[boundary]]\ntag = \"left\"\nvelocity = [{cos}, {sin}]\n[[boundary]]\ntag = \"top\"\nslip = true\n\
        [[boundary]]\ntag = \"bottom\"\nno_slip = true\n[[boundary]]\ntag = \"right\"\noutflow = true\npressure = 7.0\n"
    );
    agree(&flow("body", 0.05, &rest), "", &Arc::new(mesh));
}

/// Most iterations of a linear solve.
fn most(t: &Trajectory) -> usize {
    t.log.notes["iterations"].split("at most ").nth(1).and_then(|s| s.split(' ').next()).unwrap().parse().unwrap()
}

#[test]
fn iterations_grow_little_with_the_mesh() {
    let case = cavity(0.01, "[1.0, 0.0]", &["left", "right", "bottom"]);
    let counts = [10, 20, 40].map(|n| most(&by("lsc", &case, "", &square(n))));
    println!("cavity, Re 100: {counts:?}");
    assert!(counts[2] <= 35 && counts[2] <= counts[0] + 12, "{counts:?}");
    let counts = [0.08, 0.04].map(|size| {
        let mesh = channel_with_cylinder(&ChannelSpec { order: 2, size, ..ChannelSpec::default() }).unwrap();
        most(&by("lsc", &flow("fluid", 0.001, CYLINDER), "", &Arc::new(mesh)))
    });
    println!("cylinder, Re 20: {counts:?}");
    assert!(counts[1] <= 100 && counts[1] <= counts[0] + 25, "{counts:?}");
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let case = cavity(0.01, "[1.0, 0.0]", &["left", "right", "bottom"]);
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| by("lsc", &case, "", &square(24)).states)
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn mistakes_and_failures_are_named() {
    let complaint = |case: String| try_solve(&case, &square(8)).unwrap_err();
    let case = |viscosity: f64, kind: &str| {
        format!("{}[solver]\nkind = \"{kind}\"\n", cavity(viscosity, "[1.0, 0.0]", &["left", "right", "bottom"]))
    };
    let e = complaint(case(0.01, "amg"));
    assert!(e.contains("test.toml") && e.contains("`solver.kind`") && e.contains("amg") && e.contains("auto, direct, lsc"), "{e}");
    // Re 10 million on eight cells along a side.
    let e = complaint(case(1e-7, "lsc"));
    assert!(e.contains("gmres ended after") && e.contains("hint: take [solver] kind = \"direct\""), "{e}");
}
