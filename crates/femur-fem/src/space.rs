//! Mixed spaces: several fields of different order on one mesh, such as the velocity and pressure of Taylor and Hood (1973).
//!
//! A field of order 2 has unknowns at every node of a quadratic mesh, one of order 1 at the cells' vertices. Unknowns are numbered
//! node by node, within a node field by field. Within a cell they run field by field, within a field node by node. The sparsity
//! pattern and the place of every element entry are found once; values are filled as often as wanted. Element matrices are computed
//! in parallel and added in the order of the cells, so any number of threads gives the same bits.

use femur_mesh::{CellKind, Mesh, MeshError};
use femur_solve::CsrMatrix;
use rayon::prelude::*;
use std::ops::Range;

/// Cells whose matrices are held at a time.
const CHUNK: usize = 1024;
/// Number of an unknown that does not exist.
const NONE: u32 = u32::MAX;

/// One field of a mixed space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpace {
    /// Unknowns at each of its nodes.
    pub components: usize,
    /// 1: unknowns at the cells' vertices; 2: at all nodes of a quadratic mesh.
    pub order: usize,
}

/// Cells of one kind with their unknowns.
#[derive(Debug, Clone)]
struct BlockDofs {
    cells: usize,
    /// Unknowns of a cell.
    len: usize,
    /// `[cells, len]`.
    dofs: Vec<u32>,
    /// Place of each entry of an element matrix among the values, `[cells, len, len]`.
    places: Vec<u32>,
}

/// Unknowns, pattern and scatter map of several fields on one mesh.
#[derive(Debug, Clone)]
pub struct MixedSpace {
    fields: Vec<FieldSpace>,
    /// First unknown of each field at each node `[num_nodes, num_fields]`.
    first: Vec<u32>,
    /// Node of each unknown.
    node_of: Vec<u32>,
    blocks: Vec<BlockDofs>,
    row_ptr: Vec<usize>,
    col_idx: Vec<u32>,
}

impl MixedSpace {
    /// Numbers the unknowns and finds the pattern, in which all unknowns of a cell are coupled.
    ///
    /// # Errors
    /// A field of order 2 on cells of order 1.
    pub fn new(mesh: &Mesh, fields: &[FieldSpace]) -> Result<Self, MeshError> {
        for block in &mesh.blocks {
            if let Some(f) = fields.iter().find(|f| f.order > block.kind.order()) {
                return Err(MeshError::Other(format!("a field of order {} needs quadratic cells, the mesh has {}", f.order, block.kind)));
            }
        }
        let (first, node_of) = number(mesh, fields);
        let mut space =
            MixedSpace { fields: fields.to_vec(), first, node_of, blocks: Vec::new(), row_ptr: Vec::new(), col_idx: Vec::new() };
        for block in &mesh.blocks {
            let len = fields.iter().map(|f| f.components * nodes_of(block.kind, *f)).sum();
            let mut dofs = Vec::with_capacity(block.num_cells() * len);
            for c in 0..block.num_cells() {
                for (f, field) in fields.iter().enumerate() {
                    for &n in &block.cell(c)[..nodes_of(block.kind, *field)] {
                        let at = space.first[n as usize * fields.len() + f];
                        dofs.extend(at..at + field.components as u32);
                    }
                }
            }
            space.blocks.push(BlockDofs { cells: block.num_cells(), len, dofs, places: Vec::new() });
        }
        space.find_pattern();
        Ok(space)
    }

