"""Writes runs as other programs do, for the tests of `femur import`: write_runs.py DIR.

Every value is a function of place, time and run that check_import.py knows too.
"""

import sys

import h5py
import meshio
import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk

import runs

out = sys.argv[1]

# Steady runs by meshio, a plane mesh of another size in each: text and compressed binary, floats of 4 and 8 bytes.
rows = ["file,force,note"]
for k in range(5):
    points, cells = runs.plane(3 + k % 3, 3)
    x = np.c_[points, np.zeros(len(points))]
    data = {
        "U": np.c_[runs.displacement(points, k), np.zeros(len(points))].astype(np.float32 if k == 1 else np.float64),
        "S": runs.stress(points, k),
        "FIXED": (points[:, 0] == 0).astype(np.int32),
        "side": np.where(points[:, 1] == 1, 7, np.where(points[:, 1] == 0, 3, 0)).astype(np.int64),
    }
    young = runs.young(points[cells].mean(axis=1), k)
    mesh = meshio.Mesh(x, [("triangle", cells)], point_data=data, cell_data={"E": [young], "part": [np.full(len(cells), k)]})
    meshio.write(f"{out}/plane_{k}.vtu", mesh, binary=k != 0, **({} if k == 0 else {"compression": "zlib" if k == 2 else None}))
    rows.append(f"plane_{k},{runs.force(k)},soft")
open(f"{out}/forces.csv", "w").write("\n".join(rows) + "\n")


def save(name, points, kinds, arrays):
    """By VTK: appended raw data, compressed."""
    grid = vtk.vtkUnstructuredGrid()
    place = vtk.vtkPoints()
    place.SetData(numpy_to_vtk(points.astype(np.float64), deep=True))
    grid.SetPoints(place)
    for kind, cells in kinds:
        for cell in cells:
            grid.InsertNextCell(kind, len(cell), [int(n) for n in cell])
    for key, values in arrays.items():
        array = numpy_to_vtk(np.ascontiguousarray(values), deep=True)
        array.SetName(key)
        grid.GetPointData().AddArray(array)
    writer = vtk.vtkXMLUnstructuredGridWriter()
    writer.SetFileName(name)
    writer.SetInputData(grid)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    assert writer.Write() == 1


# Series in time by VTK, hexahedra, listed in a .pvd and in a .vtm.series.
for k in range(3):
    points, cells = runs.block(2 + k, 2, 2)
    steps = []
    for step in range(4):
        name = f"flow_{k}_{step}.vtu"
        arrays = {"p": runs.pressure(points, step, k), "vel": runs.velocity(points, step, k), "inflow": runs.inflow(points, step, k)}
        arrays["kind"] = runs.kind(points)
        save(f"{out}/{name}", points, [(12, cells)], arrays)
        steps.append((0.25 * step, name))
    if k < 2:
        lines = "".join(f'<DataSet timestep="{t}" file="{n}"/>\n' for t, n in steps)
        open(f"{out}/flow_{k}.pvd", "w").write(f'<VTKFile type="Collection"><Collection>\n{lines}</Collection></VTKFile>\n')
    else:
        # as foamToVTK does: a series of .vtm files, each with the grid and surfaces of the patches
        for i, (_, n) in enumerate(steps):
            blocks = f"<DataSet index='0' name='internal' file='{n}' /><Block index='1' name='boundary'><DataSet file='in.vtp' /></Block>"
            head = "<VTKFile type='vtkMultiBlockDataSet' version='1.0'>"
            open(f"{out}/{n[:-4]}.vtm", "w").write(f"{head}<vtkMultiBlockDataSet>{blocks}</vtkMultiBlockDataSet></VTKFile>")
            steps[i] = (steps[i][0], n[:-4] + ".vtm")
        files = ", ".join(f'{{"name": "{n}", "time": {t}}}' for t, n in steps)
        open(f"{out}/flow_{k}.vtm.series", "w").write(f'{{"file-series-version": "1.0", "files": [{files}]}}')

# A mesh that moves, and one that loses a cell.
points, cells = runs.block(2, 2, 2)
save(f"{out}/moving_0.vtu", points, [(12, cells)], {"p": runs.pressure(points, 0, 0)})
save(f"{out}/moving_1.vtu", points + [0.1, 0, 0], [(12, cells)], {"p": runs.pressure(points, 0, 0)})
save(f"{out}/losing_1.vtu", points, [(12, cells[:-1])], {"p": runs.pressure(points, 0, 0)})
for name in ["moving", "losing"]:
    steps = f'<DataSet timestep="0" file="moving_0.vtu"/><DataSet timestep="1" file="{name}_1.vtu"/>'
    open(f"{out}/{name}.pvd", "w").write(f"<VTKFile><Collection>{steps}</Collection></VTKFile>")

# One cell of each kind, a mixed mesh of quadrilaterals and triangles, and one of hexahedra and a pyramid.
for name, kind, points in runs.single_cells():
    save(f"{out}/cell_{name}.vtu", points, [(kind, [np.arange(len(points))])], {"f": runs.scalar(points), "v": runs.vector(points)})
for name, points, kinds in runs.mixed():
    save(f"{out}/cell_{name}.vtu", points, kinds, {"f": runs.scalar(points), "v": runs.vector(points)})

# The layout of the PyTorch re-implementations: everything repeated over time.
for split, count in [("train", 3), ("valid", 1), ("test", 1)]:
    with h5py.File(f"{out}/{split}.h5", "w") as f:
        for k in range(count):
            points, cells = runs.plane(4 + k, 3)
            steps = 5
            group = f.create_group(str(k))
            group["pos"] = np.repeat(points[None].astype(np.float32), steps, 0)
            group["node_type"] = np.repeat(runs.flow_type(points)[None, :, None].astype(np.int32), steps, 0)
            # clockwise, as published files may be
            group["cells"] = np.repeat(cells[None, :, ::-1].astype(np.int32), steps, 0)
            group["velocity"] = np.stack([runs.velocity(points, s, k)[:, :2] for s in range(steps)]).astype(np.float32)
            group["pressure"] = np.stack([runs.pressure(points, s, k)[:, None] for s in range(steps)]).astype(np.float32)
