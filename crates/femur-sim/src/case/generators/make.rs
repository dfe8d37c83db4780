//! From a recipe to a mesh.

use super::Recipe;
use femur_mesh::{Mesh, MeshError};

pub(super) fn make(recipe: &Recipe) -> Result<Mesh, MeshError> {
    Err(MeshError::Other(format!("no generator for {recipe:?} in this build")))
}
