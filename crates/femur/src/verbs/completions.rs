//! `femur completions`.

use crate::cli::Cli;
use anyhow::Result;
use clap::CommandFactory;
use std::io::Write as _;
use std::process::ExitCode;

/// Prints the completion script of a shell.
pub fn run(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "femur", &mut script);
    // Nobody may read to the end.
    let _ = std::io::stdout().write_all(&script);
    Ok(ExitCode::SUCCESS)
}
