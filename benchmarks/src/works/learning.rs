//! A MeshGraphNet of the published size (Pfaff et al. 2021: 15 steps, latent 128, two hidden layers): a training step and an inference.

use crate::clock::timed;
use crate::contest::{Goal, Runner, Sample, Spec, contest};
use crate::npy;
use crate::options::Options;
use crate::peer::{Peer, Runtime, start_all};
use crate::process::{memory, reset_peak};
use anyhow::Result;
use femur_learn::models::{self, GraphInput, Widths};
use femur_learn::ops::{Adjacency, Operations};
use femur_learn::optimise::{self, Moments, Step};
use femur_learn::{Device, Handle, Memory, ModelConfig, Optimiser, Params, Precision, Recorder, TrainingConfig, Var};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const TORCH: Runtime = Runtime::Venv("bench-torch");
/// PyTorch as it comes, and compiled.
const PEERS: &[Peer] = &[
    Peer { name: "torch", program: "learning_torch.py", runtime: TORCH },
    Peer { name: "torch-compile", program: "learning_torch_compile.py", runtime: TORCH },
];
/// PyTorch with bfloat16 where its autocast takes it.
const BF16: &[Peer] = &[Peer { name: "torch-bf16", program: "learning_torch_bf16.py", runtime: TORCH }];
const WIDTHS: Widths = Widths { nodes: 11, edges: 3, outputs: 2 };
const RATE: f64 = 1e-4;

/// What both sides compute on.
struct Problem {
    config: ModelConfig,
    params: Params,
    senders: Vec<u32>,
    receivers: Vec<u32>,
    nodes: Vec<f32>,
    edges: Vec<f32>,
    targets: Vec<f32>,
}

/// Numbers between -1 and 1 without a pattern that a network could use.
fn scatter(len: usize, seed: f64) -> Vec<f32> {
    (0..len).map(|k| (seed + 12.9898 * k as f64).sin() as f32).collect()
}

impl Problem {
    /// The edges, both ways, of so many grids of triangles beside each other.
    fn new(copies: usize, nx: usize, ny: usize, width: usize, steps: usize) -> Result<Self> {
        let at = |copy: usize, i: usize, j: usize| ((copy * nx + i) * ny + j) as u32;
        let mut pairs = Vec::new();
        for copy in 0..copies {
            for i in 0..nx {
                for j in 0..ny {
                    for (di, dj) in [(1, 0), (0, 1), (1, 1)] {
                        if i + di < nx && j + dj < ny {
                            let (a, b) = (at(copy, i, j), at(copy, i + di, j + dj));
                            pairs.extend([(a, b), (b, a)]);
                        }
                    }
                }
            }
        }
        pairs.sort_unstable();
        let kind = "meshgraphnet".to_string();
        let config = ModelConfig { kind, width, steps, pattern: "F".into(), slices: 1, heads: 1, hidden_layers: 2 };
        let mut params = Params::new(7);
        models::find(&config.kind)?.init(WIDTHS, &config, &mut params);
        Ok(Problem {
            config,
            params,
            receivers: pairs.iter().map(|p| p.0).collect(),
            senders: pairs.iter().map(|p| p.1).collect(),
            nodes: scatter(copies * nx * ny * WIDTHS.nodes, 0.3),
            edges: scatter(pairs.len() * WIDTHS.edges, 0.7),
            targets: scatter(copies * nx * ny * WIDTHS.outputs, 0.1),
        })
    }

    fn n(&self) -> usize {
        self.nodes.len() / WIDTHS.nodes
    }

    fn input(&self) -> GraphInput<f32> {
        GraphInput {
            nodes: Var::constant(self.nodes.clone(), self.n(), WIDTHS.nodes),
            edges: Var::constant(self.edges.clone(), self.senders.len(), WIDTHS.edges),
            graph: Arc::new(Adjacency::new(self.senders.clone(), self.receivers.clone(), self.n())),
        }
    }

