//! The waist of Femur: what a run starts from, what it yields, and the small interface that truth and surrogate share.
//!
//! [`Setup`] holds all that is known before solving; a [`Simulator`] turns it into [`State`]s; a [`Trajectory`] is a setup
//! with its states. A finite-element solver and a learned surrogate are both a [`Simulator`].

pub mod baselines;
pub mod case;
pub mod derived;
pub mod metrics;
pub mod setup;
pub mod simulator;
pub mod task;
pub mod trajectory;

#[cfg(test)]
mod testing;

pub use femur_mesh::Field;
pub use setup::{Disc, Input, Load, NodeType, Param, Prescribed, Setup};
pub use simulator::{Observer, SimError, Simulator, rollout};
pub use task::{Coordinates, LearningTask, Target, Update};
pub use trajectory::{Series, SolverLog, State, Trajectory, UnitResponse};
