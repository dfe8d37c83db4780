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

/// 1 MPa pulls at both ends; a soft support, a 1e-5 part of the plate's stiffness, holds the rigid motions.
const PULLED: &str = "[materials.plate]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"left\"\ntraction = [-1e6, 0]\nelastic_support = 1e6\n\
    [[boundary]]\ntag = \"right\"\ntraction = [1e6, 0]\n";

fn peak_stress(t: &Trajectory) -> f64 {
    t.states[0].field("stress").unwrap().values.iter().step_by(4).fold(0.0, |a, v| a.max(*v))
}

#[test]
fn a_plate_with_a_hole_shows_the_finite_width_stress() {
    // 3.75 times the remote stress at d/W = 0.4 (Howland 1930; Kirsch's 3 holds for an infinite plate).
    for (refine, tolerance) in [("mesh.refine=0", 0.05), ("mesh.refine=1", 0.01)] {
        let peak = peak_stress(&solve("plate_hole_tri6.msh", PULLED, &["--set", refine]));
        assert!((peak / 3.75e6 - 1.0).abs() < tolerance, "{refine}: {peak}");
    }
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

/// The mean of the vertical displacement over the faces of `load_bolt`: twice the strain energy by the force. The three midside
/// nodes of a face weigh a third of its area each, which is exact for the quadratic part of a plane face.
fn sag(t: &Trajectory) -> f64 {
    let mesh = &t.setup.mesh;
    let u = t.states[0].field("displacement").unwrap();
    let (mut area, mut sum) = (0.0, 0.0);
    for &facet in mesh.tag_facets("load_bolt").unwrap() {
        let nodes = mesh.facet_nodes(facet).1;
        let p = |k: usize| mesh.point(nodes[k] as usize);
        let [a, b]: [[f64; 3]; 2] = [1, 2].map(|k| std::array::from_fn(|d| p(k)[d] - p(0)[d]));
        let n = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let weight = n.iter().map(|v| v * v).sum::<f64>().sqrt() / 2.0;
        area += weight;
        sum += weight * nodes[3..].iter().map(|&n| u.at(n as usize)[2]).sum::<f64>() / 3.0;
    }
    sum / area
}

#[test]
fn the_bracket_is_in_equilibrium_and_converges() {
    let body = format!(
        "[materials.steel]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"base_bolt\"\ndisplacement = [0, 0, 0]\n[[boundary]]\ntag = \"load_bolt\"\n{FORCE}"
    );
    let sags = ["mesh.refine=0", "mesh.refine=1"].map(|refine| {
        let t = solve("bracket_tet10_bin.msh", &body, &["--set", refine]);
        let r = t.states[0].field("reaction").unwrap();
        for (d, load) in [0.0, 0.0, -1000.0].into_iter().enumerate() {
            let sum: f64 = r.values.iter().skip(d).step_by(3).sum();
            assert!((sum + load).abs() < 1e-8 * 1000.0, "{refine}, {d}: {sum}");
        }
        sag(&t)
    });
    println!("the load bolt sinks by {:e} and {:e} m, {:.2} % apart", sags[0], sags[1], 100.0 * (sags[1] / sags[0] - 1.0));
    // A finer mesh of the same body is softer, and not by much.
    assert!(sags[0] < 0.0 && sags[1] < sags[0] && sags[1] / sags[0] < 1.02, "{sags:?}");
    // Its residual comes to some 1e-10 and no lower.
    for kind in ["amg", "p-multigrid", "matrix-free"] {
        let sag = sag(&solve("bracket_tet10_bin.msh", &body, &["--set", "mesh.refine=1", "--solver", kind]));
        assert!((sag / sags[1] - 1.0).abs() < 1e-6, "{kind}: {sag} instead of {}", sags[1]);
    }
}
