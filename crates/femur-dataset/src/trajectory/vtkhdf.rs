//! The view for ParaView: VTKHDF 2.0, bulk arrays as virtual datasets onto the ones of the file.

use super::WriteOptions;
use crate::encode::{Encoder, Object, ROOT, Values};
use femur_mesh::{Field, Location};
use femur_sim::Trajectory;

/// Writes `/VTKHDF`.
pub(super) fn write<'a>(out: &mut Encoder<'a>, t: &'a Trajectory, options: &WriteOptions) {
    let view = out.group(ROOT, "VTKHDF");
    out.number(view, "Version", &[2i64, 0]);
    // Variable-length text fails in VTK up to 9.4.
    out.ascii(view, "Type", "UnstructuredGrid");
    let mesh = &t.setup.mesh;
    let (n, m) = (mesh.num_nodes(), mesh.num_cells());
    let (mut offsets, mut types, mut length) = (vec![0i64], Vec::with_capacity(m), 0);
    for block in &mesh.blocks {
        let nodes = block.kind.num_nodes() as i64;
        for _ in 0..block.num_cells() {
            length += nodes;
            offsets.push(length);
            types.push(block.kind.vtk_id());
        }
    }
    out.array(view, "NumberOfPoints", &[1], Values::of([n as i64]));
    out.array(view, "NumberOfCells", &[1], Values::of([m as i64]));
    out.array(view, "NumberOfConnectivityIds", &[1], Values::of([length]));
    let connectivity = mesh.blocks.iter().flat_map(|b| b.connectivity.iter().map(|&n| i64::from(n)));
    out.array(view, "Connectivity", &[length as usize], Values::of(connectivity));
    out.array(view, "Offsets", &[offsets.len()], Values::of(offsets));
    out.array(view, "Types", &[types.len()], Values::of(types));
    let coordinates = (0..n).flat_map(|i| std::array::from_fn::<f64, 3, _>(|d| mesh.point(i).get(d).copied().unwrap_or(0.0)));
    out.array(view, "Points", &[n, 3], Values::of(coordinates));
    let steps = t.states.len();
    let (point_data, cell_data) = (out.group(view, "PointData"), out.group(view, "CellData"));
    let fields = t.states.first().map_or(&[][..], |s| &s.fields);
    for field in fields {
        let (group, source) = match field.location {
            Location::Node => (point_data, format!("/{}", field.name)),
            Location::Cell => (cell_data, format!("/cell/{}", field.name)),
        };
        virtual_array(out, group, field, &source, steps, options);
    }
    if steps > 1 {
        let group = out.group(view, "Steps");
        out.number(group, "NSteps", &[steps as i64]);
        out.array(group, "Values", &[steps], Values::floats(vec![&t.setup.times], true));
        let zeros = || Values::of(std::iter::repeat_n(0i64, steps));
        out.array(group, "PartOffsets", &[steps], zeros());
        out.array(group, "NumberOfParts", &[steps], Values::of(std::iter::repeat_n(1i64, steps)));
        out.array(group, "PointOffsets", &[steps], zeros());
        out.array(group, "CellOffsets", &[steps, 1], zeros());
        out.array(group, "ConnectivityIdOffsets", &[steps, 1], zeros());
        // Without these the reader shows step 0 for ever.
        let (of_points, of_cells) = (out.group(group, "PointDataOffsets"), out.group(group, "CellDataOffsets"));
        for field in fields {
            let (at, entities) = if field.location == Location::Node { (of_points, n) } else { (of_cells, m) };
            out.array(at, &field.name, &[steps], Values::of((0..steps).map(|k| (k * entities) as i64)));
        }
    }
}

/// `[T N]` for scalars, `[T N, 3]` for vectors, `[T N, 6]` for symmetric tensors; what the source lacks reads as 0.
fn virtual_array(out: &mut Encoder<'_>, group: Object, field: &Field, source: &str, steps: usize, options: &WriteOptions) {
    let (n, c) = (field.len(), field.num_components());
    let columns = match c {
        1 => 1,
        2 | 3 => 3,
        4 | 6 if field.components[0] == "xx" => 6,
        other => other,
    };
    let extents: Vec<usize> = if columns == 1 { vec![steps * n] } else { vec![steps * n, columns] };
    out.view(group, &field.name, &extents, options.double, source, [steps, n, c]);
}
