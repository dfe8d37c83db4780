//! With the feature `petsc`: asks pkg-config for PETSc and mpicc for MPI.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_PETSC").is_none() {
        return;
    }
    let petsc = ["petsc", "PETSc", "petsc-real"].iter().find_map(|name| said("pkg-config", &["--libs", name]));
    let mpi = said("mpicc", &["--showme:link"]).or_else(|| said("mpicc", &["-link_info"]));
    let (Some(petsc), Some(mpi)) = (petsc, mpi) else {
        eprintln!(
            "femur-petsc: PETSc and MPI are needed for the feature `petsc` (Debian, Ubuntu: apt-get install petsc-dev libopenmpi-dev)"
        );
        std::process::exit(1);
    };
    for word in petsc.split_whitespace().chain(mpi.split_whitespace()) {
        if let Some(path) = word.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={path}");
        } else if let Some(library) = word.strip_prefix("-l") {
            println!("cargo::rustc-link-lib=dylib={library}");
        }
    }
}

/// What a program prints, if it succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let out = Command::new(program).args(arguments).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}
