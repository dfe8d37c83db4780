"""NGSolve: Taylor-Hood flow by the same scheme as Femur's: BDF2, the convection extrapolated, one factor for all steps."""

import contextlib

from protocol import Timer, job, missing, serve

try:
    import ngsolve as ng
    import numpy as np
    from ngmesh import ngmesh
except ImportError as error:
    missing(error)

job = job()


def array(name):
    return np.load(f"{job['folder']}/{name}.npy")


mesh = ngmesh(array("points"), array("cells"), [(name, array(name)) for name in job["boundaries"]])
tau, height = job["step"], job["height"]
velocity, pressure = ng.VectorH1(mesh, order=2, dirichlet="inflow|walls|cylinder"), ng.H1(mesh, order=1)
space = velocity * pressure
(u, p), (v, q) = space.TnT()
stokes = (job["viscosity"] * ng.InnerProduct(ng.Grad(u), ng.Grad(v)) - ng.div(u) * q - ng.div(v) * p - 1e-10 * p * q) * ng.dx
ng.SetNumThreads(job["threads"])


def tasks():
    return ng.TaskManager() if job["threads"] > 1 else contextlib.nullcontext()


def matrix(mass):
    form = ng.BilinearForm(space, symmetric=True)
    form += mass * ng.InnerProduct(u, v) * ng.dx + stokes
    return form.Assemble().mat


def inverse(a):
    return a.Inverse(space.FreeDofs(), inverse="sparsecholesky")


mass = ng.BilinearForm(space, symmetric=True)
mass += ng.InnerProduct(u, v) * ng.dx
mass.Assemble()
transport = ng.BilinearForm(space, nonassemble=True)
# with Temam's term, as Femur has it
transport += ng.InnerProduct(ng.Grad(u) * u + 0.5 * ng.div(u) * u, v) * ng.dx
state = ng.GridFunction(space)
inflow = ng.CF((6 * job["mean"] * ng.y * (height - ng.y) / height**2, 0))
state.components[0].Set(inflow, definedon=mesh.Boundaries("inflow"))
x = state.vec
before, residual, rate, now, last, step = (x.CreateVector() for _ in range(6))
with tasks():
    # the divergence out of the start, as an impulse of pressure does
    a = matrix(100 / tau)
    start = ng.BilinearForm(space)
    start += stokes
    residual.data = start.Assemble().mat * x
    x.data -= inverse(a) * residual
    state.components[1].vec[:] = 0
    now.data = transport.mat * x
    first, second = matrix(1 / tau), matrix(1.5 / tau)
    solve_first, solve_second = inverse(first), inverse(second)
done = 0


def advance():
    """One step: the extrapolated state plus a correction, as the residual of the whole scheme asks."""
    global done
    if done == 0:
        rate.data = (1 / tau) * x
        residual.data = mass.mat * rate - now - first * x
        step.data = solve_first * residual
        before.data = x
        x.data += step
    else:
        rate.data = (2 / tau) * x - (0.5 / tau) * before
        residual.data = mass.mat * rate - 2 * now + last
        step.data = 2 * x - before
        residual.data -= second * step
        before.data = x
        x.data = step + solve_second * residual
    last.data = now
    now.data = transport.mat * x
    done += 1


def run():
    with tasks(), Timer() as timer:
        for _ in range(job["substeps"]):
            advance()
    nodes = mesh.nv
    parts = [np.array(c.vec)[:nodes] for c in (*state.components[0].components, state.components[1])]
    size = [np.sqrt(np.sum(v**2) / nodes) for v in parts]
    values = {"velocity": float(np.hypot(size[0], size[1])), "pressure": float(size[2])}
    return timer.wall / job["substeps"], timer.cpu / job["substeps"], values, {}


serve(run)
