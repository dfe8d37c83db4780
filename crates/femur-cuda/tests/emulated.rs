//! Every network on the kernels, run by the CPU, against the same network in this process.

mod emulator;
#[path = "../../femur-learn/tests/toy/mod.rs"]
mod toy;

use emulator::{emulator, stand_in};
use femur_cuda::Accelerator;
use femur_learn::models::{GraphInput, MODELS, Model, Widths};
use femur_learn::ops::Adjacency;
use femur_learn::optimise::{self, Moments, Step};
use femur_learn::{
    Alone, Device, LearnError, Memory, ModelConfig, Params, Place, Plan, Precision, Recorder, Surrogate, TrainEvent, TrainObserver,
    TrainingConfig, TrajectorySource, Var, train,
};
use femur_mesh::CellKind;
use femur_mesh::generate::rectangle;
use femur_sim::{Trajectory, rollout};
use std::sync::Arc;

const WIDTHS: Widths = Widths { nodes: 3, edges: 2, outputs: 2 };

fn config(width: usize, hidden_layers: usize) -> ModelConfig {
    // Full steps whose edges are read again and full steps whose edges are not, lite ones, attention.
    ModelConfig { kind: String::new(), width, steps: 3, pattern: "LTFFTF".into(), slices: 3, heads: 2, hidden_layers }
}

/// A ring of nodes with chords, one of which has no edge that ends there and one none at all.
fn input(n: u32) -> GraphInput<f32> {
    let ring = n - 1;
    let mut edges: Vec<(u32, u32)> = (0..ring)
        .flat_map(|a| [(a, (a + 1) % ring), ((a + 1) % ring, a), ((a * 5 + 2) % ring, a)])
        .filter(|e| e.0 != 3 && e.0 != e.1)
        .collect();
    edges.sort_unstable();
    edges.dedup();
    let wave = |len: usize, f: f32| (0..len).map(|k| (k as f32 * f).sin()).collect::<Vec<_>>();
    let graph = Adjacency::new(edges.iter().map(|e| e.1).collect(), edges.iter().map(|e| e.0).collect(), n as usize);
    let (n, m) = (n as usize, edges.len());
    GraphInput { nodes: Var::constant(wave(n * 3, 0.7), n, 3), edges: Var::constant(wave(m * 2, 0.3), m, 2), graph: Arc::new(graph) }
}

fn params(model: &dyn Model, config: &ModelConfig) -> Params {
    let mut params = Params::new(3);
    model.init(WIDTHS, config, &mut params);
    // Shifts and biases that are not 0, scales that are not 1.
    for (k, p) in params.list.iter_mut().enumerate().filter(|(_, p)| p.1 == 1) {
        p.3.iter_mut().enumerate().for_each(|(i, v)| *v += 0.1 * ((k * 31 + i) as f32).sin());
    }
    params
}

/// Largest difference over the largest value.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-6_f32, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0_f32, |m, (a, b)| if (a - b).is_nan() { f32::INFINITY } else { m.max((a - b).abs()) }) / largest
}

