//! `femur demo`: the whole path on two families, with nothing but this program.

use crate::context::{Context, duration};
use crate::report::{Family, ReportData};
use crate::templates;
use crate::verbs::{evaluate, export, generate, plot, report, rollout, train};
use anyhow::{Context as _, Result};
use femur_sim::case::CaseFile;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// A family of the demo: a template and what the demo changes in it.
struct DemoFamily {
    name: &'static str,
    /// Changes for the short run (about six minutes for all families).
    short: &'static [&'static str],
    /// Changes for --full.
    full: &'static [&'static str],
    /// Fields to draw and export.
    field: &'static str,
}

const FAMILIES: &[DemoFamily] = &[
    DemoFamily {
        name: "plate-hole",
        short: &[
            "samples.train=300",
            "samples.valid=10",
            "samples.test=48",
            "samples.variants=1",
            "training.steps=4000",
            "training.validate_every=1000",
        ],
        full: &[
            "samples.train=800",
            "samples.valid=16",
            "samples.test=60",
            "samples.variants=1",
            "training.steps=15000",
            "training.validate_every=1500",
        ],
        field: "von_mises",
    },
    DemoFamily {
        name: "plate-heat",
        short: &["samples.train=160", "samples.valid=4", "samples.test=40", "training.steps=2500", "training.validate_every=500"],
        full: &["samples.train=200", "samples.valid=6", "samples.test=40", "training.steps=6000", "training.validate_every=1500"],
        field: "temperature",
    },
];

/// Runs the whole path; finished stages of an interrupted demo are kept and skipped.
pub fn run(output: &Path, full: bool, set: &[String], context: &Context) -> Result<ExitCode> {
    let start = Instant::now();
    let mut families = BTreeMap::new();
    let mut pages: Vec<Family> = Vec::new();
    for family in FAMILIES {
        let (object, page) = one(family, output, full, set, context).with_context(|| format!("family {}", family.name))?;
        families.insert(family.name, object);
        pages.push(page);
    }
    let evaluation = json!({ "families": families });
    write(&output.join("evaluation.json"), &format!("{}\n", serde_json::to_string_pretty(&evaluation)?))?;
    let data = ReportData {
        title: "Femur demo".into(),
        notes: vec![format!(
            "femur demo{} took {} on {} threads.",
            if full { " --full" } else { "" },
            duration(start.elapsed().as_secs_f64()),
            context.threads
        )],
        families: pages,
    };
    write(&output.join("report.html"), &crate::report::html(&data)?)?;
    if context.json() {
        outln!("{evaluation}");
    } else {
        outln!("report: {}", output.join("report.html").display());
    }
    context.say(format!("the demo took {}", duration(start.elapsed().as_secs_f64())));
    Ok(ExitCode::SUCCESS)
}

/// Wall time of each stage.
struct Laps {
    times: Vec<(String, f64)>,
    clock: Instant,
}

impl Laps {
    fn done(&mut self, what: &str) {
        self.times.push((what.into(), self.clock.elapsed().as_secs_f64()));
        self.clock = Instant::now();
    }
}

fn one(family: &DemoFamily, output: &Path, full: bool, set: &[String], context: &Context) -> Result<(Value, Family)> {
    let place = |kind: &str| output.join(kind).join(family.name);
    let (data, run, predictions) = (place("data"), place("run"), place("predictions"));
    context.say(format!("== {} ==", family.name));
    let mut laps = Laps { times: Vec::new(), clock: Instant::now() };

    let template = templates::find(family.name).context("the template is missing")?;
    let mut case = CaseFile::parse(template.text, &format!("{} (template)", family.name))?;
    for assignment in if full { family.full } else { family.short } {
        case.set(assignment)?;
    }
    for assignment in set {
        case.set(assignment)?;
    }
    generate::generate_alone(&case, &data, generate::How { resume: data.exists(), ..Default::default() }, context)?;
    laps.done("generate");
    train::train(&train::Options { data: data.clone(), output: run.clone(), resume: run.exists(), ..Default::default() }, context)?;
    laps.done("train");
    if predictions.exists() {
        std::fs::remove_dir_all(&predictions).with_context(|| format!("cannot replace {}", predictions.display()))?;
    }
    rollout::rollout(&run, &data, &predictions, "test", context)?;
    laps.done("rollout");
    let evaluation = evaluate::evaluate(&predictions, &data, "test", context)?;
    laps.done("evaluate");
    context.say(evaluate::table(&evaluation));
    let vtk = place("vtk");
    export::run(
        &export::Options {
            input: predictions.clone(),
            truth: Some(data.clone()),
            limit: Some(3),
            output: vtk,
            ..export::Options::default()
        },
        context,
    )?;
    laps.done("export");
    let figures = place("figures");
    for k in 0..3 {
        let file = format!("test/traj_{k:06}.vtkhdf");
        if !predictions.join(&file).exists() {
            break;
        }
        let options = plot::Options {
            file: predictions.join(&file),
            truth: Some(data.join(&file)),
            field: Some(family.field.to_string()),
            step: None,
            deformed: false,
            output: figures.join(format!("{}_{k}.png", family.field)),
        };
        plot::run(&options, context)?;
    }
    laps.done("plot");
    let page = report::family(family.name, &predictions, &run, &data, &evaluation, &laps.times, context)?;
    Ok((serde_json::to_value(&evaluation)?, page))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
