//! XDMF 2.0 beside a trajectory file, for ParaView up to 5.11, whose reader of VTKHDF knows no time: a description in XML, with
//! every number left in the HDF5 file.

use crate::hdf::{self, LOCK, Node};
use crate::{DatasetError, read_trajectory};
use femur_mesh::{CellKind, Field, Location};
use std::fmt::Write as _;
use std::path::Path;

/// The XDMF text for a trajectory file, which it calls `reference` (a path relative to the place of the XDMF file).
///
/// Scalars and vectors (plane ones with a third component 0) keep their name; of other fields each component becomes a scalar `FIELD_COMPONENT` (`stress_xx`), since
/// XDMF's symmetric tensors have another order. A mesh of several kinds of cells becomes one grid a kind.
///
/// # Errors
/// The file is no trajectory, or holds cells that XDMF 2.0 does not know.
pub fn xdmf(path: &Path, reference: &str) -> Result<String, DatasetError> {
    let (t, _) = read_trajectory(path)?;
    let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let file = hdf::open(path)?;
    let root = Node::root(&file, path)?;
    let fields = t.states.first().map_or(&[][..], |s| &s.fields);
    let widths = fields.iter().map(|f| root.bytes_of(&source(f))).collect::<Result<Vec<_>, _>>()?;
    let (mesh, steps) = (&t.setup.mesh, t.states.len());
    let name = escape(reference);
    let mut out = String::from("<?xml version=\"1.0\" ?>\n<!DOCTYPE Xdmf SYSTEM \"Xdmf.dtd\" []>\n<Xdmf Version=\"2.0\">\n <Domain>\n");
    // writing into a String cannot fail
    let _ = writeln!(out, "  <Grid Name=\"trajectory\" GridType=\"Collection\" CollectionType=\"Temporal\">");
    for (k, time) in t.setup.times.iter().enumerate() {
        let several = mesh.blocks.len() > 1;
        if several {
            let _ = writeln!(
                out,
                "   <Grid Name=\"step {k}\" GridType=\"Collection\" CollectionType=\"Spatial\">\n    <Time Value=\"{time:?}\"/>"
            );
        }
        let mut first_cell = 0;
        for (b, block) in mesh.blocks.iter().enumerate() {
            let Some(kind) = topology(block.kind) else {
                return Err(DatasetError::content(path, format!("XDMF 2.0 knows no cells of kind {}", block.kind)));
            };
            let (m, nodes) = (block.num_cells(), block.kind.num_nodes());
            let cells = if several { format!("cells_{b}_{}", block.kind) } else { "cells".to_string() };
            let _ = writeln!(
                out,
                "   <Grid Name=\"{}\" GridType=\"Uniform\">",
                if several { block.kind.name().to_string() } else { format!("step {k}") }
            );
            let _ = writeln!(out, "    <Time Value=\"{time:?}\"/>");
            // kinds whose name says nothing of their nodes
            let per = if kind.starts_with("Poly") { format!(" NodesPerElement=\"{nodes}\"") } else { String::new() };
            let _ = writeln!(out, "    <Topology TopologyType=\"{kind}\" NumberOfElements=\"{m}\"{per}>");
            let _ = writeln!(
                out,
                "     <DataItem Dimensions=\"{m} {nodes}\" NumberType=\"Int\" Precision=\"4\" Format=\"HDF\">{name}:/{cells}</DataItem>"
            );
            let _ = writeln!(out, "    </Topology>\n    <Geometry GeometryType=\"XYZ\">");
            let n = mesh.num_nodes();
            let _ = writeln!(
                out,
                "     <DataItem Dimensions=\"{n} 3\" NumberType=\"Float\" Precision=\"8\" Format=\"HDF\">{name}:/VTKHDF/Points</DataItem>"
            );
            let _ = writeln!(out, "    </Geometry>");
            for (field, bytes) in fields.iter().zip(&widths) {
                let (first, count) = if field.location == Location::Node { (0, n) } else { (first_cell, m) };
                attribute(&mut out, &name, field, *bytes, steps, k, first, count);
            }
            let all = mesh.num_cells();
            let _ = writeln!(out, "    <Attribute Name=\"material_id\" AttributeType=\"Scalar\" Center=\"Cell\">");
            let _ = writeln!(out, "     <DataItem ItemType=\"HyperSlab\" Dimensions=\"{m}\">");
            let _ = writeln!(out, "      <DataItem Dimensions=\"3 1\" Format=\"XML\">{first_cell} 1 {m}</DataItem>");
            let _ = writeln!(
                out,
                "      <DataItem Dimensions=\"{all}\" NumberType=\"Int\" Precision=\"4\" Format=\"HDF\">{name}:/cell/material_id</DataItem>"
            );
            let _ = writeln!(out, "     </DataItem>\n    </Attribute>\n   </Grid>");
            first_cell += m;
        }
        if several {
            let _ = writeln!(out, "   </Grid>");
        }
    }
    out.push_str("  </Grid>\n </Domain>\n</Xdmf>\n");
    Ok(out)
}