    fn find_pattern(&mut self) {
        let n = self.size();
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); n];
        for block in &self.blocks {
            for dofs in block.dofs.chunks_exact(block.len) {
                for &u in dofs {
                    rows[u as usize].extend_from_slice(dofs);
                }
            }
        }
        rows.par_iter_mut().with_min_len(256).for_each(|list| {
            list.sort_unstable();
            list.dedup();
        });
        self.row_ptr = std::iter::once(0)
            .chain(rows.iter().scan(0, |sum, r| {
                *sum += r.len();
                Some(*sum)
            }))
            .collect();
        self.col_idx = rows.concat();
        let (row_ptr, col_idx) = (&self.row_ptr, &self.col_idx);
        for block in &mut self.blocks {
            let len = block.len;
            block.places = vec![0; block.cells * len * len];
            let pairs = block.places.par_chunks_mut((len * len).max(1)).zip(block.dofs.par_chunks(len.max(1)));
            pairs.for_each(|(places, dofs)| {
                for (i, &r) in dofs.iter().enumerate() {
                    let row = &col_idx[row_ptr[r as usize]..row_ptr[r as usize + 1]];
                    for (j, c) in dofs.iter().enumerate() {
                        // Every pair of a cell's unknowns is in the pattern, which was made of them.
                        let place = row.binary_search(c).unwrap_or_default();
                        places[i * len + j] = (row_ptr[r as usize] + place) as u32;
                    }
                }
            });
        }
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.node_of.len()
    }

    /// Node of each unknown `[size]`: the groups that an ordering should keep together.
    pub fn node_of(&self) -> &[u32] {
        &self.node_of
    }

    /// First unknown of a field at a node, `None` where the field has none there.
    pub fn dof(&self, field: usize, node: usize) -> Option<usize> {
        let at = self.first[node * self.fields.len() + field];
        (at != NONE).then_some(at as usize)
    }

    /// Places of a field among the unknowns of a cell.
    pub fn local(&self, kind: CellKind, field: usize) -> Range<usize> {
        let len = |f: &FieldSpace| f.components * nodes_of(kind, *f);
        let start = self.fields[..field].iter().map(len).sum();
        start..start + len(&self.fields[field])
    }

    /// Unknowns of cell `cell` of a block.
    pub fn cell_dofs(&self, block: usize, cell: usize) -> &[u32] {
        let b = &self.blocks[block];
        &b.dofs[cell * b.len..(cell + 1) * b.len]
    }

    /// Values of a field at all nodes of the mesh `[num_nodes, components]`, by its shape functions where it has no unknown.
    pub fn nodal_values(&self, mesh: &Mesh, field: usize, x: &[f64]) -> Vec<f64> {
        let c = self.fields[field].components;
        let mut out = vec![0.0; mesh.num_nodes() * c];
        let mut known: Vec<bool> = (0..mesh.num_nodes()).map(|n| self.dof(field, n).is_some()).collect();
        for n in 0..mesh.num_nodes() {
            if let Some(u) = self.dof(field, n) {
                out[n * c..(n + 1) * c].copy_from_slice(&x[u..u + c]);
            }
        }
        for block in mesh.blocks.iter().filter(|b| b.kind.order() > self.fields[field].order) {
            let linear = crate::ReferenceElement::of(block.kind.linear());
            let weights: Vec<Vec<f64>> = crate::ReferenceElement::of(block.kind)
                .nodes
                .iter()
                .map(|&xi| {
                    let mut w = vec![0.0; linear.num_nodes()];
                    linear.values(xi, &mut w);
                    w
                })
                .collect();
            for i in 0..block.num_cells() {
                let cell = block.cell(i);
                for a in linear.num_nodes()..cell.len() {
                    let n = cell[a] as usize;
                    if !known[n] {
                        known[n] = true;
                        for k in 0..c {
                            out[n * c + k] = cell.iter().zip(&weights[a]).map(|(&v, w)| w * out[v as usize * c + k]).sum();
                        }
                    }
                }
            }
        }
        out
    }

    /// A matrix of the pattern with zeros.
    pub fn zeros(&self) -> CsrMatrix {
        CsrMatrix {
            nrows: self.size(),
            ncols: self.size(),
            row_ptr: self.row_ptr.clone(),
            col_idx: self.col_idx.clone(),
            values: vec![0.0; self.col_idx.len()],
        }
    }

    /// Adds element matrices: `kernel(block, cell, out)` fills `[len, len]` row-major for a cell of `len` unknowns.
    pub fn add_matrix(&self, matrix: &mut CsrMatrix, kernel: impl Fn(usize, usize, &mut [f64]) + Sync) {
        for (b, block) in self.blocks.iter().enumerate() {
            let k = block.len * block.len;
            self.in_chunks(b, k, &kernel, |cell, element| {
                let places = &block.places[cell * k..(cell + 1) * k];
                places.iter().zip(element).for_each(|(&p, v)| matrix.values[p as usize] += v);
            });
        }
    }

    /// Adds element vectors: `kernel(block, cell, out)` fills `[len]`.
    pub fn add_vector(&self, vector: &mut [f64], kernel: impl Fn(usize, usize, &mut [f64]) + Sync) {
        for (b, block) in self.blocks.iter().enumerate() {
            self.in_chunks(b, block.len, &kernel, |cell, element| {
                self.cell_dofs(b, cell).iter().zip(element).for_each(|(&u, v)| vector[u as usize] += v);
            });
        }
    }

    fn in_chunks(&self, b: usize, k: usize, kernel: &(impl Fn(usize, usize, &mut [f64]) + Sync), mut add: impl FnMut(usize, &[f64])) {
        let cells = self.blocks[b].cells;
        let mut buffer = vec![0.0; CHUNK.min(cells) * k];
        for start in (0..cells).step_by(CHUNK) {
            let chunk = &mut buffer[..CHUNK.min(cells - start) * k];
            chunk.fill(0.0);
            chunk.par_chunks_mut(k).with_min_len(128).enumerate().for_each(|(i, out)| kernel(b, start + i, out));
            chunk.chunks_exact(k).enumerate().for_each(|(i, element)| add(start + i, element));
        }
    }
}

