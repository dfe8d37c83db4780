//! The space of the linear cells on the vertices of a mesh of quadratic ones: it lies in theirs.

use crate::matrix_free::ElementMatrix;
use crate::{Constraints, ReferenceElement};
use femur_mesh::Mesh;
use femur_solve::Transfer;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Vectors between the nodes of a mesh and its vertices, constraints honoured: a value at a node is that of the linear shape functions
/// there, which is the mean over the vertices of the edge, face or cell that it is the middle of.
#[derive(Debug, Clone)]
pub struct VertexSpace {
    /// Vertices that a node is the middle of, its own where it is one: their places, and where each node's begin.
    parents: Lists,
    /// Nodes that each vertex is a parent of.
    children: Lists,
    fine: Constraints,
    coarse: Constraints,
    /// Fixed unknowns of the nodes.
    fine_fixed: Vec<bool>,
}

/// Lists of numbers one after the other.
#[derive(Debug, Clone, Default)]
struct Lists {
    start: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    fn get(&self, i: usize) -> &[u32] {
        &self.items[self.start[i] as usize..self.start[i + 1] as usize]
    }

    fn len(&self) -> usize {
        self.start.len() - 1
    }

    /// For each of `count` items the lists that hold it, ascending.
    fn transposed(&self, count: usize) -> Lists {
        let mut start = vec![0u32; count + 1];
        self.items.iter().for_each(|&i| start[i as usize + 1] += 1);
        (0..count).for_each(|i| start[i + 1] += start[i]);
        let mut next = start.clone();
        let mut items = vec![0; self.items.len()];
        for list in 0..self.len() {
            for &i in self.get(list) {
                items[next[i as usize] as usize] = list as u32;
                next[i as usize] += 1;
            }
        }
        Lists { start, items }
    }
}

impl VertexSpace {
    /// Of a mesh with constraints without ties; also the mesh of its linear cells, whose numbers are the same.
    pub fn new(mesh: &Mesh, constraints: &Constraints) -> (Self, Mesh) {
        let (linear, vertices) = mesh.vertices_only();
        let mut number = vec![u32::MAX; mesh.num_nodes()];
        vertices.iter().enumerate().for_each(|(i, &n)| number[n as usize] = i as u32);
        let mut of: Vec<Vec<u32>> = vec![Vec::new(); mesh.num_nodes()];
        for block in &mesh.blocks {
            let (fine, coarse) = (ReferenceElement::of(block.kind), ReferenceElement::of(block.kind.linear()));
            let mut values = vec![0.0; coarse.num_nodes()];
            let corners: Vec<Vec<usize>> = fine
                .nodes
                .iter()
                .map(|&xi| {
                    coarse.values(xi, &mut values);
                    (0..values.len()).filter(|&v| values[v] > 1e-9).collect()
                })
                .collect();
            for i in 0..block.num_cells() {
                let cell = block.cell(i);
                for (&node, corners) in cell.iter().zip(&corners) {
                    if of[node as usize].is_empty() {
                        of[node as usize] = corners.iter().map(|&v| number[cell[v] as usize]).collect();
                    }
                }
            }
        }
        let mut parents = Lists { start: vec![0], items: Vec::new() };
        for list in of {
            parents.items.extend_from_slice(&list);
            parents.start.push(parents.items.len() as u32);
        }
        let children = parents.transposed(vertices.len());
        let c = constraints.components;
        let at = |u: usize| number[u / c];
        let mut coarse = Constraints::new(c);
        coarse.fixed =
            constraints.fixed.iter().filter(|(u, _)| at(**u) != u32::MAX).map(|(&u, &v)| (at(u) as usize * c + u % c, v)).collect();
        let frames = constraints.frames.iter().filter(|(n, _)| number[**n] != u32::MAX);
        coarse.frames = frames.map(|(&n, &f)| (number[n] as usize, f)).collect();
        let mut fine_fixed = vec![false; mesh.num_nodes() * c];
        constraints.fixed.keys().for_each(|&u| fine_fixed[u] = true);
        (VertexSpace { parents, children, fine: constraints.clone(), coarse, fine_fixed }, linear)
    }

