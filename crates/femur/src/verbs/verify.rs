//! `femur verify`: published problems, and a user's own, held against their `[expect]`.

use crate::context::{Context, interrupted, message};
use crate::problems::PROBLEMS;
use crate::source;
use crate::verbs::generate::claim_learning;
use crate::verbs::solve::UntilInterrupt;
use anyhow::{Context as _, Result, bail};
use femur_mesh::{Location, Mesh};
use femur_sim::case::{CaseFile, Checked, Level, Problem};
use femur_sim::{SimError, Trajectory, rollout};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

/// What was typed.
pub struct Options<'a> {
    /// Names of problems, or case files; empty for all of a level.
    pub problems: &'a [String],
    /// Only the quick ones.
    pub quick: bool,
    /// Only the long ones.
    pub long: bool,
    /// Folder of case files in place of the built-in ones.
    pub dir: Option<&'a Path>,
    /// Changes to every case.
    pub set: &'a [String],
}

/// A case file with its name and what it says of itself.
struct Entry {
    name: String,
    file: CaseFile,
    problem: Option<Problem>,
}

/// One run of a case.
struct Run {
    checked: Vec<Checked>,
    mesh: String,
    unknowns: usize,
    seconds: f64,
}

/// Runs the problems, prints the table, and says by the exit code whether every line holds.
pub fn run(options: &Options<'_>, context: &Context) -> Result<ExitCode> {
    let entries = select(options)?;
    let (mut rows, mut coarser, mut failed) = (Vec::new(), Vec::new(), 0usize);
    for entry in &entries {
        context.say(format!("{}: {}", entry.name, entry.problem.as_ref().map_or("", |p| p.title.as_str())));
        let steps = entry.problem.as_ref().map_or(&[][..], |p| &p.refine);
        for changes in steps.iter().filter(|_| !options.quick) {
            let mut file = entry.file.clone();
            changes.iter().try_for_each(|c| file.set(c)).with_context(|| format!("{}: problem.refine", entry.name))?;
            let run = solve(&file, context).with_context(|| format!("{}: {}", entry.name, changes.join("; ")))?;
            coarser.extend(run.checked.iter().map(|c| line(&entry.name, c, &run)));
        }
        let run = solve(&entry.file, context).with_context(|| entry.name.clone())?;
        for checked in &run.checked {
            failed += usize::from(!checked.holds());
            if let Err(reason) = &checked.got {
                context.warn(format!("{}: {}: {reason}", entry.name, checked.expectation.label));
            }
            let row = line(&entry.name, checked, &run);
            // The finest run ends the list of those that show the convergence.
            if !steps.is_empty() && !options.quick {
                coarser.push(line(&entry.name, checked, &run));
            }
            rows.push(row);
        }
    }
    if context.json() {
        outln!("{}", json!({"rows": rows.iter().map(Row::json).collect::<Value>()}));
    } else {
        print(&rows, &coarser);
    }
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        failed => bail!("{failed} of {} lines do not hold", rows.len()),
    }
}

/// The case files asked for.
fn select(options: &Options<'_>) -> Result<Vec<Entry>> {
    let mut all: Vec<(String, CaseFile)> = match options.dir {
        None => PROBLEMS.iter().map(|(name, text)| Ok(((*name).to_string(), CaseFile::parse(text, &format!("{name}.toml"))?))).collect(),
        Some(dir) => from_dir(dir),
    }?;
    let mut entries = Vec::new();
    if options.problems.is_empty() {
        for (name, file) in all.drain(..) {
            entries.push(entry(name, file, options.set)?);
        }
        let level = |e: &Entry| e.problem.as_ref().map_or(Level::Full, |p| p.level);
        entries.retain(|e| match (options.quick, options.long) {
            (true, _) => level(e) == Level::Quick,
            (_, true) => level(e) == Level::Long,
            _ => level(e) != Level::Long,
        });
    }
    for name in options.problems {
        let found = match all.iter().position(|(n, _)| n == name) {
            Some(i) => all.swap_remove(i),
            None if Path::new(name).is_file() => (stem(Path::new(name)), CaseFile::load(Path::new(name))?),
            None => {
                let known: Vec<&str> = all.iter().map(|(n, _)| n.as_str()).collect();
                bail!("there is no problem and no case file `{name}`\n  hint: one of {}", known.join(", "));
            }
        };
        entries.push(entry(found.0, found.1, options.set)?);
    }
    Ok(entries)
}

