//! Advection and diffusion on every element: slopes, orders in time, layers without wiggles.

use femur_fem::error_norms::errors;
use femur_mesh::CellKind::*;
use femur_mesh::Mesh;
use femur_mesh::generate::{box_, rectangle};
use femur_physics::PHYSICS;
use femur_sim::case::CaseFile;
use femur_sim::{NodeType, Trajectory, rollout};
use std::sync::Arc;

fn run(case: &str, mesh: &Arc<Mesh>) -> Result<Trajectory, String> {
    let case = CaseFile::parse(case, "test.toml").unwrap().nominal().unwrap();
    let physics = PHYSICS.iter().find(|p| p.name() == case.physics).unwrap();
    let mut simulator = physics.simulator(&case, mesh).map_err(|e| e.to_string())?;
    case.finish().map_err(|e| e.to_string())?;
    let trajectory = rollout(simulator.as_mut(), &mut ()).map_err(|e| e.to_string())?;
    assert_eq!(trajectory.setup, physics.setup(&case, mesh).unwrap());
    Ok(trajectory)
}

fn solve(case: &str, mesh: &Arc<Mesh>) -> Trajectory {
    run(case, mesh).unwrap()
}

const SIDES: [&str; 6] = ["left", "right", "bottom", "top", "back", "front"];

#[test]
fn transport_converges_at_its_order() {
    // u = sin(x) cos(y) in a flow that turns; the same in space.
    let k = 0.05;
    for kind in [Triangle3, Triangle6, Quad4, Quad8, Quad9, Tet4, Tet10, Hex8, Hex20, Hex27] {
        let three = kind.dim() == 3;
        let velocity = if three { "[\"1 + y\", \"2 - x\", \"0.5 + z\"]" } else { "[\"1 + y\", \"2 - x\"]" };
        let mut case = format!(
            "physics = \"advection-diffusion\"\nvelocity = {velocity}\n\
            source = \"(1 + y) * cos(x) * cos(y) - (2 - x) * sin(x) * sin(y) + 2 * {k} * sin(x) * cos(y)\"\n\
            [mesh]\ngenerator = \"box\"\n[materials.body]\ndiffusivity = {k}\n"
        );
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\nconcentration = \"sin(x) * cos(y)\"\n");
        }
        let (coarse, fine) = match (three, kind.order()) {
            (false, 1) => (32, 64),
            (false, _) => (10, 20),
            (true, 1) => (10, 16),
            _ => (4, 6),
        };
        let error = |n: usize| {
            let mesh = Arc::new(if three { box_([1.0; 3], [n; 3], kind) } else { rectangle([1.0, 1.0], [n, n], kind) }.unwrap());
            let t = solve(&case, &mesh);
            errors(&mesh, &t.states[0].fields[0].values, 1, |x, u, _| u[0] = x[0].sin() * x[1].cos()).0
        };
        let slope = (error(coarse) / error(fine)).ln() / (fine as f64 / coarse as f64).ln();
        let theory = kind.order() as f64 + 1.0;
        println!("{kind}: {slope:.3}");
        assert!((slope - theory).abs() < 0.1, "{kind}: slope {slope:.3}, theory {theory}");
    }
}

