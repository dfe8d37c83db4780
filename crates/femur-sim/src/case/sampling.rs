//! Ranges in a case and the streams that draw from them.
//!
//! A base case is `(split, index)`. Every draw is a function of `(seed, split, index)`, and of `variant` for ranges that vary
//! within a base case, so that raising a count only appends.

use super::error::CaseError;
use super::table::Table;
use super::value::{Kind, Node};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Part of a dataset. No base case is in two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// What a surrogate learns from.
    Train,
    /// What chooses the best checkpoint.
    Valid,
    /// What is never seen in training.
    Test,
}

impl Split {
    /// All splits, in the order of a dataset.
    pub const ALL: [Split; 3] = [Split::Train, Split::Valid, Split::Test];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Valid => "valid",
            Split::Test => "test",
        }
    }

    /// The split of that name.
    pub fn named(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// How points are spread over the ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Owen-scrambled Sobol sequence: even, and can be extended.
    Sobol,
    /// Latin hypercube: one point in each of `count` slices of each range; cannot be extended.
    LatinHypercube,
    /// Independent uniform draws.
    Random,
}

impl Method {
    /// Words in a case file, in the order of the variants.
    pub const NAMES: [&'static str; 3] = ["sobol", "latin-hypercube", "random"];

    /// Word in a case file.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// `[samples]`: how many cases to draw, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// Base cases for training.
    pub train: usize,
    /// Base cases for validation.
    pub valid: usize,
    /// Base cases for testing.
    pub test: usize,
    /// Draws of the ranges `per = "variant"` for each base case.
    pub variants: usize,
    /// How points are spread.
    pub method: Method,
}

impl Samples {
    pub(crate) fn read(table: &Table) -> Result<Samples, CaseError> {
        let samples = Samples {
            train: table.usize_or("train", 0)?,
            valid: table.usize_or("valid", 0)?,
            test: table.usize_or("test", 0)?,
            variants: table.usize_or("variants", 1)?,
            method: [Method::Sobol, Method::LatinHypercube, Method::Random][table.choice_or("method", &Method::NAMES, 0)?],
        };
        if samples.variants == 0 {
            return Err(table.error("variants", "must be at least 1", "variants = 1 gives one trajectory for each base case"));
        }
        for split in Split::ALL {
            if samples.count(split) > MAX_COUNT || samples.variants > MAX_COUNT {
                return Err(table.error(split.name(), format!("more than {MAX_COUNT} cases"), "lower the count"));
            }
        }
        table.finish()?;
        Ok(samples)
    }

    /// Number of base cases of a split.
    pub fn count(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train,
            Split::Valid => self.valid,
            Split::Test => self.test,
        }
    }

    /// Whether a dataset made with `old` may go on with these counts: cases drawn already must come out the same.
    /// A Latin hypercube refuses any other count.
    pub fn check_extends(&self, old: &Samples) -> Result<(), CaseError> {
        for split in Split::ALL {
            let (was, now) = (old.count(split), self.count(split));
            let fixed = old.method == Method::LatinHypercube && was != now;
            if fixed || old.method != self.method {
                let hint = if fixed {
                    "its cases depend on the count: keep the count, start a new dataset, or use method = \"sobol\", which can be extended"
                        .into()
                } else {
                    format!(
                        "the dataset was drawn with method = \"{}\", not \"{}\": keep it or start a new dataset",
                        old.method.name(),
                        self.method.name()
                    )
                };
                return Err(CaseError::CannotGrow { method: old.method.name().into(), split: split.name().into(), was, now, hint });
            }
        }
        Ok(())
    }
}

const MAX_COUNT: usize = 100_000_000;

/// How often a range is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Once for each base case (a geometry).
    Base,
    /// Anew for each variant (loads, materials).
    Variant,
}

/// A member of a choice.
#[derive(Debug, Clone, PartialEq)]
pub enum ChoiceValue {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A word.
    Word(String),
}

impl ChoiceValue {
    fn node(&self) -> Kind {
        match self {
            ChoiceValue::Integer(i) => Kind::Int(*i),
            ChoiceValue::Number(f) => Kind::Float(*f),
            ChoiceValue::Bool(b) => Kind::Bool(*b),
            ChoiceValue::Word(s) => Kind::Text(s.clone()),
        }
    }
}

/// What a range draws from.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeKind {
    /// Evenly between two numbers.
    Uniform {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// Evenly in the logarithm between two positive numbers.
    LogUniform {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// One of a list, all alike.
    Choice(Vec<ChoiceValue>),
}

/// A range that stands where a value may stand.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// Path of the value, e.g. `mesh.hole.x` or `boundary.1.traction.angle`.
    pub path: String,
    /// Line in the file; 0 where it came from `--set`.
    pub line: usize,
    /// What it draws from.
    pub kind: RangeKind,
    /// How often it is drawn.
    pub per: Per,
    nominal: Option<ChoiceValue>,
}

