//! VTK's XML unstructured grids (.vtu) in and out, and collections of them (.pvd).
//!
//! Reading knows text, base64 and appended data (base64 or raw), zlib, 32- and 64-bit heads, both byte orders and all integer
//! and float types. Writing goes through vtkio: base64 within the file, which every VTK since 5 and meshio read.
//!
//! # Tags
//! VTU has none, so they are arrays of `UInt8`:
//! - point data `tag:NAME` is 1 at the nodes of a node tag, else 0;
//! - cell data `tag:NAME` is 1 in the cells of a cell tag, else 0;
//! - cell data `facets:NAME` holds, for a facet tag, a bit for each local facet of the cell (bit k: facet k in VTK's numbering).
//!
//! # Fields
//! Vectors of a plane mesh get a third component 0, its symmetric tensors (xx, yy, zz, xy) the components yz = xz = 0: with 3
//! and 6 components ParaView offers magnitude and warping, and the names XX to XZ. Units and the true components stand in an XML
//! comment that begins with `femur`, which other readers ignore.

mod array;
mod pvd;
mod read;
mod series;
mod write;

use std::path::Path;

pub use pvd::{read_pvd, write_pvd};
pub use series::read_file_series;
pub use write::{VtuOptions, write_series, write_vtu, write_vtu_with};

use crate::scan::find;
use crate::{IoError, MeshFile, MeshFormat};

/// The format.
pub(crate) struct Vtu;

impl MeshFormat for Vtu {
    fn name(&self) -> &'static str {
        "VTU"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["vtu"]
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        find(&bytes[..bytes.len().min(4096)], b"<VTKFile").is_some()
    }

    fn read(&self, bytes: &[u8], origin: &Path) -> Result<MeshFile, IoError> {
        read::read(bytes, origin)
    }

    fn write(&self, content: &MeshFile, origin: &Path) -> Result<Vec<u8>, IoError> {
        write::bytes(&content.mesh, &content.fields, &VtuOptions::default(), origin)
    }
}
