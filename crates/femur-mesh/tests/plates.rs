//! Some hundred random plates: shape quality, area, nodes on the true curves, tags.

use femur_mesh::generate::plate::PLATE;
use femur_mesh::generate::{Hole, HoleShape, PlateSpec, plate_with_holes, plate_with_size};
use femur_mesh::{Mesh, MeshError, quality, topology};
use std::f64::consts::PI;

struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, lo: f64, hi: f64) -> f64 {
        lo + (hi - lo) * self.next()
    }

    /// A hole of 0.2 to 0.5 m that leaves a ligament of 0.12 m in a plate of 2 x 1 m.
    fn hole(&mut self, k: usize) -> Hole {
        let shape = match k % 3 {
            0 => HoleShape::Circle,
            1 => HoleShape::Ellipse { aspect: self.between(1.0, 2.5) },
            _ => HoleShape::Polygon { corners: 3 + (4.0 * self.next()) as usize, rounding: self.between(0.1, 0.5) },
        };
        let diameter = self.between(0.2, 0.5);
        let edge = 0.12 + diameter / 2.0;
        Hole { shape, center: [self.between(edge, 2.0 - edge), self.between(edge, 1.0 - edge)], diameter, angle: self.between(0.0, 180.0) }
    }
}

fn spec(holes: Vec<Hole>, size: f64, order: usize) -> PlateSpec {
    PlateSpec { width: 2.0, height: 1.0, size, refinement: 0.5, holes, order, names: PLATE }
}

/// Area of the cells; the sides of quadratic triangles are parabolas, whose segment is two thirds of chord times rise.
fn area(mesh: &Mesh) -> f64 {
    let cross = |u: [f64; 2], v: [f64; 2]| u[0] * v[1] - u[1] * v[0];
    mesh.cells()
        .map(|(_, kind, nodes)| {
            let p = |k: usize| [mesh.point(nodes[k] as usize)[0], mesh.point(nodes[k] as usize)[1]];
            let minus = |a: [f64; 2], b: [f64; 2]| [a[0] - b[0], a[1] - b[1]];
            let mut area = 0.5 * cross(minus(p(1), p(0)), minus(p(2), p(0)));
            for e in 0..if kind.order() == 2 { 3 } else { 0 } {
                let (a, b, m) = (p(e), p((e + 1) % 3), p(e + 3));
                area -= 2.0 / 3.0 * cross(minus(b, a), minus(m, [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])]));
            }
            assert!(area > 0.0);
            area
        })
        .sum()
}

/// Distance of a point from the curve of a hole, by implicit formulas; of a rounded polygon, as an offset of the polygon within.
fn off_curve(hole: &Hole, p: &[f64]) -> f64 {
    let (sin, cos) = hole.angle.to_radians().sin_cos();
    let (dx, dy) = (p[0] - hole.center[0], p[1] - hole.center[1]);
    let (x, y, r) = (cos * dx + sin * dy, cos * dy - sin * dx, hole.diameter / 2.0);
    match hole.shape {
        HoleShape::Circle => (x.hypot(y) - r).abs(),
        HoleShape::Ellipse { aspect } => r * (x.hypot(aspect * y) / r - 1.0).abs(),
        HoleShape::Polygon { corners, rounding } => {
            let rounded = rounding * r * (PI / corners as f64).cos();
            let within = r - rounded / (PI / corners as f64).cos();
            let corner = |k: usize| (2.0 * PI * k as f64 / corners as f64).sin_cos();
            let distance = (0..corners)
                .map(|k| {
                    let ((sa, ca), (sb, cb)) = (corner(k), corner(k + 1));
                    let (a, u) = ([within * ca, within * sa], [within * (cb - ca), within * (sb - sa)]);
                    let s = (((x - a[0]) * u[0] + (y - a[1]) * u[1]) / (u[0] * u[0] + u[1] * u[1])).clamp(0.0, 1.0);
                    (x - a[0] - s * u[0]).hypot(y - a[1] - s * u[1])
                })
                .fold(f64::INFINITY, f64::min);
            (distance - rounded).abs()
        }
    }
}

