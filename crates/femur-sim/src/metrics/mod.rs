//! How far predictions are from truths: [`METRICS`] with their definitions, and [`evaluate`].

mod compare;
mod list;
#[cfg(test)]
mod tests;

pub use list::{HORIZONS, METRICS, Metric};

use crate::{Trajectory, derived};
use compare::{Comparison, Sums};
use femur_mesh::{Field, Location, TagEntities};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Metrics by field name.
pub type FieldTable = BTreeMap<String, FieldMetrics>;

/// One family's object in evaluation.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FamilyEvaluation {
    /// Metrics of the predictions, by field.
    pub test: FieldTable,
    /// The same of predictions that need no learning, by baseline and field.
    pub baselines: BTreeMap<String, FieldTable>,
    /// What each metric means.
    pub definitions: BTreeMap<String, String>,
}

/// Where the largest error is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorPlace {
    /// Number of the pair given to [`evaluate`].
    pub case: usize,
    /// Output step.
    pub step: usize,
    /// Time of the step.
    pub time: f64,
    /// Node.
    pub node: usize,
    /// Its coordinates `[dim]`.
    pub point: Vec<f64>,
}

/// Relative error of the peak over the cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PeakError {
    /// Median over the cases.
    pub median: Option<f64>,
    /// 90th percentile over the cases.
    pub p90: Option<f64>,
}

/// Metrics over the first steps of a rollout; names as in [`FieldMetrics`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // defined in METRICS
pub struct HorizonMetrics {
    pub r2: Option<f64>,
    pub r2_pooled: Option<f64>,
    pub relative_l2: Option<f64>,
    pub rmse_pooled: Option<f64>,
    pub rmse_step_mean: Option<f64>,
    pub max_error: Option<f64>,
}

/// Metrics of one field over all cases. `None` (null) where a metric has no value: the truth does not vary (R2) or is zero
/// (relative errors), or a prediction is not a finite number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // defined in METRICS
pub struct FieldMetrics {
    pub r2: Option<f64>,
    pub r2_pooled: Option<f64>,
    pub r2_min: Option<f64>,
    pub r2_unmasked: Option<f64>,
    pub r2_pooled_unmasked: Option<f64>,
    pub r2_min_unmasked: Option<f64>,
    pub relative_l2: Option<f64>,
    pub relative_l2_max: Option<f64>,
    pub rmse_pooled: Option<f64>,
    pub rmse_step_mean: Option<f64>,
    pub max_error: Option<f64>,
    pub max_error_at: Option<ErrorPlace>,
    pub peak_error_median: Option<f64>,
    pub peak_error_p90: Option<f64>,
    /// By boundary tag that every case has.
    pub peak_error_on: BTreeMap<String, PeakError>,
    /// Over the first 1, the first 50 and all predicted steps.
    pub horizons: BTreeMap<String, HorizonMetrics>,
    /// Unit of the field.
    pub unit: String,
    /// Number of cases compared.
    pub cases: usize,
}

/// Names of `horizons` and their numbers of steps.
pub const HORIZON_STEPS: [(&str, usize); 3] = [("1", 1), ("50", 50), ("all", usize::MAX)];

/// Compares pairs of (truth, prediction), each on the truth's mesh. Every node field that all truths and all predictions have is
/// compared; beside them `von_mises` where there is stress, and `temperature_rise` where a transient problem has a temperature.
/// `baselines` is left empty for the caller to fill with the `test` of other evaluations.
pub fn evaluate(pairs: &[(&Trajectory, &Trajectory)]) -> FamilyEvaluation {
    let masks: Vec<Masks> = pairs.iter().map(|(truth, _)| Masks::of(truth)).collect();
    let test = field_names(pairs)
        .into_iter()
        .filter_map(|name| {
            let fields: Option<Vec<_>> = pairs.iter().map(|(t, p)| Some((series(t, t, &name)?, series(p, t, &name)?))).collect();
            let metrics = field_metrics(pairs, &masks, &fields?);
            Some((name, metrics))
        })
        .collect();
    FamilyEvaluation { test, baselines: BTreeMap::new(), definitions: definitions() }
}

