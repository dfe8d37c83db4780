//! A cursor over a file's bytes that reads numbers as text or as binary, and says where it stands when it cannot.

use std::path::Path;

use crate::{IoError, Place};

/// Reads numbers one after another. In binary mode `int`, `size` and `double` take bytes, otherwise words.
pub(crate) struct Scanner<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) pos: usize,
    pub(crate) binary: bool,
    pub(crate) big_endian: bool,
    pub(crate) hint: &'static str,
    origin: &'a Path,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8], origin: &'a Path, hint: &'static str) -> Self {
        Scanner { bytes, pos: 0, binary: false, big_endian: false, hint, origin }
    }

    pub(crate) fn origin(&self) -> &'a Path {
        self.origin
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.pos
    }

    /// An error about what stands at `at`.
    pub(crate) fn fail_at(&self, at: usize, expected: impl Into<String>, got: impl Into<String>) -> IoError {
        let at = at.min(self.bytes.len());
        let place = if self.binary { Place::Byte(at) } else { Place::Line(1 + self.bytes[..at].iter().filter(|&&b| b == b'\n').count()) };
        IoError::Malformed { file: self.origin.into(), place, expected: expected.into(), got: got.into(), hint: self.hint }
    }

    /// An error about what stands here.
    pub(crate) fn fail(&self, expected: impl Into<String>, got: impl Into<String>) -> IoError {
        self.fail_at(self.pos, expected, got)
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>, hint: &'static str) -> IoError {
        IoError::Unsupported { file: self.origin.into(), what: what.into(), hint }
    }

    pub(crate) fn skip_space(&mut self) {
        while self.pos < self.bytes.len() && self.bytes[self.pos].is_ascii_whitespace() {
            self.pos += 1;
        }
    }

    /// The rest of this line without its end; the cursor moves to the next line.
    pub(crate) fn line(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.pos..];
        let end = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        self.pos += (end + 1).min(rest.len());
        rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])
    }

    /// The next word, empty at the end of the file.
    pub(crate) fn word(&mut self) -> &'a [u8] {
        self.skip_space();
        let start = self.pos;
        while self.pos < self.bytes.len() && !self.bytes[self.pos].is_ascii_whitespace() {
            self.pos += 1;
        }
        &self.bytes[start..self.pos]
    }

    /// The next word, which must be this one.
    pub(crate) fn expect_word(&mut self, expected: &str) -> Result<(), IoError> {
        let word = self.word();
        if word == expected.as_bytes() {
            return Ok(());
        }
        Err(self.fail_at(self.pos - word.len(), format!("`{expected}`"), shown(word)))
    }

    /// The next word as a whole number, whatever the mode.
    pub(crate) fn text_int(&mut self, what: &str) -> Result<i64, IoError> {
        let word = self.word();
        parse_int(word).ok_or_else(|| self.fail_at(self.pos - word.len(), what, shown(word)))
    }

    /// The next word as a number, whatever the mode.
    pub(crate) fn text_double(&mut self, what: &str) -> Result<f64, IoError> {
        let word = self.word();
        parse_float(word).ok_or_else(|| self.fail_at(self.pos - word.len(), what, shown(word)))
    }

    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N], IoError> {
        match self.bytes[self.pos..].first_chunk::<N>() {
            Some(chunk) => {
                self.pos += N;
                Ok(*chunk)
            }
            None => Err(self.fail(format!("{what} ({N} bytes)"), format!("the end of the file after {} bytes", self.remaining()))),
        }
    }

    /// A whole number: a word, or 4 bytes with a sign.
    pub(crate) fn int(&mut self, what: &str) -> Result<i64, IoError> {
        if !self.binary {
            return self.text_int(what);
        }
        let b = self.take::<4>(what)?;
        Ok(i64::from(if self.big_endian { i32::from_be_bytes(b) } else { i32::from_le_bytes(b) }))
    }

    /// A number without sign: a word, or 8 bytes.
    pub(crate) fn size(&mut self, what: &str) -> Result<u64, IoError> {
        if !self.binary {
            let start = self.pos;
            let value = self.text_int(what)?;
            return u64::try_from(value).map_err(|_| self.fail_at(start, what, value.to_string()));
        }
        let b = self.take::<8>(what)?;
        Ok(if self.big_endian { u64::from_be_bytes(b) } else { u64::from_le_bytes(b) })
    }

    /// A real number: a word, or 8 bytes.
    pub(crate) fn double(&mut self, what: &str) -> Result<f64, IoError> {
        if !self.binary {
            return self.text_double(what);
        }
        let b = self.take::<8>(what)?;
        Ok(if self.big_endian { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) })
    }

    /// A coordinate: a finite real number.
    pub(crate) fn coordinate(&mut self) -> Result<f64, IoError> {
        let start = self.pos;
        let x = self.double("a coordinate")?;
        if x.is_finite() { Ok(x) } else { Err(self.fail_at(start, "a finite coordinate", x.to_string())) }
    }

    /// Holds a count from the file against the bytes that are left, at `numbers` numbers an item: nothing may be reserved
    /// for items that cannot be there.
    pub(crate) fn bounded(&self, at: usize, count: u64, numbers: usize, what: &str) -> Result<usize, IoError> {
        // A number takes four bytes in a binary file and at least a digit and a separator in a text.
        let each = numbers.max(1) * if self.binary { 4 } else { 2 };
        let most = (self.remaining() + 1) / each;
        match usize::try_from(count) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(self.fail_at(at, format!("a number of {what} that the file can hold (at most {most})"), count.to_string())),
        }
    }

    /// Reads a count with [`size`](Self::size) and bounds it.
    pub(crate) fn count(&mut self, numbers: usize, what: &str) -> Result<usize, IoError> {
        let at = self.pos;
        let n = self.size(&format!("the number of {what}"))?;
        self.bounded(at, n, numbers, what)
    }

    /// Reads a count as text and bounds it.
    pub(crate) fn text_count(&mut self, numbers: usize, what: &str) -> Result<usize, IoError> {
        self.skip_space();
        let at = self.pos;
        let n = self.text_int(&format!("the number of {what}"))?;
        let n = u64::try_from(n).map_err(|_| self.fail_at(at, format!("the number of {what}"), n.to_string()))?;
        self.bounded(at, n, numbers, what)
    }
}

/// A piece of the file for an error message: printable and short.
pub(crate) fn shown(word: &[u8]) -> String {
    if word.is_empty() {
        return "the end of the file".into();
    }
    let text: String = String::from_utf8_lossy(&word[..word.len().min(40)]).chars().flat_map(char::escape_debug).collect();
    format!("`{text}{}`", if word.len() > 40 { "..." } else { "" })
}

/// A decimal whole number with an optional sign.
pub(crate) fn parse_int(word: &[u8]) -> Option<i64> {
    let (negative, digits) = match word {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, word),
    };
    // 18 digits cannot overflow
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for &d in digits {
        if !d.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(d - b'0');
    }
    Some(if negative { -value } else { value })
}

/// A real number; Fortran's `1.0D+3` too.
pub(crate) fn parse_float(word: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(word).ok()?;
    text.parse().ok().or_else(|| if text.contains(['d', 'D']) { text.replace(['d', 'D'], "e").parse().ok() } else { None })
}

/// The first place of `needle` in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut at = 0;
    while let Some(i) = haystack[at..].iter().position(|&b| b == first) {
        at += i;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        at += 1;
    }
    None
}
