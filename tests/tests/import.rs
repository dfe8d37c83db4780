//! Runs made elsewhere: VTU files and series by a map, the layout of the PyTorch re-implementations, XDMF; written and read by
//! programs that are not ours where a Python with them is there, and by Femur's own export in any case.

use femur_dataset::Dataset;
use femur_sim::Trajectory;
use femur_tests::{femur, femur_fails, femur_ok, python, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of tests/python, which must succeed, and gives its stdout.
fn script(python: &Path, name: &str, args: &[&Path]) -> String {
    let done = Command::new(python).arg(root().join("tests/python").join(name)).args(args).output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A map of runs/plane_*.vtu as write_runs.py makes them.
const PLANE: &str = r#"
units = "mm-N-s-MPa"
material = "part"

[runs]
files = "plane_*.vtu"
counts = [3, 1, 1]
scale = 1e-3

[parameters]
file = "forces.csv"
columns = ["force"]

[[target]]
name = "displacement"
array = "U"
unit = "mm"

[[target]]
array = "S"
unit = "MPa"
weight = 0.5

[[input]]
name = "young"
array = "E"
unit = "MPa"

[[input]]
parameter = "force"
unit = "N"
tag = "top"

[[tag]]
name = "top"
array = "side"
value = 7
node_type = "LOADED"

[[tag]]
name = "wall"
boundary = true

[[tag]]
name = "left"
box = [[-1e-6, -1.0], [1e-6, 1.0]]

[[tag]]
name = "bottom"
array = "side"
value = [3]

[[prescribed]]
target = "displacement"
mask = "FIXED"

[[prescribed]]
target = "displacement"
tag = "bottom"
components = ["y"]

[model]
kind = "meshgraphnet"
width = 8
steps = 2

[training]
steps = 4
"#;

/// A map of the series in time.
const FLOW: &str = r#"
node_type = "kind"

[runs]
train = ["flow_0.pvd", "flow_1.pvd"]
test = "flow_*.series"
every = 2

[[target]]
name = "velocity"
array = "vel"
unit = "m/s"
components = ["x", "z"]

[[target]]
name = "p"
unit = "Pa"
update = "absolute"

[[input]]
name = "inflow"
unit = "m/s"
changes = true

[[tag]]
name = "inlet"
array = "kind"
value = 4

[[prescribed]]
target = "velocity"
tag = "inlet"

[learning]
distances = false

[model]
width = 8

[training]
steps = 4
"#;

#[test]
fn runs_of_other_programs_are_imported_value_by_value() {
    let Some(python) = python(&["h5py", "meshio", "numpy", "vtk"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    script(&python, "write_runs.py", &[at]);
    std::fs::write(at.join("plane.toml"), PLANE).unwrap();
    std::fs::write(at.join("flow.toml"), FLOW).unwrap();
    for (kind, count) in [("plane", 5), ("flow", 3)] {
        femur_ok(at, &["import", &format!("{kind}.toml"), "-o", kind]);
        assert_eq!(script(&python, "check_import.py", &[Path::new(kind), &at.join(kind)]).trim(), format!("same {kind} {count}"));
        assert!(femur_ok(at, &["verify-data", kind]).contains("no fault"));
        learn(at, kind);
    }
    // The layout of the PyTorch re-implementations, and out of it again.
    let files = ["train.h5", "--valid", "valid.h5", "--test", "test.h5", "--layout", "deepmind-h5", "--dt", "0.01", "-o", "deepmind"];
    femur_ok(at, &[&["import"], &files[..]].concat());
    assert_eq!(script(&python, "check_import.py", &[Path::new("deepmind"), &at.join("deepmind")]).trim(), "same deepmind 5");
    learn(at, "deepmind");
    femur_ok(at, &["export", "deepmind", "--layout", "deepmind-h5", "--split", "train", "-o", "again.h5"]);
    script(&python, "same_h5.py", &[&at.join("train.h5"), &at.join("again.h5")]);

    let refused = |args: &[&str], words: &[&str]| {
        let said = femur_fails(at, args);
        assert!(words.iter().all(|w| said.contains(w)) && said.contains("hint:"), "{args:?}: {said}");
        assert!(!at.join("none").exists() && !at.join("none.part").exists(), "{args:?}");
    };
    for name in ["moving", "losing"] {
        std::fs::write(at.join("bad.toml"), format!("[runs]\ntrain = \"{name}.pvd\"\n[[target]]\nname = \"p\"\n")).unwrap();
        refused(&["import", "bad.toml", "-o", "none"], &["changes in time", &format!("{name}_1.vtu")]);
    }
    let plane = |change: &str, words: &[&str]| refused(&["import", "plane.toml", "-o", "none", "--set", change], words);
    plane("target.0.array=UU", &["target.0.array", "plane_0.vtu", "`UU`", "U, S"]);
    plane("target.0.array=E", &["over the cells", "Cell Data to Point Data"]);
    plane("input.0.array=F", &["input.0.array", "`F`", "E, part"]);
    plane("tag.0.value=8", &["tag.0.name", "`top` is empty"]);
    plane("prescribed.0.mask=fixed", &["prescribed.0.mask", "FIXED"]);
    plane("prescribed.1.tag=botom", &["prescribed.1.tag", "botom", "bottom"]);
    plane("material=U", &["material", "cell array"]);
    plane("parameters.columns=note", &["forces.csv:2", "`note`", "soft"]);
    plane("runs.counts=[3, 1, 2]", &["runs.counts", "5"]);
    refused(&["import", "flow.toml", "-o", "none", "--set", "input.0.changes=false"], &["inflow", "differs between", "changes = true"]);
    refused(&["import", "flow.toml", "-o", "none", "--set", "runs.test=plane_0.vtu"], &["plane_0.vtu", "kind"]);
    refused(&["import", "flow.toml", "-o", "none", "--set", "target.0.components=[\"u\", \"v\"]"], &["target.0.array", "\"u\""]);
    refused(&["import", "train.h5", "-o", "none"], &["train.h5", "--layout deepmind-h5"]);
}

/// Everything that works on a dataset works on this one.
fn learn(at: &Path, data: &str) {
    let run = format!("{data}_run");
    femur_ok(at, &["train", data, "-o", &run, "--set", "training.steps=4", "--set", "model.width=8"]);
    let pred = format!("{data}_pred");
    femur_ok(at, &["rollout", &run, data, "-o", &pred]);
    for from in [&run, &pred] {
        let said: serde_json::Value = serde_json::from_str(&femur_ok(at, &["evaluate", from, data, "--format", "json"])).unwrap();
        let test = said["test"].as_object().unwrap();
        assert!(!test.is_empty() && test.values().all(|m| m["rmse_pooled"].as_f64().is_some_and(f64::is_finite)), "{said}");
    }
    femur_ok(at, &["export", &pred, "--truth", data, "-o", &format!("{data}_vtk")]);
    femur_ok(at, &["plot", &format!("{pred}/test/traj_000000.vtkhdf"), "--truth", data, "-o", &format!("{data}.png")]);
    femur_ok(at, &["report", &run, data, "-o", &format!("{data}.html")]);
}

/// A small dataset of a template.
fn generated(at: &Path, template: &str, data: &str, set: &[&str]) {
    femur_ok(at, &["new", template, template]);
    let case = format!("{template}/case.toml");
    let mut args = vec!["generate", &case, "-o", data];
    let all = ["samples.train=3", "samples.valid=1", "samples.test=1", "samples.variants=1"];
    all.iter().chain(set).for_each(|s| args.extend(["--set", s]));
    femur_ok(at, &args);
}

/// A table of the sampled parameters, with the runs as `femur export` names them.
fn parameters(at: &Path, data: &str, vtk: &str, extension: &str, columns: &[(&str, &str)]) -> String {
    let data = Dataset::open(&at.join(data)).unwrap();
    let mut out = format!("run,{}\n", columns.iter().map(|c| c.1).collect::<Vec<_>>().join(","));
    for split in ["train", "valid", "test"] {
        for e in data.entries(split) {
            let name = Path::new(&e.file).file_stem().unwrap().to_string_lossy().into_owned();
            let values: Vec<String> = columns.iter().map(|c| e.params[c.0].to_string()).collect();
            out += &format!("{vtk}/{split}/{name}/{name}.{extension},{}\n", values.join(","));
        }
    }
    out
}

fn trajectories(dir: PathBuf) -> Vec<(String, Trajectory)> {
    let data = Dataset::open(&dir).unwrap();
    let entries = data.manifest().splits.values().flatten();
    entries.map(|e| (e.file.clone(), data.read(e).unwrap())).collect()
}

#[test]
fn heat_and_elasticity_survive_export_and_import() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    generated(at, "plate-heat", "heat", &["mesh.size=0.2", "time.steps=4"]);
    femur_ok(at, &["export", "heat", "-o", "heat_vtk"]);
    let columns = [("boundary.1.convection.coefficient", "h"), ("boundary.2.heat_flux", "q")];
    std::fs::write(at.join("heat.csv"), parameters(at, "heat", "heat_vtk", "pvd", &columns)).unwrap();
    let map = r#"
seed = 5
[runs]
train = "heat_vtk/train/*/*.pvd"
valid = "heat_vtk/valid/*/*.pvd"
test = ["heat_vtk/test/traj_000000/traj_000000.pvd"]
[parameters]
file = "heat.csv"
[[target]]
name = "temperature"
[[input]]
parameter = "h"
tag = "right"
unit = "W/(m^2 K)"
[[input]]
parameter = "q"
tag = "hole"
[[prescribed]]
target = "temperature"
tag = "left"
"#;
    std::fs::write(at.join("heat.toml"), map).unwrap();
    femur_ok(at, &["import", "heat.toml", "-o", "heat_again"]);

    generated(at, "plate-hole", "plate", &["mesh.size=0.2"]);
    femur_ok(at, &["export", "plate", "-o", "plate_vtk"]);
    let map = r#"
units = "SI"
[runs]
train = "plate_vtk/train/*/*.vtu"
valid = "plate_vtk/valid/*/*.vtu"
test = "plate_vtk/test/*/*.vtu"
[[target]]
name = "displacement"
[[target]]
name = "stress"
[[prescribed]]
target = "displacement"
tag = "left"
"#;
    std::fs::write(at.join("plate.toml"), map).unwrap();
    femur_ok(at, &["import", "plate.toml", "-o", "plate_again"]);

    for (data, again, fields, held) in [
        ("heat", "heat_again", vec!["temperature"], "temperature"),
        ("plate", "plate_again", vec!["displacement", "stress"], "displacement"),
    ] {
        assert!(femur_ok(at, &["verify-data", again]).contains("no fault"));
        let (a, b) = (trajectories(at.join(data)), trajectories(at.join(again)));
        assert_eq!(a.len(), b.len());
        for ((file, a), (other, b)) in a.iter().zip(&b) {
            assert_eq!(file, other);
            assert_eq!(a.setup.mesh, b.setup.mesh, "{file}");
            assert_eq!(a.setup.times, b.setup.times);
            assert_eq!(a.setup.is_steady(), b.setup.is_steady());
            for (x, y) in a.states.iter().zip(&b.states) {
                assert_eq!(y.fields.len(), fields.len());
                fields.iter().for_each(|f| assert_eq!(x.field(f), y.field(f), "{file}"));
            }
            let (p, q) = (a.setup.prescribed(held).unwrap(), b.setup.prescribed(held).unwrap());
            assert_eq!(p.mask, q.mask, "{file}");
            // from the second state on: the initial one is the script's before its boundary values hold
            let last = a.setup.times.len() - 1;
            assert!(p.at_step(last).iter().zip(q.at_step(last)).all(|(x, y)| (x - y).abs() <= 1e-6 * x.abs()), "{file}");
            for input in &b.setup.inputs {
                let nodes = b.setup.mesh.tag_nodes(if input.name == "h" { "right" } else { "hole" }).unwrap();
                let value = b.setup.params.iter().find(|p| p.path == input.name).unwrap().value;
                let expected = |i: usize| if nodes.contains(&(i as u32)) { value } else { 0.0 };
                assert!(input.values.iter().enumerate().all(|(i, v)| (v - expected(i)).abs() <= 1e-6 * value), "{file} {}", input.name);
            }
        }
        learn(at, again);
    }
    let said = femur_fails(at, &["predict", "heat_again_run", "plate-heat/case.toml", "-o", "x.vtu"]);
    assert!(said.contains("imported") && said.contains("femur rollout"), "{said}");

    // What is there is never overwritten, and a killed import's leftovers are.
    let before = std::fs::read(at.join("heat_again/manifest.json")).unwrap();
    let said = femur_fails(at, &["import", "heat.toml", "-o", "heat_again"]);
    assert!(said.contains("is not empty") && said.contains("hint"), "{said}");
    assert_eq!(before, std::fs::read(at.join("heat_again/manifest.json")).unwrap());
    std::fs::create_dir_all(at.join("second.part/train")).unwrap();
    std::fs::write(at.join("second.part/note.txt"), "mine").unwrap();
    assert!(femur_fails(at, &["import", "heat.toml", "-o", "second"]).contains("second.part"));
    std::fs::rename(at.join("second.part/note.txt"), at.join("second.part/journal.jsonl")).unwrap();
    std::fs::create_dir(at.join("second")).unwrap();
    femur_ok(at, &["import", "heat.toml", "-o", "second"]);
    assert!(!at.join("second.part").exists());
    let hashes = |d: &str| -> Vec<String> {
        Dataset::open(&at.join(d)).unwrap().manifest().splits.values().flatten().map(|e| e.data_sha256.clone()).collect()
    };
    assert_eq!(hashes("second"), hashes("heat_again"));
}

#[test]
fn deepmind_h5_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    generated(at, "plate-heat", "heat", &["mesh.size=0.2", "time.steps=4"]);
    femur_ok(at, &["export", "heat", "--layout", "deepmind-h5", "-o", "all.h5"]);
    assert!(femur_fails(at, &["export", "heat", "--layout", "deepmind-h5", "-o", "all.h5"]).contains("exists already"));
    femur_ok(at, &["import", "all.h5", "--layout", "deepmind-h5", "-o", "again"]);
    let (a, b) = (trajectories(at.join("heat")), trajectories(at.join("again")));
    assert_eq!(a.len(), 5);
    for ((file, a), (other, b)) in a.iter().zip(&b) {
        // splits are kept
        assert_eq!(file, other);
        let f32s = |v: &[f64]| v.iter().map(|&x| f64::from(x as f32)).collect::<Vec<_>>();
        assert_eq!(f32s(&a.setup.mesh.points), b.setup.mesh.points);
        assert_eq!(a.setup.mesh.blocks, b.setup.mesh.blocks);
        assert_eq!((&a.setup.times, &a.setup.node_type, &a.setup.params), (&b.setup.times, &b.setup.node_type, &b.setup.params));
        assert_eq!((&a.states, &a.setup.inputs), (&b.states, &b.setup.inputs));
        let (p, q) = (a.setup.prescribed("temperature").unwrap(), b.setup.prescribed("temperature").unwrap());
        assert_eq!(p.mask, q.mask);
        assert!(p.at_step(3).iter().zip(q.at_step(3)).all(|(x, y)| (x - y).abs() <= 1e-4));
    }
    learn(at, "again");
    // a steady case has one step
    generated(at, "plate-hole", "plate", &["mesh.size=0.2"]);
    femur_ok(at, &["export", "plate", "--layout", "deepmind-h5", "--split", "train", "-o", "plate.h5"]);
    femur_ok(at, &["import", "plate.h5", "--layout", "deepmind-h5", "-o", "plate_again"]);
    let data = Dataset::open(&at.join("plate_again")).unwrap();
    assert_eq!(data.entries("train").len(), 3);
    assert!(data.read(&data.entries("train")[0]).unwrap().setup.is_steady());

    let fails = |args: &[&str], word: &str| {
        let said = femur_fails(at, args);
        assert!(said.contains(word), "{said}");
        assert!(!at.join("none").exists() && !at.join("none.part").exists());
    };
    std::fs::write(at.join("text.h5"), "no HDF5").unwrap();
    fails(&["import", "text.h5", "--layout", "deepmind-h5", "-o", "none"], "text.h5");
    fails(&["import", "nowhere.h5", "--layout", "deepmind-h5", "-o", "none"], "nowhere.h5");
    fails(&["import", "all.h5", "--layout", "deepmind-h5", "--dt=-1", "-o", "none"], "dt");
    fails(&["import", "heat/train/traj_000000.vtkhdf", "--layout", "deepmind-h5", "-o", "none"], "neither pos nor mesh_pos");
    fails(&["export", "heat", "--layout", "deepmind-h5", "--split", "dev", "-o", "none"], "dev");
}

#[test]
fn wrong_maps_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    generated(at, "plate-hole", "plate", &["mesh.size=0.3"]);
    femur_ok(at, &["export", "plate", "-o", "vtk"]);
    let run = "vtk/train/traj_000000/traj_000000.vtu";
    let refuse = |map: &str, words: &[&str]| {
        std::fs::write(at.join("map.toml"), map).unwrap();
        let said = femur_fails(at, &["import", "map.toml", "-o", "none"]);
        assert!(words.iter().all(|w| said.contains(w)), "{map}\n{said}");
        assert!(!at.join("none").exists() && !at.join("none.part").exists(), "{map}");
    };
    let runs = format!("[runs]\ntrain = \"{run}\"\n");
    let target = "[[target]]\nname = \"displacement\"\n";
    refuse("", &["map.toml", "target", "hint"]);
    refuse(target, &["map.toml", "runs", "names no files"]);
    refuse("[runs\n", &["map.toml:1", "TOML"]);
    refuse(&runs, &["nothing to learn", "hint"]);
    refuse(&format!("{runs}{target}unti = \"m\"\n"), &["map.toml:5", "unti", "did you mean `unit`"]);
    refuse(&format!("{runs}{target}[trainning]\nsteps = 3\n"), &["trainning", "training"]);
    refuse(&format!("{runs}{target}[training]\nstep = 3\n"), &["training.step", "hint"]);
    refuse(&format!("[runs]\ntrain = \"{run}\"\ntest = \"{run}\"\n{target}"), &["in train and in test", "hint"]);
    refuse(&format!("[runs]\ntrain = \"nothing*.vtu\"\n{target}"), &["map.toml:2", "nothing*.vtu", "hint"]);
    refuse(&format!("[runs]\nfiles = \"vtk/*/*/*.vtu\"\nfractions = [0.5, 0.6, 0.1]\n{target}"), &["fractions", "sum to 1"]);
    refuse(&format!("{runs}[[target]]\nname = \"time\"\narray = \"stress\"\n"), &["`time`", "itself"]);
    refuse(&format!("{runs}[[target]]\narray = \"a/b\"\n"), &["a/b", "hint"]);
    refuse(&format!("{runs}{target}{target}"), &["there already"]);
    refuse(&format!("{runs}{target}update = \"delta\"\n"), &["target.0.update", "steady"]);
    refuse(&format!("{runs}{target}[[tag]]\nname = \"a\"\n"), &["tag.0", "boundary", "box"]);
    refuse(&format!("{runs}{target}[[tag]]\nname = \"a\"\nbox = [[0, 0, 0], [1, 1, 1]]\n"), &["tag.0.box", "3 coordinates"]);
    refuse(&format!("{runs}{target}[[tag]]\nname = \"a\"\nbox = [[0, 0], [-1, 1]]\n"), &["tag.0.box", "two corners"]);
    refuse(&format!("{runs}{target}[[prescribed]]\ntarget = \"displacment\"\ntag = \"left\"\n"), &["displacment", "the targets are"]);
    refuse(&format!("{runs}{target}[[prescribed]]\ntarget = \"displacement\"\n"), &["`mask` or `tag`"]);
    refuse(&format!("{runs}{target}[[input]]\nparameter = \"E\"\n"), &["input.0.parameter", "[parameters]"]);
    refuse(&format!("{runs}{target}[learning]\ndistance_tags = [\"holle\"]\n"), &["distance_tags.0", "holle", "hole"]);
    refuse("physics = \"heat\"\n", &["map.toml:1", "a case, not a map"]);
    refuse(&format!("{runs}{target}[model]\nwidth = 1\n"), &["model.width"]);
    std::fs::write(at.join("broken.vtu"), "<VTKFile type=\"UnstructuredGrid\"><UnstructuredGrid><Piece").unwrap();
    refuse(&format!("[runs]\ntrain = [\"{run}\", \"broken.vtu\"]\n{target}"), &["broken.vtu"]);
    std::fs::write(at.join("broken.pvd"), "<VTKFile><Collection><DataSet timestep=\"0\" file=\"gone.vtu\"/></Collection></VTKFile>")
        .unwrap();
    refuse(&format!("[runs]\ntrain = \"broken.pvd\"\n{target}"), &["gone.vtu"]);
    let text = std::fs::read_to_string(at.join("broken.pvd")).unwrap();
    std::fs::write(at.join("broken.pvd"), text.replace("</Coll", "<DataSet timestep=\"0\" file=\"b.vtu\"/></Coll")).unwrap();
    refuse(&format!("[runs]\ntrain = \"broken.pvd\"\n{target}"), &["at time 0", "Merge Blocks"]);
    let said = femur_fails(at, &["import", run, "-o", "none"]);
    assert!(said.contains("is not a map") && said.contains("[runs]"), "{said}");
    // a dataset of one run is enough
    std::fs::write(at.join("map.toml"), format!("{runs}{target}[training]\nsteps = 2\n[model]\nwidth = 8\n")).unwrap();
    femur_ok(at, &["import", "map.toml", "-o", "one"]);
    femur_ok(at, &["train", "one", "-o", "run"]);
    let said = femur_fails(at, &["train", "one", "-o", "run2", "--set", "target.0.name=stress"]);
    assert!(said.contains("stress") && said.contains("the dataset holds displacement"), "{said}");
}

/// The maps of the book have keys that are known: only their runs are missing.
#[test]
fn the_maps_of_the_book_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let page = std::fs::read_to_string(root().join("docs/src/how-to/import.md")).unwrap();
    let maps: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|m| m.split("```").next()).collect();
    assert_eq!(maps.len(), 2);
    std::fs::write(at.join("runs.csv"), "run,force,E\n").unwrap();
    std::fs::write(at.join("cases.csv"), "run,inlet_speed\n").unwrap();
    for map in maps {
        std::fs::write(at.join("map.toml"), map).unwrap();
        let said = femur_fails(at, &["import", "map.toml", "-o", "none"]);
        assert!(said.contains("no file fits"), "{said}");
    }
}

