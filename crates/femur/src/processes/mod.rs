//! The processes that `mpirun` started, for training and for generation (feature `mpi`); without it there is one.

#[cfg(feature = "mpi")]
mod many;

use anyhow::Result;
use femur_learn::Ranks;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What launchers tell a process: how many there are.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"];

/// Number of processes that a launcher started with this one.
fn launched() -> usize {
    SIZES.iter().find_map(|name| std::env::var(name).ok()?.parse().ok()).unwrap_or(1)
}

/// This process among those that work together.
pub(crate) enum Processes {
    /// By itself.
    One,
    /// A rank of MPI.
    #[cfg(feature = "mpi")]
    Many(many::World),
}

impl Processes {
    /// Joins the processes that were started together.
    pub(crate) fn join() -> Result<Self> {
        if launched() == 1 {
            return Ok(Processes::One);
        }
        #[cfg(feature = "mpi")]
        return Ok(Processes::Many(many::World::start()?));
        #[cfg(not(feature = "mpi"))]
        anyhow::bail!(
            "started {} times by mpirun, but this femur was built without MPI\n  hint: install MPI and libclang, then cargo build --release \
             -p femur --features mpi; or give each process a share of its own (femur generate --shard)",
            launched()
        )
    }

    /// Waits for all.
    pub(crate) fn wait(&self) {
        #[cfg(feature = "mpi")]
        if let Processes::Many(world) = self {
            world.wait();
        }
    }

    /// Ends all processes, for this one failed and the others would wait for it.
    pub(crate) fn abort(&self) {
        #[cfg(feature = "mpi")]
        if let Processes::Many(world) = self {
            world.abort();
        }
    }

    /// A counter that all processes share. All must ask for it.
    pub(crate) fn counter(&self) -> Result<Counter> {
        Ok(match self {
            Processes::One => Counter::One(AtomicUsize::new(0)),
            #[cfg(feature = "mpi")]
            Processes::Many(world) => Counter::Many(world.counter()?),
        })
    }
}

/// Numbers from 0 on, each given once. Dropped by all processes at about the same time, or by none.
pub(crate) enum Counter {
    One(AtomicUsize),
    #[cfg(feature = "mpi")]
    Many(many::Shared),
}

impl Counter {
    /// The next number.
    pub(crate) fn next(&self) -> usize {
        match self {
            Counter::One(count) => count.fetch_add(1, Ordering::Relaxed),
            #[cfg(feature = "mpi")]
            Counter::Many(shared) => shared.next(),
        }
    }
}

impl Ranks for Processes {
    fn rank(&self) -> usize {
        match self {
            Processes::One => 0,
            #[cfg(feature = "mpi")]
            Processes::Many(world) => world.rank(),
        }
    }

    fn size(&self) -> usize {
        match self {
            Processes::One => 1,
            #[cfg(feature = "mpi")]
            Processes::Many(world) => world.size(),
        }
    }

    fn sum_f32(&self, values: &mut [f32]) {
        match self {
            Processes::One => {
                let _ = values;
            }
            #[cfg(feature = "mpi")]
            Processes::Many(world) => world.sum(values),
        }
    }

    fn sum_f64(&self, values: &mut [f64]) {
        match self {
            Processes::One => {
                let _ = values;
            }
            #[cfg(feature = "mpi")]
            Processes::Many(world) => world.sum(values),
        }
    }
}
