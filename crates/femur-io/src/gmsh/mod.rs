//! gmsh's .msh: 2.2 and 4.1, text and binary, either byte order (<https://gmsh.info/doc/texinfo/gmsh.html#MSH-file-format>).
//!
//! Physical groups are tags; one without a name is called `physical_<number>`. Node and element data become fields; of several
//! time steps of one view the last counts. Other sections are skipped. Written files are 4.1: each set of tags that occurs
//! together is an entity, and units, component names and the padding of tensors are noted in `$Comments`.

mod data;
mod v2;
mod v4;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use femur_mesh::CellKind;

use crate::assembly::Assembly;
use crate::fields::{Note, RawField};
use crate::groups::{Group, Members, Run};
use crate::scan::{Scanner, find, shown};
use crate::{IoError, MeshFile, MeshFormat};

pub use write::{Encoding, write_msh};

/// The format.
pub(crate) struct Gmsh;

const HINT: &str = "the file seems cut off or damaged; write it again (gmsh -save -format msh41 FILE)";

impl MeshFormat for Gmsh {
    fn name(&self) -> &'static str {
        "gmsh"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["msh"]
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        let start = &bytes[..bytes.len().min(4096)];
        find(start, b"$MeshFormat").is_some_and(|i| i == 0 || start[i - 1] == b'\n')
    }

    fn read(&self, bytes: &[u8], origin: &Path) -> Result<MeshFile, IoError> {
        Reader::new(bytes, origin).read()
    }

    fn write(&self, content: &MeshFile, origin: &Path) -> Result<Vec<u8>, IoError> {
        write::bytes(content, Encoding::Text, origin)
    }
}

