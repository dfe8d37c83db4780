//! Central differences of elastodynamics and the wave equation: slopes, order in time, the exact discrete frequency, energies, stability, and
//! the implicit schemes beside them.

mod common;

use common::{grid, moving_solid, moving_wave, pair, series, solve, try_solve};
use femur_fem::error_norms::errors;
use femur_fem::matrix_free::KINDS;
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_sim::Trajectory;
use std::f64::consts::PI;
use std::sync::Arc;

const EXPLICIT: &str = "[dynamics]\nscheme = \"central-difference\"\n";
const PLAIN: &str = "[discretisation]\nincompatible_modes = false\n";

fn last<'a>(t: &'a Trajectory, field: &str) -> &'a [f64] {
    &t.states.last().unwrap().field(field).unwrap().values
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    distance(a, b) / b.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Order of the L2 error and how near two grids show it: p + 1 where the lumped mass integrates well enough. The scaled diagonals of
/// triangle6 and tet10 integrate linear functions alone, which costs one order; their error swings, so that slopes scatter.
fn theory(kind: CellKind) -> (f64, f64) {
    match kind {
        CellKind::Triangle6 | CellKind::Tet10 => (2.0, 0.25),
        _ => (kind.order() as f64 + 1.0, 0.1),
    }
}

/// Slope of the error, its mean square over the output times: the error of a scaled diagonal swings. Central differences are exact in time for
/// what grows as t^2.
fn slope(kind: CellKind, case: &str, field: &str) -> f64 {
    let error = |n: usize| {
        let mesh = grid(kind, n);
        let t = solve(case, &mesh);
        let square = |s: &femur_sim::State| {
            let f = s.field(field).unwrap();
            let size = 1.0 + s.time * s.time;
            errors(&mesh, &f.values, f.num_components(), |x, u, _| u[0] = size * x[0].sin() * x[1].cos()).0.powi(2)
        };
        t.states[1..].iter().map(square).sum::<f64>().sqrt()
    };
    let (coarse, fine) = match kind {
        CellKind::Triangle6 => (16, 32),
        CellKind::Tet10 => (6, 12),
        _ => pair(kind),
    };
    (error(coarse) / error(fine)).log2()
}

#[test]
fn elastodynamics_converges_at_the_order_of_its_lumped_mass() {
    for kind in KINDS {
        let case = moving_solid(kind, 10, &format!("{EXPLICIT}{PLAIN}"));
        let (s, (theory, tolerance)) = (slope(kind, &case, "displacement"), theory(kind));
        println!("elastodynamics {kind}: {s:.3}");
        assert!((s - theory).abs() < tolerance, "{kind}: slope {s:.3}, theory {theory}");
    }
}

#[test]
fn the_wave_equation_converges_at_the_order_of_its_lumped_mass() {
    for kind in KINDS {
        let case = moving_wave(kind, 10, EXPLICIT);
        let (s, (theory, tolerance)) = (slope(kind, &case, "amplitude"), theory(kind));
        println!("wave {kind}: {s:.3}");
        assert!((s - theory).abs() < tolerance, "{kind}: slope {s:.3}, theory {theory}");
    }
}

/// A damped cantilever, shaken at its support and loaded at its tip, after 0.5 s.
fn cantilever(kind: CellKind, dynamics: &str, traction: &str, steps: usize) -> Trajectory {
    let mesh = Arc::new(rectangle([4.0, 1.0], [8, 2], kind).unwrap());
    let case = format!(
        "physics = \"elastodynamics\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 1e3\nnu = 0.3\ndensity = 1.0\n[time]\nend = 0.5\n\
        steps = {steps}\n{PLAIN}[dynamics]\n{dynamics}[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, \"0.02 * sin(5 * t)^2\"]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [0.0, \"{traction}\"]\n"
    );
    solve(&case, &mesh)
}

const SWING: &str = "sin(4 * t)^2";

fn damped(mass: f64, stiffness: f64, rest: &str) -> String {
    format!("scheme = \"central-difference\"\nrayleigh = {{ mass = {mass}, stiffness = {stiffness} }}\n{rest}")
}

