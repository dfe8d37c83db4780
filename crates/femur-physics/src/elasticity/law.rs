//! Elastic constants of a material: isotropic or orthotropic, in each kinematics.

use super::kernel::Lame;
use crate::PhysicsError;
use femur_mesh::Mesh;
use femur_sim::case::{Case, Table};

/// A symmetric matrix over strains and stresses in the order xx, yy, zz, xy, yz, xz, shears as engineering strains. In 2D the leading
/// `4 x 4` counts; zz is out of plane, or the hoop direction of a body of revolution.
pub(crate) type Voigt = [[f64; 6]; 6];

/// What the displacement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kinematics {
    /// No stress out of the plane.
    PlaneStress,
    /// No strain out of the plane.
    PlaneStrain,
    /// A body of revolution: x is the radius, y the axis.
    Axisymmetric,
    /// 3D.
    Solid,
}

impl Kinematics {
    /// Reads `plane`.
    pub(crate) fn read(case: &Case, mesh: &Mesh) -> Result<Self, PhysicsError> {
        case.claim(&["plane", "thickness"]);
        if mesh.dim != 2 {
            return Ok(Kinematics::Solid);
        }
        let root = case.root();
        let choice = root.choice_or("plane", &["stress", "strain", "axisymmetric"], 0)?;
        let kinematics = [Kinematics::PlaneStress, Kinematics::PlaneStrain, Kinematics::Axisymmetric][choice];
        if kinematics == Kinematics::Axisymmetric {
            let least = mesh.bounds().0[0];
            if least < -1e-9 * mesh.diameter() {
                let hint = "move the mesh: x is the distance from the axis, which is the line x = 0";
                return Err(root.error("plane", format!("an axisymmetric body cannot reach to x = {least}"), hint).into());
            }
            if root.has("thickness") {
                return Err(root.error("thickness", "a body of revolution has none", "leave it out; loads act on the full ring").into());
            }
        }
        Ok(kinematics)
    }

    /// Volume of an area element of the mesh at `x`: the thickness, or `2 pi r`.
    pub(crate) fn weight(self, thickness: f64, x: &[f64]) -> f64 {
        match self {
            Kinematics::Axisymmetric => 2.0 * std::f64::consts::PI * x[0],
            Kinematics::Solid => 1.0,
            _ => thickness,
        }
    }
}

/// A material as the kernels use it.
#[derive(Debug, Clone)]
pub(crate) struct Material {
    /// Young's modulus and Poisson's ratio, where isotropic.
    pub(crate) isotropic: Option<(f64, f64)>,
    /// Mass per volume, where given.
    pub(crate) density: Option<f64>,
    /// Stress of a strain.
    pub(crate) stiffness: Voigt,
    /// Stress that holds a temperature rise of 1 K at no strain (negative of it), where `alpha` is given.
    pub(crate) thermal: Option<[f64; 6]>,
    /// The faster form of an isotropic material in the plane or in 3D.
    pub(super) lame: Option<Lame>,
}

const ORTHOTROPIC: [&str; 10] = ["E1", "E2", "E3", "nu12", "nu13", "nu23", "G12", "G13", "G23", "angle"];

