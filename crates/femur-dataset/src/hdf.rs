//! Thin layer over the hdf5 crate: everything that is named here, nothing else, touches HDF5.

use crate::DatasetError;
use hdf5::types::{FixedAscii, VarLenUnicode};
use hdf5::{File, Group, H5Type, Location};
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;

/// HDF5 has one global lock of its own; whole files are written and read one at a time, so that a thread never waits inside.
pub(crate) static LOCK: Mutex<()> = Mutex::new(());

/// A location in an open file, with the path for errors.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) group: Group,
    pub(crate) path: &'a Path,
}

fn fail<'p>(path: &'p Path, what: &str) -> impl FnOnce(hdf5::Error) -> DatasetError + use<'p> {
    let what = what.to_string();
    move |e| DatasetError::Hdf { path: path.into(), what, reason: e.to_string().lines().next().unwrap_or_default().to_string() }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<File, DatasetError> {
    hdf5::silence_errors(true);
    File::open(path).map_err(fail(path, "cannot open"))
}

/// Opens another program's file for reading: what is wrong with it is not that Femur was killed.
pub(crate) fn open_foreign(path: &Path) -> Result<File, DatasetError> {
    hdf5::silence_errors(true);
    File::open(path).map_err(|e| DatasetError::Refused {
        path: path.into(),
        what: format!("cannot be opened: {}", e.to_string().lines().next().unwrap_or_default()),
        hint: "an HDF5 file is needed".into(),
    })
}

/// Creates a file whose parts flushed so far stay readable after a crash.
pub(crate) fn create(path: &Path) -> Result<File, DatasetError> {
    hdf5::silence_errors(true);
    File::with_options().with_fapl(|p| p.libver_v18()).create(path).map_err(fail(path, "cannot create"))
}

impl<'a> Node<'a> {
    pub(crate) fn root(file: &File, path: &'a Path) -> Result<Self, DatasetError> {
        Ok(Node { group: file.group("/").map_err(fail(path, "/"))?, path })
    }

