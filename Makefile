# Two commands on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: help install demo test lint clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## make .venv and install everything into it

demo: install  ## search the embedded digits with PPO and at random through Ray, compare, export (about ten minutes)
	$(BIN)/python -m experiments.demo

test: install lint  ## lint, types and all tests with branch coverage
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --cov --cov-report=term --durations=15

lint: install  ## style, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

clean:  ## remove .venv, caches and the demo's runs
	rm -rf $(VENV) runs/demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python 3.11 or newer must be used, got %d.%d; say PYTHON=python3.11" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@
