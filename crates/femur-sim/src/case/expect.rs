//! `[expect]`: a case as its own test.

use super::{Case, CaseError};
use crate::{State, derived};
use femur_mesh::Field;
use std::borrow::Cow;

/// What is measured over a field's entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Min,
    Max,
    Mean,
}

const MEASURES: [&str; 3] = ["min", "max", "mean"];

/// One line of `[expect]`: `"von_mises.max" = { value = 3.75e6, tolerance = 0.01 }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// As written: `FIELD.MEASURE` or `FIELD.COMPONENT.MEASURE`; measures are min, max, mean; without a component the values of a
    /// scalar, the Euclidean norm of a vector.
    pub quantity: String,
    /// Value expected.
    pub value: f64,
    /// Tolerance relative to `value` (absolute where `value` is 0).
    pub tolerance: f64,
    field: String,
    component: Option<String>,
    measure: Measure,
}

/// An expectation held against a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The expectation.
    pub expectation: Expectation,
    /// What came out; `None` where the result has no such field or component.
    pub got: Option<f64>,
}

impl Checked {
    /// Whether the value lies within the tolerance.
    pub fn holds(&self) -> bool {
        let Expectation { value, tolerance, .. } = self.expectation;
        let scale = if value == 0.0 { 1.0 } else { value.abs() };
        self.got.is_some_and(|got| (got - value).abs() <= tolerance * scale)
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Expectation { quantity, value, tolerance, .. } = &self.expectation;
        let verdict = if self.holds() { "ok" } else { "FAILED" };
        match self.got {
            Some(got) => write!(f, "{quantity} = {got:.6e}, expected {value:.6e}, tolerance {tolerance:.1e}: {verdict}"),
            None => {
                write!(
                    f,
                    "{quantity}: no such field or component in the result, expected {value:.6e}, tolerance {tolerance:.1e}: {verdict}"
                )
            }
        }
    }
}

impl Case {
    /// The lines of `[expect]`, in the order of the file.
    pub fn expectations(&self) -> Result<Vec<Expectation>, CaseError> {
        let table = self.table("expect");
        let mut out = Vec::new();
        for quantity in table.keys() {
            let line = table.table(&quantity)?;
            let mut parts: Vec<&str> = quantity.split('.').collect();
            let word = parts.pop().unwrap_or_default();
            let hint = "write \"FIELD.max\" or \"FIELD.COMPONENT.max\"; measures are min, max, mean";
            let Some(measure) = MEASURES.iter().position(|m| *m == word).map(|i| [Measure::Min, Measure::Max, Measure::Mean][i]) else {
                return Err(line.error("", format!("`{word}` is no measure"), hint));
            };
            let (field, component) = match parts[..] {
                [field] => (field.to_string(), None),
                [field, component] => (field.to_string(), Some(component.to_string())),
                _ => return Err(line.error("", "is no quantity", hint)),
            };
            let value = line.f64("value")?;
            let tolerance = line.positive_or("tolerance", 1e-6)?;
            line.finish()?;
            out.push(Expectation { quantity, value, tolerance, field, component, measure });
        }
        table.finish()?;
        Ok(out)
    }
}

impl Expectation {
    /// Holds the expectation against a state (the last of a run).
    pub fn check(&self, state: &State) -> Checked {
        let field: Option<Cow<'_, Field>> = match state.field(&self.field) {
            Some(field) => Some(Cow::Borrowed(field)),
            None if self.field == "von_mises" => state.field("stress").map(|s| Cow::Owned(derived::von_mises(s))),
            None => None,
        };
        Checked { expectation: self.clone(), got: field.and_then(|f| self.measure_of(&f)) }
    }

    fn measure_of(&self, field: &Field) -> Option<f64> {
        let column = match &self.component {
            Some(name) => Some(field.components.iter().position(|c| c == name)?),
            None if field.num_components() == 1 => Some(0),
            None => None,
        };
        let value = |tuple: &[f64]| column.map_or_else(|| tuple.iter().map(|v| v * v).sum::<f64>().sqrt(), |c| tuple[c]);
        let values = field.values.chunks_exact(field.num_components().max(1)).map(value);
        let count = field.len();
        if count == 0 {
            return None;
        }
        Some(match self.measure {
            Measure::Min => values.fold(f64::INFINITY, f64::min),
            Measure::Max => values.fold(f64::NEG_INFINITY, f64::max),
            Measure::Mean => values.sum::<f64>() / count as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseFile;
    use femur_mesh::Location;

    fn case(lines: &str) -> Case {
        CaseFile::parse(&format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[expect]\n{lines}"), "c").unwrap().nominal().unwrap()
    }

    #[test]
    fn values_are_held_against_the_result() {
        let case = case(
            "\"u.max\" = { value = 5, tolerance = 0.01 }\n\"u.y.min\" = { value = -4.0 }\n\"u.mean\" = { value = 4 }\n\"v.max\" = { value = 1 }",
        );
        let state = State { time: 0.0, fields: vec![Field::vector("u", "m", Location::Node, 2, vec![3.0, -4.0, 0.0, 1.0])] };
        let checked: Vec<Checked> = case.expectations().unwrap().iter().map(|e| e.check(&state)).collect();
        assert_eq!(checked.iter().map(|c| c.got).collect::<Vec<_>>(), [Some(5.0), Some(-4.0), Some(3.0), None]);
        assert_eq!(checked.iter().map(Checked::holds).collect::<Vec<_>>(), [true, true, false, false]);
    }

    #[test]
    fn mistakes_are_named() {
        let e = |lines: &str| {
            let text = format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[expect]\n{lines}");
            CaseFile::parse(&text, "c").unwrap().nominal().unwrap_err().to_string()
        };
        assert!(e("\"u.most\" = { value = 1 }").contains("c:5: `expect.\"u.most\"`: `most` is no measure"));
        assert!(e("\"u.max\" = { value = 1, tol = 1 }").contains("did you mean `tolerance`?"));
        assert!(e("\"u.max\" = 3").contains("expected a table"));
    }
}
