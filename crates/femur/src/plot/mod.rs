//! PNG pictures: mesh, field, truth | prediction | error on one scale, deformed shape.

mod color;
mod curve;
mod panel;
mod raster;
mod surface;

pub use curve::{Series, curve_picture};

use anyhow::{Result, bail};
use color::Map;
use femur_mesh::{Field, Location, Mesh};
use panel::{Canvas, Panel};

/// A scalar over the nodes, ready to paint.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    /// Name with component, e.g. `displacement magnitude`.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// Values `[num_nodes]`.
    pub values: Vec<f64>,
}

/// The scalar that a name asks for: `von_mises`, `displacement` (its magnitude), `displacement.x`, `stress.xy`.
pub fn select(fields: &[Field], name: &str) -> Result<Scalar> {
    let (base, component) = name.split_once('.').map_or((name, None), |(b, c)| (b, Some(c)));
    let Some(field) = fields.iter().find(|f| f.name == base) else { bail!("there is no field `{base}`") };
    if field.location == Location::Cell {
        bail!("`{base}` is a field of cells; only node fields can be painted");
    }
    let c = field.num_components();
    let (label, values) = match component {
        Some(component) => {
            let Some(k) = field.components.iter().position(|x| x == component) else {
                bail!("`{base}` has no component `{component}`: it has {}", field.components.join(", "));
            };
            (format!("{base} {component}"), field.values.iter().skip(k).step_by(c).copied().collect())
        }
        None if c == 1 => (base.to_string(), field.values.clone()),
        None => (format!("{base} magnitude"), field.values.chunks_exact(c).map(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()),
    };
    Ok(Scalar { name: label, unit: field.unit.clone(), values })
}

fn range<'a>(values: impl Iterator<Item = &'a f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)))
}

/// The edges of the cells.
pub fn mesh_picture(mesh: &Mesh) -> Result<Vec<u8>> {
    let title = format!("{} nodes, {} cells", mesh.num_nodes(), mesh.num_cells());
    single(mesh, &mesh.points, Panel { title, scalar: None, range: (0.0, 1.0), map: Map::Viridis, edges: true })
}

/// A field with its colour bar.
pub fn field_picture(mesh: &Mesh, field: &Scalar) -> Result<Vec<u8>> {
    let panel =
        Panel { title: field.name.clone(), scalar: Some(field), range: range(field.values.iter()), map: Map::Viridis, edges: false };
    single(mesh, &mesh.points, panel)
}

/// A field on the deformed shape; the largest displacement is drawn as 8 % of the body, the factor stands in the title.
pub fn deformed_picture(mesh: &Mesh, displacement: &Field, field: &Scalar) -> Result<Vec<u8>> {
    let reach = displacement.values.chunks_exact(mesh.dim).map(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt()).fold(0.0, f64::max);
    let factor = if reach > 0.0 { 0.08 * mesh.diameter() / reach } else { 1.0 };
    let points: Vec<f64> = mesh.points.iter().zip(&displacement.values).map(|(x, u)| x + factor * u).collect();
    let title = format!("{}, displacement x {}", field.name, panel::number(factor));
    let panel = Panel { title, scalar: Some(field), range: range(field.values.iter()), map: Map::Viridis, edges: false };
    single(mesh, &points, panel)
}

fn single(mesh: &Mesh, points: &[f64], panel: Panel) -> Result<Vec<u8>> {
    let surface = surface::of(mesh, points);
    let height = ((1400.0 * surface.aspect()) as u32).clamp(400, 1400) + 110;
    let mut canvas = Canvas::new(1600, height);
    panel.draw(&mut canvas, &surface, (0, 0, 1600, height))?;
    canvas.png()
}

/// Truth and prediction on one scale, the error on its own.
pub fn comparison_picture(mesh: &Mesh, truth: &Scalar, prediction: &Scalar) -> Result<Vec<u8>> {
    if truth.values.len() != prediction.values.len() || truth.values.len() != mesh.num_nodes() {
        bail!("truth and prediction are not on the same nodes");
    }
    let surface = surface::of(mesh, &mesh.points);
    let error = Scalar { values: prediction.values.iter().zip(&truth.values).map(|(p, t)| (p - t).abs()).collect(), ..truth.clone() };
    let common = range(truth.values.iter().chain(&prediction.values));
    let worst = range(error.values.iter()).1;
    let panel = |title: &str, scalar, range, map| Panel {
        title: format!("{title}: {}", truth.name),
        scalar: Some(scalar),
        range,
        map,
        edges: false,
    };
    let panels = [
        panel("truth", truth, common, Map::Viridis),
        panel("prediction", prediction, common, Map::Viridis),
        panel("|error|", &error, (0.0, worst), Map::Reds),
    ];
    // Wide bodies below one another, others side by side.
    let wide = surface.aspect() < 0.35;
    let (w, h) = if wide {
        (1600, ((1400.0 * surface.aspect()) as u32).max(180) + 110)
    } else {
        (660, ((520.0 * surface.aspect()) as u32).clamp(200, 900) + 110)
    };
    let mut canvas = if wide { Canvas::new(w, 3 * h) } else { Canvas::new(3 * w, h) };
    for (k, panel) in panels.iter().enumerate() {
        let k = k as u32;
        panel.draw(&mut canvas, &surface, if wide { (0, k * h, w, h) } else { (k * w, 0, w, h) })?;
    }
    canvas.png()
}
