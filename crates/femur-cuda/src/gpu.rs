//! A machine that is an NVIDIA GPU.

use crate::device::Accelerator;
use crate::kernels::{Kernel, SOURCE, THREADS};
use crate::machine::{Arg, Failure, Gemm, Machine};
use cudarc::cublas::{CudaBlas, result as blas, sys as blas_sys};
use cudarc::driver::{CudaContext, CudaFunction, CudaSlice, CudaStream, DevicePtr as _, DriverError, result as driver};
use cudarc::nvrtc::{CompileError, CompileOptions, Ptx, compile_ptx_with_opts};
use femur_learn::{Device, LearnError};
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

/// A GPU, one stream of work on it, and the kernels compiled for it.
pub struct Gpu {
    name: String,
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    blas: Mutex<CudaBlas>,
    /// In the order of [`Kernel::ALL`].
    kernels: Vec<CudaFunction>,
}

/// The GPU of that number, from 0.
///
/// # Errors
/// [`LearnError::Device`] where CUDA or the GPU is missing, or CUDA does not do what it should.
pub fn open(number: usize) -> Result<Arc<dyn Device>, LearnError> {
    let device = format!("cuda:{number}");
    let gpu = Gpu::open(number).map_err(|Failure { what, hint }| LearnError::Device { device, what, hint })?;
    Ok(Arc::new(Accelerator::new(gpu)))
}

impl Gpu {
    fn open(number: usize) -> Result<Self, Failure> {
        for (present, library, from) in [
            // SAFETY: these load a library and let it go again; the three run no code of the caller's.
            (unsafe { cudarc::driver::sys::is_culib_present() }, "libcuda", "NVIDIA's driver"),
            (unsafe { cudarc::nvrtc::sys::is_culib_present() }, "libnvrtc", "the CUDA toolkit 12 or 13"),
            (unsafe { cudarc::cublas::sys::is_culib_present() }, "libcublas", "the CUDA toolkit 12 or 13"),
        ] {
            if !present {
                let what = format!("the library {library} is not found");
                return Err(Failure {
                    what,
                    hint: format!("install {from} or name its folder in LD_LIBRARY_PATH, or train with --device cpu"),
                });
            }
        }
        let context = CudaContext::new(number).map_err(|e| Failure {
            what: format!("there is no such GPU: {e}"),
            hint: "nvidia-smi lists them; CUDA_VISIBLE_DEVICES may hide some".into(),
        })?;
        // SAFETY: all work is on the one stream, in whose order memory is got, used and freed.
        unsafe { context.disable_event_tracking() };
        let name = context.name().map_err(failure)?;
        let stream = context.new_stream().map_err(failure)?;
        let blas = CudaBlas::new(stream.clone()).map_err(|e| Failure { what: format!("cuBLAS does not start: {e}"), hint: HINT.into() })?;
        let module = context.load_module(compiled(context.compute_capability().map_err(failure)?)?).map_err(failure)?;
        let kernels: Result<_, _> = Kernel::ALL.iter().map(|k| module.load_function(k.name())).collect();
        Ok(Gpu { name: format!("cuda:{number} ({name})"), stream, blas: Mutex::new(blas), kernels: kernels.map_err(failure)?, context })
    }
}

/// The kernels compiled for a compute capability, or for the newest one before it that the compiler knows.
fn compiled((major, minor): (i32, i32)) -> Result<Ptx, Failure> {
    let compile = |of: i32| {
        let options = vec![format!("--gpu-architecture=compute_{of}")];
        compile_ptx_with_opts(SOURCE, CompileOptions { options, ..Default::default() })
    };
    let own = 10 * major + minor;
    let mut error = None;
    for of in [own].into_iter().chain([90, 80, 75, 70].into_iter().filter(|&older| older < own)) {
        match compile(of) {
            Ok(ptx) => return Ok(ptx),
            Err(e) => error = error.or(Some(e)),
        }
    }
    let what = match error {
        Some(CompileError::CompileError { log, .. }) => format!("the kernels do not compile: {}", log.to_string_lossy()),
        other => format!("the kernels do not compile: {other:?}"),
    };
    Err(Failure { what, hint: HINT.into() })
}

/// What to do where CUDA fails at what it should do.
const HINT: &str = "check that the driver is as new as the toolkit (nvidia-smi), or use --device cpu";

fn failure(e: DriverError) -> Failure {
    let text = e.error_string().ok().map(|s| s.to_string_lossy().into_owned());
    Failure { what: text.unwrap_or_else(|| e.to_string()), hint: HINT.into() }
}

impl Machine for Gpu {
    type Memory = GpuMemory;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn allocate(&self, bytes: usize) -> Result<GpuMemory, Failure> {
        // SAFETY: bytes that hold anything are bytes, and nothing is read before it was written.
        let slice = unsafe { self.stream.alloc::<u8>(bytes) }.map_err(|e| Failure {
            what: format!("no room for {:.1} MB more: {}", bytes as f64 / 1e6, failure(e).what),
            hint: "set [training] memory = \"checkpoint\", a smaller part_nodes, or a smaller network".into(),
        })?;
        let (place, _) = slice.device_ptr(&self.stream);
        Ok(GpuMemory { place, _slice: slice })
    }

