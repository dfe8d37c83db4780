"""MUMPS by PETSc on one rank: analysis with METIS, Cholesky, one solve."""

from protocol import Timer, job, missing, serve

try:
    import petsc4py

    petsc4py.init([])
    from linear import System
    from petsc4py import PETSc
except ImportError as error:
    missing(error)

job = job()
system = System(job)
a = system.matrix
matrix = PETSc.Mat().createAIJ(size=a.shape, csr=(a.indptr, a.indices, a.data))
matrix.assemble()
matrix.setOption(PETSc.Mat.Option.SPD, True)
rhs = PETSc.Vec().createWithArray(system.rhs.copy())
x = rhs.duplicate()


def run():
    solver = PETSc.KSP().create()
    solver.setOperators(matrix)
    solver.setType("preonly")
    preconditioner = solver.getPC()
    preconditioner.setType("cholesky")
    preconditioner.setFactorSolverType("mumps")
    preconditioner.setFactorSetUpSolverType()
    preconditioner.getFactorMatrix().setMumpsIcntl(7, 5)  # METIS
    with Timer() as factor:
        solver.setUp()
    with Timer() as solve:
        solver.solve(rhs, x)
    solver.destroy()
    detail = {"factor_s": factor.wall, "solve_s": solve.wall}
    return factor.wall + solve.wall, factor.cpu + solve.cpu, system.answer(x.getArray()), detail


serve(run)
