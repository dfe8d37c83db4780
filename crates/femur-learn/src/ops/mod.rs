//! Own differentiable operations. Each computes forwards at once and records its derivative on the tape; sums have a fixed order.

mod dense;
mod graph;
mod processor;
mod slices;

pub use graph::Adjacency;
pub(crate) use processor::step_params;

use crate::Real;
use crate::tape::Recorder;

/// Operations for one float type.
pub struct Ops<'a, E: Real> {
    /// Where operations are recorded.
    pub recorder: &'a mut Recorder<E>,
}
