//! Sums over one case, from which all metrics follow.

/// One field of one case: truth and prediction at the predicted steps, each `[num_nodes, num_components]`.
pub(crate) struct Comparison<'a> {
    pub(crate) components: usize,
    pub(crate) truth: Vec<&'a [f64]>,
    pub(crate) prediction: Vec<&'a [f64]>,
}

/// Sums over the chosen nodes and steps of one case.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    /// Number of (step, node) pairs.
    pub(crate) count: usize,
    /// Sum of (p-t)^2.
    pub(crate) error: f64,
    /// Sum of t^2.
    pub(crate) square: f64,
    /// Mean of t for each component.
    pub(crate) mean: Vec<f64>,
    /// Sum of (t - mean)^2.
    pub(crate) variance: f64,
    /// Root mean square error of each step.
    pub(crate) step_rmse: Vec<f64>,
    /// Largest error with its step (from 0 over the predicted ones) and node; infinite where a prediction is not a number.
    pub(crate) worst: (f64, usize, usize),
}

impl Comparison<'_> {
    /// Whether truth and prediction have one shape, of `num_nodes` nodes.
    pub(crate) fn fits(&self, num_nodes: usize) -> bool {
        let length = num_nodes * self.components;
        self.truth.len() == self.prediction.len() && self.truth.iter().chain(&self.prediction).all(|v| v.len() == length)
    }

    /// Sums over the nodes of `nodes` and the first `steps` predicted steps. `fits` must hold.
    pub(crate) fn sums(&self, nodes: &[bool], steps: usize) -> Sums {
        let c = self.components;
        let steps = steps.min(self.truth.len());
        let chosen = nodes.iter().filter(|n| **n).count();
        let mut sums = Sums {
            count: chosen * steps,
            error: 0.0,
            square: 0.0,
            mean: vec![0.0; c],
            variance: 0.0,
            step_rmse: Vec::with_capacity(steps),
            worst: (0.0, 0, 0),
        };
        if sums.count == 0 {
            return sums;
        }
        for step in 0..steps {
            let mut of_step = 0.0;
            for (node, (t, p)) in self.tuples(step, nodes) {
                let mut here = 0.0;
                for k in 0..c {
                    here += (p[k] - t[k]).powi(2);
                    sums.square += t[k] * t[k];
                    sums.mean[k] += t[k];
                }
                of_step += here;
                let size = if here.is_finite() { here.sqrt() } else { f64::INFINITY };
                if size > sums.worst.0 {
                    sums.worst = (size, step, node);
                }
            }
            sums.error += of_step;
            sums.step_rmse.push((of_step / (chosen * c) as f64).sqrt());
        }
        sums.mean.iter_mut().for_each(|m| *m /= sums.count as f64);
        for step in 0..steps {
            for (_, (t, _)) in self.tuples(step, nodes) {
                sums.variance += t.iter().zip(&sums.mean).map(|(t, m)| (t - m).powi(2)).sum::<f64>();
            }
        }
        sums
    }

    /// Largest norm of the truth and of the prediction over the nodes of `nodes`; `None` where there is no node or a value is not
    /// a number.
    pub(crate) fn peaks(&self, nodes: &[bool]) -> Option<(f64, f64)> {
        let mut peak: Option<(f64, f64)> = None;
        for step in 0..self.truth.len() {
            for (_, (t, p)) in self.tuples(step, nodes) {
                let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
                let (a, b) = (norm(t), norm(p));
                if !(a.is_finite() && b.is_finite()) {
                    return Some((a, f64::NAN));
                }
                let (x, y) = peak.unwrap_or((0.0, 0.0));
                peak = Some((x.max(a), y.max(b)));
            }
        }
        peak
    }

    fn tuples<'b>(&'b self, step: usize, nodes: &'b [bool]) -> impl Iterator<Item = (usize, (&'b [f64], &'b [f64]))> {
        let c = self.components;
        let pairs = self.truth[step].chunks_exact(c).zip(self.prediction[step].chunks_exact(c));
        pairs.enumerate().filter(|(i, _)| nodes.get(*i).copied().unwrap_or(false))
    }
}

impl Sums {
    /// 1 - error / variance; `None` where the truth does not vary beyond rounding.
    pub(crate) fn r2(&self) -> Option<f64> {
        (self.variance > 1e-20 * self.square).then(|| 1.0 - self.error / self.variance)
    }

    /// sqrt(error / square); `None` where the truth is zero.
    pub(crate) fn relative_l2(&self) -> Option<f64> {
        (self.square > 0.0).then(|| (self.error / self.square).sqrt())
    }

    /// Sums of several cases as if they were one.
    pub(crate) fn pool(cases: &[Sums]) -> Option<Sums> {
        let components = cases.first()?.mean.len();
        let count: usize = cases.iter().map(|s| s.count).sum();
        if count == 0 || cases.iter().any(|s| s.mean.len() != components) {
            return None;
        }
        let mean: Vec<f64> =
            (0..components).map(|k| cases.iter().map(|s| s.mean[k] * s.count as f64).sum::<f64>() / count as f64).collect();
        let between = |s: &Sums| s.count as f64 * s.mean.iter().zip(&mean).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        Some(Sums {
            count,
            error: cases.iter().map(|s| s.error).sum(),
            square: cases.iter().map(|s| s.square).sum(),
            variance: cases.iter().map(|s| s.variance + between(s)).sum(),
            step_rmse: cases.iter().flat_map(|s| s.step_rmse.iter().copied()).collect(),
            worst: (0.0, 0, 0),
            mean,
        })
    }
}
