//! Checking a dataset: hashes, shapes, NaN, units, splits.

use crate::{Dataset, DatasetError, read_trajectory};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// File within the dataset.
    pub file: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Every fault of a dataset; an error only where its manifest cannot be read.
pub fn verify(dir: &Path) -> Result<Vec<Finding>, DatasetError> {
    let data = Dataset::open(dir)?;
    let manifest = data.manifest();
    let mut out = Vec::new();
    let mut add = |file: &str, what: String| out.push(Finding { file: file.into(), what });
    let mut geometry: BTreeMap<&str, &str> = BTreeMap::new();
    for (split, entries) in &manifest.splits {
        for entry in entries {
            let path = dir.join(&entry.file);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) => {
                    add(&entry.file, format!("cannot be read: {e}"));
                    continue;
                }
            };
            if crate::trajectory_hex(&Sha256::digest(&bytes)) != entry.sha256 {
                add(&entry.file, "its hash is not the one of the manifest".into());
            }
            if let Some(other) = geometry.insert(&entry.data_sha256, split)
                && other != split
            {
                add(&entry.file, format!("the same data stands in split {other} too"));
            }
            let t = match read_trajectory(&path) {
                Ok((t, _)) => t,
                Err(e) => {
                    add(&entry.file, e.to_string());
                    continue;
                }
            };
            if (t.states.len(), t.setup.mesh.num_nodes(), t.setup.mesh.num_cells()) != (entry.steps, entry.nodes, entry.cells) {
                add(&entry.file, "steps, nodes or cells are not those of the manifest".into());
            }
            if t.setup.units != manifest.unit_system {
                add(&entry.file, format!("is in {}, the dataset in {}", t.setup.units, manifest.unit_system));
            }
            for state in &t.states {
                for field in &state.fields {
                    if let Some(i) = field.values.iter().position(|v| !v.is_finite()) {
                        add(
                            &entry.file,
                            format!("{} at time {} is not finite (entity {})", field.name, state.time, i / field.num_components()),
                        );
                    }
                    match manifest.fields.iter().find(|f| f.name == field.name) {
                        Some(f) if f.units == field.unit && f.components == field.components => {}
                        _ => add(&entry.file, format!("{} has another unit or other components than the manifest says", field.name)),
                    }
                }
            }
        }
        if let Ok(listing) = std::fs::read_dir(dir.join(split)) {
            for file in listing.flatten() {
                let name = file.file_name().to_string_lossy().into_owned();
                if name.ends_with(".part") {
                    add(&format!("{split}/{name}"), "was left by a run that was killed; it is not a sample".into());
                }
            }
        }
    }
    Ok(out)
}
