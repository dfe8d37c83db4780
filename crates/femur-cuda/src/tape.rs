//! A network's operations on a machine, and the way back through them.

use crate::machine::{Failure, Machine};
use crate::math::{Block, Normed};
use crate::memory::{Matrix, Store};
use femur_learn::ops::{Adjacency, Operations};
use femur_learn::{Handle, Memory};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Parameters on a machine.
pub(crate) struct Weights<M: Machine> {
    pub(crate) store: Arc<Store<M>>,
    /// All values, one after the other.
    values: Matrix<M>,
    /// First value, rows and columns of each.
    index: BTreeMap<String, [usize; 3]>,
    /// Sums of gradients in the order of the values, once there are some.
    gradients: Mutex<Option<Matrix<M>>>,
}

impl<M: Machine> Weights<M> {
    pub(crate) fn new(store: Arc<Store<M>>, params: &femur_learn::Params) -> Result<Self, Failure> {
        let all: Vec<f32> = params.list.iter().flat_map(|p| p.3.iter().copied()).collect();
        let values = store.upload(&all, 1, all.len())?;
        let mut first = 0;
        let mut index = BTreeMap::new();
        for (name, rows, columns, of) in &params.list {
            index.insert(name.clone(), [first, *rows, *columns]);
            first += of.len();
        }
        Ok(Weights { store, values, index, gradients: Mutex::new(None) })
    }

    /// The sums of gradients, which start at 0.
    fn gradients(&self) -> Result<Matrix<M>, Failure> {
        let mut gradients = self.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sums) = &*gradients {
            return Ok(sums.clone());
        }
        let sums = self.store.matrix(1, self.values.len())?;
        self.store.fill(&sums, 0.0)?;
        *gradients = Some(sums.clone());
        Ok(sums)
    }

    /// The sums of gradients, in this process; they start anew.
    pub(crate) fn take_gradients(&self) -> Result<Vec<f32>, Failure> {
        match self.gradients.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(sums) => self.store.download(&sums),
            None => Ok(vec![0.0; self.values.len()]),
        }
    }
}

/// A graph on a machine.
pub(crate) struct Graph<M: Machine> {
    pub(crate) senders: Matrix<M>,
    pub(crate) receivers: Matrix<M>,
    /// First edge that ends at each node.
    pub(crate) start: Matrix<M>,
    /// The edges that start at node `s`: `outgoing` from `out_start[s]` to `out_start[s + 1]`.
    pub(crate) out_start: Matrix<M>,
    pub(crate) outgoing: Matrix<M>,
}

impl<M: Machine> Graph<M> {
    pub(crate) fn new(store: &Arc<Store<M>>, graph: &Adjacency) -> Result<Self, Failure> {
        let (out_start, outgoing) = graph.outgoing();
        let start: Vec<u32> = graph.start.iter().map(|&s| s as u32).collect();
        Ok(Graph {
            senders: store.upload_numbers(&graph.senders)?,
            receivers: store.upload_numbers(&graph.receivers)?,
            start: store.upload_numbers(&start)?,
            out_start: store.upload_numbers(&out_start)?,
            outgoing: store.upload_numbers(&outgoing)?,
        })
    }
}

/// What a matrix of a pass is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Features.
    Data,
    /// Parameters, from this one on.
    Parameter(usize),
    /// Made from others.
    Made,
}

/// The way back through an operation.
type Back<M> = Box<dyn FnOnce(&mut Gradients<M>) -> Result<(), Failure>>;

/// The operations of one pass.
pub(crate) struct Tape<M: Machine> {
    pub(crate) weights: Arc<Weights<M>>,
    pub(crate) graph: Arc<Graph<M>>,
    pub(crate) keep: Option<Memory>,
    pub(crate) bf16: bool,
    values: Vec<Matrix<M>>,
    kinds: Vec<Kind>,
    parameters: BTreeMap<String, Handle>,
    backs: Vec<Back<M>>,
    /// The first thing that went wrong; nothing is done after it.
    failure: Option<Failure>,
}

