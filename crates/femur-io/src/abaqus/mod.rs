//! Abaqus' and CalculiX' .inp: nodes, elements, sets and surfaces; every other keyword is skipped.
//!
//! - `*ELSET` is a tag of cells, or of facets where its elements are one dimension lower (CPS*, CPE*, S* on the faces of a
//!   solid); `*NSET` is a tag of nodes, unless an element set or surface has its name: then that one is the tag.
//! - `*SURFACE` by elements and face labels is a tag of facets, by nodes one of nodes.
//! - Sets marked `internal` serve others and are no tags. Names are compared without regard to case, as Abaqus does.
//! - A file with one part and at most one instance, not moved, is read as if it had none; several parts are refused.

mod elements;
mod sets;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use femur_mesh::CellKind;

use crate::assembly::Assembly;
use crate::scan::{find, parse_float, parse_int, shown};
use crate::{IoError, MeshFile, MeshFormat, Place};

use sets::Sets;

/// The format.
pub(crate) struct Abaqus;

const HINT: &str = "the file seems cut off or damaged, or is no Abaqus/CalculiX input";

impl MeshFormat for Abaqus {
    fn name(&self) -> &'static str {
        "Abaqus/CalculiX"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["inp"]
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        // The first line that is no comment is a keyword, and nodes come somewhere.
        let first = bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).find(|l| !l.is_empty() && !l.starts_with(b"**"));
        first.is_some_and(|l| l.len() > 1 && l[0] == b'*' && l[1].is_ascii_alphabetic())
            && (find(bytes, b"*NODE").is_some() || find(bytes, b"*Node").is_some() || find(bytes, b"*node").is_some())
    }

    fn read(&self, bytes: &[u8], origin: &Path) -> Result<MeshFile, IoError> {
        let mut reader = Reader::default();
        reader.file(bytes, origin, 0)?;
        reader.finish(origin)
    }
}

/// Elements named before their nodes: resolved at the end, since `*NODE` may come after `*ELEMENT`.
struct RawBlock {
    kind: CellKind,
    /// Abaqus' node numbers, VTK's order.
    nodes: Vec<i64>,
    first: Position,
}

/// Line of a file, for errors about what is resolved later.
#[derive(Clone, Debug)]
struct Position {
    file: PathBuf,
    line: usize,
}

impl Position {
    fn fail(&self, expected: impl Into<String>, got: impl Into<String>) -> IoError {
        let (file, place) = (self.file.clone(), Place::Line(self.line));
        IoError::Malformed { file, place, expected: expected.into(), got: got.into(), hint: HINT }
    }

    fn unsupported(&self, what: impl Into<String>, hint: &'static str) -> IoError {
        IoError::Unsupported { file: self.file.clone(), what: format!("line {}: {}", self.line, what.into()), hint }
    }
}

/// A keyword line: `*KEYWORD, PARAMETER=VALUE, FLAG`.
struct Keyword {
    name: String,
    parameters: Vec<(String, String)>,
    at: Position,
}

impl Keyword {
    fn parse(text: &str, at: Position) -> Self {
        let mut words = text.trim_start_matches('*').split(',').map(str::trim);
        // `*ELEMENT  OUTPUT` and `*Element Output` are one keyword
        let name = words.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        let parameters = words.filter(|w| !w.is_empty()).map(|w| match w.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_uppercase(), value.trim().trim_matches('"').to_string()),
            None => (w.to_ascii_uppercase(), String::new()),
        });
        Keyword { name, parameters: parameters.collect(), at }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.parameters.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn require(&self, key: &str) -> Result<&str, IoError> {
        let value = self.get(key).filter(|v| !v.is_empty());
        value.ok_or_else(|| self.at.fail(format!("the parameter {key}=..."), format!("*{} without it", self.name)))
    }
}

#[derive(Default)]
struct Reader {
    assembly: Assembly,
    nodes: HashMap<i64, u32>,
    raw: Vec<RawBlock>,
    /// Abaqus' element number -> block and number within it.
    elements: HashMap<i64, (u32, u32)>,
    sets: Sets,
    parts: usize,
    instances: usize,
}

/// Lines of one file, without comments and with their numbers.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|&b| b == b'\n').unwrap_or(self.rest.len());
            let line = self.rest[..end].trim_ascii();
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            self.number += 1;
            if !line.is_empty() && !line.starts_with(b"**") {
                return Some((self.number, line));
            }
        }
        None
    }
}

/// What the data lines of the current keyword are. Sets and surfaces are known by their place in [`Sets`].
enum Block {
    Nodes { set: Option<usize> },
    Elements { block: usize, middle_second: bool, set: Option<usize>, pending: Vec<i64> },
    Set { set: usize, generate: bool },
    Surface { surface: usize },
    Instance,
    Other,
}

