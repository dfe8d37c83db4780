//! Nonlinear heat conduction: `rate M (T - start) + R(T, t) + carry = 0` by Newton's method.

use super::{Flow, Model, STEFAN_BOLTZMANN};
use femur_fem::constraints::{Constraints, Reduced};
use femur_fem::{Assembler, CellGeometry, NodeGroups, Tabulation};
use femur_sim::SimError;
use femur_solve::newton::{Inadmissible, NewtonOptions, NonlinearProblem, newton};
use femur_solve::{CsrMatrix, DirectSolver, LinearOperator, SolveError, Symmetry};
use std::collections::BTreeMap;

/// What a surface lets in, and the slope of it over the temperature there: `(q, dq/dT)`.
fn inflow(model: &Model, flow: &Flow, x: &[f64], t: f64, temperature: f64) -> (f64, f64) {
    match flow {
        Flow::Flux(q) => (q.eval(x, t), 0.0),
        Flow::Convection(h, a) => {
            let h = h.eval(x, t);
            (h * (a.eval(x, t) - temperature), -h)
        }
        Flow::Radiation(e, a) => {
            // W/m^2 in the case's unit of heat flux: N is the same in both systems, so the length alone counts.
            let c = e.eval(x, t) * STEFAN_BOLTZMANN * model.units.metres;
            (c * (a.eval(x, t).powi(4) - temperature.powi(4)), -4.0 * c * temperature.powi(3))
        }
    }
}

/// Interpolates nodal values.
fn interpolate(nodes: &[u32], shape: &[f64], values: &[f64]) -> f64 {
    nodes.iter().zip(shape).map(|(&n, s)| s * values[n as usize]).sum()
}

impl Model {
    /// What one cell gives to `R` at a quadrature point, and to its derivative where wanted.
    fn cell_terms(
        &self,
        cell: usize,
        (nodes, geometry, table, q): (&[u32], &CellGeometry, &Tabulation, usize),
        temperature: &[f64],
        t: f64,
        mut add: impl FnMut(f64, (f64, f64), [f64; 3], (f64, f64), f64),
    ) {
        let x = &geometry.position[q][..self.mesh.dim];
        let value = interpolate(nodes, &table.values[q], temperature);
        let k = self.conductivity[self.material_id[cell] as usize].at(x, value);
        let source = self.source.as_ref().map_or((0.0, 0.0), |s| s.slope_with(x, t, value));
        let gradient: [f64; 3] =
            std::array::from_fn(|d| nodes.iter().zip(&geometry.gradients[q]).map(|(&n, g)| g[d] * temperature[n as usize]).sum());
        add(geometry.volume[q] * self.thickness, k, gradient, source, value);
    }

    /// `R(T, t)` `[num_nodes]`, its sign that of heat that leaves; and the size of what cancels in it at each node.
    fn residual(&self, assembler: &Assembler, temperature: &[f64], t: f64) -> Result<(Vec<f64>, Vec<f64>), Inadmissible> {
        let n = temperature.len();
        let (mut r, mut size) = (vec![0.0; n], vec![0.0; n]);
        assembler.add_vector(&self.mesh, &mut r, |cell, geometry, table, out| {
            let nodes = self.mesh.cell_nodes(cell);
            for q in 0..table.rule.len() {
                self.cell_terms(cell, (nodes, geometry, table, q), temperature, t, |w, k, g, s, _| {
                    for (a, (v, b)) in table.values[q].iter().zip(&geometry.gradients[q]).enumerate() {
                        out[a] += w * (k.0 * (0..3).map(|d| g[d] * b[d]).sum::<f64>() - s.0 * v);
                    }
                });
            }
        });
        assembler.add_vector(&self.mesh, &mut size, |cell, geometry, table, out| {
            let nodes = self.mesh.cell_nodes(cell);
            for q in 0..table.rule.len() {
                self.cell_terms(cell, (nodes, geometry, table, q), temperature, t, |w, k, _, s, value| {
                    for (a, (v, b)) in table.values[q].iter().zip(&geometry.gradients[q]).enumerate() {
                        out[a] += w * (k.0 * b.iter().map(|b| b * b).sum::<f64>() * value.abs() + (s.0 * v).abs());
                    }
                });
            }
        });
        for s in &self.surfaces {
            for p in &s.points {
                let value = interpolate(&p.nodes, &p.values, temperature);
                if value < 0.0 && matches!(s.flow, Flow::Radiation(..)) {
                    return Err(Inadmissible(format!("a radiating boundary of {value:.3} K, below absolute zero")));
                }
                let (flow, slope) = inflow(self, &s.flow, &p.position[..self.mesh.dim], t, value);
                for (&node, v) in p.nodes.iter().zip(&p.values) {
                    let w = p.area * self.thickness * v;
                    r[node as usize] -= w * flow;
                    size[node as usize] += (w * flow).abs() + (w * slope * value).abs();
                }
            }
        }
        Ok((r, size))
    }

