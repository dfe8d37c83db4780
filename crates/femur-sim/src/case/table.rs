//! A typed reader of one table that remembers which keys were asked for: the rest are unknown keys.

use super::error::{CaseError, Place, hint_for};
use super::expr::Expr;
use super::value::{Kind, Map, Node, join};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was asked of one table.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Keys in the order in which they were first asked for.
    pub(crate) keys: Vec<String>,
    /// Values taken for keys that are not there.
    pub(crate) defaults: Vec<(String, Node)>,
}

/// The document that all tables of a case share.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) origin: String,
    pub(crate) root: Node,
    asked: Mutex<BTreeMap<String, Asked>>,
}

impl Document {
    pub(crate) fn new(origin: &str, root: Node) -> Arc<Self> {
        Arc::new(Document { origin: origin.into(), root, asked: Mutex::default() })
    }

    /// What was asked so far, by table path. A panic elsewhere leaves the list usable.
    pub(crate) fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unknown keys in the table at `path` and in all below it that were read.
    pub(crate) fn check(&self, path: &str, map: &Map, whole: bool) -> Result<(), CaseError> {
        let unknown = {
            let asked = self.asked();
            let Some(asked) = asked.get(path) else { return Ok(()) };
            let is_known = |key: &String| asked.keys.contains(key);
            let first = if whole { map.entries.iter().find(|(k, _)| !is_known(k)) } else { None };
            first.map(|(key, node)| {
                let unused: Vec<&str> = asked.keys.iter().map(String::as_str).filter(|k| map.get(k).is_none()).collect();
                let all: Vec<&str> = asked.keys.iter().map(String::as_str).collect();
                let hint = match super::error::nearest(key, unused.iter().copied()) {
                    Some(k) => format!("did you mean `{k}`?"),
                    None => hint_for(key, &all),
                };
                CaseError::UnknownKey { place: node.place(&self.origin), path: join(path, key), hint }
            })
        };
        if let Some(error) = unknown {
            return Err(error);
        }
        for (key, node) in &map.entries {
            self.check_below(&join(path, key), node)?;
        }
        Ok(())
    }

    fn check_below(&self, path: &str, node: &Node) -> Result<(), CaseError> {
        match &node.kind {
            Kind::Table(map) => self.check(path, map, true),
            Kind::Array(list) => list.iter().enumerate().try_for_each(|(i, n)| self.check_below(&join(path, &i.to_string()), n)),
            _ => Ok(()),
        }
    }
}

/// Units of memory, in bytes.
const MEMORY_UNITS: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

/// One table of a case. Every getter names the key's path and line in its error.
#[derive(Debug, Clone)]
pub struct Table {
    doc: Arc<Document>,
    map: Arc<Map>,
    path: String,
    place: Place,
    /// The key is there but holds no table: said as soon as something is read.
    bad: Option<Box<CaseError>>,
}

impl Table {
    pub(crate) fn root(doc: &Arc<Document>) -> Table {
        Table::of(doc, "", Some(&doc.root), &doc.root)
    }

    fn of(doc: &Arc<Document>, path: &str, node: Option<&Node>, parent: &Node) -> Table {
        let map = node.and_then(Node::map).cloned().unwrap_or_default();
        doc.asked().entry(path.to_string()).or_default();
        Table { doc: doc.clone(), map, path: path.into(), place: node.unwrap_or(parent).place(&doc.origin), bad: None }
    }

    /// The table `node` at `path`.
    pub(crate) fn at(doc: &Arc<Document>, path: &str, node: &Node) -> Table {
        Table::of(doc, path, Some(node), node)
    }

    /// An empty table whose required keys and `finish` give `error`.
    pub(crate) fn broken(doc: &Arc<Document>, path: &str, error: CaseError) -> Table {
        Table { bad: Some(Box::new(error)), ..Table::of(doc, path, None, &doc.root) }
    }

    /// Path from the top of the file, e.g. `boundary.1.traction`; empty for the file itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Line of the table; 0 where it came from `--set`.
    pub fn line(&self) -> usize {
        self.place.line
    }

    /// Keys present, in the order of the file.
    pub fn keys(&self) -> Vec<String> {
        self.map.entries.iter().map(|(k, _)| k.clone()).collect()
    }

