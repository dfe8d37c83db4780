//! What we write, read by readers that are not ours.

use femur_tests::{femur_ok, python, root};
use std::process::Command;

#[test]
fn h5py_and_vtk_read_the_same_values() {
    let Some(python) = python(&["h5py", "vtk", "numpy"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for template in ["plate-hole", "plate-heat", "heat-bracket", "cantilever-3d"] {
        femur_ok(dir.path(), &["new", template, template]);
        let out = format!("{template}.vtkhdf");
        let case = format!("{template}/case.toml");
        femur_ok(dir.path(), &["solve", &case, "-o", &out]);
        files.push(dir.path().join(out));
    }
    let done = Command::new(python).arg(root().join("tests/python/read_vtkhdf.py")).args(&files).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(String::from_utf8_lossy(&done.stdout).matches("same").count(), 4);
}
