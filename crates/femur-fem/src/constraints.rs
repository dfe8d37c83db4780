//! Dirichlet conditions by elimination, also in rotated frames at single nodes (rollers on inclined planes).

use femur_solve::CsrMatrix;
use std::collections::BTreeMap;

/// What is prescribed. Unknowns are numbered `node * components + component`; at a node with a frame the components are those
/// along the frame's axes.
#[derive(Debug, Clone, Default)]
pub struct Constraints {
    /// Unknowns per node.
    pub components: usize,
    /// Prescribed unknowns.
    pub fixed: BTreeMap<usize, f64>,
    /// Orthonormal axes of a node `[axis][component]`.
    pub frames: BTreeMap<usize, [[f64; 3]; 3]>,
}

/// The system of the free unknowns.
pub struct Reduced {
    /// Rows and columns of the free unknowns.
    pub matrix: CsrMatrix,
    /// Number of each free unknown in the whole system.
    pub free: Vec<usize>,
    /// Columns of prescribed unknowns in free rows: `(row, unknown, value)`.
    coupling: Vec<(usize, usize, f64)>,
}

impl Constraints {
    /// No constraint yet.
    pub fn new(components: usize) -> Self {
        Constraints { components, ..Constraints::default() }
    }

    /// Turns the rows and columns of nodes with frames: `Q A Q^T`.
    pub fn rotate_matrix(&self, a: &mut CsrMatrix) {
        let c = self.components;
        for (&node, frame) in &self.frames {
            let block = node * c;
            // rows of the node: every entry in its rows
            let range = a.row_ptr[block]..a.row_ptr[block + 1];
            let width = range.len();
            for k in 0..width {
                let old: Vec<f64> = (0..c).map(|i| a.values[a.row_ptr[block + i] + k]).collect();
                for i in 0..c {
                    a.values[a.row_ptr[block + i] + k] = (0..c).map(|j| frame[i][j] * old[j]).sum();
                }
            }
            // columns of the node: in the rows of its neighbours, which are those of its own row by symmetry of the pattern
            let neighbours: Vec<usize> = a.col_idx[range].iter().step_by(c).map(|&u| u as usize / c).collect();
            for m in neighbours {
                for r in m * c..m * c + c {
                    let row = &a.col_idx[a.row_ptr[r]..a.row_ptr[r + 1]];
                    let Ok(place) = row.binary_search(&(block as u32)) else { continue };
                    let at = a.row_ptr[r] + place;
                    let old: Vec<f64> = a.values[at..at + c].to_vec();
                    for i in 0..c {
                        a.values[at + i] = (0..c).map(|j| frame[i][j] * old[j]).sum();
                    }
                }
            }
        }
    }

    /// Components along the frames' axes, in place.
    pub fn rotate(&self, v: &mut [f64]) {
        self.turn(v, |f, i, j| f[i][j]);
    }

    /// Back from [`Constraints::rotate`].
    pub fn rotate_back(&self, v: &mut [f64]) {
        self.turn(v, |f, i, j| f[j][i]);
    }

    fn turn(&self, v: &mut [f64], entry: impl Fn(&[[f64; 3]; 3], usize, usize) -> f64) {
        let c = self.components;
        for (&node, frame) in &self.frames {
            let old: Vec<f64> = v[node * c..(node + 1) * c].to_vec();
            for i in 0..c {
                v[node * c + i] = (0..c).map(|j| entry(frame, i, j) * old[j]).sum();
            }
        }
    }

    /// Empties rows and columns of the prescribed unknowns of a (rotated) matrix but for a 1 on the diagonal, so that the unknowns of a
    /// node stay together; gives the entries `(row, unknown, value)` of free rows that were taken out.
    pub fn eliminate(&self, a: &mut CsrMatrix) -> Vec<(usize, usize, f64)> {
        let mut held = vec![false; a.nrows];
        self.fixed.keys().for_each(|&u| held[u] = true);
        let mut coupling = Vec::new();
        for r in 0..a.nrows {
            for k in a.row_ptr[r]..a.row_ptr[r + 1] {
                let c = a.col_idx[k] as usize;
                if held[r] {
                    a.values[k] = f64::from(u8::from(c == r));
                } else if held[c] {
                    coupling.push((r, c, std::mem::take(&mut a.values[k])));
                }
            }
        }
        coupling
    }

    /// Takes the prescribed unknowns out of a (rotated) matrix.
    pub fn reduce(&self, a: &CsrMatrix) -> Reduced {
        let free: Vec<usize> = (0..a.nrows).filter(|u| !self.fixed.contains_key(u)).collect();
        let mut number = vec![u32::MAX; a.nrows];
        free.iter().enumerate().for_each(|(i, &u)| number[u] = i as u32);
        let mut matrix = CsrMatrix { nrows: free.len(), ncols: free.len(), row_ptr: vec![0], col_idx: Vec::new(), values: Vec::new() };
        let mut coupling = Vec::new();
        for (i, &u) in free.iter().enumerate() {
            let (cols, values) = a.row(u);
            for (&c, &v) in cols.iter().zip(values) {
                if number[c as usize] == u32::MAX {
                    coupling.push((i, c as usize, v));
                } else {
                    matrix.col_idx.push(number[c as usize]);
                    matrix.values.push(v);
                }
            }
            matrix.row_ptr.push(matrix.values.len());
        }
        Reduced { matrix, free, coupling }
    }
}

impl Reduced {
    /// The right-hand side of the free unknowns: `f_f - A_fc g`, with `f` the whole (rotated) vector and `g` the prescribed values.
    pub fn right_hand_side(&self, f: &[f64], prescribed: &BTreeMap<usize, f64>) -> Vec<f64> {
        let mut out: Vec<f64> = self.free.iter().map(|&u| f[u]).collect();
        for &(i, u, v) in &self.coupling {
            out[i] -= v * prescribed.get(&u).copied().unwrap_or(0.0);
        }
        out
    }

    /// The whole vector from the free unknowns and the prescribed values.
    pub fn expand(&self, free: &[f64], prescribed: &BTreeMap<usize, f64>, size: usize) -> Vec<f64> {
        let mut out = vec![0.0; size];
        prescribed.iter().for_each(|(&u, &v)| out[u] = v);
        self.free.iter().zip(free).for_each(|(&u, &v)| out[u] = v);
        out
    }
}
