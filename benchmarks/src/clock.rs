//! Wall time, CPU time of all threads, and the machine.

use std::fs;
use std::time::Instant;

/// Seconds of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seconds {
    /// On the wall clock.
    pub wall: f64,
    /// On the CPUs, all threads added up; it resists neighbours on a shared machine.
    pub cpu: f64,
}

/// Runs `work` and takes its time.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Seconds, T) {
    let (start, cpu) = (Instant::now(), process_cpu());
    let out = work();
    (Seconds { wall: start.elapsed().as_secs_f64(), cpu: process_cpu() - cpu }, out)
}

/// CPU seconds of this process's threads so far (Linux: the scheduler's nanoseconds; 0 elsewhere).
fn process_cpu() -> f64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return 0.0 };
    let of_task = |path: std::path::PathBuf| fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
    tasks.flatten().filter_map(|t| of_task(t.path())).sum::<f64>() * 1e-9
}

/// The middle of some numbers (of an even count, the mean of the two in the middle); NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => values[n / 2],
        _ => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

/// Processes that want to run, averaged over a minute.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Name of the processor.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(": "));
    name.map_or_else(|| "unknown processor".into(), |(_, n)| n.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn cpu_time_runs_with_work() {
        let (t, x) = timed(|| (0..3_000_000).map(|i| f64::from(i).sqrt()).sum::<f64>());
        assert!(x > 0.0 && t.wall > 0.0);
        assert!(t.cpu <= t.wall * 64.0);
    }
}
