# make run   start the demo bank        make test   run the tests
# make check what CI runs               make bench  ratios against a bare handler
# make faults a thousand seeded runs under faults
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-for-this-pyproject

.PHONY: run test check bench format faults

# python3-venv or a newer pip may be missing on a bare machine: what is needed is said, not guessed.
$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Huiyin needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable '.[all]'
	touch $@

$(VENV)/.tools: $(STAMP) pyproject.toml
	$(BIN)/pip install --quiet --group dev
	touch $@

run: $(STAMP)
	$(BIN)/huiyin serve --demo --data ./data

test: $(VENV)/.tools
	bash .ci/install-browser.sh
	bash .ci/install-clamd.sh
	bash .ci/install-fault-tools.sh
	$(BIN)/pytest

check: $(VENV)/.tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(MAKE) test

format: $(VENV)/.tools
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.tools
	bash .ci/install-wrk.sh
	$(BIN)/python -m benchmarks

# The long form of the fault tests: a thousand seeded runs, and a table. FAULTS="--only killed --runs 100" chooses.
faults: $(VENV)/.tools
	bash .ci/install-fault-tools.sh
	$(BIN)/python -m tests.faults $(FAULTS)
