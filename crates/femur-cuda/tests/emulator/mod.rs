//! A machine on the CPU that runs the kernels' own source, compiled by the C++ compiler.

use femur_cuda::kernels::{Kernel, SOURCE};
use femur_cuda::{Arg, Failure, Gemm, Machine};
use std::ffi::c_void;
use std::path::Path;
use std::process::Command;

type Run = unsafe extern "C" fn(kernel: i32, blocks: u64, args: *mut *mut c_void);

/// The compiled kernels.
pub(crate) struct Emulator {
    library: libloading::Library,
    _folder: tempfile::TempDir,
}

/// The machine; `None` without a C++ compiler.
pub(crate) fn emulator() -> Option<Emulator> {
    let folder = library("libkernels.so", "")?;
    // SAFETY: the library holds the kernels and nothing that runs when it is loaded.
    let library = unsafe { libloading::Library::new(folder.path().join("libkernels.so")) }.unwrap();
    Some(Emulator { library, _folder: folder })
}

/// A folder with libraries that stand in for CUDA's; `None` without a C++ compiler.
pub(crate) fn stand_in() -> Option<tempfile::TempDir> {
    let folder = library("libcuda.so", include_str!("cuda.cpp"))?;
    for name in ["libnvrtc.so", "libcublas.so"] {
        std::os::unix::fs::symlink("libcuda.so", folder.path().join(name)).unwrap();
    }
    Some(folder)
}

/// A folder with a library of the kernels and of what stands after them.
fn library(name: &str, more: &str) -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join(name));
    let mut text = format!("{}\n{SOURCE}\n", include_str!("shim.cpp"));
    let (mut cases, mut names) = (String::new(), String::new());
    for (k, kernel) in Kernel::ALL.iter().enumerate() {
        let name = kernel.name();
        text += &format!("static void {name}_of(void **args) {{ with_arguments({name}, args); }}\n");
        cases += &format!("    case {k}: return run({name}_of, blocks, args);\n");
        names += &format!("\"{name}\", ");
    }
    text += &format!("static const char *const kernel_names[] = {{{names}}};\n");
    text += &format!(
        "extern \"C\" void run_kernel(int kernel, uint64_t blocks, void **args) {{\n  switch (kernel) {{\n{cases}  }}\n}}\n{more}"
    );
    std::fs::write(&source, text).unwrap();
    assert!(compiled(&source, &library)?, "kernels.cu does not compile");
    Some(folder)
}

/// Whether the compiler took it; `None` without a compiler.
fn compiled(source: &Path, library: &Path) -> Option<bool> {
    let flags = ["-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-o"];
    let done = Command::new("c++").args(flags).arg(library).arg(source).status();
    match done {
        Ok(status) => Some(status.success()),
        Err(e) => {
            eprintln!("SKIPPED: no C++ compiler for the kernels ({e})");
            None
        }
    }
}

/// Bytes before and after each piece of memory, which nobody may write.
const FENCE: usize = 64;
const FENCED: u32 = 0xABCD_EF01;

/// Memory that begins as NaN, between fences.
pub(crate) struct Piece {
    all: Vec<u32>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        let n = self.all.len();
        let whole = self.all[..FENCE].iter().chain(&self.all[n - FENCE..]).all(|&v| v == FENCED);
        if !whole && !std::thread::panicking() {
            panic!("a kernel wrote beside its matrix");
        }
    }
}

impl Machine for Emulator {
    type Memory = Piece;

    fn name(&self) -> String {
        "emulator".into()
    }

    fn allocate(&self, bytes: usize) -> Result<Piece, Failure> {
        let mut all = vec![FENCED; 2 * FENCE + bytes.div_ceil(4)];
        let n = all.len();
        all[FENCE..n - FENCE].fill(f32::NAN.to_bits());
        Ok(Piece { all })
    }

    fn place(memory: &Piece) -> u64 {
        memory.all[FENCE..].as_ptr() as u64
    }

    fn write(&self, place: u64, bytes: &[u8]) -> Result<(), Failure> {
        // SAFETY: the place has room for them, as on a GPU.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place as *mut u8, bytes.len()) };
        Ok(())
    }

    fn read(&self, place: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        // SAFETY: so many bytes lie there, as on a GPU.
        unsafe { std::ptr::copy_nonoverlapping(place as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn launch(&self, kernel: Kernel, blocks: u64, args: &[Arg]) -> Result<(), Failure> {
        let pointer = |arg: &Arg| match arg {
            Arg::Place(v) | Arg::Size(v) => std::ptr::from_ref(v).cast_mut().cast(),
            Arg::Float(v) => std::ptr::from_ref(v).cast_mut().cast(),
        };
        let mut args: Vec<*mut c_void> = args.iter().map(pointer).collect();
        // SAFETY: the arguments are those that the kernel declares.
        unsafe {
            let run: libloading::Symbol<'_, Run> = self.library.get(b"run_kernel").unwrap();
            run(kernel as i32, blocks, args.as_mut_ptr());
        }
        Ok(())
    }

    /// As cuBLAS: column-major, C not read where beta is 0.
    fn gemm(&self, p: &Gemm) -> Result<(), Failure> {
        let [m, n, k] = p.size;
        let value = |place: u64, at: usize| -> f32 {
            // SAFETY: the matrices lie where the sizes say, as on a GPU.
            unsafe { if p.bf16 { f32::from_bits(u32::from(*(place as *const u16).add(at)) << 16) } else { *(place as *const f32).add(at) } }
        };
        let at = |row: usize, column: usize, which: usize| {
            if p.transposed[which] { column + row * p.leading[which] } else { row + column * p.leading[which] }
        };
        for b in 0..p.batch {
            for j in 0..n {
                for i in 0..m {
                    let term =
                        |l: usize| value(p.places[0], b * p.strides[0] + at(i, l, 0)) * value(p.places[1], b * p.strides[1] + at(l, j, 1));
                    let sum: f32 = (0..k).map(term).sum();
                    // SAFETY: as above.
                    let c = unsafe { &mut *(p.places[2] as *mut f32).add(b * p.strides[2] + i + j * p.leading[2]) };
                    *c = p.alpha * sum + if p.beta == 0.0 { 0.0 } else { p.beta * *c };
                }
            }
        }
        Ok(())
    }
}
