# make demo and make test set up everything they need: a virtual environment in .venv, from constraints.txt.

PYTHON ?= python3
VENV ?= .venv
ENGINES ?= .venv-engines
BIN := $(abspath $(VENV))/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# On 64-bit Linux the ordinary index serves torch with CUDA, several gigabytes. `make demo TORCH_INDEX=URL` asks that
# index for torch alone first, as the "Get started" page of PyTorch names one for CPU; if it has none, pip goes on without.
TORCH_INDEX ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types imports pytest engines test-engines test-clients conformance soak mutants digits adversary functions bench cuda cuda-wheels clean

help: ## show what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/	/'

setup: $(VENV)/.ready ## make the virtual environment

define check_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "linedge needs Python 3.11 or later; name one with: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "this Python has no venv module. Run: sudo apt install python3-venv" >&2; exit 1; }
endef

$(VENV)/.ready: pyproject.toml constraints.txt Makefile
	$(check_python)
	$(PYTHON) -m venv $(VENV)
	@test -z "$(TORCH_INDEX)" || $(PIP) install --quiet --retries 0 --index-url "$(TORCH_INDEX)" -c constraints.txt torch || \
		echo "$(TORCH_INDEX) has no such torch; asking the ordinary index" >&2
	$(PIP) install --quiet -c constraints.txt torch
	$(PIP) install --quiet -c constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.bench: $(VENV)/.ready
	$(PIP) install --quiet -c constraints.txt --editable '.[bench]'
	@touch $@

$(VENV)/.engines: $(VENV)/.ready
	$(PIP) install --quiet -c constraints.txt --editable '.[engines]'
	@touch $@

$(ENGINES)/.ready: pyproject.toml tests/engines/distributed/requirements.txt
	$(check_python)
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip --disable-pip-version-check install --quiet \
		--requirement tests/engines/distributed/requirements.txt --editable '.[train,export]'
	@touch $@

demo: setup ## the three commands, then the same on a table of ozone monitors
	@PATH="$(BIN):$$PATH" sh examples/demo.sh build/demo

test: lint types imports pytest ## everything that must hold

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: setup
	$(BIN)/mypy

imports: setup
	$(BIN)/lint-imports --no-logo

pytest: setup
	$(BIN)/python -m pytest --numprocesses auto

engines: $(VENV)/.engines ## install every engine of docs/engines.md that can be had, hold its rows, and print what was seen
	@sh tests/engines/install.sh $(BIN)/python build/engines
	LINEDGE_ENGINES=1 $(BIN)/python -m pytest -m engines --numprocesses auto --dist loadfile tests/engines
	@LINEDGE_ENGINES=1 $(BIN)/python -m tests.engines

test-engines: $(ENGINES)/.ready ## run the tests of Ray, Spark, DuckDB and object stores, in an environment of their own (2 GB)
	$(ENGINES)/bin/python -m pytest -m engines tests/engines/distributed

test-clients: setup ## run tritonclient and KServe's client, in environments under build/clients, against lr-serve
	$(BIN)/python -m tests.serving.protocol.clients build/clients

conformance: setup ## hold lr-serve, MLServer and KServe against the Open Inference Protocol v2, and print what each does
	$(BIN)/python -m tests.serving.conformance

mutants: setup ## change the code in 100 places, one at a time, and print the changes that no test sees (about half an hour)
	$(BIN)/python -m tests.mutants $(MUTANTS)

digits: setup ## hold the certain digits of 5,000 random fits against exact arithmetic (about six minutes)
	$(BIN)/python -W ignore -m tests.trainer.statistics.random_problems 5000

functions: setup ## run every float32 through log, log1p, exp and sqrt, against float64 (about 15 minutes of one core)
	nice $(BIN)/python -m tests.export.program.every_float $(STEP)

adversary: setup ## search 300 random models of functions and products for a row that leaves its bound (an hour and a half)
	$(BIN)/python -m tests.export.adversarial --models 300

soak: setup ## abuse lr-serve, restart it 200 times, replace its model, ask it a million times (about 15 minutes)
	$(BIN)/python -m tests.serving.soak

bench: $(VENV)/.bench ## speed and size, as ratios against peers measured in the same run
	$(BIN)/python -m tests.benchmarks

cuda: ## the tests and figures of a CUDA device, in under 6 minutes, by $(PYTHON) with its own torch: no network, no pip
	@PYTHONPATH=trainer:export:runtime $(PYTHON) -m tests.cuda

cuda-wheels: setup ## what such a machine may lack, in build/cuda-wheels; HAS="scipy pyarrow" leaves out what it has
	@$(BIN)/python -m tests.cuda.wheels $(HAS)

clean:
	rm -rf $(VENV) $(ENGINES) build dist
