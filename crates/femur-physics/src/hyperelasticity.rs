//! Finite-strain elasticity in total Lagrangian form: plane strain and 3D, with load stepping and rigid obstacles.
//!
//! Strong form `-Div P = b`, `P = dW/dF`; weak form and sources in `docs/src/topics/hyperelasticity.md`.

mod kernel;
mod law;

use crate::solid::model::{Coefficient, SolidModel};
use crate::solid::simulator::{Solid, SolidSimulator, learning_task};
use crate::solid::{Equilibrium, Tensor};
use crate::{Physics, PhysicsError};
use femur_fem::recovery;
use femur_mesh::{Field, Location, Mesh};
use femur_sim::case::{Case, Table};
use femur_sim::{LearningTask, Setup, Simulator, State, derived};
use kernel::Kernel;
use law::Law;
use std::sync::Arc;

/// `physics = "hyperelasticity"`.
pub struct Hyperelasticity;

const NAME: &str = "hyperelasticity";

/// The words of `law`.
const LAWS: [&str; 4] = ["neo-hookean", "saint-venant-kirchhoff", "isochoric-neo-hookean", "mooney-rivlin"];

/// Reads a material: its law, shear modulus and bulk modulus at small strains.
fn read_law(table: &Table) -> Result<(Law, f64, f64), PhysicsError> {
    table.claim(&["density"]);
    let law = table.choice_or("law", &LAWS, 0)?;
    if law == 3 {
        let (c1, c2, kappa) = (table.f64("c1")?, table.f64("c2")?, table.positive("kappa")?);
        if c1 + c2 <= 0.0 {
            return Err(table.error("c1", format!("c1 + c2 must be above 0, got {}", c1 + c2), "2 (c1 + c2) is the shear modulus").into());
        }
        table.finish()?;
        return Ok((Law::MooneyRivlin { c1, c2, kappa }, 2.0 * (c1 + c2), kappa));
    }
    let (e, nu) = (table.positive("E")?, table.f64("nu")?);
    if !(-0.999..=0.49999).contains(&nu) {
        let hint = "0.3 for metals; for rubber 0.4999 with [discretisation] formulation = \"f-bar\"";
        return Err(table.error("nu", format!("must lie between -1 and 0.49999, got {nu}"), hint).into());
    }
    table.finish()?;
    let (mu, kappa) = (e / (2.0 * (1.0 + nu)), e / (3.0 * (1.0 - 2.0 * nu)));
    let lambda = kappa - 2.0 / 3.0 * mu;
    let law = match law {
        0 => Law::NeoHookean { mu, lambda },
        1 => Law::SaintVenantKirchhoff { mu, lambda },
        _ => Law::MooneyRivlin { c1: 0.5 * mu, c2: 0.0, kappa },
    };
    Ok((law, mu, kappa))
}

/// A case read and checked.
fn read(case: &Case, mesh: &Arc<Mesh>) -> Result<(SolidModel, Kernel, Vec<Coefficient>, f64), PhysicsError> {
    if mesh.dim == 2 {
        case.root().choice_or("plane", &["strain"], 0)?;
    }
    let model = SolidModel::read(case, mesh, &["plane"])?;
    let discretisation = case.table("discretisation");
    let f_bar = discretisation.choice_or("formulation", &["standard", "f-bar"], 0)? == 1;
    discretisation.finish()?;
    let materials = model.tables.iter().map(read_law).collect::<Result<Vec<_>, _>>()?;
    let unit = case.units.stress;
    let stiffest = materials.iter().map(|m| m.1.max(m.2.min(10.0 * m.1))).fold(0.0, f64::max);
    let coefficients = vec![
        ("shear_modulus", unit, materials.iter().map(|m| m.1).collect()),
        ("bulk_modulus", unit, materials.iter().map(|m| m.2).collect()),
    ];
    let laws = materials.into_iter().map(|m| m.0).collect();
    let kernel = Kernel::new(mesh, model.thickness, laws, model.material_id.clone(), f_bar);
    Ok((model, kernel, coefficients, stiffest))
}

fn simulator(case: &Case, mesh: &Arc<Mesh>) -> Result<SolidSimulator, PhysicsError> {
    let (model, kernel, coefficients, stiffest) = read(case, mesh)?;
    let kernel = Arc::new(kernel);
    let obstacles = model.obstacles(stiffest)?;
    let body = model.equilibrium(kernel.clone(), obstacles);
    SolidSimulator::new(case, NAME, model, Box::new(Recovery(kernel)), body, &coefficients)
}

/// Nodal Cauchy stress.
struct Recovery(Arc<Kernel>);

impl Solid for Recovery {
    fn stress(&self, model: &SolidModel, body: &Equilibrium) -> Vec<f64> {
        nodal_stress(&model.mesh, &self.0, &body.u)
    }
}

/// Components xx, yy, zz, xy(, yz, xz) of a symmetric tensor.
fn components(s: &Tensor, out: &mut [f64]) {
    let all = [s[0][0], s[1][1], s[2][2], s[0][1], s[1][2], s[0][2]];
    out.iter_mut().zip(all).for_each(|(o, v)| *o = v);
}

fn nodal_stress(mesh: &Mesh, kernel: &Kernel, displacement: &[f64]) -> Vec<f64> {
    let dim = mesh.dim;
    let mut local = Vec::new();
    recovery::recover(mesh, if dim == 3 { 6 } else { 4 }, |cell, nodes, geometry, _, q, out| {
        local.clear();
        nodes.iter().for_each(|&n| local.extend_from_slice(&displacement[n as usize * dim..(n as usize + 1) * dim]));
        components(&kernel.cauchy(cell, &geometry.gradients[q], &local), out);
    })
}

impl Physics for Hyperelasticity {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "finite-strain elasticity with load stepping and rigid obstacles: plane strain, 3D"
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

    fn recover(&self, case: &Case, mesh: &Arc<Mesh>, state: &State) -> Result<Vec<Field>, PhysicsError> {
        let Some(u) = state.field("displacement") else { return Ok(Vec::new()) };
        let (model, kernel, ..) = read(case, mesh)?;
        let stress = if u.len() == mesh.num_nodes() {
            nodal_stress(mesh, &kernel, &u.values)
        } else {
            // On the vertices alone the body is that of the linear cells.
            let (on, kernel) = (&model.output.mesh, kernel.on(&model.output.mesh));
            nodal_stress(on, &kernel, &u.values)
        };
        let stress = Field::symmetric_tensor("stress", case.units.stress, Location::Node, mesh.dim, stress);
        let von_mises = derived::von_mises(&stress);
        Ok(vec![stress, von_mises])
    }
}
