//! Model and checkpoint files: safetensors with one metadata key, so that equal runs give equal bytes.

use crate::LearnError;
use crate::params::Params;
use crate::surrogate::Header;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// A named matrix, as it is stored.
type Row<'a> = (String, usize, usize, &'a [f32]);

/// A named matrix of its own.
pub(crate) type Matrix = (String, usize, usize, Vec<f32>);

/// A named array: type, shape, little-endian bytes.
pub(crate) type Array = (String, Dtype, Vec<usize>, Vec<u8>);

/// The bytes of floats.
pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Writes matrices and a description atomically.
pub(crate) fn write_tensors<T: Serialize>(path: &Path, rows: &[Row], description: &T) -> Result<(), LearnError> {
    let arrays: Vec<Array> = rows.iter().map(|(name, r, c, v)| (name.clone(), Dtype::F32, vec![*r, *c], bytes(v))).collect();
    write_arrays(path, &arrays, description)
}

/// Writes arrays and a description atomically.
pub(crate) fn write_arrays<T: Serialize>(path: &Path, arrays: &[Array], description: &T) -> Result<(), LearnError> {
    let views: Vec<(&str, TensorView)> = arrays
        .iter()
        .map(|(name, dtype, shape, data)| TensorView::new(*dtype, shape.clone(), data).map(|v| (name.as_str(), v)))
        .collect::<Result<_, _>>()
        .map_err(|e| LearnError::file(path, e.to_string()))?;
    // Through a Value, whose maps are sorted.
    let json = serde_json::to_value(description).map_err(|e| LearnError::file(path, e.to_string()))?.to_string();
    let metadata = HashMap::from([("femur".to_string(), json)]);
    let data = safetensors::serialize(views, Some(metadata)).map_err(|e| LearnError::file(path, e.to_string()))?;
    write_whole(path, &data)
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, data: &[u8]) -> Result<(), LearnError> {
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part).map_err(LearnError::io(&part, "create"))?;
    file.write_all(data).and_then(|()| file.sync_all()).map_err(LearnError::io(&part, "write"))?;
    std::fs::rename(&part, path).map_err(LearnError::io(path, "rename into"))
}

/// The bytes of a file, and the description of what is in it.
fn read_described<T: DeserializeOwned>(path: &Path) -> Result<(Vec<u8>, T), LearnError> {
    let data = std::fs::read(path).map_err(LearnError::io(path, "read"))?;
    let (_, metadata) = SafeTensors::read_metadata(&data).map_err(|e| damaged(path, e.to_string()))?;
    let json = metadata.metadata().as_ref().and_then(|m| m.get("femur"));
    let json = json.ok_or_else(|| damaged(path, "there is no metadata key `femur`".into()))?;
    let description = serde_json::from_str(json).map_err(|e| damaged(path, format!("metadata: {e}")))?;
    Ok((data, description))
}

fn damaged(path: &Path, what: String) -> LearnError {
    LearnError::file(path, format!("{what}\n  hint: not a file of Femur's networks, or damaged"))
}

/// What is in a file that Femur's networks read or wrote, a model or a graph with its features, for `femur info`.
///
/// # Errors
/// The file is damaged or something else.
pub fn describe(path: &Path) -> Result<serde_json::Value, LearnError> {
    let (data, mut description): (_, serde_json::Value) = read_described(path)?;
    if description["schema"] == "femur-model" {
        return Ok(crate::Surrogate::load(path)?.describe());
    }
    let arrays = SafeTensors::deserialize(&data).map_err(|e| damaged(path, e.to_string()))?;
    let shapes = arrays.tensors().into_iter().map(|(name, view)| (name, serde_json::json!(view.shape())));
    description["arrays"] = shapes.collect::<serde_json::Map<_, _>>().into();
    Ok(description)
}

/// Reads matrices and their description.
pub(crate) fn read_tensors<T: DeserializeOwned>(path: &Path) -> Result<(Vec<Matrix>, T), LearnError> {
    let (data, description) = read_described(path)?;
    let damaged = |what: String| damaged(path, what);
    let tensors = SafeTensors::deserialize(&data).map_err(|e| damaged(e.to_string()))?;
    let mut rows = Vec::new();
    for (name, view) in tensors.tensors() {
        let &[r, c] = view.shape() else { return Err(damaged(format!("{name} is not a matrix"))) };
        if view.dtype() != Dtype::F32 {
            return Err(damaged(format!("{name} is not of 4-byte floats")));
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        rows.push((name, r, c, values));
    }
    Ok((rows, description))
}

/// Writes a model. Names carry their number, for a model asks for its parameters in order.
pub(crate) fn write(path: &Path, header: &Header, params: &Params) -> Result<(), LearnError> {
    let rows: Vec<Row> = params.list.iter().enumerate().map(|(k, (n, r, c, v))| (format!("{k:04}.{n}"), *r, *c, v.as_slice())).collect();
    write_tensors(path, &rows, header)
}

/// Reads a model.
pub(crate) fn read(path: &Path) -> Result<(Header, Params), LearnError> {
    let (rows, description): (_, serde_json::Value) = read_tensors(path)?;
    let version = description["version"].as_u64();
    if description["schema"] != "femur-model" || version != Some(1) {
        return Err(LearnError::file(path, format!("model version {version:?} is not known\n  hint: a newer Femur may have written it")));
    }
    let header: Header = serde_json::from_value(description).map_err(|e| LearnError::file(path, e.to_string()))?;
    if let Some(what) = header.fault() {
        return Err(LearnError::file(path, format!("{what}\n  hint: the file is damaged, or of another version of Femur")));
    }
    Ok((header, params_of(rows)))
}

/// Parameters from numbered names.
pub(crate) fn params_of(mut rows: Vec<Matrix>) -> Params {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut params = Params::new(0);
    for (name, r, c, values) in rows {
        let name = name.split_once('.').map_or(name.as_str(), |n| n.1).to_string();
        params.insert(&name, r, c, values);
    }
    params
}
