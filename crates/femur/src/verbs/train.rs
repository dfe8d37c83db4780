//! `femur train`: trains a surrogate on a dataset.

use crate::context::{Context, duration, interrupted, message};
use crate::processes::Processes;
use crate::source;
use crate::tensorboard::EventFile;
use anyhow::{Context as _, Result};
use femur_dataset::Dataset;
use femur_learn::{IMPORTED, LearnError, Place, Plan, Ranks as _, TrainEvent, TrainObserver, TrainSummary, imported_task};
use femur_sim::case::CaseFile;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to train.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Directory of the dataset.
    pub data: PathBuf,
    /// Directory of the run.
    pub output: PathBuf,
    /// Go on from the last checkpoint.
    pub resume: bool,
    /// Model to start from.
    pub from: Option<PathBuf>,
    /// Seconds after which to stop.
    pub time_limit: Option<f64>,
    /// Whether to write event files for TensorBoard.
    pub tensorboard: bool,
    /// Changes to the dataset's case.
    pub set: Vec<String>,
}

/// Trains, and says where the model is.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode> {
    let (summary, output) = (train(options, context)?, &options.output);
    let Some(summary) = summary else { return Ok(ExitCode::SUCCESS) };
    if context.json() {
        outln!(
            "{}",
            serde_json::json!({"model": output.join("model.safetensors"), "steps": summary.steps, "best_step": summary.best_step,
                "valid_rollout_rmse": summary.best_valid_rollout_rmse, "finished": summary.finished, "seconds": summary.seconds})
        );
    } else {
        outln!("{}", output.join("model.safetensors").display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The case of a dataset with changes, and what is to be learnt from it.
pub(crate) fn plan_of(data: &Dataset, set: &[String]) -> Result<Plan> {
    let origin = data.dir().join("case.toml");
    let mut file = CaseFile::parse(data.case_text(), &origin.to_string_lossy())?;
    for assignment in set {
        file.set(assignment)?;
    }
    let entry = data
        .entries("train")
        .first()
        .context("the dataset has no training trajectories\n  hint: raise [samples] train and generate again with --resume")?;
    let first = data.read_setup(entry)?;
    if data.manifest().physics == IMPORTED {
        let top = file.root();
        let task = imported_task(&top, &data.manifest().fields, &first)?;
        let plan = Plan::of_tables(&top, data.manifest().seed, task)?;
        ["model", "training", "learning"].iter().try_for_each(|name| top.table(name)?.finish())?;
        return Ok(plan);
    }
    let case = file.nominal()?;
    let physics = source::physics(&case)?;
    let task = physics.learning_task(&case, &first)?;
    let plan = Plan::of_case(&case, task)?;
    case.finish_tables(&["model", "training", "learning"])?;
    Ok(plan)
}

/// The work of `femur train`, also for `femur demo`; of several processes the first gives the summary.
pub fn train(options: &Options, context: &Context) -> Result<Option<TrainSummary>> {
    let processes = Processes::join()?;
    let trained = train_by(&processes, options, context);
    if let Err(error) = &trained
        && processes.size() > 1
        // These all processes see together, and the first may still be writing.
        && !matches!(error.downcast_ref(), Some(LearnError::Interrupted | LearnError::Diverged { .. }))
    {
        context.warn(format!("process {}: {}", processes.rank() + 1, message(error)));
        processes.abort();
    }
    Ok(Some(trained?).filter(|_| processes.rank() == 0))
}

fn train_by(processes: &Processes, options: &Options, context: &Context) -> Result<TrainSummary> {
    let (data, output) = (Dataset::open(&options.data)?, &options.output);
    let mut set = options.set.clone();
    set.extend(options.from.iter().map(|path| format!("training.from={:?}", path.display().to_string())));
    set.extend(options.time_limit.iter().map(|s| format!("training.time_limit={s:?}")));
    let plan = plan_of(&data, &set)?;
    let device = context.device()?;
    let place = Place { ranks: processes, device: device.as_deref() };
    if processes.rank() > 0 {
        return Ok(femur_learn::train(place, &data, &plan, output, options.resume, &mut Silent)?);
    }
    if let Some(device) = &device {
        context.say(format!("on {}", device.name()));
    }
    let mut printer = Printer { context, began: None, last: None, board: None, run: options.tensorboard.then_some(output) };
    let summary = femur_learn::train(place, &data, &plan, output, options.resume, &mut printer)?;
    if summary.already_finished {
        context.say(format!("{}: the run is finished already ({} steps)", output.display(), summary.steps));
    }
    Ok(summary)
}

/// Leaves the showing to the first process.
struct Silent;

impl TrainObserver for Silent {
    fn on_event(&mut self, _: &TrainEvent) {}

    fn interrupted(&self) -> bool {
        interrupted()
    }
}

/// Shows the trainer's events on stderr.
struct Printer<'a> {
    context: &'a Context,
    /// When the updates began, and when the last line was written.
    began: Option<std::time::Instant>,
    last: Option<std::time::Instant>,
    /// Run whose TensorBoard files are wanted, and the file once training has begun.
    run: Option<&'a PathBuf>,
    board: Option<EventFile>,
}

impl Printer<'_> {
    /// A viewer that cannot be served must not stop the training.
    fn board(&mut self, step: usize, values: &[(&str, f64)]) {
        if let Some(board) = &mut self.board
            && let Err(e) = board.scalars(step, values)
        {
            self.context.warn(format!("no more TensorBoard events: {e}"));
            self.board = None;
        }
    }
}

impl TrainObserver for Printer<'_> {
    fn on_event(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Started { parameters, trajectories, first_step, steps } => {
                self.began = Some(std::time::Instant::now());
                match self.run.map(|run| EventFile::create(&run.join("tensorboard"))).transpose() {
                    Ok(board) => self.board = board,
                    Err(e) => self.context.warn(format!("no TensorBoard events: {e}")),
                }
                self.context.say(format!("training {parameters} parameters on {trajectories} trajectories, steps {first_step} to {steps}"));
            }
            TrainEvent::Step { step, steps, loss, lr, steps_per_s, seconds_left, data_wait_s } => {
                self.board(*step, &[("loss", *loss), ("learning_rate", *lr), ("steps_per_s", *steps_per_s)]);
                if self.last.is_some_and(|l| l.elapsed().as_secs_f64() < 5.0) {
                    return;
                }
                self.last = Some(std::time::Instant::now());
                let left = duration(*seconds_left);
                // Waiting that matters: more than a hundredth of the time.
                let waits = *data_wait_s > 0.01 * self.began.map_or(f64::MAX, |b| b.elapsed().as_secs_f64());
                let wait = if waits { format!("  {data_wait_s:.1} s waited for data") } else { String::new() };
                self.context.say(format!("step {step}/{steps}  loss {loss:.4e}  lr {lr:.1e}  {steps_per_s:.1} steps/s  {left} left{wait}"));
            }
            TrainEvent::Validated { step, rollout_rmse, best } => {
                self.board(*step, &[("valid_rollout_rmse", *rollout_rmse)]);
                let mark = if *best { "  (best so far)" } else { "" };
                self.context.say(format!("step {step}  validation rollout error {rollout_rmse:.4e}{mark}"));
            }
            TrainEvent::Checkpoint { .. } => {}
            TrainEvent::Note(text) => self.context.say(text),
        }
    }

    fn interrupted(&self) -> bool {
        interrupted()
    }
}
