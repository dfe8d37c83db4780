//! Studies on meshes that no generator of ours made: datasets on one file, predictions on a foreign mesh, gmsh's own .geo files.

use femur_dataset::read_trajectory;
use femur_tests::{femur, femur_fails, femur_ok, on_path, root};
use serde_json::Value;
use std::path::Path;

const SMALL: &[&str] = &["samples.train=4", "samples.valid=1", "samples.test=2", "model.width=8", "training.steps=10"];

fn set<'a>(values: &[&'a str]) -> Vec<&'a str> {
    values.iter().flat_map(|v| ["--set", v]).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

fn mesh(name: &str) -> String {
    root().join("meshes").join(name).canonicalize().unwrap().to_string_lossy().into_owned()
}

/// generate, verify-data, train, rollout, evaluate; the mesh is the file's in every trajectory.
fn study(case: &str, nodes: usize) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    std::fs::write(at.join("case.toml"), case).unwrap();
    femur_ok(at, &[&["generate", "case.toml", "-o", "data"], &set(SMALL)[..]].concat());
    assert_eq!(json(&femur_ok(at, &["verify-data", "data", "--format", "json"]))["ok"], true);
    femur_ok(at, &["train", "data", "-o", "run"]);
    femur_ok(at, &["rollout", "run", "data", "-o", "pred"]);
    let evaluation = json(&femur_ok(at, &["evaluate", "pred", "data", "--format", "json"]));
    assert!(evaluation["test"]["displacement"]["r2"].is_number(), "{evaluation}");

    let read = |d: &str, k: usize| read_trajectory(&at.join(d).join(format!("test/traj_{k:06}.vtkhdf"))).unwrap().0;
    let (first, second, predicted) = (read("data", 0), read("data", 1), read("pred", 0));
    assert_eq!(first.setup.mesh.num_nodes(), nodes);
    assert!(first.setup.mesh == second.setup.mesh && first.setup.mesh == predicted.setup.mesh, "one mesh serves all");
    assert!(!first.setup.params.is_empty() && first.setup.params != second.setup.params, "{:?}", first.setup.params);
    assert!(first.states[0].field("displacement").unwrap() != second.states[0].field("displacement").unwrap());
}

#[test]
fn loads_and_materials_are_sampled_on_a_plate_from_gmsh() {
    study(
        &format!(
            "physics = \"linear-elasticity\"\nseed = 3\n[mesh]\nfile = {:?}\n[output]\nvertices_only = true\n\
             [materials.plate]\nE = {{ min = 70e9, max = 210e9, per = \"base\" }}\nnu = 0.3\n\
             [[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n\
             [[boundary]]\ntag = \"right\"\ntraction.magnitude = 1e6\ntraction.angle = {{ min = 0.0, max = 360.0, per = \"variant\" }}\n",
            mesh("plate_hole_tri6.msh")
        ),
        760,
    );
}

#[test]
fn loads_are_sampled_on_a_bracket_from_gmsh() {
    study(
        &format!(
            "physics = \"linear-elasticity\"\nseed = 3\n[mesh]\nfile = {:?}\n[materials.steel]\nE = 210e9\nnu = 0.3\n\
             [[boundary]]\ntag = \"base_bolt\"\ndisplacement = [0.0, 0.0, 0.0]\n\
             [[boundary]]\ntag = \"load_bolt\"\ntraction = [{{ min = -1e6, max = 1e6 }}, 0.0, {{ min = -1e6, max = 0.0 }}]\n",
            mesh("bracket_tet4.msh")
        ),
        1303,
    );
}

/// A model of the plate-hole template, trained briefly.
fn model(at: &Path) {
    femur_ok(at, &["new", "plate-hole"]);
    femur_ok(at, &[&["generate", "case.toml", "-o", "data", "--set", "mesh.size=0.16"], &set(SMALL)[..]].concat());
    femur_ok(at, &["train", "data", "-o", "run"]);
}

