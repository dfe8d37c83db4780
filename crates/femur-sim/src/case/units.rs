//! The two unit systems, by quantity.

/// Unit strings of one consistent system. Temperatures are in K and angles in degrees in both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Units {
    /// Name in a case file.
    pub name: &'static str,
    /// Coordinates and displacements.
    pub length: &'static str,
    /// Time.
    pub time: &'static str,
    /// Mass.
    pub mass: &'static str,
    /// Force.
    pub force: &'static str,
    /// Moment.
    pub moment: &'static str,
    /// Stress, pressure, traction, moduli.
    pub stress: &'static str,
    /// Force per volume.
    pub body_force: &'static str,
    /// Stiffness per area of an elastic support.
    pub foundation: &'static str,
    /// Acceleration.
    pub acceleration: &'static str,
    /// Mass per volume.
    pub density: &'static str,
    /// Temperature.
    pub temperature: &'static str,
    /// Thermal conductivity.
    pub conductivity: &'static str,
    /// Heat capacity per mass.
    pub specific_heat: &'static str,
    /// Heat per area and time.
    pub heat_flux: &'static str,
    /// Heat per volume and time.
    pub heat_source: &'static str,
    /// Heat transfer coefficient.
    pub convection: &'static str,
    /// Energy.
    pub energy: &'static str,
    /// Angles.
    pub angle: &'static str,
    /// Metres in one unit of length.
    pub metres: f64,
    /// Pascals in one unit of stress.
    pub pascals: f64,
    /// kg/m^3 in one unit of density.
    pub kg_per_m3: f64,
}

impl Units {
    /// Metre, newton, second, kilogram, kelvin.
    pub const SI: Units = Units {
        name: "SI",
        length: "m",
        time: "s",
        mass: "kg",
        force: "N",
        moment: "N m",
        stress: "Pa",
        body_force: "N/m^3",
        foundation: "Pa/m",
        acceleration: "m/s^2",
        density: "kg/m^3",
        temperature: "K",
        conductivity: "W/(m K)",
        specific_heat: "J/(kg K)",
        heat_flux: "W/m^2",
        heat_source: "W/m^3",
        convection: "W/(m^2 K)",
        energy: "J",
        angle: "deg",
        metres: 1.0,
        pascals: 1.0,
        kg_per_m3: 1.0,
    };

    /// Millimetre, newton, second, tonne, kelvin: stresses in MPa, energies in mJ.
    pub const MM_N_S_MPA: Units = Units {
        name: "mm-N-s-MPa",
        length: "mm",
        time: "s",
        mass: "t",
        force: "N",
        moment: "N mm",
        stress: "MPa",
        body_force: "N/mm^3",
        foundation: "MPa/mm",
        acceleration: "mm/s^2",
        density: "t/mm^3",
        temperature: "K",
        conductivity: "mW/(mm K)",
        specific_heat: "mJ/(t K)",
        heat_flux: "mW/mm^2",
        heat_source: "mW/mm^3",
        convection: "mW/(mm^2 K)",
        energy: "mJ",
        angle: "deg",
        metres: 1e-3,
        pascals: 1e6,
        kg_per_m3: 1e12,
    };

    /// Both systems.
    pub const ALL: [Units; 2] = [Units::SI, Units::MM_N_S_MPA];

    /// The system of that name.
    pub fn named(name: &str) -> Option<Units> {
        Units::ALL.into_iter().find(|u| u.name == name)
    }
}

impl std::fmt::Display for Units {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