#[test]
fn the_order_in_time_is_two_and_one_with_damping_by_the_stiffness() {
    for (mass, stiffness, order) in [(0.0, 0.0, 2.0), (3.0, 0.0, 2.0), (0.5, 1e-3, 1.0)] {
        let run = |n: usize| {
            let t = cantilever(CellKind::Quad4, &damped(mass, stiffness, &format!("substeps = {n}\n")), SWING, 20);
            [last(&t, "displacement").to_vec(), last(&t, "velocity").to_vec()]
        };
        let runs = [160, 320, 640].map(run);
        for k in 0..2 {
            let s = (distance(&runs[0][k], &runs[1][k]) / distance(&runs[1][k], &runs[2][k])).log2();
            println!("damping {mass}, {stiffness}: order {s}");
            assert!((s - order).abs() < 0.1, "damping {mass}, {stiffness}: order {s}");
        }
    }
}

#[test]
fn the_motion_is_that_of_the_implicit_schemes() {
    // Lumped and consistent mass differ by the error of the mesh.
    for (kind, displacement, velocity, work) in
        [(CellKind::Quad9, 1e-3, 1e-2, 5e-3), (CellKind::Triangle6, 0.01, 0.04, 0.02), (CellKind::Quad4, 0.05, 0.2, 0.15)]
    {
        for (mass, stiffness) in [(0.0, 0.0), (0.5, 1e-3)] {
            let implicit = format!("scheme = \"newmark\"\nsubsteps = 20\nrayleigh = {{ mass = {mass}, stiffness = {stiffness} }}\n");
            let (a, b) = (cantilever(kind, &damped(mass, stiffness, ""), SWING, 20), cantilever(kind, &implicit, SWING, 20));
            let [u, v, s] = ["displacement", "velocity", "stress"].map(|f| relative(last(&a, f), last(&b, f)));
            println!("{kind} {mass} {stiffness}: {u:.2e} {v:.2e} {s:.2e}");
            assert!(u < displacement && v < velocity, "{kind}: {u:e} {v:e} {s:e}");
            let largest = *series(&b, "external_work").last().unwrap();
            for name in ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"] {
                let (a, b) = (*series(&a, name).last().unwrap(), *series(&b, name).last().unwrap());
                println!("  {name}: {a:.6e} {b:.6e}");
                assert!((a - b).abs() < work * largest, "{kind}, {name}: {a} {b}");
            }
        }
    }
}

#[test]
fn loads_that_are_no_products_are_the_same_when_read_at_every_step() {
    let dynamics = damped(0.5, 1e-3, "");
    let script = cantilever(CellKind::Quad4, &dynamics, SWING, 10);
    let whole = cantilever(CellKind::Quad4, &dynamics, &format!("{SWING} + 0 * x * t"), 10);
    for field in ["displacement", "velocity"] {
        assert!(relative(last(&script, field), last(&whole, field)) < 1e-12, "{field}");
    }
}

/// The energies of displacements and velocities at the same time miss the balance by no more than `dt^2 a M a / 8`, of second order.
#[test]
fn energy_is_balanced_to_second_order() {
    let gap = |substeps: usize| {
        let t = cantilever(CellKind::Quad9, &damped(2.0, 0.0, &format!("substeps = {substeps}\n")), SWING, 20);
        let [kinetic, strain, work, lost] =
            ["kinetic_energy", "strain_energy", "external_work", "dissipated_energy"].map(|n| series(&t, n));
        assert_eq!((kinetic.len(), t.log.series[0].times.len()), (20 * substeps + 1, 20 * substeps + 1));
        assert!(t.log.series[0].times.windows(2).all(|w| w[1] > w[0]));
        let largest = work.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
        assert!(lost[kinetic.len() - 1] > 0.01 * largest);
        (0..kinetic.len()).map(|k| (kinetic[k] + strain[k] + lost[k] - work[k]).abs()).fold(0.0, f64::max) / largest
    };
    let (coarse, fine) = (gap(40), gap(160));
    println!("{coarse:e} {fine:e}");
    assert!(fine < coarse / 12.0 && coarse < 0.05, "{coarse:e} {fine:e}");
}

