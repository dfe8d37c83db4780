"""PETSc's conjugate gradients with gamg."""

from amg_petsc import main

main("gamg")
