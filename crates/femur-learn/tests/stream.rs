//! Data that are read as they are drawn train to the bits of data that are held, and what happens to their files is told.

mod toy;

use femur_dataset::{Dataset, DatasetBuilder, DatasetSpec, Frames, TrajectoryId, TrajectoryMeta, WriteOptions};
use femur_learn::{
    Alone, LearnError, ModelConfig, Optimiser, Plan, Ranks, TrainEvent, TrainObserver, TrainingConfig, TrajectorySource, train,
};
use femur_mesh::CellKind;
use femur_mesh::generate::rectangle;
use femur_sim::Trajectory;
use femur_sim::case::CaseFile;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

/// On plates of differing numbers of nodes.
fn plate(k: usize, times: usize) -> Trajectory {
    toy::trajectory(rectangle([1.5, 1.0], [3 + k % 3, 2], CellKind::Triangle3).unwrap(), 1.0 + 0.3 * k as f64, times)
}

fn plates(times: usize) -> Source {
    Source { data: (0..7).map(|k| plate(k, times)).collect(), reads: AtomicUsize::new(0), slow_ms: 0 }
}

/// Trajectories in memory that count how often some steps are asked for.
struct Source {
    data: Vec<Trajectory>,
    reads: AtomicUsize,
    slow_ms: u64,
}

impl TrajectorySource for Source {
    fn count(&self, split: &str) -> usize {
        if split == "train" { self.data.len() - 1 } else { 1 }
    }

    fn trajectory(&self, split: &str, k: usize) -> Result<Trajectory, LearnError> {
        Ok(self.data[if split == "train" { k } else { self.data.len() - 1 }].clone())
    }

    fn data_sha256(&self) -> String {
        "plates".into()
    }

    fn at_steps(&self, split: &str, k: usize, steps: &[usize]) -> Result<Frames, LearnError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(std::time::Duration::from_millis(self.slow_ms));
        assert!(steps.len() <= 2 && split == "train");
        let states = &self.data[k].states;
        Ok((steps.iter().map(|&s| states[s].clone()).collect(), Vec::new()))
    }
}

/// Of a steady field, or with `unroll` and noise of one in time.
fn plan(transient: bool, cache: u64) -> Plan {
    Plan {
        task: toy::task(transient),
        model: ModelConfig {
            kind: "meshgraphnet".into(),
            width: 8,
            steps: 2,
            pattern: "LTL".into(),
            slices: 4,
            heads: 2,
            hidden_layers: 1,
        },
        training: TrainingConfig {
            steps: 40,
            batch: 3,
            optimiser: Optimiser::Muon,
            checkpoint_every: 7,
            validate_every: 10,
            seed: 1,
            cache: Some(cache),
            ..TrainingConfig::plain(5e-3)
        },
    }
}

/// All held; some graphs held; less than one trajectory.
const CACHES: [u64; 3] = [1 << 30, 12_000, 1];

/// Notes what is said, and does something at the first validation.
struct Seen<'a>(Vec<String>, Box<dyn FnMut() + 'a>);

fn quiet() -> Seen<'static> {
    Seen(Vec::new(), Box::new(|| {}))
}

impl TrainObserver for Seen<'_> {
    fn on_event(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Note(text) => self.0.push(text.clone()),
            TrainEvent::Validated { step: 10, .. } => (self.1)(),
            _ => {}
        }
    }
}

fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn held_and_streamed_data_give_the_same_bits_on_any_number_of_threads() {
    for (transient, nodes) in [(false, None), (true, None), (true, Some(40))] {
        let mut models = Vec::new();
        for (threads, cache) in [(1, CACHES[0]), (1, CACHES[1]), (3, CACHES[1]), (3, CACHES[2])] {
            let dir = tempfile::tempdir().unwrap();
            let (data, mut plan) = (plates(if transient { 9 } else { 1 }), plan(transient, cache));
            plan.training.batch_nodes = nodes;
            let notes = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
                let mut seen = quiet();
                train(&Alone, &data, &plan, dir.path(), false, &mut seen).unwrap();
                seen.0
            });
            models.push(model(dir.path()));
            let streamed = cache != CACHES[0];
            assert_eq!(notes.iter().any(|n| n.contains("read ahead")), streamed, "{notes:?}");
            assert_eq!(data.reads.load(Ordering::Relaxed) > 0, streamed);
            let graphs = if cache == 1 { "0 of 6 graphs" } else { "graphs are held" };
            assert!(!streamed || notes[0].contains(graphs), "{notes:?}");
        }
        assert!(models.windows(2).all(|m| m[0] == m[1]), "transient: {transient}, nodes: {nodes:?}");
    }
}