    /// Multiplications and additions of the matrix products of one forward pass, first layers counted as split.
    fn operations(&self) -> f64 {
        let square = 2.0 * (self.config.width * self.config.width) as f64;
        self.config.steps as f64 * square * (3.0 * self.senders.len() as f64 + 6.0 * self.n() as f64)
    }

    fn hand_over(&self, folder: &Path, options: &Options) -> Result<Value> {
        let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let whole = |v: &[u32]| v.iter().map(|v| i32::try_from(*v)).collect::<Result<Vec<_>, _>>();
        npy::write(&folder.join("nodes.npy"), &wide(&self.nodes), WIDTHS.nodes)?;
        npy::write(&folder.join("edges.npy"), &wide(&self.edges), WIDTHS.edges)?;
        npy::write(&folder.join("targets.npy"), &wide(&self.targets), WIDTHS.outputs)?;
        npy::write(&folder.join("senders.npy"), &whole(&self.senders)?, 1)?;
        npy::write(&folder.join("receivers.npy"), &whole(&self.receivers)?, 1)?;
        for (name, _, columns, values) in &self.params.list {
            npy::write(&folder.join(format!("{name}.npy")), &wide(values), *columns)?;
        }
        Ok(json!({"folder": folder, "threads": options.threads, "width": self.config.width, "steps": self.config.steps, "rate": RATE,
            "device": if options.cuda { "cuda" } else { "cpu" }}))
    }
}

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    let (width, steps) = options.pick((128, 15), (8, 2));
    let device = device(options)?;
    let mut sizes = options.pick(vec![(1, 38, 50), (1, 85, 100)], vec![(1, 5, 6)]);
    if device.is_some() {
        // A batch, which fills a GPU.
        sizes.extend(options.pick(vec![(8, 38, 50), (8, 85, 100)], vec![(2, 5, 6)]));
    }
    for (copies, nx, ny) in sizes {
        let problem = Problem::new(copies, nx, ny, width, steps)?;
        let graph = format!("MeshGraphNet {steps} x {width}, {} nodes, {} edges", problem.n(), problem.senders.len());
        let scratch = tempfile::tempdir()?;
        let mut job = problem.hand_over(scratch.path(), options)?;
        let plain = match (&device, copies) {
            (None, _) => vec![Goal::Than("torch", 2.5), Goal::Than("torch-compile", 2.0)],
            (Some(_), 1) => vec![Goal::Than("torch", 1.0)],
            // Within 1.5 times the time of the compiled one.
            (Some(_), _) => vec![Goal::Than("torch-compile", 1.0 / 1.5)],
        };
        let on_cpu = |goal: Goal| if device.is_none() { vec![goal] } else { Vec::new() };
        let store = Some(Memory::Store);
        let rows = [
            ("training step", PEERS, plain, store, Precision::F32),
            ("training step, recomputing", PEERS, Vec::new(), Some(Memory::Recompute), Precision::F32),
            ("training step, from checkpoints", PEERS, Vec::new(), Some(Memory::Checkpoint), Precision::F32),
            ("training step in f32 beside bf16", BF16, on_cpu(Goal::Than("torch-bf16", 1.3)), store, Precision::F32),
            ("training step in bf16", BF16, on_cpu(Goal::Than("torch-bf16", 2.0)), store, Precision::Bf16),
            ("training step in bf16, recomputing", BF16, Vec::new(), Some(Memory::Recompute), Precision::Bf16),
            ("training step in bf16, from checkpoints", BF16, Vec::new(), Some(Memory::Checkpoint), Precision::Bf16),
            ("inference", PEERS, on_cpu(Goal::Than("torch", 2.5)), None, Precision::F32),
        ];
        for (what, peers, goals, memory, precision) in rows {
            let size = format!("{what}, {graph}");
            if !options.wants(&size) {
                continue;
            }
            job["train"] = json!(memory.is_some());
            // Rounding of sums of thousands of terms; eight bits of mantissa
            let tolerance = if what.contains("bf16") { 0.1 } else { 2e-3 };
            let spec = Spec { work: "learning", size, goals, tolerance, rounds: options.pick(7, 1) };
            out(contest(&spec, options, ours(&problem, memory, precision, device.as_deref())?, start_all(peers, &job, options)?)?);
        }
    }
    Ok(())
}

