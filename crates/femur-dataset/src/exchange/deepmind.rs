//! One HDF5 file for many trajectories, as the PyTorch re-implementations of MeshGraphNets (Pfaff et al. 2021) read it.
//!
//! Groups `0`, `1`, ... each hold `pos` f32 `[T, N, D]` (or `mesh_pos`), `node_type` i32 `[T, N, 1]`, `cells` i32 `[T, M, K]` and
//! fields f32 `[T, N, C]`: velocity, pressure, ... What does not change is repeated over time.
//!
//! What the layout cannot say stands beside it, where its readers do not look: attributes for units, components, role and split,
//! `time` f64 `[T]`, `FIELD_prescribed` u8 `[N, C]`, `material_id` i32 `[M]`. Tags and load responses are left out.

use crate::DatasetError;
use crate::hdf::{self, LOCK, Node, text};
use femur_mesh::{CellBlock, CellKind, Field, Location, Mesh, Tags};
use femur_sim::{Input, NodeType, Param, Prescribed, Setup, SolverLog, State, Trajectory};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Fields that the published code steps in time, so that they are held by the script on boundary nodes.
const STEPPED: [&str; 2] = ["velocity", "world_pos"];
/// Units of the published datasets.
const UNITS: [(&str, &str); 5] = [("velocity", "m/s"), ("pressure", "Pa"), ("density", "kg/m^3"), ("world_pos", "m"), ("stress", "Pa")];
const MASK: &str = "_prescribed";

/// Writes a file, one group a trajectory. Dropped before [`DeepmindWriter::finish`], it leaves nothing behind.
pub struct DeepmindWriter {
    path: PathBuf,
    part: PathBuf,
    /// Open until the file has its name.
    file: Option<hdf5::File>,
    count: usize,
}

