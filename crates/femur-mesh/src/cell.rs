//! The one table of cell kinds: node counts, VTK and gmsh numbers and node orders, facets and edges.

use std::fmt;

/// The kinds of cell that Femur knows. Node order is VTK's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it: shape and number of nodes
pub enum CellKind {
    Point,
    Line2,
    Line3,
    Triangle3,
    Triangle6,
    Quad4,
    Quad8,
    Quad9,
    Tet4,
    Tet10,
    Hex8,
    Hex20,
    Hex27,
    Wedge6,
    Wedge15,
    Pyramid5,
}

/// One facet of a cell kind: its own kind and its local nodes, ordered so that the normal points outwards.
#[derive(Debug, Clone, Copy)]
pub struct Facet {
    /// Kind of the facet.
    pub kind: CellKind,
    /// Local node numbers within the cell, in the facet kind's VTK order.
    pub nodes: &'static [usize],
}

struct Row {
    kind: CellKind,
    name: &'static str,
    dim: usize,
    num_nodes: usize,
    num_vertices: usize,
    order: usize,
    vtk: u8,
    gmsh: i32,
    linear: CellKind,
    /// `vtk_node[i] = gmsh_node[from_gmsh[i]]`; empty where the orders agree.
    from_gmsh: &'static [usize],
    facets: &'static [Facet],
    /// Mesh edges between neighbouring nodes, midside and centre nodes included: what a graph of the mesh connects.
    edges: &'static [[usize; 2]],
}

use CellKind::*;

const fn facet(kind: CellKind, nodes: &'static [usize]) -> Facet {
    Facet { kind, nodes }
}

