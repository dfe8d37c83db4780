//! Shares of a dataset that processes make by themselves.

use crate::DatasetError;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Share `number` (from 1) of `of` shares. Each notes its runs in a journal of its own, for two computers cannot append to one file of
/// a network file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    number: usize,
    of: usize,
}

impl Shard {
    /// The share of process `rank` (from 0) of `size`.
    pub fn of_rank(rank: usize, size: usize) -> Self {
        Shard { number: rank + 1, of: size }
    }

    /// Whether the share holds piece of work `k`: shares take turns, so that each has some of every split.
    pub fn holds(self, k: usize) -> bool {
        k % self.of == self.number - 1
    }

    pub(crate) fn journal(self) -> String {
        format!("{PREFIX}{}-of-{}{SUFFIX}", self.number, self.of)
    }

    pub(crate) fn part(self) -> String {
        format!("{}-of-{}.part", self.number, self.of)
    }
}

const PREFIX: &str = "journal.";
const SUFFIX: &str = ".jsonl";

/// The shards' journals in a directory, sorted.
pub(crate) fn journals(dir: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(DatasetError::io(dir, "list"))? {
        let path = entry.map_err(DatasetError::io(dir, "list"))?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let middle = name.strip_prefix(PREFIX).and_then(|n| n.strip_suffix(SUFFIX));
        if middle.is_some_and(|m| m.contains("-of-")) {
            out.push(path);
        }
    }
    out.sort();
    Ok(out)
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err("is not a share i/n with 1 <= i <= n\n  hint: of eight shares the first is 1/8, the last 8/8".into()),
        }
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_work_lies_in_one_share() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].iter().map(|s| s.parse().unwrap()).collect();
        assert!((0..10).all(|k| shards.iter().filter(|s| s.holds(k)).count() == 1));
        assert_eq!(shards[1].to_string(), "2/3");
        for wrong in ["", "3", "0/3", "4/3", "1/0", "0/0", "a/b", "-1/3", "1/2/3", "1.0/2", "1/99999999999999999999999"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("hint"), "{wrong}");
        }
    }
}
