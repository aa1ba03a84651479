# SPDX-License-Identifier: Apache-2.0
# What one types in a clone of yuren. Works with GNU make 3.81 and later.
#
# Everything lives in .venv; a stamp in it, newer than pyproject.toml, says that the packages
# are installed, so that a second run goes straight to its work.

VENV   ?= .venv
PYTHON ?=
ARGS   ?=

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DEV       := $(VENV)/.installed-dev
PIP       := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup chat starter test test-slow check format bench clean

help:
	@echo 'make chat        install, fetch the starter model, open the chat (ARGS="--image cat.png")'
	@echo 'make setup       install everything for development into $(VENV)'
	@echo 'make test        run the tests (ARGS="-k words")'
	@echo 'make test-slow   run the slow tests; needs the starter model'
	@echo 'make check       formatting, lint, strict types, import contracts'
	@echo 'make format      put the formatting right'
	@echo 'make bench       run the benchmarks'
	@echo 'make clean       delete $(VENV) and caches (chats and models stay)'
	@echo 'PYTHON=...       the Python to use, 3.11 to 3.13'

setup: $(DEV)

chat: $(INSTALLED)
	@$(BIN)/python -m yuren_core.starter
	@exec $(BIN)/yuren-chat $(ARGS)

starter: $(INSTALLED)
	@$(BIN)/python -m yuren_core.starter

test: $(DEV)
	@$(BIN)/python -m yuren_core.starter || echo 'The tests of the starter model are skipped.'
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(DEV) starter
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV) starter
	@for benchmark in benchmarks/*.py; do \
	    echo "$$benchmark"; $(BIN)/python "$$benchmark" $(ARGS) || exit 1; \
	done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find yuren_core yuren_tui yuren_train tests benchmarks -name __pycache__ -type d -prune \
	    -exec rm -rf {} +

# ---------------------------------------------------------------- installing

$(INSTALLED): pyproject.toml | $(BIN)/python
	@echo 'Installing yuren into $(VENV); the first time takes some minutes.'
	$(PIP) install -e .
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	@echo 'Installing yuren for development into $(VENV); the first time takes some minutes.'
	$(PIP) install -e '.[dev]'
	@touch $(INSTALLED) $@

# The first Python that fits, or the one that PYTHON names. One that exists only as a launcher
# of a version manager fails the same test as one that is too old.
$(BIN)/python:
	@for python in $(if $(PYTHON),'$(PYTHON)',python3 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	        2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo 'Error: no Python 3.11, 3.12 or 3.13 $(if $(PYTHON),in PYTHON=$(PYTHON),found).' >&2; \
	    echo 'Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)' >&2; \
	    exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
	    echo "Error: $$found has no venv module." >&2; \
	    echo 'Install it (Debian, Ubuntu: apt install python3-venv) and try again.' >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	"$$found" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
