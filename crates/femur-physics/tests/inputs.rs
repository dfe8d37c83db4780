//! What a set-up tells a surrogate of the loads, where it does not superpose.

use femur_mesh::generate::rectangle;
use femur_mesh::{CellKind, Mesh};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_sim::{Input, Setup};
use std::sync::Arc;

fn setup(lines: &str, mesh: &Arc<Mesh>) -> Setup {
    let text = format!(
        "physics = \"linear-elasticity\"\n{lines}[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 1.0\nnu = 0.3\ndensity = 2.0\n\
        [[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [\"1 + y\", -2.0]\n\
        [[boundary]]\ntag = \"top\"\npressure = 5.0\n"
    );
    let case = CaseFile::parse(&text, "case.toml").unwrap().nominal().unwrap();
    PHYSICS[0].setup(&case, mesh).unwrap()
}

fn at<'a>(input: &'a Input, mesh: &Mesh, x: [f64; 2]) -> &'a [f64] {
    let n = (0..mesh.num_nodes()).find(|&n| mesh.point(n).iter().zip(&x).all(|(p, x)| (p - x).abs() < 1e-12)).unwrap();
    &input.values[2 * n..2 * n + 2]
}

#[test]
fn loads_are_inputs_at_the_nodes_they_act_on() {
    let mesh = Arc::new(rectangle([2.0, 1.0], [4, 4], CellKind::Quad4).unwrap());
    let setup = setup("gravity = [0.0, -10.0]\n", &mesh);
    let traction = setup.input("traction").unwrap();
    let close = |a: &[f64], b: [f64; 2]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    assert!(close(at(traction, &mesh, [2.0, 0.5]), [1.5, -2.0]), "{:?}", at(traction, &mesh, [2.0, 0.5]));
    assert!(close(at(traction, &mesh, [1.0, 1.0]), [0.0, -5.0]), "a pressure presses inwards");
    assert!(close(at(traction, &mesh, [1.0, 0.5]), [0.0, 0.0]), "nothing acts inside");
    // Density times acceleration.
    assert!(close(at(setup.input("body_force").unwrap(), &mesh, [1.0, 0.5]), [0.0, -20.0]));
    assert_eq!(traction.unit, "Pa");
}
