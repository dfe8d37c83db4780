"""scikit-fem with PARDISO: the plate from plate.msh to a .vtu file. Without a job: only imports."""

import json
import sys

import meshio
import numpy as np
import pypardiso
import skfem
from skfem.models.elasticity import lame_parameters, linear_elasticity

if len(sys.argv) < 2:
    sys.exit(0)
job = json.loads(sys.argv[1])
file = meshio.read(job["folder"] + "/plate.msh")
mesh = skfem.MeshTet(file.points.T.copy(), file.cells_dict["tetra"].astype(np.int64).T.copy())
element = skfem.ElementVector(skfem.ElementTetP1())
basis = skfem.Basis(mesh, element, intorder=1)
stiffness = linear_elasticity(*lame_parameters(job["E"], job["nu"])).assemble(basis)
side = skfem.FacetBasis(mesh, element, facets=mesh.facets_satisfying(lambda x: np.isclose(x[0], 2.0)), intorder=2)
load = skfem.LinearForm(lambda v, w: job["traction"] * v[2]).assemble(side)
held = basis.get_dofs(lambda x: np.isclose(x[0], 0.0)).all()
matrix, rhs, x, free = skfem.condense(stiffness, load, D=held)
x[free] = pypardiso.spsolve(matrix.tocsr(), rhs)
u = x[basis.nodal_dofs].T
meshio.Mesh(mesh.p.T, [("tetra", mesh.t.T)], point_data={"displacement": u}).write(job["folder"] + "/skfem.vtu")
print(json.dumps({"deflection": u[:, 2].min()}))