    /// Whether the key is there. Counts as asking: the key becomes a known one.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether the key is there and is a table.
    pub fn is_table(&self, key: &str) -> bool {
        self.get(key).is_some_and(|n| n.map().is_some())
    }

    /// Whether the key is there and is a list.
    pub fn is_list(&self, key: &str) -> bool {
        self.get(key).is_some_and(|n| matches!(n.kind, Kind::Array(_)))
    }

    /// Whether the key is there and is text.
    pub fn is_text(&self, key: &str) -> bool {
        self.get(key).is_some_and(|n| matches!(n.kind, Kind::Text(_)))
    }

    /// Whether nothing is in the table.
    pub fn is_empty(&self) -> bool {
        self.map.entries.is_empty()
    }

    /// Makes keys known without reading them.
    pub fn claim(&self, keys: &[&str]) {
        let mut asked = self.doc.asked();
        let entry = asked.entry(self.path.clone()).or_default();
        for key in keys {
            if !entry.keys.iter().any(|k| k == key) {
                entry.keys.push((*key).to_string());
            }
        }
    }

    /// The number, required and finite.
    pub fn f64(&self, key: &str) -> Result<f64, CaseError> {
        let node = self.require(key, "a number")?;
        self.number(key, node)
    }

    /// The number, if the key is there.
    pub fn opt_f64(&self, key: &str) -> Result<Option<f64>, CaseError> {
        self.get(key).map(|n| self.number(key, n)).transpose()
    }

    /// The number, or `default`.
    pub fn f64_or(&self, key: &str, default: f64) -> Result<f64, CaseError> {
        match self.opt_f64(key)? {
            Some(v) => Ok(v),
            None => Ok(self.note(key, Kind::Float(default), default)),
        }
    }

    /// The number, required and above 0.
    pub fn positive(&self, key: &str) -> Result<f64, CaseError> {
        let value = self.f64(key)?;
        self.check_positive(key, value)
    }

    /// The number, above 0, if the key is there.
    pub fn opt_positive(&self, key: &str) -> Result<Option<f64>, CaseError> {
        self.opt_f64(key)?.map(|v| self.check_positive(key, v)).transpose()
    }

    /// The number, above 0, or `default`.
    pub fn positive_or(&self, key: &str, default: f64) -> Result<f64, CaseError> {
        let value = self.f64_or(key, default)?;
        self.check_positive(key, value)
    }

    /// The amount of memory in bytes, above 0, if the key is there: a number, or text with a unit (`"4 GB"`).
    pub fn opt_bytes(&self, key: &str) -> Result<Option<f64>, CaseError> {
        if !self.is_text(key) {
            return self.opt_positive(key);
        }
        let text = self.string(key)?;
        let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
        let factor = MEMORY_UNITS.iter().find(|u| u.0 == unit.trim()).map(|u| u.1);
        match (number.trim().parse::<f64>(), factor) {
            (Ok(number), Some(factor)) if number > 0.0 && number.is_finite() => Ok(Some(number * factor)),
            _ => {
                let units = MEMORY_UNITS.map(|u| u.0).join(", ");
                let hint = format!("\"4 GB\", or a number of bytes; units are {units}");
                Err(self.error(key, format!("`{text}` is no amount of memory"), hint))
            }
        }
    }

    /// The whole number from 0 up, required.
    pub fn usize(&self, key: &str) -> Result<usize, CaseError> {
        let node = self.require(key, "a whole number")?;
        self.whole(key, node)
    }

    /// The whole number from 0 up, if the key is there.
    pub fn opt_usize(&self, key: &str) -> Result<Option<usize>, CaseError> {
        self.get(key).map(|n| self.whole(key, n)).transpose()
    }

    /// The whole number from 0 up, or `default`.
    pub fn usize_or(&self, key: &str, default: usize) -> Result<usize, CaseError> {
        match self.opt_usize(key)? {
            Some(v) => Ok(v),
            None => Ok(self.note(key, Kind::Int(default as i64), default)),
        }
    }

