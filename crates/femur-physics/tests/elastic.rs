//! Axisymmetric and orthotropic bodies, thermal strain: manufactured solutions with their slope, closed forms.

mod common;

use common::{KINDS, PLANE, SIDES, grid, pair, shifted_grid, solve, try_solve};
use femur_fem::error_norms::errors;
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use std::sync::Arc;

fn slope(kind: CellKind, shift: f64, case: &str) -> f64 {
    let error = |n: usize| {
        let mesh = shifted_grid(kind, n, shift);
        let t = solve(case, &mesh);
        let f = t.states[0].field("displacement").unwrap();
        errors(&mesh, &f.values, f.num_components(), |x, u, _| u[0] = x[0].sin() * x[1].cos()).0
    };
    let (coarse, fine) = pair(kind);
    (error(coarse) / error(fine)).log2()
}

fn held_all_round(kind: CellKind) -> String {
    let z = if kind.dim() == 3 { ", 0.0" } else { "" };
    SIDES[..2 * kind.dim()].iter().map(|s| format!("[[boundary]]\ntag = \"{s}\"\ndisplacement = [\"sin(x) * cos(y)\", 0.0{z}]\n")).collect()
}

#[test]
fn a_ring_converges_at_its_order() {
    let (e, nu) = (2.5, 0.25);
    let (l, mu) = (e * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), e / (2.0 * (1.0 + nu)));
    for &kind in PLANE {
        let case = format!(
            "physics = \"linear-elasticity\"\nplane = \"axisymmetric\"\nbody_force = [\"cos(y) * ({} * (sin(x) - cos(x)/x + sin(x)/x^2) + {mu} * sin(x))\", \
            \"{} * sin(y) * (cos(x) + sin(x)/x)\"]\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = {e}\nnu = {nu}\n{}",
            l + 2.0 * mu,
            l + mu,
            held_all_round(kind)
        );
        let s = slope(kind, 0.5, &case);
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

const WOOD: &str = "E1 = 3.0\nE2 = 1.0\nE3 = 0.8\nnu12 = 0.3\nnu13 = 0.25\nnu23 = 0.2\nG12 = 0.7\nG13 = 0.6\nG23 = 0.4\nangle = 30.0\n";

/// The stiffness of WOOD along its own axes, turned into x, y by tensor components.
fn wood() -> [[[[f64; 3]; 3]; 3]; 3] {
    let s = [[1.0 / 3.0, -0.1, -0.25 / 3.0], [-0.1, 1.0, -0.2], [-0.25 / 3.0, -0.2, 1.25]];
    let (_, c) = femur_fem::values::invert(&s, 3);
    let shear = [(0, 1, 0.7), (0, 2, 0.6), (1, 2, 0.4)];
    let mut local = [[[[0.0; 3]; 3]; 3]; 3];
    for i in 0..3 {
        (0..3).for_each(|j| local[i][i][j][j] = c[i][j]);
    }
    for (i, j, g) in shear {
        for (a, b) in [(i, j), (j, i)] {
            (local[a][b][i][j], local[a][b][j][i]) = (g, g);
        }
    }
    let (sin, cos) = 30f64.to_radians().sin_cos();
    let q = [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]];
    let mut out = [[[[0.0; 3]; 3]; 3]; 3];
    for n in 0..6561 {
        let d: Vec<usize> = (0..8).map(|k| n / 3usize.pow(k) % 3).collect();
        out[d[0]][d[1]][d[2]][d[3]] += q[d[4]][d[0]] * q[d[5]][d[1]] * q[d[6]][d[2]] * q[d[7]][d[3]] * local[d[4]][d[5]][d[6]][d[7]];
    }
    out
}

