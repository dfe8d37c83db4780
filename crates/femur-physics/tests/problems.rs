//! Published problems and a template, from their files: what `femur verify` and `femur new` start from.

mod common;

use femur_physics::PHYSICS;
use femur_sim::case::{CaseFile, generators};
use femur_sim::{Trajectory, rollout};
use std::path::Path;
use std::sync::Arc;

fn solve(file: &str) -> (femur_sim::case::Case, Trajectory) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let case = CaseFile::load(&path).unwrap().nominal().unwrap();
    let mesh = Arc::new(generators::build(&case).unwrap());
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
    let mut simulator = physics.simulator(&case, &mesh).unwrap();
    let trajectory = rollout(simulator.as_mut(), &mut ()).unwrap();
    (case, trajectory)
}

#[test]
fn the_problems_of_heat_modes_and_rings_hold() {
    for name in ["nafems-t2", "nafems-fv32", "nafems-fv52", "lame-ring"] {
        let (case, trajectory) = solve(&format!("benchmarks/problems/{name}.toml"));
        case.finish().unwrap();
        let lines = case.expectations().unwrap();
        assert!(!lines.is_empty());
        for line in lines {
            let checked = line.check(&trajectory);
            assert!(checked.holds(), "{name}: {checked}");
        }
    }
}

#[test]
fn the_cantilever_of_the_template_swings() {
    let (_, t) = solve("crates/femur/templates/cantilever-dynamics.toml");
    let tip = t.setup.mesh.tag_nodes("right").unwrap()[0] as usize;
    let y: Vec<f64> = t.states.iter().map(|s| s.field("displacement").unwrap().at(tip)[1]).collect();
    // Down to twice the static deflection and back, some times over.
    let turns = y.windows(3).filter(|w| (w[1] - w[0]) * (w[2] - w[1]) < 0.0).count();
    assert!(turns >= 4 && y.iter().all(|v| *v < 1e-3), "{turns} turns: {y:?}");
    assert_eq!(common::series(&t, "strain_energy").len(), 201);
}