/// Gradients of what a pass made.
pub(crate) struct Gradients<M: Machine> {
    pub(crate) store: Arc<Store<M>>,
    kinds: Vec<Kind>,
    of: Vec<Option<Matrix<M>>>,
    parameters: Matrix<M>,
}

impl<M: Machine> Gradients<M> {
    /// Takes that of a matrix; `None` where nothing that follows reaches the loss.
    pub(crate) fn take(&mut self, of: Handle) -> Option<Matrix<M>> {
        self.of[of.id].take()
    }

    /// Adds to that of a matrix; whoever gives it uses it no more.
    pub(crate) fn add(&mut self, to: Handle, by: Matrix<M>) -> Result<(), Failure> {
        match (self.kinds[to.id], &self.of[to.id]) {
            (Kind::Data, _) => Ok(()),
            (Kind::Parameter(_), _) => self.store.add(&self.parameter(to), &by),
            (Kind::Made, Some(sum)) => self.store.add(sum, &by),
            (Kind::Made, None) => {
                self.of[to.id] = Some(by);
                Ok(())
            }
        }
    }

    /// Whether anybody reads that of a matrix.
    pub(crate) fn wanted(&self, of: Handle) -> bool {
        self.kinds[of.id] != Kind::Data
    }

    /// The place where that of a parameter is summed.
    pub(crate) fn parameter(&self, of: Handle) -> Matrix<M> {
        let first = if let Kind::Parameter(first) = self.kinds[of.id] { first } else { 0 };
        self.parameters.part(first, of.rows, of.columns)
    }

    /// `x^T g` to that of a weight.
    pub(crate) fn weight(&self, w: Handle, x: &Matrix<M>, g: &Matrix<M>, bf16: bool) -> Result<(), Failure> {
        self.store.product((x, true), (g, false), &self.parameter(w), 1.0, bf16)
    }

    /// The sum of `g` over its rows to that of a bias.
    pub(crate) fn bias(&self, b: Handle, g: &Matrix<M>) -> Result<(), Failure> {
        self.store.add_rows(&self.parameter(b), g)
    }
}

impl<M: Machine> Tape<M> {
    pub(crate) fn new(weights: Arc<Weights<M>>, graph: Graph<M>, keep: Option<Memory>, bf16: bool) -> Self {
        let (values, kinds, parameters, backs) = (Vec::new(), Vec::new(), BTreeMap::new(), Vec::new());
        Tape { weights, graph: Arc::new(graph), keep, bf16, values, kinds, parameters, backs, failure: None }
    }

    pub(crate) fn store(&self) -> &Arc<Store<M>> {
        &self.weights.store
    }

    fn push(&mut self, matrix: Matrix<M>, kind: Kind) -> Handle {
        let handle = Handle { id: self.values.len(), rows: matrix.rows, columns: matrix.columns };
        self.values.push(matrix);
        self.kinds.push(kind);
        handle
    }

    /// Features of nodes or edges.
    pub(crate) fn data(&mut self, matrix: Matrix<M>) -> Handle {
        self.push(matrix, Kind::Data)
    }

    pub(crate) fn value(&self, of: &Handle) -> Matrix<M> {
        self.values[of.id].clone()
    }

    /// Notes what an operation made, and the way back through it.
    pub(crate) fn made(&mut self, matrix: Matrix<M>) -> Handle {
        self.push(matrix, Kind::Made)
    }

    pub(crate) fn back(&mut self, back: impl FnOnce(&mut Gradients<M>) -> Result<(), Failure> + 'static) {
        if self.keep.is_some() {
            self.backs.push(Box::new(back));
        }
    }

    /// Does an operation, unless one before failed; a failure is told at the end.
    pub(crate) fn attempt<T>(&mut self, none: T, operation: impl FnOnce(&mut Self) -> Result<T, Failure>) -> T {
        if self.failure.is_some() {
            return none;
        }
        operation(self).unwrap_or_else(|failure| {
            self.failure = Some(failure);
            none
        })
    }

