"""NGSolve's sparse Cholesky: ordering and factor, one solve."""

import contextlib

from protocol import Timer, job, missing, serve

try:
    import ngsolve as ng
    import numpy as np
    from linear import System
    from ngsolve import la
except ImportError as error:
    missing(error)

job = job()
system = System(job)
n = len(system.rhs)
entries = system.matrix.tocoo()
lower = entries.row >= entries.col
kind = getattr(la, "SparseMatrixSymmetricdouble", None)
rows, columns, values = entries.row, entries.col, entries.data
if kind is None:
    kind = la.SparseMatrixd
else:
    rows, columns, values = rows[lower], columns[lower], values[lower]
matrix = kind.CreateFromCOO(rows.astype(np.int32), columns.astype(np.int32), values, n, n)
rhs, x = matrix.CreateColVector(), matrix.CreateColVector()
rhs.FV().NumPy()[:] = system.rhs
ng.SetNumThreads(job["threads"])


def run():
    tasks = ng.TaskManager() if job["threads"] > 1 else contextlib.nullcontext()
    with tasks:
        with Timer() as factor:
            inverse = matrix.Inverse(inverse="sparsecholesky")
        with Timer() as solve:
            x.data = inverse * rhs
    detail = {"factor_s": factor.wall, "solve_s": solve.wall}
    return factor.wall + solve.wall, factor.cpu + solve.cpu, system.answer(np.array(x.FV().NumPy())), detail


serve(run)
