//! Memory that one update leaves for the next: fresh memory costs a fault for every page of it.

use crate::Real;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

/// Most pieces that wait for use.
const MOST: usize = 4096;

/// A piece of memory that goes back to the pool.
pub(crate) struct Room<E: Real> {
    values: Vec<E>,
    len: usize,
}

impl<E: Real> Room<E> {
    /// Room for `len` values, which are whatever was there before.
    pub(crate) fn new(len: usize) -> Self {
        let mut pool = E::pool().lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, and not much too large.
        let fits = (0..pool.len()).filter(|&k| (len..=2 * len + 1024).contains(&pool[k].len())).min_by_key(|&k| pool[k].len());
        let values = fits.map(|k| pool.swap_remove(k));
        if values.is_none() {
            // A larger piece takes the place of the next smaller one, or graphs of growing sizes would each leave theirs.
            let smaller = (0..pool.len()).filter(|&k| (len / 2..len).contains(&pool[k].len())).max_by_key(|&k| pool[k].len());
            smaller.map(|k| pool.swap_remove(k));
        }
        drop(pool);
        Room { values: values.unwrap_or_else(|| vec![E::of(0.0); len]), len }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut room = Room::new(len);
        room.fill(E::of(0.0));
        room
    }

    /// The same values.
    pub(crate) fn copy_of(values: &[E]) -> Self {
        let mut room = Room::new(values.len());
        room.copy_from_slice(values);
        room
    }
}

impl<E: Real> Drop for Room<E> {
    fn drop(&mut self) {
        let mut pool = E::pool().lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < MOST {
            pool.push(std::mem::take(&mut self.values));
        }
    }
}

impl<E: Real> Deref for Room<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.values[..self.len]
    }
}

impl<E: Real> DerefMut for Room<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.values[..self.len]
    }
}

/// Gives what waits back to the system.
pub(crate) fn clear<E: Real>() {
    E::pool().lock().unwrap_or_else(PoisonError::into_inner).clear();
}