#[rustfmt::skip]
static TABLE: [Row; 16] = [
    Row { kind: Point, name: "point", dim: 0, num_nodes: 1, num_vertices: 1, order: 1, vtk: 1, gmsh: 15, linear: Point, from_gmsh: &[], facets: &[], edges: &[] },
    Row { kind: Line2, name: "line2", dim: 1, num_nodes: 2, num_vertices: 2, order: 1, vtk: 3, gmsh: 1, linear: Line2, from_gmsh: &[],
        facets: &[facet(Point, &[0]), facet(Point, &[1])], edges: &[[0, 1]] },
    Row { kind: Line3, name: "line3", dim: 1, num_nodes: 3, num_vertices: 2, order: 2, vtk: 21, gmsh: 8, linear: Line2, from_gmsh: &[],
        facets: &[facet(Point, &[0]), facet(Point, &[1])], edges: &[[0, 2], [2, 1]] },
    Row { kind: Triangle3, name: "triangle3", dim: 2, num_nodes: 3, num_vertices: 3, order: 1, vtk: 5, gmsh: 2, linear: Triangle3, from_gmsh: &[],
        facets: &[facet(Line2, &[0, 1]), facet(Line2, &[1, 2]), facet(Line2, &[2, 0])], edges: &[[0, 1], [1, 2], [2, 0]] },
    Row { kind: Triangle6, name: "triangle6", dim: 2, num_nodes: 6, num_vertices: 3, order: 2, vtk: 22, gmsh: 9, linear: Triangle3, from_gmsh: &[],
        facets: &[facet(Line3, &[0, 1, 3]), facet(Line3, &[1, 2, 4]), facet(Line3, &[2, 0, 5])],
        edges: &[[0, 3], [3, 1], [1, 4], [4, 2], [2, 5], [5, 0]] },
    Row { kind: Quad4, name: "quad4", dim: 2, num_nodes: 4, num_vertices: 4, order: 1, vtk: 9, gmsh: 3, linear: Quad4, from_gmsh: &[],
        facets: &[facet(Line2, &[0, 1]), facet(Line2, &[1, 2]), facet(Line2, &[2, 3]), facet(Line2, &[3, 0])],
        edges: &[[0, 1], [1, 2], [2, 3], [3, 0]] },
    Row { kind: Quad8, name: "quad8", dim: 2, num_nodes: 8, num_vertices: 4, order: 2, vtk: 23, gmsh: 16, linear: Quad4, from_gmsh: &[],
        facets: &[facet(Line3, &[0, 1, 4]), facet(Line3, &[1, 2, 5]), facet(Line3, &[2, 3, 6]), facet(Line3, &[3, 0, 7])],
        edges: &[[0, 4], [4, 1], [1, 5], [5, 2], [2, 6], [6, 3], [3, 7], [7, 0]] },
    Row { kind: Quad9, name: "quad9", dim: 2, num_nodes: 9, num_vertices: 4, order: 2, vtk: 28, gmsh: 10, linear: Quad4, from_gmsh: &[],
        facets: &[facet(Line3, &[0, 1, 4]), facet(Line3, &[1, 2, 5]), facet(Line3, &[2, 3, 6]), facet(Line3, &[3, 0, 7])],
        edges: &[[0, 4], [4, 1], [1, 5], [5, 2], [2, 6], [6, 3], [3, 7], [7, 0], [4, 8], [5, 8], [6, 8], [7, 8]] },
    Row { kind: Tet4, name: "tet4", dim: 3, num_nodes: 4, num_vertices: 4, order: 1, vtk: 10, gmsh: 4, linear: Tet4, from_gmsh: &[],
        facets: &[facet(Triangle3, &[0, 1, 3]), facet(Triangle3, &[1, 2, 3]), facet(Triangle3, &[2, 0, 3]), facet(Triangle3, &[0, 2, 1])],
        edges: &[[0, 1], [1, 2], [2, 0], [0, 3], [1, 3], [2, 3]] },
    Row { kind: Tet10, name: "tet10", dim: 3, num_nodes: 10, num_vertices: 4, order: 2, vtk: 24, gmsh: 11, linear: Tet4,
        from_gmsh: &[0, 1, 2, 3, 4, 5, 6, 7, 9, 8],
        facets: &[facet(Triangle6, &[0, 1, 3, 4, 8, 7]), facet(Triangle6, &[1, 2, 3, 5, 9, 8]), facet(Triangle6, &[2, 0, 3, 6, 7, 9]), facet(Triangle6, &[0, 2, 1, 6, 5, 4])],
        edges: &[[0, 4], [4, 1], [1, 5], [5, 2], [2, 6], [6, 0], [0, 7], [7, 3], [1, 8], [8, 3], [2, 9], [9, 3]] },
    Row { kind: Hex8, name: "hex8", dim: 3, num_nodes: 8, num_vertices: 8, order: 1, vtk: 12, gmsh: 5, linear: Hex8, from_gmsh: &[],
        facets: &[facet(Quad4, &[0, 4, 7, 3]), facet(Quad4, &[1, 2, 6, 5]), facet(Quad4, &[0, 1, 5, 4]), facet(Quad4, &[3, 7, 6, 2]), facet(Quad4, &[0, 3, 2, 1]), facet(Quad4, &[4, 5, 6, 7])],
        edges: &[[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]] },
    Row { kind: Hex20, name: "hex20", dim: 3, num_nodes: 20, num_vertices: 8, order: 2, vtk: 25, gmsh: 17, linear: Hex8,
        from_gmsh: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15],
        facets: &[facet(Quad8, &[0, 4, 7, 3, 16, 15, 19, 11]), facet(Quad8, &[1, 2, 6, 5, 9, 18, 13, 17]), facet(Quad8, &[0, 1, 5, 4, 8, 17, 12, 16]),
            facet(Quad8, &[3, 7, 6, 2, 19, 14, 18, 10]), facet(Quad8, &[0, 3, 2, 1, 11, 10, 9, 8]), facet(Quad8, &[4, 5, 6, 7, 12, 13, 14, 15])],
        edges: &[[0, 8], [8, 1], [1, 9], [9, 2], [2, 10], [10, 3], [3, 11], [11, 0], [4, 12], [12, 5], [5, 13], [13, 6], [6, 14], [14, 7], [7, 15], [15, 4],
            [0, 16], [16, 4], [1, 17], [17, 5], [2, 18], [18, 6], [3, 19], [19, 7]] },
    Row { kind: Hex27, name: "hex27", dim: 3, num_nodes: 27, num_vertices: 8, order: 2, vtk: 29, gmsh: 12, linear: Hex8,
        from_gmsh: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15, 22, 23, 21, 24, 20, 25, 26],
        facets: &[facet(Quad9, &[0, 4, 7, 3, 16, 15, 19, 11, 20]), facet(Quad9, &[1, 2, 6, 5, 9, 18, 13, 17, 21]), facet(Quad9, &[0, 1, 5, 4, 8, 17, 12, 16, 22]),
            facet(Quad9, &[3, 7, 6, 2, 19, 14, 18, 10, 23]), facet(Quad9, &[0, 3, 2, 1, 11, 10, 9, 8, 24]), facet(Quad9, &[4, 5, 6, 7, 12, 13, 14, 15, 25])],
        edges: &[[0, 8], [8, 1], [1, 9], [9, 2], [2, 10], [10, 3], [3, 11], [11, 0], [4, 12], [12, 5], [5, 13], [13, 6], [6, 14], [14, 7], [7, 15], [15, 4],
            [0, 16], [16, 4], [1, 17], [17, 5], [2, 18], [18, 6], [3, 19], [19, 7],
            [20, 16], [20, 15], [20, 19], [20, 11], [21, 9], [21, 18], [21, 13], [21, 17], [22, 8], [22, 17], [22, 12], [22, 16],
            [23, 19], [23, 14], [23, 18], [23, 10], [24, 11], [24, 10], [24, 9], [24, 8], [25, 12], [25, 13], [25, 14], [25, 15],
            [26, 20], [26, 21], [26, 22], [26, 23], [26, 24], [26, 25]] },
    Row { kind: Wedge6, name: "wedge6", dim: 3, num_nodes: 6, num_vertices: 6, order: 1, vtk: 13, gmsh: 6, linear: Wedge6, from_gmsh: &[],
        facets: &[facet(Triangle3, &[0, 2, 1]), facet(Triangle3, &[3, 4, 5]), facet(Quad4, &[0, 1, 4, 3]), facet(Quad4, &[1, 2, 5, 4]), facet(Quad4, &[2, 0, 3, 5])],
        edges: &[[0, 1], [1, 2], [2, 0], [3, 4], [4, 5], [5, 3], [0, 3], [1, 4], [2, 5]] },
    Row { kind: Wedge15, name: "wedge15", dim: 3, num_nodes: 15, num_vertices: 6, order: 2, vtk: 26, gmsh: 18, linear: Wedge6,
        from_gmsh: &[0, 1, 2, 3, 4, 5, 6, 9, 7, 12, 14, 13, 8, 10, 11],
        facets: &[facet(Triangle6, &[0, 2, 1, 8, 7, 6]), facet(Triangle6, &[3, 4, 5, 9, 10, 11]), facet(Quad8, &[0, 1, 4, 3, 6, 13, 9, 12]),
            facet(Quad8, &[1, 2, 5, 4, 7, 14, 10, 13]), facet(Quad8, &[2, 0, 3, 5, 8, 12, 11, 14])],
        edges: &[[0, 6], [6, 1], [1, 7], [7, 2], [2, 8], [8, 0], [3, 9], [9, 4], [4, 10], [10, 5], [5, 11], [11, 3], [0, 12], [12, 3], [1, 13], [13, 4], [2, 14], [14, 5]] },
    Row { kind: Pyramid5, name: "pyramid5", dim: 3, num_nodes: 5, num_vertices: 5, order: 1, vtk: 14, gmsh: 7, linear: Pyramid5, from_gmsh: &[],
        facets: &[facet(Quad4, &[0, 3, 2, 1]), facet(Triangle3, &[0, 1, 4]), facet(Triangle3, &[1, 2, 4]), facet(Triangle3, &[2, 3, 4]), facet(Triangle3, &[3, 0, 4])],
        edges: &[[0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 4], [2, 4], [3, 4]] },
];

