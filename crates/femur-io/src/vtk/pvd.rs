//! ParaView collections: a list of files with their times.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use quick_xml::XmlVersion;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::format::save;
use crate::{IoError, Place};

/// Writes a collection: `(time, file)` in order, files relative to the collection's folder.
pub fn write_pvd(path: impl AsRef<Path>, steps: &[(f64, PathBuf)]) -> Result<(), IoError> {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<VTKFile type=\"Collection\" version=\"1.0\" byte_order=\"LittleEndian\">\n");
    text.push_str("  <Collection>\n");
    for (time, file) in steps {
        // ParaView wants slashes on every system
        let file = file.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        let file = quick_xml::escape::escape(file.as_str());
        // writing into a String cannot fail
        let _ = writeln!(text, "    <DataSet timestep=\"{time:?}\" group=\"\" part=\"0\" file=\"{file}\"/>");
    }
    text.push_str("  </Collection>\n</VTKFile>\n");
    save(path.as_ref(), text.as_bytes())
}

/// Reads a collection: `(time, file)` sorted by time, files as paths that start from the collection's folder.
pub fn read_pvd(path: impl AsRef<Path>) -> Result<Vec<(f64, PathBuf)>, IoError> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| IoError::System { file: path.into(), action: "cannot read", source })?;
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader::from_str(&text);
    let fail = |at: u64, expected: &str, got: String| IoError::Malformed {
        file: path.into(),
        place: Place::Line(1 + text.bytes().take(at as usize).filter(|&b| b == b'\n').count()),
        expected: expected.into(),
        got,
        hint: "a collection lists <DataSet timestep=\"..\" file=\"..\"/> within <Collection>",
    };
    let mut steps = Vec::new();
    let folder = path.parent().unwrap_or(Path::new(""));
    loop {
        let at = reader.buffer_position();
        match reader.read_event().map_err(|e| fail(at, "XML", e.to_string()))? {
            Event::Start(e) | Event::Empty(e) if e.name().0 == "DataSet" => {
                let (mut time, mut file) = (None, None);
                for attribute in e.attributes() {
                    let attribute = attribute.map_err(|e| fail(at, "an attribute", e.to_string()))?;
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| fail(at, "an attribute", e.to_string()))?;
                    match attribute.key.0 {
                        "timestep" => {
                            let t = value.trim().parse::<f64>().ok().filter(|t| t.is_finite());
                            time = Some(t.ok_or_else(|| fail(at, "a finite time", format!("`{value}`")))?);
                        }
                        "file" => file = Some(folder.join(value.as_ref())),
                        _ => {}
                    }
                }
                let file = file.ok_or_else(|| fail(at, "the attribute `file`", "a DataSet without it".into()))?;
                steps.push((time.unwrap_or(steps.len() as f64), file));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if steps.is_empty() {
        return Err(fail(0, "at least one <DataSet .../>", "none".into()));
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(steps)
}