/// Where a field's values `[steps, entities, components]` lie.
fn source(field: &Field) -> String {
    if field.location == Location::Node { field.name.clone() } else { format!("cell/{}", field.name) }
}

/// The values of step `k` at `count` entities from `first` on.
fn attribute(out: &mut String, name: &str, field: &Field, bytes: usize, steps: usize, k: usize, first: usize, count: usize) {
    let (entities, c) = (field.len(), field.num_components());
    let center = if field.location == Location::Node { "Node" } else { "Cell" };
    let label = escape(&field.name);
    let item = |out: &mut String, label: &str, kind: &str, start: [usize; 3], size: [usize; 3], whole: [usize; 3], at: &str| {
        let [a, b, d] = size;
        let _ = writeln!(out, "    <Attribute Name=\"{label}\" AttributeType=\"{kind}\" Center=\"{center}\">");
        let _ = writeln!(out, "     <DataItem ItemType=\"HyperSlab\" Dimensions=\"{a} {b} {d}\">");
        let _ = writeln!(
            out,
            "      <DataItem Dimensions=\"3 3\" Format=\"XML\">{} {} {} 1 1 1 {a} {b} {d}</DataItem>",
            start[0], start[1], start[2]
        );
        let [a, b, d] = whole;
        let _ = writeln!(
            out,
            "      <DataItem Dimensions=\"{a} {b} {d}\" NumberType=\"Float\" Precision=\"{bytes}\" Format=\"HDF\">{name}:/{at}</DataItem>"
        );
        let _ = writeln!(out, "     </DataItem>\n    </Attribute>");
    };
    let (whole, at) = ([steps, entities, c], escape(&source(field)));
    match c {
        1 => item(out, &label, "Scalar", [k, first, 0], [1, count, 1], whole, &at),
        2 => {
            // VTK's vectors have three components: those of the view for ParaView do
            let view = if field.location == Location::Node { "PointData" } else { "CellData" };
            let at = format!("VTKHDF/{view}/{label}");
            let _ = writeln!(out, "    <Attribute Name=\"{label}\" AttributeType=\"Vector\" Center=\"{center}\">");
            let _ = writeln!(out, "     <DataItem ItemType=\"HyperSlab\" Dimensions=\"{count} 3\">");
            let _ = writeln!(out, "      <DataItem Dimensions=\"3 2\" Format=\"XML\">{} 0 1 1 {count} 3</DataItem>", k * entities + first);
            let _ = writeln!(
                out,
                "      <DataItem Dimensions=\"{} 3\" NumberType=\"Float\" Precision=\"{bytes}\" Format=\"HDF\">{name}:/{at}</DataItem>",
                steps * entities
            );
            let _ = writeln!(out, "     </DataItem>\n    </Attribute>");
        }
        3 => item(out, &label, "Vector", [k, first, 0], [1, count, 3], whole, &at),
        _ => {
            for (i, component) in field.components.iter().enumerate() {
                item(out, &format!("{label}_{}", escape(component)), "Scalar", [k, first, i], [1, count, 1], whole, &at);
            }
        }
    }
}

/// XDMF's name of a kind of cells; its node order is VTK's for these.
fn topology(kind: CellKind) -> Option<&'static str> {
    Some(match kind {
        CellKind::Point => "Polyvertex",
        CellKind::Line2 => "Polyline",
        CellKind::Line3 => "Edge_3",
        CellKind::Triangle3 => "Triangle",
        CellKind::Triangle6 => "Tri_6",
        CellKind::Quad4 => "Quadrilateral",
        CellKind::Quad8 => "Quad_8",
        CellKind::Quad9 => "Quad_9",
        CellKind::Tet4 => "Tetrahedron",
        CellKind::Tet10 => "Tet_10",
        CellKind::Hex8 => "Hexahedron",
        CellKind::Hex20 => "Hex_20",
        // the one name that the reader has for it
        CellKind::Hex27 => "HEXAHEDRON_27",
        CellKind::Wedge6 => "Wedge",
        CellKind::Wedge15 => "Wedge_15",
        CellKind::Pyramid5 => "Pyramid",
    })
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
