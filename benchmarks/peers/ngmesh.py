"""Arrays of points and simplices as a mesh of NGSolve."""

import netgen.meshing as nm
import numpy as np
from ngsolve import Mesh


def ngmesh(points, cells, boundaries=()):
    """`boundaries`: (name, facets) pairs; without any the mesh has no boundary elements."""
    dim = points.shape[1]
    mesh = nm.Mesh(dim=dim)
    flat = np.column_stack([points, np.zeros((len(points), 3 - dim))])
    mesh.AddPoints(np.ascontiguousarray(flat))
    if dim == 2:
        mesh.Add(nm.FaceDescriptor(surfnr=1, domin=1, domout=0, bc=1))
        mesh.SetMaterial(1, "body")
    elif dim == 3:
        cells = cells[:, [0, 2, 1, 3]]  # netgen counts the other way round
    for index, (name, facets) in enumerate(boundaries, start=1):
        if dim == 3:
            mesh.Add(nm.FaceDescriptor(surfnr=index, domin=1, domout=0, bc=index))
        mesh.AddElements(dim=dim - 1, index=index, data=np.ascontiguousarray(facets.astype(np.int32)), base=0)
        mesh.SetBCName(index - 1, name)
    mesh.AddElements(dim=dim, index=1, data=np.ascontiguousarray(cells.astype(np.int32)), base=0)
    return Mesh(mesh)
