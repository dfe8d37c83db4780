//! From what was typed to a case, its mesh and its physics.

use crate::cli::CaseArgs;
use crate::context::Context;
use anyhow::{Context as _, Result, anyhow, bail};
use femur_mesh::Mesh;
use femur_physics::{PHYSICS, Physics};
use femur_sim::SolverLog;
use femur_sim::case::{Case, CaseFile, MeshSpec};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Reads a case file and applies every `--set`.
pub fn case_file(args: &CaseArgs) -> Result<CaseFile> {
    let mut file = CaseFile::load(&args.case)?;
    for assignment in &args.set {
        file.set(assignment)?;
    }
    Ok(file)
}

/// The physics that the case names, or an error with the list.
pub fn physics(case: &Case) -> Result<&'static dyn Physics> {
    match PHYSICS.iter().find(|p| p.name() == case.physics) {
        Some(p) => Ok(*p),
        None => {
            let known: Vec<_> = PHYSICS.iter().map(|p| p.name()).collect();
            bail!("{}: physics = \"{}\" is not known\n  hint: one of {}", case.origin, case.physics, known.join(", "))
        }
    }
}

/// The mesh of a case: generated, read, or made by gmsh from a .geo file; `instead` names a mesh file to use in its place.
pub fn mesh(case: &Case, instead: Option<&Path>) -> Result<Arc<Mesh>> {
    if let Some(path) = instead {
        let (scale, refine) = if let MeshSpec::File { scale, refine, .. } = &case.mesh { (*scale, *refine) } else { (1.0, 0) };
        return read(path, scale, refine);
    }
    match &case.mesh {
        MeshSpec::Generator { .. } => Ok(Arc::new(femur_sim::case::generators::build(case)?)),
        MeshSpec::File { path, scale, refine } => read(&case.beside(path), *scale, *refine),
        MeshSpec::Geo { path, parameters, scale, order } => from_geo(&case.beside(path), parameters, *scale, *order),
    }
}

fn read(path: &Path, scale: f64, refine: usize) -> Result<Arc<Mesh>> {
    let mut mesh = femur_io::read_mesh(path)?.mesh;
    if mesh.num_cells() == 0 {
        bail!(
            "{}: there are no cells in it\n  hint: gmsh writes what belongs to a physical group; surfaces (2D) or volumes (3D) need one",
            path.display()
        );
    }
    for _ in 0..refine {
        mesh = femur_mesh::refine(&mesh).with_context(|| format!("{}: mesh.refine = {refine}", path.display()))?;
    }
    for x in &mut mesh.points {
        *x *= scale;
    }
    Ok(Arc::new(mesh))
}

/// Runs gmsh on a .geo file with the case's parameters set.
fn from_geo(path: &Path, parameters: &[(String, f64)], scale: f64, order: usize) -> Result<Arc<Mesh>> {
    if !path.exists() {
        bail!("{}: there is no such file", path.display());
    }
    let out = std::env::temp_dir().join(format!("femur-{}-{:x}.msh", std::process::id(), unique()));
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let dim = if text.contains("Physical Volume") { "-3" } else { "-2" };
    let mut command = Command::new("gmsh");
    command.arg(path).args([dim, "-v", "1", "-nt", "1", "-order", &order.to_string(), "-format", "msh41", "-o"]).arg(&out);
    for (name, value) in parameters {
        command.args(["-setnumber", name, &format!("{value:?}")]);
    }
    let run = command.output();
    let output = match run {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            bail!(
                "{}: a .geo file needs gmsh, which is not on the PATH\n  hint: install gmsh, or make the .msh elsewhere and name it in [mesh] file",
                path.display()
            )
        }
        other => other.context("cannot run gmsh")?,
    };
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let fault = said.lines().find(|l| l.contains("Error"));
    // gmsh writes what it has and exits with 0 after some errors.
    let mesh = match fault {
        None if output.status.success() => read(&out, scale, 0).with_context(|| format!("{}: the mesh that gmsh made", path.display())),
        _ => Err(anyhow!("{}: gmsh failed: {}", path.display(), fault.unwrap_or("no message").trim())),
    };
    let _ = std::fs::remove_file(&out);
    mesh
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Prints what looks like a mistake but may be meant.
pub fn warn(context: &Context, case: &Case, mesh: &Mesh, physics: &dyn Physics) {
    for line in physics.warnings(case, mesh) {
        context.warn(line);
    }
}

/// Digits of an answer below which a warning says so.
const FEW_DIGITS: f64 = 6.0;

/// Warns of a result that rounding may have spoilt; `of` names the case in a dataset, or is empty.
pub fn warn_of_rounding(context: &Context, log: &SolverLog, of: &str) {
    let Some((condition, digits)) = log.condition.zip(log.digits()).filter(|(_, d)| *d < FEW_DIGITS) else { return };
    context.warn(format!(
        "{of}the system is ill-conditioned: its condition number is at least {condition:.0e} with a unit diagonal, so that at worst \
         only {:.0} of 16 digits of the result are right\n  hint: look for a part that is hardly held, stiff parts on soft ones \
         (a Young's modulus in other units?), very flat cells, or a Poisson's ratio near 0.5",
        digits.max(0.0)
    ));
}