    /// `true` or `false`, required.
    pub fn bool(&self, key: &str) -> Result<bool, CaseError> {
        let node = self.require(key, "true or false")?;
        self.truth(key, node)
    }

    /// `true` or `false`, if the key is there.
    pub fn opt_bool(&self, key: &str) -> Result<Option<bool>, CaseError> {
        self.get(key).map(|n| self.truth(key, n)).transpose()
    }

    /// `true` or `false`, or `default`.
    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool, CaseError> {
        match self.opt_bool(key)? {
            Some(v) => Ok(v),
            None => Ok(self.note(key, Kind::Bool(default), default)),
        }
    }

    /// The text, required.
    pub fn string(&self, key: &str) -> Result<String, CaseError> {
        let node = self.require(key, "text in quotes")?;
        self.text(key, node)
    }

    /// The text, if the key is there.
    pub fn opt_string(&self, key: &str) -> Result<Option<String>, CaseError> {
        self.get(key).map(|n| self.text(key, n)).transpose()
    }

    /// The text, or `default`.
    pub fn string_or(&self, key: &str, default: &str) -> Result<String, CaseError> {
        match self.opt_string(key)? {
            Some(v) => Ok(v),
            None => Ok(self.note(key, Kind::Text(default.into()), default.into())),
        }
    }

    /// The list of numbers, required; a single number is a list of one.
    pub fn numbers(&self, key: &str) -> Result<Vec<f64>, CaseError> {
        self.list(key, "a list of numbers")?.iter().map(|(k, n)| self.number(k, n)).collect()
    }

    /// The list of lists of numbers, required: corners, points.
    pub fn number_lists(&self, key: &str) -> Result<Vec<Vec<f64>>, CaseError> {
        let outer = self.list(key, "a list of lists of numbers")?;
        let inner = |(k, n): &(String, &Node)| match &n.kind {
            Kind::Array(a) => a.iter().enumerate().map(|(i, n)| self.number(&format!("{k}.{i}"), n)).collect(),
            _ => Err(self.wrong(k, n, "a list of numbers", "write [[0, 0], [1, 1]]")),
        };
        outer.iter().map(inner).collect()
    }

    /// The list of texts, required; a single text is a list of one.
    pub fn strings(&self, key: &str) -> Result<Vec<String>, CaseError> {
        self.list(key, "a list of texts")?.iter().map(|(k, n)| self.text(k, n)).collect()
    }

    /// The list of whole numbers from 0 up, required; a single one is a list of one.
    pub fn usizes(&self, key: &str) -> Result<Vec<usize>, CaseError> {
        self.list(key, "a list of whole numbers")?.iter().map(|(k, n)| self.whole(k, n)).collect()
    }

    /// The list of whole numbers from 0 up, or `default`.
    pub fn usizes_or(&self, key: &str, default: &[usize]) -> Result<Vec<usize>, CaseError> {
        if self.has(key) {
            return self.usizes(key);
        }
        let list = default.iter().map(|v| Node::new(Kind::Int(*v as i64))).collect();
        Ok(self.note(key, Kind::Array(list), default.to_vec()))
    }

    /// The number or expression in x, y, z, t, required.
    pub fn expr(&self, key: &str) -> Result<Expr, CaseError> {
        let node = self.require(key, "a number or an expression in x, y, z, t")?;
        self.expression(key, node)
    }

    /// The number or expression, if the key is there.
    pub fn opt_expr(&self, key: &str) -> Result<Option<Expr>, CaseError> {
        self.get(key).map(|n| self.expression(key, n)).transpose()
    }

    /// The number or expression in x, y, z, t and `unknown`, required.
    pub fn expr_with(&self, key: &str, unknown: &'static str) -> Result<Expr, CaseError> {
        let node = self.require(key, &format!("a number or an expression in x, y, z, t, {unknown}"))?;
        self.expression_with(key, node, Some(unknown))
    }

    /// The list of numbers or expressions, required; a single one is a list of one.
    pub fn exprs(&self, key: &str) -> Result<Vec<Expr>, CaseError> {
        self.list(key, "a list of numbers or expressions")?.iter().map(|(k, n)| self.expression(k, n)).collect()
    }

