//! Round trips, resume, damage.

use femur_dataset::{
    Dataset, DatasetBuilder, DatasetSpec, TrajectoryId, TrajectoryMeta, WriteOptions, data_sha256, read_trajectory, verify,
    write_trajectory,
};
use femur_mesh::generate::{Hole, HoleShape, PlateSpec, box_, plate::PLATE, plate_with_holes};
use femur_mesh::{CellKind, Field, Location, Mesh};
use femur_sim::{Disc, Input, Load, NodeType, Param, Prescribed, Series, Setup, SolverLog, State, Trajectory, UnitResponse};
use std::sync::Arc;

/// A trajectory of any shape; every value fits an f32.
fn trajectory(mesh: Mesh, steps: usize, seed: f32) -> Trajectory {
    let (n, m, dim) = (mesh.num_nodes(), mesh.num_cells(), mesh.dim);
    let value = |k: usize| f64::from((k as f32 * 0.37 + seed).sin());
    let series = |k: usize, len: usize| (0..len).map(|i| value(i + 1000 * k)).collect::<Vec<_>>();
    let state = |k: usize| State {
        time: k as f64 * 0.5,
        fields: vec![
            Field::scalar("temperature", "K", Location::Node, series(k, n)),
            Field::vector("displacement", "m", Location::Node, dim, series(k, n * dim)),
            Field::symmetric_tensor("stress", "Pa", Location::Node, dim, series(k, n * if dim == 3 { 6 } else { 4 })),
            Field::scalar("quality", "1", Location::Cell, series(k, m)),
        ],
    };
    let states: Vec<State> = (0..steps).map(state).collect();
    let input = |name: &str, steps: usize| Input {
        name: name.into(),
        unit: "W".into(),
        components: vec![String::new()],
        steps,
        values: series(3, steps * n),
    };
    let setup = Setup {
        physics: "heat".into(),
        units: "SI".into(),
        node_type: (0..n).map(|i| NodeType::ALL[i % 9]).collect(),
        material_id: (0..m).map(|i| i as i32 % 3).collect(),
        inputs: if steps > 1 { vec![input("a", 1), input("b", steps)] } else { vec![input("a", 1)] },
        prescribed: vec![Prescribed {
            field: "displacement".into(),
            mask: (0..n * dim).map(|i| i % 5 == 0).collect(),
            steps: 1,
            values: series(4, n * dim),
        }],
        loads: vec![Load { name: "right.traction.x".into(), unit: "Pa".into(), value: 0.1 }],
        params: vec![Param { path: "mesh.hole.x".into(), value: 0.3 }, Param { path: "boundary.1.traction".into(), value: 7.0 }],
        times: states.iter().map(|s| s.time).collect(),
        initial: (steps > 1).then(|| states[0].clone()),
        initial_responses: if steps > 1 { vec![states[0].fields[1..3].to_vec()] } else { Vec::new() },
        singular: vec![Disc { center: vec![0.0; dim], radius: 0.1 }],
        mesh: Arc::new(mesh),
    };
    let responses = states.iter().map(|s| s.fields[1..3].to_vec()).collect();
    let unit_responses = vec![UnitResponse { load: "right.traction.x".into(), steps: responses }];
    let drag = Series { name: "drag_coefficient".into(), unit: "1".into(), times: vec![0.0, 0.5, 1.0], values: vec![3.0, 3.1, 3.2] };
    let energy = Series { name: "energy/strain".into(), unit: "J".into(), times: Vec::new(), values: Vec::new() };
    let log = SolverLog { newton_iters: vec![1; steps], residual: vec![1e-12; steps], series: vec![drag, energy], ..SolverLog::default() };
    Trajectory { setup, states, unit_responses, log }
}

fn plate() -> Mesh {
    let hole = Hole { shape: HoleShape::Circle, center: [1.0, 0.5], diameter: 0.4, angle: 0.0 };
    plate_with_holes(&PlateSpec { width: 2.0, height: 1.0, size: 0.2, refinement: 0.5, holes: vec![hole], order: 2, names: PLATE }).unwrap()
}

fn meta(index: usize) -> TrajectoryMeta {
    TrajectoryMeta {
        id: TrajectoryId { split: "train".into(), index, base: index, variant: 0 },
        case_toml: "seed = 1\n".into(),
        ..TrajectoryMeta::default()
    }
}

