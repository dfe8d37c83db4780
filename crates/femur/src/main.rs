//! `femur`: parses what was typed, runs the verb, prints errors with their hint. Exit codes: 0 done, 1 failed, 2 wrong
//! usage, 130 interrupted.

use clap::Parser;
use femur::cli::{Cli, Verb};
use femur::{context, errln, verbs};
use std::ffi::{c_int, c_long};
use std::process::ExitCode;

/// Training frees and asks for megabytes in each operation. The C library's allocator gives such memory back to the system, whose page
/// faults then stop both threads: 1000 updates of plate-heat took 15 s with it, 10 s with this one (2 cores).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Lets the allocator give freed memory back after 10 ms instead of a second: what assembly and ordering leave is then not held beside a
/// factorisation (of the 80,892 dofs of `femur-bench whole-program` a seventh of the peak).
fn give_back_soon() {
    unsafe extern "C" {
        fn mi_option_get(option: c_int) -> c_long;
        fn mi_option_set(option: c_int, value: c_long);
    }
    /// `mi_option_purge_delay` of mimalloc.h, and its default in options.c [ms].
    const PURGE_DELAY: c_int = 15;
    const DEFAULT: c_long = 1000;
    // SAFETY: [`ALLOCATOR`] brings both functions, and they take any number. Where another default shows that the number means something
    // else by now, or the environment says otherwise, nothing is set.
    unsafe {
        if mi_option_get(PURGE_DELAY) == DEFAULT {
            mi_option_set(PURGE_DELAY, 10);
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if matches!(cli.verb, Verb::Solve { .. }) {
        give_back_soon();
    }
    let result = context::Context::new(&cli.global).and_then(|context| verbs::run(cli.verb, &context));
    match result {
        Ok(code) => code,
        Err(_) if context::interrupted() => {
            errln!("interrupted: generate and train keep what is finished, go on with --resume");
            ExitCode::from(130)
        }
        Err(error) => {
            errln!("error: {}", context::message(&error));
            ExitCode::FAILURE
        }
    }
}
