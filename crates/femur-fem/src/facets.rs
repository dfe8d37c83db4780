//! Integration over tagged facets.

use crate::{Quadrature, ReferenceElement};
use femur_mesh::{FacetId, Mesh};

/// One quadrature point of a facet.
#[derive(Debug, Clone)]
pub struct FacetPoint {
    /// Nodes of the facet.
    pub nodes: Vec<u32>,
    /// Values of the facet's shape functions `[nodes.len()]`.
    pub values: Vec<f64>,
    /// Position.
    pub position: [f64; 3],
    /// Outward unit normal.
    pub normal: [f64; 3],
    /// Weight times surface element.
    pub area: f64,
}

/// Every quadrature point of these facets; `degree` is that of the integrand on a flat facet.
pub fn facet_points(mesh: &Mesh, facets: &[FacetId], degree: usize) -> Vec<FacetPoint> {
    let mut out = Vec::new();
    for &facet in facets {
        let (kind, nodes) = mesh.facet_nodes(facet);
        let element = ReferenceElement::of(kind);
        // Curved facets have a Jacobian of their own.
        let rule = Quadrature::new(kind, degree + if kind.order() > 1 { 2 } else { 0 });
        for (&xi, &w) in rule.points.iter().zip(&rule.weights) {
            let (mut values, mut gradients) = (vec![0.0; nodes.len()], vec![[0.0; 3]; nodes.len()]);
            element.values(xi, &mut values);
            element.gradients(xi, &mut gradients);
            let (mut position, mut tangent) = ([0.0; 3], [[0.0; 3]; 2]);
            for (a, &n) in nodes.iter().enumerate() {
                for (d, &x) in mesh.point(n as usize).iter().enumerate() {
                    position[d] += values[a] * x;
                    tangent[0][d] += gradients[a][0] * x;
                    tangent[1][d] += gradients[a][1] * x;
                }
            }
            let [s, t] = tangent;
            let normal = match mesh.dim {
                1 => [if facet.local == 0 { -1.0 } else { 1.0 }, 0.0, 0.0],
                2 => [s[1], -s[0], 0.0],
                _ => [s[1] * t[2] - s[2] * t[1], s[2] * t[0] - s[0] * t[2], s[0] * t[1] - s[1] * t[0]],
            };
            let length = normal.iter().map(|v| v * v).sum::<f64>().sqrt();
            out.push(FacetPoint { nodes: nodes.clone(), values, position, normal: normal.map(|v| v / length), area: w * length });
        }
    }
    out
}
