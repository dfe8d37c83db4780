//! Every work runs at its small size, without peers: rows with their keys, and answers that are finite. Nothing is timed here.

use clap::Parser as _;
use femur_benchmarks::options::Options;
use femur_benchmarks::works::WORKS;
use std::process::Command;

/// `femur` for the works that run it whole: built here, so that this test can be run alone.
fn build_femur() {
    let exe = std::env::current_exe().expect("the test has a path");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "-p", "femur"]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // target/PROFILE/deps/quick-...
    if exe.ancestors().nth(2).is_some_and(|d| d.ends_with("release")) {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success(), "femur does not build");
}

#[test]
fn every_work_runs() {
    build_femur();
    for work in WORKS {
        let options = Options::parse_from(["femur-bench", work.name, "--quick"]);
        let mut rows = Vec::new();
        (work.run)(&options, &mut |row| rows.push(row)).unwrap_or_else(|e| panic!("{}: {e:#}", work.name));
        assert!(!rows.is_empty(), "{}", work.name);
        for row in &rows {
            assert_eq!(row["work"], work.name);
            for key in ["size", "threads", "ours_s", "peers", "best_peer", "ratio", "target", "met", "checked"] {
                assert!(row.get(key).is_some(), "{}: no {key} in {row}", work.name);
            }
            assert!(row["ours_s"].as_f64().is_some_and(|s| s > 0.0), "{row}");
            // without peers nothing is held against anything, and a quick run meets no target
            assert_eq!((&row["checked"], &row["met"]), (&false.into(), &serde_json::Value::Null), "{row}");
        }
    }
}
