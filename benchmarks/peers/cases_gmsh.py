"""gmsh in process, own vectorised assembly in numpy, PARDISO, h5py: the quickest script of the usual parts."""

from protocol import job, missing, serve

try:
    import gmsh
    import numpy as np
    import scipy.sparse as sp
    from cases import runner
    from pypardiso import PyPardisoSolver
except (ImportError, OSError) as error:
    missing(error)

# Femur's meshes have an edge length of 0.06 away from the hole; gmsh, which spreads the finer one further, as many nodes at this.
SIZE = 0.075
# Quadratic triangles: three points of degree 2, gradients [point, node, direction]; the same at the nodes.
POINTS = np.array([[1 / 6, 1 / 6], [2 / 3, 1 / 6], [1 / 6, 2 / 3]])
NODES = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0], [0.5, 0.5], [0, 0.5]])


def gradients(at):
    r, s = at.T
    t, zero = 1 - r - s, np.zeros_like(r)
    along_r = [1 - 4 * t, 4 * r - 1, zero, 4 * (t - r), 4 * s, -4 * s]
    along_s = [1 - 4 * t, zero, 4 * s - 1, -4 * r, 4 * r, 4 * (t - s)]
    return np.stack([np.stack(along_r, 1), np.stack(along_s, 1)], 2)


def mesh(case, job):
    """Points, triangles, nodes on the left and line elements on the right."""
    x, y, diameter = case[:3]
    width, height, size = job["width"], job["height"], SIZE
    model = gmsh.model
    gmsh.clear()
    geo = model.geo
    corners = [geo.addPoint(a, b, 0, size) for a, b in ((0, 0), (width, 0), (width, height), (0, height))]
    sides = [geo.addLine(corners[i], corners[(i + 1) % 4]) for i in range(4)]
    centre, r, fine = geo.addPoint(x, y, 0), diameter / 2, size * job["refinement"]
    rim = [geo.addPoint(x + r * a, y + r * b, 0, fine) for a, b in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    arcs = [geo.addCircleArc(rim[i], centre, rim[(i + 1) % 4]) for i in range(4)]
    geo.addPlaneSurface([geo.addCurveLoop(sides), geo.addCurveLoop(arcs)])
    geo.synchronize()
    model.mesh.generate(2)
    model.mesh.setOrder(2)
    tags, xyz, _ = model.mesh.getNodes()
    number = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    number[tags.astype(np.int64)] = np.arange(len(tags))
    points = xyz.reshape(-1, 3)[:, :2]
    cells = number[model.mesh.getElementsByType(9)[1].astype(np.int64)].reshape(-1, 6)
    right = number[model.mesh.getElementsByType(8, sides[1])[1].astype(np.int64)].reshape(-1, 3)
    used = np.zeros(len(points), dtype=bool)
    used[cells] = True
    if not used.all():  # the arcs' centre
        new = np.cumsum(used) - 1
        points, cells, right = points[used], new[cells], new[right]
    return points, cells, np.nonzero(points[:, 0] < 1e-9)[0], right


def prepare(job):
    gmsh.initialize()
    gmsh.option.setNumber("General.Verbosity", 1)
    gmsh.option.setNumber("General.NumThreads", 1)
    modulus, nu = job["E"], job["nu"]
    law = modulus / (1 - nu**2) * np.array([[1, nu, 0], [nu, 1, 0], [0, 0, (1 - nu) / 2]])
    at_points, at_nodes = gradients(POINTS), gradients(NODES)
    solver = PyPardisoSolver(mtype=2)

    def strains(x, reference):
        """Strain matrices [cell, point, 3, 12] and volumes [cell, point]."""
        jacobian = np.einsum("cni,qnj->cqij", x, reference)
        det = np.linalg.det(jacobian)
        g = np.einsum("qnj,cqji->cqni", reference, np.linalg.inv(jacobian))
        b = np.zeros((*g.shape[:2], 3, 12))
        b[:, :, 0, 0::2] = b[:, :, 2, 1::2] = g[..., 0]
        b[:, :, 1, 1::2] = b[:, :, 2, 0::2] = g[..., 1]
        return b, det / 6

    def solve(case):
        points, cells, held, right = mesh(case, job)
        n = 2 * len(points)
        b, volume = strains(points[cells], at_points)
        half = np.matmul(law, b) * volume[..., None, None]
        stiffness = np.matmul(b.reshape(len(cells), 9, 12).transpose(0, 2, 1), half.reshape(len(cells), 9, 12))
        dofs = (2 * cells[:, :, None] + np.arange(2)).reshape(len(cells), 12)
        free = np.ones(n, dtype=bool)
        free[2 * held] = free[2 * held + 1] = False
        number = np.where(free, np.cumsum(free) - 1, -1)
        local = number[dofs]
        rows, columns = np.repeat(local, 12, axis=1).ravel(), np.tile(local, (1, 12)).ravel()
        upper = (rows >= 0) & (columns >= rows)
        matrix = sp.csr_matrix((stiffness.ravel()[upper], (rows[upper], columns[upper])), shape=(free.sum(),) * 2)
        load = np.zeros((len(points), 2))
        length = np.linalg.norm(points[right[:, 1]] - points[right[:, 0]], axis=1)
        for corner, part in enumerate((1 / 6, 1 / 6, 2 / 3)):
            np.add.at(load, right[:, corner], part * length[:, None] * case[3:5])
        solver.set_phase(13)
        u = np.zeros(n)
        u[free] = solver._call_pardiso(matrix, load.ravel()[free])
        solver.free_memory(everything=True)
        b, _ = strains(points[cells], at_nodes)
        stress = np.matmul(np.matmul(law, b), u[dofs][:, None, :, None])[..., 0]
        count = np.bincount(cells.ravel(), minlength=len(points))
        mean = [np.bincount(cells.ravel(), stress[..., k].ravel(), len(points)) / count for k in range(3)]
        fields = {"points": points, "displacement": u.reshape(-1, 2), "stress": np.stack(mean, 1)}
        return {"cells": cells.astype(np.int32), **{k: v.astype(np.float32) for k, v in fields.items()}}

    return solve


if __name__ == "__main__":
    serve(runner(prepare, job()))
