"""The same mesh and case solved by scikit-fem: nodal values must agree to the tolerance of the solvers.

    python check.py FEMUR [CASE...]

FEMUR is the program. Each case is solved by `femur solve CASE -o x.vtu`; the mesh is taken from that file, everything else (forms, loads,
supports, solution) is scikit-fem's. Prints a table, exits with 1 where a difference exceeds the tolerance.
"""

import pathlib
import subprocess
import sys
import tempfile

import meshio
import numpy as np
import scipy.sparse.linalg
import skfem
import skfem.io.meshio
from scipy.spatial import cKDTree
from skfem.helpers import ddot, dot, eye, grad, mul, sym_grad, trace, transpose

HERE = pathlib.Path(__file__).parent
TOLERANCE = 1e-8
LINEAR = {"triangle": ("triangle", 3), "triangle6": ("triangle", 3), "quad": ("quad", 4), "quad8": ("quad", 4), "quad9": ("quad", 4),
          "tetra": ("tetra", 4), "tetra10": ("tetra", 4), "hexahedron": ("hexahedron", 8), "hexahedron20": ("hexahedron", 8),
          "hexahedron27": ("hexahedron", 8)}
ELEMENTS = {"triangle": skfem.ElementTriP1, "triangle6": skfem.ElementTriP2, "quad": skfem.ElementQuad1, "quad8": skfem.ElementQuadS2,
            "quad9": skfem.ElementQuad2, "tetra": skfem.ElementTetP1, "tetra10": skfem.ElementTetP2, "hexahedron": skfem.ElementHex1,
            "hexahedron20": skfem.ElementHexS2, "hexahedron27": skfem.ElementHex2}


class Solved:
    """Femur's result, its mesh as scikit-fem's, and a basis of the same element."""

    def __init__(self, femur, case, components, intorder=5):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "x.vtu"
            subprocess.run([femur, "solve", case, "-o", out, "--quiet"], check=True, stdout=subprocess.DEVNULL)
            self.vtu = meshio.read(out)
        block, = self.vtu.cells
        nodes = block.data.astype(np.int64)
        linear, corners = LINEAR[block.type]
        vertices, cells = np.unique(nodes[:, :corners], return_inverse=True)
        dim = 3 if linear in ("tetra", "hexahedron") else 2
        points = self.vtu.points[:, :dim]
        self.dim, self.components, self.kind = dim, components, block.type
        self.mesh = skfem.io.meshio.from_meshio(meshio.Mesh(points[vertices], [(linear, cells.reshape(-1, corners))]))
        element = ELEMENTS[block.type]()
        self.element = element if components == 1 else skfem.ElementVector(element)
        self.basis = skfem.Basis(self.mesh, self.element, intorder=intorder)
        # The unknowns of scikit-fem and the nodes of Femur are matched by their coordinates.
        distance, self.node = cKDTree(points).query(self.basis.doflocs.T)
        assert distance.max() < 1e-9 * np.ptp(points, axis=0).max(), "the meshes differ"
        self.component = np.zeros(self.basis.N, dtype=int)
        for dofs in (self.basis.nodal_dofs, self.basis.edge_dofs if dim == 3 else [], self.basis.facet_dofs, self.basis.interior_dofs):
            for row, list_of in enumerate(dofs):
                self.component[list_of] = row % components

    def facets(self, where):
        return skfem.FacetBasis(self.mesh, self.element, facets=self.mesh.facets_satisfying(where, boundaries_only=True), intorder=5)

    def held(self, where):
        """Unknowns on a boundary."""
        return self.basis.get_dofs(self.mesh.facets_satisfying(where, boundaries_only=True)).all()

    def difference(self, field, x):
        """Largest difference of the nodal values over their largest size."""
        ours = np.asarray(self.vtu.point_data[field], dtype=float).reshape(len(self.vtu.points), -1)
        ours = ours[self.node, self.component]
        return np.abs(ours - x).max() / np.abs(x).max()


def solve(matrix, load, x, held):
    return skfem.solve(*skfem.condense(matrix, load, x=x, D=held))


def heat_block(femur):
    s = Solved(femur, HERE / "heat-block.toml", 1)
    left, right, front = (s.facets(w) for w in (lambda x: x[0] < 1e-9, lambda x: x[0] > 1 - 1e-9, lambda x: x[2] > 0.6 - 1e-9))
    k = skfem.BilinearForm(lambda u, v, w: 20.0 * dot(grad(u), grad(v))).assemble(s.basis)
    k += skfem.BilinearForm(lambda u, v, w: 50.0 * u * v).assemble(right)
    f = skfem.LinearForm(lambda v, w: 1e4 * (1 + w.x[0] * w.x[1]) * v).assemble(s.basis)
    f += skfem.LinearForm(lambda v, w: 50.0 * 280.0 * v).assemble(right) + skfem.LinearForm(lambda v, w: 1500.0 * v).assemble(front)
    x, held = np.zeros(s.basis.N), s.held(lambda x: x[0] < 1e-9)
    x[held] = 300 + 20 * s.basis.doflocs[1, held]
    return s, "temperature", solve(k, f, x, held)