fn entry(name: String, mut file: CaseFile, set: &[String]) -> Result<Entry> {
    for assignment in set {
        file.set(assignment)?;
    }
    let case = file.nominal()?;
    if case.expectations()?.is_empty() {
        bail!("{}: there is nothing in [expect]\n  hint: write a line such as \"displacement.y.max\" = {{ value = 1e-3 }}", case.origin);
    }
    Ok(Entry { name, problem: case.problem()?, file })
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Every case file of a folder, by name.
fn from_dir(dir: &Path) -> Result<Vec<(String, CaseFile)>> {
    let mut paths = Vec::new();
    for file in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = file.with_context(|| format!("cannot read {}", dir.display()))?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|p| Ok((stem(p), CaseFile::load(p)?))).collect()
}

/// Solves the case. A solver that gives up leaves lines without a value; a case that is wrong is an error.
fn solve(file: &CaseFile, context: &Context) -> Result<Run> {
    let case = file.nominal()?;
    let physics = source::physics(&case)?;
    let mesh = source::mesh(&case, None)?;
    let expectations = case.expectations()?;
    let start = Instant::now();
    let mut simulator = physics.simulator(&case, &mesh)?;
    claim_learning(&case);
    case.finish()?;
    let outcome = rollout(simulator.as_mut(), &mut UntilInterrupt);
    let seconds = start.elapsed().as_secs_f64();
    let (checked, unknowns) = match &outcome {
        Ok(trajectory) => (expectations.iter().map(|e| e.check(trajectory)).collect(), unknowns(trajectory, &mesh)),
        Err(SimError::Interrupted) => bail!("interrupted"),
        Err(error) => {
            context.warn(message(&anyhow::Error::msg(error.to_string())));
            (expectations.into_iter().map(|expectation| Checked { expectation, got: Err(error.to_string()) }).collect(), 0)
        }
    };
    if interrupted() {
        bail!("interrupted");
    }
    Ok(Run { checked, mesh: describe(&mesh), unknowns, seconds })
}

/// Number of unknowns: what the solver noted, else the nodes times the components of the first field.
fn unknowns(trajectory: &Trajectory, mesh: &Mesh) -> usize {
    let noted = trajectory.log.notes.get("unknowns").and_then(|n| n.parse().ok());
    let fields = trajectory.states.last().map_or(&[][..], |s| &s.fields);
    let components = fields.iter().find(|f| f.location == Location::Node).map_or(0, femur_mesh::Field::num_components);
    noted.unwrap_or(components * mesh.num_nodes())
}

fn describe(mesh: &Mesh) -> String {
    let kinds: Vec<String> = mesh.blocks.iter().map(|b| format!("{} {}", b.num_cells(), b.kind.name())).collect();
    kinds.join(" + ")
}

/// A line of the table.
struct Row {
    problem: String,
    checked: Checked,
    mesh: String,
    unknowns: usize,
    seconds: f64,
}

fn line(problem: &str, checked: &Checked, run: &Run) -> Row {
    Row { problem: problem.into(), checked: checked.clone(), mesh: run.mesh.clone(), unknowns: run.unknowns, seconds: run.seconds }
}

impl Row {
    fn json(&self) -> Value {
        let e = &self.checked.expectation;
        let got = self.checked.got.as_ref().ok();
        json!({
            "problem": self.problem, "quantity": e.label, "published": e.published, "source": e.source, "reference": e.reference,
            "ours": got, "relative_difference": got.map(|_| self.checked.relative_difference()), "tolerance": e.tolerance,
            "mesh": self.mesh, "dofs": self.unknowns, "seconds": self.seconds, "pass": self.checked.holds(),
        })
    }

    fn cells(&self) -> Vec<String> {
        let e = &self.checked.expectation;
        let published = match (e.band, e.published) {
            (Some([low, high]), _) => format!("{} .. {}", number(low), number(high)),
            (None, Some(value)) => number(value),
            (None, None) => String::new(),
        };
        // What a line with a plain `value` is held against stands with the references.
        let reference = e.reference.or(if e.published.is_none() { Some(e.value) } else { None });
        vec![
            self.problem.clone(),
            e.label.clone(),
            published,
            e.source.clone().unwrap_or_default(),
            reference.map(number).unwrap_or_default(),
            self.ours(),
            self.difference(),
            percent(e.tolerance),
            self.mesh.clone(),
            self.unknowns.to_string(),
            format!("{:.2}", self.seconds),
            if self.checked.holds() { "yes" } else { "NO" }.into(),
        ]
    }

