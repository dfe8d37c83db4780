"""A linear system from the benchmark's arrays."""

import numpy as np
import scipy.sparse as sp


class System:
    """`matrix` (CSR, symmetric positive definite), `rhs`, `block` unknowns a node, `points` of the nodes."""

    def __init__(self, job):
        def array(name):
            return np.load(f"{job['folder']}/{name}.npy")

        self.rhs, self.points, self.block = array("rhs"), array("points"), job["block"]
        n = len(self.rhs)
        self.matrix = sp.csr_matrix((array("data"), array("indices"), array("indptr")), shape=(n, n))
        self.matrix.has_sorted_indices = True

    def near_null_space(self):
        """Rigid bodies' displacements (constants for one unknown a node), a column each."""
        if self.block == 1:
            return np.ones((len(self.rhs), 1))
        x, y, z = (self.points - self.points.mean(axis=0)).T
        zero, one = np.zeros_like(x), np.ones_like(x)
        modes = [(one, zero, zero), (zero, one, zero), (zero, zero, one), (-y, x, zero), (zero, -z, y), (z, zero, -x)]
        return np.column_stack([np.column_stack(m).ravel() for m in modes])

    def answer(self, x):
        """What solutions are compared by."""
        return {"work": float(self.rhs @ x), "norm": float(np.linalg.norm(x))}
