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
    let mut stars: Vec<Vec<[u32; 2]>> = vec![Vec::new(); points.len()];
    let mut poor = vec![false; points.len()];
    for &[a, b, c] in triangles {
        stars[a as usize].push([b, c]);
        stars[b as usize].push([c, a]);
        stars[c as usize].push([a, b]);
        if least_angle([a, b, c].map(|n| points[n as usize])) < GOOD_ANGLE {
            [a, b, c].iter().for_each(|&n| poor[n as usize] = true);
        }
    }
    let mut any = false;
    for _ in 0..4 {
        let mut moved = false;
        for n in fixed..points.len() {
            if !poor[n] || stars[n].is_empty() {
                continue;
            }
            let worst =
                |p: [f64; 2]| stars[n].iter().map(|s| least_angle([p, points[s[0] as usize], points[s[1] as usize]])).fold(180.0, f64::min);
            let (mut at, mut best) = (points[n], worst(points[n]));
            let mut step = 0.2
                * stars[n].iter().map(|s| points[s[0] as usize]).map(|q| (q[0] - at[0]).hypot(q[1] - at[1])).fold(f64::INFINITY, f64::min);
            for _ in 0..12 {
                let better = (0..8)
                    .map(|k| {
                        let (sin, cos) = (f64::from(k) * std::f64::consts::FRAC_PI_4).sin_cos();
                        let p = [at[0] + step * cos, at[1] + step * sin];
                        (p, worst(p))
                    })
                    .max_by(|a, b| a.1.total_cmp(&b.1))
                    .filter(|(_, angle)| *angle > best + 1e-6);
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

/// Smallest angle of a triangle [deg]; negative where it is turned over.
fn least_angle([a, b, c]: [[f64; 2]; 3]) -> f64 {
    let angle = |p: [f64; 2], q: [f64; 2], r: [f64; 2]| {
        let (u, v) = ([q[0] - p[0], q[1] - p[1]], [r[0] - p[0], r[1] - p[1]]);
        (u[0] * v[1] - u[1] * v[0]).atan2(u[0] * v[0] + u[1] * v[1]).to_degrees()
    };
    angle(a, b, c).min(angle(b, c, a)).min(angle(c, a, b))
}
