//! The list of kernels; their code is in kernels.cu.

/// Their source, CUDA C++.
pub const SOURCE: &str = include_str!("kernels.cu");
/// Threads of a block, of every kernel.
pub const THREADS: u32 = 256;
/// Threads of a warp.
const WARP: u64 = 32;

macro_rules! kernels {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A kernel; kernels.cu says what it does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the comment above each in kernels.cu says it")]
        pub enum Kernel { $($variant),* }

        impl Kernel {
            /// All of them.
            pub const ALL: &[Kernel] = &[$(Kernel::$variant),*];

            /// Its name in the source.
            pub fn name(self) -> &'static str {
                match self { $(Kernel::$variant => $name),* }
            }
        }
    };
}

kernels! {
    Fill "fill",
    Copy "copy",
    Add "add",
    SumOfTwo "sum_of_two",
    Finish "finish",
    ReluBack "relu_back",
    Columns "columns",
    NormColumns "norm_columns",
    Fold "fold",
    LayerNorm "layer_norm",
    LayerNormBack "layer_norm_back",
    Combine "combine",
    GatherSum "gather_sum",
    Scatter "scatter",
    MeanBack "mean_back",
    Softmax "softmax",
    SoftmaxBack "softmax_back",
    Divide "divide",
    MinusDot "minus_dot",
    Repeat "repeat",
    RoundToBf16 "round_to_bf16",
    UnitNorm "unit_norm",
    Quintic "quintic",
}

/// Blocks for a thread each.
pub(crate) fn threads(len: usize) -> u64 {
    (len as u64).div_ceil(u64::from(THREADS))
}

/// Blocks for a warp each.
pub(crate) fn warps(rows: usize) -> u64 {
    (rows as u64 * WARP).div_ceil(u64::from(THREADS))
}
