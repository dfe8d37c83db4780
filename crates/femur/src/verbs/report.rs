//! `femur report`: one self-contained HTML page.

use crate::context::{Context, duration};
use crate::report::{Curve, Family, ReportData, Shown};
use crate::verbs::evaluate::{evaluate, pairs};
use anyhow::{Context as _, Result};
use femur_dataset::Dataset;
use femur_sim::metrics::FamilyEvaluation;
use std::path::Path;
use std::process::ExitCode;

/// Evaluates on the test split and writes the page.
pub fn run(run: &Path, data: &Path, output: &Path, context: &Context) -> Result<ExitCode> {
    let evaluation = evaluate(run, data, "test", context)?;
    let name = Dataset::open(data)?.manifest().name.clone();
    let family = family(&name, run, run, data, &evaluation, &[], context)?;
    let page = ReportData { title: format!("Femur: {name}"), notes: Vec::new(), families: vec![family] };
    if let Some(dir) = output.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    std::fs::write(output, crate::report::html(&page)?).with_context(|| format!("cannot write {}", output.display()))?;
    context.say(format!("wrote {}", output.display()));
    Ok(ExitCode::SUCCESS)
}

/// One family's part of the page: `from` is a run or a directory of predictions.
pub fn family(
    name: &str,
    from: &Path,
    run: &Path,
    data: &Path,
    evaluation: &FamilyEvaluation,
    times: &[(String, f64)],
    context: &Context,
) -> Result<Family> {
    let dataset = Dataset::open(data)?;
    let field = crate::verbs::plot::default_field;
    let shown = pairs(from, &dataset, "test", context)?
        .into_iter()
        .take(4)
        .enumerate()
        .map(|(i, (truth, prediction))| Shown { name: format!("test {i}"), field: field(&truth).unwrap_or_default(), truth, prediction })
        .collect();
    Ok(Family {
        name: name.into(),
        evaluation: serde_json::to_value(evaluation)?,
        curve: curve(&run.join("metrics.csv"))?,
        shown,
        notes: times.iter().map(|(what, s)| format!("{what}: {}", duration(*s))).collect(),
    })
}

/// Loss and validation error over the steps, from metrics.csv.
fn curve(path: &Path) -> Result<Curve> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut curve = Curve::default();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let Some(step) = cells.first().and_then(|c| c.parse::<f64>().ok()) else { continue };
        if let Some(loss) = cells.get(1).and_then(|c| c.parse().ok()) {
            curve.loss.push((step, loss));
        }
        if let Some(valid) = cells.get(2).and_then(|c| c.parse().ok()) {
            curve.valid.push((step, valid));
        }
    }
    Ok(curve)
}
