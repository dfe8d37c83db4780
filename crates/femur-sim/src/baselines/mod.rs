//! Predictions that need no learning, to be printed beside a surrogate's: what does not beat them has learnt nothing.
//!
//! Fields are carried from one geometry to another through plate coordinates: the place within the bounding box, 0 to 1 along each
//! axis. For linear problems the responses to unit loads are carried and superposed with the loads of the case at hand; else the
//! states are, step by step. Prescribed nodes get the script's values, as in a rollout.

mod sampler;

use crate::{Setup, SolverLog, State, Trajectory};
use femur_mesh::{Field, Location};
use sampler::Sampler;

/// A prediction without learning.
pub struct Baseline {
    /// Name, the key in evaluation.json.
    pub name: &'static str,
    /// What it does.
    pub definition: &'static str,
    /// The states for a set-up; `None` where it does not apply.
    predict: fn(&Reference<'_>, &Setup) -> Option<Vec<State>>,
}

/// All baselines.
pub static BASELINES: &[Baseline] = &[
    Baseline {
        name: "mean_field",
        definition: "mean over the training cases at the same plate coordinates (per unit load and superposed, for linear problems)",
        predict: mean_field,
    },
    Baseline {
        name: "nearest_neighbour",
        definition: "the training case with the nearest parameters (each in units of its spread over the training cases), at the same plate \
                     coordinates (per unit load and superposed, for linear problems, where only parameters of mesh and materials count)",
        predict: nearest_neighbour,
    },
    Baseline { name: "persistence", definition: "the initial state at all times", predict: persistence },
];

/// Every baseline that applies, with one prediction for each of `truths` (of which only the set-ups are read).
pub fn all(train: &[Trajectory], truths: &[&Trajectory]) -> Vec<(String, Vec<Trajectory>)> {
    let Some(first) = truths.first() else { return Vec::new() };
    let reference = Reference::new(train, &first.setup);
    let of = |b: &Baseline| -> Option<Vec<Trajectory>> {
        let predict = |t: &&Trajectory| {
            let states = (b.predict)(&reference, &t.setup)?;
            Some(Trajectory { setup: t.setup.clone(), states, unit_responses: Vec::new(), log: SolverLog::default() })
        };
        truths.iter().map(predict).collect()
    };
    BASELINES.iter().filter_map(|b| Some((b.name.to_string(), of(b)?))).collect()
}

/// The training cases, ready to be looked up.
struct Reference<'a> {
    train: &'a [Trajectory],
    /// Whether responses to the loads are superposed; else states are carried.
    superposed: bool,
    mean: Option<Grid>,
}

/// Fields of one channel at one step: the response to one load, or the state. Channels of a step lie side by side.
type Channel<'a> = Vec<&'a Field>;

impl<'a> Reference<'a> {
    fn new(train: &'a [Trajectory], example: &Setup) -> Self {
        let names: Vec<String> = example.loads.iter().map(|l| l.name.clone()).collect();
        let has = |t: &Trajectory| names.iter().all(|n| t.unit_responses.iter().any(|r| r.load == *n));
        let superposed = !names.is_empty() && train.iter().all(has);
        let mut reference = Reference { train, superposed, mean: None };
        reference.mean = Grid::mean(&reference);
        reference
    }