/// Definition of every metric by name.
pub fn definitions() -> BTreeMap<String, String> {
    METRICS.iter().map(|m| (m.name.to_string(), m.definition.to_string())).chain([("horizons".to_string(), HORIZONS.to_string())]).collect()
}

/// Which nodes of a case count.
struct Masks {
    all: Vec<bool>,
    regular: Vec<bool>,
    /// Nodes of each boundary tag outside the discs.
    tags: BTreeMap<String, Vec<bool>>,
}

impl Masks {
    fn of(truth: &Trajectory) -> Masks {
        let mesh = &truth.setup.mesh;
        let regular = truth.setup.regular_nodes();
        let mut tags = BTreeMap::new();
        for tag in mesh.tags.iter().filter(|t| matches!(t.entities, TagEntities::Facets(_))) {
            let mut on = vec![false; mesh.num_nodes()];
            for node in mesh.tag_nodes(&tag.name).unwrap_or_default() {
                on[node as usize] = regular[node as usize];
            }
            tags.insert(tag.name.clone(), on);
        }
        Masks { all: vec![true; mesh.num_nodes()], regular, tags }
    }
}

fn field_names(pairs: &[(&Trajectory, &Trajectory)]) -> Vec<String> {
    let Some(last) = pairs.first().and_then(|(t, _)| t.states.last()) else { return Vec::new() };
    let mut names: Vec<String> = last.fields.iter().filter(|f| f.location == Location::Node).map(|f| f.name.clone()).collect();
    if last.field("stress").is_some_and(|f| f.location == Location::Node) {
        names.push("von_mises".into());
    }
    if last.field("temperature").is_some() && pairs.iter().all(|(t, _)| t.setup.initial.is_some()) {
        names.push("temperature_rise".into());
    }
    names.sort();
    names.dedup();
    names
}

/// A field at the predicted steps (all but a given initial state); computed where it follows from another one.
fn series<'a>(of: &'a Trajectory, truth: &Trajectory, name: &str) -> Option<Vec<Cow<'a, Field>>> {
    let skip = usize::from(!truth.setup.is_steady());
    let initial = truth.setup.initial.as_ref().and_then(|s| s.field("temperature"));
    let steps = of.states.get(skip..)?;
    if steps.is_empty() {
        return None;
    }
    steps
        .iter()
        .map(|state| match (state.field(name), name) {
            (Some(field), _) => Some(Cow::Borrowed(field)),
            (None, "von_mises") => state.field("stress").map(|s| Cow::Owned(derived::von_mises(s))),
            (None, "temperature_rise") => derived::rise(state.field("temperature")?, initial?).map(Cow::Owned),
            _ => None,
        })
        .collect()
}

type Series<'a> = Vec<Cow<'a, Field>>;

