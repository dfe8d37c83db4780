//! `femur solve` on meshes that gmsh made, against published and independent values.

use femur_dataset::read_trajectory;
use femur_sim::Trajectory;
use femur_tests::{femur_ok, root};

fn solve(mesh: &str, body: &str, extra: &[&str]) -> Trajectory {
    let dir = tempfile::tempdir().unwrap();
    let file = root().join("meshes").join(mesh).canonicalize().unwrap();
    let case = format!("physics = \"linear-elasticity\"\n[mesh]\nfile = {file:?}\n{body}");
    std::fs::write(dir.path().join("case.toml"), case).unwrap();
    femur_ok(dir.path(), &[&["solve", "case.toml", "-o", "out.vtkhdf", "--set", "output.precision=f64"], extra].concat());
    femur_ok(dir.path(), &[&["solve", "case.toml", "-o", "out.vtu"], extra].concat());
    assert!(dir.path().join("out.vtu").exists());
    read_trajectory(&dir.path().join("out.vtkhdf")).unwrap().0
}

#[test]
fn a_plate_with_a_hole_shows_the_finite_width_stress() {
    // 3.75 times the remote stress at d/W = 0.4 (Howland 1930; Kirsch's 3 holds for an infinite plate). A soft support, a 1e-5 part
    // of the plate's stiffness, holds the rigid motions.
    let body = "[materials.plate]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"left\"\ntraction = [-1e6, 0]\nelastic_support = 1e6\n\
        [[boundary]]\ntag = \"right\"\ntraction = [1e6, 0]\n";
    let t = solve("plate_hole_tri6.msh", body, &[]);
    let peak = t.states[0].field("stress").unwrap().values.iter().step_by(4).fold(0.0_f64, |a, v| a.max(*v));
    assert!((peak / 3.75e6 - 1.0).abs() < 0.05, "{peak}");
}

const FORCE: &str = "total_force = [0, 0, -1000]\n";

#[test]
fn a_beam_of_hexahedra_bends_as_quadratic_ones_do() {
    let body = format!(
        "[materials.beam]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"fixed\"\ndisplacement = [0, 0, 0]\n[[boundary]]\ntag = \"tip\"\n{FORCE}"
    );
    let tip = |extra: &[&str]| {
        let t = solve("beam_hex8_bin22.msh", &body, extra);
        let nodes = t.setup.mesh.tag_nodes("tip").unwrap();
        let u = t.states[0].field("displacement").unwrap();
        nodes.iter().map(|&n| u.at(n as usize)[2]).sum::<f64>() / nodes.len() as f64
    };
    // Timoshenko: F L^3 / 3 E I + F L / (5/6 G A) for 1 x 0.1 x 0.1; the clamped end's own stiffness is worth some 0.2 %.
    let (e, i) = (210e9, 0.1f64.powi(4) / 12.0);
    let beam = -1000.0 / (3.0 * e * i) - 1000.0 / (5.0 / 6.0 * e / 2.6 * 0.01);
    assert!((tip(&[]) / beam - 1.0).abs() < 0.01, "{} and {beam}", tip(&[]));
    let plain = tip(&["--set", "discretisation.incompatible_modes=false"]);
    assert!(plain / beam < 0.975, "{plain} and {beam}");
}

#[test]
fn the_bracket_is_in_equilibrium() {
    let body = format!(
        "[materials.steel]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"base_bolt\"\ndisplacement = [0, 0, 0]\n[[boundary]]\ntag = \"load_bolt\"\n{FORCE}"
    );
    let t = solve("bracket_tet10_bin.msh", &body, &[]);
    let r = t.states[0].field("reaction").unwrap();
    for (d, load) in [0.0, 0.0, -1000.0].into_iter().enumerate() {
        let sum: f64 = r.values.iter().skip(d).step_by(3).sum();
        assert!((sum + load).abs() < 1e-8 * 1000.0, "{d}: {sum}");
    }
}
