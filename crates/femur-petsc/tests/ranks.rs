//! The 1D Laplacian over the ranks of `mpirun`; this program starts itself under it. Only with the feature `petsc`.
#![cfg(feature = "petsc")]

use femur_petsc::{Options, Rows, Session};
use std::process::Command;

const N: usize = 200;

/// Rows `from..to` of the matrix with 2 on the diagonal and -1 beside it.
fn rows(from: usize, to: usize) -> (Vec<i32>, Vec<i32>, Vec<f64>) {
    let (mut ptr, mut idx, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in from..to {
        for (j, v) in [(i.wrapping_sub(1), -1.0), (i, 2.0), (i + 1, -1.0)] {
            if j < N {
                idx.push(j as i32);
                values.push(v);
            }
        }
        ptr.push(idx.len() as i32);
    }
    (ptr, idx, values)
}

fn one_rank() {
    let session = Session::start().unwrap();
    let (from, to) = (N * session.rank() / session.size(), N * (session.rank() + 1) / session.size());
    let (row_ptr, col_idx, values) = rows(from, to);
    let rows = Rows { total: N, block: 1, row_ptr: &row_ptr, col_idx: &col_idx, values: &values, coordinates: None };
    let rhs = vec![1.0; to - from];
    let (x, report) = session.solve(&rows, &rhs, &Options { tolerance: 1e-12, max_iterations: 1000 }).unwrap();
    assert!(report.reason > 0, "{report:?}");
    // x_i = (i + 1) (N - i) / 2
    let worst = x.iter().enumerate().map(|(i, x)| (x - 0.5 * ((i + 1) * (N - i)) as f64).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-6 && x.len() == N, "{worst}");
    let ranks = session.share(&vec![session.rank() as f64; to - from], N).unwrap();
    assert_eq!(ranks[N - 1], (session.size() - 1) as f64);
    // rows that do not fit together are an error, not a crash
    assert!(session.solve(&Rows { row_ptr: &row_ptr[1..], ..rows }, &rhs, &Options { tolerance: 1e-6, max_iterations: 9 }).is_err());
    println!("rank {} of {} agrees", session.rank(), session.size());
}

#[test]
fn one_and_two_ranks_solve_the_same() {
    if std::env::var_os("FEMUR_TEST_RANK").is_some() {
        return one_rank();
    }
    for ranks in ["1", "2"] {
        let mut mpirun = Command::new("mpirun");
        mpirun.args(["--allow-run-as-root", "--oversubscribe", "-n", ranks]).arg(std::env::current_exe().unwrap());
        mpirun.args(["--exact", "one_and_two_ranks_solve_the_same", "--nocapture", "--test-threads", "1"]).env("FEMUR_TEST_RANK", "1");
        let out = mpirun.output().expect("mpirun is there with PETSc");
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        assert_eq!(text.matches("agrees").count().to_string(), ranks, "{text}");
    }
}
