//! The view for ParaView: VTKHDF 2.0, bulk arrays as virtual datasets onto the ones of the file.

use super::WriteOptions;
use crate::DatasetError;
use crate::hdf::{Node, ascii};
use femur_mesh::{Field, Location};
use femur_sim::Trajectory;
use hdf5::{Hyperslab, SliceOrIndex};

/// Writes `/VTKHDF`.
pub(super) fn write(root: &Node, t: &Trajectory, options: &WriteOptions) -> Result<(), DatasetError> {
    let view = root.new_group("VTKHDF")?;
    view.number("Version", &[2i64, 0])?;
    // Variable-length text fails in VTK up to 9.4.
    ascii(&view.group, root.path, "Type", "UnstructuredGrid")?;
    let mesh = &t.setup.mesh;
    let (n, m) = (mesh.num_nodes(), mesh.num_cells());
    let (mut connectivity, mut offsets, mut types) = (Vec::new(), vec![0i64], Vec::new());
    for (_, kind, nodes) in mesh.cells() {
        connectivity.extend(nodes.iter().map(|&n| i64::from(n)));
        offsets.push(connectivity.len() as i64);
        types.push(kind.vtk_id());
    }
    view.write("NumberOfPoints", &[1], &[n as i64])?;
    view.write("NumberOfCells", &[1], &[m as i64])?;
    view.write("NumberOfConnectivityIds", &[1], &[connectivity.len() as i64])?;
    view.write("Connectivity", &[connectivity.len()], &connectivity)?;
    view.write("Offsets", &[offsets.len()], &offsets)?;
    view.write("Types", &[types.len()], &types)?;
    let points: Vec<f64> =
        (0..n).flat_map(|i| std::array::from_fn::<f64, 3, _>(|d| mesh.point(i).get(d).copied().unwrap_or(0.0))).collect();
    view.write("Points", &[n, 3], &points)?;
    let steps = t.states.len();
    let (point_data, cell_data) = (view.new_group("PointData")?, view.new_group("CellData")?);
    let fields = t.states.first().map_or(&[][..], |s| &s.fields);
    for field in fields {
        let (group, source) = match field.location {
            Location::Node => (&point_data, format!("/{}", field.name)),
            Location::Cell => (&cell_data, format!("/cell/{}", field.name)),
        };
        virtual_array(group, field, &source, steps, options)?;
    }
    if steps > 1 {
        let group = view.new_group("Steps")?;
        group.number("NSteps", &[steps as i64])?;
        group.write("Values", &[steps], &t.setup.times)?;
        let zeros = vec![0i64; steps];
        group.write("PartOffsets", &[steps], &zeros)?;
        group.write("NumberOfParts", &[steps], &vec![1i64; steps])?;
        group.write("PointOffsets", &[steps], &zeros)?;
        group.write("CellOffsets", &[steps, 1], &zeros)?;
        group.write("ConnectivityIdOffsets", &[steps, 1], &zeros)?;
        // Without these the reader shows step 0 for ever.
        let (of_points, of_cells) = (group.new_group("PointDataOffsets")?, group.new_group("CellDataOffsets")?);
        for field in fields {
            let (at, entities) = if field.location == Location::Node { (&of_points, n) } else { (&of_cells, m) };
            let offsets: Vec<i64> = (0..steps).map(|k| (k * entities) as i64).collect();
            at.write(&field.name, &[steps], &offsets)?;
        }
    }
    Ok(())
}

/// `[T N]` for scalars, `[T N, 3]` for vectors, `[T N, 6]` for symmetric tensors; what the source lacks reads as 0.
fn virtual_array(group: &Node, field: &Field, source: &str, steps: usize, options: &WriteOptions) -> Result<(), DatasetError> {
    let (n, c) = (field.len(), field.num_components());
    let columns = match c {
        1 => 1,
        2 | 3 => 3,
        4 | 6 if field.components[0] == "xx" => 6,
        other => other,
    };
    let all = |len: usize| SliceOrIndex::from(0..len);
    let from = Hyperslab::from(vec![all(steps), all(n), all(c)]);
    let extents: Vec<usize> = if columns == 1 { vec![steps * n] } else { vec![steps * n, columns] };
    let to = if columns == 1 { Hyperslab::from(vec![all(steps * n)]) } else { Hyperslab::from(vec![all(steps * n), all(c)]) };
    let error =
        |e: hdf5::Error| DatasetError::Hdf { path: group.path.into(), what: format!("VTKHDF/{}", field.name), reason: e.to_string() };
    let result = if options.double {
        let builder = group.group.new_dataset::<f64>();
        builder.virtual_map(".", source, vec![steps, n, c], from, extents.clone(), to).shape(extents).create(field.name.as_str())
    } else {
        let builder = group.group.new_dataset::<f32>();
        builder.virtual_map(".", source, vec![steps, n, c], from, extents.clone(), to).shape(extents).create(field.name.as_str())
    };
    result.map(|_| ()).map_err(error)
}
