//! One self-contained HTML page: tables, curves, pictures and a field to turn and step through.

mod viewer;

use crate::plot::{self, Series, curve_picture};
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use femur_sim::Trajectory;
use serde_json::Value;
use std::fmt::Write as _;

/// What the page shows.
pub struct ReportData {
    /// Title.
    pub title: String,
    /// Paragraphs below it.
    pub notes: Vec<String>,
    /// A section each.
    pub families: Vec<Family>,
}

/// One family of cases.
pub struct Family {
    /// Name.
    pub name: String,
    /// As `femur evaluate --format json` prints it.
    pub evaluation: Value,
    /// The course of the training.
    pub curve: Curve,
    /// Cases to look at.
    pub shown: Vec<Shown>,
    /// Lines below the heading.
    pub notes: Vec<String>,
}

/// Loss and validation error over the steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Training loss.
    pub loss: Vec<(f64, f64)>,
    /// Validation rollout error.
    pub valid: Vec<(f64, f64)>,
}

/// A case with truth and prediction.
pub struct Shown {
    /// Name.
    pub name: String,
    /// Field to paint.
    pub field: String,
    /// Truth.
    pub truth: Trajectory,
    /// Prediction.
    pub prediction: Trajectory,
}

/// The page.
pub fn html(data: &ReportData) -> Result<String> {
    let mut body = format!("<h1>{}</h1>\n", escape(&data.title));
    data.notes.iter().for_each(|n| {
        let _ = writeln!(body, "<p>{}</p>", escape(n));
    });
    for (k, family) in data.families.iter().enumerate() {
        let _ = writeln!(body, "<h2>{}</h2>\n<p>{}</p>", escape(&family.name), escape(&family.notes.join(" · ")));
        body += &table(&family.evaluation);
        if let Some(shown) = family.shown.first() {
            body += &viewer::section(k, shown)?;
        }
        for shown in &family.shown {
            if let (Some(t), Some(p)) = (shown.truth.states.last(), shown.prediction.states.last()) {
                let (t, p) = (plot::select(&t.fields, &shown.field)?, plot::select(&p.fields, &shown.field)?);
                let png = plot::comparison_picture(&shown.truth.setup.mesh, &t, &p)?;
                let _ = writeln!(body, "<figure>{}<figcaption>{}, last step</figcaption></figure>", image(&png), escape(&shown.name));
            }
        }
        let series = [
            Series { name: "training loss".into(), points: family.curve.loss.clone() },
            Series { name: "validation rollout error".into(), points: family.curve.valid.clone() },
        ];
        let _ = writeln!(body, "<figure>{}</figure>", image(&curve_picture("Training", "step", &series)?));
    }
    if let Some(family) = data.families.first() {
        body += "<h2>Definitions</h2>\n<dl>\n";
        for (name, text) in family.evaluation["definitions"].as_object().into_iter().flatten() {
            let _ = writeln!(body, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(text.as_str().unwrap_or_default()));
        }
        body += "</dl>\n";
    }
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{body}</body></html>\n",
        escape(&data.title),
        include_str!("page.css")
    ))
}

fn image(png: &[u8]) -> String {
    format!("<img alt=\"\" src=\"data:image/png;base64,{}\">", STANDARD.encode(png))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const COLUMNS: [&str; 9] =
    ["r2", "r2_pooled", "r2_min", "r2_pooled_unmasked", "relative_l2", "rmse_pooled", "rmse_step_mean", "max_error", "peak_error_median"];

/// The metrics: fields down, metrics across, baselines below.
fn table(evaluation: &Value) -> String {
    let mut out = String::from("<div class=\"scroll\"><table><tr><th></th>");
    // A long name may break after its underscores, so that the table fits the page.
    COLUMNS.iter().for_each(|c| out += &format!("<th>{}</th>", c.replace('_', "_<wbr>")));
    out += "</tr>\n";
    let mut row = |name: &str, metrics: &Value, class: &str| {
        let _ = write!(out, "<tr class=\"{class}\"><td>{}</td>", escape(name));
        for c in COLUMNS {
            let cell = metrics[c].as_f64().map_or("-".to_string(), |v| {
                if c.starts_with("r2") || c.starts_with("rel") || c.starts_with("peak") { format!("{v:.4}") } else { format!("{v:.3e}") }
            });
            let _ = write!(out, "<td>{cell}</td>");
        }
        out += "</tr>\n";
    };
    for (field, metrics) in evaluation["test"].as_object().into_iter().flatten() {
        row(field, metrics, "");
    }
    for (name, fields) in evaluation["baselines"].as_object().into_iter().flatten() {
        for (field, metrics) in fields.as_object().into_iter().flatten() {
            row(&format!("{name}: {field}"), metrics, "baseline");
        }
    }
    out + "</table></div>\n"
}
