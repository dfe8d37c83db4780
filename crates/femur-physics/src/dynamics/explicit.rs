//! Central differences with a lumped mass: no matrix, no solve, one product with the stiffness in a step.
//!
//! With velocities at half steps (Belytschko, Liu, Moran and Elkhodary 2014, ch. 6.2; Hughes 1987, ch. 9.1: Newmark with beta = 0 and
//! gamma = 1/2)
//!
//! ```text
//! M a_n = f_n - K u_n - D v_n - b K v_(n-1/2),   v_n = (v_(n-1/2) + v_(n+1/2)) / 2
//! v_(n+1/2) = v_(n-1/2) + dt a_n,   u_(n+1) = u_n + dt v_(n+1/2)
//! ```
//!
//! `M` and `D` (mass damping, absorbing boundaries) are diagonal, so that `D` is taken implicitly at no cost; damping by the stiffness, `b K`,
//! is taken with the velocity half a step before, of which `K v_(n-1/2) = (K u_n - K u_(n-1)) / dt` is at hand. That makes the scheme of
//! first order in `b` and lowers the stable step from `2 / w` to `2 / w (sqrt(1 + x^2) - x)`, `x = b w / 2`, with `w` the largest frequency.

use super::script::Script;
use super::{Energies, Forcing, Held};
use crate::PhysicsError;
use femur_fem::Constrained;
use femur_solve::largest_eigenvalue_bound;
use rayon::prelude::*;

/// What the scheme needs of a problem.
pub(crate) struct Parts {
    /// The stiffness, with supports and constraints.
    pub(crate) operator: Constrained,
    /// The lumped mass of each unknown `[size]`.
    pub(crate) mass: Vec<f64>,
    /// Diagonal damping `[size]`; empty where nothing damps.
    pub(crate) drag: Vec<f64>,
    /// Damping by the stiffness, in units of time.
    pub(crate) lag: f64,
}

impl Parts {
    /// The longest stable step; infinite where nothing is stiff.
    pub(crate) fn critical_step(&self) -> f64 {
        let constraints = self.operator.constraints();
        let c = constraints.components;
        let turned = |u: usize| constraints.frames.contains_key(&(u / c));
        let mut root: Vec<f64> = self.mass.iter().map(|m| if *m > 0.0 { 1.0 / m.sqrt() } else { 0.0 }).collect();
        constraints.fixed.keys().filter(|u| !turned(**u)).for_each(|&u| root[u] = 0.0);
        let diagonal = self.operator.diagonal();
        // A fixed unknown has a 1 there, and a root of 0 but in a turned frame.
        let entry = |u: usize| if constraints.fixed.contains_key(&u) { 0.0 } else { diagonal[u] * root[u] * root[u] };
        let scale = (0..root.len()).map(entry).fold(0.0, f64::max);
        if scale <= 0.0 {
            return f64::INFINITY;
        }
        let projections = projections(&self.operator);
        let mut scaled = vec![0.0; root.len()];
        let bound = largest_eigenvalue_bound(root.len(), |v, w| {
            scaled.iter_mut().zip(v).zip(&root).for_each(|((s, v), r)| *s = v * r);
            project(&projections, c, &mut scaled);
            self.operator.multiply_whole(&scaled, w);
            project(&projections, c, w);
            w.iter_mut().zip(&root).for_each(|(w, r)| *w *= r / scale);
        });
        let w = (scale * bound).sqrt();
        let x = 0.5 * self.lag * w;
        2.0 / (w * ((1.0 + x * x).sqrt() + x))
    }
}

/// Takes the fixed directions out of the components of a node.
type Projection = (usize, [[f64; 3]; 3]);

fn projections(operator: &Constrained) -> Vec<Projection> {
    let constraints = operator.constraints();
    let c = constraints.components;
    let of = |(&node, frame): (&usize, &[[f64; 3]; 3])| {
        let mut p = [[0.0; 3]; 3];
        for axis in (0..c).filter(|axis| !constraints.fixed.contains_key(&(node * c + axis))) {
            (0..c).for_each(|i| (0..c).for_each(|j| p[i][j] += frame[axis][i] * frame[axis][j]));
        }
        (node, p)
    };
    constraints.frames.iter().map(of).collect()
}

fn project(projections: &[Projection], c: usize, v: &mut [f64]) {
    for (node, p) in projections {
        let at = &mut v[node * c..(node + 1) * c];
        let mut old = [0.0; 3];
        old[..c].copy_from_slice(at);
        at.iter_mut().zip(p).for_each(|(v, p)| *v = (0..c).map(|j| p[j] * old[j]).sum());
    }
}