impl Reader {
    fn file(&mut self, bytes: &[u8], origin: &Path, depth: usize) -> Result<(), IoError> {
        let mut lines = Lines { rest: bytes, number: 0 }.peekable();
        let mut block = Block::Other;
        while let Some((number, line)) = lines.next() {
            let at = || Position { file: origin.into(), line: number };
            if line[0] == b'*' {
                self.end_block(&block, &at())?;
                let text = std::str::from_utf8(line).map_err(|_| at().fail("UTF-8 text", shown(line)))?;
                let mut text = text.to_string();
                while text.ends_with(',') {
                    let Some((_, next)) = lines.next_if(|(_, l)| l[0] != b'*') else { break };
                    text.push_str(&String::from_utf8_lossy(next));
                }
                block = self.keyword(Keyword::parse(&text, at()), depth)?;
            } else {
                self.data_line(&mut block, line, &at())?;
            }
        }
        self.end_block(&block, &Position { file: origin.into(), line: 1 + bytes.iter().filter(|&&b| b == b'\n').count() })
    }

    fn end_block(&self, block: &Block, at: &Position) -> Result<(), IoError> {
        match block {
            Block::Elements { pending, .. } if !pending.is_empty() => {
                Err(at.fail(format!("the remaining nodes of element {}", pending[0]), "the end of the data lines"))
            }
            _ => Ok(()),
        }
    }

    fn keyword(&mut self, keyword: Keyword, depth: usize) -> Result<Block, IoError> {
        Ok(match keyword.name.as_str() {
            "NODE" => {
                if keyword.get("SYSTEM").is_some_and(|s| !s.eq_ignore_ascii_case("R")) {
                    return Err(keyword.at.unsupported("nodes in cylindrical or spherical coordinates", "write them in rectangular ones"));
                }
                Block::Nodes { set: keyword.get("NSET").map(|name| self.sets.declare(false, name, &keyword.at)) }
            }
            "ELEMENT" => {
                let name = keyword.require("TYPE")?;
                let Some(kind) = elements::kind_of(name) else {
                    return Err(keyword.at.unsupported(
                        format!("elements of type {name} are not known to Femur"),
                        "known are C3D4/5/6/8/10/15/20, CPS and CPE 3/4/6/8, plane shells and membranes, trusses, and their variants",
                    ));
                };
                self.raw.push(RawBlock { kind, nodes: Vec::new(), first: keyword.at.clone() });
                let (block, middle_second) = (self.raw.len() - 1, kind == CellKind::Line3 && elements::middle_node_second(name));
                let set = keyword.get("ELSET").map(|name| self.sets.declare(true, name, &keyword.at));
                Block::Elements { block, middle_second, set, pending: Vec::new() }
            }
            "NSET" | "ELSET" => {
                let elements = keyword.name == "ELSET";
                let name = keyword.require(if elements { "ELSET" } else { "NSET" })?;
                let set = self.sets.declare(elements, name, &keyword.at);
                if keyword.has("INTERNAL") {
                    self.sets.hide(set);
                }
                if let (false, Some(source)) = (elements, keyword.get("ELSET")) {
                    let source = self.sets.mention(true, source, &keyword.at);
                    self.sets.include(set, source);
                }
                Block::Set { set, generate: keyword.has("GENERATE") }
            }
            "SURFACE" => {
                let name = keyword.require("NAME")?;
                let kind = keyword.get("TYPE").unwrap_or("ELEMENT").to_ascii_uppercase();
                match kind.as_str() {
                    "ELEMENT" | "NODE" => Block::Surface { surface: self.sets.declare_surface(name, kind == "NODE") },
                    _ => Block::Other,
                }
            }
            "PART" => {
                self.parts += 1;
                if self.parts > 1 {
                    return Err(keyword
                        .at
                        .unsupported("the file has several parts", "write it without parts and assemblies, or one part a file"));
                }
                Block::Other
            }
            "INSTANCE" => {
                self.instances += 1;
                if self.instances > 1 {
                    return Err(keyword.at.unsupported("the part is used several times", "write the file without parts and assemblies"));
                }
                Block::Instance
            }
            "NGEN" | "NFILL" | "NCOPY" | "NMAP" | "ELGEN" | "ELCOPY" => {
                let what = format!("nodes or elements generated by *{}", keyword.name);
                return Err(keyword.at.unsupported(what, "write the nodes and elements out"));
            }
            "INCLUDE" => {
                self.include(&keyword, depth)?;
                Block::Other
            }
            _ => Block::Other,
        })
    }

    fn include(&mut self, keyword: &Keyword, depth: usize) -> Result<(), IoError> {
        if depth >= 8 {
            return Err(keyword.at.unsupported("files include each other more than 8 deep", "a file may not include itself"));
        }
        let path = keyword.at.file.parent().unwrap_or(Path::new("")).join(keyword.require("INPUT")?);
        let bytes = std::fs::read(&path).map_err(|source| IoError::System { file: path.clone(), action: "cannot read", source })?;
        self.file(&bytes, &path, depth + 1)
    }

