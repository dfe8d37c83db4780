//! Where a training runs: processes that train together, and what each of them computes on.

use crate::device::Device;

/// The processes of a training, each of which computes its share of every batch; all make the same updates.
pub trait Ranks {
    /// Number of this process, from 0. The first one writes the files, which the others can read.
    fn rank(&self) -> usize;
    /// Number of processes.
    fn size(&self) -> usize;
    /// Replaces values by their sums over all processes, the same bits on each.
    fn sum_f32(&self, values: &mut [f32]);
    /// The same in double precision.
    fn sum_f64(&self, values: &mut [f64]);
}

/// This process among those that train, and the device on which it computes, if it does not do so itself.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The processes.
    pub ranks: &'a dyn Ranks,
    /// The device.
    pub device: Option<&'a dyn Device>,
}

impl<'a, R: Ranks> From<&'a R> for Place<'a> {
    fn from(ranks: &'a R) -> Self {
        Place { ranks, device: None }
    }
}

/// One process by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum_f32(&self, _: &mut [f32]) {}

    fn sum_f64(&self, _: &mut [f64]) {}
}
