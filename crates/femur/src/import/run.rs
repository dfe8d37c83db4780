//! One run made elsewhere, read into a trajectory.

use super::map::{ArraySpec, InputSource, Map, RunFile, TagSource, TagSpec};
use anyhow::{Context as _, Result, bail};
use femur_io::MeshFile;
use femur_learn::IMPORTED;
use femur_mesh::adjacency::Adjacency;
use femur_mesh::topology::{boundary_facets, tag_boundary};
use femur_mesh::{Field, Location, Mesh, TagEntities};
use femur_sim::case::CaseError;
use femur_sim::{Input, NodeType, Param, Prescribed, Setup, SolverLog, State, Trajectory};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest difference of coordinates, in diameters, between the steps of a mesh that does not change.
const SAME_PLACE: f64 = 1e-9;
/// Largest difference, relative to the largest value, between the steps of an input that does not change.
const SAME_VALUE: f64 = 1e-6;

/// A field's values over the steps, one `Vec` of `[num_nodes, components]` a step.
struct Series {
    unit: String,
    components: Vec<String>,
    steps: Vec<Vec<f64>>,
}

impl Series {
    fn new() -> Self {
        Series { unit: String::new(), components: Vec::new(), steps: Vec::new() }
    }
}

/// Reads a run.
///
/// # Errors
/// A file that cannot be read, an array or tag that is not there, a mesh that changes in time, a value that is not finite.
pub(super) fn read(map: &Map, run: &RunFile) -> Result<Trajectory> {
    let steps = steps(&run.path)?;
    let steps: Vec<(f64, PathBuf)> = steps.into_iter().step_by(map.every).collect();
    let steady = steps.len() == 1;
    let params = match &map.parameters {
        Some(parameters) => parameters.of(&run.shown)?,
        None => Vec::new(),
    };
    let first = femur_io::read_mesh(&steps[0].1)?;
    let given = first.mesh.clone();
    let mut mesh = first.mesh.clone();
    mesh.points.iter_mut().for_each(|x| *x *= map.scale);
    let boundary = boundary_facets(&mesh);
    for tag in &map.tags {
        let entities = tag_entities(tag, &mesh, &boundary, &first, &steps[0].1)?;
        if entities.is_empty() {
            let hint = "check array, value and box (in the mesh's unit after `scale`)";
            return Err(tag.table.error("name", format!("{}: the tag `{}` is empty", run.path.display(), tag.name), hint).into());
        }
        mesh.tags.insert(&tag.name, None, entities);
    }

    let mut targets: Vec<Series> = map.targets.iter().map(|_| Series::new()).collect();
    let mut inputs: Vec<Series> = map.inputs.iter().map(|_| Series::new()).collect();
    for (k, (_, path)) in steps.iter().enumerate() {
        let later;
        let file = if k == 0 {
            &first
        } else {
            later = femur_io::read_mesh(path)?;
            same_mesh(&given, &later.mesh, &steps[0].1, path)?;
            &later
        };
        for (spec, series) in map.targets.iter().zip(&mut targets) {
            let Some(field) = find(file, &spec.array, Location::Node) else { return Err(no_array(spec, file, path, false).into()) };
            add(series, spec, field.clone(), &given, path)?;
        }
        for ((spec, source), series) in map.inputs.iter().zip(&mut inputs) {
            let InputSource::Array { changes } = source else { continue };
            let field = match (find(file, &spec.array, Location::Node), find(file, &spec.array, Location::Cell)) {
                (Some(field), _) => field.clone(),
                (None, Some(field)) => on_nodes(field, &given),
                // what does not change may stand in the first file alone
                (None, None) if k > 0 && !changes => continue,
                (None, None) => return Err(no_array(spec, file, path, true).into()),
            };
            add(series, spec, field, &given, path)?;
            if !changes && series.steps.len() > 1 {
                let last = series.steps.pop().unwrap_or_default();
                let largest = series.steps[0].iter().fold(0.0f64, |m, v| m.max(v.abs()));
                if last.iter().zip(&series.steps[0]).any(|(a, b)| (a - b).abs() > SAME_VALUE * largest) {
                    let what = format!("`{}` differs between {} and {}", spec.array, steps[0].1.display(), path.display());
                    return Err(spec.table.error("array", what, "write changes = true").into());
                }
            }
        }
    }

    let n = mesh.num_nodes();
    let prescribed = read_prescribed(map, &mesh, &first, &steps[0].1, &targets)?;
    let mut node_type = vec![NodeType::Normal; n];
    for p in &prescribed {
        let c = p.mask.len() / n.max(1);
        (0..n).filter(|i| p.mask[i * c..(i + 1) * c].contains(&true)).for_each(|i| node_type[i] = NodeType::WallBoundary);
    }
    for tag in &map.tags {
        if let Some(kind) = tag.node_type {
            mesh.tag_nodes(&tag.name)?.iter().for_each(|&i| node_type[i as usize] = kind);
        }
    }
    if let Some(array) = &map.node_type {
        node_type = whole(map, "node_type", array, &first, Location::Node, &steps[0].1)?
            .into_iter()
            .map(|k| {
                NodeType::ALL.get(k as usize).filter(|_| k >= 0).copied().ok_or_else(|| {
                    let known: Vec<String> = NodeType::ALL.iter().map(|t| format!("{} {}", *t as i32, t.name())).collect();
                    map.top.error("node_type", format!("{}: `{array}` holds {k}", run.path.display()), known.join(", "))
                })
            })
            .collect::<Result<_, CaseError>>()?;
    }
    let material_id = match &map.material {
        Some(array) => whole(map, "material", array, &first, Location::Cell, &steps[0].1)?,
        None => vec![0; mesh.num_cells()],
    };

    let mut known = Vec::with_capacity(map.inputs.len());
    for ((spec, source), series) in map.inputs.iter().zip(inputs) {
        known.push(match source {
            InputSource::Array { .. } => Input {
                name: spec.name.clone(),
                unit: series.unit,
                components: series.components,
                steps: series.steps.len(),
                values: series.steps.concat(),
            },
            InputSource::Parameter { column, tag } => uniform(spec, column, tag.as_deref(), &params, &mesh)?,
        });
    }
    let times: Vec<f64> = if steady { vec![0.0] } else { steps.iter().map(|s| s.0).collect() };
    let mut states: Vec<State> = times.iter().map(|&time| State { time, fields: Vec::new() }).collect();
    for (spec, series) in map.targets.iter().zip(targets) {
        for (state, values) in states.iter_mut().zip(series.steps) {
            state.fields.push(Field {
                name: spec.name.clone(),
                unit: series.unit.clone(),
                location: Location::Node,
                components: series.components.clone(),
                values,
            });
        }
    }
    let setup = Setup {
        physics: IMPORTED.into(),
        mesh: Arc::new(mesh),
        units: map.units.clone(),
        node_type,
        material_id,
        inputs: known,
        prescribed,
        loads: Vec::new(),
        params,
        times,
        initial: (!steady).then(|| states[0].clone()),
        initial_responses: Vec::new(),
        singular: Vec::new(),
    };
    let mut log = SolverLog::default();
    log.notes.insert("solver".into(), IMPORTED.into());
    log.notes.insert("imported_from".into(), run.shown.clone());
    let mut trajectory = Trajectory { setup, states, unit_responses: Vec::new(), log };
    if map.output.vertices_only {
        drop_midside_nodes(&mut trajectory);
    }
    Ok(trajectory)
}

