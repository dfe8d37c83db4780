"""FEniCSx: assembly into an existing PETSc matrix, its kernels compiled with -O3 -march=native -ffast-math."""

import logging

from protocol import Timer, missing

try:
    import dolfinx
    import numpy as np
    import ufl
    from dolfinx import fem
    from dolfinx.fem import petsc
    from mpi_protocol import COMM, job, serve
except ImportError as error:
    missing(error)

logging.disable(logging.INFO)
job = job()
points = np.load(job["folder"] + "/points.npy")
cells = np.load(job["folder"] + "/cells.npy").astype(np.int64)
dim, order = points.shape[1], job["order"]
if COMM.rank:
    points, cells = points[:0], cells[:0]
shape = ufl.VectorElement("Lagrange", "tetrahedron" if dim == 3 else "triangle", 1)
mesh = dolfinx.mesh.create_mesh(COMM, cells, points, ufl.Mesh(shape))
if job["equation"] == "poisson":
    space = fem.FunctionSpace(mesh, ("Lagrange", order))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    integrand = ufl.inner(ufl.grad(u), ufl.grad(v))
else:
    space = fem.VectorFunctionSpace(mesh, ("Lagrange", order))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)

    def strain(w):
        return ufl.sym(ufl.grad(w))

    integrand = 2 * job["mu"] * ufl.inner(strain(u), strain(v)) + job["lambda"] * ufl.div(u) * ufl.div(v)
flags = ["-O3", "-march=native", "-ffast-math"]
form = fem.form(integrand * ufl.dx, jit_params={"cffi_extra_compile_args": flags, "cache_dir": job["folder"] + "/jit"})
matrix = petsc.create_matrix(form)


def run():
    with Timer() as timer:
        matrix.zeroEntries()
        petsc.assemble_matrix(matrix, form)
        matrix.assemble()
        COMM.barrier()
    return timer.wall, timer.cpu, {"frobenius": matrix.norm()}, {}


serve(run)
