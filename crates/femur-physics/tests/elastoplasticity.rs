//! J2 plasticity: manufactured solutions on every element, thick cylinder, unloading, plane stress.

mod common;

use common::{KINDS, SIDES, slope, solve, try_solve};
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Location, Mesh};
use std::sync::Arc;

const MU: f64 = 80.0;
const METAL: &str = "E = 208.0\nnu = 0.3\nyield_stress = 0.3";

fn case(dim: usize, material: &str, extra: &str) -> String {
    let generator = if dim == 3 { "box" } else { "rectangle" };
    format!("physics = \"elastoplasticity\"\n{extra}[mesh]\ngenerator = \"{generator}\"\n[materials.body]\n{material}\n")
}

/// Simple shear beyond yield everywhere: the shear stress is linear in the shear strain, with slope `H mu / (3 mu + H)`.
fn manufactured(kind: CellKind, plane: &str, formulation: &str) -> f64 {
    let h = 40.0;
    let (z, plane) = if kind.dim() == 3 { (", 0.0", String::new()) } else { ("", format!("plane = \"{plane}\"\n")) };
    // u_x = 0.02 (y + 0.3 sin y): shear strains from 0.023 to 0.026, where yield begins at 0.3 / (sqrt(3) mu) = 0.0022.
    let force = h * MU / (3.0 * MU + h) * 0.006;
    let extra = format!("{plane}body_force = [\"{force} * sin(y)\", 0.0{z}]\n[discretisation]\nformulation = \"{formulation}\"\n");
    let mut text = case(kind.dim(), &format!("{METAL}\nhardening = {h}"), &extra);
    for side in &SIDES[..2 * kind.dim()] {
        text += &format!("[[boundary]]\ntag = \"{side}\"\ndisplacement = [\"0.02 * (y + 0.3 * sin(y))\", 0.0{z}]\n");
    }
    slope(kind, &text, "displacement", |x, u, _| u[0] = 0.02 * (x[1] + 0.3 * x[1].sin()))
}

#[test]
fn every_element_converges_at_its_order() {
    for &kind in KINDS {
        let (s, theory) = (manufactured(kind, "strain", "standard"), kind.order() as f64 + 1.0);
        assert!((s - theory).abs() < 0.1, "{kind}: slope {s:.3}, theory {theory}");
    }
    for (kind, plane, formulation) in
        [(CellKind::Quad4, "strain", "b-bar"), (CellKind::Hex8, "", "b-bar"), (CellKind::Quad4, "stress", "standard")]
    {
        let s = manufactured(kind, plane, formulation);
        assert!((s - 2.0).abs() < 0.1, "{kind} {plane} {formulation}: slope {s:.3}");
    }
    let s = manufactured(CellKind::Quad9, "stress", "standard");
    assert!((s - 3.0).abs() < 0.1, "quad9 in plane stress: slope {s:.3}");
}

/// A quarter of a ring of radii 1 and 2.
fn ring(n: usize, kind: CellKind) -> Arc<Mesh> {
    let mut mesh = rectangle([1.0, 1.0], [n, n], kind).unwrap();
    for p in mesh.points.chunks_exact_mut(2) {
        let (r, angle) = (1.0 + p[0], 0.5 * std::f64::consts::PI * p[1]);
        (p[0], p[1]) = (r * angle.cos(), r * angle.sin());
    }
    Arc::new(mesh)
}

#[test]
fn a_thick_cylinder_yields_as_hill_says() {
    // Perfectly plastic, plane strain, internal pressure. With the plastic front at c: p = Y (ln(c/a) + (1 - c^2/b^2) / 2),
    // u(b) = Y c^2 (1 - nu^2) / (E b), Y = 2 s / sqrt(3) (Hill 1950, ch. 5; de Souza Neto et al. 2008, 7.5.1). Von Mises' surface gives
    // the same where nu is near 1/2.
    let (e, nu, y, c): (f64, f64, f64, f64) = (1000.0, 0.495, 1.0, 1.4);
    let p = y * (c.ln() + 0.5 * (1.0 - c * c / 4.0));
    let material = format!("E = {e}\nnu = {nu}\nyield_stress = {}", y * 3f64.sqrt() / 2.0);
    let text = case(2, &material, "plane = \"strain\"\n")
        + "[[boundary]]\ntag = \"bottom\"\nroller = true\n[[boundary]]\ntag = \"top\"\nroller = true\n"
        + &format!("[[boundary]]\ntag = \"left\"\npressure = {p}\n");
    for (kind, n) in [(CellKind::Quad8, 10), (CellKind::Quad4, 24)] {
        let mesh = ring(n, kind);
        let t = solve(&text, &mesh);
        let at = |x: [f64; 2]| (0..mesh.num_nodes()).find(|&i| (mesh.point(i)[0] - x[0]).hypot(mesh.point(i)[1] - x[1]) < 1e-9).unwrap();
        let u = t.states[0].field("displacement").unwrap().at(at([2.0, 0.0]))[0];
        let exact = y * c * c * (1.0 - nu * nu) / (e * 2.0);
        assert!((u / exact - 1.0).abs() < 0.01, "{kind}: {u} and {exact}");
        // Hoop stress at the outside: Y c^2 / b^2.
        let s = t.states[0].field("stress").unwrap().at(at([2.0, 0.0]))[1];
        assert!((s / (y * c * c / 4.0) - 1.0).abs() < 0.02, "{kind}: {s}");
        let plastic = t.states[0].field("equivalent_plastic_strain").unwrap();
        assert_eq!((plastic.location, plastic.len()), (Location::Cell, mesh.num_cells()));
        let mut front: f64 = 0.0;
        for (cell, _, nodes) in mesh.cells() {
            let middle = nodes[..4].iter().map(|&i| mesh.point(i as usize)[0].hypot(mesh.point(i as usize)[1])).sum::<f64>() / 4.0;
            if plastic.values[cell] > 0.0 {
                front = front.max(middle);
            }
        }
        assert!((front - c).abs() < 1.0 / n as f64, "{kind}: plastic up to {front}");
    }
}

