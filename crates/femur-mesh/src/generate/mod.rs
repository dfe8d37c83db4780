//! Mesh generators: structured, unstructured 2D with holes, mapped 3D.

pub mod block;
pub mod curve;
pub mod plate;
pub mod structured;
mod triangulate;

pub use block::{BlockSpec, perforated_block};
pub use curve::{Hole, HoleShape};
pub use plate::{PlateSpec, plate_with_holes};
pub use structured::{box_, rectangle};
