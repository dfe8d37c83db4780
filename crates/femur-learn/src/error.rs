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
    /// The loss is not a number.
    #[error("the loss is {loss} at step {step}\n  hint: lower [training] learning_rate; femur verify-data looks for NaN in the dataset")]
    Diverged {
        /// Step.
        step: usize,
        /// Loss.
        loss: f64,
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
