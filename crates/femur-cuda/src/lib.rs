//! Femur's networks on NVIDIA GPUs.
//!
//! [`open`] gives a [`Device`](femur_learn::Device). CUDA's driver, its run-time compiler and cuBLAS are loaded when it is called, by
//! `cudarc`: nothing of CUDA is needed to build, or to run without a GPU. What is computed is told to a [`Machine`], which a GPU is one
//! of; the tests run the same kernels on the CPU.

mod device;
mod gpu;
pub mod kernels;
mod machine;
mod math;
mod memory;
mod steps;
mod tape;

pub use device::Accelerator;
pub use gpu::{Gpu, open};
pub use machine::{Arg, Failure, Gemm, Machine};
