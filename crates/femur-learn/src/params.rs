//! A model's parameters by name.

use crate::device::{Device, Loaded};
use crate::{LearnError, Real, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Named matrices, in the order in which the model asked for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    /// `(name, rows, columns, values)`.
    pub list: Vec<(String, usize, usize, Vec<f32>)>,
    index: BTreeMap<String, usize>,
    seed: u64,
}

impl Params {
    /// None yet; `seed` decides the first values.
    pub fn new(seed: u64) -> Self {
        Params { list: Vec::new(), index: BTreeMap::new(), seed }
    }

    /// Adds a weight matrix with values uniform in +-sqrt(6 / (rows + columns)) (Glorot and Bengio 2010), times `gain`.
    pub fn weight(&mut self, name: &str, rows: usize, columns: usize, gain: f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(1 + self.list.len() as u64));
        let bound = gain * (6.0 / (rows + columns) as f64).sqrt();
        let values = (0..rows * columns).map(|_| (bound * (2.0 * unit(&mut rng) - 1.0)) as f32).collect();
        self.insert(name, rows, columns, values);
    }

    /// Adds a row of equal values (a bias: 0; a LayerNorm's scale: 1).
    pub fn row(&mut self, name: &str, columns: usize, value: f32) {
        self.insert(name, 1, columns, vec![value; columns]);
    }

    /// Adds a matrix.
    pub fn insert(&mut self, name: &str, rows: usize, columns: usize, values: Vec<f32>) {
        self.index.insert(name.into(), self.list.len());
        self.list.push((name.into(), rows, columns, values));
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.list.iter().map(|p| p.3.len()).sum()
    }

    /// The parameters as matrices with gradients.
    pub fn vars<E: Real>(&self) -> Vars<E> {
        let list = self.list.iter().map(|(_, r, c, v)| Var::parameter(v.iter().map(|&v| E::of(f64::from(v))).collect(), *r, *c)).collect();
        Vars { list, index: self.index.clone(), loaded: None }
    }

    /// The same, to be computed with on a device, if there is one.
    pub(crate) fn vars_on(&self, device: Option<&dyn Device>) -> Result<Vars<f32>, LearnError> {
        let loaded = device.map(|d| d.load(self)).transpose()?;
        Ok(Vars { loaded, ..self.vars() })
    }
}

/// Parameters in use.
#[derive(Clone)]
pub struct Vars<E: Real> {
    /// In the order of [`Params::list`].
    pub list: Vec<Var<E>>,
    index: BTreeMap<String, usize>,
    /// The same on a device, which then computes.
    pub(crate) loaded: Option<Arc<dyn Loaded>>,
}

impl<E: Real> Vars<E> {
    /// The parameter of that name; a model asks only for what it added.
    pub fn get(&self, name: &str) -> &Var<E> {
        &self.list[self.index[name]]
    }
}

/// Uniform in [0, 1).
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Standard normal (Box and Muller 1958).
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (1.0 - unit(rng), unit(rng));
    (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}
