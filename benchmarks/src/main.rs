//! `femur-bench WORK`: times Femur beside the programs of its field and prints a JSON line a row (`benchmarks/README.md`).

use anyhow::{Result, bail};
use clap::Parser as _;
use femur_benchmarks::options::Options;
use femur_benchmarks::{clock, table, works};
use std::process::Command;

/// As in `femur` itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Set once the program has put itself on one core.
const PINNED: &str = "FEMUR_BENCH_PINNED";

fn main() -> Result<()> {
    let options = Options::parse();
    if options.threads == 1 && !options.quick && std::env::var_os(PINNED).is_none() {
        pin();
    }
    rayon::ThreadPoolBuilder::new().num_threads(options.threads()).build_global()?;
    let load = clock::load().unwrap_or(f64::NAN);
    eprintln!("femur-bench: {}, {} thread(s), load {load:.1}", clock::processor(), options.threads);
    if load > 0.5 {
        eprintln!("femur-bench: the machine is busy: believe ratios and CPU times rather than wall times");
    }
    let chosen: Vec<_> = works::WORKS.iter().filter(|w| options.work == "all" || options.work == w.name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = works::WORKS.iter().map(|w| w.name).collect();
        bail!("`{}` is not known\n  hint: one of {}, all", options.work, names.join(", "));
    }
    if options.table {
        println!("{}", table::HEAD);
    }
    for work in chosen {
        (work.run)(&options, &mut |row| {
            if options.table { println!("{}", table::row(&row)) } else { println!("{row}") }
        })?;
    }
    Ok(())
}

/// Starts this program again on one core, where `taskset` is installed; the peers inherit it.
fn pin() {
    use std::os::unix::process::CommandExt as _;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let Some(core) = allowed.trim().rsplit(['-', ',']).next().filter(|c| !c.is_empty()) else { return };
    let Ok(exe) = std::env::current_exe() else { return };
    let error = Command::new("taskset").args(["-c", core]).arg(exe).args(std::env::args_os().skip(1)).env(PINNED, "1").exec();
    eprintln!("femur-bench: not kept on one core: taskset: {error}");
}
