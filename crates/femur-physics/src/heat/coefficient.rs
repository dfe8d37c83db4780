//! A coefficient that may depend on the temperature.

use crate::PhysicsError;
use femur_sim::case::{Expr, Table};

/// A number, an expression in x, y, z and T, or a table over T.
#[derive(Debug, Clone)]
pub(super) enum Coefficient {
    Constant(f64),
    Law(Expr),
    /// Pairs of temperature and value, by temperature; linear between them, constant outside.
    Table(Vec<(f64, f64)>),
}

impl Coefficient {
    /// Reads a positive coefficient.
    pub(super) fn read(table: &Table, key: &str) -> Result<Self, PhysicsError> {
        if table.is_list(key) {
            return Self::read_table(table, key);
        }
        if !table.is_text(key) {
            return Ok(Coefficient::Constant(table.positive(key)?));
        }
        let law = table.expr_with(key, "T")?;
        if law.depends_on_time() {
            return Err(table.error(key, "may not depend on t", "it may depend on x, y, z and T").into());
        }
        match law.is_constant() {
            Some(v) if v <= 0.0 => Err(table.error(key, format!("must be above 0, got {v}"), "check sign and units").into()),
            Some(v) => Ok(Coefficient::Constant(v)),
            None => Ok(Coefficient::Law(law)),
        }
    }

    fn read_table(table: &Table, key: &str) -> Result<Self, PhysicsError> {
        let mut pairs = Vec::new();
        for pair in table.number_lists(key)? {
            let [t, v] = pair[..] else {
                return Err(table.error(key, "must be a list of pairs", "write [[T1, value1], [T2, value2], ...]").into());
            };
            if v <= 0.0 {
                return Err(table.error(key, format!("must be above 0, got {v} at T = {t}"), "check sign and units").into());
            }
            if pairs.last().is_some_and(|&(before, _)| t <= before) {
                return Err(table.error(key, format!("T = {t} does not come after the one before"), "temperatures ascend").into());
            }
            pairs.push((t, v));
        }
        match pairs[..] {
            [] => Err(table.error(key, "is empty", "write [[T1, value1], [T2, value2], ...]").into()),
            [(_, v)] => Ok(Coefficient::Constant(v)),
            _ => Ok(Coefficient::Table(pairs)),
        }
    }

    /// The value, if it is the same everywhere and at all temperatures.
    pub(super) fn constant(&self) -> Option<f64> {
        if let Coefficient::Constant(v) = self { Some(*v) } else { None }
    }

    /// Value and slope over T at a point.
    pub(super) fn at(&self, x: &[f64], temperature: f64) -> (f64, f64) {
        match self {
            Coefficient::Constant(v) => (*v, 0.0),
            Coefficient::Law(law) => law.slope_with(x, 0.0, temperature),
            Coefficient::Table(pairs) => {
                let next = pairs.partition_point(|p| p.0 <= temperature);
                if next == 0 || next == pairs.len() {
                    return (pairs[next.min(pairs.len() - 1)].1, 0.0);
                }
                let ((t0, v0), (t1, v1)) = (pairs[next - 1], pairs[next]);
                let slope = (v1 - v0) / (t1 - t0);
                (v0 + slope * (temperature - t0), slope)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_sim::case::CaseFile;

    fn read(value: &str) -> Result<Coefficient, PhysicsError> {
        let case = CaseFile::parse(&format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[m]\nk = {value}\n"), "c").unwrap();
        Coefficient::read(&case.nominal().unwrap().table("m"), "k")
    }

    #[test]
    fn numbers_laws_and_tables() {
        assert_eq!(read("3").unwrap().constant(), Some(3.0));
        assert_eq!(read("\"1 + 2\"").unwrap().constant(), Some(3.0));
        assert_eq!(read("\"2 + 0.5 * T + x\"").unwrap().at(&[1.0], 4.0), (5.0, 0.5));
        let table = read("[[300, 1.0], [400, 3.0], [500, 4.0]]").unwrap();
        let close = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < 1e-12 && (a.1 - b.1).abs() < 1e-12;
        assert!(close(table.at(&[], 350.0), (2.0, 0.02)) && close(table.at(&[], 450.0), (3.5, 0.01)));
        assert!(close(table.at(&[], 100.0), (1.0, 0.0)) && close(table.at(&[], 900.0), (4.0, 0.0)));
        let e = |v: &str| read(v).unwrap_err().to_string();
        assert!(e("[[300, 1.0], [300, 2.0]]").contains("does not come after"));
        assert!(e("[[300, -1.0]]").contains("above 0") && e("\"-1\"").contains("above 0") && e("0").contains("above 0"));
        assert!(e("\"1 + t\"").contains("may not depend on t") && e("[[1, 2, 3]]").contains("pairs"));
    }
}
