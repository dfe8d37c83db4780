//! A case: one TOML file that states mesh, physics, materials, boundary conditions, what to sample and what to learn.
//!
//! [`CaseFile`] is the file with its ranges; [`CaseFile::nominal`] and [`CaseFile::draw`] make a [`Case`], in which every value is
//! fixed. A [`Table`] reads it with types and remembers what was asked for: keys that nobody asked for are refused.

mod error;
mod expect;
mod expr;
mod file;
mod problem;
mod sampling;
mod set;
mod table;
mod units;
mod value;
mod warnings;

pub mod generators;

#[cfg(test)]
mod tests;

pub use error::{CaseError, Place, nearest};
pub use expect::{Checked, Expectation, Measure, When, Where};
pub use expr::{Expr, ExprError};
pub use file::CaseFile;
pub use problem::{Level, Problem};
pub use sampling::{ChoiceValue, Method, Per, Range, RangeKind, Samples, Split};
pub use table::Table;
pub use units::Units;

use crate::{Disc, Param};
use std::path::PathBuf;
use std::sync::Arc;
use table::Document;
use toml_edit::{DocumentMut, Key};
use value::{Kind, Map, Node};

/// Where the mesh comes from.
#[derive(Debug, Clone)]
pub enum MeshSpec {
    /// A mesh file; its coordinates are multiplied by `scale`. A relative path is relative to the case file.
    File {
        /// The file.
        path: PathBuf,
        /// Factor on coordinates.
        scale: f64,
        /// How often every cell is cut into 2^dim cells.
        refine: usize,
    },
    /// A gmsh `.geo` file with the values of its parameters.
    Geo {
        /// The file.
        path: PathBuf,
        /// Names set before the file is run, in order.
        parameters: Vec<(String, f64)>,
        /// Factor on coordinates.
        scale: f64,
        /// Element order, 1 or 2.
        order: usize,
    },
    /// One of [`generators::GENERATORS`], with the table `[mesh]`.
    Generator {
        /// Name in the list.
        name: String,
        /// The table `[mesh]`.
        table: Table,
    },
}

/// `[time]`: output times at equal steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeGrid {
    /// First output time, where the initial state holds.
    pub start: f64,
    /// Last output time.
    pub end: f64,
    /// Number of steps; there is one more output time.
    pub steps: usize,
    /// Weight of the new time in the theta scheme: 1 implicit Euler, 0.5 Crank-Nicolson.
    pub theta: f64,
    /// Largest local error of a step, in the unit of the unknown, where the solver chooses its steps between the output times.
    pub adaptive: Option<f64>,
}

impl TimeGrid {
    /// Length of a step.
    pub fn dt(&self) -> f64 {
        (self.end - self.start) / self.steps as f64
    }

    /// The output times `[steps + 1]`.
    pub fn times(&self) -> Vec<f64> {
        (0..=self.steps).map(|k| if k == self.steps { self.end } else { self.start + k as f64 * self.dt() }).collect()
    }
}

/// Number format of stored fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes.
    F32,
    /// 8 bytes.
    F64,
}

/// `[output]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputSpec {
    /// Number format of stored fields.
    pub precision: Precision,
    /// Whether chunks are compressed (shuffle and deflate).
    pub compress: bool,
    /// Whether states are given on the vertices of a quadratic mesh only.
    pub vertices_only: bool,
}

impl OutputSpec {
    /// Reads `[output]`.
    ///
    /// # Errors
    /// A key or value that is not known.
    pub fn read(table: &Table) -> Result<Self, CaseError> {
        let output = OutputSpec {
            precision: [Precision::F32, Precision::F64][table.choice_or("precision", &["f32", "f64"], 0)?],
            compress: table.bool_or("compress", false)?,
            vertices_only: table.bool_or("vertices_only", false)?,
        };
        table.finish()?;
        Ok(output)
    }
}

/// A case in which every value is fixed.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the file.
    pub origin: String,
    /// Unit system.
    pub units: Units,
    /// Seed of all draws.
    pub seed: u64,
    /// Name in the list of physics.
    pub physics: String,
    /// Where the mesh comes from.
    pub mesh: MeshSpec,
    /// Output times; `None` for a steady problem.
    pub time: Option<TimeGrid>,
    /// How results are stored.
    pub output: OutputSpec,
    /// How many cases to draw.
    pub samples: Samples,
    /// Values drawn, in the order of the ranges in the file.
    pub params: Vec<Param>,
    /// Discs around singular points, left out of the masked metrics.
    pub singular: Vec<Disc>,
    doc: Arc<Document>,
}

