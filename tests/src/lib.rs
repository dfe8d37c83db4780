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
        // target/PROFILE/deps/<test> -> target/PROFILE/femur
        let exe = std::env::current_exe().expect("the test has a path");
        let folder = exe.ancestors().nth(2).expect("target/PROFILE");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "femur"]).current_dir(root());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "femur does not build");
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

/// Makes every template of `femur new --list` in a folder of its name below `dir`; gives each name with what shortens its case, where it
/// is a long one.
pub fn templates(dir: &Path) -> Vec<(String, &'static [&'static str])> {
    let list: serde_json::Value = serde_json::from_str(&femur_ok(dir, &["new", "--list", "--format", "json"])).expect("a list");
    let names = list.as_array().expect("a list").iter().map(|t| t["name"].as_str().expect("a name").to_string());
    names
        .map(|name| {
            femur_ok(dir, &["new", &name, &name]);
            // The start alone.
            let short: &[&str] = if name == "cylinder-flow" { &["--set", "time.end=0.05", "--set", "time.steps=5"] } else { &[] };
            (name, short)
        })
        .collect()
}

/// Whether a program can be run; says so where it cannot.
pub fn on_path(program: &str) -> bool {
    let there = std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(program).is_file()));
    if !there {
        println!("SKIPPED: no {program} on the PATH");
    }
    there
}

/// A Python that can import `modules`: $FEMUR_PYTHON, the .venv that `make test` makes, or the peers' with PyTorch. Says so where there is none.
pub fn python(modules: &[&str]) -> Option<PathBuf> {
    let made = [".venv", "benchmarks/peers/.venv-bench-torch"].map(|venv| Some(root().join(venv).join("bin/python")));
    let candidates = std::iter::once(std::env::var_os("FEMUR_PYTHON").map(PathBuf::from)).chain(made);
    let imports = format!("import {}", modules.join(", "));
    let found = candidates.flatten().find(|p| Command::new(p).args(["-c", &imports]).output().is_ok_and(|o| o.status.success()));
    if found.is_none() {
        println!("SKIPPED: no Python with {}", modules.join(", "));
    }
    found
}
