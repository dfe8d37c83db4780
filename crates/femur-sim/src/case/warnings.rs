//! What looks like a mistake but may be meant: mostly values of another unit system.

use super::value::{Kind, Node, join};
use super::{Case, Units};
use femur_mesh::Mesh;

/// A material constant: key, what it is, the unit string and its factor to SI, and the span met in practice (SI).
struct Constant {
    key: &'static str,
    what: &'static str,
    unit: fn(&Units) -> (&'static str, f64),
    span: (f64, f64),
    /// What the span's ends are like.
    examples: &'static str,
}

const CONSTANTS: &[Constant] = &[
    Constant {
        key: "E",
        what: "Young's modulus",
        unit: |u| (u.stress, u.pascals),
        span: (1e6, 2e12),
        examples: "rubber has some 1e7 Pa, steel 210e9 Pa, diamond 1.2e12 Pa",
    },
    Constant {
        key: "density",
        what: "density",
        unit: |u| (u.density, u.kg_per_m3),
        span: (1.0, 3e4),
        examples: "foam has some 30 kg/m^3, steel 7850 kg/m^3, gold 19300 kg/m^3",
    },
    Constant {
        key: "conductivity",
        what: "thermal conductivity",
        // 1 mW/(mm K) is 1 W/(m K).
        unit: |u| (u.conductivity, 1.0),
        span: (5e-3, 5e3),
        examples: "foam has some 0.03 W/(m K), steel 50 W/(m K), diamond 2000 W/(m K)",
    },
    Constant {
        key: "specific_heat",
        what: "specific heat",
        // 1 mJ/(t K) is 1e-6 J/(kg K).
        unit: |u| (u.specific_heat, if u.metres == 1.0 { 1.0 } else { 1e-6 }),
        span: (50.0, 2e4),
        examples: "gold has some 130 J/(kg K), steel 460 J/(kg K), water 4180 J/(kg K)",
    },
];

/// Bodies beyond these sizes [m] are rare.
const SIZE: (f64, f64) = (1e-5, 50.0);

impl Case {
    /// Lines about values that look like a mistake; `mesh`, where known, gives the size of the body. Nothing here is an error, and
    /// no key counts as read by it.
    pub fn warnings(&self, mesh: Option<&Mesh>) -> Vec<String> {
        let mut out = Vec::new();
        self.material_warnings(&mut out);
        self.load_warnings(&mut out);
        self.temperature_warnings(&mut out);
        self.size_warnings(mesh, &mut out);
        out
    }

    fn say(&self, node: &Node, path: &str, what: String) -> String {
        format!("{}: `{path}`: {what}", node.place(&self.origin))
    }

    fn top(&self, key: &str) -> Option<&Node> {
        self.doc.root.map()?.get(key)
    }

    /// Every material with its tag.
    fn materials(&self) -> Vec<(&str, &Node)> {
        let map = self.top("materials").and_then(Node::map);
        map.map(|m| m.entries.iter().map(|(k, n)| (k.as_str(), n)).collect()).unwrap_or_default()
    }

    fn material_warnings(&self, out: &mut Vec<String>) {
        for (tag, material) in self.materials() {
            let Some(map) = material.map() else { continue };
            let path = |key: &str| join(&join("materials", tag), key);
            for constant in CONSTANTS {
                let Some((node, value)) = map.get(constant.key).and_then(|n| Some((n, number(n)?))) else { continue };
                let (unit, factor) = (constant.unit)(&self.units);
                let (low, high) = constant.span;
                // What is not positive is an error, said elsewhere.
                if value > 0.0 && !(low..=high).contains(&(value * factor)) {
                    let meant = self.other_system(constant, value);
                    let text = format!("a {} of {value:e} {unit} is unusual ({}){meant}", constant.what, constant.examples);
                    out.push(self.say(node, &path(constant.key), text));
                }
            }
            if let Some((node, nu)) = map.get("nu").and_then(|n| Some((n, number(n)?)))
                && !(0.0..0.495).contains(&nu)
            {
                let why = if nu < 0.0 {
                    "only auxetic foams have a negative one"
                } else {
                    "at 0.5 a material is incompressible, which displacement elements cannot do"
                };
                out.push(self.say(node, &path("nu"), format!("a Poisson's ratio of {nu} is unusual: {why}")));
            }
        }
    }

    /// A hint where the value would be usual in the other unit system.
    fn other_system(&self, constant: &Constant, value: f64) -> String {
        let fits = |u: &&Units| u.name != self.units.name && (constant.span.0..=constant.span.1).contains(&(value * (constant.unit)(u).1));
        match Units::ALL.iter().find(fits) {
            Some(u) => format!("; is it in {}? This case has units = \"{}\"", (constant.unit)(u).0, self.units.name),
            None => String::new(),
        }
    }

    /// Loads that would strain the stiffest material by more than 5 %.
    fn load_warnings(&self, out: &mut Vec<String>) {
        let moduli = self.materials().into_iter().filter_map(|(_, n)| number(n.map()?.get("E")?));
        let stiffest = moduli.fold(0.0, f64::max);
        for (i, node, map) in self.boundaries() {
            let sizes = ["traction", "pressure"].iter().filter_map(|key| Some((*key, largest(map.get(key)?)?)));
            for (key, size) in sizes {
                if stiffest > 0.0 && size > 0.05 * stiffest {
                    let path = format!("boundary.{i}.{key}");
                    let text = format!(
                        "{size:e} {} is {:.0} % of Young's modulus: strains are no longer small",
                        self.units.stress,
                        100.0 * size / stiffest
                    );
                    out.push(self.say(map.get(key).unwrap_or(node), &path, text));
                }
            }
        }
    }