    /// The values of the pass's output, in this process.
    pub(crate) fn output(&mut self, of: &Handle) -> Result<Vec<f32>, Failure> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.store().download(&self.value(of)),
        }
    }

    /// Goes back from the gradient of an output; those of the parameters are added to what waits.
    pub(crate) fn backward(self, from: Handle, gradient: &[f32]) -> Result<(), Failure> {
        let store = self.store().clone();
        let parameters = self.weights.gradients()?;
        let mut gradients =
            Gradients { store: store.clone(), of: self.kinds.iter().map(|_| None).collect(), kinds: self.kinds, parameters };
        drop(self.values);
        gradients.add(from, store.upload(gradient, from.rows, from.columns)?)?;
        self.backs.into_iter().rev().try_for_each(|back| back(&mut gradients))
    }

    /// The first layer and the last of a network, from features and to outputs, stay in f32, as in this process.
    fn between(&self, w: &Handle) -> bool {
        self.bf16 && w.rows == w.columns
    }

    fn affine(&mut self, x: &Handle, w: &Handle, b: Option<&Handle>, r: Option<&Handle>, relu: bool) -> Handle {
        self.attempt(NOTHING, |tape| {
            let (store, bf16) = (tape.store().clone(), tape.between(w));
            let (xs, ws, bs, rs) = (tape.value(x), tape.value(w), b.map(|b| tape.value(b)), r.map(|r| tape.value(r)));
            let y = store.matrix(xs.rows, ws.columns)?;
            store.product((&xs, false), (&ws, false), &y, 0.0, bf16)?;
            if let Some(bs) = &bs {
                store.finish(&y, bs, rs.as_ref(), relu)?;
            }
            let (x, w, b, r, out) = (*x, *w, b.copied(), r.copied(), tape.made(y.clone()));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                if relu {
                    store.relu_back(&g, &y)?;
                }
                gradients.weight(w, &xs, &g, bf16)?;
                if let Some(b) = b {
                    gradients.bias(b, &g)?;
                }
                if gradients.wanted(x) {
                    let dx = store.matrix(xs.rows, xs.columns)?;
                    store.product((&g, false), (&ws, true), &dx, 0.0, bf16)?;
                    gradients.add(x, dx)?;
                }
                r.map_or(Ok(()), |r| gradients.add(r, g))
            });
            Ok(out)
        })
    }
}

/// Stands for what a failed operation did not make.
pub(crate) const NOTHING: Handle = Handle { id: 0, rows: 0, columns: 0 };

impl<M: Machine> Operations for Tape<M> {
    type Var = Handle;

    fn parameter(&mut self, name: &str) -> Handle {
        if let Some(handle) = self.parameters.get(name) {
            return *handle;
        }
        self.attempt(NOTHING, |tape| {
            let missing = || Failure { what: format!("there is no parameter `{name}`"), hint: "the network and its weights differ".into() };
            let [first, rows, columns] = *tape.weights.index.get(name).ok_or_else(missing)?;
            let handle = tape.push(tape.weights.values.part(first, rows, columns), Kind::Parameter(first));
            tape.parameters.insert(name.into(), handle);
            Ok(handle)
        })
    }

    fn linear(&mut self, x: &Handle, w: &Handle, b: &Handle) -> Handle {
        self.affine(x, w, Some(b), None, false)
    }

    fn linear_relu(&mut self, x: &Handle, w: &Handle, b: &Handle) -> Handle {
        self.affine(x, w, Some(b), None, true)
    }

    fn linear_residual(&mut self, r: &Handle, x: &Handle, w: &Handle, b: &Handle) -> Handle {
        self.affine(x, w, Some(b), Some(r), false)
    }

    fn matmul(&mut self, x: &Handle, w: &Handle) -> Handle {
        self.affine(x, w, None, None, false)
    }

