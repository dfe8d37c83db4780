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

/// Time after which the allocator gives freed memory back to the system, as its options.c has it, and a shorter one [ms].
const USUAL: c_long = 1000;
const SOON: c_long = 10;

/// Changes that time where it is `from`; whether it was.
fn give_back_after(from: c_long, to: c_long) -> bool {
    unsafe extern "C" {
        fn mi_option_get(option: c_int) -> c_long;
        fn mi_option_set(option: c_int, value: c_long);
    }
    /// `mi_option_purge_delay` of mimalloc.h.
    const PURGE_DELAY: c_int = 15;
    // SAFETY: [`ALLOCATOR`] brings both functions, and they take any number. Where another value shows that the number means something else
    // by now, or that the environment sets the time, nothing is set.
    unsafe {
        let found = mi_option_get(PURGE_DELAY) == from;
        if found {
            mi_option_set(PURGE_DELAY, to);
        }
        found
    }
}

fn main() -> ExitCode {
    // What assembly and ordering leave should not be held beside a factorisation: of the 80,892 dofs of `femur-bench whole-program` that
    // is a seventh of the peak. Set before anything is freed, since what waits keeps the time of then.
    let soon = give_back_after(USUAL, SOON);
    let cli = Cli::parse();
    if soon && !matches!(cli.verb, Verb::Solve { .. }) {
        give_back_after(SOON, USUAL);
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
