//! Kernels and products on matrices. What a matrix is given to that is written to holds anything before, unless a comment says so.

use crate::kernels::{Kernel, threads, warps};
use crate::machine::{Arg, Failure, Gemm, Machine};
use crate::memory::{Matrix, Store};
use std::sync::Arc;

/// Most parts into which the rows are cut to be summed.
const PARTS: usize = 64;

/// A matrix of a batch to be multiplied: from `first` on, rows `leading` apart, each of the batch `stride` after the one before.
pub(crate) struct Block<'a, M: Machine> {
    pub(crate) of: &'a Matrix<M>,
    pub(crate) leading: usize,
    pub(crate) stride: usize,
    pub(crate) transposed: bool,
}

impl<'a, M: Machine> Block<'a, M> {
    /// The columns of each head.
    pub(crate) fn columns(of: &'a Matrix<M>, heads: usize) -> Self {
        Block { of, leading: of.columns, stride: of.columns / heads, transposed: false }
    }

    /// The rows of each head.
    pub(crate) fn rows(of: &'a Matrix<M>, heads: usize) -> Self {
        Block { of, leading: of.columns, stride: of.len() / heads, transposed: false }
    }

    pub(crate) fn t(self) -> Self {
        Block { transposed: !self.transposed, ..self }
    }
}

/// What a LayerNorm gives.
pub(crate) struct Normed<M: Machine> {
    pub(crate) y: Matrix<M>,
    /// What it was added to, plus it.
    pub(crate) next: Option<Matrix<M>>,
    /// Mean, and one over the deviation, of each row `[rows, 2]`.
    pub(crate) stats: Matrix<M>,
}

fn place<M: Machine>(matrix: &Matrix<M>) -> Arg {
    Arg::Place(matrix.place())
}

fn maybe<M: Machine>(matrix: Option<&Matrix<M>>) -> Arg {
    Arg::Place(matrix.map_or(0, Matrix::place))
}

fn size(n: usize) -> Arg {
    Arg::Size(n as u64)
}

impl<M: Machine> Store<M> {
    fn launch(&self, kernel: Kernel, blocks: u64, args: &[Arg]) -> Result<(), Failure> {
        if blocks == 0 { Ok(()) } else { self.machine.launch(kernel, blocks, args) }
    }

    /// `y = value`
    pub(crate) fn fill(&self, y: &Matrix<M>, value: f32) -> Result<(), Failure> {
        self.launch(Kernel::Fill, threads(y.len()), &[place(y), Arg::Float(value), size(y.len())])
    }

