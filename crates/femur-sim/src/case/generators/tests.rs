use super::*;
use crate::case::{CaseFile, Split};
use femur_mesh::generate::HoleShape;

fn recipe(lines: &str) -> Result<Recipe, CaseError> {
    let case = CaseFile::parse(&format!("physics = \"heat\"\n[mesh]\n{lines}"), "c")?.nominal()?;
    let MeshSpec::Generator { name, table } = &case.mesh else { panic!("no generator") };
    Ok(read(name, table)?.0)
}

fn plate(lines: &str) -> PlateSpec {
    match recipe(&format!("generator = \"plate-hole\"\n{lines}")) {
        Ok(Recipe::Plate(plate)) => plate,
        other => panic!("{other:?}"),
    }
}

fn complaint(lines: &str) -> String {
    recipe(lines).unwrap_err().to_string()
}

#[test]
fn holes_are_placed_within_the_ligament() {
    let p = plate("");
    assert_eq!((p.width, p.height, p.holes.len(), p.holes[0].center), (2.0, 1.0, 1, [1.0, 0.5]));
    // A circle of 0.3: u = 0 leaves just the ligament on the left, v = 1 just the ligament at the top.
    let h = &plate("hole = { diameter = 0.3, u = 0, v = 1 }").holes[0];
    assert!((h.center[0] - 0.27).abs() < 1e-15 && (h.center[1] - 0.73).abs() < 1e-15);
    // An ellipse 0.4 x 0.2, upright: half as wide as high.
    let h = &plate("hole = { shape = \"ellipse\", diameter = 0.4, aspect = 2, angle = 90, ligament = 0.1, u = 1, v = 0 }").holes[0];
    assert_eq!(h.shape, HoleShape::Ellipse { aspect: 2.0 });
    assert!((h.center[0] - 1.8).abs() < 1e-12 && (h.center[1] - 0.3).abs() < 1e-12, "{h:?}");
    // At 45 degrees its half extents are sqrt((0.2^2 + 0.1^2) / 2).
    let h = &plate("hole = { shape = \"ellipse\", diameter = 0.4, aspect = 2, angle = 45, ligament = 0, u = 0, v = 0 }").holes[0];
    assert!((h.center[0] - 0.025f64.sqrt()).abs() < 1e-12 && (h.center[1] - 0.025f64.sqrt()).abs() < 1e-12);
    let h = &plate("hole = { shape = \"polygon\", corners = 5, rounding = 0.2, x = 0.4, y = 0.6 }").holes[0];
    assert_eq!((h.shape, h.center), (HoleShape::Polygon { corners: 5, rounding: 0.2 }, [0.4, 0.6]));
}

#[test]
fn several_holes() {
    let two = "[[mesh.holes]]\nx = 0.5\ny = 0.5\n[[mesh.holes]]\nx = 1.5\ny = 0.5\ndiameter = 0.2";
    assert_eq!(plate(two).holes.iter().map(|h| h.center[0]).collect::<Vec<_>>(), [0.5, 1.5]);
    assert_eq!(plate(&format!("hole.x = 1.0\n{two}")).holes.len(), 3);
}

#[test]
fn what_does_not_fit_is_refused_with_its_key() {
    let hole = |h: &str| complaint(&format!("generator = \"plate-hole\"\n{h}"));
    assert!(hole("hole.diameter = 0.8").contains("`mesh.hole.diameter`: a hole of 0.8000 with a ligament of 0.12"));
    assert!(hole("hole.x = 1.95").contains("c:4: `mesh.hole.x`: a hole from 1.8000 to 2.1000"));
    assert!(hole("hole.x = 1\nhole.u = 0").contains("both `x` and `u`"));
    assert!(hole("hole.u = 1.5").contains("must lie between 0 and 1"));
    assert!(hole("hole.aspect = 0.5").contains("at least 1"));
    assert!(hole("hole.corners = 2").contains("between 3 and 64"));
    assert!(hole("hole.diamter = 2").contains("did you mean `diameter`?"));
    assert!(hole("sise = 2").contains("c:4: unknown key `mesh.sise`\n  hint: did you mean `size`?"));
    assert!(hole("size = 1e-9").contains("too fine"));
    assert!(hole("order = 3").contains("must be 1 or 2"));
    assert!(complaint("generator = \"box\"\ncells = [4, 4]").contains("`mesh.cells`: has another number of entries"));
    assert!(complaint("generator = \"box\"\ncells = [99999, 99999, 99999]").contains("the product below"));
    assert!(complaint("generator = \"box\"\nkind = \"hex9\"").contains("did you mean \"hex8\"?"));
    assert!(complaint("generator = \"perforated-block\"\nradius = 0.6").contains("`mesh.radius`: a bore"));
    assert!(complaint("generator = \"channel-cylinder\"\ny = 0.4").contains("does not lie within"));
}

/// The documentation is the program's: every key listed is read, every key read is listed.
#[test]
fn keys_are_documented() {
    for generator in GENERATORS {
        let text = format!("physics = \"heat\"\n[mesh]\ngenerator = \"{}\"", generator.name);
        let case = CaseFile::parse(&text, "c").unwrap().nominal().unwrap();
        let mut asked: Vec<String> = case.asked_keys("mesh");
        asked.retain(|k| k != "file" && k != "hole");
        asked.extend(case.asked_keys("mesh.hole").into_iter().map(|k| format!("hole.{k}")));
        asked.sort();
        let mut listed: Vec<&str> = COMMON_KEYS.iter().chain(generator.keys).map(|k| k.name).collect();
        listed.sort_unstable();
        assert_eq!(asked, listed, "{}", generator.name);
        assert!(generator.keys.iter().all(|k| ["length", "deg", "1"].contains(&k.unit) && !k.meaning.is_empty()));
    }
}

