//! One row of the table: Femur and its peers in turn, answers held against each other, medians, goals.

use crate::clock::{Seconds, load, median};
use crate::options::Options;
use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// Rounds that are made however long they take, and seconds after which no further one starts.
const LEAST_ROUNDS: usize = 3;
const BUDGET: f64 = 60.0;
/// A peer that needs so many times the best one's time is timed once.
const FAR_BEHIND: f64 = 2.5;

/// One run of one program.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Its time.
    pub seconds: Seconds,
    /// What it found, by name; two programs are compared in the names that both give.
    pub answer: BTreeMap<String, f64>,
    /// Further numbers: seconds of its parts, iterations, `peak_mb`.
    pub detail: BTreeMap<String, f64>,
}

/// Runs a program once.
pub type Runner<'a> = Box<dyn FnMut() -> Result<Sample> + 'a>;

/// A peer, or the name of one that is not installed here.
pub struct Contender<'a> {
    /// Name in the table.
    pub name: String,
    /// `None` where it cannot run here.
    pub run: Option<Runner<'a>>,
}

/// What is to be reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// So many times faster than the best peer.
    Best(f64),
    /// So many times faster than this peer.
    Than(&'static str, f64),
    /// At most so many seconds.
    Seconds(f64),
    /// Our `detail` of this name is at most so much.
    AtMost(&'static str, f64),
    /// Our `detail` of this name is at least so much.
    AtLeast(&'static str, f64),
}

/// A row before it is run.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name of the work.
    pub work: &'static str,
    /// What is done, on how much.
    pub size: String,
    /// What is to be reached.
    pub goals: Vec<Goal>,
    /// Largest relative difference of two answers.
    pub tolerance: f64,
    /// Timed rounds after the one that checks.
    pub rounds: usize,
}

/// Runs a row and gives its JSON line.
///
/// # Errors
/// A program fails, or a peer's answer differs from ours.
pub fn contest(spec: &Spec, options: &Options, mut ours: Runner<'_>, mut peers: Vec<Contender<'_>>) -> Result<Value> {
    let busy = load();
    let first = ours().with_context(|| format!("{}: {}: femur", spec.work, spec.size))?;
    if first.answer.is_empty() || first.answer.values().any(|v| !v.is_finite()) {
        bail!("{}: {}: no finite answer to check: {:?}", spec.work, spec.size, first.answer);
    }
    let mut firsts = vec![f64::INFINITY; peers.len()];
    for (peer, seconds) in peers.iter_mut().zip(&mut firsts) {
        let Some(run) = &mut peer.run else { continue };
        let theirs = run().with_context(|| format!("{}: {}: {}", spec.work, spec.size, peer.name))?;
        agree(&first, &theirs, spec.tolerance).with_context(|| format!("{}: {}: {} differs", spec.work, spec.size, peer.name))?;
        *seconds = theirs.seconds.wall;
    }
    let (best, start) = (firsts.iter().copied().fold(f64::INFINITY, f64::min), Instant::now());
    let mut own = vec![];
    let mut others: Vec<Vec<Sample>> = vec![Vec::new(); peers.len()];
    for round in 0..spec.rounds {
        if round >= LEAST_ROUNDS && start.elapsed().as_secs_f64() > BUDGET {
            break;
        }
        own.push(ours()?);
        for ((peer, samples), seconds) in peers.iter_mut().zip(&mut others).zip(&firsts) {
            let Some(run) = &mut peer.run else { continue };
            if round == 0 || *seconds <= FAR_BEHIND * best {
                samples.push(run()?);
            }
        }
    }
    let checked = peers.iter().any(|p| p.run.is_some());
    let names = peers.into_iter().map(|p| p.name);
    Ok(line(spec, options, &own, &names.zip(others).collect::<Vec<_>>(), checked, busy))
}

/// An error that names the values where two answers differ.
fn agree(ours: &Sample, theirs: &Sample, tolerance: f64) -> Result<()> {
    let mut common = 0;
    for (name, a) in &ours.answer {
        let Some(b) = theirs.answer.get(name) else { continue };
        common += 1;
        let difference = (a - b).abs() / a.abs().max(b.abs()).max(f64::MIN_POSITIVE);
        if difference.is_nan() || difference > tolerance {
            bail!("{name}: femur {a:.12e}, peer {b:.12e}, relative difference {difference:.1e} above {tolerance:.0e}");
        }
    }
    if common == 0 {
        bail!("no common value to compare: femur {:?}, peer {:?}", ours.answer.keys(), theirs.answer.keys());
    }
    Ok(())
}

fn line(spec: &Spec, options: &Options, own: &[Sample], peers: &[(String, Vec<Sample>)], checked: bool, busy: Option<f64>) -> Value {
    let ours = middle(own);
    let others: Vec<(&str, Option<Sample>)> = peers.iter().map(|(n, s)| (n.as_str(), (!s.is_empty()).then(|| middle(s)))).collect();
    let best = others.iter().filter_map(|(n, s)| s.as_ref().map(|s| (*n, s.seconds))).min_by(|a, b| a.1.wall.total_cmp(&b.1.wall));
    let by_peer = |of: &dyn Fn(&Sample) -> Value| -> Map<String, Value> {
        others.iter().map(|(n, s)| ((*n).to_string(), s.as_ref().map_or(Value::Null, of))).collect()
    };
    let reached: Vec<Option<bool>> = spec.goals.iter().map(|g| met(g, &ours, &others, best)).collect();
    // one goal missed is a miss; one that cannot be told here leaves the row open
    let met = if reached.contains(&Some(false)) {
        Some(false)
    } else if reached.contains(&None) || reached.is_empty() {
        None
    } else {
        Some(true)
    };
    json!({
        "work": spec.work, "size": spec.size, "threads": options.threads,
        "ours_s": round(ours.seconds.wall), "peers": by_peer(&|s| round(s.seconds.wall)),
        "best_peer": best.map(|b| b.0), "ratio": best.map(|b| round(b.1.wall / ours.seconds.wall)),
        "target": spec.goals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        "met": if options.quick { None } else { met }, "checked": checked,
        "ours_cpu_s": round(ours.seconds.cpu), "peers_cpu_s": by_peer(&|s| round(s.seconds.cpu)),
        "cpu_ratio": best.map(|b| round(b.1.cpu / ours.seconds.cpu)),
        "ours_detail": detail(&ours), "peers_detail": by_peer(&detail),
        "rounds": own.len(), "load": busy,
    })
}

/// Four figures are more than a timing has.
fn round(value: f64) -> Value {
    if value.is_finite() { json!(format!("{value:.4e}").parse::<f64>().unwrap_or(value)) } else { Value::Null }
}

fn detail(sample: &Sample) -> Value {
    Value::Object(sample.detail.iter().map(|(k, v)| (k.clone(), round(*v))).collect())
}

/// Medians of times and details.
fn middle(samples: &[Sample]) -> Sample {
    let of = |f: &dyn Fn(&Sample) -> f64| median(samples.iter().map(f).collect());
    let names = samples.first().map(|s| s.detail.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    Sample {
        seconds: Seconds { wall: of(&|s| s.seconds.wall), cpu: of(&|s| s.seconds.cpu) },
        answer: BTreeMap::new(),
        detail: names.into_iter().map(|n| (n.clone(), of(&|s| s.detail.get(&n).copied().unwrap_or(f64::NAN)))).collect(),
    }
}

fn met(goal: &Goal, ours: &Sample, peers: &[(&str, Option<Sample>)], best: Option<(&str, Seconds)>) -> Option<bool> {
    let own = ours.detail.get(match goal {
        Goal::AtMost(name, _) | Goal::AtLeast(name, _) => *name,
        _ => "",
    });
    match goal {
        Goal::Best(ratio) => best.map(|b| b.1.wall >= ratio * ours.seconds.wall),
        Goal::Than(name, ratio) => {
            let peer = peers.iter().find(|p| p.0 == *name)?.1.as_ref()?;
            Some(peer.seconds.wall >= ratio * ours.seconds.wall)
        }
        Goal::Seconds(limit) => Some(ours.seconds.wall <= *limit),
        Goal::AtMost(_, limit) => own.map(|v| v <= limit),
        Goal::AtLeast(_, limit) => own.map(|v| v >= limit),
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::Best(ratio) => write!(f, "best peer / femur >= {ratio:.2}"),
            Goal::Than(name, ratio) => write!(f, "{name} / femur >= {ratio:.2}"),
            Goal::Seconds(limit) => write!(f, "seconds <= {limit}"),
            Goal::AtMost(name, limit) => write!(f, "{name} <= {limit}"),
            Goal::AtLeast(name, limit) => write!(f, "{name} >= {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn sample(wall: f64, value: f64) -> Sample {
        Sample {
            seconds: Seconds { wall, cpu: wall },
            answer: BTreeMap::from([("norm".into(), value)]),
            detail: BTreeMap::from([("iterations".into(), 12.0)]),
        }
    }

    fn row(value: f64, goals: Vec<Goal>) -> Result<Value> {
        let spec = Spec { work: "test", size: "1".into(), goals, tolerance: 1e-6, rounds: 3 };
        let peers = vec![
            Contender { name: "slow".into(), run: Some(Box::new(move || Ok(sample(4.0, value)))) },
            Contender { name: "absent".into(), run: None },
        ];
        contest(&spec, &Options::parse_from(["femur-bench", "test"]), Box::new(|| Ok(sample(1.0, 5.0))), peers)
    }

    #[test]
    fn ratios_and_goals() {
        let row = row(5.0 + 1e-9, vec![Goal::Best(3.0), Goal::Than("slow", 4.0), Goal::AtMost("iterations", 12.0)]).unwrap();
        assert_eq!((&row["ratio"], &row["best_peer"], &row["met"]), (&json!(4.0), &json!("slow"), &json!(true)));
        assert_eq!((&row["checked"], &row["peers"]["absent"]), (&json!(true), &Value::Null));
    }

    #[test]
    fn a_goal_missed_or_open() {
        assert_eq!(row(5.0, vec![Goal::Best(3.0), Goal::Best(4.5)]).unwrap()["met"], json!(false));
        assert_eq!(row(5.0, vec![Goal::Best(3.0), Goal::Than("absent", 1.0)]).unwrap()["met"], Value::Null);
        assert_eq!(row(5.0, vec![Goal::Seconds(0.5)]).unwrap()["met"], json!(false));
        assert_eq!(row(5.0, vec![Goal::AtLeast("iterations", 13.0)]).unwrap()["met"], json!(false));
    }

    #[test]
    fn another_answer_is_an_error_and_prints_no_time() {
        assert!(row(5.1, vec![]).unwrap_err().to_string().contains("slow differs"));
        assert!(row(f64::NAN, vec![]).is_err());
    }
}
