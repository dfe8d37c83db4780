//! Mesh formats in and out, VTK out.
//!
//! [`read_mesh`] takes gmsh `.msh` (2.2 and 4.1, text and binary), VTK `.vtu` (every encoding but LZ4 and LZMA) and
//! Abaqus/CalculiX `.inp`; [`write_mesh`] makes `.msh` 4.1 and `.vtu`. Every format is one line of [`FORMATS`].
//!
//! What every reader holds to:
//! - Cells of the highest dimension make the mesh, in one block a kind, node order VTK's. Cells with a negative measure are
//!   renumbered (mirrored), since formats differ in what they call positive.
//! - Elements one dimension lower that belong to a group become a tag of facets, still lower ones a tag of nodes.
//! - Nodes that no cell uses are dropped. Surfaces must lie in a plane z = const; their mesh has two coordinates.
//! - No file makes a reader panic or take memory out of proportion to the file's size: every count is held against the
//!   bytes that are left. Errors name file, line or byte, what was expected and what to do.

mod abaqus;
mod assembly;
mod error;
mod fields;
mod format;
mod gmsh;
mod groups;
mod info;
mod orient;
mod scan;
pub mod vtk;

pub use error::{IoError, Place};
pub use format::{FORMATS, MeshFile, MeshFormat, read_mesh, write_mesh};
pub use gmsh::{Encoding, write_msh};
pub use info::{MeshInfo, TagInfo, info};
pub use orient::orient;
