//! Unstructured plates: the keys of `plate-hole` and `channel-cylinder`.

use super::{Key, order};
use crate::case::{CaseError, Table};
use femur_mesh::generate::plate::{CHANNEL, PLATE};
use femur_mesh::generate::{Hole, HoleShape, PlateSpec};

pub(super) const PLATE_KEYS: &[Key] = &[
    Key { name: "width", default: "2.0", unit: "length", meaning: "extent along x, from 0" },
    Key { name: "height", default: "1.0", unit: "length", meaning: "extent along y, from 0" },
    Key { name: "size", default: "height / 16", unit: "length", meaning: "edge length away from the holes" },
    Key { name: "refinement", default: "0.5", unit: "1", meaning: "edge length at the holes as a part of size" },
    Key {
        name: "order",
        default: "1",
        unit: "1",
        meaning: "1 for straight, 2 for quadratic triangles with midside nodes on the true curve",
    },
    Key { name: "hole.shape", default: "\"circle\"", unit: "1", meaning: "circle, ellipse or polygon" },
    Key {
        name: "hole.diameter",
        default: "0.3 height",
        unit: "length",
        meaning: "longest extent; of a polygon, the diameter of the circle through its corners",
    },
    Key { name: "hole.x", default: "from hole.u", unit: "length", meaning: "x of the centre; not together with hole.u" },
    Key { name: "hole.y", default: "from hole.v", unit: "length", meaning: "y of the centre; not together with hole.v" },
    Key { name: "hole.u", default: "0.5", unit: "1", meaning: "place along x within what leaves hole.ligament: 0 leftmost, 1 rightmost" },
    Key { name: "hole.v", default: "0.5", unit: "1", meaning: "place along y within what leaves hole.ligament: 0 lowest, 1 highest" },
    Key {
        name: "hole.ligament",
        default: "0.12",
        unit: "length",
        meaning: "least width of material between the hole and each edge of the plate, for hole.u and hole.v",
    },
    Key { name: "hole.aspect", default: "1.0", unit: "1", meaning: "of an ellipse: longest over shortest axis" },
    Key {
        name: "hole.angle",
        default: "0.0",
        unit: "deg",
        meaning: "of an ellipse's long axis or a polygon's first corner, from the x axis",
    },
    Key { name: "hole.corners", default: "4", unit: "1", meaning: "of a polygon: number of corners, from 3" },
    Key {
        name: "hole.rounding",
        default: "0.3",
        unit: "1",
        meaning: "of a polygon: corner radius as a part of the inscribed circle's, 0 to 1",
    },
    Key { name: "holes", default: "none", unit: "1", meaning: "[[mesh.holes]]: further holes, each with the keys of hole" },
];

pub(super) fn plate(table: &Table) -> Result<PlateSpec, CaseError> {
    let width = table.positive_or("width", 2.0)?;
    let height = table.positive_or("height", 1.0)?;
    let size = edge_length(table, height / 16.0, width.max(height))?;
    let (refinement, order) = (refinement(table)?, order(table, 1)?);
    let further = table.tables("holes")?;
    let mut holes = Vec::with_capacity(further.len() + 1);
    // [[mesh.holes]] alone means those holes and no others.
    if table.has("hole") || further.is_empty() {
        holes.push(hole(&table.table("hole")?, width, height)?);
    }
    for further in &further {
        holes.push(hole(further, width, height)?);
    }
    Ok(PlateSpec { width, height, size, refinement, order, holes, names: PLATE })
}

fn hole(table: &Table, width: f64, height: f64) -> Result<Hole, CaseError> {
    let shape = table.choice_or("shape", &["circle", "ellipse", "polygon"], 0)?;
    let diameter = table.positive_or("diameter", 0.3 * height)?;
    // All keys are read whatever the shape: where the shape is sampled, the others' keys are there too.
    let aspect = table.f64_or("aspect", 1.0)?;
    if aspect < 1.0 {
        return Err(table.error(
            "aspect",
            format!("must be at least 1, got {aspect}"),
            "it is the longest over the shortest axis; turn the ellipse by angle",
        ));
    }
    let angle = table.f64_or("angle", 0.0)?;
    let corners = table.usize_or("corners", 4)?;
    if !(3..=64).contains(&corners) {
        return Err(table.error("corners", format!("must lie between 3 and 64, got {corners}"), "3 is a triangle"));
    }
    let rounding = table.f64_or("rounding", 0.3)?;
    if !(0.0..=1.0).contains(&rounding) {
        return Err(table.error("rounding", format!("must lie between 0 and 1, got {rounding}"), "0 is sharp, 1 the inscribed circle"));
    }
    let shape = [HoleShape::Circle, HoleShape::Ellipse { aspect }, HoleShape::Polygon { corners, rounding }][shape];
    let half = half_extents(shape, diameter, angle);
    let ligament = table.f64_or("ligament", 0.12)?;
    if ligament < 0.0 {
        return Err(table.error(
            "ligament",
            format!("must not be negative, got {ligament}"),
            "it is the least width of material around the hole",
        ));
    }
    let center = [place(table, ["x", "u"], half[0], width, ligament)?, place(table, ["y", "v"], half[1], height, ligament)?];
    Ok(Hole { shape, center, diameter, angle })
}

