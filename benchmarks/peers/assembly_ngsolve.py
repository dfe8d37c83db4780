"""NGSolve: assembly into an existing matrix. Its basis of order 2 is not nodal, so the energy of a polynomial is compared there."""

import contextlib

from protocol import Timer, job, missing, serve

try:
    import ngsolve as ng
    import numpy as np
    from ngmesh import ngmesh
except ImportError as error:
    missing(error)

job = job()
points, cells = np.load(job["folder"] + "/points.npy"), np.load(job["folder"] + "/cells.npy")
dim, order = points.shape[1], job["order"]
mesh = ngmesh(points, cells)
x = [ng.x, ng.y, ng.z][:dim]
if job["equation"] == "poisson":
    space = ng.H1(mesh, order=order)
    u, v = space.TnT()
    integrand = ng.grad(u) * ng.grad(v)
    polynomial = x[0] * x[1] + x[-1] ** 2
else:
    space = ng.VectorH1(mesh, order=order)
    u, v = space.TnT()

    def strain(w):
        return 0.5 * (ng.Grad(w) + ng.Grad(w).trans)

    stress = 2 * job["mu"] * strain(u) + job["lambda"] * ng.Trace(ng.Grad(u)) * ng.Id(dim)
    integrand = ng.InnerProduct(stress, strain(v)).Compile()
    polynomial = ng.CF(tuple(x[i] * x[(i + 1) % dim] + x[0] ** 2 for i in range(dim)))

form = ng.BilinearForm(space)
form += integrand * ng.dx
ng.SetNumThreads(job["threads"])
trial = ng.GridFunction(space)


def run():
    tasks = ng.TaskManager() if job["threads"] > 1 else contextlib.nullcontext()
    with tasks, Timer() as timer:
        form.Assemble()
    if order == 1:
        values = {"frobenius": float(np.linalg.norm(np.asarray(form.mat.AsVector()).ravel()))}
    else:
        trial.Set(polynomial)
        image = trial.vec.CreateVector()
        image.data = form.mat * trial.vec
        values = {"energy": float(ng.InnerProduct(image, trial.vec))}
    return timer.wall, timer.cpu, values, {}


serve(run)
