"""Reads the files that `other_readers.rs` wrote with VTK, meshio and gmsh, whichever is installed, and compares.

Usage: check_written.py FOLDER. FOLDER holds KIND.json (what was meant) beside KIND.vtu, KIND_zlib.vtu, KIND.msh, KIND_bin.msh.
Prints the readers used, or SKIPPED and why; any difference ends the program with an error.
"""

import glob
import json
import os
import sys

try:
    import numpy as np
except ImportError:
    print("SKIPPED: no numpy")
    sys.exit(0)


def same(a, b, what):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape and np.array_equal(a, b), f"{what}: {a} is not {b}"


def padded(points):
    points = np.asarray(points)
    return np.hstack([points, np.zeros((len(points), 3 - points.shape[1]))])


def with_vtk(path, meant):
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName(path)
    reader.Update()
    grid = reader.GetOutput()
    same(vtk_to_numpy(grid.GetPoints().GetData()), padded(meant["points"]), path)
    for i, cell in enumerate(meant["cells"]):
        assert grid.GetCellType(i) == meant["vtk_type"], path
        ids = grid.GetCell(i).GetPointIds()
        same([ids.GetId(k) for k in range(ids.GetNumberOfIds())], cell, path)
    assert grid.GetNumberOfCells() == len(meant["cells"])
    for data, arrays in [(grid.GetPointData(), meant["point_data"]), (grid.GetCellData(), meant["cell_data"])]:
        assert data.GetNumberOfArrays() == len(arrays), path
        for name, values in arrays.items():
            same(vtk_to_numpy(data.GetAbstractArray(name)), values, f"{path} {name}")


def with_meshio(path, meant):
    import meshio

    # meshio 5.3 forgets the dimension of this one
    meshio._mesh.topological_dimension.setdefault("wedge15", 3)
    mesh = meshio.read(path)
    same(padded(mesh.points), padded(meant["points"]), path)
    blocks = [b for b in mesh.cells if meshio._vtk_common.meshio_to_vtk_type[b.type] == meant["vtk_type"]]
    cells = np.vstack([b.data for b in blocks])
    if path.endswith(".vtu") and meant["vtk_type"] == 13:
        # meshio takes VTK's wedges for mirrored, as an old page of VTK says; VTK itself (volume, faces) does not
        cells = cells[:, [0, 2, 1, 3, 5, 4]]
    same(cells, meant["cells"], path)
    if path.endswith(".vtu"):
        for name, values in meant["point_data"].items():
            same(mesh.point_data[name], values, f"{path} {name}")
        for name, values in meant["cell_data"].items():
            same(mesh.cell_data[name][0], values, f"{path} {name}")
    else:
        for name, (dim, number, _) in meant["groups"].items():
            same(mesh.field_data[name], [number, dim], f"{path} {name}")


def with_gmsh(path, meant):
    import gmsh

    if not gmsh.isInitialized():
        gmsh.initialize()
        gmsh.option.setNumber("General.Verbosity", 2)
    gmsh.clear()
    gmsh.open(path)
    tags, xyz, _ = gmsh.model.mesh.getNodes()
    order = np.argsort(tags)
    same(xyz.reshape(-1, 3)[order], padded(meant["points"]), path)
    kinds, elements, nodes = gmsh.model.mesh.getElements(meant["dim"])
    assert list(kinds) == [meant["gmsh_type"]], path
    same(np.concatenate(nodes).astype(int).reshape(len(meant["cells"]), -1), np.array(meant["gmsh_cells"]) + 1, path)
    # all Jacobians are positive in gmsh's own node order
    _, determinants, _ = gmsh.model.mesh.getJacobians(kinds[0], gmsh.model.mesh.getIntegrationPoints(kinds[0], "Gauss2")[0])
    assert (np.asarray(determinants) > 0).all() or meant["dim"] == 1, path
    for name, (dim, number, count) in meant["groups"].items():
        assert gmsh.model.getPhysicalName(dim, number) == name or count == 0, f"{path} {name}"
        found = 0
        if count:
            for entity in gmsh.model.getEntitiesForPhysicalGroup(dim, number):
                found += sum(len(e) for e in gmsh.model.mesh.getElements(dim, entity)[1])
        assert found == count, f"{path} {name}: {found} elements, not {count}"
    views = {gmsh.option.getString(f"View[{gmsh.view.getIndex(v)}].Name"): v for v in gmsh.view.getTags()}
    for name, (components, values) in meant["views"].items():
        _, found, data, _, stored = gmsh.view.getModelData(views[name], 0)
        assert stored == components, f"{path} {name}"
        data = [row for _, row in sorted(zip(found, [list(d) for d in data]))]
        # values of cells are repeated for the elements of their boundary, which come behind
        same(np.array(data[: len(values)]).reshape(-1, components), values, f"{path} {name}")


def main(folder):
    used = []
    for reader, ends in [(with_vtk, (".vtu",)), (with_meshio, (".vtu", ".msh")), (with_gmsh, (".msh",))]:
        module = reader.__name__[5:]
        try:
            __import__(module)
        except (ImportError, OSError) as why:
            print(f"SKIPPED {module}: {why}")
            continue
        for file in sorted(glob.glob(os.path.join(folder, "*.json"))):
            with open(file) as f:
                meant = json.load(f)
            for name in ["", "_zlib", "_bin"]:
                for end in ends:
                    path = file[:-5] + name + end
                    if os.path.exists(path):
                        reader(path, meant)
        used.append(module)
    print("read by: " + ", ".join(used))


main(sys.argv[1])
