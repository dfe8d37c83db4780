//! A small WebGL2 viewer of one case: turn, zoom, step through time, truth or prediction or error.

use super::{Shown, escape};
use crate::plot;
use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use femur_mesh::topology::boundary_facets;
use std::fmt::Write as _;

/// At most so many steps are embedded, evenly chosen.
const MAX_STEPS: usize = 40;

/// The section with number `k`.
pub(super) fn section(k: usize, shown: &Shown) -> Result<String> {
    let mesh = &shown.truth.setup.mesh;
    let mut triangles: Vec<u32> = Vec::new();
    let mut fan = |nodes: &[u32]| (1..nodes.len() - 1).for_each(|i| triangles.extend([nodes[0], nodes[i], nodes[i + 1]]));
    if mesh.dim == 3 {
        for f in boundary_facets(mesh) {
            let (kind, nodes) = mesh.facet_nodes(f);
            fan(&nodes[..kind.num_vertices()]);
        }
    } else {
        mesh.cells().for_each(|(_, kind, nodes)| fan(&nodes[..kind.num_vertices()]));
    }
    let points: Vec<f32> =
        (0..mesh.num_nodes()).flat_map(|i| std::array::from_fn::<f32, 3, _>(|d| mesh.point(i).get(d).map_or(0.0, |&x| x as f32))).collect();
    let count = shown.truth.states.len();
    let steps: Vec<usize> =
        if count <= MAX_STEPS { (0..count).collect() } else { (0..MAX_STEPS).map(|i| i * (count - 1) / (MAX_STEPS - 1)).collect() };
    let series = |of: &femur_sim::Trajectory| -> Result<Vec<f32>> {
        let mut out = Vec::new();
        for &s in &steps {
            out.extend(plot::select(&of.states[s].fields, &shown.field)?.values.iter().map(|&v| v as f32));
        }
        Ok(out)
    };
    let (truth, prediction) = (series(&shown.truth)?, series(&shown.prediction)?);
    let unit = shown.truth.states[0].field(shown.field.split('.').next().unwrap_or_default()).map_or("", |f| f.unit.as_str());
    let bytes = |v: &[f32]| STANDARD.encode(v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let index = STANDARD.encode(triangles.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let times: Vec<f64> = steps.iter().map(|&s| shown.truth.setup.times[s]).collect();
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<figure id=\"viewer{k}\"><canvas></canvas><div class=\"controls\"><select><option>truth</option><option selected>prediction</option><option>error</option></select>\
         <input type=\"range\" min=\"0\" max=\"{}\" value=\"{}\" aria-label=\"step\"{}><span class=\"time\"></span><span class=\"low\"></span><div class=\"bar\"></div><span class=\"high\"></span></div>\
         <figcaption>{} of {}: drag to turn, wheel to zoom, double click to go back</figcaption></figure>",
        steps.len() - 1,
        steps.len() - 1,
        if steps.len() == 1 { " hidden" } else { "" },
        escape(&shown.field),
        escape(&shown.name)
    );
    let _ = writeln!(
        out,
        "<script>\n(()=>{{const data={{id:\"viewer{k}\",unit:\"{}\",times:{times:?},points:\"{}\",index:\"{index}\",truth:\"{}\",prediction:\"{}\"}};\n{}}})();\n</script>",
        escape(unit),
        bytes(&points),
        bytes(&truth),
        bytes(&prediction),
        include_str!("viewer.js")
    );
    Ok(out)
}
