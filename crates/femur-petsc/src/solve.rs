//! Rows of one rank in, solution on every rank out.

use crate::ffi;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::null_mut;

/// PETSc, MPI or a system failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PetscError {
    /// A call returned an error; PETSc has printed its own message.
    #[error("PETSc: {call} failed with code {code}; its own message stands above")]
    Call {
        /// The call.
        call: &'static str,
        /// What it returned.
        code: i32,
    },
    /// Sizes do not fit together, or do not fit 32 bits.
    #[error("the rows of this rank are inconsistent: {0}")]
    Rows(&'static str),
}

/// Turns what a call returns into a result.
macro_rules! call {
    ($name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: handles come from PETSc's own constructors in this file and are still alive; arrays outlive the call (see each use).
        match unsafe { ffi::$name($($argument),*) } {
            0 => Ok(()),
            code => Err(PetscError::Call { call: stringify!($name), code }),
        }
    };
}

/// MPI and PETSc, from their start to their end. One a process, on the thread that makes it.
pub struct Session {
    rank: usize,
    size: usize,
    /// Not to be sent to another thread: MPI was not asked for threads.
    _here: PhantomData<*mut ()>,
}

impl Session {
    /// Starts MPI and PETSc; options of PETSc come from the environment variable PETSC_OPTIONS.
    ///
    /// # Errors
    /// They do not start.
    pub fn start() -> Result<Self, PetscError> {
        call!(PetscInitializeNoArguments())?;
        let (mut rank, mut size) = (0, 0);
        call!(MPI_Comm_rank(world(), &mut rank))?;
        call!(MPI_Comm_size(world(), &mut size))?;
        Ok(Session { rank: rank.max(0) as usize, size: size.max(1) as usize, _here: PhantomData })
    }

    /// Ends all processes: one that fails alone would leave the others waiting for it for ever.
    pub fn abort(&self) {
        let _ = call!(MPI_Abort(world(), 1));
    }

    /// Number of this process.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = call!(PetscFinalize());
    }
}

fn world() -> ffi::Comm {
    // SAFETY: read after PetscInitialize, which sets it, and never written afterwards.
    unsafe { ffi::PETSC_COMM_WORLD }
}

/// The rows of one rank. Ranks hold consecutive rows in the order of their numbers; a symmetric positive definite system.
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    /// Number of rows of all ranks.
    pub total: usize,
    /// Unknowns per node; rows of a node follow each other.
    pub block: usize,
    /// Start of each row `[rows + 1]`.
    pub row_ptr: &'a [i32],
    /// Columns, numbers in the whole system `[nnz]`.
    pub col_idx: &'a [i32],
    /// Values `[nnz]`.
    pub values: &'a [f64],
    /// Coordinates of this rank's nodes `[rows]`, where rigid bodies' motions are nearly in the null space (elasticity).
    pub coordinates: Option<&'a [f64]>,
}

/// How to solve. PETSC_OPTIONS goes before all but the tolerance's norm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Stop when the 2-norm of the residual falls below this part of the right-hand side's.
    pub tolerance: f64,
    /// Most iterations.
    pub max_iterations: usize,
}

/// What a solve did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// Iterations.
    pub iterations: usize,
    /// 2-norm of the last residual.
    pub residual: f64,
    /// PETSc's reason; positive where the stopping rule was met.
    pub reason: i32,
}

impl Session {
    /// Solves by conjugate gradients with PETSc's algebraic multigrid (GAMG), all ranks together. `rhs` are this rank's rows; every rank
    /// gets the whole solution `[total]`.
    ///
    /// # Errors
    /// The rows do not fit together, or PETSc fails. Not where it does not converge: see [`Report::reason`].
    pub fn solve(&self, rows: &Rows<'_>, rhs: &[f64], options: &Options) -> Result<(Vec<f64>, Report), PetscError> {
        let local = rows.check(rhs)?;
        let mut held = Handles::default();
        self.matrix(rows, local, &mut held)?;
        let total = narrow(rows.total)?;
        let block = rows.block as c_int;
        let start = vec![0.0; rhs.len()];
        call!(VecCreateMPIWithArray(world(), block, local, total, rhs.as_ptr(), &mut held.rhs))?;
        call!(VecCreateMPIWithArray(world(), block, local, total, start.as_ptr(), &mut held.x))?;
        call!(KSPCreate(world(), &mut held.ksp))?;
        call!(KSPSetOperators(held.ksp, held.matrix, held.matrix))?;
        call!(KSPSetType(held.ksp, c"cg".as_ptr()))?;
        call!(KSPSetNormType(held.ksp, ffi::NORM_UNPRECONDITIONED))?;
        call!(KSPSetTolerances(held.ksp, options.tolerance, 0.0, 1e10, narrow(options.max_iterations)?))?;
        let mut pc = null_mut();
        call!(KSPGetPC(held.ksp, &mut pc))?;
        call!(PCSetType(pc, c"gamg".as_ptr()))?;
        call!(KSPSetFromOptions(held.ksp))?;
        call!(KSPSolve(held.ksp, held.rhs, held.x))?;
        let (mut reason, mut iterations, mut residual) = (0, 0, 0.0);
        call!(KSPGetConvergedReason(held.ksp, &mut reason))?;
        call!(KSPGetIterationNumber(held.ksp, &mut iterations))?;
        call!(KSPGetResidualNorm(held.ksp, &mut residual))?;
        let solution = gather(held.x, rows.total, &mut held)?;
        drop(held);
        Ok((solution, Report { iterations: iterations.max(0) as usize, residual, reason }))
    }

