//! Whole trainings on graphs of a dozen nodes: what is learnt, what is refused, what a damaged file does.

mod toy;

use femur_learn::{
    Alone, LearnError, ModelConfig, Optimiser, Plan, Surrogate, TrainEvent, TrainObserver, TrainingConfig, TrajectorySource, train,
};
use femur_mesh::CellKind;
use femur_mesh::generate::rectangle;
use femur_sim::{Coordinates, Setup, Trajectory, rollout};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn plate(load: f64) -> Trajectory {
    toy::trajectory(rectangle([1.5, 1.0], [3, 2], CellKind::Triangle3).unwrap(), load, 1)
}

struct Source(Vec<Trajectory>);

impl TrajectorySource for Source {
    fn count(&self, split: &str) -> usize {
        if split == "train" { self.0.len() } else { 0 }
    }

    fn trajectory(&self, _: &str, k: usize) -> Result<Trajectory, LearnError> {
        Ok(self.0[k].clone())
    }

    fn data_sha256(&self) -> String {
        format!("{} trajectories", self.0.len())
    }
}

fn plan(kind: &str, steps: usize) -> Plan {
    Plan {
        task: toy::task(false),
        model: ModelConfig { kind: kind.into(), width: 16, steps: 2, pattern: "LTL".into(), slices: 4, heads: 2, hidden_layers: 1 },
        training: TrainingConfig {
            steps,
            optimiser: Optimiser::Muon,
            warmup: 0.03,
            checkpoint_every: 1000,
            validate_every: 10,
            seed: 1,
            ..TrainingConfig::plain(5e-3)
        },
    }
}

#[derive(Default)]
struct Losses(Vec<f64>, Vec<String>);

impl TrainObserver for Losses {
    fn on_event(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Step { loss, .. } => self.0.push(*loss),
            TrainEvent::Note(text) => self.1.push(text.clone()),
            _ => {}
        }
    }
}

/// Weights of a run's model by name.
fn weights(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let data = std::fs::read(run.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&data).unwrap();
    tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

#[test]
fn a_training_that_diverges_goes_back_once_and_then_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan("meshgraphnet", 40);
    plan.training.checkpoint_every = 1;
    plan.training.learning_rate = 1e12;
    let mut seen = Losses::default();
    let error = train(&Alone, &Source(vec![plate(1.0), plate(1.5)]), &plan, dir.path(), false, &mut seen).unwrap_err().to_string();
    assert!(error.contains("on train trajectory") && error.contains("`u` is not finite in the prediction"), "{error}");
    assert!(error.contains("hint: lower [training] learning_rate"), "{error}");
    assert_eq!(seen.1.len(), 1, "{:?}", seen.1);
    assert!(seen.1[0].contains("with half the learning rate"), "{:?}", seen.1);
    // What was made before is kept.
    assert!(dir.path().join("model.safetensors").exists());
}

#[test]
fn data_that_is_not_finite_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut bad = plate(2.0);
    bad.states[0].fields[0].values[5] = f64::NAN;
    let data = Source(vec![plate(1.0), bad]);
    let error = train(&Alone, &data, &plan("meshgraphnet", 40), dir.path(), false, &mut Losses::default()).unwrap_err().to_string();
    assert!(error.contains("train trajectory 1: `u` holds NaN"), "{error}");
}

#[test]
fn a_model_goes_on_from_another_with_some_blocks_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    train(&Alone, &Source(vec![plate(1.0)]), &plan("meshgraphnet-global", 200), &first, false, &mut Losses::default()).unwrap();
    let mut tuned = plan("meshgraphnet-global", 60);
    tuned.training.from = Some(first.join("model.safetensors"));
    tuned.training.freeze = vec!["encode".into(), "step.0".into()];
    let mut seen = Losses::default();
    train(&Alone, &Source(vec![plate(1.0), plate(1.1)]), &tuned, &second, false, &mut seen).unwrap();
    assert!(seen.0[0] < 0.1, "it starts from what was learnt: {:?}", seen.0);
    let (a, b) = (weights(&first), weights(&second));
    for (name, values) in &a {
        let block = name.split_once('.').unwrap().1;
        let frozen = block.starts_with("encode.") || block.starts_with("step.0.");
        assert_eq!(frozen, *values == b[name], "{name}");
    }
    tuned.training.freeze = vec!["step.9".into()];
    let error = train(&Alone, &Source(vec![plate(1.0)]), &tuned, &dir.path().join("third"), false, &mut seen).unwrap_err().to_string();
    assert!(error.contains("no block `step.9`") && error.contains("encode.node, step.0"), "{error}");
    tuned.training.freeze.clear();
    tuned.model.width = 8;
    let error = train(&Alone, &Source(vec![plate(1.0)]), &tuned, &dir.path().join("fourth"), false, &mut seen).unwrap_err().to_string();
    assert!(error.contains("another network"), "{error}");
}

