//! Mapped four-sided patches: the keys of `patches`.

use super::{Key, Recipe};
use crate::case::{CaseError, Table};
use femur_mesh::CellKind;
use femur_mesh::generate::{Arc, NodeSet, Patch, PatchesSpec};

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "kind",
        default: "\"quad4\"",
        unit: "1",
        meaning: "triangle3, triangle6, quad4, quad8 or quad9; hex8, hex20, hex27, tet4 or tet10 for an extruded mesh",
    },
    Key {
        name: "height",
        default: "1.0",
        unit: "length",
        meaning: "of an extruded mesh: extent along z, from 0 (tag back) on (tag front)",
    },
    Key { name: "layers", default: "1", unit: "1", meaning: "of an extruded mesh: number of cells along z" },
    Key { name: "subdivide", default: "1", unit: "1", meaning: "factor on every number of cells: to refine all patches at once" },
    Key {
        name: "patches",
        default: "a unit square of 8 x 8 cells",
        unit: "1",
        meaning: "[[mesh.patches]]: corners (four, counter-clockwise), cells (along the first and the second side), sides (tags of the four sides, \"\" for none), arcs, grading, name (tag of the cells)",
    },
    Key {
        name: "node_sets",
        default: "none",
        unit: "1",
        meaning: "[[mesh.node_sets]]: name, on (a tag), low, high: the nodes within a box, as a tag",
    },
];

const KINDS: [CellKind; 10] = [
    CellKind::Quad4,
    CellKind::Quad8,
    CellKind::Quad9,
    CellKind::Triangle3,
    CellKind::Triangle6,
    CellKind::Hex8,
    CellKind::Hex20,
    CellKind::Hex27,
    CellKind::Tet4,
    CellKind::Tet10,
];

pub(super) fn patches(table: &Table) -> Result<Recipe, CaseError> {
    let words: Vec<&str> = KINDS.iter().map(|k| k.name()).collect();
    let kind = KINDS[table.choice_or("kind", &words, 0)?];
    let subdivide = count(table, "subdivide", table.usize_or("subdivide", 1)?)?;
    let (height, layers) = (table.positive_or("height", 1.0)?, count(table, "layers", table.usize_or("layers", 1)?)?);
    let mut list = table.tables("patches")?.iter().map(|t| patch(t, subdivide)).collect::<Result<Vec<_>, _>>()?;
    if list.is_empty() {
        list.push(Patch {
            corners: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]],
            cells: [8 * subdivide; 2],
            grading: [1.0; 2],
            arcs: [None; 4],
            sides: ["bottom", "right", "top", "left"].map(|s| Some(s.into())),
            name: None,
        });
    }
    let total: f64 = list.iter().map(|p| p.cells[0] as f64 * p.cells[1] as f64).sum::<f64>() * (layers * subdivide) as f64;
    if total > 1e8 {
        return Err(table.error("subdivide", format!("asks for {total:e} cells"), "take fewer"));
    }
    Ok(Recipe::Patches(PatchesSpec {
        patches: list,
        kind,
        extrusion: (kind.dim() == 3).then_some((height, layers * subdivide)),
        node_sets: table.tables("node_sets")?.iter().map(node_set).collect::<Result<_, _>>()?,
    }))
}

fn count(table: &Table, key: &str, n: usize) -> Result<usize, CaseError> {
    if (1..=10_000).contains(&n) {
        Ok(n)
    } else {
        Err(table.error(key, format!("must lie between 1 and 10000, got {n}"), "it is a number of cells"))
    }
}

/// `N` numbers of a key.
fn numbers<const N: usize>(table: &Table, key: &str, hint: &str) -> Result<[f64; N], CaseError> {
    let given = table.numbers(key)?;
    given.try_into().map_err(|v: Vec<f64>| table.error(key, format!("has {} numbers, not {N}", v.len()), hint))
}

fn patch(table: &Table, subdivide: usize) -> Result<Patch, CaseError> {
    let hint = "write corners = [[0, 0], [1, 0], [1, 1], [0, 1]], counter-clockwise";
    let given = table.number_lists("corners")?;
    let corners: Option<Vec<[f64; 2]>> = given.iter().map(|p| <[f64; 2]>::try_from(p.as_slice()).ok()).collect();
    let Some(corners) = corners.and_then(|c| <[[f64; 2]; 4]>::try_from(c).ok()) else {
        return Err(table.error("corners", "are not four points in the plane", hint));
    };
    let cells = <[usize; 2]>::try_from(table.usizes_or("cells", &[8, 8])?);
    let Ok([n, m]) = cells else { return Err(table.error("cells", "are not two numbers", "write cells = [8, 4]")) };
    let cells = [count(table, "cells.0", n)? * subdivide, count(table, "cells.1", m)? * subdivide];
    let mut sides = [None, None, None, None];
    if table.has("sides") {
        let names = table.strings("sides")?;
        let four = <[String; 4]>::try_from(names);
        let Ok(names) = four else { return Err(table.error("sides", "are not four tags", "write \"\" for a side without a tag")) };
        sides = names.map(|n| (!n.is_empty()).then_some(n));
    }
    let mut arcs = [None; 4];
    for arc in table.tables("arcs")? {
        let side = arc.usize("side")?;
        let Some(slot) = arcs.get_mut(side) else {
            return Err(arc.error("side", format!("must lie between 0 and 3, got {side}"), "side 0 runs from corner 0 to corner 1"));
        };
        let center = if arc.has("center") { numbers(&arc, "center", "write [x, y]")? } else { [0.0; 2] };
        let radii = if arc.has("radii") { numbers(&arc, "radii", "write [along x, along y]")? } else { [arc.positive("radius")?; 2] };
        *slot = Some(Arc { center, radii });
        arc.claim(&["radius"]);
        arc.finish()?;
    }
    let grading = if table.has("grading") { numbers(table, "grading", "write [1, 2]: last cell over first")? } else { [1.0; 2] };
    let patch = Patch { corners, cells, grading, arcs, sides, name: table.opt_string("name")? };
    table.finish()?;
    Ok(patch)
}

fn node_set(table: &Table) -> Result<NodeSet, CaseError> {
    let set =
        NodeSet { name: table.string("name")?, on: table.opt_string("on")?, low: table.numbers("low")?, high: table.numbers("high")? };
    table.finish()?;
    Ok(set)
}
