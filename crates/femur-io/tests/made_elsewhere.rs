//! Small files that gmsh, VTK and meshio wrote (`tests/data/make.py`).

use std::path::PathBuf;

use femur_io::{IoError, MeshFile, read_mesh};
use femur_mesh::{CellKind, Field, Location, Mesh, TagEntities};

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(name)
}

fn load(name: &str) -> MeshFile {
    read_mesh(path(name)).unwrap_or_else(|e| panic!("{e}"))
}

fn field<'a>(file: &'a MeshFile, name: &str) -> &'a Field {
    file.fields.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("no field {name}"))
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12)
}

/// In a sheared box each midside, face and centre node is the mean of its neighbours of lower rank: true in VTK's order alone.
#[test]
fn gmsh_node_orders_become_vtk() {
    for (name, cells) in [
        ("triangle6", 8),
        ("quad8", 4),
        ("quad9", 4),
        ("tet10", 24),
        ("hex8", 4),
        ("hex20", 4),
        ("hex27", 4),
        ("wedge6", 8),
        ("wedge15", 8),
        ("pyramid5", 1),
    ] {
        let mesh = load(&format!("{name}.msh")).mesh;
        let kind = CellKind::from_name(name).expect("a kind");
        assert_eq!(mesh.blocks.len(), 1, "{name}");
        assert_eq!((mesh.blocks[0].kind, mesh.num_cells() > 0), (kind, true), "{name}");
        assert_eq!(mesh.num_cells(), cells, "{name}");
        for (_, _, nodes) in mesh.cells() {
            for n in kind.num_vertices()..kind.num_nodes() {
                let lower: Vec<usize> =
                    kind.edges().iter().filter(|e| e.contains(&n)).map(|e| e[0] + e[1] - n).filter(|&m| m < n).collect();
                for d in 0..mesh.dim {
                    let mean = lower.iter().map(|&m| mesh.point(nodes[m] as usize)[d]).sum::<f64>() / lower.len() as f64;
                    assert!((mean - mesh.point(nodes[n] as usize)[d]).abs() < 1e-9, "{name} node {n}");
                }
            }
        }
        if name == "pyramid5" {
            assert_eq!((mesh.num_nodes(), mesh.tags.len()), (5, 0));
            continue;
        }
        assert_eq!(mesh.tags.names(), ["corner", "base", "inside of it"], "{name}");
        assert_eq!(mesh.tag_cells("inside of it").expect("cells").len(), mesh.num_cells());
        assert!(matches!(&mesh.tags.get("corner").expect("a tag").entities, TagEntities::Nodes(v) if v.len() == 1));
        for n in mesh.tag_nodes("base").expect("nodes") {
            let p = mesh.point(n as usize);
            assert!(on_base(&mesh, p), "{name} {p:?}");
        }
    }
}

/// x' = 2x + 0.3y, y' = y + 0.1x, z' = 1.5z + 0.2x: whether x = 0 (2D) or z = 0 (3D).
fn on_base(mesh: &Mesh, p: &[f64]) -> bool {
    let x = (p[0] - 0.3 * p[1]) / 1.97;
    let height = if mesh.dim == 2 { x } else { p[2] - 0.2 * x };
    height.abs() < 1e-9
}

fn tag_sizes(mesh: &Mesh) -> Vec<(String, usize)> {
    mesh.tags.iter().map(|t| (format!("{} {}", t.entities.kind_name(), t.name), t.entities.len())).collect()
}

#[test]
fn groups_that_overlap_or_share_a_name() {
    let expected = load("groups_41.msh").mesh;
    let sizes = tag_sizes(&expected);
    let names: Vec<&str> = sizes.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["facet a_curve", "cell a", "cell both parts", "node physical_3", "facet physical_9"]);
    assert_eq!(expected.tags.get("both parts").expect("a tag").entities.len(), expected.num_cells());
    assert!(expected.tags.get("a").expect("a tag").entities.len() < expected.num_cells());

    // 2.2 writes an element once for each of its groups; a partitioned mesh cuts entities into pieces
    for name in ["groups_22.msh", "partitioned_41.msh", "data_41.msh", "data_41_bin.msh"] {
        let mesh = load(name).mesh;
        assert_eq!((mesh.num_nodes(), mesh.num_cells()), (expected.num_nodes(), expected.num_cells()), "{name}");
        assert_eq!(tag_sizes(&mesh), sizes, "{name}");
        assert_eq!(mesh.tag_nodes("a").expect("nodes").len(), expected.tag_nodes("a").expect("nodes").len(), "{name}");
    }
}

#[test]
fn gmsh_views_become_fields() {
    for name in ["data_41.msh", "data_41_bin.msh"] {
        let file = load(name);
        let names: Vec<&str> = file.fields.iter().map(|f| f.name.as_str()).collect();
        // the view on three nodes covers too little
        assert_eq!(names, ["position", "number"], "{name}");
        let position = field(&file, "position");
        assert_eq!((position.location, position.components.as_slice()), (Location::Node, ["x".to_string(), "y".to_string()].as_slice()));
        assert!(close(&position.values, &file.mesh.points), "{name}");
        let number = field(&file, "number");
        assert_eq!(number.len(), file.mesh.num_cells());
        assert!(number.values.windows(2).all(|w| w[1] == w[0] + 1.0), "{name}");
    }
}

