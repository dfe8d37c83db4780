//! A channel with a circular cylinder across it.

use super::curve::{Hole, HoleShape};
use super::plate::{CHANNEL, PlateSpec, plate_with_holes};
use crate::{Mesh, MeshError};

/// A channel `[0, length] x [0, height]` with a cylinder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChannelSpec {
    /// Extent along x, the direction of flow.
    pub length: f64,
    /// Extent along y.
    pub height: f64,
    /// Centre of the cylinder.
    pub center: [f64; 2],
    /// Diameter of the cylinder.
    pub diameter: f64,
    /// Edge length away from the cylinder.
    pub size: f64,
    /// Edge length at the cylinder as a part of `size`.
    pub refinement: f64,
    /// 1 for straight, 2 for quadratic triangles with midside nodes on the circle.
    pub order: usize,
}

impl Default for ChannelSpec {
    /// The geometry of the DFG benchmark "flow around a cylinder" 2D-1 to 2D-3 (Schaefer and Turek 1996) \[m\].
    fn default() -> Self {
        ChannelSpec { length: 2.2, height: 0.41, center: [0.2, 0.2], diameter: 0.1, size: 0.41 / 16.0, refinement: 0.5, order: 1 }
    }
}

impl From<ChannelSpec> for PlateSpec {
    fn from(c: ChannelSpec) -> Self {
        let cylinder = Hole { shape: HoleShape::Circle, center: c.center, diameter: c.diameter, angle: 0.0 };
        PlateSpec {
            width: c.length,
            height: c.height,
            size: c.size,
            refinement: c.refinement,
            holes: vec![cylinder],
            order: c.order,
            names: CHANNEL,
        }
    }
}

/// Meshes the channel in graded triangles. The tags are those of [`CHANNEL`]: inflow, outflow, walls, cylinder (facets), fluid (cells).
///
/// # Errors
/// As [`plate_with_holes`].
pub fn channel_with_cylinder(spec: &ChannelSpec) -> Result<Mesh, MeshError> {
    plate_with_holes(&PlateSpec::from(*spec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality;
    use crate::topology::boundary_facets;

    #[test]
    fn the_benchmark_channel() {
        let mesh = channel_with_cylinder(&ChannelSpec { order: 2, ..ChannelSpec::default() }).unwrap();
        let tagged: usize = ["inflow", "outflow", "walls", "cylinder"].iter().map(|t| mesh.tag_facets(t).unwrap().len()).sum();
        assert_eq!(tagged, boundary_facets(&mesh).len());
        assert_eq!(mesh.tag_cells("fluid").unwrap().len(), mesh.num_cells());
        for n in mesh.tag_nodes("walls").unwrap() {
            let y = mesh.point(n as usize)[1];
            assert!(y == 0.0 || (y - 0.41).abs() < 1e-15);
        }
        assert!(quality::report(&mesh).min_angle > 30.0);
        assert!(channel_with_cylinder(&ChannelSpec { diameter: 0.5, ..ChannelSpec::default() }).is_err());
    }
}