#[test]
fn an_oscillator_has_the_frequency_of_central_differences() {
    // Two cells between held ends: one frequency, w^2 = 2 c^2 / h^2, and sin(theta / 2) = w dt / 2 (Hughes 1987, ch. 9.2).
    let mesh = Arc::new(rectangle([2.0, 1.0], [2, 1], CellKind::Quad4).unwrap());
    let w = 2.0_f64.sqrt();
    for dt in [1e-3, 0.3, 0.9] {
        let case = format!(
            "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[initial]\namplitude = \"x * (2 - x)\"\n\
            [time]\nend = {}\nsteps = 100\n{EXPLICIT}substeps = 10\n[[boundary]]\ntag = \"left\"\namplitude = 0.0\n[[boundary]]\ntag = \"right\"\namplitude = 0.0\n",
            1000.0 * dt
        );
        let t = solve(&case, &mesh);
        let theta = 2.0 * (0.5 * w * dt).asin();
        let middle = (0..mesh.num_nodes()).find(|&n| mesh.point(n)[0] == 1.0).unwrap();
        for (k, s) in t.states.iter().enumerate() {
            let n = 10.0 * k as f64;
            let (u, v) = (s.fields[0].values[middle], s.fields[1].values[middle]);
            assert!((u - (n * theta).cos()).abs() < 2e-12 * (1.0 + n), "{dt}, {n}: {u}");
            // The central difference of the displacement.
            assert!((v + (n * theta).sin() * theta.sin() / dt).abs() < 2e-12 * (1.0 + n), "{dt}, {n}: {v}");
        }
    }
}

/// A block let go, with its sides free: no load, no damping.
fn free_block(substeps: &str, end: f64, steps: usize) -> String {
    format!(
        "physics = \"elastodynamics\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 1.0\nnu = 0.3\ndensity = 1.0\n[initial]\n\
        displacement = [\"0.1 * x * x\", \"0.05 * sin(7 * x) * y\", 0.0]\nvelocity = [0.0, \"0.3 * x\", \"0.1 * y\"]\n\
        [time]\nend = {end}\nsteps = {steps}\n{EXPLICIT}{substeps}{PLAIN}[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n"
    )
}

fn block(kind: CellKind) -> Arc<Mesh> {
    Arc::new(box_([1.0, 1.0, 1.0], [2, 2, 2], kind).unwrap())
}

/// `[dynamics] substeps` that the case took, from the length of a series.
fn taken(t: &Trajectory) -> usize {
    (t.log.series[0].values.len() - 1) / (t.states.len() - 1)
}

