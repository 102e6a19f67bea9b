# Two commands do everything: `make serve` runs the gateway, `make test` runs all tests.
# Python ≥ 3.11 (with venv) is enough; uv is used where it is there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(shell command -v uv 2>/dev/null)
ATLAS  := packages/gapura-atlas

# All tests together run in several processes.  A file's tests stay together, since they may share a server; a process
# that dies is not replaced, since xdist 3.8 may then hang.
WORKERS  ?= 3
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# What builds the packages is pinned as well; pip takes that from the environment only.
ifdef UV
  MAKE_VENV := uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
  PIP := uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --build-constraint constraints.txt
else
  MAKE_VENV := $(PYTHON) -m venv $(VENV)
  PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
         $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: serve install extras test check lint types clean
serve: install
	@exec $(BIN)/gapura serve $(ARGS)

install: $(VENV)/.installed
# What back-tests, archives, documents in YAML, expressions, .mmdb files and a ledger on Postgres need.
extras: install
	$(PIP) --editable ./$(ATLAS) --editable '.[backtest,cel,mmdb,postgres,yaml]'
test: $(VENV)/.tools
	$(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL))

check: lint types
lint: $(VENV)/.tools
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
types: $(VENV)/.tools
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml constraints.txt $(ATLAS)/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Gapura needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(MAKE_VENV)
	$(PIP) --editable ./$(ATLAS) --editable .
	@touch $@

$(VENV)/.tools: $(VENV)/.installed tests/requirements.txt
	$(PIP) --requirement tests/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
