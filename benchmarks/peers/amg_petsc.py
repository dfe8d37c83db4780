"""PETSc: conjugate gradients with its own GAMG or with hypre's BoomerAMG, in the norm of the true residual; one rank a thread."""

from protocol import Timer, missing

try:
    import petsc4py

    petsc4py.init([])
    import numpy as np
    from linear import System
    from mpi_protocol import COMM, job, serve
    from petsc4py import PETSc
except ImportError as error:
    missing(error)

OPTIONS = {
    "gamg": {"pc_gamg_threshold": 0.0, "pc_gamg_square_graph": 1, "pc_gamg_agg_nsmooths": 1, "mg_levels_ksp_max_it": 2},
    "hypre": {
        "pc_hypre_type": "boomeramg",
        "pc_hypre_boomeramg_coarsen_type": "HMIS",
        "pc_hypre_boomeramg_interp_type": "ext+i",
        "pc_hypre_boomeramg_P_max": 4,
    },
}
SCALAR = {"pc_hypre_boomeramg_agg_nl": 1, "pc_hypre_boomeramg_strong_threshold": 0.25}
VECTOR = {"pc_hypre_boomeramg_numfunctions": 3, "pc_hypre_boomeramg_strong_threshold": 0.7, "pc_hypre_boomeramg_agg_nl": 0}


def main(kind):
    task = job()
    system = System(task)
    a, n, block = system.matrix, len(system.rhs), system.block
    nodes = n // block
    low, high = (nodes * r // COMM.size * block for r in (COMM.rank, COMM.rank + 1))
    mine = a[low:high]
    matrix = PETSc.Mat().create(COMM)
    matrix.setSizes(((high - low, n), (high - low, n)), block)
    matrix.setType("aij")
    matrix.setPreallocationCSR((mine.indptr, mine.indices, mine.data))
    matrix.assemble()
    matrix.setOption(PETSc.Mat.Option.SPD, True)

    def vector(values):
        return PETSc.Vec().createWithArray(values[low:high].copy(), size=(high - low, n), bsize=block, comm=COMM)

    if block > 1:
        modes = np.linalg.qr(system.near_null_space())[0]
        matrix.setNearNullSpace(PETSc.NullSpace().create(vectors=[vector(m) for m in modes.T], comm=COMM))
    options = PETSc.Options()
    for key, value in {**OPTIONS[kind], **(VECTOR if block > 1 else SCALAR)}.items():
        options[key] = value
    rhs = vector(system.rhs)
    x = rhs.duplicate()

    def run():
        x.set(0.0)
        solver = PETSc.KSP().create(COMM)
        solver.setOperators(matrix)
        solver.setType("cg")
        solver.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        solver.setTolerances(rtol=task["tolerance"], max_it=1000)
        solver.getPC().setType(kind)
        solver.setFromOptions()
        with Timer() as setup:
            solver.setUp()
            COMM.barrier()
        with Timer() as solve:
            solver.solve(rhs, x)
            COMM.barrier()
        detail = {"setup_s": setup.wall, "solve_s": solve.wall, "iterations": solver.its}
        values = {"work": rhs.dot(x), "norm": x.norm()}
        solver.destroy()
        return setup.wall + solve.wall, setup.cpu + solve.cpu, values, detail

    serve(run)