impl CellKind {
    /// Every kind, in the table's order.
    pub const ALL: [CellKind; 16] =
        [Point, Line2, Line3, Triangle3, Triangle6, Quad4, Quad8, Quad9, Tet4, Tet10, Hex8, Hex20, Hex27, Wedge6, Wedge15, Pyramid5];

    fn row(self) -> &'static Row {
        let row = &TABLE[self as usize];
        debug_assert!(row.kind == self);
        row
    }

    /// Name as in `femur info`: `triangle6`, `hex8`, ...
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<CellKind> {
        CellKind::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Topological dimension.
    pub fn dim(self) -> usize {
        self.row().dim
    }

    /// Number of nodes.
    pub fn num_nodes(self) -> usize {
        self.row().num_nodes
    }

    /// Number of corner nodes; they come first.
    pub fn num_vertices(self) -> usize {
        self.row().num_vertices
    }

    /// Polynomial order, 1 or 2.
    pub fn order(self) -> usize {
        self.row().order
    }

    /// VTK's number of the kind.
    pub fn vtk_id(self) -> u8 {
        self.row().vtk
    }

    /// The kind with that VTK number.
    pub fn from_vtk(id: u8) -> Option<CellKind> {
        CellKind::ALL.into_iter().find(|k| k.vtk_id() == id)
    }

    /// gmsh's number of the kind.
    pub fn gmsh_id(self) -> i32 {
        self.row().gmsh
    }

    /// The kind with that gmsh number.
    pub fn from_gmsh(id: i32) -> Option<CellKind> {
        CellKind::ALL.into_iter().find(|k| k.gmsh_id() == id)
    }

    /// `p` with `vtk_nodes[i] = gmsh_nodes[p[i]]`; empty where both orders agree.
    pub fn gmsh_permutation(self) -> &'static [usize] {
        self.row().from_gmsh
    }

    /// The kind of order 1 with the same vertices.
    pub fn linear(self) -> CellKind {
        self.row().linear
    }

    /// Facets (of dimension `dim - 1`) in VTK's numbering.
    pub fn facets(self) -> &'static [Facet] {
        self.row().facets
    }

    /// Edges between neighbouring nodes, midside and centre nodes included.
    pub fn edges(self) -> &'static [[usize; 2]] {
        self.row().edges
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_itself() {
        for (i, kind) in CellKind::ALL.into_iter().enumerate() {
            let row = &TABLE[i];
            assert_eq!(row.kind, kind);
            assert_eq!(CellKind::from_vtk(kind.vtk_id()), Some(kind));
            assert_eq!(CellKind::from_gmsh(kind.gmsh_id()), Some(kind));
            assert_eq!(CellKind::from_name(kind.name()), Some(kind));
            if !row.from_gmsh.is_empty() {
                let mut p = row.from_gmsh.to_vec();
                p.sort_unstable();
                assert_eq!(p, (0..kind.num_nodes()).collect::<Vec<_>>(), "{kind}");
            }
            for f in kind.facets() {
                assert_eq!(f.nodes.len(), f.kind.num_nodes(), "{kind}");
                assert_eq!(f.kind.dim() + 1, kind.dim());
            }
            // every node is on some edge, and two facets share each edge of vertices in 3D
            for n in 0..kind.num_nodes() {
                assert!(kind.dim() == 0 || kind.edges().iter().any(|e| e.contains(&n)), "{kind} node {n}");
            }
        }
    }
}
