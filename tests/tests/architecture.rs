//! Holds the crate graph of ARCHITECTURE.md over `cargo metadata`: any other edge fails, and so does a native or ageing
//! dependency outside the one crate that walls it.

use std::collections::{BTreeMap, BTreeSet};

/// Who may use whom. Development dependencies count too, except in the crates of [`TESTS`].
const MAY_USE: &[(&str, &[&str])] = &[
    ("femur-mesh", &[]),
    ("femur-solve", &[]),
    ("femur-petsc", &[]),
    ("femur-sim", &["femur-mesh"]),
    ("femur-fem", &["femur-mesh", "femur-solve", "femur-sim"]),
    ("femur-physics", &["femur-fem", "femur-solve", "femur-sim", "femur-mesh", "femur-io"]),
    ("femur-io", &["femur-mesh", "femur-sim"]),
    ("femur-dataset", &["femur-mesh", "femur-sim"]),
    ("femur-learn", &["femur-dataset", "femur-sim", "femur-mesh", "femur-solve"]),
    // Meshes and trajectories only for its tests.
    ("femur-cuda", &["femur-learn", "femur-mesh", "femur-sim"]),
];

/// Crates that may use every other.
const TESTS: &[&str] = &["femur", "femur-tests", "femur-benchmarks"];

/// Dependencies that only one crate may name.
const WALLED: &[(&str, &str)] = &[
    ("cudarc", "femur-cuda"),
    ("dfdx", "femur-learn"),
    ("faer", "femur-solve"),
    ("nalgebra-sparse", "femur-solve"),
    ("feral-metis", "femur-solve"),
    ("hdf5-metno", "femur-dataset"),
    ("mpi", "femur"),
    ("petgraph", "femur-mesh"),
    ("prost", "femur-learn"),
    ("spade", "femur-mesh"),
    ("vtkio", "femur-io"),
];

#[test]
fn dependencies_point_one_way() {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let allowed: BTreeMap<&str, BTreeSet<&str>> = MAY_USE.iter().map(|(c, d)| (*c, d.iter().copied().collect())).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let free = TESTS.contains(&name);
        if !free && !allowed.contains_key(name) {
            wrong.push(format!("{name} is not in the list of tests/tests/architecture.rs"));
        }
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if to.starts_with("femur") && !free && !allowed.get(name).is_some_and(|d| d.contains(to)) {
                wrong.push(format!("{name} -> {to}"));
            }
            if let Some((_, home)) = WALLED.iter().find(|(d, _)| *d == to)
                && *home != name
            {
                wrong.push(format!("{name} -> {to}, which only {home} may name"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn the_top_level_is_the_agreed_one() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let listed = std::process::Command::new("git").args(["ls-files"]).current_dir(root).output();
    let Ok(listed) = listed else { return println!("SKIPPED: no git here") };
    let top: BTreeSet<String> =
        String::from_utf8_lossy(&listed.stdout).lines().map(|l| l.split('/').next().unwrap_or_default().to_string()).collect();
    let known = [
        ".ci",
        ".gitignore",
        ".cargo",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "Makefile",
        "README.md",
        "benchmarks",
        "clippy.toml",
        "crates",
        "deny.toml",
        "docs",
        "meshes",
        "rustfmt.toml",
        "tests",
    ];
    let strangers: Vec<_> = top.iter().filter(|t| !known.contains(&t.as_str())).collect();
    assert!(strangers.is_empty(), "not part of the agreed top level: {strangers:?}");
}
