//! Loss and gradients of a batch.

use crate::config::TrainingConfig;
use crate::feed::{Drawn, Feed};
use crate::models::GraphInput;
use crate::params::Vars;
use crate::parts::Part;
use crate::sample::{Body, Example, Sample};
use crate::surrogate::Surrogate;
use crate::{LearnError, kernels};
use rayon::prelude::*;
use std::sync::Arc;

/// Nodes of the graphs that a device computes together: enough for all of its cores.
const TOGETHER: usize = 32_768;

/// Loss and gradients of the examples at these places of the sequence of all that are drawn, summed in their order.
pub(crate) fn batch(
    surrogate: &Surrogate,
    t: &TrainingConfig,
    vars: &Vars<f32>,
    feed: &mut Feed,
    places: &[usize],
    step: usize,
) -> Result<(f64, Vec<Vec<f32>>), LearnError> {
    let (mut loss, mut sum) = (0.0, Vec::new());
    // Not all at once: every graph's gradients are as large as the network.
    for places in places.chunks(2 * rayon::current_num_threads()) {
        let drawn = feed.take(places)?.into_par_iter().with_max_len(1);
        let sample = |(example, draw): Drawn| -> Result<(Arc<Example>, Sample), LearnError> {
            let sample = example.sample(surrogate, vars, draw)?;
            Ok((example, sample))
        };
        if vars.loaded.is_some() {
            let samples: Vec<_> = drawn.map(sample).collect::<Vec<_>>().into_iter().collect::<Result<_, _>>()?;
            let pieces: Vec<Piece<'_>> = samples.iter().flat_map(|(example, sample)| Piece::all(&example.body, sample)).collect();
            for together in groups(surrogate, &pieces) {
                learn(surrogate, t, vars, together, step, &mut loss)?;
            }
            continue;
        }
        // All, so that of several failures the first is told whichever thread ends first.
        let results: Vec<Result<_, LearnError>> = drawn
            .map(|drawn| {
                let (example, sample) = sample(drawn)?;
                let (mut loss, mut sum) = (0.0, Vec::new());
                for piece in Piece::all(&example.body, &sample) {
                    add_all(&mut sum, learn(surrogate, t, vars, &[piece], step, &mut loss)?);
                }
                Ok((loss, sum))
            })
            .collect();
        for result in results {
            let (l, gradients) = result?;
            loss += l;
            add_all(&mut sum, gradients);
        }
    }
    if let Some(loaded) = &vars.loaded {
        sum = loaded.take_gradients()?;
    }
    Ok((loss, sum))
}

/// A graph, or a part of one, and what is to be learnt on it.
struct Piece<'a> {
    body: &'a Body,
    sample: &'a Sample,
    part: Option<&'a Part>,
}

impl<'a> Piece<'a> {
    fn all(body: &'a Body, sample: &'a Sample) -> Vec<Self> {
        body.graph.pieces().into_iter().map(|part| Piece { body, sample, part }).collect()
    }

    /// Number of nodes that are computed.
    fn nodes(&self) -> usize {
        self.part.map_or(self.body.graph.n, |p| p.nodes.len())
    }

    /// The loss of an output `[nodes, width]`, and its derivative into `seed`.
    fn loss(&self, out: &[f32], seed: &mut [f32], width: usize) -> f64 {
        let (_, targets, weights) = self.sample;
        let owned = self.part.map_or(self.body.graph.n, |p| p.owned);
        let mut loss = 0.0;
        for (row, (y, seed)) in out.chunks_exact(width).zip(seed.chunks_exact_mut(width)).take(owned).enumerate() {
            let first = self.part.map_or(row, |p| p.nodes[row] as usize) * width;
            for c in 0..width {
                let (d, w) = (y[c] - targets[first + c], weights[first + c]);
                loss += f64::from(w * d * d);
                seed[c] = 2.0 * w * d;
            }
        }
        loss
    }
}

/// Neighbouring pieces that are computed together; with attention, where every node of a graph sees all others, each by itself.
fn groups<'p, 'a>(surrogate: &Surrogate, pieces: &'p [Piece<'a>]) -> Vec<&'p [Piece<'a>]> {
    let (mut groups, mut first, mut nodes) = (Vec::new(), 0, 0);
    for (k, piece) in pieces.iter().enumerate() {
        if k > first && (surrogate.reach().is_none() || nodes + piece.nodes() > TOGETHER) {
            groups.push(&pieces[first..k]);
            (first, nodes) = (k, 0);
        }
        nodes += piece.nodes();
    }
    groups.push(&pieces[first..]);
    groups
}

/// Adds the loss of pieces, computed together, and gives its gradient by every parameter.
fn learn(
    surrogate: &Surrogate,
    t: &TrainingConfig,
    vars: &Vars<f32>,
    pieces: &[Piece<'_>],
    step: usize,
    loss: &mut f64,
) -> Result<Vec<Vec<f32>>, LearnError> {
    let inputs = pieces.iter().map(|p| surrogate.input(&p.body.graph, p.part, &p.sample.0)).collect();
    let pass = surrogate.run(vars, &GraphInput::union(inputs), Some(t.memory), t.precision)?;
    let (out, width) = (pass.output(), surrogate.header.widths().outputs);
    let (mut seed, mut first) = (vec![0.0; out.len()], 0);
    for piece in pieces {
        let own = first..first + piece.nodes() * width;
        first = own.end;
        *loss += piece.loss(&out[own.clone()], &mut seed[own.clone()], width);
        if !loss.is_finite() {
            let field = surrogate.not_finite(&out[own]);
            return Err(LearnError::Diverged { step, loss: *loss, example: piece.body.name.clone(), field });
        }
    }
    pass.backward(seed)
}

/// `sum += gradients`, matrix by matrix; an empty sum becomes them.
fn add_all(sum: &mut Vec<Vec<f32>>, gradients: Vec<Vec<f32>>) {
    if sum.is_empty() {
        *sum = gradients;
    } else {
        sum.iter_mut().zip(&gradients).for_each(|(s, g)| kernels::add(s, g));
    }
}
