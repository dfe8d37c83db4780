//! What we write, read by readers that are not ours.

use femur_tests::{femur_ok, on_path, python, root, templates};
use std::path::Path;
use std::process::Command;

#[test]
fn h5py_and_vtk_read_the_same_values() {
    let Some(python) = python(&["h5py", "vtk", "numpy"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (template, short) in templates(dir.path()) {
        let out = format!("{template}.vtkhdf");
        let case = format!("{template}/case.toml");
        femur_ok(dir.path(), &[&["solve", &case, "-o", &out], short].concat());
        files.push(dir.path().join(out));
    }
    let done = Command::new(python).arg(root().join("tests/python/read_vtkhdf.py")).args(&files).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout).matches("same").count(), files.len());
}

#[test]
fn meshio_vtk_and_pyvista_read_the_same_vtu_and_pvd() {
    let Some(python) = python(&["h5py", "meshio", "vtk", "pyvista", "numpy"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    let mut solve = |case: &str, name: &str, extra: &[&str]| {
        for output in [format!("{name}.vtkhdf"), format!("{name}.vtu")] {
            femur_ok(dir.path(), &[&["solve", case, "-o", &output, "--set", "output.precision=f64"], extra].concat());
        }
        // More than one state is a series.
        let series = dir.path().join(format!("{name}.pvd"));
        let other = if series.exists() { series } else { dir.path().join(format!("{name}.vtu")) };
        files.extend([dir.path().join(format!("{name}.vtkhdf")), other]);
    };
    for (template, short) in templates(dir.path()) {
        solve(&format!("{template}/case.toml"), &template, short);
    }
    // Quadratic cells, whose node order differs between formats.
    solve("plate-hole/case.toml", "quadratic", &["--set", "output.vertices_only=false"]);
    let script = root().join("tests/python/read_vtu.py");
    let done = Command::new(python).args(["-W", "ignore"]).arg(script).args(&files).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout).matches("same").count(), files.len() / 2);
}

/// A steady and a transient comparison, each as its folder.
fn comparisons(dir: &Path) -> Vec<std::path::PathBuf> {
    let small = ["mesh.size=0.16", "samples.train=2", "samples.valid=1", "samples.test=1", "samples.variants=1", "model.width=8"];
    let mut set: Vec<&str> = small.iter().flat_map(|s| ["--set", s]).collect();
    set.extend(["--set", "training.steps=4"]);
    ["plate-hole", "plate-heat"]
        .map(|template| {
            let at = |name: &str| format!("{template}/{name}");
            femur_ok(dir, &["new", template, template]);
            femur_ok(dir, &[&["generate", &at("case.toml"), "-o", &at("data")], &set[..]].concat());
            femur_ok(dir, &["train", &at("data"), "-o", &at("run")]);
            femur_ok(dir, &["rollout", &at("run"), &at("data"), "-o", &at("pred")]);
            femur_ok(dir, &["export", &at("pred"), "--truth", &at("data"), "-o", &at("vtk")]);
            dir.join(at("vtk")).join("traj_000000")
        })
        .into()
}

#[test]
fn paraview_draws_truth_prediction_and_error() {
    if !on_path("pvbatch") {
        return;
    }
    // A ParaView built for X needs a display; one built for EGL or OSMesa needs none.
    let display = std::env::var_os("DISPLAY").is_none() && on_path("xvfb-run");
    let dir = tempfile::tempdir().unwrap();
    for folder in comparisons(dir.path()) {
        let mut command = if display { Command::new("xvfb-run") } else { Command::new("pvbatch") };
        if display {
            command.args(["-a", "pvbatch"]);
        }
        let done = command.arg("compare.py").current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}");
        let picture = std::fs::read(folder.join("compare.png")).unwrap_or_else(|e| panic!("{e}: {said}"));
        // 1800 x 600, as its header says.
        assert_eq!(&picture[16..24], &[0, 0, 7, 8, 0, 0, 2, 88]);
        assert!(picture.len() > 20_000, "{} bytes are a blank picture", picture.len());
    }
}
