# The two commands of the README are `make demo` and `make test`; each does its own set-up.
.PHONY: demo demo-full test bench docs build python peers help
.DEFAULT_GOAL := help

help:
	@echo "make demo        generate, train, roll out, evaluate, export and report two families (about 6 minutes after the build)"
	@echo "make demo-full   the same with a longer training (under an hour)"
	@echo "make test        format check, lints, unit and integration tests, doc tests, docs"
	@echo "make bench       speed beside the peers that are installed (benchmarks/README.md)"
	@echo "make peers       the same meshes and cases solved by scikit-fem, nodal values compared (needs Python)"
	@echo "make docs        the book (docs/) and the API docs into target/doc"

build:
	@.ci/need build
	cargo build --locked -p femur

demo: build
	cargo run --locked -q -p femur -- demo -o demo

demo-full: build
	cargo run --locked -q -p femur -- demo --full -o demo

# A Python environment of the tests' own, with readers that are not ours; without Python its tests say so and pass. onnxruntime by itself:
# it lacks wheels for some Pythons.
python:
	@if command -v python3 >/dev/null 2>&1; then \
	  [ -e .venv/ready ] || { python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check numpy h5py meshio vtk pyvista && touch .venv/ready; } \
	  || echo "femur: no Python environment (python3-venv or the package index is missing): tests of foreign readers will be skipped"; \
	  [ -e .venv/ready-onnx ] || { .venv/bin/python -m pip install -q --disable-pip-version-check --only-binary :all: onnxruntime && touch .venv/ready-onnx; } \
	  || echo "femur: no onnxruntime: its test will be skipped"; \
	else echo "femur: no python3: tests of foreign readers will be skipped"; fi

test: python
	@.ci/need test
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p femur -p femur-benchmarks --features femur/cuda,femur-benchmarks/cuda -- -D warnings
	cargo test --locked --workspace
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	@.ci/book --check

# With the peers that benchmarks/peers/setup.sh has installed.
bench:
	@.ci/need build
	cargo build --locked --release -p femur -p femur-benchmarks
	target/release/femur-bench all --threads 1 --peers all --table
	target/release/femur-bench all --threads 2 --peers all --table

# scikit-fem in an environment of its own; make test does not need it.
peers: build
	@if ! command -v python3 >/dev/null 2>&1; then echo "SKIPPED: no python3"; exit 0; fi; \
	cd benchmarks/peers && { [ -e .venv/ready ] || { python3 -m venv .venv && .venv/bin/pip install -q --disable-pip-version-check -r requirements.txt && touch .venv/ready; }; } \
	&& .venv/bin/python check.py ../../target/debug/femur

docs:
	@.ci/need build
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
	@.ci/book
