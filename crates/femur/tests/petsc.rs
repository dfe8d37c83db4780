//! `femur solve --solver petsc` on one, two and three ranks gives the serial answer. Only with the feature `petsc`.
#![cfg(feature = "petsc")]

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const FEMUR: &str = env!("CARGO_BIN_EXE_femur");

/// Prescribed values that are not zero, loads on surfaces and volumes, rollers, midside nodes.
const HEAT: &str = "physics = \"heat\"\nheat_source = 5e4\n[mesh]\ngenerator = \"box\"\nlength = 1\nwidth = 0.5\nheight = 0.4\ncells = [9, 5, 4]\n\
    kind = \"tet10\"\n[materials.body]\nconductivity = 20\n[[boundary]]\ntag = \"left\"\ntemperature = \"300 + 40*y\"\n[[boundary]]\n\
    tag = \"right\"\nconvection = { coefficient = 50, ambient = 280 }\n[[boundary]]\ntag = \"top\"\nheat_flux = 1e3\n";
const BLOCK: &str = "physics = \"linear-elasticity\"\nbody_force = [0, 0, -7e4]\n[mesh]\ngenerator = \"perforated-block\"\ncells = [5, 3, 2]\n\
    kind = \"tet4\"\n[materials.body]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"left\"\ndisplacement = [0, 0, 1e-4]\n[[boundary]]\n\
    tag = \"back\"\nroller = true\n[[boundary]]\ntag = \"right\"\ntraction = [1e6, 0, 2e5]\n";
const PLATE: &str = "physics = \"linear-elasticity\"\nplane = \"strain\"\n[mesh]\ngenerator = \"plate-hole\"\nsize = 0.1\norder = 2\n\
    [materials.plate]\nE = 70e9\nnu = 0.33\n[[boundary]]\ntag = \"left\"\ndisplacement = [0, 0]\n[[boundary]]\ntag = \"hole\"\n\
    pressure = 1e6\n[output]\nvertices_only = true\n";

fn run(dir: &Path, ranks: Option<&str>, arguments: &[&str], petsc: &str) -> Output {
    let mut command = Command::new(FEMUR);
    if let Some(ranks) = ranks {
        command = Command::new("mpirun");
        command.args(["--allow-run-as-root", "--oversubscribe", "-n", ranks, FEMUR]);
    }
    command
        .args(arguments)
        .args(["--threads", "1"])
        .env("PETSC_OPTIONS", petsc)
        .current_dir(dir)
        .output()
        .expect("mpirun is there with PETSc")
}

fn summary(dir: &Path, ranks: Option<&str>, output: &str, petsc: &str) -> Value {
    let solver: &[&str] = if ranks.is_some() { &["--solver", "petsc"] } else { &[] };
    let arguments = [&["solve", "case.toml", "-o", output, "--format", "json", "--quiet"], solver].concat();
    let out = run(dir, ranks, &arguments, petsc);
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{ranks:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|e| panic!("{ranks:?}: {e}: one summary is expected in {stdout}"))
}

#[test]
fn ranks_give_the_serial_answer() {
    for (name, text) in [("heat", HEAT), ("block", BLOCK), ("plate", PLATE)] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("case.toml"), text).unwrap();
        let serial = summary(dir.path(), None, "serial.vtu", "");
        for (ranks, petsc) in [("1", ""), ("2", ""), ("2", "-pc_type hypre"), ("3", "")] {
            let output = format!("ranks-{ranks}.vtu");
            let shared = summary(dir.path(), Some(ranks), &output, petsc);
            assert!(dir.path().join(&output).is_file());
            assert_eq!(serial["nodes"], shared["nodes"]);
            let fields = shared["fields"].as_object().unwrap();
            assert!(fields.len() >= 4, "{name}: {shared}");
            for (field, range) in fields {
                let expected = &serial["fields"][field];
                let of = |v: &Value, end: &str| v[end].as_f64().unwrap();
                let scale = of(expected, "max").abs().max(of(expected, "min").abs());
                for end in ["min", "max"] {
                    let difference = (of(range, end) - of(expected, end)).abs();
                    assert!(difference <= 1e-6 * scale + 1e-12, "{name}, {ranks} ranks, {field}.{end}: {range} {expected}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_shared_out_is_an_error_on_every_rank() {
    let dir = tempfile::tempdir().unwrap();
    for (text, word) in [
        (BLOCK.replace("traction = [1e6, 0, 2e5]", "total_force = [1e6, 0, 0]"), "total_force"),
        (HEAT.replace("conductivity = 20", "conductivity = \"20 + T\""), "constant coefficients"),
        (HEAT.replace("\"heat\"", "\"modal\""), "over ranks"),
    ] {
        std::fs::write(dir.path().join("case.toml"), text).unwrap();
        let out = run(dir.path(), Some("2"), &["solve", "case.toml", "--solver", "petsc", "-o", "x.vtu"], "");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && stderr.contains(word), "{word}: {stderr}");
    }
}
