"""Reads trajectories with h5py and VTK and compares them value by value."""

import sys

import h5py
import numpy as np
import vtk
from vtk.util.numpy_support import vtk_to_numpy

for path in sys.argv[1:]:
    data = h5py.File(path, "r")
    reader = vtk.vtkHDFReader()
    reader.SetFileName(path)
    reader.UpdateInformation()
    steps = len(data["time"])
    assert max(1, reader.GetNumberOfSteps()) == steps, path
    for step in range(steps):
        reader.SetStep(step)
        reader.Update()
        grid = reader.GetOutput()
        assert grid.GetNumberOfCells() == len(data["cell/material_id"])
        points = vtk_to_numpy(grid.GetPoints().GetData())
        dim = data["mesh_pos"].shape[1]
        assert np.array_equal(points[:, :dim], data["mesh_pos"][:]), path
        arrays = grid.GetPointData()
        assert arrays.GetNumberOfArrays() > 0
        for k in range(arrays.GetNumberOfArrays()):
            array = arrays.GetArray(k)
            truth = data[array.GetName()][step]
            shown = vtk_to_numpy(array).reshape(len(truth), -1)
            assert np.array_equal(shown[:, : truth.shape[1]], truth), (path, array.GetName(), step)
    print("same", path, steps)
