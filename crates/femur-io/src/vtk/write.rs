//! Writes .vtu by vtkio.

use std::path::{Path, PathBuf};

use femur_mesh::{Field, Location, Mesh, TagEntities};
use femur_sim::State;
use vtkio::model::{
    Attribute, Attributes, ByteOrder, CellType, Cells, DataArray, DataSet, IOBuffer, Piece, UnstructuredGridPiece, Version, VertexNumbers,
    Vtk,
};
use vtkio::xml::Compressor;

use super::pvd::write_pvd;
use crate::IoError;
use crate::fields::{Note, check_lengths, for_vtk};
use crate::format::save;

/// How a .vtu is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VtuOptions {
    /// Compress by zlib: smaller and several times slower.
    pub compress: bool,
    /// Write the mesh's tags as arrays `tag:NAME` and `facets:NAME`.
    pub tags: bool,
}

impl Default for VtuOptions {
    fn default() -> Self {
        VtuOptions { compress: false, tags: true }
    }
}

/// Writes a mesh, its tags and fields. Fields must have a tuple for each node or cell.
pub fn write_vtu(path: impl AsRef<Path>, mesh: &Mesh, fields: &[Field]) -> Result<(), IoError> {
    write_vtu_with(path, mesh, fields, &VtuOptions::default())
}

/// [`write_vtu`] with options.
pub fn write_vtu_with(path: impl AsRef<Path>, mesh: &Mesh, fields: &[Field], options: &VtuOptions) -> Result<(), IoError> {
    let path = path.as_ref();
    save(path, &bytes(mesh, fields, options, path)?)
}

pub(super) fn bytes(mesh: &Mesh, fields: &[Field], options: &VtuOptions, origin: &Path) -> Result<Vec<u8>, IoError> {
    let unsupported =
        |what: String| IoError::Unsupported { file: origin.into(), what, hint: "this is a mistake of the program that writes" };
    let mut data = Attributes::new();
    check_lengths(mesh, fields, origin)?;
    for field in fields {
        let list = match field.location {
            Location::Node => &mut data.point,
            Location::Cell => &mut data.cell,
        };
        let (components, values) = for_vtk(field);
        list.push(array(&field.name, components, IOBuffer::F64(values)));
    }
    if options.tags {
        tags(mesh, &mut data);
    }

    let mut points = Vec::with_capacity(3 * mesh.num_nodes());
    for p in mesh.points.chunks_exact(mesh.dim) {
        points.extend((0..3).map(|d| p.get(d).copied().unwrap_or(0.0)));
    }
    let (mut connectivity, mut offsets, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for (_, kind, nodes) in mesh.cells() {
        connectivity.extend(nodes.iter().map(|&n| u64::from(n)));
        offsets.push(connectivity.len() as u64);
        types.push(cell_type(kind.vtk_id()).ok_or_else(|| unsupported(format!("cells of kind {kind} have no VTK type")))?);
    }
    let piece = UnstructuredGridPiece {
        points: IOBuffer::F64(points),
        cells: Cells { cell_verts: VertexNumbers::XML { connectivity, offsets }, types },
        data,
    };
    let vtk = Vtk {
        version: Version::new_xml(1, 0),
        title: String::new(),
        byte_order: ByteOrder::LittleEndian,
        data: DataSet::UnstructuredGrid { meta: None, pieces: vec![Piece::Inline(Box::new(piece))] },
        file_path: None,
    };
    let failed = |e: String| IoError::System { file: origin.into(), action: "cannot write", source: std::io::Error::other(e) };
    let compressor = if options.compress { Compressor::ZLib } else { Compressor::None };
    let file = vtk.try_into_xml_format(compressor, u32::from(options.compress)).map_err(|e| failed(e.to_string()))?;
    let mut xml = Vec::new();
    file.write(&mut xml).map_err(|e| failed(e.to_string()))?;

    let comment = Note::new(fields, &mesh.tags, str::to_string).to_comment();
    let mut whole = format!("<?xml version=\"1.0\"?>\n<!--{comment}-->\n").into_bytes();
    whole.append(&mut xml);
    whole.push(b'\n');
    Ok(whole)
}

/// Writes one `.vtu` a state beside the collection `pvd` that lists them, all with the collection's name and a number.
pub fn write_series(pvd: impl AsRef<Path>, mesh: &Mesh, states: &[State], options: &VtuOptions) -> Result<Vec<PathBuf>, IoError> {
    let pvd = pvd.as_ref();
    let stem = pvd.file_stem().unwrap_or_default().to_string_lossy();
    let mut steps = Vec::with_capacity(states.len());
    let mut files = Vec::with_capacity(states.len());
    for (k, state) in states.iter().enumerate() {
        let name = format!("{stem}_{k:06}.vtu");
        let file = pvd.with_file_name(&name);
        write_vtu_with(&file, mesh, &state.fields, options)?;
        steps.push((state.time, PathBuf::from(name)));
        files.push(file);
    }
    write_pvd(pvd, &steps)?;
    Ok(files)
}

fn tags(mesh: &Mesh, data: &mut Attributes) {
    for tag in mesh.tags.iter() {
        match &tag.entities {
            TagEntities::Nodes(v) => data.point.push(mask(&format!("tag:{}", tag.name), mesh.num_nodes(), v.iter().map(|&n| (n, 1)))),
            TagEntities::Cells(v) => data.cell.push(mask(&format!("tag:{}", tag.name), mesh.num_cells(), v.iter().map(|&c| (c, 1)))),
            TagEntities::Facets(v) => {
                data.cell.push(mask(&format!("facets:{}", tag.name), mesh.num_cells(), v.iter().map(|f| (f.cell, 1 << f.local))));
            }
        }
    }
}

fn mask(name: &str, entities: usize, bits: impl Iterator<Item = (u32, u8)>) -> Attribute {
    let mut values = vec![0u8; entities];
    bits.for_each(|(i, bit)| values[i as usize] |= bit);
    array(name, 1, IOBuffer::U8(values))
}

fn array(name: &str, components: usize, values: IOBuffer) -> Attribute {
    Attribute::DataArray(DataArray::new(name, components as u32).with_buf(values))
}

fn cell_type(vtk: u8) -> Option<CellType> {
    Some(match vtk {
        1 => CellType::Vertex,
        3 => CellType::Line,
        5 => CellType::Triangle,
        9 => CellType::Quad,
        10 => CellType::Tetra,
        12 => CellType::Hexahedron,
        13 => CellType::Wedge,
        14 => CellType::Pyramid,
        21 => CellType::QuadraticEdge,
        22 => CellType::QuadraticTriangle,
        23 => CellType::QuadraticQuad,
        24 => CellType::QuadraticTetra,
        25 => CellType::QuadraticHexahedron,
        26 => CellType::QuadraticWedge,
        28 => CellType::BiquadraticQuad,
        29 => CellType::TriquadraticHexahedron,
        _ => return None,
    })
}