impl Range {
    /// Whether a table is meant as a range: it has a key `min`, `max` or `choice`.
    pub(crate) fn is_range(node: &Node) -> bool {
        node.map().is_some_and(|m| ["min", "max", "choice"].iter().any(|k| m.get(k).is_some()))
    }

    pub(crate) fn read(path: &str, table: &Table) -> Result<Range, CaseError> {
        table.claim(&["per", "nominal"]);
        let default_per = if path.starts_with("mesh.") { 0 } else { 1 };
        let per = [Per::Base, Per::Variant][table.choice_or("per", &["base", "variant"], default_per)?];
        let kind = if table.has("choice") { Self::read_choice(table)? } else { Self::read_interval(table)? };
        let nominal = match (&kind, table.get("nominal")) {
            (_, None) => None,
            (RangeKind::Choice(values), Some(node)) => {
                let wanted = scalar(node);
                let found = values.iter().find(|v| wanted.as_ref().is_some_and(|w| same(v, w)));
                let hint = "nominal must be one of the values in choice";
                Some(found.cloned().ok_or_else(|| table.error("nominal", format!("{} is not in the list", node.describe()), hint))?)
            }
            (RangeKind::Uniform { min, max } | RangeKind::LogUniform { min, max }, Some(_)) => {
                let value = table.f64("nominal")?;
                if !(*min..=*max).contains(&value) {
                    return Err(table.error(
                        "nominal",
                        format!("{value} lies outside {min} .. {max}"),
                        "nominal is the value that `femur solve` takes",
                    ));
                }
                Some(ChoiceValue::Number(value))
            }
        };
        table.finish()?;
        Ok(Range { path: path.into(), line: table.line(), kind, per, nominal })
    }

    fn read_choice(table: &Table) -> Result<RangeKind, CaseError> {
        let hint = "e.g. { choice = [\"circle\", \"ellipse\"], per = \"base\" }";
        let Some(Node { kind: Kind::Array(list), .. }) = table.get("choice") else {
            return Err(table.error("choice", "expected a list", hint));
        };
        let values: Option<Vec<ChoiceValue>> = list.iter().map(scalar).collect();
        match values {
            Some(v) if !v.is_empty() => Ok(RangeKind::Choice(v)),
            _ => Err(table.error("choice", "expected a list of one or more numbers or words", hint)),
        }
    }

    fn read_interval(table: &Table) -> Result<RangeKind, CaseError> {
        // An unknown key is the likelier mistake than a missing one: `mx` for `max`.
        table.claim(&["min", "max", "scale", "choice"]);
        table.finish()?;
        let (min, max) = (table.f64("min")?, table.f64("max")?);
        let log = table.choice_or("scale", &["linear", "log"], 0)? == 1;
        if min > max {
            return Err(table.error("max", format!("max = {max} lies below min = {min}"), "swap them"));
        }
        if !(max - min).is_finite() {
            return Err(table.error("max", "the range is too wide", "bring min and max closer"));
        }
        if !log {
            return Ok(RangeKind::Uniform { min, max });
        }
        if min <= 0.0 {
            return Err(table.error(
                "min",
                format!("a logarithmic range needs min above 0, got {min}"),
                "raise min, or use scale = \"linear\"",
            ));
        }
        Ok(RangeKind::LogUniform { min, max })
    }

    /// The value at `u` in [0, 1): evenly over the range.
    pub fn at(&self, u: f64) -> ChoiceValue {
        match &self.kind {
            RangeKind::Uniform { min, max } => ChoiceValue::Number((min + u * (max - min)).clamp(*min, *max)),
            RangeKind::LogUniform { min, max } => ChoiceValue::Number((min.ln() + u * (max.ln() - min.ln())).exp().clamp(*min, *max)),
            RangeKind::Choice(values) => {
                let i = ((u * values.len() as f64) as usize).min(values.len().saturating_sub(1));
                values.get(i).cloned().unwrap_or(ChoiceValue::Integer(0))
            }
        }
    }

    /// The value without sampling: `nominal`, else the middle (geometric for a logarithmic range), else the first of a choice.
    pub fn nominal(&self) -> ChoiceValue {
        match (&self.nominal, &self.kind) {
            (Some(v), _) => v.clone(),
            (None, RangeKind::Choice(_)) => self.at(0.0),
            (None, _) => self.at(0.5),
        }
    }

