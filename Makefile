# One line per target, each calling the tool that does the work. `make` alone lists them.

PYTHON ?= python3
PORT ?= 8000
WORKERS ?= auto
BIN := .venv/bin

# uv is quicker where it is at hand; plain pip does the same from the same locks.
INSTALL := $(if $(shell command -v uv),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)
UV ?= $(or $(wildcard $(BIN)/uv),uv)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

# A home that is missing or read-only holds no cache, and none is needed.
ifneq ($(shell test -n "$$HOME" && test -w "$$HOME" && echo writable),writable)
export PIP_NO_CACHE_DIR := 1
export UV_NO_CACHE := 1
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup dev run demo test test-fast slow check fmt fmt-check lint types layers docs docs-check schema migrate migration initial bench faults lock image clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ── the environment: stamps, so that each lock is installed once and again when it changes ──

$(BIN)/pip:
	$(PYTHON) -m venv .venv

.venv/stamp-runtime: requirements.lock pyproject.toml | $(BIN)/pip
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/stamp-dev: requirements-dev.lock .venv/stamp-runtime
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

setup: .venv/stamp-runtime ## the environment alone; .venv/bin/muster is the command
dev: .venv/stamp-dev ## the environment with everything the checks need

# ── the service ──

run: setup ## migrate, load and check the plan, and serve on 127.0.0.1 (PORT=8000)
	$(BIN)/muster serve --host 127.0.0.1 --port $(PORT)

demo: setup ## an incident from a webhook to a published review, told in the terminal
	$(BIN)/muster demo

migrate: setup ## bring the database to the newest revision
	$(BIN)/muster migrate

# ── the checks ──

test: dev ## the whole test suite (WORKERS=0 runs it in one process)
	$(BIN)/pytest -n $(WORKERS)

test-fast: dev ## what needs no database
	$(BIN)/pytest tests/unit

slow: dev ## what takes its time and is not in CI: a Zabbix server (the Debian package zabbix-server-pgsql)
	$(BIN)/pytest -m slow tests

check: fmt-check lint types layers docs-check test ## all that CI checks

fmt: dev ## format, and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

fmt-check: dev ## is everything formatted?
	$(BIN)/ruff format --check --diff --quiet .

lint: dev ## ruff
	$(BIN)/ruff check .

types: dev ## mypy --strict
	$(BIN)/mypy

layers: dev ## the import contract
	$(BIN)/lint-imports

docs-check: setup ## does the generated reference say what the code says?
	$(BIN)/muster docs --check

bench: dev ## one line of JSON per figure, beside the yardstick of the same run
	$(BIN)/python -m bench

faults: dev ## the long fault injection: make faults SEED=1 COUNT=10000 (crash points per database)
	$(BIN)/python -m tests.faults --seed $(or $(SEED),1) --count $(or $(COUNT),10000) --write

# ── what is generated ──

docs: setup ## write the generated reference
	$(BIN)/muster docs

schema: setup ## write the JSON Schema of the plan file
	$(BIN)/muster schema

migration: dev ## a new revision from the tables: make migration m="why"
	$(BIN)/alembic revision --autogenerate -m "$(m)"

initial: dev ## write the first revision again from the tables; until the first release there is only this one
	rm -f migrations/versions/0001_initial.py
	MUSTER_DATABASE_URL=sqlite:///$$(mktemp -d)/empty.db $(BIN)/alembic revision --autogenerate --rev-id 0001 \
		-m "Every table of the first release." && mv migrations/versions/0001_*.py migrations/versions/0001_initial.py
	$(BIN)/ruff check --fix-only --quiet migrations && $(BIN)/ruff format --quiet migrations

lock: ## resolve requirements*.in again into the two locks (needs uv)
	$(COMPILE) requirements.in --output-file requirements.lock
	$(COMPILE) requirements-dev.in --output-file requirements-dev.lock

image: ## build the container image
	docker build --tag muster .

clean: ## remove what was built; the data stays
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
