//! `femur-ablation [DIR]`: what each part of the surrogate's recipe is worth. Trains the demo's families with one part changed at a
//! time, on the same data and for the same number of steps, and prints a Markdown table. Finished trainings in DIR are kept.

use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Study {
    template: &'static str,
    /// Changes to the template that all rows share.
    data: &'static [&'static str],
    training: &'static [&'static str],
    /// Field of the test split to judge by.
    field: &'static str,
    /// What is changed, and how.
    rows: &'static [(&'static str, &'static [&'static str])],
}

const STUDIES: &[Study] = &[
    Study {
        template: "plate-hole",
        data: &["samples.train=300", "samples.valid=10", "samples.test=48", "samples.variants=1"],
        training: &["training.steps=1000", "training.validate_every=500"],
        field: "von_mises",
        rows: &[
            ("the recipe: LTLTLTL, all features, Muon", &[]),
            ("AdamW", &["training.optimiser=adamw"]),
            ("answer under the given load, not unit responses", &["learning.linear=false"]),
            ("no distances to the boundaries", &["learning.distances=false"]),
            ("no coordinates", &["learning.coordinates=none"]),
            ("coordinates along the principal axes", &["learning.coordinates=canonical"]),
            ("attention only, TTTTT", &["model.pattern=TTTTT"]),
            ("lite messages only, LLLLLLL", &["model.pattern=LLLLLLL"]),
            ("lite messages only, 32 long-range centers", &["model.pattern=LLLLLLL", "learning.long_range=32"]),
            ("full messages and attention, FTFTFTF", &["model.pattern=FTFTFTF"]),
            ("`meshgraphnet`, 8 steps, all features", &["model.kind=meshgraphnet"]),
            (
                "`meshgraphnet`, 8 steps, the load only at the loaded nodes",
                &[
                    "model.kind=meshgraphnet",
                    "learning.linear=false",
                    "learning.distances=false",
                    "learning.coordinates=none",
                    "learning.input_means=false",
                ],
            ),
        ],
    },
    Study {
        template: "plate-heat",
        data: &["samples.train=160", "samples.valid=4", "samples.test=40"],
        training: &["training.steps=1000", "training.validate_every=500"],
        field: "temperature_rise",
        rows: &[
            ("the recipe: LTLTLTL, all features, Muon", &[]),
            ("AdamW", &["training.optimiser=adamw"]),
            ("the temperature, not responses to unit loads", &["learning.linear=false"]),
            ("no noise", &["learning.noise=0.0"]),
            ("no distances to the boundaries", &["learning.distances=false"]),
            ("lite messages only, LLLLLLL", &["model.pattern=LLLLLLL"]),
        ],
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let femur = std::env::current_exe()?.with_file_name("femur");
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "ablation".into()));
    for study in STUDIES {
        let place = dir.join(study.template);
        let data = place.join("data");
        if !data.join("manifest.json").exists() {
            run(&femur, &["new", study.template, &text(&place.join("case"))], &[])?;
            run(&femur, &["generate", &text(&place.join("case/case.toml")), "-o", &text(&data)], study.data)?;
        }
        println!("\n| {}: {} | steps/s | r2_pooled | r2_min | relative L2 | peak error, median |", study.template, study.field);
        println!("|---|---|---|---|---|---|");
        for (k, (name, changes)) in study.rows.iter().enumerate() {
            let out = place.join(format!("run_{k:02}"));
            let mut arguments = vec!["train".to_string(), text(&data), "-o".into(), text(&out), "--quiet".into()];
            arguments.extend(out.exists().then(|| "--resume".to_string()));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            run(&femur, &arguments, &[study.training, changes].concat())?;
            let said = run(&femur, &["evaluate", &text(&out), &text(&data), "--format", "json"], &[])?;
            let evaluation: Value = serde_json::from_str(&said)?;
            let metrics = &evaluation["test"][study.field];
            let number = |key: &str| metrics[key].as_f64().unwrap_or(f64::NAN);
            let done: Value = serde_json::from_str(&std::fs::read_to_string(out.join("run.json"))?)?;
            let speed = done["steps"].as_f64().unwrap_or(f64::NAN) / done["seconds"].as_f64().unwrap_or(f64::NAN);
            println!(
                "| {name} | {speed:.0} | {:.4} | {:.3} | {:.4} | {:.1} % |",
                number("r2_pooled"),
                number("r2_min"),
                number("relative_l2"),
                100.0 * number("peak_error_median")
            );
        }
    }
    Ok(())
}

/// Standard output of the program; an error where it fails.
fn run(femur: &Path, arguments: &[&str], set: &[&str]) -> Result<String, Box<dyn Error>> {
    let set = set.iter().flat_map(|s| ["--set", s]);
    let out = Command::new(femur).args(arguments).args(set).stderr(std::process::Stdio::inherit()).output()?;
    if !out.status.success() {
        return Err(format!("femur {} failed", arguments.join(" ")).into());
    }
    Ok(String::from_utf8(out.stdout)?)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