    /// A drawn value as a number: a word of a choice counts by its place in the list.
    pub fn as_number(&self, value: &ChoiceValue) -> f64 {
        match value {
            ChoiceValue::Integer(i) => *i as f64,
            ChoiceValue::Number(f) => *f,
            ChoiceValue::Bool(b) => f64::from(u8::from(*b)),
            ChoiceValue::Word(_) => match &self.kind {
                RangeKind::Choice(values) => values.iter().position(|v| v == value).unwrap_or(0) as f64,
                _ => 0.0,
            },
        }
    }

    pub(crate) fn node(&self, value: &ChoiceValue) -> Node {
        Node { line: self.line, ..Node::new(value.node()) }
    }
}

fn scalar(node: &Node) -> Option<ChoiceValue> {
    match &node.kind {
        Kind::Int(i) => Some(ChoiceValue::Integer(*i)),
        Kind::Float(f) if f.is_finite() => Some(ChoiceValue::Number(*f)),
        Kind::Bool(b) => Some(ChoiceValue::Bool(*b)),
        Kind::Text(s) => Some(ChoiceValue::Word(s.clone())),
        _ => None,
    }
}

/// Equal, where 3 and 3.0 are the same number.
fn same(a: &ChoiceValue, b: &ChoiceValue) -> bool {
    match (a, b) {
        (ChoiceValue::Integer(i), ChoiceValue::Number(f)) | (ChoiceValue::Number(f), ChoiceValue::Integer(i)) => *i as f64 == *f,
        _ => a == b,
    }
}

/// Which draw is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw<'a> {
    pub(crate) seed: u64,
    pub(crate) samples: &'a Samples,
    pub(crate) split: Split,
    pub(crate) base: usize,
    pub(crate) variant: usize,
}

impl Draw<'_> {
    /// The point's coordinate in dimension `dimension` (counted over the ranges of that `per`), in [0, 1).
    ///
    /// Base ranges form one sequence over the base cases of a split. Ranges of variant `v` form another for each `v`, so that each
    /// layer covers its ranges evenly and neither more base cases nor more variants change what is there.
    pub(crate) fn unit(&self, per: Per, dimension: usize) -> f64 {
        let layer = match per {
            Per::Base => "base".to_string(),
            Per::Variant => format!("variant {}", self.variant),
        };
        match self.samples.method {
            Method::Sobol => self.sobol(&layer, dimension),
            Method::LatinHypercube => self.latin(&layer, dimension),
            Method::Random => self.stream(&[&layer, &format!("base {}", self.base), &format!("dimension {dimension}")]).unit(),
        }
    }

    /// The crate's sequence has 2^16 points in 256 dimensions of 24 bits; beyond that, blocks with scrambles of their own.
    fn sobol(&self, layer: &str, dimension: usize) -> f64 {
        let block = [format!("points {}", self.base >> 16), format!("dimensions {}", dimension >> 8)];
        let seed = self.stream(&[layer, "sobol", &block[0], &block[1]]).0.next_u32();
        let coarse = sobol_burley::sample((self.base & 0xffff) as u32, (dimension & 0xff) as u32, seed);
        let fine = self.stream(&[layer, "fine", &format!("base {}", self.base), &format!("dimension {dimension}")]).unit();
        (f64::from(coarse) + fine / f64::from(1u32 << 24)).min(1.0 - f64::EPSILON)
    }

    /// Stratum by a permutation that depends on the count; a random place within it.
    fn latin(&self, layer: &str, dimension: usize) -> f64 {
        let count = self.samples.count(self.split).max(1);
        let mut order = self.stream(&[layer, "latin", &format!("count {count}"), &format!("dimension {dimension}")]);
        // Fisher-Yates, inside out.
        let mut permutation: Vec<u32> = Vec::with_capacity(count);
        for i in 0..count {
            let j = (order.unit() * (i + 1) as f64) as usize;
            permutation.push(i as u32);
            permutation.swap(i, j.min(i));
        }
        let within = self.stream(&[layer, "within", &format!("base {}", self.base), &format!("dimension {dimension}")]).unit();
        let stratum = permutation.get(self.base).copied().unwrap_or(0);
        ((f64::from(stratum) + within) / count as f64).min(1.0 - f64::EPSILON)
    }

    fn stream(&self, parts: &[&str]) -> Stream {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(self.split.name().as_bytes());
        for part in parts {
            hash.update([0]);
            hash.update(part.as_bytes());
        }
        Stream(ChaCha8Rng::from_seed(hash.finalize().into()))
    }
}

struct Stream(ChaCha8Rng);

impl Stream {
    /// In [0, 1), 53 bits.
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}
