//! t
use femur_solve::dense::{View, gemm_f32};
use std::time::Instant;
fn main() {
    for (m, k, n) in [
        (192, 64, 64),
        (750, 64, 64),
        (4300, 64, 64),
        (750, 64, 128),
        (750, 128, 64),
        (192, 128, 128),
        (4300, 128, 128),
        (750, 64, 32),
        (750, 37, 64),
        (4300, 4, 64),
    ] {
        let a = vec![0.5f32; m * k];
        let b = vec![0.25f32; k * n];
        let mut c = vec![0f32; m * n];
        let mut g = vec![0f32; k * n];
        let reps = (2e9 / (2.0 * (m * k * n) as f64)) as usize;
        let t = Instant::now();
        for _ in 0..reps {
            gemm_f32(&mut c, View::new(&a, m, k), View::new(&b, k, n), false);
        }
        let s1 = t.elapsed().as_secs_f64();
        let t = Instant::now();
        for _ in 0..reps {
            gemm_f32(&mut g, View::new(&a, m, k).t(), View::new(&c, m, n), true);
        }
        let s2 = t.elapsed().as_secs_f64();
        let mut d = vec![0f32; m * k];
        let t = Instant::now();
        for _ in 0..reps {
            gemm_f32(&mut d, View::new(&c, m, n), View::new(&b, k, n).t(), false);
        }
        let s3 = t.elapsed().as_secs_f64();
        let f = 2.0 * (m * k * n * reps) as f64 / 1e9;
        println!("{m}x{k}x{n}: NN {:.0} TN {:.0} NT {:.0} GF", f / s1, f / s2, f / s3);
    }
}