/// Unknowns of a part: parts are summed in their order, so that any number of threads gives the same bits.
const PART: usize = 4096;
const LANES: usize = 4;

/// Sums over the unknowns at a time `n`.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// `v M v`, `u K u`.
    kinetic: f64,
    strain: f64,
    /// Loads times the velocity half a step before and after.
    pushed: [f64; 2],
    /// Damping forces times the same.
    damped: [f64; 2],
}

impl Sums {
    fn plus(self, o: Sums) -> Sums {
        let two = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Sums {
            kinetic: self.kinetic + o.kinetic,
            strain: self.strain + o.strain,
            pushed: two(self.pushed, o.pushed),
            damped: two(self.damped, o.damped),
        }
    }
}

/// A prescribed unknown that moves.
#[derive(Debug, Clone, Copy)]
struct Moving {
    unknown: usize,
    /// The part of its value that does not change.
    still: f64,
    /// Its velocity half a step before.
    rate: f64,
    /// Its value after the step.
    next: f64,
}

/// Where loads and supports come from.
#[derive(Debug)]
enum Drive {
    Script(Script),
    /// From the case anew at every step: forces after the step.
    Whole(Vec<f64>),
}

/// The energy ran away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BlowUp(f64);

impl std::fmt::Display for BlowUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hint = "take more [dynamics] substeps; loads or materials that are not finite do the same";
        write!(f, "central differences became unstable: an energy of {:.3e} came from nothing\n  hint: {hint}", self.0)
    }
}

/// Factor by which the energy may exceed what was there and what came in: at nine tenths of the critical step it stays below some tens.
const GROWTH: f64 = 1e4;

/// A motion at a time `n`: displacement and product there, velocity half a step before.
#[derive(Debug)]
pub(crate) struct Explicit {
    operator: Constrained,
    projections: Vec<Projection>,
    mass: Vec<f64>,
    /// `1 / (M + dt D / 2)`, 0 where prescribed.
    inverse: Vec<f64>,
    drag: Vec<f64>,
    lag: f64,
    dt: f64,
    drive: Drive,
    moving: Vec<Moving>,
    u: Vec<f64>,
    v: Vec<f64>,
    force: Vec<f64>,
    /// `K u_n`, and where the stiffness damps `K u_(n-1)`.
    spring: Vec<f64>,
    before: Vec<f64>,
    sums: Vec<Sums>,
    /// Whether the forces stand there already.
    loaded: bool,
    /// Works until half a step after `n - 1`.
    work: f64,
    lost: f64,
    /// Energy at the start and the sizes of the works since.
    supply: f64,
}

