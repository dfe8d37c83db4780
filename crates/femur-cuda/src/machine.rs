//! What runs kernels: a GPU, or whatever else gives their results.

use crate::kernels::Kernel;

/// Why a machine did not do what it was told, and what the user may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// An argument of a kernel, 8 or (a float) 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arg {
    /// A place in the machine's memory; 0 is null.
    Place(u64),
    /// A number or a length.
    Size(u64),
    /// A factor.
    Float(f32),
}

/// `C = alpha op(A) op(B) + beta C` of f32 in the convention of cuBLAS, whose matrices are column-major: `op(A)` is `[m, k]`, `op(B)`
/// `[k, n]`, and so many of them, each a stride from the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gemm {
    /// Whether A and B are transposed.
    pub transposed: [bool; 2],
    /// `m`, `n`, `k`.
    pub size: [usize; 3],
    /// Factor of the product.
    pub alpha: f32,
    /// Factor of what C held; with 0 it is not read.
    pub beta: f32,
    /// Places of A, B and C.
    pub places: [u64; 3],
    /// Their leading dimensions.
    pub leading: [usize; 3],
    /// Their strides, in values.
    pub strides: [usize; 3],
    /// Number of products.
    pub batch: usize,
    /// Whether A and B hold bfloat16; sums and C are f32 all the same.
    pub bf16: bool,
}

/// A machine with memory of its own. What it is told it does in that order; only [`Machine::read`] waits.
pub trait Machine: Send + Sync + 'static {
    /// A piece of its memory, freed when dropped.
    type Memory: Send + Sync;

    /// What it is, for people.
    fn name(&self) -> String;
    /// Gets memory, whose bytes hold anything.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory, Failure>;
    /// Where it lies.
    fn place(memory: &Self::Memory) -> u64;
    /// Writes bytes to a place.
    fn write(&self, place: u64, bytes: &[u8]) -> Result<(), Failure>;
    /// Reads bytes from a place.
    fn read(&self, place: u64, bytes: &mut [u8]) -> Result<(), Failure>;
    /// Runs a kernel with so many blocks of [`THREADS`](crate::kernels::THREADS).
    fn launch(&self, kernel: Kernel, blocks: u64, args: &[Arg]) -> Result<(), Failure>;
    /// Multiplies matrices.
    fn gemm(&self, product: &Gemm) -> Result<(), Failure>;
}