impl Drop for DeepmindWriter {
    fn drop(&mut self) {
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

impl DeepmindWriter {
    /// Starts `path` under the name `path.part`.
    ///
    /// # Errors
    /// The file is there already, or cannot be made.
    pub fn create(path: &Path) -> Result<Self, DatasetError> {
        if path.exists() {
            let (what, hint) = ("exists already".to_string(), "name another file, or remove this one".to_string());
            return Err(DatasetError::Refused { path: path.into(), what, hint });
        }
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".part");
        let part = path.with_file_name(name);
        Ok(DeepmindWriter { file: Some(hdf::create(&part)?), path: path.into(), part, count: 0 })
    }

    /// Adds a trajectory; `split` is kept as an attribute. Gives the names of the fields that the layout has no place for (those
    /// over cells).
    ///
    /// # Errors
    /// A mesh of several kinds of cells, a field with a name of the layout, a file system that is full.
    pub fn add(&mut self, split: &str, t: &Trajectory) -> Result<Vec<String>, DatasetError> {
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.part.as_path();
        let (setup, mesh) = (&t.setup, &t.setup.mesh);
        let [block] = mesh.blocks.as_slice() else {
            let kinds: Vec<&str> = mesh.blocks.iter().map(|b| b.kind.name()).collect();
            let what = format!("cannot hold a mesh of several kinds of cells ({})", kinds.join(", "));
            return Err(DatasetError::Refused { path: self.path.clone(), what, hint: "mesh with one kind of cells".into() });
        };
        let Some(file) = &self.file else { return Err(DatasetError::content(path, "is closed already")) };
        let root = Node::root(file, path)?;
        let group = root.new_group(&self.count.to_string())?;
        let (steps, n) = (t.states.len(), mesh.num_nodes());
        group.attribute("split", split)?;
        group.attribute("unit_system", &setup.units)?;
        group.attribute("params", &json(&setup.params))?;
        let (mut names, mut left_out) = (Vec::new(), Vec::new());
        group.write("pos", &[steps, n, mesh.dim], &repeated(&mesh.points.iter().map(|&x| x as f32).collect::<Vec<_>>(), steps))?;
        let types: Vec<i32> = setup.node_type.iter().map(|&t| t as i32).collect();
        group.write("node_type", &[steps, n, 1], &repeated(&types, steps))?;
        let cells: Vec<i32> = block.connectivity.iter().map(|&n| n as i32).collect();
        group.write("cells", &[steps, block.num_cells(), block.kind.num_nodes()], &repeated(&cells, steps))?;
        for (k, field) in t.states.first().map_or(&[][..], |s| &s.fields).iter().enumerate() {
            if field.location == Location::Cell {
                left_out.push(field.name.clone());
                continue;
            }
            let values: Vec<f32> = t.states.iter().flat_map(|s| s.fields[k].values.iter().map(|&v| v as f32)).collect();
            let dataset = group.write(&field.name, &[steps, n, field.num_components()], &values)?;
            text(&dataset, path, "units", &field.unit)?;
            text(&dataset, path, "components", &json(&field.components))?;
            text(&dataset, path, "role", "state")?;
            names.push(field.name.clone());
        }
        for input in &setup.inputs {
            let values: Vec<f32> = (0..steps).flat_map(|s| input.at_step(s).iter().map(|&v| v as f32)).collect();
            let dataset = group.write(&input.name, &[steps, n, input.components.len()], &values)?;
            text(&dataset, path, "units", &input.unit)?;
            text(&dataset, path, "components", &json(&input.components))?;
            text(&dataset, path, "role", "input")?;
            text(&dataset, path, "time_kind", if input.steps == 1 { "static" } else { "dynamic" })?;
            names.push(input.name.clone());
        }
        for p in &setup.prescribed {
            let mask: Vec<u8> = p.mask.iter().map(|&m| u8::from(m)).collect();
            group.write(&format!("{}{MASK}", p.field), &[n, p.mask.len() / n.max(1)], &mask)?;
        }
        group.write("time", &[steps], &setup.times)?;
        group.write("material_id", &[setup.material_id.len()], &setup.material_id)?;
        group.attribute("fields", &json(&names))?;
        self.count += 1;
        Ok(left_out)
    }

    /// Closes the file and gives it its name.
    ///
    /// # Errors
    /// The file cannot be closed or renamed.
    pub fn finish(mut self) -> Result<(), DatasetError> {
        let lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let flushed = self.file.as_ref().map_or(Ok(()), hdf5::File::flush);
        // dropping it locks again
        drop(lock);
        flushed.map_err(|e| DatasetError::Hdf { path: self.part.clone(), what: "cannot close".into(), reason: e.to_string() })?;
        drop(self.file.take());
        std::fs::rename(&self.part, &self.path).map_err(DatasetError::io(&self.path, "rename into"))
    }
}

fn repeated<T: Copy>(values: &[T], steps: usize) -> Vec<T> {
    values.repeat(steps)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// One trajectory of such a file.
#[derive(Debug, Clone)]
pub struct DeepmindRun {
    /// The split that Femur noted when it wrote the file; empty in others' files.
    pub split: String,
    /// The trajectory.
    pub trajectory: Trajectory,
    /// Arrays that make no field, with the reason.
    pub left_out: Vec<String>,
}

/// An open file.
pub struct DeepmindReader {
    path: PathBuf,
    file: hdf5::File,
    groups: Vec<String>,
}

impl DeepmindReader {
    /// Opens a file and lists its groups, those with numbers in their order.
    ///
    /// # Errors
    /// The file is none of HDF5 or holds no groups.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        if !path.exists() {
            return Err(DatasetError::io(path, "read")(std::io::ErrorKind::NotFound.into()));
        }
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = hdf::open_foreign(path)?;
        let root = Node::root(&file, path)?;
        let mut groups: Vec<String> = root.names()?.into_iter().filter(|n| root.is_group(n)).collect();
        groups.sort_by_key(|n| (n.parse::<u64>().unwrap_or(u64::MAX), n.clone()));
        if groups.is_empty() {
            let hint = "the layout has groups 0, 1, ... with pos, node_type, cells and fields".into();
            return Err(DatasetError::Refused { path: path.into(), what: "holds no trajectories".into(), hint });
        }
        Ok(DeepmindReader { path: path.into(), file, groups })
    }

    /// Names of the trajectories.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Reads a trajectory. `dt` is the length of a time step where the file does not say.
    ///
    /// # Errors
    /// An array that is missing or of another shape than the layout's, a mesh that changes in time, a node type that is not known.
    pub fn read(&self, name: &str, dt: f64) -> Result<DeepmindRun, DatasetError> {
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let root = Node::root(&self.file, &self.path)?;
        read(&root.sub(name)?, name, dt)
    }
}

/// An array `[T, n, c]`, `[1, n, c]` or `[n, c]`.
struct Tiled<T> {
    steps: usize,
    n: usize,
    c: usize,
    values: Vec<T>,
}

impl<T: hdf5::H5Type + Copy + PartialEq> Tiled<T> {
    fn read(group: &Node, name: &str) -> Result<Self, DatasetError> {
        let (shape, values) = group.read::<T>(name)?;
        let (steps, n, c) = match shape[..] {
            [t, n, c] => (t, n, c),
            [n, c] => (1, n, c),
            [n] => (1, n, 1),
            _ => {
                return Err(DatasetError::content(
                    group.path,
                    format!("{name} has shape {shape:?}, expected [steps, entities, components]"),
                ));
            }
        };
        Ok(Tiled { steps, n, c, values })
    }

    fn step(&self, k: usize) -> &[T] {
        let size = self.n * self.c;
        let k = if self.steps == 1 { 0 } else { k };
        &self.values[k * size..(k + 1) * size]
    }

