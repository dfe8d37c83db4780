"""MFEM: assembly into an existing matrix by its own integrators."""

from protocol import Timer, job, missing, serve

try:
    import mfem.ser as mfem
    import numpy as np
except ImportError as error:
    missing(error)

job = job()
points, cells = np.load(job["folder"] + "/points.npy"), np.load(job["folder"] + "/cells.npy")
dim = points.shape[1]
mesh = mfem.Mesh(dim, len(points), len(cells))
for point in points.tolist():
    mesh.AddVertex(*point)
add = mesh.AddTet if dim == 3 else mesh.AddTriangle
for cell in cells.tolist():
    add(*cell)
if dim == 3:
    mesh.FinalizeTetMesh(1, 0, True)
else:
    mesh.FinalizeTriMesh(1, 0, True)
vector = job["equation"] == "elasticity"
collection = mfem.H1_FECollection(job["order"], dim)
space = mfem.FiniteElementSpace(mesh, collection, dim if vector else 1, mfem.Ordering.byVDIM)
constants = [mfem.ConstantCoefficient(value) for value in (1.0, job["lambda"], job["mu"])]
integrator = mfem.ElasticityIntegrator(*constants[1:]) if vector else mfem.DiffusionIntegrator(constants[0])
form = mfem.BilinearForm(space)
form.AddDomainIntegrator(integrator)
form.Assemble(0)
form.Finalize(0)


def run():
    with Timer() as timer:
        form.SpMat().GetDataArray()[:] = 0.0
        form.Assemble(0)
    return timer.wall, timer.cpu, {"frobenius": float(np.linalg.norm(form.SpMat().GetDataArray()))}, {}


serve(run)
