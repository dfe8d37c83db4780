"""FEniCSx with MUMPS: the plate to a .pvd file. The mesh comes as arrays, quicker than a mesh file; only imports without a job."""

import json
import os
import sys

# Kernels are compiled by the first, untimed run.
os.environ.setdefault("XDG_CACHE_HOME", "/tmp/femur-bench-cache")
import dolfinx
import numpy as np
import ufl
from dolfinx import fem, io
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

if len(sys.argv) < 2:
    sys.exit(0)
job, comm = json.loads(sys.argv[1]), MPI.COMM_WORLD
points, cells = np.load(job["folder"] + "/points.npy"), np.load(job["folder"] + "/cells.npy").astype(np.int64)
if comm.rank:
    points, cells = points[:0], cells[:0]
mesh = dolfinx.mesh.create_mesh(comm, cells, points, ufl.Mesh(ufl.VectorElement("Lagrange", "tetrahedron", 1)))
space = fem.VectorFunctionSpace(mesh, ("Lagrange", 1))
u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
mu, lam = job["E"] / (2 * (1 + job["nu"])), job["E"] * job["nu"] / (1 + job["nu"]) / (1 - 2 * job["nu"])


def strain(w):
    return ufl.sym(ufl.grad(w))


side = np.sort(dolfinx.mesh.locate_entities_boundary(mesh, 2, lambda x: np.isclose(x[0], 2.0)))
marks = dolfinx.mesh.meshtags(mesh, 2, side, np.full(len(side), 1, np.int32))
ds = ufl.Measure("ds", mesh, subdomain_data=marks)
form = fem.form((2 * mu * ufl.inner(strain(u), strain(v)) + lam * ufl.div(u) * ufl.div(v)) * ufl.dx)
traction = fem.Constant(mesh, np.array([0.0, 0.0, job["traction"]]))
held = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0.0))
condition = fem.dirichletbc(np.zeros(3), held, space)
matrix = petsc.assemble_matrix(form, [condition])
matrix.assemble()
matrix.setOption(PETSc.Mat.Option.SPD, True)
load = petsc.assemble_vector(fem.form(ufl.dot(traction, v) * ds(1)))
petsc.apply_lifting(load, [form], [[condition]])
load.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
petsc.set_bc(load, [condition])
solver = PETSc.KSP().create(comm)
solver.setOperators(matrix)
solver.setType("preonly")
solver.getPC().setType("cholesky")
solver.getPC().setFactorSolverType("mumps")
displacement = fem.Function(space)
solver.solve(load, displacement.vector)
displacement.x.scatter_forward()
with io.VTKFile(comm, job["folder"] + "/dolfinx.pvd", "w") as file:
    file.write_function(displacement)
least = comm.allreduce(displacement.x.array[2::3].min(), MPI.MIN)
if comm.rank == 0:
    print(json.dumps({"deflection": float(least)}))
