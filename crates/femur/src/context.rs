//! What every verb shares: threads, messages on stderr, progress, Ctrl-C.

use crate::cli::{Format, Global};
use crate::device::DeviceName;
use anyhow::{Context as _, Result};
use femur_learn::Device;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C (or SIGTERM) came: long work ends at its next safe point.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Options and streams of this call.
pub struct Context {
    /// Number of threads.
    pub threads: usize,
    /// Form of stdout.
    pub format: Format,
    device: DeviceName,
    quiet: bool,
    log: Option<Mutex<File>>,
    live: bool,
}

impl Context {
    /// Sets up threads, log file and the Ctrl-C handler.
    pub fn new(global: &Global) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = global.threads.map_or(cores, usize::from);
        // A second pool in one process (tests) keeps the first one's size: results do not depend on it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        let log = match &global.log {
            Some(path) => {
                let file = File::options().create(true).append(true).open(path);
                Some(Mutex::new(file.with_context(|| format!("cannot open the log file {}", path.display()))?))
            }
            None => None,
        };
        let _ = ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            errln!("\nstopping at the next safe point (again to stop at once)");
        });
        Ok(Context {
            threads,
            format: global.format,
            device: global.device,
            quiet: global.quiet,
            log,
            live: std::io::stderr().is_terminal(),
        })
    }

    /// What networks are computed on, if that is not this process.
    pub fn device(&self) -> Result<Option<Arc<dyn Device>>> {
        self.device.open()
    }

    /// A line for the person: stderr, unless --quiet; the log file in any case.
    pub fn say(&self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if let Some(log) = &self.log
            && let Ok(mut log) = log.lock()
        {
            let _ = writeln!(log, "{line}");
        }
        if !self.quiet {
            errln!("{}{line}", if self.live { "\r\x1b[K" } else { "" });
        }
    }

    /// A warning, shown even with --quiet.
    pub fn warn(&self, line: impl AsRef<str>) {
        let line = format!("warning: {}", line.as_ref());
        if self.quiet {
            errln!("{line}");
        } else {
            self.say(line);
        }
    }

    /// Whether stdout is to be JSON.
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// A progress line over `total` pieces of work.
    pub fn progress<'a>(&'a self, what: &'a str, total: usize, done: usize) -> Progress<'a> {
        Progress {
            context: self,
            what,
            total,
            done: AtomicU64::new(done as u64),
            already: done,
            start: Instant::now(),
            last: Mutex::new(Instant::now()),
        }
    }
}

/// Counts pieces of work and shows how many are done and how long the rest will take.
pub struct Progress<'a> {
    context: &'a Context,
    what: &'a str,
    total: usize,
    done: AtomicU64,
    already: usize,
    start: Instant,
    last: Mutex<Instant>,
}

impl Progress<'_> {
    /// One more piece is done.
    pub fn tick(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) as usize + 1;
        let Ok(mut last) = self.last.lock() else { return };
        // A terminal gets a live line; a file gets a line every ten seconds.
        let pause = if self.context.live { 0.1 } else { 10.0 };
        if self.context.quiet || (last.elapsed().as_secs_f64() < pause && done < self.total) {
            return;
        }
        *last = Instant::now();
        let elapsed = self.start.elapsed().as_secs_f64();
        let rate = (done - self.already) as f64 / elapsed.max(1e-9);
        let left = (self.total - done.min(self.total)) as f64 / rate.max(1e-9);
        let line = format!("{}: {done}/{} ({rate:.1}/s, {} left)", self.what, self.total, duration(left));
        if self.context.live && done < self.total {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            let _ = std::io::stderr().flush();
        } else {
            self.context.say(line);
        }
    }
}

/// An error with its causes, each said once: many errors name their cause themselves.
pub fn message(error: &anyhow::Error) -> String {
    let mut out = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !out.contains(&cause) {
            out += if out.is_empty() { "" } else { ": " };
            out += &cause;
        }
    }
    out
}

/// Seconds in words: `45 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}
