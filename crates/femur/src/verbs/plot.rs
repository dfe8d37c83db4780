//! `femur plot`: PNGs of meshes, fields, comparisons and deformed shapes.

use crate::context::Context;
use crate::plot;
use anyhow::{Context as _, Result, bail};
use femur_dataset::{Dataset, read_trajectory};
use femur_sim::Trajectory;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was asked for.
pub struct Options {
    /// A .vtkhdf file or a mesh file.
    pub file: PathBuf,
    /// Dataset or file with the truth.
    pub truth: Option<PathBuf>,
    /// Field to paint.
    pub field: Option<String>,
    /// Output step; the last if absent.
    pub step: Option<usize>,
    /// Warp by the displacement.
    pub deformed: bool,
    /// The picture.
    pub output: PathBuf,
}

/// Draws the picture.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode> {
    let png = if options.file.extension().is_some_and(|e| e == "vtkhdf") {
        let (mut trajectory, _) = read_trajectory(&options.file)?;
        let mut truth = options.truth.as_deref().map(|t| truth_of(t, &options.file)).transpose()?;
        // A truth that was made elsewhere need not hold what Femur derives.
        std::iter::once(&mut trajectory).chain(&mut truth).for_each(crate::derive::add_derived);
        field_picture(options, &trajectory, truth.as_ref())?
    } else {
        let file = femur_io::read_mesh(&options.file)?;
        match &options.field {
            None => plot::mesh_picture(&file.mesh)?,
            Some(name) => {
                let known: Vec<_> = file.fields.iter().map(|f| f.name.as_str()).collect();
                let field =
                    plot::select(&file.fields, name).with_context(|| format!("{} holds: {}", options.file.display(), known.join(", ")))?;
                plot::field_picture(&file.mesh, &field)?
            }
        }
    };
    if let Some(dir) = options.output.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    std::fs::write(&options.output, png).with_context(|| format!("cannot write {}", options.output.display()))?;
    context.say(format!("wrote {}", options.output.display()));
    Ok(ExitCode::SUCCESS)
}

fn field_picture(options: &Options, trajectory: &Trajectory, truth: Option<&Trajectory>) -> Result<Vec<u8>> {
    let Some(name) = options.field.clone().or_else(|| default_field(trajectory)) else {
        return plot::mesh_picture(&trajectory.setup.mesh);
    };
    let count = trajectory.states.len();
    let step = options.step.unwrap_or(count.saturating_sub(1));
    let Some(state) = trajectory.states.get(step) else {
        bail!("{}: there is no step {step}\n  hint: steps go from 0 to {}", options.file.display(), count.saturating_sub(1));
    };
    let known: Vec<_> = state.fields.iter().map(|f| f.name.as_str()).collect();
    let hint = || format!("{} holds: {}", options.file.display(), known.join(", "));
    let field = plot::select(&state.fields, &name).with_context(hint)?;
    let mesh = &trajectory.setup.mesh;
    match truth {
        Some(truth) => {
            let Some(other) = truth.states.get(step) else { bail!("the truth has no step {step}") };
            plot::comparison_picture(mesh, &plot::select(&other.fields, &name)?, &field)
        }
        None if options.deformed => {
            let Some(displacement) = state.field("displacement") else {
                bail!("{} has no displacement to warp by", options.file.display())
            };
            plot::deformed_picture(mesh, displacement, &field)
        }
        None => plot::field_picture(mesh, &field),
    }
}

/// The field that says most: von Mises, temperature, else the first.
pub(crate) fn default_field(trajectory: &Trajectory) -> Option<String> {
    let last = trajectory.states.last()?;
    let favourite = ["von_mises", "temperature"].iter().find(|n| last.field(n).is_some());
    favourite.map(|n| (*n).to_string()).or_else(|| last.fields.first().map(|f| f.name.clone()))
}

/// The truth of a prediction: a file, or the file of the same place in a dataset.
fn truth_of(truth: &Path, prediction: &Path) -> Result<Trajectory> {
    if !truth.is_dir() {
        return Ok(read_trajectory(truth)?.0);
    }
    let data = Dataset::open(truth)?;
    let name = prediction.file_name().unwrap_or_default().to_string_lossy();
    let split = prediction.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let wanted = format!("{split}/{name}");
    match data.entries(&split).iter().find(|e| e.file == wanted) {
        Some(entry) => Ok(data.read(entry)?),
        None => bail!("{}: holds no {wanted}\n  hint: name the .vtkhdf file of the truth itself", truth.display()),
    }
}
