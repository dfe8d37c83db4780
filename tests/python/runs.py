"""Meshes and fields of the runs that write_runs.py writes and check_import.py expects."""

import numpy as np
import vtk


def plane(n, m):
    """Triangles over [0, n] x [0, 1]."""
    x, y = np.meshgrid(np.linspace(0, n, n + 1), np.linspace(0, 1, m + 1))
    points = np.c_[x.ravel(), y.ravel()]
    cells = []
    for j in range(m):
        for i in range(n):
            a = j * (n + 1) + i
            cells += [[a, a + 1, a + n + 2], [a, a + n + 2, a + n + 1]]
    return points, np.array(cells)


def block(n, m, k):
    """Hexahedra over [0, n] x [0, m] x [0, k]."""
    z, y, x = np.meshgrid(np.arange(k + 1.0), np.arange(m + 1.0), np.arange(n + 1.0), indexing="ij")
    points = np.c_[x.ravel(), y.ravel(), z.ravel()]
    cells = []
    for c in range(k):
        for b in range(m):
            for a in range(n):
                o = (c * (m + 1) + b) * (n + 1) + a
                up, deep = n + 1, (n + 1) * (m + 1)
                ring = [o, o + 1, o + 1 + up, o + up]
                cells.append(ring + [i + deep for i in ring])
    return points, np.array(cells)


def force(k):
    return 10.0 + 2.5 * k


def displacement(p, k):
    return np.c_[force(k) * p[:, 0] * 1e-3, p[:, 1] ** 2 * 1e-3 * (k + 1)]


def stress(p, k):
    zero = np.zeros(len(p))
    return np.c_[force(k) + p[:, 0], p[:, 1], zero + 0.5, p[:, 0] * p[:, 1] + k, zero, zero]


def young(p, k):
    return 1000.0 + 100 * k + 10 * p[:, 0]


def pressure(p, step, k):
    return np.sin(p[:, 0] + 0.3 * step) + k + p[:, 1]


def velocity(p, step, k):
    z = p[:, 2] if p.shape[1] > 2 else 0 * p[:, 0]
    return np.c_[p[:, 1] * (step + 1), p[:, 0] - 0.1 * step, z + k]


def inflow(p, step, k):
    return np.where(p[:, 0] == 0, 1.0 + step + k, 0.0)


def kind(p):
    """Node types: 4 inflow, 5 outflow, 6 wall."""
    return np.where(p[:, 0] == 0, 4, np.where(p[:, 0] == p[:, 0].max(), 5, np.where(p[:, 1] == 0, 6, 0))).astype(np.int32)


flow_type = kind


def scalar(p):
    return p[:, 0] + 2 * p[:, 1] + 4 * p[:, 2] + 1


def vector(p):
    flat = np.all(p[:, 2] == 0)
    return np.c_[p[:, 1], -p[:, 0], np.zeros(len(p)) if flat else p[:, 2] + 3]


def single_cells():
    """A cell of each kind in its reference shape."""
    kinds = {
        "triangle3": vtk.vtkTriangle(),
        "triangle6": vtk.vtkQuadraticTriangle(),
        "quad4": vtk.vtkQuad(),
        "quad8": vtk.vtkQuadraticQuad(),
        "quad9": vtk.vtkBiQuadraticQuad(),
        "tet4": vtk.vtkTetra(),
        "tet10": vtk.vtkQuadraticTetra(),
        "hex8": vtk.vtkHexahedron(),
        "hex20": vtk.vtkQuadraticHexahedron(),
        "hex27": vtk.vtkTriQuadraticHexahedron(),
        "wedge6": vtk.vtkWedge(),
        "wedge15": vtk.vtkQuadraticWedge(),
        "pyramid5": vtk.vtkPyramid(),
    }
    for name, cell in kinds.items():
        place = cell.GetParametricCoords()
        points = np.array([place[i] for i in range(3 * cell.GetNumberOfPoints())]).reshape(-1, 3)
        yield name, cell.GetCellType(), points


def mixed():
    """Meshes of two kinds of cells."""
    flat = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0], [2, 1, 0]], float)
    yield "plane", flat, [(9, [[0, 1, 2, 3]]), (5, [[1, 4, 5], [1, 5, 2]])]
    cube = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.5, 0.5, 2]], float)
    yield "solid", cube, [(12, [list(range(8))]), (14, [[4, 5, 6, 7, 8]])]
