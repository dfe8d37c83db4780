use super::*;
use femur_mesh::generate::{box_, rectangle};
use femur_solve::LinearOperator;

fn pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

/// Distorted meshes of every kind with a kernel, large enough for several chunks where `large`.
fn meshes(large: bool) -> Vec<Mesh> {
    // Pyramids have no generator; they share the code of all.
    let kinds = CellKind::ALL.into_iter().filter(|k| k.dim() >= 2 && *k != CellKind::Pyramid5);
    let n = if large { 9 } else { 3 };
    let mut all: Vec<Mesh> = kinds
        .map(|k| if k.dim() == 2 { rectangle([1.0, 2.0], [4 * n, 5 * n], k) } else { box_([1.0, 2.0, 1.5], [n, n, n + 1], k) }.unwrap())
        .collect();
    for mesh in &mut all {
        let dim = mesh.dim;
        for x in mesh.points.chunks_exact_mut(dim) {
            let old = x.to_vec();
            (0..dim).for_each(|d| x[d] += 0.02 * (3.0 * old[(d + 1) % dim]).sin());
        }
    }
    all
}

fn close(a: &[f64], b: &[f64]) -> bool {
    let scale = a.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-13 * scale)
}

fn factor(cell: usize) -> f64 {
    1.0 + (cell % 5) as f64
}

#[test]
fn kernels_and_general_integrands_give_the_same_matrices() {
    for mesh in meshes(false).into_iter().chain(meshes(true)) {
        let (dim, name) = (mesh.dim, mesh.blocks[0].kind);
        let scalar = Assembler::new(&mesh, 1, 2);
        let [mut fast, mut slow] = [scalar.zeros(), scalar.zeros()];
        let factors: Vec<f64> = (0..mesh.num_cells()).map(factor).collect();
        let (factors, doubled) = (&factors[..], factors.iter().map(|f| 2.0 * f).collect::<Vec<_>>());
        scalar.assemble(&mesh, &Form::Diffusion(CellCoefficient::ByCell(factors)), &mut fast).unwrap();
        scalar.add_matrix(&mesh, &mut slow, |cell, geometry, table, out| {
            for q in 0..table.rule.len() {
                let g = &geometry.gradients[q];
                let w = factor(cell) * geometry.volume[q];
                let n = g.len();
                (0..n * n).for_each(|e| out[e] += w * (0..3).map(|d| g[e / n][d] * g[e % n][d]).sum::<f64>());
            }
        });
        assert!(close(&slow.values, &fast.values), "diffusion on {name}");

        let vector = Assembler::new(&mesh, dim, 2);
        let [mut fast, mut slow, mut mass, mut slow_mass] = [0; 4].map(|_| vector.zeros());
        let lame = |cell| (2.0 * factor(cell), factor(cell));
        let material: Vec<i32> = (0..mesh.num_cells()).map(|c| (c % 5) as i32).collect();
        let elasticity = Form::Elasticity {
            lambda: CellCoefficient::ByCell(&doubled),
            mu: CellCoefficient::ByMaterial(&[1.0, 2.0, 3.0, 4.0, 5.0], &material),
        };
        vector.assemble(&mesh, &elasticity, &mut fast).unwrap();
        vector.assemble(&mesh, &Form::Mass { components: dim, density: CellCoefficient::ByCell(factors) }, &mut mass).unwrap();
        vector.add_matrix(&mesh, &mut slow, |cell, geometry, table, out| {
            let (lambda, mu) = lame(cell);
            for q in 0..table.rule.len() {
                let (g, w) = (&geometry.gradients[q], geometry.volume[q]);
                let k = g.len() * dim;
                for (r, s) in (0..k).flat_map(|r| (0..k).map(move |s| (r, s))) {
                    let (a, i, b, j) = (r / dim, r % dim, s / dim, s % dim);
                    let dot: f64 = (0..dim).map(|d| g[a][d] * g[b][d]).sum();
                    out[r * k + s] += w * (lambda * g[a][i] * g[b][j] + mu * g[a][j] * g[b][i] + if i == j { mu * dot } else { 0.0 });
                }
            }
        });
        vector.add_matrix(&mesh, &mut slow_mass, |cell, geometry, table, out| {
            for q in 0..table.rule.len() {
                let (v, w) = (&table.values[q], factor(cell) * geometry.volume[q]);
                let k = v.len() * dim;
                for (r, s) in (0..k).flat_map(|r| (0..k).map(move |s| (r, s))).filter(|(r, s)| r % dim == s % dim) {
                    out[r * k + s] += w * v[r / dim] * v[s / dim];
                }
            }
        });
        assert!(close(&slow.values, &fast.values), "elasticity on {name}");
        assert!(close(&slow_mass.values, &mass.values), "mass on {name}");
        let mut blocks = vector.zero_blocks();
        vector.assemble_blocks(&mesh, &elasticity, &mut blocks).unwrap();
        assert_eq!(blocks.to_csr(), fast);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for mesh in meshes(true) {
        let assembler = Assembler::new(&mesh, mesh.dim, 0);
        let run = || {
            let (mut fast, mut slow, mut vector) = (assembler.zero_blocks(), assembler.zeros(), vec![0.0; assembler.size()]);
            let factors: Vec<f64> = (0..mesh.num_cells()).map(factor).collect();
            let form = Form::Elasticity { lambda: CellCoefficient::ByCell(&factors), mu: CellCoefficient::Uniform(0.3) };
            assembler.assemble_blocks(&mesh, &form, &mut fast).unwrap();
            assembler.add_matrix(&mesh, &mut slow, |cell, geometry, _, out| {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = factor(cell) * geometry.volume[0] * (i as f64).sin());
            });
            assembler.add_vector(&mesh, &mut vector, |cell, geometry, _, out| {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = factor(cell) * geometry.volume[0] * (i as f64).cos());
            });
            (fast.values, slow.values, vector)
        };
        let one = pool(1, run);
        assert!(one == pool(2, run) && one == pool(3, run), "{}", mesh.blocks[0].kind);
    }
}

