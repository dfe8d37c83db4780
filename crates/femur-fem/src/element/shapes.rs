//! The shape functions.

use super::{Number, ReferenceElement};
use femur_mesh::CellKind;

/// Values of all shape functions at `x`.
pub(super) fn evaluate<T: Number>(element: &ReferenceElement, x: [T; 3], out: &mut [T]) {
    let one = T::constant(1.0);
    match element.kind {
        CellKind::Point => out[0] = one,
        CellKind::Triangle3 | CellKind::Triangle6 => simplex(element, &[one - x[0] - x[1], x[0], x[1]], out),
        CellKind::Tet4 | CellKind::Tet10 => simplex(element, &[one - x[0] - x[1] - x[2], x[0], x[1], x[2]], out),
        CellKind::Line2 | CellKind::Line3 | CellKind::Quad4 | CellKind::Quad9 | CellKind::Hex8 | CellKind::Hex27 => {
            lagrange(element, x, out)
        }
        CellKind::Quad8 | CellKind::Hex20 => serendipity(element, x, out),
        CellKind::Wedge6 | CellKind::Wedge15 => wedge(element, x, out),
        CellKind::Pyramid5 => pyramid(x, out),
    }
}

/// The two vertices that the cell table links to a midside node.
fn ends(kind: CellKind, node: usize) -> [usize; 2] {
    let mut ends = [0; 2];
    let mut count = 0;
    for e in kind.edges() {
        if e.contains(&node) {
            let other = e[0] + e[1] - node;
            if other < kind.num_vertices() && count < 2 {
                ends[count] = other;
                count += 1;
            }
        }
    }
    ends
}

/// Order 1 and 2 on triangles and tetrahedra, in barycentric coordinates `l`.
fn simplex<T: Number>(element: &ReferenceElement, l: &[T], out: &mut [T]) {
    if element.kind.order() == 1 {
        out.copy_from_slice(l);
        return;
    }
    let c = T::constant;
    for (i, &li) in l.iter().enumerate() {
        out[i] = li * (c(2.0) * li - c(1.0));
    }
    for node in l.len()..element.num_nodes() {
        let [a, b] = ends(element.kind, node);
        out[node] = c(4.0) * l[a] * l[b];
    }
}

/// Tensor products of 1D Lagrange polynomials through -1, (0,) 1.
fn lagrange<T: Number>(element: &ReferenceElement, x: [T; 3], out: &mut [T]) {
    let c = T::constant;
    let quadratic = element.kind.order() == 2;
    for (node, value) in element.nodes.iter().zip(out.iter_mut()) {
        *value = c(1.0);
        for d in 0..element.kind.dim() {
            let (p, t) = (c(node[d]), x[d]);
            let factor = match (quadratic, node[d] == 0.0) {
                (false, _) => c(0.5) * (c(1.0) + p * t),
                (true, true) => c(1.0) - t * t,
                (true, false) => c(0.5) * t * (t + p),
            };
            *value = *value * factor;
        }
    }
}

/// The serendipity families of 8 and 20 nodes.
fn serendipity<T: Number>(element: &ReferenceElement, x: [T; 3], out: &mut [T]) {
    let c = T::constant;
    let dim = element.kind.dim();
    for (i, (node, value)) in element.nodes.iter().zip(out.iter_mut()).enumerate() {
        let corner = i < element.kind.num_vertices();
        let mut product = c(1.0);
        let mut sum = c(1.0 - dim as f64);
        for d in 0..dim {
            let px = c(node[d]) * x[d];
            product = product * if node[d] == 0.0 { c(1.0) - x[d] * x[d] } else { c(0.5) * (c(1.0) + px) };
            sum = sum + px;
        }
        *value = if corner { product * sum } else { product };
    }
}

/// Triangle times line; the 15-node one is of the serendipity family.
fn wedge<T: Number>(element: &ReferenceElement, x: [T; 3], out: &mut [T]) {
    let c = T::constant;
    let l = [c(1.0) - x[0] - x[1], x[0], x[1]];
    let quadratic = element.kind.order() == 2;
    for i in 0..element.num_nodes() {
        let z = element.nodes[i][2];
        let along = c(1.0) + c(z) * x[2];
        let bubble = c(1.0) - x[2] * x[2];
        out[i] = if i < 6 {
            let li = l[i % 3];
            if quadratic { c(0.5) * li * ((c(2.0) * li - c(1.0)) * along - bubble) } else { c(0.5) * li * along }
        } else {
            let [a, b] = ends(element.kind, i);
            if z == 0.0 { l[a % 3] * bubble } else { c(2.0) * l[a % 3] * l[b % 3] * along }
        };
    }
}

/// The rational pyramid (Bedrosian 1992); at the apex the limit is taken.
fn pyramid<T: Number>(x: [T; 3], out: &mut [T]) {
    let c = T::constant;
    // Keeps the quotient finite at the apex, where the four base functions vanish.
    let h = if (1.0 - x[2].value()).abs() < 1e-12 { c(1e-12) } else { c(1.0) - x[2] };
    for (i, (px, py)) in [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].into_iter().enumerate() {
        out[i] = c(0.25) * (h + c(px) * x[0]) * (h + c(py) * x[1]) / h;
    }
    out[4] = x[2];
}
