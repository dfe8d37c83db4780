//! The command line as its users script it: every verb on small cases, and what it says of bad input.

use femur_tests::{femur, femur_fails, femur_ok, root, templates};
use serde_json::Value;
use std::path::Path;

const PLATE: &[&str] = &[
    "--set",
    "mesh.size=0.16",
    "--set",
    "samples.train=3",
    "--set",
    "samples.valid=1",
    "--set",
    "samples.test=2",
    "--set",
    "samples.variants=1",
    "--set",
    "model.width=8",
    "--set",
    "training.steps=6",
];

fn with<'a>(head: &[&'a str], tail: &[&'a str]) -> Vec<&'a str> {
    head.iter().chain(tail).copied().collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

#[test]
fn info_counts_the_real_meshes() {
    let expected = [
        ("beam_hex8_bin22.msh", "hex8"),
        ("bracket_tet10_bin.msh", "tet10"),
        ("bracket_tet4.inp", "tet4"),
        ("bracket_tet4.msh", "tet4"),
        ("cylinder_channel_tri3.msh", "triangle3"),
        ("plate_hole_quad4.msh", "quad4"),
        ("plate_hole_tri6.msh", "triangle6"),
        ("plate_three_holes.msh", "triangle6"),
    ];
    for (file, kind) in expected {
        let info = json(&femur_ok(&root().join("meshes"), &["info", file, "--format", "json"]));
        assert!(info["nodes"].as_u64() > Some(100), "{file}");
        assert!(info["cells"][kind].as_u64() > Some(100), "{file}: {info}");
        assert!(info["tags"].as_object().is_some_and(|t| t.len() >= 3), "{file}");
    }
    // the same mesh from two formats
    let a = json(&femur_ok(&root().join("meshes"), &["info", "bracket_tet4.msh", "--format", "json"]));
    let b = json(&femur_ok(&root().join("meshes"), &["info", "bracket_tet4.inp", "--format", "json"]));
    assert_eq!((&a["nodes"], &a["cells"]), (&b["nodes"], &b["cells"]));
    for tag in ["back", "free", "bottom", "load_bolt", "base_bolt", "steel"] {
        assert_eq!(a["tags"][tag], b["tags"][tag], "{tag}");
    }
}

#[test]
fn every_template_solves() {
    let dir = tempfile::tempdir().unwrap();
    for (name, short) in templates(dir.path()) {
        let case = format!("{name}/case.toml");
        let out = format!("{name}.vtkhdf");
        let said = json(&femur_ok(dir.path(), &[&["solve", &case, "-o", &out, "--format", "json"], short].concat()));
        assert!(said["nodes"].as_u64() >= Some(100), "{name}");
        femur_ok(dir.path(), &["plot", &out, "-o", &format!("{name}.png")]);
        assert!(dir.path().join(format!("{name}.png")).exists());
    }
    assert!(femur_fails(dir.path(), &["new", "plate-hole", "plate-hole"]).contains("exists already"));
    assert!(femur_fails(dir.path(), &["new", "plate-whole"]).contains("plate-hole"));
}

#[test]
fn a_new_case_names_the_tags_of_a_mesh_file() {
    let dir = tempfile::tempdir().unwrap();
    let mesh = root().join("meshes/bracket_tet4.msh");
    femur_ok(dir.path(), &["new", "cantilever-3d", ".", "--mesh", mesh.to_str().unwrap()]);
    let text = std::fs::read_to_string(dir.path().join("case.toml")).unwrap();
    for word in ["back", "load_bolt", "base_bolt", "[materials.steel]", "bracket_tet4.msh"] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

#[test]
fn bad_input_is_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    femur_ok(dir.path(), &["new", "plate-hole"]);
    let refuse = |change: &str, words: &[&str]| {
        let said = femur_fails(dir.path(), &["solve", "case.toml", "-o", "x.vtu", "--set", "mesh.size=0.2", "--set", change]);
        for w in words {
            assert!(said.contains(w), "{change}: `{w}` is missing in\n{said}");
        }
        assert!(!dir.path().join("x.vtu").exists(), "{change}");
    };
    refuse("mesh.sise=0.1", &["mesh.sise", "hint"]);
    refuse("materials.plate.E=-1.0", &["materials.plate.E"]);
    refuse("materials.plate.nu=0.5", &["nu"]);
    refuse("materials.plate.E=soft", &["materials.plate.E"]);
    refuse("boundary.0.tag=lefft", &["lefft", "left"]);
    refuse("physics=elasticity", &["elasticity", "linear-elasticity"]);
    refuse("mesh.hole.diameter=3.0", &["diameter"]);
    let said = femur_fails(dir.path(), &["solve", "nowhere.toml", "-o", "x.vtu"]);
    assert!(said.contains("nowhere.toml"), "{said}");
    let said = femur_fails(dir.path(), &["solve", "case.toml", "-o", "x.xyz"]);
    assert!(said.contains("x.xyz"), "{said}");
    std::fs::write(dir.path().join("broken.toml"), "schema = 1\nphysics = \n").unwrap();
    let said = femur_fails(dir.path(), &["solve", "broken.toml", "-o", "x.vtu"]);
    assert!(said.contains("broken.toml") && said.contains('2'), "{said}");
    std::fs::write(dir.path().join("broken.msh"), "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n1 99999999999 1 3\n").unwrap();
    let said = femur_fails(dir.path(), &["info", "broken.msh"]);
    assert!(said.contains("broken.msh"), "{said}");
}

#[test]
fn an_unconstrained_body_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    femur_ok(dir.path(), &["new", "plate-hole"]);
    let text = std::fs::read_to_string(dir.path().join("case.toml")).unwrap();
    std::fs::write(dir.path().join("free.toml"), text.replace("displacement = [0.0, 0.0]", "traction = [1.0, 0.0]")).unwrap();
    let said = femur_fails(dir.path(), &["solve", "free.toml", "-o", "x.vtu", "--set", "mesh.size=0.2"]);
    assert!(said.contains("hint") && said.contains("constrain"), "{said}");
}

#[test]
fn a_case_is_its_own_test() {
    // A bar of 2 x 1 under 1 MPa: u = sigma x / E exactly, and every stress but the axial one vanishes.
    let dir = tempfile::tempdir().unwrap();
    let case = |expect: &str| {
        let text = format!(
            "physics = \"linear-elasticity\"\n[mesh]\ngenerator = \"rectangle\"\nwidth = 2.0\nheight = 1.0\ncells = [4, 2]\n\
             [materials.all]\nE = 200e9\nnu = 0.3\n[[boundary]]\ntag = \"left\"\nroller = true\n[[boundary]]\ntag = \"bottom\"\n\
             roller = true\n[[boundary]]\ntag = \"right\"\ntraction = [1e6, 0]\n[expect]\n{expect}"
        );
        std::fs::write(dir.path().join("case.toml"), text).unwrap();
    };
    case(
        "\"von_mises.max\" = { value = 1e6 }\n\"displacement.x.max\" = { value = 1e-5 }\n\"stress.xy.min\" = { value = 0, tolerance = 1 }\n",
    );
    let out = femur(dir.path(), &["solve", "case.toml", "-o", "right.vtu", "--format", "json"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.matches(": ok").count() == 3, "{said}");
    let lines = json(&String::from_utf8_lossy(&out.stdout))["expect"].clone();
    assert_eq!(lines[0]["quantity"], "von_mises.max");
    assert!(lines.as_array().unwrap().iter().all(|l| l["ok"] == true), "{lines}");

    case(
        "\"von_mises.max\" = { value = 1e6 }\n\"displacement.x.max\" = { value = 1.02e-5, tolerance = 0.01 }\n\"strain.max\" = { value = 1 }\n",
    );
    let out = femur(dir.path(), &["solve", "case.toml", "-o", "wrong.vtu", "--quiet"]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("displacement.x.max = 1.000000e-5, expected 1.020000e-5, tolerance 1.0e-2: FAILED"), "{said}");
    assert!(said.contains("strain.max: no such field") && said.contains("2 of 3"), "{said}");
    assert!(dir.path().join("wrong.vtu").exists(), "the result is kept");
}

#[test]
fn the_whole_path_from_case_to_report() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    femur_ok(at, &with(&["generate", "case.toml", "-o", "data", "--jobs", "2"], PLATE));
    assert!(femur_fails(at, &with(&["generate", "case.toml", "-o", "data"], PLATE)).contains("--resume"));
    assert!(json(&femur_ok(at, &["verify-data", "data", "--format", "json"]))["ok"].as_bool().unwrap());
    assert_eq!(json(&femur_ok(at, &["info", "data", "--format", "json"]))["splits"]["train"], 3);

    femur_ok(at, &["train", "data", "-o", "run"]);
    assert!(femur_fails(at, &["train", "data", "-o", "run"]).contains("--resume"));
    let again = femur(at, &["train", "data", "-o", "run", "--resume"]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("finished"));
    let header = std::fs::read_to_string(at.join("run/metrics.csv")).unwrap();
    assert!(header.starts_with("step,loss,valid_rollout_rmse,lr,steps_per_s,elapsed_s"), "{header}");

    femur_ok(at, &["rollout", "run", "data", "-o", "pred"]);
    let from_run = json(&femur_ok(at, &["evaluate", "run", "data", "--format", "json"]));
    let from_pred = json(&femur_ok(at, &["evaluate", "pred", "data", "--format", "json"]));
    for key in ["r2", "r2_pooled", "r2_min", "relative_l2", "rmse_pooled", "max_error"] {
        let (a, b) = (from_run["test"]["von_mises"][key].as_f64().unwrap(), from_pred["test"]["von_mises"][key].as_f64().unwrap());
        assert!((a - b).abs() <= 1e-4 * a.abs().max(1e-12), "{key}: {a} and {b}");
    }
    assert!(from_run["baselines"].as_object().is_some_and(|b| b.len() >= 2));
    assert!(from_run["definitions"]["r2"].is_string());

    femur_ok(at, &["export", "pred", "--truth", "data", "-o", "vtk"]);
    assert!(files(&at.join("vtk")).iter().any(|f| f.ends_with(".vtu")) && files(&at.join("vtk")).iter().any(|f| f.ends_with("compare.py")));
    femur_ok(at, &["plot", "pred/test/traj_000000.vtkhdf", "--truth", "data", "--field", "von_mises", "-o", "plot.png"]);
    femur_ok(at, &["report", "run", "data", "-o", "report.html"]);
    let page = std::fs::read_to_string(at.join("report.html")).unwrap();
    assert!(page.contains("<html") && !page.contains("src=\"http"));

    let args = [
        "predict",
        "run",
        "case.toml",
        "-o",
        "new.vtu",
        "--check",
        "--format",
        "json",
        "--set",
        "mesh.size=0.16",
        "--set",
        "mesh.hole.diameter=0.6",
    ];
    let out = femur(at, &args);
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("outside the training range") && said.contains("diameter"), "{said}");
    assert!(json(&String::from_utf8_lossy(&out.stdout))["test"]["von_mises"]["r2"].is_number());
}

