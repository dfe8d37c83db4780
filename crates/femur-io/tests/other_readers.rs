//! VTK, meshio and gmsh read what is written here, where a Python with them is at hand (`FEMUR_PYTHON`, else `python3`).

mod common;

use std::process::Command;

use common::{kinds, sample};
use femur_io::vtk::{VtuOptions, write_vtu_with};
use femur_io::{Encoding, write_msh};
use femur_mesh::{Field, Location, TagEntities};
use serde_json::{Map, Value, json};

/// Rows of `stored` numbers, zeros behind what is there.
fn rows(field: &Field, stored: usize) -> Value {
    let row = |i: usize| (0..stored).map(|k| field.at(i).get(k).copied().unwrap_or(0.0)).collect::<Vec<_>>();
    let all: Vec<Vec<f64>> = (0..field.len()).map(row).collect();
    if stored == 1 { json!(all.concat()) } else { json!(all) }
}

/// Rows of full 3 x 3 tensors.
fn tensors(field: &Field) -> Value {
    let full = |t: &[f64]| {
        let at = |k: usize| t.get(k).copied().unwrap_or(0.0);
        vec![at(0), at(3), at(5), at(3), at(1), at(4), at(5), at(4), at(2)]
    };
    json!((0..field.len()).map(|i| full(field.at(i))).collect::<Vec<_>>())
}

#[test]
fn other_programs_read_the_same() {
    let python = std::env::var("FEMUR_PYTHON").unwrap_or_else(|_| "python3".into());
    let dir = tempfile::tempdir().expect("a folder");
    for kind in kinds() {
        let mut file = sample(kind);
        // gmsh takes no quotes within names
        let mut tags = femur_mesh::Tags::default();
        for t in file.mesh.tags.iter().filter(|t| !t.name.contains('"')) {
            tags.insert(&t.name, t.gmsh_tag, t.entities.clone());
        }
        file.mesh.tags = tags;
        let mesh = &file.mesh;
        let (mut point_data, mut cell_data, mut views) = (Map::new(), Map::new(), Map::new());
        for field in &file.fields {
            let (vtk, gmsh) = match field.num_components() {
                1 => (1, 1),
                2 if field.components == ["x", "y"] => (3, 3),
                2 => (2, 3),
                3 => (3, 3),
                _ => (6, 9),
            };
            let data = if field.location == Location::Node { &mut point_data } else { &mut cell_data };
            data.insert(field.name.clone(), rows(field, vtk));
            let view = match gmsh {
                9 => tensors(field),
                1 => json!(field.values.iter().map(|v| [v]).collect::<Vec<_>>()),
                n => rows(field, n),
            };
            views.insert(field.name.clone(), json!([gmsh, view]));
        }
        let mut groups = Map::new();
        for tag in mesh.tags.iter() {
            let dim = mesh.tag_dim(&tag.entities);
            let mask = |n: usize, members: Vec<(u32, u32)>| {
                let mut mask = vec![0; n];
                members.into_iter().for_each(|(i, bit)| mask[i as usize] |= bit);
                json!(mask)
            };
            let (data, name, values) = match &tag.entities {
                TagEntities::Nodes(v) => (&mut point_data, "tag", mask(mesh.num_nodes(), v.iter().map(|&n| (n, 1)).collect())),
                TagEntities::Cells(v) => (&mut cell_data, "tag", mask(mesh.num_cells(), v.iter().map(|&n| (n, 1)).collect())),
                TagEntities::Facets(v) => {
                    (&mut cell_data, "facets", mask(mesh.num_cells(), v.iter().map(|f| (f.cell, 1 << f.local)).collect()))
                }
            };
            data.insert(format!("{name}:{}", tag.name), values);
            // the one cell tag without a number follows the largest, 99
            let number = tag.gmsh_tag.unwrap_or(100);
            groups.insert(tag.name.clone(), json!([dim, number, tag.entities.len()]));
        }
        let gmsh_cells: Vec<Vec<u32>> = mesh
            .cells()
            .map(|(_, _, vtk)| {
                let mut nodes = vtk.to_vec();
                kind.gmsh_permutation().iter().zip(vtk).for_each(|(&to, &node)| nodes[to] = node);
                nodes
            })
            .collect();
        let meant = json!({
            "dim": mesh.dim,
            "points": mesh.points.chunks(mesh.dim).collect::<Vec<_>>(),
            "cells": mesh.cells().map(|(_, _, nodes)| nodes).collect::<Vec<_>>(),
            "vtk_type": kind.vtk_id(),
            "gmsh_type": kind.gmsh_id(),
            "gmsh_cells": gmsh_cells,
            "point_data": point_data,
            "cell_data": cell_data,
            "groups": groups,
            "views": views,
        });
        let path = |end: &str| dir.path().join(format!("{kind}{end}"));
        std::fs::write(path(".json"), meant.to_string()).expect("written");
        for (compress, end) in [(false, ".vtu"), (true, "_zlib.vtu")] {
            write_vtu_with(path(end), mesh, &file.fields, &VtuOptions { compress, tags: true }).expect("written");
        }
        for (encoding, end) in [(Encoding::Text, ".msh"), (Encoding::Binary, "_bin.msh")] {
            write_msh(path(end), &file, encoding).expect("written");
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check_written.py");
    match Command::new(&python).arg(script).arg(dir.path()).output() {
        Err(e) => println!("SKIPPED: {python}: {e}"),
        Ok(out) => {
            let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            print!("{stdout}");
            assert!(out.status.success(), "{stdout}{stderr}");
        }
    }
}
