//! What can be wrong with a file.

use std::fmt;
use std::path::PathBuf;

use femur_mesh::MeshError;
use thiserror::Error;

/// Where in a file something was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file, from 1.
    Line(usize),
    /// Byte offset into a binary file or section, from 0.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(n) => write!(f, "line {n}"),
            Place::Byte(n) => write!(f, "byte {n}"),
        }
    }
}

/// A mesh file cannot be read or written.
#[derive(Debug, Error)]
pub enum IoError {
    /// The operating system refused.
    #[error("{}: {action}: {source}", file.display())]
    System {
        /// The file.
        file: PathBuf,
        /// `cannot read` or `cannot write`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// No format of the list takes the file.
    #[error("{}: no known mesh format{detail}\nhint: the formats are {known}", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// More about why, starting with a space or colon; may be empty.
        detail: String,
        /// Names and extensions of all formats.
        known: String,
    },
    /// The content is not what the format asks for.
    #[error("{}, {place}: expected {expected}, got {got}\nhint: {hint}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Line or byte offset.
        place: Place,
        /// What should stand there.
        expected: String,
        /// What stands there.
        got: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The content is well formed, but something that Femur does not take.
    #[error("{}: {what}\nhint: {hint}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// What was met.
        what: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// Boundary elements of a tag that are no facets of any cell.
    #[error(
        "{}: {missing} of {total} boundary elements of `{tag}` are no facets of any cell\n\
         hint: the boundary mesh and the cells must share nodes (gmsh: `Coherence`, or mesh once after all fragments)", file.display()
    )]
    Detached {
        /// The file.
        file: PathBuf,
        /// The tag.
        tag: String,
        /// How many have no cell.
        missing: usize,
        /// How many there are.
        total: usize,
    },
    /// The pieces were read but do not make a mesh.
    #[error("{}: {source}\nhint: the file describes an impossible mesh; export it again", file.display())]
    Mesh {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        source: MeshError,
    },
}
