//! The training loop: emits events, writes checkpoints, resumes to the same bytes.

use crate::batch::batch;
use crate::checkpoint::{Progress, State, last_checkpoint, write_checkpoint};
use crate::config::{Plan, TrainingConfig};
use crate::feed::{Feed, Store, TrajectorySource, read_all, usual_cache};
use crate::model_file;
use crate::optimise::{self, Step};
use crate::params::{Params, Vars};
use crate::ranks::Place;
use crate::sample::Example;
use crate::surrogate::{Header, Surrogate};
use crate::{LearnError, models, pool};
use rayon::prelude::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Scope;
use std::time::Instant;

/// What happens during a training.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainEvent {
    /// Begins, or goes on.
    Started {
        /// Number of parameters.
        parameters: usize,
        /// Training trajectories.
        trajectories: usize,
        /// First step of this call.
        first_step: usize,
        /// Steps in all.
        steps: usize,
    },
    /// An update was made.
    Step {
        /// Updates so far.
        step: usize,
        /// Updates in all.
        steps: usize,
        /// Mean loss since the last such event.
        loss: f64,
        /// Learning rate.
        lr: f64,
        /// Speed.
        steps_per_s: f64,
        /// Estimate of the time left.
        seconds_left: f64,
        /// Seconds that the updates of this call waited for their data.
        data_wait_s: f64,
    },
    /// The validation split was rolled out.
    Validated {
        /// Updates so far.
        step: usize,
        /// Root mean squared error over whole rollouts, in units of the fields' spread.
        rollout_rmse: f64,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Updates so far.
        step: usize,
        /// The file.
        path: PathBuf,
    },
    /// Something to tell.
    Note(String),
}

/// Sees the events and may stop the training.
pub trait TrainObserver {
    /// Called for each event.
    fn on_event(&mut self, event: &TrainEvent);
    /// Whether to write a checkpoint and stop.
    fn interrupted(&self) -> bool {
        false
    }
}

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSummary {
    /// Updates made in all.
    pub steps: usize,
    /// Step of the best model.
    pub best_step: usize,
    /// Its validation error.
    pub best_valid_rollout_rmse: f64,
    /// Whether all steps were made.
    pub finished: bool,
    /// Whether it was finished before this call.
    pub already_finished: bool,
    /// Wall time of this call.
    pub seconds: f64,
}

/// Steps between rows of metrics.csv.
const REPORT_EVERY: usize = 50;
/// Columns of metrics.csv.
const COLUMNS: &str = "step,loss,valid_rollout_rmse,lr,steps_per_s,elapsed_s\n";

/// Trains; `out` gets model.safetensors (the best by validation rollout error), metrics.csv, run.json and checkpoints/.
///
/// Several processes work on a batch as many times as large: what one process ([`crate::Alone`]) makes with that batch, up to rounding.
pub fn train<'p>(
    place: impl Into<Place<'p>>,
    data: &dyn TrajectorySource,
    plan: &Plan,
    out: &Path,
    resume: bool,
    observer: &mut dyn TrainObserver,
) -> Result<TrainSummary, LearnError> {
    std::thread::scope(|scope| train_within(scope, place.into(), data, plan, out, resume, observer))
}

