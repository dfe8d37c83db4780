//! Writes HDF5 files as the format's specification has them (version 3.0, <https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>),
//! without the HDF5 library: that takes milliseconds for the hundred attributes of a small run, under one lock for all threads, where
//! solving the run takes a few. Files are still read by the library.
//!
//! A file is the superblock, all arrays in the order in which they were added, texts, object headers. What is written here is what
//! trajectories need: groups, arrays of numbers (whole, in chunks, or virtual), attributes of numbers and texts.

mod message;

use message::{checksum, datatype, hyperslab, put, simple};
use std::collections::HashSet;
use std::io::{self, Write};

/// Types of numbers as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    U8,
    I32,
    I64,
    U64,
    F32,
    F64,
}

impl Kind {
    /// Bytes of a number.
    fn size(self) -> usize {
        match self {
            Kind::U8 => 1,
            Kind::I32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
        }
    }
}

/// Numbers that are stored as they are.
pub(crate) trait Number: Copy {
    const KIND: Kind;
    fn put(self, to: &mut Vec<u8>);
}

macro_rules! numbers {
    ($($kind:ident $type:ty),*) => {
        $(impl Number for $type {
            const KIND: Kind = Kind::$kind;
            fn put(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
        })*
    };
}
numbers!(U8 u8, I32 i32, I64 i64, U64 u64, F64 f64);

/// The numbers of an array.
pub(crate) enum Values<'a> {
    /// Little-endian.
    Bytes(Kind, Vec<u8>),
    /// One part after the other, stored as `F64` or rounded to `F32`.
    Floats(Kind, Vec<&'a [f64]>),
}

impl<'a> Values<'a> {
    /// Numbers that are stored as they are.
    pub(crate) fn of<T: Number>(values: impl IntoIterator<Item = T>) -> Self {
        let values = values.into_iter();
        let mut bytes = Vec::with_capacity(values.size_hint().0 * T::KIND.size());
        values.for_each(|v| v.put(&mut bytes));
        Values::Bytes(T::KIND, bytes)
    }

    /// Floats in double or in single precision.
    pub(crate) fn floats(parts: Vec<&'a [f64]>, double: bool) -> Self {
        Values::Floats(if double { Kind::F64 } else { Kind::F32 }, parts)
    }

    fn kind(&self) -> Kind {
        match self {
            Values::Bytes(kind, _) | Values::Floats(kind, _) => *kind,
        }
    }

    /// Bytes that are stored.
    fn len(&self) -> usize {
        match self {
            Values::Bytes(_, bytes) => bytes.len(),
            Values::Floats(kind, parts) => kind.size() * parts.iter().map(|p| p.len()).sum::<usize>(),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Values::Bytes(_, bytes) => out.write_all(bytes),
            Values::Floats(Kind::F32, parts) => parts.iter().try_for_each(|p| write_floats(p, |v| (v as f32).to_le_bytes(), out)),
            Values::Floats(_, parts) => parts.iter().try_for_each(|p| write_floats(p, f64::to_le_bytes, out)),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        // Writing to memory cannot fail.
        let _ = self.write(&mut out);
        out
    }
}

/// Numbers many at a time: without a copy of them all.
fn write_floats<const N: usize>(values: &[f64], bytes: impl Fn(f64) -> [u8; N], out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = [0; 4096];
    for part in values.chunks(buffer.len() / N) {
        part.iter().zip(buffer.chunks_exact_mut(N)).for_each(|(&v, to)| to.copy_from_slice(&bytes(v)));
        out.write_all(&buffer[..N * part.len()])?;
    }
    Ok(())
}

/// A group or an array of a file in the making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object(usize);

/// The group that holds all others.
pub(crate) const ROOT: Object = Object(0);

/// Bytes of the superblock, after which arrays begin.
const SUPERBLOCK: u64 = 48;
/// An address that is none.
pub(super) const UNDEFINED: u64 = u64::MAX;
/// Texts of a collection: their numbers have 16 bits.
const TEXTS: usize = 60_000;
/// Least size of a collection, of the library's too.
const COLLECTION: usize = 4096;
/// Most chunks, and most nodes, below a node of a tree of chunks: twice the default of a superblock that does not say.
const FAN: usize = 64;

/// An address that is known when all is laid out.
enum Target {
    Object(Object),
    /// A collection of texts.
    Texts(usize),
}

/// A file in the making. Nothing is written, and floats are not copied, before [`Encoder::write`].
pub(crate) struct Encoder<'a> {
    arrays: Vec<Values<'a>>,
    /// Address after the last array.
    end: u64,
    /// Messages of each object's header.
    objects: Vec<Vec<u8>>,
    /// Places in the messages of objects that wait for addresses.
    waiting: Vec<(Object, usize, Target)>,
    /// Texts with their heads, and their number, by collection.
    texts: Vec<(Vec<u8>, usize)>,
    /// Members (`true`) and attributes of each object by name.
    names: HashSet<(usize, bool, String)>,
    /// The first thing that the format cannot hold.
    fault: Option<String>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new() -> Self {
        let mut out = Encoder {
            arrays: Vec::new(),
            end: SUPERBLOCK,
            objects: Vec::new(),
            waiting: Vec::new(),
            texts: Vec::new(),
            names: HashSet::new(),
            fault: None,
        };
        out.new_object(&[(message::LINK_INFO, message::link_info()), (message::GROUP_INFO, vec![0, 0])]);
        out
    }

    fn new_object(&mut self, messages: &[(u8, Vec<u8>)]) -> Object {
        self.objects.push(Vec::new());
        let object = Object(self.objects.len() - 1);
        for (kind, body) in messages {
            self.message(object, *kind, body);
        }
        object
    }

    /// Adds a message to an object's header; where its body begins.
    fn message(&mut self, to: Object, kind: u8, body: &[u8]) -> usize {
        let Ok(size) = u16::try_from(body.len()) else {
            self.fault.get_or_insert_with(|| format!("a name or an attribute of {} bytes is too long", body.len()));
            return 0;
        };
        let header = &mut self.objects[to.0];
        header.push(kind);
        header.extend_from_slice(&size.to_le_bytes());
        header.push(0);
        header.extend_from_slice(body);
        header.len() - body.len()
    }

    /// Notes a name that an object must not have twice.
    fn claim(&mut self, object: Object, member: bool, name: &str) {
        // A slash parts the names of a path.
        let wrong = name.is_empty() || name.contains('\0') || (member && (name.contains('/') || name == "."));
        if wrong || !self.names.insert((object.0, member, name.into())) {
            self.fault.get_or_insert_with(|| format!("`{name}` cannot be a name, or is one already"));
        }
    }

    fn link(&mut self, parent: Object, name: &str, child: Object) {
        self.claim(parent, true, name);
        let body = message::link(name);
        let at = self.message(parent, message::LINK, &body) + body.len() - 8;
        self.waiting.push((parent, at, Target::Object(child)));
    }

    /// A new group.
    pub(crate) fn group(&mut self, parent: Object, name: &str) -> Object {
        let group = self.new_object(&[(message::LINK_INFO, message::link_info()), (message::GROUP_INFO, vec![0, 0])]);
        self.link(parent, name, group);
        group
    }

    /// Keeps numbers for the file; their address.
    fn store(&mut self, values: Values<'a>) -> u64 {
        let at = self.end;
        self.end += (values.len() as u64).next_multiple_of(8);
        self.arrays.push(values);
        at
    }

    /// A new array, whole.
    pub(crate) fn array(&mut self, parent: Object, name: &str, shape: &[usize], values: Values<'a>) -> Object {
        let (kind, size) = (values.kind(), values.len());
        debug_assert_eq!(size, kind.size() * shape.iter().product::<usize>());
        let at = if size > 0 { self.store(values) } else { UNDEFINED };
        let mut layout = vec![3, 1];
        put(&mut layout, &[at, size as u64]);
        self.new_array(parent, name, kind, simple(shape, None), layout, Vec::new())
    }

    fn new_array(&mut self, parent: Object, name: &str, kind: Kind, space: Vec<u8>, layout: Vec<u8>, filters: Vec<u8>) -> Object {
        // Whole arrays have their place in the file when they are written, others as far as they are.
        let fill = vec![3, if layout[..2] == [3, 1] { 0x0a } else { 0x0b }];
        let mut messages = vec![(message::SPACE, space), (message::TYPE, datatype(kind)), (message::FILL, fill), (message::LAYOUT, layout)];
        if !filters.is_empty() {
            messages.push((message::FILTERS, filters));
        }
        let array = self.new_object(&messages);
        self.link(parent, name, array);
        array
    }

    /// A new series `[steps, n, c]` in chunks of one step, extensible in time; `steps` holds the numbers of each.
    pub(crate) fn series(
        &mut self,
        parent: Object,
        name: &str,
        [n, c]: [usize; 2],
        steps: &[&'a [f64]],
        double: bool,
        compress: bool,
    ) -> Object {
        let kind = if double { Kind::F64 } else { Kind::F32 };
        let mut chunks = Vec::new();
        for (step, values) in steps.iter().enumerate().filter(|(_, values)| !values.is_empty()) {
            let mut values = Values::floats(vec![values], double);
            if compress {
                values = Values::Bytes(kind, message::deflate(&values.bytes(), kind.size()));
            }
            let size = u32::try_from(values.len()).unwrap_or_else(|_| {
                self.fault.get_or_insert_with(|| format!("{name}: a step of more than 4 GiB cannot be stored"));
                0
            });
            chunks.push((step as u64, size, self.store(values)));
        }
        let tree = self.tree(chunks, steps.len() as u64);
        let mut layout = vec![3, 2, 4];
        put(&mut layout, &[tree]);
        for extent in [1, n.max(1), c.max(1), kind.size()] {
            layout.extend_from_slice(&(extent as u32).to_le_bytes());
        }
        let filters = if compress { message::shuffle_deflate(kind.size()) } else { Vec::new() };
        let shape = simple(&[steps.len(), n, c], Some(&[UNDEFINED, n as u64, c as u64]));
        self.new_array(parent, name, kind, shape, layout, filters)
    }

    /// The tree (version 1) over chunks of some steps, stored beside the arrays; the address of its root.
    fn tree(&mut self, chunks: Vec<(u64, u32, u64)>, end: u64) -> u64 {
        // Step, stored bytes and address of what is below a node.
        let mut below = chunks;
        for level in 0u8.. {
            if below.is_empty() {
                return UNDEFINED;
            }
            let key = |size: u32, step: u64, to: &mut Vec<u8>| {
                to.extend_from_slice(&size.to_le_bytes());
                to.extend_from_slice(&[0; 4]);
                put(to, &[step, 0, 0, 0]);
            };
            let node_size = 24 + 8 * FAN + 40 * (FAN + 1);
            let (first, count) = (self.end, below.len().div_ceil(FAN));
            let mut above = Vec::with_capacity(count);
            for (k, part) in below.chunks(FAN).enumerate() {
                let sibling = |k: usize| if k < count { first + (k * node_size) as u64 } else { UNDEFINED };
                let mut node = b"TREE\x01".to_vec();
                node.push(level);
                node.extend_from_slice(&(part.len() as u16).to_le_bytes());
                put(&mut node, &[k.checked_sub(1).map_or(UNDEFINED, sibling), sibling(k + 1)]);
                for &(step, size, at) in part {
                    key(size, step, &mut node);
                    put(&mut node, &[at]);
                }
                key(0, below.get((k + 1) * FAN).map_or(end, |next| next.0), &mut node);
                node.resize(node_size, 0);
                above.push((part[0].0, part[0].1, self.store(Values::Bytes(Kind::U8, node))));
            }
            if let [root] = above[..] {
                return root.2;
            }
            below = above;
        }
        UNDEFINED
    }

    /// A new array `shape` whose first columns are another array `from` `[steps, n, c]` of the file, its first two axes as one; what that
    /// lacks reads as 0.
    pub(crate) fn view(&mut self, parent: Object, name: &str, shape: &[usize], double: bool, source: &str, from: [usize; 3]) -> Object {
        let kind = if double { Kind::F64 } else { Kind::F32 };
        if from.contains(&0) || shape.contains(&0) {
            return self.array(parent, name, shape, Values::Bytes(kind, vec![0; kind.size() * shape.iter().product::<usize>()]));
        }
        let mut block = vec![0];
        put(&mut block, &[1]);
        // Of the same file.
        block.extend_from_slice(b".\0");
        block.extend_from_slice(source.as_bytes());
        block.push(0);
        hyperslab(&from, &mut block);
        let to = [from[0] * from[1], from[2]];
        hyperslab(&to[..shape.len().min(2)], &mut block);
        block.extend_from_slice(&checksum(&block).to_le_bytes());
        let (collection, index) = self.keep(&block);
        let mut layout = vec![4, 3];
        put(&mut layout, &[0]);
        layout.extend_from_slice(&index.to_le_bytes());
        let array = self.new_array(parent, name, kind, simple(shape, None), layout.clone(), Vec::new());
        // The last message.
        let at = self.objects[array.0].len() - layout.len() + 2;
        self.waiting.push((array, at, Target::Texts(collection)));
        array
    }

    /// Keeps bytes among the texts: their collection, and their number in it.
    fn keep(&mut self, bytes: &[u8]) -> (usize, u32) {
        if self.texts.last().is_none_or(|t| t.1 == TEXTS) {
            self.texts.push((Vec::new(), 0));
        }
        let collection = self.texts.len() - 1;
        let (list, count) = &mut self.texts[collection];
        *count += 1;
        list.extend_from_slice(&(*count as u16).to_le_bytes());
        list.extend_from_slice(&[0; 6]);
        put(list, &[bytes.len() as u64]);
        list.extend_from_slice(bytes);
        list.resize(list.len().next_multiple_of(8), 0);
        (collection, *count as u32)
    }

    /// A text attribute of any length.
    pub(crate) fn text(&mut self, of: Object, name: &str, value: &str) {
        // A NUL ends a string in HDF5: it cannot be in a name or a case.
        let value = value.replace('\0', " ");
        let mut data = Vec::with_capacity(16);
        data.extend_from_slice(&(value.len() as u32).to_le_bytes());
        put(&mut data, &[0]);
        if value.is_empty() {
            data.extend_from_slice(&[0; 4]);
            self.attribute(of, name, &message::text(), &message::scalar(), &data);
            return;
        }
        let (collection, index) = self.keep(value.as_bytes());
        data.extend_from_slice(&index.to_le_bytes());
        let end = self.attribute(of, name, &message::text(), &message::scalar(), &data);
        self.waiting.push((of, end.saturating_sub(12), Target::Texts(collection)));
    }

    /// An ASCII attribute of at most 16 bytes, as VTK insists on.
    pub(crate) fn ascii(&mut self, of: Object, name: &str, value: &str) {
        let mut data = value.as_bytes().to_vec();
        data.resize(message::ASCII, 0);
        self.attribute(of, name, &message::ascii(), &message::scalar(), &data);
    }

    /// A numeric attribute: a scalar where there is one value.
    pub(crate) fn number<T: Number>(&mut self, of: Object, name: &str, values: &[T]) {
        let space = if values.len() == 1 { message::scalar() } else { simple(&[values.len()], None) };
        let mut data = Vec::with_capacity(values.len() * T::KIND.size());
        values.iter().for_each(|v| v.put(&mut data));
        self.attribute(of, name, &datatype(T::KIND), &space, &data);
    }

    /// Adds an attribute; where its data end.
    fn attribute(&mut self, of: Object, name: &str, kind: &[u8], space: &[u8], data: &[u8]) -> usize {
        self.claim(of, false, name);
        let body = message::attribute(name, kind, space, data);
        self.message(of, message::ATTRIBUTE, &body) + body.len()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Of `out`; a text that the format cannot hold.
    pub(crate) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(fault) = self.fault {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, fault));
        }
        let mut at = self.end;
        let mut texts_at = Vec::with_capacity(self.texts.len());
        for (list, _) in &mut self.texts {
            texts_at.push(at);
            let mut collection = b"GCOL\x01\0\0\0".to_vec();
            // The rest is free: at least its head.
            let size = (16 + list.len() + 16).next_multiple_of(8).max(COLLECTION);
            put(&mut collection, &[size as u64]);
            collection.append(list);
            let free = size - collection.len();
            put(&mut collection, &[0, free as u64]);
            collection.resize(size, 0);
            at += size as u64;
            *list = collection;
        }
        let mut objects_at = Vec::with_capacity(self.objects.len());
        for messages in &self.objects {
            objects_at.push(at);
            at += (message::HEAD + messages.len() + 4).next_multiple_of(8) as u64;
        }
        for (object, place, target) in &self.waiting {
            let address = match target {
                Target::Object(o) => objects_at[o.0],
                Target::Texts(t) => texts_at[*t],
            };
            self.objects[object.0][*place..place + 8].copy_from_slice(&address.to_le_bytes());
        }
        let mut head = b"\x89HDF\r\n\x1a\n\x02\x08\x08\0".to_vec();
        put(&mut head, &[0, UNDEFINED, at, objects_at[ROOT.0]]);
        head.extend_from_slice(&checksum(&head).to_le_bytes());
        out.write_all(&head)?;
        for values in &self.arrays {
            values.write(out)?;
            let size = values.len();
            out.write_all(&[0; 8][..size.next_multiple_of(8) - size])?;
        }
        for (collection, _) in &self.texts {
            out.write_all(collection)?;
        }
        for messages in &self.objects {
            let header = message::header(messages);
            out.write_all(&header)?;
            out.write_all(&[0; 8][..header.len().next_multiple_of(8) - header.len()])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hdf::{self, LOCK, Node};

    fn read_back(file: Encoder<'_>, check: impl FnOnce(&Node)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        file.write(&mut std::fs::File::create(&path).unwrap()).unwrap();
        let _lock = LOCK.lock().unwrap();
        let file = hdf::open(&path).unwrap();
        check(&Node::root(&file, &path).unwrap());
    }

    #[test]
    fn the_library_reads_trees_of_every_height() {
        for steps in [0, 1, FAN, FAN + 1, FAN * FAN + 2] {
            let values: Vec<f64> = (0..2 * steps).map(|v| v as f64).collect();
            let parts: Vec<&[f64]> = values.chunks(2).collect();
            for compress in [false, true] {
                let mut file = Encoder::new();
                file.series(ROOT, "u", [1, 2], &parts, true, compress);
                read_back(file, |root| {
                    assert_eq!(root.read::<f64>("u").unwrap(), (vec![steps, 1, 2], values.clone()));
                    if let Some(last) = steps.checked_sub(1) {
                        assert_eq!(root.read_steps::<f64>("u", &[last]).unwrap().1, values[2 * last..]);
                    }
                });
            }
        }
    }

    #[test]
    fn the_library_reads_any_number_of_texts() {
        let mut file = Encoder::new();
        let group = file.group(ROOT, "g");
        let long = "ä".repeat(100_000);
        file.text(ROOT, "long", &long);
        file.text(ROOT, "empty", "");
        (0..TEXTS + 2).for_each(|k| {
            file.keep(k.to_string().as_bytes());
        });
        file.text(group, "last", "a\0b");
        read_back(file, |root| {
            assert_eq!(root.read_attribute("long").unwrap(), long);
            assert_eq!(root.read_attribute("empty").unwrap(), "");
            assert_eq!(root.sub("g").unwrap().read_attribute("last").unwrap(), "a b");
        });
    }

    #[test]
    fn views_are_padded_with_zeros() {
        let u: Vec<f64> = (1..=8).map(f64::from).collect();
        let mut file = Encoder::new();
        let parts: Vec<&[f64]> = u.chunks(4).collect();
        file.series(ROOT, "u", [2, 2], &parts, false, false);
        file.view(ROOT, "v", &[4, 3], false, "/u", [2, 2, 2]);
        file.view(ROOT, "none", &[0, 3], false, "/u", [2, 0, 2]);
        read_back(file, |root| {
            assert_eq!(root.read::<f64>("v").unwrap().1, [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.0, 7.0, 8.0, 0.0]);
            assert_eq!(root.read::<f64>("none").unwrap().0, [0, 3]);
        });
    }

    #[test]
    fn what_the_format_cannot_hold_is_an_error() {
        let mut file = Encoder::new();
        file.number(ROOT, &"x".repeat(70_000), &[1i64]);
        assert!(file.write(&mut Vec::new()).unwrap_err().to_string().contains("too long"));
        for name in ["", "a/b", ".", "twice"] {
            let mut file = Encoder::new();
            file.group(ROOT, "twice");
            file.group(ROOT, name);
            assert!(file.write(&mut Vec::new()).unwrap_err().to_string().contains("cannot be a name"));
        }
    }
}
