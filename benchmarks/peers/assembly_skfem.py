"""scikit-fem: assembly of a stiffness matrix over a basis that is made once."""

from protocol import Timer, job, missing, serve

try:
    import numpy as np
    import skfem
    from skfem.models.elasticity import linear_elasticity
    from skfem.models.poisson import laplace
except ImportError as error:
    missing(error)

job = job()
points = np.load(job["folder"] + "/points.npy")
cells = np.load(job["folder"] + "/cells.npy").astype(np.int64)
dim, order = points.shape[1], job["order"]
mesh = (skfem.MeshTet if dim == 3 else skfem.MeshTri)(points.T.copy(), cells.T.copy())
element = getattr(skfem, f"Element{'Tet' if dim == 3 else 'Tri'}P{order}")()
if job["equation"] == "elasticity":
    element, form = skfem.ElementVector(element), linear_elasticity(job["lambda"], job["mu"])
else:
    form = laplace
basis = skfem.Basis(mesh, element, intorder=2 * (order - 1))


def run():
    with Timer() as timer:
        matrix = form.assemble(basis)
    return timer.wall, timer.cpu, {"frobenius": float(np.linalg.norm(matrix.data))}, {}


serve(run)
