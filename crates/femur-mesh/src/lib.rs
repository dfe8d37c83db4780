//! Cells and their topology, meshes, tags and fields: the nouns that the simulator and the surrogate share.
//!
//! A [`Mesh`] holds cells of the highest dimension only, in blocks of one [`CellKind`]; what a mesh file states with
//! lower-dimensional elements (boundaries) becomes a [`Tag`] of facets, edges or nodes. Node order within a cell is VTK's.

pub mod adjacency;
pub mod cell;
pub mod colour;
pub mod distance;
pub mod error;
pub mod farthest;
pub mod field;
pub mod frame;
pub mod generate;
pub mod graph;
mod hash;
pub mod interpolate;
pub mod mesh;
pub mod partition;
pub mod periodic;
pub mod quality;
pub mod refine;
pub mod reorder;
mod shape;
mod split;
pub mod surface;
pub mod tags;
pub mod topology;
mod tree;

pub use adjacency::Adjacency;
pub use cell::{CellKind, Facet};
pub use error::MeshError;
pub use farthest::farthest_points;
pub use field::{Field, Location};
pub use frame::Frame;
pub use graph::{EdgeSet, Graph, GraphBuilder};
pub use interpolate::{Locator, Place};
pub use mesh::{CellBlock, Mesh};
pub use partition::{Part, Partition};
pub use quality::QualityReport;
pub use refine::refine;
pub use surface::Surface;
pub use tags::{FacetId, Tag, TagEntities, Tags};
pub use topology::FacetLookup;
