//! Moving interior points: towards their neighbours' weighted middle, then to where the worst angle is best.

/// Triangles with a smaller angle than this [deg] are worth an optimisation.
const GOOD_ANGLE: f64 = 33.0;

/// Moves each interior point to the mean of its triangles' centroids, weighted by area over the square of the wanted size,
/// which is given at the points.
pub(super) fn smooth(points: &mut [[f64; 2]], fixed: usize, triangles: &[[u32; 3]], wanted: &[f64]) {
    let mut sum = vec![[0.0; 3]; points.len()];
    for t in triangles {
        let [a, b, c] = t.map(|n| points[n as usize]);
        let area = 0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));
        let center = [(a[0] + b[0] + c[0]) / 3.0, (a[1] + b[1] + c[1]) / 3.0];
        let size = t.iter().map(|&n| wanted[n as usize]).sum::<f64>() / 3.0;
        let weight = area / size.powi(2);
        for &n in t {
            let s = &mut sum[n as usize];
            s[0] += weight * center[0];
            s[1] += weight * center[1];
            s[2] += weight;
        }
    }
    for (p, s) in points.iter_mut().zip(&sum).skip(fixed) {
        if s[2] > 0.0 {
            *p = [s[0] / s[2], s[1] / s[2]];
        }
    }
}

/// Moves the interior points of poor triangles uphill in the least angle around them (a pattern search with shrinking steps).
/// True if any point moved.
pub(super) fn optimise(points: &mut [[f64; 2]], fixed: usize, triangles: &[[u32; 3]]) -> bool {
    let mut poor = vec![false; points.len()];
    let good = (GOOD_ANGLE + 1e-9).to_radians().tan();
    let mut all_good = true;
    for &[a, b, c] in triangles {
        if !exceeds([a, b, c].map(|n| points[n as usize]), good) && least_angle([a, b, c].map(|n| points[n as usize])) < GOOD_ANGLE {
            [a, b, c].iter().for_each(|&n| poor[n as usize] = true);
            all_good = false;
        }
    }
    if all_good {
        return false;
    }
    let mut stars: Vec<Vec<[u32; 2]>> = vec![Vec::new(); points.len()];
    for &[a, b, c] in triangles {
        for (n, side) in [(a, [b, c]), (b, [c, a]), (c, [a, b])] {
            if poor[n as usize] && n as usize >= fixed {
                stars[n as usize].push(side);
            }
        }
    }
    let directions: [(f64, f64); 8] = std::array::from_fn(|k| (k as f64 * std::f64::consts::FRAC_PI_4).sin_cos());
    let mut any = false;
    for _ in 0..4 {
        let mut moved = false;
        for n in fixed..points.len() {
            if !poor[n] || stars[n].is_empty() {
                continue;
            }
            let star: Vec<[[f64; 2]; 2]> = stars[n].iter().map(|s| s.map(|n| points[n as usize])).collect();
            let worst = |p: [f64; 2]| star.iter().map(|&[q, r]| least_angle([p, q, r])).fold(180.0, f64::min);
            let (mut at, mut best) = (points[n], worst(points[n]));
            let mut step = 0.2 * star.iter().map(|s| (s[0][0] - at[0]).hypot(s[0][1] - at[1])).fold(f64::INFINITY, f64::min);
            for _ in 0..12 {
                let mut better: Option<([f64; 2], f64)> = None;
                // Most places are worse than the best so far in some triangle, which a tangent shows.
                let bar = (best - 1e-9).to_radians().tan();
                for (sin, cos) in directions {
                    let p = [at[0] + step * cos, at[1] + step * sin];
                    if (0.0..60.0).contains(&best) && !star.iter().all(|&[q, r]| exceeds([p, q, r], bar)) {
                        continue;
                    }
                    let angle = worst(p);
                    if angle > best + 1e-6 && better.is_none_or(|(_, b)| angle >= b) {
                        better = Some((p, angle));
                    }
                }
                match better {
                    Some(b) => ((at, best), moved) = (b, true),
                    None => step *= 0.5,
                }
            }
            points[n] = at;
        }
        any |= moved;
        if !moved {
            break;
        }
    }
    any
}

/// Whether every angle of a triangle is acute and has a larger tangent, or is not acute.
fn exceeds([a, b, c]: [[f64; 2]; 3], tangent: f64) -> bool {
    let minus = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
    let (ab, bc, ca) = (minus(b, a), minus(c, b), minus(a, c));
    let area = ab[0] * bc[1] - ab[1] * bc[0];
    let dot = |u: [f64; 2], v: [f64; 2]| -(u[0] * v[0] + u[1] * v[1]);
    area > 0.0 && [dot(ab, ca), dot(bc, ab), dot(ca, bc)].into_iter().all(|d| area > tangent * d)
}

/// Smallest angle of a triangle [deg]; negative where it is turned over.
fn least_angle([a, b, c]: [[f64; 2]; 3]) -> f64 {
    let angle = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        let (u, v) = ([q[0] - p[0], q[1] - p[1]], [r[0] - p[0], r[1] - p[1]]);
        (u[0] * v[1] - u[1] * v[0]).atan2(u[0] * v[0] + u[1] * v[1]).to_degrees()
    };
    angle(a, b, c).min(angle(b, c, a)).min(angle(c, a, b))
}
