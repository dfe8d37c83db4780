//! Speed benchmarks.
