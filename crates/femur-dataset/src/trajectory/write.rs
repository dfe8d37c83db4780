//! Writing a trajectory.

use super::{TrajectoryMeta, WriteOptions, hex, update, vtkhdf};
use crate::DatasetError;
use crate::hdf::{self, LOCK, Node, number, text};
use femur_mesh::{Location, TagEntities};
use femur_sim::{NodeType, Trajectory};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Threads that synchronise files: the file system then writes what several of them wait for at once.
const SYNCING: usize = 16;

/// Writes a trajectory atomically: `NAME.part`, flushed and synchronised, then renamed.
pub fn write_trajectory(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
    let part = write_beside(path, t, meta, options)?;
    sync(&part)?;
    std::fs::rename(&part, path).map_err(DatasetError::io(path, "rename into"))?;
    sync_folder(path);
    Ok(())
}

/// As [`write_trajectory`], but not synchronised with the disk: [`sync_all`] does so for many files.
pub(crate) fn write_unsynced(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
    let part = write_beside(path, t, meta, options)?;
    std::fs::rename(&part, path).map_err(DatasetError::io(path, "rename into"))
}

/// Synchronises files and their folders with the disk, many at a time.
pub(crate) fn sync_all(files: &[PathBuf]) -> Result<(), DatasetError> {
    let share = files.len().div_ceil(SYNCING).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = files.chunks(share).map(|own| scope.spawn(|| own.iter().try_for_each(|f| sync(f)))).collect();
        let broke = |path: &PathBuf| DatasetError::content(path, "cannot be synchronised: the thread that does it broke off");
        threads.into_iter().zip(files).try_for_each(|(t, f)| t.join().unwrap_or_else(|_| Err(broke(f))))
    })?;
    let folders: BTreeMap<Option<&Path>, &PathBuf> = files.iter().map(|f| (f.parent(), f)).collect();
    folders.values().for_each(|f| sync_folder(f));
    Ok(())
}

fn sync(path: &Path) -> Result<(), DatasetError> {
    let file = std::fs::File::open(path).map_err(DatasetError::io(path, "open again"))?;
    file.sync_all().map_err(DatasetError::io(path, "synchronise"))
}

/// Makes a file's new name survive a power cut; not every file system can.
fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().filter(|d| !d.as_os_str().is_empty())
        && let Ok(folder) = std::fs::File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