    /// Adds `dR/dT` to a matrix.
    fn add_tangent(&self, assembler: &Assembler, temperature: &[f64], t: f64, matrix: &mut CsrMatrix) {
        assembler.add_matrix(&self.mesh, matrix, |cell, geometry, table, out| {
            let nodes = self.mesh.cell_nodes(cell);
            let n = nodes.len();
            for q in 0..table.rule.len() {
                self.cell_terms(cell, (nodes, geometry, table, q), temperature, t, |w, k, g, s, _| {
                    let (values, gradients) = (&table.values[q], &geometry.gradients[q]);
                    for a in 0..n {
                        let across: f64 = (0..3).map(|d| g[d] * gradients[a][d]).sum();
                        for b in 0..n {
                            let along: f64 = (0..3).map(|d| gradients[a][d] * gradients[b][d]).sum();
                            out[a * n + b] += w * (k.0 * along + (k.1 * across - s.1 * values[a]) * values[b]);
                        }
                    }
                });
            }
        });
        for s in &self.surfaces {
            for p in &s.points {
                let value = interpolate(&p.nodes, &p.values, temperature);
                let (_, slope) = inflow(self, &s.flow, &p.position[..self.mesh.dim], t, value);
                let n = p.nodes.len();
                let w = -slope * p.area * self.thickness;
                let element: Vec<f64> = (0..n * n).map(|e| w * p.values[e / n] * p.values[e % n]).collect();
                assembler.scatter(matrix, &p.nodes, &element);
            }
        }
    }
}

/// `rate M (T - start) + R(T, time) + carry = 0`: a steady problem has rate 0, a time scheme one or two of them in a step.
pub(super) struct Stage {
    pub(super) time: f64,
    pub(super) rate: f64,
    pub(super) start: Vec<f64>,
    pub(super) carry: Vec<f64>,
}

/// The solver of stages.
pub(super) struct Stepper {
    pub(super) model: Model,
    pub(super) assembler: Assembler,
    pub(super) capacity: CsrMatrix,
    pub(super) constraints: Constraints,
    pub(super) free: Vec<usize>,
    pub(super) symmetry: Symmetry,
    pub(super) direct: Option<DirectSolver>,
}

/// A stage as a system of equations in the free unknowns.
struct Equations<'a> {
    stepper: &'a mut Stepper,
    stage: &'a Stage,
    /// The temperature, in which the free unknowns are overwritten.
    whole: Vec<f64>,
    /// Prescribed values, and what is added at tied unknowns.
    held: BTreeMap<usize, f64>,
    scale: f64,
}

impl Equations<'_> {
    fn set(&mut self, x: &[f64]) {
        self.stepper.free.iter().zip(x).for_each(|(&u, &v)| self.whole[u] = v);
        self.stepper.constraints.follow(&self.held, &mut self.whole);
    }
}

impl NonlinearProblem for Equations<'_> {
    fn size(&self) -> usize {
        self.stepper.free.len()
    }

    fn residual(&mut self, x: &[f64], r: &mut [f64]) -> Result<(), Inadmissible> {
        self.set(x);
        let (mut all, mut size) = self.stepper.model.residual(&self.stepper.assembler, &self.whole, self.stage.time)?;
        if self.stage.rate > 0.0 {
            let n = all.len();
            let gained: Vec<f64> = self.whole.iter().zip(&self.stage.start).map(|(a, b)| a - b).collect();
            let (mut heat, mut held) = (vec![0.0; n], vec![0.0; n]);
            self.stepper.capacity.apply(&gained, &mut heat);
            self.stepper.capacity.apply(&self.whole, &mut held);
            for i in 0..n {
                all[i] += self.stage.rate * heat[i] + self.stage.carry[i];
                size[i] += self.stage.rate * held[i].abs();
            }
        }
        self.stepper.constraints.gather(&mut all);
        r.iter_mut().zip(&self.stepper.free).for_each(|(r, &u)| *r = all[u]);
        self.scale = size.iter().map(|v| v * v).sum::<f64>().sqrt();
        Ok(())
    }

    fn solve_tangent(&mut self, x: &[f64], rhs: &mut [f64]) -> Result<(), SolveError> {
        self.set(x);
        self.stepper.factor(&self.whole, self.stage.time, self.stage.rate)?;
        self.stepper.solve(rhs)
    }

    /// What cancels is mostly heat that flows through; a small part of it is the size that a residual is held against, so that a state
    /// near balance is still improved.
    fn force_scale(&self) -> f64 {
        1e-4 * self.scale
    }
}