#[test]
fn a_model_predicts_on_a_mesh_that_no_generator_made() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    model(at);
    let plate = mesh("plate_three_holes.msh");
    let args = ["predict", "run", "case.toml", "--mesh", &plate, "-o", "new.vtkhdf", "--check", "--format", "json"];
    let said = json(&femur_ok(at, &args));
    assert!(said["test"]["von_mises"]["r2"].is_number() && said["solve_seconds"].is_number(), "{said}");
    let t = read_trajectory(&at.join("new.vtkhdf")).unwrap().0;
    assert_eq!(said["nodes"].as_u64(), Some(t.setup.mesh.num_nodes() as u64));
    assert!(t.setup.mesh.tag_nodes("hole").unwrap().len() > 100);
    // The clamped edge is held whatever the network says.
    let u = t.states[0].field("displacement").unwrap();
    assert!(t.setup.mesh.tag_nodes("left").unwrap().iter().all(|&n| u.at(n as usize) == [0.0, 0.0]));
    femur_ok(at, &["plot", "new.vtkhdf", "--field", "von_mises", "-o", "new.png"]);

    // A mesh without the case's tags is refused by name, and so is a case of another kind than the model's.
    let said = femur_fails(at, &["predict", "run", "case.toml", "--mesh", &mesh("cylinder_channel_tri3.msh"), "-o", "no.vtu"]);
    assert!(said.contains("plate") && said.contains("inlet"), "{said}");
    femur_ok(at, &["new", "cantilever-3d", "beam"]);
    let said = femur_fails(at, &["predict", "run", "beam/case.toml", "-o", "no.vtu"]);
    assert!(said.contains("2 dimensions, the mesh has 3"), "{said}");
    femur_ok(at, &["new", "plate-heat", "heat"]);
    let said = femur_fails(at, &["predict", "run", "heat/case.toml", "-o", "no.vtu"]);
    assert!(said.contains("hint"), "{said}");
}

#[test]
fn a_geo_file_is_meshed_with_the_parameters_of_the_case() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let case = |parameters: &str| {
        format!(
            "physics = \"linear-elasticity\"\nseed = 1\n[mesh]\nfile = {:?}\norder = 2\n{parameters}\n[materials.plate]\nE = 210e9\nnu = 0.3\n\
             [[boundary]]\ntag = \"left\"\ndisplacement = [0.0, 0.0]\n[[boundary]]\ntag = \"right\"\ntraction = [1e6, 0.0]\n",
            mesh("plate_three_holes.geo")
        )
    };
    std::fs::write(at.join("case.toml"), case("parameters.radius = { min = 0.08, max = 0.16, per = \"base\" }\nparameters.size = 0.12"))
        .unwrap();
    if !on_path("gmsh") {
        let said = femur_fails(at, &["solve", "case.toml", "-o", "x.vtu"]);
        assert!(said.contains("gmsh") && said.contains("hint"), "{said}");
        return;
    }
    let coarse = json(&femur_ok(at, &["solve", "case.toml", "-o", "a.vtu", "--format", "json"]));
    let fine = json(&femur_ok(at, &["solve", "case.toml", "-o", "b.vtu", "--format", "json", "--set", "mesh.parameters.size=0.06"]));
    assert!(fine["nodes"].as_u64() > coarse["nodes"].as_u64(), "{fine} {coarse}");

    // The mesh is of each draw: a larger hole leaves less of the plate.
    femur_ok(at, &[&["generate", "case.toml", "-o", "data"], &set(SMALL)[..]].concat());
    let mut areas = Vec::new();
    for k in 0..4 {
        let t = read_trajectory(&at.join(format!("data/train/traj_{k:06}.vtkhdf"))).unwrap().0;
        let radius = t.setup.params.iter().find(|p| p.path == "mesh.parameters.radius").unwrap().value;
        let mesh = &t.setup.mesh;
        let area: f64 = mesh
            .cells()
            .map(|(_, _, n)| {
                let [a, b, c] = [0, 1, 2].map(|k| mesh.point(n[k] as usize));
                0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
            })
            .sum();
        areas.push((radius, area));
    }
    areas.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (small, large) = (areas[0], areas[3]);
    let expected = std::f64::consts::PI * (large.0 * large.0 - small.0 * small.0);
    assert!((small.1 - large.1 - expected).abs() < 0.05 * expected + 1e-3, "{areas:?}");

    // What gmsh says of a broken file reaches the person.
    std::fs::write(at.join("broken.geo"), "Point(1) = {0, 0, 0};\nLine(1) = {1, 2};\nnonsense\n").unwrap();
    std::fs::write(at.join("broken.toml"), case("").replace(&mesh("plate_three_holes.geo"), "broken.geo")).unwrap();
    let out = femur(at, &["solve", "broken.toml", "-o", "x.vtu"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("broken.geo: gmsh failed: Error") && !said.contains("panicked"), "{said}");
}
