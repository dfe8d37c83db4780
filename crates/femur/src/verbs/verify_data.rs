//! `femur verify-data`: hashes, shapes, NaN, units, splits.

use crate::context::Context;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// Prints every finding; the exit code says whether there were any.
pub fn run(data: &Path, context: &Context) -> Result<ExitCode> {
    let findings = femur_dataset::verify(data)?;
    if context.json() {
        outln!("{}", serde_json::json!({"dataset": data, "ok": findings.is_empty(), "findings": findings}));
    } else if findings.is_empty() {
        outln!("{}: no fault found", data.display());
    } else {
        for finding in &findings {
            outln!("{finding}");
        }
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
