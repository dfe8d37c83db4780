//! Parts of HDF5's object headers, as bytes.

use super::{Kind, UNDEFINED};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::Write;

pub(super) const SPACE: u8 = 0x01;
pub(super) const LINK_INFO: u8 = 0x02;
pub(super) const TYPE: u8 = 0x03;
pub(super) const FILL: u8 = 0x05;
pub(super) const LINK: u8 = 0x06;
pub(super) const LAYOUT: u8 = 0x08;
pub(super) const GROUP_INFO: u8 = 0x0a;
pub(super) const FILTERS: u8 = 0x0b;
pub(super) const ATTRIBUTE: u8 = 0x0c;

/// Bytes of a fixed-length text.
pub(super) const ASCII: usize = 16;
/// Bytes of an object header before its messages.
pub(super) const HEAD: usize = 10;

/// Adds integers.
pub(super) fn put(to: &mut Vec<u8>, values: &[u64]) {
    values.iter().for_each(|v| to.extend_from_slice(&v.to_le_bytes()));
}

/// An object header (version 2) with its checksum.
pub(super) fn header(messages: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + messages.len() + 4);
    // The size of the messages has four bytes; times of access are not stored.
    out.extend_from_slice(b"OHDR\x02\x02");
    out.extend_from_slice(&(messages.len() as u32).to_le_bytes());
    out.extend_from_slice(messages);
    out.extend_from_slice(&checksum(&out).to_le_bytes());
    out
}

/// Links are messages of the group's header, however many.
pub(super) fn link_info() -> Vec<u8> {
    let mut out = vec![0, 0];
    put(&mut out, &[UNDEFINED, UNDEFINED]);
    out
}

/// A link by a name in UTF-8; its last 8 bytes are for the address.
pub(super) fn link(name: &str) -> Vec<u8> {
    let mut out = vec![1, 0x12, 1];
    out.extend_from_slice(&(name.len() as u32).to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    put(&mut out, &[0]);
    out
}

/// The shape of a single value.
pub(super) fn scalar() -> Vec<u8> {
    vec![2, 0, 0, 0]
}

/// A shape, and how far it may grow.
pub(super) fn simple(shape: &[usize], most: Option<&[u64]>) -> Vec<u8> {
    let mut out = vec![2, shape.len() as u8, u8::from(most.is_some()), 1];
    shape.iter().for_each(|&s| put(&mut out, &[s as u64]));
    put(&mut out, most.unwrap_or_default());
    out
}

pub(super) fn datatype(kind: Kind) -> Vec<u8> {
    let size = kind.size() as u8;
    match kind {
        Kind::U8 | Kind::U64 => vec![0x10, 0, 0, 0, size, 0, 0, 0, 0, 0, 8 * size, 0],
        Kind::I32 | Kind::I64 => vec![0x10, 8, 0, 0, size, 0, 0, 0, 0, 0, 8 * size, 0],
        Kind::F32 => vec![0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0],
        Kind::F64 => vec![0x11, 0x20, 63, 0, 8, 0, 0, 0, 0, 0, 64, 0, 52, 11, 0, 52, 0xff, 0x03, 0, 0],
    }
}

/// Text of any length in UTF-8: its length, and where it is kept.
pub(super) fn text() -> Vec<u8> {
    let mut out = vec![0x19, 1, 1, 0, 16, 0, 0, 0];
    out.extend_from_slice(&datatype(Kind::U8));
    out
}

/// [`ASCII`] characters, filled up with zeros.
pub(super) fn ascii() -> Vec<u8> {
    vec![0x13, 1, 0, 0, ASCII as u8, 0, 0, 0]
}

/// An attribute with a name in UTF-8; the data come last.
pub(super) fn attribute(name: &str, kind: &[u8], space: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + name.len() + kind.len() + space.len() + data.len());
    out.extend_from_slice(&[3, 0]);
    // A name of more bytes than that does not fit into a message, which is said there.
    for size in [name.len() + 1, kind.len(), space.len()] {
        out.extend_from_slice(&(size as u16).to_le_bytes());
    }
    out.push(1);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(kind);
    out.extend_from_slice(space);
    out.extend_from_slice(data);
    out
}

/// The filters of [`deflate`].
pub(super) fn shuffle_deflate(size: usize) -> Vec<u8> {
    let mut out = vec![2, 2];
    for (filter, value) in [(2u16, size as u32), (1, LEVEL)] {
        // Number, optional, one value.
        for v in [filter, 1, 1] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&value.to_le_bytes());
    }
    out
}

const LEVEL: u32 = 1;

/// All first bytes of numbers, all second ones and so on, compressed by zlib.
pub(super) fn deflate(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut shuffled = Vec::with_capacity(bytes.len());
    (0..size).for_each(|k| shuffled.extend(bytes.iter().skip(k).step_by(size)));
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(&shuffled);
    encoder.finish().unwrap_or_default()
}

/// A block from the origin, of that shape (version 2 of selections).
pub(super) fn hyperslab(shape: &[usize], to: &mut Vec<u8>) {
    for v in [2u32, 2] {
        to.extend_from_slice(&v.to_le_bytes());
    }
    // Regular.
    to.push(1);
    for v in [4 + 32 * shape.len() as u32, shape.len() as u32] {
        to.extend_from_slice(&v.to_le_bytes());
    }
    // Start, stride, count, block.
    shape.iter().for_each(|&extent| put(to, &[0, 1, 1, extent as u64]));
}

/// Bob Jenkins' lookup3 (2006), with which HDF5 guards its metadata.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let [mut a, mut b, mut c] = [start; 3];
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut block = [0; 12];
        let used = rest.len().min(12);
        block[..used].copy_from_slice(&rest[..used]);
        let word = |k: usize| u32::from_le_bytes([block[k], block[k + 1], block[k + 2], block[k + 3]]);
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        rest = &rest[used..];
        if rest.is_empty() {
            // The last block is mixed more thoroughly.
            for (turn, x) in [14u32, 11, 25, 16, 4, 14, 24].into_iter().zip([0, 1, 2].into_iter().cycle()) {
                match x {
                    0 => c = (c ^ b).wrapping_sub(b.rotate_left(turn)),
                    1 => a = (a ^ c).wrapping_sub(c.rotate_left(turn)),
                    _ => b = (b ^ a).wrapping_sub(a.rotate_left(turn)),
                }
            }
        } else {
            for (turn, odd) in [(4u32, 0), (6, 1), (8, 2), (16, 0), (19, 1), (4, 2)] {
                match odd {
                    0 => {
                        a = a.wrapping_sub(c) ^ c.rotate_left(turn);
                        c = c.wrapping_add(b);
                    }
                    1 => {
                        b = b.wrapping_sub(a) ^ a.rotate_left(turn);
                        a = a.wrapping_add(c);
                    }
                    _ => {
                        c = c.wrapping_sub(b) ^ b.rotate_left(turn);
                        b = b.wrapping_add(a);
                    }
                }
            }
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that the source of lookup3 gives.
    #[test]
    fn checksum_is_that_of_its_author() {
        assert_eq!(checksum(b""), 0xdead_beef);
        assert_eq!(checksum(b"Four score and seven years ago"), 0x1777_0551);
    }

    #[test]
    fn shuffling_keeps_every_byte() {
        let packed = deflate(&[1, 2, 3, 4, 5, 6, 7, 8], 4);
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(&packed[..]), &mut plain).unwrap();
        assert_eq!(plain, [1, 5, 2, 6, 3, 7, 4, 8]);
    }
}
