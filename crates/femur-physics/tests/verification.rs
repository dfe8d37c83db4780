//! Every physics on every element: manufactured solutions with their slope; patch test, equilibrium, superposition, Kirsch.

mod common;

use common::{KINDS, SIDES, grid, slope, solve};
use femur_mesh::CellKind;
use femur_mesh::generate::{Hole, HoleShape, PlateSpec, box_, plate::PLATE, plate_with_holes, rectangle};
use std::sync::Arc;

#[test]
fn heat_converges_at_its_order() {
    for &kind in KINDS {
        let mut case = String::from(
            "physics = \"heat\"\nheat_source = \"3 * 2 * sin(x) * cos(y)\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = 3.0\n",
        );
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\ntemperature = \"sin(x) * cos(y)\"\n");
        }
        let s = slope(kind, &case, "temperature", |x, u, _| u[0] = x[0].sin() * x[1].cos());
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

#[test]
fn elasticity_converges_at_its_order() {
    let (e, nu) = (2.5, 0.25);
    let (lambda, mu) = (e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu)));
    for &kind in KINDS {
        let three = kind.dim() == 3;
        let z = if three { ", 0.0" } else { "" };
        let mut case = format!(
            "physics = \"linear-elasticity\"\n{}body_force = [\"{} * sin(x) * cos(y)\", \"{} * cos(x) * sin(y)\"{z}]\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = {e}\nnu = {nu}\n",
            if three { "" } else { "plane = \"strain\"\n" },
            lambda + 3.0 * mu,
            lambda + mu
        );
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\ndisplacement = [\"sin(x) * cos(y)\", 0.0{z}]\n");
        }
        let s = slope(kind, &case, "displacement", |x, u, _| u[0] = x[0].sin() * x[1].cos());
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

#[test]
fn a_linear_displacement_is_exact_on_distorted_cells() {
    for &kind in KINDS {
        let mesh = grid(kind, 3);
        let three = kind.dim() == 3;
        let z = if three { ", \"0.3 * z\"" } else { "" };
        let mut case = String::from("physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 10.0\nnu = 0.3\n");
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\ndisplacement = [\"0.1 * x + 0.2 * y\", \"0.05 * x - 0.1 * y\"{z}]\n");
        }
        let t = solve(&case, &mesh);
        let u = t.states[0].field("displacement").unwrap();
        for n in 0..mesh.num_nodes() {
            let p = mesh.point(n);
            let exact = [0.1 * p[0] + 0.2 * p[1], 0.05 * p[0] - 0.1 * p[1]];
            assert!((u.at(n)[0] - exact[0]).abs() < 1e-12 && (u.at(n)[1] - exact[1]).abs() < 1e-12, "{kind}");
        }
        let s = t.states[0].field("stress").unwrap();
        assert!((0..mesh.num_nodes()).all(|n| (s.at(n)[3] - s.at(0)[3]).abs() < 1e-11), "{kind}");
    }
}

