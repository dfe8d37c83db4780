//! What can be wrong with a case file, always with the key's path and the line.

use std::fmt;
use thiserror::Error;

/// Where in the input something stands: a line of a file, or a `--set` on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File name, or the assignment as typed.
    pub origin: String,
    /// Line from 1; 0 where there is none.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { write!(f, "{}", self.origin) } else { write!(f, "{}:{}", self.origin, self.line) }
    }
}

/// A case file cannot be read or does not make sense.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CaseError {
    /// The file cannot be read.
    #[error("cannot read the case file {path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Not TOML.
    #[error("{place}: not valid TOML (column {column}): {what}")]
    Syntax {
        /// Where.
        place: Place,
        /// Column from 1.
        column: usize,
        /// What the parser met.
        what: String,
    },
    /// A key that nobody reads.
    #[error("{place}: unknown key `{path}`\n  hint: {hint}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// Path of the key.
        path: String,
        /// The nearest right word, or all of them.
        hint: String,
    },
    /// A key that is needed is not there.
    #[error("{place}: `{path}` is missing\n  hint: {hint}")]
    Missing {
        /// Where the table stands that should hold it.
        place: Place,
        /// Path of the key.
        path: String,
        /// What to write.
        hint: String,
    },
    /// A value of a wrong type or out of its range.
    #[error("{place}: `{path}`: {what}\n  hint: {hint}")]
    Value {
        /// Where.
        place: Place,
        /// Path of the key.
        path: String,
        /// What is wrong, with what was expected and got.
        what: String,
        /// What to write.
        hint: String,
    },
    /// A `--set` that cannot be carried out.
    #[error("--set {assignment}: {what}\n  hint: {hint}")]
    Set {
        /// As typed.
        assignment: String,
        /// What is wrong.
        what: String,
        /// What to write.
        hint: String,
    },
    /// The counts of a fixed design were changed.
    #[error("a {method} design of {was} cases cannot become one of {now} in split `{split}`\n  hint: {hint}")]
    CannotGrow {
        /// Name of the method.
        method: String,
        /// Split.
        split: String,
        /// Count of the design there is.
        was: usize,
        /// Count asked for.
        now: usize,
        /// What to do.
        hint: String,
    },
}

/// The word of `known` that `word` most likely means, if any is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|k| {
            let d = strsim::damerau_levenshtein(&lower, &k.to_lowercase());
            // `radius` is meant by `hole_radius` and `tolerance` by `tol`, though the distance is long.
            let k_lower = k.to_lowercase();
            let contained = (k.len() >= 4 && lower.contains(&k_lower))
                || (lower.len() >= 4 && k_lower.contains(&lower))
                || (lower.len() >= 3 && k_lower.starts_with(&lower));
            (if contained { d.min(limit) } else { d }, k)
        })
        .filter(|(d, k)| *d <= limit && *d < k.chars().count().max(word.chars().count()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// A hint for a wrong word: the nearest right one, else all of them.
pub(crate) fn hint_for(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(k) => format!("did you mean `{k}`?"),
        None if known.is_empty() => "remove it".into(),
        None => format!("known here: {}", known.join(", ")),
    }
}
