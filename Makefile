# `make release` and `make test` are all a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Of tests: one more than cores, since many wait for processes.
WORKERS = $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
# Compiled modules are kept, whatever this shell says: a stack is ten processes of large libraries, a test run hundreds.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help release test test-db up up-ha down lint bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

release: $(STAMP) ## Start the embedded cloud and release the backend to it
	@$(BIN)/miyabi up
	@$(BIN)/miyabi release

test: $(STAMP) ## Run the tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-db: $(STAMP) ## Run a PostgreSQL to throw away; its URL is the first line, Ctrl-C ends it
	@exec $(BIN)/python -m localcloud.throwaway

up: $(STAMP) ## Start the embedded cloud, Prefect and a worker
	@$(BIN)/miyabi up

up-ha: $(STAMP) ## The same with two of everything, Redis, and Prefect behind a password
	@$(BIN)/miyabi up --ha

down: $(STAMP) ## Stop them; the data stays under .miyabi/
	@$(BIN)/miyabi down

lint: $(STAMP) ## Format check, lint, types, import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP) ## Measure against the peers, as ratios in one run
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## Remove the virtual environment and all local state
	@-test ! -x $(BIN)/miyabi || $(BIN)/miyabi down
	rm -rf $(VENV) .miyabi

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	   uv venv --quiet --allow-existing --seed --python $(PYTHON) $(VENV) && \
	   uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[local,ha,browser,dev]'; \
	 else \
	   $(PYTHON) -m venv $(VENV) && \
	   $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[local,ha,browser,dev]'; \
	 fi
	@touch $@
