//! `femur import`: runs made elsewhere become a dataset.

use crate::cli::Layout;
use crate::context::Context;
use crate::import::{Deepmind, Report, import_deepmind, import_map};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// A map file, or the file of a layout.
    pub input: PathBuf,
    /// Layout of the file; a map if absent.
    pub layout: Option<Layout>,
    /// Files of the other splits, for a layout.
    pub valid: Option<PathBuf>,
    /// See `valid`.
    pub test: Option<PathBuf>,
    /// Length of a time step, for a layout whose files do not say.
    pub dt: f64,
    /// Changes to the map.
    pub set: Vec<String>,
    /// Directory of the dataset.
    pub output: PathBuf,
}

/// Reads the runs and writes the dataset.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode> {
    let report = import(options, context)?;
    if context.json() {
        outln!("{}", serde_json::json!({"dataset": options.output, "complete": report.complete, "seconds": report.seconds}));
    } else {
        outln!("{}: {} trajectories, {:.1} s", options.output.display(), report.complete, report.seconds);
    }
    Ok(ExitCode::SUCCESS)
}

fn import(options: &Options, context: &Context) -> Result<Report> {
    match options.layout {
        Some(Layout::DeepmindH5) => {
            let files = Deepmind { input: options.input.clone(), valid: options.valid.clone(), test: options.test.clone(), dt: options.dt };
            import_deepmind(&files, &options.output, context)
        }
        None => {
            if let Some(hint) = not_a_map(&options.input) {
                bail!("{}: is not a map file (TOML)\n  hint: {hint}", options.input.display());
            }
            import_map(&options.input, &options.set, &options.output, context)
        }
    }
}

/// What to do with a file that was named in place of a map.
fn not_a_map(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()? {
        "h5" | "hdf5" => Some("write --layout deepmind-h5 for a file with groups 0, 1, ..."),
        "vtu" | "pvd" | "series" | "vtk" | "vtm" | "msh" | "inp" => {
            Some("write a map that names the runs: [runs] files = \"*.vtu\" and [[target]] name = \"...\"")
        }
        _ => None,
    }
}