#[test]
fn a_streamed_training_stops_and_goes_on_to_the_same_bits_with_any_cache() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    train(&Alone, &plates(9), &plan(true, CACHES[0]), &whole, false, &mut quiet()).unwrap();
    for k in 0..200 {
        let mut part = plan(true, CACHES[2 - k % 3]);
        // Stops before the first update of every other call.
        part.training.time_limit = if k % 2 == 0 { 1e-9 } else { 0.03 };
        if train(&Alone, &plates(9), &part, &parts, k > 0, &mut quiet()).unwrap().finished {
            break;
        }
    }
    train(&Alone, &plates(9), &plan(true, CACHES[1]), &parts, true, &mut quiet()).unwrap();
    assert!(model(&whole) == model(&parts));
}

#[test]
fn a_streamed_training_that_diverges_goes_back_as_a_held_one() {
    let [held, streamed] = [CACHES[0], CACHES[2]].map(|cache| {
        let dir = tempfile::tempdir().unwrap();
        let mut plan = plan(true, cache);
        plan.training.checkpoint_every = 1;
        plan.training.learning_rate = 1e12;
        let mut seen = quiet();
        let error = train(&Alone, &plates(9), &plan, dir.path(), false, &mut seen).unwrap_err().to_string();
        (error, seen.0.pop())
    });
    assert!(held.1.as_ref().unwrap().contains("half the learning rate"), "{held:?}");
    assert_eq!(held, streamed);
}

/// One of two processes, which are threads here.
struct Pair<'a>(usize, &'a Barrier, &'a Mutex<[Vec<f64>; 2]>);

impl Ranks for Pair<'_> {
    fn rank(&self) -> usize {
        self.0
    }

    fn size(&self) -> usize {
        2
    }

    fn sum_f32(&self, values: &mut [f32]) {
        let mut wide: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
        self.sum_f64(&mut wide);
        values.iter_mut().zip(wide).for_each(|(v, w)| *v = w as f32);
    }

    fn sum_f64(&self, values: &mut [f64]) {
        self.2.lock().unwrap()[self.0] = values.to_vec();
        self.1.wait();
        let both = self.2.lock().unwrap().clone();
        values.iter_mut().zip(both[0].iter().zip(&both[1])).for_each(|(v, (a, b))| *v = a + b);
        self.1.wait();
    }
}

#[test]
fn each_of_several_processes_reads_its_own_samples_alone() {
    let models = [CACHES[0], CACHES[2]].map(|cache| {
        let dir = tempfile::tempdir().unwrap();
        let (barrier, shared) = (Barrier::new(2), Mutex::new([Vec::new(), Vec::new()]));
        std::thread::scope(|scope| {
            for rank in 0..2 {
                let (barrier, shared, run) = (&barrier, &shared, dir.path());
                scope.spawn(move || {
                    let data = plates(9);
                    // The directory is empty when both begin.
                    let ranks = Pair(rank, barrier, shared);
                    train(&ranks, &data, &plan(true, cache), run, false, &mut quiet()).unwrap();
                    let reads = data.reads.load(Ordering::Relaxed);
                    assert_eq!(reads, if cache == CACHES[0] { 0 } else { 40 * 3 }, "process {rank}");
                });
            }
        });
        model(dir.path())
    });
    assert!(models[0] == models[1]);
}

#[test]
fn time_spent_waiting_for_data_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut data = plates(9);
    data.slow_ms = 3;
    train(&Alone, &data, &plan(true, CACHES[2]), dir.path(), false, &mut quiet()).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("run.json")).unwrap()).unwrap();
    // 120 reads of 3 ms by two threads.
    let (waited, seconds) = (run["data_wait_s"].as_f64().unwrap(), run["seconds"].as_f64().unwrap());
    assert!(waited > 0.03 && waited < seconds, "{waited} of {seconds}");
}

