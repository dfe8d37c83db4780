//! Datasets: one HDF5 file per trajectory that ParaView opens as it is and h5py reads, a manifest, statistics.

mod builder;
mod dataset;
mod error;
mod exchange;
mod hdf;
mod manifest;
mod predictions;
mod shard;
mod stats;
mod trajectory;
mod verify;

pub use builder::{DatasetBuilder, DatasetSpec};
pub use dataset::Dataset;
pub use error::DatasetError;
pub use exchange::{DeepmindReader, DeepmindRun, DeepmindWriter, xdmf};
pub use manifest::{Entry, Failed, FieldInfo, Manifest, TrajectoryId, Truth};
pub use predictions::PredictionWriter;
pub use shard::Shard;
pub use stats::{ComponentStats, Stats};
pub use trajectory::{Frames, TrajectoryMeta, WriteOptions, data_sha256, read_setup, read_steps, read_trajectory, write_trajectory};
pub use verify::{Finding, verify};

pub(crate) use trajectory::hex as trajectory_hex;
