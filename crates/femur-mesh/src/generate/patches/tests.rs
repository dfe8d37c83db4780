use super::*;
use crate::FacetId;
use crate::topology::boundary_facets;
use CellKind::*;

fn names(list: [&str; 4]) -> [Option<String>; 4] {
    list.map(|n| (!n.is_empty()).then(|| n.to_string()))
}

/// A quarter of a ring between an ellipse 2 x 1 and one 3 x 2.5, in two patches.
fn ring(kind: CellKind, cells: [usize; 2]) -> PatchesSpec {
    let at = |a: f64, b: f64, part: f64| [a * (part * std::f64::consts::FRAC_PI_2).cos(), b * (part * std::f64::consts::FRAC_PI_2).sin()];
    let arc = |a: f64, b: f64| Some(Arc { center: [0.0, 0.0], radii: [a, b] });
    let patch = |from: f64, to: f64, name: &str, sides: [&str; 4]| Patch {
        corners: [at(2.0, 1.0, from), at(3.0, 2.5, from), at(3.0, 2.5, to), at(2.0, 1.0, to)],
        cells,
        grading: [2.0, 1.0],
        arcs: [None, arc(3.0, 2.5), None, arc(2.0, 1.0)],
        sides: names(sides),
        name: Some(name.into()),
    };
    PatchesSpec {
        patches: vec![patch(0.0, 0.5, "low", ["bottom", "outer", "", "inner"]), patch(0.5, 1.0, "high", ["", "outer", "left", "inner"])],
        kind,
        extrusion: (kind.dim() == 3).then_some((0.6, 2)),
        node_sets: Vec::new(),
    }
}

/// Area from the boundary's nodes by Green's theorem, with straight pieces between all of them.
fn area(mesh: &Mesh) -> f64 {
    let piece = |a: &[f64], b: &[f64]| 0.5 * (a[0] * b[1] - a[1] * b[0]);
    let edge = |f: FacetId| {
        let (kind, nodes) = mesh.facet_nodes(f);
        let p = |n: usize| mesh.point(nodes[n] as usize);
        if kind.order() == 2 { piece(p(0), p(2)) + piece(p(2), p(1)) } else { piece(p(0), p(1)) }
    };
    boundary_facets(mesh).into_iter().map(edge).sum()
}

#[test]
fn rings_of_every_kind() {
    for kind in [Triangle3, Triangle6, Quad4, Quad8, Quad9, Tet4, Tet10, Wedge6, Wedge15, Hex8, Hex20, Hex27] {
        let mesh = patches(&ring(kind, [4, 6])).unwrap();
        assert!(quality::report(&mesh).kinds[0].min_mean_ratio > 0.1, "{kind}");
        for (tag, [a, b]) in [("outer", [3.0, 2.5]), ("inner", [2.0, 1.0])] {
            for n in mesh.tag_nodes(tag).unwrap() {
                let p = mesh.point(n as usize);
                assert!(((p[0] / a).hypot(p[1] / b) - 1.0).abs() < 1e-12, "{kind} {tag}: {p:?}");
            }
        }
        assert!(mesh.tag_nodes("bottom").unwrap().iter().all(|&n| mesh.point(n as usize)[1].abs() < 1e-12));
        assert!(mesh.tag_nodes("left").unwrap().iter().all(|&n| mesh.point(n as usize)[0].abs() < 1e-12));
        let solid: &[&str] = if mesh.dim == 3 { &["back", "front"] } else { &[] };
        let tags = ["bottom", "outer", "left", "inner"].iter().chain(solid);
        let mut tagged: Vec<_> = tags.flat_map(|t| mesh.tag_facets(t).unwrap()).copied().collect();
        tagged.sort_unstable();
        assert_eq!(tagged, boundary_facets(&mesh), "{kind}");
        let halves = ["low", "high"].map(|t| mesh.tag_cells(t).unwrap().len());
        assert_eq!((halves[0], 2 * halves[0]), (halves[1], mesh.tag_cells("body").unwrap().len()), "{kind}");
        if mesh.dim == 2 {
            let exact = 0.25 * std::f64::consts::PI * (3.0 * 2.5 - 2.0);
            assert!((area(&mesh) - exact).abs() < if kind.order() == 2 { 2e-3 } else { 8e-3 } * exact, "{kind}: {} {exact}", area(&mesh));
        }
    }
}

#[test]
fn nodes_are_shared_and_graded() {
    let mesh = patches(&ring(Quad4, [4, 6])).unwrap();
    assert_eq!(mesh.num_nodes(), 5 * 13);
    let mut bottom: Vec<f64> = mesh.tag_nodes("bottom").unwrap().iter().map(|&n| mesh.point(n as usize)[0]).collect();
    bottom.sort_by(f64::total_cmp);
    let steps: Vec<f64> = bottom.windows(2).map(|w| w[1] - w[0]).collect();
    // Between the middles of the first and the last cell lies three quarters of the way.
    assert!((steps[3] / steps[0] - 2f64.powf(0.75)).abs() < 1e-12, "{steps:?}");
}

#[test]
fn node_sets_are_boxes() {
    let mut spec = ring(Hex20, [2, 2]);
    let set = |on: Option<&str>, z: f64| NodeSet {
        name: "line".into(),
        on: on.map(String::from),
        low: vec![-9.0, -9.0, z],
        high: vec![9.0, 9.0, z],
    };
    spec.node_sets = vec![set(Some("outer"), 0.3)];
    let mesh = patches(&spec).unwrap();
    // Four quadratic edges around, at mid-height.
    assert_eq!(mesh.tag_nodes("line").unwrap().len(), 9);
    spec.node_sets = vec![set(None, 0.7)];
    assert!(patches(&spec).unwrap_err().to_string().contains("holds no node"));
    spec.node_sets = vec![NodeSet { low: vec![0.0], ..set(None, 0.3) }];
    assert!(patches(&spec).is_err());
}

#[test]
fn senseless_patches_are_refused() {
    let good = ring(Quad8, [2, 2]);
    let complaint = |change: &dyn Fn(&mut PatchesSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        patches(&spec).unwrap_err().to_string()
    };
    assert!(complaint(&|s| s.kind = Hex8).contains("dimension"));
    assert!(complaint(&|s| s.patches[0].cells = [0, 2]).contains("at least 1"));
    assert!(complaint(&|s| s.patches[0].cells = [3, 2]).contains("other nodes"));
    assert!(complaint(&|s| s.patches[0].grading = [1.0, f64::NAN]).contains("grading"));
    assert!(complaint(&|s| s.patches[0].corners[0] = [1.9, 0.0]).contains("does not lie on the arc"));
    assert!(complaint(&|s| s.patches[0].sides[2] = Some("middle".into())).contains("within the body"));
    let square = |corners: [[f64; 2]; 4]| PatchesSpec {
        patches: vec![Patch { corners, cells: [2, 2], grading: [1.0; 2], arcs: [None; 4], sides: names(["", "", "", ""]), name: None }],
        ..good.clone()
    };
    assert!(patches(&square([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])).is_ok());
    assert!(patches(&square([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])).unwrap_err().to_string().contains("turned over"));
}
