//! Thermal strain: `eps_th = alpha (T - T_ref)`.

use super::body::Body;
use crate::PhysicsError;
use crate::linear::{Channel, sampled};
use crate::material::to_nodes;
use femur_mesh::field::symmetric_components;
use femur_sim::Input;
use femur_sim::case::{Case, Expr};

/// The temperature of a body.
pub(crate) struct Thermal {
    temperature: Expr,
    reference: f64,
}

impl Thermal {
    /// Reads `temperature` and `reference_temperature`.
    pub(crate) fn read(case: &Case, body: &Body) -> Result<Option<Self>, PhysicsError> {
        case.claim(&["temperature", "reference_temperature"]);
        let root = case.root();
        let Some(temperature) = root.opt_expr("temperature")? else {
            if root.has("reference_temperature") {
                return Err(root.error("reference_temperature", "stands without temperature", "write temperature = ... too").into());
            }
            return Ok(None);
        };
        if body.materials.iter().all(|m| m.thermal.is_none()) {
            return Err(root.error("temperature", "has no effect: no material expands", "write alpha = ... [1/K] in [materials]").into());
        }
        Ok(Some(Thermal { temperature, reference: root.f64("reference_temperature")? }))
    }

    /// Temperature over the reference.
    pub(crate) fn rise(&self, x: &[f64], t: f64) -> f64 {
        self.temperature.eval(x, t) - self.reference
    }

    /// Whether it mentions t.
    pub(crate) fn varies(&self) -> bool {
        self.temperature.depends_on_time()
    }

    /// The rise of the unit channel: 1 where the temperature is the same everywhere.
    pub(crate) fn unit_rise(&self, x: &[f64]) -> f64 {
        if self.temperature.is_constant().is_some() { 1.0 } else { self.rise(x, 0.0) }
    }

    /// The load at time 0 as one channel; `None` where there is no rise and the case cannot have one.
    pub(crate) fn channel(&self, case: &Case, body: &Body) -> Option<Channel> {
        let value = self.temperature.is_constant().map(|t| t - self.reference);
        if value == Some(0.0) && !sampled(case, "temperature") && !sampled(case, "reference_temperature") {
            return None;
        }
        let size = body.mesh.num_nodes() * body.mesh.dim;
        let mut channel = Channel::new("temperature".into(), body.units.temperature, value.unwrap_or(1.0), size);
        channel.vector = body.thermal_load(&|x| self.unit_rise(x));
        Some(channel)
    }

    /// The rise at the nodes at some times, and the stress of 1 K held.
    pub(crate) fn inputs(&self, body: &Body, times: &[f64]) -> Vec<Input> {
        let mesh = &body.mesh;
        let at = |&t: &f64| -> Vec<f64> { (0..mesh.num_nodes()).map(|n| self.rise(mesh.point(n), t)).collect() };
        let rise = body.input("temperature_rise", body.units.temperature, vec![String::new()], &times.iter().map(at).collect::<Vec<_>>());
        let names: Vec<String> = symmetric_components(mesh.dim).iter().map(|c| (*c).to_string()).collect();
        let column = |k: usize| to_nodes(mesh, &body.material_id, |m| body.materials[m].thermal.map_or(0.0, |t| t[k]));
        let columns: Vec<Vec<f64>> = (0..names.len()).map(column).collect();
        let rows = (0..mesh.num_nodes()).flat_map(|n| columns.iter().map(move |c| c[n])).collect();
        vec![rise, body.input("thermal_stress", &format!("{}/K", body.units.stress), names, &[rows])]
    }
}