#[test]
fn a_general_integrand_need_not_be_symmetric() {
    for mesh in meshes(true) {
        let assembler = Assembler::new(&mesh, 2, 0);
        let element = |cell: usize, i: usize, j: usize| (cell * 7 + i * 3 + j) as f64;
        let mut matrix = assembler.zeros();
        assembler.add_matrix(&mesh, &mut matrix, |cell, _, table, out| {
            let k = table.values[0].len() * 2;
            out.iter_mut().enumerate().for_each(|(e, o)| *o = element(cell, e / k, e % k));
        });
        let mut expected = assembler.zeros();
        for (cell, kind, nodes) in mesh.cells() {
            let k = kind.num_nodes() * 2;
            let block: Vec<f64> = (0..k * k).map(|e| element(cell, e / k, e % k)).collect();
            assembler.scatter(&mut expected, nodes, &block);
        }
        assert_eq!(matrix, expected, "whole numbers add up without rounding");
    }
}

/// The matrix of conduction in a plane mesh, and the energy of `x`, which is the area.
fn conduction(mesh: &Mesh) -> (CsrMatrix, f64) {
    let assembler = Assembler::new(mesh, 1, 0);
    let mut k = assembler.zeros();
    assembler.assemble(mesh, &Form::Diffusion(CellCoefficient::Uniform(1.0)), &mut k).unwrap();
    let x: Vec<f64> = mesh.points.chunks(2).map(|p| p[0]).collect();
    let mut y = vec![0.0; x.len()];
    k.apply(&x, &mut y);
    (k, y.iter().zip(&x).map(|(a, b)| a * b).sum())
}

#[test]
fn a_mesh_of_several_blocks_and_a_loose_node_assembles() {
    let mut mesh = rectangle([1.0; 2], [2, 1], CellKind::Quad4).unwrap();
    let last = mesh.blocks[0].connectivity.split_off(4);
    let triangles = vec![last[0], last[1], last[2], last[0], last[2], last[3]];
    mesh.blocks.push(femur_mesh::CellBlock { kind: CellKind::Triangle3, connectivity: triangles });
    mesh.points.extend([5.0, 5.0]);
    let (k, energy) = conduction(&mesh);
    assert!((energy - 1.0).abs() < 1e-14);
    assert_eq!(k.row(k.nrows - 1), (&[k.nrows as u32 - 1][..], &[0.0][..]));
}

#[test]
fn the_worst_inverted_cell_is_named() {
    let mut mesh = rectangle([1.0; 2], [9, 9], CellKind::Triangle3).unwrap();
    mesh.blocks[0].connectivity[3 * 31..3 * 31 + 2].reverse();
    let assembler = Assembler::new(&mesh, 1, 0);
    let error = assembler.assemble(&mesh, &Form::Diffusion(CellCoefficient::Uniform(1.0)), &mut assembler.zeros()).unwrap_err();
    assert!(error.cell == 31 && error.det < 0.0, "{error}");
}

/// More nodes than 16 bits can number, did a chunk not end before: the energy of `x` is still the area.
#[test]
fn cells_that_share_no_node_assemble() {
    let mut mesh = rectangle([1.0; 2], [100, 100], CellKind::Quad9).unwrap();
    let corners = std::mem::take(&mut mesh.blocks[0].connectivity);
    mesh.points = corners.iter().flat_map(|&n| [mesh.points[2 * n as usize], mesh.points[2 * n as usize + 1]]).collect();
    mesh.blocks[0].connectivity = (0..corners.len() as u32).collect();
    assert!((conduction(&mesh).1 - 1.0).abs() < 1e-11);
}
