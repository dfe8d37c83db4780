//! Every linear solver gives the same answer: with prescribed values, inclined rollers and elastic supports, in 2D and 3D.

mod common;

use common::solve;
use femur_mesh::generate::{box_, rectangle};
use femur_mesh::{CellKind, Mesh};
use femur_sim::Trajectory;
use std::sync::Arc;

/// Solves with each `[solver] kind`; all must agree to the tolerance of the iterations.
fn agree(case: &str, mesh: &Arc<Mesh>, field: &str) {
    agree_with(case, mesh, &[field], &["cg", "amg"]);
}

fn agree_with(case: &str, mesh: &Arc<Mesh>, fields: &[&str], kinds: &[&str]) {
    fields.iter().for_each(|field| agree_in(case, mesh, field, kinds));
}

fn agree_in(case: &str, mesh: &Arc<Mesh>, field: &str, kinds: &[&str]) {
    let run = |kind: &str| solve(&format!("{case}[solver]\nkind = \"{kind}\"\n"), mesh);
    let values = |t: &Trajectory| t.states.last().unwrap().field(field).unwrap().values.clone();
    let reference = run("direct");
    assert_eq!(reference.log.notes["solver"], "direct");
    let expected = values(&reference);
    let scale = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(scale > 0.0);
    for &kind in kinds {
        let t = run(kind);
        assert_eq!(t.log.notes["solver"], kind);
        assert!(!t.setup.is_steady() || t.log.notes["iterations"].parse::<usize>().is_ok_and(|i| i > 0));
        let worst = values(&t).iter().zip(&expected).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst < 1e-7 * scale, "{kind}: {worst:.1e} of {scale:.1e}");
    }
}

#[test]
fn elasticity_with_rollers_on_inclined_planes_and_supports() {
    let mut mesh = rectangle([2.0, 1.0], [60, 30], CellKind::Triangle6).unwrap();
    let (sin, cos) = 30f64.to_radians().sin_cos();
    for p in mesh.points.chunks_exact_mut(2) {
        (p[0], p[1]) = (cos * p[0] - sin * p[1], sin * p[0] + cos * p[1]);
    }
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\n\
        tag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\nelastic_support = 10.0\n[[boundary]]\ntag = \"right\"\n\
        traction = [1.0, 0.5]\n[[boundary]]\ntag = \"top\"\ndisplacement = [0.01, 0.02]\n";
    agree_with(case, &Arc::new(mesh), &["displacement", "reaction"], &["cg", "amg", "p-multigrid", "matrix-free"]);
}

/// Every kind of cell that can be applied without a matrix, both physics, with what boundaries add and values that are not zero.
#[test]
fn without_a_matrix_the_answer_is_the_same() {
    for kind in femur_fem::matrix_free::KINDS {
        let mesh = common::grid(kind, if kind.dim() == 2 { 9 } else { 4 });
        let kinds: &[&str] = if kind.order() == 2 { &["p-multigrid", "matrix-free"] } else { &["matrix-free"] };
        let heat = "physics = \"heat\"\nheat_source = \"1 + x\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = 2.0\n\
            [[boundary]]\ntag = \"left\"\ntemperature = \"3 + y\"\n[[boundary]]\ntag = \"right\"\nconvection = { coefficient = 4.0, ambient = 1.0 }\n";
        agree_with(heat, &mesh, &["temperature", "heat_flux"], kinds);
        let pull = if mesh.dim == 2 { "[0.1, 0.02]" } else { "[0.1, 0.02, 0.03]" };
        let elastic = format!(
            "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[discretisation]\nincompatible_modes = false\n\
            [materials.body]\nE = 10.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\n\
            elastic_support = 3.0\n[[boundary]]\ntag = \"right\"\ndisplacement = {pull}\n"
        );
        agree_with(&elastic, &mesh, &["displacement", "stress", "reaction"], kinds);
    }
}

/// Where a factorisation is dear `auto` takes quadratic cells without a matrix, and linear or orthotropic ones by algebraic multigrid.
#[test]
fn auto_takes_dear_quadratic_cells_without_a_matrix() {
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[[boundary]]\ntag = \"left\"\ndisplacement = [0, 0, 0]\n\
        [[boundary]]\ntag = \"right\"\ntraction = [0, 0, 1]\n";
    let isotropic = "[materials.body]\nE = 10.0\nnu = 0.3\n";
    let wood = "[materials.body]\nE1 = 12.0\nE2 = 1.0\nE3 = 1.0\nnu12 = 0.3\nnu13 = 0.3\nnu23 = 0.3\nG12 = 1.0\nG13 = 1.0\nG23 = 1.0\n";
    for (kind, n, material, solver) in [
        (CellKind::Hex27, 4, isotropic, "direct"),
        (CellKind::Hex27, 14, isotropic, "matrix-free"),
        (CellKind::Hex8, 28, isotropic, "amg"),
        (CellKind::Hex20, 12, wood, "amg"),
    ] {
        let t = solve(&format!("{case}{material}"), &common::grid(kind, n));
        assert_eq!(t.log.notes["solver"], solver, "{kind}");
    }
}