def heat_t4(femur):
    s = Solved(femur, HERE.parent / "problems" / "nafems-t4.toml", 1)
    cooled = s.facets(lambda x: (x[0] > 0.6 - 1e-9) | (x[1] > 1 - 1e-9))
    k = skfem.BilinearForm(lambda u, v, w: 52.0 * dot(grad(u), grad(v))).assemble(s.basis)
    k += skfem.BilinearForm(lambda u, v, w: 750.0 * u * v).assemble(cooled)
    x, held = np.zeros(s.basis.N), s.held(lambda x: x[1] < 1e-9)
    x[held] = 100.0
    return s, "temperature", solve(k, np.zeros(s.basis.N), x, held)


def elastic(s, lam, mu):
    form = lambda u, v, w: lam * trace(sym_grad(u)) * trace(sym_grad(v)) + 2 * mu * ddot(sym_grad(u), sym_grad(v))
    return skfem.BilinearForm(form).assemble(s.basis)


def elastic_plate(femur):
    s = Solved(femur, HERE / "elastic-plate.toml", 2)
    e, nu = 70.0, 0.3
    right = s.facets(lambda x: x[0] > 48 - 1e-9)
    f = skfem.LinearForm(lambda v, w: 0.5 * v[0] + 6.25 * v[1]).assemble(right)
    k = elastic(s, e * nu / (1 - nu**2), e / 2 / (1 + nu))
    return s, "displacement", solve(k, f, np.zeros(s.basis.N), s.held(lambda x: x[0] < 1e-9))


def elastic_block(femur):
    s = Solved(femur, HERE / "elastic-block.toml", 3)
    e, nu = 2000.0, 0.35
    top = s.facets(lambda x: x[1] > 10 - 1e-9)
    f = skfem.LinearForm(lambda v, w: 1e-3 * v[1] - 2e-3 * v[2]).assemble(s.basis)
    f += skfem.LinearForm(lambda v, w: -0.2 * dot(w.n, v)).assemble(top)
    k = elastic(s, e * nu / (1 + nu) / (1 - 2 * nu), e / 2 / (1 + nu))
    return s, "displacement", solve(k, f, np.zeros(s.basis.N), s.held(lambda x: x[0] < 1e-9))


def hyperelastic(femur, name, intorder):
    """P(F) = mu (F - F^-T) + lambda ln J F^-T, by full Newton steps from the undeformed body with the supports moved in five parts."""
    s = Solved(femur, HERE / name, 3, intorder)
    e, nu = 10.0, 0.3
    mu, lam = e / 2 / (1 + nu), e * nu / (1 + nu) / (1 - 2 * nu)
    front = s.facets(lambda x: x[2] > 1 - 1e-9)
    f = skfem.LinearForm(lambda v, w: 0.3 * v[2]).assemble(front)
    left, right = s.held(lambda x: x[0] < 1e-9), s.held(lambda x: x[0] > 2 - 1e-9)

    def kinematics(w):
        deformation = grad(w["u"]) + eye(1 + 0 * w.x[0], 3)
        return deformation, np.moveaxis(np.linalg.inv(np.moveaxis(deformation, (0, 1), (-2, -1))), (-2, -1), (0, 1))

    def force(v, w):
        deformation, inverse = kinematics(w)
        ln = np.log(np.linalg.det(np.moveaxis(deformation, (0, 1), (-2, -1))))
        return ddot(mu * deformation + (lam * ln - mu) * transpose(inverse), grad(v))

    def tangent(u, v, w):
        deformation, inverse = kinematics(w)
        ln = np.log(np.linalg.det(np.moveaxis(deformation, (0, 1), (-2, -1))))
        back = transpose(mul(inverse, mul(grad(u), inverse)))
        change = mu * grad(u) + (mu - lam * ln) * back + lam * trace(mul(inverse, grad(u))) * transpose(inverse)
        return ddot(change, grad(v))

    x = np.zeros(s.basis.N)
    held = np.concatenate([left, right])
    for part in np.linspace(0.2, 1.0, 5):
        target = np.zeros(s.basis.N)
        target[right] = part * np.array([0.6, 0.4, 0.0])[s.component[right]]
        for _ in range(30):
            at = {"u": s.basis.interpolate(x)}
            rest = part * f - skfem.LinearForm(force).assemble(s.basis, **at)
            step = solve(skfem.BilinearForm(tangent).assemble(s.basis, **at), rest, target - x, held)
            x = x + step
            if np.abs(step).max() < 1e-11:
                break
    return s, "displacement", x


def hyperelastic_block(femur):
    return hyperelastic(femur, "hyperelastic-block.toml", 2)


def hyperelastic_hex(femur):
    return hyperelastic(femur, "hyperelastic-hex.toml", 3)


CASES = {"heat-block": heat_block, "nafems-t4": heat_t4, "elastic-plate": elastic_plate, "elastic-block": elastic_block,
         "hyperelastic-block": hyperelastic_block, "hyperelastic-hex": hyperelastic_hex}


def main():
    femur, names = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:] or list(CASES)
    worst = 0.0
    print("| case | element | unknowns | largest difference of nodal values / largest value | agrees |\n|---|---|---|---|---|")
    for name in names:
        s, field, x = CASES[name](femur)
        difference = s.difference(field, x)
        worst = max(worst, difference)
        print(f"| {name} | {s.kind} | {s.basis.N} | {difference:.1e} | {'yes' if difference <= TOLERANCE else 'NO'} |", flush=True)
    sys.exit(int(worst > TOLERANCE))


if __name__ == "__main__":
    main()
