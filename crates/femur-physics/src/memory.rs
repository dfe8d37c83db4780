//! The memory that a factorisation may count on.

use std::path::Path;

/// Bytes that a program can still have: what the system says is available, and what the control groups around it (a container, a job on
/// a cluster) leave of their limits; `None` where the system does not say.
pub(crate) fn memory_at_hand() -> Option<f64> {
    at_hand(Path::new("/"))
}

fn at_hand(root: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kb| 1024.0 * kb)?;
    Some(left_by_groups(root).fold(available, f64::min))
}

/// Names of the files of a version of control groups: the limit, what is used, and of the statistics the line of what could be dropped.
const VERSIONS: [[&str; 3]; 2] =
    [["memory.max", "memory.current", "inactive_file"], ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"]];

/// What each group with a limit leaves. A line of `/proc/self/cgroup` is `number:controllers:path`; version 2 has no controllers.
fn left_by_groups(root: &Path) -> impl Iterator<Item = f64> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut left = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, version) = match controllers {
            "" => ("sys/fs/cgroup", 0),
            _ if controllers.split(',').any(|c| c == "memory") => ("sys/fs/cgroup/memory", 1),
            _ => continue,
        };
        let mount = root.join(mount);
        // The limits of all groups above count too. In a container the path may be that outside of it, of which only the root is seen.
        let own = mount.join(path.trim_start_matches('/'));
        left.extend(own.ancestors().take_while(|at| at.starts_with(&mount)).filter_map(|at| left_in(at, VERSIONS[version])));
    }
    left.into_iter()
}

/// What the group of a folder leaves; `None` without a limit.
fn left_in(folder: &Path, [limit, used, reclaimable]: [&str; 3]) -> Option<f64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let statistics = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let dropped = statistics.lines().find_map(|l| l.strip_prefix(reclaimable)?.trim().parse::<f64>().ok()).unwrap_or(0.0);
    Some((number(limit)? - (number(used)? - dropped).max(0.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_least_that_system_and_groups_leave_is_at_hand() {
        let meminfo = ("proc/meminfo", "MemTotal:  2000 kB\nMemAvailable:    1000 kB\n");
        let at = |files: &[(&str, &str)]| at_hand(tree(files).path());
        assert_eq!(at(&[]), None);
        assert_eq!(at(&[meminfo]), Some(1_024_000.0));
        let two = [
            meminfo,
            ("proc/self/cgroup", "0::/job/step\n"),
            ("sys/fs/cgroup/job/memory.max", "500000\n"),
            ("sys/fs/cgroup/job/memory.current", "300000\n"),
            ("sys/fs/cgroup/job/memory.stat", "anon 1\ninactive_file 100000\n"),
            ("sys/fs/cgroup/job/step/memory.max", "max\n"),
            ("sys/fs/cgroup/job/step/memory.current", "300000\n"),
        ];
        assert_eq!(at(&two), Some(300_000.0));
        let one = [
            meminfo,
            ("proc/self/cgroup", "5:cpu:/\n4:memory,hugetlb:/outside/of/the/container\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "90000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "100000\n"),
        ];
        assert_eq!(at(&one), Some(0.0));
    }
}