impl Stepper {
    pub(super) fn factor(&mut self, temperature: &[f64], t: f64, rate: f64) -> Result<(), SolveError> {
        let mut matrix = self.capacity.clone();
        matrix.values.iter_mut().for_each(|v| *v *= rate);
        self.model.add_tangent(&self.assembler, temperature, t, &mut matrix);
        let Reduced { matrix: reduced, free, .. } = self.constraints.reduce(&matrix);
        let solver = match self.direct.take() {
            Some(solver) => solver,
            None => {
                let groups = NodeGroups::new(&self.model.mesh, free.into_iter());
                DirectSolver::analyse(&reduced, self.symmetry, &groups.get())?
            }
        };
        self.direct.insert(solver).factor(&reduced)
    }

    pub(super) fn solve(&self, rhs: &mut [f64]) -> Result<(), SolveError> {
        self.direct.as_ref().ok_or(SolveError::NotFactored)?.solve(rhs).map(|_| ())
    }

    /// Solves a stage from a first guess; returns the temperature, the iterations and the last residual.
    pub(super) fn stage(&mut self, stage: &Stage, guess: &[f64]) -> Result<(Vec<f64>, usize, f64), SimError> {
        let mut whole = guess.to_vec();
        let held = self.model.held(stage.time);
        held.iter().for_each(|(&n, &v)| whole[n] = v);
        let fail = |reason: String| SimError::Solver { time: stage.time, reason };
        let mut x: Vec<f64> = self.free.iter().map(|&u| whole[u]).collect();
        let mut r = vec![0.0; x.len()];
        let mut equations = Equations { stepper: self, stage, whole, held, scale: 0.0 };
        equations.residual(&x, &mut r).map_err(|e| fail(e.to_string()))?;
        let options = NewtonOptions { absolute_tolerance: 1e-13 * equations.scale, ..NewtonOptions::default() };
        let report = newton(&mut equations, &mut x, &options).map_err(|e| fail(e.to_string()))?;
        equations.set(&x);
        Ok((equations.whole, report.iterations, report.residual()))
    }

    /// `R` of a temperature.
    pub(super) fn flow(&self, temperature: &[f64], t: f64) -> Result<Vec<f64>, SimError> {
        let flow = self.model.residual(&self.assembler, temperature, t);
        flow.map(|f| f.0).map_err(|e| SimError::Solver { time: t, reason: e.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_mesh::CellKind;
    use femur_mesh::generate::{box_, rectangle};
    use femur_sim::case::CaseFile;
    use std::sync::Arc;

    /// The tangent against central differences of the residual at a scattered state, on every element.
    #[test]
    fn the_tangent_is_the_derivative() {
        for kind in CellKind::ALL {
            let mesh = match kind.dim() {
                2 => rectangle([1.0, 0.7], [2, 2], kind),
                3 => box_([1.0, 0.7, 0.5], [1, 2, 1], kind),
                _ => continue,
            };
            let Ok(mesh) = mesh else { continue };
            let mesh = Arc::new(mesh);
            let case = "physics = \"heat\"\nheat_source = \"3 * x + 0.01 * T^2\"\n[mesh]\ngenerator = \"box\"\n[materials.body]\nconductivity = \"2 + 0.01 * T\"\n\
                [[boundary]]\ntag = \"left\"\nconvection = { coefficient = 4.0, ambient = 290.0 }\n[[boundary]]\ntag = \"right\"\n\
                radiation = { emissivity = 0.8, ambient = 250.0 }\n[[boundary]]\ntag = \"top\"\nheat_flux = 5.0\n";
            let case = CaseFile::parse(case, "c").unwrap().nominal().unwrap();
            let model = Model::new(&case, &mesh).unwrap();
            let assembler = Assembler::new(&mesh, 1, 2);
            let n = mesh.num_nodes();
            let state: Vec<f64> = (0..n).map(|i| 300.0 + 60.0 * (12.9898 * i as f64).sin()).collect();
            let mut matrix = assembler.zeros();
            model.add_tangent(&assembler, &state, 0.0, &mut matrix);
            let direction: Vec<f64> = (0..n).map(|i| (78.233 * i as f64).cos()).collect();
            let at = |h: f64| {
                let moved: Vec<f64> = state.iter().zip(&direction).map(|(s, d)| s + h * d).collect();
                model.residual(&assembler, &moved, 0.0).unwrap().0
            };
            let (plus, minus) = (at(1e-3), at(-1e-3));
            let mut exact = vec![0.0; n];
            matrix.apply(&direction, &mut exact);
            let scale = exact.iter().fold(0.0_f64, |a, v| a.max(v.abs()));
            for i in 0..n {
                let difference = (plus[i] - minus[i]) / 2e-3;
                assert!((difference - exact[i]).abs() < 1e-7 * scale, "{kind}: {difference} and {}", exact[i]);
            }
        }
    }
}
