//! What can be asked of `femur-bench`.

use clap::{Parser, ValueEnum};

/// Times Femur beside the programs of its field and prints one JSON line a row.
#[derive(Debug, Clone, Parser)]
#[command(name = "femur-bench", after_help = "Example:\n  femur-bench assembly --threads 1 --peers all")]
pub struct Options {
    /// Which work: assembly, direct, amg, matrix-free, whole-program, many-cases, navier-stokes, learning, or all
    pub work: String,
    /// Threads of Femur and of every peer; with one, everything is kept on one core
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// Which peers run beside it: those of `benchmarks/peers/setup.sh pip` or of `setup.sh all`
    #[arg(long, value_enum, default_value = "none")]
    pub peers: Peers,
    /// Small sizes, one round: a check that everything runs, not a measurement
    #[arg(long)]
    pub quick: bool,
    /// Learning on the first GPU, the peers too (feature cuda)
    #[arg(long)]
    pub cuda: bool,
    /// Print a Markdown table in place of JSON lines
    #[arg(long)]
    pub table: bool,
    /// Only rows whose size contains this text
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
}

/// Which peers may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Peers {
    /// Femur alone.
    None,
    /// Those from the Python package index.
    Pip,
    /// Those of the Debian archive too.
    All,
}

impl Options {
    /// One of two numbers: for a measurement, and for a quick run.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Threads as a plain number.
    pub fn threads(&self) -> usize {
        usize::from(self.threads)
    }

    /// Whether a row of this size is wanted.
    pub fn wants(&self, size: &str) -> bool {
        self.only.as_ref().is_none_or(|text| size.contains(text.as_str()))
    }
}
