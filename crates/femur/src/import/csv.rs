//! Parameters of runs from a table of comma-separated values.

use anyhow::{Context as _, Result, bail};
use femur_sim::Param;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One row a run: numbers by column, found by the run's file.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    path: PathBuf,
    columns: Vec<String>,
    rows: BTreeMap<String, (usize, Vec<f64>)>,
}

impl Parameters {
    /// Reads a table whose first line names the columns. `key` is the column that holds the runs' files (default: the first),
    /// `columns` those to take (default: every other).
    ///
    /// # Errors
    /// No such file or column, a line of another length, a value that is no finite number, a run that stands there twice.
    pub(super) fn read(path: &Path, key: Option<&str>, columns: Option<&[String]>) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = text.trim_start_matches('\u{feff}');
        let at = |line: usize| format!("{}:{line}", path.display());
        let mut lines = text.lines().enumerate().map(|(i, l)| (i + 1, l)).filter(|(_, l)| !l.trim().is_empty());
        let Some((first, head)) = lines.next() else { bail!("{}: the table is empty", path.display()) };
        let separator = [',', ';', '\t'].into_iter().max_by_key(|s| head.matches(*s).count()).unwrap_or(',');
        let head = split(head, separator);
        let place = |name: &str| match head.iter().position(|h| h == name) {
            Some(k) => Ok(k),
            None => bail!("{}: there is no column `{name}`\n  hint: the columns are {}", at(first), head.join(", ")),
        };
        let key = key.map_or(Ok(0), place)?;
        let taken: Vec<usize> = match columns {
            Some(names) => names.iter().map(|n| place(n)).collect::<Result<_>>()?,
            None => (0..head.len()).filter(|k| *k != key).collect(),
        };
        let mut rows = BTreeMap::new();
        for (number, line) in lines {
            let cells = split(line, separator);
            if cells.len() != head.len() {
                bail!("{}: {} values, but the first line names {} columns", at(number), cells.len(), head.len());
            }
            let value = |k: &usize| match cells[*k].parse::<f64>() {
                Ok(v) if v.is_finite() => Ok(v),
                _ => bail!(
                    "{}: `{}`: expected a finite number, got `{}`\n  hint: name the numeric columns, [parameters] columns = [...]",
                    at(number),
                    head[*k],
                    cells[*k]
                ),
            };
            let row = taken.iter().map(value).collect::<Result<Vec<f64>>>()?;
            if rows.insert(cells[key].clone(), (number, row)).is_some() {
                bail!("{}: `{}` stands there twice", at(number), cells[key]);
            }
        }
        Ok(Parameters { path: path.into(), columns: taken.into_iter().map(|k| head[k].clone()).collect(), rows })
    }

    /// The columns, in the order of the table.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The parameters of a run, which the table may call by its path as the map writes it, its file name or its stem.
    ///
    /// # Errors
    /// No row for this run.
    pub(super) fn of(&self, shown: &str) -> Result<Vec<Param>> {
        let path = Path::new(shown);
        let part = |p: Option<&std::ffi::OsStr>| p.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let names = [shown.to_string(), part(path.file_name()), part(path.file_stem())];
        match names.iter().find_map(|n| self.rows.get(n)) {
            Some((_, row)) => Ok(self.columns.iter().zip(row).map(|(c, v)| Param { path: c.clone(), value: *v }).collect()),
            None => {
                bail!("{}: there is no row for the run {shown}\n  hint: it may be called {}", self.path.display(), names[1..].join(" or "))
            }
        }
    }
}

/// Cells of a line, with blanks and quotes around them taken away.
fn split(line: &str, separator: char) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c == separator && !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells.iter().map(|c| c.trim().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, key: Option<&str>, columns: Option<&[String]>) -> Result<Parameters> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.csv");
        std::fs::write(&path, text).unwrap();
        Parameters::read(&path, key, columns)
    }

    #[test]
    fn rows_are_found_by_path_name_and_stem() {
        let p = read("run; E ;\"force\"\nruns/a.vtu;1e3; 2\n\nb.vtu;4;5\nc;6;7\n", None, None).unwrap();
        assert_eq!(p.columns(), ["E", "force"]);
        let values = |run: &str| p.of(run).unwrap().iter().map(|p| p.value).collect::<Vec<_>>();
        assert_eq!((values("runs/a.vtu"), values("x/b.vtu"), values("x/c.pvd")), (vec![1e3, 2.0], vec![4.0, 5.0], vec![6.0, 7.0]));
        assert!(p.of("d.vtu").unwrap_err().to_string().contains("d.vtu"));
        let p = read("note,run,E\nsoft,a,1\n", Some("run"), Some(&["E".to_string()])).unwrap();
        assert_eq!(p.of("a.vtu").unwrap()[0].path, "E");
    }

    #[test]
    fn faults_are_named_with_their_line() {
        for (text, words) in [
            ("", vec!["empty"]),
            ("run,E\na,1,2\n", vec!["p.csv:2", "3 values"]),
            ("run,E\na,soft\n", vec!["p.csv:2", "`E`", "soft", "hint"]),
            ("run,E\na,nan\n", vec!["p.csv:2", "nan"]),
            ("run,E\na,1\na,2\n", vec!["p.csv:3", "twice"]),
        ] {
            let said = read(text, None, None).unwrap_err().to_string();
            assert!(words.iter().all(|w| said.contains(w)), "{said}");
        }
        assert!(read("run,E\n", Some("file"), None).unwrap_err().to_string().contains("run, E"));
    }
}
