//! A hash for keys of a few small integers, which nobody chooses to do harm: several times faster than the standard library's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by [`Multiply`]. Its order depends on the keys alone; still nothing may depend on it.
pub(crate) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<Multiply>>;

/// Multiplicative hashing (Knuth 1998, ch. 6.4), number after number.
#[derive(Default)]
pub(crate) struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits and its tags from the high ones: the product mixes upwards only.
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, v: u32) {
        self.write_u64(v.into());
    }

    fn write_i32(&mut self, v: i32) {
        self.write_u64(v as u64);
    }

    fn write_i64(&mut self, v: i64) {
        self.write_u64(v as u64);
    }

    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }

    fn write_u64(&mut self, v: u64) {
        self.0 = (self.0.rotate_left(26) ^ v).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_keys_fall_apart() {
        let hash = |key: (i32, i64, i64)| {
            let mut hasher = Multiply::default();
            std::hash::Hash::hash(&key, &mut hasher);
            hasher.finish()
        };
        let mut low = [0usize; 1 << 12];
        for (i, j) in (-64..64).flat_map(|i| (-64..64).map(move |j| (i, j))) {
            let bucket = hash((-4, i, j)) as usize % low.len();
            low[bucket] += 1;
        }
        assert!(low.iter().all(|&n| n < 24), "16,384 keys in 4,096 buckets: at most {:?}", low.iter().max());
    }
}