impl Material {
    /// Reads the elastic keys of a `[materials.TAG]`.
    pub(crate) fn read(table: &Table, kinematics: Kinematics) -> Result<Self, PhysicsError> {
        let density = table.opt_positive("density")?;
        let orthotropic = ORTHOTROPIC.iter().find(|k| table.has(k));
        let (isotropic, compliance, angle) = match orthotropic {
            Some(key) if table.has("E") || table.has("nu") => {
                let what = "stands beside E or nu";
                return Err(table.error(key, what, "give E and nu, or E1, E2, nu12, G12 and the rest").into());
            }
            Some(_) => (None, orthotropic_compliance(table, kinematics)?, table.f64_or("angle", 0.0)?),
            None => {
                let (e, nu) = (table.positive("E")?, table.f64("nu")?);
                if !(-0.999..=0.4999).contains(&nu) {
                    let what = format!("must lie between -1 and 0.5, got {nu}");
                    return Err(table.error("nu", what, "0.3 for metals; 0.5 needs a mixed formulation").into());
                }
                (Some((e, nu)), isotropic_compliance(e, nu), 0.0)
            }
        };
        let expansion = expansion(table)?;
        table.finish()?;
        let mut stiffness = inverse(&compliance).ok_or_else(|| {
            table.error("", "has elastic constants that let a strain release energy", "check nu12 < sqrt(E1 / E2) and the like")
        })?;
        if kinematics == Kinematics::PlaneStress {
            condense(&mut stiffness);
        }
        let turn = turn(angle.to_radians());
        let turned = congruence(&stiffness, &turn);
        let thermal = expansion.map(|a| {
            // In the material's axes, then turned as stresses turn: by T^T where strains turn by T.
            let local: [f64; 6] = std::array::from_fn(|i| (0..6).map(|j| stiffness[i][j] * a[j]).sum());
            std::array::from_fn(|i| (0..6).map(|j| turn[j][i] * local[j]).sum())
        });
        let flat = kinematics != Kinematics::Axisymmetric;
        let lame = isotropic.filter(|_| flat).map(|(e, nu)| Lame::new(e, nu, kinematics == Kinematics::PlaneStress));
        Ok(Material { isotropic, density, stiffness: turned, thermal, lame })
    }

    /// Entries of the upper triangle of the stiffness, by row, in 2D or 3D.
    pub(crate) fn constants(&self, dim: usize) -> Vec<f64> {
        let n = if dim == 3 { 6 } else { 4 };
        (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).map(|(i, j)| self.stiffness[i][j]).collect()
    }

    /// Names of [`Material::constants`].
    pub(crate) fn constant_names(dim: usize) -> Vec<String> {
        let names = femur_mesh::field::symmetric_components(dim);
        (0..names.len()).flat_map(|i| (i..names.len()).map(move |j| (i, j))).map(|(i, j)| format!("{}{}", names[i], names[j])).collect()
    }
}

fn isotropic_compliance(e: f64, nu: f64) -> Voigt {
    let mut s = [[0.0; 6]; 6];
    for i in 0..3 {
        for j in 0..3 {
            s[i][j] = if i == j { 1.0 / e } else { -nu / e };
        }
        s[i + 3][i + 3] = 2.0 * (1.0 + nu) / e;
    }
    s
}

/// Compliance in the material's axes (Jones, Mechanics of Composite Materials, 2nd ed., eq. 2.26), `nu12` being the contraction along 2
/// under tension along 1. What plane stress does not need may be left out there.
fn orthotropic_compliance(table: &Table, kinematics: Kinematics) -> Result<Voigt, PhysicsError> {
    let thin = kinematics == Kinematics::PlaneStress;
    let solid = kinematics == Kinematics::Solid;
    let (e1, e2) = (table.positive("E1")?, table.positive("E2")?);
    let e3 = if thin { table.opt_positive("E3")?.unwrap_or(e2) } else { table.positive("E3")? };
    let ratio = |key: &str| if thin { Ok(table.opt_f64(key)?.unwrap_or(0.0)) } else { table.f64(key) };
    let (nu12, nu13, nu23) = (table.f64("nu12")?, ratio("nu13")?, ratio("nu23")?);
    let shear = |key: &str| if solid { table.positive(key) } else { Ok(table.opt_positive(key)?.unwrap_or(e2)) };
    let (g12, g13, g23) = (table.positive("G12")?, shear("G13")?, shear("G23")?);
    let mut s = [[0.0; 6]; 6];
    for (i, v) in [1.0 / e1, 1.0 / e2, 1.0 / e3, 1.0 / g12, 1.0 / g23, 1.0 / g13].into_iter().enumerate() {
        s[i][i] = v;
    }
    for (i, j, v) in [(0, 1, -nu12 / e1), (0, 2, -nu13 / e1), (1, 2, -nu23 / e2)] {
        (s[i][j], s[j][i]) = (v, v);
    }
    Ok(s)
}

