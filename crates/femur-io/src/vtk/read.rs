//! Reads .vtu.

use std::borrow::Cow;
use std::path::Path;

use femur_mesh::CellKind;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::array::{Coding, Scalar, Source};
use crate::assembly::Assembly;
use crate::fields::{Ids, Note, RawField};
use crate::groups::{Group, Members, push_element};
use crate::scan::{find, parse_float, shown};
use crate::{IoError, MeshFile, Place};

const HINT: &str = "the file seems cut off or damaged; write it again (ParaView: File > Save Data)";

/// Where the data of an array lie.
enum Payload<'a> {
    Text(Cow<'a, str>),
    Base64(Cow<'a, str>),
    Appended(usize),
}

/// One `<DataArray>`.
struct Array<'a> {
    name: String,
    scalar: Scalar,
    components: usize,
    payload: Payload<'a>,
    /// Byte at which the element begins.
    at: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    Points,
    Cells,
    PointData,
    CellData,
}

/// One `<Piece>`.
struct Piece<'a> {
    num_points: u64,
    num_cells: u64,
    at: usize,
    arrays: Vec<(Section, Array<'a>)>,
}

struct File<'a> {
    origin: &'a Path,
    xml: &'a str,
    coding: Coding,
    /// Data behind the underscore of `<AppendedData>`.
    appended: Option<Source<'a>>,
    pieces: Vec<Piece<'a>>,
    note: Note,
}

pub(super) fn read(bytes: &[u8], origin: &Path) -> Result<MeshFile, IoError> {
    // Raw appended data are no XML: what stands before them is parsed alone.
    let end = find(bytes, b"<AppendedData").unwrap_or(bytes.len());
    let xml = std::str::from_utf8(&bytes[..end]).map_err(|e| IoError::Malformed {
        file: origin.into(),
        place: Place::Byte(e.valid_up_to()),
        expected: "UTF-8 text".into(),
        got: "other bytes".into(),
        hint: HINT,
    })?;
    let coding = Coding { big_endian: false, head: 4, zlib: false };
    let mut file = File { origin, xml, coding, appended: None, pieces: Vec::new(), note: Note::default() };
    file.appended = file.find_appended(bytes, end)?;
    file.parse()?;
    file.assemble()
}

impl<'a> File<'a> {
    fn fail(&self, at: usize, expected: impl Into<String>, got: impl Into<String>) -> IoError {
        let line = 1 + self.xml.as_bytes()[..at.min(self.xml.len())].iter().filter(|&&b| b == b'\n').count();
        IoError::Malformed { file: self.origin.into(), place: Place::Line(line), expected: expected.into(), got: got.into(), hint: HINT }
    }

    fn unsupported(&self, what: impl Into<String>, hint: &'static str) -> IoError {
        IoError::Unsupported { file: self.origin.into(), what: what.into(), hint }
    }

