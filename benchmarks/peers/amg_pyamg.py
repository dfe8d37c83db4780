"""PyAMG: smoothed aggregation, conjugate gradients to 1e-8."""

from protocol import Timer, job, missing, serve

try:
    import pyamg
    import scipy.sparse as sp
    from linear import System
except ImportError as error:
    missing(error)

job = job()
system = System(job)
block = (system.block, system.block)
matrix = sp.bsr_matrix(system.matrix, blocksize=block) if system.block > 1 else system.matrix
modes = system.near_null_space()


def run():
    with Timer() as setup:
        levels = pyamg.smoothed_aggregation_solver(matrix, B=modes, symmetry="symmetric", strength=("symmetric", {"theta": 0.0}), max_coarse=500)
    residuals = []
    with Timer() as solve:
        x = levels.solve(system.rhs, tol=job["tolerance"], accel="cg", residuals=residuals, maxiter=500)
    detail = {"setup_s": setup.wall, "solve_s": solve.wall, "iterations": len(residuals) - 1}
    return setup.wall + solve.wall, setup.cpu + solve.cpu, system.answer(x), detail


serve(run)
