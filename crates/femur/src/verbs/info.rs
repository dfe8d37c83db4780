//! `femur info`: what is in a mesh, trajectory, model or dataset.

use crate::context::Context;
use anyhow::{Context as _, Result, bail};
use femur_dataset::Dataset;
use femur_io::MeshFile;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Prints a description of the file or directory.
pub fn run(path: &Path, context: &Context) -> Result<ExitCode> {
    let value = describe(path)?;
    if context.json() {
        outln!("{value}");
    } else {
        print(&value, 0);
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(path: &Path) -> Result<Value> {
    if path.is_dir() {
        if path.join("manifest.json").exists() {
            return dataset(path);
        }
        if path.join("model.safetensors").exists() {
            return Ok(femur_learn::describe(&path.join("model.safetensors"))?);
        }
        bail!("{}: neither a dataset (manifest.json) nor a run (model.safetensors)", path.display());
    }
    match path.extension().and_then(|e| e.to_str()) {
        Some("vtkhdf") => trajectory(path),
        Some("safetensors") => Ok(femur_learn::describe(path)?),
        _ => Ok(serde_json::to_value(femur_io::info(&femur_io::read_mesh(path)?))?),
    }
}

fn dataset(path: &Path) -> Result<Value> {
    let data = Dataset::open(path)?;
    Ok(serde_json::to_value(data.manifest()).map(|mut m| {
        // The list of files is long; their number says enough here.
        if let Some(splits) = m.get_mut("splits").and_then(Value::as_object_mut) {
            for entries in splits.values_mut() {
                *entries = json!(entries.as_array().map_or(0, Vec::len));
            }
        }
        m
    })?)
}

fn trajectory(path: &Path) -> Result<Value> {
    let (t, meta) = femur_dataset::read_trajectory(path)?;
    let mesh = femur_io::info(&MeshFile { mesh: (*t.setup.mesh).clone(), fields: Vec::new() });
    let mut value = serde_json::to_value(mesh)?;
    let last = t.states.last().context("the file holds no state")?;
    value["physics"] = json!(t.setup.physics);
    value["units"] = json!(t.setup.units);
    value["steps"] = json!(t.states.len());
    value["times"] = json!([t.setup.times.first(), t.setup.times.last()]);
    value["fields"] = last
        .fields
        .iter()
        .map(|f| (f.name.clone(), json!({"unit": f.unit, "components": f.components})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    value["params"] = t.setup.params.iter().map(|p| (p.path.clone(), json!(p.value))).collect::<serde_json::Map<_, _>>().into();
    value["seed"] = json!(meta.seed);
    Ok(value)
}

/// JSON as indented text: a person reads it, a program asks for --format json.
fn print(value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    let Some(map) = value.as_object() else { return outln!("{pad}{value}") };
    for (key, value) in map {
        match value {
            Value::Object(inner) if inner.values().all(|v| !v.is_object() && !v.is_array()) && inner.len() < 5 => {
                let parts: Vec<String> = inner.iter().map(|(k, v)| format!("{k} {}", plain(v))).collect();
                outln!("{pad}{key}: {}", parts.join(", "));
            }
            Value::Object(_) => {
                outln!("{pad}{key}:");
                print(value, indent + 2);
            }
            other => outln!("{pad}{key}: {}", plain(other)),
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
