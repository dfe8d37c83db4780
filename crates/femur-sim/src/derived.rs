//! Fields that follow from other fields at the same node.

use femur_mesh::Field;

/// Von Mises stress of a symmetric stress tensor, `[n, 1]` in the tensor's unit:
/// `sqrt(((xx - yy)^2 + (yy - zz)^2 + (zz - xx)^2) / 2 + 3 (xy^2 + yz^2 + xz^2))`.
///
/// Components are found by name; one that the field lacks is 0 (xz and yz in 2D; zz too where plane stress left it out).
pub fn von_mises(stress: &Field) -> Field {
    let column = |name: &str| stress.components.iter().position(|c| c == name);
    let columns = ["xx", "yy", "zz", "xy", "yz", "xz"].map(column);
    let values = stress
        .values
        .chunks_exact(stress.num_components().max(1))
        .map(|s| {
            let [xx, yy, zz, xy, yz, xz] = columns.map(|c| c.map_or(0.0, |i| s[i]));
            let normal = ((xx - yy).powi(2) + (yy - zz).powi(2) + (zz - xx).powi(2)) / 2.0;
            (normal + 3.0 * (xy * xy + yz * yz + xz * xz)).sqrt()
        })
        .collect();
    Field::scalar("von_mises", &stress.unit, stress.location, values)
}

/// What a field has gained over its initial value, named `NAME_rise`; `None` where the shapes differ.
pub fn rise(field: &Field, initial: &Field) -> Option<Field> {
    if field.values.len() != initial.values.len() || field.components != initial.components {
        return None;
    }
    let values = field.values.iter().zip(&initial.values).map(|(a, b)| a - b).collect();
    Some(Field { name: format!("{}_rise", field.name), values, ..field.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_mesh::Location;

    #[test]
    fn von_mises_by_hand() {
        // Uniaxial: the stress itself. Pure shear: sqrt(3) times it. Hydrostatic: none.
        let values = vec![5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 7.0, 7.0, 7.0, 0.0];
        let f = von_mises(&Field::symmetric_tensor("stress", "Pa", Location::Node, 2, values));
        assert_eq!((f.name.as_str(), f.unit.as_str()), ("von_mises", "Pa"));
        let expected = [5.0, 2.0 * 3f64.sqrt(), 0.0];
        assert!(f.values.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14), "{:?}", f.values);
        let f = von_mises(&Field::symmetric_tensor("stress", "Pa", Location::Node, 3, vec![0.0, 0.0, 0.0, 0.0, 1.0, 2.0]));
        assert!((f.values[0] - 15f64.sqrt()).abs() < 1e-14);
    }

    #[test]
    fn rise_is_the_difference() {
        let f = |v: Vec<f64>| Field::scalar("temperature", "K", Location::Node, v);
        let r = rise(&f(vec![300.0, 310.0]), &f(vec![290.0, 290.0])).unwrap();
        assert_eq!((r.name.as_str(), r.values), ("temperature_rise", vec![10.0, 20.0]));
        assert!(rise(&f(vec![1.0]), &f(vec![1.0, 2.0])).is_none());
    }
}
