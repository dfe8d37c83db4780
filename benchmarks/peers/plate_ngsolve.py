"""NGSolve with its sparse Cholesky: the plate to a .vtu file. The mesh comes as arrays, quicker than a mesh file; only imports
without a job."""

import contextlib
import json
import sys

import ngsolve as ng
import numpy as np
from ngmesh import ngmesh

if len(sys.argv) < 2:
    sys.exit(0)
job = json.loads(sys.argv[1])


def array(name):
    return np.load(f"{job['folder']}/{name}.npy")


points, cells = array("points"), array("cells")
mesh = ngmesh(points, cells, [("loaded", array("loaded").reshape(-1, 3))])
ng.SetNumThreads(job["threads"])
with ng.TaskManager() if job["threads"] > 1 else contextlib.nullcontext():
    space = ng.VectorH1(mesh, order=1)
    free = space.FreeDofs()
    for node in array("held").tolist():
        for component in range(3):
            free[node + component * mesh.nv] = False
    u, v = space.TnT()
    mu, lam = job["E"] / (2 * (1 + job["nu"])), job["E"] * job["nu"] / (1 + job["nu"]) / (1 - 2 * job["nu"])

    def strain(w):
        return 0.5 * (ng.Grad(w) + ng.Grad(w).trans)

    form = ng.BilinearForm(space, symmetric=True)
    form += (2 * mu * ng.InnerProduct(strain(u), strain(v)) + lam * ng.div(u) * ng.div(v)) * ng.dx
    form.Assemble()
    load = ng.LinearForm(job["traction"] * v[2] * ng.ds("loaded")).Assemble()
    displacement = ng.GridFunction(space)
    displacement.vec.data = form.mat.Inverse(free, inverse="sparsecholesky") * load.vec
ng.VTKOutput(mesh, coefs=[displacement], names=["displacement"], filename=job["folder"] + "/ngsolve", legacy=False).Do()
print(json.dumps({"deflection": float(np.array(displacement.vec)[2 * mesh.nv :].min())}))