/// The same, with readers that end with the scope.
fn train_within<'s, 'e: 's>(
    scope: &'s Scope<'s, 'e>,
    place: Place<'_>,
    data: &'e dyn TrajectorySource,
    plan: &Plan,
    out: &Path,
    resume: bool,
    observer: &mut dyn TrainObserver,
) -> Result<TrainSummary, LearnError> {
    let (start, Place { ranks, device }) = (Instant::now(), place);
    let first_rank = ranks.rank() == 0;
    let occupied = std::fs::read_dir(out).is_ok_and(|mut d| d.next().is_some());
    if occupied && !resume && first_rank {
        let what = format!("{} is not empty", out.display());
        return Err(LearnError::Mismatch { what, hint: "go on with --resume, or name another directory".into() });
    }
    // Nobody makes anything before the first process has looked.
    ranks.sum_f64(&mut [0.0]);
    if let Some(nodes) = plan.training.part_nodes
        && models::find(&plan.model.kind)?.reach(&plan.model).is_none()
    {
        let what = format!("training.part_nodes = {nodes}: with attention every node of `{}` sees all others", plan.model.kind);
        let hint = "leave it out, or choose kind = \"meshgraphnet\" or a pattern without T".into();
        return Err(LearnError::Mismatch { what, hint });
    }
    let base = warm_start(plan)?;
    let mut plan = plan.clone();
    plan.training.batch *= ranks.size();
    plan.training.batch_nodes = plan.training.batch_nodes.map(|nodes| nodes * ranks.size());
    if let Some((old, _)) = &base {
        // What is read from the data must mean the same to the weights.
        plan.task.distance_scale = old.plan.task.distance_scale;
    }
    let plan = &Arc::new(plan);
    let checkpoints = out.join("checkpoints");
    std::fs::create_dir_all(&checkpoints).map_err(LearnError::io(&checkpoints, "make"))?;
    let data_sha256 = data.data_sha256();
    let mut state = match if resume { last_checkpoint(&checkpoints)? } else { None } {
        Some(state) => {
            let same = Plan { training: plan.training.clone(), ..state.progress.plan.clone() };
            if state.progress.data_sha256 != data_sha256 || same != **plan || state.progress.plan.training != comparable(plan) {
                let what = format!("{} was started with other data or another [model], [training] or [learning]", out.display());
                return Err(LearnError::Mismatch { what, hint: "use the same, or start a new run".into() });
            }
            Some(state)
        }
        None => None,
    };
    if let Some(s) = &state
        && s.progress.finished
        && out.join("model.safetensors").exists()
    {
        return Ok(summary(&s.progress, true, start));
    }
    if data.count("train") == 0 {
        let hint = "raise [samples] train and generate again with --resume".into();
        return Err(LearnError::Mismatch { what: "there is no training trajectory".into(), hint });
    }
    let valid: Vec<Example> = read_all(scope, data, plan, "valid").collect::<Result<_, _>>()?;
    let cache = plan.training.cache.unwrap_or_else(|| usual_cache(ranks.size()));
    let (train, measure) = Store::load(scope, data, plan, cache)?;
    let mut header = measure.finish(plan, data_sha256.clone());
    if let Some((old, _)) = &base {
        header.continue_from(old)?;
    }
    let header = Arc::new(header);
    let mut state = match state.take() {
        Some(state) => state,
        None => {
            let mut params = Params::new(plan.training.seed);
            models::find(&plan.model.kind)?.init(header.widths(), &plan.model, &mut params);
            let params = base.map_or(params, |(_, old)| old);
            State::new(params, Plan { training: comparable(plan), ..Plan::clone(plan) }, data_sha256)
        }
    };
    let frozen = frozen(&plan.training, &state.params)?;
    let surrogate = Surrogate::new(header.clone(), &state.params)?;
    let mut csv = cut_metrics(&out.join("metrics.csv"), state.progress.step)?;
    observer.on_event(&TrainEvent::Started {
        parameters: state.params.count(),
        trajectories: train.len(),
        first_step: state.progress.step,
        steps: plan.training.steps,
    });
    if let Some(note) = train.note() {
        observer.on_event(&TrainEvent::Note(note));
    }
    let mut feed = Feed::new(scope, Arc::new(train), (ranks.rank(), ranks.size()));
    feed.start(&plan.training, state.progress.step, state.progress.drawn);
    let checkpoint = |state: &State, csv: &str| -> Result<Option<PathBuf>, LearnError> {
        if !first_rank {
            return Ok(None);
        }
        write_text(&out.join("metrics.csv"), csv)?;
        let path = write_checkpoint(&checkpoints, state)?;
        model_file::write(&out.join("model.safetensors"), &header, &state.best)?;
        Ok(Some(path))
    };
    let (first_step, mut losses) = (state.progress.step, Vec::new());
    let first = state.clone();
    let mut stopped_early = false;
    while state.progress.step < plan.training.steps {
        let over = plan.training.time_limit > 0.0 && start.elapsed().as_secs_f64() > plan.training.time_limit;
        let mut wishes = [observer.interrupted(), over].map(|wish| f64::from(u8::from(wish)));
        ranks.sum_f64(&mut wishes);
        if wishes != [0.0; 2] {
            checkpoint(&state, &csv)?;
            if wishes[0] > 0.0 {
                return Err(LearnError::Interrupted);
            }
            observer.on_event(&TrainEvent::Note("the time limit is reached: go on with --resume".into()));
            return Ok(summary(&state.progress, false, start));
        }
        let step = state.progress.step;
        let loss = match update(place, &surrogate, plan, &mut feed, &frozen, &mut state) {
            // Once: back to what is on disk, with half the rate; a resumed run does the same.
            Err(e @ LearnError::Diverged { .. }) if state.progress.rate_factor == 1.0 => {
                state = match last_checkpoint(&checkpoints)? {
                    Some(state) => state,
                    None => first.clone(),
                };
                state.progress.rate_factor = 0.5;
                feed.start(&plan.training, state.progress.step, state.progress.drawn);
                losses.clear();
                csv = cut_metrics(&out.join("metrics.csv"), state.progress.step)?;
                observer.on_event(&TrainEvent::Note(format!("{e}\nback to step {} with half the learning rate", state.progress.step)));
                continue;
            }
            Err(e @ LearnError::Diverged { .. }) => return Err(e),
            // Data that can no longer be read cost no update.
            Err(e) => {
                checkpoint(&state, &csv)?;
                return Err(e);
            }
            Ok(loss) => loss,
        };
        losses.push(loss);
        state.progress.step = step + 1;
        let done = state.progress.step;
        let mut last = done == plan.training.steps;
        let mut valid_text = String::new();
        if done % plan.training.validate_every == 0 || last {
            let rmse = validate(place, &surrogate, &state.params.vars_on(device)?, &valid, loss)?;
            let best = state.progress.best.is_none_or(|b| rmse < b);
            if best {
                (state.progress.best, state.progress.best_step) = (Some(rmse), done);
                state.best = state.params.clone();
            }
            valid_text = format!("{rmse:.6e}");
            observer.on_event(&TrainEvent::Validated { step: done, rollout_rmse: rmse, best });
            let idle = (done - state.progress.best_step) / plan.training.validate_every;
            stopped_early = plan.training.patience > 0 && idle >= plan.training.patience && !last;
            last |= stopped_early;
        }
        if done % REPORT_EVERY == 0 || last || !valid_text.is_empty() {
            let elapsed = start.elapsed().as_secs_f64();
            let steps_per_s = (done - first_step) as f64 / elapsed;
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            losses.clear();
            let lr = plan.training.rate(step) * state.progress.rate_factor;
            let _ = writeln!(csv, "{done},{mean:.6e},{valid_text},{lr:.4e},{steps_per_s:.2},{elapsed:.1}");
            let seconds_left = (plan.training.steps - done) as f64 / steps_per_s;
            let (steps, data_wait_s) = (plan.training.steps, feed.waited());
            observer.on_event(&TrainEvent::Step { step: done, steps, loss: mean, lr, steps_per_s, seconds_left, data_wait_s });
        }
        if done % plan.training.checkpoint_every == 0
            && !last
            && let Some(path) = checkpoint(&state, &csv)?
        {
            observer.on_event(&TrainEvent::Checkpoint { step: done, path });
        }
        if stopped_early {
            let text = format!("stopped early: no better validation error since step {}", state.progress.best_step);
            observer.on_event(&TrainEvent::Note(text));
            break;
        }
    }
    pool::clear::<f32>();
    state.progress.finished = true;
    checkpoint(&state, &csv)?;
    let run = serde_json::json!({
        "femur_version": env!("CARGO_PKG_VERSION"), "seconds": start.elapsed().as_secs_f64(), "threads": rayon::current_num_threads(),
        "device": device.map(|d| d.name()),
        "steps": state.progress.step, "best_step": state.progress.best_step, "best_valid_rollout_rmse": state.progress.best,
        "parameters": state.params.count(), "resumed_at": first_step, "data_wait_s": feed.waited(),
    });
    if first_rank {
        write_text(&out.join("run.json"), &format!("{run:#}\n"))?;
    }
    Ok(summary(&state.progress, false, start))
}