impl Explicit {
    /// At the start, where displacements and velocities are `u`, `v` `[size]`; `next` is the time after the first step.
    ///
    /// # Errors
    /// A support that moves in a turned frame; whatever the problem finds wrong with its loads.
    pub(crate) fn new(
        problem: &dyn Forcing,
        parts: Parts,
        dt: f64,
        [u, v]: [Vec<f64>; 2],
        [start, next]: [f64; 2],
    ) -> Result<Self, PhysicsError> {
        let Parts { operator, mass, drag, lag } = parts;
        let constraints = operator.constraints();
        let (c, size) = (constraints.components, mass.len());
        let turned = |u: &usize| constraints.frames.contains_key(&(u / c));
        let (drive, places): (Drive, Vec<usize>) = match problem.script()? {
            Some(mut script) => {
                let mut places: Vec<usize> = script.terms.iter().flat_map(|t| t.held.iter().map(|h| h.0)).collect();
                places.sort_unstable();
                places.dedup();
                if let Some(u) = places.iter().find(|u| turned(u)) {
                    let what = format!("node {} is held by an inclined roller and by a displacement that changes in time", u / c);
                    let hint = "take generalised-alpha or newmark, or tags that do not meet";
                    return Err(problem.case().root().error("boundary", what, hint).into());
                }
                // From here on the terms hold places among the moving unknowns.
                for (u, _) in script.terms.iter_mut().flat_map(|t| &mut t.held) {
                    *u = places.partition_point(|p| p < u);
                }
                (Drive::Script(script), places)
            }
            None => (Drive::Whole(Vec::new()), constraints.fixed.keys().copied().filter(|u| !turned(u)).collect()),
        };
        let mut inverse: Vec<f64> = mass.iter().map(|m| 1.0 / m).collect();
        constraints.fixed.keys().filter(|u| !turned(u)).for_each(|&u| inverse[u] = 0.0);
        let projections = projections(&operator);
        let still = |u: &usize| if let Drive::Script(script) = &drive { script.held.get(u).copied().unwrap_or(0.0) } else { 0.0 };
        let moving = places.into_iter().map(|unknown| Moving { unknown, still: still(&unknown), rate: 0.0, next: 0.0 }).collect();
        let sums = vec![Sums::default(); size.div_ceil(PART)];
        let (work, lost, supply) = (0.0, 0.0, 0.0);
        let [force, spring, before] = [vec![0.0; size], vec![0.0; size], Vec::new()];
        let mut out = Explicit {
            operator,
            projections,
            mass,
            inverse,
            drag,
            lag,
            dt,
            drive,
            moving,
            u,
            v,
            force,
            spring,
            before,
            sums,
            loaded: false,
            work,
            lost,
            supply,
        };
        out.load(problem, start, next)?;
        out.multiply();
        // The start's acceleration, from which the velocity half a step before follows.
        let mut balance: Vec<f64> = out.force.iter().zip(&out.spring).map(|(f, s)| f - s).collect();
        if lag > 0.0 {
            let mut kv = vec![0.0; size];
            out.operator.multiply_whole(&out.v, &mut kv);
            project(&out.projections, c_of(&out.operator), &mut kv);
            balance.iter_mut().zip(&kv).for_each(|(b, k)| *b -= lag * k);
            out.before = out.spring.iter().zip(&kv).map(|(s, k)| s - dt * k).collect();
        }
        balance.iter_mut().zip(&out.drag).zip(&out.v).for_each(|((b, d), v)| *b -= d * v);
        for m in &mut out.moving {
            // So that the mean of the velocities before and after is that of the script.
            m.rate = 2.0 * out.v[m.unknown] - (m.next - out.u[m.unknown]) / dt;
            out.v[m.unknown] = 0.0;
        }
        out.v.iter_mut().zip(&balance).zip(&out.inverse).for_each(|((v, b), i)| *v -= 0.5 * dt * b * i);
        if !out.drag.is_empty() {
            out.inverse.iter_mut().zip(&out.drag).for_each(|(i, d)| *i /= 1.0 + 0.5 * dt * d * *i);
        }
        let sums = out.sums_at::<false>();
        out.supply = 0.5 * (sums.kinetic + sums.strain);
        // No work is done before the start.
        (out.work, out.lost) = (-0.5 * dt * sums.pushed[0], -0.5 * dt * sums.damped[0]);
        Ok(out)
    }

    /// Displacements `[size]`.
    pub(crate) fn displacement(&self) -> &[f64] {
        &self.u
    }

    /// Velocities `[size]` at the same time.
    pub(crate) fn velocity(&self) -> Vec<f64> {
        let mut out = self.v.clone();
        for i in 0..out.len() {
            let mut r = self.force[i] - self.spring[i];
            if !self.drag.is_empty() {
                r -= self.drag[i] * self.v[i];
            }
            if self.lag > 0.0 {
                r -= self.lag / self.dt * (self.spring[i] - self.before[i]);
            }
            out[i] += 0.5 * self.dt * r * self.inverse[i];
        }
        for m in &self.moving {
            out[m.unknown] = 0.5 * (m.rate + (m.next - self.u[m.unknown]) / self.dt);
        }
        out
    }

    /// The energies at this time.
    pub(crate) fn energies(&mut self) -> Result<Energies, BlowUp> {
        let sums = self.sums_at::<false>();
        self.checked(&sums)
    }

    /// One step; gives the energies before it. `next` is the time after it, `ahead` that after another.
    pub(crate) fn advance(&mut self, problem: &dyn Forcing, next: f64, ahead: f64) -> Result<Result<Energies, BlowUp>, PhysicsError> {
        let sums = self.sums_at::<true>();
        let energies = self.checked(&sums);
        let half = 0.5 * self.dt;
        let work = half * (sums.pushed[0] + sums.pushed[1]);
        self.work += work;
        self.lost += half * (sums.damped[0] + sums.damped[1]);
        self.supply += work.abs();
        for m in &mut self.moving {
            m.rate = (m.next - self.u[m.unknown]) / self.dt;
            self.u[m.unknown] = m.next;
        }
        if self.lag > 0.0 {
            std::mem::swap(&mut self.before, &mut self.spring);
        }
        self.load(problem, next, ahead)?;
        self.multiply();
        Ok(energies)
    }

