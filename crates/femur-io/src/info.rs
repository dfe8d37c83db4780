//! What `femur info` says of a mesh file.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::MeshFile;

/// Counts of a mesh file. Serialises to
/// `{"nodes", "dim", "cells": {kind: count}, "tags": {name: {"dim", "count"}}}`, kinds and tags in the mesh's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeshInfo {
    /// Number of nodes.
    pub nodes: usize,
    /// Space dimension.
    pub dim: usize,
    /// Number of cells by the name of their kind.
    #[serde(serialize_with = "as_map")]
    pub cells: Vec<(String, usize)>,
    /// Tags by name.
    #[serde(serialize_with = "as_map")]
    pub tags: Vec<(String, TagInfo)>,
}

/// What a tag holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TagInfo {
    /// Dimension of its members: 0 for nodes, that of the mesh for cells, one less for facets.
    pub dim: usize,
    /// Number of members.
    pub count: usize,
}

fn as_map<S: Serializer, T: Serialize>(list: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(list.len()))?;
    for (key, value) in list {
        map.serialize_entry(key, value)?;
    }
    map.end()
}

/// Counts nodes, cells by kind and the members of tags.
pub fn info(file: &MeshFile) -> MeshInfo {
    let mesh = &file.mesh;
    let mut cells: Vec<(String, usize)> = Vec::new();
    for block in &mesh.blocks {
        match cells.iter_mut().find(|(name, _)| name == block.kind.name()) {
            Some((_, count)) => *count += block.num_cells(),
            None => cells.push((block.kind.name().into(), block.num_cells())),
        }
    }
    let tags = mesh.tags.iter().map(|t| (t.name.clone(), TagInfo { dim: mesh.tag_dim(&t.entities), count: t.entities.len() })).collect();
    MeshInfo { nodes: mesh.num_nodes(), dim: mesh.dim, cells, tags }
}
