//! The mesh: points, blocks of cells, tags.

use crate::{CellKind, FacetId, MeshError, TagEntities, Tags};

/// Cells of one kind. `connectivity` is flat, `[num_cells, kind.num_nodes()]`, in VTK's node order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellBlock {
    /// The kind of all cells in the block.
    pub kind: CellKind,
    /// Node numbers `[num_cells, kind.num_nodes()]`.
    pub connectivity: Vec<u32>,
}

impl CellBlock {
    /// Number of cells.
    pub fn num_cells(&self) -> usize {
        self.connectivity.len() / self.kind.num_nodes()
    }

    /// Node numbers of cell `i` of this block.
    pub fn cell(&self, i: usize) -> &[u32] {
        let n = self.kind.num_nodes();
        &self.connectivity[i * n..(i + 1) * n]
    }
}

/// A conforming mesh of cells of one dimension. Global cell numbers run through the blocks in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Mesh {
    /// Space dimension, 2 or 3 (1 for bars): also the dimension of every cell.
    pub dim: usize,
    /// Coordinates `[num_nodes, dim]`, flat.
    pub points: Vec<f64>,
    /// Cells by kind.
    pub blocks: Vec<CellBlock>,
    /// Named sets.
    pub tags: Tags,
}

impl Mesh {
    /// Builds a mesh and checks lengths, dimensions and node numbers.
    pub fn new(dim: usize, points: Vec<f64>, blocks: Vec<CellBlock>, tags: Tags) -> Result<Self, MeshError> {
        let mesh = Mesh { dim, points, blocks, tags };
        mesh.check()?;
        Ok(mesh)
    }

    /// Checks lengths, finite coordinates, cell dimensions, node numbers and the ranges of tag members.
    pub fn check(&self) -> Result<(), MeshError> {
        if !(1..=3).contains(&self.dim) {
            return Err(MeshError::Other(format!("space dimension {} is not 1, 2 or 3", self.dim)));
        }
        if !self.points.len().is_multiple_of(self.dim) {
            return Err(MeshError::Length { what: "points".into(), expected: self.num_nodes() * self.dim, got: self.points.len() });
        }
        if let Some(i) = self.points.iter().position(|x| !x.is_finite()) {
            return Err(MeshError::Other(format!("node {} has a coordinate that is not finite", i / self.dim)));
        }
        let num_nodes = self.num_nodes();
        for (b, block) in self.blocks.iter().enumerate() {
            if block.kind.dim() != self.dim {
                return Err(MeshError::Other(format!("block {b} holds {} cells in a mesh of dimension {}", block.kind, self.dim)));
            }
            if !block.connectivity.len().is_multiple_of(block.kind.num_nodes()) {
                let expected = block.num_cells() * block.kind.num_nodes();
                return Err(MeshError::Length { what: format!("connectivity of block {b}"), expected, got: block.connectivity.len() });
            }
            if let Some(i) = block.connectivity.iter().position(|&n| n as usize >= num_nodes) {
                return Err(MeshError::NodeOutOfRange {
                    block: b,
                    cell: i / block.kind.num_nodes(),
                    node: block.connectivity[i],
                    num_nodes,
                });
            }
        }
        let num_cells = self.num_cells();
        for tag in self.tags.iter() {
            let ok = match &tag.entities {
                TagEntities::Nodes(v) => v.iter().all(|&n| (n as usize) < num_nodes),
                TagEntities::Cells(v) => v.iter().all(|&c| (c as usize) < num_cells),
                TagEntities::Facets(v) => {
                    v.iter().all(|f| (f.cell as usize) < num_cells && (f.local as usize) < self.kind_of(f.cell as usize).facets().len())
                }
            };
            if !ok {
                return Err(MeshError::Other(format!("tag `{}` names a member that the mesh lacks", tag.name)));
            }
        }
        Ok(())
    }

    /// Number of nodes.
    pub fn num_nodes(&self) -> usize {
        self.points.len() / self.dim
    }

    /// Number of cells over all blocks.
    pub fn num_cells(&self) -> usize {
        self.blocks.iter().map(CellBlock::num_cells).sum()
    }

