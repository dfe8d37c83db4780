//! Checkpoints: all that a training needs to go on to the same bytes.

use crate::LearnError;
use crate::config::Plan;
use crate::model_file;
use crate::optimise::Moments;
use crate::params::Params;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How far a training is. Data order and noise follow from the step and the seed alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub(crate) step: usize,
    pub(crate) best_step: usize,
    /// Examples drawn so far, where their number differs from update to update.
    #[serde(default)]
    pub(crate) drawn: usize,
    pub(crate) best: Option<f64>,
    /// All steps are made, or no better model was in sight.
    pub(crate) finished: bool,
    /// 0.5 after a divergence, else 1.
    pub(crate) rate_factor: f64,
    pub(crate) plan: Plan,
    pub(crate) data_sha256: String,
}

/// Everything that a checkpoint holds.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) params: Params,
    pub(crate) moments: Moments,
    pub(crate) best: Params,
    pub(crate) progress: Progress,
}

impl State {
    /// Before the first update.
    pub(crate) fn new(params: Params, plan: Plan, data_sha256: String) -> Self {
        let progress = Progress { step: 0, best_step: 0, drawn: 0, best: None, finished: false, rate_factor: 1.0, plan, data_sha256 };
        State { best: params.clone(), moments: Moments::zeros(&params), params, progress }
    }
}

/// Checkpoints kept.
const KEEP: usize = 2;

/// Writes a checkpoint and drops the oldest.
pub(crate) fn write_checkpoint(dir: &Path, state: &State) -> Result<PathBuf, LearnError> {
    let path = dir.join(format!("step_{:08}.safetensors", state.progress.step));
    let mut rows = Vec::new();
    for (k, (name, r, c, v)) in state.params.list.iter().enumerate() {
        rows.push((format!("param.{k:04}.{name}"), *r, *c, v.as_slice()));
        rows.push((format!("first.{k:04}.{name}"), *r, *c, state.moments.first[k].as_slice()));
        rows.push((format!("second.{k:04}.{name}"), *r, *c, state.moments.second[k].as_slice()));
        rows.push((format!("best.{k:04}.{name}"), *r, *c, state.best.list[k].3.as_slice()));
    }
    model_file::write_tensors(&path, &rows, &state.progress)?;
    let mut all = checkpoint_files(dir);
    while all.len() > KEEP {
        let _ = std::fs::remove_file(all.remove(0));
    }
    Ok(path)
}

fn checkpoint_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    files.retain(|f| f.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files
}

/// The newest checkpoint that can be read.
pub(crate) fn last_checkpoint(dir: &Path) -> Result<Option<State>, LearnError> {
    let mut failure = None;
    for path in checkpoint_files(dir).into_iter().rev() {
        match model_file::read_tensors::<Progress>(&path) {
            Ok((rows, progress)) => {
                let part = |prefix: &str| {
                    let rows = rows.iter().filter_map(|r| r.0.strip_prefix(prefix).map(|n| (n.to_string(), r.1, r.2, r.3.clone())));
                    model_file::params_of(rows.collect())
                };
                let values = |p: Params| p.list.into_iter().map(|p| p.3).collect();
                return Ok(Some(State {
                    params: part("param."),
                    moments: Moments { first: values(part("first.")), second: values(part("second.")) },
                    best: part("best."),
                    progress,
                }));
            }
            Err(e) => failure = Some(e),
        }
    }
    failure.map_or(Ok(None), Err)
}