    fn add(&mut self, a: &Handle, b: &Handle) -> Handle {
        self.attempt(NOTHING, |tape| {
            let store = tape.store().clone();
            let y = store.sum(&tape.value(a), &tape.value(b))?;
            let (a, b, out) = (*a, *b, tape.made(y));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                gradients.add(a, store.copy(&g)?)?;
                gradients.add(b, g)
            });
            Ok(out)
        })
    }

    fn layer_norm(&mut self, x: &Handle, scale: &Handle, shift: &Handle) -> Handle {
        self.attempt(NOTHING, |tape| {
            let store = tape.store().clone();
            let (z, scales) = (tape.value(x), tape.value(scale));
            let Normed { y, stats, .. } = store.norm(&z, [&scales, &tape.value(shift)], None)?;
            let (x, scale, shift, out) = (*x, *scale, *shift, tape.made(y));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                store.norm_back(&g, &z, &stats, &scales, [&gradients.parameter(scale), &gradients.parameter(shift)])?;
                gradients.add(x, g)
            });
            Ok(out)
        })
    }

    fn softmax(&mut self, x: &Handle, size: usize) -> Handle {
        self.attempt(NOTHING, |tape| {
            let store = tape.store().clone();
            let y = store.copy(&tape.value(x))?;
            store.softmax(&y, size, 1.0)?;
            let (x, out) = (*x, tape.made(y.clone()));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                store.softmax_back(&g, &y, size, 1.0)?;
                gradients.add(x, g)
            });
            Ok(out)
        })
    }

    fn pool(&mut self, s: &Handle, v: &Handle, heads: usize) -> Handle {
        self.attempt(NOTHING, |tape| {
            let (store, n) = (tape.store().clone(), s.rows);
            let (ss, vs, slices, d) = (tape.value(s), tape.value(v), s.columns / heads, v.columns / heads);
            // A slice that no node chose must not divide by zero.
            let mass = store.matrix(1, s.columns)?;
            store.fill(&mass, 1e-6)?;
            store.add_rows(&mass, &ss)?;
            let y = store.matrix(heads * slices, d)?;
            let factors = [Block::columns(&ss, heads).t(), Block::columns(&vs, heads), Block::rows(&y, heads)];
            store.products(factors, n, [slices, d], heads, 0.0)?;
            store.divide(&y, &mass)?;
            let (s, v, out) = (*s, *v, tape.made(y.clone()));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                // z = (s^T v) / m: d(s^T v) = g / m, dm = -sum(g z) / m
                store.divide(&g, &mass)?;
                let ds = store.repeat(&store.minus_dot(&y, &g)?, n)?;
                let factors = [Block::columns(&vs, heads), Block::rows(&g, heads).t(), Block::columns(&ds, heads)];
                store.products(factors, d, [n, slices], heads, 1.0)?;
                let dv = store.matrix(n, heads * d)?;
                let factors = [Block::columns(&ss, heads), Block::rows(&g, heads), Block::columns(&dv, heads)];
                store.products(factors, slices, [n, d], heads, 0.0)?;
                gradients.add(s, ds)?;
                gradients.add(v, dv)
            });
            Ok(out)
        })
    }

    fn attention(&mut self, q: &Handle, k: &Handle, v: &Handle, heads: usize) -> Handle {
        self.attempt(NOTHING, |tape| {
            let (store, rows, d) = (tape.store().clone(), q.rows, q.columns);
            let (slices, scale) = (rows / heads, 1.0 / (d as f32).sqrt());
            let [qs, ks, vs] = [q, k, v].map(|x| tape.value(x));
            let (a, y) = (store.matrix(rows, slices)?, store.matrix(rows, d)?);
            let factors = [Block::rows(&qs, heads), Block::rows(&ks, heads).t(), Block::rows(&a, heads)];
            store.products(factors, d, [slices, slices], heads, 0.0)?;
            store.softmax(&a, slices, scale)?;
            let factors = [Block::rows(&a, heads), Block::rows(&vs, heads), Block::rows(&y, heads)];
            store.products(factors, slices, [slices, d], heads, 0.0)?;
            let (q, k, v, out) = (*q, *k, *v, tape.made(y));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                let (da, dq) = (store.matrix(rows, slices)?, store.matrix(rows, d)?);
                let (dk, dv) = (store.matrix(rows, d)?, store.matrix(rows, d)?);
                let of = |m| Block::rows(m, heads);
                store.products([of(&a).t(), of(&g), of(&dv)], slices, [slices, d], heads, 0.0)?;
                store.products([of(&g), of(&vs).t(), of(&da)], d, [slices, slices], heads, 0.0)?;
                store.softmax_back(&da, &a, slices, scale)?;
                store.products([of(&da), of(&ks), of(&dq)], slices, [slices, d], heads, 0.0)?;
                store.products([of(&da).t(), of(&qs), of(&dk)], slices, [slices, d], heads, 0.0)?;
                gradients.add(q, dq)?;
                gradients.add(k, dk)?;
                gradients.add(v, dv)
            });
            Ok(out)
        })
    }

    fn spread(&mut self, s: &Handle, z: &Handle, heads: usize) -> Handle {
        self.attempt(NOTHING, |tape| {
            let (store, n) = (tape.store().clone(), s.rows);
            let (ss, zs, slices, d) = (tape.value(s), tape.value(z), s.columns / heads, z.columns);
            let y = store.matrix(n, heads * d)?;
            let factors = [Block::columns(&ss, heads), Block::rows(&zs, heads), Block::columns(&y, heads)];
            store.products(factors, slices, [n, d], heads, 0.0)?;
            let (s, z, out) = (*s, *z, tape.made(y));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                let (ds, dz) = (store.matrix(n, heads * slices)?, store.matrix(heads * slices, d)?);
                let factors = [Block::columns(&ss, heads).t(), Block::columns(&g, heads), Block::rows(&dz, heads)];
                store.products(factors, n, [slices, d], heads, 0.0)?;
                let factors = [Block::columns(&g, heads), Block::rows(&zs, heads).t(), Block::columns(&ds, heads)];
                store.products(factors, d, [n, slices], heads, 0.0)?;
                gradients.add(s, ds)?;
                gradients.add(z, dz)
            });
            Ok(out)
        })
    }

    fn lite_messages(&mut self, [p, q]: [&Handle; 2], features: &Handle, [weight, bias]: [&Handle; 2]) -> Handle {
        self.attempt(NOTHING, |tape| {
            let (store, graph) = (tape.store().clone(), tape.graph.clone());
            let (f, h) = (tape.value(features), store.matrix(features.rows, weight.columns)?);
            store.product((&f, false), (&tape.value(weight), false), &h, 0.0, false)?;
            let ends = [&graph.senders, &graph.receivers];
            store.combine(&h, [&tape.value(p), &tape.value(q)], Some(&tape.value(bias)), ends)?;
            let y = store.gather(&h, None, &graph.start, true)?;
            let (p, q, weight, bias, out) = (*p, *q, *weight, *bias, tape.made(y));
            tape.back(move |gradients| {
                let Some(g) = gradients.take(out) else { return Ok(()) };
                let dh = store.mean_back(&h, &g, &graph.receivers, &graph.start)?;
                gradients.weight(weight, &f, &dh, false)?;
                gradients.bias(bias, &dh)?;
                gradients.add(q, store.gather(&dh, None, &graph.start, false)?)?;
                gradients.add(p, store.gather(&dh, Some(&graph.outgoing), &graph.out_start, false)?)
            });
            Ok(out)
        })
    }

    fn full_steps(&mut self, v: &Handle, e: &Handle, names: &[String], hidden: usize, edges: bool) -> (Handle, Option<Handle>) {
        let (mut v, mut e) = (*v, *e);
        let stride = self.keep.map_or(1, |m| m.stride(names.len()));
        for (k, some) in names.chunks(stride).enumerate() {
            let wanted = edges || (k + 1) * stride < names.len();
            (v, e) = crate::steps::full_steps(self, &v, &e, some, hidden, wanted);
        }
        (v, edges.then_some(e))
    }
}