#[test]
fn random_plates() {
    let mut random = Random(7);
    for k in 0..120 {
        let hole = random.hole(k);
        let mesh = plate_with_holes(&spec(vec![hole], 0.0625, 2)).unwrap();
        let quality = quality::report(&mesh);
        assert!(quality.min_angle > 30.0 && quality.inverted == 0, "{hole:?}: {quality:?}");
        let vertices = mesh.vertices_only().0;
        assert!((600..=950).contains(&vertices.num_nodes()), "{hole:?}: {} vertices", vertices.num_nodes());
        for n in mesh.tag_nodes("hole").unwrap() {
            let off = off_curve(&hole, mesh.point(n as usize));
            assert!(off < 1e-12, "{hole:?}: node {n} lies {off:e} off the curve");
        }
        let exact = 2.0 - hole.area();
        let (straight, curved) = ((area(&vertices) - exact).abs(), (area(&mesh) - exact).abs());
        assert!(straight < 2e-2 * hole.area() && curved < 2e-4 * hole.area(), "{hole:?}: {straight:e} {curved:e}");
        // The tags are the boundary, each facet once.
        let mut tagged: Vec<_> =
            ["left", "right", "bottom", "top", "hole"].iter().flat_map(|t| mesh.tag_facets(t).unwrap()).copied().collect();
        tagged.sort_unstable();
        assert_eq!(tagged, topology::boundary_facets(&mesh));
        let length = |t: &str| -> f64 {
            let d = |n: &[u32]| {
                let (a, b) = (mesh.point(n[0] as usize), mesh.point(n[1] as usize));
                (a[0] - b[0]).hypot(a[1] - b[1])
            };
            mesh.tag_facets(t).unwrap().iter().map(|&f| d(&mesh.facet_nodes(f).1)).sum()
        };
        assert!((length("left") - 1.0).abs() < 1e-12 && (length("top") - 2.0).abs() < 1e-12);
        assert_eq!(mesh.tag_cells("plate").unwrap().len(), mesh.num_cells());
    }
}

/// Anything that is not refused is meshed well: many shapes at once, tiny gaps, coarse and fine.
#[test]
fn wild_plates() {
    let mut random = Random(99);
    let mut meshed = 0;
    for _ in 0..70 {
        let holes: Vec<Hole> = (0..1 + (4.0 * random.next()) as usize)
            .map(|_| {
                let shape = match (3.0 * random.next()) as usize {
                    0 => HoleShape::Circle,
                    1 => HoleShape::Ellipse { aspect: 1.0 + 9.0 * random.next() * random.next() },
                    // Every fifth is sharp; those next to 1 have hardly any straight side left.
                    _ => {
                        HoleShape::Polygon { corners: 3 + (5.0 * random.next()) as usize, rounding: (1.25 * random.next() - 0.25).max(0.0) }
                    }
                };
                let diameter = 0.02 + 0.5 * random.next() * random.next();
                Hole { shape, center: [2.0 * random.next(), random.next()], diameter, angle: 360.0 * random.next() }
            })
            .collect();
        let spec = PlateSpec { refinement: random.between(0.2, 1.0), ..spec(holes, 0.04 + 0.26 * random.next() * random.next(), 2) };
        match plate_with_holes(&spec) {
            Ok(mesh) => {
                let quality = quality::report(&mesh);
                assert!(quality.min_angle > 20.0 && quality.inverted == 0, "{spec:?}: {quality:?}");
                meshed += 1;
            }
            Err(MeshError::Parameter { .. }) => {}
            Err(other) => panic!("{spec:?}: {other}"),
        }
    }
    assert!(meshed > 30, "{meshed}");
}

#[test]
fn areas_converge_at_the_order_of_the_boundary() {
    let mut random = Random(3);
    for k in 0..3 {
        let hole = random.hole(k);
        let error = |size: f64, order: usize| (area(&plate_with_holes(&spec(vec![hole], size, order)).unwrap()) - 2.0 + hole.area()).abs();
        let slope = |order: usize| (error(0.04, order) / error(0.02, order)).log2();
        assert!((slope(1) - 2.0).abs() < 0.5 && slope(2) > 3.0, "{hole:?}: {} {}", slope(1), slope(2));
    }
}

