//! Advection and diffusion of a scalar in a given flow, steady and transient by the theta scheme, with SUPG.
//!
//! `du/dt + b . grad u - div(k grad u) = s`; weak form and sources in `docs/src/topics/advection-diffusion.md`.

mod kernel;
mod model;

use crate::elasticity::facet_tags;
use crate::{Physics, PhysicsError};
use femur_fem::{Assembler, FreeSystem, NodeGroups};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::Case;
use femur_sim::{Coordinates, LearningTask, Setup, SimError, Simulator, SolverLog, State, Target, Update};
use femur_solve::{CsrMatrix, LinearOperator, MultifrontalLu};
use model::Model;
use std::sync::Arc;

/// `physics = "advection-diffusion"`.
pub struct AdvectionDiffusion;

/// Finite-element solver of one case, steady or transient.
struct Solver {
    model: Model,
    assembler: Assembler,
    free: FreeSystem,
    lu: MultifrontalLu,
    /// Mass and transport matrices, upwinded, at the time they were made for; `None` before the first step.
    matrices: Option<(CsrMatrix, CsrMatrix)>,
    values: Vec<f64>,
    log: SolverLog,
}

impl Solver {
    /// One step of the theta scheme (one solve of a steady problem) to the values in `guess` where they are held.
    ///
    /// The equation is taken at the time `t0 + theta dt`, the velocity too: `(M + theta dt K) (u1 - u0) = dt (f - K u0)`.
    fn advance(&mut self, t0: f64, t1: f64) -> Result<f64, SimError> {
        let steady = self.model.time.is_none();
        let (theta, dt) = self.model.time.map_or((1.0, 1.0), |t| (t.theta, t1 - t0));
        let at = t0 + theta * (t1 - t0);
        let failed = |e: femur_solve::SolveError| SimError::Solver { time: t1, reason: e.to_string() };
        let step = if steady { f64::INFINITY } else { self.model.dt() };
        if self.matrices.is_none() || self.model.velocity_varies() {
            let (mass, transport) = self.model.matrices(&self.assembler, at, step)?;
            let mut whole = transport.clone();
            if !steady {
                whole.values.iter_mut().zip(&mass.values).for_each(|(k, m)| *k = m + theta * dt * *k);
            }
            self.free.fill(&whole);
            self.lu.factor(&self.free.matrix).map_err(failed)?;
            self.matrices = Some((mass, transport));
        }
        let Some((mass, transport)) = &self.matrices else { return Ok(0.0) };
        let mut next = self.values.clone();
        self.model.hold(t1, &mut next);
        // The held values' change is known, the rest of it is solved for.
        let change: Vec<f64> = next.iter().zip(&self.values).map(|(a, b)| a - b).collect();
        let mean: Vec<f64> = self.values.iter().zip(&change).map(|(u, d)| u + theta * d).collect();
        let mut r = self.model.load(&self.assembler, at, step);
        let mut product = vec![0.0; r.len()];
        transport.apply(&mean, &mut product);
        r.iter_mut().zip(&product).for_each(|(r, p)| *r = dt * (*r - p));
        if !steady {
            mass.apply(&change, &mut product);
            r.iter_mut().zip(&product).for_each(|(r, p)| *r -= p);
        }
        let mut delta = self.free.restrict(&r);
        let residual = self.lu.solve(&mut delta).map_err(failed)?.residual();
        self.free.add(&delta, &mut next);
        self.values = next;
        Ok(residual)
    }
}

impl Simulator for Solver {
    fn setup(&self) -> &Setup {
        &self.model.setup
    }

    fn step(&mut self, step: usize, _state: Option<&State>) -> Result<State, SimError> {
        let times = &self.model.setup.times;
        let (t0, t1) = (times[step.saturating_sub(1)], times[step]);
        let residual = self.advance(t0, t1)?;
        self.log.newton_iters.push(1);
        self.log.residual.push(residual);
        self.log.condition = self.lu.known_condition();
        Ok(self.model.state(t1, &self.values))
    }

    fn log(&self) -> SolverLog {
        self.log.clone()
    }
}

impl Physics for AdvectionDiffusion {
    fn name(&self) -> &'static str {
        "advection-diffusion"
    }

    fn summary(&self) -> &'static str {
        "transport of a scalar by a given flow and diffusion, steady or transient, with SUPG"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        Ok(Model::new(case, mesh)?.setup)
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        let model = Model::new(case, mesh)?;
        // The mass needs two degrees more than the diffusion; the velocity may vary too.
        let assembler = Assembler::new(mesh, 1, 2);
        let fixed: Vec<bool> = (0..mesh.num_nodes()).map(|n| model.is_held(n)).collect();
        let free = FreeSystem::identified(&assembler.zeros(), &fixed, &model.same);
        let lu = MultifrontalLu::analyse(&free.matrix, &NodeGroups::new(mesh, free.free.iter().map(|&u| u as usize)).get())?;
        let mut values = model.initial();
        model.hold(model.setup.times[0], &mut values);
        let mut log = SolverLog::default();
        log.notes.insert("solver".into(), "direct".into());
        let kinds: Vec<&str> = mesh.blocks.iter().map(|b| b.kind.name()).collect();
        log.notes.insert("element".into(), kinds.join(", "));
        if model.time.is_some() {
            log.newton_iters.push(0);
            log.residual.push(0.0);
        }
        Ok(Box::new(Solver { model, assembler, free, lu, matrices: None, values, log }))
    }

    fn learning_task(&self, _case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        let steady = setup.is_steady();
        let field = Field::scalar("concentration", "1", Location::Node, Vec::new());
        let update = if steady { Update::Absolute } else { Update::Delta };
        Ok(LearningTask {
            physics: self.name().into(),
            dim: setup.mesh.dim,
            targets: vec![Target { field: field.name, components: field.components, unit: field.unit, update, weight: 1.0 }],
            state_inputs: if steady { Vec::new() } else { vec!["concentration".into()] },
            inputs: setup.inputs.iter().map(|i| (i.name.clone(), i.components.len())).collect(),
            load_inputs: Vec::new(),
            linear_in: Vec::new(),
            distance_tags: facet_tags(setup),
            distance_scale: 0.045 * setup.mesh.diameter(),
            coordinates: Coordinates::Mesh,
            input_means: true,
            long_range: 0,
            noise: if steady { 0.0 } else { 0.3 },
            unroll: 0,
            units: setup.units.clone(),
        })
    }

    /// Nothing beside the concentration.
    fn recover(&self, _case: &Case, _mesh: &Arc<Mesh>, _state: &State) -> Result<Vec<Field>, PhysicsError> {
        Ok(Vec::new())
    }
}
