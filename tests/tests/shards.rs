//! A dataset made in shares by processes that run at the same time is the dataset that one process makes.

use femur_tests::{binary, femur, femur_fails, femur_ok};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Some of these holes are wider than the plate: their cases fail.
const SET: [&str; 6] = [
    "mesh.size=0.16",
    "mesh.hole.diameter={ min = 0.2, max = 1.0, per = \"base\" }",
    "samples.train=7",
    "samples.valid=2",
    "samples.test=3",
    "samples.variants=2",
];

fn generate<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let set = SET.iter().flat_map(|s| ["--set", s]);
    ["generate", "case.toml", "-o", output].into_iter().chain(set).chain(more.iter().copied()).collect()
}

/// Every file below a directory, relative to it.
fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut out = BTreeSet::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                out.insert(path.strip_prefix(dir).unwrap().to_path_buf());
            }
        }
    }
    out
}

/// JSON without the hashes of whole files, which hold the times at which they were made.
fn without_file_hashes(text: &str) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("sha256");
                map.values_mut().for_each(strip);
            }
            Value::Array(list) => list.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::from_str(text).unwrap();
    strip(&mut value);
    value
}

fn assert_same(a: &Path, b: &Path) {
    assert_eq!(files(a), files(b));
    for file in files(a) {
        let [x, y] = [a, b].map(|d| std::fs::read(d.join(&file)).unwrap());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match file.to_str().unwrap() {
            "case.toml" | "stats.json" => assert!(x == y, "{}", file.display()),
            "manifest.json" => assert_eq!(without_file_hashes(&text(&x)), without_file_hashes(&text(&y))),
            "journal.jsonl" => {
                let lines = |bytes: &[u8]| text(bytes).lines().map(without_file_hashes).collect::<Vec<_>>();
                assert_eq!(lines(&x), lines(&y));
            }
            // HDF5 and the provenance hold times of day, so two files of one run differ too; the manifest has the hash of the data.
            _ => assert_eq!(x.len(), y.len(), "{}", file.display()),
        }
    }
}

#[test]
fn shards_make_the_dataset_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    femur_ok(at, &generate("whole/data", &["--jobs", "1"]));
    let manifest: Value = serde_json::from_slice(&std::fs::read(at.join("whole/data/manifest.json")).unwrap()).unwrap();
    let failed = manifest["failed"].as_array().unwrap().len();
    assert!((1..20).contains(&failed), "{failed} failed");

    // All at once.
    let shards = ["1/3", "2/3", "3/3"].map(|s| {
        let command = generate("shares/data", &["--jobs", "1", "--quiet", "--shard", s]);
        Command::new(binary()).args(command).current_dir(at).spawn().unwrap()
    });
    for mut shard in shards {
        assert!(shard.wait().unwrap().success());
    }
    assert_same(&at.join("whole/data"), &at.join("shares/data"));
    assert!(femur_ok(at, &["verify-data", "shares/data"]).contains("no fault"));
    // A shard that is started once more changes nothing.
    femur_ok(at, &generate("shares/data", &["--shard", "2/3"]));
    assert_same(&at.join("whole/data"), &at.join("shares/data"));

    // More shards than geometries: the last has nothing to make but closes.
    for k in 1..=13 {
        femur_ok(at, &generate("many/data", &["--jobs", "1", "--shard", &format!("{k}/13")]));
    }
    assert_same(&at.join("whole/data"), &at.join("many/data"));

    // One shard is missing, and nobody closes; then --resume makes the rest.
    for s in ["1/3", "3/3"] {
        let said = femur_ok(at, &generate("rest/data", &["--jobs", "1", "--shard", s]));
        assert!(said.contains(&format!("shard {s} is done")) && said.contains("of 24 cases are there"), "{said}");
    }
    assert!(femur_fails(at, &["verify-data", "rest/data"]).contains("not a finished dataset"));
    femur_ok(at, &generate("rest/data", &["--jobs", "1", "--resume"]));
    assert_same(&at.join("whole/data"), &at.join("rest/data"));
}

#[test]
fn wrong_shards_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    femur_ok(at, &["new", "plate-hole"]);
    for wrong in ["0/3", "4/3", "3", "a/b"] {
        let said = femur_fails(at, &generate("data", &["--shard", wrong]));
        assert!(said.contains(&format!("'{wrong}'")) && said.contains("--shard") && said.contains("hint: of eight shares"), "{said}");
        assert_eq!(femur(at, &generate("data", &["--shard", wrong])).status.code(), Some(2));
    }
    assert!(!at.join("data").exists());
    // A share of another case is refused.
    femur_ok(at, &generate("data", &["--shard", "1/9"]));
    let said = femur_fails(at, &generate("data", &["--shard", "2/9", "--set", "mesh.size=0.2"]));
    assert!(said.contains("belongs to another case"), "{said}");
}
