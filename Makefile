# Two commands do everything on a fresh machine, each in a virtual environment of its own:
#   make demo   the small install (no torch), a few predictions and a page to look at
#   make test   everything: lint, types, unit, property and end-to-end tests
PYTHON ?= python3
PIP_FLAGS = --quiet --disable-pip-version-check -c constraints.txt
# Data to check the shipped figures on, where they are; tests that want them say so and skip elsewhere.
MIEN_DATA ?= $(wildcard $(CURDIR)/../shared/data)
ifneq ($(MIEN_DATA),)
export MIEN_DATA
endif

.PHONY: demo test lint clean

demo: .venv-demo/installed
	.venv-demo/bin/mien demo --out demo

test: .venv/installed lint
	.venv/bin/python -m pytest

lint: .venv/installed
	.venv/bin/ruff check src tests benchmarks examples docs
	.venv/bin/mypy

.venv-demo/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-demo
	.venv-demo/bin/pip install $(PIP_FLAGS) -e .
	touch $@

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-demo demo .pytest_cache .mypy_cache .ruff_cache