/// Every network on a device against this process: values and gradients.
fn compare(device: &dyn Device) {
    for model in MODELS {
        // Wider than a warp, and not a multiple of it; a graph with more rows than a block.
        for (width, hidden, nodes) in [(8, 1, 9), (40, 2, 41)] {
            for (memory, precision, close) in [
                (Memory::Store, Precision::F32, 2e-5),
                (Memory::Checkpoint, Precision::F32, 2e-5),
                (Memory::Recompute, Precision::Bf16, 2e-2),
            ] {
                let (config, input) = (config(width, hidden), input(nodes));
                let params = params(*model, &config);
                let vars = params.vars::<f32>();
                let seed: Vec<f32> = (0..nodes * 2).map(|k| (k as f32 * 1.3).sin()).collect();
                let mut recorder = Recorder::training(memory).with(precision);
                let y = model.forward(&config, &vars, &input, &mut recorder);
                let mut grads = recorder.backward(&y, seed.clone());

                let loaded = device.load(&params).unwrap();
                let network =
                    |ops: &mut dyn femur_learn::ops::Operations<Var = femur_learn::Handle>, n: &_, e: &_| model.network(&config, ops, n, e);
                let what = format!("{} {width} {memory:?} {precision:?}", model.name());
                let pass = loaded.run(&input, Some(memory), precision, &network).unwrap();
                assert!(apart(pass.output(), y.values()) < close, "{what}: {}", apart(pass.output(), y.values()));
                // Two passes add up.
                pass.backward(seed.clone()).unwrap();
                loaded.run(&input, Some(memory), precision, &network).unwrap().backward(seed).unwrap();
                let sums = loaded.take_gradients().unwrap();
                let all: Vec<f32> = vars.list.iter().flat_map(|v| grads.take(v)).map(|g| 2.0 * g).collect();
                // Of wider ones sums in another order round to other bfloat16 numbers here and there, which changes gradients by as much as
                // the rounding itself does.
                assert!(
                    (precision == Precision::Bf16 && width > 8) || apart(&sums.concat(), &all) < 2e-5,
                    "{what}: gradients {}",
                    apart(&sums.concat(), &all)
                );
                if precision == Precision::F32 {
                    // Each by itself, for the small ones among them.
                    let mut rest = &all[..];
                    for (sum, p) in sums.iter().zip(&params.list) {
                        let own = rest.split_off(..sum.len()).unwrap();
                        assert!(apart(sum, own) < 1e-3, "{what}: {} {}", p.0, apart(sum, own));
                    }
                }
                // They start anew.
                assert!(loaded.take_gradients().unwrap().concat().iter().all(|&g| g == 0.0));
                // The same pass gives the same bits.
                let twice = [0, 1].map(|_| loaded.run(&input, None, precision, &network).unwrap().output().to_vec());
                assert_eq!(twice[0], twice[1]);
            }
        }
    }
}

#[test]
fn every_network_gives_the_values_and_gradients_of_this_process() {
    let Some(machine) = emulator() else { return };
    compare(&Accelerator::new(machine));
}

/// On a machine with a GPU: `cargo test -p femur-cuda -- --ignored`.
#[test]
#[ignore = "needs a GPU; the test below runs it on libraries that stand in for CUDA's"]
fn every_network_gives_the_same_on_a_gpu() {
    let device = femur_cuda::open(0).unwrap();
    println!("{}", device.name());
    compare(&*device);
    let missing = femur_cuda::open(1000).map(|_| ()).unwrap_err().to_string();
    assert!(missing.contains("cuda:1000") && missing.contains("hint"), "{missing}");
    if device.name().contains("stand-in") {
        // It has 64 MB.
        let full = device.load(&params(MODELS[0], &config(1000, 1))).map(|_| ()).unwrap_err().to_string();
        assert!(full.contains("no room") && full.contains("hint"), "{full}");
    }
}

#[test]
fn a_gpu_is_told_what_cuda_takes() {
    let Some(libraries) = stand_in() else { return };
    let this = std::env::current_exe().unwrap();
    let names = ["every_network_gives_the_same_on_a_gpu", "--exact", "--ignored", "--nocapture"];
    let done = std::process::Command::new(this).args(names).env("LD_LIBRARY_PATH", libraries.path()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && said.contains("cuda:0 (stand-in)") && said.contains("1 passed"), "{said}");
}

#[test]
fn muon_steps_as_in_this_process() {
    let Some(machine) = emulator() else { return };
    let device = Accelerator::new(machine);
    let training = TrainingConfig::plain(1e-2);
    let of = |device: Option<&dyn Device>| {
        let mut params = Params::new(1);
        for (name, rows, columns) in [("step.0.a.weight", 24, 40), ("step.0.b.weight", 24, 40), ("step.0.c.weight", 33, 16)] {
            params.weight(name, rows, columns, 1.0);
        }
        params.row("step.0.bias", 12, 0.0);
        let gradients: Vec<Vec<f32>> = params.list.iter().map(|p| (0..p.3.len()).map(|i| (i as f32 * 0.37).cos()).collect()).collect();
        let mut moments = Moments::zeros(&params);
        let step = Step { number: 0, rate: 0.01, scale: 1.0 };
        optimise::update(&mut params, &mut moments, &gradients, &[false; 4], step, &training, device).unwrap();
        params.list.into_iter().flat_map(|p| p.3).collect::<Vec<f32>>()
    };
    assert!(apart(&of(Some(&device)), &of(None)) < 1e-5);
}

