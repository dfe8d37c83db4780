//! Networks outside Femur: what others compute from a model file is what Femur computes.

use femur_tests::{femur_fails, femur_ok, python, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A run of each network, of a steady problem of unit responses and of a transient one: folders of `dir` with `data` and `run`.
fn runs(dir: &Path) -> [&'static str; 3] {
    let small = ["mesh.size=0.16", "samples.train=2", "samples.valid=1", "samples.test=2", "samples.variants=1", "model.width=16"];
    let all: [(&str, &str, &[&str]); 3] = [
        ("steady", "plate-hole", &["model.pattern=LTFFLT", "model.slices=5", "learning.long_range=4"]),
        ("transient", "plate-heat", &["model.kind=meshgraphnet", "model.steps=3"]),
        ("deep", "plate-heat", &["model.kind=meshgraphnet", "model.steps=2", "model.hidden_layers=3"]),
    ];
    all.map(|(name, template, own)| {
        let at = |file: &str| format!("{name}/{file}");
        let set: Vec<&str> = small.iter().chain(own).chain(&["training.steps=30"]).flat_map(|s| ["--set", s]).collect();
        femur_ok(dir, &["new", template, name]);
        femur_ok(dir, &[&["generate", &at("case.toml"), "-o", &at("data")], &set[..]].concat());
        femur_ok(dir, &["train", &at("data"), "-o", &at("run")]);
        name
    })
}

/// Runs the program of the book on a model and graphs.
fn reader(python: &Path, dir: &Path, model: &str, graphs: &[&str]) -> Output {
    let program = root().join("docs/src/how-to/femur_torch.py");
    Command::new(python).arg(program).arg(model).args(graphs).current_dir(dir).output().unwrap()
}

#[test]
fn networks_run_in_onnxruntime() {
    let Some(python) = python(&["onnxruntime", "numpy"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in runs(dir.path()) {
        let at = |file: &str| format!("{name}/{file}");
        femur_ok(dir.path(), &["export", &at("run"), "--onnx", "-o", &at("out/network.onnx")]);
        // One file for graphs of several sizes.
        femur_ok(dir.path(), &["export", &at("data"), "--network", &at("run"), "-o", &at("graphs")]);
        let graphs = ["train/traj_000000", "train/traj_000001", "valid/traj_000000", "test/traj_000000", "test/traj_000001"]
            .map(|g| at(&format!("graphs/{g}.safetensors")));
        let program = root().join("tests/python/run_onnx.py");
        let done = Command::new(&python).arg(program).arg(at("out/network.onnx")).args(&graphs).current_dir(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{name}: {said}{}", String::from_utf8_lossy(&done.stderr));
        println!("{said}");
        assert_eq!(said.matches("same").count(), graphs.len());
    }
    let said = femur_fails(dir.path(), &["export", "steady/run", "--onnx", "-o", "x.pb"]);
    assert!(said.contains("x.pb: must end in .onnx"), "{said}");
    let said = femur_fails(dir.path(), &["export", "steady/data", "--onnx", "-o", "x.onnx"]);
    assert!(said.contains("model.safetensors"), "{said}");
}

#[test]
fn networks_run_in_numpy_and_pytorch() {
    // Where PyTorch is, the program uses it.
    let mut pythons: Vec<PathBuf> = [python(&["numpy"]), python(&["torch", "numpy"])].into_iter().flatten().collect();
    pythons.dedup();
    let dir = tempfile::tempdir().unwrap();
    for name in runs(dir.path()) {
        let at = |file: &str| format!("{name}/{file}");
        femur_ok(dir.path(), &["export", &at("data"), "--network", &at("run"), "--split", "test", "-o", &at("graphs")]);
        let graphs = ["graphs/traj_000000.safetensors", "graphs/traj_000001.safetensors"].map(at);
        let [first, second] = [&graphs[0], &graphs[1]];
        for python in &pythons {
            let done = reader(python, dir.path(), &at("run/model.safetensors"), &[first, second]);
            let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
            assert!(done.status.success(), "{name}: {said}{wrong}");
            println!("{said}");
            assert_eq!(said.lines().count(), 2);
        }
    }
    let Some(python) = pythons.first() else { return };
    // A later step of a transient problem; and a network with other weights gives something else.
    let heat = "transient/data/test/traj_000000.vtkhdf";
    femur_ok(dir.path(), &["export", heat, "--network", "transient/run", "--step", "3", "-o", "third.safetensors"]);
    let told = femur_ok(dir.path(), &["info", "third.safetensors", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["schema"] == "femur-graph" && told["step"] == 3 && told["arrays"]["nodes"].as_array().unwrap().len() == 2, "{told}");
    assert!(reader(python, dir.path(), "transient/run/model.safetensors", &["third.safetensors"]).status.success());
    femur_ok(dir.path(), &["train", "transient/data", "-o", "other", "--set", "training.seed=7"]);
    let done = reader(python, dir.path(), "other/model.safetensors", &["third.safetensors"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("not the output of other/model.safetensors"));

    let graph = |input: &str, more: &[&str]| femur_fails(dir.path(), &[&["export", input, "--network", "transient/run"], more].concat());
    let said = graph(heat, &["--step", "0", "-o", "x.safetensors"]);
    assert!(said.contains("traj_000000.vtkhdf") && said.contains("step 0") && said.contains("hint: --step takes 1 to"), "{said}");
    assert!(graph("steady/data/test/traj_000000.vtkhdf", &["-o", "x.safetensors"]).contains("hint"));
    assert!(graph("transient/case.toml", &["-o", "x.safetensors"]).contains("hint: femur predict"));
    assert!(graph(heat, &["-o", "x.npy"]).contains("must end in .safetensors"));
    assert!(!dir.path().join("x.safetensors").exists());
}
