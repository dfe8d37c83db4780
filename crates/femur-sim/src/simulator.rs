//! What steps a state in time, and the one loop that does so for truth and surrogate alike.

use crate::{Setup, SolverLog, State, Trajectory, UnitResponse};
use thiserror::Error;

/// A simulation could not go on.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SimError {
    /// The case is wrong for this physics or model: names what and why.
    #[error("{what}\n  hint: {hint}")]
    Case {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A solver gave up.
    #[error("the solver failed at time {time}: {reason}")]
    Solver {
        /// Time of the step that failed.
        time: f64,
        /// Why.
        reason: String,
    },
    /// A field became infinite or NaN.
    #[error("field `{field}` is not finite at time {time}")]
    NotFinite {
        /// Field name.
        field: String,
        /// Time of the step.
        time: f64,
    },
    /// The observer asked to stop (Ctrl-C).
    #[error("interrupted")]
    Interrupted,
}

/// A finite-element solver or a learned surrogate for one case.
pub trait Simulator {
    /// What the run starts from.
    fn setup(&self) -> &Setup;

    /// Advances `state` (at output time `step - 1`) to output time `step`. For a steady problem `step` is 0 and `state` is `None`.
    fn step(&mut self, step: usize, state: Option<&State>) -> Result<State, SimError>;

    /// Responses to unit loads of a linear problem, once solved; empty where the simulator has none.
    fn unit_responses(&mut self) -> Result<Vec<UnitResponse>, SimError> {
        Ok(Vec::new())
    }

    /// What the solver did so far.
    fn log(&self) -> SolverLog {
        SolverLog::default()
    }
}

/// Sees each state as it is made; `Err(SimError::Interrupted)` stops the rollout.
pub trait Observer {
    /// Called with every state, the initial one too.
    fn on_state(&mut self, step: usize, state: &State) -> Result<(), SimError>;
}

impl Observer for () {
    fn on_state(&mut self, _step: usize, _state: &State) -> Result<(), SimError> {
        Ok(())
    }
}

/// Runs a simulator over all its output times. Every value is checked to be finite.
pub fn rollout(simulator: &mut dyn Simulator, observer: &mut dyn Observer) -> Result<Trajectory, SimError> {
    let mut states: Vec<State> = Vec::with_capacity(simulator.setup().times.len());
    if let Some(initial) = simulator.setup().initial.clone() {
        observer.on_state(0, &initial)?;
        states.push(initial);
    }
    for step in states.len()..simulator.setup().times.len() {
        let state = simulator.step(step, states.last())?;
        if let Some(bad) = state.fields.iter().find(|f| f.values.iter().any(|v| !v.is_finite())) {
            return Err(SimError::NotFinite { field: bad.name.clone(), time: state.time });
        }
        observer.on_state(step, &state)?;
        states.push(state);
    }
    let unit_responses = simulator.unit_responses()?;
    Ok(Trajectory { setup: simulator.setup().clone(), states, unit_responses, log: simulator.log() })
}
