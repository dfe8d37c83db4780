//! `stats.json`: mean, spread and range of every field component and of its step-to-step differences, over the training split.

use crate::manifest::Entry;
use crate::{DatasetError, read_trajectory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One component; accumulated in f64 by Welford's method.
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

impl Stats {
    /// Reads the trajectories once.
    pub(crate) fn of(dir: &Path, entries: &[Entry]) -> Result<Self, DatasetError> {
        let (mut values, mut differences): (BTreeMap<String, Running>, BTreeMap<String, Running>) = Default::default();
        for entry in entries {
            let (t, _) = read_trajectory(&dir.join(&entry.file))?;
            for (k, state) in t.states.iter().enumerate() {
                for field in &state.fields {
                    let c = field.num_components();
                    let before = k.checked_sub(1).and_then(|k| t.states[k].field(&field.name));
                    for (j, component) in field.components.iter().enumerate() {
                        let name = if component.is_empty() { field.name.clone() } else { format!("{}.{component}", field.name) };
                        let running = values.entry(name.clone()).or_default();
                        field.values.iter().skip(j).step_by(c).for_each(|&v| running.add(v));
                        if let Some(before) = before {
                            let running = differences.entry(name).or_default();
                            let pairs = field.values.iter().zip(&before.values).skip(j).step_by(c);
                            pairs.for_each(|(a, b)| running.add(a - b));
                        }
                    }
                }
            }
        }
        let stats = |m: BTreeMap<String, Running>| m.into_iter().map(|(k, r)| (k, r.stats())).collect();
        Ok(Stats { values: stats(values), differences: stats(differences) })
    }
}