    fn find_appended(&self, bytes: &'a [u8], at: usize) -> Result<Option<Source<'a>>, IoError> {
        let rest = &bytes[at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let head = rest.iter().position(|&b| b == b'>').map(|close| (&rest[..close], &rest[close + 1..]));
        let start = head.and_then(|(head, body)| Some((head, body.iter().position(|&b| b == b'_')?, body)));
        let Some((head, underscore, body)) = start else { return Err(self.fail(at, "`_` in <AppendedData>", "the end of the file")) };
        let body = &body[underscore + 1..];
        if find(head, b"base64").is_some() {
            let end = body.iter().position(|&b| b == b'<').unwrap_or(body.len());
            return Ok(Some(Source::Base64(body[..end].trim_ascii())));
        }
        if find(head, b"raw").is_some() {
            return Ok(Some(Source::Raw(body)));
        }
        Err(self.fail(at, "the encoding `raw` or `base64`", shown(head)))
    }

    /// Walks the XML.
    fn parse(&mut self) -> Result<(), IoError> {
        let mut reader = Reader::from_str(self.xml);
        let mut section = None;
        let mut seen_file = false;
        loop {
            let at = reader.buffer_position() as usize;
            let event = reader.read_event().map_err(|e| self.fail(reader.error_position() as usize, "well-formed XML", e.to_string()))?;
            match event {
                Event::Start(e) | Event::Empty(e) if e.name().0 == "VTKFile" => {
                    self.head(&e, at)?;
                    seen_file = true;
                }
                Event::Start(e) if e.name().0 == "Piece" => {
                    let [points, cells] = self.attributes(&e, at, ["NumberOfPoints", "NumberOfCells"])?;
                    let number = |name: &str, text: Option<String>| {
                        let parsed = text.as_deref().and_then(|t| t.trim().parse::<u64>().ok());
                        parsed.ok_or_else(|| self.fail(at, name, text.unwrap_or_else(|| "nothing".into())))
                    };
                    let (num_points, num_cells) = (number("NumberOfPoints", points)?, number("NumberOfCells", cells)?);
                    self.pieces.push(Piece { num_points, num_cells, at, arrays: Vec::new() });
                }
                Event::Start(e) if section.is_none() => {
                    section = match e.name().0 {
                        "Points" => Some(Section::Points),
                        "Cells" => Some(Section::Cells),
                        "PointData" => Some(Section::PointData),
                        "CellData" => Some(Section::CellData),
                        _ => None,
                    };
                }
                Event::End(e) if matches!(e.name().0, "Points" | "Cells" | "PointData" | "CellData") => section = None,
                Event::Start(e) if e.name().0 == "DataArray" => {
                    let text = array_text(&mut reader).map_err(|e| self.fail(at, "well-formed XML", e))?;
                    self.array(&e, at, text, section)?;
                }
                Event::Empty(e) if e.name().0 == "DataArray" => self.array(&e, at, Cow::Borrowed(""), section)?,
                Event::Comment(c) => {
                    if let Some(note) = Note::from_comment(&c) {
                        self.note = note;
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !seen_file {
            return Err(self.fail(self.xml.len(), "<VTKFile>", "the end of the file"));
        }
        Ok(())
    }

    fn head(&mut self, e: &BytesStart<'_>, at: usize) -> Result<(), IoError> {
        let [kind, order, head, compressor] = self.attributes(e, at, ["type", "byte_order", "header_type", "compressor"])?;
        if kind.as_deref() != Some("UnstructuredGrid") {
            return Err(self.unsupported(
                format!("a VTK file of type {}, not UnstructuredGrid", kind.unwrap_or_else(|| "nothing".into())),
                "in ParaView apply `Append Datasets` or `Clean to Grid`, then File > Save Data as .vtu",
            ));
        }
        self.coding.big_endian = order.as_deref() == Some("BigEndian");
        self.coding.head = match head.as_deref() {
            None | Some("UInt32") => 4,
            Some("UInt64") => 8,
            Some(other) => return Err(self.fail(at, "header_type UInt32 or UInt64", other)),
        };
        self.coding.zlib = match compressor.as_deref() {
            None | Some("") => false,
            Some("vtkZLibDataCompressor") => true,
            Some(other) => return Err(self.unsupported(format!("compression by {other}"), "save with zlib or without compression")),
        };
        Ok(())
    }

    fn attributes<const N: usize>(&self, e: &BytesStart<'_>, at: usize, names: [&str; N]) -> Result<[Option<String>; N], IoError> {
        let mut values = [const { None }; N];
        for attribute in e.attributes() {
            let attribute = attribute.map_err(|e| self.fail(at, "an attribute", e.to_string()))?;
            if let Some(k) = names.iter().position(|n| *n == attribute.key.0) {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                values[k] = Some(value.map_err(|e| self.fail(at, "an attribute", e.to_string()))?.into_owned());
            }
        }
        Ok(values)
    }

    fn array(&mut self, e: &BytesStart<'_>, at: usize, text: Cow<'a, str>, section: Option<Section>) -> Result<(), IoError> {
        let Some(section) = section.filter(|_| !self.pieces.is_empty()) else { return Ok(()) };
        let [name, scalar, components, format, offset] =
            self.attributes(e, at, ["Name", "type", "NumberOfComponents", "format", "offset"])?;
        let scalar = match scalar.as_deref().and_then(Scalar::from_name) {
            Some(scalar) => scalar,
            // arrays of text carry nothing for a mesh
            None if matches!(section, Section::PointData | Section::CellData) && scalar.as_deref() == Some("String") => return Ok(()),
            None => return Err(self.fail(at, "an integer or float type", scalar.unwrap_or_else(|| "nothing".into()))),
        };
        let components = match components.as_deref().map(|c| c.trim().parse::<usize>()) {
            None => 1,
            Some(Ok(n)) if n >= 1 => n,
            Some(_) => return Err(self.fail(at, "the number of components", components.unwrap_or_default())),
        };
        let payload = match format.as_deref() {
            None | Some("ascii") => Payload::Text(text),
            Some("binary") => Payload::Base64(text),
            Some("appended") => {
                let offset = offset.as_deref().and_then(|o| o.trim().parse::<usize>().ok());
                Payload::Appended(offset.ok_or_else(|| self.fail(at, "an offset", "none"))?)
            }
            Some(other) => return Err(self.fail(at, "the format ascii, binary or appended", other)),
        };
        let array = Array { name: name.unwrap_or_default(), scalar, components, payload, at };
        if let Some(piece) = self.pieces.last_mut() {
            piece.arrays.push((section, array));
        }
        Ok(())
    }

    /// The numbers of an array; `count` tuples are expected, where known.
    fn values(&self, array: &Array<'_>, count: Option<u64>) -> Result<Vec<f64>, IoError> {
        let what = |text: &str| format!("{text} in array `{}`", array.name);
        let decode = |source: Source<'_>| -> Result<Vec<f64>, IoError> {
            let bytes = source.array(&self.coding).map_err(|got| self.fail(array.at, what("whole data"), got))?;
            if bytes.len() % array.scalar.size() != 0 {
                return Err(self.fail(array.at, what("whole numbers"), format!("{} bytes", bytes.len())));
            }
            Ok(self.coding.floats(&bytes, array.scalar))
        };
        let values = match &array.payload {
            Payload::Text(text) => {
                let mut values = Vec::new();
                for word in text.split_ascii_whitespace() {
                    let value = parse_float(word.as_bytes());
                    values.push(value.ok_or_else(|| self.fail(array.at, what("a number"), shown(word.as_bytes())))?);
                }
                values
            }
            Payload::Base64(text) => {
                let text = text.trim();
                if text.bytes().any(|b| b.is_ascii_whitespace()) {
                    let joined: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
                    decode(Source::Base64(&joined))?
                } else {
                    decode(Source::Base64(text.as_bytes()))?
                }
            }
            Payload::Appended(offset) => {
                let missing = |what_got: &str| self.fail(array.at, what("appended data"), what_got);
                match self.appended {
                    Some(Source::Base64(d)) => decode(Source::Base64(d.get(*offset..).ok_or_else(|| missing("an offset beyond them"))?))?,
                    Some(Source::Raw(d)) => decode(Source::Raw(d.get(*offset..).ok_or_else(|| missing("an offset beyond them"))?))?,
                    None => return Err(missing("none in this file")),
                }
            }
        };
        let tuples = (values.len() / array.components) as u64;
        if !values.len().is_multiple_of(array.components) || count.is_some_and(|n| n != tuples) {
            let expected = count.map_or("whole tuples".into(), |n| format!("{n} tuples of {} numbers", array.components));
            return Err(self.fail(array.at, what(&expected), format!("{} numbers", values.len())));
        }
        Ok(values)
    }

    fn assemble(mut self) -> Result<MeshFile, IoError> {
        let mut assembly = Assembly { note: std::mem::take(&mut self.note), ..Assembly::default() };
        for piece in &self.pieces {
            self.piece(piece, &mut assembly)?;
        }
        assembly.finish(self.origin)
    }

    fn piece(&self, piece: &Piece<'_>, assembly: &mut Assembly) -> Result<(), IoError> {
        let array = |section: Section, name: &str| {
            let found = piece.arrays.iter().find(|(s, a)| *s == section && (section == Section::Points || a.name == name));
            found.map(|(_, a)| a).ok_or_else(|| self.fail(piece.at, format!("the array `{name}`"), "a piece without it"))
        };
        if piece.num_points == 0 && piece.num_cells == 0 {
            return Ok(());
        }
        let points = array(Section::Points, "Points")?;
        if points.components != 3 {
            return Err(self.fail(points.at, "points of 3 components", points.components.to_string()));
        }
        let coordinates = self.values(points, Some(piece.num_points))?;
        if coordinates.iter().any(|x| !x.is_finite()) {
            return Err(self.fail(points.at, "finite coordinates", "others"));
        }
        let first_point = assembly.points.len() / 3;
        assembly.points.extend(coordinates);
        if assembly.points.len() / 3 >= u32::MAX as usize {
            return Err(self.unsupported("more points than 32 bits can number", "split the mesh"));
        }

        let connectivity = array(Section::Cells, "connectivity")?;
        let nodes = self.values(connectivity, None)?;
        let offsets_array = array(Section::Cells, "offsets")?;
        let offsets = self.values(offsets_array, Some(piece.num_cells))?;
        let types_array = array(Section::Cells, "types")?;
        let types = self.values(types_array, Some(piece.num_cells))?;
        // (block, number within it) of each cell of the piece
        let mut places = Vec::with_capacity(types.len());
        let mut start = 0usize;
        let mut cell = Vec::new();
        for (i, (&offset, &vtk)) in offsets.iter().zip(&types).enumerate() {
            let end = offset as usize;
            if !(offset >= 0.0 && end >= start && end <= nodes.len()) {
                return Err(self.fail(offsets_array.at, format!("offsets that grow to {}", nodes.len()), format!("{offset} at cell {i}")));
            }
            cell.clear();
            for &node in &nodes[start..end] {
                if !(node >= 0.0 && node < piece.num_points as f64) {
                    let expected = format!("point numbers below {}", piece.num_points);
                    return Err(self.fail(connectivity.at, expected, format!("{node} in cell {i}")));
                }
                cell.push((first_point + node as usize) as u32);
            }
            start = end;
            let Some((kind, order)) = cell_kind(vtk, cell.len()) else {
                return Err(self.unsupported(
                    format!("cell {i} is of VTK's type {vtk}, which Femur does not know"),
                    "convert to linear or quadratic cells (ParaView: Tetrahedralize)",
                ));
            };
            if kind.num_nodes() != cell.len() {
                let expected = format!("{} nodes of {kind} cell {i}", kind.num_nodes());
                return Err(self.fail(offsets_array.at, expected, cell.len().to_string()));
            }
            let block = assembly.block_of(kind);
            let to = &mut assembly.blocks[block];
            places.push((block as u32, to.len() as u32));
            if order.is_empty() {
                to.connectivity.extend_from_slice(&cell);
            } else {
                to.connectivity.extend(order.iter().map(|&k| cell[k]));
            }
        }

        for (section, array) in &piece.arrays {
            let on_points = match section {
                Section::PointData => true,
                Section::CellData => false,
                _ => continue,
            };
            let values = self.values(array, Some(if on_points { piece.num_points } else { piece.num_cells }))?;
            if let Some(members) = tag_members(&array.name, on_points, &values, first_point, &places) {
                let name = array.name.split_once(':').map_or("", |(_, name)| name).to_string();
                assembly.groups.push(Group { name, gmsh_tag: None, dim: None, members });
                continue;
            }
            let ids = if on_points {
                Ids::Nodes((first_point as u32..(assembly.points.len() / 3) as u32).collect())
            } else {
                Ids::Elements(places.clone())
            };
            push_field(assembly, RawField { name: array.name.clone(), components: array.components, ids, values });
        }
        Ok(())
    }
}

/// Adds a field, or lengthens the one of an earlier piece.
fn push_field(assembly: &mut Assembly, new: RawField) {
    for old in &mut assembly.fields {
        if old.name == new.name && old.components == new.components {
            match (&mut old.ids, &new.ids) {
                (Ids::Nodes(a), Ids::Nodes(b)) => a.extend(b),
                (Ids::Elements(a), Ids::Elements(b)) => a.extend(b),
                _ => continue,
            }
            old.values.extend(new.values);
            return;
        }
    }
    assembly.fields.push(new);
}

/// The members of a tag, if the array's name says that it is one.
fn tag_members(name: &str, on_points: bool, values: &[f64], first_point: usize, places: &[(u32, u32)]) -> Option<Members> {
    let set = values.iter().enumerate().filter(|(_, v)| **v != 0.0);
    if name.starts_with("tag:") {
        if on_points {
            return Some(Members::Nodes(set.map(|(i, _)| (first_point + i) as u32).collect()));
        }
        let mut runs = Vec::new();
        set.for_each(|(i, _)| push_element(&mut runs, places[i].0, places[i].1));
        return Some(Members::Elements(runs));
    }
    if name.starts_with("facets:") && !on_points {
        let facets = set.flat_map(|(i, &bits)| (0..8).filter(move |k| bits as u32 >> k & 1 == 1).map(move |k| (i, k)));
        return Some(Members::LocalFacets(facets.map(|(i, k)| (places[i].0, places[i].1, k)).collect()));
    }
    None
}

/// The text of an array up to its end; child elements are left out.
fn array_text<'a>(reader: &mut Reader<&'a [u8]>) -> Result<Cow<'a, str>, String> {
    let mut text: Cow<'a, str> = Cow::Borrowed("");
    let mut depth = 0;
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Text(t) if depth == 0 => {
                if text.trim().is_empty() {
                    text = t.into_inner();
                } else if !t.trim().is_empty() {
                    text.to_mut().push_str(&t);
                }
            }
            Event::Start(_) => depth += 1,
            Event::End(_) if depth == 0 => return Ok(text),
            Event::End(_) => depth -= 1,
            Event::Eof => return Err("the end of the file within a DataArray".into()),
            _ => {}
        }
    }
}

/// The kind of a cell of VTK's type, and where VTK's node order differs, `new[i] = old[order[i]]`.
fn cell_kind(vtk: f64, num_nodes: usize) -> Option<(CellKind, &'static [usize])> {
    match (vtk as i64, num_nodes) {
        (7, 3) => Some((CellKind::Triangle3, &[])),
        (7, 4) => Some((CellKind::Quad4, &[])),
        (8, 4) => Some((CellKind::Quad4, &[0, 1, 3, 2])),
        (11, 8) => Some((CellKind::Hex8, &[0, 1, 3, 2, 4, 5, 7, 6])),
        (id, _) => Some((CellKind::from_vtk(u8::try_from(id).ok()?)?, &[])),
    }
}
