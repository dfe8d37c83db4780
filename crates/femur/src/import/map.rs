//! The map file of `femur import`: what the arrays of foreign files mean.
//!
//! ```toml
//! units = "mm-N-s-MPa"
//!
//! [runs]
//! files = "runs/*.vtu"            # or train, valid, test = "..." or [...]
//! fractions = [0.8, 0.1, 0.1]     # or counts = [40, 5, 5], in file order
//!
//! [[target]]
//! name = "displacement"
//! array = "U"
//! unit = "mm"
//!
//! [[prescribed]]
//! target = "displacement"
//! tag = "clamp"
//!
//! [[tag]]
//! name = "clamp"
//! box = [[-0.1, -1e9, -1e9], [0.1, 1e9, 1e9]]
//! ```

use super::csv::Parameters;
use super::files;
use anyhow::{Context as _, Result, bail};
use femur_learn::TargetSpec;
use femur_sim::NodeType;
use femur_sim::case::{CaseError, CaseFile, OutputSpec, Table};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The splits of a dataset.
pub(super) const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// Names that a trajectory file uses itself.
const RESERVED: &[&str] =
    &["VTKHDF", "cell", "cells", "mesh_pos", "node_type", "params", "provenance", "solver_log", "static", "tags", "time", "unit_response"];

/// A file that is a run, and the name by which the map calls it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RunFile {
    pub(super) path: PathBuf,
    pub(super) shown: String,
    pub(super) split: &'static str,
    pub(super) index: usize,
}

/// An array of the files and what it is called in the dataset.
#[derive(Debug, Clone)]
pub(super) struct ArraySpec {
    pub(super) name: String,
    pub(super) array: String,
    pub(super) unit: Option<String>,
    pub(super) components: Option<Vec<String>>,
    pub(super) table: Table,
}

/// Where an input's values come from.
#[derive(Debug, Clone)]
pub(super) enum InputSource {
    /// An array, and whether it changes in time.
    Array { changes: bool },
    /// A column of the table of parameters: at the nodes of a tag, or everywhere.
    Parameter { column: String, tag: Option<String> },
}

/// Where a target is prescribed.
#[derive(Debug, Clone)]
pub(super) struct PrescribedSpec {
    pub(super) target: String,
    /// A point array that is not 0 there; else `tag` is given.
    pub(super) mask: Option<String>,
    pub(super) tag: Option<String>,
    /// Components that are prescribed; all where `None`.
    pub(super) components: Option<Vec<String>>,
    pub(super) table: Table,
}

/// Where a tag comes from.
#[derive(Debug, Clone)]
pub(super) enum TagSource {
    /// An array, not 0 (or one of these values) at the tag's points or cells.
    Array { array: String, values: Option<Vec<f64>>, cells: Option<bool> },
    /// The whole outer boundary.
    Boundary,
    /// The facets of the outer boundary within a box, from its lowest to its highest corner.
    Box { low: Vec<f64>, high: Vec<f64> },
}

/// A tag to make.
#[derive(Debug, Clone)]
pub(super) struct TagSpec {
    pub(super) name: String,
    pub(super) source: TagSource,
    pub(super) node_type: Option<NodeType>,
    pub(super) table: Table,
}

/// A map file, read and checked as far as it can be without the runs.
#[derive(Debug)]
pub struct Map {
    /// The file's text: the dataset keeps it as `case.toml`.
    pub(super) text: String,
    pub(super) top: Table,
    pub(super) seed: u64,
    pub(super) units: String,
    pub(super) output: OutputSpec,
    pub(super) runs: Vec<RunFile>,
    /// Factor on coordinates.
    pub(super) scale: f64,
    /// Every how manieth state of a series is kept.
    pub(super) every: usize,
    pub(super) targets: Vec<ArraySpec>,
    pub(super) inputs: Vec<(ArraySpec, InputSource)>,
    pub(super) prescribed: Vec<PrescribedSpec>,
    pub(super) tags: Vec<TagSpec>,
    /// Point array with the numbers of node types.
    pub(super) node_type: Option<String>,
    /// Cell array with the numbers of materials.
    pub(super) material: Option<String>,
    pub(super) parameters: Option<Parameters>,
}

