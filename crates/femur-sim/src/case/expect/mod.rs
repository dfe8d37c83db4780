//! `[expect]`: a case as its own test, and as a published problem.

mod measure;
#[cfg(test)]
mod tests;

use super::{Case, CaseError, Table};
use crate::Trajectory;
pub use measure::Measure;

/// Where a field is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Where {
    /// Over every node or cell.
    Everywhere,
    /// Over the nodes or cells of a tag.
    On(String),
    /// At a point `[dim]` of the undeformed mesh, interpolated; less the value at a second point, where there is one.
    At(Vec<f64>, Option<Vec<f64>>),
}

/// When: what of the run is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// At the last output time.
    Last,
    /// At this time, linear between the output times around it.
    Time(f64),
    /// Over the times from the first to the second.
    Window(f64, f64),
}

/// One line of `[expect]`: `"von_mises.max" = { value = 3.75e6, tolerance = 0.01 }`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Key of the line: the quantity itself, or any name where the line has a `quantity`.
    pub label: String,
    /// `FIELD[.COMPONENT][.MEASURE]` or `SERIES.MEASURE`. Without a component the values of a scalar, the Euclidean norm of a vector.
    pub quantity: String,
    /// Value that ours is held against: `reference` where there is one, else the published one.
    pub value: f64,
    /// Tolerance relative to `value` (absolute where `value` is 0).
    pub tolerance: f64,
    /// Published value; of a published span the middle.
    pub published: Option<f64>,
    /// Converged value, where the published one is not converged.
    pub reference: Option<f64>,
    /// Published span that ours has to lie in, as well as within the tolerance where the line has one.
    pub band: Option<[f64; 2]>,
    /// Where the published value stands.
    pub source: Option<String>,
    /// Remark for people.
    pub note: Option<String>,
    /// Where a field is measured.
    pub place: Where,
    /// When it is measured.
    pub when: When,
    /// A second quantity, over all or of the same time, and a power: ours is divided by its size to that power.
    pub per: Option<(Box<Expectation>, f64)>,
    /// Factor on the measured value: a unit, or the length over velocity that makes a frequency a Strouhal number.
    pub factor: f64,
    /// Field or series.
    name: String,
    component: Option<String>,
    measure: Option<Measure>,
}

/// An expectation held against a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The expectation.
    pub expectation: Expectation,
    /// What came out, or why there is no such value.
    pub got: Result<f64, String>,
}

impl Checked {
    /// `(got - value) / value`; the plain difference where `value` is 0; NaN where there is no value.
    pub fn relative_difference(&self) -> f64 {
        let value = self.expectation.value;
        let scale = if value == 0.0 { 1.0 } else { value };
        self.got.as_ref().map_or(f64::NAN, |got| (got - value) / scale)
    }

    /// Whether the value lies within tolerance and band.
    pub fn holds(&self) -> bool {
        let Ok(got) = self.got else { return false };
        let within = self.relative_difference().abs() <= self.expectation.tolerance;
        within && self.expectation.band.is_none_or(|[low, high]| (low..=high).contains(&got))
    }
}

impl std::fmt::Display for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Expectation { label, value, tolerance, band, .. } = &self.expectation;
        let verdict = if self.holds() { "ok" } else { "FAILED" };
        match &self.got {
            Ok(got) => write!(f, "{label} = {got:.6e}, ")?,
            Err(reason) => write!(f, "{label}: {reason}, ")?,
        }
        write!(f, "expected {value:.6e}, tolerance {tolerance:.1e}")?;
        if let Some([low, high]) = band {
            write!(f, ", within {low:.6e} .. {high:.6e}")?;
        }
        write!(f, ": {verdict}")
    }
}

impl Case {
    /// The lines of `[expect]`, in the order of the file.
    ///
    /// # Errors
    /// A line that names no quantity, place, time or value as it should.
    pub fn expectations(&self) -> Result<Vec<Expectation>, CaseError> {
        let table = self.table("expect");
        let lines = table.keys().into_iter().map(|label| Expectation::read(&table.table(&label)?, label)).collect::<Result<_, _>>()?;
        table.finish()?;
        Ok(lines)
    }
}

impl Expectation {
    fn read(line: &Table, label: String) -> Result<Self, CaseError> {
        let quantity = line.opt_string("quantity")?.unwrap_or_else(|| label.clone());
        let place = read_place(line)?;
        let (name, component, measure) = parse(line, &quantity, matches!(place, Where::At(..)))?;
        let (value, published, reference, band) = read_values(line)?;
        // Of a span alone nothing more is asked.
        let tolerance = match (line.opt_positive("tolerance")?, band) {
            (Some(tolerance), _) => tolerance,
            (None, Some([low, high])) if reference.is_none() => {
                (high - low) / 2.0 / if value == 0.0 { 1.0 } else { value.abs() } * (1.0 + 1e-12)
            }
            (None, _) => line.positive_or("tolerance", 1e-6)?,
        };
        let per = match line.opt_string("per")? {
            Some(other) => {
                let (name, component, measure) = parse(line, &other, false)?;
                Some((name, component, measure, line.f64_or("power", 1.0)?))
            }
            None => None,
        };
        let mut expectation = Expectation {
            per: None,
            value,
            tolerance,
            published,
            reference,
            band,
            source: line.opt_string("source")?,
            note: line.opt_string("note")?,
            when: read_when(line, measure)?,
            factor: line.f64_or("factor", 1.0)?,
            label,
            quantity,
            place,
            name,
            component,
            measure,
        };
        line.finish()?;
        if let Some((name, component, measure, power)) = per {
            let other = Expectation { name, component, measure, place: Where::Everywhere, ..expectation.clone() };
            expectation.per = Some((Box::new(other), power));
        }
        Ok(expectation)
    }