#[test]
fn xdmf_is_read_by_vtk() {
    let Some(python) = python(&["h5py", "meshio", "numpy", "vtk"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    script(&python, "write_runs.py", &[at]);
    generated(at, "plate-heat", "heat", &["mesh.size=0.2", "time.steps=4"]);
    generated(at, "plate-hole", "plate", &["mesh.size=0.2"]);
    let mut pairs = vec![];
    let mut add = |xdmf: &str, file: String| {
        femur_ok(at, &["export", &file, "--xdmf", "-o", xdmf]);
        pairs.extend([at.join(xdmf), at.join(file)]);
    };
    add("series.xdmf", "heat/train/traj_000000.vtkhdf".into());
    add("heat/train/beside.xdmf", "heat/train/traj_000001.vtkhdf".into());
    add("deep/down/steady.xdmf", "plate/test/traj_000000.vtkhdf".into());
    let kinds: Vec<String> = std::fs::read_dir(at).unwrap().flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    let kinds: Vec<&str> = kinds.iter().filter_map(|n| n.strip_prefix("cell_")?.strip_suffix(".vtu")).collect();
    assert_eq!(kinds.len(), 15);
    for kind in kinds {
        let map = format!(
            "[runs]\ntrain = \"cell_{kind}.vtu\"\n[output]\nprecision = \"f64\"\n[[target]]\nname = \"f\"\n[[target]]\nname = \"v\"\n"
        );
        std::fs::write(at.join("cell.toml"), map).unwrap();
        femur_ok(at, &["import", "cell.toml", "-o", kind]);
        add(&format!("{kind}.xdmf"), format!("{kind}/train/traj_000000.vtkhdf"));
    }
    let paths: Vec<&Path> = pairs.iter().map(PathBuf::as_path).collect();
    assert_eq!(script(&python, "read_xdmf.py", &paths).matches("same").count(), 18);
    let said = femur_fails(at, &["export", "solid", "--layout", "deepmind-h5", "-o", "solid.h5"]);
    assert!(said.contains("several kinds of cells") && said.contains("hint"), "{said}");
    assert!(!at.join("solid.h5").exists() && !at.join("solid.h5.part").exists());
    assert!(femur_fails(at, &["export", "heat", "--xdmf", "-o", "x.xdmf"]).contains("one .vtkhdf"));
    assert!(femur_fails(at, &["export", "heat/train/traj_000000.vtkhdf", "--xdmf", "-o", "x.vtu"]).contains(".xdmf"));
    assert_eq!(femur(at, &["export", "heat", "--xdmf", "--layout", "deepmind-h5", "-o", "x.xdmf"]).status.code(), Some(2));
}
