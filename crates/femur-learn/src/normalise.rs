//! Means and spreads, accumulated in f64 over the training data and stored with the weights.

use serde::{Deserialize, Serialize};

/// Mean and spread of each column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Normaliser {
    pub(crate) mean: Vec<f64>,
    pub(crate) std: Vec<f64>,
}

/// Running sums for a [`Normaliser`].
#[derive(Debug, Clone)]
pub(crate) struct Accumulator {
    count: f64,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

impl Accumulator {
    pub(crate) fn new(width: usize) -> Self {
        Accumulator { count: 0.0, mean: vec![0.0; width], m2: vec![0.0; width] }
    }

    /// Adds rows of `width` columns (Welford's method).
    pub(crate) fn add(&mut self, rows: impl Iterator<Item = f64>) {
        let width = self.mean.len();
        for (k, v) in rows.enumerate() {
            let c = k % width;
            if c == 0 {
                self.count += 1.0;
            }
            let d = v - self.mean[c];
            self.mean[c] += d / self.count;
            self.m2[c] += d * (v - self.mean[c]);
        }
    }

    /// A column that hardly varies gets the spread 1 (relative to its size), so that a value never seen in training, such as a
    /// new one-hot, cannot blow up.
    pub(crate) fn finish(self) -> Normaliser {
        let std = self.m2.iter().zip(&self.mean).map(|(m2, mean)| {
            let std = (m2 / self.count.max(1.0)).sqrt();
            if std > 1e-6 * mean.abs() && std > 0.0 { std.max(1e-12) } else { mean.abs().max(1.0) }
        });
        Normaliser { std: std.collect(), mean: self.mean }
    }
}

impl Normaliser {
    pub(crate) fn width(&self) -> usize {
        self.mean.len()
    }

    /// `(x - mean) / std` of rows.
    pub(crate) fn normalise(&self, rows: &[f64]) -> Vec<f32> {
        let w = self.width().max(1);
        rows.iter().enumerate().map(|(k, v)| ((v - self.mean[k % w]) / self.std[k % w]) as f32).collect()
    }

    /// `x std + mean` of rows.
    pub(crate) fn restore(&self, rows: &[f32]) -> Vec<f64> {
        let w = self.width().max(1);
        rows.iter().enumerate().map(|(k, v)| f64::from(*v) * self.std[k % w] + self.mean[k % w]).collect()
    }
}