#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = plan("meshgraphnet", 4000);
    plan.training.validate_every = 5;
    plan.training.patience = 4;
    plan.training.learning_rate = 0.03;
    let mut seen = Losses::default();
    let summary = train(&Alone, &Source(vec![plate(1.0)]), &plan, dir.path(), false, &mut seen).unwrap();
    assert!(summary.finished && summary.steps < 4000 && summary.steps == summary.best_step + 4 * 5, "{summary:?}");
    assert!(seen.1.iter().any(|n| n.contains("stopped early")));
    let again = train(&Alone, &Source(vec![plate(1.0)]), &plan, dir.path(), true, &mut seen).unwrap();
    assert!(again.already_finished);
}

/// The losses that a training reports, or what stopped it.
fn losses(plan: &Plan, data: &Source) -> Result<Vec<f64>, String> {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Losses::default();
    train(&Alone, data, plan, dir.path(), false, &mut seen).map(|_| seen.0).map_err(|e| e.to_string())
}

#[test]
fn a_graph_in_parts_trains_as_the_whole_and_attention_refuses_parts() {
    let data = Source(vec![toy::trajectory(rectangle([1.5, 1.0], [30, 8], CellKind::Triangle3).unwrap(), 1.0, 1)]);
    let mut whole = plan("meshgraphnet", 30);
    whole.training.optimiser = Optimiser::AdamW;
    let mut parts = whole.clone();
    parts.training.part_nodes = Some(50);
    let (a, b) = (losses(&whole, &data).unwrap(), losses(&parts, &data).unwrap());
    assert!(!a.is_empty() && a != b, "sums of parts round in another way");
    assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() < 1e-3), "{a:?} {b:?}");
    let mut attention = plan("meshgraphnet-global", 30);
    attention.training.part_nodes = Some(50);
    let error = losses(&attention, &data).unwrap_err();
    assert!(error.contains("part_nodes = 50") && error.contains("pattern without T"), "{error}");
}

#[test]
fn batches_are_filled_up_to_a_number_of_nodes() {
    let data = Source((1..=5).map(|k| plate(f64::from(k))).collect());
    let run = |batch: usize, nodes: Option<usize>| {
        let mut plan = plan("meshgraphnet", 10);
        (plan.training.batch, plan.training.batch_nodes) = (batch, nodes);
        losses(&plan, &data).unwrap()
    };
    // Plates of twelve nodes: three fit into 40, one is taken where none fits.
    assert_eq!(run(3, None), run(1, Some(40)));
    assert_eq!(run(1, None), run(1, Some(5)));
    assert_ne!(run(1, None), run(3, None));
}

fn predict(surrogate: &Surrogate, setup: Setup) -> Result<Vec<f64>, String> {
    let mut simulator = surrogate.simulator(setup).map_err(|e| e.to_string())?;
    let mut out = rollout(&mut simulator, &mut ()).map_err(|e| e.to_string())?;
    Ok(out.states.remove(0).fields.remove(0).values)
}

