//! Heat that is not linear: manufactured solutions with their slope, radiation, the order of the schemes, adaptive steps.

mod common;

use common::{KINDS, SIDES, grid, pair, series, solve, try_solve};
use femur_fem::error_norms::errors;
use femur_mesh::CellKind;
use femur_mesh::generate::rectangle;
use std::sync::Arc;

#[test]
fn conductivity_that_depends_on_temperature_converges_at_its_order() {
    // T = 2 + sin x cos y, k = 1 + T / 2: q = -k' |grad T|^2 - k lap T.
    for &kind in KINDS {
        let mut case = String::from(
            "physics = \"heat\"\nheat_source = \"-0.5 * ((cos(x) * cos(y))^2 + (sin(x) * sin(y))^2) + 2 * (2 + 0.5 * sin(x) * cos(y)) * sin(x) * cos(y)\"\n\
            [mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = \"1 + 0.5 * T\"\n",
        );
        for side in &SIDES[..2 * kind.dim()] {
            case += &format!("[[boundary]]\ntag = \"{side}\"\ntemperature = \"2 + sin(x) * cos(y)\"\n");
        }
        let error = |n: usize| {
            let mesh = grid(kind, n);
            let t = solve(&case, &mesh);
            assert!(t.log.newton_iters[0] < 8 && t.setup.loads.is_empty());
            errors(&mesh, &t.states[0].fields[0].values, 1, |x, u, _| u[0] = 2.0 + x[0].sin() * x[1].cos()).0
        };
        let (coarse, fine) = pair(kind);
        let s = (error(coarse) / error(fine)).log2();
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

#[test]
fn the_radiating_bar_of_nafems_t2() {
    // 0.1 m, 1000 K at A, radiation at B with emissivity 0.98 to 300 K, k = 55.6: 927 K at B.
    let mesh = Arc::new(rectangle([0.1, 0.01], [10, 1], CellKind::Quad4).unwrap());
    let case = "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 55.6\n[[boundary]]\ntag = \"left\"\ntemperature = 1000.0\n\
        [[boundary]]\ntag = \"right\"\nradiation = { emissivity = 0.98, ambient = 300.0 }\n";
    let t = solve(case, &mesh);
    let b = mesh.tag_nodes("right").unwrap()[0] as usize;
    let end = t.states[0].fields[0].values[b];
    assert!((end - 927.0).abs() < 0.1, "{end}");
    // The same in mm: a flux of 1 mW/mm^2 is 1 kW/m^2.
    let mesh = Arc::new(rectangle([100.0, 10.0], [10, 1], CellKind::Quad4).unwrap());
    let t = solve(&format!("units = \"mm-N-s-MPa\"\n{case}"), &mesh);
    assert!((t.states[0].fields[0].values[b] - end).abs() < 1e-6);
    assert!(t.setup.input("emissivity").unwrap().values.iter().any(|e| (e - 0.98).abs() < 1e-12));
}

#[test]
fn a_wall_of_varying_conductivity_has_its_closed_form() {
    // (T0 - T1) integral of k over T is the flux: Kirchhoff's transformation, for a law and for its table.
    let mesh = Arc::new(rectangle([1.0, 0.1], [64, 1], CellKind::Quad9).unwrap());
    for k in ["\"10 + 0.1 * T\"", "[[0, 10.0], [500, 60.0]]"] {
        let case = format!(
            "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = {k}\n[[boundary]]\ntag = \"left\"\ntemperature = 400.0\n\
            [[boundary]]\ntag = \"right\"\ntemperature = 100.0\n"
        );
        let t = solve(&case, &mesh);
        let integral = |t: f64| 10.0 * t + 0.05 * t * t;
        let flux = integral(400.0) - integral(100.0);
        for n in 0..mesh.num_nodes() {
            let s = integral(400.0) - flux * mesh.point(n)[0];
            let exact = (-10.0 + (100.0 + 0.2 * s).sqrt()) / 0.1;
            assert!((t.states[0].fields[0].values[n] - exact).abs() < 1e-4);
            assert!((t.states[0].fields[1].at(n)[0] / flux - 1.0).abs() < 1e-2);
        }
    }
}

/// A body that cools by radiation alone, its temperature uniform: T^-3 grows linearly, dT/dt = -c T^4.
fn cooling(time: &str) -> String {
    format!(
        "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 1e9\ndensity = 1.0\nspecific_heat = 1e3\n\
        [initial]\ntemperature = 1000.0\n[[boundary]]\ntag = \"right\"\nradiation = {{ emissivity = 1.0, ambient = 0.0 }}\n{time}"
    )
}

fn cooled(time: f64) -> f64 {
    (1e-9 + 3.0 * 5.670_374_419e-8 / 1e3 * time).powf(-1.0 / 3.0)
}

#[test]
fn the_theta_scheme_shows_its_order_where_it_is_not_linear() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [1, 1], CellKind::Quad4).unwrap());
    let error = |theta: f64, steps: usize| {
        let t = solve(&cooling(&format!("[time]\nend = 10.0\nsteps = {steps}\ntheta = {theta}\n")), &mesh);
        (t.states[steps].fields[0].values[0] - cooled(10.0)).abs()
    };
    for (theta, order) in [(1.0, 1.0), (0.5, 2.0)] {
        let s = (error(theta, 32) / error(theta, 64)).log2();
        assert!((s - order).abs() < 0.1, "theta {theta}: order {s}");
    }
}

