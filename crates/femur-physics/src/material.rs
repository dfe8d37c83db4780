//! Materials by cell tag.

use crate::PhysicsError;
use femur_mesh::{CellKind, Mesh, TagEntities};
use femur_sim::case::{Case, Table, nearest};

/// For each cell the number of its material, and the tables in that order. The tag `all` means every cell.
pub(crate) fn materials(case: &Case, mesh: &Mesh) -> Result<(Vec<i32>, Vec<Table>), PhysicsError> {
    let top = case.table("materials");
    let mut id = vec![-1; mesh.num_cells()];
    let mut tables = Vec::new();
    for (number, name) in top.keys().into_iter().enumerate() {
        let table = top.table(&name)?;
        if name == "all" && mesh.tags.get("all").is_none() {
            id.fill(number as i32);
        } else {
            known_tag(mesh, &table, "", &name)?;
            for &cell in mesh.tag_cells(&name).map_err(|e| table.error("", e.to_string(), "name a tag of cells"))? {
                id[cell as usize] = number as i32;
            }
        }
        tables.push(table);
    }
    if let Some(cell) = id.iter().position(|&m| m < 0) {
        let cells: Vec<&str> = mesh.tags.iter().filter(|t| matches!(t.entities, TagEntities::Cells(_))).map(|t| t.name.as_str()).collect();
        let hint = format!("write [materials.TAG] with TAG one of {}, or [materials.all]", cells.join(", "));
        return Err(top.error("", format!("cell {cell} has no material"), hint).into());
    }
    Ok((id, tables))
}

/// Refuses a tag that the mesh lacks, with the nearest word and the list.
pub(crate) fn known_tag(mesh: &Mesh, table: &Table, key: &str, name: &str) -> Result<(), PhysicsError> {
    if mesh.tags.get(name).is_some() {
        return Ok(());
    }
    let names = mesh.tags.names();
    let hint = match nearest(name, names.iter().copied()) {
        Some(word) => format!("did you mean \"{word}\"? The mesh has: {}", names.join(", ")),
        None => format!("the mesh has: {}", names.join(", ")),
    };
    Err(table.error(key, format!("the mesh has no tag \"{name}\""), hint).into())
}

/// Averages a value of the cells' materials onto the nodes, `[num_nodes]`.
pub(crate) fn to_nodes(mesh: &Mesh, id: &[i32], value: impl Fn(usize) -> f64) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0.0; mesh.num_nodes()], vec![0.0; mesh.num_nodes()]);
    for (cell, kind, nodes) in mesh.cells() {
        debug_assert!(kind != CellKind::Point);
        let v = value(id[cell] as usize);
        for &n in nodes {
            sum[n as usize] += v;
            count[n as usize] += 1.0;
        }
    }
    sum.iter().zip(&count).map(|(s, c)| if *c > 0.0 { s / c } else { 0.0 }).collect()
}