    /// A matrix of the same values.
    pub(crate) fn copy(self: &Arc<Self>, x: &Matrix<M>) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(x.rows, x.columns)?;
        self.launch(Kernel::Copy, threads(y.len()), &[place(&y), place(x), size(y.len())])?;
        Ok(y)
    }

    /// `y += x`
    pub(crate) fn add(&self, y: &Matrix<M>, x: &Matrix<M>) -> Result<(), Failure> {
        self.launch(Kernel::Add, threads(y.len()), &[place(y), place(x), size(y.len())])
    }

    /// `a + b`
    pub(crate) fn sum(self: &Arc<Self>, a: &Matrix<M>, b: &Matrix<M>) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(a.rows, a.columns)?;
        self.launch(Kernel::SumOfTwo, threads(y.len()), &[place(&y), place(a), place(b), size(y.len())])?;
        Ok(y)
    }

    /// `y + b + r`, through a ReLU if asked for, in place.
    pub(crate) fn finish(&self, y: &Matrix<M>, b: &Matrix<M>, r: Option<&Matrix<M>>, relu: bool) -> Result<(), Failure> {
        let args = [place(y), place(b), maybe(r), size(y.rows), size(y.columns), size(usize::from(relu))];
        self.launch(Kernel::Finish, warps(y.rows), &args)
    }

    /// Back through a ReLU with output `y`, in place.
    pub(crate) fn relu_back(&self, g: &Matrix<M>, y: &Matrix<M>) -> Result<(), Failure> {
        self.launch(Kernel::ReluBack, threads(g.len()), &[place(g), place(y), size(g.len())])
    }

    /// Parts into which rows are cut to be summed, and the rows of each.
    fn parts(rows: usize) -> (usize, usize) {
        let each = rows.div_ceil(PARTS).max(32);
        (rows.div_ceil(each), each)
    }

    /// `y += the sum of x over its rows`, `y: [1, w]`.
    pub(crate) fn add_rows(self: &Arc<Self>, y: &Matrix<M>, x: &Matrix<M>) -> Result<(), Failure> {
        let ((parts, each), w) = (Self::parts(x.rows), x.columns);
        let part = self.matrix(parts, w)?;
        let blocks = (parts * w.div_ceil(32)) as u64;
        self.launch(Kernel::Columns, blocks, &[place(x), place(&part), size(x.rows), size(w), size(each)])?;
        self.fold(y, &part, 0)
    }

    /// `y += the sum over rows` of the columns of `part` from `first` on.
    fn fold(&self, y: &Matrix<M>, part: &Matrix<M>, first: usize) -> Result<(), Failure> {
        let from = Arg::Place(part.place() + 4 * first as u64);
        self.launch(Kernel::Fold, threads(y.len()), &[place(y), from, size(y.len()), size(part.columns), size(part.rows)])
    }

    /// LayerNorm, added to `old` too if there is an `old`.
    pub(crate) fn norm(
        self: &Arc<Self>,
        x: &Matrix<M>,
        [scale, shift]: [&Matrix<M>; 2],
        old: Option<&Matrix<M>>,
    ) -> Result<Normed<M>, Failure> {
        let (y, stats) = (self.matrix(x.rows, x.columns)?, self.matrix(x.rows, 2)?);
        let next = old.map(|old| self.matrix(old.rows, old.columns)).transpose()?;
        let through = [place(x), place(scale), place(shift), maybe(old), place(&y), maybe(next.as_ref()), place(&stats)];
        let args = [&through[..], &[size(x.rows), size(x.columns)]].concat();
        self.launch(Kernel::LayerNorm, warps(x.rows), &args)?;
        Ok(Normed { y, next, stats })
    }

    /// Back through it: `g` becomes the gradient of `z`, what went in; those of scale and shift are added to `d_scale`, `d_shift`.
    pub(crate) fn norm_back(
        self: &Arc<Self>,
        g: &Matrix<M>,
        z: &Matrix<M>,
        stats: &Matrix<M>,
        scale: &Matrix<M>,
        [d_scale, d_shift]: [&Matrix<M>; 2],
    ) -> Result<(), Failure> {
        let ((parts, each), w) = (Self::parts(z.rows), z.columns);
        let part = self.matrix(parts, 2 * w)?;
        let args = [place(g), place(z), place(stats), place(&part), size(z.rows), size(w), size(each)];
        self.launch(Kernel::NormColumns, (parts * w.div_ceil(32)) as u64, &args)?;
        self.fold(d_scale, &part, 0)?;
        self.fold(d_shift, &part, w)?;
        self.launch(Kernel::LayerNormBack, warps(z.rows), &[place(g), place(z), place(scale), place(stats), size(z.rows), size(w)])
    }

    /// `relu(h + p[sender] + q[receiver] + b)` on every edge, in place.
    pub(crate) fn combine(
        &self,
        h: &Matrix<M>,
        [p, q]: [&Matrix<M>; 2],
        b: Option<&Matrix<M>>,
        [senders, receivers]: [&Matrix<M>; 2],
    ) -> Result<(), Failure> {
        let args = [place(h), place(p), place(q), maybe(b), place(senders), place(receivers), size(h.rows), size(h.columns)];
        self.launch(Kernel::Combine, warps(h.rows), &args)
    }

    /// At each node the sum, or the mean, of the rows of `x` from `start[node]` to `start[node + 1]`, or of those that `index` holds there.
    pub(crate) fn gather(
        self: &Arc<Self>,
        x: &Matrix<M>,
        index: Option<&Matrix<M>>,
        start: &Matrix<M>,
        mean: bool,
    ) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(start.len() - 1, x.columns)?;
        let args = [place(&y), place(x), maybe(index), place(start), size(y.rows), size(y.columns), size(usize::from(mean))];
        self.launch(Kernel::GatherSum, warps(y.rows), &args)?;
        Ok(y)
    }

    /// `base + g[receiver]` on every edge.
    pub(crate) fn scatter(self: &Arc<Self>, base: Option<&Matrix<M>>, g: &Matrix<M>, receivers: &Matrix<M>) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(receivers.len(), g.columns)?;
        let args = [place(&y), maybe(base), place(g), place(receivers), size(y.rows), size(y.columns)];
        self.launch(Kernel::Scatter, warps(y.rows), &args)?;
        Ok(y)
    }

    /// Back through the mean over each receiver's edges of `h`, an output of a ReLU, and that ReLU.
    pub(crate) fn mean_back(
        self: &Arc<Self>,
        h: &Matrix<M>,
        g: &Matrix<M>,
        receivers: &Matrix<M>,
        start: &Matrix<M>,
    ) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(h.rows, h.columns)?;
        let args = [place(&y), place(h), place(g), place(receivers), place(start), size(y.rows), size(y.columns)];
        self.launch(Kernel::MeanBack, warps(y.rows), &args)?;
        Ok(y)
    }

    /// Softmax of `scale` times groups of `group` values, in place.
    pub(crate) fn softmax(&self, x: &Matrix<M>, group: usize, scale: f32) -> Result<(), Failure> {
        let groups = x.len() / group;
        self.launch(Kernel::Softmax, warps(groups), &[place(x), size(groups), size(group), Arg::Float(scale)])
    }

    /// Back through it with output `y`, in place.
    pub(crate) fn softmax_back(&self, g: &Matrix<M>, y: &Matrix<M>, group: usize, scale: f32) -> Result<(), Failure> {
        let groups = y.len() / group;
        self.launch(Kernel::SoftmaxBack, warps(groups), &[place(g), place(y), size(groups), size(group), Arg::Float(scale)])
    }

    /// Each row of `y` over its `mass`, in place.
    pub(crate) fn divide(&self, y: &Matrix<M>, mass: &Matrix<M>) -> Result<(), Failure> {
        self.launch(Kernel::Divide, warps(y.rows), &[place(y), place(mass), size(y.rows), size(y.columns)])
    }

    /// Minus the sum of `a b` over each row, `[1, rows]`.
    pub(crate) fn minus_dot(self: &Arc<Self>, a: &Matrix<M>, b: &Matrix<M>) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(1, a.rows)?;
        self.launch(Kernel::MinusDot, warps(a.rows), &[place(&y), place(a), place(b), size(a.rows), size(a.columns)])?;
        Ok(y)
    }

    /// So many rows like `x`.
    pub(crate) fn repeat(self: &Arc<Self>, x: &Matrix<M>, rows: usize) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(rows, x.len())?;
        self.launch(Kernel::Repeat, warps(rows), &[place(&y), place(x), size(rows), size(x.len())])?;
        Ok(y)
    }

    /// The values rounded to bfloat16, two of them in the place of one.
    fn rounded(self: &Arc<Self>, x: &Matrix<M>) -> Result<Matrix<M>, Failure> {
        let y = self.matrix(1, x.len().div_ceil(2))?;
        self.launch(Kernel::RoundToBf16, threads(x.len()), &[place(&y), place(x), size(x.len())])?;
        Ok(y)
    }

    /// `y = op(a) op(b) + beta y`, factors rounded to bfloat16 if asked for.
    pub(crate) fn product(
        self: &Arc<Self>,
        (a, a_t): (&Matrix<M>, bool),
        (b, b_t): (&Matrix<M>, bool),
        y: &Matrix<M>,
        beta: f32,
        bf16: bool,
    ) -> Result<(), Failure> {
        let whole = |of, transposed| Block { of, leading: 0, stride: 0, transposed };
        if !bf16 {
            return self.products(
                [lead(whole(a, a_t)), lead(whole(b, b_t)), lead(whole(y, false))],
                inner(a, a_t),
                [y.rows, y.columns],
                1,
                beta,
            );
        }
        let (halves_a, halves_b) = (self.rounded(a)?, self.rounded(b)?);
        self.gemm(&Gemm {
            transposed: [b_t, a_t],
            size: [y.columns, y.rows, inner(a, a_t)],
            alpha: 1.0,
            beta,
            places: [halves_b.place(), halves_a.place(), y.place()],
            leading: [b.columns, a.columns, y.columns],
            strides: [0; 3],
            batch: 1,
            bf16: true,
        })
    }

    /// `y_k = op(a_k) op(b_k) + beta y_k` for each of a batch, `op(a_k): [rows, inner]`, `y_k: [rows, columns]`.
    pub(crate) fn products(
        &self,
        [a, b, y]: [Block<'_, M>; 3],
        inner: usize,
        [rows, columns]: [usize; 2],
        batch: usize,
        beta: f32,
    ) -> Result<(), Failure> {
        // Row-major y = a b is column-major y^T = b^T a^T.
        self.gemm(&Gemm {
            transposed: [b.transposed, a.transposed],
            size: [columns, rows, inner],
            alpha: 1.0,
            beta,
            places: [b.of.place(), a.of.place(), y.of.place()],
            leading: [b.leading, a.leading, y.leading],
            strides: [b.stride, a.stride, y.stride],
            batch,
            bf16: false,
        })
    }

    fn gemm(&self, product: &Gemm) -> Result<(), Failure> {
        if product.size[..2].contains(&0) || product.batch == 0 { Ok(()) } else { self.machine.gemm(product) }
    }

    /// Matrices `[rows, columns]` one after the other in `x`, made orthogonal as `femur_learn::optimise` says.
    pub(crate) fn orthogonalise(self: &Arc<Self>, x: Matrix<M>, shape: [usize; 2]) -> Result<Matrix<M>, Failure> {
        use femur_learn::optimise::{ITERATIONS, NEWTON_SCHULZ};
        let [rows, columns] = shape;
        let (each, n, wide) = (rows * columns, rows.min(columns), rows <= columns);
        let batch = x.len() / each;
        self.launch(Kernel::UnitNorm, batch as u64, &[place(&x), size(each)])?;
        let squares = || self.matrix(batch, n * n);
        let (gram, square, poly, mut x, mut next) = (squares()?, squares()?, squares()?, x.clone(), self.matrix(batch, each)?);
        fn of<M: Machine>(of: &Matrix<M>, [rows, columns]: [usize; 2]) -> Block<'_, M> {
            Block { of, leading: columns, stride: rows * columns, transposed: false }
        }
        for _ in 0..ITERATIONS {
            // The smaller of X X^T and X^T X.
            if wide {
                self.products([of(&x, shape), of(&x, shape).t(), of(&gram, [n, n])], columns, [n, n], batch, 0.0)?;
            } else {
                self.products([of(&x, shape).t(), of(&x, shape), of(&gram, [n, n])], rows, [n, n], batch, 0.0)?;
            }
            self.products([of(&gram, [n, n]), of(&gram, [n, n]), of(&square, [n, n])], n, [n, n], batch, 0.0)?;
            let [a, b, c] = NEWTON_SCHULZ.map(Arg::Float);
            let args = [place(&poly), place(&gram), place(&square), a, b, c, size(n), size(poly.len())];
            self.launch(Kernel::Quintic, threads(poly.len()), &args)?;
            let factors = if wide { [of(&poly, [n, n]), of(&x, shape)] } else { [of(&x, shape), of(&poly, [n, n])] };
            let [left, right] = factors;
            self.products([left, right, of(&next, shape)], n, shape, batch, 0.0)?;
            std::mem::swap(&mut x, &mut next);
        }
        Ok(x)
    }
}

/// A whole matrix.
fn lead<M: Machine>(block: Block<'_, M>) -> Block<'_, M> {
    Block { leading: block.of.columns, ..block }
}

fn inner<M: Machine>(a: &Matrix<M>, transposed: bool) -> usize {
    if transposed { a.rows } else { a.columns }
}
