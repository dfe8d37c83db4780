//! Layouts of other programs: what the re-implementations of MeshGraphNets read, and what older ParaViews read.

mod deepmind;
mod xdmf;

pub use deepmind::{DeepmindReader, DeepmindRun, DeepmindWriter};
pub use xdmf::xdmf;
