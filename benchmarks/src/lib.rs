//! Speed of Femur beside the programs of its field, on the same mesh, with the same tolerance, on the same machine.
//!
//! A [`works::Work`] makes rows; a row is a [`contest`](contest::contest): Femur and its peers run in turn, their answers are held
//! against each other, and only then medians are printed. A peer is a program of `benchmarks/peers` that is kept running, so that
//! imports, compilation and reading of meshes are outside the time ([`peer`]).

pub mod clock;
pub mod contest;
pub mod npy;
pub mod options;
pub mod peer;
pub mod process;
pub mod system;
pub mod table;
pub mod works;
