//! Write and read again, for every format that writes and every kind of cell.

mod common;

use std::path::Path;

use common::{kinds, sample};
use femur_io::vtk::{VtuOptions, read_pvd, write_pvd, write_series, write_vtu_with};
use femur_io::{Encoding, FORMATS, MeshFile, read_mesh, write_msh};
use femur_mesh::{CellKind, FacetId, Mesh, TagEntities};

fn assert_same(a: &MeshFile, b: &MeshFile, what: &str) {
    assert_eq!(a.mesh.dim, b.mesh.dim, "{what}");
    assert_eq!(a.mesh.points, b.mesh.points, "{what}");
    assert_eq!(a.mesh.blocks, b.mesh.blocks, "{what}");
    let tags = |m: &Mesh| m.tags.iter().map(|t| (t.name.replace('"', "_"), t.entities.clone())).collect::<Vec<_>>();
    assert_eq!(tags(&a.mesh), tags(&b.mesh), "{what}");
    for t in a.mesh.tags.iter().filter(|t| t.gmsh_tag.is_some()) {
        assert_eq!(b.mesh.tags.get(&t.name).expect("a tag").gmsh_tag, t.gmsh_tag, "{what} {}", t.name);
    }
    assert_eq!(a.fields, b.fields, "{what}");
}

#[test]
fn every_writing_format_keeps_points_cells_tags_and_fields() {
    let mut written = 0;
    for format in FORMATS {
        for kind in kinds() {
            let sample = sample(kind);
            let path = Path::new("sample");
            let Ok(bytes) = format.write(&sample, path) else { continue };
            written += 1;
            assert!(format.sniff(&bytes));
            let again = format.read(&bytes, path).unwrap_or_else(|e| panic!("{} {kind}: {e}", format.name()));
            assert_same(&sample, &again, &format!("{} {kind}", format.name()));
        }
    }
    assert_eq!(written, 2 * kinds().count());
}

#[test]
fn options_change_the_file_not_the_content() {
    let dir = tempfile::tempdir().expect("a folder");
    for kind in kinds() {
        let sample = sample(kind);
        let path = dir.path().join(format!("{kind}.msh"));
        write_msh(&path, &sample, Encoding::Binary).expect("written");
        assert_same(&sample, &read_mesh(&path).expect("read"), &format!("binary {kind}"));
        let path = dir.path().join(format!("{kind}.vtu"));
        write_vtu_with(&path, &sample.mesh, &sample.fields, &VtuOptions { compress: true, tags: true }).expect("written");
        assert_same(&sample, &read_mesh(&path).expect("read"), &format!("zlib {kind}"));
    }
}

#[test]
fn real_meshes_survive_both_formats() {
    for name in ["plate_hole_tri6.msh", "bracket_tet4.msh", "beam_hex8_bin22.msh"] {
        let first = read_mesh(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../meshes")).join(name)).expect("read");
        for format in FORMATS {
            if let Ok(bytes) = format.write(&first, Path::new(name)) {
                assert_same(&first, &format.read(&bytes, Path::new(name)).expect("read"), name);
            }
        }
    }
}

/// What other programs do to a file of ours: the comment is gone, the arrays are there.
#[test]
fn without_the_note_padding_is_recognised() {
    for kind in [CellKind::Triangle3, CellKind::Quad8] {
        let mut sample = sample(kind);
        sample.fields.truncate(3);
        for format in FORMATS {
            let Ok(bytes) = format.write(&sample, Path::new("x")) else { continue };
            let at = bytes.windows(6).position(|w| w == b"femur ").expect("a note");
            let mut bytes = bytes;
            bytes[at..at + 5].copy_from_slice(b"other");
            let again = format.read(&bytes, Path::new("x")).expect("read");
            for (a, b) in sample.fields.iter().zip(&again.fields) {
                assert_eq!((&a.name, &a.components, &a.values), (&b.name, &b.components, &b.values));
            }
            assert_eq!(again.mesh.tags.len(), sample.mesh.tags.len());
        }
    }
}

#[test]
fn cells_of_negative_measure_are_mirrored_with_their_facets() {
    for kind in kinds() {
        let sample = sample(kind);
        // reflect the points: each cell is now left-handed
        let mut reflected = sample.clone();
        for p in reflected.mesh.points.chunks_exact_mut(kind.dim()) {
            p[0] = -p[0];
        }
        for format in FORMATS {
            let Ok(bytes) = format.write(&reflected, Path::new("x")) else { continue };
            let again = format.read(&bytes, Path::new("x")).expect("read").mesh;
            assert_ne!(again.blocks, sample.mesh.blocks, "{kind}");
            for tag in ["skin", "end"] {
                assert_eq!(again.tag_nodes(tag), reflected.mesh.tag_nodes(tag), "{} {kind} {tag}", format.name());
            }
        }
    }
}

#[test]
fn collections_list_files_by_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("run.pvd");
    write_pvd(&path, &[(0.5, "b & c.vtu".into()), (0.0, "a.vtu".into())]).expect("written");
    assert_eq!(read_pvd(&path).expect("read"), [(0.0, dir.path().join("a.vtu")), (0.5, dir.path().join("b & c.vtu"))]);
    std::fs::write(&path, "<VTKFile><Collection><DataSet timestep=\"x\" file=\"a\"/></Collection></VTKFile>").expect("written");
    assert!(read_pvd(&path).expect_err("no time").to_string().contains("finite time"));
}

