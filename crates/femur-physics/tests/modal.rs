//! Natural frequencies against closed forms, and their order.

mod common;

use common::{KINDS, SIDES, pair, series, solve, try_solve};
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use std::f64::consts::PI;
use std::sync::Arc;

fn case(head: &str, count: usize, material: &str, boundary: &str) -> String {
    format!("physics = \"modal\"\n{head}[modal]\ncount = {count}\n[mesh]\ngenerator = \"box\"\n[materials.body]\n{material}{boundary}")
}

/// Rollers all round a square or cube.
fn rollers(dim: usize) -> String {
    SIDES[..2 * dim].iter().map(|s| format!("[[boundary]]\ntag = \"{s}\"\nroller = true\n")).collect()
}

#[test]
fn every_element_converges_at_twice_its_order() {
    // Between rollers the square has the shear wave u = rot(sin pi x sin pi y) of omega^2 = 2 pi^2 mu / rho; so has a plate of one layer,
    // across which it does not change.
    for &kind in KINDS {
        let (coarse, fine) = pair(kind);
        let (coarse, fine) = if kind.dim() == 3 { (8, 16) } else { (coarse, fine) };
        let error = |n: usize| {
            // Undistorted cells: on others errors of both signs would mix.
            let mesh = if kind.dim() == 2 { rectangle([1.0, 1.0], [n, n], kind) } else { box_([1.0, 1.0, 0.25], [n, n, 1], kind) }.unwrap();
            let head = if kind.dim() == 2 { "plane = \"strain\"\n" } else { "" };
            let t = solve(&case(head, 1, "E = 2.5\nnu = 0.25\ndensity = 2.0\n", &rollers(kind.dim())), &Arc::new(mesh));
            let f = series(&t, "natural_frequency")[0];
            (f * f * 4.0 * PI * PI) / (2.0 * PI * PI * 1.0 / 2.0) - 1.0
        };
        let (a, b) = (error(coarse), error(fine));
        let s = (a / b).log2();
        assert!(a > 0.0 && b > 0.0 && (s - 2.0 * kind.order() as f64).abs() < 0.1, "{kind}: {s:.3}, errors {a:.2e} {b:.2e}");
    }
}

#[test]
fn a_free_body_has_its_rigid_motions_first() {
    for (mesh, rigid) in
        [(rectangle([2.0, 1.0], [8, 4], CellKind::Quad9).unwrap(), 3), (box_([2.0, 1.0, 0.5], [4, 2, 1], CellKind::Hex20).unwrap(), 6)]
    {
        let mesh = Arc::new(mesh);
        let t = solve(&case("", rigid + 3, "E = 1e3\nnu = 0.3\ndensity = 1.0\n", ""), &mesh);
        let f = series(&t, "natural_frequency");
        assert!(f[..rigid].iter().all(|f| *f < 1e-4 * t.log.series[0].values[rigid]), "{f:?}");
        assert!(f[rigid] > 0.1 && t.log.residual[rigid..].iter().all(|r| *r < 1e-7), "{f:?} {:?}", t.log.residual);
    }
}

#[test]
fn an_axial_bar_and_a_bending_beam() {
    // A bar between lateral rollers, held at one end: f_k = (2 k - 1) / 4 L sqrt(E / rho) for nu = 0.
    let (length, e, rho) = (10.0, 200e9_f64, 8000.0);
    let mesh = Arc::new(rectangle([length, 0.5], [40, 1], CellKind::Quad8).unwrap());
    let side = |s: &str| format!("[[boundary]]\ntag = \"{s}\"\nroller = true\n");
    let t =
        solve(&case("", 3, &format!("E = {e:e}\nnu = 0.0\ndensity = {rho}\n"), &(side("left") + &side("bottom") + &side("top"))), &mesh);
    for (k, f) in series(&t, "natural_frequency").iter().enumerate() {
        let exact = (2.0 * k as f64 + 1.0) / (4.0 * length) * (e / rho).sqrt();
        assert!((f / exact - 1.0).abs() < 1e-5, "{f} and {exact}");
    }
    // A slender cantilever of square section: 1.8751^2 / (2 pi L^2) sqrt(E I / rho A), twice, each within the part of shear and rotation.
    let mesh = Arc::new(box_([1.0, 0.02, 0.02], [20, 1, 1], CellKind::Hex20).unwrap());
    let held = "[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0, 0.0]\n";
    let t = solve(&case("", 2, "E = 200e9\nnu = 0.0\ndensity = 8000.0\n", held), &mesh);
    let exact = 1.875_104_f64.powi(2) / (2.0 * PI) * (e * 0.02 * 0.02 / 12.0 / rho).sqrt();
    let f = series(&t, "natural_frequency");
    assert!((f[0] / exact - 1.0).abs() < 2e-3 && (f[1] / f[0] - 1.0).abs() < 1e-8, "{f:?} and {exact}");
    // The second of the two is orthogonal to the first: both are there.
    let dot: f64 = t.states[0].fields[0].values.iter().zip(&t.states[1].fields[0].values).map(|(a, b)| a * b).sum();
    let own: f64 = t.states[0].fields[0].values.iter().map(|a| a * a).sum();
    assert!(dot.abs() < 1e-3 * own);
}

