//! Writing a trajectory.

use super::{TrajectoryMeta, WriteOptions, hex, update, vtkhdf};
use crate::DatasetError;
use crate::encode::{Encoder, Object, ROOT, Values};
use femur_mesh::{Location, TagEntities};
use femur_sim::{NodeType, Trajectory};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Threads that synchronise files: the file system then writes what several of them wait for at once.
const SYNCING: usize = 16;

/// Writes a trajectory atomically: `NAME.part`, flushed and synchronised, then renamed.
pub fn write_trajectory(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(), DatasetError> {
    write_synced(path, t, meta, options).map(|_| ())
}

/// What a file is made of.
pub(crate) struct Written {
    /// Hash of the file.
    pub(crate) sha256: String,
    /// Its size.
    pub(crate) bytes: u64,
}

/// As [`write_trajectory`].
pub(crate) fn write_synced(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Written, DatasetError> {
    let (part, written) = write_beside(path, t, meta, options)?;
    sync(&part)?;
    std::fs::rename(&part, path).map_err(DatasetError::io(path, "rename into"))?;
    sync_folder(path);
    Ok(written)
}

/// As [`write_trajectory`], but not synchronised with the disk: [`sync_all`] does so for many files.
pub(crate) fn write_unsynced(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Written, DatasetError> {
    let (part, written) = write_beside(path, t, meta, options)?;
    std::fs::rename(&part, path).map_err(DatasetError::io(path, "rename into"))?;
    Ok(written)
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
fn write_beside(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<(PathBuf, Written), DatasetError> {
    let part = part_of(path);
    match write_part(&part, t, meta, options) {
        Ok(written) => Ok((part, written)),
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            Err(error)
        }
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}

/// Bytes that are handed to the system at a time.
const BUFFER: usize = 1 << 16;

/// Hashes what goes through it.
struct Hashing {
    file: std::fs::File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_part(path: &Path, t: &Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Written, DatasetError> {
    let encoded = encode(path, t, meta, options)?;
    let file = std::fs::File::create(path).map_err(DatasetError::io(path, "create"))?;
    let mut out = BufWriter::with_capacity(BUFFER, Hashing { file, hash: Sha256::new(), bytes: 0 });
    encoded.write(&mut out).map_err(DatasetError::io(path, "write"))?;
    let done = out.into_inner().map_err(|e| DatasetError::io(path, "write")(e.into_error()))?;
    Ok(Written { sha256: hex(&done.hash.finalize()), bytes: done.bytes })
}

/// The file to be; `path` is for errors.
fn encode<'a>(path: &Path, t: &'a Trajectory, meta: &TrajectoryMeta, options: &WriteOptions) -> Result<Encoder<'a>, DatasetError> {
    let mut file = Encoder::new();
    let out = &mut file;
    let setup = &t.setup;
    out.text(ROOT, "schema", "femur-trajectory");
    out.number(ROOT, "schema_version", &[1i64, 0]);
    out.text(ROOT, "physics", &setup.physics);
    out.text(ROOT, "unit_system", &setup.units);
    out.text(ROOT, "trajectory_id", &format!("{}/{:06}", meta.id.split, meta.id.index));
    out.number(ROOT, "dt", &[if setup.times.len() > 1 { setup.times[1] - setup.times[0] } else { 0.0 }]);
    out.number(ROOT, "steady", &[i64::from(setup.is_steady())]);
    out.text(ROOT, "singular", &json(&setup.singular));
    out.text(ROOT, "loads", &json(&setup.loads));
    let time = out.array(ROOT, "time", &[setup.times.len()], Values::floats(vec![&setup.times], true));
    out.text(time, "units", "s");
    let cell = write_mesh(out, t);
    write_inputs(out, t, options);
    write_states(out, cell, t, options, path)?;
    if !t.unit_responses.is_empty() {
        let responses = out.group(ROOT, "unit_response");
        for (k, response) in t.unit_responses.iter().enumerate() {
            let group = out.group(responses, &k.to_string());
            out.text(group, "load", &response.load);
            for (k, field) in response.steps.first().iter().flat_map(|f| f.iter()).enumerate() {
                let steps = response.steps.iter().map(|fields| &fields[k].values[..]).collect();
                let shape = [response.steps.len(), field.len(), field.num_components()];
                let dataset = out.array(group, &field.name, &shape, Values::floats(steps, options.double));
                out.text(dataset, "units", &field.unit);
                out.text(dataset, "components", &json(&field.components));
            }
        }
    }
    let params = out.group(ROOT, "params");
    for p in &setup.params {
        out.number(params, &p.path, &[p.value]);
    }
    out.text(params, "order", &json(&setup.params.iter().map(|p| &p.path).collect::<Vec<_>>()));
    let provenance = out.group(ROOT, "provenance");
    out.text(provenance, "case_toml", &meta.case_toml);
    out.text(provenance, "case_sha256", &hex(&Sha256::digest(meta.case_toml.as_bytes())));
    let mut mesh_hash = Sha256::new();
    update(&mut mesh_hash, &setup.mesh.points, f64::to_le_bytes);
    setup.mesh.blocks.iter().for_each(|b| update(&mut mesh_hash, &b.connectivity, u32::to_le_bytes));
    out.text(provenance, "mesh_sha256", &hex(&mesh_hash.finalize()));
    out.number(provenance, "seed", &[meta.seed]);
    out.text(provenance, "split", &meta.id.split);
    out.number(provenance, "index", &[meta.id.index as i64, meta.id.base as i64, meta.id.variant as i64]);
    out.text(provenance, "femur_version", &meta.femur_version);
    out.text(provenance, "git_commit", &meta.git);
    out.number(provenance, "wall_s", &[meta.wall_s]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    out.number(provenance, "created_unix_s", &[now]);
    out.number(provenance, "newton_iters_total", &[t.log.newton_iters.iter().map(|&n| i64::from(n)).sum::<i64>()]);
    if let Some(condition) = t.log.condition {
        out.number(provenance, "condition", &[condition]);
    }
    for (key, value) in &t.log.notes {
        out.text(provenance, key, value);
    }
    let log = out.group(ROOT, "solver_log");
    out.array(log, "newton_iters", &[t.log.newton_iters.len()], Values::of(t.log.newton_iters.iter().copied()));
    out.array(log, "residual", &[t.log.residual.len()], Values::floats(vec![&t.log.residual], true));
    let series = out.group(log, "series");
    for (k, s) in t.log.series.iter().enumerate() {
        let pairs = s.times.iter().zip(&s.values).flat_map(|(t, v)| [*t, *v]);
        let rows = s.times.len().min(s.values.len());
        let dataset = out.array(series, &format!("{k:03}"), &[rows, 2], Values::of(pairs));
        out.text(dataset, "name", &s.name);
        out.text(dataset, "units", &s.unit);
    }
    vtkhdf::write(out, t, options);
    out.text(ROOT, "status", "complete");
    Ok(file)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Gives the group of what lies in cells.
fn write_mesh<'a>(out: &mut Encoder<'a>, t: &'a Trajectory) -> Object {
    let mesh = &t.setup.mesh;
    // Coordinates keep all their digits: a mesh must read back as the same mesh.
    let points = out.array(ROOT, "mesh_pos", &[mesh.num_nodes(), mesh.dim], Values::floats(vec![&mesh.points], true));
    out.text(points, "units", if t.setup.units == "SI" { "m" } else { "mm" });
    for (k, block) in mesh.blocks.iter().enumerate() {
        let name = if mesh.blocks.len() == 1 { "cells".to_string() } else { format!("cells_{k}_{}", block.kind) };
        let cells = block.connectivity.iter().map(|&n| n as i32);
        let dataset = out.array(ROOT, &name, &[block.num_cells(), block.kind.num_nodes()], Values::of(cells));
        out.number(dataset, "cell_type", &[i64::from(block.kind.vtk_id())]);
        out.text(dataset, "kind", block.kind.name());
    }
    let types = &t.setup.node_type;
    let dataset = out.array(ROOT, "node_type", &[types.len(), 1], Values::of(types.iter().map(|&n| n as i32)));
    out.text(dataset, "names", &json(&NodeType::ALL.map(NodeType::name)));
    let cell = out.group(ROOT, "cell");
    let materials = &t.setup.material_id;
    out.array(cell, "material_id", &[materials.len()], Values::of(materials.iter().copied()));
    let tags = out.group(ROOT, "tags");
    for (k, tag) in mesh.tags.iter().enumerate() {
        // A name may hold any character, a slash too: arrays are numbered and carry the name.
        let name = if tag.name.contains('/') || tag.name.is_empty() || tag.name == "." { format!("tag_{k}") } else { tag.name.clone() };
        let dataset = match &tag.entities {
            TagEntities::Nodes(v) | TagEntities::Cells(v) => out.array(tags, &name, &[v.len()], Values::of(v.iter().map(|&n| n as i32))),
            TagEntities::Facets(v) => {
                let pairs = v.iter().flat_map(|f| [f.cell as i32, i32::from(f.local)]);
                out.array(tags, &name, &[v.len(), 2], Values::of(pairs))
            }
        };
        out.text(dataset, "kind", tag.entities.kind_name());
        out.text(dataset, "name", &tag.name);
        out.number(dataset, "order", &[k as i64]);
        if let Some(g) = tag.gmsh_tag {
            out.number(dataset, "gmsh_tag", &[i64::from(g)]);
        }
    }
    cell
}

fn write_inputs<'a>(out: &mut Encoder<'a>, t: &'a Trajectory, options: &WriteOptions) {
    let n = t.setup.mesh.num_nodes();
    let fixed = out.group(ROOT, "static");
    out.text(ROOT, "inputs", &json(&t.setup.inputs.iter().map(|i| &i.name).collect::<Vec<_>>()));
    for input in &t.setup.inputs {
        let c = input.components.len();
        let values = Values::floats(vec![&input.values], options.double);
        let dataset = if input.steps == 1 {
            out.array(fixed, &input.name, &[n, c], values)
        } else {
            out.array(ROOT, &input.name, &[input.steps, n, c], values)
        };
        out.text(dataset, "units", &input.unit);
        out.text(dataset, "components", &json(&input.components));
        out.text(dataset, "role", "input");
        out.text(dataset, "time_kind", if input.steps == 1 { "static" } else { "dynamic" });
    }
    out.text(ROOT, "prescribed", &json(&t.setup.prescribed.iter().map(|p| &p.field).collect::<Vec<_>>()));
    for p in &t.setup.prescribed {
        let c = p.mask.len() / n.max(1);
        out.array(fixed, &format!("{}_prescribed", p.field), &[n, c], Values::of(p.mask.iter().map(|&m| u8::from(m))));
        let values = Values::floats(vec![&p.values], options.double);
        out.array(fixed, &format!("{}_prescribed_value", p.field), &[p.steps, n, c], values);
    }
}

fn write_states<'a>(
    out: &mut Encoder<'a>,
    cell: Object,
    t: &'a Trajectory,
    options: &WriteOptions,
    path: &Path,
) -> Result<(), DatasetError> {
    let Some(first) = t.states.first() else {
        return Err(DatasetError::content(path, "a trajectory without states cannot be written"));
    };
    out.text(ROOT, "fields", &json(&first.fields.iter().map(|f| &f.name).collect::<Vec<_>>()));
    for (k, field) in first.fields.iter().enumerate() {
        let of = |state: &'a femur_sim::State| match state.fields.get(k) {
            Some(f) if f.name == field.name && f.values.len() == field.values.len() => Ok(&f.values[..]),
            _ => Err(DatasetError::content(path, format!("`{}` is not the same field in every state", field.name))),
        };
        let steps = t.states.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let at = if field.location == Location::Cell { cell } else { ROOT };
        let shape = [field.len(), field.num_components()];
        let dataset = out.series(at, &field.name, shape, &steps, options.double, options.compress);
        out.text(dataset, "units", &field.unit);
        out.text(dataset, "components", &json(&field.components));
        out.text(dataset, "role", "state");
        out.text(dataset, "location", if field.location == Location::Node { "node" } else { "cell" });
        out.text(dataset, "time_kind", "dynamic");
    }
    Ok(())
}