    /// What is carried from a training case. Von Mises stress is not linear in the load: it follows from the superposed stress.
    fn channels(&self, t: &'a Trajectory) -> Option<Vec<Channel<'a>>> {
        let carried = |f: &&Field| f.location == Location::Node && f.name != "reaction" && (!self.superposed || f.name != "von_mises");
        if !self.superposed {
            return Some(t.states.iter().map(|s| s.fields.iter().filter(carried).collect()).collect());
        }
        // Every case of a dataset has the same loads in the same order.
        let steps = t.unit_responses.first()?.steps.len();
        let of = |step: usize| t.unit_responses.iter().map(move |r| Some(r.steps.get(step)?.iter().filter(carried).collect()));
        (0..steps).flat_map(of).collect()
    }

    /// States of a set-up from its channels' fields.
    fn states(&self, setup: &Setup, channels: Vec<Vec<Field>>) -> Option<Vec<State>> {
        let per_step = if self.superposed { setup.loads.len() } else { 1 };
        if channels.len() != setup.times.len() * per_step {
            return None;
        }
        let fields = |c: &[Vec<Field>]| if self.superposed { setup.superpose(c) } else { c.first().cloned() };
        let mut states = setup
            .times
            .iter()
            .zip(channels.chunks_exact(per_step))
            .map(|(&time, c)| Some(State { time, fields: fields(c)? }))
            .collect::<Option<Vec<State>>>()?;
        if let (Some(initial), Some(first)) = (&setup.initial, states.first_mut()) {
            *first = initial.clone();
        }
        apply_script(setup, &mut states);
        Some(states)
    }
}

/// Prescribed nodes are known to every rollout, so to the baselines too.
fn apply_script(setup: &Setup, states: &mut [State]) {
    for (step, state) in states.iter_mut().enumerate() {
        for field in &mut state.fields {
            if let Some(script) = setup.prescribed(&field.name)
                && script.mask.len() == field.values.len()
            {
                script.apply(step, &mut field.values);
            }
        }
    }
}

fn mean_field(reference: &Reference<'_>, setup: &Setup) -> Option<Vec<State>> {
    let mean = reference.mean.as_ref()?;
    (mean.points.len() == setup.mesh.dim).then_some(())?;
    reference.states(setup, mean.on(setup))
}

fn nearest_neighbour(reference: &Reference<'_>, setup: &Setup) -> Option<Vec<State>> {
    let neighbour = nearest(reference, setup)?;
    let (low, high) = setup.mesh.bounds();
    let sampler = Sampler::new(&neighbour.setup.mesh);
    let weights: Vec<_> = (0..setup.mesh.num_nodes())
        .map(|n| {
            let part = |(d, x): (usize, &f64)| (x - low[d]) / (high[d] - low[d]).max(f64::MIN_POSITIVE);
            let xi: Vec<f64> = setup.mesh.point(n).iter().enumerate().map(part).collect();
            sampler.locate(&sampler.point(&xi))
        })
        .collect();
    let carry = |f: &&Field| {
        let c = f.num_components();
        let values = weights.iter().flat_map(|w| (0..c).map(|k| w.value(&f.values, c, k))).collect();
        Field { values, ..(*f).clone() }
    };
    let channels = reference.channels(neighbour)?.iter().map(|channel| channel.iter().map(carry).collect()).collect();
    reference.states(setup, channels)
}

fn persistence(_: &Reference<'_>, setup: &Setup) -> Option<Vec<State>> {
    let initial = setup.initial.as_ref()?;
    let mut states: Vec<State> = setup.times.iter().map(|&time| State { time, ..initial.clone() }).collect();
    apply_script(setup, states.get_mut(1..)?);
    Some(states)
}

/// The training case with the nearest parameters; the first of equals.
fn nearest<'a>(reference: &Reference<'a>, setup: &Setup) -> Option<&'a Trajectory> {
    let counts = |path: &str| !reference.superposed || path.starts_with("mesh.") || path.starts_with("materials.");
    let value = |s: &Setup, path: &str| s.params.iter().find(|p| p.path == path).map(|p| p.value);
    let mut scaled: Vec<(&str, f64, f64)> = Vec::new();
    for p in setup.params.iter().filter(|p| counts(&p.path)) {
        let values: Vec<f64> = reference.train.iter().filter_map(|t| value(&t.setup, &p.path)).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt();
        if spread > 0.0 {
            scaled.push((&p.path, p.value, spread));
        }
    }
    let distance = |t: &Trajectory| -> f64 {
        scaled.iter().map(|(path, v, spread)| value(&t.setup, path).map_or(f64::INFINITY, |other| ((v - other) / spread).powi(2))).sum()
    };
    let fits = |t: &&Trajectory| t.setup.mesh.dim == setup.mesh.dim;
    reference.train.iter().filter(fits).min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// Mean fields on a regular grid over the unit square or cube of plate coordinates.
struct Grid {
    /// Points along each axis.
    points: Vec<usize>,
    /// By channel and field; `values` is `[grid points, components]`, the first axis running fastest.
    channels: Vec<Vec<Field>>,
}

