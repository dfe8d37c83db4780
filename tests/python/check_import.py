"""Compares imported datasets with the functions that their runs were written from: check_import.py DIR KIND DATASET."""

import json
import sys

import h5py
import numpy as np

import runs

kind, data = sys.argv[1:]
manifest = json.load(open(f"{data}/manifest.json"))
assert manifest["physics"] == "imported"


def close(got, expected):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, (got.shape, expected.shape)
    assert np.allclose(got, expected, rtol=2e-6, atol=1e-6), np.abs(got - expected).max()


def text(value):
    return value if isinstance(value, str) else value.decode()


def entries():
    k = 0
    for split in ["train", "valid", "test"]:
        for entry in manifest["splits"][split]:
            yield k, split, h5py.File(f"{data}/{entry['file']}", "r")
            k += 1


count = 0
for k, split, f in entries():
    x = f["mesh_pos"][:]
    if kind == "plane":
        points, cells = runs.plane(3 + k % 3, 3)
        points = points * 1e-3
        close(x, points)
        assert np.array_equal(f["cells"][:], cells)
        points = points * 1e3
        assert f["time"].shape == (1,)
        close(f["displacement"][0], runs.displacement(points, k))
        assert text(f["displacement"].attrs["units"]) == "mm"
        # xx, yy, zz, xy of the plane
        close(f["S"][0], runs.stress(points, k)[:, :4])
        # a coefficient of the cells: mean over the cells around each node
        around = [np.flatnonzero((cells == i).any(axis=1)) for i in range(len(points))]
        young = runs.young(points[cells].mean(axis=1), k)
        close(f["static/young"][:, 0], [young[a].mean() for a in around])
        top = points[:, 1] == 1
        close(f["static/force"][:, 0], np.where(top, runs.force(k), 0))
        assert f["params"].attrs["force"] == runs.force(k)
        assert np.array_equal(f["tags/top"][:], np.flatnonzero(top)) and text(f["tags/top"].attrs["kind"]) == "node"
        assert text(f["tags/wall"].attrs["kind"]) == "facet"
        assert len(f["tags/wall"]) == 2 * (3 + k % 3) + 2 * 3
        assert len(f["tags/left"]) == 3
        fixed = points[:, 0] == 0
        mask = f["static/displacement_prescribed"][:].astype(bool)
        assert np.array_equal(mask, np.c_[fixed, fixed | (points[:, 1] == 0)])
        close(f["static/displacement_prescribed_value"][0], np.where(mask, runs.displacement(points, k), 0))
        assert np.array_equal(f["cell/material_id"][:], np.full(len(cells), k))
        held = mask.any(axis=1)
        assert np.array_equal(f["node_type"][:, 0], np.where(top, 7, np.where(held, 6, 0)))
    elif kind == "flow":
        points, cells = runs.block(2 + k, 2, 2)
        close(x, points)
        close(f["time"][:], [0, 0.5])
        for row, step in enumerate([0, 2]):
            close(f["p"][row][:, 0], runs.pressure(points, step, k))
            close(f["velocity"][row], runs.velocity(points, step, k)[:, [0, 2]])
            close(f["inflow"][row][:, 0], runs.inflow(points, step, k))
        assert np.array_equal(f["node_type"][:, 0], runs.kind(points))
        mask = f["static/velocity_prescribed"][:].astype(bool)
        assert np.array_equal(mask, np.repeat((points[:, 0] == 0)[:, None], 2, 1))
        assert f["static/velocity_prescribed_value"].shape[0] == 2
    elif kind == "deepmind":
        own = {"train": 0, "valid": 3, "test": 4}[split]
        points, cells = runs.plane(4 + k - own, 3)
        close(x, points)
        close(f["time"][:], 0.01 * np.arange(5))
        assert f["cells"].shape == cells.shape
        a, b, c = (x[f["cells"][:, i]] for i in range(3))
        u, v = b - a, c - a
        assert (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0] > 0).all()
        assert np.array_equal(f["node_type"][:, 0], runs.flow_type(points))
        for step in range(5):
            close(f["velocity"][step], runs.velocity(points, step, k - own)[:, :2])
            close(f["pressure"][step][:, 0], runs.pressure(points, step, k - own))
        held = np.isin(f["node_type"][:, 0], [4, 6])
        assert np.array_equal(f["static/velocity_prescribed"][:], np.repeat(held[:, None], 2, 1))
        assert "pressure_prescribed" not in f["static"]
    count += 1
print("same", kind, count)
