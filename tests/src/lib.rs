//! What the tests that cross crates share: the built `femur`, a call of it, a Python with foreign readers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Root of the repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The built program; builds it on the first call, so that a single test can be run alone.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // target/debug/deps/<test> -> target/debug/femur, and the same below target/release
        let exe = std::env::current_exe().expect("the test has a path");
        let folder = exe.ancestors().nth(2).expect("target/debug");
        let profile: &[&str] = if folder.ends_with("release") { &["--release"] } else { &[] };
        let mut build = Command::new(env!("CARGO"));
        let done = build.args(["build", "--quiet", "-p", "femur"]).args(profile).current_dir(root()).status().expect("cargo runs");
        assert!(done.success(), "femur does not build");
        folder.join("femur")
    })
}

/// Runs `femur` in a directory.
pub fn femur(dir: &Path, args: &[&str]) -> Output {
    Command::new(binary()).args(args).current_dir(dir).output().expect("femur runs")
}

/// Runs `femur`, which must succeed, and gives its stdout.
pub fn femur_ok(dir: &Path, args: &[&str]) -> String {
    let out = femur(dir, args);
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "femur {} failed:\n{stdout}\n{stderr}", args.join(" "));
    stdout.into_owned()
}

/// Runs `femur`, which must fail without a panic, and gives its stderr.
pub fn femur_fails(dir: &Path, args: &[&str]) -> String {
    let out = femur(dir, args);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success(), "femur {} should have failed", args.join(" "));
    assert!(!stderr.contains("panicked"), "femur {} panicked:\n{stderr}", args.join(" "));
    stderr
}

/// A Python that can import `modules`: $FEMUR_PYTHON, else the .venv that `make test` makes. Says so where there is none.
pub fn python(modules: &[&str]) -> Option<PathBuf> {
    let candidates = [std::env::var_os("FEMUR_PYTHON").map(PathBuf::from), Some(root().join(".venv/bin/python"))];
    let imports = format!("import {}", modules.join(", "));
    let found =
        candidates.into_iter().flatten().find(|p| Command::new(p).args(["-c", &imports]).output().is_ok_and(|o| o.status.success()));
    if found.is_none() {
        println!("SKIPPED: no Python with {}", modules.join(", "));
    }
    found
}