/// Times and files of a run.
fn steps(path: &Path) -> Result<Vec<(f64, PathBuf)>> {
    let mut steps = match path.extension().and_then(|e| e.to_str()) {
        Some("pvd") => femur_io::vtk::read_pvd(path)?,
        Some("series") => femur_io::vtk::read_file_series(path)?,
        Some("vtk" | "foam" | "frd" | "odb") => {
            bail!("{}: cannot be read\n  hint: save it as .vtu, a series in time as .pvd (ParaView: File > Save Data)", path.display())
        }
        _ => vec![(0.0, path.into())],
    };
    if let Some(pair) = steps.windows(2).find(|w| w[0].0 == w[1].0) {
        bail!(
            "{}: lists both {} and {} at time {}\n  hint: parts of one mesh must be merged first (ParaView: Merge Blocks, then save as .pvd)",
            path.display(),
            pair[0].1.display(),
            pair[1].1.display(),
            pair[0].0
        );
    }
    for (_, file) in &mut steps {
        if file.extension().is_some_and(|e| e == "vtm") {
            *file = only_grid(file)?;
        }
    }
    Ok(steps)
}

/// The one unstructured grid among the blocks of a `.vtm`: what foamToVTK calls `internal`, beside surfaces of the patches.
fn only_grid(path: &Path) -> Result<PathBuf> {
    // its entries are those of a collection, without times
    let mut grids: Vec<PathBuf> = femur_io::vtk::read_pvd(path)?.into_iter().map(|(_, f)| f).collect();
    grids.retain(|f| f.extension().is_some_and(|e| e == "vtu"));
    match grids.as_slice() {
        [one] => Ok(one.clone()),
        more => bail!(
            "{}: lists {} .vtu files, not one\n  hint: merge the blocks (ParaView: Merge Blocks) and save as .vtu or .pvd",
            path.display(),
            more.len()
        ),
    }
}