/// What has no kernel, or no coarse space, is refused with the file, the key and what to do; on any way into the physics.
#[test]
fn what_cannot_be_solved_by_cells_is_refused() {
    let heat = "physics = \"heat\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = 2.0\ndensity = 1.0\nspecific_heat = 1.0\n\
        [[boundary]]\ntag = \"left\"\ntemperature = 3\n";
    let elastic = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[[boundary]]\ntag = \"left\"\ndisplacement = [0, 0]\n";
    let isotropic = "[materials.body]\nE = 10.0\nnu = 0.3\n";
    let wood = "[materials.body]\nE1 = 12.0\nE2 = 1.0\nnu12 = 0.3\nG12 = 1.0\n";
    let time = "[initial]\ntemperature = 1\n[time]\nend = 1.0\nsteps = 2\n";
    let wave = "physics = \"wave\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nwave_speed = 1.0\n[initial]\namplitude = \"x\"\n[time]\nend = 1.0\nsteps = 2\n";
    let cases: Vec<(String, CellKind, &str, &str, &str)> = vec![
        (heat.into(), CellKind::Quad8, "matrix-free", "quad8", "take amg"),
        (format!("{heat}{time}"), CellKind::Quad9, "matrix-free", "transient heat", "take auto"),
        (format!("{heat}{time}"), CellKind::Quad9, "p-multigrid", "transient heat", "take auto"),
        (heat.replace("2.0", "\"1 + T\""), CellKind::Quad9, "matrix-free", "nonlinear heat", "take auto"),
        (heat.into(), CellKind::Quad4, "p-multigrid", "not quad4", "take amg"),
        (format!("{elastic}{isotropic}"), CellKind::Quad4, "matrix-free", "incompatible modes", "incompatible_modes = false"),
        (format!("{elastic}{isotropic}"), CellKind::Triangle3, "p-multigrid", "not triangle3", "take amg"),
        (format!("{elastic}{wood}"), CellKind::Quad9, "matrix-free", "orthotropic", "take amg"),
        (format!("{heat}[[periodic]]\nfrom = \"bottom\"\nto = \"top\"\n"), CellKind::Quad9, "matrix-free", "[[periodic]]", "take auto"),
        (wave.into(), CellKind::Quad9, "matrix-free", "the wave equation", "take auto"),
    ];
    for (case, kind, solver, what, hint) in cases {
        let mesh = common::grid(kind, 3);
        let text = format!("{case}[solver]\nkind = \"{solver}\"\n");
        let e = common::try_solve(&text, &mesh).unwrap_err();
        assert!(
            e.contains("test.toml") && e.contains("`solver.kind`") && e.contains(what) && e.contains("hint:") && e.contains(hint),
            "{e}"
        );
    }
    // Bodies of orthotropic material have a coarse space.
    let mesh = common::grid(CellKind::Quad9, 8);
    agree_with(&format!("{elastic}{wood}[[boundary]]\ntag = \"right\"\ntraction = [1, 0]\n"), &mesh, &["displacement"], &["p-multigrid"]);
}

#[test]
fn elasticity_in_space_with_prescribed_displacements() {
    let mesh = Arc::new(box_([3.0, 1.0, 1.0], [18, 6, 6], CellKind::Tet4).unwrap());
    let case = "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nE = 100.0\nnu = 0.3\n[[boundary]]\ntag = \"left\"\n\
        displacement = [0, 0, 0]\n[[boundary]]\ntag = \"right\"\ndisplacement = [\"free\", 0.1, \"free\"]\n[[boundary]]\ntag = \"top\"\ntraction = [0.2, 0, 0]\n";
    agree(case, &mesh, "displacement");
}

#[test]
fn heat_steady_and_in_time() {
    let mesh = Arc::new(box_([1.0; 3], [12, 12, 12], CellKind::Hex8).unwrap());
    let case = "physics = \"heat\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = 2.0\ndensity = 1.0\nspecific_heat = 1.0\n\
        [[boundary]]\ntag = \"left\"\ntemperature = 300\n[[boundary]]\ntag = \"right\"\nheat_flux = 5.0\n";
    agree(case, &mesh, "temperature");
    agree(&format!("{case}[initial]\ntemperature = 290\n[time]\nend = 1.0\nsteps = 5\n"), &mesh, "temperature");
}