    fn convergence(&self) -> Vec<String> {
        let label = self.checked.expectation.label.clone();
        vec![self.problem.clone(), label, self.mesh.clone(), self.unknowns.to_string(), self.ours(), self.difference()]
    }

    fn ours(&self) -> String {
        self.checked.got.as_ref().map_or("none".into(), |v| number(*v))
    }

    fn difference(&self) -> String {
        match &self.checked.got {
            // Of a value that should be 0 the difference is no percentage.
            Ok(_) if self.checked.expectation.value == 0.0 => format!("{:+.1e} abs", self.checked.relative_difference()),
            Ok(_) => format!("{:+.3} %", 100.0 * self.checked.relative_difference()),
            Err(_) => String::new(),
        }
    }
}

fn percent(tolerance: f64) -> String {
    if tolerance < 1e-5 { format!("{tolerance:.0e}") } else { format!("{} %", number(100.0 * tolerance)) }
}

/// Six significant digits, without trailing zeros.
fn number(value: f64) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{value:.5e}");
    }
    let digits = if value == 0.0 { 0 } else { (5 - size.log10().floor() as i32).max(0) as usize };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

const COLUMNS: [&str; 12] =
    ["problem", "quantity", "published", "source", "reference", "ours", "difference", "tolerance", "mesh", "dofs", "seconds", "pass"];

const CONVERGENCE: [&str; 6] = ["problem", "quantity", "mesh", "dofs", "ours", "difference"];

/// The table, and that of the coarser runs, as Markdown.
fn print(rows: &[Row], coarser: &[Row]) {
    table(&COLUMNS, &rows.iter().map(Row::cells).collect::<Vec<_>>());
    if !coarser.is_empty() {
        outln!("\nConvergence:\n");
        let mut sorted: Vec<&Row> = coarser.iter().collect();
        // Stable: by problem as they ran, each quantity from coarse to fine.
        let order =
            |r: &Row| rows.iter().position(|x| x.problem == r.problem && x.checked.expectation.label == r.checked.expectation.label);
        sorted.sort_by_key(|r| order(r));
        table(&CONVERGENCE, &sorted.into_iter().map(Row::convergence).collect::<Vec<_>>());
    }
}

fn table(head: &[&str], rows: &[Vec<String>]) {
    let width: Vec<usize> =
        (0..head.len()).map(|c| rows.iter().map(|r| r[c].chars().count()).chain([head[c].len()]).max().unwrap_or(0)).collect();
    let show = |cells: &[String]| {
        let padded: Vec<String> = cells.iter().zip(&width).map(|(c, w)| format!("{c:<w$}")).collect();
        outln!("| {} |", padded.join(" | "));
    };
    show(&head.iter().map(|h| (*h).to_string()).collect::<Vec<_>>());
    outln!("|{}|", width.iter().map(|w| "-".repeat(w + 2)).collect::<Vec<_>>().join("|"));
    rows.iter().for_each(|r| show(r));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits() {
        let shown = [0.0, 92.658_049, -5.38, 3.0, 0.010_618_948, 1_234_567.8, 2e11, 1e-6].map(number);
        assert_eq!(shown, ["0", "92.658", "-5.38", "3", "0.0106189", "1234568", "2.00000e11", "1.00000e-6"]);
    }

    /// Every file of the folder is in the list, and reads as a problem.
    #[test]
    fn every_problem_is_listed_and_reads() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/problems"));
        let mut files: Vec<String> = from_dir(dir).unwrap().into_iter().map(|(name, _)| name).collect();
        let mut listed: Vec<String> = PROBLEMS.iter().map(|(name, _)| (*name).to_string()).collect();
        files.sort();
        listed.sort();
        assert_eq!(files, listed);
        for (name, text) in PROBLEMS {
            let case = CaseFile::parse(text, name).unwrap().nominal().unwrap();
            let problem = case.problem().unwrap().unwrap_or_else(|| panic!("{name} has no [problem]"));
            assert!(!problem.sources.is_empty() && !problem.setup.is_empty(), "{name}");
            for e in case.expectations().unwrap() {
                assert!(e.source.is_some(), "{name}: {} has no source", e.label);
            }
        }
    }
}
