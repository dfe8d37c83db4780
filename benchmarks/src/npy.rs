//! Arrays for peers: NumPy's file format, version 1.0 (its own documentation, `numpy.lib.format`).

use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::Path;

/// A number that the format knows.
pub trait Number: Copy {
    /// Name of the type in the header.
    const DTYPE: &'static str;
    /// Little-endian bytes.
    fn write(self, out: &mut Vec<u8>);
}

impl Number for f64 {
    const DTYPE: &'static str = "<f8";
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Number for i32 {
    const DTYPE: &'static str = "<i4";
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

/// Writes `[values.len() / width, width]`, or `[values.len()]` with width 1.
pub fn write<T: Number>(path: &Path, values: &[T], width: usize) -> Result<()> {
    let shape = if width == 1 { format!("({},)", values.len()) } else { format!("({}, {width})", values.len() / width) };
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", T::DTYPE);
    // magic, version and length are 10 bytes; the data start at a multiple of 64
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(header.len())?.to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.reserve(8 * values.len());
    values.iter().for_each(|v| v.write(&mut bytes));
    let mut file = std::fs::File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(&bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_data() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write(&path, &[1, 2, 3, 4, 5, 6], 3).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        assert!(String::from_utf8_lossy(&bytes[10..10 + length]).contains("(2, 3)"));
        assert_eq!(bytes.len(), 10 + length + 24);
        assert_eq!(&bytes[10 + length..10 + length + 4], &1i32.to_le_bytes());
    }
}
