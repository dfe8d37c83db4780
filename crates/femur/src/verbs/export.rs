//! `femur export`: VTU/PVD files for ParaView, other layouts, and what a network reads and gives.

use crate::cli::Layout;
use crate::context::Context;
use crate::verbs::predict::model_path;
use anyhow::{Context as _, Result, bail};
use femur_dataset::Dataset;
use femur_learn::Surrogate;
use femur_sim::Trajectory;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A .vtkhdf file, or a directory of predictions or of a dataset; a run for `onnx`.
    pub input: PathBuf,
    /// The dataset (or file) with the truth.
    pub truth: Option<PathBuf>,
    /// At most so many trajectories.
    pub limit: Option<usize>,
    /// One file in this layout, in place of VTU files.
    pub layout: Option<Layout>,
    /// Only this split.
    pub split: Option<String>,
    /// An XDMF file beside a .vtkhdf file.
    pub xdmf: bool,
    /// The run whose network's inputs and outputs are written.
    pub network: Option<PathBuf>,
    /// The output step that the network leads to.
    pub step: Option<usize>,
    /// The network of a run as an ONNX file.
    pub onnx: bool,
    /// Directory; the file for `layout`, `xdmf`, `onnx`, and `network` of one trajectory.
    pub output: PathBuf,
}

/// Writes the files.
pub fn run(options: &Options, context: &Context) -> Result<ExitCode> {
    if options.xdmf {
        crate::export::write_xdmf(&options.input, &options.output)?;
        outln!("{}", options.output.display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(Layout::DeepmindH5) = options.layout {
        let range = crate::export::write_deepmind(&options.input, options.split.as_deref(), options.limit, &options.output, context)?;
        context.say(range);
        outln!("{}", options.output.display());
        return Ok(ExitCode::SUCCESS);
    }
    if options.onnx {
        if options.output.extension().is_none_or(|e| e != "onnx") {
            bail!("{}: must end in .onnx", options.output.display());
        }
        make_folder_of(&options.output)?;
        Surrogate::load(&model_path(&options.input))?.write_onnx(&options.output)?;
        outln!("{}", options.output.display());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(run) = &options.network {
        return graphs(run, options, context);
    }
    for Pair { name, folder, path, truth } in pairs(options)? {
        let (prediction, _) = femur_dataset::read_trajectory(&path)?;
        let dir = options.output.join(folder);
        std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut truth: Option<Trajectory> = truth.map(|t| femur_dataset::read_trajectory(&t)).transpose()?.map(|(t, _)| t);
        // A truth that was made elsewhere need not hold what Femur derives.
        truth.iter_mut().for_each(crate::derive::add_derived);
        match &truth {
            Some(truth) => crate::export::write_comparison(&dir, truth, &prediction)?,
            None => crate::export::write_trajectory_vtu(&dir.join(format!("{name}.vtu")), &prediction)?,
        }
        context.say(format!("exported {name}"));
        outln!("{}", dir.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// What the network of a run reads and gives for each trajectory.
fn graphs(run: &Path, options: &Options, context: &Context) -> Result<ExitCode> {
    let surrogate = Surrogate::load(&model_path(run))?;
    if options.input.extension().is_some_and(|e| e == "toml") {
        let run = run.display();
        bail!("{}: --network takes a trajectory\n  hint: femur predict {run} {0} -o prediction.vtkhdf makes one", options.input.display());
    }
    if !options.input.is_dir() && options.output.extension().is_none_or(|e| e != "safetensors") {
        bail!("{}: must end in .safetensors", options.output.display());
    }
    for Pair { name, folder, path, .. } in pairs(options)? {
        let file = if options.input.is_dir() { options.output.join(folder).with_extension("safetensors") } else { options.output.clone() };
        make_folder_of(&file)?;
        let (trajectory, _) = femur_dataset::read_trajectory(&path)?;
        let step = surrogate.write_graph(trajectory, options.step, &file).with_context(|| path.display().to_string())?;
        context.say(format!("exported {name}, step {step}"));
        outln!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn make_folder_of(file: &Path) -> Result<()> {
    let Some(dir) = file.parent().filter(|d| !d.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// One trajectory to export.
struct Pair {
    name: String,
    /// Where its files go, below the output.
    folder: PathBuf,
    path: PathBuf,
    truth: Option<PathBuf>,
}

/// Every trajectory to export. Splits are numbered alike: where several are exported, each gets a folder.
fn pairs(options: &Options) -> Result<Vec<Pair>> {
    let stem = |p: &Path| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    if !options.input.is_dir() {
        let truth = match &options.truth {
            Some(t) if t.is_dir() => {
                bail!("{}: name the .vtkhdf file of the truth, or export the whole directory of predictions", t.display())
            }
            other => other.clone(),
        };
        return Ok(vec![Pair { name: stem(&options.input), folder: PathBuf::new(), path: options.input.clone(), truth }]);
    }
    let data = Dataset::open(&options.input)?;
    let all = ["train", "valid", "test"];
    if let Some(split) = options.split.as_deref().filter(|s| !all.contains(s)) {
        bail!("there is no split `{split}`\n  hint: one of {}", all.join(", "));
    }
    let splits: Vec<&str> = all.into_iter().filter(|s| options.split.as_deref().is_none_or(|wanted| wanted == *s)).collect();
    let several = splits.iter().filter(|s| !data.entries(s).is_empty()).count() > 1;
    let mut out = Vec::new();
    for split in splits {
        for entry in data.entries(split) {
            let truth = options.truth.as_ref().map(|t| t.join(entry.truth.as_ref().map_or(&entry.file, |t| &t.file)));
            let name = stem(Path::new(&entry.file));
            let folder = if several { Path::new(split).join(&name) } else { PathBuf::from(&name) };
            out.push(Pair { name, folder, path: options.input.join(&entry.file), truth });
        }
    }
    out.truncate(options.limit.unwrap_or(usize::MAX));
    Ok(out)
}
