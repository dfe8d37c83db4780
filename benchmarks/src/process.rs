//! Whole programs, start included: wall time, CPU time and peak memory.

use crate::clock::Seconds;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What a program took.
#[derive(Debug, Clone, Default)]
pub struct Cost {
    /// Its time.
    pub seconds: Seconds,
    /// Peak resident memory in megabytes; `None` where GNU time is not installed.
    pub peak_mb: Option<f64>,
    /// What it printed.
    pub stdout: String,
}

/// Runs a program to its end. GNU time, where it is installed, tells CPU time and memory.
///
/// # Errors
/// It does not start or does not succeed.
pub fn cost(command: &Command, scratch: &Path) -> Result<Cost> {
    let gnu_time = Path::new("/usr/bin/time");
    let figures = scratch.join("time.txt");
    let mut whole;
    if gnu_time.is_file() {
        whole = Command::new(gnu_time);
        whole.args(["-f", "%U %S %M", "-o"]).arg(&figures).arg(command.get_program());
    } else {
        whole = Command::new(command.get_program());
    }
    whole.args(command.get_args());
    for (key, value) in command.get_envs() {
        whole.env(key, value.unwrap_or_default());
    }
    whole.current_dir(command.get_current_dir().unwrap_or(scratch));
    let start = Instant::now();
    let out = whole.output().with_context(|| format!("{} does not start", command.get_program().to_string_lossy()))?;
    let wall = start.elapsed().as_secs_f64();
    let stdout = String::from_utf8_lossy(&out.stdout).into_owned();
    if !out.status.success() {
        let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().rev().take(8).map(String::from).collect::<Vec<_>>().join(" | ");
        bail!("{} failed: {} {}", command.get_program().to_string_lossy(), last(&out.stderr), last(&out.stdout));
    }
    let text = if gnu_time.is_file() { std::fs::read_to_string(&figures)? } else { String::new() };
    let numbers: Vec<f64> = text.lines().last().unwrap_or_default().split(' ').filter_map(|v| v.parse().ok()).collect();
    let (cpu, peak_mb) = match numbers[..] {
        [user, system, kilobytes] => (user + system, Some(kilobytes / 1024.0)),
        _ => (f64::NAN, None),
    };
    Ok(Cost { seconds: Seconds { wall, cpu }, peak_mb, stdout })
}

/// The `femur` beside this program (`target/PROFILE/femur`), or that of the variable FEMUR.
///
/// # Errors
/// It is not built.
pub fn femur() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FEMUR") {
        return Ok(path.into());
    }
    let exe = std::env::current_exe()?;
    let found = exe.ancestors().skip(1).take(2).map(|d| d.join("femur")).find(|p| p.is_file());
    found.context("no femur beside femur-bench: build it with cargo build -p femur in the same profile")
}

/// Makes the peak of resident memory start anew (Linux); gives what is resident now, in MB.
pub fn reset_peak() -> f64 {
    // Where that cannot be written the peak is that of the whole process, which is no less.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    memory("VmRSS:").unwrap_or(0.0)
}

/// A size in `/proc/self/status`, in MB (Linux).
///
/// # Errors
/// There is no such line.
pub fn memory(key: &str) -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|l| l.strip_prefix(key)).context("no such line in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
