//! Networks on dfdx's tape with own operations, training, and the learned surrogate, which is a simulator.
//!
//! Only `tape.rs` and `real.rs` name dfdx: replacing it touches these two files.

mod batch;
mod checkpoint;
mod config;
mod device;
mod error;
mod features;
mod feed;
mod graph_file;
mod imported;
mod kernels;
mod model_file;
pub mod models;
mod normalise;
mod onnx;
pub mod ops;
pub mod optimise;
mod params;
mod parts;
mod pool;
mod product;
mod ranks;
mod real;
mod sample;
mod surrogate;
mod tape;
mod train;

pub use config::{ModelConfig, Optimiser, Plan, TrainingConfig};
pub use device::{Device, Handle, Loaded, NetworkOn, Pass};
pub use error::LearnError;
pub use feed::TrajectorySource;
pub use imported::{IMPORTED, TargetSpec, imported_task};
pub use model_file::describe;
pub use params::{Params, Vars};
pub use ranks::{Alone, Place, Ranks};
pub use real::Real;
pub use surrogate::{Surrogate, SurrogateSimulator};
pub use tape::{Memory, Precision, Recorder, Var};
pub use train::{TrainEvent, TrainObserver, TrainSummary, train};
