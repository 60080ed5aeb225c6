# One command each does everything on a fresh machine, in a virtual environment of its own:
#   make demo   the small install (no torch), a few predictions and a page to look at
#   make serve  the API and its page at http://127.0.0.1:8000; make serve OPTIONS="--port 9000" for another place
#   make test   everything: lint, types, unit, property and end-to-end tests, in WORKERS (2) processes, and the coverage
#   make docs   what the documentation shows of outputs, made by the commands anew; make docs CHECK=1 only says what differs
#   make ray-test   prediction and serving on a Ray cluster of three nodes on this machine, in an environment of its own
#   make sbom   what is installed for mien, as a CycloneDX document: sbom.json
#   make dist   wheels and source package in dist/, checked, installed in a fresh environment and tried; prints its size
#   make fuzz   hostile inputs of all kinds, for MINUTES (10); SEED and KINDS repeat a run: make fuzz SEED=7 KINDS="tables clips"
PYTHON ?= python3
PIP_FLAGS = --quiet --disable-pip-version-check -c constraints.txt
# Data to check the shipped figures on, where they are; tests that want them say so and skip elsewhere.
MIEN_DATA ?= $(wildcard $(CURDIR)/../shared/data)
ifneq ($(MIEN_DATA),)
export MIEN_DATA
endif

MINUTES ?= 10
WORKERS ?= 2

.PHONY: demo serve test ray-test lint docs sbom dist fuzz clean

demo: .venv-demo/installed
	.venv-demo/bin/mien demo --out demo

serve: .venv-serve/installed
	.venv-serve/bin/mien serve $(OPTIONS)

test: .venv/installed lint
	OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term

ray-test: .venv-ray/installed
	OMP_NUM_THREADS=1 .venv-ray/bin/python -m pytest tests/cluster

lint: .venv/installed
	.venv/bin/ruff check src tests benchmarks examples docs tools landmarks
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python tools/check_size.py
	.venv/bin/python tools/installed.py licences

docs: .venv/installed
	.venv/bin/python tools/docs.py $(if $(CHECK),--check)
	$(if $(CHECK),,.venv/bin/python tools/pictures.py)

sbom: .venv/installed
	.venv/bin/python tools/installed.py sbom > sbom.json

dist:
	rm -rf dist .venv-build .venv-dist
	$(PYTHON) -m venv .venv-build
	.venv-build/bin/pip install --quiet --disable-pip-version-check build twine
	.venv-build/bin/python -m build --outdir dist .
	.venv-build/bin/python -m build --wheel --outdir dist weights
	.venv-build/bin/python -m build --wheel --outdir dist multilingual
	.venv-build/bin/python -m build --wheel --outdir dist landmarks
	.venv-build/bin/twine check --strict dist/*
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/pip install $(PIP_FLAGS) dist/mien-*.whl
	.venv-dist/bin/python tools/try_wheel.py

fuzz: .venv/installed
	PYTHONPATH=tests .venv/bin/python -m fuzz --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(if $(KINDS),--kinds "$(KINDS)")

.venv-demo/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install $(PIP_FLAGS) -e .
	touch $@

.venv-serve/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-serve
	.venv-serve/bin/pip install $(PIP_FLAGS) -e '.[serve]'
	touch $@

.venv-ray/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install $(PIP_FLAGS) -e '.[serve,scale]' 'pytest>=8'
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-demo .venv-serve .venv-ray .venv-build .venv-dist dist demo findings sbom.json .pytest_cache .mypy_cache .ruff_cache