/// Half of a hole's extent along x and y; of a polygon, the radius of the circle through its corners.
fn half_extents(shape: HoleShape, diameter: f64, angle: f64) -> [f64; 2] {
    let a = diameter / 2.0;
    match shape {
        HoleShape::Ellipse { aspect } => {
            let (b, (sin, cos)) = (a / aspect, angle.to_radians().sin_cos());
            [(a * cos).hypot(b * sin), (a * sin).hypot(b * cos)]
        }
        HoleShape::Circle | HoleShape::Polygon { .. } => [a, a],
    }
}

/// The centre along one axis: absolute, or relative to what leaves the ligament free on both sides.
fn place(table: &Table, [absolute, relative]: [&str; 2], half: f64, extent: f64, ligament: f64) -> Result<f64, CaseError> {
    match (table.opt_f64(absolute)?, table.opt_f64(relative)?) {
        (Some(_), Some(_)) => Err(table.error(
            absolute,
            format!("both `{absolute}` and `{relative}` are given"),
            format!("keep `{absolute}` (absolute) or `{relative}` (0 to 1)"),
        )),
        (Some(x), None) => {
            if x - half <= 0.0 || x + half >= extent {
                let what = format!("a hole from {:.4} to {:.4} does not lie within 0 .. {extent}", x - half, x + half);
                return Err(table.error(absolute, what, format!("move it, make it smaller, or place it by `{relative}`")));
            }
            Ok(x)
        }
        (None, part) => {
            let part = match part {
                Some(u) if (0.0..=1.0).contains(&u) => u,
                Some(u) => {
                    return Err(table.error(relative, format!("must lie between 0 and 1, got {u}"), "0 and 1 leave just the ligament"));
                }
                None => table.f64_or(relative, 0.5)?,
            };
            let free = extent - 2.0 * (half + ligament);
            if free < 0.0 {
                let what = format!("a hole of {:.4} with a ligament of {ligament} on both sides does not fit into {extent}", 2.0 * half);
                return Err(table.error("diameter", what, "lower hole.diameter or hole.ligament"));
            }
            Ok(half + ligament + part * free)
        }
    }
}

/// `size`, with a bound on the number of cells that it asks for.
pub(super) fn edge_length(table: &Table, default: f64, extent: f64) -> Result<f64, CaseError> {
    let size = table.positive_or("size", default)?;
    if extent / size > 5_000.0 {
        return Err(table.error("size", format!("{size} is too fine for a body of {extent}"), "check the units, or use a larger size"));
    }
    if size > extent {
        return Err(table.error("size", format!("{size} is longer than the body, {extent}"), "check the units, or use a smaller size"));
    }
    Ok(size)
}

pub(super) const CHANNEL_KEYS: &[Key] = &[
    Key { name: "length", default: "2.2", unit: "length", meaning: "extent along x, from 0 (inflow)" },
    Key { name: "height", default: "0.41", unit: "length", meaning: "extent along y, from 0" },
    Key { name: "x", default: "0.2", unit: "length", meaning: "x of the cylinder's centre" },
    Key { name: "y", default: "0.2", unit: "length", meaning: "y of the cylinder's centre" },
    Key { name: "diameter", default: "0.1", unit: "length", meaning: "diameter of the cylinder" },
    Key { name: "size", default: "height / 16", unit: "length", meaning: "edge length away from the cylinder" },
    Key { name: "refinement", default: "0.5", unit: "1", meaning: "edge length at the cylinder as a part of size" },
    Key { name: "order", default: "1", unit: "1", meaning: "1 for straight, 2 for quadratic triangles" },
];

pub(super) fn channel(table: &Table) -> Result<PlateSpec, CaseError> {
    let length = table.positive_or("length", 2.2)?;
    let height = table.positive_or("height", 0.41)?;
    let center = [table.f64_or("x", 0.2)?, table.f64_or("y", 0.2)?];
    let diameter = table.positive_or("diameter", 0.1)?;
    for (key, at, extent) in [("x", center[0], length), ("y", center[1], height)] {
        if at - diameter / 2.0 <= 0.0 || at + diameter / 2.0 >= extent {
            return Err(table.error(key, format!("the cylinder does not lie within 0 .. {extent}"), "move it or make it smaller"));
        }
    }
    Ok(PlateSpec {
        width: length,
        height,
        size: edge_length(table, height / 16.0, length.max(height))?,
        refinement: refinement(table)?,
        order: order(table, 1)?,
        holes: vec![Hole { shape: HoleShape::Circle, center, diameter, angle: 0.0 }],
        names: CHANNEL,
    })
}

fn refinement(table: &Table) -> Result<f64, CaseError> {
    let refinement = table.f64_or("refinement", 0.5)?;
    if (0.01..=1.0).contains(&refinement) {
        Ok(refinement)
    } else {
        Err(table.error("refinement", format!("must lie between 0.01 and 1, got {refinement}"), "0.5 halves the edges at the hole"))
    }
}
