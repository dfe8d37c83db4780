//! What a generator's table says, as plain data. Lengths are in the mesh's unit before `scale`, angles in degrees.

use femur_mesh::CellKind;

/// A generator's measures.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe {
    /// `plate-hole`.
    Plate(Plate),
    /// `rectangle`.
    Rectangle(Rectangle),
    /// `box`.
    Box(Brick),
    /// `channel-cylinder`.
    Channel(Channel),
    /// `perforated-block`.
    Block(Block),
}

/// Shape of a hole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HoleShape {
    /// A circle.
    Circle,
    /// An ellipse.
    Ellipse {
        /// Longest over shortest axis.
        aspect: f64,
    },
    /// A regular polygon with rounded corners.
    Polygon {
        /// Number of corners.
        corners: usize,
        /// Corner radius as a part of the inscribed circle's, 0 to 1.
        rounding: f64,
    },
}

/// A hole in a plate.
#[derive(Debug, Clone, PartialEq)]
pub struct Hole {
    /// Its shape.
    pub shape: HoleShape,
    /// Its centre.
    pub center: [f64; 2],
    /// Longest extent; of a polygon, the diameter of the circle through its (sharp) corners.
    pub diameter: f64,
    /// Angle of an ellipse's long axis or a polygon's first corner from the x axis.
    pub angle: f64,
}

/// A plate over `[0, width] x [0, height]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Plate {
    /// Extent along x.
    pub width: f64,
    /// Extent along y.
    pub height: f64,
    /// Edge length away from the holes.
    pub size: f64,
    /// 1 or 2.
    pub order: usize,
    /// Holes, one or more.
    pub holes: Vec<Hole>,
}

/// A channel over `[0, length] x [0, height]` with a cylinder.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Extent along x.
    pub length: f64,
    /// Extent along y.
    pub height: f64,
    /// Centre of the cylinder.
    pub center: [f64; 2],
    /// Diameter of the cylinder.
    pub diameter: f64,
    /// Edge length away from the cylinder.
    pub size: f64,
    /// 1 or 2.
    pub order: usize,
}

/// A structured rectangle from the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Rectangle {
    /// Extent along x and y.
    pub extent: [f64; 2],
    /// Number of cells along x and y.
    pub cells: [usize; 2],
    /// Kind of the cells.
    pub kind: CellKind,
}

/// A structured box from the origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Brick {
    /// Extent along x, y and z.
    pub extent: [f64; 3],
    /// Number of cells along x, y and z.
    pub cells: [usize; 3],
    /// Kind of the cells.
    pub kind: CellKind,
}

/// A block from the origin with a circular bore along z.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Extent along x, y and z.
    pub extent: [f64; 3],
    /// The bore's axis.
    pub center: [f64; 2],
    /// Radius of the bore.
    pub radius: f64,
    /// Number of cells along each quarter of the bore, from the bore outwards, and along z.
    pub cells: [usize; 3],
    /// Kind of the cells.
    pub kind: CellKind,
}
