//! The list of metrics with their definitions.

use super::FieldMetrics;

/// A number that says how far a prediction is from the truth.
pub struct Metric {
    /// Name, the key in evaluation.json.
    pub name: &'static str,
    /// Definition, as printed.
    pub definition: &'static str,
    /// Its value among a field's metrics.
    pub of: fn(&FieldMetrics) -> Option<f64>,
}

/// All metrics. p is the prediction, t the truth; a field of several components is pooled over them.
pub static METRICS: &[Metric] = &[
    Metric {
        name: "r2",
        definition: "1 - sum (p-t)^2 / sum (t - mean t)^2 over the nodes outside the singular discs, predicted steps and components of one case \
                     (mean t for each component), averaged over the cases; a case whose truth does not vary is left out",
        of: |m| m.r2,
    },
    Metric { name: "r2_pooled", definition: "as r2, with the sums and the mean over all cases together", of: |m| m.r2_pooled },
    Metric { name: "r2_min", definition: "the smallest r2 of a single case", of: |m| m.r2_min },
    Metric { name: "r2_unmasked", definition: "as r2, over all nodes, those in the singular discs too", of: |m| m.r2_unmasked },
    Metric {
        name: "r2_pooled_unmasked",
        definition: "as r2_pooled, over all nodes, those in the singular discs too",
        of: |m| m.r2_pooled_unmasked,
    },
    Metric { name: "r2_min_unmasked", definition: "as r2_min, over all nodes, those in the singular discs too", of: |m| m.r2_min_unmasked },
    Metric {
        name: "relative_l2",
        definition: "sqrt(sum (p-t)^2 / sum t^2) over the nodes outside the singular discs, predicted steps and components of one case, averaged \
                     over the cases; a case whose truth is zero is left out",
        of: |m| m.relative_l2,
    },
    Metric { name: "relative_l2_max", definition: "the largest relative_l2 of a single case", of: |m| m.relative_l2_max },
    Metric {
        name: "rmse_pooled",
        definition: "sqrt(mean (p-t)^2) over all cases, predicted steps, nodes outside the singular discs and components together, in the field's unit",
        of: |m| m.rmse_pooled,
    },
    Metric {
        name: "rmse_step_mean",
        definition: "sqrt(mean (p-t)^2) over the nodes outside the singular discs and components of one step, averaged over steps and cases, in the \
                     field's unit",
        of: |m| m.rmse_step_mean,
    },
    Metric {
        name: "max_error",
        definition: "largest |p-t| (Euclidean norm over the components) at a node outside the singular discs, in the field's unit; max_error_at says \
                     in which case, at which step and node",
        of: |m| m.max_error,
    },
    Metric {
        name: "peak_error_median",
        definition: "relative error of the peak, |max|p| - max|t|| / max|t|, each maximum over the nodes outside the singular discs and the predicted \
                     steps of one case (Euclidean norm over the components); median over the cases. peak_error_on gives the same on the nodes of each \
                     boundary tag",
        of: |m| m.peak_error_median,
    },
    Metric { name: "peak_error_p90", definition: "as peak_error_median, the 90th percentile over the cases", of: |m| m.peak_error_p90 },
];

/// What `horizons` holds; printed with the metrics.
pub const HORIZONS: &str = "the metrics over the first 1 and the first 50 predicted steps of a rollout from the initial state, and over all of them; a \
                            rollout that is shorter counts whole, a steady problem has one step, and the given initial state never counts";
