//! Two ranks of MPI make what one process makes: `cargo test -p femur --features mpi --test mpi`.
#![cfg(feature = "mpi")]

use std::path::Path;
use std::process::Command;

const CASE: &str = "schema = 1
physics = \"heat\"
units = \"SI\"
seed = 1
[mesh]
generator = \"rectangle\"
width = 1.0
height = { min = 0.5, max = 1.0 }
cells = [8, 6]
kind = \"triangle3\"
[materials.body]
conductivity = 50.0
[[boundary]]
tag = \"left\"
temperature = 300.0
[[boundary]]
tag = \"right\"
heat_flux = { min = 1e3, max = 1e4 }
[samples]
train = 6
valid = 2
test = 1
[model]
kind = \"meshgraphnet\"
width = 16
steps = 2
[training]
steps = 20
batch = 1
validate_every = 10
";

fn femur(ranks: usize, dir: &Path, arguments: &[&str]) -> String {
    let mut command = if ranks == 1 {
        Command::new(env!("CARGO_BIN_EXE_femur"))
    } else {
        let mut mpirun = Command::new("mpirun");
        mpirun.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string(), env!("CARGO_BIN_EXE_femur")]);
        mpirun
    };
    let out = command.current_dir(dir).args(arguments).args(["--threads", "1"]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{arguments:?}: {text}");
    text
}

/// Losses and validation errors of a run.
fn curve(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    text.lines().skip(1).flat_map(|l| l.split(',').skip(1).take(2).filter_map(|v| v.parse().ok()).collect::<Vec<f64>>()).collect()
}

#[test]
fn two_ranks_generate_the_dataset_and_train_the_curve_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("case.toml"), CASE).unwrap();
    femur(1, dir, &["generate", "case.toml", "-o", "one"]);
    let text = femur(2, dir, &["generate", "case.toml", "-o", "two"]);
    assert!(text.contains("two: 9 trajectories, 0 failed"), "{text}");
    let stats = |data: &str| std::fs::read(dir.join(data).join("stats.json")).unwrap();
    assert!(stats("one") == stats("two"));
    assert!(!std::fs::read_dir(dir.join("two")).unwrap().flatten().any(|e| e.file_name().to_string_lossy().contains("-of-")));

    femur(1, dir, &["train", "one", "-o", "run1", "--set", "training.batch=2"]);
    femur(2, dir, &["train", "two", "-o", "run2"]);
    let (a, b) = (curve(&dir.join("run1")), curve(&dir.join("run2")));
    assert!(a.len() >= 4 && a.len() == b.len(), "{a:?} {b:?}");
    assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() < 1e-3), "{a:?} {b:?}");

    // A run stopped half-way goes on with other ranks, as long as the batch is the same.
    femur(2, dir, &["train", "two", "-o", "run3", "--set", "training.steps=20", "--time-limit", "0.000001"]);
    femur(1, dir, &["train", "two", "-o", "run3", "--resume", "--set", "training.batch=2"]);
    let c = curve(&dir.join("run3"));
    assert!(a.iter().zip(&c).all(|(a, c)| (a / c - 1.0).abs() < 1e-3), "{a:?} {c:?}");
}
