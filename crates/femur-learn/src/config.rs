//! `[model]`, `[training]` and `[learning]` of a case.

use crate::{LearnError, Memory, Precision};
use femur_sim::case::{Case, Table};
use femur_sim::{Coordinates, LearningTask};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Most farthest-point nodes of `[learning] long_range`.
pub(crate) const MOST_CENTERS: usize = 1024;

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// Name in the list of models.
    pub kind: String,
    /// Width of the latent features.
    pub width: usize,
    /// Message steps of `meshgraphnet`.
    pub steps: usize,
    /// Steps of `meshgraphnet-global`: letters L, F, T.
    pub pattern: String,
    /// Learned slices of each attention head.
    pub slices: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden layers of the encoders, the decoder and the networks of full steps.
    #[serde(default = "one")]
    pub hidden_layers: usize,
}

/// What model files of before that key have.
fn one() -> usize {
    1
}

/// Nodes of a part where a case names none: at 85 to 250 KB a node of the published network a part takes 4 to 13 GB.
pub(crate) const PART_NODES: usize = 50_000;

/// How parameters follow from gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimiser {
    /// AdamW for every parameter.
    AdamW,
    /// Muon for the matrices between hidden layers, AdamW for the rest.
    Muon,
}

impl Optimiser {
    /// All, with their words in a case.
    pub const ALL: [(Optimiser, &str); 2] = [(Optimiser::Muon, "muon"), (Optimiser::AdamW, "adamw")];

    /// Largest learning rate where a case names none: the best of those tried on the demo's families (`docs/decisions/0004-muon.md`).
    fn usual_rate(self) -> f64 {
        match self {
            Optimiser::Muon => 4e-3,
            Optimiser::AdamW => 2e-3,
        }
    }
}

/// The training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Updates.
    pub steps: usize,
    /// Graphs per update.
    pub batch: usize,
    /// Instead: as many graphs as have together at most so many nodes, at least one.
    #[serde(default)]
    pub batch_nodes: Option<usize>,
    /// Graphs of more nodes are computed in parts of at most so many; only where no step sees all nodes.
    #[serde(default)]
    pub part_nodes: Option<usize>,
    /// Optimiser.
    pub optimiser: Optimiser,
    /// Largest learning rate.
    pub learning_rate: f64,
    /// Part of the steps with a rising rate.
    pub warmup: f64,
    /// Weight decay, decoupled from the gradient.
    pub weight_decay: f64,
    /// Largest norm of a gradient.
    pub clip: f64,
    /// Steps between checkpoints.
    pub checkpoint_every: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Seed of first weights, order and noise.
    pub seed: u64,
    /// Stop after so many validations without a better one; 0 for never.
    pub patience: usize,
    /// Blocks of the network that stay as they are: `encode`, `step.0` ...
    pub freeze: Vec<String>,
    /// Model file to start from.
    #[serde(skip)]
    pub from: Option<PathBuf>,
    /// Hash of that file: a path would differ between equal runs.
    pub from_sha256: Option<String>,
    /// Stop (resumable) after so many seconds; 0 for never.
    #[serde(skip)]
    pub time_limit: f64,
    /// What is kept for the backward pass; the result is the same to the bit.
    #[serde(skip)]
    pub memory: Memory,
    /// Most bytes of training trajectories that are held; the result is the same to the bit. None: half of the free memory.
    #[serde(skip)]
    pub cache: Option<u64>,
    /// What the factors of products are rounded to.
    #[serde(default)]
    pub precision: Precision,
}

/// All that decides a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What is learnt.
    pub task: LearningTask,
    /// The network.
    pub model: ModelConfig,
    /// The training.
    pub training: TrainingConfig,
}

impl Plan {
    /// Reads `[model]`, `[training]` and `[learning]` (which changes the task).
    pub fn of_case(case: &Case, task: LearningTask) -> Result<Self, LearnError> {
        Self::of_tables(&case.root(), case.seed, task)
    }

    /// As [`Plan::of_case`] from the top of any file with these tables, such as the map of an imported dataset.
    ///
    /// # Errors
    /// A key or value that is not known.
    pub fn of_tables(top: &Table, seed: u64, mut task: LearningTask) -> Result<Self, LearnError> {
        let model = ModelConfig::from_table(&top.table("model")?)?;
        let training = TrainingConfig::from_table(&top.table("training")?, seed)?;
        let t = top.table("learning")?;
        task.noise = t.f64_or("noise", task.noise)?;
        task.unroll = t.usize_or("unroll", task.unroll)?;
        let at = Coordinates::ALL.iter().position(|c| c.0 == task.coordinates).unwrap_or_default();
        task.coordinates = Coordinates::ALL[t.choice_or("coordinates", &Coordinates::ALL.map(|c| c.1), at)?].0;
        task.long_range = t.usize_or("long_range", task.long_range)?;
        if task.long_range > MOST_CENTERS {
            let hint = "32: the edges between them are its square";
            return Err(t.error("long_range", format!("must be at most {MOST_CENTERS}"), hint).into());
        }
        task.distance_scale = t.positive_or("distance_scale", task.distance_scale)?;
        task.input_means = t.bool_or("input_means", task.input_means)?;
        if !t.bool_or("distances", true)? {
            task.distance_tags.clear();
        }
        if !t.bool_or("linear", true)? {
            task.linear_in.clear();
        }
        t.finish()?;
        Ok(Plan { task, model, training })
    }
}

