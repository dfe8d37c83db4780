//! Finite elements: reference elements, quadrature, values at points, assembly, constraints, recovery, error norms.

pub mod assemble;
pub mod constraints;
pub mod element;
pub mod error_norms;
pub mod facets;
pub mod groups;
pub mod lumped;
pub mod matrix_free;
pub mod nested;
pub mod quadrature;
pub mod recovery;
pub mod space;
pub mod values;

pub use assemble::{Assembler, CellCoefficient, Form, InvertedCell, VectorAssembler};
pub use constraints::Constraints;
pub use element::ReferenceElement;
pub use facets::FacetPoint;
pub use groups::NodeGroups;
pub use lumped::{Lumping, lumped_mass};
pub use matrix_free::{Constrained, ElementMatrix, MatrixFree};
pub use nested::VertexSpace;
pub use quadrature::Quadrature;
pub use space::{FieldSpace, FreeSystem, MixedSpace};
pub use values::{CellGeometry, Tabulation};
