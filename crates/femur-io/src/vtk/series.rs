//! ParaView's lists of file series (`.vtu.series`): JSON with files and their times.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{IoError, Place};

#[derive(Deserialize)]
struct Series {
    files: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    name: PathBuf,
    time: f64,
}

/// Reads a list `NAME.vtu.series`: `(time, file)` sorted by time, files as paths that start from the list's folder.
///
/// # Errors
/// The file cannot be read, is no such list, or lists nothing.
pub fn read_file_series(path: impl AsRef<Path>) -> Result<Vec<(f64, PathBuf)>, IoError> {
    let path = path.as_ref();
    let text = std::fs::read_to_string(path).map_err(|source| IoError::System { file: path.into(), action: "cannot read", source })?;
    let fail = |line: usize, got: String| IoError::Malformed {
        file: path.into(),
        place: Place::Line(line),
        expected: "a list of files with finite times".into(),
        got,
        hint: "a series is {\"file-series-version\": \"1.0\", \"files\": [{\"name\": \"step_0.vtu\", \"time\": 0}]}",
    };
    let series: Series = serde_json::from_str(&text).map_err(|e| fail(e.line(), e.to_string()))?;
    if series.files.is_empty() {
        return Err(fail(1, "none".into()));
    }
    if let Some(step) = series.files.iter().find(|s| !s.time.is_finite()) {
        return Err(fail(1, format!("the time {}", step.time)));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut steps: Vec<(f64, PathBuf)> = series.files.into_iter().map(|s| (s.time, folder.join(s.name))).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_sorted_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.vtu.series");
        std::fs::write(
            &path,
            r#"{"file-series-version": "1.0", "files": [{"name": "a_1.vtu", "time": 2}, {"name": "a_0.vtu", "time": 0.5}]}"#,
        )
        .unwrap();
        assert_eq!(read_file_series(&path).unwrap(), [(0.5, dir.path().join("a_0.vtu")), (2.0, dir.path().join("a_1.vtu"))]);
        for (text, word) in [("{\"files\": []}", "none"), ("{\n\"files\": 3}", "line 2"), ("", "line 1")] {
            std::fs::write(&path, text).unwrap();
            let said = read_file_series(&path).unwrap_err().to_string();
            assert!(said.contains(word) && said.contains("a.vtu.series"), "{said}");
        }
    }
}
