//! What can go wrong in learning.

use femur_dataset::DatasetError;
use femur_sim::case::CaseError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Training or loading a model failed.
#[derive(Debug, Error)]
pub enum LearnError {
    /// The case's tables.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The dataset.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The file system.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A model or checkpoint file.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Data and model do not fit.
    #[error("{what}\n  hint: {hint}")]
    Mismatch {
        /// What does not fit.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The loss or its gradient is not a number.
    #[error("{}\n  hint: lower [training] learning_rate", diverged(*step, *loss, example, field.as_deref()))]
    Diverged {
        /// Step.
        step: usize,
        /// Loss.
        loss: f64,
        /// Training example; empty where the sum over a batch is to blame.
        example: String,
        /// First field that is not finite in the prediction.
        field: Option<String>,
    },
    /// A device other than this process failed.
    #[error("{device}: {what}\n  hint: {hint}")]
    Device {
        /// Which one.
        device: String,
        /// What went wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Ctrl-C.
    #[error("interrupted: go on with --resume")]
    Interrupted,
}

impl LearnError {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> LearnError {
        let path = path.to_path_buf();
        move |source| LearnError::Io { path, what, source }
    }

    pub(crate) fn file(path: &Path, what: impl Into<String>) -> LearnError {
        LearnError::File { path: path.into(), what: what.into() }
    }
}

fn diverged(step: usize, loss: f64, example: &str, field: Option<&str>) -> String {
    let mut text = format!("training diverged at step {step}: the loss is {loss}");
    if loss.is_finite() {
        text += ", its gradient is not";
    }
    if !example.is_empty() {
        text += &format!(" on {example}");
    }
    if let Some(field) = field {
        text += &format!(", `{field}` is not finite in the prediction");
    }
    text
}
