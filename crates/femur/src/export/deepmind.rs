//! A dataset as one HDF5 file for the PyTorch re-implementations of MeshGraphNets.

use crate::context::{Context, interrupted};
use anyhow::{Context as _, Result, bail};
use femur_dataset::{Dataset, DeepmindWriter};
use std::path::Path;

/// Writes a dataset, directory of predictions or single trajectory, and says which groups came from which split.
///
/// # Errors
/// A file that exists, a split that is not there, a mesh of several kinds of cells.
pub fn write_deepmind(input: &Path, split: Option<&str>, limit: Option<usize>, output: &Path, context: &Context) -> Result<String> {
    let mut sources = Vec::new();
    if input.is_dir() {
        let data = Dataset::open(input)?;
        if let Some(split) = split.filter(|s| data.entries(s).is_empty()) {
            bail!("{}: has no trajectories in split `{split}`\n  hint: one of train, valid, test", input.display());
        }
        for name in ["train", "valid", "test"].into_iter().filter(|s| split.is_none_or(|wanted| wanted == *s)) {
            sources.extend(data.entries(name).iter().map(|e| (name, input.join(&e.file))));
        }
    } else {
        sources.push(("", input.to_path_buf()));
    }
    sources.truncate(limit.unwrap_or(usize::MAX));
    if let Some(dir) = output.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    let mut writer = DeepmindWriter::create(output)?;
    let progress = context.progress("exporting", sources.len(), 0);
    let mut left_out = Vec::new();
    for (split, file) in &sources {
        if interrupted() {
            bail!("interrupted");
        }
        left_out = writer.add(split, &femur_dataset::read_trajectory(file)?.0)?;
        progress.tick();
    }
    writer.finish()?;
    if !left_out.is_empty() {
        context.warn(format!("the layout has no place for fields over cells: {} left out", left_out.join(", ")));
    }
    let mut ranges: Vec<(&str, usize, usize)> = Vec::new();
    for (k, (split, _)) in sources.iter().enumerate() {
        match ranges.last_mut() {
            Some(last) if last.0 == *split => last.2 = k,
            _ => ranges.push((split, k, k)),
        }
    }
    let ranges: Vec<String> = ranges.iter().map(|(s, a, b)| format!("{a} to {b} {s}").trim().to_string()).collect();
    Ok(format!("groups {}", ranges.join(", ")))
}