fn spec() -> DatasetSpec {
    DatasetSpec {
        name: "test".into(),
        physics: "heat".into(),
        unit_system: "SI".into(),
        case_text: "seed = 1\n".into(),
        fingerprint: "seed = 1\n".into(),
        seed: 1,
        femur_version: "0".into(),
    }
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let block = box_([1.0, 2.0, 3.0], [2, 2, 2], CellKind::Hex20).unwrap();
    for (k, (mesh, steps)) in [(plate(), 1), (plate(), 4), (block.clone(), 1), (block, 3)].into_iter().enumerate() {
        for options in [WriteOptions::default(), WriteOptions { double: true, compress: true }] {
            let t = trajectory(mesh.clone(), steps, 0.5);
            let path = dir.path().join(format!("{k}.vtkhdf"));
            write_trajectory(&path, &t, &meta(7), &options).unwrap();
            let (back, m) = read_trajectory(&path).unwrap();
            assert_eq!(m, meta(7));
            assert_eq!(back.setup.mesh, t.setup.mesh);
            assert_eq!(back.setup, t.setup);
            assert_eq!(back, t);
            assert_eq!(data_sha256(&back, &options), data_sha256(&t, &options));
        }
    }
}

#[test]
fn a_dataset_resumes_and_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let builder = DatasetBuilder::create(&dir, spec()).unwrap();
    builder.add(&trajectory(plate(), 3, 0.0), &meta(0), &WriteOptions::default()).unwrap();
    builder.fail(&meta(1).id, "no convergence").unwrap();
    drop(builder);
    // killed while writing a line and a file
    let journal = dir.join("journal.jsonl");
    std::fs::write(&journal, std::fs::read_to_string(&journal).unwrap() + "{\"done\":{\"ent").unwrap();
    std::fs::write(dir.join("train/traj_000001.vtkhdf.part"), b"half").unwrap();
    assert!(DatasetBuilder::create(&dir, spec()).err().unwrap().to_string().contains("--resume"));
    let other = DatasetSpec { fingerprint: "seed = 2\n".into(), ..spec() };
    assert!(DatasetBuilder::resume(&dir, other).err().unwrap().to_string().contains("another case"));
    let builder = DatasetBuilder::resume(&dir, spec()).unwrap();
    assert!(builder.is_done(&meta(0).id) && !builder.is_done(&meta(1).id));
    builder.add(&trajectory(plate(), 3, 1.0), &meta(1), &WriteOptions::default()).unwrap();
    let manifest = builder.finish().unwrap();
    assert_eq!((manifest.splits["train"].len(), manifest.failed.len()), (2, 0));
    assert!(verify(&dir).unwrap().is_empty());
    let data = Dataset::open(&dir).unwrap();
    let file = dir.join(&data.entries("train")[0].file);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    assert!(verify(&dir).unwrap()[0].what.contains("hash"));
}

#[test]
fn a_file_torn_by_a_power_cut_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let builder = DatasetBuilder::create(&dir, spec()).unwrap();
    for k in 0..2 {
        builder.add(&trajectory(plate(), 1, k as f32), &meta(k), &WriteOptions::default()).unwrap();
    }
    // No end: nothing is synchronised yet. One file has its length and not its bytes.
    drop(builder);
    let file = dir.join(meta(1).id.file());
    let length = std::fs::metadata(&file).unwrap().len() as usize;
    std::fs::write(&file, vec![0; length]).unwrap();
    let builder = DatasetBuilder::resume(&dir, spec()).unwrap();
    assert!(builder.is_done(&meta(0).id) && !builder.is_done(&meta(1).id));
    builder.add(&trajectory(plate(), 1, 1.0), &meta(1), &WriteOptions::default()).unwrap();
    let resumed = builder.finish().unwrap();
    assert!(verify(&dir).unwrap().is_empty());
    // The sums of a run that was read back are those of one that was just made.
    let whole = dir.with_file_name("whole");
    let builder = DatasetBuilder::create(&whole, spec()).unwrap();
    for k in 0..2 {
        builder.add(&trajectory(plate(), 1, k as f32), &meta(k), &WriteOptions::default()).unwrap();
    }
    assert_eq!(builder.finish().unwrap().splits["train"][1].data_sha256, resumed.splits["train"][1].data_sha256);
    let stats = |dir: &std::path::Path| std::fs::read(dir.join("stats.json")).unwrap();
    assert_eq!(stats(&dir), stats(&whole));
}

#[test]
fn damaged_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.vtkhdf");
    write_trajectory(&path, &trajectory(plate(), 2, 0.0), &meta(0), &WriteOptions::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for part in [0, 10, bytes.len() / 3, bytes.len() - 100] {
        std::fs::write(&path, &bytes[..part]).unwrap();
        let error = read_trajectory(&path).unwrap_err().to_string();
        assert!(error.contains("t.vtkhdf"), "{error}");
    }
    let mut state = 1u64;
    for _ in 0..60 {
        let mut bad = bytes.clone();
        for _ in 0..20 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 20) as usize % bad.len().min(40_000);
            bad[at] = (state >> 13) as u8;
        }
        std::fs::write(&path, &bad).unwrap();
        // Damage may hit values only: then it reads; else it is an error; never a panic.
        let _ = read_trajectory(&path);
    }
}
