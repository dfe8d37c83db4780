//! From runs made elsewhere to a dataset of Femur: `femur import`.
//!
//! A map file says which files are runs, which of their arrays are targets and inputs, where values are prescribed and what the
//! boundaries are called; see [`map`]. Each run becomes a [`femur_sim::Trajectory`], and from there on nothing is special: the
//! dataset is written by the same writer as that of `femur generate`.

mod csv;
mod dataset;
mod deepmind;
mod files;
pub mod map;
mod run;

pub use dataset::{Report, import_map};
pub use deepmind::{Deepmind, import_deepmind};
