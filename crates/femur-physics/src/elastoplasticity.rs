//! J2 plasticity at small strains: plane stress, plane strain and 3D, with linear and Voce hardening.
//!
//! Formulas and sources in `docs/src/topics/elastoplasticity.md`.

mod kernel;
mod return_mapping;

use crate::solid::Equilibrium;
use crate::solid::model::{Coefficient, SolidModel};
use crate::solid::simulator::{Solid, SolidSimulator, learning_task};
use crate::{Physics, PhysicsError};
use femur_fem::quadrature::stiffness_degree;
use femur_fem::{CellGeometry, Quadrature, recovery};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Table};
use femur_sim::{LearningTask, Setup, Simulator, State};
use kernel::Kernel;
use return_mapping::{HISTORY, Metal};
use std::sync::Arc;

/// `physics = "elastoplasticity"`.
pub struct Elastoplasticity;

const NAME: &str = "elastoplasticity";

/// Reads a material, and its Young's modulus and Poisson's ratio.
fn read_metal(table: &Table) -> Result<(Metal, f64, f64), PhysicsError> {
    table.claim(&["density"]);
    let (e, nu) = (table.positive("E")?, table.f64("nu")?);
    if !(-0.999..=0.4999).contains(&nu) {
        return Err(table.error("nu", format!("must lie between -1 and 0.4999, got {nu}"), "0.3 for metals").into());
    }
    let not_negative = |key: &str| -> Result<f64, PhysicsError> {
        let v = table.f64_or(key, 0.0)?;
        if v >= 0.0 {
            Ok(v)
        } else {
            Err(table.error(key, format!("must not be negative, got {v}"), "softening has no unique answer").into())
        }
    };
    let metal = Metal {
        mu: e / (2.0 * (1.0 + nu)),
        kappa: e / (3.0 * (1.0 - 2.0 * nu)),
        yield_stress: table.positive("yield_stress")?,
        hardening: not_negative("hardening")?,
        saturation: not_negative("saturation")?,
        rate: not_negative("saturation_rate")?,
    };
    if (metal.saturation > 0.0) != (metal.rate > 0.0) {
        let hint = "the yield stress is yield_stress + hardening a + saturation (1 - exp(-saturation_rate a))";
        return Err(table.error("saturation", "needs saturation_rate, and the other way round", hint).into());
    }
    table.finish()?;
    Ok((metal, e, nu))
}

fn simulator(case: &Case, mesh: &Arc<Mesh>) -> Result<SolidSimulator, PhysicsError> {
    let plane_stress = mesh.dim == 2 && case.root().choice_or("plane", &["stress", "strain"], 0)? == 0;
    let model = SolidModel::read(case, mesh, &["plane"])?;
    let discretisation = case.table("discretisation");
    let b_bar = discretisation.choice_or("formulation", &["b-bar", "standard"], 0)? == 0;
    discretisation.finish()?;
    let materials = model.tables.iter().map(read_metal).collect::<Result<Vec<_>, _>>()?;
    let unit = case.units.stress;
    let of = |f: &dyn Fn(&(Metal, f64, f64)) -> f64| materials.iter().map(f).collect::<Vec<f64>>();
    let coefficients: Vec<Coefficient> = vec![
        ("youngs_modulus", unit, of(&|m| m.1)),
        ("poissons_ratio", "1", of(&|m| m.2)),
        ("yield_stress", unit, of(&|m| m.0.yield_stress)),
        ("hardening", unit, of(&|m| m.0.hardening)),
        ("saturation", unit, of(&|m| m.0.saturation)),
        ("saturation_rate", "1", of(&|m| m.0.rate)),
    ];
    let stiffest = materials.iter().map(|m| m.1).fold(0.0, f64::max);
    let kernel = Arc::new(Kernel {
        dim: mesh.dim,
        thickness: model.thickness,
        plane_stress,
        b_bar,
        metals: materials.into_iter().map(|m| m.0).collect(),
        material: model.material_id.clone(),
    });
    let obstacles = model.obstacles(stiffest)?;
    let body = model.equilibrium(kernel.clone(), obstacles);
    SolidSimulator::new(case, NAME, model, Box::new(Recovery(kernel)), body, &coefficients)
}

struct Recovery(Arc<Kernel>);

impl Solid for Recovery {
    /// From the points where the history lives, by a least-squares fit in each cell.
    fn stress(&self, model: &SolidModel, body: &Equilibrium) -> Vec<f64> {
        let dim = model.mesh.dim;
        let mut local = Vec::new();
        let rule = |kind| Quadrature::new(kind, stiffness_degree(kind));
        recovery::recover_from(&model.mesh, if dim == 3 { 6 } else { 4 }, &rule, |cell, nodes, geometry, table, q, out| {
            local.clear();
            nodes.iter().for_each(|&n| local.extend_from_slice(&body.u[n as usize * dim..(n as usize + 1) * dim]));
            let (history, _) = body.assembly.cell_history(&body.history, cell);
            let bar = self.0.bar(table.kind, geometry);
            let old = &history[q * HISTORY..(q + 1) * HISTORY];
            if let Some(p) = self.0.point(cell, &geometry.gradients[q], bar.as_deref(), &local, old) {
                let s = p.stress;
                let all = [s[0][0], s[1][1], s[2][2], s[0][1], s[1][2], s[0][2]];
                out.iter_mut().zip(all).for_each(|(o, v)| *o = v);
            }
        })
    }

    /// The history in the mean over each cell.
    fn extra(&self, model: &SolidModel, body: &Equilibrium) -> Vec<Field> {
        let mesh = &model.mesh;
        let components = if mesh.dim == 3 { 6 } else { 4 };
        let (mut equivalent, mut plastic) = (Vec::new(), Vec::new());
        let mut geometry = CellGeometry::default();
        for (cell, kind, nodes) in mesh.cells() {
            let Some(table) = body.assembly.assembler.table(kind) else { continue };
            geometry.fill(table, mesh, nodes);
            let (history, _) = body.assembly.cell_history(&body.history, cell);
            let volume: f64 = geometry.volume.iter().sum();
            let mean = |k: usize| history.iter().skip(k).step_by(HISTORY).zip(&geometry.volume).map(|(h, w)| h * w / volume).sum::<f64>();
            equivalent.push(mean(6));
            plastic.extend((0..components).map(mean));
        }
        vec![
            Field::scalar("equivalent_plastic_strain", "1", Location::Cell, equivalent),
            Field::symmetric_tensor("plastic_strain", "1", Location::Cell, mesh.dim, plastic),
        ]
    }
}

impl Physics for Elastoplasticity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "J2 plasticity at small strains with linear and Voce hardening: plane stress, plane strain, 3D"
    }

    fn setup(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Setup, PhysicsError> {
        Ok(simulator(case, mesh)?.into_setup())
    }

    fn simulator(&self, case: &Case, mesh: &Arc<Mesh>) -> Result<Box<dyn Simulator + Send>, PhysicsError> {
        Ok(Box::new(simulator(case, mesh)?))
    }

    fn learning_task(&self, case: &Case, setup: &Setup) -> Result<LearningTask, PhysicsError> {
        Ok(learning_task(NAME, case.units, case.root().has("dynamics"), setup))
    }

    /// Nothing: the stress depends on the history, which a displacement does not tell.
    fn recover(&self, _case: &Case, _mesh: &Arc<Mesh>, _state: &State) -> Result<Vec<Field>, PhysicsError> {
        Ok(Vec::new())
    }
}