    fn multiply(&mut self) {
        self.operator.multiply_whole(&self.u, &mut self.spring);
        project(&self.projections, c_of(&self.operator), &mut self.spring);
    }

    /// Forces at a time, and supports at the one after.
    fn load(&mut self, problem: &dyn Forcing, t: f64, ahead: f64) -> Result<(), PhysicsError> {
        match &mut self.drive {
            Drive::Script(script) => {
                self.moving.iter_mut().for_each(|m| m.next = m.still);
                for term in script.terms.iter().filter(|t| !t.held.is_empty()) {
                    let factor = term.time.eval(&[], ahead);
                    term.held.iter().for_each(|&(place, v)| self.moving[place].next += factor * v);
                }
                if self.loaded && !script.pushes() {
                    return Ok(());
                }
                script.force_at(t, &mut self.force);
            }
            Drive::Whole(kept) => {
                if kept.is_empty() {
                    *kept = problem.loads(t)?.0;
                }
                let (force, held): (Vec<f64>, Held) = problem.loads(ahead)?;
                self.force = std::mem::replace(kept, force);
                self.moving.iter_mut().for_each(|m| m.next = held.get(&m.unknown).copied().unwrap_or(0.0));
            }
        }
        self.loaded = true;
        project(&self.projections, c_of(&self.operator), &mut self.force);
        Ok(())
    }

    fn checked(&self, sums: &Sums) -> Result<Energies, BlowUp> {
        let half = 0.5 * self.dt;
        let (kinetic, strain) = (0.5 * sums.kinetic, 0.5 * sums.strain);
        let came = half * sums.pushed[0];
        // The work of the half step that follows counts too: a load that sets in moves what is at rest only then.
        let bound = GROWTH * (self.supply + came.abs() + (half * sums.pushed[1]).abs());
        let energy = kinetic + strain;
        // Not a number is not below the bound either.
        if energy.is_finite() && energy <= bound {
            Ok(Energies { kinetic, strain, external: self.work + came, dissipated: self.lost + half * sums.damped[0] })
        } else {
            Err(BlowUp(energy))
        }
    }

    /// The sums at this time; goes on to the next displacements where `GO`.
    fn sums_at<const GO: bool>(&mut self) -> Sums {
        let supports = self.supports();
        let whole = match (self.drag.is_empty(), self.lag > 0.0) {
            (true, false) => self.sweep::<false, false, GO>(),
            (false, false) => self.sweep::<true, false, GO>(),
            (true, true) => self.sweep::<false, true, GO>(),
            (false, true) => self.sweep::<true, true, GO>(),
        };
        whole.plus(supports)
    }

    /// What moving supports add to the sums: they exert what their mass, damping and stiffness ask for.
    fn supports(&self) -> Sums {
        let mut out = Sums::default();
        for m in &self.moving {
            let i = m.unknown;
            let rates = [m.rate, (m.next - self.u[i]) / self.dt];
            let v = 0.5 * (rates[0] + rates[1]);
            let mut drag = self.drag.get(i).map_or(0.0, |d| d * v);
            if self.lag > 0.0 {
                drag += self.lag / self.dt * (self.spring[i] - self.before[i]);
            }
            let exerted = self.mass[i] * (rates[1] - rates[0]) / self.dt + self.spring[i] + drag;
            out.kinetic += self.mass[i] * v * v;
            (0..2).for_each(|k| {
                out.pushed[k] += exerted * rates[k];
                out.damped[k] += drag * rates[k];
            });
        }
        out
    }