impl Case {
    fn new(origin: &str, root: Node, params: Vec<Param>) -> Result<Case, CaseError> {
        let doc = Document::new(origin, root);
        let top = Table::root(&doc);
        top.claim(&[
            "schema", "units", "seed", "physics", "mesh", "time", "output", "samples", "singular", "expect", "problem", "model",
            "training", "learning",
        ]);
        if top.usize_or("schema", 1)? != 1 {
            return Err(top.error("schema", "only schema 1 is known", "write schema = 1, or use a newer Femur"));
        }
        let names = Units::ALL.map(|u| u.name);
        let units = Units::ALL[top.choice_or("units", &names, 0)?];
        let time = top.has("time").then(|| read_time(&top.table("time")?)).transpose()?;
        let case = Case {
            origin: origin.into(),
            units,
            seed: top.usize_or("seed", 0)? as u64,
            physics: top.string("physics")?,
            mesh: read_mesh(&top.table("mesh")?)?,
            time,
            output: OutputSpec::read(&top.table("output")?)?,
            samples: Samples::read(&top.table("samples")?)?,
            params,
            singular: top.tables("singular")?.iter().map(read_disc).collect::<Result<_, _>>()?,
            doc,
        };
        case.expectations()?;
        case.problem()?;
        Ok(case)
    }

    /// The whole file as a table, for top-level values such as `plane`.
    pub fn root(&self) -> Table {
        Table::root(&self.doc)
    }

    /// A top-level table; an absent one reads as empty. Makes the name known. Where the key holds something else, reading from the
    /// table gives the error.
    pub fn table(&self, name: &str) -> Table {
        if name.is_empty() {
            return self.root();
        }
        self.root().table(name).unwrap_or_else(|e| Table::broken(&self.doc, name, e))
    }

    /// Where a path that the case names lies: relative paths are relative to the case's file.
    pub fn beside(&self, path: impl AsRef<std::path::Path>) -> std::path::PathBuf {
        std::path::Path::new(&self.origin).parent().map_or_else(|| path.as_ref().to_path_buf(), |dir| dir.join(&path))
    }

    /// A top-level list of tables (`[[boundary]]`); an absent one is empty. Makes the name known. Where the key holds something
    /// else, there is one table, and reading from it gives the error.
    pub fn tables(&self, name: &str) -> Vec<Table> {
        self.root().tables(name).unwrap_or_else(|e| vec![Table::broken(&self.doc, &format!("{name}.0"), e)])
    }

    /// Makes top-level keys known: those that a physics reads.
    pub fn claim(&self, names: &[&str]) {
        self.root().claim(names);
    }

    /// Refuses keys that nobody asked for: top-level ones, and those in every table that was read. To be called once the physics
    /// (and, for learning, the model) has read what it needs.
    pub fn finish(&self) -> Result<(), CaseError> {
        self.root().finish()
    }

    /// Refuses keys that nobody asked for in these top-level tables alone: for a reader that needs only part of a case, as training
    /// needs no boundary.
    pub fn finish_tables(&self, names: &[&str]) -> Result<(), CaseError> {
        names.iter().try_for_each(|name| self.table(name).finish())
    }

    /// The case as resolved: ranges drawn, and every default that was taken so far written out.
    pub fn to_toml(&self) -> String {
        self.with_defaults(&self.doc.root)
    }

    #[cfg(test)]
    fn asked_keys(&self, path: &str) -> Vec<String> {
        self.doc.asked().get(path).map(|a| a.keys.clone()).unwrap_or_default()
    }

    /// `root` with the defaults noted in this case where it has no such key.
    pub(crate) fn with_defaults(&self, root: &Node) -> String {
        let mut root = root.clone();
        for (path, asked) in self.doc.asked().iter() {
            let Ok(keys) = (if path.is_empty() { Ok(Vec::new()) } else { Key::parse(path) }) else { continue };
            for (key, value) in &asked.defaults {
                let mut whole: Vec<&str> = keys.iter().map(Key::get).collect();
                whole.push(key);
                add_default(&mut root, &whole, value);
            }
        }
        let table = root.map().map(|m| value::table_of(m)).unwrap_or_default();
        DocumentMut::from(table).to_string()
    }
}