/// Writes a trajectory under another name, which is given.
fn write_beside(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<PathBuf, DatasetError> {
    let part = part_of(path);
    let written = {
        let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        write_part(&part, t, meta, options)
    };
    if let Err(error) = written {
        let _ = std::fs::remove_file(&part);
        return Err(error);
    }
    Ok(part)
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}

fn write_part(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
    let file = hdf::create(path)?;
    let root = Node::root(&file, path)?;
    let setup = &t.setup;
    root.attribute("schema", "femur-trajectory")?;
    root.number("schema_version", &[1i64, 0])?;
    root.attribute("physics", &setup.physics)?;
    root.attribute("unit_system", &setup.units)?;
    root.attribute("trajectory_id", &format!("{}/{:06}", meta.id.split, meta.id.index))?;
    root.number("dt", &[if setup.times.len() > 1 { setup.times[1] - setup.times[0] } else { 0.0 }])?;
    root.number("steady", &[i64::from(setup.is_steady())])?;
    root.attribute("singular", &json(&setup.singular))?;
    root.attribute("loads", &json(&setup.loads))?;
    let time = root.write("time", &[setup.times.len()], &setup.times)?;
    text(&time, path, "units", "s")?;
    write_mesh(&root, t)?;
    write_inputs(&root, t, options)?;
    write_states(&root, t, options)?;
    for (k, response) in t.unit_responses.iter().enumerate() {
        let group = if k == 0 { root.new_group("unit_response")? } else { root.sub("unit_response")? };
        let group = group.new_group(&k.to_string())?;
        group.attribute("load", &response.load)?;
        for (k, field) in response.steps.first().iter().flat_map(|f| f.iter()).enumerate() {
            let values: Vec<f64> = response.steps.iter().flat_map(|fields| fields[k].values.iter().copied()).collect();
            let shape = [response.steps.len(), field.len(), field.num_components()];
            let dataset = write_floats(&group, &field.name, &shape, &values, options)?;
            text(&dataset, path, "units", &field.unit)?;
            text(&dataset, path, "components", &json(&field.components))?;
        }
    }
    let params = root.new_group("params")?;
    for p in &setup.params {
        params.number(&p.path, &[p.value])?;
    }
    params.attribute("order", &json(&setup.params.iter().map(|p| &p.path).collect::<Vec<_>>()))?;
    let provenance = root.new_group("provenance")?;
    provenance.attribute("case_toml", &meta.case_toml)?;
    provenance.attribute("case_sha256", &hex(&Sha256::digest(meta.case_toml.as_bytes())))?;
    let mut mesh_hash = Sha256::new();
    update(&mut mesh_hash, &setup.mesh.points, f64::to_le_bytes);
    setup.mesh.blocks.iter().for_each(|b| update(&mut mesh_hash, &b.connectivity, u32::to_le_bytes));
    provenance.attribute("mesh_sha256", &hex(&mesh_hash.finalize()))?;
    provenance.number("seed", &[meta.seed])?;
    provenance.attribute("split", &meta.id.split)?;
    provenance.number("index", &[meta.id.index as i64, meta.id.base as i64, meta.id.variant as i64])?;
    provenance.attribute("femur_version", &meta.femur_version)?;
    provenance.attribute("git_commit", &meta.git)?;
    provenance.attribute("hdf5_version", &format!("{:?}", hdf5::library_version()))?;
    provenance.number("wall_s", &[meta.wall_s])?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    provenance.number("created_unix_s", &[now])?;
    provenance.number("newton_iters_total", &[t.log.newton_iters.iter().map(|&n| i64::from(n)).sum::<i64>()])?;
    if let Some(condition) = t.log.condition {
        provenance.number("condition", &[condition])?;
    }
    for (key, value) in &t.log.notes {
        provenance.attribute(key, value)?;
    }
    let log = root.new_group("solver_log")?;
    log.write("newton_iters", &[t.log.newton_iters.len()], &t.log.newton_iters)?;
    log.write("residual", &[t.log.residual.len()], &t.log.residual)?;
    let series = log.new_group("series")?;
    for (k, s) in t.log.series.iter().enumerate() {
        let pairs: Vec<f64> = s.times.iter().zip(&s.values).flat_map(|(t, v)| [*t, *v]).collect();
        let dataset = series.write(&format!("{k:03}"), &[pairs.len() / 2, 2], &pairs)?;
        text(&dataset, path, "name", &s.name)?;
        text(&dataset, path, "units", &s.unit)?;
    }
    vtkhdf::write(&root, t, options)?;
    root.attribute("status", "complete")?;
    file.flush().and_then(|()| file.close()).map_err(|e| DatasetError::Hdf {
        path: path.into(),
        what: "cannot close".into(),
        reason: e.to_string(),
    })
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Writes numbers as f32, or f64 where asked for.
fn write_floats(at: &Node, name: &str, shape: &[usize], values: &[f64], options: &WriteOptions) -> Result<hdf5::Dataset, DatasetError> {
    if options.double {
        at.write(name, shape, values)
    } else {
        at.write(name, shape, &values.iter().map(|&v| v as f32).collect::<Vec<_>>())
    }
}

fn write_mesh(root: &Node, t: &Trajectory) -> Result<(), DatasetError> {
    let (mesh, path) = (&t.setup.mesh, root.path);
    // Coordinates keep all their digits: a mesh must read back as the same mesh.
    let points = root.write("mesh_pos", &[mesh.num_nodes(), mesh.dim], &mesh.points)?;
    text(&points, path, "units", if t.setup.units == "SI" { "m" } else { "mm" })?;
    for (k, block) in mesh.blocks.iter().enumerate() {
        let name = if mesh.blocks.len() == 1 { "cells".to_string() } else { format!("cells_{k}_{}", block.kind) };
        let cells: Vec<i32> = block.connectivity.iter().map(|&n| n as i32).collect();
        let dataset = root.write(&name, &[block.num_cells(), block.kind.num_nodes()], &cells)?;
        number(&dataset, path, "cell_type", &[i64::from(block.kind.vtk_id())])?;
        text(&dataset, path, "kind", block.kind.name())?;
    }
    let types: Vec<i32> = t.setup.node_type.iter().map(|&n| n as i32).collect();
    let dataset = root.write("node_type", &[types.len(), 1], &types)?;
    text(&dataset, path, "names", &json(&NodeType::ALL.map(NodeType::name)))?;
    let cell = root.new_group("cell")?;
    cell.write("material_id", &[t.setup.material_id.len()], &t.setup.material_id)?;
    let tags = root.new_group("tags")?;
    for (k, tag) in mesh.tags.iter().enumerate() {
        // A name may hold any character, a slash too: arrays are numbered and carry the name.
        let name = if tag.name.contains('/') || tag.name.is_empty() || tag.name == "." { format!("tag_{k}") } else { tag.name.clone() };
        let as_i32 = |v: &[u32]| v.iter().map(|&n| n as i32).collect::<Vec<_>>();
        let dataset = match &tag.entities {
            TagEntities::Nodes(v) | TagEntities::Cells(v) => tags.write(&name, &[v.len()], &as_i32(v))?,
            TagEntities::Facets(v) => {
                let pairs: Vec<i32> = v.iter().flat_map(|f| [f.cell as i32, i32::from(f.local)]).collect();
                tags.write(&name, &[v.len(), 2], &pairs)?
            }
        };
        text(&dataset, path, "kind", tag.entities.kind_name())?;
        text(&dataset, path, "name", &tag.name)?;
        number(&dataset, path, "order", &[k as i64])?;
        if let Some(g) = tag.gmsh_tag {
            number(&dataset, path, "gmsh_tag", &[i64::from(g)])?;
        }
    }
    Ok(())
}

fn write_inputs(root: &Node, t: &Trajectory, options: &WriteOptions) -> Result<(), DatasetError> {
    let (path, n) = (root.path, t.setup.mesh.num_nodes());
    let fixed = root.new_group("static")?;
    root.attribute("inputs", &json(&t.setup.inputs.iter().map(|i| &i.name).collect::<Vec<_>>()))?;
    for input in &t.setup.inputs {
        let c = input.components.len();
        let dataset = if input.steps == 1 {
            write_floats(&fixed, &input.name, &[n, c], &input.values, options)?
        } else {
            write_floats(root, &input.name, &[input.steps, n, c], &input.values, options)?
        };
        text(&dataset, path, "units", &input.unit)?;
        text(&dataset, path, "components", &json(&input.components))?;
        text(&dataset, path, "role", "input")?;
        text(&dataset, path, "time_kind", if input.steps == 1 { "static" } else { "dynamic" })?;
    }
    root.attribute("prescribed", &json(&t.setup.prescribed.iter().map(|p| &p.field).collect::<Vec<_>>()))?;
    for p in &t.setup.prescribed {
        let c = p.mask.len() / n.max(1);
        let mask: Vec<u8> = p.mask.iter().map(|&m| u8::from(m)).collect();
        fixed.write(&format!("{}_prescribed", p.field), &[n, c], &mask)?;
        write_floats(&fixed, &format!("{}_prescribed_value", p.field), &[p.steps, n, c], &p.values, options)?;
    }
    Ok(())
}

fn write_states(root: &Node, t: &Trajectory, options: &WriteOptions) -> Result<(), DatasetError> {
    let Some(first) = t.states.first() else {
        return Err(DatasetError::content(root.path, "a trajectory without states cannot be written"));
    };
    root.attribute("fields", &json(&first.fields.iter().map(|f| &f.name).collect::<Vec<_>>()))?;
    for (k, field) in first.fields.iter().enumerate() {
        let shape = [t.states.len(), field.len(), field.num_components()];
        let mut values = Vec::with_capacity(shape.iter().product());
        for state in &t.states {
            match state.fields.get(k) {
                Some(f) if f.name == field.name && f.values.len() == field.values.len() => values.extend_from_slice(&f.values),
                _ => return Err(DatasetError::content(root.path, format!("`{}` is not the same field in every state", field.name))),
            }
        }
        let cell_group = if field.location == Location::Cell { Some(root.sub("cell")?) } else { None };
        let at = cell_group.as_ref().unwrap_or(root);
        let dataset = if options.double {
            at.write_series(&field.name, shape, &values, options.compress)?
        } else {
            at.write_series(&field.name, shape, &values.iter().map(|&v| v as f32).collect::<Vec<_>>(), options.compress)?
        };
        text(&dataset, root.path, "units", &field.unit)?;
        text(&dataset, root.path, "components", &json(&field.components))?;
        text(&dataset, root.path, "role", "state")?;
        text(&dataset, root.path, "location", if field.location == Location::Node { "node" } else { "cell" })?;
        text(&dataset, root.path, "time_kind", "dynamic")?;
    }
    Ok(())
}