impl ModelConfig {
    /// Reads `[model]`.
    pub fn from_table(t: &Table) -> Result<Self, LearnError> {
        let names: Vec<&str> = crate::models::MODELS.iter().map(|m| m.name()).collect();
        let kind = names[t.choice_or("kind", &names, 1)?].to_string();
        let config = ModelConfig {
            kind,
            width: t.usize_or("width", 64)?,
            steps: t.usize_or("steps", 8)?,
            pattern: t.string_or("pattern", "LTLTLTL")?,
            slices: t.usize_or("slices", 32)?,
            heads: t.usize_or("heads", 4)?,
            hidden_layers: t.usize_or("hidden_layers", 1)?,
        };
        if let Some((key, what, hint)) = config.fault() {
            return Err(t.error(key, what, hint).into());
        }
        t.finish()?;
        Ok(config)
    }

    /// The first key whose value no network can be made of, with what is wrong and a hint: of a case and of a model file alike.
    pub(crate) fn fault(&self) -> Option<(&'static str, String, &'static str)> {
        if !(4..=1024).contains(&self.width) {
            return Some(("width", "must lie between 4 and 1024".into(), "64 or 128"));
        }
        if self.heads == 0 || !self.width.is_multiple_of(self.heads) {
            return Some(("heads", format!("must divide width = {}", self.width), "4"));
        }
        if !(1..=1024).contains(&self.slices) || self.steps > 100 {
            return Some(("slices", "slices must lie between 1 and 1024 and steps be at most 100".into(), "slices = 32, steps = 8"));
        }
        if !(1..=8).contains(&self.hidden_layers) {
            return Some(("hidden_layers", "must lie between 1 and 8".into(), "1, or 2 as in the published network"));
        }
        if self.pattern.is_empty() || self.pattern.len() > 100 || self.pattern.chars().any(|c| !"LFT".contains(c)) {
            return Some(("pattern", "is made of the letters L (lite), F (full) and T (attention)".into(), "LTLTLTL"));
        }
        None
    }
}

impl TrainingConfig {
    /// Reads `[training]`.
    pub fn from_table(t: &Table, seed: u64) -> Result<Self, LearnError> {
        let from = t.opt_string("from")?.map(model_path);
        let optimiser = Optimiser::ALL[t.choice_or("optimiser", &Optimiser::ALL.map(|o| o.1), 0)?].0;
        let config = TrainingConfig {
            steps: t.usize_or("steps", 5_000)?,
            batch: t.usize_or("batch", 2)?,
            batch_nodes: positive(t, "batch_nodes")?,
            part_nodes: positive(t, "part_nodes")?,
            optimiser,
            learning_rate: t.positive_or("learning_rate", optimiser.usual_rate())?,
            warmup: t.f64_or("warmup", 0.03)?,
            weight_decay: t.f64_or("weight_decay", 1e-4)?,
            clip: t.positive_or("clip", 1.0)?,
            checkpoint_every: t.usize_or("checkpoint_every", 500)?,
            validate_every: t.usize_or("validate_every", 500)?,
            seed: t.usize_or("seed", seed as usize)? as u64,
            patience: t.usize_or("patience", 0)?,
            freeze: if t.has("freeze") { t.strings("freeze")? } else { Vec::new() },
            from: from.clone(),
            from_sha256: from.map(|path| hash(&path)).transpose()?,
            time_limit: t.f64_or("time_limit", 0.0)?,
            memory: Memory::ALL[t.choice_or("memory", &Memory::ALL.map(|m| m.1), 0)?].0,
            cache: t.opt_bytes("cache")?.map(|bytes| bytes as u64),
            precision: Precision::ALL[t.choice_or("precision", &Precision::ALL.map(|p| p.1), 0)?].0,
        };
        if config.steps == 0 || config.batch == 0 || config.checkpoint_every == 0 || config.validate_every == 0 {
            return Err(t
                .error("steps", "steps, batch, checkpoint_every and validate_every must be positive", "leave them out for the defaults")
                .into());
        }
        if config.batch_nodes.is_some() && t.has("batch") {
            return Err(t.error("batch_nodes", "stands beside batch", "leave out one of them").into());
        }
        t.finish()?;
        Ok(config)
    }

    /// One graph an update at this learning rate, without decay, warm-up, or anything that a case may ask for.
    pub fn plain(learning_rate: f64) -> Self {
        TrainingConfig {
            steps: 100,
            batch: 1,
            batch_nodes: None,
            part_nodes: None,
            optimiser: Optimiser::AdamW,
            learning_rate,
            warmup: 0.0,
            weight_decay: 0.0,
            clip: 1.0,
            checkpoint_every: 100,
            validate_every: 100,
            seed: 0,
            patience: 0,
            freeze: Vec::new(),
            from: None,
            from_sha256: None,
            time_limit: 0.0,
            memory: Memory::Store,
            cache: None,
            precision: Precision::F32,
        }
    }

    /// Learning rate at a step: linear warm-up, then a cosine to 0.
    pub fn rate(&self, step: usize) -> f64 {
        let warmup = (self.warmup * self.steps as f64).max(1.0);
        let s = step as f64;
        if s < warmup {
            return self.learning_rate * (s + 1.0) / warmup;
        }
        let part = (s - warmup) / (self.steps as f64 - warmup).max(1.0);
        0.5 * self.learning_rate * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos())
    }
}

/// A number that may be left out.
fn positive(t: &Table, key: &str) -> Result<Option<usize>, LearnError> {
    match t.has(key).then(|| t.usize_or(key, 1)).transpose()? {
        Some(0) => Err(t.error(key, "must be positive", "leave it out for the default").into()),
        given => Ok(given),
    }
}

/// A model file, or that of the directory of a run.
fn model_path(name: String) -> PathBuf {
    let path = PathBuf::from(name);
    if path.is_dir() { path.join("model.safetensors") } else { path }
}

fn hash(path: &Path) -> Result<String, LearnError> {
    let bytes = std::fs::read(path).map_err(LearnError::io(path, "read"))?;
    Ok(Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect())
}
