//! Where a network is computed: in this process, or on another device, such as a GPU.
//!
//! A device gets the parameters once an update, the features of one graph at a time, and gives back the output; gradients stay there
//! until those of a whole batch are asked for. What it computes is written once, as [`Network`](crate::models::Network).

use crate::LearnError;
use crate::models::GraphInput;
use crate::ops::Operations;
use crate::params::{Params, Vars};
use crate::tape::{Memory, Precision, Recorder, Var};
use std::sync::Arc;

/// A matrix on a device, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// Its number in a pass.
    pub id: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
}

/// A network on a device: its operations, node features and edge features in, output at the nodes out.
pub type NetworkOn<'a> = dyn Fn(&mut dyn Operations<Var = Handle>, &Handle, &Handle) -> Handle + 'a;

/// A device.
pub trait Device: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> String;

    /// Brings parameters there.
    ///
    /// # Errors
    /// [`LearnError::Device`] where it has no room.
    fn load(&self, params: &Params) -> Result<Arc<dyn Loaded>, LearnError>;

    /// Of matrices `[rows, columns]`, all of that shape and row-major one after the other, those with the same singular vectors and
    /// singular values near 1, as [`optimise`](crate::optimise) defines them: what Muon steps along.
    ///
    /// # Errors
    /// [`LearnError::Device`].
    fn orthogonalise(&self, matrices: Vec<f32>, shape: [usize; 2]) -> Result<Vec<f32>, LearnError>;
}

/// Parameters on a device.
pub trait Loaded: Send + Sync {
    /// Computes a network on one graph, keeping what a backward pass reads if that is asked for.
    ///
    /// # Errors
    /// [`LearnError::Device`] where it has no room.
    fn run(
        &self,
        input: &GraphInput<f32>,
        keep: Option<Memory>,
        precision: Precision,
        network: &NetworkOn<'_>,
    ) -> Result<Box<dyn Pass>, LearnError>;

    /// The parameters' gradients, summed over the backward passes since the last such call.
    ///
    /// # Errors
    /// [`LearnError::Device`].
    fn take_gradients(&self) -> Result<Vec<Vec<f32>>, LearnError>;
}

/// A network computed on one graph.
pub trait Pass {
    /// Values at the nodes, `[n, outputs]`.
    fn output(&self) -> &[f32];

    /// The parameters' gradients from that of the output; of a pass on a device none: they are added to those that wait there.
    ///
    /// # Errors
    /// [`LearnError::Device`].
    fn backward(self: Box<Self>, gradient: Vec<f32>) -> Result<Vec<Vec<f32>>, LearnError>;
}

/// A pass in this process.
pub(crate) struct HostPass<'v> {
    pub(crate) recorder: Recorder<f32>,
    pub(crate) out: Var<f32>,
    pub(crate) vars: &'v Vars<f32>,
}

impl Pass for HostPass<'_> {
    fn output(&self) -> &[f32] {
        self.out.values()
    }

    fn backward(self: Box<Self>, gradient: Vec<f32>) -> Result<Vec<Vec<f32>>, LearnError> {
        let mut grads = self.recorder.backward(&self.out, gradient);
        Ok(self.vars.list.iter().map(|v| grads.take(v)).collect())
    }
}
