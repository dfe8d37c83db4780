//! The arrays of a VTK XML file: decoding of text, base64, raw bytes and zlib blocks into numbers.

use std::borrow::Cow;
use std::io::Read;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Types of numbers that VTK writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

impl Scalar {
    pub(super) fn from_name(name: &str) -> Option<Scalar> {
        Some(match name {
            "Int8" => Scalar::I8,
            "UInt8" => Scalar::U8,
            "Int16" => Scalar::I16,
            "UInt16" => Scalar::U16,
            "Int32" => Scalar::I32,
            "UInt32" => Scalar::U32,
            "Int64" => Scalar::I64,
            "UInt64" => Scalar::U64,
            "Float32" => Scalar::F32,
            "Float64" => Scalar::F64,
            _ => return None,
        })
    }

    pub(super) fn size(self) -> usize {
        match self {
            Scalar::I8 | Scalar::U8 => 1,
            Scalar::I16 | Scalar::U16 => 2,
            Scalar::I32 | Scalar::U32 | Scalar::F32 => 4,
            Scalar::I64 | Scalar::U64 | Scalar::F64 => 8,
        }
    }
}

/// What the head of a file says about its binary data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub(super) big_endian: bool,
    /// Bytes of a number in the heads of arrays: 4 or 8.
    pub(super) head: usize,
    pub(super) zlib: bool,
}

impl Coding {
    fn number(&self, bytes: &[u8]) -> Option<u64> {
        let mut b = [0u8; 8];
        let bytes = bytes.get(..self.head)?;
        if self.big_endian {
            b[8 - self.head..].copy_from_slice(bytes);
            Some(u64::from_be_bytes(b))
        } else {
            b[..self.head].copy_from_slice(bytes);
            Some(u64::from_le_bytes(b))
        }
    }

    /// Numbers out of their bytes.
    pub(super) fn floats(&self, bytes: &[u8], scalar: Scalar) -> Vec<f64> {
        macro_rules! decode {
            ($t:ty) => {
                bytes
                    .chunks_exact(size_of::<$t>())
                    .map(|c| {
                        let mut b = [0; size_of::<$t>()];
                        b.copy_from_slice(c);
                        (if self.big_endian { <$t>::from_be_bytes(b) } else { <$t>::from_le_bytes(b) }) as f64
                    })
                    .collect()
            };
        }
        match scalar {
            Scalar::I8 => decode!(i8),
            Scalar::U8 => decode!(u8),
            Scalar::I16 => decode!(i16),
            Scalar::U16 => decode!(u16),
            Scalar::I32 => decode!(i32),
            Scalar::U32 => decode!(u32),
            Scalar::I64 => decode!(i64),
            Scalar::U64 => decode!(u64),
            Scalar::F32 => decode!(f32),
            Scalar::F64 => decode!(f64),
        }
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// A stretch of encoded bytes that an array is read from; it may reach beyond the array's end.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Base64(&'a [u8]),
    Raw(&'a [u8]),
}

impl<'a> Source<'a> {
    /// The bytes from `start` (in decoded bytes within one encoded stretch) on; `bytes` of them.
    ///
    /// An encoder may have finished the stretch before (with padding); then the next begins right behind the padding.
    fn part(self, bytes: usize) -> Result<(Cow<'a, [u8]>, Source<'a>), String> {
        let cut = |have: usize| format!("the data ends after {have} of {bytes} bytes");
        match self {
            Source::Raw(raw) => match raw.split_at_checked(bytes) {
                Some((part, rest)) => Ok((Cow::Borrowed(part), Source::Raw(rest))),
                None => Err(cut(raw.len())),
            },
            Source::Base64(text) => {
                let chars = bytes.div_ceil(3).checked_mul(4).filter(|&c| c <= text.len());
                let Some(chars) = chars else { return Err(cut(text.len() / 4 * 3)) };
                let mut decoded = BASE64.decode(&text[..chars]).map_err(|e| format!("text that is not base64 ({e})"))?;
                if decoded.len() < bytes {
                    return Err(cut(decoded.len()));
                }
                decoded.truncate(bytes);
                Ok((Cow::Owned(decoded), Source::Base64(&text[chars..])))
            }
        }
    }

    /// The decoded bytes of the array that starts here. The error tells what was found instead.
    pub(super) fn array(self, coding: &Coding) -> Result<Cow<'a, [u8]>, String> {
        if coding.zlib { self.zlib(coding) } else { self.plain(coding) }
    }

    /// Length in bytes, then the bytes. VTK encodes both as one base64 text, some writers as two.
    fn plain(self, coding: &Coding) -> Result<Cow<'a, [u8]>, String> {
        let (head, rest) = self.part(coding.head)?;
        let length = coding.number(&head).ok_or("no length")?;
        let length = usize::try_from(length).map_err(|_| format!("a length of {length} bytes"))?;
        match self {
            Source::Base64(text) if !text[..coding.head.div_ceil(3) * 4].contains(&b'=') => {
                let total = length.checked_add(coding.head).ok_or_else(|| format!("a length of {length} bytes"))?;
                let (mut all, _) = self.part(total)?;
                all.to_mut().drain(..coding.head);
                Ok(all)
            }
            _ => Ok(rest.part(length)?.0),
        }
    }

    /// Head: number of blocks, bytes of a block, bytes of the last block (0: a whole one), compressed bytes of each block.
    fn zlib(self, coding: &Coding) -> Result<Cow<'a, [u8]>, String> {
        let (first, _) = self.part(coding.head)?;
        let blocks = coding.number(&first).ok_or("no number of blocks")?;
        if blocks == 0 {
            return Ok(Cow::Owned(Vec::new()));
        }
        let head_bytes = usize::try_from(blocks).ok().and_then(|n| n.checked_add(3)?.checked_mul(coding.head));
        let (head, rest) = self.part(head_bytes.ok_or_else(|| format!("{blocks} compressed blocks"))?)?;
        let numbers: Vec<u64> = head.chunks_exact(coding.head).filter_map(|c| coding.number(c)).collect();
        let (block, last) = (numbers[1], if numbers[2] == 0 { numbers[1] } else { numbers[2] });
        let total = numbers[3..].iter().try_fold(0u64, |sum, &n| sum.checked_add(n)).and_then(|n| usize::try_from(n).ok());
        let (data, _) = rest.part(total.ok_or("compressed blocks of impossible length")?)?;
        let mut bytes = Vec::new();
        let mut at = 0;
        for (i, &length) in numbers[3..].iter().enumerate() {
            let compressed = &data[at..at + length as usize];
            at += length as usize;
            let expected = if i + 4 == numbers.len() { last } else { block };
            let before = bytes.len();
            // grows with what really comes out of the stream, never with what the head promises
            let mut decoder = flate2::read::ZlibDecoder::new(compressed).take(expected.saturating_add(1));
            // vtkio leaves an empty last block behind whole ones
            let empty_end = i + 4 == numbers.len() && numbers[2] == 0;
            decoder.read_to_end(&mut bytes).map_err(|e| format!("a damaged zlib block ({e})"))?;
            let got = (bytes.len() - before) as u64;
            if got != expected && !(empty_end && got == 0) {
                return Err(format!("{got} bytes in a zlib block, not {expected}"));
            }
        }
        Ok(Cow::Owned(bytes))
    }
}
