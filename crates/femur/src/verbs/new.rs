//! `femur new`: a commented case file to start from.

use crate::context::Context;
use crate::templates::{self, TEMPLATES};
use anyhow::{Context as _, Result, bail};
use femur_mesh::{Mesh, TagEntities};
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Writes DIR/case.toml, or lists the templates.
pub fn run(template: Option<&str>, dir: &Path, mesh: Option<&Path>, list: bool, context: &Context) -> Result<ExitCode> {
    if list {
        print_list(context);
        return Ok(ExitCode::SUCCESS);
    }
    let name = template.unwrap_or_default();
    let Some(template) = templates::find(name) else {
        let known: Vec<_> = TEMPLATES.iter().map(|t| t.name).collect();
        bail!("there is no template `{name}`\n  hint: one of {}", known.join(", "));
    };
    let text = match mesh {
        None => template.text.to_string(),
        Some(path) => {
            let file = femur_io::read_mesh(path)?;
            // The case lies in DIR: an absolute path stays right wherever it is read from.
            let path = std::fs::canonicalize(path).with_context(|| format!("cannot resolve {}", path.display()))?;
            for_mesh(template.text, &path, &file.mesh)
        }
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let target = dir.join("case.toml");
    if target.exists() {
        bail!("{} exists already\n  hint: name another directory, or remove the file", target.display());
    }
    std::fs::write(&target, text).with_context(|| format!("cannot write {}", target.display()))?;
    context.say(format!("wrote {}", target.display()));
    Ok(ExitCode::SUCCESS)
}

fn print_list(context: &Context) {
    if context.json() {
        let list: Vec<_> = TEMPLATES.iter().map(|t| serde_json::json!({"name": t.name, "summary": t.summary})).collect();
        outln!("{}", serde_json::Value::from(list));
    } else {
        for t in TEMPLATES {
            outln!("{:<16} {}", t.name, t.summary);
        }
    }
}

/// A case on a mesh file: the template's physics and learning, the file's tags with supports and loads to fill in.
fn for_mesh(template: &str, path: &Path, mesh: &Mesh) -> String {
    let heat = template.contains("physics = \"heat\"");
    let mut out = String::new();
    let (lo, hi) = mesh.bounds();
    let extent: Vec<String> = lo.iter().zip(&hi).map(|(a, b)| format!("{:.4}", b - a)).collect();
    let _ = writeln!(
        out,
        "# A case on {} ({} nodes, {} cells).",
        path.file_name().unwrap_or_default().to_string_lossy(),
        mesh.num_nodes(),
        mesh.num_cells()
    );
    let _ = writeln!(out, "# Fill in what is marked <...>, drop the boundaries that are free, then: femur solve case.toml -o result.vtu");
    let _ = writeln!(out, "schema = 1\nunits = \"SI\"                      # or \"mm-N-s-MPa\"\nseed = 1");
    let _ = writeln!(out, "physics = \"{}\"", if heat { "heat" } else { "linear-elasticity" });
    if !heat && mesh.dim == 2 {
        let _ = writeln!(out, "plane = \"stress\"                  # or \"strain\"");
    }
    let _ = writeln!(out, "\n[mesh]\nfile = {:?}", path.to_string_lossy());
    let _ = writeln!(out, "scale = 1.0                       # the mesh spans {}; 0.001 turns millimetres into metres", extent.join(" x "));
    let cells: Vec<&str> = mesh.tags.iter().filter(|t| matches!(t.entities, TagEntities::Cells(_))).map(|t| t.name.as_str()).collect();
    let materials = if cells.is_empty() { vec!["all"] } else { cells };
    for tag in materials {
        let _ = writeln!(out, "\n[materials.{}]", key(tag));
        if heat {
            let _ = writeln!(
                out,
                "conductivity = 50.0               # [W/(m K)]\ndensity = 7850.0                  # [kg/m^3], needed with [time]\nspecific_heat = 460.0             # [J/(kg K)], needed with [time]"
            );
        } else {
            let _ = writeln!(out, "E = 210e9                         # [Pa]\nnu = 0.3");
        }
    }
    let zeros = vec!["0.0"; mesh.dim].join(", ");
    for tag in mesh.tags.iter().filter(|t| !matches!(t.entities, TagEntities::Cells(_))) {
        let _ = writeln!(out, "\n# {} {}s", tag.entities.len(), tag.entities.kind_name());
        let _ = writeln!(out, "# [[boundary]]\n# tag = {:?}", tag.name);
        let choices: &[String] = &if heat {
            vec![
                "temperature = <K>".into(),
                "heat_flux = <W/m^2 into the body>".into(),
                "convection.coefficient = <W/(m^2 K)>  and  convection.ambient = <K>".into(),
            ]
        } else if matches!(tag.entities, TagEntities::Nodes(_)) {
            vec![format!("displacement = [{zeros}]"), format!("point_force = [{zeros}]   # on each node")]
        } else {
            vec![
                format!("displacement = [{zeros}]        # support; \"free\" leaves a component free"),
                "roller = true                  # no normal displacement".into(),
                format!("traction = [{zeros}]            # load per area"),
                "pressure = <Pa>".into(),
                format!("total_force = [{zeros}]         # spread evenly"),
            ]
        };
        for (i, c) in choices.iter().enumerate() {
            let _ = writeln!(out, "# {}{c}", if i == 0 { "" } else { "or: " });
        }
    }
    let _ = writeln!(
        out,
        "\n# A number anywhere may be a range: {{ min = 1.0, max = 2.0, per = \"variant\" }} (loads, materials) or per = \"base\" (geometry)."
    );
    let _ = writeln!(
        out,
        "[samples]\ntrain = 50\nvalid = 8\ntest = 16\nvariants = 1\n\n[model]\nkind = \"meshgraphnet-global\"\nwidth = 64\n\n[training]\nsteps = 4000"
    );
    out
}

/// A tag's name as a TOML key.
fn key(name: &str) -> String {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        name.into()
    } else {
        format!("{name:?}")
    }
}
