# `make demo` and `make test` work on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FAST := not slow and not ray and not real_data and not gpu
export RAY_USAGE_STATS_ENABLED := 0

.PHONY: help install demo check test tests coverage gpu lint docs clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## make .venv and install everything into it

demo: install  ## search the embedded digits with PPO and at random through Ray, compare, export (about five minutes)
	@echo 'two searches on handwritten digits, with PPO and at random, 24 networks each: about five minutes on two cores'
	@$(BIN)/python -m experiments.demo

check: install lint  ## lint, types and the tests that need no Ray and no training (about two minutes)
	$(BIN)/python -m pytest --quiet -m "$(FAST)" --numprocesses 2 --dist loadgroup

test: install  ## lint, types and all tests, side by side
	@$(MAKE) --no-print-directory --jobs=2 --keep-going lint tests

tests: install
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --durations=15

coverage: install  ## all tests with branch coverage, which takes longer
	$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup --cov --cov-report=term

gpu:  ## the tests and the benchmark of the GPU with $(PYTHON), in at most ten minutes; needs torch, no Ray and no data
	timeout 200 $(PYTHON) -m pytest -m gpu tests/gpu --durations=10
	$(PYTHON) benchmarks/gpu.py --minutes 5 --out runs/gpu

lint: install  ## style, layers and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

docs: install  ## build the documentation site into site/, strictly: no broken link, no missing page
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:  ## remove .venv, caches and the demo's runs
	rm -rf $(VENV) runs/demo build dist site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.*

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python 3.11 or newer is required, got %d.%d; use PYTHON=python3.11" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[dev]"
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # with all cores, which pip does with one; templates of packages fail
	@touch $@
