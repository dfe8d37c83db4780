//! The tree of a case file: TOML values that remember their line.

use super::error::{CaseError, Place};
use std::sync::Arc;
use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Key, TableLike, Value};

/// Deepest nesting accepted, so that no input can exhaust the stack.
const MAX_DEPTH: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Line from 1; 0 for a value that stands in no file.
    pub(crate) line: usize,
    /// The `--set` that wrote it, if one did.
    pub(crate) set_by: Option<Arc<str>>,
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Array(Vec<Node>),
    Table(Arc<Map>),
}

/// A table's entries in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Map {
    pub(crate) entries: Vec<(String, Node)>,
}

impl Map {
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, n)| n)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(k, _)| k == key).map(|(_, n)| n)
    }

    pub(crate) fn insert(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => self.entries.push((key.into(), node)),
        }
    }
}

impl Node {
    pub(crate) fn new(kind: Kind) -> Self {
        Node { line: 0, set_by: None, kind }
    }

    pub(crate) fn place(&self, origin: &str) -> Place {
        match &self.set_by {
            Some(a) => Place { origin: format!("--set {a}"), line: 0 },
            None => Place { origin: origin.into(), line: self.line },
        }
    }

    /// What it is, in words, for "expected ..., got ...".
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            Kind::Int(i) => format!("the number {i}"),
            Kind::Float(f) => format!("the number {f}"),
            Kind::Bool(b) => format!("{b}"),
            Kind::Text(s) => format!("the text \"{}\"", s.chars().take(40).collect::<String>()),
            Kind::Array(a) => format!("a list of {}", a.len()),
            Kind::Table(t) if t.get("choice").is_some() || t.get("min").is_some() => "a range".into(),
            Kind::Table(_) => "a table".into(),
        }
    }

    pub(crate) fn map(&self) -> Option<&Arc<Map>> {
        if let Kind::Table(m) = &self.kind { Some(m) } else { None }
    }

    /// As a TOML value; tables become inline ones.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Int(i) => Value::from(*i),
            Kind::Float(f) => float(*f),
            Kind::Bool(b) => Value::from(*b),
            Kind::Text(s) => Value::from(s.as_str()),
            Kind::Array(a) => Value::Array(a.iter().map(Node::to_value).collect::<Array>()),
            Kind::Table(m) => Value::InlineTable(m.entries.iter().map(|(k, n)| (Key::new(k), n.to_value())).collect::<InlineTable>()),
        }
    }

    /// As an item of a document: tables and lists of tables get headers.
    pub(crate) fn to_item(&self) -> Item {
        match &self.kind {
            // A range reads best on one line.
            Kind::Table(m) if ["min", "max", "choice"].iter().any(|k| m.get(k).is_some()) => Item::Value(self.to_value()),
            Kind::Table(m) => Item::Table(table_of(m)),
            Kind::Array(a) if !a.is_empty() && a.iter().all(|n| n.map().is_some()) => {
                Item::ArrayOfTables(a.iter().filter_map(Node::map).map(|m| table_of(m)).collect::<ArrayOfTables>())
            }
            _ => Item::Value(self.to_value()),
        }
    }
}

/// A number in its shortest form: 210e9 as 2.1e11.
fn float(value: f64) -> Value {
    let wide = value.is_finite() && value != 0.0 && !(1e-4..1e7).contains(&value.abs());
    let short = wide.then(|| format!("{value:e}").parse::<Value>().ok()).flatten();
    short.filter(|v| v.as_float() == Some(value)).unwrap_or_else(|| Value::from(value))
}

/// A table with header: plain values first, so that they stay within it.
pub(crate) fn table_of(map: &Map) -> toml_edit::Table {
    let mut table = toml_edit::Table::new();
    let (headed, plain): (Vec<_>, Vec<_>) =
        map.entries.iter().map(|(k, n)| (k, n.to_item())).partition(|(_, i)| i.is_table() || i.is_array_of_tables());
    table.set_implicit(plain.is_empty() && !headed.is_empty());
    for (key, item) in plain.into_iter().chain(headed) {
        table.insert(key, item);
    }
    table
}

