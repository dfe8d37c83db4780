//! An elastic body: mesh, kinematics, materials; its matrices and its stress.

use super::boundary::Conditions;
use super::kernel::{self, Cell, Rise};
use super::law::{Kinematics, Material};
use crate::PhysicsError;
use crate::material::{materials, to_nodes};
use crate::nested::{self, Asked};
use crate::state_mesh::StateMesh;
use femur_fem::matrix_free::NotMatrixFree;
use femur_fem::{Assembler, CellCoefficient, Form, MatrixFree, VectorAssembler, lumped_mass, recovery};
use femur_mesh::{Field, Location, Mesh};
use femur_sim::Input;
use femur_sim::case::{Case, Table, Units};
use femur_solve::CsrMatrix;
use std::sync::Arc;

/// What statics, modal analysis and dynamics share.
pub(crate) struct Body {
    pub(crate) mesh: Arc<Mesh>,
    /// The mesh of the states, and for each of its nodes the node of `mesh`.
    pub(crate) output: StateMesh,
    pub(crate) kinematics: Kinematics,
    pub(crate) thickness: f64,
    pub(crate) material_id: Vec<i32>,
    pub(crate) materials: Vec<Material>,
    pub(crate) units: Units,
    tables: Vec<Table>,
    incompatible: bool,
}

impl Body {
    /// Reads `plane`, `thickness`, `[discretisation]` and `[materials]`.
    pub(crate) fn read(case: &Case, mesh: &Arc<Mesh>) -> Result<Self, PhysicsError> {
        let kinematics = Kinematics::read(case, mesh)?;
        let thick = mesh.dim == 2 && kinematics != Kinematics::Axisymmetric;
        let thickness = if thick { case.root().positive_or("thickness", 1.0)? } else { 1.0 };
        let discretisation = case.table("discretisation");
        let incompatible = discretisation.bool_or("incompatible_modes", true)?;
        discretisation.finish()?;
        let (material_id, tables) = materials(case, mesh)?;
        let materials = tables.iter().map(|t| Material::read(t, kinematics)).collect::<Result<_, _>>()?;
        let output = StateMesh::new(case, mesh);
        let (mesh, units) = (mesh.clone(), case.units);
        Ok(Body { mesh, output, kinematics, thickness, material_id, materials, units, tables, incompatible })
    }

    /// Density of a material, or an error that `what` needs it.
    pub(crate) fn density(&self, material: usize, what: &str) -> Result<f64, PhysicsError> {
        let missing = || self.tables[material].error("density", format!("is needed with {what}"), "write density = ...").into();
        self.materials[material].density.ok_or_else(missing)
    }

    /// Supports and loads, with their values at a time.
    pub(crate) fn conditions(&self, case: &Case, time: f64) -> Result<Conditions, PhysicsError> {
        let densities: Vec<Option<f64>> = self.materials.iter().map(|m| m.density).collect();
        Conditions::read(case, &self.mesh, &self.material_id, &densities, &self.tables, (time, 1.0))
    }

    /// The same, what changes in time apart from its function of time where it can be ([`Conditions::read_as`]).
    pub(crate) fn conditions_apart(&self, case: &Case, time: f64) -> Result<Conditions, PhysicsError> {
        let densities: Vec<Option<f64>> = self.materials.iter().map(|m| m.density).collect();
        Conditions::read_as(case, &self.mesh, &self.material_id, &densities, &self.tables, (time, 1.0), true)
    }

    /// Components of a stress.
    pub(crate) fn stress_components(&self) -> usize {
        if self.mesh.dim == 3 { 6 } else { 4 }
    }