/// The GPU, if that is asked for.
fn device(options: &Options) -> Result<Option<Arc<dyn Device>>> {
    if !options.cuda {
        return Ok(None);
    }
    #[cfg(feature = "cuda")]
    return Ok(Some(femur_cuda::open(0)?));
    #[cfg(not(feature = "cuda"))]
    anyhow::bail!("--cuda: this femur-bench was built without GPUs; build it with --features cuda")
}

/// A training step with its update, or (without memory) an inference.
fn ours<'a>(problem: &'a Problem, memory: Option<Memory>, precision: Precision, device: Option<&'a dyn Device>) -> Result<Runner<'a>> {
    let model = models::find(&problem.config.kind)?;
    let input = problem.input();
    let mut params = problem.params.clone();
    let mut moments = Moments::zeros(&params);
    let frozen = vec![false; params.list.len()];
    let training = TrainingConfig { optimiser: Optimiser::AdamW, ..TrainingConfig::plain(RATE) };
    let vars = params.vars::<f32>();
    let loaded = device.map(|d| d.load(&params)).transpose()?;
    let network =
        |ops: &mut dyn Operations<Var = Handle>, nodes: &Handle, edges: &Handle| model.network(&problem.config, ops, nodes, edges);
    let mut number = 0;
    Ok(Box::new(move || {
        let floor = reset_peak();
        let Some(memory) = memory else {
            let (seconds, y) = match &loaded {
                None => timed(|| Ok(model.forward(&problem.config, &vars, &input, &mut Recorder::inference()).values().to_vec())),
                Some(loaded) => timed(|| loaded.run(&input, None, precision, &network).map(|pass| pass.output().to_vec())),
            };
            let y = y?;
            let square = y.iter().map(|v| f64::from(v * v)).sum::<f64>() / y.len() as f64;
            let detail = detail(problem.operations() / seconds.wall, floor)?;
            return Ok(Sample { seconds, answer: BTreeMap::from([("output".into(), square)]), detail });
        };
        let (seconds, values) = timed(|| -> Result<(f64, f64)> {
            let scale = 1.0 / problem.targets.len() as f32;
            let mut loss = 0.0;
            let mut derivative = |y: &[f32]| -> Vec<f32> {
                let off = || y.iter().zip(&problem.targets).map(|(y, t)| y - t);
                loss = off().map(|d| f64::from(d * d * scale)).sum();
                off().map(|d| 2.0 * scale * d).collect()
            };
            let gradients: Vec<Vec<f32>> = if let Some(device) = device {
                let loaded = device.load(&params)?;
                let pass = loaded.run(&input, Some(memory), precision, &network)?;
                let seed = derivative(pass.output());
                pass.backward(seed)?;
                loaded.take_gradients()?
            } else {
                let vars = params.vars::<f32>();
                let mut recorder = Recorder::training(memory).with(precision);
                let y = model.forward(&problem.config, &vars, &input, &mut recorder);
                let mut grads = recorder.backward(&y, derivative(y.values()));
                vars.list.iter().map(|v| grads.take(v)).collect()
            };
            let norm = gradients.iter().flatten().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
            let step = Step { number, rate: RATE, scale: 1.0 };
            optimise::update(&mut params, &mut moments, &gradients, &frozen, step, &training, device)?;
            Ok((loss, norm))
        });
        let (loss, norm) = values?;
        number += 1;
        let answer = BTreeMap::from([("loss".into(), loss), ("gradient".into(), norm)]);
        Ok(Sample { seconds, answer, detail: detail(3.0 * problem.operations() / seconds.wall, floor)? })
    }))
}

fn detail(rate: f64, floor: f64) -> Result<BTreeMap<String, f64>> {
    let peak = memory("VmHWM:")?;
    Ok(BTreeMap::from([("gflops".into(), 1e-9 * rate), ("peak_mb".into(), peak), ("step_mb".into(), peak - floor)]))
}