/// Nodes of a cell at which a field has unknowns.
fn nodes_of(kind: CellKind, field: FieldSpace) -> usize {
    if field.order == 1 { kind.num_vertices() } else { kind.num_nodes() }
}

/// First unknown of each field at each node, and the node of each unknown.
fn number(mesh: &Mesh, fields: &[FieldSpace]) -> (Vec<u32>, Vec<u32>) {
    let (n, count) = (mesh.num_nodes(), fields.len());
    let mut first = vec![NONE; n * count];
    for (_, kind, nodes) in mesh.cells() {
        for (f, field) in fields.iter().enumerate() {
            nodes[..nodes_of(kind, *field)].iter().for_each(|&v| first[v as usize * count + f] = 0);
        }
    }
    let mut node_of = Vec::new();
    for node in 0..n {
        for (f, field) in fields.iter().enumerate() {
            if first[node * count + f] != NONE {
                first[node * count + f] = node_of.len() as u32;
                node_of.extend(std::iter::repeat_n(node as u32, field.components));
            }
        }
    }
    (first, node_of)
}

/// Rows and columns of the free unknowns of a matrix: found once, filled as often as its values change.
#[derive(Debug, Clone)]
pub struct FreeSystem {
    /// Number of each free unknown in the whole system.
    pub free: Vec<u32>,
    /// The matrix of the free unknowns.
    pub matrix: CsrMatrix,
    /// Number among the free ones of each unknown.
    number: Vec<u32>,
    /// Place in the matrix of each entry of the whole one.
    to: Vec<u32>,
}

impl FreeSystem {
    /// Takes the unknowns that are `fixed` (`[size]`) out of a pattern.
    pub fn new(whole: &CsrMatrix, fixed: &[bool]) -> Self {
        Self::identified(whole, fixed, &(0..whole.nrows as u32).collect::<Vec<_>>())
    }

