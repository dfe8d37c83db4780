//! Forces and tangent of a body: cells in parallel, sums in the order of the cells.

use super::{Body, CellState};
use femur_fem::{Assembler, CellGeometry};
use femur_mesh::Mesh;
use femur_solve::{CsrMatrix, Inadmissible};
use rayon::prelude::*;
use std::sync::Arc;

/// Cells whose matrices are held at a time.
const CHUNK: usize = 1024;

/// A mesh with its pattern and the place of every cell's history.
pub(crate) struct Assembly {
    pub(crate) mesh: Arc<Mesh>,
    pub(crate) assembler: Assembler,
    /// History values of one quadrature point.
    width: usize,
    /// Start of each block's history, and the total.
    starts: Vec<usize>,
}

impl Assembly {
    pub(crate) fn new(mesh: &Arc<Mesh>, body: &dyn Body) -> Self {
        let assembler = Assembler::new(mesh, mesh.dim, 0);
        let mut starts = vec![0];
        for block in &mesh.blocks {
            let points = assembler.table(block.kind).map_or(0, |t| t.rule.len());
            starts.push(starts[starts.len() - 1] + block.num_cells() * points * body.history());
        }
        Assembly { mesh: mesh.clone(), assembler, width: body.history(), starts }
    }

    /// Length of the history.
    pub(crate) fn history_len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Adds the body's forces at `u` to `force` and its tangent to `matrix`, writes the history `new`; gives the stored energy.
    pub(crate) fn add(
        &self,
        body: &dyn Body,
        u: &[f64],
        (old, new): (&[f64], &mut [f64]),
        force: &mut [f64],
        mut matrix: Option<&mut CsrMatrix>,
    ) -> Result<f64, Inadmissible> {
        let dim = self.mesh.dim;
        let (mut energy, mut first) = (0.0, 0);
        for (block, &start) in self.mesh.blocks.iter().zip(&self.starts) {
            let Some(table) = self.assembler.table(block.kind) else { continue };
            let (k, h) = (block.kind.num_nodes() * dim, table.rule.len() * self.width);
            let tangent = if matrix.is_some() { k * k } else { 0 };
            let stride = k + tangent + h;
            let mut buffer = vec![0.0; CHUNK.min(block.num_cells()) * stride];
            for from in (0..block.num_cells()).step_by(CHUNK) {
                let cells = CHUNK.min(block.num_cells() - from);
                let chunk = &mut buffer[..cells * stride];
                let energies: Vec<Result<f64, Inadmissible>> = chunk
                    .par_chunks_mut(stride)
                    .with_min_len(32)
                    .enumerate()
                    .map_init(
                        || (CellGeometry::default(), Vec::new()),
                        |(geometry, local), (i, out)| {
                            let c = from + i;
                            out.fill(0.0);
                            geometry.fill(table, &self.mesh, block.cell(c));
                            local.clear();
                            block.cell(c).iter().for_each(|&n| local.extend_from_slice(&u[n as usize * dim..(n as usize + 1) * dim]));
                            let (force, rest) = out.split_at_mut(k);
                            let (element, history) = rest.split_at_mut(tangent);
                            let mut history = CellState { old: &old[start + c * h..start + (c + 1) * h], new: history };
                            let element = if tangent > 0 { Some(element) } else { None };
                            body.cell(first + c, geometry, table, local, &mut history, force, element)
                        },
                    )
                    .collect();
                for (i, (out, e)) in chunk.chunks_exact(stride).zip(energies).enumerate() {
                    energy += e?;
                    let nodes = block.cell(from + i);
                    for (a, &n) in nodes.iter().enumerate() {
                        (0..dim).for_each(|d| force[n as usize * dim + d] += out[a * dim + d]);
                    }
                    if let Some(matrix) = matrix.as_deref_mut() {
                        self.assembler.scatter(matrix, nodes, &out[k..k + tangent]);
                    }
                    let at = start + (from + i) * h;
                    new[at..at + h].copy_from_slice(&out[k + tangent..]);
                }
            }
            first += block.num_cells();
        }
        Ok(energy)
    }

    /// History of a cell, `[num_points, width]`, and its number of points.
    pub(crate) fn cell_history<'a>(&self, history: &'a [f64], cell: usize) -> (&'a [f64], usize) {
        let (block, local) = self.mesh.locate(cell);
        let points = self.assembler.table(self.mesh.blocks[block].kind).map_or(0, |t| t.rule.len());
        let h = points * self.width;
        let at = self.starts[block] + local * h;
        (&history[at..at + h], points)
    }
}
