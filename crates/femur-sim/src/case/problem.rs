//! `[problem]`: what makes a case a published problem of `femur verify`.

use super::{Case, CaseError};

/// How long a problem takes, and so when it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Seconds: run by `femur verify --quick` and by the tests.
    Quick,
    /// Up to a few minutes: run by `femur verify`.
    Full,
    /// Longer: run by `femur verify --long` only.
    Long,
}

impl Level {
    /// All, with their words in a case.
    pub const ALL: [(Level, &str); 3] = [(Level::Quick, "quick"), (Level::Full, "full"), (Level::Long, "long")];
}

/// `[problem]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// One line for people.
    pub title: String,
    /// When it is run.
    pub level: Level,
    /// Geometry, material and loads in words.
    pub setup: String,
    /// Where the set-up and the values stand.
    pub sources: Vec<String>,
    /// Changes to the case, as of `--set`, that each make a coarser run to show the convergence; the case itself is the finest.
    pub refine: Vec<Vec<String>>,
}

impl Case {
    /// `[problem]`, where the case has one.
    ///
    /// # Errors
    /// A key or value that is not known.
    pub fn problem(&self) -> Result<Option<Problem>, CaseError> {
        let root = self.root();
        if !root.has("problem") {
            return Ok(None);
        }
        let table = root.table("problem")?;
        let words = Level::ALL.map(|(_, word)| word);
        let list = |key: &str| if table.has(key) { table.strings(key) } else { Ok(Vec::new()) };
        // A step is one text; changes in it that belong together are parted by `;`.
        let changes = |step: &String| step.split(';').map(|c| c.trim().to_string()).filter(|c| !c.is_empty()).collect();
        let problem = Problem {
            title: table.string("title")?,
            level: Level::ALL[table.choice_or("level", &words, 1)?].0,
            setup: table.string_or("setup", "")?,
            sources: list("sources")?,
            refine: list("refine")?.iter().map(changes).collect(),
        };
        table.finish()?;
        Ok(Some(problem))
    }
}
