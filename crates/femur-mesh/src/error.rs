//! What can be wrong with a mesh.

use thiserror::Error;

/// A mesh, a tag or a generator's parameters do not make sense.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MeshError {
    /// A connectivity entry points past the last node.
    #[error("cell {cell} of block {block} names node {node}, but the mesh has {num_nodes} nodes")]
    NodeOutOfRange {
        /// Block number.
        block: usize,
        /// Cell number within the block.
        cell: usize,
        /// The node asked for.
        node: u32,
        /// Number of nodes in the mesh.
        num_nodes: usize,
    },
    /// A flat array has a length that does not fit its shape.
    #[error("{what}: expected a length of {expected}, got {got}")]
    Length {
        /// Which array.
        what: String,
        /// Expected length.
        expected: usize,
        /// Length met.
        got: usize,
    },
    /// A cell has no or negative volume.
    #[error("cell {cell} has a measure of {measure:e}: inverted or degenerate")]
    DegenerateCell {
        /// Global cell number.
        cell: usize,
        /// Signed length, area or volume at the cell's centre.
        measure: f64,
    },
    /// A tag is asked for that the mesh lacks.
    #[error("the mesh has no tag `{name}`; it has: {known}")]
    UnknownTag {
        /// The name asked for.
        name: String,
        /// All names present, comma-separated.
        known: String,
    },
    /// A generator's parameter is out of its range.
    #[error("{parameter} = {value}: {expected}")]
    Parameter {
        /// Name as in a case file.
        parameter: String,
        /// The value given.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}
