//! Assembly: the sparsity pattern and the place of every element entry are found once, values are filled as often as wanted.
//!
//! Element matrices are computed in parallel and added in the order of the cells, so any number of threads gives the same bits.

use crate::quadrature::stiffness_degree;
use crate::{CellGeometry, Quadrature, Tabulation};
use femur_mesh::{CellKind, Mesh};
use femur_solve::CsrMatrix;
use rayon::prelude::*;

/// Cells whose matrices are held at a time.
const CHUNK: usize = 2048;

/// Pattern and scatter map of one mesh with a number of unknowns at each node (component-interleaved).
#[derive(Debug, Clone)]
pub struct Assembler {
    components: usize,
    num_nodes: usize,
    /// Node pattern: neighbours of each node, itself included, sorted.
    node_ptr: Vec<usize>,
    node_idx: Vec<u32>,
    tables: Vec<(CellKind, Tabulation)>,
}

impl Assembler {
    /// Finds the pattern; `extra_degree` raises the quadrature (mass terms, coefficients that vary in space).
    pub fn new(mesh: &Mesh, components: usize, extra_degree: usize) -> Self {
        let n = mesh.num_nodes();
        let mut neighbours: Vec<Vec<u32>> = vec![Vec::new(); n];
        for (_, _, nodes) in mesh.cells() {
            for &a in nodes {
                neighbours[a as usize].extend_from_slice(nodes);
            }
        }
        let (mut node_ptr, mut node_idx) = (vec![0], Vec::new());
        for (node, list) in neighbours.iter_mut().enumerate() {
            list.push(node as u32);
            list.sort_unstable();
            list.dedup();
            node_idx.extend_from_slice(list);
            node_ptr.push(node_idx.len());
        }
        let mut kinds: Vec<CellKind> = mesh.blocks.iter().map(|b| b.kind).collect();
        kinds.dedup();
        let tables = kinds.into_iter().map(|k| (k, Tabulation::new(k, Quadrature::new(k, stiffness_degree(k) + extra_degree)))).collect();
        Assembler { components, num_nodes: n, node_ptr, node_idx, tables }
    }

    /// Number of unknowns.
    pub fn size(&self) -> usize {
        self.num_nodes * self.components
    }

    /// The tabulation of a cell kind.
    pub fn table(&self, kind: CellKind) -> Option<&Tabulation> {
        self.tables.iter().find(|t| t.0 == kind).map(|t| &t.1)
    }

    /// A matrix of the pattern with zeros.
    pub fn zeros(&self) -> CsrMatrix {
        let c = self.components;
        let (mut row_ptr, mut col_idx) = (vec![0], Vec::with_capacity(self.node_idx.len() * c * c));
        for node in 0..self.num_nodes {
            let list = &self.node_idx[self.node_ptr[node]..self.node_ptr[node + 1]];
            for _ in 0..c {
                col_idx.extend(list.iter().flat_map(|&m| (0..c as u32).map(move |d| m * c as u32 + d)));
                row_ptr.push(col_idx.len());
            }
        }
        let values = vec![0.0; col_idx.len()];
        CsrMatrix { nrows: self.size(), ncols: self.size(), row_ptr, col_idx, values }
    }

    /// Adds element matrices: `kernel(cell, geometry, table, out)` fills `[k c, k c]` row-major for a cell of k nodes, rows and
    /// columns by node, then component.
    pub fn add_matrix(&self, mesh: &Mesh, matrix: &mut CsrMatrix, kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64]) + Sync) {
        let c = self.components;
        let mut first = 0;
        for block in &mesh.blocks {
            let Some(table) = self.table(block.kind) else { continue };
            let k = block.kind.num_nodes() * c;
            let mut buffer = vec![0.0; CHUNK.min(block.num_cells()) * k * k];
            for start in (0..block.num_cells()).step_by(CHUNK) {
                let cells = CHUNK.min(block.num_cells() - start);
                let chunk = &mut buffer[..cells * k * k];
                chunk.par_chunks_mut(k * k).with_min_len(64).enumerate().for_each_init(CellGeometry::default, |geometry, (i, out)| {
                    out.fill(0.0);
                    geometry.fill(table, mesh, block.cell(start + i));
                    kernel(first + start + i, geometry, table, out);
                });
                for (i, element) in chunk.chunks_exact(k * k).enumerate() {
                    self.scatter(matrix, block.cell(start + i), element);
                }
            }
            first += block.num_cells();
        }
    }

    /// Adds one dense element matrix over these nodes.
    pub fn scatter(&self, matrix: &mut CsrMatrix, nodes: &[u32], element: &[f64]) {
        let c = self.components;
        let k = nodes.len() * c;
        for (a, &row) in nodes.iter().enumerate() {
            let list = &self.node_idx[self.node_ptr[row as usize]..self.node_ptr[row as usize + 1]];
            for (b, col) in nodes.iter().enumerate() {
                let Ok(place) = list.binary_search(col) else { continue };
                for i in 0..c {
                    let start = matrix.row_ptr[row as usize * c + i] + place * c;
                    let from = (a * c + i) * k + b * c;
                    for j in 0..c {
                        matrix.values[start + j] += element[from + j];
                    }
                }
            }
        }
    }

    /// Adds element vectors `[k c]` in the order of the cells.
    pub fn add_vector(&self, mesh: &Mesh, vector: &mut [f64], kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64])) {
        let c = self.components;
        let mut geometry = CellGeometry::default();
        let mut out = Vec::new();
        for (cell, kind, nodes) in mesh.cells() {
            let Some(table) = self.table(kind) else { continue };
            out.clear();
            out.resize(nodes.len() * c, 0.0);
            geometry.fill(table, mesh, nodes);
            kernel(cell, &geometry, table, &mut out);
            for (a, &n) in nodes.iter().enumerate() {
                for i in 0..c {
                    vector[n as usize * c + i] += out[a * c + i];
                }
            }
        }
    }
}
