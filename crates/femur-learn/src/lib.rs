//! Networks on dfdx's tape with own operations, training, and the learned surrogate, which is a simulator.
//!
//! Only `tape.rs` and `real.rs` name dfdx: replacing it touches these two files.

mod config;
mod error;
pub mod models;
pub mod ops;
mod params;
mod real;
mod tape;

pub use config::{ModelConfig, Plan, TrainingConfig};
pub use error::LearnError;
pub use params::Params;
pub use real::Real;
pub use tape::{Recorder, Var};
