//! Which files are runs: paths with `*` and `?`, in an order that counts numbers as numbers, cut into splits.

use std::cmp::Ordering;
use std::path::{Component, Path, PathBuf};

/// The files that a path with `*` and `?` in any of its parts names, relative to `dir`, as written (with `dir` left out), sorted.
pub(super) fn matches(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let mut next = Vec::new();
        for base in &found {
            match part {
                Component::Normal(name) if name.to_string_lossy().contains(['*', '?']) => {
                    let listing = std::fs::read_dir(dir.join(base)).map(|d| d.flatten().collect::<Vec<_>>()).unwrap_or_default();
                    let names = listing.into_iter().map(|e| e.file_name().to_string_lossy().into_owned());
                    let wanted = name.to_string_lossy();
                    // a hidden file is not meant by a star
                    let fits = names.filter(|n| fits(wanted.as_bytes(), n.as_bytes()) && (!n.starts_with('.') || wanted.starts_with('.')));
                    next.extend(fits.map(|n| base.join(n)));
                }
                other => next.push(base.join(other)),
            }
        }
        found = next;
    }
    found.retain(|f| dir.join(f).is_file());
    found.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    found
}

/// Whether a name fits a pattern in which `*` stands for any characters and `?` for one.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // where to go on after the last star took one character more
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match back {
                Some((after, taken)) => {
                    (p, n) = (after, taken + 1);
                    back = Some((after, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Order of names in which `run_2` stands before `run_10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let number = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (i, j) = (number(x), number(y));
        if i > 0 && j > 0 {
            let (m, n) = (x[..i].trim_start_matches('0'), y[..j].trim_start_matches('0'));
            let order = m.len().cmp(&n.len()).then_with(|| m.cmp(n));
            if order != Ordering::Equal {
                return order;
            }
            (x, y) = (&x[i..], &y[j..]);
            continue;
        }
        match (x.chars().next(), y.chars().next()) {
            (Some(c), Some(d)) if c == d => (x, y) = (&x[c.len_utf8()..], &y[d.len_utf8()..]),
            (None, None) => return a.cmp(b),
            (c, d) => return c.cmp(&d),
        }
    }
}

/// How many of `n` files go to train, valid and test by fractions that sum to 1: each split with a fraction gets at least one file
/// where there are enough.
pub(super) fn counts(n: usize, fractions: [f64; 3]) -> [usize; 3] {
    let share = |f: f64| if f > 0.0 && n >= 3 { ((f * n as f64).round() as usize).max(1) } else { (f * n as f64).round() as usize };
    let valid = share(fractions[1]).min(n);
    let test = share(fractions[2]).min(n - valid);
    [n - valid - test, valid, test]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("a*.vtu", "a1.vtu", true),
            ("a*.vtu", "a.vtu", true),
            ("*", "", true),
            ("*b*c", "abbxc", true),
            ("*b*c", "abbx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("r1/deep")).unwrap();
        for name in ["r1/a_10.vtu", "r1/a_9.vtu", "r1/.a_1.vtu", "r1/deep/a_1.vtu", "b.txt"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = |p: &str| matches(dir.path(), p).iter().map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>();
        assert_eq!(found("r?/a*.vtu"), ["r1/a_9.vtu", "r1/a_10.vtu"]);
        assert_eq!(found("*/*/a_1.vtu"), ["r1/deep/a_1.vtu"]);
        assert_eq!(found("./b.txt"), ["./b.txt"]);
        assert!(found("nothing*").is_empty() && found("r1").is_empty());
    }

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["run_10", "run_2", "run_02b", "run", "a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "run", "run_2", "run_02b", "run_10"]);
    }

    #[test]
    fn fractions_leave_nothing_over() {
        assert_eq!(counts(10, [0.8, 0.1, 0.1]), [8, 1, 1]);
        assert_eq!(counts(4, [0.8, 0.1, 0.1]), [2, 1, 1]);
        assert_eq!(counts(1, [0.8, 0.1, 0.1]), [1, 0, 0]);
        assert_eq!(counts(2, [0.0, 0.0, 1.0]), [0, 0, 2]);
        assert_eq!(counts(3, [0.5, 0.5, 0.0]), [1, 2, 0]);
    }
}