#[test]
fn reactions_balance_loads_and_channels_superpose() {
    let mesh = grid(CellKind::Tet10, 3);
    let case = "physics = \"linear-elasticity\"\ngravity = [0.0, 0.0, -9.81]\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 1e5\nnu = 0.3\ndensity = 2.0\n\
        [[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n[[boundary]]\ntag = \"right\"\ntotal_force = [3.0, -4.0, 5.0]\n\
        [[boundary]]\ntag = \"top\"\npressure = 7.0\n[[boundary]]\ntag = \"front\"\ntotal_moment = [1.0, 2.0, 3.0]\n";
    let t = solve(case, &mesh);
    let r = t.states[0].field("reaction").unwrap();
    let sum: Vec<f64> = (0..3).map(|d| r.values.iter().skip(d).step_by(3).sum()).collect();
    let loads = [3.0, -4.0 - 7.0, 5.0 - 2.0 * 9.81];
    for d in 0..3 {
        assert!((sum[d] + loads[d]).abs() < 1e-8, "{sum:?}");
    }
    // Moment about the origin: forces at their centroids, plus the pure moment.
    let moment = |f: &dyn Fn(usize) -> [f64; 3]| {
        let mut m = [0.0; 3];
        for n in 0..mesh.num_nodes() {
            let (p, f) = (mesh.point(n), f(n));
            m[0] += p[1] * f[2] - p[2] * f[1];
            m[1] += p[2] * f[0] - p[0] * f[2];
            m[2] += p[0] * f[1] - p[1] * f[0];
        }
        m
    };
    let m = moment(&|n| [r.at(n)[0], r.at(n)[1], r.at(n)[2]]);
    let cross = |x: [f64; 3], f: [f64; 3]| [x[1] * f[2] - x[2] * f[1], x[2] * f[0] - x[0] * f[2], x[0] * f[1] - x[1] * f[0]];
    let parts = [
        cross([1.0, 0.5, 0.5], [3.0, -4.0, 5.0]),
        cross([0.5, 1.0, 0.5], [0.0, -7.0, 0.0]),
        cross([0.5; 3], [0.0, 0.0, -19.62]),
        [1.0, 2.0, 3.0],
    ];
    for d in 0..3 {
        assert!((m[d] + parts.iter().map(|p| p[d]).sum::<f64>()).abs() < 1e-7, "{m:?}");
    }
    for (k, value) in t.states[0].field("stress").unwrap().values.iter().enumerate() {
        let sum: f64 = t.setup.loads.iter().zip(&t.unit_responses).map(|(l, u)| l.value * u.steps[0][1].values[k]).sum();
        assert!((sum - value).abs() < 1e-9 * value.abs().max(1.0));
    }
}

#[test]
fn incompatible_modes_do_not_lock_in_bending() {
    // A slender cantilever of one layer of hexahedra against Timoshenko's beam: F L^3 / 3 E I + F L / (k G A).
    let mesh = Arc::new(box_([10.0, 1.0, 1.0], [20, 1, 2], CellKind::Hex8).unwrap());
    let case = |modes: bool| {
        format!(
            "physics = \"linear-elasticity\"\n[discretisation]\nincompatible_modes = {modes}\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 1e6\nnu = 0.0\n\
            [[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n[[boundary]]\ntag = \"right\"\ntotal_force = [0.0, 0.0, -1.0]\n"
        )
    };
    let tip = |modes: bool| {
        let t = solve(&case(modes), &mesh);
        let u = t.states[0].field("displacement").unwrap();
        let nodes = mesh.tag_nodes("right").unwrap();
        -nodes.iter().map(|&n| u.at(n as usize)[2]).sum::<f64>() / nodes.len() as f64
    };
    let beam = 1000.0 / (3.0 * 1e6 / 12.0) + 10.0 / (5.0 / 6.0 * 0.5e6);
    assert!((tip(true) / beam - 1.0).abs() < 0.01, "{} and {beam}", tip(true));
    assert!(tip(false) / beam < 0.95, "{} and {beam}", tip(false));
}

