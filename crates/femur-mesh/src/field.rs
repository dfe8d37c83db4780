//! Values over the nodes or cells of a mesh.

use serde::{Deserialize, Serialize};

/// Where the values of a [`Field`] sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// One tuple a node.
    Node,
    /// One tuple a cell, in global cell order.
    Cell,
}

/// A named field: `values` is flat, `[num_entities, num_components]`, row-major.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Name, e.g. `displacement`.
    pub name: String,
    /// Unit, e.g. `m`; `1` if it has none.
    pub unit: String,
    /// Nodes or cells.
    pub location: Location,
    /// Component names (`x`, `y`, `xx`, ...); one empty string for a scalar.
    pub components: Vec<String>,
    /// Values `[num_entities, num_components]`.
    pub values: Vec<f64>,
}

impl Field {
    /// A scalar field `[n, 1]`.
    pub fn scalar(name: &str, unit: &str, location: Location, values: Vec<f64>) -> Self {
        Field { name: name.into(), unit: unit.into(), location, components: vec![String::new()], values }
    }

    /// A vector field `[n, dim]` with components x, y(, z).
    pub fn vector(name: &str, unit: &str, location: Location, dim: usize, values: Vec<f64>) -> Self {
        let components = ["x", "y", "z"][..dim].iter().map(|c| (*c).to_string()).collect();
        Field { name: name.into(), unit: unit.into(), location, components, values }
    }

    /// A symmetric tensor: `[n, 4]` (xx, yy, zz, xy) in 2D, `[n, 6]` (xx, yy, zz, xy, yz, xz) in 3D.
    pub fn symmetric_tensor(name: &str, unit: &str, location: Location, dim: usize, values: Vec<f64>) -> Self {
        let components = symmetric_components(dim).iter().map(|c| (*c).to_string()).collect();
        Field { name: name.into(), unit: unit.into(), location, components, values }
    }

    /// Number of components.
    pub fn num_components(&self) -> usize {
        self.components.len()
    }

    /// Number of nodes or cells.
    pub fn len(&self) -> usize {
        self.values.len() / self.num_components()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The tuple of entity `i`, `[num_components]`.
    pub fn at(&self, i: usize) -> &[f64] {
        let n = self.num_components();
        &self.values[i * n..(i + 1) * n]
    }
}

/// Component names of a symmetric tensor, in VTK's order.
pub fn symmetric_components(dim: usize) -> &'static [&'static str] {
    if dim == 3 { &["xx", "yy", "zz", "xy", "yz", "xz"] } else { &["xx", "yy", "zz", "xy"] }
}
