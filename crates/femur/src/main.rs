//! `femur`: parses what was typed, runs the verb, prints errors with their hint. Exit codes: 0 done, 1 failed, 2 wrong
//! usage, 130 interrupted.

use clap::Parser;
use femur::cli::Cli;
use femur::{context, errln, verbs};
use std::process::ExitCode;

/// Training frees and asks for megabytes in each operation. The C library's allocator gives such memory back to the system, whose page
/// faults then stop both threads: 1000 updates of plate-heat took 15 s with it, 10 s with this one (2 cores).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
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