/// Thermal strain of 1 K in the material's axes: `alpha`, one number or three.
fn expansion(table: &Table) -> Result<Option<[f64; 6]>, PhysicsError> {
    if !table.has("alpha") {
        return Ok(None);
    }
    match table.numbers("alpha")?[..] {
        [a] => Ok(Some([a, a, a, 0.0, 0.0, 0.0])),
        [a, b, c] => Ok(Some([a, b, c, 0.0, 0.0, 0.0])),
        _ => Err(table.error("alpha", "must be one number or three", "one for each of the material's axes, in 1/K").into()),
    }
}

/// The inverse of a symmetric positive definite matrix; `None` where it is not.
fn inverse(s: &Voigt) -> Option<Voigt> {
    let mut a = *s;
    let mut out: Voigt = std::array::from_fn(|i| std::array::from_fn(|j| f64::from(u8::from(i == j))));
    for i in 0..6 {
        let pivot = a[i][i];
        // Positive pivots without exchange are what positive definite means.
        if pivot.is_nan() || pivot <= 1e-12 * s[i][i] {
            return None;
        }
        for j in 0..6 {
            a[i][j] /= pivot;
            out[i][j] /= pivot;
        }
        for r in (0..6).filter(|&r| r != i) {
            let factor = a[r][i];
            for j in 0..6 {
                a[r][j] -= factor * a[i][j];
                out[r][j] -= factor * out[i][j];
            }
        }
    }
    Some(out)
}

/// Takes the stress along zz out: `C_ij - C_iz C_zj / C_zz`.
fn condense(c: &mut Voigt) {
    let old = *c;
    for i in 0..6 {
        for j in 0..6 {
            c[i][j] = if i == 2 || j == 2 { 0.0 } else { old[i][j] - old[i][2] * old[2][j] / old[2][2] };
        }
    }
}

/// Strains in axes turned by `angle` about z from those in x, y, z: `eps' = T eps`.
fn turn(angle: f64) -> Voigt {
    let (s, c) = angle.sin_cos();
    let mut t = [[0.0; 6]; 6];
    t[0][..4].copy_from_slice(&[c * c, s * s, 0.0, c * s]);
    t[1][..4].copy_from_slice(&[s * s, c * c, 0.0, -c * s]);
    t[2][2] = 1.0;
    t[3][..4].copy_from_slice(&[-2.0 * c * s, 2.0 * c * s, 0.0, c * c - s * s]);
    (t[4][4], t[4][5]) = (c, -s);
    (t[5][4], t[5][5]) = (s, c);
    t
}

