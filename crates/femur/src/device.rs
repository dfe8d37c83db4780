//! Where networks are computed: `--device`.

use anyhow::Result;
use femur_learn::Device;
use std::str::FromStr;
use std::sync::Arc;

/// What launchers of several processes tell each: its number on its machine.
const LOCAL_RANKS: [&str; 3] = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"];

/// A device by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceName {
    /// This process.
    #[default]
    Cpu,
    /// A GPU of NVIDIA by its number; without one the first, or of several processes on a machine each its own.
    Cuda(Option<usize>),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| n.parse().map_err(|_| format!("`{n}` is no number of a GPU"));
        match text.split_once(':') {
            None if text == "cpu" => Ok(DeviceName::Cpu),
            None if text == "cuda" => Ok(DeviceName::Cuda(None)),
            Some(("cuda", n)) => Ok(DeviceName::Cuda(Some(number(n)?))),
            _ => Err("a device is cpu, cuda or cuda:N".into()),
        }
    }
}

impl DeviceName {
    /// The device, or `None` for this process.
    pub(crate) fn open(self) -> Result<Option<Arc<dyn Device>>> {
        let DeviceName::Cuda(number) = self else { return Ok(None) };
        let local = || LOCAL_RANKS.iter().find_map(|name| std::env::var(name).ok()?.parse().ok());
        open_cuda(number.or_else(local).unwrap_or(0)).map(Some)
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(number: usize) -> Result<Arc<dyn Device>> {
    Ok(femur_cuda::open(number)?)
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(number: usize) -> Result<Arc<dyn Device>> {
    anyhow::bail!("cuda:{number}: this femur was built without GPUs\n  hint: build it with --features cuda, or use --device cpu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for (text, device) in [("cpu", DeviceName::Cpu), ("cuda", DeviceName::Cuda(None)), ("cuda:3", DeviceName::Cuda(Some(3)))] {
            assert_eq!(text.parse(), Ok(device));
        }
        for wrong in ["", "gpu", "cpu:0", "cuda:", "cuda:x", "CUDA"] {
            assert!(wrong.parse::<DeviceName>().is_err(), "{wrong}");
        }
    }
}
