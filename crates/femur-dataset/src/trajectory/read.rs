//! Reading a trajectory back.

use super::TrajectoryMeta;
use crate::hdf::{self, LOCK, Node};
use crate::{DatasetError, TrajectoryId};
use femur_mesh::{CellBlock, CellKind, FacetId, Field, Location, Mesh, TagEntities, Tags};
use femur_sim::{Input, NodeType, Param, Prescribed, Series, Setup, SolverLog, State, Trajectory, UnitResponse};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;

/// Reads a trajectory file whole, checking every shape.
pub fn read_trajectory(path: &Path) -> Result<(Trajectory, TrajectoryMeta), DatasetError> {
    within(path, |root| {
        let (states, unit_responses) = frames(root, None)?;
        let setup = setup(root, &states, &unit_responses)?;
        Ok((Trajectory { setup, states, unit_responses, log: read_log(root)? }, read_meta(root)?))
    })
}

/// Reads of a trajectory file what is known before solving, and of its states at most the first.
pub fn read_setup(path: &Path) -> Result<Setup, DatasetError> {
    within(path, |root| {
        let (states, unit_responses) = frames(root, Some(&[0]))?;
        setup(root, &states, &unit_responses)
    })
}

/// States and unit responses at some output times, in the order of their numbers in `steps`.
pub type Frames = (Vec<State>, Vec<UnitResponse>);

/// Reads of a trajectory file the states and unit responses at these output times alone.
pub fn read_steps(path: &Path, steps: &[usize]) -> Result<Frames, DatasetError> {
    within(path, |root| frames(root, Some(steps)))
}

/// Reads from a trajectory file that is open for so long.
fn within<T>(path: &Path, read: impl FnOnce(&Node) -> Result<T, DatasetError>) -> Result<T, DatasetError> {
    let _lock = LOCK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let file = hdf::open(path)?;
    let root = Node::root(&file, path)?;
    let schema = root.read_attribute("schema")?;
    let version = root.read_number::<i64>("schema_version")?;
    if schema != "femur-trajectory" || version.first() != Some(&1) {
        return Err(DatasetError::content(
            path,
            format!("schema {schema} {version:?}: expected femur-trajectory 1.x; a newer Femur may have written it"),
        ));
    }
    read(&root)
}

/// All output times, or some.
fn frames(root: &Node, steps: Option<&[usize]>) -> Result<Frames, DatasetError> {
    Ok((read_states(root, steps)?, read_responses(root, steps)?))
}

