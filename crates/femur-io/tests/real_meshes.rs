//! The files of `meshes/`: counts as gmsh's own reader gives them.

use std::path::PathBuf;

use femur_io::{MeshFile, info, read_mesh};
use femur_mesh::TagEntities;

fn load(name: &str) -> MeshFile {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../meshes")).join(name);
    read_mesh(&path).unwrap_or_else(|e| panic!("{e}"))
}

/// nodes, dimension, cells, then (tag, dimension, members, nodes).
type Counts = (&'static str, usize, usize, &'static [(&'static str, usize)], &'static [(&'static str, usize, usize, usize)]);

/// From `gmsh.model.mesh.getElements` and `getNodesForPhysicalGroup` of gmsh 4.15.
const COUNTS: &[Counts] = &[
    (
        "beam_hex8_bin22.msh",
        1025,
        3,
        &[("hex8", 640)],
        &[("fixed", 2, 16, 25), ("tip", 2, 16, 25), ("sides", 2, 640, 656), ("beam", 3, 640, 1025)],
    ),
    (
        "bracket_tet10_bin.msh",
        5302,
        3,
        &[("tet10", 2669)],
        &[
            ("back", 2, 336, 726),
            ("free", 2, 848, 1787),
            ("bottom", 2, 306, 666),
            ("load_bolt", 2, 98, 220),
            ("base_bolt", 2, 80, 184),
            ("steel", 3, 2669, 5302),
        ],
    ),
    (
        "bracket_tet4.msh",
        1303,
        3,
        &[("tet4", 4160)],
        &[
            ("back", 2, 480, 273),
            ("free", 2, 1178, 644),
            ("bottom", 2, 416, 241),
            ("load_bolt", 2, 98, 61),
            ("base_bolt", 2, 80, 52),
            ("steel", 3, 4160, 1303),
        ],
    ),
    (
        "cylinder_channel_tri3.msh",
        2374,
        2,
        &[("triangle3", 4514)],
        &[("cylinder", 1, 40, 40), ("wall", 1, 157, 159), ("inlet", 1, 25, 26), ("outlet", 1, 12, 13), ("fluid", 2, 4514, 2374)],
    ),
    (
        "plate_hole_quad4.msh",
        970,
        2,
        &[("quad4", 897)],
        &[
            ("hole", 1, 26, 26),
            ("bottom", 1, 40, 41),
            ("left", 1, 20, 21),
            ("right", 1, 20, 21),
            ("top", 1, 40, 41),
            ("plate", 2, 897, 970),
        ],
    ),
    (
        "plate_hole_tri6.msh",
        2914,
        2,
        &[("triangle6", 1394)],
        &[
            ("hole", 1, 24, 48),
            ("bottom", 1, 34, 69),
            ("left", 1, 17, 35),
            ("right", 1, 17, 35),
            ("top", 1, 34, 69),
            ("plate", 2, 1394, 2914),
        ],
    ),
    (
        "plate_three_holes.msh",
        4482,
        2,
        &[("triangle6", 2146)],
        &[
            ("left", 1, 14, 29),
            ("right", 1, 14, 29),
            ("bottom", 1, 28, 57),
            ("top", 1, 32, 65),
            ("hole", 1, 104, 208),
            ("plate", 2, 2146, 4482),
        ],
    ),
];

#[test]
fn counts_agree_with_gmsh() {
    for &(name, nodes, dim, cells, tags) in COUNTS {
        let file = load(name);
        let info = info(&file);
        assert_eq!((info.nodes, info.dim), (nodes, dim), "{name}");
        assert_eq!(info.cells, cells.iter().map(|&(k, n)| (k.to_string(), n)).collect::<Vec<_>>(), "{name}");
        let found: Vec<(String, usize, usize, usize)> =
            info.tags.iter().map(|(t, i)| (t.clone(), i.dim, i.count, file.mesh.tag_nodes(t).expect("a tag").len())).collect();
        let expected: Vec<_> = tags.iter().map(|&(t, d, n, k)| (t.to_string(), d, n, k)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

/// Facet normals and midside nodes: only right node orders give right areas, volumes and midpoints.
#[test]
fn node_orders_are_right() {
    let file = load("bracket_tet10_bin.msh");
    let mesh = &file.mesh;
    let mid = |a: u32, b: u32, m: u32| {
        let (a, b, m) = (mesh.point(a as usize), mesh.point(b as usize), mesh.point(m as usize));
        let gap: f64 = (0..3).map(|d| (0.5 * (a[d] + b[d]) - m[d]).powi(2)).sum::<f64>().sqrt();
        let edge: f64 = (0..3).map(|d| (a[d] - b[d]).powi(2)).sum::<f64>().sqrt();
        gap / edge
    };
    let ends = [[0, 1], [1, 2], [2, 0], [0, 3], [1, 3], [2, 3]];
    // curved only at the bolt holes
    let bent = mesh.cells().flat_map(|(_, _, c)| ends.iter().enumerate().map(move |(k, e)| mid(c[e[0]], c[e[1]], c[4 + k])));
    let (mut straight, mut worst) = (0, 0.0f64);
    for gap in bent {
        straight += usize::from(gap < 1e-6);
        worst = worst.max(gap);
    }
    assert!(straight > 6 * mesh.num_cells() * 9 / 10 && worst < 0.2, "{straight} straight edges, worst {worst}");

    // the whole surface of a body has no net area vector
    let mut net = [0.0; 3];
    for tag in ["back", "free", "bottom", "load_bolt", "base_bolt"] {
        for &f in mesh.tag_facets(tag).expect("facets") {
            let (_, n) = mesh.facet_nodes(f);
            let p = |i: usize| mesh.point(n[i] as usize);
            let (u, v): (Vec<f64>, Vec<f64>) = ((0..3).map(|d| p(1)[d] - p(0)[d]).collect(), (0..3).map(|d| p(2)[d] - p(0)[d]).collect());
            for d in 0..3 {
                let (e, g) = ((d + 1) % 3, (d + 2) % 3);
                net[d] += 0.5 * (u[e] * v[g] - u[g] * v[e]);
            }
        }
    }
    assert!(net.iter().all(|x| x.abs() < 1e-12), "{net:?}");
}

#[test]
fn abaqus_and_gmsh_agree_on_the_bracket() {
    let (msh, inp) = (load("bracket_tet4.msh").mesh, load("bracket_tet4.inp").mesh);
    assert_eq!(msh.blocks, inp.blocks);
    let worst = msh.points.iter().zip(&inp.points).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-15, "{worst}");
    for tag in msh.tags.iter() {
        assert_eq!(Some(&tag.entities), inp.tags.get(&tag.name).map(|t| &t.entities), "{}", tag.name);
    }
    // the element sets that the file has besides
    assert_eq!(inp.tags.len(), msh.tags.len() + 11);
    assert!(matches!(&inp.tags.get("Surface7").expect("a tag").entities, TagEntities::Facets(f) if f.len() == 442));
}

#[test]
fn info_serialises_in_the_agreed_shape() {
    let json = serde_json::to_string(&info(&load("plate_hole_quad4.msh"))).expect("JSON");
    let expected = "{\"nodes\":970,\"dim\":2,\"cells\":{\"quad4\":897},\"tags\":{\"hole\":{\"dim\":1,\"count\":26},\
        \"bottom\":{\"dim\":1,\"count\":40},\"left\":{\"dim\":1,\"count\":20},\"right\":{\"dim\":1,\"count\":20},\
        \"top\":{\"dim\":1,\"count\":40},\"plate\":{\"dim\":2,\"count\":897}}}";
    assert_eq!(json, expected);
}
