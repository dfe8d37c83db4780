"""PETSc's conjugate gradients with hypre."""

from amg_petsc import main

main("hypre")