    fn cell<'a>(&'a self, mesh: &'a Mesh, cell: usize, nodes: &'a [u32]) -> Cell<'a> {
        let material = &self.materials[self.material_id[cell] as usize];
        Cell { mesh, nodes, material, kinematics: self.kinematics, thickness: self.thickness, incompatible: self.incompatible }
    }

    /// The pattern, for a stiffness; the radius of a ring raises the degree of the integrand by one.
    pub(crate) fn assembler(&self) -> Assembler {
        Assembler::new(&self.mesh, self.mesh.dim, usize::from(self.kinematics == Kinematics::Axisymmetric))
    }

    /// Stiffness of the body without its supports.
    pub(crate) fn stiffness(&self, assembler: &Assembler) -> Result<CsrMatrix, PhysicsError> {
        self.stiffness_of(&self.mesh, assembler, self.incompatible)
    }

    /// Stiffness of the linear cells of a body of quadratic ones, whose space lies in theirs.
    pub(crate) fn linear_stiffness(&self, linear: &Mesh, assembler: &Assembler) -> Result<CsrMatrix, PhysicsError> {
        self.stiffness_of(linear, assembler, false)
    }

    fn stiffness_of(&self, mesh: &Mesh, assembler: &Assembler, incompatible: bool) -> Result<CsrMatrix, PhysicsError> {
        let mut matrix = assembler.zeros();
        let modes = incompatible && mesh.blocks.iter().any(|b| kernel::has_modes(b.kind));
        if let Some((lambda, mu)) = self.lame_constants().filter(|_| !modes) {
            assembler.assemble(mesh, &self.form(&lambda, &mu), &mut matrix)?;
            return Ok(matrix);
        }
        let worst = std::sync::Mutex::new((f64::INFINITY, 0usize));
        assembler.add_matrix(mesh, &mut matrix, |cell, geometry, table, out| {
            if geometry.min_det <= 0.0
                && let Ok(mut worst) = worst.lock()
                && (geometry.min_det, cell) < *worst
            {
                *worst = (geometry.min_det, cell);
            }
            Cell { incompatible, ..self.cell(mesh, cell, mesh.cell_nodes(cell)) }.stiffness(geometry, table, out);
        });
        let (det, cell) = worst.into_inner().unwrap_or((1.0, 0));
        if det <= 0.0 { Err(PhysicsError::Inverted { cell, det }) } else { Ok(matrix) }
    }

    /// Lame's constants of each material times the thickness, where the kernels of the form serve: isotropic, no body of revolution.
    fn lame_constants(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let lame: Option<Vec<_>> = self.materials.iter().map(|m| m.lame.map(|l| l.constants())).collect();
        let scaled = |l: (f64, f64)| (self.thickness * l.0, self.thickness * l.1);
        lame.map(|l| l.into_iter().map(scaled).unzip())
    }

    fn form<'a>(&'a self, lambda: &'a [f64], mu: &'a [f64]) -> Form<'a> {
        let by_material = |values| CellCoefficient::ByMaterial(values, &self.material_id);
        Form::Elasticity { lambda: by_material(lambda), mu: by_material(mu) }
    }

    /// Refuses a body that cannot be applied without a matrix.
    pub(crate) fn check_cells(&self, case: &Case, asked: &Asked) -> Result<(), PhysicsError> {
        nested::check_cells(case, &self.mesh, asked)?;
        let (what, hint) = if self.lame_constants().is_none() {
            ("has no kernel for orthotropic materials and bodies of revolution", "")
        } else if self.incompatible && self.mesh.blocks.iter().any(|b| kernel::has_modes(b.kind)) {
            let hint = "write incompatible_modes = false under [discretisation], or take quadratic cells";
            ("has no kernel for incompatible modes", hint)
        } else {
            return Ok(());
        };
        Err(asked.error(case, what, hint))
    }

    /// The stiffness of the body without its supports, cell by cell; see [`Body::check_cells`].
    pub(crate) fn cells(&self, case: &Case, asked: &Asked) -> Result<MatrixFree, PhysicsError> {
        self.check_cells(case, asked)?;
        self.checked_cells().map_err(|e| nested::refused(case, e, asked))
    }

    /// As [`Body::cells`], of a body that passed [`Body::check_cells`].
    pub(crate) fn checked_cells(&self) -> Result<MatrixFree, NotMatrixFree> {
        let (lambda, mu) = self.lame_constants().unwrap_or_default();
        MatrixFree::new(&self.mesh, &self.form(&lambda, &mu))
    }

    /// Consistent mass matrix, of the pattern of the stiffness; `what` needs the densities.
    pub(crate) fn mass(&self, what: &str) -> Result<CsrMatrix, PhysicsError> {
        let densities: Vec<f64> = (0..self.materials.len()).map(|m| self.density(m, what)).collect::<Result<_, _>>()?;
        let dim = self.mesh.dim;
        let ring = self.kinematics == Kinematics::Axisymmetric;
        let assembler = Assembler::new(&self.mesh, dim, if ring { 3 } else { 2 });
        let mut matrix = assembler.zeros();
        if !ring {
            let densities: Vec<f64> = densities.iter().map(|d| d * self.thickness).collect();
            let form = Form::Mass { components: dim, density: CellCoefficient::ByMaterial(&densities, &self.material_id) };
            assembler.assemble(&self.mesh, &form, &mut matrix)?;
            return Ok(matrix);
        }
        assembler.add_matrix(&self.mesh, &mut matrix, |cell, geometry, table, out| {
            let density = densities[self.material_id[cell] as usize];
            for (q, values) in table.values.iter().enumerate() {
                let w = density * geometry.volume[q] * self.kinematics.weight(self.thickness, &geometry.position[q]);
                let k = values.len() * dim;
                for (a, na) in values.iter().enumerate() {
                    for (b, nb) in values.iter().enumerate() {
                        (0..dim).for_each(|i| out[(a * dim + i) * k + b * dim + i] += w * na * nb);
                    }
                }
            }
        });
        Ok(matrix)
    }

    /// Lumped mass `[num_nodes]`; `what` needs the densities. Not of a body of revolution.
    pub(crate) fn lumped_mass(&self, what: &str) -> Result<Vec<f64>, PhysicsError> {
        let densities: Vec<f64> =
            (0..self.materials.len()).map(|m| Ok(self.thickness * self.density(m, what)?)).collect::<Result<_, PhysicsError>>()?;
        Ok(lumped_mass(&self.mesh, CellCoefficient::ByMaterial(&densities, &self.material_id))?)
    }

    /// Forces `[num_nodes * dim]` of a temperature rise.
    pub(crate) fn thermal_load(&self, rise: &Rise<'_>) -> Vec<f64> {
        let mut vector = vec![0.0; self.mesh.num_nodes() * self.mesh.dim];
        // One degree more than the stiffness: the temperature varies in the cell.
        let assembler = VectorAssembler::new(&self.mesh, self.mesh.dim, 1);
        assembler.add_vector(&self.mesh, &mut vector, |cell, geometry, table, out| {
            self.cell(&self.mesh, cell, self.mesh.cell_nodes(cell)).thermal_load(geometry, table, rise, out);
        });
        vector
    }

    /// Nodal stress `[num_nodes, 4 or 6]` of a displacement on `mesh` (that of the body, or its vertices).
    pub(crate) fn stress(&self, mesh: &Mesh, displacement: &[f64], rise: Option<&Rise<'_>>) -> Vec<f64> {
        self.stresses(mesh, &[(displacement, rise)]).pop().unwrap_or_default()
    }

    /// As [`Body::stress`], of several displacements in one pass over the cells.
    pub(crate) fn stresses(&self, mesh: &Mesh, of: &[(&[f64], Option<&Rise<'_>>)]) -> Vec<Vec<f64>> {
        if of.is_empty() {
            return Vec::new();
        }
        let (dim, components) = (mesh.dim, self.stress_components());
        let mut modes: Vec<kernel::Modes> = Vec::new();
        let mut last = usize::MAX;
        let all = recovery::recover(mesh, components * of.len(), |cell, nodes, geometry, table, q, out| {
            let element = self.cell(mesh, cell, nodes);
            if cell != last {
                modes.clear();
                modes.extend(of.iter().map(|&(displacement, rise)| kernel::Modes::solve(&element, table.kind, displacement, rise)));
                last = cell;
            }
            for ((&(displacement, rise), modes), out) in of.iter().zip(&modes).zip(out.chunks_exact_mut(components)) {
                let (mut gradient, mut hoop) = ([[0.0; 3]; 3], 0.0);
                for (a, &n) in nodes.iter().enumerate() {
                    for i in 0..dim {
                        for j in 0..dim {
                            gradient[i][j] += displacement[n as usize * dim + i] * geometry.gradients[q][a][j];
                        }
                    }
                    if self.kinematics == Kinematics::Axisymmetric {
                        hoop += displacement[n as usize * dim] * table.values[q][a] / geometry.position[q][0];
                    }
                }
                modes.add_gradient(table.rule.points[q], &mut gradient);
                kernel::stress(element.material, &gradient, hoop, self.kinematics, out);
                if let (Some(rise), Some(held)) = (rise, element.material.thermal) {
                    let rise = rise(&geometry.position[q][..dim]);
                    out.iter_mut().zip(held).for_each(|(s, h)| *s -= h * rise);
                }
            }
        });
        if of.len() == 1 {
            return vec![all];
        }
        let one = |k: usize| all.chunks_exact(components).skip(k).step_by(of.len()).flatten().copied().collect();
        (0..of.len()).map(one).collect()
    }

    /// Values on the mesh of the states.
    pub(crate) fn restrict(&self, values: &[f64], components: usize) -> Vec<f64> {
        self.output.restrict(values, components)
    }

    /// A vector `[num_nodes, dim]` as a field of the states.
    pub(crate) fn vector_field(&self, name: &str, unit: &str, values: &[f64]) -> Field {
        Field::vector(name, unit, Location::Node, self.mesh.dim, self.restrict(values, self.mesh.dim))
    }

    /// Displacement and stress on the mesh of the states.
    pub(crate) fn fields(&self, displacement: &[f64], stress: &[f64]) -> Vec<Field> {
        let stress = self.restrict(stress, self.stress_components());
        vec![
            self.vector_field("displacement", self.units.length, displacement),
            Field::symmetric_tensor("stress", self.units.stress, Location::Node, self.mesh.dim, stress),
        ]
    }

    /// Values known at the nodes, for one time or several.
    pub(crate) fn input(&self, name: &str, unit: &str, components: Vec<String>, steps: &[Vec<f64>]) -> Input {
        let values = steps.iter().flat_map(|v| self.restrict(v, components.len())).collect();
        Input { name: name.into(), unit: unit.into(), components, steps: steps.len(), values }
    }

    /// Elastic constants at the nodes: Young's modulus and Poisson's ratio, or where a material is orthotropic the stiffness.
    pub(crate) fn material_inputs(&self) -> Vec<Input> {
        let at_nodes = |value: &dyn Fn(&Material) -> f64| to_nodes(&self.mesh, &self.material_id, |m| value(&self.materials[m]));
        if self.materials.iter().all(|m| m.isotropic.is_some()) {
            let one =
                |name: &str, unit: &str, value: &dyn Fn(&Material) -> f64| self.input(name, unit, vec![String::new()], &[at_nodes(value)]);
            return vec![
                one("youngs_modulus", self.units.stress, &|m| m.isotropic.map_or(0.0, |i| i.0)),
                one("poissons_ratio", "1", &|m| m.isotropic.map_or(0.0, |i| i.1)),
            ];
        }
        let names = Material::constant_names(self.mesh.dim);
        let columns: Vec<Vec<f64>> = (0..names.len()).map(|k| at_nodes(&|m| m.constants(self.mesh.dim)[k])).collect();
        let rows = (0..self.mesh.num_nodes()).flat_map(|n| columns.iter().map(move |c| c[n])).collect();
        vec![self.input("stiffness", self.units.stress, names, &[rows])]
    }
}