    fn temperature_warnings(&self, out: &mut Vec<String>) {
        let initial = self.top("initial").and_then(|n| Some(("initial.temperature".to_string(), n.map()?.get("temperature")?)));
        let mut found: Vec<(String, &Node)> = initial.into_iter().collect();
        for (i, _, map) in self.boundaries() {
            found.extend(map.get("temperature").map(|n| (format!("boundary.{i}.temperature"), n)));
            let ambient = map.get("convection").and_then(|n| n.map()?.get("ambient"));
            found.extend(ambient.map(|n| (format!("boundary.{i}.convection.ambient"), n)));
        }
        for (path, node) in found {
            if let Some(value) = number(node).filter(|v| *v < 200.0 && *v > -274.0) {
                out.push(self.say(
                    node,
                    &path,
                    format!("{value} K is {:.0} degrees Celsius; temperatures are in K: is it in degrees Celsius?", value - 273.15),
                ));
            }
        }
    }

    fn size_warnings(&self, mesh: Option<&Mesh>, out: &mut Vec<String>) {
        let Some(node) = self.top("mesh") else { return };
        let size = match (mesh, node.map()) {
            (Some(mesh), _) => mesh.diameter(),
            (None, Some(map)) => ["width", "height", "length", "thickness"].iter().filter_map(|k| number(map.get(k)?)).fold(0.0, f64::max),
            (None, None) => 0.0,
        };
        if size > 0.0 && !(SIZE.0..=SIZE.1).contains(&(size * self.units.metres)) {
            let text = format!(
                "the body spans {size:.4} {}: is `scale` missing (0.001 turns millimetres into metres), or units = \"{}\" meant?",
                self.units.length,
                Units::ALL.iter().find(|u| u.name != self.units.name).map_or("SI", |u| u.name)
            );
            out.push(self.say(node, "mesh", text));
        }
    }

    fn boundaries(&self) -> Vec<(usize, &Node, &super::value::Map)> {
        match self.top("boundary").map(|n| &n.kind) {
            Some(Kind::Array(list)) => list.iter().enumerate().filter_map(|(i, n)| Some((i, n, &**n.map()?))).collect(),
            _ => Vec::new(),
        }
    }
}

fn number(node: &Node) -> Option<f64> {
    match node.kind {
        Kind::Int(i) => Some(i as f64),
        Kind::Float(f) => Some(f),
        _ => None,
    }
}

/// Largest size among a number, the numbers of a list, or a table's `magnitude`, `x`, `y`, `z`.
fn largest(node: &Node) -> Option<f64> {
    let over = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(None, |m: Option<f64>, v| Some(m.map_or(v, |m| m.max(v))));
    match &node.kind {
        Kind::Array(list) => over(&mut list.iter().filter_map(number)),
        Kind::Table(map) => over(&mut ["magnitude", "x", "y", "z"].iter().filter_map(|k| number(map.get(k)?))),
        _ => number(node).map(f64::abs),
    }
}

#[cfg(test)]
mod tests {
    use crate::case::CaseFile;
    use crate::testing::rectangle;

    fn warnings(text: &str) -> Vec<String> {
        let head = "physics = \"linear-elasticity\"\n[mesh]\nfile = \"a.msh\"\n";
        CaseFile::parse(&format!("{head}{text}"), "c").unwrap().warnings().unwrap()
    }

    #[test]
    fn usual_values_pass() {
        let steel = "[materials.all]\nE = 210e9\nnu = 0.3\ndensity = 7850\nconductivity = 50\nspecific_heat = 460\n[[boundary]]\ntraction = [1e6, 0]\ntemperature = 293";
        assert!(warnings(steel).is_empty());
        let text = "units = \"mm-N-s-MPa\"\nphysics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[materials.all]\nE = 210e3\nnu = 0.3\ndensity = 7.85e-9\nconductivity = 50\nspecific_heat = 4.6e8";
        let file = CaseFile::parse(text, "c").unwrap();
        assert!(file.warnings().unwrap().is_empty(), "{:?}", file.warnings());
        // 100 x 50 mm.
        assert!(file.nominal().unwrap().warnings(Some(&rectangle(100.0, 50.0, 1, 1))).is_empty());
    }

    #[test]
    fn mistaken_units_are_told() {
        let w = warnings("[materials.all]\nE = 210e3");
        assert!(
            w.len() == 1 && w[0].starts_with("c:5: `materials.all.E`: a Young's modulus of 2.1e5 Pa") && w[0].contains("is it in MPa?"),
            "{w:?}"
        );
        let w = warnings("[materials.all]\ndensity = 7.85e-9\nnu = 0.5");
        assert!(w.len() == 2 && w[0].contains("is it in t/mm^3?") && w[1].contains("incompressible"), "{w:?}");
        let w = warnings("[materials.all]\nE = 1e9\n[[boundary]]\ntraction.magnitude = 1e9");
        assert!(w.len() == 1 && w[0].contains("boundary.0.traction") && w[0].contains("100 %"), "{w:?}");
        let w = warnings("[initial]\ntemperature = 20");
        assert!(w.len() == 1 && w[0].contains("Celsius"), "{w:?}");
        let case = CaseFile::parse("physics = \"p\"\n[mesh]\nfile = \"a.msh\"", "c").unwrap().nominal().unwrap();
        let w = case.warnings(Some(&rectangle(100.0, 50.0, 1, 1)));
        assert!(w.len() == 1 && w[0].contains("spans 111.8034 m") && w[0].contains("0.001"), "{w:?}");
    }
}