    /// One pass over all vectors. `DRAG`, `LAG`: what damps.
    fn sweep<const DRAG: bool, const LAG: bool, const GO: bool>(&mut self) -> Sums {
        let Explicit { mass, inverse, drag, before, spring, force, u, v, sums, dt, lag, .. } = self;
        let (dt, lag) = (*dt, *lag / *dt);
        let all = u.par_chunks_mut(PART).zip(v.par_chunks_mut(PART)).zip(sums.par_iter_mut()).enumerate();
        all.for_each(|(k, ((u, v), out))| {
            let n = u.len();
            let at = k * PART..k * PART + n;
            let (mass, inverse, spring, force) = (&mass[at.clone()], &inverse[at.clone()], &spring[at.clone()], &force[at.clone()]);
            let (drag, before) = (if DRAG { &drag[at.clone()] } else { &[][..] }, if LAG { &before[at] } else { &[][..] });
            let v = &mut v[..n];
            // Lanes of their own, which the compiler keeps in vector registers.
            let mut lanes = [[0.0; LANES]; 6];
            let mut one = |i: usize, l: usize| {
                let mut lost = if LAG { lag * (spring[i] - before[i]) } else { 0.0 };
                let mut r = force[i] - spring[i] - lost;
                if DRAG {
                    r -= drag[i] * v[i];
                }
                let (old, a) = (v[i], r * inverse[i]);
                let (new, middle) = (old + dt * a, old + 0.5 * dt * a);
                if DRAG {
                    lost += drag[i] * middle;
                }
                lanes[0][l] += mass[i] * middle * middle;
                lanes[1][l] += u[i] * spring[i];
                lanes[2][l] += force[i] * old;
                lanes[3][l] += force[i] * new;
                if DRAG || LAG {
                    lanes[4][l] += lost * old;
                    lanes[5][l] += lost * new;
                }
                if GO {
                    v[i] = new;
                    u[i] += dt * new;
                }
            };
            let whole = n / LANES * LANES;
            for i in (0..whole).step_by(LANES) {
                (0..LANES).for_each(|l| one(i + l, l));
            }
            (whole..n).for_each(|i| one(i, i - whole));
            let [kinetic, strain, f0, f1, d0, d1] = lanes.map(|l| (l[0] + l[1]) + (l[2] + l[3]));
            *out = Sums { kinetic, strain, pushed: [f0, f1], damped: [d0, d1] };
        });
        sums.iter().fold(Sums::default(), |a, b| a.plus(*b))
    }
}