#[test]
fn unloading_is_elastic_and_reloading_yields_where_it_stopped() {
    let mesh = Arc::new(box_([1.0; 3], [1, 1, 1], CellKind::Hex8).unwrap());
    let (e, h) = (208.0, 20.0);
    // Up to 0.5 at t = 1, off at t = 2, up to 0.6 at t = 3.
    let load = "if(t < 1, 0.5 * t, if(t < 2, 0.5 * (2 - t), 0.6 * (t - 2)))";
    let mut text = case(3, &format!("{METAL}\nhardening = {h}"), "[time]\nend = 3.0\nsteps = 12\n");
    for side in ["left", "bottom", "back"] {
        text += &format!("[[boundary]]\ntag = \"{side}\"\nroller = true\n");
    }
    text += &format!("[[boundary]]\ntag = \"right\"\ntraction = [\"{load}\", 0.0, 0.0]\n");
    let t = solve(&text, &mesh);
    let far = (0..8).find(|&n| mesh.point(n)[0] == 1.0).unwrap();
    let at = |step: usize| {
        let plastic = t.states[step].field("equivalent_plastic_strain").unwrap().values[0];
        (t.states[step].field("displacement").unwrap().at(far)[0], plastic, t.states[step].field("stress").unwrap().at(far)[0])
    };
    let expect = |step: usize, stress: f64, highest: f64| {
        let plastic = (highest - 0.3) / h;
        let got = at(step);
        assert!(
            (got.0 - (stress / e + plastic)).abs() < 1e-8 && (got.1 - plastic).abs() < 1e-8 && (got.2 - stress).abs() < 1e-7,
            "{step}: {got:?}"
        );
    };
    expect(4, 0.5, 0.5);
    expect(6, 0.25, 0.5);
    expect(8, 0.0, 0.5);
    expect(10, 0.3, 0.5);
    expect(12, 0.6, 0.6);
}

#[test]
fn plane_stress_follows_voce_in_tension() {
    // Uniaxial stress: strain = s / E + a, where s = s0 + Q (1 - exp(-b a)).
    let (q, b, a): (f64, f64, f64) = (0.2, 25.0, 0.03);
    let s = 0.3 + q * (1.0 - (-b * a).exp());
    let mesh = Arc::new(rectangle([1.0, 1.0], [2, 2], CellKind::Triangle6).unwrap());
    let text = case(2, &format!("{METAL}\nsaturation = {q}\nsaturation_rate = {b}"), "")
        + "[[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\nroller = true\n"
        + &format!("[[boundary]]\ntag = \"right\"\ndisplacement = [{}, \"free\"]\n", s / 208.0 + a);
    let t = solve(&text, &mesh);
    let stress = t.states[0].field("stress").unwrap();
    for n in 0..mesh.num_nodes() {
        assert!((stress.at(n)[0] - s).abs() < 1e-7 && stress.at(n)[1].abs() < 1e-7 && stress.at(n)[2].abs() < 1e-9, "{:?}", stress.at(n));
    }
    assert!(t.states[0].field("equivalent_plastic_strain").unwrap().values.iter().all(|v| (v - a).abs() < 1e-8));
    let lateral = t.states[0].field("displacement").unwrap();
    let top = mesh.tag_nodes("top").unwrap()[0] as usize;
    assert!((lateral.at(top)[1] - (-0.3 * s / 208.0 - 0.5 * a)).abs() < 1e-8);
}

#[test]
fn a_collapse_load_ends_the_case_with_its_reason() {
    let mesh = Arc::new(rectangle([4.0, 1.0], [8, 2], CellKind::Quad4).unwrap());
    let text = case(2, METAL, "[newton]\nmax_cuts = 6\n")
        + "[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n[[boundary]]\ntag = \"right\"\ntraction = [0.4, 0.0]\n";
    let e = try_solve(&text, &mesh).unwrap_err();
    assert!(e.contains("the solver failed at time") && e.contains("last equilibrium"), "{e}");
    let text = case(2, "E = 1.0\nnu = 0.3\nyield_stress = 1.0\nsaturation = 1.0", "")
        + "[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n";
    let e = try_solve(&text, &mesh).unwrap_err();
    assert!(e.contains("saturation_rate"), "{e}");
}
