//! `femur verify`: the quick published problems hold, the table is as documented, and a missed tolerance is a failure.

use femur_tests::{femur, femur_fails, femur_ok, root};
use serde_json::Value;

const KEYS: [&str; 12] = [
    "problem",
    "quantity",
    "published",
    "source",
    "reference",
    "ours",
    "relative_difference",
    "tolerance",
    "mesh",
    "dofs",
    "seconds",
    "pass",
];

fn rows(text: &str) -> Vec<Value> {
    let json: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"));
    json["rows"].as_array().unwrap().clone()
}

#[test]
fn the_quick_problems_hold() {
    let rows = rows(&femur_ok(root(), &["verify", "--quick", "--format", "json", "--quiet"]));
    assert!(rows.len() >= 10, "{} rows", rows.len());
    for row in &rows {
        let mut keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = KEYS.to_vec();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
        assert_eq!(row["pass"], true, "{row}");
        assert!(row["dofs"].as_u64() > Some(0) && row["ours"].is_f64(), "{row}");
        assert!(row["published"].is_f64() || row["reference"].is_f64(), "{row}");
        // Computed, not copied.
        assert_ne!(row["ours"], row["published"], "{row}");
        assert_ne!(row["ours"], row["reference"], "{row}");
    }
}

/// A user's own case: it converges to what beam theory says, and a wrong expectation fails with the table printed.
#[test]
fn a_case_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    let page = std::fs::read_to_string(root().join("docs/src/how-to/verify.md")).unwrap();
    // The case of the documentation, as printed.
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    std::fs::write(dir.path().join("beam.toml"), format!("{}\n{}", blocks[0], blocks[1])).unwrap();
    let text = femur_ok(dir.path(), &["verify", "beam.toml"]);
    assert!(text.contains("Convergence:") && text.matches("| beam ").count() == 4, "{text}");
    let row = rows(&femur_ok(dir.path(), &["verify", "--dir", ".", "--format", "json"])).remove(0);
    assert!((row["ours"].as_f64().unwrap() + 2.0156e-3).abs() < 2e-5 && row["published"].is_null(), "{row}");
    let out = femur(dir.path(), &["verify", "beam.toml", "--set", "materials.all.E=1e11", "--format", "json"]);
    assert_eq!(out.status.code(), Some(1));
    let row = rows(&String::from_utf8_lossy(&out.stdout)).remove(0);
    assert_eq!(row["pass"], false);
    assert!((row["relative_difference"].as_f64().unwrap() - 1.0).abs() < 0.02, "{row}");
    femur_ok(dir.path(), &["solve", "beam.toml", "-o", "x.vtu"]);
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(femur_fails(dir.path(), &["verify", "nafems-le99"]).contains("nafems-le1"));
    let case = "physics = \"heat\"\n[mesh]\ngenerator = \"rectangle\"\n[materials.all]\nconductivity = 1\n[[boundary]]\ntag = \"left\"\ntemperature = 1\n";
    std::fs::write(dir.path().join("a.toml"), case).unwrap();
    assert!(femur_fails(dir.path(), &["verify", "a.toml"]).contains("nothing in [expect]"));
    std::fs::write(dir.path().join("a.toml"), format!("{case}[expect]\n\"velocity.max\" = {{ value = 1 }}")).unwrap();
    assert!(femur_fails(dir.path(), &["verify", "a.toml"]).contains("no such field or series in the result, which has temperature"));
    std::fs::write(
        dir.path().join("a.toml"),
        format!("{case}[expect]\n\"temperature.max\" = {{ value = 1 }}\n[problem]\ntitle = \"t\"\nrefine = [\"mesh.cels=3\"]"),
    )
    .unwrap();
    assert!(femur_fails(dir.path(), &["verify", "a.toml"]).contains("cels"));
}