    /// As [`FreeSystem::new`], where unknown `u` is the same as `same[u]`, which is its own (periodic boundaries); a fixed one fixes all
    /// that it is the same as.
    pub fn identified(whole: &CsrMatrix, fixed: &[bool], same: &[u32]) -> Self {
        let mut held = vec![false; whole.nrows];
        same.iter().zip(fixed).for_each(|(&s, f)| held[s as usize] |= f);
        let free: Vec<u32> = (0..whole.nrows as u32).filter(|&u| !held[u as usize] && same[u as usize] == u).collect();
        let mut number = vec![NONE; whole.nrows];
        free.iter().enumerate().for_each(|(i, &u)| number[u as usize] = i as u32);
        (0..whole.nrows).for_each(|u| number[u] = number[same[u] as usize]);
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); free.len()];
        for (u, &i) in number.iter().enumerate().filter(|(_, i)| **i != NONE) {
            let (cols, _) = whole.row(u);
            rows[i as usize].extend(cols.iter().map(|&c| number[c as usize]).filter(|&c| c != NONE));
        }
        rows.par_iter_mut().with_min_len(256).for_each(|row| {
            // Sorted already where every unknown is its own.
            row.sort_unstable();
            row.dedup();
        });
        let mut matrix = CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        for row in &rows {
            matrix.col_idx.extend_from_slice(row);
            matrix.row_ptr.push(matrix.col_idx.len());
        }
        matrix.values = vec![0.0; matrix.col_idx.len()];
        let mut to = vec![NONE; whole.col_idx.len()];
        for (u, &i) in number.iter().enumerate().filter(|(_, i)| **i != NONE) {
            let start = matrix.row_ptr[i as usize];
            for k in whole.row_ptr[u]..whole.row_ptr[u + 1] {
                let c = number[whole.col_idx[k] as usize];
                if c != NONE {
                    // Every such column is in the row, which was made of them.
                    to[k] = (start + rows[i as usize].binary_search(&c).unwrap_or_default()) as u32;
                }
            }
        }
        FreeSystem { free, matrix, number, to }
    }

    /// Takes over the values of the whole matrix.
    pub fn fill(&mut self, whole: &CsrMatrix) {
        self.matrix.values.fill(0.0);
        for (&k, v) in self.to.iter().zip(&whole.values) {
            if k != NONE {
                self.matrix.values[k as usize] += v;
            }
        }
    }

    /// The sum over the unknowns that each free one stands for, of a whole vector.
    pub fn restrict(&self, whole: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.free.len()];
        for (&i, v) in self.number.iter().zip(whole) {
            if i != NONE {
                out[i as usize] += v;
            }
        }
        out
    }

    /// Adds values of the free unknowns to a whole vector.
    pub fn add(&self, step: &[f64], whole: &mut [f64]) {
        for (&i, v) in self.number.iter().zip(whole) {
            if i != NONE {
                *v += step[i as usize];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CellGeometry, Quadrature, Tabulation};
    use femur_mesh::generate::{box_, rectangle};

    fn taylor_hood(mesh: &Mesh) -> MixedSpace {
        MixedSpace::new(mesh, &[FieldSpace { components: mesh.dim, order: 2 }, FieldSpace { components: 1, order: 1 }]).unwrap()
    }

    /// The mass matrix of both fields, and the volume by it.
    #[test]
    fn masses_sum_to_the_volume_whatever_the_threads() {
        use CellKind::*;
        for kind in [Triangle6, Quad8, Quad9, Tet10, Hex20, Hex27] {
            let mesh = if kind.dim() == 2 { rectangle([2.0, 1.0], [6, 4], kind) } else { box_([2.0, 1.0, 1.0], [3, 2, 2], kind) }.unwrap();
            let space = taylor_hood(&mesh);
            let vertices = mesh.vertices_only().1.len();
            assert_eq!(space.size(), mesh.num_nodes() * mesh.dim + vertices, "{kind}");
            let rule = Quadrature::new(kind, 5);
            let (fine, coarse) = (Tabulation::new(kind, rule.clone()), Tabulation::new(kind.linear(), rule));
            let fill = || {
                let mut m = space.zeros();
                space.add_matrix(&mut m, |_, cell, out| {
                    let mut g = CellGeometry::default();
                    g.fill(&fine, &mesh, mesh.cell_nodes(cell));
                    let (u, p) = (space.local(kind, 0), space.local(kind, 1));
                    let len = p.end;
                    for q in 0..g.volume.len() {
                        for (a, na) in fine.values[q].iter().enumerate() {
                            for (b, nb) in fine.values[q].iter().enumerate() {
                                out[(u.start + a * mesh.dim) * len + u.start + b * mesh.dim] += g.volume[q] * na * nb;
                            }
                        }
                        for (a, na) in coarse.values[q].iter().enumerate() {
                            for (b, nb) in coarse.values[q].iter().enumerate() {
                                out[(p.start + a) * len + p.start + b] += g.volume[q] * na * nb;
                            }
                        }
                    }
                });
                m
            };
            let pool = |threads: usize| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let m = pool(1).install(fill);
            assert_eq!(m, pool(3).install(fill));
            // Twice the volume: the first velocity and the pressure.
            assert!((m.values.iter().sum::<f64>() - 4.0).abs() < 1e-12, "{kind}");
            for n in 0..mesh.num_nodes() {
                let u = space.dof(0, n).unwrap();
                assert_eq!(space.node_of()[u], n as u32);
            }
        }
    }

    #[test]
    fn free_unknowns_keep_their_entries() {
        let mesh = rectangle([1.0, 1.0], [2, 2], CellKind::Quad9).unwrap();
        let space = taylor_hood(&mesh);
        let mut m = space.zeros();
        m.values.iter_mut().enumerate().for_each(|(k, v)| *v = k as f64);
        let fixed: Vec<bool> = (0..space.size()).map(|u| u % 3 == 0).collect();
        let mut free = FreeSystem::new(&m, &fixed);
        free.fill(&m);
        for (i, &u) in free.free.iter().enumerate() {
            for (j, &v) in free.free.iter().enumerate() {
                assert_eq!(free.matrix.get(i, j), m.get(u as usize, v as usize));
            }
        }
        let groups = crate::NodeGroups::new(&mesh, free.free.iter().map(|&u| space.node_of()[u as usize] as usize));
        let of = groups.get().of;
        assert_eq!(of.iter().copied().max().unwrap() as usize + 1, of.iter().collect::<std::collections::BTreeSet<_>>().len());
    }

    #[test]
    fn pressure_is_interpolated_to_midside_nodes() {
        for kind in [CellKind::Triangle6, CellKind::Quad8, CellKind::Quad9] {
            let mesh = rectangle([1.0, 1.0], [2, 3], kind).unwrap();
            let space = taylor_hood(&mesh);
            let mut x = vec![0.0; space.size()];
            let p = |n: usize| 2.0 * mesh.point(n)[0] - mesh.point(n)[1] + 0.5;
            (0..mesh.num_nodes()).filter_map(|n| space.dof(1, n).map(|u| (n, u))).for_each(|(n, u)| x[u] = p(n));
            let values = space.nodal_values(&mesh, 1, &x);
            assert!((0..mesh.num_nodes()).all(|n| (values[n] - p(n)).abs() < 1e-14), "{kind}");
        }
        let linear = rectangle([1.0, 1.0], [2, 3], CellKind::Quad4).unwrap();
        assert!(MixedSpace::new(&linear, &[FieldSpace { components: 2, order: 2 }]).is_err());
    }
}
