# The two commands of the README, and the few that a developer needs: `make help` lists them.
#
# Everything happens in .venv, which is made on the first call and renewed only when what it was made from changes.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
WORKERS ?= 2
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints/cpu-ci.txt
MADE_FROM := pyproject.toml $(CONSTRAINTS) $(wildcard setup.py neurornn/kernel/native/*)

# The real recordings, where they lie beside the checkout; a path that is set already wins.
ifeq ($(origin NEURORNN_DATA),undefined)
ifneq ($(wildcard ../shared/recordings),)
export NEURORNN_DATA := $(abspath ../shared/recordings)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench notebooks clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed ## train a network, compare it with a real recording, and fit models to a real neuron
	@$(BIN)/neurornn fit rat_linear_track
	@$(BIN)/neurornn fit grasshopper_receptor

test: $(VENV)/installed-dev ## run the quick tests
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow and not gpu" $(PYTEST_ARGS)

lint: $(VENV)/installed-dev ## run every linter: style, types, floors, spelling
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports --no-cache > $(VENV)/floors.txt || { cat $(VENV)/floors.txt; exit 1; }
	@$(BIN)/codespell
	@$(BIN)/toml-sort --check pyproject.toml
	@echo "lint: style, types, floors, spelling and tables are in order"

bench: $(VENV)/installed-dev ## time the library side by side with others
	@$(BIN)/python -m benchmarks --reach
	@$(BIN)/python -m benchmarks --threads 1 --cpu-time --no-memory --json benchmarks/one_thread.json
	@$(BIN)/python -m benchmarks.figure

notebooks: $(VENV)/installed-dev ## execute every notebook
	@OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --nbmake notebooks $(PYTEST_ARGS)

clean: ## remove .venv and everything that can be made again
	@rm -rf $(VENV) build dist report.html *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs. Each leaves a stamp, so that the next call sees that nothing has changed.

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "neurornn needs Python 3.11 or newer and found none." \
		"Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "neurornn needs Python 3.11 or newer;" \
		"$(PYTHON) is $$("$(PYTHON)" --version 2>&1). Name another: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Making $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); echo "This Python cannot make a virtual environment;" \
		"on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(VENV)/installed: $(MADE_FROM) | $(BIN)/python
	@echo "Installing neurornn and what it needs (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e ".[recordings]"
	@touch $@

$(VENV)/installed-dev: $(MADE_FROM) | $(BIN)/python
	@echo "Installing neurornn, what it needs and what its tests need (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e ".[dev,recordings]"
	@touch $(VENV)/installed $@