/// Grid points along the longest axis, by dimension: finer than the usual mesh of a dataset.
const POINTS: [usize; 3] = [400, 120, 32];

impl Grid {
    fn mean(reference: &Reference<'_>) -> Option<Grid> {
        let first = reference.train.first()?;
        let dim = first.setup.mesh.dim;
        let (low, high) = first.setup.mesh.bounds();
        let longest = low.iter().zip(&high).map(|(a, b)| b - a).fold(0.0, f64::max);
        let along = |d: usize| ((POINTS[dim - 1] as f64 * (high[d] - low[d]) / longest.max(f64::MIN_POSITIVE)).ceil() as usize).max(2);
        let points: Vec<usize> = (0..dim).map(along).collect();
        let count: usize = points.iter().product();
        let mut channels: Vec<Vec<Field>> = reference
            .channels(first)?
            .iter()
            .map(|c| c.iter().map(|f| Field { values: vec![0.0; count * f.num_components()], ..(*f).clone() }).collect())
            .collect();
        let share = 1.0 / reference.train.len() as f64;
        for t in reference.train {
            if t.setup.mesh.dim != dim {
                return None;
            }
            let sampler = Sampler::new(&t.setup.mesh);
            let weights: Vec<_> = (0..count).map(|i| sampler.locate(&sampler.point(&place(&points, i)))).collect();
            let own = reference.channels(t)?;
            if own.len() != channels.len() {
                return None;
            }
            for (sum, channel) in channels.iter_mut().zip(&own) {
                for sum in sum {
                    let field = channel.iter().find(|f| f.name == sum.name && f.components == sum.components)?;
                    let c = field.num_components();
                    for (i, w) in weights.iter().enumerate() {
                        (0..c).for_each(|k| sum.values[i * c + k] += share * w.value(&field.values, c, k));
                    }
                }
            }
        }
        Some(Grid { points, channels })
    }

    /// The fields at the nodes of a set-up's mesh, linear between grid points along each axis.
    fn on(&self, setup: &Setup) -> Vec<Vec<Field>> {
        let (low, high) = setup.mesh.bounds();
        let dim = self.points.len();
        let corners: Vec<Vec<(usize, f64)>> = (0..setup.mesh.num_nodes())
            .map(|n| {
                let mut corners = vec![(0usize, 1.0f64)];
                let mut stride = 1;
                for d in 0..dim {
                    let part = (setup.mesh.point(n)[d] - low[d]) / (high[d] - low[d]).max(f64::MIN_POSITIVE);
                    let at = part.clamp(0.0, 1.0) * (self.points[d] - 1) as f64;
                    let below = (at as usize).min(self.points[d] - 2);
                    let up = at - below as f64;
                    corners = corners
                        .iter()
                        .flat_map(|&(i, w)| [(i + below * stride, w * (1.0 - up)), (i + (below + 1) * stride, w * up)])
                        .collect();
                    stride *= self.points[d];
                }
                corners
            })
            .collect();
        let carry = |f: &Field| {
            let c = f.num_components();
            let value = |corners: &Vec<(usize, f64)>, k: usize| corners.iter().map(|(i, w)| w * f.values[i * c + k]).sum::<f64>();
            Field { values: corners.iter().flat_map(|at| (0..c).map(move |k| value(at, k))).collect(), ..f.clone() }
        };
        self.channels.iter().map(|channel| channel.iter().map(carry).collect()).collect()
    }
}

