//! Matrices in a machine's memory, and the pieces of it that wait for their next use.

use crate::machine::{Failure, Machine};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces of memory that nobody uses, by their size.
type Free<M> = Mutex<BTreeMap<usize, Vec<<M as Machine>::Memory>>>;

/// A machine with the memory that was got from it.
pub(crate) struct Store<M: Machine> {
    pub(crate) machine: M,
    free: Free<M>,
}

/// A piece of memory, given back when dropped: what was told to the machine before is done before what is told of its next use.
struct Room<M: Machine> {
    store: Arc<Store<M>>,
    memory: Option<M::Memory>,
    bytes: usize,
}

impl<M: Machine> Drop for Room<M> {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.store.free.lock().unwrap_or_else(PoisonError::into_inner).entry(self.bytes).or_default().push(memory);
        }
    }
}

/// A matrix of f32, row-major; clones share its memory.
pub(crate) struct Matrix<M: Machine> {
    room: Arc<Room<M>>,
    place: u64,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl<M: Machine> Clone for Matrix<M> {
    fn clone(&self) -> Self {
        Matrix { room: self.room.clone(), ..*self }
    }
}

impl<M: Machine> Matrix<M> {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.rows * self.columns
    }

    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// A matrix within this one's memory, from its value `first` on.
    pub(crate) fn part(&self, first: usize, rows: usize, columns: usize) -> Self {
        Matrix { room: self.room.clone(), place: self.place + 4 * first as u64, rows, columns }
    }
}

/// Sizes are rounded up to one of eight between two powers of two, so that graphs of nearly the same size share their rooms.
fn rounded(bytes: usize) -> usize {
    let step = (bytes.max(1024).next_power_of_two() / 16).max(256);
    bytes.max(1).div_ceil(step) * step
}

impl<M: Machine> Store<M> {
    pub(crate) fn new(machine: M) -> Arc<Self> {
        Arc::new(Store { machine, free: Mutex::new(BTreeMap::new()) })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Vec<M::Memory>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A matrix that holds anything.
    pub(crate) fn matrix(self: &Arc<Self>, rows: usize, columns: usize) -> Result<Matrix<M>, Failure> {
        let bytes = rounded(4 * rows * columns);
        let waiting = self.free().get_mut(&bytes).and_then(Vec::pop);
        let memory = match waiting {
            Some(memory) => memory,
            None => self.machine.allocate(bytes).or_else(|_| {
                // What waits for graphs of other sizes goes first.
                self.free().clear();
                self.machine.allocate(bytes)
            })?,
        };
        let place = M::place(&memory);
        Ok(Matrix { room: Arc::new(Room { store: self.clone(), memory: Some(memory), bytes }), place, rows, columns })
    }

    /// A matrix of values from this process.
    pub(crate) fn upload(self: &Arc<Self>, values: &[f32], rows: usize, columns: usize) -> Result<Matrix<M>, Failure> {
        let matrix = self.matrix(rows, columns)?;
        self.write(&matrix, values)?;
        Ok(matrix)
    }

    pub(crate) fn write(&self, matrix: &Matrix<M>, values: &[f32]) -> Result<(), Failure> {
        debug_assert_eq!(values.len(), matrix.len());
        // SAFETY: every f32 is four bytes that may be read as such.
        let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        self.machine.write(matrix.place, bytes)
    }

    /// Numbers below 2^32, in the memory of a matrix `[1, len]`.
    pub(crate) fn upload_numbers(self: &Arc<Self>, numbers: &[u32]) -> Result<Matrix<M>, Failure> {
        let matrix = self.matrix(1, numbers.len())?;
        // SAFETY: every u32 is four bytes that may be read as such.
        let bytes = unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast::<u8>(), size_of_val(numbers)) };
        self.machine.write(matrix.place, bytes)?;
        Ok(matrix)
    }

    /// Its values, in this process.
    pub(crate) fn download(&self, matrix: &Matrix<M>) -> Result<Vec<f32>, Failure> {
        let mut values = vec![0.0_f32; matrix.len()];
        // SAFETY: any four bytes are an f32, and the slice covers the values alone.
        let bytes = unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast::<u8>(), size_of_val(&values[..])) };
        self.machine.read(matrix.place, bytes)?;
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_rounded_up_by_at_most_an_eighth() {
        for bytes in [0, 1, 255, 256, 257, 5000, 65_536, 65_537, 9_999_999] {
            let rounded = super::rounded(bytes);
            assert!(rounded >= bytes && rounded.is_multiple_of(256) && rounded > 0);
            assert!(rounded - bytes <= (bytes / 8).max(256), "{bytes}: {rounded}");
        }
    }
}
