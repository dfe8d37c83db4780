//! Assembly: the sparsity pattern and the place of every element entry are found once, values are filled as often as wanted.
//!
//! [`Assembler::assemble`] fills a matrix from a [`Form`] with a kernel of its own: several cells at a time, one function per cell
//! kind. [`Assembler::add_matrix`] takes any integrand, one cell at a time. Both run over chunks of cells in parallel and add up in an order that depends on the mesh alone, so any number of threads
//! gives the same bits.

pub(crate) mod batch;
mod forms;
pub(crate) mod lanes;
pub(crate) mod plan;
pub(crate) mod scatter;
#[cfg(test)]
mod tests;

use crate::quadrature::stiffness_degree;
use crate::{CellGeometry, Quadrature, Tabulation};
use batch::{Worst, worse};
use femur_mesh::{CellKind, Mesh};
use femur_solve::{BsrMatrix, CsrMatrix};
pub use forms::{CellCoefficient, Form};
use forms::{Diffusion, Elasticity, Kernel, Mass};
use plan::{Chunk, Plan};
use rayon::prelude::*;
use scatter::{Lent, Parts, Places, Sums, Target, Workspace};

/// A cell whose Jacobian determinant is not positive.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("cell {cell} is inverted or flat: its Jacobian determinant is {det:.3e}")]
pub struct InvertedCell {
    /// Global number.
    pub cell: usize,
    /// The least determinant at its quadrature points.
    pub det: f64,
}

/// Pattern and scatter map of one mesh with a number of unknowns at each node (component-interleaved).
#[derive(Debug, Clone)]
pub struct Assembler {
    components: usize,
    num_nodes: usize,
    plan: Plan,
    tables: Vec<(CellKind, Tabulation)>,
    workspace: Workspace,
}

impl Assembler {
    /// Finds the pattern; `extra_degree` raises the quadrature (mass terms, coefficients that vary in space).
    pub fn new(mesh: &Mesh, components: usize, extra_degree: usize) -> Self {
        Assembler {
            components,
            num_nodes: mesh.num_nodes(),
            plan: Plan::new(mesh),
            tables: tables(mesh, extra_degree),
            workspace: Workspace::default(),
        }
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
        let (c, plan) = (self.components, &self.plan);
        let (mut row_ptr, mut col_idx) = (Vec::with_capacity(self.size() + 1), Vec::with_capacity(plan.node_idx.len() * c * c));
        row_ptr.push(0);
        for node in 0..self.num_nodes {
            let list = &plan.node_idx[plan.row(node)];
            let first = col_idx.len();
            for &m in list {
                for d in 0..c as u32 {
                    col_idx.push(m * c as u32 + d);
                }
            }
            row_ptr.push(col_idx.len());
            for _ in 1..c {
                col_idx.extend_from_within(first..first + list.len() * c);
                row_ptr.push(col_idx.len());
            }
        }
        let values = vec![0.0; col_idx.len()];
        CsrMatrix { nrows: self.size(), ncols: self.size(), row_ptr, col_idx, values }
    }

    /// A matrix of the pattern with zeros, in blocks of the unknowns of a node.
    pub fn zero_blocks(&self) -> BsrMatrix {
        let (n, c) = (self.num_nodes, self.components);
        let (row_ptr, col_idx) = (self.plan.node_ptr.clone(), self.plan.node_idx.clone());
        let values = vec![0.0; col_idx.len() * c * c];
        BsrMatrix { block: c, nrows: n, ncols: n, row_ptr, col_idx, values }
    }

    /// Replaces the values of a matrix of the pattern by those of a form.
    ///
    /// # Errors
    /// A cell is inverted; the values are then of no use.
    pub fn assemble(&self, mesh: &Mesh, form: &Form<'_>, matrix: &mut CsrMatrix) -> Result<(), InvertedCell> {
        matrix.values.resize(self.plan.node_idx.len() * self.components * self.components, 0.0);
        self.fill(mesh, form, Target::rows(matrix, &self.plan, self.components))
    }

