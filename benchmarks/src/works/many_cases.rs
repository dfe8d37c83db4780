//! A dataset of plates, each with a mesh of its own: drawn, meshed, solved, stresses recovered, written.

use crate::clock::Seconds;
use crate::contest::{Goal, Runner, Sample, Spec, contest};
use crate::npy;
use crate::options::Options;
use crate::peer::{Peer, Runtime, start_all};
use crate::process::{cost, femur};
use anyhow::{Context as _, Result, bail};
use femur_dataset::Dataset;
use femur_sim::case::generators::{self, Recipe};
use femur_sim::case::{CaseFile, MeshSpec, Split};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const PEERS: &[Peer] = &[
    Peer { name: "gmsh + numpy + pardiso", program: "cases_gmsh.py", runtime: Runtime::Venv("bench") },
    Peer { name: "ngsolve", program: "cases_ngsolve.py", runtime: Runtime::Venv("bench-ngsolve") },
];

/// Quadratic triangles, about 2,500 nodes a case.
const CASE: &str = "seed = 7\nphysics = \"linear-elasticity\"\nplane = \"stress\"\n[mesh]\ngenerator = \"plate-hole\"\nsize = 0.06\n\
    order = 2\nhole.u = { min = 0.0, max = 1.0, per = \"base\" }\nhole.v = { min = 0.0, max = 1.0, per = \"base\" }\n\
    hole.diameter = { min = 0.2, max = 0.5, per = \"base\" }\n[materials.plate]\nE = 210e9\nnu = 0.3\n[[boundary]]\ntag = \"left\"\n\
    displacement = [0, 0]\n[[boundary]]\ntag = \"right\"\ntraction.magnitude = { min = 0.5e6, max = 1.5e6, per = \"variant\" }\n\
    traction.angle = { min = 0.0, max = 360.0, per = \"variant\" }\n[output]\nprecision = \"f32\"\n[samples]\ntrain = 1\nvalid = 0\ntest = 0\n\
    variants = 1\n";

pub(super) fn run(options: &Options, out: &mut dyn FnMut(Value)) -> Result<()> {
    // A thousand cases in blocks, so that Femur and its peers take turns on a machine that is not quiet all the time.
    let (block, blocks) = options.pick((200, 4), (20, 0));
    let scratch = tempfile::tempdir()?;
    std::fs::write(scratch.path().join("case.toml"), CASE)?;
    let file = CaseFile::parse(&CASE.replace("train = 1", &format!("train = {block}")), "case.toml")?;
    npy::write(&scratch.path().join("cases.npy"), &draws(&file, block)?, 5)?;
    let size = format!("{} plates with a hole, remeshed each, {block} at a time", block * (blocks + 1));
    let spec = Spec { work: "many-cases", size, goals: vec![Goal::Best(10.0)], tolerance: 5e-3, rounds: blocks.max(1) };
    let job = json!({"folder": scratch.path(), "threads": options.threads, "E": 210e9, "nu": 0.3, "width": 2.0, "height": 1.0,
        "refinement": 0.5});
    let peers = start_all(PEERS, &job, options)?;
    out(contest(&spec, options, ours(options, block, scratch.path())?, peers)?);
    Ok(())
}

/// What Femur draws, for peers: centre of the hole, diameter, traction `[count, 5]`.
fn draws(file: &CaseFile, count: usize) -> Result<Vec<f64>> {
    let mut out = Vec::with_capacity(5 * count);
    for index in 0..count {
        let case = file.draw(Split::Train, index, 0)?;
        let MeshSpec::Generator { name, table } = &case.mesh else { bail!("no generator") };
        let (Recipe::Plate(plate), _) = generators::read(name, table)? else { bail!("no plate") };
        let hole = plate.holes.first().context("no hole")?;
        let value = |end: &str| case.params.iter().find(|p| p.path.ends_with(end)).map(|p| p.value).context("not drawn");
        let (force, angle) = (value("traction.magnitude")?, value("traction.angle")?.to_radians());
        out.extend([hole.center[0], hole.center[1], hole.diameter, force * angle.cos(), force * angle.sin()]);
    }
    Ok(out)
}

fn ours<'a>(options: &Options, block: usize, scratch: &'a Path) -> Result<Runner<'a>> {
    let (program, threads) = (femur()?, options.threads.to_string());
    let train = format!("samples.train={block}");
    let data = scratch.join("data");
    Ok(Box::new(move || {
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut command = Command::new(&program);
        command.args(["generate", "case.toml", "--quiet", "--set", &train, "--threads", &threads, "-o"]).arg(&data).current_dir(scratch);
        let cost = cost(&command, scratch)?;
        let (answer, nodes) = check(&data, block)?;
        let Seconds { wall, cpu } = cost.seconds;
        let detail = [("cases_per_s", block as f64 / wall), ("nodes", nodes), ("peak_mb", cost.peak_mb.unwrap_or(f64::NAN))];
        let detail = detail.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        Ok(Sample { seconds: Seconds { wall, cpu }, answer, detail })
    }))
}

/// Mean over the cases of the largest displacement, which lies at the plate's free end, and mean number of nodes.
fn check(data: &Path, block: usize) -> Result<(BTreeMap<String, f64>, f64)> {
    let data = Dataset::open(data)?;
    let entries = data.entries("train");
    if entries.len() != block {
        bail!("{} of {block} cases were solved", entries.len());
    }
    let (mut displacement, mut nodes) = (0.0, 0);
    for entry in entries {
        let trajectory = data.read(entry)?;
        let field = trajectory.states.last().and_then(|s| s.field("displacement")).context("no displacement")?;
        displacement += field.values.chunks_exact(2).map(|u| u[0].hypot(u[1])).fold(0.0, f64::max);
        nodes += trajectory.setup.mesh.num_nodes();
    }
    let mean = |v: f64| v / block as f64;
    Ok((BTreeMap::from([("displacement".to_string(), mean(displacement))]), mean(nodes as f64)))
}