    /// As [`Table::exprs`]; the word `"free"` stands for `None`.
    pub fn optional_exprs(&self, key: &str) -> Result<Vec<Option<Expr>>, CaseError> {
        self.list(key, "a list of numbers, expressions or \"free\"")?
            .iter()
            .map(|(k, n)| match &n.kind {
                Kind::Text(s) if s.trim() == "free" => Ok(None),
                _ => self.expression(k, n).map(Some),
            })
            .collect()
    }

    /// Number of the word in `words`, required.
    pub fn choice(&self, key: &str, words: &[&str]) -> Result<usize, CaseError> {
        let text = self.require(key, &format!("one of {}", words.join(", "))).and_then(|n| self.text(key, n))?;
        self.word(key, &text, words)
    }

    /// Number of the word in `words`; of `default` where the key is absent.
    pub fn choice_or(&self, key: &str, words: &[&str], default: usize) -> Result<usize, CaseError> {
        match self.opt_string(key)? {
            Some(text) => self.word(key, &text, words),
            None => Ok(self.note(key, Kind::Text(words.get(default).copied().unwrap_or_default().into()), default)),
        }
    }

    /// The table of that name; empty where the key is absent, so that its required keys are then the ones missed.
    pub fn table(&self, key: &str) -> Result<Table, CaseError> {
        let parent = Node { line: self.place.line, ..Node::new(Kind::Table(Arc::default())) };
        match self.get(key) {
            Some(n) if n.map().is_none() => {
                Err(self.wrong(key, n, "a table", &format!("write [{}] with its keys below, or {key} = {{ ... }}", join(&self.path, key))))
            }
            node => Ok(Table::of(&self.doc, &join(&self.path, key), node, &parent)),
        }
    }

