//! Small meshes of every kind of cell.

use femur_io::MeshFile;
use femur_mesh::{CellBlock, CellKind, FacetId, Field, Location, Mesh, TagEntities, Tags};

/// Reference coordinates of the vertices of each kind, positively oriented.
fn vertices(kind: CellKind) -> Vec<[f64; 3]> {
    let v: &[[f64; 3]] = match kind.linear() {
        CellKind::Line2 => &[[0., 0., 0.], [1., 0., 0.]],
        CellKind::Triangle3 => &[[0., 0., 0.], [1., 0., 0.], [0., 1., 0.]],
        CellKind::Quad4 => &[[0., 0., 0.], [1., 0., 0.], [1., 1., 0.], [0., 1., 0.]],
        CellKind::Tet4 => &[[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.]],
        CellKind::Hex8 => &[[0., 0., 0.], [1., 0., 0.], [1., 1., 0.], [0., 1., 0.], [0., 0., 1.], [1., 0., 1.], [1., 1., 1.], [0., 1., 1.]],
        CellKind::Wedge6 => &[[0., 0., 0.], [1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 0., 1.], [0., 1., 1.]],
        _ => &[[0., 0., 0.], [1., 0., 0.], [1., 1., 0.], [0., 1., 0.], [0.5, 0.5, 1.]],
    };
    v.to_vec()
}

/// Two separate cells of a kind, all three sorts of tags (overlapping), and fields of all shapes.
pub(crate) fn sample(kind: CellKind) -> MeshFile {
    let dim = kind.dim();
    let n = kind.num_nodes();
    let mut points = Vec::new();
    for shift in [0.0, 1.0 / 3.0 + 2.0] {
        let mut cell = vertices(kind);
        for m in kind.num_vertices()..n {
            let lower: Vec<usize> = kind.edges().iter().filter(|e| e.contains(&m)).map(|e| e[0] + e[1] - m).filter(|&k| k < m).collect();
            let mean = |d: usize| lower.iter().map(|&k| cell[k][d]).sum::<f64>() / lower.len() as f64;
            cell.push([mean(0), mean(1), mean(2)]);
        }
        points.extend(cell.iter().flat_map(|p| [p[0] + shift, 0.1 + p[1], p[2]][..dim].to_vec()));
    }
    let mut tags = Tags::default();
    let last = kind.facets().len() as u8 - 1;
    if dim > 1 {
        tags.insert("pins -- \"&<", None, TagEntities::Nodes(vec![0, 2]));
        tags.insert("one pin", Some(17), TagEntities::Nodes(vec![2]));
    }
    tags.insert(
        "skin",
        Some(3),
        TagEntities::Facets((0..2).flat_map(|cell| (0..=last).map(move |local| FacetId { cell, local })).collect()),
    );
    tags.insert("end", Some(8), TagEntities::Facets(vec![FacetId { cell: 1, local: last }]));
    tags.insert("body", Some(1), TagEntities::Cells(vec![0, 1]));
    tags.insert("part", None, TagEntities::Cells(vec![1]));
    tags.insert("nothing", Some(99), TagEntities::Cells(vec![]));
    let connectivity = (0..2 * n as u32).collect();
    let mesh = Mesh::new(dim, points, vec![CellBlock { kind, connectivity }], tags).expect("a mesh");
    let values = |len: usize| (0..len).map(|i| (i as f64 - 2.5) / 3.0 * 1e-7).collect::<Vec<_>>();
    let fields = vec![
        Field::scalar("temperature", "K", Location::Node, values(2 * n)),
        Field::vector("displacement", "m", Location::Node, dim, values(2 * n * dim)),
        Field::symmetric_tensor("stress", "Pa", Location::Node, dim, values(2 * n * if dim == 3 { 6 } else { 4 })),
        Field::scalar("density", "kg/m^3", Location::Cell, vec![7.85e-9, f64::MIN_POSITIVE]),
        Field {
            name: "pair".into(),
            unit: "1".into(),
            location: Location::Cell,
            components: vec!["re".into(), "im".into()],
            values: values(4),
        },
    ];
    MeshFile { mesh, fields }
}

pub(crate) fn kinds() -> impl Iterator<Item = CellKind> {
    CellKind::ALL.into_iter().filter(|k| k.dim() > 0)
}
