//! Scalars for TensorBoard: a file of records, each a length and a protobuf message with their checksums.
//!
//! The messages are `Event` and `Summary` of TensorFlow's `event.proto` and `summary.proto`; the record is that of `record_writer.cc`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is appended to.
pub struct EventFile(BufWriter<File>);

impl EventFile {
    /// Makes a new file in `dir`; a resumed run has one for each call, which TensorBoard joins.
    pub fn create(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let name = format!("events.out.tfevents.{:.0}.{}.femur", seconds(), std::process::id());
        let mut file = EventFile(BufWriter::new(File::create(dir.join(name))?));
        let mut event = event(0);
        bytes(&mut event, 3, b"brain.Event:2");
        file.record(&event)?;
        Ok(file)
    }

    /// Adds values of one step.
    pub fn scalars(&mut self, step: usize, values: &[(&str, f64)]) -> io::Result<()> {
        let mut summary = Vec::new();
        for (tag, value) in values {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, tag.as_bytes());
            // Field 2, four bytes.
            entry.push(2 << 3 | 5);
            entry.extend((*value as f32).to_le_bytes());
            bytes(&mut summary, 1, &entry);
        }
        let mut event = event(step);
        bytes(&mut event, 5, &summary);
        self.record(&event)?;
        self.0.flush()
    }

    fn record(&mut self, data: &[u8]) -> io::Result<()> {
        let length = (data.len() as u64).to_le_bytes();
        self.0.write_all(&length)?;
        self.0.write_all(&masked(&length).to_le_bytes())?;
        self.0.write_all(data)?;
        self.0.write_all(&masked(data).to_le_bytes())
    }
}

/// The start of an `Event`: wall time and step.
fn event(step: usize) -> Vec<u8> {
    // Field 1, eight bytes; field 2, a variable-length number.
    let mut out = vec![1 << 3 | 1];
    out.extend(seconds().to_le_bytes());
    out.push(2 << 3);
    varint(&mut out, step as u64);
    out
}

fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// A field of bytes with its length.
fn bytes(out: &mut Vec<u8>, field: u8, data: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, data.len() as u64);
    out.extend(data);
}

fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// The checksum of a record: CRC-32C, turned and shifted, for data that holds checksums itself.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_carry_their_length_and_checksums() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = EventFile::create(dir.path()).unwrap();
        file.scalars(300, &[("loss", 0.5), ("lr", 1e-3)]).unwrap();
        drop(file);
        let path = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        let data = std::fs::read(path).unwrap();
        let (mut at, mut records) = (0, Vec::new());
        while at < data.len() {
            let length = u64::from_le_bytes(data[at..at + 8].try_into().unwrap()) as usize;
            let sum = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
            assert_eq!(sum(at + 8), masked(&data[at..at + 8]));
            let body = &data[at + 12..at + 12 + length];
            assert_eq!(sum(at + 12 + length), masked(body));
            records.push(body.to_vec());
            at += 16 + length;
        }
        assert_eq!(records.len(), 2);
        assert!(records[0].windows(13).any(|w| w == b"brain.Event:2"));
        // Step 300 as a variable-length number, and 0.5 as four bytes.
        assert!(records[1].windows(3).any(|w| w == [2 << 3, 0xac, 0x02]));
        assert!(records[1].windows(4).any(|w| w == 0.5f32.to_le_bytes()));
    }
}
