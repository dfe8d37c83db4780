//! A case file before its ranges are drawn.

use super::error::CaseError;
use super::sampling::{ChoiceValue, Draw, Method, Per, Range, Samples, Split};
use super::table::{Document, Table};
use super::value::{self, Kind, Map, Node, join};
use super::{Case, set};
use crate::Param;
use std::path::Path;
use std::sync::Arc;

/// Top-level tables that are the same in every draw.
const FIXED: &[&str] = &["samples", "output", "expect", "problem", "model", "training", "learning", "schema", "units", "seed", "physics"];

/// Largest case file read.
const MAX_BYTES: u64 = 16 << 20;

/// A parsed case file, ranges not yet drawn.
#[derive(Debug, Clone)]
pub struct CaseFile {
    origin: String,
    text: String,
    root: Node,
}

impl CaseFile {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let error = |reason: String| CaseError::Read { path: path.display().to_string(), reason };
        let size = std::fs::metadata(path).map_err(|e| error(e.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(error(format!("it has {size} bytes, which no case needs (is it a mesh?)")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Parses TOML; `origin` names the file in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, CaseError> {
        Ok(CaseFile { origin: origin.into(), text: text.into(), root: value::parse(text, origin)? })
    }

    /// Name of the file.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Carries out `--set key.path=value`: places in lists are numbers from 0 (`boundary.1.traction.angle=30`), the value is TOML,
    /// a bare word is text. A key that nobody knows is refused later, as one in the file would be.
    pub fn set(&mut self, assignment: &str) -> Result<(), CaseError> {
        self.text = set::apply(&self.text, &mut self.root, assignment)?;
        Ok(())
    }

    /// The file's TOML, comments included, as it stands after every `set`.
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// The file with its ranges, and every default that was taken while `case` (a draw of this file) was used, written out.
    pub fn to_toml(&self, case: &Case) -> String {
        case.with_defaults(&self.root)
    }

    /// The whole file as a table with its ranges as they stand: for files that state no case, such as the map of `femur import`.
    pub fn root(&self) -> Table {
        Table::root(&self.document())
    }

    /// All ranges, in the order of the file.
    pub fn ranges(&self) -> Result<Vec<Range>, CaseError> {
        let doc = Document::new(&self.origin, self.root.clone());
        let mut ranges = Vec::new();
        let mut visit = |path: &str, table: &Table| {
            ranges.push(Range::read(path, table)?);
            Ok(Node::new(Kind::Bool(true)))
        };
        walk(&doc, "", &self.root, &mut visit)?;
        Ok(ranges)
    }

    /// The case at every range's `nominal`, else its middle.
    pub fn nominal(&self) -> Result<Case, CaseError> {
        self.resolve(|range, _| range.nominal())
    }

    /// Variant `variant` of base case `(split, base)`.
    pub fn draw(&self, split: Split, base: usize, variant: usize) -> Result<Case, CaseError> {
        let samples = self.samples()?;
        let seed = self.seed()?;
        if samples.method == Method::LatinHypercube && base >= samples.count(split) {
            return Err(CaseError::CannotGrow {
                method: samples.method.name().into(),
                split: split.name().into(),
                was: samples.count(split),
                now: base.saturating_add(1),
                hint: "its cases depend on the count: use method = \"sobol\", which can be extended".into(),
            });
        }
        let draw = Draw { seed, samples: &samples, split, base, variant };
        self.resolve(|range, dimension| range.at(draw.unit(range.per, dimension)))
    }

    /// `[samples]`.
    pub fn samples(&self) -> Result<Samples, CaseError> {
        Samples::read(&Table::root(&self.document()).table("samples")?)
    }

    /// What looks like a mistake but may be meant, at the nominal values; see [`Case::warnings`].
    pub fn warnings(&self) -> Result<Vec<String>, CaseError> {
        Ok(self.nominal()?.warnings(None))
    }

    fn seed(&self) -> Result<u64, CaseError> {
        Ok(Table::root(&self.document()).usize_or("seed", 0)? as u64)
    }

    fn document(&self) -> Arc<Document> {
        Document::new(&self.origin, self.root.clone())
    }

    /// `pick` gets a range and its number among the ranges of the same `per`.
    fn resolve(&self, pick: impl Fn(&Range, usize) -> ChoiceValue) -> Result<Case, CaseError> {
        let doc = self.document();
        let mut params = Vec::new();
        let mut counts = [0usize; 2];
        let mut visit = |path: &str, table: &Table| {
            let range = Range::read(path, table)?;
            let number = &mut counts[usize::from(range.per == Per::Variant)];
            let drawn = pick(&range, *number);
            *number += 1;
            params.push(Param { path: path.into(), value: range.as_number(&drawn) });
            Ok(range.node(&drawn))
        };
        let root = walk(&doc, "", &self.root, &mut visit)?;
        Case::new(&self.origin, root, params)
    }
}

type Visit<'a> = dyn FnMut(&str, &Table) -> Result<Node, CaseError> + 'a;

/// Copies the tree with every range replaced by what `visit` makes of it.
fn walk(doc: &Arc<Document>, path: &str, node: &Node, visit: &mut Visit<'_>) -> Result<Node, CaseError> {
    let kind = match &node.kind {
        Kind::Table(_) if !path.is_empty() && Range::is_range(node) => return visit(path, &Table::at(doc, path, node)),
        Kind::Table(map) => {
            let mut out = Map::default();
            for (key, child) in &map.entries {
                let below = join(path, key);
                let fixed = path.is_empty() && FIXED.contains(&key.as_str());
                let new = if fixed { refuse_ranges(doc, &below, child)? } else { walk(doc, &below, child, visit)? };
                out.entries.push((key.clone(), new));
            }
            Kind::Table(Arc::new(out))
        }
        Kind::Array(list) => {
            let children = list.iter().enumerate().map(|(i, child)| walk(doc, &join(path, &i.to_string()), child, visit));
            Kind::Array(children.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    };
    Ok(Node { kind, ..node.clone() })
}

/// A range in a table that must not vary is an error, except in `[expect]`, whose tables are no ranges.
fn refuse_ranges(doc: &Document, path: &str, node: &Node) -> Result<Node, CaseError> {
    if path != "expect" {
        let mut open = vec![(path.to_string(), node)];
        while let Some((path, node)) = open.pop() {
            if Range::is_range(node) {
                return Err(CaseError::Value {
                    place: node.place(&doc.origin),
                    path,
                    what: "a range cannot stand here".into(),
                    hint: "ranges belong to the mesh, materials, boundaries, loads and times".into(),
                });
            }
            match &node.kind {
                Kind::Table(map) => open.extend(map.entries.iter().map(|(k, n)| (join(&path, k), n))),
                Kind::Array(list) => open.extend(list.iter().enumerate().map(|(i, n)| (join(&path, &i.to_string()), n))),
                _ => {}
            }
        }
    }
    Ok(node.clone())
}