/// `T^T C T`.
fn congruence(c: &Voigt, t: &Voigt) -> Voigt {
    std::array::from_fn(|i| {
        std::array::from_fn(|j| (0..6).flat_map(|k| (0..6).map(move |l| (k, l))).map(|(k, l)| t[k][i] * c[k][l] * t[l][j]).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use femur_sim::case::CaseFile;

    fn material(lines: &str, kinematics: Kinematics) -> Result<Material, PhysicsError> {
        let case = CaseFile::parse(&format!("physics = \"p\"\n[mesh]\nfile = \"a.msh\"\n[materials.m]\n{lines}"), "c").unwrap();
        Material::read(&case.nominal().unwrap().table("materials").table("m").unwrap(), kinematics)
    }

    const WOOD: &str = "E1 = 12.0\nE2 = 1.0\nE3 = 0.6\nnu12 = 0.4\nnu13 = 0.35\nnu23 = 0.45\nG12 = 0.8\nG13 = 0.7\nG23 = 0.05\n";

    #[test]
    fn an_isotropic_material_written_as_an_orthotropic_one_is_the_same() {
        let g = 200.0 / 2.6;
        let long = format!(
            "E1 = 200.0\nE2 = 200.0\nE3 = 200.0\nnu12 = 0.3\nnu13 = 0.3\nnu23 = 0.3\nG12 = {g}\nG13 = {g}\nG23 = {g}\nangle = 33.0\nalpha = [2.0, 2.0, 2.0]\n"
        );
        for k in [Kinematics::PlaneStress, Kinematics::PlaneStrain, Kinematics::Axisymmetric, Kinematics::Solid] {
            let (a, b) = (material("E = 200.0\nnu = 0.3\nalpha = 2.0\n", k).unwrap(), material(&long, k).unwrap());
            for (a, b) in a.stiffness.iter().flatten().zip(b.stiffness.iter().flatten()) {
                assert!((a - b).abs() < 1e-10);
            }
            for (a, b) in a.thermal.unwrap().iter().zip(b.thermal.unwrap()) {
                assert!((a - b).abs() < 1e-10);
            }
        }
        // E alpha / (1 - 2 nu) for a body held all round, E alpha / (1 - nu) for a plate.
        assert!((material("E = 200.0\nnu = 0.3\nalpha = 2.0\n", Kinematics::Solid).unwrap().thermal.unwrap()[1] - 1000.0).abs() < 1e-10);
        assert!(
            (material("E = 200.0\nnu = 0.3\nalpha = 2.0\n", Kinematics::PlaneStress).unwrap().thermal.unwrap()[0] - 400.0 / 0.7).abs()
                < 1e-10
        );
    }

    #[test]
    fn turned_axes_by_ninety_degrees_exchange_the_moduli() {
        let (a, b) = (material(WOOD, Kinematics::Solid).unwrap(), material(&format!("{WOOD}angle = 90.0\n"), Kinematics::Solid).unwrap());
        let swap = [1, 0, 2, 3, 5, 4];
        for i in 0..6 {
            for j in 0..6 {
                assert!((a.stiffness[i][j] - b.stiffness[swap[i]][swap[j]]).abs() < 1e-12);
            }
        }
        // The modulus along x at an angle (Jones, eq. 2.97), from the compliance of plane stress.
        let t = 0.5_f64;
        let c = material(&format!("{WOOD}angle = {}\n", t.to_degrees()), Kinematics::PlaneStress).unwrap().stiffness;
        let mut full = c;
        full[2][2] = 1.0;
        let ex = 1.0 / inverse(&full).unwrap()[0][0];
        let (s, c) = t.sin_cos();
        let exact = 1.0 / (c.powi(4) / 12.0 + (1.0 / 0.8 - 2.0 * 0.4 / 12.0) * s * s * c * c + s.powi(4));
        assert!((ex - exact).abs() < 1e-12, "{ex} {exact}");
    }

    #[test]
    fn constants_that_break_energy_are_refused() {
        let e = |lines: &str, k| material(lines, k).unwrap_err().to_string();
        assert!(e(&WOOD.replace("nu23 = 0.45", "nu23 = 1.9"), Kinematics::Solid).contains("release energy"));
        assert!(e(&format!("{WOOD}E = 1.0\n"), Kinematics::Solid).contains("stands beside E or nu"));
        assert!(e("E1 = 1.0\nE2 = 1.0\nnu12 = 0.2\nG12 = 1.0\n", Kinematics::Solid).contains("materials.m.E3"));
        assert!(material("E1 = 1.0\nE2 = 1.0\nnu12 = 0.2\nG12 = 1.0\n", Kinematics::PlaneStress).is_ok());
        assert!(e("E = 1.0\nnu = 0.2\nalpha = [1.0, 2.0]\n", Kinematics::Solid).contains("one number or three"));
    }
}
