"""MKL PARDISO: analysis with METIS, Cholesky of the upper triangle, one solve."""

from protocol import Timer, job, missing, serve

try:
    import scipy.sparse as sp
    from linear import System
    from pypardiso import PyPardisoSolver
except (ImportError, OSError) as error:
    missing(error)

job = job()
system = System(job)
upper = sp.triu(system.matrix, format="csr")
upper.sort_indices()


def run():
    solver = PyPardisoSolver(mtype=2)
    solver.set_iparm(1, 1)  # own values below
    solver.set_iparm(2, 2 if job["threads"] == 1 else 3)  # METIS, in parallel on several threads
    solver.set_iparm(8, 0)
    timers = []
    for phase in (11, 22, 33):
        solver.set_phase(phase)
        with Timer() as timer:
            x = solver._call_pardiso(upper, system.rhs)
        timers.append(timer)
    solver.free_memory(everything=True)
    detail = dict(zip(("analyse_s", "factor_s", "solve_s"), (t.wall for t in timers)))
    return sum(t.wall for t in timers), sum(t.cpu for t in timers), system.answer(x), detail


serve(run)
