//! `stats.json`: mean, spread and range of every field component and of its step-to-step differences, over the training split.

use crate::manifest::Entry;
use crate::{DatasetError, TrajectoryId, read_trajectory};
use femur_sim::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One component; accumulated in f64 by Welford's method, trajectory by trajectory (Chan, Golub and LeVeque 1979).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ComponentStats {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (of the population).
    pub std: f64,
    /// Least value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

#[derive(Default, Clone, Copy)]
struct Running {
    count: u64,
    mean: f64,
    m2: f64,
    min: f64,
    max: f64,
}

impl Running {
    fn add(&mut self, v: f64) {
        if self.count == 0 {
            (self.min, self.max) = (v, v);
        }
        self.count += 1;
        let d = v - self.mean;
        self.mean += d / self.count as f64;
        self.m2 += d * (v - self.mean);
        self.min = self.min.min(v);
        self.max = self.max.max(v);
    }

    fn join(&mut self, other: &Running) {
        if self.count == 0 || other.count == 0 {
            *self = if self.count == 0 { *other } else { *self };
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let d = other.mean - self.mean;
        self.count += other.count;
        self.mean += d * b / (a + b);
        self.m2 += other.m2 + d * d * a * b / (a + b);
        (self.min, self.max) = (self.min.min(other.min), self.max.max(other.max));
    }

    fn stats(&self) -> ComponentStats {
        let std = (self.m2 / self.count.max(1) as f64).sqrt();
        ComponentStats { count: self.count, mean: self.mean, std, min: self.min, max: self.max }
    }
}

/// Statistics by `field` or `field.component`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Of the values.
    pub values: BTreeMap<String, ComponentStats>,
    /// Of the differences between output steps; empty for steady problems.
    pub differences: BTreeMap<String, ComponentStats>,
}

/// Sums over one trajectory, by component.
#[derive(Default)]
pub(crate) struct Partial {
    values: BTreeMap<String, Running>,
    differences: BTreeMap<String, Running>,
}

impl Partial {
    /// `single` where values are stored in single precision: the sums are over what is stored.
    pub(crate) fn of(states: &[State], single: bool) -> Self {
        let stored = |v: f64| if single { f64::from(v as f32) } else { v };
        let mut out = Partial::default();
        for (k, state) in states.iter().enumerate() {
            for field in &state.fields {
                let c = field.num_components();
                let before = k.checked_sub(1).and_then(|k| states[k].field(&field.name));
                for (j, component) in field.components.iter().enumerate() {
                    let name = if component.is_empty() { field.name.clone() } else { format!("{}.{component}", field.name) };
                    let running = out.values.entry(name.clone()).or_default();
                    field.values.iter().skip(j).step_by(c).for_each(|&v| running.add(stored(v)));
                    if let Some(before) = before {
                        let running = out.differences.entry(name).or_default();
                        let pairs = field.values.iter().zip(&before.values).skip(j).step_by(c);
                        pairs.for_each(|(&a, &b)| running.add(stored(a) - stored(b)));
                    }
                }
            }
        }
        out
    }
}

impl Stats {
    /// Joins the sums over the trajectories in their order. Those that are not among `known` are read.
    pub(crate) fn of(dir: &Path, entries: &[Entry], known: &BTreeMap<TrajectoryId, Partial>) -> Result<Self, DatasetError> {
        let mut all = Partial::default();
        for entry in entries {
            let read = match known.get(&entry.id) {
                Some(_) => None,
                None => Some(Partial::of(&read_trajectory(&dir.join(&entry.file))?.0.states, false)),
            };
            let Some(one) = read.as_ref().or_else(|| known.get(&entry.id)) else { continue };
            for (to, from) in [(&mut all.values, &one.values), (&mut all.differences, &one.differences)] {
                from.iter().for_each(|(name, running)| to.entry(name.clone()).or_default().join(running));
            }
        }
        let stats = |m: BTreeMap<String, Running>| m.into_iter().map(|(k, r)| (k, r.stats())).collect();
        Ok(Stats { values: stats(all.values), differences: stats(all.differences) })
    }
}