    pub(crate) fn new_group(&self, name: &str) -> Result<Node<'a>, DatasetError> {
        Ok(Node { group: self.group.create_group(name).map_err(fail(self.path, name))?, path: self.path })
    }

    pub(crate) fn sub(&self, name: &str) -> Result<Node<'a>, DatasetError> {
        Ok(Node { group: self.group.group(name).map_err(fail(self.path, name))?, path: self.path })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.group.link_exists(name)
    }

    /// Whether a member is a group.
    pub(crate) fn is_group(&self, name: &str) -> bool {
        self.group.group(name).is_ok()
    }

    /// Whether a member is an array of integers or floats.
    pub(crate) fn is_numeric(&self, name: &str) -> bool {
        use hdf5::types::TypeDescriptor::{Float, Integer, Unsigned};
        let kind = self.group.dataset(name).and_then(|d| d.dtype()).and_then(|t| t.to_descriptor());
        matches!(kind, Ok(Integer(_) | Unsigned(_) | Float(_)))
    }

    /// Bytes of a number of an array.
    pub(crate) fn bytes_of(&self, name: &str) -> Result<usize, DatasetError> {
        let dataset = self.group.dataset(name).map_err(fail(self.path, name))?;
        Ok(dataset.dtype().map_err(fail(self.path, name))?.size())
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, DatasetError> {
        let mut names = self.group.member_names().map_err(fail(self.path, "the list of members"))?;
        names.sort();
        Ok(names)
    }

    /// Writes a whole array.
    pub(crate) fn write<T: H5Type>(&self, name: &str, shape: &[usize], values: &[T]) -> Result<hdf5::Dataset, DatasetError> {
        let dataset = self.group.new_dataset::<T>().shape(shape.to_vec()).create(name).map_err(fail(self.path, name))?;
        dataset.write_raw(values).map_err(fail(self.path, name))?;
        Ok(dataset)
    }

    /// Writes a series `[steps, n, c]` in chunks of one step, extensible in time.
    pub(crate) fn write_series<T: H5Type>(
        &self,
        name: &str,
        shape: [usize; 3],
        values: &[T],
        compress: bool,
    ) -> Result<hdf5::Dataset, DatasetError> {
        let [t, n, c] = shape;
        let mut builder = self.group.new_dataset::<T>().chunk((1, n.max(1), c.max(1)));
        if compress {
            builder = builder.shuffle().deflate(1);
        }
        let dataset = builder.shape((t.., n, c)).create(name).map_err(fail(self.path, name))?;
        dataset.write_raw(values).map_err(fail(self.path, name))?;
        Ok(dataset)
    }

    /// Reads a whole array with its shape.
    pub(crate) fn read<T: H5Type>(&self, name: &str) -> Result<(Vec<usize>, Vec<T>), DatasetError> {
        let dataset = self.array::<T>(name)?;
        Ok((dataset.shape(), dataset.read_raw().map_err(fail(self.path, name))?))
    }

    /// Reads these steps alone of a series `[steps, n, c]`, in their order, with the shape of the whole.
    pub(crate) fn read_steps<T: H5Type>(&self, name: &str, steps: &[usize]) -> Result<(Vec<usize>, Vec<T>), DatasetError> {
        let dataset = self.array::<T>(name)?;
        let shape = dataset.shape();
        if shape.len() != 3 || steps.iter().any(|&step| step >= shape[0]) {
            return Err(DatasetError::content(self.path, format!("{name} has shape {shape:?}, which lacks a step of {steps:?}")));
        }
        let mut values = Vec::with_capacity(steps.len() * shape[1] * shape[2]);
        for &step in steps {
            values.extend(dataset.read_slice_2d::<T, _>((step, .., ..)).map_err(fail(self.path, name))?);
        }
        Ok((shape, values))
    }

    /// Number of rows of an array.
    pub(crate) fn rows(&self, name: &str) -> Result<usize, DatasetError> {
        let dataset = self.group.dataset(name).map_err(fail(self.path, name))?;
        Ok(dataset.shape().first().copied().unwrap_or(0))
    }

    /// An array of a size that can be.
    fn array<T: H5Type>(&self, name: &str) -> Result<hdf5::Dataset, DatasetError> {
        let dataset = self.group.dataset(name).map_err(fail(self.path, name))?;
        // A damaged header may claim any size: what is stored bounds what is read.
        let bytes = dataset.size().saturating_mul(std::mem::size_of::<T>());
        let file = std::fs::metadata(self.path).map_or(u64::MAX, |m| m.len());
        if bytes as u64 > file.saturating_mul(1000) {
            return Err(DatasetError::content(self.path, format!("{name} claims {bytes} bytes in a file of {file}")));
        }
        Ok(dataset)
    }

    pub(crate) fn attribute(&self, name: &str, value: &str) -> Result<(), DatasetError> {
        text(&self.group, self.path, name, value)
    }

    pub(crate) fn number<T: H5Type>(&self, name: &str, values: &[T]) -> Result<(), DatasetError> {
        number(&self.group, self.path, name, values)
    }

    pub(crate) fn read_attribute(&self, name: &str) -> Result<String, DatasetError> {
        read_text(&self.group, self.path, name)
    }

    pub(crate) fn read_number<T: H5Type>(&self, name: &str) -> Result<Vec<T>, DatasetError> {
        let a = self.group.attr(name).map_err(fail(self.path, name))?;
        a.read_raw().map_err(fail(self.path, name))
    }

    /// A text attribute of one of this group's arrays.
    pub(crate) fn read_attribute_of(&self, dataset: &str, name: &str) -> Result<String, DatasetError> {
        let d = self.group.dataset(dataset).map_err(fail(self.path, dataset))?;
        read_text(&d, self.path, name)
    }
}

/// Writes a text attribute of any length.
pub(crate) fn text(at: &Location, path: &Path, name: &str, value: &str) -> Result<(), DatasetError> {
    // A NUL ends a string in HDF5: it cannot be in a name or a case.
    let value = VarLenUnicode::from_str(&value.replace('\0', " ")).map_err(|e| DatasetError::content(path, format!("{name}: {e}")))?;
    let attribute = at.new_attr::<VarLenUnicode>().create(name).map_err(fail(path, name))?;
    attribute.write_scalar(&value).map_err(fail(path, name))
}

/// Writes a fixed-length ASCII attribute, which VTK insists on.
pub(crate) fn ascii(at: &Location, path: &Path, name: &str, value: &str) -> Result<(), DatasetError> {
    let value = FixedAscii::<16>::from_ascii(value).map_err(|e| DatasetError::content(path, format!("{name}: {e}")))?;
    let attribute = at.new_attr::<FixedAscii<16>>().create(name).map_err(fail(path, name))?;
    attribute.write_scalar(&value).map_err(fail(path, name))
}

/// Writes a numeric attribute: a scalar where there is one value.
pub(crate) fn number<T: H5Type>(at: &Location, path: &Path, name: &str, values: &[T]) -> Result<(), DatasetError> {
    if let [value] = values {
        let attribute = at.new_attr::<T>().create(name).map_err(fail(path, name))?;
        attribute.write_scalar(value).map_err(fail(path, name))
    } else {
        let attribute = at.new_attr::<T>().shape(values.len()).create(name).map_err(fail(path, name))?;
        attribute.write_raw(values).map_err(fail(path, name))
    }
}

fn read_text(at: &Location, path: &Path, name: &str) -> Result<String, DatasetError> {
    let a = at.attr(name).map_err(fail(path, name))?;
    let value: VarLenUnicode = a.read_scalar().map_err(fail(path, name))?;
    Ok(value.as_str().to_string())
}
