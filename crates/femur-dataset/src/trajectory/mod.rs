//! One trajectory, one file.

mod read;
mod vtkhdf;
mod write;

use crate::TrajectoryId;
use femur_sim::Trajectory;
use sha2::{Digest, Sha256};

pub use read::{Frames, read_setup, read_steps, read_trajectory};
pub use write::write_trajectory;
pub(crate) use write::{sync_all, write_unsynced};

/// What a file says of its making, beside the fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrajectoryMeta {
    /// Place in the dataset.
    pub id: TrajectoryId,
    /// The case as resolved.
    pub case_toml: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Version of Femur.
    pub femur_version: String,
    /// Git commit of the build, with a mark where the tree was changed; empty where unknown.
    pub git: String,
    /// Wall time of the run in seconds.
    pub wall_s: f64,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// 8-byte fields instead of 4-byte ones.
    pub double: bool,
    /// Shuffle and deflate.
    pub compress: bool,
}

/// Hash of all that must be equal for equal seeds: mesh, inputs, fields as stored, parameters; not times of day or durations.
pub fn data_sha256(t: &Trajectory, options: &WriteOptions) -> String {
    let mut hash = Sha256::new();
    let numbers = |hash: &mut Sha256, values: &[f64]| {
        if options.double {
            update(hash, values, f64::to_le_bytes);
        } else {
            update(hash, values, |v| (v as f32).to_le_bytes());
        }
    };
    update(&mut hash, &t.setup.mesh.points, f64::to_le_bytes);
    for block in &t.setup.mesh.blocks {
        hash.update([block.kind.vtk_id()]);
        update(&mut hash, &block.connectivity, u32::to_le_bytes);
    }
    for input in &t.setup.inputs {
        hash.update(input.name.as_bytes());
        numbers(&mut hash, &input.values);
    }
    t.setup.params.iter().for_each(|p| {
        hash.update(p.path.as_bytes());
        hash.update(p.value.to_le_bytes());
    });
    for fields in t.states.iter().map(|s| &s.fields).chain(t.unit_responses.iter().flat_map(|u| &u.steps)) {
        for field in fields {
            hash.update(field.name.as_bytes());
            numbers(&mut hash, &field.values);
        }
    }
    hex(&hash.finalize())
}

/// Adds the bytes of numbers, many at a time.
fn update<T: Copy, const N: usize>(hash: &mut Sha256, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    let mut buffer = [0; 4096];
    for part in values.chunks(buffer.len() / N) {
        part.iter().zip(buffer.chunks_exact_mut(N)).for_each(|(&v, to)| to.copy_from_slice(&bytes(v)));
        hash.update(&buffer[..N * part.len()]);
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
