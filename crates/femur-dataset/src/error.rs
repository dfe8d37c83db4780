//! What can be wrong with a dataset.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// A dataset or trajectory file cannot be written or read.
#[derive(Debug, Error)]
pub enum DatasetError {
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
    /// HDF5 failed: the file is truncated, damaged or of another kind.
    #[error("{path}: {what}: {reason}\n  hint: the file is damaged or not a Femur trajectory; make it again (femur generate --resume)")]
    Hdf {
        /// The file.
        path: PathBuf,
        /// Which object.
        what: String,
        /// HDF5's reason.
        reason: String,
    },
    /// The file can be read but does not make sense.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        what: String,
    },
    /// A directory is in the way or belongs to another case.
    #[error("{path}: {what}\n  hint: {hint}")]
    Refused {
        /// The directory.
        path: PathBuf,
        /// Why it is refused.
        what: String,
        /// What to do.
        hint: String,
    },
}

impl DatasetError {
    pub(crate) fn io(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> DatasetError {
        let path = path.to_path_buf();
        move |source| DatasetError::Io { path, what, source }
    }

    pub(crate) fn content(path: &Path, what: impl Into<String>) -> DatasetError {
        DatasetError::Content { path: path.into(), what: what.into() }
    }
}
