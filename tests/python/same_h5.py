"""Whether the second file holds all arrays of the first one, cells up to their orientation: same_h5.py A B."""

import sys

import h5py
import numpy as np

a, b = (h5py.File(p, "r") for p in sys.argv[1:])
assert list(a) == list(b)
for group in a:
    for key in a[group]:
        x, y = a[group][key][:], b[group][key][:]
        if key == "cells":
            x, y = np.sort(x, axis=2), np.sort(y, axis=2)
        assert x.dtype == y.dtype and np.array_equal(x, y), (group, key)
print("same")
