//! Truncated, lying and garbage files: an error that names the file, never a panic, never memory out of proportion.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use femur_io::{FORMATS, IoError, MeshFormat};
use proptest::prelude::*;

/// The system's allocator, remembering the largest single request of each thread.
struct Watched;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // a thread that is ending has no cell any more
    let _ = LARGEST.try_with(|l| l.set(l.get().max(size)));
}

// SAFETY: every call is handed on unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

type Original = (&'static dyn MeshFormat, PathBuf, Vec<u8>);

/// Real files, each with its format.
fn originals() -> &'static [Original] {
    static FILES: OnceLock<Vec<Original>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut paths: Vec<PathBuf> = Vec::new();
        for folder in [root.join("tests/data"), root.join("../../meshes")] {
            paths.extend(std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()));
        }
        paths.sort();
        let format = |p: &Path| {
            let extension = p.extension()?.to_str()?.to_string();
            FORMATS.iter().copied().find(|f| f.extensions().contains(&extension.as_str()))
        };
        paths.into_iter().filter_map(|p| Some((format(&p)?, p.clone(), std::fs::read(&p).ok()?))).collect()
    })
}

#[derive(Debug, Clone)]
enum Damage {
    Truncate(f64),
    Flip(f64, u8),
    Cut(f64, usize),
    Repeat(f64, usize),
    /// Another number in place of one that stands in text.
    Number(f64, &'static str),
    /// Another word in place of four bytes.
    Binary(f64, u32),
    Noise(f64, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = prop::sample::select(vec![
        "0",
        "-1",
        "1",
        "2",
        "3",
        "7",
        "8",
        "11",
        "99",
        "4000000000",
        "999999999999999999",
        "18446744073709551615",
        "1e308",
        "-1e-308",
        "nan",
        "inf",
        "x",
        "",
        "1.5",
        "100000000",
    ]);
    let words = prop::sample::select(vec![0u32, 1, 2, 15, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x0100_0000]);
    prop_oneof![
        (0.0..1.0).prop_map(Damage::Truncate),
        (0.0..1.0, any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (0.0..1.0, 1usize..200).prop_map(|(at, n)| Damage::Cut(at, n)),
        (0.0..1.0, 1usize..200).prop_map(|(at, n)| Damage::Repeat(at, n)),
        (0.0..1.0, numbers.clone()).prop_map(|(at, n)| Damage::Number(at, n)),
        // the heads of files are where the counts are
        (0.0..0.02, numbers).prop_map(|(at, n)| Damage::Number(at, n)),
        (0.0..1.0, words.clone()).prop_map(|(at, w)| Damage::Binary(at, w)),
        (0.0..0.02, words).prop_map(|(at, w)| Damage::Binary(at, w)),
        (0.0..1.0, prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, b)| Damage::Noise(at, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let place = |at: f64| ((bytes.len() as f64 * at) as usize).min(bytes.len().saturating_sub(1));
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Truncate(at) => bytes.truncate(place(*at)),
        Damage::Flip(at, bit) => {
            let i = place(*at);
            bytes[i] ^= 1 << (bit % 8);
        }
        Damage::Cut(at, n) => {
            let i = place(*at);
            bytes.drain(i..(i + n).min(bytes.len()));
        }
        Damage::Repeat(at, n) => {
            let i = place(*at);
            let piece = bytes[i..(i + n).min(bytes.len())].to_vec();
            bytes.splice(i..i, piece);
        }
        Damage::Number(at, with) => {
            let i = place(*at);
            if let Some(start) = bytes[i..].iter().position(u8::is_ascii_digit).map(|k| i + k) {
                let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |k| start + k);
                bytes.splice(start..end, with.bytes());
            }
        }
        Damage::Binary(at, with) => {
            let i = place(*at);
            let end = (i + 4).min(bytes.len());
            bytes.splice(i..end, with.to_le_bytes());
        }
        Damage::Noise(at, with) => {
            let i = place(*at);
            bytes.splice(i..i, with.iter().copied());
        }
    }
}

fn check(format: &dyn MeshFormat, bytes: &[u8], name: &Path) {
    LARGEST.set(0);
    let result = format.read(bytes, name);
    // A text takes two bytes a number, hash maps and doubled vectors some tens of bytes for it; zlib expands.
    let bound = 64 * bytes.len() + (4 << 20);
    let largest = LARGEST.get();
    assert!(largest <= bound, "{largest} bytes asked for at once by a file of {}", bytes.len());
    match result {
        Ok(file) => file.mesh.check().expect("what is read is a mesh"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains(&*name.to_string_lossy()), "{text}");
            assert!(text.contains("hint: ") || matches!(error, IoError::System { .. }), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_real_files(which in any::<prop::sample::Index>(), wounds in prop::collection::vec(damage(), 1..4)) {
        let (format, path, bytes) = which.get(originals());
        let mut bytes = bytes.clone();
        wounds.iter().for_each(|w| apply(&mut bytes, w));
        check(*format, &bytes, path);
    }

    #[test]
    fn garbage(bytes in prop::collection::vec(any::<u8>(), 0..400), head in 0usize..6) {
        let head: &[u8] = [
            b"" as &[u8],
            b"$MeshFormat\n4.1 1 8\n\x01\0\0\0\n$EndMeshFormat\n$Entities\n",
            b"$MeshFormat\n4.1 1 8\n\x01\0\0\0\n$EndMeshFormat\n$Nodes\n",
            b"$MeshFormat\n2.2 1 8\n\x01\0\0\0\n$EndMeshFormat\n$Nodes\n3\n",
            b"<VTKFile type=\"UnstructuredGrid\"><UnstructuredGrid><Piece NumberOfPoints=\"3\" NumberOfCells=\"1\"><Points>",
            b"*NODE\n",
        ][head];
        let bytes = [head, &bytes].concat();
        for format in FORMATS {
            check(*format, &bytes, Path::new("garbage"));
        }
    }
}

/// A file cut off anywhere is refused, or its whole mesh came before the cut.
#[test]
fn every_truncation_of_a_small_file_is_handled() {
    for (format, path, bytes) in originals().iter().filter(|(_, _, b)| b.len() < 4000) {
        let whole = format.read(bytes, path).expect("an undamaged file").mesh;
        for end in 0..bytes.len() {
            check(*format, &bytes[..end], path);
            if let Ok(file) = format.read(&bytes[..end], path) {
                assert_eq!(file.mesh.blocks, whole.blocks, "{} cut at {end}", path.display());
            }
        }
    }
}
