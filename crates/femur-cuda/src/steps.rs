//! A full message-passing step as one operation (Pfaff et al. 2021): an edge and a node network with LayerNorm and residuals, their first
//! layers split into products per node and per edge.

use crate::machine::{Failure, Machine};
use crate::math::Normed;
use crate::memory::{Matrix, Store};
use crate::tape::{Gradients, Graph, NOTHING, Tape};
use femur_learn::ops::Operations;
use femur_learn::{Handle, Memory};
use std::sync::Arc;

/// A parameter: where its gradient goes, and its values.
struct Parameter<M: Machine> {
    handle: Handle,
    value: Matrix<M>,
}

/// A layer's weight and bias, or a norm's scale and shift.
type Layer<M> = [Parameter<M>; 2];

/// One of the two networks: its hidden layers but the first, the last layer, the norm.
struct Network<M: Machine> {
    hidden: Vec<Layer<M>>,
    out: Layer<M>,
    norm: Layer<M>,
}

/// The parameters of a step.
struct Step<M: Machine> {
    sender: Parameter<M>,
    receiver: Parameter<M>,
    edge: Layer<M>,
    edges: Network<M>,
    node_message: Parameter<M>,
    node: Layer<M>,
    nodes: Network<M>,
    /// Whether factors of products are rounded to bfloat16.
    bf16: bool,
}

/// What the way back reads of one of the networks: values after each ReLU, before the norm, and the norm's statistics.
struct Kept<M: Machine> {
    hidden: Vec<Matrix<M>>,
    out: Matrix<M>,
    stats: Matrix<M>,
}

/// The same of both, and the sums of messages.
struct Layers<M: Machine> {
    edges: Kept<M>,
    nodes: Kept<M>,
    sum: Matrix<M>,
}

/// Nodes and edges after a step.
type Next<M> = [Option<Matrix<M>>; 2];

impl<M: Machine> Step<M> {
    fn new(tape: &mut Tape<M>, name: &str, hidden: usize) -> Self {
        let mut one = |part: &str| {
            let handle = tape.parameter(&format!("{name}.{part}"));
            Parameter { handle, value: tape.value(&handle) }
        };
        let mut network = |side: &str| {
            let mut layer = |of: String, parts: [&str; 2]| parts.map(|p| one(&format!("{side}_{of}.{p}")));
            let hidden = (1..hidden).map(|k| layer(format!("hidden.{k}"), ["weight", "bias"])).collect();
            Network { hidden, out: layer("out".into(), ["weight", "bias"]), norm: layer("norm".into(), ["scale", "shift"]) }
        };
        let (edges, nodes) = (network("edge"), network("node"));
        Step {
            sender: one("sender.weight"),
            receiver: one("receiver.weight"),
            edge: [one("edge.weight"), one("edge.bias")],
            edges,
            node_message: one("node_message.weight"),
            node: [one("node.weight"), one("node.bias")],
            nodes,
            bf16: tape.bf16,
        }
    }

    /// `x W`, or `x W^T`.
    fn product(&self, store: &Arc<Store<M>>, x: &Matrix<M>, w: &Parameter<M>, transposed: bool) -> Result<Matrix<M>, Failure> {
        let y = store.matrix(x.rows, x.columns)?;
        store.product((x, false), (&w.value, transposed), &y, 0.0, self.bf16)?;
        Ok(y)
    }

    /// `y += x W`, or `x W^T`.
    fn add_product(&self, store: &Arc<Store<M>>, y: &Matrix<M>, x: &Matrix<M>, w: &Parameter<M>, transposed: bool) -> Result<(), Failure> {
        store.product((x, false), (&w.value, transposed), y, 1.0, self.bf16)
    }

    /// From the first ReLU's output to what is kept and the norm, added to `old` too if there is an `old`.
    fn through(
        &self,
        store: &Arc<Store<M>>,
        network: &Network<M>,
        first: Matrix<M>,
        old: Option<&Matrix<M>>,
    ) -> Result<(Kept<M>, Normed<M>), Failure> {
        let mut hidden = vec![first];
        let mut last = hidden[0].clone();
        for [weight, bias] in &network.hidden {
            last = self.product(store, &last, weight, false)?;
            store.finish(&last, &bias.value, None, true)?;
            hidden.push(last.clone());
        }
        let out = self.product(store, &last, &network.out[0], false)?;
        store.finish(&out, &network.out[1].value, None, false)?;
        let [scale, shift] = &network.norm;
        let normed = store.norm(&out, [&scale.value, &shift.value], old)?;
        Ok((Kept { hidden, out, stats: normed.stats.clone() }, normed))
    }

    /// Both networks: what is kept, the nodes after the step and (if wanted) the edges.
    fn forward(
        &self,
        store: &Arc<Store<M>>,
        graph: &Graph<M>,
        v: &Matrix<M>,
        e: &Matrix<M>,
        edges: bool,
    ) -> Result<(Layers<M>, Next<M>), Failure> {
        let (sent, received) = (self.product(store, v, &self.sender, false)?, self.product(store, v, &self.receiver, false)?);
        let h = self.product(store, e, &self.edge[0], false)?;
        store.combine(&h, [&sent, &received], Some(&self.edge[1].value), [&graph.senders, &graph.receivers])?;
        let (edges, messages) = self.through(store, &self.edges, h, edges.then_some(e))?;
        let sum = store.gather(&messages.y, None, &graph.start, false)?;
        let h = self.product(store, v, &self.node[0], false)?;
        self.add_product(store, &h, &sum, &self.node_message, false)?;
        store.finish(&h, &self.node[1].value, None, true)?;
        let (nodes, normed) = self.through(store, &self.nodes, h, Some(v))?;
        Ok((Layers { edges, nodes, sum }, [normed.next, messages.next]))
    }