/// State while the sections of a file pass by.
struct Reader<'a> {
    scan: Scanner<'a>,
    assembly: Assembly,
    nodes: Option<TagMap>,
    /// (dimension, number, name) of physical groups.
    names: Vec<(usize, i32, String)>,
    /// Physical groups of each entity (dimension, number).
    entities: HashMap<(usize, i32), Vec<i32>>,
    /// Elements of each physical group (dimension, number).
    physical: BTreeMap<(usize, i32), Vec<Run>>,
    /// For each block, the numbers of its elements in the file and where in the block they are now.
    element_tags: Vec<Vec<(u64, u32)>>,
    elements_seen: bool,
    data: Vec<data::ElementData>,
    /// Content of the sections that may stand only once.
    seen: HashMap<&'a [u8], &'a [u8]>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], origin: &'a Path) -> Self {
        Reader {
            scan: Scanner::new(bytes, origin, HINT),
            assembly: Assembly::default(),
            nodes: None,
            names: Vec::new(),
            entities: HashMap::new(),
            physical: BTreeMap::new(),
            element_tags: Vec::new(),
            elements_seen: false,
            data: Vec::new(),
            seen: HashMap::new(),
        }
    }

    fn read(mut self) -> Result<MeshFile, IoError> {
        let mut version = None;
        loop {
            self.scan.binary = false;
            self.scan.skip_space();
            if self.scan.remaining() == 0 {
                break;
            }
            let at = self.scan.pos;
            let line = self.scan.line().trim_ascii_end();
            let Some(name) = line.strip_prefix(b"$") else {
                return Err(self.scan.fail_at(at, "a section such as `$Nodes`", shown(line)));
            };
            if matches!(name, b"PhysicalNames" | b"Entities" | b"PartitionedEntities" | b"Nodes" | b"Elements") {
                let start = self.scan.pos;
                let body = self.skip(name)?;
                match self.seen.insert(name, body) {
                    None => self.scan.pos = start,
                    // gmsh writes the mesh again with each view that it appends
                    Some(first) if first == body => continue,
                    Some(_) => return Err(self.scan.fail_at(at, "one mesh a file", format!("another section {}", shown(line)))),
                }
            }
            match (name, version) {
                (b"MeshFormat", _) => version = Some(self.mesh_format()?),
                (b"Comments", _) => {
                    let body = self.skip(name)?;
                    if let Some(note) = std::str::from_utf8(body).ok().and_then(Note::from_comment) {
                        self.assembly.note = note;
                    }
                    continue;
                }
                (_, None) => return Err(self.scan.fail_at(at, "`$MeshFormat` before all other sections", shown(line))),
                (b"PhysicalNames", _) => self.physical_names()?,
                (b"Nodes", Some(v)) => {
                    self.scan.binary = v.binary;
                    let tags = if v.major == 2 { self.nodes_v2()? } else { self.nodes_v4()? };
                    self.nodes = Some(TagMap::new(&tags).map_err(|tag| self.scan.fail_at(at, "each node number once", tag.to_string()))?);
                }
                (b"Elements", Some(v)) => {
                    self.scan.binary = v.binary;
                    if v.major == 2 {
                        self.elements_v2()?
                    } else {
                        self.elements_v4()?
                    }
                    self.elements_seen = true;
                }
                (b"Entities", Some(v)) if v.major == 4 => {
                    self.scan.binary = v.binary;
                    self.entities_v4(false)?;
                }
                (b"PartitionedEntities", Some(v)) if v.major == 4 => {
                    self.scan.binary = v.binary;
                    self.entities_v4(true)?;
                }
                (b"NodeData" | b"ElementData", Some(v)) if self.elements_seen => self.data(name == b"NodeData", v.binary)?,
                _ => {
                    self.skip(name)?;
                    continue;
                }
            }
            self.scan.binary = false;
            self.scan.expect_word(&format!("$End{}", String::from_utf8_lossy(name)))?;
        }
        self.scan.pos = self.scan.bytes.len();
        if version.is_none() || self.nodes.is_none() || !self.elements_seen {
            return Err(self.scan.fail("the sections $MeshFormat, $Nodes and $Elements", "the end of the file"));
        }
        self.finish()
    }

    fn finish(mut self) -> Result<MeshFile, IoError> {
        let fields = std::mem::take(&mut self.data).into_iter().filter_map(|d| d.resolve(&self.element_tags));
        self.assembly.fields.extend(fields);
        // Later steps of a view replace earlier ones.
        let mut last: Vec<RawField> = Vec::new();
        for field in std::mem::take(&mut self.assembly.fields) {
            let same = |f: &RawField| {
                f.name == field.name
                    && matches!(f.ids, crate::fields::Ids::Elements(_)) == matches!(field.ids, crate::fields::Ids::Elements(_))
            };
            match last.iter_mut().find(|f| same(f)) {
                Some(old) => *old = field,
                None => last.push(field),
            }
        }
        self.assembly.fields = last;

        for (dim, tag, name) in self.names {
            // groups that gmsh makes for the parts of a partitioned mesh
            if name.starts_with("_part{") {
                self.physical.remove(&(dim, tag));
                continue;
            }
            let runs = self.physical.remove(&(dim, tag)).unwrap_or_default();
            self.assembly.groups.push(Group { name, gmsh_tag: Some(tag), dim: Some(dim), members: Members::Elements(runs) });
        }
        let unnamed: Vec<(usize, i32)> = self.physical.keys().copied().collect();
        for (dim, tag) in unnamed {
            let runs = self.physical.remove(&(dim, tag)).unwrap_or_default();
            let name = format!("physical_{tag}");
            self.assembly.groups.push(Group { name, gmsh_tag: Some(tag), dim: Some(dim), members: Members::Elements(runs) });
        }
        self.assembly.finish(self.scan.origin())
    }

    fn mesh_format(&mut self) -> Result<Version, IoError> {
        let scan = &mut self.scan;
        let version = scan.text_double("the format's version")?;
        let major = match version {
            v if (2.0..3.0).contains(&v) => 2,
            v if (4.1..5.0).contains(&v) => 4,
            v => return Err(scan.unsupported(format!("MSH version {v} is not read, only 2.2 and 4.1"), "gmsh -save -format msh41 FILE")),
        };
        let at = scan.pos;
        let binary = match scan.text_int("the file type, 0 (text) or 1 (binary)")? {
            0 => false,
            1 => true,
            other => return Err(scan.fail_at(at, "the file type, 0 (text) or 1 (binary)", other.to_string())),
        };
        let at = scan.pos;
        let data_size = scan.text_int("the data size, 8")?;
        if data_size != 8 {
            return Err(scan.fail_at(at, "the data size, 8", data_size.to_string()));
        }
        if binary {
            scan.line();
            let at = scan.pos;
            scan.binary = true;
            match scan.take::<4>("the number 1 that tells the byte order")? {
                [1, 0, 0, 0] => scan.big_endian = false,
                [0, 0, 0, 1] => scan.big_endian = true,
                other => return Err(scan.fail_at(at, "the number 1 that tells the byte order", format!("{other:?}"))),
            }
        }
        Ok(Version { major, binary })
    }

    fn physical_names(&mut self) -> Result<(), IoError> {
        let count = self.scan.text_count(3, "physical names")?;
        for _ in 0..count {
            let at = self.scan.pos;
            let dim = self.scan.text_int("a dimension from 0 to 3")?;
            if !(0..=3).contains(&dim) {
                return Err(self.scan.fail_at(at, "a dimension from 0 to 3", dim.to_string()));
            }
            let tag = self.tag_text("the number of a physical group")?;
            let at = self.scan.pos;
            let line = self.scan.line().trim_ascii();
            let name = line.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\""));
            let name = name.and_then(|n| std::str::from_utf8(n).ok()).filter(|n| !n.is_empty());
            let Some(name) = name else { return Err(self.scan.fail_at(at, "a name in double quotes", shown(line))) };
            self.names.push((dim as usize, tag, name.to_string()));
        }
        Ok(())
    }

    fn tag_text(&mut self, what: &str) -> Result<i32, IoError> {
        let at = self.scan.pos;
        let tag = self.scan.text_int(what)?;
        i32::try_from(tag).map_err(|_| self.scan.fail_at(at, what, tag.to_string()))
    }

    /// A tag of an entity or group in the mode of the file.
    fn tag(&mut self, what: &str) -> Result<i32, IoError> {
        let at = self.scan.pos;
        let tag = self.scan.int(what)?;
        i32::try_from(tag).map_err(|_| self.scan.fail_at(at, what, tag.to_string()))
    }

    /// Jumps behind the end of a section and gives what lay between.
    fn skip(&mut self, name: &[u8]) -> Result<&'a [u8], IoError> {
        let end = [b"$End", name].concat();
        let start = self.scan.pos;
        let Some(length) = find(&self.scan.bytes[start..], &end) else {
            return Err(self.scan.fail_at(start, format!("`{}` somewhere below", String::from_utf8_lossy(&end)), "the end of the file"));
        };
        self.scan.pos = start + length + end.len();
        Ok(&self.scan.bytes[start..start + length])
    }

    /// The kind of a gmsh element type, and its block.
    fn element_type(&mut self, at: usize, gmsh: i64) -> Result<(CellKind, usize), IoError> {
        let kind = i32::try_from(gmsh).ok().and_then(CellKind::from_gmsh);
        let Some(kind) = kind else {
            return match gmsh {
                13 | 14 | 19..=150 => Err(self.scan.unsupported(
                    format!("elements of gmsh's type {gmsh} are not known to Femur"),
                    "mesh with Mesh.ElementOrder = 1 or 2; quadratic wedges need Mesh.SecondOrderIncomplete = 1, quadratic pyramids are not supported",
                )),
                _ => Err(self.scan.fail_at(at, "an element type of gmsh", gmsh.to_string())),
            };
        };
        let block = self.assembly.block_of(kind);
        self.element_tags.resize_with(self.assembly.blocks.len(), Vec::new);
        Ok((kind, block))
    }

    /// Reads the nodes of one element onto the end of a block by `next`, and permutes them to VTK's order.
    fn element_nodes(&mut self, kind: CellKind, block: usize, size_t: bool) -> Result<(), IoError> {
        let Some(map) = &self.nodes else { return Err(self.scan.fail("`$Nodes` before `$Elements`", "`$Elements`")) };
        let mut nodes = [0u32; 27];
        let n = kind.num_nodes();
        for node in &mut nodes[..n] {
            let at = self.scan.pos;
            let tag = if size_t { self.scan.size("the number of a node")? } else { self.scan.int("the number of a node")? as u64 };
            *node = map.get(tag).ok_or_else(|| self.scan.fail_at(at, "the number of a node of $Nodes", tag.to_string()))?;
        }
        let to = &mut self.assembly.blocks[block].connectivity;
        match kind.gmsh_permutation() {
            [] => to.extend_from_slice(&nodes[..n]),
            order => to.extend(order.iter().map(|&k| nodes[k])),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Version {
    major: u8,
    binary: bool,
}

/// From node numbers of the file to 0, 1, ...: a table where the numbers are dense, else a hash map.
enum TagMap {
    Dense(Vec<u32>),
    Sparse(HashMap<u64, u32>),
}

impl TagMap {
    /// The map of `tags[i] -> i`; the tag itself as error if it occurs twice.
    fn new(tags: &[u64]) -> Result<Self, u64> {
        let largest = tags.iter().copied().max().unwrap_or(0);
        if largest < 4 * tags.len() as u64 + 1024 {
            let mut table = vec![u32::MAX; largest as usize + 1];
            for (i, &tag) in tags.iter().enumerate() {
                let entry = &mut table[tag as usize];
                if *entry != u32::MAX {
                    return Err(tag);
                }
                *entry = i as u32;
            }
            return Ok(TagMap::Dense(table));
        }
        let mut map = HashMap::with_capacity(tags.len());
        for (i, &tag) in tags.iter().enumerate() {
            if map.insert(tag, i as u32).is_some() {
                return Err(tag);
            }
        }
        Ok(TagMap::Sparse(map))
    }

    fn get(&self, tag: u64) -> Option<u32> {
        match self {
            TagMap::Dense(table) => table.get(usize::try_from(tag).ok()?).copied().filter(|&i| i != u32::MAX),
            TagMap::Sparse(map) => map.get(&tag).copied(),
        }
    }
}