fn add_default(node: &mut Node, keys: &[&str], value: &Node) {
    let [key, rest @ ..] = keys else { return };
    match &mut node.kind {
        Kind::Table(map) => {
            let map = Arc::make_mut(map);
            if map.get(key).is_none() {
                let new = if rest.is_empty() { value.clone() } else { Node::new(Kind::Table(Arc::new(Map::default()))) };
                map.insert(key, new);
            }
            if let Some(child) = map.get_mut(key) {
                add_default(child, rest, value);
            }
        }
        Kind::Array(list) => {
            if let Some(child) = key.parse::<usize>().ok().and_then(|i| list.get_mut(i)) {
                add_default(child, rest, value);
            }
        }
        _ => {}
    }
}

fn read_mesh(table: &Table) -> Result<MeshSpec, CaseError> {
    table.claim(&["file", "generator"]);
    let hint = "write generator = \"plate-hole\" or file = \"part.msh\" in [mesh]";
    match (table.opt_string("generator")?, table.opt_string("file")?) {
        (Some(_), Some(_)) => Err(table.error("generator", "both `generator` and `file` are given", "keep one of them")),
        (None, None) => Err(table.error("", "names neither `generator` nor `file`", hint)),
        (Some(_), None) => {
            let names = generators::names();
            let name = names[table.choice("generator", &names)?].to_string();
            // The keys are checked even where another mesh is used in the end (`--mesh`) or none (training).
            generators::read(&name, table)?;
            Ok(MeshSpec::Generator { name, table: table.clone() })
        }
        (None, Some(path)) => {
            let path = PathBuf::from(path);
            let scale = table.positive_or("scale", 1.0)?;
            let spec = if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("geo")) {
                let order = generators::order(table, 1)?;
                let given = table.table("parameters")?;
                let parameters = given.keys().into_iter().map(|k| Ok((k.clone(), given.f64(&k)?))).collect::<Result<_, CaseError>>()?;
                MeshSpec::Geo { path, parameters, scale, order }
            } else {
                let refine = table.usize_or("refine", 0)?;
                if refine > 8 {
                    return Err(table.error(
                        "refine",
                        format!("must lie between 0 and 8, got {refine}"),
                        "each makes 2^dim cells of every cell",
                    ));
                }
                MeshSpec::File { path, scale, refine }
            };
            table.finish()?;
            Ok(spec)
        }
    }
}

fn read_time(table: &Table) -> Result<TimeGrid, CaseError> {
    let grid = TimeGrid {
        start: table.f64_or("start", 0.0)?,
        end: table.f64("end")?,
        steps: table.usize("steps")?,
        theta: table.f64_or("theta", 1.0)?,
        adaptive: None,
    };
    let grid = TimeGrid { adaptive: read_adaptive(table)?, ..grid };
    if grid.end <= grid.start {
        return Err(table.error("end", format!("must lie after start = {}", grid.start), "times are in the case's unit of time"));
    }
    if grid.steps == 0 || grid.steps > 10_000_000 {
        return Err(table.error(
            "steps",
            format!("must lie between 1 and 10000000, got {}", grid.steps),
            "the state at every step is kept",
        ));
    }
    if !(0.0..=1.0).contains(&grid.theta) {
        return Err(table.error("theta", format!("must lie in 0 .. 1, got {}", grid.theta), "1 is implicit Euler, 0.5 Crank-Nicolson"));
    }
    table.finish()?;
    Ok(grid)
}

/// `adaptive = { tolerance }`.
fn read_adaptive(table: &Table) -> Result<Option<f64>, CaseError> {
    if !table.has("adaptive") {
        return Ok(None);
    }
    let adaptive = table.table("adaptive")?;
    let tolerance = adaptive.positive("tolerance")?;
    adaptive.finish()?;
    Ok(Some(tolerance))
}

fn read_disc(table: &Table) -> Result<Disc, CaseError> {
    let disc = Disc { center: table.numbers("center")?, radius: table.positive("radius")? };
    if !(1..=3).contains(&disc.center.len()) {
        return Err(table.error("center", format!("has {} coordinates", disc.center.len()), "write [x, y] or [x, y, z]"));
    }
    table.finish()?;
    Ok(disc)
}