fn field_metrics(pairs: &[(&Trajectory, &Trajectory)], masks: &[Masks], fields: &[(Series<'_>, Series<'_>)]) -> FieldMetrics {
    let mut metrics = FieldMetrics { cases: pairs.len(), unit: fields[0].0[0].unit.clone(), ..FieldMetrics::default() };
    let comparisons: Vec<Comparison> = fields
        .iter()
        .map(|(t, p)| Comparison {
            components: t[0].num_components().max(1),
            truth: t.iter().map(|f| f.values.as_slice()).collect(),
            prediction: p.iter().map(|f| f.values.as_slice()).collect(),
        })
        .collect();
    // A prediction of another shape (a rollout that broke off) has no error that could be stated.
    if !comparisons.iter().zip(masks).all(|(c, m)| c.fits(m.all.len())) {
        metrics.horizons = HORIZON_STEPS.iter().map(|(name, _)| (name.to_string(), HorizonMetrics::default())).collect();
        return metrics;
    }
    let sums = |mask: fn(&Masks) -> &Vec<bool>, steps: usize| -> Vec<Sums> {
        comparisons.iter().zip(masks).map(|(c, m)| c.sums(mask(m), steps)).collect()
    };
    let regular = sums(|m| &m.regular, usize::MAX);
    let whole = horizon(&regular);
    (metrics.r2, metrics.r2_pooled, metrics.relative_l2) = (whole.r2, whole.r2_pooled, whole.relative_l2);
    (metrics.rmse_pooled, metrics.rmse_step_mean, metrics.max_error) = (whole.rmse_pooled, whole.rmse_step_mean, whole.max_error);
    metrics.r2_min = extreme(regular.iter().filter_map(Sums::r2), f64::lt);
    metrics.relative_l2_max = extreme(regular.iter().filter_map(Sums::relative_l2), f64::gt);
    metrics.max_error_at = worst_place(pairs, &regular);
    let all = sums(|m| &m.all, usize::MAX);
    metrics.r2_unmasked = mean(all.iter().filter_map(Sums::r2));
    metrics.r2_min_unmasked = extreme(all.iter().filter_map(Sums::r2), f64::lt);
    metrics.r2_pooled_unmasked = Sums::pool(&all).and_then(|s| s.r2()).and_then(finite);
    let peak = peak_error(comparisons.iter().zip(masks).filter_map(|(c, m)| c.peaks(&m.regular)));
    (metrics.peak_error_median, metrics.peak_error_p90) = (peak.median, peak.p90);
    for tag in masks[0].tags.keys().filter(|tag| masks.iter().all(|m| m.tags.contains_key(*tag))) {
        let peaks = comparisons.iter().zip(masks).filter_map(|(c, m)| c.peaks(&m.tags[tag]));
        metrics.peak_error_on.insert(tag.clone(), peak_error(peaks));
    }
    for (name, steps) in HORIZON_STEPS {
        metrics.horizons.insert(name.into(), if steps == usize::MAX { whole.clone() } else { horizon(&sums(|m| &m.regular, steps)) });
    }
    metrics
}

fn horizon(cases: &[Sums]) -> HorizonMetrics {
    let Some(pooled) = Sums::pool(cases) else { return HorizonMetrics::default() };
    HorizonMetrics {
        r2: mean(cases.iter().filter_map(Sums::r2)),
        r2_pooled: pooled.r2().and_then(finite),
        relative_l2: mean(cases.iter().filter_map(Sums::relative_l2)),
        rmse_pooled: finite((pooled.error / (pooled.count * pooled.mean.len()) as f64).sqrt()),
        rmse_step_mean: mean(pooled.step_rmse.iter().copied()),
        max_error: extreme(cases.iter().map(|s| s.worst.0), f64::gt),
    }
}

fn worst_place(pairs: &[(&Trajectory, &Trajectory)], cases: &[Sums]) -> Option<ErrorPlace> {
    let mut found: Option<(f64, ErrorPlace)> = None;
    for (case, ((truth, _), sums)) in pairs.iter().zip(cases).enumerate() {
        let (size, predicted, node) = sums.worst;
        if sums.count > 0 && found.as_ref().is_none_or(|(most, _)| size > *most) {
            let step = predicted + usize::from(!truth.setup.is_steady());
            let place = ErrorPlace {
                case,
                step,
                time: truth.setup.times.get(step).copied().unwrap_or(0.0),
                node,
                point: truth.setup.mesh.point(node).to_vec(),
            };
            found = Some((size, place));
        }
    }
    found.map(|(_, place)| place)
}

fn peak_error(peaks: impl Iterator<Item = (f64, f64)>) -> PeakError {
    let mut errors: Vec<f64> = peaks.filter(|(t, _)| *t > 0.0).map(|(t, p)| (p - t).abs() / t).collect();
    // A NaN sorts last: it only spoils the percentiles that reach it.
    errors.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
    PeakError { median: percentile(&errors, 0.5), p90: percentile(&errors, 0.9) }
}

/// Percentile of sorted values, linear between neighbours.
fn percentile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    finite(low + (high - low) * place.fract())
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    finite(sum / count as f64)
}

/// The first value that `beats` all others; `None` if there is none or one is not finite.
fn extreme(values: impl Iterator<Item = f64>, beats: fn(&f64, &f64) -> bool) -> Option<f64> {
    let mut best: Option<f64> = None;
    for v in values {
        finite(v)?;
        if best.is_none_or(|b| beats(&v, &b)) {
            best = Some(v);
        }
    }
    best
}
