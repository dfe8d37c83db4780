//! The case files that `femur new` writes: one list.

/// A commented case file.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for `--list`.
    pub summary: &'static str,
    /// The file.
    pub text: &'static str,
}

/// Every template.
pub const TEMPLATES: &[Template] = &[
    Template {
        name: "plate-hole",
        summary: "static elasticity of a plate with a hole of any shape, pulled in any direction (2D)",
        text: include_str!("../templates/plate-hole.toml"),
    },
    Template {
        name: "plate-heat",
        summary: "transient heat conduction in the same plates (2D)",
        text: include_str!("../templates/plate-heat.toml"),
    },
    Template {
        name: "heat-bracket",
        summary: "steady heat conduction in a block with a bore (3D)",
        text: include_str!("../templates/heat-bracket.toml"),
    },
    Template {
        name: "cantilever-3d",
        summary: "static elasticity of a cantilever of hexahedra (3D)",
        text: include_str!("../templates/cantilever-3d.toml"),
    },
    Template {
        name: "hyperelastic-beam",
        summary: "a rubber beam bent far by a growing force, at finite strain (2D)",
        text: include_str!("../templates/hyperelastic-beam.toml"),
    },
    Template {
        name: "elastoplastic-plate",
        summary: "a metal plate with a hole pulled beyond yield and let go (2D)",
        text: include_str!("../templates/elastoplastic-plate.toml"),
    },
    Template {
        name: "deforming-plate",
        summary: "a soft plate of tetrahedra with a rigid ball pressed into it, in quasi-static steps (3D)",
        text: include_str!("../templates/deforming-plate.toml"),
    },
    Template {
        name: "cylinder-flow",
        summary: "vortex street behind a cylinder of any place and size, at any inflow (2D, transient)",
        text: include_str!("../templates/cylinder-flow.toml"),
    },
    Template {
        name: "cantilever-dynamics",
        summary: "a cantilever that swings under a sudden load (2D, transient)",
        text: include_str!("../templates/cantilever-dynamics.toml"),
    },
    Template {
        name: "bar-impact",
        summary: "waves in a struck bar, explicit in time without a matrix (3D, transient)",
        text: include_str!("../templates/bar-impact.toml"),
    },
];

/// The template of that name.
pub fn find(name: &str) -> Option<&'static Template> {
    TEMPLATES.iter().find(|t| t.name == name)
}
