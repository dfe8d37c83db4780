//! Ranks of MPI.

use anyhow::{Result, anyhow, bail};
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::environment::Universe;
use mpi::ffi;
use mpi::raw::AsRaw as _;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Equivalence, Root as _};
use std::sync::{Mutex, PoisonError};

/// All ranks.
pub(crate) struct World {
    world: SimpleCommunicator,
    _universe: Universe,
}

impl World {
    pub(super) fn start() -> Result<Self> {
        // Threads ask for their next case one at a time.
        let (universe, threading) =
            mpi::initialize_with_threading(Threading::Serialized).ok_or_else(|| anyhow!("MPI was started twice"))?;
        if threading < Threading::Serialized {
            bail!(
                "this MPI takes no calls from several threads\n  hint: use one that gives MPI_THREAD_SERIALIZED, such as Open MPI or MPICH"
            );
        }
        Ok(World { world: universe.world(), _universe: universe })
    }

    pub(super) fn rank(&self) -> usize {
        usize::try_from(self.world.rank()).unwrap_or_default()
    }

    pub(super) fn size(&self) -> usize {
        usize::try_from(self.world.size()).unwrap_or(1)
    }

    pub(super) fn wait(&self) {
        self.world.barrier();
    }

    pub(super) fn abort(&self) {
        self.world.abort(1);
    }

    /// Sums on rank 0, whose bits all then get: the standard does not promise that a sum over all has the same bits on each.
    pub(super) fn sum<T: Equivalence + Default + Clone>(&self, values: &mut [T]) {
        let root = self.world.process_at_rank(0);
        if self.world.rank() == 0 {
            let mut sums = vec![T::default(); values.len()];
            root.reduce_into_root(values, &mut sums[..], SystemOperation::sum());
            values.clone_from_slice(&sums);
        } else {
            root.reduce_into(values, SystemOperation::sum());
        }
        root.broadcast_into(values);
    }

    /// A number in the memory of rank 0 that each rank reads and raises in one go.
    pub(super) fn counter(&self) -> Result<Shared> {
        let bytes = if self.world.rank() == 0 { size_of::<u64>() } else { 0 };
        let mut base: *mut u64 = std::ptr::null_mut();
        // SAFETY: handles and sizes as the standard asks for; MPI owns the memory until the window is freed, and nobody reads it before
        // the barrier.
        unsafe {
            let mut window = ffi::RSMPI_WIN_NULL;
            let (place, at) = ((&raw mut base).cast(), &raw mut window);
            if ffi::MPI_Win_allocate(bytes as _, 8, ffi::RSMPI_INFO_NULL, self.world.as_raw(), place, at) != 0 {
                bail!("MPI gives no memory that ranks share");
            }
            if !base.is_null() && bytes > 0 {
                base.write(0);
            }
            ffi::MPI_Win_lock_all(0, window);
            self.world.barrier();
            Ok(Shared { window: Mutex::new(window) })
        }
    }
}

/// A number that all ranks share.
pub(crate) struct Shared {
    window: Mutex<ffi::MPI_Win>,
}

// SAFETY: the handle is used by one thread at a time.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    pub(super) fn next(&self) -> usize {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (one, mut before) = (1_u64, 0_u64);
        // SAFETY: both numbers live until the call is flushed.
        unsafe {
            let (one, at) = ((&raw const one).cast(), (&raw mut before).cast());
            ffi::MPI_Fetch_and_op(one, at, ffi::RSMPI_UINT64_T, 0, 0, ffi::RSMPI_SUM, *window);
            ffi::MPI_Win_flush(0, *window);
        }
        usize::try_from(before).unwrap_or(usize::MAX)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: no call on it is open.
        unsafe {
            ffi::MPI_Win_unlock_all(*window);
            ffi::MPI_Win_free(&raw mut *window);
        }
    }
}
