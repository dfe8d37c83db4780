//! From what a file holds (nodes, elements of all dimensions, groups) to a mesh of cells with tags.

use std::path::Path;

use femur_mesh::{CellBlock, CellKind, Mesh, Tags};

use crate::fields::{Note, Numbering, RawField};
use crate::groups::{self, Group};
use crate::orient::orient;
use crate::{IoError, MeshFile};

/// Elements of one kind, node order VTK's, numbers those of [`Assembly::points`].
pub(crate) struct Elements {
    pub(crate) kind: CellKind,
    pub(crate) connectivity: Vec<u32>,
}

impl Elements {
    pub(crate) fn len(&self) -> usize {
        self.connectivity.len() / self.kind.num_nodes()
    }

    pub(crate) fn get(&self, i: usize) -> &[u32] {
        let n = self.kind.num_nodes();
        &self.connectivity[i * n..(i + 1) * n]
    }
}

/// Everything a reader collects.
#[derive(Default)]
pub(crate) struct Assembly {
    /// Coordinates of all nodes of the file, `[n, 3]`.
    pub(crate) points: Vec<f64>,
    /// One entry a kind, in the order of first appearance.
    pub(crate) blocks: Vec<Elements>,
    pub(crate) groups: Vec<Group>,
    pub(crate) fields: Vec<RawField>,
    pub(crate) note: Note,
}

impl Assembly {
    /// The block of that kind, made if it is not there.
    pub(crate) fn block_of(&mut self, kind: CellKind) -> usize {
        self.blocks.iter().position(|b| b.kind == kind).unwrap_or_else(|| {
            self.blocks.push(Elements { kind, connectivity: Vec::new() });
            self.blocks.len() - 1
        })
    }

    /// Makes the mesh: cells of the highest dimension, used nodes only, tags, fields that cover all nodes or all cells.
    pub(crate) fn finish(self, origin: &Path) -> Result<MeshFile, IoError> {
        let unsupported = |what: String, hint| Err(IoError::Unsupported { file: origin.into(), what, hint });
        let filled = self.blocks.iter().filter(|b| !b.connectivity.is_empty());
        let dim = filled.map(|b| b.kind.dim()).max().unwrap_or(0);
        if dim == 0 {
            return unsupported("the file holds no cells".into(), "save the elements too (gmsh: mesh before saving, or -save_all)");
        }
        let is_cell = |b: &Elements| b.kind.dim() == dim && !b.connectivity.is_empty();

        let mut nodes = vec![u32::MAX; self.points.len() / 3];
        for block in self.blocks.iter().filter(|b| is_cell(b)) {
            for &n in &block.connectivity {
                nodes[n as usize] = 0;
            }
        }
        let mut kept: Vec<f64> = Vec::with_capacity(self.points.len());
        for (n, p) in nodes.iter_mut().zip(self.points.chunks_exact(3)) {
            if *n == 0 {
                *n = (kept.len() / 3) as u32;
                kept.extend_from_slice(p);
            }
        }
        if dim < 3
            && let Some(axis) = (dim..3).find(|&axis| !is_constant(&kept, axis))
        {
            let axis = ["x", "y", "z"][axis];
            return if dim == 2 {
                unsupported(
                    format!("the cells of highest dimension are surfaces with varying {axis}; only plane ones (z constant) make a 2D mesh"),
                    "for a solid, save the volume elements too (gmsh: add a Physical Volume); for a plane part, turn it into the x-y plane",
                )
            } else {
                unsupported(
                    format!("the cells of highest dimension are lines with varying {axis}; only lines along x make a 1D mesh"),
                    "save the surface or volume elements too (gmsh: add a Physical Surface or Volume)",
                )
            };
        }

        let mut numbering = Numbering { num_nodes: kept.len() / 3, nodes, blocks: Vec::new(), num_cells: 0 };
        let mut blocks = Vec::new();
        for block in &self.blocks {
            let cells = is_cell(block);
            numbering.blocks.push(cells.then_some(numbering.num_cells as u32));
            if cells {
                numbering.num_cells += block.len();
                let connectivity = block.connectivity.iter().map(|&n| numbering.nodes[n as usize]).collect();
                blocks.push(CellBlock { kind: block.kind, connectivity });
            }
        }
        let points = if dim == 3 { kept } else { kept.chunks_exact(3).flat_map(|p| p[..dim].iter().copied()).collect() };
        let mesh_error = |source| IoError::Mesh { file: origin.into(), source };
        let mut mesh = Mesh::new(dim, points, blocks, Tags::default()).map_err(mesh_error)?;
        let mirrored = orient(&mut mesh);

        let tags = groups::tags(self.groups, &self.blocks, &numbering, &mesh, &mirrored, origin)?;
        mesh.tags = self.note.sort_tags(tags);
        mesh.check().map_err(mesh_error)?;
        let fields = self.fields.into_iter().filter_map(|f| f.place(&numbering, dim, &self.note)).collect();
        Ok(MeshFile { mesh, fields })
    }
}

/// Whether a coordinate is the same at all points, up to the rounding of a plane that was rotated or moved.
fn is_constant(points: &[f64], axis: usize) -> bool {
    let (mut lo, mut hi) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for p in points.chunks_exact(3) {
        for d in 0..3 {
            lo[d] = lo[d].min(p[d]);
            hi[d] = hi[d].max(p[d]);
        }
    }
    let size = (0..3).map(|d| hi[d] - lo[d]).fold(0.0, f64::max);
    hi[axis] - lo[axis] <= 1e-9 * size
}