    fn data_line(&mut self, block: &mut Block, line: &[u8], at: &Position) -> Result<(), IoError> {
        match block {
            Block::Other => {}
            Block::Instance => {
                // a translation of nothing is no move
                let moved = words(line).any(|w| parse_float(w) != Some(0.0));
                if moved {
                    return Err(
                        at.unsupported("the instance of the part is moved or turned", "write the file without parts and assemblies")
                    );
                }
            }
            Block::Nodes { set } => {
                let mut fields = words(line);
                let id = fields.next().unwrap_or_default();
                let id = parse_int(id).filter(|&n| n > 0).ok_or_else(|| at.fail("the number of a node", shown(id)))?;
                let mut point = [0.0; 3];
                for (x, word) in point.iter_mut().zip(fields) {
                    if !word.is_empty() {
                        let value = parse_float(word).filter(|v| v.is_finite());
                        *x = value.ok_or_else(|| at.fail(format!("a finite coordinate of node {id}"), shown(word)))?;
                    }
                }
                let number = u32::try_from(self.assembly.points.len() / 3).unwrap_or(u32::MAX);
                if self.nodes.insert(id, number).is_some() {
                    return Err(at.fail("each node once", format!("node {id} again")));
                }
                self.assembly.points.extend(point);
                if let Some(set) = set {
                    self.sets.add(*set, id);
                }
            }
            Block::Elements { block, middle_second, set, pending } => {
                for word in words(line).filter(|w| !w.is_empty()) {
                    let value = parse_int(word).filter(|&n| n > 0);
                    pending.push(value.ok_or_else(|| at.fail("the number of an element or node", shown(word)))?);
                    let raw = &mut self.raw[*block];
                    if pending.len() == 1 + raw.kind.num_nodes() {
                        if *middle_second {
                            pending.swap(2, 3);
                        }
                        let i = (raw.nodes.len() / raw.kind.num_nodes()) as u32;
                        if self.elements.insert(pending[0], (*block as u32, i)).is_some() {
                            return Err(at.fail("each element once", format!("element {} again", pending[0])));
                        }
                        raw.nodes.extend_from_slice(&pending[1..]);
                        if let Some(set) = set {
                            self.sets.add(*set, pending[0]);
                        }
                        pending.clear();
                    }
                }
            }
            Block::Set { set, generate: true } => {
                let numbers: Vec<Option<i64>> = words(line).filter(|w| !w.is_empty()).map(parse_int).collect();
                let (first, last, step) = match numbers[..] {
                    [Some(first), Some(last)] => (first, last, 1),
                    [Some(first), Some(last), Some(step)] if step > 0 => (first, last, step),
                    _ => return Err(at.fail("first, last, step", shown(line))),
                };
                self.sets.add_range(*set, first, last, step);
            }
            Block::Set { set, .. } => {
                for word in words(line).filter(|w| !w.is_empty()) {
                    match parse_int(word) {
                        Some(id) => self.sets.add(*set, id),
                        None => {
                            let other = self.sets.mention(self.sets.is_of_elements(*set), &label(word), at);
                            self.sets.include(*set, other);
                        }
                    }
                }
            }
            Block::Surface { surface } => {
                let mut fields = words(line);
                let target = label(fields.next().unwrap_or_default());
                let face = fields.next().map(label).unwrap_or_default().to_ascii_uppercase();
                self.sets.add_surface_line(*surface, target, face, at);
            }
        }
        Ok(())
    }

    fn finish(mut self, origin: &Path) -> Result<MeshFile, IoError> {
        // blocks of one kind become one block of the assembly
        let mut starts = Vec::with_capacity(self.raw.len());
        for raw in &self.raw {
            let block = self.assembly.block_of(raw.kind);
            let to = &mut self.assembly.blocks[block];
            starts.push((block as u32, to.len() as u32));
            to.connectivity.reserve(raw.nodes.len());
            for node in &raw.nodes {
                let number = self.nodes.get(node).copied();
                to.connectivity.push(number.ok_or_else(|| raw.first.fail("elements of nodes that *NODE lists", format!("node {node}")))?);
            }
        }
        for place in self.elements.values_mut() {
            let (block, start) = starts[place.0 as usize];
            *place = (block, start + place.1);
        }
        self.assembly.groups = self.sets.groups(&self.nodes, &self.elements, &self.assembly.blocks)?;
        self.assembly.finish(origin)
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

/// A name or label; of `instance.set` the set counts.
fn label(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let text = text.trim_matches('"');
    text.rsplit_once('.').map_or(text, |(_, set)| set).to_string()
}
