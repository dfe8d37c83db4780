//! An XDMF file beside a trajectory file.

use anyhow::{Context as _, Result, bail};
use std::path::{Component, Path, PathBuf};

/// Writes the XDMF file; it names the trajectory file by the path from its own folder, so both may be moved together.
///
/// # Errors
/// The input is no trajectory file, the output cannot be written.
pub fn write_xdmf(input: &Path, output: &Path) -> Result<()> {
    if input.is_dir() {
        bail!("{}: is a directory\n  hint: --xdmf takes one .vtkhdf file", input.display());
    }
    if !output.extension().is_some_and(|e| e == "xdmf" || e == "xmf") {
        bail!("{}: must end in .xdmf", output.display());
    }
    let folder = match output.parent().filter(|d| !d.as_os_str().is_empty()) {
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            dir.to_path_buf()
        }
        None => PathBuf::from("."),
    };
    let real = |p: &Path| std::fs::canonicalize(p).with_context(|| format!("cannot read {}", p.display()));
    let reference = relative(&real(&folder)?, &real(input)?).to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
    if reference.contains(':') {
        bail!("{reference}: a colon in a path ends it for XDMF\n  hint: rename the file, or write the .xdmf beside it");
    }
    let text = femur_dataset::xdmf(input, &reference)?;
    std::fs::write(output, text).with_context(|| format!("cannot write {}", output.display()))
}

/// The way from a folder to a file, both absolute.
fn relative(folder: &Path, file: &Path) -> PathBuf {
    let (a, b): (Vec<Component<'_>>, Vec<Component<'_>>) = (folder.components().collect(), file.components().collect());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    std::iter::repeat_n(Component::ParentDir, a.len() - common).chain(b[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_from_folder_to_file() {
        let way = |a: &str, b: &str| relative(Path::new(a), Path::new(b)).to_string_lossy().into_owned();
        assert_eq!(way("/a/b", "/a/b/c.h5"), "c.h5");
        assert_eq!(way("/a/b", "/a/c/d.h5"), "../c/d.h5");
        assert_eq!(way("/", "/c.h5"), "c.h5");
    }
}