    /// Holds the expectation against a run.
    pub fn check(&self, trajectory: &Trajectory) -> Checked {
        let got = self.measure(trajectory).and_then(|v| match &self.per {
            Some((other, power)) => Ok(v / other.measure(trajectory)?.abs().powf(*power)),
            None => Ok(v),
        });
        let got = got.map(|v| self.factor * v);
        let got = got.and_then(|v| if v.is_finite() { Ok(v) } else { Err(format!("is not finite: {v}")) });
        Checked { expectation: self.clone(), got }
    }
}

fn read_place(line: &Table) -> Result<Where, CaseError> {
    let point = |key: &str| -> Result<Vec<f64>, CaseError> {
        let point = line.numbers(key)?;
        if (1..=3).contains(&point.len()) {
            return Ok(point);
        }
        Err(line.error(key, format!("has {} coordinates", point.len()), "write [x, y] or [x, y, z]"))
    };
    match (line.has("at"), line.opt_string("on")?) {
        (true, Some(_)) => Err(line.error("on", "both `at` and `on` are given", "keep one of them")),
        (true, None) => Ok(Where::At(point("at")?, line.has("minus_at").then(|| point("minus_at")).transpose()?)),
        (false, _) if line.has("minus_at") => Err(line.error("minus_at", "stands without `at`", "give both points")),
        (false, Some(tag)) => Ok(Where::On(tag)),
        (false, None) => Ok(Where::Everywhere),
    }
}

fn read_when(line: &Table, measure: Option<Measure>) -> Result<When, CaseError> {
    let window = (line.opt_f64("from")?, line.opt_f64("until")?);
    match (line.opt_f64("time")?, window) {
        (Some(_), (Some(_), _) | (_, Some(_))) => {
            Err(line.error("time", "both `time` and `from` or `until` are given", "keep one of them"))
        }
        (Some(time), _) => Ok(When::Time(time)),
        (None, (None, None)) if measure.is_none_or(|m| m == Measure::Last) => Ok(When::Last),
        (None, (from, to)) => {
            let (from, to) = (from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY));
            if from >= to {
                return Err(line.error("until", format!("must lie after from = {from}"), "times are in the case's unit of time"));
            }
            Ok(When::Window(from, to))
        }
    }
}

/// Splits a quantity into field or series, component and measure.
fn parse(line: &Table, quantity: &str, at_point: bool) -> Result<(String, Option<String>, Option<Measure>), CaseError> {
    let mut parts: Vec<&str> = quantity.split('.').collect();
    let hint = "write \"FIELD.max\", \"FIELD.COMPONENT.max\", \"SERIES.max\", or \"FIELD.COMPONENT\" with at = [x, y]; measures are ";
    let hint = format!("{hint}{}, or the number of an entry of a series", Measure::names().join(", "));
    let word = parts.last().copied().unwrap_or_default();
    let measure = if parts.len() > 1 { Measure::named(word) } else { None };
    if measure.is_some() {
        parts.pop();
    } else if !at_point {
        return Err(line.error("", format!("`{word}` is no measure"), hint));
    }
    match parts[..] {
        [name] if !name.is_empty() => Ok((name.into(), None, measure)),
        [name, component] if !name.is_empty() => Ok((name.into(), Some(component.into()), measure)),
        _ => Err(line.error("", "is no quantity", hint)),
    }
}

type Values = (f64, Option<f64>, Option<f64>, Option<[f64; 2]>);

/// The value to be held against, the published one, the converged one, and the published span.
fn read_values(line: &Table) -> Result<Values, CaseError> {
    let reference = line.opt_f64("reference")?;
    if line.has("published") {
        if line.has("value") {
            return Err(line.error("value", "both `value` and `published` are given", "keep one of them"));
        }
        let given = line.numbers("published")?;
        return match given[..] {
            [value] => Ok((reference.unwrap_or(value), Some(value), reference, None)),
            [low, high] if low < high => {
                let middle = 0.5 * (low + high);
                Ok((reference.unwrap_or(middle), Some(middle), reference, Some([low, high])))
            }
            _ => Err(line.error("published", format!("{given:?} is neither a value nor a span"), "write 92.7, or [3.22, 3.24]")),
        };
    }
    match reference {
        Some(value) if !line.has("value") => Ok((value, None, reference, None)),
        Some(_) => Err(line.error("reference", "both `value` and `reference` are given", "write `published` and `reference`")),
        None => Ok((line.f64("value")?, None, None, None)),
    }
}