/// The plan's training without what may differ between a run and its resumption.
fn comparable(plan: &Plan) -> TrainingConfig {
    TrainingConfig { time_limit: 0.0, from: None, memory: crate::Memory::Store, cache: None, ..plan.training.clone() }
}

/// The model that the plan starts from.
fn warm_start(plan: &Plan) -> Result<Option<(Header, Params)>, LearnError> {
    let Some(path) = &plan.training.from else { return Ok(None) };
    let (header, params) = model_file::read(path)?;
    // Checks that weights and description fit.
    Surrogate::new(Arc::new(header.clone()), &params)?;
    if header.plan.model != plan.model {
        let what = format!("{} is another network than [model] asks for: {:?}", path.display(), header.plan.model);
        return Err(LearnError::Mismatch { what, hint: "set [model] to the same".into() });
    }
    Ok(Some((header, params)))
}

/// For each parameter whether it stays as it is.
fn frozen(t: &TrainingConfig, params: &Params) -> Result<Vec<bool>, LearnError> {
    let below = |name: &str, block: &str| name.strip_prefix(block).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if let Some(block) = t.freeze.iter().find(|b| !params.list.iter().any(|p| below(&p.0, b))) {
        let mut blocks: Vec<String> = params.list.iter().map(|p| p.0.split('.').take(2).collect::<Vec<_>>().join(".")).collect();
        blocks.dedup();
        let what = format!("training.freeze: the network has no block `{block}`");
        return Err(LearnError::Mismatch { what, hint: format!("its blocks are {}", blocks.join(", ")) });
    }
    Ok(params.list.iter().map(|p| t.freeze.iter().any(|b| below(&p.0, b))).collect())
}

