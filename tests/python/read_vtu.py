"""Reads .vtu and .pvd files with meshio, VTK and PyVista and compares each with what h5py finds in the .vtkhdf of the same run.

read_vtu.py STEADY.vtkhdf STEADY.vtu [TRANSIENT.vtkhdf TRANSIENT.pvd]
"""

import os
import sys
import xml.etree.ElementTree

import h5py
import meshio
import numpy as np
import pyvista
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def with_vtk(path):
    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName(path)
    reader.Update()
    grid = reader.GetOutput()
    data = grid.GetPointData()
    arrays = {data.GetArrayName(k): vtk_to_numpy(data.GetArray(k)) for k in range(data.GetNumberOfArrays())}
    cells = [vtk_to_numpy(grid.GetCells().GetConnectivityArray())]
    return vtk_to_numpy(grid.GetPoints().GetData()), np.concatenate(cells), vtk_to_numpy(grid.GetCellTypesArray()), arrays


def with_meshio(path):
    mesh = meshio.read(path)
    types = np.concatenate([[meshio._vtk_common.meshio_to_vtk_type[b.type]] * len(b.data) for b in mesh.cells])
    return mesh.points, np.concatenate([b.data.ravel() for b in mesh.cells]), types, mesh.point_data


def of_pyvista(mesh):
    return mesh.points, mesh.cell_connectivity, mesh.celltypes, {name: np.asarray(mesh.point_data[name]) for name in mesh.point_data}


def compare(what, read, truth, step):
    points, cells, types, arrays = read
    dim = truth["mesh_pos"].shape[1]
    np.testing.assert_allclose(points[:, :dim], truth["mesh_pos"][:], rtol=0, atol=1e-12, err_msg=what)
    group = truth["VTKHDF"]
    assert np.array_equal(cells, group["Connectivity"][: len(cells)]), what
    assert np.array_equal(types, group["Types"][: len(types)]), what
    assert len(types) == len(truth["cell/material_id"]), what
    names = [n for n in group["PointData"] if n in truth]
    assert names and all(n in arrays for n in names), (what, names, list(arrays))
    for name in names:
        values = truth[name][step]
        shown = np.asarray(arrays[name]).reshape(len(values), -1)[:, : values.shape[1]]
        scale = np.abs(values).max() or 1.0
        np.testing.assert_allclose(shown / scale, values / scale, rtol=0, atol=1e-12, err_msg=f"{what} {name}")


def one_file(path, truth, step):
    for name, reader in (("vtk", with_vtk), ("meshio", with_meshio), ("pyvista", lambda p: of_pyvista(pyvista.read(p)))):
        compare(f"{path} by {name}", reader(path), truth, step)


for hdf, path in zip(sys.argv[1::2], sys.argv[2::2]):
    truth = h5py.File(hdf, "r")
    if path.endswith(".vtu"):
        one_file(path, truth, 0)
    else:
        entries = xml.etree.ElementTree.parse(path).getroot().findall("Collection/DataSet")
        times = truth["time"][:]
        reader = pyvista.PVDReader(path)
        assert np.array_equal(reader.time_values, times), path
        assert np.array_equal([float(e.get("timestep")) for e in entries], times), path
        for step, entry in enumerate(entries):
            one_file(os.path.join(os.path.dirname(path), entry.get("file")), truth, step)
            reader.set_active_time_point(step)
            compare(f"{path} by pyvista", of_pyvista(reader.read()[0]), truth, step)
    print("same", path)