#[test]
fn rollers_on_inclined_planes_hold_the_normal_only() {
    // A square turned by 30 degrees, on rollers on two sides and pulled on a third: uniaxial stress in the turned frame.
    let mut mesh = rectangle([1.0, 1.0], [4, 4], CellKind::Quad9).unwrap();
    let (sin, cos) = 30f64.to_radians().sin_cos();
    for p in mesh.points.chunks_exact_mut(2) {
        (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
    }
    let mesh = Arc::new(mesh);
    let case = format!(
        "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\nroller = true\n\
        [[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"right\"\ntraction = [{}, {}]\n[[boundary]]\ntag = \"left\"\nelastic_support = 1e-9\n",
        cos, sin
    );
    let t = solve(&case, &mesh);
    let far = mesh.tag_nodes("right").unwrap();
    let u = t.states[0].field("displacement").unwrap();
    for n in far {
        let along = cos * u.at(n as usize)[0] + sin * u.at(n as usize)[1];
        assert!((along - 0.01).abs() < 2e-4, "{along}");
    }
}

#[test]
fn a_small_hole_triples_the_stress() {
    // Kirsch: 3 for an infinite plate; at d/W = 0.05 Howland's finite width adds 0.4 %.
    let hole = Hole { shape: HoleShape::Circle, center: [5.0, 5.0], diameter: 0.5, angle: 0.0 };
    let spec = PlateSpec { width: 10.0, height: 10.0, size: 1.0, refinement: 0.03, holes: vec![hole], order: 2, names: PLATE };
    let mesh = Arc::new(plate_with_holes(&spec).unwrap());
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"plate-hole\"\n[materials.plate]\nE = 100.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\nroller = true\n\
        [[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"right\"\ntraction = [1.0, 0.0]\n";
    let t = solve(case, &mesh);
    let s = t.states[0].field("stress").unwrap();
    let peak = s.values.iter().step_by(4).fold(0.0_f64, |a, v| a.max(*v));
    assert!((peak / 3.0 - 1.0).abs() < 0.01, "{peak}");
}

#[test]
fn the_theta_scheme_shows_its_order() {
    // One mode of the heat equation on the unit square decays as exp(-2 pi^2 t); insulated walls.
    let mesh = Arc::new(rectangle([1.0, 1.0], [10, 10], CellKind::Quad9).unwrap());
    let error = |theta: f64, steps: usize| {
        let case = format!(
            "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 1.0\ndensity = 1.0\nspecific_heat = 1.0\n\
            [initial]\ntemperature = \"cos(pi * x) * cos(pi * y)\"\n[time]\nend = 0.05\nsteps = {steps}\ntheta = {theta}\n"
        );
        let t = solve(&case, &mesh);
        let exact = (-2.0 * std::f64::consts::PI.powi(2) * 0.05).exp();
        (t.states[steps].field("temperature").unwrap().values[0] - exact).abs()
    };
    for (theta, order) in [(1.0, 1.0), (0.5, 2.0)] {
        let s = (error(theta, 8) / error(theta, 16)).log2();
        assert!((s - order).abs() < 0.15, "theta {theta}: order {s}");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let mesh = grid(CellKind::Hex20, 4);
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [1.0, 0.5, 0.0]\n";
    let run = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| solve(case, &mesh));
    assert_eq!(run(1).states, run(3).states);
}

#[test]
fn a_transient_problem_of_constant_loads_is_the_sum_of_its_responses() {
    let mesh = Arc::new(rectangle([2.0, 1.0], [8, 4], CellKind::Quad8).unwrap());
    let case = |source: &str| {
        format!(
            "physics = \"heat\"\nheat_source = {source}\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 2.0\ndensity = 3.0\n\
            specific_heat = 1.5\n[initial]\ntemperature = 20.0\n[[boundary]]\ntag = \"left\"\ntemperature = \"50 + 10 * y\"\n[[boundary]]\n\
            tag = \"right\"\nconvection = {{ coefficient = 4.0, ambient = 5.0 }}\n[[boundary]]\ntag = \"top\"\nheat_flux = -3.0\n\
            [time]\nend = 2.0\nsteps = 5\ntheta = 0.5\n"
        )
    };
    let by_loads = solve(&case("7.0"), &mesh);
    assert_eq!(by_loads.setup.loads.len(), 4, "{:?}", by_loads.setup.loads);
    // A source that mentions t is solved as a whole.
    let whole = solve(&case("\"7 + 0 * t\""), &mesh);
    assert!(whole.setup.loads.is_empty() && whole.unit_responses.is_empty());
    for (step, (a, b)) in by_loads.states.iter().zip(&whole.states).enumerate() {
        let channels: Vec<_> = by_loads.unit_responses.iter().map(|r| r.steps[step].clone()).collect();
        let sum = by_loads.setup.superpose(&channels).unwrap();
        for ((a, b), s) in a.fields[0].values.iter().zip(&b.fields[0].values).zip(&sum[0].values) {
            assert!((a - b).abs() < 1e-9 && (a - s).abs() < 1e-9, "step {step}: {a} {b} {s}");
        }
    }
}