/// Plate coordinates of grid point `i`.
fn place(points: &[usize], mut i: usize) -> Vec<f64> {
    points
        .iter()
        .map(|&n| {
            let at = i % n;
            i /= n;
            at as f64 / (n - 1) as f64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{rectangle, scalar};
    use crate::{Load, Param, Prescribed, UnitResponse, metrics};
    use femur_mesh::Mesh;
    use std::sync::Arc;

    fn nodal(mesh: &Mesh, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        (0..mesh.num_nodes()).map(|n| f(mesh.point(n))).collect()
    }

    /// A plate of width `w` whose unit responses are `a x / w` and `a y`, with loads of 2 and 3.
    fn linear(w: f64, a: f64, n: usize) -> Trajectory {
        let mesh: Arc<Mesh> = rectangle(w, 1.0, n, n);
        let answers = [nodal(&mesh, |x| a * x[0] / w), nodal(&mesh, |x| a * x[1])];
        let sum: Vec<f64> = answers[0].iter().zip(&answers[1]).map(|(u, v)| 2.0 * u + 3.0 * v).collect();
        let mut t = scalar(&mesh, "u", &[&sum]);
        t.setup.params = vec![Param { path: "mesh.a".into(), value: a }, Param { path: "boundary.0.f".into(), value: -a }];
        for (name, value, answer) in [("fx", 2.0, &answers[0]), ("fy", 3.0, &answers[1])] {
            t.setup.loads.push(Load { name: name.into(), unit: "N".into(), value });
            let field = Field::scalar("u", "m", Location::Node, answer.clone());
            t.unit_responses.push(UnitResponse { load: name.into(), steps: vec![vec![field]] });
        }
        t
    }

    #[test]
    fn linear_problems_are_superposed_through_plate_coordinates() {
        let train = [linear(1.0, 1.0, 3), linear(2.0, 3.0, 5)];
        // Another size, mesh and load: the mean of the two is exactly the answer with a = 2.
        let mut truth = linear(4.0, 2.0, 4);
        truth.setup.loads[0].value = 20.0;
        let expected = nodal(&truth.setup.mesh, |x| 20.0 * 2.0 * x[0] / 4.0 + 3.0 * 2.0 * x[1]);
        truth.states[0].fields[0].values = expected.clone();
        let found = all(&train, &[&truth]);
        assert_eq!(found.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["mean_field", "nearest_neighbour"]);
        let got = &found[0].1[0].states[0].fields[0].values;
        assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{got:?}");
        assert!(metrics::evaluate(&[(&truth, &found[0].1[0])]).test["u"].r2.unwrap() > 1.0 - 1e-12);
        // The neighbour with a = 3, scaled; the load's parameter says otherwise and must not count.
        let mut near = truth.clone();
        near.setup.params = vec![Param { path: "mesh.a".into(), value: 2.5 }, Param { path: "boundary.0.f".into(), value: 9.0 }];
        near.setup.prescribed = vec![Prescribed {
            field: "u".into(),
            mask: (0..expected.len()).map(|i| i == 3).collect(),
            steps: 1,
            values: vec![7.0; expected.len()],
        }];
        let got = &all(&train, &[&near])[1].1[0].states[0].fields[0].values;
        for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
            let wanted = if i == 3 { 7.0 } else { 1.5 * b };
            assert!((a - wanted).abs() < 1e-9, "node {i}: {a} {wanted}");
        }
    }

    #[test]
    fn transient_problems_are_carried_step_by_step() {
        let mesh = rectangle(1.0, 1.0, 1, 1);
        let train = [
            scalar(&mesh, "temperature", &[&[0.0; 4], &[1.0, 2.0, 3.0, 4.0], &[2.0, 4.0, 6.0, 8.0]]),
            scalar(&mesh, "temperature", &[&[0.0; 4], &[3.0, 2.0, 1.0, 0.0], &[2.0, 4.0, 6.0, 8.0]]),
        ];
        let truth = scalar(&mesh, "temperature", &[&[10.0; 4], &[5.0; 4], &[6.0; 4]]);
        let found = all(&train, &[&truth]);
        assert_eq!(found.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["mean_field", "nearest_neighbour", "persistence"]);
        let values = |b: usize, step: usize| found[b].1[0].states[step].fields[0].values.clone();
        let close = |a: Vec<f64>, b: [f64; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(close(values(0, 0), [10.0; 4]) && close(values(0, 1), [2.0; 4]) && close(values(0, 2), [2.0, 4.0, 6.0, 8.0]));
        assert!(close(values(1, 1), [1.0, 2.0, 3.0, 4.0]) && close(values(2, 2), [10.0; 4]));
        assert_eq!(found[2].1[0].states[2].time, 2.0);
    }

    #[test]
    fn without_training_cases_nothing_is_claimed() {
        let mesh = rectangle(1.0, 1.0, 1, 1);
        assert!(all(&[], &[&scalar(&mesh, "u", &[&[1.0; 4]])]).is_empty());
        assert!(all(&[], &[]).is_empty());
    }
}