    fn place(memory: &GpuMemory) -> u64 {
        memory.place
    }

    fn write(&self, place: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.context.bind_to_thread().map_err(failure)?;
        // SAFETY: the place has room for them; from memory that is not pinned CUDA has copied them when it returns.
        unsafe { driver::memcpy_htod_async(place, bytes, self.stream.cu_stream()) }.map_err(failure)
    }

    fn read(&self, place: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        self.context.bind_to_thread().map_err(failure)?;
        // SAFETY: so many bytes lie there, and the slice is not touched before the stream has come to its end.
        unsafe { driver::memcpy_dtoh_async(bytes, place, self.stream.cu_stream()) }.map_err(failure)?;
        self.stream.synchronize().map_err(failure)
    }

    fn launch(&self, kernel: Kernel, blocks: u64, args: &[Arg]) -> Result<(), Failure> {
        self.context.bind_to_thread().map_err(failure)?;
        let grid = u32::try_from(blocks).ok().filter(|&b| b <= i32::MAX as u32).ok_or_else(|| Failure {
            what: format!("a graph too large: {blocks} blocks of a kernel"),
            hint: "set [training] part_nodes".into(),
        })?;
        let mut pointers: Vec<*mut c_void> = args
            .iter()
            .map(|arg| match arg {
                Arg::Place(v) | Arg::Size(v) => std::ptr::from_ref(v).cast_mut().cast(),
                Arg::Float(v) => std::ptr::from_ref(v).cast_mut().cast(),
            })
            .collect();
        let (function, stream) = (self.kernels[kernel as usize].cu_function(), self.stream.cu_stream());
        // SAFETY: the arguments are those that kernels.cu declares, which CUDA copies before it returns.
        unsafe { driver::launch_kernel(function, (grid, 1, 1), (THREADS, 1, 1), 0, stream, &mut pointers) }.map_err(failure)
    }

    fn gemm(&self, product: &Gemm) -> Result<(), Failure> {
        use blas_sys::cublasOperation_t::{CUBLAS_OP_N, CUBLAS_OP_T};
        use blas_sys::cudaDataType_t::{CUDA_R_16BF, CUDA_R_32F};
        self.context.bind_to_thread().map_err(failure)?;
        let Gemm { transposed, size, alpha, beta, places, leading, strides, batch, bf16 } = product;
        let int = |n: usize| {
            i32::try_from(n).map_err(|_| Failure { what: format!("a matrix of {n} rows"), hint: "set [training] part_nodes".into() })
        };
        let op = |t: bool| if t { CUBLAS_OP_T } else { CUBLAS_OP_N };
        let of = if *bf16 { CUDA_R_16BF } else { CUDA_R_32F };
        let handle = self.blas.lock().unwrap_or_else(PoisonError::into_inner);
        let float = |f: &f32| std::ptr::from_ref(f).cast::<c_void>();
        let [a, b, c] = places.map(|place| place as *mut c_void);
        // A leading dimension is never 0.
        let lead = |k: usize| int(leading[k].max(1));
        // SAFETY: the sizes are those of matrices that lie at these places; the factors live until the call returns.
        unsafe {
            blas::gemm_strided_batched_ex(
                *handle.handle(),
                op(transposed[0]),
                op(transposed[1]),
                int(size[0])?,
                int(size[1])?,
                int(size[2])?,
                float(alpha),
                a,
                of,
                lead(0)?,
                strides[0] as i64,
                b,
                of,
                lead(1)?,
                strides[1] as i64,
                float(beta),
                c,
                CUDA_R_32F,
                lead(2)?,
                strides[2] as i64,
                int(*batch)?,
                blas_sys::cublasComputeType_t::CUBLAS_COMPUTE_32F,
                blas_sys::cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT,
            )
        }
        .map_err(|e| Failure { what: format!("a product failed: {e}"), hint: HINT.into() })
    }
}

/// Memory of a GPU.
pub struct GpuMemory {
    place: u64,
    _slice: CudaSlice<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The run-time compiler needs no GPU, and tells of what only it minds.
    #[test]
    fn the_kernels_compile_where_the_compiler_is_there() {
        // SAFETY: loads a library and lets it go again.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            eprintln!("SKIPPED: libnvrtc is not found");
            return;
        }
        for of in [(7, 5), (8, 0), (9, 0), (10, 0), (99, 0)] {
            let ptx = compiled(of).unwrap().to_src();
            assert!(Kernel::ALL.iter().all(|k| ptx.contains(&format!(".entry {}(", k.name()))), "{of:?}");
        }
    }
}
