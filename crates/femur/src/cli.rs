//! What can be typed: the verbs and their options.

use crate::device::DeviceName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use femur_dataset::Shard;
use std::path::PathBuf;

/// Finite-element simulation and learned surrogates of it, in one tool.
#[derive(Debug, Parser)]
#[command(name = "femur", version, about, max_term_width = 110, propagate_version = true)]
#[command(
    after_help = "Example:\n  femur new plate-hole && femur generate case.toml -o data && femur train data -o run && femur report run data -o report.html"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Options that mean the same everywhere.
    #[command(flatten)]
    pub global: Global,
}

/// Options that mean the same everywhere.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Number of threads (default: all cores)
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Print errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Also append what is printed on stderr to this file
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Where networks are computed: cpu, cuda or cuda:N (feature cuda)
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub device: DeviceName,
    /// Form of what goes to stdout
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub format: Format,
}

/// Form of the data on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Layout of another program's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// One HDF5 file with groups 0, 1, ...: the PyTorch re-implementations of MeshGraphNets.
    DeepmindH5,
}

/// A case file and changes to it.
#[derive(Debug, Clone, Args)]
pub struct CaseArgs {
    /// The case file (TOML)
    pub case: PathBuf,
    /// Change a value of the case: key.path=value (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a commented case file to start from
    #[command(after_help = "Example:\n  femur new cantilever-3d my-study --mesh part.msh")]
    New {
        /// Name of a template (see --list)
        #[arg(required_unless_present = "list")]
        template: Option<String>,
        /// Directory for case.toml
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Fill in this mesh file and its tags
        #[arg(long, value_name = "FILE")]
        mesh: Option<PathBuf>,
        /// List the templates
        #[arg(long)]
        list: bool,
    },
    /// Solve one case by finite elements (ranges take their nominal value)
    #[command(after_help = "Example:\n  femur solve case.toml --set mesh.size=0.03 -o result.vtu")]
    Solve {
        /// The case.
        #[command(flatten)]
        case: CaseArgs,
        /// Use this mesh instead of the case's
        #[arg(long, value_name = "FILE")]
        mesh: Option<PathBuf>,
        /// Result: .vtkhdf or .vtu (a transient .vtu gets a .pvd beside it)
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Linear solver in place of the case's solver.kind; petsc shares the system out to the ranks of mpirun (feature petsc)
        #[arg(long, value_name = "KIND")]
        solver: Option<String>,
    },
    /// Make a dataset: sample the case's ranges and solve each draw
    #[command(
        after_help = "Examples:\n  femur generate case.toml -o data --jobs 2 --set samples.train=50\n  femur generate case.toml -o data --shard 3/8"
    )]
    Generate {
        /// The case.
        #[command(flatten)]
        case: CaseArgs,
        /// Directory of the dataset
        #[arg(long, short, value_name = "DATA")]
        output: PathBuf,
        /// Cases solved at the same time (default: number of threads)
        #[arg(long, value_name = "N")]
        jobs: Option<usize>,
        /// Go on with an unfinished or smaller dataset
        #[arg(long)]
        resume: bool,
        /// Make the I-th of N shares, beside other processes that make the others; the last to end closes the dataset
        #[arg(long, value_name = "I/N")]
        shard: Option<Shard>,
    },
    /// Make a dataset of runs made elsewhere: VTU files and PVD series by a map, or a file of another layout
    #[command(
        after_help = "Examples:\n  femur import map.toml -o data\n  femur import train.h5 --valid valid.h5 --test test.h5 --layout deepmind-h5 --dt 0.01 -o data"
    )]
    Import {
        /// The map file (TOML): which files are runs, what their arrays mean; or the file of a --layout
        input: PathBuf,
        /// Layout of the file, in place of a map
        #[arg(long, value_enum)]
        layout: Option<Layout>,
        /// With --layout: the file of the validation split
        #[arg(long, value_name = "FILE", requires = "layout")]
        valid: Option<PathBuf>,
        /// With --layout: the file of the test split
        #[arg(long, value_name = "FILE", requires = "layout")]
        test: Option<PathBuf>,
        /// With --layout: length of a time step where the file does not say
        #[arg(long, value_name = "SECONDS", requires = "layout", default_value = "1.0")]
        dt: f64,
        /// Change a value of the map: key.path=value (repeatable)
        #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "layout")]
        set: Vec<String>,
        /// Directory of the dataset
        #[arg(long, short, value_name = "DATA")]
        output: PathBuf,
    },
    /// Train a surrogate on a dataset
    #[command(after_help = "Example:\n  femur train data -o run --set training.steps=5000")]
    Train {
        /// Directory of the dataset
        data: PathBuf,
        /// Directory of the run
        #[arg(long, short, value_name = "RUN")]
        output: PathBuf,
        /// Go on from the last checkpoint
        #[arg(long)]
        resume: bool,
        /// Start from the weights of another run or model.safetensors (fine-tuning; see also training.freeze)
        #[arg(long, value_name = "MODEL")]
        from: Option<PathBuf>,
        /// Write a checkpoint and stop after so many seconds
        #[arg(long, value_name = "SECONDS")]
        time_limit: Option<f64>,
        /// Also write event files for TensorBoard into RUN/tensorboard
        #[arg(long)]
        tensorboard: bool,
        /// Change a value of the dataset's case: model.width=32, training.steps=2000 (repeatable)
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Predict a new case with a trained surrogate: no truth, no solve
    #[command(after_help = "Example:\n  femur predict run case.toml --set mesh.hole.diameter=0.3 -o prediction.vtu --check")]
    Predict {
        /// Directory of the run, or a model.safetensors
        run: PathBuf,
        /// The case.
        #[command(flatten)]
        case: CaseArgs,
        /// Use this mesh instead of the case's
        #[arg(long, value_name = "FILE")]
        mesh: Option<PathBuf>,
        /// Prediction: .vtkhdf or .vtu
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Also solve, and print the errors
        #[arg(long)]
        check: bool,
    },
    /// Predict every trajectory of a split
    #[command(after_help = "Example:\n  femur rollout run data -o predictions --split test")]
    Rollout {
        /// Directory of the run, or a model.safetensors
        run: PathBuf,
        /// Directory of the dataset
        data: PathBuf,
        /// Directory for the predictions
        #[arg(long, short, value_name = "PRED")]
        output: PathBuf,
        /// Which split
        #[arg(long, default_value = "test")]
        split: String,
    },
    /// Errors of a surrogate against the truth, with baselines and definitions
    #[command(after_help = "Example:\n  femur evaluate run data --format json")]
    Evaluate {
        /// A run, a model.safetensors, or a directory of predictions
        run: PathBuf,
        /// Directory of the dataset
        data: PathBuf,
        /// Which split
        #[arg(long, default_value = "test")]
        split: String,
    },
    /// Write VTU/PVD files for ParaView (truth, prediction and error side by side), XDMF for older ones, another layout, or a network
    #[command(
        after_help = "Examples:\n  femur export predictions --truth data -o vtk && paraview --script=vtk/compare.py\n  femur export result.vtkhdf --xdmf -o result.xdmf\n  femur export data --layout deepmind-h5 --split train -o train.h5\n  femur export data --network run --split test -o graphs\n  femur export run --onnx -o network.onnx"
    )]
    Export {
        /// A .vtkhdf file, or a directory of predictions or of a dataset; a run or model.safetensors for --onnx
        input: PathBuf,
        /// The dataset that holds the truth
        #[arg(long, value_name = "DATA")]
        truth: Option<PathBuf>,
        /// At most so many trajectories
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// One file in this layout, in place of VTU files
        #[arg(long, value_enum, conflicts_with = "truth")]
        layout: Option<Layout>,
        /// Only this split of a directory
        #[arg(long, value_name = "SPLIT")]
        split: Option<String>,
        /// An XDMF file beside a .vtkhdf file, for ParaView up to 5.11 (open it with the "XDMF Reader")
        #[arg(long, conflicts_with_all = ["layout", "truth", "limit", "split"])]
        xdmf: bool,
        /// What the network of this run (or model.safetensors) reads and gives, as one safetensors file for each trajectory
        #[arg(long, value_name = "RUN", conflicts_with_all = ["layout", "truth", "xdmf"])]
        network: Option<PathBuf>,
        /// With --network: the output step that the network leads to (default: the first)
        #[arg(long, value_name = "K", requires = "network")]
        step: Option<usize>,
        /// The network of a run as an ONNX file, for graphs of any size
        #[arg(long, conflicts_with_all = ["layout", "truth", "limit", "split", "xdmf", "network"])]
        onnx: bool,
        /// Directory for the files; the file for --xdmf, --layout, --onnx, and --network of one trajectory
        #[arg(long, short, value_name = "VTK")]
        output: PathBuf,
    },
    /// Make a PNG of a mesh, a field, a comparison, a deformed shape
    #[command(after_help = "Example:\n  femur plot result.vtkhdf --field von_mises -o stress.png")]
    Plot {
        /// A .vtkhdf file or a mesh file
        file: PathBuf,
        /// A dataset or a .vtkhdf file with the truth: draws truth | prediction | error
        #[arg(long, value_name = "DATA")]
        truth: Option<PathBuf>,
        /// Field, e.g. von_mises, displacement, displacement.x, stress.xy
        #[arg(long, value_name = "NAME")]
        field: Option<String>,
        /// Output step (default: the last)
        #[arg(long, value_name = "K")]
        step: Option<usize>,
        /// Warp the shape by the displacement (automatic factor, printed on the picture)
        #[arg(long)]
        deformed: bool,
        /// The picture
        #[arg(long, short, value_name = "PNG")]
        output: PathBuf,
    },
    /// One self-contained HTML page: tables, curves, pictures and a field to turn and step through
    #[command(after_help = "Example:\n  femur report run data -o report.html")]
    Report {
        /// Directory of the run
        run: PathBuf,
        /// Directory of the dataset
        data: PathBuf,
        /// The page
        #[arg(long, short, value_name = "HTML")]
        output: PathBuf,
    },
    /// Hold Femur, or a case of your own, against published values
    #[command(after_help = "Examples:\n  femur verify --quick\n  femur verify nafems-le1 --format json\n  femur verify my-case.toml")]
    Verify {
        /// Problems by name, or case files with `[expect]` (default: all but the long ones)
        problems: Vec<String>,
        /// Only the quick ones, without their coarser meshes (seconds)
        #[arg(long, conflicts_with = "long")]
        quick: bool,
        /// Only the long ones
        #[arg(long)]
        long: bool,
        /// The case files of this folder in place of the built-in problems
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Change a value of every case: key.path=value (repeatable)
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Check a dataset: hashes, shapes, NaN, units, splits
    #[command(after_help = "Example:\n  femur verify-data data")]
    VerifyData {
        /// Directory of the dataset
        data: PathBuf,
    },
    /// What is in a mesh, trajectory, model or dataset
    #[command(after_help = "Example:\n  femur info part.msh --format json")]
    Info {
        /// The file or directory
        file: PathBuf,
    },
    /// The whole path on two families: generate, train, roll out, evaluate, export, plot, report
    #[command(after_help = "Example:\n  femur demo -o demo")]
    Demo {
        /// Directory for everything
        #[arg(long, short, value_name = "DIR", default_value = "demo")]
        output: PathBuf,
        /// Train longer (under an hour) for the best accuracy
        #[arg(long)]
        full: bool,
        /// Change a value of both families' cases (repeatable)
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Print shell completions
    #[command(after_help = "Example:\n  femur completions bash > ~/.local/share/bash-completion/completions/femur")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}