    /// Coordinates of node `i`, `[dim]`.
    pub fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.dim..(i + 1) * self.dim]
    }

    /// Block and local number of a global cell number. Panics if out of range.
    pub fn locate(&self, cell: usize) -> (usize, usize) {
        let mut local = cell;
        for (b, block) in self.blocks.iter().enumerate() {
            let n = block.num_cells();
            if local < n {
                return (b, local);
            }
            local -= n;
        }
        panic!("cell {cell} of {}", self.num_cells());
    }

    /// Kind of a cell by its global number.
    pub fn kind_of(&self, cell: usize) -> CellKind {
        self.blocks[self.locate(cell).0].kind
    }

    /// Node numbers of a cell by its global number, in VTK's order.
    pub fn cell_nodes(&self, cell: usize) -> &[u32] {
        let (b, i) = self.locate(cell);
        self.blocks[b].cell(i)
    }

    /// Every cell in global order: `(global number, kind, node numbers)`.
    pub fn cells(&self) -> impl Iterator<Item = (usize, CellKind, &[u32])> {
        self.blocks
            .iter()
            .flat_map(|b| b.connectivity.chunks_exact(b.kind.num_nodes()).map(move |c| (b.kind, c)))
            .enumerate()
            .map(|(i, (k, c))| (i, k, c))
    }

    /// Kind of a facet and its node numbers, ordered so that the normal points out of the cell.
    pub fn facet_nodes(&self, facet: FacetId) -> (CellKind, Vec<u32>) {
        let (b, i) = self.locate(facet.cell as usize);
        let def = &self.blocks[b].kind.facets()[facet.local as usize];
        let cell = self.blocks[b].cell(i);
        (def.kind, def.nodes.iter().map(|&n| cell[n]).collect())
    }

    /// All nodes of a tag, sorted: a facet's or cell's nodes count, midside ones too.
    pub fn tag_nodes(&self, name: &str) -> Result<Vec<u32>, MeshError> {
        let mut nodes: Vec<u32> = match &self.tags.require(name)?.entities {
            TagEntities::Nodes(v) => v.clone(),
            TagEntities::Facets(v) => v.iter().flat_map(|&f| self.facet_nodes(f).1).collect(),
            TagEntities::Cells(v) => v.iter().flat_map(|&c| self.cell_nodes(c as usize).to_vec()).collect(),
        };
        nodes.sort_unstable();
        nodes.dedup();
        Ok(nodes)
    }

    /// The facets of a tag; an error where the tag holds nodes or cells.
    pub fn tag_facets(&self, name: &str) -> Result<&[FacetId], MeshError> {
        match &self.tags.require(name)?.entities {
            TagEntities::Facets(v) => Ok(v),
            other => Err(MeshError::Other(format!("tag `{name}` is a set of {}s, a set of facets is needed", other.kind_name()))),
        }
    }

    /// The cells of a tag; an error where the tag holds nodes or facets.
    pub fn tag_cells(&self, name: &str) -> Result<&[u32], MeshError> {
        match &self.tags.require(name)?.entities {
            TagEntities::Cells(v) => Ok(v),
            other => Err(MeshError::Other(format!("tag `{name}` is a set of {}s, a set of cells is needed", other.kind_name()))),
        }
    }

    /// Dimension of a tag's entities: 0 for nodes, `dim - 1` for facets, `dim` for cells.
    pub fn tag_dim(&self, entities: &TagEntities) -> usize {
        match entities {
            TagEntities::Nodes(_) => 0,
            TagEntities::Facets(_) => self.dim - 1,
            TagEntities::Cells(_) => self.dim,
        }
    }

    /// Smallest and largest coordinates, `([dim], [dim])`.
    pub fn bounds(&self) -> (Vec<f64>, Vec<f64>) {
        let mut lo = vec![f64::INFINITY; self.dim];
        let mut hi = vec![f64::NEG_INFINITY; self.dim];
        for p in self.points.chunks_exact(self.dim) {
            for d in 0..self.dim {
                lo[d] = lo[d].min(p[d]);
                hi[d] = hi[d].max(p[d]);
            }
        }
        (lo, hi)
    }

    /// Length of the bounding box's diagonal.
    pub fn diameter(&self) -> f64 {
        let (lo, hi) = self.bounds();
        lo.iter().zip(&hi).map(|(a, b)| (b - a).powi(2)).sum::<f64>().sqrt()
    }

    /// The mesh of the cells' vertices alone (order 1), and for each of its nodes the node number here.
    /// Tags of facets and cells stay; tags of nodes keep their vertices.
    pub fn vertices_only(&self) -> (Mesh, Vec<u32>) {
        let mut new_of = vec![u32::MAX; self.num_nodes()];
        let mut kept = Vec::new();
        for (_, kind, nodes) in self.cells() {
            for &n in &nodes[..kind.num_vertices()] {
                new_of[n as usize] = 0;
            }
        }
        for (old, new) in new_of.iter_mut().enumerate() {
            if *new == 0 {
                *new = kept.len() as u32;
                kept.push(old as u32);
            }
        }
        let points = kept.iter().flat_map(|&n| self.point(n as usize).to_vec()).collect();
        let blocks = self
            .blocks
            .iter()
            .map(|b| CellBlock {
                kind: b.kind.linear(),
                connectivity: (0..b.num_cells())
                    .flat_map(|i| b.cell(i)[..b.kind.num_vertices()].iter().map(|&n| new_of[n as usize]).collect::<Vec<_>>())
                    .collect(),
            })
            .collect();
        let mut tags = Tags::default();
        for t in self.tags.iter() {
            let entities = match &t.entities {
                TagEntities::Nodes(v) => TagEntities::Nodes(v.iter().map(|&n| new_of[n as usize]).filter(|&n| n != u32::MAX).collect()),
                other => other.clone(),
            };
            tags.insert(&t.name, t.gmsh_tag, entities);
        }
        (Mesh { dim: self.dim, points, blocks, tags }, kept)
    }
}