#[test]
fn a_series_reads_back_step_by_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let sample = sample(CellKind::Triangle6);
    let state = |time: f64| femur_sim::State { time, fields: sample.fields[..2].to_vec() };
    let pvd = dir.path().join("run.pvd");
    write_series(&pvd, &sample.mesh, &[state(0.0), state(0.1)], &VtuOptions { compress: false, tags: false }).expect("written");
    let steps = read_pvd(&pvd).expect("read");
    assert_eq!(steps.iter().map(|s| s.0).collect::<Vec<_>>(), [0.0, 0.1]);
    for (_, file) in steps {
        let file = read_mesh(file).expect("read");
        assert_eq!((file.fields.as_slice(), file.mesh.tags.len()), (&sample.fields[..2], 0));
    }
}

#[test]
fn an_abaqus_deck_as_cae_writes_it() {
    let deck = "*Heading\n** a comment\n*Part, name=P\n*Node\n 1, 0., 0., 0.\n 2, 1., 0., 0.\n 3, 1., 1., 0.\n 4, 0., 1., 0.\n\
        5, 0., 0., 1.\n 6, 1., 0., 1.\n 7, 1., 1., 1.\n 8, 0., 1.D0, 1.\n 9, 9., 9., 9.\n\
        *Element, type=C3D8R\n 1, 1, 2, 3, 4,\n 5, 6, 7, 8\n*Element, TYPE=S4R, elset=Lid\n7, 5,6,7,8\n\
        *Nset, nset=All, generate\n 1, 8, 1\n*Nset, nset=twin\n 1,\n*Elset, elset=TWIN\n 1,\n*End Part\n\
        *Assembly, name=A\n*Instance, name=P-1, part=P\n*End Instance\n\
        *Nset, nset=Corners, instance=P-1\n 1, 2,\n 3\n*Nset, nset=More\nCorners, 8\n*Nset, nset=OfBody, elset=Whole\n\
        *Elset, elset=_top_S2, internal, instance=P-1\n 1,\n*Elset, elset=Whole\n 1\n*Elset, elset=Huge, generate\n1, 900000000000000000, 1\n\
        *Surface, type=ELEMENT, name=Top\n_top_S2, S2\n*Surface, name=Sides\n1, S3\n P-1.whole, S5\n*Surface, type=NODE, name=Points\nCorners, 1.\n\
        *Nset, nset=Reference\n 9,\n*End Assembly\n*Step\n*Node Output\nU\n";
    let file = FORMATS.iter().find(|f| f.extensions().contains(&"inp")).expect("a format");
    let mesh = file.read(deck.as_bytes(), Path::new("deck.inp")).unwrap_or_else(|e| panic!("{e}")).mesh;
    assert_eq!((mesh.num_nodes(), mesh.num_cells(), mesh.dim), (8, 1, 3));
    let of = |name: &str| mesh.tags.require(name).unwrap_or_else(|e| panic!("{e}")).entities.clone();
    let facet = |local| FacetId { cell: 0, local };
    assert_eq!(of("Lid"), TagEntities::Facets(vec![facet(5)]));
    assert_eq!(of("Top"), TagEntities::Facets(vec![facet(5)]));
    assert_eq!(of("Sides"), TagEntities::Facets(vec![facet(2), facet(3)]));
    assert_eq!(of("All"), TagEntities::Nodes((0..8).collect()));
    assert_eq!(of("Corners"), TagEntities::Nodes(vec![0, 1, 2]));
    assert_eq!(of("More"), TagEntities::Nodes(vec![0, 1, 2, 7]));
    assert_eq!(of("OfBody"), TagEntities::Nodes((0..8).collect()));
    assert_eq!(of("Points"), TagEntities::Nodes(vec![0, 1, 2]));
    assert_eq!(of("TWIN"), TagEntities::Cells(vec![0]));
    assert_eq!(of("Whole"), TagEntities::Cells(vec![0]));
    let names = mesh.tags.names();
    for absent in ["twin", "_top_S2", "Reference"] {
        assert!(!names.contains(&absent), "{names:?}");
    }
    // a set of solids and shells is a tag of cells, and one of facets beside it
    assert_eq!((of("Huge"), of("Huge_surface")), (TagEntities::Cells(vec![0]), TagEntities::Facets(vec![facet(5)])));
}

#[test]
fn included_files_are_read() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("nodes.inc"), "*NODE\n1,0,0\n2,1,0\n3,0,1\n").expect("written");
    let main = dir.path().join("main.inp");
    std::fs::write(&main, "*INCLUDE, INPUT=nodes.inc\n*ELEMENT, TYPE=CPS3, ELSET=plate\n1,1,2,3\n").expect("written");
    assert_eq!(read_mesh(&main).expect("read").mesh.num_nodes(), 3);
    std::fs::write(&main, "*INCLUDE, INPUT=main.inp\n*NODE\n").expect("written");
    assert!(read_mesh(&main).expect_err("endless").to_string().contains("include each other"));
}
