//! The list of mesh formats, and reading and writing by it.

use std::path::Path;

use femur_mesh::{Field, Mesh};

use crate::IoError;

/// A mesh with the fields that lie in the same file.
#[derive(Debug, Clone, PartialEq)]
pub struct MeshFile {
    /// Cells of the highest dimension, and tags.
    pub mesh: Mesh,
    /// Node fields `[num_nodes, _]` and cell fields `[num_cells, _]`.
    pub fields: Vec<Field>,
}

/// One file format of meshes.
pub trait MeshFormat: Sync {
    /// Name for people, e.g. `gmsh`.
    fn name(&self) -> &'static str;

    /// File name extensions without the dot, in lower case.
    fn extensions(&self) -> &'static [&'static str];

    /// Whether the content looks like this format, from its beginning.
    fn sniff(&self, bytes: &[u8]) -> bool;

    /// Reads a whole file. `origin` names it in errors, and is where a path within the file starts from.
    fn read(&self, bytes: &[u8], origin: &Path) -> Result<MeshFile, IoError>;

    /// The bytes of a file with this content; formats that are only read refuse.
    fn write(&self, _content: &MeshFile, origin: &Path) -> Result<Vec<u8>, IoError> {
        Err(IoError::Unsupported {
            file: origin.into(),
            what: format!("{} files are read, not written", self.name()),
            hint: "write .msh or .vtu",
        })
    }
}

/// Every format. A new one is a file of its own and a line here.
pub static FORMATS: &[&dyn MeshFormat] = &[&crate::gmsh::Gmsh, &crate::vtk::Vtu, &crate::abaqus::Abaqus];

/// Reads a mesh file. Its content decides the format; where that is not clear, the extension does.
///
/// Node fields and cell fields come with it; nodes that no cell uses are dropped; cells are ordered by kind.
pub fn read_mesh(path: impl AsRef<Path>) -> Result<MeshFile, IoError> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|source| IoError::System { file: path.into(), action: "cannot read", source })?;
    let by_extension = by_extension(path);
    let format = match by_extension {
        Some(format) if format.sniff(&bytes) => Some(format),
        _ => FORMATS.iter().copied().find(|f| f.sniff(&bytes)).or(by_extension),
    };
    format.ok_or_else(|| unknown(path, ": neither content nor extension is known"))?.read(&bytes, path)
}

/// Writes a mesh file in the format that the extension names.
pub fn write_mesh(path: impl AsRef<Path>, content: &MeshFile) -> Result<(), IoError> {
    let path = path.as_ref();
    let format = by_extension(path).ok_or_else(|| unknown(path, " has that extension"))?;
    save(path, &format.write(content, path)?)
}

pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), IoError> {
    std::fs::write(path, bytes).map_err(|source| IoError::System { file: path.into(), action: "cannot write", source })
}

fn by_extension(path: &Path) -> Option<&'static dyn MeshFormat> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    FORMATS.iter().copied().find(|f| f.extensions().contains(&extension.as_str()))
}

fn unknown(path: &Path, detail: &str) -> IoError {
    let known: Vec<String> = FORMATS.iter().map(|f| format!("{} (.{})", f.name(), f.extensions().join(", ."))).collect();
    IoError::UnknownFormat { file: path.into(), detail: detail.into(), known: known.join(", ") }
}