impl Map {
    /// Reads a map file; paths in it are relative to it. Tables of learning are read later, keys that nobody knows found then.
    ///
    /// # Errors
    /// No such file, a key or value that makes no sense, a pattern that names no file, a run in two splits.
    pub fn load(path: &Path, set: &[String]) -> Result<Self> {
        let mut file = CaseFile::load(path)?;
        for assignment in set {
            file.set(assignment)?;
        }
        let top = file.root();
        top.claim(&["schema", "model", "training", "learning"]);
        if top.usize_or("schema", 1)? != 1 {
            return Err(top.error("schema", "only schema 1 is known", "write schema = 1, or use a newer Femur").into());
        }
        if top.has("physics") && !top.has("runs") {
            let hint = "femur generate takes cases; femur import takes a map with [runs] and [[target]]";
            return Err(top.error("physics", "this is a case, not a map of runs", hint).into());
        }
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let table = top.table("runs")?;
        let parameters = top.has("parameters").then(|| read_parameters(&top.table("parameters")?, &dir)).transpose()?;
        let targets = top.tables("target")?.iter().map(read_target).collect::<Result<Vec<_>, _>>()?;
        let tags = top.tables("tag")?.iter().map(read_tag).collect::<Result<Vec<_>, _>>()?;
        let inputs = top.tables("input")?.iter().map(|t| read_input(t, parameters.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let prescribed = top.tables("prescribed")?.iter().map(|t| read_prescribed(t, &targets)).collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            let hint = "write [[target]] with name = \"displacement\" and array = \"U\", the name in the files";
            return Err(top.error("target", "there is nothing to learn", hint).into());
        }
        let units = top.string_or("units", "SI")?;
        if units.trim().is_empty() {
            return Err(top.error("units", "is empty", "name the unit system: SI, mm-N-s-MPa, ...").into());
        }
        let map = Map {
            text: file.text(),
            seed: top.usize_or("seed", 0)? as u64,
            units,
            output: OutputSpec::read(&top.table("output")?)?,
            runs: read_runs(&table, &dir)?,
            scale: table.positive_or("scale", 1.0)?,
            every: table.usize_or("every", 1)?,
            node_type: top.opt_string("node_type")?,
            material: top.opt_string("material")?,
            targets,
            inputs,
            prescribed,
            tags,
            parameters,
            top,
        };
        if map.every == 0 {
            return Err(table.error("every", "must be above 0", "every = 1 keeps all states of a series").into());
        }
        map.check_names()?;
        Ok(map)
    }

    /// Targets and inputs get names of their own, which a file can hold.
    fn check_names(&self) -> Result<(), CaseError> {
        let mut seen: Vec<&str> = Vec::new();
        for spec in self.targets.iter().chain(self.inputs.iter().map(|(a, _)| a)) {
            let key = if spec.table.has("name") { "name" } else { "array" };
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !spec.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !spec.name.chars().all(plain) {
                let hint = "names are made of letters, digits, _ and -; array = \"...\" holds the name in the files";
                return Err(spec.table.error(key, format!("`{}` cannot be the name of a field", spec.name), hint));
            }
            let own = ["_prescribed", "_prescribed_value"].iter().any(|end| spec.name.ends_with(end));
            if own || RESERVED.contains(&spec.name.as_str()) || spec.name.starts_with("cells_") {
                return Err(spec.table.error(
                    key,
                    format!("`{}` is a name that the dataset uses itself", spec.name),
                    "choose another name",
                ));
            }
            if seen.contains(&spec.name.as_str()) {
                return Err(spec.table.error(
                    key,
                    format!("`{}` is there already", spec.name),
                    "give each target and input a name of its own",
                ));
            }
            seen.push(&spec.name);
        }
        Ok(())
    }
}

fn read_runs(table: &Table, dir: &Path) -> Result<Vec<RunFile>> {
    table.claim(&["scale", "every"]);
    let given = |key: &str| -> Result<Vec<String>> {
        let mut out: Vec<String> = Vec::new();
        for (i, pattern) in table.strings(key)?.iter().enumerate() {
            let found = files::matches(dir, pattern);
            if found.is_empty() {
                let key = if table.is_list(key) { format!("{key}.{i}") } else { key.to_string() };
                let hint = format!("paths start from the map's folder, {}", dir.display());
                return Err(table.error(&key, format!("no file fits \"{pattern}\""), hint).into());
            }
            out.extend(found.iter().map(|f| f.to_string_lossy().into_owned()));
        }
        Ok(out)
    };
    let named = SPLITS.iter().any(|s| table.has(s));
    let mut splits: Vec<Vec<String>> = Vec::new();
    if table.has("files") {
        if named {
            return Err(table
                .error("files", "stands beside train, valid or test", "name the files of each split, or all in `files`")
                .into());
        }
        let mut all = given("files")?;
        let sizes: Vec<usize> = if table.has("counts") {
            if table.has("fractions") {
                return Err(table.error("fractions", "stands beside `counts`", "keep one of them").into());
            }
            table.usizes("counts")?
        } else {
            let fractions = if table.has("fractions") { table.numbers("fractions")? } else { vec![0.8, 0.1, 0.1] };
            let sums = fractions.len() == 3 && fractions.iter().all(|f| *f >= 0.0) && (fractions.iter().sum::<f64>() - 1.0).abs() < 1e-6;
            if !sums {
                return Err(table
                    .error("fractions", "must be three numbers from 0 up that sum to 1", "fractions = [0.8, 0.1, 0.1]")
                    .into());
            }
            files::counts(all.len(), [fractions[0], fractions[1], fractions[2]]).to_vec()
        };
        if sizes.len() != 3 || sizes.iter().sum::<usize>() != all.len() {
            let what = format!("must be three whole numbers that sum to the number of files, {}", all.len());
            return Err(table.error("counts", what, "counts = [40, 5, 5] for train, valid, test").into());
        }
        for size in sizes {
            let rest = all.split_off(size);
            splits.push(std::mem::replace(&mut all, rest));
        }
    } else if named {
        for split in SPLITS {
            splits.push(if table.has(split) { given(split)? } else { Vec::new() });
        }
    } else {
        return Err(table.error("", "names no files", "write files = \"runs/*.vtu\", or train, valid and test").into());
    }
    table.finish()?;
    if splits[0].is_empty() {
        return Err(table.error("", "there is no training run", "give train at least one file").into());
    }
    let mut seen: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut out = Vec::new();
    for (split, runs) in SPLITS.into_iter().zip(splits) {
        for (index, shown) in runs.into_iter().enumerate() {
            let path = if dir == Path::new(".") { PathBuf::from(&shown) } else { dir.join(&shown) };
            let real = std::fs::canonicalize(&path).with_context(|| format!("cannot read {}", path.display()))?;
            if let Some(other) = seen.insert(real, split.to_string()) {
                let what = if other == split { format!("twice in {split}") } else { format!("in {other} and in {split}") };
                bail!("{}: stands {what}\n  hint: a run that was trained on proves nothing in another split", path.display());
            }
            out.push(RunFile { path, shown, split, index });
        }
    }
    Ok(out)
}

fn read_parameters(table: &Table, dir: &Path) -> Result<Parameters> {
    let file = table.string("file")?;
    let key = table.opt_string("key")?;
    let columns = table.has("columns").then(|| table.strings("columns")).transpose()?;
    table.finish()?;
    Parameters::read(&dir.join(file), key.as_deref(), columns.as_deref())
}

/// The keys that targets and inputs share.
fn read_array(table: &Table) -> Result<ArraySpec, CaseError> {
    let array = table.opt_string("array")?;
    let name = match (table.opt_string("name")?, &array) {
        (Some(name), _) => name,
        (None, Some(array)) => array.clone(),
        (None, None) => table.string("name")?,
    };
    let components = table.has("components").then(|| table.strings("components")).transpose()?;
    if components.as_ref().is_some_and(|c| c.is_empty() || (1..c.len()).any(|i| c[..i].contains(&c[i]))) {
        return Err(table.error("components", "must be names that differ", "components = [\"x\", \"y\", \"z\"]"));
    }
    Ok(ArraySpec { array: array.unwrap_or_else(|| name.clone()), name, unit: table.opt_string("unit")?, components, table: table.clone() })
}

fn read_target(table: &Table) -> Result<ArraySpec, CaseError> {
    let spec = read_array(table)?;
    // the dataset keeps the map, and training looks targets up by their name
    TargetSpec::read(table)?;
    table.finish()?;
    Ok(spec)
}

fn read_input(table: &Table, parameters: Option<&Parameters>) -> Result<(ArraySpec, InputSource), CaseError> {
    let source = match table.opt_string("parameter")? {
        Some(column) => {
            if let Some(key) = ["array", "changes", "components"].into_iter().find(|k| table.has(k)) {
                return Err(table.error(key, "stands beside `parameter`", "an input is an array or a parameter"));
            }
            let Some(parameters) = parameters else {
                let hint = "write [parameters] with file = \"runs.csv\"";
                return Err(table.error("parameter", "there is no table of parameters", hint));
            };
            if !parameters.columns().contains(&column) {
                let hint = format!("the columns are {}", parameters.columns().join(", "));
                return Err(table.error("parameter", format!("there is no column `{column}`"), hint));
            }
            InputSource::Parameter { column, tag: table.opt_string("tag")? }
        }
        None => InputSource::Array { changes: table.bool_or("changes", false)? },
    };
    let spec = match &source {
        InputSource::Parameter { column, .. } => {
            let name = table.string_or("name", column)?;
            ArraySpec { name, array: String::new(), unit: table.opt_string("unit")?, components: None, table: table.clone() }
        }
        InputSource::Array { .. } => read_array(table)?,
    };
    table.finish()?;
    Ok((spec, source))
}

fn read_prescribed(table: &Table, targets: &[ArraySpec]) -> Result<PrescribedSpec, CaseError> {
    let spec = PrescribedSpec {
        target: table.string("target")?,
        mask: table.opt_string("mask")?,
        tag: table.opt_string("tag")?,
        components: table.has("components").then(|| table.strings("components")).transpose()?,
        table: table.clone(),
    };
    table.finish()?;
    if !targets.iter().any(|t| t.name == spec.target) {
        let known: Vec<&str> = targets.iter().map(|t| t.name.as_str()).collect();
        return Err(table.error(
            "target",
            format!("there is no target `{}`", spec.target),
            format!("the targets are {}", known.join(", ")),
        ));
    }
    if spec.mask.is_some() == spec.tag.is_some() {
        let hint = "mask = \"FIXED\" names a point array that is not 0 there, tag = \"clamp\" a tag";
        return Err(table.error("", "needs either `mask` or `tag`", hint));
    }
    Ok(spec)
}

fn read_tag(table: &Table) -> Result<TagSpec, CaseError> {
    let name = table.string("name")?;
    let given: Vec<&str> = ["array", "boundary", "box"].into_iter().filter(|k| table.has(k)).collect();
    let source = match given.as_slice() {
        ["array"] => TagSource::Array {
            array: table.string("array")?,
            values: table.has("value").then(|| table.numbers("value")).transpose()?,
            cells: if table.has("on") { Some(table.choice("on", &["points", "cells"])? == 1) } else { None },
        },
        ["boundary"] if table.bool("boundary")? => TagSource::Boundary,
        ["box"] => {
            let corners = corners(table)?;
            TagSource::Box { low: corners.0, high: corners.1 }
        }
        _ => {
            let hint =
                "array = \"NAME\" (points or cells where it is not 0, or equals `value`), boundary = true, or box = [[x, y, z], [x, y, z]]";
            return Err(table.error("", "needs exactly one of `array`, `boundary` and `box`", hint));
        }
    };
    let names: Vec<&str> = NodeType::ALL.iter().map(|t| t.name()).collect();
    let node_type = if table.has("node_type") { Some(NodeType::ALL[table.choice("node_type", &names)?]) } else { None };
    table.finish()?;
    Ok(TagSpec { name, source, node_type, table: table.clone() })
}

/// `box = [[x, y, z], [x, y, z]]`.
fn corners(table: &Table) -> Result<(Vec<f64>, Vec<f64>), CaseError> {
    let lists = table.number_lists("box")?;
    match lists.as_slice() {
        [low, high] if low.len() == high.len() && (1..=3).contains(&low.len()) && low.iter().zip(high).all(|(a, b)| a <= b) => {
            Ok((low.clone(), high.clone()))
        }
        _ => Err(table.error("box", "must be two corners, the lower one first", "box = [[0, 0, 0], [0, 1, 1]]")),
    }
}
