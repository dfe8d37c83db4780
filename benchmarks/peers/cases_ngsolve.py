"""NGSolve with its own mesher and sparse Cholesky, h5py."""

from protocol import job, missing, serve

try:
    import ngsolve as ng
    import numpy as np
    from cases import runner
    from netgen.geom2d import SplineGeometry
except ImportError as error:
    missing(error)

# About as many nodes as Femur's meshes have at 0.06.
SIZE = 0.0625


def prepare(job):
    ng.SetNumThreads(1)
    modulus, nu, size = job["E"], job["nu"], SIZE
    mu, lam = modulus / (2 * (1 + nu)), modulus * nu / (1 - nu**2)  # plane stress

    def strain(w):
        return 0.5 * (ng.Grad(w) + ng.Grad(w).trans)

    def solve(case):
        x, y, diameter, *traction = case.tolist()
        geometry = SplineGeometry()
        geometry.AddRectangle((0, 0), (job["width"], job["height"]), bcs=["bottom", "right", "top", "left"])
        geometry.AddCircle((x, y), diameter / 2, leftdomain=0, rightdomain=1, bc="hole", maxh=size * job["refinement"])
        mesh = ng.Mesh(geometry.GenerateMesh(maxh=size))
        mesh.Curve(2)
        space = ng.VectorH1(mesh, order=2, dirichlet="left")
        u, v = space.TnT()
        form = ng.BilinearForm(space, symmetric=True)
        form += (2 * mu * ng.InnerProduct(strain(u), strain(v)) + lam * ng.div(u) * ng.div(v)) * ng.dx
        form.Assemble()
        load = ng.LinearForm(ng.CF(tuple(traction)) * v * ng.ds("right")).Assemble()
        displacement = ng.GridFunction(space)
        displacement.vec.data = form.mat.Inverse(space.FreeDofs(), inverse="sparsecholesky") * load.vec
        stress = ng.GridFunction(ng.H1(mesh, order=1, dim=4))
        tensor = 2 * mu * strain(displacement) + lam * ng.Trace(ng.Grad(displacement)) * ng.Id(2)
        stress.Set(ng.CF((tensor[0, 0], tensor[1, 1], tensor[0, 1], 0)))
        vertices, nodes = mesh.nv, mesh.nv + mesh.nedge
        parts = [np.array(c.vec)[:vertices] for c in displacement.components]
        points = np.array(mesh.ngmesh.Coordinates())[:vertices]
        cells = mesh.ngmesh.Elements2D().NumPy()["nodes"][:, :3].astype(np.int32)
        fields = {
            "displacement": np.stack(parts, 1),
            "coefficients": np.array(displacement.vec),
            "stress": np.array(stress.vec)[: 4 * vertices].reshape(vertices, 4),
            "points": np.zeros((nodes, 2)),
        }
        fields["points"][:vertices] = points[:, :2]
        return {"cells": cells, **{k: v.astype(np.float32) for k, v in fields.items()}}

    return solve


if __name__ == "__main__":
    serve(runner(prepare, job()))