    /// The constraints of the vertices.
    pub fn constraints(&self) -> &Constraints {
        &self.coarse
    }

    /// `P^T E P` of an element matrix over nodes of the mesh: one over the vertices.
    #[must_use]
    pub fn restrict_element(&self, (nodes, element): &ElementMatrix) -> ElementMatrix {
        let c = self.fine.components;
        let mut place: BTreeMap<u32, usize> = BTreeMap::new();
        nodes.iter().flat_map(|&n| self.parents.get(n as usize)).for_each(|&v| {
            place.insert(v, 0);
        });
        place.values_mut().enumerate().for_each(|(i, p)| *p = i);
        let (width, coarse) = (nodes.len() * c, place.len() * c);
        let mut out = vec![0.0; coarse * coarse];
        let list = |a: usize| self.parents.get(nodes[a] as usize);
        for (k, &v) in element.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let (r, s) = (k / width, k % width);
            let (rows, columns) = (list(r / c), list(s / c));
            let share = v / (rows.len() * columns.len()) as f64;
            for p in rows {
                for q in columns {
                    out[(place[p] * c + r % c) * coarse + place[q] * c + s % c] += share;
                }
            }
        }
        (place.into_keys().collect(), out)
    }

    fn down_by(&self, r: &[f64], coarse: &mut [f64]) {
        match self.fine.components {
            1 => self.down::<1>(r, coarse),
            2 => self.down::<2>(r, coarse),
            _ => self.down::<3>(r, coarse),
        }
    }

    fn up_by(&self, coarse: &[f64], z: &mut [f64]) {
        match self.fine.components {
            1 => self.up::<1>(coarse, z),
            2 => self.up::<2>(coarse, z),
            _ => self.up::<3>(coarse, z),
        }
    }

    /// `P^T r`; without frames fixed unknowns are left out.
    fn down<const C: usize>(&self, r: &[f64], coarse: &mut [f64]) {
        let masked = self.fine.frames.is_empty();
        let vertex = |(v, out): (usize, &mut [f64])| {
            let mut sum = [0.0; C];
            for &n in self.children.get(v) {
                let n = n as usize;
                let share = 1.0 / (self.parents.start[n + 1] - self.parents.start[n]) as f64;
                let own = if masked { &self.fine_fixed[n * C..][..C] } else { &[false; C] };
                for i in 0..C {
                    if !own[i] {
                        sum[i] += share * r[n * C + i];
                    }
                }
            }
            out.copy_from_slice(&sum);
        };
        coarse.par_chunks_mut(C).with_min_len(2048).enumerate().for_each(vertex);
    }

    /// `P coarse`.
    fn up<const C: usize>(&self, coarse: &[f64], z: &mut [f64]) {
        let node = |(n, out): (usize, &mut [f64])| {
            let list = self.parents.get(n);
            let share = 1.0 / list.len().max(1) as f64;
            let mut sum = [0.0; C];
            for &v in list {
                (0..C).for_each(|i| sum[i] += coarse[v as usize * C + i]);
            }
            (0..C).for_each(|i| out[i] = share * sum[i]);
        };
        z.par_chunks_mut(C).with_min_len(2048).enumerate().for_each(node);
    }
}

impl Transfer for VertexSpace {
    fn fine(&self) -> usize {
        self.parents.len() * self.fine.components
    }

    fn coarse(&self) -> usize {
        self.children.len() * self.fine.components
    }

    fn restrict(&self, r: &[f64], coarse: &mut [f64]) {
        if self.fine.frames.is_empty() {
            self.down_by(r, coarse);
        } else {
            // What is held is held along the axes of the frames, what is interpolated lies along those of space.
            let mut r = r.to_vec();
            self.fine.fixed.keys().for_each(|&u| r[u] = 0.0);
            self.fine.rotate_back(&mut r);
            self.down_by(&r, coarse);
            self.coarse.rotate(coarse);
        }
        self.coarse.fixed.keys().for_each(|&u| coarse[u] = 0.0);
    }

