//! Recording own operations on dfdx's tape.
//!
//! A [`Var`] is a dfdx tensor `[rows, columns]` on the CPU, with a second, empty tensor under whose identity dfdx's store keeps the
//! gradient: the store fills a new entry with zeros of its tensor's size, a pass over memory that an entry which is overwritten next
//! need not pay. A [`Recorder`] holds dfdx's tape; an operation computes its output at
//! once and gives the tape a closure that turns the output's gradient into those of its inputs. dfdx keeps the order of the
//! operations and the store of gradients, and runs them backwards.

use crate::Real;
use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

type Matrix<E> = Tensor<(usize, usize), E, Cpu>;
type Slot<E> = Tensor<(usize,), E, Cpu>;

/// A matrix, row-major, that may have a gradient.
#[derive(Clone)]
pub struct Var<E: Real> {
    tensor: Matrix<E>,
    slot: Slot<E>,
    rows: usize,
    columns: usize,
    needs_gradient: bool,
}

impl<E: Real> Var<E> {
    fn new(values: Vec<E>, rows: usize, columns: usize, needs_gradient: bool) -> Self {
        assert_eq!(values.len(), rows * columns, "a matrix of {rows} x {columns}");
        let device = Cpu::default();
        let tensor = device.tensor_from_vec(values, (rows, columns));
        let slot = device.tensor_from_vec(Vec::new(), (0,));
        Var { tensor, slot, rows, columns, needs_gradient }
    }

    /// A matrix without gradient.
    pub fn constant(values: Vec<E>, rows: usize, columns: usize) -> Self {
        Var::new(values, rows, columns, false)
    }

    /// A matrix whose gradient is wanted.
    pub fn parameter(values: Vec<E>, rows: usize, columns: usize) -> Self {
        Var::new(values, rows, columns, true)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether a gradient is wanted.
    pub fn needs_gradient(&self) -> bool {
        self.needs_gradient
    }

    /// Values, row-major.
    pub fn values(&self) -> &[E] {
        if self.rows * self.columns == 0 {
            return &[];
        }
        let first: &E = &self.tensor[[0, 0]];
        // SAFETY: the tensor was made from one Vec of rows x columns values in row-major order and is never reshaped, so they lie
        // one after the other from the first on, and they live as long as `self`.
        unsafe { std::slice::from_raw_parts(first, self.rows * self.columns) }
    }
}

/// Gradients after a backward pass.
pub struct Grads<E: Real>(Gradients<E, Cpu>);

impl<E: Real> Grads<E> {
    /// Takes the gradient of a matrix, zeros where it had no part in the loss.
    pub fn take(&mut self, of: &Var<E>) -> Vec<E> {
        let sum = self.0.get_or_alloc_mut(&of.slot).map(|g| std::mem::take(&mut **g)).unwrap_or_default();
        if sum.is_empty() { vec![E::of(0.0); of.rows * of.columns] } else { sum }
    }
}

/// What a training keeps of the values within message-passing steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// Everything that the backward pass reads.
    #[default]
    Store,
    /// What goes into each step; the rest is computed once more.
    Recompute,
    /// What goes into one of every few steps: about the root of their number. These steps are computed once more, and then what is
    /// within each of them (Griewank 1992, with one level of checkpoints).
    Checkpoint,
}

impl Memory {
    /// All, with their words in a case.
    pub const ALL: [(Memory, &str); 3] = [(Memory::Store, "store"), (Memory::Recompute, "recompute"), (Memory::Checkpoint, "checkpoint")];

    /// Of so many steps the number that a backward pass goes back at a time, from what is kept at their start.
    pub fn stride(self, steps: usize) -> usize {
        if self == Memory::Checkpoint { (steps as f64).sqrt().ceil().max(1.0) as usize } else { 1 }
    }
}

/// What the factors of products between latent features are rounded to; sums, weights and all else stay in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// bfloat16, 8 bits of mantissa.
    Bf16,
}

impl Precision {
    /// All, with their words in a case.
    pub const ALL: [(Precision, &str); 2] = [(Precision::F32, "f32"), (Precision::Bf16, "bf16")];
}