#[test]
fn a_missing_parameter_is_an_error() {
    let Some(machine) = emulator() else { return };
    let device = Accelerator::new(machine);
    let (config, mut params) = (config(8, 1), Params::new(1));
    params.row("encode.node.0.weight", 4, 0.0);
    let loaded = device.load(&params).unwrap();
    let error = loaded.run(&input(9), None, Precision::F32, &|ops, n, e| MODELS[0].network(&config, ops, n, e)).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("encode.node.0.bias") && error.to_string().contains("hint"), "{error}");
}

struct Source(Vec<Trajectory>);

impl TrajectorySource for Source {
    fn count(&self, split: &str) -> usize {
        if split == "train" { self.0.len() - 1 } else { 1 }
    }

    fn trajectory(&self, split: &str, k: usize) -> Result<Trajectory, LearnError> {
        Ok(self.0[if split == "train" { k } else { self.0.len() - 1 }].clone())
    }

    fn data_sha256(&self) -> String {
        "toy".into()
    }
}

#[derive(Default)]
struct Curve(Vec<f64>);

impl TrainObserver for Curve {
    fn on_event(&mut self, event: &TrainEvent) {
        if let TrainEvent::Step { loss, .. } = event {
            self.0.push(*loss);
        } else if let TrainEvent::Validated { rollout_rmse, .. } = event {
            self.0.push(*rollout_rmse);
        }
    }
}

#[test]
fn a_training_follows_that_of_this_process_and_its_model_predicts_the_same() {
    let Some(machine) = emulator() else { return };
    let device = Accelerator::new(machine);
    let plate = |k: usize| rectangle([1.5, 1.0], [3 + k % 2, 2], CellKind::Triangle3).unwrap();
    let data = Source((0..4).map(|k| toy::trajectory(plate(k), 1.0 + 0.3 * k as f64, 4)).collect());
    let model = ModelConfig { kind: "meshgraphnet".into(), width: 8, steps: 2, ..config(8, 1) };
    let training = TrainingConfig { steps: 12, batch: 3, validate_every: 4, checkpoint_every: 5, seed: 1, ..TrainingConfig::plain(5e-3) };
    let plan = Plan { task: toy::task(true), model, training };
    let runs = [None, Some(&device as &dyn Device)].map(|device| {
        let (dir, mut curve) = (tempfile::tempdir().unwrap(), Curve::default());
        train(Place { ranks: &Alone, device }, &data, &plan, dir.path(), false, &mut curve).unwrap();
        (dir, curve.0)
    });
    let [(host, curve), (folder, on_device)] = &runs;
    assert!(curve.len() >= 6 && curve.len() == on_device.len());
    for (a, b) in curve.iter().zip(on_device) {
        assert!((a - b).abs() < 1e-3 * a, "{curve:?}\n{on_device:?}");
    }
    let run: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    assert_eq!(run["device"], "emulator");
    // One model by both.
    let path = host.path().join("model.safetensors");
    let [here, there] = [None, Some(&device as &dyn Device)].map(|device| {
        let surrogate = Surrogate::load_on(&path, device).unwrap();
        let predicted = rollout(&mut surrogate.simulator(data.0[3].setup.clone()).unwrap(), &mut ()).unwrap();
        predicted.states.iter().flat_map(|s| s.fields[0].values.clone()).map(|v| v as f32).collect::<Vec<f32>>()
    });
    assert!(apart(&there, &here) < 1e-4, "{}", apart(&there, &here));
}