    /// The values, which must be the same at all steps.
    fn constant(&self, group: &Node, name: &str) -> Result<&[T], DatasetError> {
        if self.steps == 0 || self.n == 0 {
            return Err(DatasetError::content(group.path, format!("{name} is empty")));
        }
        match (1..self.steps).find(|&k| self.step(k) != self.step(0)) {
            Some(k) => Err(DatasetError::Refused {
                path: group.path.into(),
                what: format!("{}/{name} changes at step {k}: a mesh that changes in time is not taken", group.group.name()),
                hint: "pos (mesh_pos) is the reference shape; world_pos holds the moving one".into(),
            }),
            None => Ok(self.step(0)),
        }
    }
}

fn read(group: &Node, name: &str, dt: f64) -> Result<DeepmindRun, DatasetError> {
    let path = group.path;
    let fail = |what: String| DatasetError::content(path, format!("group {name}: {what}"));
    let place = ["pos", "mesh_pos"].into_iter().find(|p| group.has(p));
    let Some(place) = place else { return Err(fail("there is neither pos nor mesh_pos".into())) };
    for needed in ["node_type", "cells"] {
        if !group.has(needed) {
            return Err(fail(format!("there is no {needed}")));
        }
    }
    let pos = Tiled::<f64>::read(group, place)?;
    let points = pos.constant(group, place)?.to_vec();
    let (n, dim) = (pos.n, pos.c);
    let cells = Tiled::<i64>::read(group, "cells")?;
    let Some(kind) = kind_of(dim, cells.c) else {
        return Err(fail(format!("cells of {} nodes in {dim} dimensions are not known", cells.c)));
    };
    let connectivity = cells.constant(group, "cells")?.iter().map(|&i| u32::try_from(i).map_err(|_| fail(format!("cells holds {i}"))));
    let block = CellBlock { kind, connectivity: connectivity.collect::<Result<_, _>>()? };
    let mesh = Mesh::new(dim, points, vec![block], Tags::default()).map_err(|e| fail(e.to_string()))?;
    let types = Tiled::<i64>::read(group, "node_type")?;
    let node_type = types
        .constant(group, "node_type")?
        .iter()
        .map(|&t| {
            let known = usize::try_from(t).ok().and_then(|t| NodeType::ALL.get(t)).copied();
            known.ok_or_else(|| fail(format!("node_type holds {t}, which is not of the published enumeration")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if node_type.len() != n {
        return Err(fail(format!("node_type has {} entries, {place} {n}", node_type.len())));
    }

    let skip = |f: &str| [place, "node_type", "cells", "time", "material_id"].contains(&f) || f.ends_with(MASK);
    let mut names: Vec<String> = match group.read_attribute("fields").ok().and_then(|t| serde_json::from_str::<Vec<String>>(&t).ok()) {
        Some(names) => names.into_iter().filter(|f| group.has(f)).collect(),
        None => group.names()?,
    };
    let noted = group.read_attribute("fields").is_ok();
    if !noted {
        // what is stepped stands first
        names.sort_by_key(|f| (!STEPPED.contains(&f.as_str()), f.clone()));
    }
    let (mut fields, mut inputs, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut steps = 0;
    for field in names.into_iter().filter(|f| !skip(f)) {
        if !group.is_numeric(&field) {
            left_out.push(format!("{field} (not numbers)"));
            continue;
        }
        let array = Tiled::<f64>::read(group, &field);
        let Ok(array) = array.map_err(|e| e.to_string()).and_then(|a| if a.n == n && a.c > 0 { Ok(a) } else { Err(String::new()) }) else {
            left_out.push(format!("{field} (not [steps, nodes, components])"));
            continue;
        };
        if let Some(i) = array.values.iter().position(|v| !v.is_finite()) {
            return Err(fail(format!("{field} is not finite at step {}, node {}", i / (n * array.c), i / array.c % n)));
        }
        let attribute = |key: &str| group.read_attribute_of(&field, key).ok();
        let known = UNITS.iter().find(|u| u.0 == field).map_or("1", |u| u.1);
        let unit = attribute("units").unwrap_or_else(|| known.to_string());
        let components = attribute("components").and_then(|t| serde_json::from_str::<Vec<String>>(&t).ok()).filter(|c| c.len() == array.c);
        let components = components.unwrap_or_else(|| components_of(&field, array.c, dim));
        if attribute("role").as_deref() == Some("input") {
            let fixed = array.steps == 1 || attribute("time_kind").as_deref() == Some("static");
            let steps = if fixed { 1 } else { array.steps };
            let values = array.values[..steps * n * array.c].to_vec();
            inputs.push(Input { name: field, unit, components, steps, values });
        } else {
            if fields.is_empty() {
                steps = array.steps;
            } else if array.steps != steps {
                return Err(fail(format!("{field} has {} steps, the fields before it {steps}", array.steps)));
            }
            fields.push((field, unit, components, array));
        }
    }
    if steps == 0 {
        return Err(fail("there is no field with a state".into()));
    }
    if let Some(input) = inputs.iter().find(|i| i.steps != 1 && i.steps != steps) {
        return Err(fail(format!("{} has {} steps, the fields {steps}", input.name, input.steps)));
    }
    let times = if group.has("time") { group.read::<f64>("time")?.1 } else { (0..steps).map(|k| k as f64 * dt).collect() };
    if times.len() != steps || times.iter().any(|t| !t.is_finite()) {
        return Err(fail(format!("time has {} entries, expected {steps} finite ones", times.len())));
    }
    let mut prescribed = Vec::new();
    for (field, _, _, array) in &fields {
        let mask: Vec<bool> = if group.has(&format!("{field}{MASK}")) {
            group.read::<u8>(&format!("{field}{MASK}"))?.1.iter().map(|&m| m != 0).collect()
        } else if !noted && STEPPED.contains(&field.as_str()) && steps > 1 {
            let held = |t: &NodeType| !matches!(t, NodeType::Normal | NodeType::Outflow);
            node_type.iter().flat_map(|t| std::iter::repeat_n(held(t), array.c)).collect()
        } else {
            continue;
        };
        if mask.len() != n * array.c {
            return Err(fail(format!("{field}{MASK} has {} entries, expected {}", mask.len(), n * array.c)));
        }
        let of = |k: usize| -> Vec<f64> { array.step(k).iter().zip(&mask).map(|(v, m)| if *m { *v } else { 0.0 }).collect() };
        let mut held: Vec<Vec<f64>> = (0..steps).map(of).collect();
        if held.iter().all(|h| *h == held[0]) {
            held.truncate(1);
        }
        prescribed.push(Prescribed { field: field.clone(), steps: held.len(), values: held.concat(), mask });
    }
    let material_id = if group.has("material_id") { group.read::<i32>("material_id")?.1 } else { vec![0; mesh.num_cells()] };
    if material_id.len() != mesh.num_cells() {
        return Err(fail(format!("material_id has {} entries, expected {}", material_id.len(), mesh.num_cells())));
    }
    let params: Vec<Param> = group.read_attribute("params").ok().and_then(|t| serde_json::from_str(&t).ok()).unwrap_or_default();
    let states: Vec<State> = times
        .iter()
        .enumerate()
        .map(|(k, &time)| {
            let field = |(name, unit, components, array): &(String, String, Vec<String>, Tiled<f64>)| Field {
                name: name.clone(),
                unit: unit.clone(),
                location: Location::Node,
                components: components.clone(),
                values: array.step(k).to_vec(),
            };
            State { time, fields: fields.iter().map(field).collect() }
        })
        .collect();
    let setup = Setup {
        // the importer names it: no physics of ours stands behind such a file
        physics: String::new(),
        mesh: Arc::new(mesh),
        units: group.read_attribute("unit_system").unwrap_or_else(|_| "SI".into()),
        node_type,
        material_id,
        inputs,
        prescribed,
        loads: Vec::new(),
        params,
        times,
        initial: (steps > 1).then(|| states[0].clone()),
        initial_responses: Vec::new(),
        singular: Vec::new(),
    };
    let split = group.read_attribute("split").unwrap_or_default();
    let trajectory = Trajectory { setup, states, unit_responses: Vec::new(), log: SolverLog::default() };
    Ok(DeepmindRun { split, trajectory, left_out })
}

/// The kind of cells of `k` nodes that fill a space of `dim` dimensions.
fn kind_of(dim: usize, k: usize) -> Option<CellKind> {
    Some(match (dim, k) {
        (1, 2) => CellKind::Line2,
        (2, 3) => CellKind::Triangle3,
        (2, 4) => CellKind::Quad4,
        (2, 6) => CellKind::Triangle6,
        (2, 8) => CellKind::Quad8,
        (2, 9) => CellKind::Quad9,
        (3, 4) => CellKind::Tet4,
        (3, 5) => CellKind::Pyramid5,
        (3, 6) => CellKind::Wedge6,
        (3, 8) => CellKind::Hex8,
        (3, 10) => CellKind::Tet10,
        (3, 15) => CellKind::Wedge15,
        (3, 20) => CellKind::Hex20,
        (3, 27) => CellKind::Hex27,
        _ => return None,
    })
}

/// Names of components in files that name none.
fn components_of(field: &str, c: usize, dim: usize) -> Vec<String> {
    let axes = c <= 3 && (c == dim || c == 3 || STEPPED.contains(&field));
    match c {
        1 => vec![String::new()],
        _ if axes => ["x", "y", "z"][..c].iter().map(|s| (*s).to_string()).collect(),
        _ => (0..c).map(|k| k.to_string()).collect(),
    }
}
