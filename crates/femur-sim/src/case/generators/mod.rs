//! The generators that `[mesh] generator = "..."` names, with the keys of each.
//!
//! A generator is one line in [`GENERATORS`]: its keys as data (for documentation) and a function that reads them.

mod patches;
mod plate;
mod structured;

use super::{Case, CaseError, MeshSpec, Table};
use femur_mesh::generate::{self, BlockSpec, PatchesSpec, PlateSpec};
use femur_mesh::{CellKind, Mesh, MeshError};

#[cfg(test)]
mod tests;

/// A key of a generator's table, as documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Name below `[mesh]`, e.g. `hole.diameter`.
    pub name: &'static str,
    /// Default as written in a case file, or what happens without the key.
    pub default: &'static str,
    /// Unit: `length`, `deg`, or `1`.
    pub unit: &'static str,
    /// Meaning.
    pub meaning: &'static str,
}

/// A generator's measures. Lengths are in the mesh's unit before `scale`.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe {
    /// `plate-hole` and `channel-cylinder`.
    Plate(PlateSpec),
    /// `rectangle`, from the origin.
    Rectangle {
        /// Extent along x and y.
        extent: [f64; 2],
        /// Number of cells along x and y.
        cells: [usize; 2],
        /// Kind of the cells.
        kind: CellKind,
    },
    /// `box`, from the origin.
    Box {
        /// Extent along x, y and z.
        extent: [f64; 3],
        /// Number of cells along x, y and z.
        cells: [usize; 3],
        /// Kind of the cells.
        kind: CellKind,
    },
    /// `perforated-block`.
    Block(BlockSpec),
    /// `patches`.
    Patches(PatchesSpec),
}

impl Recipe {
    /// Makes the mesh.
    pub fn mesh(&self) -> Result<Mesh, MeshError> {
        match self {
            Recipe::Plate(spec) => generate::plate_with_holes(spec),
            Recipe::Rectangle { extent, cells, kind } => generate::rectangle(*extent, *cells, *kind),
            Recipe::Box { extent, cells, kind } => generate::box_(*extent, *cells, *kind),
            Recipe::Block(spec) => generate::perforated_block(spec),
            Recipe::Patches(spec) => generate::patches(spec),
        }
    }
}

/// A family of meshes that a case can name.
pub struct Generator {
    /// Name in a case file.
    pub name: &'static str,
    /// What it makes.
    pub summary: &'static str,
    /// Keys beside those of [`COMMON_KEYS`].
    pub keys: &'static [Key],
    /// Tags of the mesh.
    pub tags: &'static str,
    read: fn(&Table) -> Result<Recipe, CaseError>,
}

/// Keys of `[mesh]` that every generator has.
pub const COMMON_KEYS: &[Key] = &[
    Key { name: "generator", default: "required", unit: "1", meaning: "name of the generator" },
    Key { name: "scale", default: "1.0", unit: "1", meaning: "factor on all coordinates" },
];

/// All generators.
pub static GENERATORS: &[Generator] = &[
    Generator {
        name: "plate-hole",
        summary: "a rectangular plate with one hole or several (circles, ellipses, rounded polygons), in triangles graded towards the holes",
        keys: plate::PLATE_KEYS,
        tags: "left, right, bottom, top (edges), hole (its edge; with several holes hole_1, hole_2, ... too), plate (cells)",
        read: |t| plate::plate(t).map(Recipe::Plate),
    },
    Generator {
        name: "rectangle",
        summary: "a rectangle in a structured grid of triangles or quadrilaterals",
        keys: structured::RECTANGLE_KEYS,
        tags: "left, right, bottom, top (edges), body (cells)",
        read: structured::rectangle,
    },
    Generator {
        name: "box",
        summary: "a box in a structured grid of tetrahedra or hexahedra",
        keys: structured::BOX_KEYS,
        tags: "left, right (x), bottom, top (y), back, front (z) (faces), body (cells)",
        read: structured::brick,
    },
    Generator {
        name: "channel-cylinder",
        summary: "a channel with a circular cylinder across it, in triangles graded towards the cylinder",
        keys: plate::CHANNEL_KEYS,
        tags: "inflow, outflow, walls, cylinder (edges), fluid (cells)",
        read: |t| plate::channel(t).map(Recipe::Plate),
    },
    Generator {
        name: "perforated-block",
        summary: "a block with a circular bore along z, in mapped hexahedra or tetrahedra",
        keys: structured::BLOCK_KEYS,
        tags: "left, right (x), bottom, top (y), back, front (z), hole (faces), body (cells)",
        read: structured::block,
    },
    Generator {
        name: "patches",
        summary: "four-sided patches with straight and elliptic sides, in a mapped grid, in the plane or extruded along z",
        keys: patches::KEYS,
        tags: "left, right, bottom, top (edges), body (cells)",
        read: patches::patches,
    },
];

pub(crate) fn names() -> Vec<&'static str> {
    GENERATORS.iter().map(|g| g.name).collect()
}

/// Makes the mesh that the case's `[mesh]` describes.
pub fn build(case: &Case) -> Result<Mesh, CaseError> {
    let MeshSpec::Generator { name, table } = &case.mesh else {
        return Err(case.root().table("mesh")?.error("", "names a file, not a generator", "read the file instead"));
    };
    let (recipe, scale) = read(name, table)?;
    let mut mesh = recipe.mesh().map_err(|e| from_mesh(table, &e))?;
    mesh.points.iter_mut().for_each(|x| *x *= scale);
    Ok(mesh)
}

/// Reads and checks a generator's keys: its measures, and the factor on coordinates.
pub fn read(name: &str, table: &Table) -> Result<(Recipe, f64), CaseError> {
    let Some(generator) = GENERATORS.iter().find(|g| g.name == name) else {
        return Err(table.error("generator", format!("\"{name}\" is not known"), format!("one of {}", names().join(", "))));
    };
    table.claim(&["generator"]);
    let scale = table.positive_or("scale", 1.0)?;
    let recipe = (generator.read)(table)?;
    table.finish()?;
    Ok((recipe, scale))
}

/// `order`, 1 or 2.
pub(crate) fn order(table: &Table, default: usize) -> Result<usize, CaseError> {
    let order = table.usize_or("order", default)?;
    if (1..=2).contains(&order) {
        Ok(order)
    } else {
        Err(table.error("order", format!("must be 1 or 2, got {order}"), "1 for straight, 2 for quadratic elements"))
    }
}

/// A generator's complaint, with the place of the key where it names one.
fn from_mesh(table: &Table, error: &MeshError) -> CaseError {
    match error {
        MeshError::Parameter { parameter, value, expected } => {
            table.error(parameter, format!("{value}: {expected}"), "change it or what bounds it")
        }
        other => table.error("", format!("the mesh cannot be made: {other}"), "try other measures or another size"),
    }
}