#[test]
fn steps_chosen_automatically_are_stable_and_few() {
    for kind in [CellKind::Tet4, CellKind::Tet10, CellKind::Hex8, CellKind::Hex27] {
        let t = solve(&free_block("", 400.0, 2), &block(kind));
        let energy: Vec<f64> = series(&t, "kinetic_energy").iter().zip(series(&t, "strain_energy")).map(|(k, s)| k + s).collect();
        let half = energy.len() / 2;
        let far = |e: &[f64]| e.iter().fold(0.0_f64, |m, v| m.max((v / energy[0] - 1.0).abs()));
        let (early, late) = (far(&energy[..half]), far(&energy[half..]));
        println!("{kind}: {} steps, energy within {early:.3}, then {late:.3}", energy.len());
        assert!(late < 1.1 * early + 1e-3 && early < 1.0, "{kind}: {early} {late}");
        // A step a fifth longer is beyond the limit: the choice wastes little.
        let fewer = (taken(&t) as f64 / 1.2) as usize;
        let e = try_solve(&free_block(&format!("substeps = {fewer}\n"), 400.0, 2), &block(kind)).unwrap_err();
        assert!(e.contains("test.toml") && e.contains("dynamics.substeps") && e.contains(&format!("= {fewer} makes steps of")), "{e}");
        // The least number that it names is taken, one less is not.
        let least: usize = e.split("hint: at least ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        assert!(least <= taken(&t) && fewer < least, "{e}");
        try_solve(&free_block(&format!("substeps = {least}\n"), 400.0, 2), &block(kind)).unwrap();
        try_solve(&free_block(&format!("substeps = {}\n", least - 1), 400.0, 2), &block(kind)).unwrap_err();
    }
}

#[test]
fn damping_by_the_stiffness_shortens_the_step_and_stays_stable() {
    let run = |b: f64| {
        let case = free_block(&format!("rayleigh = {{ mass = 0.0, stiffness = {b} }}\n"), 40.0, 2);
        let t = solve(&case, &block(CellKind::Hex8));
        let energy: Vec<f64> = series(&t, "kinetic_energy").iter().zip(series(&t, "strain_energy")).map(|(k, s)| k + s).collect();
        assert!(energy.iter().all(|e| *e < 1.5 * energy[0]));
        (taken(&t), energy[energy.len() - 1] / energy[0])
    };
    let (few, kept) = run(0.0);
    let (more, left) = run(0.3);
    assert!(more > 2 * few && left < 0.2 && kept > 0.5, "{few} {more} {kept} {left}");
}

#[test]
fn a_pulse_keeps_its_shape_leaves_and_comes_back() {
    let mesh = Arc::new(rectangle([1.0, 0.1], [100, 1], CellKind::Quad9).unwrap());
    let run = |right: &str, end: f64, substeps: &str| {
        let case = format!(
            "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[initial]\namplitude = \"exp(-400 * (x - 0.5)^2)\"\n\
            rate = \"800 * (x - 0.5) * exp(-400 * (x - 0.5)^2)\"\n[time]\nend = {end}\nsteps = 4\n{EXPLICIT}{substeps}\
            [[boundary]]\ntag = \"left\"\namplitude = 0.0\n{right}"
        );
        solve(&case, &mesh)
    };
    let t = run("", 0.3, "substeps = 100\n");
    let far = (0..mesh.num_nodes())
        .map(|n| (last(&t, "amplitude")[n] - (-400.0 * (mesh.point(n)[0] - 0.8_f64).powi(2)).exp()).abs())
        .fold(0.0, f64::max);
    println!("d'Alembert: {far:.2e}");
    assert!(far < 2e-3, "{far}");
    let end = |t: &Trajectory, name: &str| *series(t, name).last().unwrap();
    let energy = |t: &Trajectory| end(t, "kinetic_energy") + end(t, "strain_energy");
    let start = series(&t, "kinetic_energy")[0] + series(&t, "strain_energy")[0];
    let absorbed = run("[[boundary]]\ntag = \"right\"\nabsorbing = true\n", 1.0, "");
    println!("absorbed: {:.2e} left, {:.2e} taken", energy(&absorbed) / start, end(&absorbed, "dissipated_energy") / start);
    assert!(energy(&absorbed) < 1e-4 * start, "{}", energy(&absorbed) / start);
    assert!((end(&absorbed, "dissipated_energy") / start - 1.0).abs() < 5e-3);
    let peak = |right: &str| last(&run(right, 1.0, ""), "amplitude").iter().fold(0.0_f64, |a, v| if v.abs() > a.abs() { *v } else { a });
    assert!((peak("") - 1.0).abs() < 0.02 && (peak("[[boundary]]\ntag = \"right\"\namplitude = 0.0\n") + 1.0).abs() < 0.02);
}

/// A block turned about z, which slides on its inclined underside and leans on springs.
fn inclined(dynamics: &str) -> Trajectory {
    let mut mesh = box_([1.0, 0.6, 0.5], [3, 2, 2], CellKind::Hex27).unwrap();
    let (s, c) = 0.4_f64.sin_cos();
    for p in mesh.points.chunks_exact_mut(3) {
        (p[0], p[1]) = (c * p[0] - s * p[1], s * p[0] + c * p[1]);
    }
    let case = format!(
        "physics = \"elastodynamics\"\ngravity = [0.0, \"-t^2\", 0.0]\ntemperature = \"300 + 20 * x * t^2\"\nreference_temperature = 300.0\n[mesh]\n\
        generator = \"box\"\n[materials.body]\nE = 20.0\nnu = 0.3\ndensity = 1.0\nalpha = 1e-4\n[time]\nend = 1.0\nsteps = 10\n\
        [dynamics]\n{dynamics}[[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"left\"\nelastic_support = 30.0\n\
        [[boundary]]\ntag = \"right\"\npressure = \"sin(3 * t)^2\"\n"
    );
    solve(&case, &Arc::new(mesh))
}

#[test]
fn inclined_rollers_springs_and_heat_are_as_in_the_implicit_schemes() {
    let (a, b) = (inclined("scheme = \"central-difference\"\n"), inclined("scheme = \"newmark\"\nsubsteps = 40\n"));
    let (u, v) = (relative(last(&a, "displacement"), last(&b, "displacement")), relative(last(&a, "velocity"), last(&b, "velocity")));
    println!("{u:.2e} {v:.2e}");
    assert!(u < 0.01 && v < 0.05, "{u:e} {v:e}");
    // Nothing moves along the normal of the roller.
    let (s, c) = 0.4_f64.sin_cos();
    for f in ["displacement", "velocity"] {
        let values = last(&a, f);
        for &n in &a.setup.mesh.tag_nodes("bottom").unwrap() {
            let v = &values[3 * n as usize..];
            assert!((-s * v[0] + c * v[1]).abs() < 1e-12, "{f}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let mesh = block(CellKind::Hex8);
    let long = Arc::new(rectangle([4.0, 1.0], [60, 40], CellKind::Quad4).unwrap());
    let wave = format!(
        "physics = \"wave\"\nsource = \"x * sin(9 * t)\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nwave_speed = 1.0\n[time]\nend = 0.2\nsteps = 2\n\
        {EXPLICIT}[[boundary]]\ntag = \"left\"\namplitude = \"sin(8 * t)\"\n[[boundary]]\ntag = \"right\"\nabsorbing = true\n"
    );
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (a, b) = (solve(&free_block("", 10.0, 2), &mesh), solve(&wave, &long));
            (a.states, a.log.series, b.states, b.log.series)
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn what_it_cannot_do_is_refused_with_a_way_out() {
    let mesh = |kind| Arc::new(rectangle([1.0, 1.0], [2, 2], kind).unwrap());
    let elastic = "E = 1.0\nnu = 0.3\ndensity = 1.0\n";
    let wood = "E1 = 2.0\nE2 = 1.0\nE3 = 1.0\nnu12 = 0.3\nnu13 = 0.3\nnu23 = 0.3\nG12 = 0.4\nG13 = 0.4\nG23 = 0.4\ndensity = 1.0\n";
    let wave = "wave_speed = 1.0\n";
    let tie = "[[periodic]]\nfrom = \"left\"\nto = \"right\"\n";
    for (physics, material, kind, rest, what, hint) in [
        ("elastodynamics", elastic, CellKind::Quad8, "", "kernel for cells of kind quad8", "take generalised-alpha or newmark"),
        ("wave", wave, CellKind::Quad8, "", "kernel for cells of kind quad8", "take generalised-alpha or newmark"),
        ("elastodynamics", elastic, CellKind::Quad4, "", "incompatible modes", "incompatible_modes = false"),
        ("elastodynamics", wood, CellKind::Quad9, "", "orthotropic", "take generalised-alpha or newmark"),
        ("elastodynamics", elastic, CellKind::Quad9, tie, "[[periodic]]", "take generalised-alpha or newmark"),
        ("wave", wave, CellKind::Quad9, tie, "[[periodic]]", "take generalised-alpha or newmark"),
        ("elastodynamics", elastic, CellKind::Quad9, "[solver]\nkind = \"amg\"\n", "no system to solve", "leave it out"),
        ("hyperelasticity", elastic, CellKind::Quad9, "", "not for nonlinear solids", "take generalised-alpha or newmark"),
        (
            "elastodynamics",
            elastic,
            CellKind::Quad9,
            "[[boundary]]\ntag = \"left\"\nroller = true\ntraction = [\"1 / (t - t)\", 0.0]\n",
            "",
            "finite",
        ),
    ] {
        let text = format!(
            "physics = \"{physics}\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{material}[time]\nend = 1.0\nsteps = 2\n{EXPLICIT}{rest}"
        );
        let e = try_solve(&text, &mesh(kind)).unwrap_err();
        assert!(e.contains(what) && e.contains(hint), "{physics}, {kind}: {e}");
    }
    let text = format!(
        "physics = \"wave\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\n{wave}[time]\nend = 1.0\nsteps = 2\n{EXPLICIT}beta = 0.25\n"
    );
    let case = femur_sim::case::CaseFile::parse(&text, "test.toml").unwrap().nominal().unwrap();
    let physics = femur_physics::PHYSICS.iter().find(|p| p.name() == "wave").unwrap();
    assert!(physics.simulator(&case, &mesh(CellKind::Quad4)).err().unwrap().to_string().contains("beta"));
    // A bar of which one mode is known.
    let t = solve(
        &text.replace("beta = 0.25\n", "").replace("[time]", "[initial]\namplitude = \"cos(pi * x)\"\n[time]"),
        &Arc::new(rectangle([1.0, 0.1], [60, 1], CellKind::Quad4).unwrap()),
    );
    assert!((last(&t, "amplitude")[0] - PI.cos()).abs() < 1e-3);
}
