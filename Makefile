# The everyday verbs. Each one does its own set-up on a fresh clone and starts at once the second time.
#
#   make PYTHON=python3.13 test     with that interpreter, in an environment of its own, .venv-python3.13
#   make test PYTEST="-x tests/codec"
#   make bench BENCH="--only commands,gas --quick"

.DEFAULT_GOAL := help
.PHONY: help demo test golden fuzz bench check contracts guest lock install clean

PYTHON ?=
VENV ?= .venv$(if $(PYTHON),-$(notdir $(PYTHON)))
FUZZ_RUNS ?= 100000
FUZZ ?=
PYTEST ?= -n 3 --dist loadfile --no-loadscope-reorder
BENCH ?=

PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
BIN := $(VENV)/bin
# The machine's own certificates where it has them: networks with their own authority work as with pip.
CERTIFICATES := $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt)
UV := $(BIN)/uv --quiet $(if $(CERTIFICATES),--system-certs)
INSTALL := $(UV) pip install --python $(BIN)/python
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

BOOTSTRAP := $(VENV)/.installed-bootstrap
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-development
FUZZER := $(VENV)/.installed-fuzz

help:
	@echo "make demo       run the auction end to end: deploy, sealed bids, a killed worker, a verified receipt"
	@echo "make test       all tests"
	@echo "make fuzz       fuzz every parser and verifier, guided by coverage; FUZZ_RUNS=100000 executions each, FUZZ=\"NAME ...\""
	@echo "make bench      measure this machine; results and plots go to bench/results"
	@echo "make golden     the golden corpus of guest programs under every setting (about 15 minutes)"
	@echo "make check      lint and types"
	@echo "make install    the command $(BIN)/phat, ready to use"
	@echo "make contracts  compile the Vyper contracts into the package"
	@echo "make guest      rebuild the packed CPython guest (needs npm; the result differs from build to build)"
	@echo "make lock       pin the dependencies again after an edit of pyproject.toml"
	@echo "make clean      remove environments and caches"

demo: $(RUNTIME)
	@$(BIN)/phat demo

test: $(DEVELOPMENT)
	@$(BIN)/python -m pytest $(PYTEST)

# What it finds goes to tests/fuzz/corpus, which the tests replay.
fuzz: $(FUZZER)
	@FUZZ_RUNS=$(FUZZ_RUNS) nice -n 10 $(BIN)/python -m tests.fuzz.run --keep $(FUZZ)

bench: $(DEVELOPMENT)
	@$(BIN)/python -m bench $(BENCH)

golden: $(DEVELOPMENT)
	@GOLDEN=all $(BIN)/python -m pytest -v tests/golden

check: $(DEVELOPMENT)
	@$(BIN)/ruff check .
	@$(BIN)/mypy

install: $(RUNTIME)
	@echo "run $(BIN)/phat --help"

contracts: $(DEVELOPMENT)
	@$(BIN)/python contracts/build.py

guest: $(DEVELOPMENT)
	@$(BIN)/python engines/cpython/build.py

lock: $(BOOTSTRAP)
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE) pyproject.toml --group dev --group test-tools --output-file requirements-dev.lock
	@$(COMPILE) --group bootstrap --constraints requirements-dev.lock --output-file requirements-bootstrap.lock
	@$(COMPILE) --group build --output-file requirements-build.lock
	@$(COMPILE) --group fuzz --output-file requirements-fuzz.lock

clean:
	rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find src tests contracts engines examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Only wheels, each by its hash: nothing is compiled, nothing unpinned is fetched, no C compiler is needed.

$(BOOTSTRAP): requirements-bootstrap.lock
	@if [ ! -x $(BIN)/python ]; then \
	    for python in $(PYTHONS); do \
	        if $$python -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	            echo "making $(VENV) with $$($$python --version)"; $$python -m venv $(VENV) || exit 1; break; \
	        fi; \
	    done; \
	fi
	@if [ ! -x $(BIN)/python ]; then \
	    echo "No Python 3.11, 3.12 or 3.13 with its venv module among: $(PYTHONS)."; \
	    echo "Install one (on Debian and Ubuntu also python3-venv), or name it: make PYTHON=/path/to/python3.11"; \
	    exit 1; \
	fi >&2
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r $<
	@touch $@

$(RUNTIME): $(BOOTSTRAP) requirements.lock pyproject.toml
	@$(INSTALL) --only-binary :all: --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@$(INSTALL) --only-binary :all: --require-hashes -r requirements-dev.lock
	@touch $@

$(FUZZER): $(DEVELOPMENT) requirements-fuzz.lock
	@$(INSTALL) --only-binary :all: --require-hashes -r requirements-fuzz.lock
	@touch $@
