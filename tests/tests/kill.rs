//! SIGKILL at any moment: nothing finished is lost, and a resumed training ends in the bytes of an uninterrupted one.

use femur_tests::{binary, femur_ok};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn kill_after(dir: &Path, args: &[&str], ms: u64) {
    let mut child = Command::new(binary()).args(args).arg("--quiet").current_dir(dir).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(ms));
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn killed_runs_resume_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    let case = [
        "generate",
        "case.toml",
        "-o",
        "data",
        "--resume",
        "--set",
        "mesh.size=0.16",
        "--set",
        "samples.train=30",
        "--set",
        "samples.valid=2",
    ];
    let case = [&case[..], &["--set", "samples.test=1", "--set", "samples.variants=1"]].concat();
    for ms in [60, 150, 250] {
        kill_after(at, &case, ms);
    }
    femur_ok(at, &case);
    assert!(femur_ok(at, &["verify-data", "data"]).contains("no fault"));

    let options = [
        "--set",
        "model.width=8",
        "--set",
        "training.steps=60",
        "--set",
        "training.checkpoint_every=5",
        "--set",
        "training.validate_every=10",
    ];
    femur_ok(at, &[&["train", "data", "-o", "whole"], &options[..]].concat());
    // Held and read ahead in turn: the cache is one more thing that must not matter.
    let killed = ["1 GB", "150 kB"].map(|cache| format!("training.cache={cache:?}"));
    let killed = killed.each_ref().map(|cache| [&["train", "data", "-o", "killed", "--resume", "--set", cache], &options[..]].concat());
    // Twenty moments, spread by a linear congruential generator.
    let mut ms = 77u64;
    for k in 0..20 {
        ms = (ms * 1_103_515_245 + 12_345) % (1 << 31);
        kill_after(at, &killed[k % 2], 50 + ms % 450);
    }
    femur_ok(at, &killed[1]);
    let model = |run: &str| std::fs::read(at.join(run).join("model.safetensors")).unwrap();
    assert!(model("whole") == model("killed"), "the resumed model differs");
}
