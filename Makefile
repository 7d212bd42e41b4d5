# Needs Python >= 3.11 and make (GNU make 3.81 will do). Every target first brings .venv up to date with the lock file.
#   make up      start everything      make test    run the tests       make lock    resolve the dependencies anew
#   make check   lint and types        make bench   measure the speed   make clean   forget .venv and caches
#   make bench-retrieval     recall and MRR of each step of the search
#   make scenarios     every load scenario in full with three seeds (well over an hour; ARGS="--short --seeds 7": a quarter of one)
#   make notebooks     the .ipynb beside each notebook's .py (where a repository is set in pyproject.toml, with its badge)
#   make screenshots   pictures of the dashboard's pages, for docs/screenshots

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The first that is new enough and can make a venv; `make PYTHON=/path/to/python up` chooses another.
PYTHON :=
PYTHONS := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)
NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
ARGS :=
# A checkout that was moved or copied: what .venv runs is where it was, so it is installed anew.
MOVED := $(shell test ! -f $(INSTALLED) || test "`cat $(INSTALLED)`" = "`pwd`" || rm $(INSTALLED))

.PHONY: help up test check bench bench-retrieval scenarios notebooks screenshots lock clean

help:
	@sed -n 's/^#   //p' Makefile

up: $(INSTALLED)
	@$(BIN)/python -m gauntlet up $(ARGS)

test: $(INSTALLED)
	@$(BIN)/python -m pytest -n 3 $(ARGS)

check: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --num-workers 2

bench: $(INSTALLED)
	@$(BIN)/python -m loadtests.bench $(ARGS)

bench-retrieval: $(INSTALLED)
	@$(BIN)/python -m loadtests.bench.retrieval.quality $(ARGS)

scenarios: $(INSTALLED)
	@$(BIN)/python -m gauntlet scenarios $(ARGS)

notebooks: $(INSTALLED)
	@$(BIN)/python -m notebooks.pairing

screenshots: $(INSTALLED)
	@$(BIN)/python -m tests.dashboard.screenshots $(ARGS)

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv (python3 -m pip install uv)" >&2; exit 1; }
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# An interrupted run leaves no stamp, so the next one goes on; pip keeps what is already there. A Python that is gone
# (an upgrade of the system) makes $(BIN)/python a dangling link, which make takes for missing.
$(INSTALLED): requirements.lock pyproject.toml $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@rm -f $(VENV)/.locked
	@echo "[2/3] packages of requirements.lock"
	@tty=0; if test -t 1; then tty=1; fi; all=`grep -c '^[a-z].*==' requirements.lock`; \
	{ $(PIP) install --require-hashes -r requirements.lock && touch $(VENV)/.locked; } | \
	  awk -v tty=$$tty -v all=$$all \
	    '/^Collecting/ && tty { printf "\r      %d of %d", ++n, all; fflush() } END { if (n) print "" }'
	@rm $(VENV)/.locked 2>/dev/null || { echo "pip could not install them, see above; run it again" >&2; exit 1; }
	@echo "[3/3] gauntlet itself"
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@pwd > $@

$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if "$$python" -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    echo "[1/3] $(VENV) with `$$python --version` ($$python)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	  fi; \
	done; \
	echo "No Python >= 3.11 with venv found among: $(PYTHONS)." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.13)," >&2; \
	echo "or name it: make PYTHON=/path/to/python3 up" >&2; \
	exit 1
