//! Elastodynamics, hyperelasticity with inertia and the wave equation: manufactured solutions with their slope, order in time, energies, closed forms.

mod common;

use common::{KINDS, SIDES, grid, moving_solid, moving_wave, pair, series, solve, try_solve};
use femur_fem::error_norms::errors;
use femur_mesh::CellKind;
use femur_mesh::generate::rectangle;
use femur_sim::Trajectory;
use std::f64::consts::PI;
use std::sync::Arc;

const NEWMARK: &str = "[dynamics]\nscheme = \"newmark\"\n";

/// Slope of the error at the last time. Newmark's average acceleration is exact in time for what grows as t^2.
fn slope(kind: CellKind, case: &str, field: &str, exact: impl Fn([f64; 3], &mut [f64], &mut [[f64; 3]]) + Copy) -> f64 {
    let error = |n: usize| {
        let mesh = grid(kind, n);
        let t = solve(case, &mesh);
        let f = t.states[2].field(field).unwrap();
        errors(&mesh, &f.values, f.num_components(), exact).0
    };
    let (coarse, fine) = pair(kind);
    (error(coarse) / error(fine)).log2()
}

#[test]
fn elastodynamics_converges_at_its_order() {
    for &kind in KINDS {
        let case = moving_solid(kind, 2, NEWMARK);
        let s = slope(kind, &case, "displacement", |x, u, _| u[0] = 1.25 * x[0].sin() * x[1].cos());
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

#[test]
fn the_wave_equation_converges_at_its_order() {
    for &kind in KINDS {
        let case = moving_wave(kind, 2, NEWMARK);
        let s = slope(kind, &case, "amplitude", |x, u, _| u[0] = 1.25 * x[0].sin() * x[1].cos());
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

/// `u = 0.1 (1 + t^2) (sin x, sin y)` in the compressible neo-Hookean law of `mu = lambda = 1`.
#[test]
fn finite_strains_in_motion_converge_at_their_order() {
    let a = "0.1 * (1 + t^2)";
    let force = |x: &str, y: &str| {
        let (l, m) = (format!("(1 + {a} * cos({x}))"), format!("(1 + {a} * cos({y}))"));
        format!("sin({x}) * (1.7 * 0.2 + {a} * (1 + 1 / {l}^2 + (1 - ln({l} * {m})) / {l}^2))")
    };
    for &kind in KINDS {
        let z = if kind.dim() == 3 { ", 0.0" } else { "" };
        let u = format!("[\"{a} * sin(x)\", \"{a} * sin(y)\"{z}]");
        let mut case = format!(
            "physics = \"hyperelasticity\"\nbody_force = [\"{}\", \"{}\"{z}]\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 2.5\nnu = 0.25\n\
            density = 1.7\n[initial]\ndisplacement = {u}\n[time]\nend = 0.5\nsteps = 2\n{NEWMARK}",
            force("x", "y"),
            force("y", "x")
        );
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\ndisplacement = {u}\n");
        }
        let s = slope(kind, &case, "displacement", |x, u, _| (u[0], u[1]) = (0.125 * x[0].sin(), 0.125 * x[1].sin()));
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

/// A soft strip held at one end that swings through large rotations under a load that comes and goes.
fn strip(physics: &str, dynamics: &str, load: f64, steps: usize) -> Trajectory {
    let mesh = Arc::new(rectangle([2.0, 0.2], [8, 1], CellKind::Quad8).unwrap());
    let law = match physics {
        "hyperelasticity" => "law = \"saint-venant-kirchhoff\"\n",
        "elastoplasticity" => "yield_stress = 1e9\n",
        _ => "",
    };
    let case = format!(
        "physics = \"{physics}\"\nplane = \"strain\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{law}E = 1e3\nnu = 0.3\ndensity = 1.0\n\
        [time]\nend = 0.5\nsteps = {steps}\n[dynamics]\n{dynamics}[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, \"{load} * 0.1 * sin(5 * t)^2\"]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [0.0, \"{load} * sin(4 * t)^2\"]\n"
    );
    solve(&case, &mesh)
}

fn last(t: &Trajectory) -> Vec<f64> {
    t.states.last().unwrap().field("displacement").unwrap().values.clone()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn finite_strains_in_motion_show_the_order_of_their_integrator() {
    for scheme in ["scheme = \"newmark\"\n", "spectral_radius = 0.6\n"] {
        let dynamics = &format!("{scheme}rayleigh = {{ mass = 0.5, stiffness = 2e-3 }}\n");
        let runs = [100, 200, 400].map(|n| last(&strip("hyperelasticity", dynamics, 8.0, n)));
        let largest = runs[2].iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        assert!(largest > 0.4, "{largest}");
        let s = (distance(&runs[0], &runs[1]) / distance(&runs[1], &runs[2])).log2();
        assert!((s - 2.0).abs() < 0.1, "{dynamics}: order {s}");
    }
}

#[test]
fn small_motions_are_those_of_linear_elastodynamics() {
    let dynamics = "spectral_radius = 0.7\nsubsteps = 2\nrayleigh = { mass = 0.5, stiffness = 1e-3 }\n";
    let linear = strip("elastodynamics", dynamics, 1e-4, 20);
    for (physics, tolerance) in [("hyperelasticity", 1e-4), ("elastoplasticity", 1e-6)] {
        let other = strip(physics, dynamics, 1e-4, 20);
        for field in ["displacement", "velocity"] {
            let [a, b] = [&linear, &other].map(|t| t.states.last().unwrap().field(field).unwrap().values.clone());
            let relative = distance(&a, &b) / distance(&a, &vec![0.0; a.len()]);
            assert!(relative < tolerance, "{physics}, {field}: {relative:e}");
        }
        for name in ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"] {
            let (a, b) = (series(&linear, name), series(&other, name));
            let largest = a.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            assert!(a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < tolerance * largest), "{physics}, {name}");
        }
    }
}

#[test]
fn the_energy_of_finite_motions_is_balanced_to_the_order_of_the_step() {
    let gap = |steps: usize| {
        let t = strip("hyperelasticity", "scheme = \"newmark\"\nrayleigh = { mass = 0.5 }\n", 8.0, steps);
        let [kinetic, strain, work, lost] =
            ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"].map(|n| series(&t, n));
        let largest = work.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        assert!(lost[steps] > 1e-3 * largest);
        (kinetic[steps] + strain[steps] + lost[steps] - work[steps]).abs() / largest
    };
    let (coarse, fine) = (gap(50), gap(200));
    assert!(fine < 1e-3 && fine < coarse / 8.0, "{coarse:e} {fine:e}");
}

/// A damped cantilever under a load that swings, after 0.5 s.
fn cantilever(dynamics: &str, steps: usize) -> Trajectory {
    let mesh = Arc::new(rectangle([4.0, 1.0], [8, 2], CellKind::Quad4).unwrap());
    let case = format!(
        "physics = \"elastodynamics\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 1e3\nnu = 0.3\ndensity = 1.0\n[time]\nend = 0.5\nsteps = {steps}\n\
        [dynamics]\nrayleigh = {{ mass = 0.5, stiffness = 1e-3 }}\n{dynamics}[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, \"0.02 * sin(5 * t)^2\"]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [0.0, \"sin(4 * t)^2\"]\n"
    );
    solve(&case, &mesh)
}

#[test]
fn integrators_show_their_order() {
    for (dynamics, order) in [
        ("scheme = \"newmark\"\n", 2.0),
        ("scheme = \"newmark\"\nbeta = 0.36\ngamma = 0.7\n", 1.0),
        ("scheme = \"generalised-alpha\"\nspectral_radius = 0.6\n", 2.0),
    ] {
        // Differences of three runs at halved steps need no exact solution.
        let runs = [100, 200, 400].map(|n| last(&cantilever(dynamics, n)));
        let s = (distance(&runs[0], &runs[1]) / distance(&runs[1], &runs[2])).log2();
        assert!((s - order).abs() < 0.1, "{dynamics}: order {s}");
    }
}

#[test]
fn energy_is_balanced_by_the_average_acceleration() {
    let t = cantilever("scheme = \"newmark\"\nsubsteps = 3\n", 40);
    let [kinetic, strain, work, lost] = ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"].map(|n| series(&t, n));
    assert_eq!((kinetic.len(), t.states.len()), (121, 41));
    let largest = strain.iter().fold(0.0_f64, |a, v| a.max(*v));
    for k in 0..kinetic.len() {
        assert!((kinetic[k] + strain[k] + lost[k] - work[k]).abs() < 1e-10 * largest, "step {k}");
    }
    assert!(lost[120] > 0.01 * largest && work[120] > 0.1 * largest && kinetic[60] > 1e-3 * largest);
}

#[test]
fn a_bar_rings_at_its_frequency_and_generalised_alpha_damps_what_is_high() {
    // The first axial mode of a bar held at one end: period 4 L / sqrt(E / rho).
    let mesh = Arc::new(rectangle([1.0, 0.1], [20, 1], CellKind::Quad8).unwrap());
    let case = |dynamics: &str, end: f64, steps: usize| {
        format!(
            "physics = \"elastodynamics\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 4.0\nnu = 0.0\ndensity = 1.0\n[initial]\n\
            displacement = [\"0.01 * sin(pi / 2 * x)\", 0.0]\n[time]\nend = {end}\nsteps = {steps}\n[dynamics]\n{dynamics}[[boundary]]\ntag = \"left\"\nroller = true\n\
            [[boundary]]\ntag = \"bottom\"\nroller = true\n"
        )
    };
    let t = solve(&case("scheme = \"newmark\"\n", 2.0, 200), &mesh);
    let tip = mesh.tag_nodes("right").unwrap()[0] as usize;
    for s in t.states.iter().step_by(20) {
        let exact = 0.01 * (PI * s.time).cos();
        assert!((s.field("displacement").unwrap().at(tip)[0] - exact).abs() < 1e-5);
        let stress = 0.01 * 4.0 * PI / 2.0 * (PI * s.time).cos();
        assert!((s.field("stress").unwrap().at(0)[0] - stress).abs() < 1e-3);
    }
    // A sudden pull excites everything: with a spectral radius of 0 the energy of the highest modes goes.
    let pull = |rho: f64| {
        let text = case(&format!("spectral_radius = {rho}\n"), 4.0, 100).replace("0.01 * sin(pi / 2 * x)", "0");
        let t = solve(&format!("{text}[[boundary]]\ntag = \"right\"\ntraction = [1.0, 0.0]\n"), &mesh);
        let (k, s, w) = (series(&t, "kinetic_energy"), series(&t, "strain_energy"), series(&t, "external_work"));
        (k[100] + s[100]) - w[100]
    };
    assert!(pull(1.0).abs() < 0.02 && pull(0.0) < pull(1.0) - 1e-4, "{} {}", pull(0.0), pull(1.0));
}

#[test]
fn a_pulse_leaves_through_an_absorbing_boundary_and_comes_back_from_others() {
    let mesh = Arc::new(rectangle([1.0, 0.1], [100, 1], CellKind::Quad9).unwrap());
    let run = |right: &str, end: f64| {
        let case = format!(
            "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[initial]\namplitude = \"exp(-400 * (x - 0.5)^2)\"\n\
            rate = \"800 * (x - 0.5) * exp(-400 * (x - 0.5)^2)\"\n[time]\nend = {end}\nsteps = 400\n[dynamics]\nspectral_radius = 1.0\n\
            [[boundary]]\ntag = \"left\"\namplitude = 0.0\n{right}"
        );
        solve(&case, &mesh)
    };
    // It travels right without change.
    let t = run("", 0.3);
    for n in 0..mesh.num_nodes() {
        let exact = (-400.0 * (mesh.point(n)[0] - 0.8_f64).powi(2)).exp();
        assert!((t.states[400].fields[0].values[n] - exact).abs() < 2e-3);
    }
    let energy = |t: &Trajectory| series(t, "kinetic_energy")[400] + series(t, "strain_energy")[400];
    let start = series(&t, "kinetic_energy")[0] + series(&t, "strain_energy")[0];
    let absorbed = run("[[boundary]]\ntag = \"right\"\nabsorbing = true\n", 1.0);
    assert!(energy(&absorbed) < 1e-4 * start, "{}", energy(&absorbed) / start);
    assert!((series(&absorbed, "dissipated_energy")[400] / start - 1.0).abs() < 1e-3);
    // A free end sends it back upright, a held one turned over.
    let peak =
        |right: &str| run(right, 1.0).states[400].fields[0].values.iter().fold(0.0_f64, |a, v| if v.abs() > a.abs() { *v } else { a });
    assert!((peak("") - 1.0).abs() < 0.02 && (peak("[[boundary]]\ntag = \"right\"\namplitude = 0.0\n") + 1.0).abs() < 0.02);
}

#[test]
fn threads_change_no_bit_and_mistakes_are_named() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| cantilever("", 5)).states
    };
    assert_eq!(run(1), run(3));
    let mesh = Arc::new(rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap());
    let e = |physics: &str, material: &str, rest: &str| {
        let text = format!("physics = \"{physics}\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{material}{rest}");
        try_solve(&text, &mesh).unwrap_err()
    };
    let (elastic, time) = ("E = 1.0\nnu = 0.3\ndensity = 1.0\n", "[time]\nend = 1.0\nsteps = 2\n");
    assert!(e("elastodynamics", elastic, "").contains("time"));
    assert!(e("elastodynamics", "E = 1.0\nnu = 0.3\n", time).contains("density"));
    assert!(e("elastodynamics", elastic, &format!("{time}[dynamics]\nspectral_radius = 2.0\n")).contains("spectral_radius"));
    assert!(e("elastodynamics", elastic, &format!("{time}[dynamics]\nscheme = \"newmark\"\nbeta = 0.1\n")).contains("not stable"));
    assert!(e("elastodynamics", elastic, &format!("{time}[dynamics]\nsubsteps = 0\n")).contains("substeps"));
    assert!(e("elastodynamics", elastic, &format!("{time}[initial]\nvelocity = [1.0]\n")).contains("has 1 components"));
    let moving = format!("{time}[dynamics]\n");
    assert!(e("hyperelasticity", "E = 1.0\nnu = 0.3\n", &moving).contains("density"));
    assert!(e("elastoplasticity", "E = 1.0\nnu = 0.3\nyield_stress = 1.0\ndensity = 1.0\n", "[dynamics]\n").contains("[time]"));
    let crushed = format!("{moving}[initial]\ndisplacement = [\"-2 * x\", 0.0]\n");
    assert!(e("hyperelasticity", elastic, &crushed).contains("cannot take this shape"));
    assert!(e("wave", "wave_speed = -1.0\n", time).contains("wave_speed"));
    assert!(e("wave", "wave_speed = 1.0\n", &format!("{time}[[boundary]]\ntag = \"left\"\nabsorb = true\n")).contains("says nothing"));
}