#[test]
fn every_vtu_encoding_reads_the_same() {
    let files = [
        "ascii.vtu",
        "inline.vtu",
        "inline_zlib.vtu",
        "inline_u32.vtu",
        "inline_zlib_u32.vtu",
        "appended_base64.vtu",
        "appended_base64_zlib_u32.vtu",
        "appended_raw.vtu",
        "appended_raw_zlib.vtu",
        "appended_raw_big.vtu",
        "inline_zlib_big.vtu",
    ];
    let first = load(files[0]);
    let mesh = &first.mesh;
    // the triangle is no cell of a 3D mesh, and the three points belong to none
    assert_eq!((mesh.dim, mesh.num_nodes(), mesh.num_cells()), (3, 10, 4));
    let kinds: Vec<(CellKind, usize)> = mesh.blocks.iter().map(|b| (b.kind, b.num_cells())).collect();
    assert_eq!(kinds, [(CellKind::Tet4, 1), (CellKind::Hex8, 2), (CellKind::Pyramid5, 1)]);
    // the voxel is the hexahedron
    assert_eq!(mesh.blocks[1].cell(0), mesh.blocks[1].cell(1));
    for (name, sign) in [("i8", -1.0), ("u8", 1.0), ("i16", -1.0), ("u16", 1.0), ("i32", -1.0), ("u32", 1.0), ("i64", -1.0), ("u64", 1.0)] {
        // file order 0 tet, 1 hex, 2 pyramid, 3 voxel; mesh order by kind
        assert_eq!(field(&first, name).values, [1.0, 2.0, 4.0, 3.0].map(|k| 7.0 * sign * k), "{name}");
    }
    for name in &files[1..] {
        let file = load(name);
        assert_eq!(file.mesh.blocks, mesh.blocks, "{name}");
        assert!(close(&file.mesh.points, &mesh.points), "{name}");
        for f in &first.fields {
            assert!(close(&field(&file, &f.name).values, &f.values), "{name} {}", f.name);
        }
    }
    for name in ["meshio.vtu", "meshio_zlib.vtu"] {
        let file = load(name);
        assert_eq!(file.mesh.num_nodes(), 10, "{name}");
        assert!(close(&field(&file, "u").values, &field(&first, "u").values), "{name}");
    }
}

#[test]
fn what_cannot_be_a_mesh_is_refused_with_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).expect("written");
        let error = read_mesh(&file).expect_err(name);
        let text = error.to_string();
        assert!(text.contains("hint: ") && text.contains(name), "{text}");
        (error, text)
    };
    let nodes = "*NODE\n1, 0,0,0\n2, 1,0,0\n3, 0,1,0\n4, 0,0,1\n";
    // a folded surface
    let (error, text) = refused("shell.inp", &format!("{nodes}*ELEMENT, TYPE=S3\n1, 1,2,3\n2, 1,2,4\n"));
    assert!(matches!(error, IoError::Unsupported { .. }) && text.contains("varying z"), "{text}");
    // a boundary element away from the body
    let (error, _) =
        refused("loose.inp", &format!("{nodes}5, 9,9,9\n*ELEMENT, TYPE=C3D4\n1, 1,2,3,4\n*ELEMENT, TYPE=CPS3, ELSET=skin\n2, 1,2,5\n"));
    assert!(matches!(error, IoError::Detached { missing: 1, total: 1, .. }), "{error}");
    let (_, text) = refused("node.inp", &format!("{nodes}*ELEMENT, TYPE=C3D4\n1, 1,2,3,77\n"));
    assert!(text.contains("line 6") && text.contains("node 77"), "{text}");
    let (_, text) = refused("short.inp", &format!("{nodes}*ELEMENT, TYPE=C3D4\n1, 1,2,3\n*STEP\n"));
    assert!(text.contains("line 8") && text.contains("element 1"), "{text}");
    let (_, text) = refused("axis.inp", &format!("{nodes}*ELEMENT, TYPE=CAX3\n1, 1,2,3\n"));
    assert!(text.contains("CAX3"), "{text}");
    let (_, text) =
        refused("empty.msh", "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n0 0 0 0\n$EndNodes\n$Elements\n0 0 0 0\n$EndElements\n");
    assert!(text.contains("no cells"), "{text}");
    let (_, text) =
        refused("lying.msh", "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n4000000000\n1 0 0 0\n$EndNodes\n$Elements\n0\n$EndElements\n");
    assert!(text.contains("line 5") && text.contains("4000000000"), "{text}");
    let (_, text) = refused("version.msh", "$MeshFormat\n4 0 8\n$EndMeshFormat\n");
    assert!(text.contains("version 4"), "{text}");
    let (_, text) = refused("picture.vtu", "<VTKFile type=\"ImageData\"></VTKFile>");
    assert!(text.contains("ImageData"), "{text}");
    let (_, text) = refused("what.xyz", "hello");
    assert!(text.contains(".msh"), "{text}");
}