#[test]
fn the_tapered_membrane_fv32() {
    // NAFEMS FV32: 44.623, 130.03, 162.70, 246.05, 379.90, 391.44 Hz; recomputed with high order 44.6175 ... 391.406.
    let mut mesh: Mesh = rectangle([10.0, 1.0], [16, 8], CellKind::Quad8).unwrap();
    for p in mesh.points.chunks_exact_mut(2) {
        p[1] = (p[1] - 0.5) * (5.0 - 0.4 * p[0]);
    }
    let held = "[[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n";
    let t = solve(&case("thickness = 0.05\n", 6, "E = 200e9\nnu = 0.3\ndensity = 8000.0\n", held), &Arc::new(mesh));
    let exact = [44.6175, 130.011, 162.689, 245.988, 379.719, 391.406];
    for (f, e) in series(&t, "natural_frequency").iter().zip(exact) {
        assert!((f / e - 1.0).abs() < 2e-3, "{f} and {e}");
    }
}

#[test]
fn the_simply_supported_plate_fv52() {
    // NAFEMS FV52, solid elements: 44.762, 110.52 (twice), 169.08, 193.93, 206.64 (twice) Hz with 4 x 4 x 1 hex20; here the same mesh.
    let mut mesh = box_([10.0, 10.0, 1.0], [4, 4, 1], CellKind::Hex20).unwrap();
    let edge: Vec<u32> = (0..mesh.num_nodes() as u32)
        .filter(|&n| {
            let p = mesh.point(n as usize);
            p[2] == 0.0 && (0..2).any(|d| p[d] < 1e-9 || p[d] > 10.0 - 1e-9)
        })
        .collect();
    mesh.tags.insert("edge", None, femur_mesh::TagEntities::Nodes(edge));
    let held = "[[boundary]]\ntag = \"edge\"\ndisplacement = [\"free\", \"free\", 0.0]\n";
    let t = solve(&case("", 10, "E = 200e9\nnu = 0.3\ndensity = 8000.0\n", held), &Arc::new(mesh));
    let f = series(&t, "natural_frequency");
    // Free to move in its plane: three rigid motions first.
    assert!(f[2] < 1e-3 * f[3], "{f:?}");
    let nafems = [44.762, 110.52, 110.52, 169.08, 193.93, 206.64, 206.64];
    for (f, e) in f[3..].iter().zip(nafems) {
        assert!((f / e - 1.0).abs() < 1e-2, "{f} and {e}");
    }
}

#[test]
fn a_rotated_roller_and_mistakes() {
    let mesh = Arc::new(rectangle([1.0, 1.0], [4, 4], CellKind::Quad8).unwrap());
    let material = "E = 100.0\nnu = 0.3\ndensity = 1.0\n";
    let sides = "[[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\nroller = true\n";
    let straight = solve(&case("", 4, material, sides), &mesh);
    let mut turned = (*mesh).clone();
    let (sin, cos) = 0.4_f64.sin_cos();
    turned.points.chunks_exact_mut(2).for_each(|p| (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]));
    // The corner between two inclined rollers is held by the later one alone, so hold it outright.
    turned.tags.insert("corner", None, femur_mesh::TagEntities::Nodes(vec![0]));
    let both = format!("[[boundary]]\ntag = \"corner\"\ndisplacement = [0.0, 0.0]\n{sides}");
    let t = solve(&case("", 4, material, &both), &Arc::new(turned));
    for (a, b) in series(&straight, "natural_frequency").iter().zip(series(&t, "natural_frequency")) {
        assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
    }
    let e = |text: String| try_solve(&text, &mesh).unwrap_err();
    assert!(e(case("", 0, material, sides)).contains("modal.count"));
    assert!(e(case("", 1000, material, sides)).contains("modal.count"));
    assert!(e(case("", 2, "E = 1.0\nnu = 0.3\n", sides)).contains("density"));
    assert!(e(case("gravity = [0.0, -1.0]\n", 2, material, sides)).contains("does not change a natural frequency"));
}
