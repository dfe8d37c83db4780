#!/usr/bin/env bash
# Installs the peers of femur-bench. Usage: benchmarks/peers/setup.sh pip|all
# pip: environments of Python in this folder. all: those, and packages of the Debian archive (root or sudo).
set -euo pipefail
cd "$(dirname "$0")"

environment() { # NAME PACKAGE...
    local name=".venv-$1"
    shift
    [ -e "$name/ready" ] && return
    echo "peers: $name: $*" >&2
    if python3 -m venv "$name" && "$name/bin/pip" install -q --disable-pip-version-check --only-binary :all: "$@"; then
        touch "$name/ready"
    else
        echo "peers: $name could not be made: its rows will be empty" >&2
        rm -rf "$name"
    fi
}

case "${1:-}" in pip | all) ;; *)
    echo "usage: $0 pip|all" >&2
    exit 2
    ;;
esac
command -v python3 >/dev/null || { echo "peers: no python3" >&2; exit 1; }
environment bench numpy scipy scikit-fem meshio h5py gmsh pyamg pypardiso
environment bench-ngsolve ngsolve numpy scipy h5py
environment bench-mfem mfem numpy
environment bench-torch torch numpy

if [ "$1" = all ]; then
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends gcc libc6-dev libsuitesparse-dev \
        libmetis-dev libopenblas0-pthread calculix-ccx time python3-dolfinx python3-petsc4py openmpi-bin libglu1-mesa libxcursor1 libxft2 libxinerama1
fi
