//! Nodal values of what is computed at quadrature points (stress, flux).
//!
//! In each cell the values at the points of the reduced rule, where derivatives are most accurate (Barlow 1976), are fitted by
//! least squares with a (multi)linear polynomial and evaluated at the nodes; at each node the cells' values are averaged by volume.

use crate::{CellGeometry, Quadrature, ReferenceElement, Tabulation};
use femur_mesh::{CellKind, Mesh};

/// Degree of the reduced rule of a kind.
fn reduced_degree(kind: CellKind) -> usize {
    match kind {
        CellKind::Triangle3 | CellKind::Tet4 | CellKind::Line2 => 1,
        _ => 2,
    }
}

/// Terms of the polynomial that is fitted.
fn basis(kind: CellKind, x: [f64; 3]) -> Vec<f64> {
    match (kind, kind.linear()) {
        (CellKind::Triangle3 | CellKind::Tet4 | CellKind::Line2, _) => vec![1.0],
        (_, CellKind::Line2) => vec![1.0, x[0]],
        (_, CellKind::Triangle3) => vec![1.0, x[0], x[1]],
        (_, CellKind::Tet4 | CellKind::Pyramid5) => vec![1.0, x[0], x[1], x[2]],
        (_, CellKind::Quad4) => vec![1.0, x[0], x[1], x[0] * x[1]],
        (_, CellKind::Wedge6) => vec![1.0, x[0], x[1], x[2], x[0] * x[2], x[1] * x[2]],
        _ => vec![1.0, x[0], x[1], x[2], x[0] * x[1], x[1] * x[2], x[0] * x[2], x[0] * x[1] * x[2]],
    }
}

/// `[num_nodes][num_points]`: from values at the points of `rule` to values at the nodes of `kind`.
fn extrapolation(kind: CellKind, rule: &Quadrature) -> Vec<Vec<f64>> {
    let b: Vec<Vec<f64>> = rule.points.iter().map(|&p| basis(kind, p)).collect();
    let m = b[0].len();
    // Normal equations; the polynomial has at most eight terms on a symmetric rule, so they are well conditioned.
    let mut a: Vec<Vec<f64>> = (0..m)
        .map(|i| {
            let mut row: Vec<f64> = (0..m).map(|j| b.iter().map(|r| r[i] * r[j]).sum()).collect();
            row.extend(b.iter().map(|r| r[i]));
            row
        })
        .collect();
    for i in 0..m {
        let p = (i..m).max_by(|&x, &y| a[x][i].abs().total_cmp(&a[y][i].abs())).unwrap_or(i);
        a.swap(i, p);
        let pivot = a[i][i];
        a[i].iter_mut().for_each(|v| *v /= pivot);
        for r in 0..m {
            if r != i {
                let factor = a[r][i];
                let source = a[i].clone();
                a[r].iter_mut().zip(&source).for_each(|(v, s)| *v -= factor * s);
            }
        }
    }
    ReferenceElement::of(kind)
        .nodes
        .iter()
        .map(|&node| {
            let at = basis(kind, node);
            (0..rule.len()).map(|q| (0..m).map(|i| at[i] * a[i][m + q]).sum()).collect()
        })
        .collect()
}

/// Nodal values `[num_nodes, components]` of `evaluate(cell, nodes, geometry, table, point, out)`, where `out` is `[components]`.
pub fn recover(
    mesh: &Mesh,
    components: usize,
    evaluate: impl FnMut(usize, &[u32], &CellGeometry, &Tabulation, usize, &mut [f64]),
) -> Vec<f64> {
    recover_from(mesh, components, &|kind| Quadrature::new(kind, reduced_degree(kind)), evaluate)
}

/// As [`recover`] from the points of another rule for each kind of cells: those at which a history is known. The rule must have as
/// many points as the polynomial has terms.
pub fn recover_from(
    mesh: &Mesh,
    components: usize,
    rule_of: &dyn Fn(CellKind) -> Quadrature,
    mut evaluate: impl FnMut(usize, &[u32], &CellGeometry, &Tabulation, usize, &mut [f64]),
) -> Vec<f64> {
    let mut sum = vec![0.0; mesh.num_nodes() * components];
    let mut weight = vec![0.0; mesh.num_nodes()];
    let mut geometry = CellGeometry::default();
    let mut first = 0;
    for block in &mesh.blocks {
        let rule = rule_of(block.kind);
        let to_nodes = extrapolation(block.kind, &rule);
        let table = Tabulation::new(block.kind, rule);
        let points = table.rule.len();
        let mut at_points = vec![0.0; points * components];
        for c in 0..block.num_cells() {
            let nodes = block.cell(c);
            geometry.fill(&table, mesh, nodes);
            for q in 0..points {
                evaluate(first + c, nodes, &geometry, &table, q, &mut at_points[q * components..(q + 1) * components]);
            }
            let volume: f64 = geometry.volume.iter().sum();
            for (a, &n) in nodes.iter().enumerate() {
                let n = n as usize;
                weight[n] += volume;
                for k in 0..components {
                    sum[n * components + k] += volume * (0..points).map(|q| to_nodes[a][q] * at_points[q * components + k]).sum::<f64>();
                }
            }
        }
        first += block.num_cells();
    }
    for (n, w) in weight.iter().enumerate() {
        if *w > 0.0 {
            sum[n * components..(n + 1) * components].iter_mut().for_each(|v| *v /= w);
        }
    }
    sum
}
