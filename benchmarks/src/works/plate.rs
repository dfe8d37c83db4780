//! The perforated plate of three works: 2 x 1 x 0.1 with a bore of radius 0.2, in linear tetrahedra.

use crate::npy;
use crate::options::Options;
use crate::system::write_mesh;
use anyhow::{Context as _, Result};
use femur_io::{Encoding, MeshFile, write_msh};
use femur_mesh::generate::{BlockSpec, perforated_block};
use femur_mesh::{CellKind, Mesh};
use std::fmt::Write as _;
use std::path::Path;

/// Young's modulus.
pub(super) const E: f64 = 1.0;
/// Poisson's ratio.
pub(super) const NU: f64 = 0.3;
/// Traction along z on the side x = 2; the side x = 0 is clamped.
pub(super) const TRACTION: f64 = -1e-5;

/// 80,892 unknowns, or some hundreds.
pub(super) fn mesh(options: &Options) -> Result<Mesh> {
    let cells = options.pick([42, 15, 5], [6, 3, 1]);
    let spec = BlockSpec { extent: [2.0, 1.0, 0.1], center: [1.0, 0.5], radius: 0.2, cells, kind: CellKind::Tet4 };
    Ok(perforated_block(&spec)?)
}

/// Writes the plate in every form that a program reads: `plate.msh` and `case.toml` (Femur and scripts), `plate.inp` (CalculiX),
/// arrays (scripts that would only lose time with a mesh file).
pub(super) fn write(mesh: &Mesh, folder: &Path) -> Result<()> {
    write_mesh(mesh, folder)?;
    let facets: Vec<i32> = faces(mesh)?.into_iter().flatten().map(|n| n as i32).collect();
    npy::write(&folder.join("loaded.npy"), &facets, 3)?;
    let held: Vec<i32> = mesh.tag_nodes("left")?.into_iter().map(|n| n as i32).collect();
    npy::write(&folder.join("held.npy"), &held, 1)?;
    write_msh(folder.join("plate.msh"), &MeshFile { mesh: mesh.clone(), fields: Vec::new() }, Encoding::Binary)?;
    std::fs::write(folder.join("plate.inp"), deck(mesh)?)?;
    let case = format!(
        "physics = \"linear-elasticity\"\n[mesh]\nfile = \"plate.msh\"\n[materials.body]\nE = {E}\nnu = {NU}\n[[boundary]]\ntag = \"left\"\n\
         displacement = [0, 0, 0]\n[[boundary]]\ntag = \"right\"\ntraction = [0, 0, {TRACTION}]\n"
    );
    std::fs::write(folder.join("case.toml"), case).context("case.toml")
}

/// Nodes of each facet with a load.
fn faces(mesh: &Mesh) -> Result<Vec<Vec<u32>>> {
    Ok(mesh.tag_facets("right")?.iter().map(|&f| mesh.facet_nodes(f).1).collect())
}

/// An input file of CalculiX: 4-node tetrahedra, the traction as its consistent nodal forces.
fn deck(mesh: &Mesh) -> Result<String> {
    let mut out = String::from("*NODE, NSET=NALL\n");
    for (i, p) in mesh.points.chunks_exact(3).enumerate() {
        writeln!(out, "{},{:.12e},{:.12e},{:.12e}", i + 1, p[0], p[1], p[2])?;
    }
    out.push_str("*ELEMENT, TYPE=C3D4, ELSET=EALL\n");
    for (i, _, n) in mesh.cells() {
        writeln!(out, "{},{},{},{},{}", i + 1, n[0] + 1, n[1] + 1, n[2] + 1, n[3] + 1)?;
    }
    out.push_str("*NSET, NSET=FIX\n");
    for n in mesh.tag_nodes("left")? {
        writeln!(out, "{},", n + 1)?;
    }
    write!(out, "*MATERIAL, NAME=M\n*ELASTIC\n{E:?},{NU:?}\n*SOLID SECTION, ELSET=EALL, MATERIAL=M\n")?;
    out.push_str("*BOUNDARY\nFIX,1,3\n*STEP\n*STATIC\n*CLOAD\n");
    let mut force = vec![0.0; mesh.num_nodes()];
    for nodes in faces(mesh)? {
        let [a, b, c] = [0, 1, 2].map(|i| mesh.point(nodes[i] as usize));
        let (u, v) = ([b[1] - a[1], b[2] - a[2]], [c[1] - a[1], c[2] - a[2]]);
        let area = 0.5 * (u[0] * v[1] - u[1] * v[0]).abs();
        nodes.iter().for_each(|&n| force[n as usize] += TRACTION * area / 3.0);
    }
    for (i, f) in force.iter().enumerate().filter(|(_, f)| **f != 0.0) {
        writeln!(out, "{},3,{f:.12e}", i + 1)?;
    }
    out.push_str("*NODE FILE\nU\n*EL FILE\nS\n*END STEP\n");
    Ok(out)
}