#[test]
fn one_sample_is_learnt_by_heart_and_loads_to_the_same_bits() {
    for kind in ["meshgraphnet", "meshgraphnet-global"] {
        let dir = tempfile::tempdir().unwrap();
        let truth = plate(1.0);
        let mut losses = Losses::default();
        let summary = train(&Alone, &Source(vec![truth.clone()]), &plan(kind, 400), dir.path(), false, &mut losses).unwrap();
        assert!(summary.finished && !summary.already_finished);
        let (first, last) = (losses.0[0], *losses.0.last().unwrap());
        assert!(last < first / 100.0, "{kind}: {first} to {last}");

        let file = dir.path().join("model.safetensors");
        let once = Surrogate::load(&file).unwrap();
        let predicted = predict(&once, truth.setup.clone()).unwrap();
        let exact = &truth.states[0].fields[0].values;
        let worst = predicted.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 0.15, "{kind}: {worst}");
        let copy = dir.path().join("copy.safetensors");
        std::fs::copy(&file, &copy).unwrap();
        let again = predict(&Surrogate::load(&copy).unwrap(), truth.setup.clone()).unwrap();
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&predicted), bits(&again), "{kind}");
        assert_eq!(bits(&predicted), bits(&predict(&once, truth.setup).unwrap()), "{kind}");
    }
}

#[test]
fn coordinates_and_edges_are_those_the_plan_asks_for() {
    let dir = tempfile::tempdir().unwrap();
    let truth = plate(1.0);
    let mut moved = truth.setup.clone();
    Arc::make_mut(&mut moved.mesh).points.iter_mut().for_each(|x| *x += 7.0);
    let mut answers = Vec::new();
    for (k, (coordinates, long_range)) in
        [(Coordinates::Mesh, 0), (Coordinates::Canonical, 0), (Coordinates::None, 0), (Coordinates::None, 3)].into_iter().enumerate()
    {
        let mut plan = plan("meshgraphnet", 5);
        (plan.task.coordinates, plan.task.long_range) = (coordinates, long_range);
        let run = dir.path().join(k.to_string());
        train(&Alone, &Source(vec![truth.clone()]), &plan, &run, false, &mut Losses::default()).unwrap();
        let surrogate = Surrogate::load(&run.join("model.safetensors")).unwrap();
        let (here, there) = (predict(&surrogate, truth.setup.clone()).unwrap(), predict(&surrogate, moved.clone()).unwrap());
        let change = here.iter().zip(&there).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Only coordinates of the mesh tell a body from the same one elsewhere.
        assert!((change < 1e-4) == (coordinates != Coordinates::Mesh), "{coordinates:?}: {change}");
        answers.push(here);
    }
    for a in 0..4 {
        (0..a).for_each(|b| assert_ne!(answers[a], answers[b], "{a} and {b}"));
    }
}

#[test]
fn a_finished_run_is_left_as_it_is_and_a_strange_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let source = Source(vec![plate(1.0)]);
    let plan = plan("meshgraphnet", 5);
    train(&Alone, &source, &plan, dir.path(), false, &mut Losses::default()).unwrap();
    let file = dir.path().join("model.safetensors");
    let before = (std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().modified().unwrap());
    let refused = train(&Alone, &source, &plan, dir.path(), false, &mut Losses::default()).unwrap_err().to_string();
    assert!(refused.contains("not empty") && refused.contains("--resume"), "{refused}");
    let summary = train(&Alone, &source, &plan, dir.path(), true, &mut Losses::default()).unwrap();
    assert!(summary.already_finished && summary.steps == 5);
    assert!(before == (std::fs::read(&file).unwrap(), std::fs::metadata(&file).unwrap().modified().unwrap()));

    let other = Source(vec![plate(1.0), plate(2.0)]);
    let refused = train(&Alone, &other, &plan, dir.path(), true, &mut Losses::default()).unwrap_err().to_string();
    assert!(refused.contains("other data"), "{refused}");
    let mut wider = plan.clone();
    wider.model.width = 8;
    assert!(train(&Alone, &source, &wider, dir.path(), true, &mut Losses::default()).unwrap_err().to_string().contains("[model]"));
}