    fn prolong(&self, coarse: &[f64], z: &mut [f64]) {
        if self.fine.frames.is_empty() {
            self.up_by(coarse, z);
        } else {
            let mut coarse = coarse.to_vec();
            self.coarse.rotate_back(&mut coarse);
            self.up_by(&coarse, z);
            self.fine.rotate(z);
        }
        self.fine.fixed.keys().for_each(|&u| z[u] = 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assemble::{CellCoefficient, Form};
    use crate::{Assembler, Constrained, MatrixFree};
    use femur_mesh::CellKind;
    use femur_mesh::generate::{box_, rectangle};
    use femur_solve::amg::{Amg, AmgOptions, rigid_body_modes};
    use femur_solve::precond::Chebyshev;
    use femur_solve::{BsrMatrix, CsrMatrix, KrylovOptions, LinearOperator, TwoLevel, cg};
    use std::sync::Arc;

    const QUADRATIC: [CellKind; 7] =
        [CellKind::Triangle6, CellKind::Quad8, CellKind::Quad9, CellKind::Tet10, CellKind::Hex20, CellKind::Hex27, CellKind::Wedge15];

    fn grid(kind: CellKind, n: usize) -> Mesh {
        if kind.dim() == 2 { rectangle([2.0, 1.0], [2 * n, n], kind) } else { box_([2.0, 1.0, 1.0], [2 * n, n, n], kind) }.unwrap()
    }

    fn forms() -> [Form<'static>; 2] {
        let one = CellCoefficient::Uniform(1.0);
        [Form::Diffusion(one), Form::Elasticity { lambda: one, mu: CellCoefficient::Uniform(0.5) }]
    }

    fn assemble(mesh: &Mesh, form: &Form<'_>, c: usize) -> CsrMatrix {
        let assembler = Assembler::new(mesh, c, 0);
        let mut matrix = assembler.zeros();
        assembler.assemble(mesh, form, &mut matrix).unwrap();
        matrix
    }

    /// On straight cells the linear cells' stiffness is `P^T A P`: their space lies in that of the quadratic ones.
    #[test]
    fn the_linear_cells_are_nested() {
        for kind in QUADRATIC {
            let mesh = grid(kind, 3);
            for (form, c) in forms().iter().zip([1, mesh.dim]) {
                let (space, linear) = VertexSpace::new(&mesh, &Constraints::new(c));
                let (fine, coarse) = (assemble(&mesh, form, c), assemble(&linear, form, c));
                let x: Vec<f64> = (0..coarse.nrows).map(|i| (i as f64).sin()).collect();
                let (mut px, mut apx) = (vec![0.0; fine.nrows], vec![0.0; fine.nrows]);
                let (mut y, mut z) = (x.clone(), x.clone());
                space.prolong(&x, &mut px);
                fine.apply(&px, &mut apx);
                space.restrict(&apx, &mut y);
                coarse.apply(&x, &mut z);
                let scale = z.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
                assert!(y.iter().zip(&z).all(|(a, b)| (a - b).abs() < 1e-11 * scale), "{kind}, {c}");
                // The same for the matrix of some nodes.
                let nodes = mesh.blocks[0].cell(1).to_vec();
                let width = nodes.len() * c;
                let element: Vec<f64> = (0..width * width).map(|k| (k as f64 * 0.37).cos()).collect();
                let (vertices, small) = space.restrict_element(&(nodes.clone(), element.clone()));
                let size = vertices.len() * c;
                let by_hand: f64 = (0..width * width)
                    .map(|k| {
                        element[k] * px[nodes[k / width / c] as usize * c + k / width % c] * px[nodes[k % width / c] as usize * c + k % c]
                    })
                    .sum();
                let at = |i: usize| x[vertices[i / c] as usize * c + i % c];
                let restricted: f64 = (0..size * size).map(|k| small[k] * at(k / size) * at(k % size)).sum();
                assert!((by_hand - restricted).abs() < 1e-11 * element.len() as f64, "{kind}, {c}: {by_hand} {restricted}");
            }
        }
    }

    /// Held values and turned nodes: the restriction is the transpose of the interpolation.
    #[test]
    fn constrained_transfers_are_transposes() {
        let mesh = grid(CellKind::Hex27, 2);
        let mut constraints = Constraints::new(3);
        let (sin, cos) = 0.4_f64.sin_cos();
        for n in mesh.tag_nodes("left").unwrap() {
            constraints.frames.insert(n as usize, [[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]]);
            constraints.fixed.insert(n as usize * 3, 0.0);
        }
        let turned = constraints.clone();
        constraints.frames.clear();
        for constraints in [turned, constraints] {
            let (space, _) = VertexSpace::new(&mesh, &constraints);
            let r: Vec<f64> = (0..space.fine()).map(|i| (i as f64 * 0.3).cos()).collect();
            let x: Vec<f64> = (0..space.coarse()).map(|i| (i as f64 * 0.9).sin()).collect();
            let held = |u: &usize| space.constraints().fixed.contains_key(u);
            let free: Vec<f64> = x.iter().enumerate().map(|(u, v)| if held(&u) { 0.0 } else { *v }).collect();
            let (mut px, mut pr) = (vec![0.0; r.len()], vec![0.0; x.len()]);
            space.prolong(&free, &mut px);
            space.restrict(&r, &mut pr);
            assert!(constraints.fixed.keys().all(|&u| px[u] == 0.0));
            let (a, b): (f64, f64) = (px.iter().zip(&r).map(|(a, b)| a * b).sum(), pr.iter().zip(&x).map(|(a, b)| a * b).sum());
            assert!((a - b).abs() < 1e-12 * a.abs().max(1.0), "{a} {b}");
        }
    }

    /// Iterations of conjugate gradients to 1e-8 without a matrix, on a body held at one end.
    fn iterations(kind: CellKind, n: usize, form: &Form<'_>, c: usize) -> usize {
        let mesh = grid(kind, n);
        let mut constraints = Constraints::new(c);
        for node in mesh.tag_nodes("left").unwrap() {
            constraints.fixed.extend((0..c).map(|i| (node as usize * c + i, 0.0)));
        }
        let operator = Constrained::new(Arc::new(MatrixFree::new(&mesh, form).unwrap()), &constraints, &[]).unwrap();
        let (space, linear) = VertexSpace::new(&mesh, &constraints);
        let mut coarse = assemble(&linear, form, c);
        space.constraints().eliminate(&mut coarse);
        let mut options = AmgOptions::default();
        if c > 1 {
            let points: Vec<[f64; 3]> =
                (0..linear.num_nodes()).map(|n| std::array::from_fn(|d| linear.point(n).get(d).copied().unwrap_or(0.0))).collect();
            options.near_null_space = rigid_body_modes(&points, c);
        }
        let amg = Amg::from_blocks(&BsrMatrix::from_csr(&coarse, c).unwrap(), &options).unwrap();
        let diagonal = operator.diagonal();
        let operator = Arc::new(operator);
        let smoother = Chebyshev::new(operator.clone(), &diagonal, 2, 10.0).unwrap();
        let two = TwoLevel::new(smoother, Box::new(space), Box::new(amg)).unwrap();
        let mut b = vec![1.0; diagonal.len()];
        constraints.fixed.keys().for_each(|&u| b[u] = 0.0);
        let mut x = vec![0.0; b.len()];
        let report = cg(operator.as_ref(), &two, &b, &mut x, &KrylovOptions { tolerance: 1e-8, max_iterations: 200 });
        assert!(report.converged(), "{kind}, {c}: {:?}", report.reason);
        report.iterations
    }

    #[test]
    fn iterations_stay_bounded_under_refinement() {
        for (kind, sizes) in [
            (CellKind::Triangle6, [16, 32, 64]),
            (CellKind::Quad9, [16, 32, 64]),
            (CellKind::Tet10, [3, 6, 12]),
            (CellKind::Hex27, [2, 4, 8]),
        ] {
            for (form, c) in forms().iter().zip([1, kind.dim()]) {
                let counts = sizes.map(|n| iterations(kind, n, form, c));
                assert!(counts.iter().all(|&i| i <= 25), "{kind}, {c}: {counts:?}");
                // Without a coarse level four times the unknowns take twice the iterations in the plane; what is left is the growth of
                // algebraic multigrid on the linear cells.
                assert!(counts[2] <= counts[1] + 5, "{kind}, {c}: {counts:?}");
            }
        }
    }
}