#[test]
fn several_holes_narrow_gaps_and_small_or_sharp_holes() {
    let circle = |x: f64, y: f64, diameter: f64| Hole { shape: HoleShape::Circle, center: [x, y], diameter, angle: 0.0 };
    let sharp = |corners: usize| Hole { shape: HoleShape::Polygon { corners, rounding: 0.0 }, ..circle(1.5, 0.5, 0.5) };
    let flat = Hole { shape: HoleShape::Ellipse { aspect: 20.0 }, angle: 30.0, ..circle(1.0, 0.5, 0.6) };
    let cases = [
        vec![],
        vec![circle(0.5, 0.5, 0.3), circle(0.81, 0.5, 0.3), circle(0.66, 0.8, 0.3)],
        vec![circle(0.4, 0.21, 0.4), sharp(4)],
        vec![circle(1.0, 0.5, 0.05)],
        vec![circle(1.0, 0.5, 0.004)],
        vec![sharp(3)],
        vec![flat],
        (0..32).map(|k| circle(0.15 + 0.24 * f64::from(k % 8), 0.14 + 0.24 * f64::from(k / 8), 0.15)).collect(),
    ];
    for holes in cases {
        let spec = spec(holes, 0.0625, 2);
        let mesh = plate_with_holes(&spec).unwrap();
        let quality = quality::report(&mesh);
        assert!(quality.min_angle > 25.0 && quality.inverted == 0, "{:?}: {quality:?}", spec.holes);
        let exact = 2.0 - spec.holes.iter().map(Hole::area).sum::<f64>();
        assert!((area(&mesh) - exact).abs() < 1e-3 * (2.0 - exact).max(1e-9), "{:?}", spec.holes);
        if spec.holes.len() > 1 {
            let parts: usize = (1..=spec.holes.len()).map(|k| mesh.tag_facets(&format!("hole_{k}")).unwrap().len()).sum();
            assert_eq!(parts, mesh.tag_facets("hole").unwrap().len());
        }
        assert_eq!(mesh.tags.get("hole").is_some(), !spec.holes.is_empty());
        assert_eq!(mesh, plate_with_holes(&spec).unwrap());
    }
}

#[test]
fn the_size_function_is_followed() {
    let plate = spec(vec![], 0.1, 1);
    let coarse = plate_with_holes(&plate).unwrap();
    let fine = plate_with_size(&plate, &|p| 0.02 + 0.2 * (p[0] - 2.0).abs()).unwrap();
    assert!(quality::report(&fine).min_angle > 25.0);
    let longest = |mesh: &Mesh, t: &str| mesh.tag_facets(t).unwrap().len();
    assert_eq!(longest(&fine, "left"), longest(&coarse, "left"));
    assert_eq!(longest(&fine, "right"), 50);
}

#[test]
fn what_cannot_be_meshed_is_refused() {
    let hole = |x: f64, diameter: f64| Hole { shape: HoleShape::Circle, center: [x, 0.5], diameter, angle: 0.0 };
    let ellipse = |angle: f64| Hole { shape: HoleShape::Ellipse { aspect: 4.0 }, angle, ..hole(1.0, 0.6) };
    let refused = |spec: &PlateSpec| match plate_with_holes(spec) {
        Err(MeshError::Parameter { parameter, .. }) => parameter,
        other => panic!("{:?}", other.map(|m| m.num_nodes())),
    };
    let holes = |list: Vec<Hole>| refused(&spec(list, 0.1, 1));
    assert_eq!(holes(vec![hole(0.5, 0.3), hole(0.7, 0.3)]), "holes");
    assert_eq!(holes(vec![hole(0.5, 0.3), hole(0.8, 0.3)]), "holes");
    // One within the other, and two that cross like a plus sign.
    assert_eq!(holes(vec![hole(0.5, 0.1), hole(0.5, 0.4)]), "holes");
    assert_eq!(holes(vec![ellipse(0.0), ellipse(90.0)]), "holes");
    assert_eq!(holes(vec![hole(0.1, 0.3)]), "hole");
    assert_eq!(holes(vec![hole(0.15, 0.3)]), "hole");
    assert_eq!(holes(vec![hole(5.0, 0.3)]), "hole");
    assert_eq!(holes(vec![hole(1.0, f64::NAN)]), "hole.diameter");
    assert_eq!(holes(vec![Hole { shape: HoleShape::Polygon { corners: 2, rounding: 0.1 }, ..hole(1.0, 0.3) }]), "hole.corners");
    assert_eq!(refused(&spec(vec![], -1.0, 1)), "size");
    assert_eq!(refused(&spec(vec![], 1e-6, 1)), "size");
    assert_eq!(refused(&spec(vec![], 0.1, 3)), "order");
    assert_eq!(refused(&PlateSpec { refinement: 0.0, ..spec(vec![], 0.1, 1) }), "refinement");
}
