//! Mesh generators: structured, unstructured 2D with holes, mapped 3D.

pub mod block;
pub mod channel;
pub mod curve;
mod delaunay;
mod front;
pub mod patches;
pub mod plate;
mod region;
mod size;
mod smooth;
pub mod structured;
mod triangulate;

pub use block::{BlockSpec, perforated_block};
pub use channel::{ChannelSpec, channel_with_cylinder};
pub use curve::{Hole, HoleShape};
pub use patches::{Arc, NodeSet, Patch, PatchesSpec, patches};
pub use plate::{PlateNames, PlateSpec, plate_with_holes, plate_with_size};
pub use structured::{box_, rectangle};