/// The set-up, with what it holds of the first of these states and responses.
fn setup(root: &Node, states: &[State], unit_responses: &[UnitResponse]) -> Result<Setup, DatasetError> {
    let path = root.path;
    let mesh = Arc::new(read_mesh(root)?);
    let n = mesh.num_nodes();
    let times = root.read::<f64>("time")?.1;
    let steady = root.read_number::<i64>("steady")?.first() == Some(&1);
    let node_type = root.read::<i32>("node_type")?.1;
    let node_type = node_type
        .iter()
        .map(|&t| {
            usize::try_from(t)
                .ok()
                .and_then(|t| NodeType::ALL.get(t))
                .copied()
                .ok_or_else(|| DatasetError::content(path, format!("node type {t} is not known")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    expect(path, "node_type", n, node_type.len())?;
    let material_id = root.sub("cell")?.read::<i32>("material_id")?.1;
    expect(path, "cell/material_id", mesh.num_cells(), material_id.len())?;
    let params = root.sub("params")?;
    let order: Vec<String> = parse(&params, "order")?;
    let params = order
        .into_iter()
        .map(|p| {
            let value = params
                .read_number::<f64>(&p)?
                .first()
                .copied()
                .ok_or_else(|| DatasetError::content(path, format!("params/{p} is empty")))?;
            Ok(Param { path: p, value })
        })
        .collect::<Result<Vec<_>, DatasetError>>()?;
    Ok(Setup {
        physics: root.read_attribute("physics")?,
        units: root.read_attribute("unit_system")?,
        node_type,
        material_id,
        inputs: read_inputs(root, n)?,
        prescribed: read_prescribed(root, n)?,
        loads: parse(root, "loads")?,
        params,
        initial: if steady { None } else { states.first().cloned() },
        initial_responses: if steady { Vec::new() } else { unit_responses.iter().filter_map(|r| r.steps.first().cloned()).collect() },
        times,
        singular: parse(root, "singular")?,
        mesh,
    })
}

fn expect(path: &Path, what: &str, expected: usize, got: usize) -> Result<(), DatasetError> {
    if expected == got { Ok(()) } else { Err(DatasetError::content(path, format!("{what} has {got} entries, expected {expected}"))) }
}

fn parse<T: DeserializeOwned>(at: &Node, name: &str) -> Result<T, DatasetError> {
    from_json(at.path, name, &at.read_attribute(name)?)
}

fn from_json<T: DeserializeOwned>(path: &Path, name: &str, text: &str) -> Result<T, DatasetError> {
    serde_json::from_str(text).map_err(|e| DatasetError::content(path, format!("attribute {name}: {e}")))
}

fn read_mesh(root: &Node) -> Result<Mesh, DatasetError> {
    let path = root.path;
    let (shape, points) = root.read::<f64>("mesh_pos")?;
    let dim = shape.get(1).copied().unwrap_or(0);
    let mut blocks = Vec::new();
    let mut names: Vec<String> = root.names()?.into_iter().filter(|n| n == "cells" || n.starts_with("cells_")).collect();
    names.sort_by_key(|n| n.split('_').nth(1).and_then(|k| k.parse::<usize>().ok()));
    for name in names {
        let kind = root.read_attribute_of(&name, "kind")?;
        let kind =
            CellKind::from_name(&kind).ok_or_else(|| DatasetError::content(path, format!("{name}: cells of kind {kind} are not known")))?;
        let connectivity = root.read::<i32>(&name)?.1;
        let connectivity = connectivity
            .into_iter()
            .map(|n| u32::try_from(n).map_err(|_| DatasetError::content(path, format!("{name}: node {n}"))))
            .collect::<Result<_, _>>()?;
        blocks.push(CellBlock { kind, connectivity });
    }
    let group = root.sub("tags")?;
    let mut list = Vec::new();
    for name in group.names()? {
        let values = group.read::<i32>(&name)?.1;
        if values.iter().any(|&v| v < 0) {
            return Err(DatasetError::content(path, format!("tags/{name}: negative number")));
        }
        let values: Vec<u32> = values.into_iter().map(|v| v as u32).collect();
        let entities = match group.read_attribute_of(&name, "kind")?.as_str() {
            "node" => TagEntities::Nodes(values),
            "cell" => TagEntities::Cells(values),
            "facet" => TagEntities::Facets(values.chunks_exact(2).map(|p| FacetId { cell: p[0], local: p[1].min(255) as u8 }).collect()),
            other => return Err(DatasetError::content(path, format!("tags/{name}: kind {other}, expected node, facet or cell"))),
        };
        let dataset = group.group.dataset(&name).map_err(|e| DatasetError::content(path, e.to_string()))?;
        let attribute = |key: &str| dataset.attr(key).and_then(|a| a.read_scalar::<i64>()).ok();
        list.push((
            attribute("order").unwrap_or(0),
            group.read_attribute_of(&name, "name")?,
            attribute("gmsh_tag").map(|g| g as i32),
            entities,
        ));
    }
    list.sort_by_key(|t| t.0);
    let mut tags = Tags::default();
    list.into_iter().for_each(|(_, name, gmsh, entities)| tags.insert(&name, gmsh, entities));
    Mesh::new(dim, points, blocks, tags).map_err(|e| DatasetError::content(path, e.to_string()))
}

/// Floats, whichever width they are stored in.
fn floats(at: &Node, name: &str) -> Result<(Vec<usize>, Vec<f64>), DatasetError> {
    at.read::<f64>(name)
}

/// A series `[times, entities, components]`, or some steps of it, with the shape of the whole.
fn series(at: &Node, name: &str, steps: Option<&[usize]>) -> Result<(Vec<usize>, Vec<f64>), DatasetError> {
    match steps {
        Some(steps) => at.read_steps(name, steps),
        None => floats(at, name),
    }
}

fn read_states(root: &Node, steps: Option<&[usize]>) -> Result<Vec<State>, DatasetError> {
    let names: Vec<String> = parse(root, "fields")?;
    let times = root.read::<f64>("time")?.1;
    let wanted: Vec<usize> = steps.map_or_else(|| (0..times.len()).collect(), <[usize]>::to_vec);
    let mut states = Vec::with_capacity(wanted.len());
    for step in wanted {
        let time = times.get(step).ok_or_else(|| DatasetError::content(root.path, format!("there is no output time {step}")))?;
        states.push(State { time: *time, fields: Vec::new() });
    }
    let cell = root.sub("cell")?;
    for name in names {
        let (at, location) = if root.has(&name) { (root, Location::Node) } else { (&cell, Location::Cell) };
        let (shape, values) = series(at, &name, steps)?;
        let components: Vec<String> = from_json(root.path, &name, &at.read_attribute_of(&name, "components")?)?;
        let unit = at.read_attribute_of(&name, "units")?;
        if shape.len() != 3 || shape[0] != times.len() || shape[2] != components.len() || shape[2] == 0 {
            return Err(DatasetError::content(
                root.path,
                format!("{name} has shape {shape:?}, expected [{}, entities, {}]", times.len(), components.len()),
            ));
        }
        let size = shape[1] * shape[2];
        for (k, state) in states.iter_mut().enumerate() {
            let values = values[k * size..(k + 1) * size].to_vec();
            state.fields.push(Field { name: name.clone(), unit: unit.clone(), location, components: components.clone(), values });
        }
    }
    Ok(states)
}

fn read_inputs(root: &Node, n: usize) -> Result<Vec<Input>, DatasetError> {
    let names: Vec<String> = parse(root, "inputs")?;
    let fixed = root.sub("static")?;
    names
        .into_iter()
        .map(|name| {
            let at = if fixed.has(&name) { &fixed } else { root };
            let (_, values) = floats(at, &name)?;
            let components: Vec<String> = from_json(root.path, &name, &at.read_attribute_of(&name, "components")?)?;
            let per_step = (n * components.len()).max(1);
            let steps = values.len() / per_step;
            expect(root.path, &name, steps.max(1) * per_step, values.len())?;
            Ok(Input { unit: at.read_attribute_of(&name, "units")?, name, components, steps: steps.max(1), values })
        })
        .collect()
}

fn read_prescribed(root: &Node, n: usize) -> Result<Vec<Prescribed>, DatasetError> {
    let names: Vec<String> = parse(root, "prescribed")?;
    let fixed = root.sub("static")?;
    names
        .into_iter()
        .map(|field| {
            let (shape, mask) = fixed.read::<u8>(&format!("{field}_prescribed"))?;
            expect(root.path, "prescribed mask", n, shape.first().copied().unwrap_or(0))?;
            let (_, values) = floats(&fixed, &format!("{field}_prescribed_value"))?;
            let steps = values.len() / mask.len().max(1);
            expect(root.path, "prescribed values", steps.max(1) * mask.len(), values.len())?;
            Ok(Prescribed { field, mask: mask.iter().map(|&m| m != 0).collect(), steps: steps.max(1), values })
        })
        .collect()
}

fn read_responses(root: &Node, steps: Option<&[usize]>) -> Result<Vec<UnitResponse>, DatasetError> {
    if !root.has("unit_response") {
        return Ok(Vec::new());
    }
    let n = root.rows("mesh_pos")?;
    let group = root.sub("unit_response")?;
    let states: Vec<String> = parse(root, "fields")?;
    (0..group.names()?.len())
        .map(|k| {
            let at = group.sub(&k.to_string())?;
            let mut read: Vec<Vec<Field>> = Vec::new();
            for name in states.iter().filter(|n| at.has(n)) {
                let (_, values) = series(&at, name, steps)?;
                let components: Vec<String> = from_json(root.path, name, &at.read_attribute_of(name, "components")?)?;
                let unit = at.read_attribute_of(name, "units")?;
                let width = (n * components.len()).max(1);
                expect(root.path, name, values.len() / width * width, values.len())?;
                read.resize(values.len() / width, Vec::new());
                for (fields, values) in read.iter_mut().zip(values.chunks_exact(width)) {
                    let (name, unit, components) = (name.clone(), unit.clone(), components.clone());
                    fields.push(Field { name, unit, location: Location::Node, components, values: values.to_vec() });
                }
            }
            Ok(UnitResponse { load: at.read_attribute("load")?, steps: read })
        })
        .collect()
}

fn read_log(root: &Node) -> Result<SolverLog, DatasetError> {
    let log = root.sub("solver_log")?;
    let mut series = Vec::new();
    // Files written before there were series have none.
    if log.has("series") {
        let group = log.sub("series")?;
        for name in group.names()? {
            let (_, pairs) = group.read::<f64>(&name)?;
            let (times, values) = pairs.chunks_exact(2).map(|p| (p[0], p[1])).unzip();
            let (unit, name) = (group.read_attribute_of(&name, "units")?, group.read_attribute_of(&name, "name")?);
            series.push(Series { name, unit, times, values });
        }
    }
    let (newton_iters, residual) = (log.read::<i32>("newton_iters")?.1, log.read::<f64>("residual")?.1);
    Ok(SolverLog { newton_iters, residual, series, ..SolverLog::default() })
}

fn read_meta(root: &Node) -> Result<TrajectoryMeta, DatasetError> {
    let p = root.sub("provenance")?;
    let index = p.read_number::<i64>("index")?;
    let at = |k: usize| index.get(k).map_or(0, |&v| v as usize);
    Ok(TrajectoryMeta {
        id: TrajectoryId { split: p.read_attribute("split")?, index: at(0), base: at(1), variant: at(2) },
        case_toml: p.read_attribute("case_toml")?,
        seed: p.read_number::<u64>("seed")?.first().copied().unwrap_or(0),
        femur_version: p.read_attribute("femur_version")?,
        git: p.read_attribute("git_commit")?,
        wall_s: p.read_number::<f64>("wall_s")?.first().copied().unwrap_or(0.0),
    })
}