fn c_of(operator: &Constrained) -> usize {
    operator.constraints().components
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_fem::{CellCoefficient, Constraints, Form, MatrixFree, lumped_mass};
    use femur_mesh::generate::rectangle;
    use femur_mesh::{CellKind, Mesh};
    use femur_sim::case::{Case, Expr};
    use femur_solve::dense::symmetric_eigen;
    use std::sync::Arc;

    /// A membrane, held at two corners, one of which moves; pushed in the middle.
    struct Membrane(Mesh);

    const HELD: [usize; 2] = [0, 5];

    impl Membrane {
        fn new(kind: CellKind) -> Self {
            Membrane(rectangle([1.0, 0.8], [4, 3], kind).unwrap())
        }

        fn parts(&self, drag: f64, lag: f64) -> Parts {
            let mut constraints = Constraints::new(1);
            constraints.fixed.extend(HELD.map(|u| (u, 0.0)));
            let c: Vec<f64> = (0..self.0.num_cells()).map(|k| 1.0 + (k % 3) as f64).collect();
            let cells = MatrixFree::new(&self.0, &Form::Diffusion(CellCoefficient::ByCell(&c))).unwrap();
            // A spring at one node.
            let operator = Constrained::new(Arc::new(cells), &constraints, &[(vec![7], vec![2.0])]).unwrap();
            let mass = lumped_mass(&self.0, CellCoefficient::Uniform(0.7)).unwrap();
            let drag = if drag > 0.0 { mass.iter().enumerate().map(|(i, m)| drag * m * (i % 2) as f64).collect() } else { Vec::new() };
            Parts { operator, mass, drag, lag }
        }

        fn start(&self, parts: Parts, dt: f64) -> Explicit {
            let n = self.0.num_nodes();
            let held = |i: usize| HELD.contains(&i);
            let u = (0..n).map(|i| if held(i) { 0.0 } else { (2.3 * i as f64).sin() }).collect();
            let v = (0..n).map(|i| if held(i) { 0.0 } else { (1.1 * i as f64).cos() }).collect();
            Explicit::new(self, parts, dt, [u, v], [0.0, dt]).unwrap()
        }
    }

    impl Forcing for Membrane {
        fn case(&self) -> &Case {
            unreachable!("no error is made")
        }

        fn loads(&self, _: f64) -> Result<(Vec<f64>, Held), PhysicsError> {
            unreachable!("scripted")
        }

        fn script(&self) -> Result<Option<Script>, PhysicsError> {
            let mut script = Script { force: vec![0.0; self.0.num_nodes()], ..Script::default() };
            let mut push = script.force.clone();
            push[9] = 1.0;
            script.add(Some(&Expr::parse("sin(3 * t)").unwrap()), &push, std::iter::empty());
            script.add(Some(&Expr::parse("t^2 / (1 + t^2)").unwrap()), &[], [(HELD[1], 0.3)].into_iter());
            script.add(None, &push, std::iter::empty());
            Ok(Some(script))
        }
    }

    /// The largest frequency of the free unknowns, by a dense decomposition.
    fn largest_frequency(parts: &Parts) -> f64 {
        let n = parts.mass.len();
        let free: Vec<usize> = (0..n).filter(|u| !HELD.contains(u)).collect();
        let m = free.len();
        let mut a = vec![0.0; m * m];
        for (j, &c) in free.iter().enumerate() {
            let (mut x, mut y) = (vec![0.0; n], vec![0.0; n]);
            x[c] = 1.0;
            parts.operator.multiply_whole(&x, &mut y);
            free.iter().enumerate().for_each(|(i, &r)| a[i * m + j] = y[r] / (parts.mass[r] * parts.mass[c]).sqrt());
        }
        symmetric_eigen(&mut a, m).0.into_iter().fold(0.0, f64::max).sqrt()
    }

    const KINDS: [CellKind; 4] = [CellKind::Quad4, CellKind::Quad9, CellKind::Triangle3, CellKind::Triangle6];

    #[test]
    fn the_critical_step_is_safe_and_near() {
        for kind in KINDS {
            for lag in [0.0, 0.05, 3.0] {
                let parts = Membrane::new(kind).parts(0.4, lag);
                let w = largest_frequency(&parts);
                let x = 0.5 * lag * w;
                let exact = 2.0 / w * ((1.0 + x * x).sqrt() - x);
                let ratio = parts.critical_step() / exact;
                assert!(ratio <= 1.0 && ratio > 0.88, "{kind}, {lag}: {ratio}");
            }
        }
    }

    /// `v M v / 2 + u K u / 2 - dt^2 a M a / 8` changes by the works alone, to rounding, at any step.
    #[test]
    fn the_discrete_energy_is_balanced_to_rounding() {
        for (drag, lag) in [(0.0, 0.0), (0.4, 0.0), (0.0, 0.02), (0.4, 0.02)] {
            let problem = Membrane::new(CellKind::Quad9);
            let parts = problem.parts(drag, lag);
            let dt = 0.9 * parts.critical_step();
            let mut e = problem.start(parts, dt);
            let balance = |e: &mut Explicit, sums: Energies| {
                let (before, moving) = (e.v.clone(), e.moving.clone());
                let v = e.velocity();
                // a = 2 (v_n - v_(n-1/2)) / dt
                let mut a: Vec<f64> = v.iter().zip(&before).map(|(n, b)| 2.0 * (n - b) / dt).collect();
                moving.iter().for_each(|m| a[m.unknown] = 2.0 * (v[m.unknown] - m.rate) / dt);
                let shadow: f64 = a.iter().zip(&e.mass).map(|(a, m)| dt * dt / 8.0 * m * a * a).sum();
                sums.kinetic + sums.strain - shadow + sums.dissipated - sums.external
            };
            let first = e.energies().unwrap();
            let start = balance(&mut e, first);
            for k in 0..300 {
                let t = k as f64 * dt;
                let before = e.energies().unwrap();
                assert_eq!(e.advance(&problem, t + dt, t + 2.0 * dt).unwrap().unwrap(), before);
                let now = e.energies().unwrap();
                let gap = balance(&mut e, now) - start;
                assert!(gap.abs() < 1e-11 * (1.0 + now.external.abs() + first.strain), "{drag}, {lag}, step {k}: {gap:e}");
            }
            let now = e.energies().unwrap();
            assert!(now.external.abs() > 1e-3 && (now.dissipated > 1e-3) == (drag + lag > 0.0));
        }
    }

    #[test]
    fn a_step_beyond_the_critical_one_blows_up_and_says_so() {
        for kind in KINDS {
            for lag in [0.0, 0.05] {
                let problem = Membrane::new(kind);
                let run = |factor: f64| {
                    let parts = problem.parts(0.0, lag);
                    let w = largest_frequency(&parts);
                    let x = 0.5 * lag * w;
                    let dt = factor * 2.0 / w * ((1.0 + x * x).sqrt() - x);
                    let mut e = problem.start(parts, dt);
                    (0..3000).find_map(|k| e.advance(&problem, (k + 1) as f64 * dt, (k + 2) as f64 * dt).unwrap().err())
                };
                assert_eq!(run(0.999), None, "{kind}, {lag}");
                let e = run(1.01).unwrap_or_else(|| panic!("{kind}, {lag}: not seen"));
                assert!(e.to_string().contains("unstable") && e.to_string().contains("hint: "), "{e}");
            }
        }
    }
}