    /// As [`Assembler::assemble`], into blocks.
    ///
    /// # Errors
    /// As there.
    pub fn assemble_blocks(&self, mesh: &Mesh, form: &Form<'_>, matrix: &mut BsrMatrix) -> Result<(), InvertedCell> {
        matrix.values.resize(self.plan.node_idx.len() * self.components * self.components, 0.0);
        self.fill(mesh, form, Target::blocks(matrix, &self.plan))
    }

    fn fill(&self, mesh: &Mesh, form: &Form<'_>, target: Target<'_>) -> Result<(), InvertedCell> {
        match *form {
            Form::Diffusion(k) => self.fill_by(mesh, &Diffusion(k), target),
            Form::Elasticity { lambda, mu } => self.fill_by(mesh, &Elasticity { lambda, mu }, target),
            Form::Mass { components, density } => self.fill_by(mesh, &Mass { components, density }, target),
        }
    }

    fn fill_by<F: Kernel>(&self, mesh: &Mesh, form: &F, target: Target<'_>) -> Result<(), InvertedCell> {
        let c = form.components(mesh.dim);
        assert_eq!(c, self.components, "a form of {c} components on an assembler of {}", self.components);
        let parts = if F::OF_GRADIENTS { Parts::Pairs } else { Parts::Symmetric };
        let target = target.of(parts);
        let mut kept = self.workspace.kept();
        let slots = kept.places(&self.plan, c, parts);
        let chunk = |sums: &mut Lent<'_, Sums>, chunk: &Chunk| -> Worst {
            sums.reset(chunk, c, parts);
            let table = self.table(mesh.blocks[chunk.block].kind);
            let worst = table.and_then(|t| batch::matrices(form, mesh, chunk, t, sums));
            scatter::flush(chunk, sums, target, slots);
            worst.unwrap_or((f64::INFINITY, usize::MAX))
        };
        let worst = self.plan.chunks.par_iter().map_init(|| self.workspace.sums(), chunk).reduce(|| (f64::INFINITY, usize::MAX), worse);
        scatter::finish(&mut kept, target);
        self.check(worst)
    }

    fn check(&self, (det, cell): Worst) -> Result<(), InvertedCell> {
        if det > 0.0 { Ok(()) } else { Err(InvertedCell { cell, det }) }
    }

    /// Adds element matrices: `kernel(cell, geometry, table, out)` fills `[k c, k c]` row-major for a cell of k nodes, rows and
    /// columns by node, then component.
    pub fn add_matrix(&self, mesh: &Mesh, matrix: &mut CsrMatrix, kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64]) + Sync) {
        let c = self.components;
        let mut kept = self.workspace.kept();
        let slots = kept.places(&self.plan, c, Parts::All);
        let target = Target::rows(matrix, &self.plan, c);
        let init = || (self.workspace.sums(), CellGeometry::default(), Vec::new());
        let run = |(sums, geometry, element): &mut (Lent<'_, Sums>, CellGeometry, Vec<f64>), chunk: &Chunk| {
            sums.reset(chunk, c, Parts::All);
            let block = &mesh.blocks[chunk.block];
            element.resize((chunk.width * c).pow(2), 0.0);
            for (i, &cell) in chunk.cells.iter().enumerate() {
                let Some(table) = self.table(block.kind) else { break };
                element.fill(0.0);
                geometry.fill(table, mesh, block.cell(cell as usize));
                kernel(chunk.first + cell as usize, geometry, table, element);
                sums.add_element(chunk, i, c, element);
            }
            scatter::flush(chunk, sums, target, slots);
        };
        self.plan.chunks.par_iter().for_each_init(init, run);
        scatter::finish(&mut kept, target);
    }

    /// Adds one dense element matrix over these nodes.
    pub fn scatter(&self, matrix: &mut CsrMatrix, nodes: &[u32], element: &[f64]) {
        let c = self.components;
        let k = nodes.len() * c;
        for (a, &row) in nodes.iter().enumerate() {
            let first = self.plan.node_ptr[row as usize];
            for (b, &col) in nodes.iter().enumerate() {
                let Some(place) = self.plan.find(row, col) else { continue };
                for i in 0..c {
                    let start = matrix.row_ptr[row as usize * c + i] + (place - first) * c;
                    let from = (a * c + i) * k + b * c;
                    for j in 0..c {
                        matrix.values[start + j] += element[from + j];
                    }
                }
            }
        }
    }

    /// Adds element vectors: `kernel(cell, geometry, table, out)` fills `[k c]`.
    pub fn add_vector(&self, mesh: &Mesh, vector: &mut [f64], kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64]) + Sync) {
        add_vector(&self.plan, self.components, &self.tables, mesh, vector, kernel);
    }
}

