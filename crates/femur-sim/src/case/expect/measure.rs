//! What a line of `[expect]` measures: a field over nodes, at a point, over time; a series over time.

use super::{Expectation, When, Where};
use crate::{State, Trajectory, derived};
use femur_mesh::{Field, Location, Mesh, TagEntities, interpolate::Locator};
use std::borrow::Cow;

/// How many values become one: those of nodes or cells, or those over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Mean: over nodes or cells each counts the same, over time by the trapezoidal rule.
    Mean,
    /// Sum over nodes or cells.
    Sum,
    /// Half of largest and smallest over time.
    Midrange,
    /// Half of largest less smallest over time.
    Amplitude,
    /// Largest less smallest over time.
    PeakToPeak,
    /// Of a periodic course: one over the mean time between upward crossings of its midrange.
    Frequency,
    /// Last over time.
    Last,
    /// The entry of this number, from 1, in a series.
    Entry(usize),
}

use Measure::{Amplitude, Entry, Frequency, Last, Max, Mean, Midrange, Min, PeakToPeak, Sum};

const WORDS: [(&str, Measure); 9] = [
    ("min", Min),
    ("max", Max),
    ("mean", Mean),
    ("sum", Sum),
    ("midrange", Midrange),
    ("amplitude", Amplitude),
    ("peak_to_peak", PeakToPeak),
    ("frequency", Frequency),
    ("last", Last),
];

impl Measure {
    /// The measure of that name; a whole number from 1 is an entry.
    pub(super) fn named(word: &str) -> Option<Self> {
        let entry = || word.parse().ok().filter(|n| *n > 0).map(Entry);
        WORDS.iter().find(|(w, _)| *w == word).map(|(_, m)| *m).or_else(entry)
    }

    pub(super) fn names() -> Vec<&'static str> {
        WORDS.iter().map(|(w, _)| *w).collect()
    }

    fn name(self) -> String {
        match self {
            Entry(n) => n.to_string(),
            other => WORDS.iter().find(|(_, m)| *m == other).map(|(w, _)| (*w).to_string()).unwrap_or_default(),
        }
    }
}

impl Expectation {
    /// The measured value, without the factor.
    pub(super) fn measure(&self, run: &Trajectory) -> Result<f64, String> {
        // A component of a force over time is a series of its own, `punch_force.y`.
        let whole = self.component.as_ref().map_or_else(|| self.name.clone(), |c| format!("{}.{c}", self.name));
        if let Some(series) = run.log.series.iter().find(|s| s.name == whole || s.name == self.name) {
            if series.name != whole || self.place != Where::Everywhere {
                return Err("is a number of the whole body: it has no components and no places".into());
            }
            return self.over_time(&series.times, &series.values);
        }
        match (&self.place, self.when) {
            (Where::At(point, minus), _) => {
                let values = self.course_at(run, point, minus.as_deref())?;
                let times: Vec<f64> = run.states.iter().map(|s| s.time).collect();
                self.over_time(&times, &values)
            }
            (_, When::Last | When::Window(f64::NEG_INFINITY, f64::INFINITY)) => match run.states.last() {
                Some(state) => self.over_entities(run, state),
                None => Err("the run has no state".into()),
            },
            (_, When::Time(time)) => {
                let times: Vec<f64> = run.states.iter().map(|s| s.time).collect();
                let (k, s) = bracket(&times, time)?;
                let here = self.over_entities(run, &run.states[k])?;
                Ok(if s == 0.0 { here } else { (1.0 - s) * here + s * self.over_entities(run, &run.states[k + 1])? })
            }
            (_, When::Window(..)) => Err("`from` and `until` are for a series, or a field at a point".into()),
        }
    }