#[test]
fn the_cache_is_a_number_of_bytes_or_text_with_a_unit() {
    let cache = |value: &str| {
        let file = CaseFile::parse(&format!("[training]\ncache = {value}\n"), "case.toml").unwrap();
        Plan::of_tables(&file.root(), 0, plan(false, 1).task).map(|p| p.training.cache).map_err(|e| e.to_string())
    };
    for (value, bytes) in [("4096", 4096), ("2.5e9", 2_500_000_000), ("\"4 GB\"", 4_000_000_000), ("\"1.5KiB\"", 1536), ("\"77\"", 77)] {
        let unit_less = value == "\"77\"";
        match cache(value) {
            Ok(read) => assert!(read == Some(bytes) && !unit_less, "{value}: {read:?}"),
            Err(e) => assert!(unit_less && e.contains("training.cache") && e.contains("hint") && e.contains("GiB"), "{e}"),
        }
    }
    for wrong in ["0", "-1", "\"much\"", "\"-2 GB\"", "\"4 gb\"", "true"] {
        let said = cache(wrong).unwrap_err();
        assert!(said.contains("case.toml") && said.contains("training.cache") && said.contains("hint"), "{wrong}: {said}");
    }
}

fn write_dataset(dir: &Path) -> Dataset {
    let spec = DatasetSpec {
        name: "plates".into(),
        physics: "toy".into(),
        unit_system: "SI".into(),
        case_text: String::new(),
        fingerprint: "plates".into(),
        seed: 0,
        femur_version: "test".into(),
    };
    let builder = DatasetBuilder::create(dir, spec).unwrap();
    for k in 0..7 {
        let (split, index) = if k < 6 { ("train", k) } else { ("valid", 0) };
        let meta = TrajectoryMeta { id: TrajectoryId { split: split.into(), index, base: k, variant: 0 }, ..TrajectoryMeta::default() };
        builder.add(&plate(k, 9), &meta, &WriteOptions { compress: k % 2 == 0, ..WriteOptions::default() }).unwrap();
    }
    builder.finish().unwrap();
    Dataset::open(dir).unwrap()
}

#[test]
fn files_that_vanish_or_change_under_a_training_are_named_and_cost_no_update() {
    let dir = tempfile::tempdir().unwrap();
    let data = write_dataset(&dir.path().join("data"));
    let whole = dir.path().join("whole");
    train(&Alone, &data, &plan(true, CACHES[0]), &whole, false, &mut quiet()).unwrap();
    let files: Vec<PathBuf> = data.entries("train").iter().map(|e| data.dir().join(&e.file)).collect();
    let contents: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
    type Harm = fn(&Path, &[u8]);
    let harms: [(&str, Harm, &str); 3] = [
        ("removed", |file, _| std::fs::remove_file(file).unwrap(), "was removed while it was in use"),
        ("cut", |file, good| std::fs::write(file, &good[..good.len() / 2]).unwrap(), "was changed while it was in use: from"),
        ("rewritten", |file, good| std::fs::write(file, good).unwrap(), "was changed while it was in use"),
    ];
    for (name, harm, words) in harms {
        let run = dir.path().join(name);
        let data = Dataset::open(data.dir()).unwrap();
        let all = || files.iter().zip(&contents).for_each(|(file, good)| harm(file, good));
        let said = train(&Alone, &data, &plan(true, CACHES[1]), &run, false, &mut Seen(Vec::new(), Box::new(all))).unwrap_err().to_string();
        assert!(said.contains("traj_00000") && said.contains(words) && said.contains("hint:"), "{name}: {said}");
        let newest = std::fs::read_dir(run.join("checkpoints")).unwrap().map(|f| f.unwrap().file_name()).max().unwrap();
        assert!(newest.to_str().unwrap() >= "step_00000010", "{name}: {newest:?}");
        // With the files back in their place it goes on as if nothing had been.
        files.iter().zip(&contents).for_each(|(file, good)| std::fs::write(file, good).unwrap());
        let again = Dataset::open(data.dir()).unwrap();
        train(&Alone, &again, &plan(true, CACHES[1]), &run, true, &mut quiet()).unwrap();
        assert!(model(&run) == model(&whole), "{name}");
    }
}