/// As an [`Assembler`], for vectors alone: it finds no pattern, which takes the memory of a matrix.
#[derive(Debug, Clone)]
pub struct VectorAssembler {
    components: usize,
    plan: Plan,
    tables: Vec<(CellKind, Tabulation)>,
}

impl VectorAssembler {
    /// As [`Assembler::new`].
    pub fn new(mesh: &Mesh, components: usize, extra_degree: usize) -> Self {
        VectorAssembler { components, plan: Plan::for_vectors(mesh), tables: tables(mesh, extra_degree) }
    }

    /// With a rule of one's own for each kind.
    pub(crate) fn with_rules(mesh: &Mesh, components: usize, rule: impl Fn(CellKind) -> Quadrature) -> Self {
        VectorAssembler { components, plan: Plan::for_vectors(mesh), tables: tables_by(mesh, rule) }
    }

    /// As [`Assembler::add_vector`], to the same bits.
    pub fn add_vector(&self, mesh: &Mesh, vector: &mut [f64], kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64]) + Sync) {
        add_vector(&self.plan, self.components, &self.tables, mesh, vector, kernel);
    }
}

/// The kinds of a mesh, tabulated at the points of a stiffness or of some degrees more.
fn tables(mesh: &Mesh, extra_degree: usize) -> Vec<(CellKind, Tabulation)> {
    tables_by(mesh, |k| Quadrature::new(k, stiffness_degree(k) + extra_degree))
}

fn tables_by(mesh: &Mesh, rule: impl Fn(CellKind) -> Quadrature) -> Vec<(CellKind, Tabulation)> {
    let mut kinds: Vec<CellKind> = mesh.blocks.iter().map(|b| b.kind).collect();
    kinds.dedup();
    kinds.into_iter().map(|k| (k, Tabulation::new(k, rule(k)))).collect()
}

fn add_vector(
    plan: &Plan,
    c: usize,
    tables: &[(CellKind, Tabulation)],
    mesh: &Mesh,
    vector: &mut [f64],
    kernel: impl Fn(usize, &CellGeometry, &Tabulation, &mut [f64]) + Sync,
) {
    let mut kept = vec![0.0; plan.nodes.slots.len() * c];
    let slots = Places::new(&mut kept);
    let target = Places::new(vector);
    let run = |(sums, geometry, out): &mut (Vec<f64>, CellGeometry, Vec<f64>), chunk: &Chunk| {
        let block = &mesh.blocks[chunk.block];
        let Some((_, table)) = tables.iter().find(|t| t.0 == block.kind) else { return };
        sums.clear();
        sums.resize(chunk.nodes.len() * c, 0.0);
        out.resize(chunk.width * c, 0.0);
        for (cell, local) in chunk.cells.iter().zip(chunk.local.chunks_exact(chunk.width)) {
            out.fill(0.0);
            geometry.fill(table, mesh, block.cell(*cell as usize));
            kernel(chunk.first + *cell as usize, geometry, table, out);
            for (&n, values) in local.iter().zip(out.chunks_exact(c)) {
                sums[n as usize * c..][..c].iter_mut().zip(values).for_each(|(s, v)| *s += v);
            }
        }
        scatter::flush_vector(chunk, sums, c, target, slots, true);
    };
    plan.chunks.par_iter().for_each_init(Default::default, run);
    scatter::finish_vector(plan, &kept, c, target, true);
}
