//! The calls of PETSc and MPI that are used, as in the headers of PETSc 3.18 (real numbers of 64 bits, indices of 32).

use std::ffi::{c_char, c_int, c_void};

pub(crate) type Code = c_int;
pub(crate) type Comm = *mut c_void;
pub(crate) type Mat = *mut c_void;
pub(crate) type Vector = *mut c_void;
pub(crate) type Ksp = *mut c_void;
pub(crate) type Pc = *mut c_void;
pub(crate) type NullSpace = *mut c_void;
pub(crate) type Scatter = *mut c_void;

/// `KSP_NORM_UNPRECONDITIONED`.
pub(crate) const NORM_UNPRECONDITIONED: c_int = 2;
/// `MAT_SPD`.
pub(crate) const MAT_SPD: c_int = 15;
/// `INSERT_VALUES`, `SCATTER_FORWARD`.
pub(crate) const INSERT: c_int = 1;
pub(crate) const FORWARD: c_int = 0;

unsafe extern "C" {
    pub(crate) static PETSC_COMM_WORLD: Comm;

    pub(crate) fn MPI_Comm_rank(comm: Comm, rank: *mut c_int) -> c_int;
    pub(crate) fn MPI_Abort(comm: Comm, code: c_int) -> c_int;
    pub(crate) fn MPI_Comm_size(comm: Comm, size: *mut c_int) -> c_int;

    pub(crate) fn PetscInitializeNoArguments() -> Code;
    pub(crate) fn PetscFinalize() -> Code;

    pub(crate) fn MatCreate(comm: Comm, mat: *mut Mat) -> Code;
    pub(crate) fn MatSetSizes(mat: Mat, m: c_int, n: c_int, rows: c_int, columns: c_int) -> Code;
    pub(crate) fn MatSetBlockSize(mat: Mat, block: c_int) -> Code;
    pub(crate) fn MatSetType(mat: Mat, kind: *const c_char) -> Code;
    pub(crate) fn MatSeqAIJSetPreallocationCSR(mat: Mat, i: *const c_int, j: *const c_int, v: *const f64) -> Code;
    pub(crate) fn MatMPIAIJSetPreallocationCSR(mat: Mat, i: *const c_int, j: *const c_int, v: *const f64) -> Code;
    pub(crate) fn MatSetOption(mat: Mat, option: c_int, value: c_int) -> Code;
    pub(crate) fn MatSetNearNullSpace(mat: Mat, space: NullSpace) -> Code;
    pub(crate) fn MatDestroy(mat: *mut Mat) -> Code;
    pub(crate) fn MatNullSpaceCreateRigidBody(coordinates: Vector, space: *mut NullSpace) -> Code;
    pub(crate) fn MatNullSpaceDestroy(space: *mut NullSpace) -> Code;

    pub(crate) fn VecCreateMPIWithArray(comm: Comm, block: c_int, n: c_int, size: c_int, values: *const f64, out: *mut Vector) -> Code;
    pub(crate) fn VecDestroy(vector: *mut Vector) -> Code;
    pub(crate) fn VecGetArrayRead(vector: Vector, values: *mut *const f64) -> Code;
    pub(crate) fn VecRestoreArrayRead(vector: Vector, values: *mut *const f64) -> Code;
    pub(crate) fn VecScatterCreateToAll(vector: Vector, scatter: *mut Scatter, out: *mut Vector) -> Code;
    pub(crate) fn VecScatterBegin(scatter: Scatter, from: Vector, to: Vector, insert: c_int, mode: c_int) -> Code;
    pub(crate) fn VecScatterEnd(scatter: Scatter, from: Vector, to: Vector, insert: c_int, mode: c_int) -> Code;
    pub(crate) fn VecScatterDestroy(scatter: *mut Scatter) -> Code;

    pub(crate) fn KSPCreate(comm: Comm, ksp: *mut Ksp) -> Code;
    pub(crate) fn KSPSetOperators(ksp: Ksp, a: Mat, p: Mat) -> Code;
    pub(crate) fn KSPSetType(ksp: Ksp, kind: *const c_char) -> Code;
    pub(crate) fn KSPSetNormType(ksp: Ksp, norm: c_int) -> Code;
    pub(crate) fn KSPSetTolerances(ksp: Ksp, relative: f64, absolute: f64, divergence: f64, iterations: c_int) -> Code;
    pub(crate) fn KSPGetPC(ksp: Ksp, pc: *mut Pc) -> Code;
    pub(crate) fn PCSetType(pc: Pc, kind: *const c_char) -> Code;
    pub(crate) fn KSPSetFromOptions(ksp: Ksp) -> Code;
    pub(crate) fn KSPSolve(ksp: Ksp, rhs: Vector, x: Vector) -> Code;
    pub(crate) fn KSPGetConvergedReason(ksp: Ksp, reason: *mut c_int) -> Code;
    pub(crate) fn KSPGetIterationNumber(ksp: Ksp, iterations: *mut c_int) -> Code;
    pub(crate) fn KSPGetResidualNorm(ksp: Ksp, norm: *mut f64) -> Code;
    pub(crate) fn KSPDestroy(ksp: *mut Ksp) -> Code;
}