/// u = (x + 2 y) g(t) is met exactly in space: the error is the time integrator's.
#[test]
fn the_theta_scheme_shows_its_order() {
    let error = |theta: f64, steps: usize, velocity: &str, carried: &str| {
        let mut case = format!(
            "physics = \"advection-diffusion\"\nvelocity = {velocity}\nsource = \"-3 * (x + 2 * y) * sin(3 * t) + {carried} * cos(3 * t)\"\n[mesh]\n\
            generator = \"rectangle\"\n[materials.body]\ndiffusivity = 0.1\n[initial]\nconcentration = \"x + 2 * y\"\n[time]\nend = 1.0\n\
            steps = {steps}\ntheta = {theta}\n"
        );
        for side in &SIDES[..4] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\nconcentration = \"(x + 2 * y) * cos(3 * t)\"\n");
        }
        let mesh = Arc::new(rectangle([1.0, 1.0], [6, 6], Quad4).unwrap());
        let t = solve(&case, &mesh);
        errors(&mesh, &t.states[steps].fields[0].values, 1, |x, u, _| u[0] = (x[0] + 2.0 * x[1]) * 3f64.cos()).0
    };
    for (velocity, carried) in [("[1.0, 0.5]", "2"), ("[\"1 + t\", \"0.5 * t\"]", "(1 + 2 * t)")] {
        for (theta, order) in [(1.0, 1.0), (0.5, 2.0)] {
            let slope = (error(theta, 40, velocity, carried) / error(theta, 80, velocity, carried)).log2();
            println!("{velocity} {theta} {slope:.3}");
            assert!((slope - order).abs() < 0.1, "theta {theta} in {velocity}: order {slope:.3}");
        }
    }
}

/// A layer a fiftieth of a cell thick at the outflow: Galerkin's method wiggles all over, the upwinded one hardly.
#[test]
fn a_thin_layer_does_not_wiggle() {
    let case = |supg: bool| {
        format!(
            "physics = \"advection-diffusion\"\nvelocity = [1.0, 0.0]\nsource = 1.0\n[discretisation]\nsupg = {supg}\n[mesh]\ngenerator = \"rectangle\"\n\
            [materials.body]\ndiffusivity = 1e-3\n[[boundary]]\ntag = \"left\"\nconcentration = 0.0\n[[boundary]]\ntag = \"right\"\nconcentration = 0.0\n"
        )
    };
    for kind in [Triangle3, Quad4, Triangle6, Quad9] {
        let mesh = Arc::new(rectangle([1.0, 0.5], [20, 10], kind).unwrap());
        // Two cells from the layer the exact answer is x.
        let worst = |supg: bool| {
            let t = solve(&case(supg), &mesh);
            let u = &t.states[0].fields[0].values;
            let inside = (0..mesh.num_nodes()).filter(|&n| mesh.point(n)[0] < 0.87);
            inside.map(|n| (u[n] - mesh.point(n)[0]).abs()).fold(0.0, f64::max)
        };
        let (with, without) = (worst(true), worst(false));
        let bound = if matches!(kind, Triangle3 | Triangle6) { 0.06 } else { 0.001 };
        assert!(with < bound, "{kind}: {with}");
        assert!(without > 0.4, "{kind}: {without}");
    }
}

#[test]
fn threads_node_types_and_mistakes() {
    let mesh = Arc::new(rectangle([2.0, 1.0], [40, 40], Triangle6).unwrap());
    let case = "physics = \"advection-diffusion\"\nvelocity = [\"1 + y\", 0.0]\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndiffusivity = 0.01\n\
        [initial]\nconcentration = 0.0\n[time]\nend = 0.2\nsteps = 2\ntheta = 0.5\n[[boundary]]\ntag = \"left\"\nconcentration = \"y\"\n\
        [[boundary]]\ntag = \"right\"\noutflow = true\n[[boundary]]\ntag = \"top\"\nflux = 0.1\n";
    let run_on = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| solve(case, &mesh));
    let one = run_on(1);
    assert_eq!(one.states, run_on(3).states);
    for kind in [NodeType::Inflow, NodeType::Outflow, NodeType::Loaded] {
        assert!(one.setup.node_type.contains(&kind), "{kind:?}");
    }
    let complaint = |lines: &str| {
        run(
            &format!("physics = \"advection-diffusion\"\n{lines}[mesh]\ngenerator = \"rectangle\"\n[materials.body]\ndiffusivity = 0.01\n"),
            &mesh,
        )
        .unwrap_err()
    };
    assert!(complaint("velocity = [1.0]\n").contains("`velocity`: has 1 components"));
    assert!(complaint("velocity = [1.0, 0.0]\n").contains("nothing holds the concentration"));
}
