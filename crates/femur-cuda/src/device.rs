//! Femur's device, on any machine.

use crate::machine::{Failure, Machine};
use crate::memory::Store;
use crate::tape::{Graph, Tape, Weights};
use femur_learn::models::GraphInput;
use femur_learn::{Device, Handle, LearnError, Loaded, Memory, NetworkOn, Params, Pass, Precision};
use std::sync::Arc;

/// A device made of a machine that runs kernels.
pub struct Accelerator<M: Machine> {
    store: Arc<Store<M>>,
}

impl<M: Machine> Accelerator<M> {
    /// On this machine.
    pub fn new(machine: M) -> Self {
        Accelerator { store: Store::new(machine) }
    }
}

impl<M: Machine> Store<M> {
    /// An error that says which device failed.
    fn named(&self) -> impl Fn(Failure) -> LearnError {
        |Failure { what, hint }| LearnError::Device { device: self.machine.name(), what, hint }
    }
}

impl<M: Machine> Device for Accelerator<M> {
    fn name(&self) -> String {
        self.store.machine.name()
    }

    fn load(&self, params: &Params) -> Result<Arc<dyn Loaded>, LearnError> {
        let weights = Weights::new(self.store.clone(), params).map_err(self.store.named())?;
        let lengths = params.list.iter().map(|p| p.3.len()).collect();
        Ok(Arc::new(OnMachine { weights: Arc::new(weights), lengths }))
    }

    fn orthogonalise(&self, matrices: Vec<f32>, shape: [usize; 2]) -> Result<Vec<f32>, LearnError> {
        let run = || {
            let x = self.store.upload(&matrices, 1, matrices.len())?;
            self.store.download(&self.store.orthogonalise(x, shape)?)
        };
        run().map_err(self.store.named())
    }
}

/// Parameters on a machine.
struct OnMachine<M: Machine> {
    weights: Arc<Weights<M>>,
    /// Number of values of each parameter.
    lengths: Vec<usize>,
}

impl<M: Machine> Loaded for OnMachine<M> {
    fn run(
        &self,
        input: &GraphInput<f32>,
        keep: Option<Memory>,
        precision: Precision,
        network: &NetworkOn<'_>,
    ) -> Result<Box<dyn Pass>, LearnError> {
        let store = &self.weights.store;
        let run = || {
            let graph = Graph::new(store, &input.graph)?;
            let mut tape = Tape::new(self.weights.clone(), graph, keep, precision == Precision::Bf16);
            let [nodes, edges] = [&input.nodes, &input.edges].map(|x| store.upload(x.values(), x.rows(), x.columns()));
            let (nodes, edges) = (tape.data(nodes?), tape.data(edges?));
            let out = network(&mut tape, &nodes, &edges);
            let output = tape.output(&out)?;
            Ok(Box::new(MachinePass { tape, out, output }))
        };
        run().map(|pass| pass as Box<dyn Pass>).map_err(store.named())
    }

    fn take_gradients(&self) -> Result<Vec<Vec<f32>>, LearnError> {
        let all = self.weights.take_gradients().map_err(self.weights.store.named())?;
        let mut rest = &all[..];
        Ok(self.lengths.iter().filter_map(|&len| rest.split_off(..len)).map(<[f32]>::to_vec).collect())
    }
}

/// A network computed on one graph.
struct MachinePass<M: Machine> {
    tape: Tape<M>,
    out: Handle,
    output: Vec<f32>,
}

impl<M: Machine> Pass for MachinePass<M> {
    fn output(&self) -> &[f32] {
        &self.output
    }

    fn backward(self: Box<Self>, gradient: Vec<f32>) -> Result<Vec<Vec<f32>>, LearnError> {
        let store = self.tape.store().clone();
        self.tape.backward(self.out, &gradient).map_err(store.named())?;
        Ok(Vec::new())
    }
}