/// A tape, or (for inference) none.
pub struct Recorder<E: Real> {
    tape: Option<OwnedTape<E, Cpu>>,
    memory: Memory,
    precision: Precision,
}

impl<E: Real> Recorder<E> {
    /// Records for a backward pass.
    pub fn training(memory: Memory) -> Self {
        Recorder { tape: Some(OwnedTape::default()), memory, precision: Precision::F32 }
    }

    /// Computes only.
    pub fn inference() -> Self {
        Recorder { tape: None, memory: Memory::Store, precision: Precision::F32 }
    }

    /// The same with products in another precision.
    pub fn with(self, precision: Precision) -> Self {
        Recorder { precision, ..self }
    }

    /// What factors of products are rounded to.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// What to keep for a backward pass; `None` if there will be none.
    pub fn memory(&self) -> Option<Memory> {
        self.tape.is_some().then_some(self.memory)
    }

    /// Notes an operation. `backward(inputs, output, gradient of the output)` returns the inputs' gradients; that of an input which
    /// needs none is not read and may be empty.
    pub fn op<const N: usize>(
        &mut self,
        inputs: [&Var<E>; N],
        values: Vec<E>,
        rows: usize,
        columns: usize,
        backward: impl FnOnce(&[Var<E>; N], &Var<E>, Vec<E>) -> [Vec<E>; N] + 'static,
    ) -> Var<E> {
        self.op_of(&inputs, values, rows, columns, move |own, output, gradient| {
            backward(&std::array::from_fn(|i| own[i].clone()), output, gradient).into()
        })
    }

    /// As [`Recorder::op`], of any number of inputs.
    pub fn op_of(
        &mut self,
        inputs: &[&Var<E>],
        values: Vec<E>,
        rows: usize,
        columns: usize,
        backward: impl FnOnce(&[Var<E>], &Var<E>, Vec<E>) -> Vec<Vec<E>> + 'static,
    ) -> Var<E> {
        let needs = self.tape.is_some() && inputs.iter().any(|i| i.needs_gradient);
        let out = Var::new(values, rows, columns, needs);
        if let (Some(tape), true) = (&mut self.tape, needs) {
            let inputs: Vec<Var<E>> = inputs.iter().map(|v| (*v).clone()).collect();
            let output = out.clone();
            tape.add_backward_op(move |gradients| {
                let gradient = std::mem::take(&mut **gradients.get_or_alloc_mut(&output.slot)?);
                // Nothing that follows reaches the loss.
                if gradient.is_empty() {
                    return Ok(());
                }
                let deltas = backward(&inputs, &output, gradient);
                for (input, delta) in inputs.iter().zip(deltas) {
                    if input.needs_gradient {
                        accumulate(gradients.get_or_alloc_mut(&input.slot)?, delta);
                    }
                }
                Ok(())
            });
        }
        out
    }

    /// Runs the tape backwards from `output`, weighted by `seed` (the derivative of the loss with respect to it).
    pub fn backward(self, output: &Var<E>, seed: Vec<E>) -> Grads<E> {
        let Some(mut tape) = self.tape else { return Grads(Gradients::leaky()) };
        let device = Cpu::default();
        let loss: Tensor<Rank0, E, Cpu> = device.tensor(E::of(0.0));
        let (ghost, slot) = (loss.clone(), output.slot.clone());
        tape.add_backward_op(move |gradients| {
            let _ = gradients.get_or_alloc_mut(&ghost)?;
            accumulate(gradients.get_or_alloc_mut(&slot)?, seed);
            Ok(())
        });
        match loss.put_tape(tape).try_backward() {
            Ok(gradients) => Grads(gradients),
            // dfdx's CPU device fails only where memory ends; zeros then end in the check of the loss.
            Err(_) => Grads(Gradients::leaky()),
        }
    }
}

fn accumulate<E: Real>(sum: &mut Vec<E>, delta: Vec<E>) {
    if sum.is_empty() {
        *sum = delta;
    } else {
        crate::kernels::add(sum, &delta);
    }
}
