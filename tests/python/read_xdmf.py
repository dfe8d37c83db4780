"""Reads XDMF files with VTK's XDMF Reader and compares every value with the HDF5 files that they describe.

Arguments: pairs X.xdmf FILE.vtkhdf.
"""

import sys

import h5py
import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkMultiBlockDataSet
from vtkmodules.vtkIOXdmf2 import vtkXdmfReader

VTK_KINDS = {"triangle3": 5, "triangle6": 22, "quad4": 9, "quad8": 23, "quad9": 28, "tet4": 10, "tet10": 24}
VTK_KINDS |= {"hex8": 12, "hex20": 25, "hex27": 29, "wedge6": 13, "wedge15": 26, "pyramid5": 14}


def leaves(data):
    if not isinstance(data, vtkMultiBlockDataSet):
        return [data]
    return [leaf for k in range(data.GetNumberOfBlocks()) for leaf in leaves(data.GetBlock(k))]


for xdmf, path in zip(sys.argv[1::2], sys.argv[2::2]):
    f = h5py.File(path, "r")
    reader = vtkXdmfReader()
    reader.SetFileName(xdmf)
    reader.UpdateInformation()
    info = reader.GetOutputInformation(0)
    times = info.Get(reader.GetExecutive().TIME_STEPS()) or ()
    if len(f["time"]) > 1:
        assert np.array_equal(times, f["time"][:]), (xdmf, times)
    blocks = sorted((k for k in f if k == "cells" or k.startswith("cells_")), key=lambda k: int(k.split("_")[1]) if "_" in k else 0)
    for step, time in enumerate(f["time"]):
        reader.UpdateTimeStep(time)
        grids = leaves(reader.GetOutputDataObject(0))
        assert len(grids) == len(blocks), (xdmf, len(grids))
        first = 0
        for grid, block in zip(grids, blocks):
            cells = f[block][:]
            kind = f[block].attrs["kind"]
            kind = kind if isinstance(kind, str) else kind.decode()
            assert grid.GetNumberOfCells() == len(cells), (xdmf, block)
            assert grid.GetCellType(0) == VTK_KINDS[kind], (xdmf, kind, grid.GetCellType(0))
            assert np.array_equal(vtk_to_numpy(grid.GetCells().GetConnectivityArray()).reshape(cells.shape), cells), (xdmf, kind)
            points = vtk_to_numpy(grid.GetPoints().GetData())
            dim = f["mesh_pos"].shape[1]
            assert np.array_equal(points[:, :dim], f["mesh_pos"][:].astype(points.dtype)), xdmf
            materials = vtk_to_numpy(grid.GetCellData().GetArray("material_id"))
            assert np.array_equal(materials, f["cell/material_id"][first : first + len(cells)]), xdmf
            compared = 0
            for name in [k for k in f if isinstance(f[k], h5py.Dataset) and f[k].attrs.get("role") in ("state", b"state")]:
                truth = f[name][step]
                components = np.array(eval(f[name].attrs["components"]))
                if truth.shape[1] in (1, 2, 3):
                    shown = vtk_to_numpy(grid.GetPointData().GetArray(name)).reshape(len(truth), -1)
                    assert np.array_equal(shown[:, : truth.shape[1]], truth), (xdmf, name, step)
                    assert not shown[:, truth.shape[1] :].any()
                else:
                    for k, component in enumerate(components):
                        shown = vtk_to_numpy(grid.GetPointData().GetArray(f"{name}_{component}"))
                        assert np.array_equal(shown, truth[:, k]), (xdmf, name, component, step)
                compared += 1
            assert compared > 0
            first += len(cells)
    print("same", xdmf, len(f["time"]))