    fn field<'s>(&self, run: &Trajectory, state: &'s State) -> Result<(Cow<'s, Field>, Option<usize>), String> {
        let field = match state.field(&self.name) {
            Some(field) => Cow::Borrowed(field),
            None => match state.field("stress").filter(|_| self.name == "von_mises") {
                Some(stress) => Cow::Owned(derived::von_mises(stress)),
                None => {
                    let fields = state.fields.iter().map(|f| f.name.as_str());
                    let known: Vec<&str> = fields.chain(run.log.series.iter().map(|s| s.name.as_str())).collect();
                    return Err(format!("no such field or series in the result, which has {}", known.join(", ")));
                }
            },
        };
        let column = match &self.component {
            Some(name) => match field.components.iter().position(|c| c == name) {
                Some(column) => Some(column),
                None => return Err(format!("`{}` has no such component, it has {}", field.name, field.components.join(", "))),
            },
            None if field.num_components() == 1 => Some(0),
            None => None,
        };
        Ok((field, column))
    }

    /// Over nodes or cells at one time.
    fn over_entities(&self, run: &Trajectory, state: &State) -> Result<f64, String> {
        let (field, column) = self.field(run, state)?;
        let value = |i: usize| scalar(field.at(i), column);
        let members: Vec<usize> = match &self.place {
            Where::On(tag) => members(&run.setup.mesh, tag, field.location)?,
            _ => (0..field.len()).collect(),
        };
        if members.is_empty() {
            return Err("there is nothing to measure".into());
        }
        let values = members.iter().map(|&i| value(i));
        match self.measure {
            Some(Min) => Ok(values.fold(f64::INFINITY, f64::min)),
            Some(Max) => Ok(values.fold(f64::NEG_INFINITY, f64::max)),
            Some(Mean) => Ok(values.sum::<f64>() / members.len() as f64),
            Some(Sum) => Ok(values.sum()),
            Some(other) => Err(format!("`{}` is a measure over time: give the point, at = [x, y]", other.name())),
            None => Err("has no measure".into()),
        }
    }

    /// The value at a point at every output time.
    fn course_at(&self, run: &Trajectory, point: &[f64], minus: Option<&[f64]>) -> Result<Vec<f64>, String> {
        let mesh = &run.setup.mesh;
        let locator = Locator::new(mesh);
        let at = |point: &[f64]| -> Result<Vec<f64>, String> {
            if point.len() != mesh.dim {
                return Err(format!("{point:?} is no point of a mesh of dimension {}", mesh.dim));
            }
            let place = locator.nearest(point).ok_or("the mesh has no cells")?;
            // A point on a curve lies beside the chords of a mesh.
            if place.distance > 1e-3 * mesh.diameter() {
                return Err(format!("{point:?} lies {:.3e} outside the mesh", place.distance));
            }
            run.states
                .iter()
                .map(|state| {
                    let (field, column) = self.field(run, state)?;
                    let mut tuple = vec![0.0; field.num_components()];
                    let weights = if field.location == Location::Cell { &[(place.cell, 1.0)][..] } else { &place.weights };
                    for &(i, w) in weights {
                        tuple.iter_mut().zip(field.at(i as usize)).for_each(|(t, v)| *t += w * v);
                    }
                    Ok(scalar(&tuple, column))
                })
                .collect()
        };
        let mut course = at(point)?;
        if let Some(minus) = minus {
            course.iter_mut().zip(at(minus)?).for_each(|(a, b)| *a -= b);
        }
        Ok(course)
    }

    fn over_time(&self, times: &[f64], values: &[f64]) -> Result<f64, String> {
        let last = values.last().copied().ok_or("has no values")?;
        match (self.measure, self.when) {
            (Some(Entry(n)), _) => values.get(n - 1).copied().ok_or_else(|| format!("has no entry {n}, it has {}", values.len())),
            (_, When::Time(time)) => {
                let (k, s) = bracket(times, time)?;
                Ok(if s == 0.0 { values[k] } else { (1.0 - s) * values[k] + s * values[k + 1] })
            }
            (None | Some(Last), _) => Ok(last),
            (Some(measure), When::Last) => window(times, values, measure),
            (Some(measure), When::Window(from, to)) => {
                let slack = 1e-9 * times.last().map_or(0.0, |t| t.abs());
                let inside = |t: f64| t >= from - slack && t <= to + slack;
                let (t, v): (Vec<f64>, Vec<f64>) = times.iter().zip(values).filter(|(t, _)| inside(**t)).unzip();
                window(&t, &v, measure)
            }
        }
    }
}

/// A measure of a course over time.
fn window(times: &[f64], values: &[f64], measure: Measure) -> Result<f64, String> {
    if values.is_empty() {
        return Err("has no value between `from` and `until`".into());
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match measure {
        Min => Ok(low),
        Max => Ok(high),
        Midrange => Ok(0.5 * (low + high)),
        Amplitude => Ok(0.5 * (high - low)),
        PeakToPeak => Ok(high - low),
        Mean => {
            let length = times[times.len() - 1] - times[0];
            let area: f64 = times.windows(2).zip(values.windows(2)).map(|(t, v)| 0.5 * (t[1] - t[0]) * (v[0] + v[1])).sum();
            Ok(if length > 0.0 { area / length } else { values[0] })
        }
        Frequency => frequency(times, values, 0.5 * (low + high)),
        other => Err(format!("`{}` is no measure over time", other.name())),
    }
}

/// Periods between the first and the last upward crossing of `level`, over the time between them.
fn frequency(times: &[f64], values: &[f64], level: f64) -> Result<f64, String> {
    let pairs = times.windows(2).zip(values.windows(2)).filter(|(_, v)| v[0] < level && v[1] >= level);
    let crossings: Vec<f64> = pairs.map(|(t, v)| t[0] + (t[1] - t[0]) * (level - v[0]) / (v[1] - v[0])).collect();
    match (crossings.first(), crossings.last()) {
        (Some(first), Some(last)) if last > first => Ok((crossings.len() - 1) as f64 / (last - first)),
        _ => Err("has no full period".into()),
    }
}

/// The place of a time among others: number of the one before it, and how far it is on to the next (0 to 1).
fn bracket(times: &[f64], time: f64) -> Result<(usize, f64), String> {
    let (Some(&first), Some(&last)) = (times.first(), times.last()) else { return Err("the run has no state".into()) };
    let slack = 1e-9 * first.abs().max(last.abs());
    if time < first - slack || time > last + slack {
        return Err(format!("time {time} lies outside the run, {first} .. {last}"));
    }
    if let Some(k) = times.iter().position(|t| (t - time).abs() <= slack) {
        return Ok((k, 0.0));
    }
    let k = times.partition_point(|t| *t < time).saturating_sub(1);
    Ok((k, (time - times[k]) / (times[k + 1] - times[k])))
}

/// A component of a tuple, or its Euclidean norm.
fn scalar(tuple: &[f64], column: Option<usize>) -> f64 {
    column.map_or_else(|| tuple.iter().map(|v| v * v).sum::<f64>().sqrt(), |c| tuple[c])
}

/// Nodes or cells of a tag.
fn members(mesh: &Mesh, tag: &str, location: Location) -> Result<Vec<usize>, String> {
    let entities = &mesh.tags.require(tag).map_err(|e| e.to_string())?.entities;
    let ids = match (location, entities) {
        (Location::Node, _) => mesh.tag_nodes(tag).map_err(|e| e.to_string())?,
        (Location::Cell, TagEntities::Cells(cells)) => cells.clone(),
        (Location::Cell, other) => return Err(format!("`{tag}` is a tag of {}s, the field is one of cells", other.kind_name())),
    };
    Ok(ids.into_iter().map(|i| i as usize).collect())
}