/// Finds the line of a byte.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Lines(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|&n| n < byte) + 1
    }
}

/// Parses TOML; `origin` names the file in errors.
pub(crate) fn parse(text: &str, origin: &str) -> Result<Node, CaseError> {
    let lines = Lines::of(text);
    let document = toml_edit::Document::parse(text).map_err(|e| {
        let byte = e.span().map_or(0, |s| s.start.min(text.len()));
        let start = text.as_bytes()[..byte].iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&text.as_bytes()[start..byte]).chars().count() + 1;
        CaseError::Syntax {
            place: Place { origin: origin.into(), line: lines.line(byte) },
            column,
            what: e.message().trim().replace('\n', "; "),
        }
    })?;
    let reader = Reader { lines, origin };
    Ok(Node { line: 1, set_by: None, kind: reader.table(document.as_table(), 1, "", 0)? })
}

struct Reader<'a> {
    lines: Lines,
    origin: &'a str,
}

impl Reader<'_> {
    fn line(&self, span: Option<std::ops::Range<usize>>, parent: usize) -> usize {
        span.map_or(parent, |s| self.lines.line(s.start))
    }

    fn table(&self, table: &dyn TableLike, line: usize, path: &str, depth: usize) -> Result<Kind, CaseError> {
        let mut map = Map::default();
        for (key, item) in table.iter() {
            let key_line = self.line(table.key(key).and_then(Key::span), line);
            let node = self.item(item, key_line, &join(path, key), depth + 1)?;
            map.entries.push((key.to_string(), node));
        }
        Ok(Kind::Table(Arc::new(map)))
    }

    fn item(&self, item: &Item, line: usize, path: &str, depth: usize) -> Result<Node, CaseError> {
        self.check_depth(line, path, depth)?;
        let kind = match item {
            Item::None => Kind::Table(Arc::default()),
            Item::Value(v) => return self.value(v, line, path, depth),
            Item::Table(t) => self.table(t, line, path, depth)?,
            Item::ArrayOfTables(list) => {
                let mut nodes = Vec::with_capacity(list.len());
                for (i, t) in list.iter().enumerate() {
                    let at = self.line(t.span(), line);
                    nodes.push(Node { line: at, set_by: None, kind: self.table(t, at, &join(path, &i.to_string()), depth + 1)? });
                }
                Kind::Array(nodes)
            }
        };
        Ok(Node { line, set_by: None, kind })
    }

    fn value(&self, value: &Value, line: usize, path: &str, depth: usize) -> Result<Node, CaseError> {
        self.check_depth(line, path, depth)?;
        let kind = match value {
            Value::String(s) => Kind::Text(s.value().clone()),
            Value::Integer(i) => Kind::Int(*i.value()),
            Value::Float(f) => Kind::Float(*f.value()),
            Value::Boolean(b) => Kind::Bool(*b.value()),
            // No key is a date; its text lets the reader of the key say what it wanted instead.
            Value::Datetime(d) => Kind::Text(d.value().to_string()),
            Value::Array(a) => {
                let mut nodes = Vec::with_capacity(a.len());
                for (i, v) in a.iter().enumerate() {
                    nodes.push(self.value(v, self.line(v.span(), line), &join(path, &i.to_string()), depth + 1)?);
                }
                Kind::Array(nodes)
            }
            Value::InlineTable(t) => self.table(t, line, path, depth)?,
        };
        Ok(Node { line, set_by: None, kind })
    }

    fn check_depth(&self, line: usize, path: &str, depth: usize) -> Result<(), CaseError> {
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(CaseError::Value {
            place: Place { origin: self.origin.into(), line },
            path: path.into(),
            what: format!("nested more than {MAX_DEPTH} deep"),
            hint: "no key of a case lies so deep".into(),
        })
    }
}

/// Path of a key within a table; a key that is not a bare word is quoted.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let key = if bare { key.to_string() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
