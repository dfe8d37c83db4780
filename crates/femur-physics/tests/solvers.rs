//! Every linear solver gives the same answer: with prescribed values, inclined rollers and elastic supports, in 2D and 3D.

mod common;

use common::solve;
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_sim::Trajectory;
use std::sync::Arc;

/// Solves with each `[solver] kind`; all must agree to the tolerance of the iterations.
fn agree(case: &str, mesh: &Arc<Mesh>, field: &str) {
    let run = |kind: &str| solve(&format!("{case}[solver]\nkind = \"{kind}\"\n"), mesh);
    let values = |t: &Trajectory| t.states.last().unwrap().field(field).unwrap().values.clone();
    let reference = run("direct");
    assert_eq!(reference.log.notes["solver"], "direct");
    let expected = values(&reference);
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(scale > 0.0);
    for kind in ["cg", "amg"] {
        let t = run(kind);
        assert_eq!(t.log.notes["solver"], kind);
        let worst = values(&t).iter().zip(&expected).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-7 * scale, "{kind}: {worst:.1e} of {scale:.1e}");
    }
}

#[test]
fn elasticity_with_rollers_on_inclined_planes_and_supports() {
    let mut mesh = rectangle([2.0, 1.0], [60, 30], CellKind::Triangle6).unwrap();
    let (sin, cos) = 30f64.to_radians().sin_cos();
    for p in mesh.points.chunks_exact_mut(2) {
        (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
    }
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\n\
        tag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\nelastic_support = 10.0\n[[boundary]]\ntag = \"right\"\n\
        traction = [1.0, 0.5]\n[[boundary]]\ntag = \"top\"\ndisplacement = [0.01, 0.02]\n";
    agree(case, &Arc::new(mesh), "displacement");
}

#[test]
fn elasticity_in_space_with_prescribed_displacements() {
    let mesh = Arc::new(box_([3.0, 1.0, 1.0], [18, 6, 6], CellKind::Tet4).unwrap());
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\n\
        displacement = [0, 0, 0]\n[[boundary]]\ntag = \"right\"\ndisplacement = [\"free\", 0.1, \"free\"]\n[[boundary]]\ntag = \"top\"\ntraction = [0.2, 0, 0]\n";
    agree(case, &mesh, "displacement");
}

#[test]
fn heat_steady_and_in_time() {
    let mesh = Arc::new(box_([1.0; 3], [12, 12, 12], CellKind::Hex8).unwrap());
    let case = "physics = \"heat\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = 2.0\ndensity = 1.0\nspecific_heat = 1.0\n\
        [[boundary]]\ntag = \"left\"\ntemperature = 300\n[[boundary]]\ntag = \"right\"\nheat_flux = 5.0\n";
    agree(case, &mesh, "temperature");
    agree(&format!("{case}[initial]\ntemperature = 290\n[time]\nend = 1.0\nsteps = 5\n"), &mesh, "temperature");
}