#[test]
fn adaptive_steps_hold_their_tolerance_and_meet_the_output_times() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [1, 1], CellKind::Quad4).unwrap());
    let run = |tolerance: f64| {
        let t = solve(&cooling(&format!("[time]\nend = 100.0\nsteps = 4\nadaptive = {{ tolerance = {tolerance} }}\n")), &mesh);
        let worst = t.states.iter().map(|s| (s.fields[0].values[0] - cooled(s.time)).abs()).fold(0.0, f64::max);
        assert!(series(&t, "local_error").iter().all(|e| *e <= tolerance));
        let sum: f64 = series(&t, "time_step").iter().sum();
        assert!((sum - 100.0).abs() < 1e-9 && t.states.len() == 5 && t.states[2].time == 50.0);
        (worst, series(&t, "time_step").to_vec())
    };
    let (coarse, (fine, steps)) = (run(1.0), run(1e-3));
    assert!(coarse.0 < 5.0 && fine < 5e-2 && fine < 0.1 * coarse.0, "{} {fine}", coarse.0);
    // Error over tolerance: the global error of a scheme of second order falls with the local one to the 2/3.
    let (finer, _) = run(1e-3 / 8.0);
    let order = (fine / finer).log2() / 3.0;
    assert!((order - 2.0 / 3.0).abs() < 0.1, "{order}");
    // The fall is steep at first: the steps grow.
    assert!(steps[steps.len() - 2] > 5.0 * steps[1], "{steps:?}");
}

#[test]
fn a_linear_case_gives_the_same_answer_by_newton() {
    let mesh = Arc::new(rectangle([2.0, 1.0], [8, 4], CellKind::Quad8).unwrap());
    let case = |k: &str, source: &str, time: &str| {
        format!(
            "physics = \"heat\"\nheat_source = {source}\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = {k}\ndensity = 3.0\n\
            specific_heat = 1.5\n[[boundary]]\ntag = \"left\"\ntemperature = \"50 + 10 * y\"\n[[boundary]]\n\
            tag = \"right\"\nconvection = {{ coefficient = 4.0, ambient = 5.0 }}\n[[boundary]]\ntag = \"top\"\nheat_flux = -3.0\n{time}"
        )
    };
    for time in ["", "[initial]\ntemperature = 20.0\n[time]\nend = 2.0\nsteps = 5\ntheta = 0.5\n"] {
        let (a, b) = (solve(&case("2.0", "7.0", time), &mesh), solve(&case("\"2 + 0 * T\"", "\"7 + 0 * T\"", time), &mesh));
        assert!(!a.setup.loads.is_empty() && b.setup.loads.is_empty());
        for (a, b) in a.states.iter().zip(&b.states) {
            assert!(a.fields[0].values.iter().zip(&b.fields[0].values).all(|(a, b)| (a - b).abs() < 1e-8));
        }
    }
    // Adaptive steps agree with many small ones.
    let ramp = "[initial]\ntemperature = 20.0\n[time]\nend = 2.0\nsteps = ";
    let fine = solve(&case("2.0", "7.0", &format!("{ramp}400\ntheta = 0.5\n")), &mesh);
    let adaptive = solve(&case("2.0", "7.0", &format!("{ramp}2\nadaptive = {{ tolerance = 1e-4 }}\n")), &mesh);
    for (a, b) in fine.states[200].fields[0].values.iter().zip(&adaptive.states[1].fields[0].values) {
        assert!((a - b).abs() < 5e-3, "{a} {b}");
    }
}

#[test]
fn failures_name_time_and_reason() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap());
    // A source that grows faster than conduction carries away: no steady state.
    let case = "physics = \"heat\"\nheat_source = \"100 * exp(T)\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 1.0\n\
        [[boundary]]\ntag = \"left\"\ntemperature = 0.0\n";
    let e = try_solve(case, &mesh).unwrap_err();
    assert!(e.contains("the solver failed at time 0") && e.contains("Newton's method stopped"), "{e}");
    let e = |lines: &str| {
        let text = format!(
            "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nconductivity = 1.0\n[[boundary]]\ntag = \"left\"\n{lines}"
        );
        try_solve(&text, &mesh).unwrap_err()
    };
    assert!(e("radiation = { emissivity = 1.2, ambient = 3.0 }\n").contains("emissivity"));
    assert!(e("radiation = { emissivity = 0.2, ambient = -3.0 }\n").contains("absolute zero"));
    assert!(e("convection = { coefficient = 1.0, ambient = \"T\" }\n").contains("`T` is not known"));
}