    /// The values of all ranks, in the order of the ranks, on every rank.
    ///
    /// # Errors
    /// PETSc fails.
    pub fn share(&self, values: &[f64], total: usize) -> Result<Vec<f64>, PetscError> {
        let mut held = Handles::default();
        call!(VecCreateMPIWithArray(world(), 1, narrow(values.len())?, narrow(total)?, values.as_ptr(), &mut held.x))?;
        gather(held.x, total, &mut held)
    }

    fn matrix(&self, rows: &Rows<'_>, local: c_int, held: &mut Handles) -> Result<(), PetscError> {
        let total = narrow(rows.total)?;
        call!(MatCreate(world(), &mut held.matrix))?;
        let matrix = held.matrix;
        call!(MatSetSizes(matrix, local, local, total, total))?;
        call!(MatSetBlockSize(matrix, rows.block as c_int))?;
        call!(MatSetType(matrix, c"aij".as_ptr()))?;
        // One of the two does nothing; both copy.
        let (i, j, v) = (rows.row_ptr.as_ptr(), rows.col_idx.as_ptr(), rows.values.as_ptr());
        call!(MatSeqAIJSetPreallocationCSR(matrix, i, j, v))?;
        call!(MatMPIAIJSetPreallocationCSR(matrix, i, j, v))?;
        call!(MatSetOption(matrix, ffi::MAT_SPD, 1))?;
        if let Some(coordinates) = rows.coordinates {
            call!(VecCreateMPIWithArray(world(), rows.block as c_int, local, total, coordinates.as_ptr(), &mut held.coordinates))?;
            call!(MatNullSpaceCreateRigidBody(held.coordinates, &mut held.near_null_space))?;
            call!(MatSetNearNullSpace(matrix, held.near_null_space))?;
        }
        Ok(())
    }
}

impl Rows<'_> {
    fn check(&self, rhs: &[f64]) -> Result<c_int, PetscError> {
        let n = rhs.len();
        let nnz = self.row_ptr.last().map_or(0, |&n| n.max(0) as usize);
        if self.row_ptr.len() != n + 1 || self.row_ptr[0] != 0 || self.row_ptr.windows(2).any(|w| w[0] > w[1]) {
            return Err(PetscError::Rows("row pointers"));
        }
        if self.col_idx.len() != nnz || self.values.len() != nnz {
            return Err(PetscError::Rows("number of entries"));
        }
        if self.col_idx.iter().any(|&c| c < 0 || c as usize >= self.total) {
            return Err(PetscError::Rows("a column out of range"));
        }
        if self.block == 0 || !n.is_multiple_of(self.block) || self.coordinates.is_some_and(|c| c.len() != n) {
            return Err(PetscError::Rows("block size or coordinates"));
        }
        narrow(n)
    }
}

fn narrow(n: usize) -> Result<c_int, PetscError> {
    c_int::try_from(n).map_err(|_| PetscError::Rows("more than 32 bits count"))
}

fn gather(vector: ffi::Vector, total: usize, held: &mut Handles) -> Result<Vec<f64>, PetscError> {
    call!(VecScatterCreateToAll(vector, &mut held.scatter, &mut held.all))?;
    call!(VecScatterBegin(held.scatter, vector, held.all, ffi::INSERT, ffi::FORWARD))?;
    call!(VecScatterEnd(held.scatter, vector, held.all, ffi::INSERT, ffi::FORWARD))?;
    let mut values = std::ptr::null();
    call!(VecGetArrayRead(held.all, &mut values))?;
    // SAFETY: `all` holds `total` numbers, which stay where they are until VecRestoreArrayRead.
    let out = unsafe { std::slice::from_raw_parts(values, total) }.to_vec();
    call!(VecRestoreArrayRead(held.all, &mut values))?;
    Ok(out)
}

/// What PETSc made, given back at the end whatever happened.
struct Handles {
    matrix: ffi::Mat,
    coordinates: ffi::Vector,
    near_null_space: ffi::NullSpace,
    rhs: ffi::Vector,
    x: ffi::Vector,
    all: ffi::Vector,
    scatter: ffi::Scatter,
    ksp: ffi::Ksp,
}

impl Default for Handles {
    fn default() -> Self {
        let none = null_mut();
        Handles { matrix: none, coordinates: none, near_null_space: none, rhs: none, x: none, all: none, scatter: none, ksp: none }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // Destructors take null handles. Their errors have no one to go to.
        let _ = call!(KSPDestroy(&mut self.ksp));
        let _ = call!(MatDestroy(&mut self.matrix));
        let _ = call!(MatNullSpaceDestroy(&mut self.near_null_space));
        let _ = call!(VecScatterDestroy(&mut self.scatter));
        for vector in [&mut self.coordinates, &mut self.rhs, &mut self.x, &mut self.all] {
            let _ = call!(VecDestroy(vector));
        }
    }
}