fn same_mesh(first: &Mesh, later: &Mesh, from: &Path, at: &Path) -> Result<()> {
    let hint = "a run has one mesh: for a moving one save the reference shape, and the displacement as an array";
    let (n, m) = (first.num_nodes(), later.num_nodes());
    if first.dim != later.dim || first.blocks != later.blocks || n != m {
        bail!(
            "{}: its cells are not those of {} ({m} nodes and {} cells, there {n} and {}): a mesh that changes in time is not taken\n  hint: {hint}",
            at.display(),
            from.display(),
            later.num_cells(),
            first.num_cells()
        );
    }
    let limit = SAME_PLACE * first.diameter();
    if let Some(i) = first.points.iter().zip(&later.points).position(|(a, b)| (a - b).abs() > limit) {
        let node = i / first.dim;
        bail!(
            "{}: node {node} lies at {:?}, in {} at {:?}: a mesh that changes in time is not taken\n  hint: {hint}",
            at.display(),
            later.point(node),
            from.display(),
            first.point(node)
        );
    }
    Ok(())
}

fn find<'a>(file: &'a MeshFile, array: &str, location: Location) -> Option<&'a Field> {
    file.fields.iter().find(|f| f.name == array && f.location == location)
}

/// The names of a file's arrays over nodes or cells, for a hint.
fn names(file: &MeshFile, location: Location) -> String {
    let names: Vec<&str> = file.fields.iter().filter(|f| f.location == location).map(|f| f.name.as_str()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn no_array(spec: &ArraySpec, file: &MeshFile, path: &Path, cells_too: bool) -> CaseError {
    let key = if spec.table.has("array") { "array" } else { "name" };
    let hint = if find(file, &spec.array, Location::Cell).is_some() {
        format!("`{}` is there over the cells: make it one over the points (ParaView: Cell Data to Point Data)", spec.array)
    } else if cells_too {
        format!("its point arrays are {}, its cell arrays {}", names(file, Location::Node), names(file, Location::Cell))
    } else {
        format!("its point arrays are {}", names(file, Location::Node))
    };
    spec.table.error(key, format!("{} has no {}array `{}`", path.display(), if cells_too { "" } else { "point " }, spec.array), hint)
}

/// Adds one step's values with the components that the map asks for.
fn add(series: &mut Series, spec: &ArraySpec, field: Field, mesh: &Mesh, path: &Path) -> Result<(), CaseError> {
    if series.steps.is_empty() {
        series.unit = spec.unit.clone().unwrap_or_else(|| field.unit.clone());
        series.components = match &spec.components {
            Some(components) => components.clone(),
            None if mesh.dim == 2 && matches!(field.num_components(), 3 | 6) && field.components[0].starts_with('x') => {
                let plane = if field.num_components() == 3 { "\"x\", \"y\"" } else { "\"xx\", \"yy\", \"zz\", \"xy\"" };
                let what = format!(
                    "{}: `{}` leaves the plane of the mesh (its {} components are not 0)",
                    path.display(),
                    spec.array,
                    field.components[2..].join(", ")
                );
                return Err(spec.table.error("array", what, format!("write components = [{plane}] to drop them, or name them all")));
            }
            None => field.components.clone(),
        };
    }
    let values = pick(&field, &series.components).ok_or_else(|| {
        let (what, hint) = (
            format!("{}: `{}` has the components {:?}, not {:?}", path.display(), spec.array, field.components, series.components),
            "components = [...] names those to take, in the file's order or by the names x, y, z, xx, yy, zz, xy, yz, xz",
        );
        spec.table.error("array", what, hint)
    })?;
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        let node = i / series.components.len();
        let what = format!("{}: `{}` is not finite at point {node}", path.display(), spec.array);
        return Err(spec.table.error("array", what, "give points outside the solution a value, or cut them off (ParaView: Threshold)"));
    }
    series.steps.push(values);
    Ok(())
}

/// The wanted components of a field: by place where there are as many, else by name. A reader leaves out components that are 0 all
/// over a plane mesh, so those read as 0.
fn pick(field: &Field, wanted: &[String]) -> Option<Vec<f64>> {
    let have = field.num_components();
    if have == wanted.len() {
        return Some(field.values.clone());
    }
    let reversed = |w: &str| w.chars().rev().collect::<String>();
    let plane = field.components == ["x", "y"] || field.components == ["xx", "yy", "zz", "xy"];
    let symmetric = have == 4 || have == 6;
    let columns: Vec<Option<usize>> = wanted
        .iter()
        .map(|w| {
            let by_name = |name: &str| field.components.iter().position(|c| c == name);
            match by_name(w).or_else(|| by_name(&reversed(w)).filter(|_| symmetric)) {
                Some(k) => Some(Some(k)),
                None if plane && ["z", "yz", "zy", "xz", "zx"].contains(&w.as_str()) => Some(None),
                None => None,
            }
        })
        .collect::<Option<_>>()?;
    Some(field.values.chunks_exact(have).flat_map(|t| columns.iter().map(|c| c.map_or(0.0, |k| t[k]))).collect())
}

/// A field over the cells as the mean over the cells around each node.
fn on_nodes(field: &Field, mesh: &Mesh) -> Field {
    let c = field.num_components();
    let around = Adjacency::cells_of_nodes(mesh);
    let mut values = Vec::with_capacity(mesh.num_nodes() * c);
    for i in 0..mesh.num_nodes() {
        let cells = around.row(i);
        values.extend((0..c).map(|k| cells.iter().map(|&cell| field.at(cell as usize)[k]).sum::<f64>() / cells.len().max(1) as f64));
    }
    Field { location: Location::Node, values, ..field.clone() }
}

fn tag_entities(
    tag: &TagSpec,
    mesh: &Mesh,
    boundary: &[femur_mesh::FacetId],
    file: &MeshFile,
    path: &Path,
) -> Result<TagEntities, CaseError> {
    Ok(match &tag.source {
        TagSource::Boundary => TagEntities::Facets(boundary.to_vec()),
        TagSource::Box { low, high } => {
            if low.len() != mesh.dim {
                let what = format!("has corners of {} coordinates, the mesh of {} has {}", low.len(), path.display(), mesh.dim);
                return Err(tag.table.error("box", what, "write as many coordinates as the mesh has"));
            }
            let within = |p: &[f64]| p.iter().zip(low.iter().zip(high)).all(|(x, (a, b))| a <= x && x <= b);
            let mut scratch = mesh.clone();
            tag_boundary(&mut scratch, boundary, &tag.name, |_, p| within(p));
            scratch.tags.get(&tag.name).map_or(TagEntities::Facets(Vec::new()), |t| t.entities.clone())
        }
        TagSource::Array { array, values, cells } => {
            let at = |location| find(file, array, location);
            let field = match cells {
                Some(true) => at(Location::Cell),
                Some(false) => at(Location::Node),
                None => at(Location::Node).or_else(|| at(Location::Cell)),
            };
            let Some(field) = field.filter(|f| f.num_components() == 1) else {
                let hint = format!("its point arrays are {}, its cell arrays {}", names(file, Location::Node), names(file, Location::Cell));
                return Err(tag.table.error("array", format!("{} has no array `{array}` of one component", path.display()), hint));
            };
            let member = |v: f64| values.as_ref().map_or(v != 0.0, |list| list.contains(&v));
            let members = field.values.iter().enumerate().filter(|(_, v)| member(**v)).map(|(i, _)| i as u32).collect();
            if field.location == Location::Node { TagEntities::Nodes(members) } else { TagEntities::Cells(members) }
        }
    })
}

/// The conditions of the map, with the targets' own values; several conditions on one target are joined.
fn read_prescribed(map: &Map, mesh: &Mesh, first: &MeshFile, path: &Path, targets: &[Series]) -> Result<Vec<Prescribed>> {
    let n = mesh.num_nodes();
    let mut out = Vec::new();
    for (target, series) in map.targets.iter().zip(targets) {
        let c = series.components.len();
        let mut mask = vec![false; n * c];
        let mut any = false;
        for spec in map.prescribed.iter().filter(|p| p.target == target.name) {
            any = true;
            let allowed: Vec<bool> = match &spec.components {
                None => vec![true; c],
                Some(names) => {
                    if let Some((k, name)) = names.iter().enumerate().find(|(_, n)| !series.components.contains(n)) {
                        let hint = format!("its components are {}", series.components.join(", "));
                        return Err(spec
                            .table
                            .error(&format!("components.{k}"), format!("`{}` has no component `{name}`", target.name), hint)
                            .into());
                    }
                    series.components.iter().map(|s| names.contains(s)).collect()
                }
            };
            if let Some(tag) = &spec.tag {
                let nodes = mesh.tag_nodes(tag).map_err(|_| {
                    let hint = format!("the tags are {}; [[tag]] makes more", mesh.tags.names().join(", "));
                    spec.table.error("tag", format!("{} has no tag `{tag}`", path.display()), hint)
                })?;
                for i in nodes {
                    (0..c).filter(|k| allowed[*k]).for_each(|k| mask[i as usize * c + k] = true);
                }
            } else if let Some(array) = &spec.mask {
                let Some(field) = find(first, array, Location::Node) else {
                    let hint = format!("its point arrays are {}", names(first, Location::Node));
                    return Err(spec.table.error("mask", format!("{} has no point array `{array}`", path.display()), hint).into());
                };
                let columns = if field.num_components() == 1 { None } else { pick(field, &series.components) };
                if columns.is_none() && field.num_components() != 1 {
                    let what =
                        format!("{}: `{array}` has {} components, `{}` has {c}", path.display(), field.num_components(), target.name);
                    return Err(spec.table.error("mask", what, "give the mask one component, or those of the target").into());
                }
                for i in 0..n {
                    for k in (0..c).filter(|k| allowed[*k]) {
                        mask[i * c + k] |= columns.as_ref().map_or(field.values[i], |v| v[i * c + k]) != 0.0;
                    }
                }
            }
        }
        if !any {
            continue;
        }
        let of_step = |values: &Vec<f64>| -> Vec<f64> { values.iter().zip(&mask).map(|(v, m)| if *m { *v } else { 0.0 }).collect() };
        let mut steps: Vec<Vec<f64>> = series.steps.iter().map(of_step).collect();
        if steps.iter().all(|s| *s == steps[0]) {
            steps.truncate(1);
        }
        out.push(Prescribed { field: target.name.clone(), steps: steps.len(), values: steps.concat(), mask });
    }
    Ok(out)
}

/// A parameter as an input: its value at the nodes of a tag and 0 elsewhere, or everywhere.
fn uniform(spec: &ArraySpec, column: &str, tag: Option<&str>, params: &[Param], mesh: &Mesh) -> Result<Input> {
    let value = params.iter().find(|p| p.path == column).map(|p| p.value).with_context(|| format!("the parameter {column} is missing"))?;
    let values = match tag {
        None => vec![value; mesh.num_nodes()],
        Some(tag) => {
            let mut values = vec![0.0; mesh.num_nodes()];
            let nodes = mesh.tag_nodes(tag).map_err(|e| spec.table.error("tag", e.to_string(), "[[tag]] makes tags"))?;
            nodes.iter().for_each(|&i| values[i as usize] = value);
            values
        }
    };
    let unit = spec.unit.clone().unwrap_or_else(|| "1".into());
    Ok(Input { name: spec.name.clone(), unit, components: vec![String::new()], steps: 1, values })
}

/// An array of one component that holds whole numbers.
fn whole(map: &Map, key: &str, array: &str, file: &MeshFile, location: Location, path: &Path) -> Result<Vec<i32>, CaseError> {
    let what = if location == Location::Node { "point" } else { "cell" };
    let Some(field) = find(file, array, location).filter(|f| f.num_components() == 1) else {
        let hint = format!("its {what} arrays are {}", names(file, location));
        return Err(map.top.error(key, format!("{} has no {what} array `{array}` of one component", path.display()), hint));
    };
    match field.values.iter().find(|v| v.fract() != 0.0 || v.abs() > f64::from(i32::MAX)) {
        Some(v) => Err(map.top.error(key, format!("{}: `{array}` holds {v}", path.display()), "whole numbers are needed")),
        None => Ok(field.values.iter().map(|v| *v as i32).collect()),
    }
}

/// Leaves the cells' vertices only, as `[output] vertices_only` of a case does.
fn drop_midside_nodes(t: &mut Trajectory) {
    let n = t.setup.mesh.num_nodes();
    let (mesh, kept) = t.setup.mesh.vertices_only();
    // `values` is `[steps, n, c]`
    fn rows<T: Copy>(values: &[T], n: usize, steps: usize, kept: &[u32]) -> Vec<T> {
        let c = values.len() / (n * steps).max(1);
        (0..steps).flat_map(|s| kept.iter().flat_map(move |&i| values[(s * n + i as usize) * c..][..c].iter().copied())).collect()
    }
    for field in t.states.iter_mut().flat_map(|s| &mut s.fields) {
        field.values = rows(&field.values, n, 1, &kept);
    }
    let setup = &mut t.setup;
    setup.initial = setup.initial.is_some().then(|| t.states[0].clone());
    setup.inputs.iter_mut().for_each(|i| i.values = rows(&i.values, n, i.steps, &kept));
    for p in &mut setup.prescribed {
        p.values = rows(&p.values, n, p.steps, &kept);
        p.mask = rows(&p.mask, n, 1, &kept);
    }
    setup.node_type = rows(&setup.node_type, n, 1, &kept);
    setup.mesh = Arc::new(mesh);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(components: &[&str], values: &[f64]) -> Field {
        let components = components.iter().map(|c| (*c).to_string()).collect();
        Field { name: "f".into(), unit: "1".into(), location: Location::Node, components, values: values.to_vec() }
    }

    #[test]
    fn components_are_taken_by_place_or_by_name() {
        let picked = |f: &Field, wanted: &[&str]| pick(f, &wanted.iter().map(|w| (*w).to_string()).collect::<Vec<_>>());
        let v = field(&["x", "y", "z"], &[1.0, 2.0, 3.0]);
        assert_eq!(picked(&v, &["u", "v", "w"]).unwrap(), [1.0, 2.0, 3.0]);
        assert_eq!(picked(&v, &["z", "x"]).unwrap(), [3.0, 1.0]);
        assert_eq!(picked(&v, &["a"]), None);
        let plane = field(&["xx", "yy", "zz", "xy"], &[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(picked(&plane, &["xx", "yy", "zz", "xy", "yz", "xz"]).unwrap(), [1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
        assert_eq!(
            picked(&plane, &["xx", "xy", "xz", "yx", "yy", "yz", "zx", "zy", "zz"]).unwrap(),
            [1.0, 4.0, 0.0, 4.0, 2.0, 0.0, 0.0, 0.0, 3.0]
        );
    }
}
