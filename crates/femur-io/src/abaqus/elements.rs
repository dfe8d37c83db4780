//! Abaqus' element types and the numbering of their faces.

use femur_mesh::CellKind;

/// The kind of an element type such as `C3D8R` or `CPS4`. Abaqus' node order is VTK's for all of them but three-node beams.
///
/// Letters behind the number of nodes (R, I, H, M, T, ...) choose the formulation; the geometry is the same.
pub(super) fn kind_of(name: &str) -> Option<CellKind> {
    let name = name.to_ascii_uppercase();
    let rest = |prefixes: &[&str]| prefixes.iter().find_map(|p| name.strip_prefix(p)).map(leading_number);
    // solids; continuum shells (SC6R, SC8R) are solids too
    if let Some(nodes) = rest(&["DC3D", "C3D", "F3D", "AC3D", "SC"]) {
        return match nodes? {
            4 => Some(CellKind::Tet4),
            5 => Some(CellKind::Pyramid5),
            6 => Some(CellKind::Wedge6),
            8 => Some(CellKind::Hex8),
            10 => Some(CellKind::Tet10),
            15 => Some(CellKind::Wedge15),
            20 => Some(CellKind::Hex20),
            _ => None,
        };
    }
    // plane stress and strain, plane heat transfer, membranes and shells: all are plane figures in space
    if let Some(nodes) = rest(&["CPS", "CPEG", "CPE", "DC2D", "AC2D", "M3D", "SFM3D", "R3D", "STRI", "DS", "S"]) {
        return match nodes? {
            3 => Some(CellKind::Triangle3),
            4 => Some(CellKind::Quad4),
            6 | 65 => Some(CellKind::Triangle6),
            8 => Some(CellKind::Quad8),
            9 => Some(CellKind::Quad9),
            _ => None,
        };
    }
    if let Some(nodes) = rest(&["T2D", "T3D", "DC1D"]) {
        return match nodes? {
            2 => Some(CellKind::Line2),
            3 => Some(CellKind::Line3),
            _ => None,
        };
    }
    match name.trim_end_matches(['H', 'R', 'S']) {
        "B21" | "B31" | "B23" | "B33" => Some(CellKind::Line2),
        "B22" | "B32" => Some(CellKind::Line3),
        "MASS" | "MAS" => Some(CellKind::Point),
        _ => None,
    }
}

/// Whether the type's middle node stands between its ends.
pub(super) fn middle_node_second(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with('B')
}

fn leading_number(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

/// The vertices of face `S<face>` (from 1), as local nodes from 0. `None` if the kind has no such face.
///
/// Abaqus Analysis User's Guide, "Solid (continuum) elements", node ordering and face numbering.
pub(super) fn face(kind: CellKind, face: usize) -> Option<&'static [usize]> {
    let faces: &[&[usize]] = match kind.linear() {
        CellKind::Tet4 => &[&[0, 1, 2], &[0, 3, 1], &[1, 3, 2], &[2, 3, 0]],
        CellKind::Hex8 => &[&[0, 1, 2, 3], &[4, 7, 6, 5], &[0, 4, 5, 1], &[1, 5, 6, 2], &[2, 6, 7, 3], &[3, 7, 4, 0]],
        CellKind::Wedge6 => &[&[0, 1, 2], &[3, 5, 4], &[0, 3, 4, 1], &[1, 4, 5, 2], &[2, 5, 3, 0]],
        CellKind::Pyramid5 => &[&[0, 1, 2, 3], &[0, 4, 1], &[1, 4, 2], &[2, 4, 3], &[3, 4, 0]],
        CellKind::Triangle3 => &[&[0, 1], &[1, 2], &[2, 0]],
        CellKind::Quad4 => &[&[0, 1], &[1, 2], &[2, 3], &[3, 0]],
        CellKind::Line2 => &[&[0], &[1]],
        _ => &[],
    };
    faces.get(face.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faces_are_the_facets_of_the_kind() {
        for kind in CellKind::ALL.into_iter().filter(|k| k.dim() > 1) {
            let n = kind.facets().len();
            for k in 1..=n {
                let mut mine = face(kind, k).expect("a face").to_vec();
                mine.sort_unstable();
                let same = kind.facets().iter().filter(|f| {
                    let mut theirs = f.nodes[..f.kind.num_vertices()].to_vec();
                    theirs.sort_unstable();
                    theirs == mine
                });
                assert_eq!(same.count(), 1, "{kind} S{k}");
            }
            assert!(face(kind, n + 1).is_none());
        }
    }

    #[test]
    fn type_names_give_their_geometry() {
        for (name, kind) in [
            ("C3D4", Some(CellKind::Tet4)),
            ("c3d10m", Some(CellKind::Tet10)),
            ("C3D8I", Some(CellKind::Hex8)),
            ("C3D20RH", Some(CellKind::Hex20)),
            ("C3D15", Some(CellKind::Wedge15)),
            ("DC3D8", Some(CellKind::Hex8)),
            ("CPS4R", Some(CellKind::Quad4)),
            ("CPE6M", Some(CellKind::Triangle6)),
            ("CPS8", Some(CellKind::Quad8)),
            ("S4R", Some(CellKind::Quad4)),
            ("STRI65", Some(CellKind::Triangle6)),
            ("SC8R", Some(CellKind::Hex8)),
            ("B31", Some(CellKind::Line2)),
            ("CAX4", None),
            ("C3D27", None),
            ("SPRINGA", None),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }
}