#[test]
fn a_device_that_is_not_there_is_told_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    femur_ok(at, &with(&["generate", "case.toml", "-o", "data"], PLATE));
    for (device, says) in [("cuda", "--device cpu"), ("cuda:7", "cuda:7"), ("gpu", "cuda:N")] {
        let out = femur(at, &["train", "data", "-o", "run", "--device", device]);
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && said.contains(says), "{said}");
        assert!(!at.join("run").exists());
    }
}

#[test]
fn equal_seeds_give_equal_data_and_models_whatever_the_threads() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    for (threads, data, run) in [("1", "data1", "run1"), ("2", "data2", "run2")] {
        femur_ok(at, &with(&["generate", "case.toml", "-o", data, "--threads", threads], PLATE));
        femur_ok(at, &["train", data, "-o", run, "--threads", threads]);
    }
    let hashes = |d: &str| -> Vec<String> {
        let m = json(&std::fs::read_to_string(at.join(d).join("manifest.json")).unwrap());
        m["splits"]["train"].as_array().unwrap().iter().map(|e| e["data_sha256"].to_string()).collect()
    };
    assert_eq!(hashes("data1"), hashes("data2"));
    let model = |r: &str| std::fs::read(at.join(r).join("model.safetensors")).unwrap();
    assert!(model("run1") == model("run2"), "the models differ");
}