    /// The list of tables of that name; empty where the key is absent.
    pub fn tables(&self, key: &str) -> Result<Vec<Table>, CaseError> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let hint = format!("write [[{}]] with its keys below", join(&self.path, key));
        let Kind::Array(list) = &node.kind else { return Err(self.wrong(key, node, "a list of tables", &hint)) };
        let path = join(&self.path, key);
        list.iter()
            .enumerate()
            .map(|(i, n)| match n.map() {
                Some(_) => Ok(Table::of(&self.doc, &join(&path, &i.to_string()), Some(n), node)),
                None => Err(self.wrong(&format!("{key}.{i}"), n, "a table", &hint)),
            })
            .collect()
    }

    /// An error about a key of this table: `what` is wrong, `hint` says what to do.
    pub fn error(&self, key: &str, what: impl Into<String>, hint: impl Into<String>) -> CaseError {
        let place = self.find(key).map_or_else(|| self.place.clone(), |n| n.place(&self.doc.origin));
        CaseError::Value { place, path: self.full(key), what: what.into(), hint: hint.into() }
    }

    /// Refuses keys that were never asked for, here and in every table below that was read.
    pub fn finish(&self) -> Result<(), CaseError> {
        if let Some(error) = &self.bad {
            return Err((**error).clone());
        }
        self.doc.check(&self.path, &self.map, true)
    }

    /// Path of `key` (which may hold dots: `traction.x`) from the top.
    fn full(&self, key: &str) -> String {
        if key.is_empty() {
            self.path.clone()
        } else if self.path.is_empty() || key.contains('.') {
            if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
        } else {
            join(&self.path, key)
        }
    }

    fn find(&self, key: &str) -> Option<&Node> {
        if let Some(node) = self.map.get(key) {
            return Some(node);
        }
        let mut parts = key.split('.');
        let mut node = self.map.get(parts.next()?)?;
        for part in parts {
            node = match &node.kind {
                Kind::Table(m) => m.get(part)?,
                Kind::Array(a) => a.get(part.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(node)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.claim(&[key]);
        self.map.get(key)
    }

    fn require(&self, key: &str, expected: &str) -> Result<&Node, CaseError> {
        match (self.get(key), &self.bad) {
            (Some(n), _) => Ok(n),
            (None, Some(error)) => Err((**error).clone()),
            (None, None) => Err(CaseError::Missing {
                place: self.place.clone(),
                path: join(&self.path, key),
                hint: format!("write {key} = ..., {expected}"),
            }),
        }
    }

    fn note<T>(&self, key: &str, kind: Kind, value: T) -> T {
        let mut asked = self.doc.asked();
        let entry = asked.entry(self.path.clone()).or_default();
        if !entry.defaults.iter().any(|(k, _)| k == key) {
            entry.defaults.push((key.into(), Node::new(kind)));
        }
        value
    }

    fn wrong(&self, key: &str, node: &Node, expected: &str, hint: &str) -> CaseError {
        CaseError::Value {
            place: node.place(&self.doc.origin),
            path: self.full(key),
            what: format!("expected {expected}, got {}", node.describe()),
            hint: hint.into(),
        }
    }

    fn number(&self, key: &str, node: &Node) -> Result<f64, CaseError> {
        match node.kind {
            Kind::Int(i) => Ok(i as f64),
            Kind::Float(f) if f.is_finite() => Ok(f),
            _ => Err(self.wrong(key, node, "a finite number", "write it without quotes, e.g. 1.5 or 210e9")),
        }
    }

    fn whole(&self, key: &str, node: &Node) -> Result<usize, CaseError> {
        let wrong = || self.wrong(key, node, "a whole number from 0 up", "to sample whole numbers write { choice = [3, 4, 5] }");
        match node.kind {
            Kind::Int(i) => usize::try_from(i).map_err(|_| wrong()),
            Kind::Float(f) if f.fract() == 0.0 && (0.0..=9e15).contains(&f) => Ok(f as usize),
            _ => Err(wrong()),
        }
    }

    fn truth(&self, key: &str, node: &Node) -> Result<bool, CaseError> {
        match node.kind {
            Kind::Bool(b) => Ok(b),
            _ => Err(self.wrong(key, node, "true or false", "write it without quotes")),
        }
    }

    fn text(&self, key: &str, node: &Node) -> Result<String, CaseError> {
        match &node.kind {
            Kind::Text(s) => Ok(s.clone()),
            _ => Err(self.wrong(key, node, "text", "write it in quotes")),
        }
    }

    fn expression(&self, key: &str, node: &Node) -> Result<Expr, CaseError> {
        self.expression_with(key, node, None)
    }

    fn expression_with(&self, key: &str, node: &Node, unknown: Option<&'static str>) -> Result<Expr, CaseError> {
        match &node.kind {
            Kind::Text(s) => Expr::parse_with(s, unknown).map_err(|e| CaseError::Value {
                place: node.place(&self.doc.origin),
                path: self.full(key),
                hint: e.hint.clone(),
                what: e.to_string(),
            }),
            Kind::Int(_) | Kind::Float(_) => self.number(key, node).map(Expr::constant),
            _ => Err(self.wrong(key, node, "a number or an expression in x, y, z, t", "e.g. 1e6 or \"1e6 * sin(pi * y)\"")),
        }
    }

    /// Members of a list with their keys (`traction.0`); a single value is a list of one.
    fn list(&self, key: &str, expected: &str) -> Result<Vec<(String, &Node)>, CaseError> {
        let node = self.require(key, expected)?;
        match &node.kind {
            Kind::Array(a) => Ok(a.iter().enumerate().map(|(i, n)| (format!("{key}.{i}"), n)).collect()),
            Kind::Table(_) => Err(self.wrong(key, node, expected, "write [a, b, ...]")),
            _ => Ok(vec![(key.into(), node)]),
        }
    }

    fn word(&self, key: &str, text: &str, words: &[&str]) -> Result<usize, CaseError> {
        match words.iter().position(|w| *w == text) {
            Some(i) => Ok(i),
            None => {
                let hint = match super::error::nearest(text, words.iter().copied()) {
                    Some(w) => format!("did you mean \"{w}\"?"),
                    None => format!("write one of {}", words.join(", ")),
                };
                Err(self.error(key, format!("\"{text}\" is not one of {}", words.join(", ")), hint))
            }
        }
    }

    fn check_positive(&self, key: &str, value: f64) -> Result<f64, CaseError> {
        if value > 0.0 { Ok(value) } else { Err(self.error(key, format!("must be above 0, got {value}"), "check sign and units")) }
    }
}