    /// From the gradient `g` of the norm's output to that before the first ReLU.
    fn back_through(&self, gradients: &Gradients<M>, network: &Network<M>, kept: &Kept<M>, mut g: Matrix<M>) -> Result<Matrix<M>, Failure> {
        let store = &gradients.store;
        let [scale, shift] = &network.norm;
        let of = [&gradients.parameter(scale.handle), &gradients.parameter(shift.handle)];
        store.norm_back(&g, &kept.out, &kept.stats, &scale.value, of)?;
        for (k, hidden) in kept.hidden.iter().enumerate().rev() {
            let [weight, bias] = network.hidden.get(k).unwrap_or(&network.out);
            gradients.weight(weight.handle, hidden, &g, self.bf16)?;
            gradients.bias(bias.handle, &g)?;
            g = self.product(store, &g, weight, true)?;
            store.relu_back(&g, hidden)?;
        }
        Ok(g)
    }

    /// From the gradients of nodes and edges after the step to those before it.
    fn backward(
        &self,
        gradients: &Gradients<M>,
        graph: &Graph<M>,
        (v, e, layers): (&Matrix<M>, &Matrix<M>, &Layers<M>),
        dv: Matrix<M>,
        de: Option<Matrix<M>>,
    ) -> Result<[Matrix<M>; 2], Failure> {
        let store = &gradients.store;
        let g = self.back_through(gradients, &self.nodes, &layers.nodes, store.copy(&dv)?)?;
        gradients.weight(self.node_message.handle, &layers.sum, &g, self.bf16)?;
        gradients.weight(self.node[0].handle, v, &g, self.bf16)?;
        gradients.bias(self.node[1].handle, &g)?;
        let dsum = self.product(store, &g, &self.node_message, true)?;
        self.add_product(store, &dv, &g, &self.node[0], true)?;

        let g = store.scatter(de.as_ref(), &dsum, &graph.receivers)?;
        let g = self.back_through(gradients, &self.edges, &layers.edges, g)?;
        gradients.weight(self.edge[0].handle, e, &g, self.bf16)?;
        gradients.bias(self.edge[1].handle, &g)?;
        let de = match de {
            Some(de) => {
                self.add_product(store, &de, &g, &self.edge[0], true)?;
                de
            }
            None => self.product(store, &g, &self.edge[0], true)?,
        };
        let sent = store.gather(&g, Some(&graph.outgoing), &graph.out_start, false)?;
        let received = store.gather(&g, None, &graph.start, false)?;
        for (parameter, g) in [(&self.sender, &sent), (&self.receiver, &received)] {
            gradients.weight(parameter.handle, v, g, self.bf16)?;
            self.add_product(store, &dv, g, parameter, true)?;
        }
        Ok([dv, de])
    }
}

/// Steps below these names, from whose start a backward pass goes on: nodes, and edges where they are wanted.
pub(crate) fn full_steps<M: Machine>(
    tape: &mut Tape<M>,
    v: &Handle,
    e: &Handle,
    names: &[String],
    hidden: usize,
    edges: bool,
) -> (Handle, Handle) {
    tape.attempt((NOTHING, NOTHING), |tape| {
        let (store, graph) = (tape.store().clone(), tape.graph.clone());
        let steps: Vec<Step<M>> = names.iter().map(|name| Step::new(tape, name, hidden)).collect();
        let start = [tape.value(v), tape.value(e)];
        let ([mut next_v, mut next_e], mut kept) = (start.clone().map(Some), None);
        for (k, step) in steps.iter().enumerate() {
            let (Some(v), Some(e)) = (&next_v, &next_e) else { break };
            let (layers, next) = step.forward(&store, &graph, v, e, edges || k + 1 < steps.len())?;
            [next_v, next_e] = next;
            // Else they are computed once more.
            kept = (tape.keep == Some(Memory::Store)).then_some(layers);
        }
        let mut made = |next: Option<Matrix<M>>| next.map_or(NOTHING, |next| tape.made(next));
        let (v, e, out_v, out_e) = (*v, *e, made(next_v), made(next_e));
        tape.back(move |gradients| {
            let (dv, mut de) = (gradients.take(out_v), if edges { gradients.take(out_e) } else { None });
            let mut dv = match (dv, &de) {
                (Some(dv), _) => dv,
                (None, None) => return Ok(()),
                (None, Some(_)) => {
                    let zero = store.matrix(start[0].rows, start[0].columns)?;
                    store.fill(&zero, 0.0)?;
                    zero
                }
            };
            let mut inputs = vec![start];
            for step in &steps[..steps.len() - 1] {
                let Some([v, e]) = inputs.last() else { break };
                if let (_, [Some(v), Some(e)]) = step.forward(&store, &graph, v, e, true)? {
                    inputs.push([v, e]);
                }
            }
            for (step, [v, e]) in steps.iter().zip(&inputs).rev() {
                let layers = match kept.take() {
                    Some(layers) => layers,
                    None => step.forward(&store, &graph, v, e, false)?.0,
                };
                let before = step.backward(gradients, &graph, (v, e, &layers), dv, de)?;
                let [before_v, before_e] = before;
                (dv, de) = (before_v, Some(before_e));
            }
            gradients.add(v, dv)?;
            de.map_or(Ok(()), |de| gradients.add(e, de))
        });
        Ok((out_v, out_e))
    })
}
