//! The works, one file each: what is timed, on what sizes, against whom.

mod amg;
mod assembly;
mod direct;
mod explicit;
mod learning;
mod many_cases;
mod matrix_free;
mod navier_stokes;
mod plate;
mod whole_program;

use crate::options::Options;
use anyhow::Result;
use serde_json::Value;

/// A work: rows of the table.
pub struct Work {
    /// Name on the command line.
    pub name: &'static str,
    /// Runs its rows and hands each over as a JSON line.
    pub run: fn(&Options, &mut dyn FnMut(Value)) -> Result<()>,
}

/// Every work.
pub static WORKS: &[Work] = &[
    Work { name: "assembly", run: assembly::run },
    Work { name: "direct", run: direct::run },
    Work { name: "amg", run: amg::run },
    Work { name: "matrix-free", run: matrix_free::run },
    Work { name: "explicit", run: explicit::run },
    Work { name: "whole-program", run: whole_program::run },
    Work { name: "many-cases", run: many_cases::run },
    Work { name: "navier-stokes", run: navier_stokes::run },
    Work { name: "learning", run: learning::run },
];