fn summary(p: &Progress, already_finished: bool, start: Instant) -> TrainSummary {
    TrainSummary {
        steps: p.step,
        best_step: p.best_step,
        best_valid_rollout_rmse: p.best.unwrap_or(f64::NAN),
        finished: p.finished,
        already_finished,
        seconds: start.elapsed().as_secs_f64(),
    }
}

/// One update: a graph per thread, gradients summed in the order of the batch, clipped by their norm.
fn update(
    Place { ranks, device }: Place<'_>,
    surrogate: &Surrogate,
    plan: &Plan,
    feed: &mut Feed,
    frozen: &[bool],
    state: &mut State,
) -> Result<f64, LearnError> {
    let (t, step) = (&plan.training, state.progress.step);
    let vars = state.params.vars_on(device)?;
    let draws = feed.draws(step, state.progress.drawn);
    let mine = feed.own(draws.clone());
    let own = batch(surrogate, t, &vars, feed, &mine, step);
    // What stops one process stops all.
    let diverged = matches!(own, Err(LearnError::Diverged { .. }));
    let failed = own.is_err() && !diverged;
    let mut whole = [own.as_ref().map_or(0.0, |b| b.0), f64::from(u8::from(diverged)), f64::from(u8::from(failed))];
    ranks.sum_f64(&mut whole);
    if whole[2] > 0.0 && !failed {
        let what = format!("another process failed at step {step}");
        return Err(LearnError::Mismatch { what, hint: "see what it says, then go on with --resume".into() });
    }
    let (_, mut sum) = own?;
    if whole[1] > 0.0 {
        return Err(LearnError::Diverged { step, loss: f64::NAN, example: "one of another process".into(), field: None });
    }
    if ranks.size() > 1 {
        // Of fewer graphs than processes some have none.
        let lengths: Vec<usize> = vars.list.iter().map(|v| v.values().len()).collect();
        let mut flat = if sum.is_empty() { vec![0.0; lengths.iter().sum()] } else { sum.concat() };
        ranks.sum_f32(&mut flat);
        let mut rest = &flat[..];
        sum = lengths.iter().filter_map(|&len| rest.split_off(..len)).map(<[f32]>::to_vec).collect();
    }
    let loss = whole[0] / draws.len() as f64;
    let scale = 1.0 / draws.len() as f32;
    state.progress.drawn = draws.end;
    let norm = sum.iter().flatten().map(|g| f64::from(g * scale).powi(2)).sum::<f64>().sqrt();
    if !norm.is_finite() {
        return Err(LearnError::Diverged { step, loss, example: String::new(), field: None });
    }
    let clip = scale * (t.clip / norm.max(t.clip)) as f32;
    let rate = t.rate(step) * state.progress.rate_factor;
    optimise::update(&mut state.params, &mut state.moments, &sum, frozen, Step { number: step, rate, scale: clip }, t, device)?;
    Ok(loss)
}

/// Root mean squared rollout error over the validation split, in units of the fields' spread; the loss where there is none.
fn validate(
    Place { ranks, .. }: Place<'_>,
    surrogate: &Surrogate,
    vars: &Vars<f32>,
    valid: &[Example],
    loss: f64,
) -> Result<f64, LearnError> {
    if valid.is_empty() {
        return Ok(loss.sqrt());
    }
    let mine: Vec<&Example> = valid.iter().skip(ranks.rank()).step_by(ranks.size()).collect();
    let errors: Vec<f64> = mine.par_iter().map(|e| surrogate.rollout_error(vars, e)).collect::<Result<_, _>>()?;
    let mut sum = [errors.iter().sum::<f64>()];
    ranks.sum_f64(&mut sum);
    Ok((sum[0] / valid.len() as f64).sqrt())
}

fn write_text(path: &Path, text: &str) -> Result<(), LearnError> {
    let part = path.with_extension("part");
    std::fs::write(&part, text).map_err(LearnError::io(&part, "write"))?;
    std::fs::rename(&part, path).map_err(LearnError::io(path, "rename into"))
}

/// The rows up to a step.
fn cut_metrics(path: &Path, step: usize) -> Result<String, LearnError> {
    let mut out = String::from(COLUMNS);
    if let Ok(text) = std::fs::read_to_string(path) {
        let rows = text.lines().skip(1).filter(|l| l.split(',').next().and_then(|s| s.parse::<usize>().ok()).is_some_and(|s| s <= step));
        rows.for_each(|l| {
            out.push_str(l);
            out.push('\n');
        });
    }
    Ok(out)
}