#[test]
fn data_that_do_not_fit_are_refused_with_the_reason() {
    let refuse = |change: &dyn Fn(&mut Trajectory, &mut Plan), words: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let (mut t, mut plan) = (plate(1.0), plan("meshgraphnet", 2));
        change(&mut t, &mut plan);
        let said = train(&Alone, &Source(vec![plate(2.0), t]), &plan, dir.path(), false, &mut Losses::default()).unwrap_err().to_string();
        assert!(words.iter().all(|w| said.contains(w)) && said.contains("hint"), "{words:?} in {said}");
    };
    refuse(&|t, _| t.states[0].fields.clear(), &["`u`"]);
    refuse(&|t, _| t.setup.inputs.clear(), &["`load`"]);
    refuse(&|_, p| p.task.inputs[0].1 = 3, &["`load`", "3 component"]);
    refuse(&|_, p| p.task.linear_in = vec!["right.traction.x".into()], &["right.traction.x"]);
    refuse(&|t, _| Arc::make_mut(&mut t.setup.mesh).tags = Default::default(), &["`left`"]);
    refuse(
        &|t, _| *t = toy::trajectory(femur_mesh::generate::box_([1.0; 3], [1, 1, 1], CellKind::Tet4).unwrap(), 1.0, 1),
        &["2 dimensions"],
    );
    refuse(&|_, p| p.model.kind = "meshgraphnut".into(), &["meshgraphnut"]);
    let dir = tempfile::tempdir().unwrap();
    let said =
        train(&Alone, &Source(Vec::new()), &plan("meshgraphnet", 2), dir.path(), false, &mut Losses::default()).unwrap_err().to_string();
    assert!(said.contains("no training trajectory"), "{said}");
}

/// Loads a file of these bytes; what loads must also predict or say why not.
fn try_bytes(path: &Path, bytes: &[u8], setup: &Setup) -> Result<(), String> {
    std::fs::write(path, bytes).unwrap();
    let surrogate = Surrogate::load(path).map_err(|e| e.to_string())?;
    let _ = predict(&surrogate, setup.clone());
    Ok(())
}

#[test]
fn damaged_model_files_are_named_and_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let truth = plate(1.0);
    for kind in ["meshgraphnet", "meshgraphnet-global"] {
        let run = dir.path().join(kind);
        let mut plan = plan(kind, 2);
        plan.model = ModelConfig { width: 4, steps: 1, pattern: "LFT".into(), slices: 2, ..plan.model };
        train(&Alone, &Source(vec![truth.clone()]), &plan, &run, false, &mut Losses::default()).unwrap();
        let good = std::fs::read(run.join("model.safetensors")).unwrap();
        let path = dir.path().join("broken.safetensors");
        try_bytes(&path, &good, &truth.setup).unwrap();
        let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;

        for length in (0..header).step_by(37).chain([header - 1, header, header + 1, good.len() - 1]) {
            let said = try_bytes(&path, &good[..length], &truth.setup).expect_err("a cut file must not load");
            assert!(said.contains("broken.safetensors"), "{length}: {said}");
        }
        let longer = [&good[..], b"more"].concat();
        assert!(try_bytes(&path, &longer, &truth.setup).unwrap_err().contains("broken.safetensors"));

        // Every byte of the description becomes another digit, letter or sign, two of six in turn; and so do some of the weights' bytes.
        let mut refused = 0;
        let change = |i: usize, k: usize| [b'9', b'0', b'-', b'"', good[i] ^ 1, good[i] ^ 0x80][(i + 3 * k) % 6];
        let places = (0..header).flat_map(|i| [(i, change(i, 0)), (i, change(i, 1))]);
        for (i, byte) in places.chain((header..good.len()).step_by(101).map(|i| (i, 0xff))) {
            let mut bytes = good.clone();
            bytes[i] = byte;
            if let Err(said) = try_bytes(&path, &bytes, &truth.setup) {
                refused += 1;
                assert!(said.contains("broken.safetensors"), "byte {i} as {byte}: {said}");
            }
        }
        assert!(refused > header / 4, "{refused} of {header}");
    }
    for (name, bytes) in [("empty", &b""[..]), ("text", b"not a model at all, but long enough to hold a length"), ("zeros", &[0; 64])] {
        let path = dir.path().join(name);
        assert!(try_bytes(&path, bytes, &truth.setup).unwrap_err().contains(name), "{name}");
    }
    assert!(Surrogate::load(&dir.path().join("nowhere")).err().unwrap().to_string().contains("nowhere"));
}
