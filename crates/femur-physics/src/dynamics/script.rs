//! Loads and supports over time as sums of products of a place and a function of time, so that a step evaluates each function once.

use super::Held;
use femur_sim::case::Expr;

/// What one function of time multiplies.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    pub(crate) time: Expr,
    /// Forces by unknown.
    pub(crate) force: Vec<(usize, f64)>,
    /// Prescribed values by unknown.
    pub(crate) held: Vec<(usize, f64)>,
}

/// Forces `[size]` and prescribed values at every time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    /// What does not change.
    pub(crate) force: Vec<f64>,
    pub(crate) held: Held,
    pub(crate) terms: Vec<Term>,
}

impl Script {
    /// Adds a load vector and prescribed values, times a function of time where there is one.
    pub(crate) fn add(&mut self, time: Option<&Expr>, vector: &[f64], held: impl Iterator<Item = (usize, f64)>) {
        match time {
            None => {
                self.force.iter_mut().zip(vector).for_each(|(f, v)| *f += v);
                held.for_each(|(u, v)| *self.held.entry(u).or_insert(0.0) += v);
            }
            Some(time) => {
                let force = vector.iter().copied().enumerate().filter(|(_, v)| *v != 0.0).collect();
                self.terms.push(Term { time: time.clone(), force, held: held.collect() });
            }
        }
    }

    /// The forces at a time.
    pub(crate) fn force_at(&self, t: f64, out: &mut [f64]) {
        out.copy_from_slice(&self.force);
        for term in &self.terms {
            let factor = term.time.eval(&[], t);
            term.force.iter().for_each(|&(u, v)| out[u] += factor * v);
        }
    }

    /// Whether a force changes in time.
    pub(crate) fn pushes(&self) -> bool {
        self.terms.iter().any(|t| !t.force.is_empty())
    }
}
