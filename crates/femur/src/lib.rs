//! The command line of Femur, one file per verb, and a prelude for library users.

/// `println!` that goes on where nobody reads any more, as behind `| head`: a line must not cost a training.
#[macro_export]
macro_rules! outln {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

/// The same on stderr.
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

pub mod cli;
pub mod context;
pub mod derive;
pub mod device;
#[cfg(feature = "petsc")]
mod distributed;
pub mod export;
pub mod import;
pub mod plot;
pub mod problems;
mod processes;
pub mod report;
pub mod source;
pub mod templates;
pub mod tensorboard;
pub mod verbs;

/// The names most programs on top of Femur want.
pub mod prelude {
    pub use femur_dataset::{Dataset, read_trajectory, write_trajectory};
    pub use femur_io::{read_mesh, write_mesh};
    pub use femur_learn::Surrogate;
    pub use femur_mesh::{CellBlock, CellKind, Field, Location, Mesh, Tags};
    pub use femur_physics::{PHYSICS, Physics};
    pub use femur_sim::case::{Case, CaseFile};
    pub use femur_sim::{Setup, Simulator, State, Trajectory, rollout};
}