/// Every generator makes its default mesh with the tags it lists, in the unit that `scale` gives.
#[test]
fn every_generator_makes_its_mesh() {
    for generator in GENERATORS {
        let mesh = |scale: &str| {
            let text = format!("physics = \"heat\"\n[mesh]\ngenerator = \"{}\"\nscale = {scale}", generator.name);
            build(&CaseFile::parse(&text, "c").unwrap().nominal().unwrap()).unwrap()
        };
        let (one, milli) = (mesh("1"), mesh("0.001"));
        assert!((milli.diameter() * 1000.0 / one.diameter() - 1.0).abs() < 1e-12);
        for name in one.tags.names() {
            assert!(generator.tags.contains(name), "{}: {name}", generator.name);
        }
        for word in generator.tags.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !NOT_TAGS.contains(w)) {
            assert!(one.tags.get(word).is_some(), "{}: {word}", generator.name);
        }
    }
}

/// Words of the lists of tags that are no tags.
const NOT_TAGS: &[&str] =
    &["", "edges", "faces", "cells", "x", "y", "z", "its", "edge", "with", "several", "holes", "hole_1", "hole_2", "too"];

/// Sampled plates keep the ligament whatever the draw.
#[test]
fn sampled_plates_keep_the_ligament() {
    let text = r#"
        physics = "heat"
        [mesh]
        generator = "plate-hole"
        size = 0.1
        hole.shape = { choice = ["circle", "ellipse", "polygon"] }
        hole.u = { min = 0, max = 1 }
        hole.v = { min = 0, max = 1 }
        hole.diameter = { min = 0.2, max = 0.5 }
        hole.aspect = { min = 1, max = 2.5 }
        hole.angle = { min = 0, max = 180 }
        hole.corners = { choice = [3, 4, 5, 6] }
    "#;
    let file = CaseFile::parse(text, "c").unwrap();
    for base in 0..12 {
        let mesh = build(&file.draw(Split::Train, base, 0).unwrap()).unwrap();
        for node in mesh.tag_nodes("hole").unwrap() {
            let p = mesh.point(node as usize);
            let free = p[0].min(2.0 - p[0]).min(p[1]).min(1.0 - p[1]);
            assert!(free > 0.12 - 1e-9, "case {base}: {p:?}");
        }
    }
}

#[test]
fn a_mesh_that_fails_names_the_key() {
    let text = "physics = \"heat\"\n[mesh]\ngenerator = \"plate-hole\"\n[[mesh.holes]]\nx = 0.5\n[[mesh.holes]]\nx = 0.6";
    let e = build(&CaseFile::parse(text, "c").unwrap().nominal().unwrap()).unwrap_err().to_string();
    assert!(e.starts_with("c:4: `mesh.holes`: holes 1 and 2: they must not overlap"), "{e}");
    let file = CaseFile::parse("physics = \"heat\"\n[mesh]\nfile = \"a.msh\"", "c").unwrap();
    assert!(build(&file.nominal().unwrap()).unwrap_err().to_string().contains("names a file, not a generator"));
}

#[test]
fn patches_are_read_with_their_arcs_and_sets() {
    let text = r#"
        physics = "heat"
        [mesh]
        generator = "patches"
        kind = "hex20"
        height = 0.6
        layers = 2
        subdivide = 2
        [[mesh.patches]]
        corners = [[2, 0], [3.25, 0], [0, 2.75], [0, 1]]
        cells = [3, 4]
        sides = ["bottom", "outer", "left", ""]
        arcs = [{ side = 1, radii = [3.25, 2.75] }, { side = 3, radii = [2, 1] }]
        grading = [1.5, 1]
        [[mesh.node_sets]]
        name = "middle"
        on = "outer"
        low = [0, 0, 0.3]
        high = [4, 4, 0.3]
    "#;
    let mesh = build(&CaseFile::parse(text, "c").unwrap().nominal().unwrap()).unwrap();
    assert_eq!((mesh.num_cells(), mesh.tag_nodes("middle").unwrap().len()), (6 * 8 * 4, 17));
    assert!(mesh.tags.get("front").is_some() && mesh.tags.get("inner").is_none());
    let bad = |lines: &str| {
        let head = "generator = \"patches\"\n[[mesh.patches]]\n";
        complaint(&format!("{head}{lines}"))
    };
    let square = "corners = [[0, 0], [1, 0], [1, 1], [0, 1]]\n";
    assert!(bad("corners = [[0, 0], [1, 0]]").contains("`mesh.patches.0.corners`: are not four points"));
    assert!(bad(&format!("{square}cells = [1, 2, 3]")).contains("not two numbers"));
    assert!(bad(&format!("{square}cells = [0, 2]")).contains("must lie between 1 and 10000"));
    assert!(bad(&format!("{square}sides = [\"a\"]")).contains("not four tags"));
    assert!(bad(&format!("{square}arcs = [{{ side = 4, radius = 1 }}]")).contains("between 0 and 3"));
    assert!(bad(&format!("{square}arcs = [{{ side = 1 }}]")).contains("radius"));
    assert!(bad(&format!("{square}gradin = [1, 2]")).contains("did you mean `grading`?"));
}