fn files(dir: &Path) -> Vec<String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        if entry.path().is_dir() {
            out.extend(files(&entry.path()));
        } else {
            out.push(entry.path().to_string_lossy().into_owned());
        }
    }
    out
}

/// A stiff block on a soft one loses digits, a soft one on a stiff one does not; a contrast of 1e14 cannot be factored.
#[test]
fn ill_conditioned_systems_are_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let case = r#"
physics = "linear-elasticity"
plane = "stress"
[mesh]
generator = "patches"
kind = "quad4"
[[mesh.patches]]
corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
cells = [8, 8]
sides = ["", "", "", "left"]
name = "held"
[[mesh.patches]]
corners = [[1, 0], [2, 0], [2, 1], [1, 1]]
cells = [8, 8]
sides = ["", "right", "", ""]
name = "pulled"
[materials.held]
E = 1e7
nu = 0.3
[materials.pulled]
E = 1e7
nu = 0.3
[[boundary]]
tag = "left"
displacement = [0, 0]
[[boundary]]
tag = "right"
traction = [1.0, 0]
"#;
    std::fs::write(dir.path().join("case.toml"), case).unwrap();
    let arguments = |change: &'static str| ["solve", "case.toml", "--set", change, "-o", "out.vtkhdf"];
    let says = |change| String::from_utf8_lossy(&femur(dir.path(), &arguments(change)).stderr).into_owned();
    let warned = says("materials.pulled.E=1e15");
    assert!(warned.contains("ill-conditioned") && warned.contains("hint: look for a part that is hardly held"), "{warned}");
    for fine in ["materials.pulled.E=1e7", "materials.held.E=1e15"] {
        let said = says(fine);
        assert!(!said.contains("ill-conditioned") && !said.contains("error"), "{said}");
    }
    let failed = femur_fails(dir.path(), &arguments("materials.pulled.E=1e21"));
    assert!(failed.contains("stiff parts on soft ones"), "{failed}");
}

#[test]
fn a_reader_that_leaves_costs_nothing() {
    for arguments in [&["new", "--list"][..], &["info", "meshes/bracket_tet4.msh"], &["completions", "bash"]] {
        let mut command = std::process::Command::new(femur_tests::binary());
        command.args(arguments).current_dir(root()).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
}
