//! Structured and mapped meshes: the keys of `rectangle`, `box` and `perforated-block`.

use super::{Key, Recipe};
use crate::case::{CaseError, Table};
use femur_mesh::CellKind;
use femur_mesh::generate::BlockSpec;

/// Most cells along one axis, and in all.
const MAX_CELLS: (usize, usize) = (100_000, 100_000_000);

pub(super) const RECTANGLE_KEYS: &[Key] = &[
    Key { name: "width", default: "1.0", unit: "length", meaning: "extent along x, from 0" },
    Key { name: "height", default: "1.0", unit: "length", meaning: "extent along y, from 0" },
    Key { name: "cells", default: "[16, 16]", unit: "1", meaning: "number of cells along x and y" },
    Key { name: "kind", default: "\"quad4\"", unit: "1", meaning: "triangle3, triangle6, quad4, quad8 or quad9" },
];

const RECTANGLE_KINDS: [CellKind; 5] = [CellKind::Quad4, CellKind::Quad8, CellKind::Quad9, CellKind::Triangle3, CellKind::Triangle6];

pub(super) const BOX_KEYS: &[Key] = &[
    Key { name: "length", default: "1.0", unit: "length", meaning: "extent along x, from 0" },
    Key { name: "width", default: "1.0", unit: "length", meaning: "extent along y, from 0" },
    Key { name: "height", default: "1.0", unit: "length", meaning: "extent along z, from 0" },
    Key { name: "cells", default: "[8, 8, 8]", unit: "1", meaning: "number of cells along x, y and z" },
    Key { name: "kind", default: "\"hex8\"", unit: "1", meaning: "hex8, hex20, hex27, tet4 or tet10" },
];

const BOX_KINDS: [CellKind; 5] = [CellKind::Hex8, CellKind::Hex20, CellKind::Hex27, CellKind::Tet4, CellKind::Tet10];

pub(super) const BLOCK_KEYS: &[Key] = &[
    Key { name: "length", default: "1.0", unit: "length", meaning: "extent along x" },
    Key { name: "height", default: "1.0", unit: "length", meaning: "extent along y" },
    Key { name: "thickness", default: "0.25", unit: "length", meaning: "extent along z" },
    Key { name: "radius", default: "0.2", unit: "length", meaning: "radius of the bore" },
    Key { name: "x", default: "length / 2", unit: "length", meaning: "x of the bore's axis" },
    Key { name: "y", default: "height / 2", unit: "length", meaning: "y of the bore's axis" },
    Key {
        name: "cells",
        default: "[8, 6, 4]",
        unit: "1",
        meaning: "number of cells along each quarter of the bore, from the bore outwards, and along z",
    },
    Key { name: "kind", default: "\"hex8\"", unit: "1", meaning: "hex8, hex20, hex27, tet4 or tet10" },
];

fn kind(table: &Table, kinds: &[CellKind]) -> Result<CellKind, CaseError> {
    let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
    Ok(kinds[table.choice_or("kind", &names, 0)?])
}

fn cells<const N: usize>(table: &Table, default: [usize; N]) -> Result<[usize; N], CaseError> {
    let given = table.usizes_or("cells", &default)?;
    let hint = format!("write {N} numbers such as {default:?}");
    let Ok(cells) = <[usize; N]>::try_from(given) else { return Err(table.error("cells", "has another number of entries", hint)) };
    if cells.iter().any(|n| *n == 0 || *n > MAX_CELLS.0) || cells.iter().product::<usize>() > MAX_CELLS.1 {
        return Err(table.error("cells", format!("each must lie between 1 and {}, the product below {}", MAX_CELLS.0, MAX_CELLS.1), hint));
    }
    Ok(cells)
}

pub(super) fn rectangle(table: &Table) -> Result<Recipe, CaseError> {
    Ok(Recipe::Rectangle {
        extent: [table.positive_or("width", 1.0)?, table.positive_or("height", 1.0)?],
        cells: cells(table, [16, 16])?,
        kind: kind(table, &RECTANGLE_KINDS)?,
    })
}

pub(super) fn brick(table: &Table) -> Result<Recipe, CaseError> {
    Ok(Recipe::Box {
        extent: [table.positive_or("length", 1.0)?, table.positive_or("width", 1.0)?, table.positive_or("height", 1.0)?],
        cells: cells(table, [8, 8, 8])?,
        kind: kind(table, &BOX_KINDS)?,
    })
}

pub(super) fn block(table: &Table) -> Result<Recipe, CaseError> {
    let extent = [table.positive_or("length", 1.0)?, table.positive_or("height", 1.0)?, table.positive_or("thickness", 0.25)?];
    let radius = table.positive_or("radius", 0.2)?;
    let center = [table.f64_or("x", extent[0] / 2.0)?, table.f64_or("y", extent[1] / 2.0)?];
    for (axis, name) in ["x", "y"].into_iter().enumerate() {
        if center[axis] - radius <= 0.0 || center[axis] + radius >= extent[axis] {
            let key = if table.has(name) { name } else { "radius" };
            return Err(table.error(
                key,
                format!("a bore of radius {radius} does not lie within 0 .. {}", extent[axis]),
                "move it or make it smaller",
            ));
        }
    }
    Ok(Recipe::Block(BlockSpec { extent, center, radius, cells: cells(table, [8, 6, 4])?, kind: kind(table, &BOX_KINDS)? }))
}