#[test]
fn an_orthotropic_body_converges_at_its_order() {
    // u = (sin x cos y, 0, 0), plane strain or 3D: -b_i = C_i1x1 u,xx + (C_i1x2 + C_i2x1) u,xy + C_i2x2 u,yy.
    let c = wood();
    let force = |i: usize| {
        let (xx, xy, yy) = (c[i][0][0][0], c[i][0][0][1] + c[i][1][0][0], c[i][1][0][1]);
        format!("\"{} * sin(x) * cos(y) + {} * cos(x) * sin(y)\"", xx + yy, xy)
    };
    for &kind in KINDS {
        let three = kind.dim() == 3;
        let (head, z) = if three { ("", format!(", {}", force(2))) } else { ("plane = \"strain\"\n", String::new()) };
        let case = format!(
            "physics = \"linear-elasticity\"\n{head}body_force = [{}, {}{z}]\n[mesh]\ngenerator = \"box\"\n[materials.body]\n{WOOD}{}",
            force(0),
            force(1),
            held_all_round(kind)
        );
        let s = slope(kind, 0.0, &case);
        let theory = kind.order() as f64 + 1.0;
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
}

/// Values of a component of the stress at every node.
fn stress(t: &femur_sim::Trajectory, component: usize) -> Vec<f64> {
    let s = t.states[0].field("stress").unwrap();
    (0..s.len()).map(|n| s.at(n)[component]).collect()
}

#[test]
fn a_thick_cylinder_under_pressure_is_that_of_lame() {
    let (a, b, p, e, nu) = (1.0, 2.0, 3.0, 200.0, 0.3);
    let mut mesh = rectangle([b - a, 0.5], [24, 6], CellKind::Quad8).unwrap();
    mesh.points.chunks_exact_mut(2).for_each(|x| x[0] += a);
    let mesh = Arc::new(mesh);
    let case = format!(
        "physics = \"linear-elasticity\"\nplane = \"axisymmetric\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = {e}\nnu = {nu}\n\
        [[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"top\"\nroller = true\n[[boundary]]\ntag = \"left\"\npressure = {p}\n"
    );
    let t = solve(&case, &mesh);
    let (ca, cb) = (p * a * a / (b * b - a * a), p * a * a * b * b / (b * b - a * a));
    let u = t.states[0].field("displacement").unwrap();
    let (rr, hoop) = (stress(&t, 0), stress(&t, 2));
    for n in 0..mesh.num_nodes() {
        let r = mesh.point(n)[0];
        let exact = (1.0 + nu) / e * ((1.0 - 2.0 * nu) * ca * r + cb / r);
        assert!((u.at(n)[0] / exact - 1.0).abs() < 1e-6, "{} and {exact}", u.at(n)[0]);
        assert!((rr[n] - (ca - cb / (r * r))).abs() < 5e-3 * p && (hoop[n] - (ca + cb / (r * r))).abs() < 5e-3 * p, "r = {r}");
    }
    // The reaction of the bottom carries the whole ring: 2 pi times the integral of sigma_zz r.
    let reaction = t.states[0].field("reaction").unwrap();
    let sum: f64 = mesh.tag_nodes("bottom").unwrap().iter().map(|&n| reaction.at(n as usize)[1]).sum();
    let exact = -2.0 * nu * ca * std::f64::consts::PI * (b * b - a * a);
    assert!((sum / exact - 1.0).abs() < 1e-4, "{sum} and {exact}");
}

#[test]
fn a_solid_cylinder_under_pressure_all_round_and_mistakes() {
    for kind in PLANE {
        let mesh = Arc::new(rectangle([1.0, 1.0], [4, 4], *kind).unwrap());
        let case = "physics = \"linear-elasticity\"\nplane = \"axisymmetric\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 10.0\nnu = 0.2\n\
            [[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"right\"\npressure = 2.0\n\
            [[boundary]]\ntag = \"top\"\npressure = 2.0\n";
        let t = solve(case, &mesh);
        for (component, exact) in [(0, -2.0), (1, -2.0), (2, -2.0), (3, 0.0)] {
            assert!(stress(&t, component).iter().all(|s| (s - exact).abs() < 1e-10), "{kind} {component}");
        }
    }
    let text = "physics = \"linear-elasticity\"\nplane = \"axisymmetric\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 10.0\nnu = 0.2\n";
    let mesh = Arc::new(rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap());
    // One support along the axis is enough.
    let held = format!("{text}[[boundary]]\ntag = \"bottom\"\ndisplacement = [\"free\", 0.0]\n");
    assert!(try_solve(&held, &mesh).is_ok());
    assert!(try_solve(text, &mesh).unwrap_err().contains("in 1 of 1 ways"));
    assert!(
        try_solve(&held.replace("plane = \"axisymmetric\"\n", "plane = \"axisymmetric\"\nthickness = 2.0\n"), &mesh)
            .unwrap_err()
            .contains("full ring")
    );
    let mut wrong = rectangle([1.0, 1.0], [2, 2], CellKind::Quad4).unwrap();
    wrong.points.chunks_exact_mut(2).for_each(|x| x[0] -= 0.5);
    assert!(try_solve(&held, &Arc::new(wrong)).unwrap_err().contains("cannot reach to x = -0.5"));
}

#[test]
fn free_expansion_makes_no_stress_and_a_held_body_all_of_it() {
    let (e, nu, alpha, dt) = (200.0, 0.3, 1e-3, 50.0);
    for &kind in KINDS {
        let mesh = grid(kind, 3);
        let three = kind.dim() == 3;
        for plane in if three { &["stress"][..] } else { &["stress", "strain", "axisymmetric"] } {
            let head = format!(
                "physics = \"linear-elasticity\"\nplane = \"{plane}\"\ntemperature = {}\nreference_temperature = 20.0\n[mesh]\ngenerator = \"box\"\n\
                [materials.body]\nE = {e}\nnu = {nu}\nalpha = {alpha}\n",
                20.0 + dt
            );
            let head = if three { head.replace("plane = \"stress\"\n", "") } else { head };
            let roller = |s: &str| format!("[[boundary]]\ntag = \"{s}\"\nroller = true\n");
            let sides = &SIDES[..2 * kind.dim()];
            let free = solve(&format!("{head}{}", sides.iter().step_by(2).map(|s| roller(s)).collect::<String>()), &mesh);
            let out_of_plane = if *plane == "strain" { -e * alpha * dt } else { 0.0 };
            for (component, exact) in [(0, 0.0), (1, 0.0), (2, out_of_plane), (3, 0.0)] {
                assert!(stress(&free, component).iter().all(|s| (s - exact).abs() < 1e-8), "{kind} {plane} {component}");
            }
            let grown = if *plane == "strain" { alpha * dt * (1.0 + nu) } else { alpha * dt };
            let u = free.states[0].field("displacement").unwrap();
            let far = mesh.tag_nodes("right").unwrap();
            assert!(far.iter().all(|&n| (u.at(n as usize)[0] - grown).abs() < 1e-10), "{kind} {plane}");
            let held = solve(&format!("{head}{}", sides.iter().map(|s| roller(s)).collect::<String>()), &mesh);
            let exact = -e * alpha * dt / if three || *plane != "stress" { 1.0 - 2.0 * nu } else { 1.0 - nu };
            assert!(stress(&held, 0).iter().chain(&stress(&held, 1)).all(|s| (s - exact).abs() < 1e-8), "{kind} {plane}");
        }
    }
}

#[test]
fn a_beam_hot_on_one_side_bends_freely_to_its_curvature() {
    // Temperature linear over the height: curvature alpha dT / h, no stress; the incompatible modes carry the bending of one layer.
    for kind in [CellKind::Quad4, CellKind::Quad8] {
        let mesh = Arc::new(rectangle([10.0, 1.0], [10, 1], kind).unwrap());
        let case = "physics = \"linear-elasticity\"\ntemperature = \"300 + 80 * (y - 0.5)\"\nreference_temperature = 300.0\n[mesh]\ngenerator = \"rectangle\"\n\
            [materials.body]\nE = 1e3\nnu = 0.25\nalpha = 1e-4\n[[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom-left\"\ndisplacement = [0.0, 0.0]\n";
        let mut tagged = (*mesh).clone();
        tagged.tags.insert("bottom-left", None, femur_mesh::TagEntities::Nodes(vec![0]));
        let mesh: Arc<Mesh> = Arc::new(tagged);
        let t = solve(case, &mesh);
        let u = t.states[0].field("displacement").unwrap();
        let far = mesh.tag_nodes("right").unwrap();
        let tip = u.at(*far.iter().find(|&&n| mesh.point(n as usize)[1] == 0.0).unwrap() as usize)[1];
        let exact = -0.5 * 1e-4 * 80.0 * 100.0;
        assert!((tip / exact - 1.0).abs() < 1e-9, "{kind}: {tip} and {exact}");
        assert!(stress(&t, 0).iter().all(|s| s.abs() < 1e-8), "{kind}");
        // What the state says is what is recovered from its displacement.
        let sum: Vec<f64> = t.unit_responses.iter().zip(&t.setup.loads).map(|(r, l)| l.value * r.steps[0][1].values[0]).collect();
        assert!((sum.iter().sum::<f64>() - stress(&t, 0)[0]).abs() < 1e-9);
        let case = femur_sim::case::CaseFile::parse(case, "c").unwrap().nominal().unwrap();
        let fields = femur_physics::PHYSICS[0].recover(&case, &mesh, &t.states[0]).unwrap();
        assert!(fields[0].values.iter().zip(&t.states[0].fields[1].values).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}

#[test]
fn mistakes_about_temperature_are_named() {
    let mesh = Arc::new(box_([1.0; 3], [1; 3], CellKind::Hex8).unwrap());
    let case = |head: &str, material: &str| {
        format!(
            "physics = \"linear-elasticity\"\n{head}[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 1.0\nnu = 0.3\n{material}[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n"
        )
    };
    let e = |head: &str, material: &str| try_solve(&case(head, material), &mesh).unwrap_err();
    assert!(e("temperature = 5.0\nreference_temperature = 0.0\n", "").contains("no material expands"));
    assert!(e("temperature = 5.0\n", "alpha = 1e-5\n").contains("reference_temperature"));
    assert!(e("reference_temperature = 5.0\n", "alpha = 1e-5\n").contains("without temperature"));
}
